"""The window's own small web server: which page an address is, and how it is sent."""

from __future__ import annotations

import importlib.resources
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, unquote

from aiohttp import web

from klaviyo_async.errors import ConfigurationError
from klaviyo_async.testing.window import pages
from klaviyo_async.testing.window.actions import ACTIONS, Refused
from klaviyo_async.testing.window.guard import HEADERS, refusal

if TYPE_CHECKING:
    from klaviyo_async.testing.server import FakeKlaviyo
    from klaviyo_async.testing.world import World

PREFIX = "/_window"
_LARGEST_FORM = 100_000
_STATIC = {"window.css": "text/css", "window.js": "text/javascript"}


class Window:
    """Pages about one fake.

    Raises `ConfigurationError` where Jinja is not installed, which the extra ``testing`` brings.
    """

    def __init__(self, fake: FakeKlaviyo, world: World) -> None:
        try:
            import jinja2  # noqa: PLC0415 - only a fake with a window needs it
        except ImportError as failure:
            raise ConfigurationError(
                "The fake's browser window needs Jinja, which is not installed: pip install 'klaviyo-async[testing]'"
            ) from failure
        self._fake = fake
        self._world = world
        self._static = importlib.resources.files("klaviyo_async.testing.window").joinpath("static")
        self._environment = jinja2.Environment(
            loader=jinja2.PackageLoader("klaviyo_async.testing.window"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters["segment"] = lambda text: quote(text, safe="")

    def owns(self, path: str) -> bool:
        """Whether an address is one of the window's."""
        return path in {"/", PREFIX, "/favicon.ico"} or path.startswith(f"{PREFIX}/")

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """Any request to the window."""
        reason = refusal(request.method, request.headers.get("Host"), request.headers)
        if reason is not None:
            return self._send(reason, 403, "text/plain")
        path, _, query = request.rel_url.raw_path_qs.partition("?")
        if request.method == "POST":
            return await self._act(request, path.removeprefix(f"{PREFIX}/do/"))
        if request.method not in {"GET", "HEAD"}:
            return self._send("Not allowed.", 405, "text/plain")
        if path == "/favicon.ico":
            return web.Response(status=204, headers=HEADERS)
        if path == "/":
            return self._go("")
        return self._page(
            [unquote(part) for part in path.removeprefix(PREFIX).strip("/").split("/")], dict(parse_qsl(query))
        )

    def _page(self, parts: list[str], query: dict[str, str]) -> web.Response:
        fake = self._fake
        match parts:
            case [""]:
                return self._render("requests", pages.requests(fake, query))
            case ["requests", number]:
                return self._render("request", pages.request(fake, number))
            case ["resources"]:
                return self._render("resources", pages.resources(fake, query, None))
            case ["resources", type]:
                return self._render("resources", pages.resources(fake, query, type))
            case ["resources", type, id]:
                return self._render("resource", pages.resource(fake, type, id))
            case ["limits"]:
                return self._render("limits", pages.limits(fake))
            case ["faults"]:
                return self._render("faults", pages.faults(fake))
            case ["webhooks"]:
                return self._render("webhooks", pages.webhooks(fake))
            case ["static", name] if name in _STATIC:
                return self._send(self._static.joinpath(name).read_text(encoding="utf-8"), 200, _STATIC[name])
            case _:
                return self._render("missing", None)

    async def _act(self, request: web.BaseRequest, name: str) -> web.Response:
        action = ACTIONS.get(name)
        if action is None:
            return self._render("missing", None)
        content = await request.content.read(_LARGEST_FORM)
        form = dict(parse_qsl(content.decode(errors="replace"), keep_blank_values=True))
        try:
            page = action(self._fake, self._world, form)
        except Refused as why:
            return self._render("refused", {"reason": str(why)}, status=400)
        return self._go(page)

    def _go(self, page: str) -> web.Response:
        return web.Response(status=303, headers={**HEADERS, "Location": f"{PREFIX}/{page}"})

    def _render(self, name: str, values: dict[str, Any] | None, *, status: int = 200) -> web.Response:
        if values is None:
            name, values, status = "missing", {}, 404
        template = self._environment.get_template(f"{name}.html")
        fake = self._fake
        text = template.render(
            {
                "page": name,
                "prefix": PREFIX,
                "revision": fake.revision,
                "url": fake.url,
                "planned_faults": len(fake.faults),
                **values,
            }
        )
        return self._send(text, status, "text/html")

    @staticmethod
    def _send(text: str, status: int, content_type: str) -> web.Response:
        return web.Response(text=text, status=status, content_type=content_type, charset="utf-8", headers=HEADERS)
