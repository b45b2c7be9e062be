"""A FastAPI backend with one client for its lifetime, and Klaviyo's errors turned into its own responses.

pip install klaviyo-async fastapi uvicorn
KLAVIYO_API_KEY=pk_… uvicorn --app-dir examples fastapi_app:app
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, FastAPI, Request, status
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from klaviyo_async import APIError, F, Klaviyo, NotFound, RateLimitWait, TransportError
from klaviyo_async.resources import Profile  # noqa: TC001 - FastAPI reads the annotations

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """One client while the application runs. Visitors wait for a limit for five seconds at most."""
    async with Klaviyo(max_wait=5, timeout=10) as klaviyo:
        app.state.klaviyo = klaviyo
        yield


app = FastAPI(lifespan=lifespan)


def get_klaviyo(request: Request) -> Klaviyo:
    """The client; tests override this dependency."""
    klaviyo: Klaviyo = request.app.state.klaviyo
    return klaviyo


Client = Annotated[Klaviyo, Depends(get_klaviyo)]


class Signup(BaseModel):
    """What the sign-up form sends."""

    email: str
    first_name: str | None = None


@app.post("/signup", status_code=status.HTTP_201_CREATED)
async def signup(form: Signup, klaviyo: Client) -> dict[str, str]:
    """Create or update the profile, and record that somebody signed up."""
    profile = await klaviyo.profiles.create_or_update_profile(email=form.email, first_name=form.first_name)
    await klaviyo.events.create_event(
        metric={"name": "Signed Up"}, profile={"email": form.email}, properties={"form": "footer"}, unique_id=form.email
    )
    return {"id": profile.data.id}


@app.get("/profiles/{id}")
async def read_profile(id: str, klaviyo: Client) -> Profile:
    """A profile from Klaviyo: models are return types like any other."""
    return (await klaviyo.profiles.get_profile(id)).data


@app.get("/profiles")
async def find_profiles(email: str, klaviyo: Client) -> list[Profile]:
    """The profiles with this address: one or none."""
    return await klaviyo.profiles.get_profiles(filter=F("email") == email).collect()


@app.exception_handler(NotFound)
async def not_found(request: Request, error: NotFound) -> JSONResponse:
    """404, without Klaviyo's error text."""
    return JSONResponse({"detail": "There is no such profile."}, status_code=404)


@app.exception_handler(RateLimitWait)
async def busy(request: Request, error: RateLimitWait) -> JSONResponse:
    """503 with the number of seconds until the limit allows another call."""
    return JSONResponse(
        {"detail": "Try again later."}, status_code=503, headers={"Retry-After": str(int(error.seconds) + 1)}
    )


@app.exception_handler(APIError)
@app.exception_handler(TransportError)
async def upstream(request: Request, error: APIError | TransportError) -> JSONResponse:
    """502 for any other Klaviyo error; the log has the details."""
    return JSONResponse({"detail": "Klaviyo could not be asked."}, status_code=502)
