"""A Django project in one file, with async views that share one client.

    pip install klaviyo-async django uvicorn
    KLAVIYO_API_KEY=pk_… uvicorn --app-dir examples django_app:application

Under ASGI a worker process has one event loop for its whole life, so the client lives at module level. It opens its
connections at its first call; a worker that ends closes them.
"""

from __future__ import annotations

import json
import os
from functools import cache
from typing import TYPE_CHECKING

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpResponse, JsonResponse
from django.urls import path

from klaviyo_async import Klaviyo, NotFound

if TYPE_CHECKING:
    from django.http import HttpRequest

if not settings.configured:
    settings.configure(
        ALLOWED_HOSTS=["localhost", "127.0.0.1", "testserver"],
        ROOT_URLCONF=__name__,
        SECRET_KEY=os.environ.get("DJANGO_SECRET_KEY", "only-for-the-example"),
    )
    django.setup()


@cache
def klaviyo() -> Klaviyo:
    """The process's client, created on first use: after a fork, and not when Django imports the module."""
    return Klaviyo(max_wait=5)


async def signup(request: HttpRequest) -> JsonResponse:
    """Create or update the profile."""
    form = json.loads(request.body)
    profile = await klaviyo().profiles.create_or_update_profile(email=form["email"])
    return JsonResponse({"id": profile.data.id}, status=201)


async def read_profile(request: HttpRequest, profile_id: str) -> HttpResponse:
    """A profile from Klaviyo."""
    try:
        page = await klaviyo().profiles.get_profile(profile_id)
    except NotFound:
        return HttpResponse(status=404)
    return HttpResponse(page.data.to_json(), content_type="application/json")


urlpatterns = [path("signup", signup), path("profiles/<str:profile_id>", read_profile)]
application = get_asgi_application()
