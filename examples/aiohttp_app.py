"""An aiohttp.web backend: a cleanup context opens and closes the client with the application.

pip install klaviyo-async
KLAVIYO_API_KEY=pk_… python examples/aiohttp_app.py
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from klaviyo_async import Klaviyo, NotFound

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

KLAVIYO = web.AppKey("klaviyo", Klaviyo)
routes = web.RouteTableDef()


@routes.post("/signup")
async def signup(request: web.Request) -> web.Response:
    """Create or update the profile."""
    form = await request.json()
    profile = await request.app[KLAVIYO].profiles.create_or_update_profile(email=form["email"])
    return web.json_response({"id": profile.data.id}, status=201)


@routes.get("/profiles/{id}")
async def read_profile(request: web.Request) -> web.Response:
    """A profile from Klaviyo."""
    try:
        page = await request.app[KLAVIYO].profiles.get_profile(request.match_info["id"])
    except NotFound:
        raise web.HTTPNotFound from None
    return web.Response(body=page.data.to_json(), content_type="application/json")


def application(**client: Any) -> web.Application:
    """The application, with a client created from these arguments."""

    async def klaviyo_context(app: web.Application) -> AsyncIterator[None]:
        async with Klaviyo(**client) as app[KLAVIYO]:
            yield

    app = web.Application()
    app.add_routes(routes)
    app.cleanup_ctx.append(klaviyo_context)
    return app


if __name__ == "__main__":
    web.run_app(application(max_wait=5), host="127.0.0.1", port=8080)
