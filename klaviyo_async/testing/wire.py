"""How a request goes through the fake: route, fault, key, revision, limits, query, body, behaviour, record."""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from abc import abstractmethod
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, Protocol

import orjson
from aiohttp import web
from attrs import define, field
from multidict import CIMultiDict

from klaviyo_async.headers import JSON_API
from klaviyo_async.operation_table import REVISION
from klaviyo_async.testing import bodies, checks
from klaviyo_async.testing.behaviour import standard
from klaviyo_async.testing.call import Call, Response
from klaviyo_async.testing.faults import Fault, latency_of
from klaviyo_async.testing.problems import Problem, invalid
from klaviyo_async.testing.recorder import CHECKS, Answer, RecordedRequest, Recorder

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping
    from datetime import datetime

    from klaviyo_async.testing.credentials import Credentials
    from klaviyo_async.testing.faults import Faults, Latency
    from klaviyo_async.testing.limits import RateLimits
    from klaviyo_async.testing.oauth import OAuthServer
    from klaviyo_async.testing.routes import Route
    from klaviyo_async.testing.webhooks import Deliveries
    from klaviyo_async.testing.world import World

_LOGGER = logging.getLogger("klaviyo_async.testing")
_REVISION = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])(\.[a-z0-9]+)?")
OAUTH = {
    ("GET", "/oauth/authorize"): "oauth_authorize",
    ("POST", "/oauth/token"): "oauth_token",
    ("POST", "/oauth/revoke"): "oauth_revoke",
}
"""What faults and records call the paths of the OAuth server."""


@define(kw_only=True)
class Exchange:
    """A request on its way, and what is known about its response."""

    request: web.BaseRequest
    world: World
    route: Route | None
    name: str | None
    """Name of the operation, if any."""
    path: str
    query: str
    arguments: tuple[str, ...]
    content: bytes
    headers: CIMultiDict[str]
    began: float
    """`time.perf_counter` when it came."""
    passed: list[str] = field(factory=list)
    refused: bool = False
    fault: bool = False

    @property
    def target(self) -> str:
        """Path and query as they came."""
        return f"{self.path}?{self.query}" if self.query else self.path


class Pages(Protocol):
    """Pages of the fake's own, beside the API."""

    @abstractmethod
    def owns(self, path: str) -> bool:
        """Whether an address is one of them."""

    @abstractmethod
    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Any request to them."""


@define(kw_only=True)
class Wire:
    """Handles the requests of one fake."""

    world: World
    """That of the first revision: for what is the same in all."""
    worlds: Mapping[str, World]
    """Revision → its world, the first one first."""
    faults: Faults
    credentials: Credentials
    oauth: OAuthServer
    limits: RateLimits | None
    deliveries: Deliveries
    weather: random.Random
    latency: Latency
    strict: bool
    recorder: Recorder = field(factory=Recorder)
    window: Pages | None = None
    """The pages about this fake, if it has a window."""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request from its first byte to its last."""
        path, _, query = request.rel_url.raw_path_qs.partition("?")
        if self.window is not None and self.window.owns(path):
            return await self.window.handle(request)
        began = time.perf_counter()
        world, route, arguments, methods = self._find(request, path)
        request_id = str(uuid.UUID(int=self.weather.getrandbits(128), version=4))
        content = await request.read()
        exchange = Exchange(
            request=request,
            world=world,
            route=route,
            name=route.operation.name if route is not None else OAUTH.get((request.method, path)),
            path=path,
            query=query,
            arguments=arguments,
            content=content,
            headers=CIMultiDict(
                {"X-Klaviyo-Req-Id": request_id, "Date": format_datetime(self.world.clock.now(), usegmt=True)}
            ),
            began=began,
        )
        fault = self.faults.strike(exchange.name)
        exchange.fault = fault is not None
        # half of the latency is the way here, half the way back: the limits count in the middle
        latency = latency_of(self.latency, self.weather)
        if latency:
            await asyncio.sleep(latency / 2)
        if fault is not None and fault.delay:
            await fault.hold(fault.delay)
        silent = fault is not None and fault.stall and fault.truncate is None
        instead = fault is not None and (fault.status is not None or fault.reset or silent)
        response = None
        if not instead or (fault is not None and fault.processed):
            if path.startswith("/oauth/"):
                response = self._oauth(exchange)
            else:
                response = _response(self._respond(exchange, methods, request_id), exchange.headers)
        if fault is not None and (fault.reset or silent):
            self._record(exchange, None)
            if silent:
                await fault.hold()
            _break(request)
            return web.Response(status=500)
        if response is None or (fault is not None and fault.status is not None):
            response = _faulty(fault or Fault(operation=None), request_id)
        self._record(exchange, response)
        self.deliveries.start()
        if latency:
            await asyncio.sleep(latency / 2)
        if fault is not None and fault.truncate is not None:
            return await _truncated(request, response, fault)
        return response

    def _find(
        self, request: web.BaseRequest, path: str
    ) -> tuple[World, Route | None, tuple[str, ...], tuple[str, ...]]:
        """World, route, arguments and the path's methods: in the revision that is asked for, or else the first that has the route.

        A revision that isn't here is served as the first one is.
        """
        asked = self.worlds.get(request.headers.get("revision", ""), self.world)
        taken: tuple[str, ...] = ()
        for world in (asked, *self.worlds.values()):
            route, arguments, methods = world.router.find(request.method, path)
            if route is not None:
                return world, route, arguments, methods
            taken = taken or methods
        return asked, None, (), taken

    def _respond(self, exchange: Exchange, methods: tuple[str, ...], request_id: str) -> Response:
        """The response, whatever happens; state is written out before it goes."""
        try:
            return self._act(exchange, _routed(exchange, methods))
        except Problem as problem:
            exchange.refused = len(exchange.passed) < len(CHECKS)
            if problem.status == 401:
                exchange.headers["WWW-Authenticate"] = "Klaviyo-API-Key"
            return Response(status=problem.status, document=problem.document(request_id), headers=problem.headers)
        except Exception:
            # a bug of the fake: the client gets the shape that it knows, the test's log says what it was
            _LOGGER.exception("FakeKlaviyo could not handle %s %s", exchange.request.method, exchange.target)
            bug = Problem(500, "A server error occurred.", pointer="/data/")
            return Response(status=500, document=bug.document(request_id))
        finally:
            self.world.store.flush()

    def _act(self, exchange: Exchange, route: Route) -> Response:
        operation, headers, passed = route.operation, exchange.request.headers, exchange.passed
        passed.append("path")
        account = self.credentials.check(operation, headers)
        passed.append("key")
        exchange.headers.update(_revision(headers, self.world.clock.now()))
        passed.append("revision")
        if self.limits is not None:
            exchange.headers.update(self.limits.take(account, operation, _split(exchange.query)))
        passed.append("limits")
        self.credentials.check_scopes(operation, headers)
        passed.append("scopes")
        query = checks.check(operation, exchange.query, headers)
        passed.append("query")
        body = None if operation.body is None else self._body(exchange, route)
        passed.append("body")
        self.world.jobs.run(self.world)
        call = Call(
            world=exchange.world,
            route=route,
            path=exchange.arguments,
            query=query,
            body=body,
            origin=f"{exchange.request.scheme}://{exchange.request.host}",
            target=exchange.target,
        )
        return standard.respond(call)

    def _body(self, exchange: Exchange, route: Route) -> Any:
        content_type = exchange.request.headers.get("Content-Type", "")
        if exchange.content:
            bodies.check_type(route, content_type)
        if route.facts.media == "multipart/form-data":
            fields = bodies.form(content_type, exchange.content)
            bodies.check_size(route.operation, bodies.file_size(fields))
            return fields
        bodies.check_size(route.operation, len(exchange.content))
        return bodies.read(route, exchange.world.schemas, exchange.content, strict=self.strict)

    def _oauth(self, exchange: Exchange) -> web.Response:
        authorization = exchange.request.headers.get("Authorization")
        result: Any
        if exchange.name == "oauth_authorize":
            status, result = self.oauth.authorize(dict(exchange.request.rel_url.query))
        elif exchange.name == "oauth_token":
            status, result = self.oauth.token(authorization, exchange.content)
        elif exchange.name == "oauth_revoke":
            status, result = self.oauth.revocation(authorization, exchange.content)
        else:
            status, result = 404, {"error": "not_found"}
        if isinstance(result, str):
            return web.Response(status=status, headers={"Location": result})
        return web.Response(status=status, body=orjson.dumps(result), content_type="application/json")

    def _record(self, exchange: Exchange, response: web.Response | None) -> None:
        kept = response is not None and self.recorder.keeps_answers
        self.recorder.add(
            RecordedRequest(
                operation=exchange.name,
                method=exchange.request.method,
                path=exchange.path,
                arguments=exchange.arguments,
                parameters=dict(exchange.request.rel_url.query),
                headers=exchange.request.headers,
                status=0 if response is None else response.status,
                content=exchange.content,
                at=self.world.clock.time(),
                seconds=time.perf_counter() - exchange.began,
                passed=tuple(exchange.passed),
                refused=exchange.refused,
                fault=exchange.fault,
                answer=Answer(response.headers, _content(response)) if kept and response is not None else None,
            )
        )


def request_factory(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
    """Requests that may be as large as the API's caps; aiohttp's default is one megabyte."""
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=bodies.LARGEST)


def _routed(exchange: Exchange, methods: tuple[str, ...]) -> Route:
    """The route. Raises `Problem` if there is none."""
    if exchange.route is not None:
        return exchange.route
    if methods:
        allowed = {"Allow": ", ".join(sorted(methods))}
        raise Problem(405, f'Method "{exchange.request.method}" not allowed.', pointer="/data", headers=allowed)
    raise Problem(404, f"There is no endpoint {exchange.path}.", pointer="/data/")


def _revision(headers: Mapping[str, str], now: datetime) -> dict[str, str]:
    """What the response says about the request's revision: served as asked for, retired two years after its date.

    Raises:
        Problem: 400 for a missing or malformed one, 410 for a retired one whose client wants no fall-forward.
    """
    given = headers.get("revision")
    if not given:
        raise invalid(f"The header 'revision' is required, for instance {REVISION}.", parameter="revision")
    if not _REVISION.fullmatch(given):
        raise invalid(f"'{given}' is not a valid revision: it must be a date, YYYY-MM-DD.", parameter="revision")
    retirement = f"{int(given[:4]) + 2}{given[4:10]}"
    if headers.get("X-Klaviyo-Revision-Fall-Forward-Opt-Out") == "1" and retirement <= now.date().isoformat():
        raise Problem(410, f"The revision {given} was retired on {retirement}.", parameter="revision")
    return {"X-Klaviyo-Api-Revision": given, "X-Klaviyo-Api-Retirement-Date": retirement}


def _split(raw_query: str) -> dict[str, tuple[str, ...]]:
    if not raw_query:
        return {}
    return {name: tuple(value.split(",")) for name, value in checks.pairs(raw_query)}


def _response(given: Response, headers: CIMultiDict[str]) -> web.Response:
    headers.update(given.headers)
    if given.status == 429:
        # the real one has Retry-After and nothing else about limits
        for name in ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"):
            headers.popall(name, None)
    if given.document is None:
        return web.Response(status=given.status, headers=headers)
    headers["Content-Type"] = JSON_API
    return web.Response(status=given.status, body=orjson.dumps(given.document), headers=headers)


def _faulty(fault: Fault, request_id: str) -> web.Response:
    status = fault.status or 500
    headers = CIMultiDict({"X-Klaviyo-Req-Id": request_id, **fault.headers})
    if isinstance(fault.body, str | bytes):
        headers.setdefault("Content-Type", "text/html")
        body = fault.body.encode() if isinstance(fault.body, str) else fault.body
        return web.Response(status=status, body=body, headers=headers)
    headers.setdefault("Content-Type", JSON_API)
    if status == 429:
        headers.setdefault("Retry-After", "1")
    problem = Problem(status, "This fault was asked for by fake.fail().", pointer="/data")
    document = fault.body if fault.body is not None else problem.document(request_id)
    return web.Response(status=status, body=orjson.dumps(document), headers=headers)


def _break(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.abort()


def _content(response: web.Response) -> bytes:
    return response.body if isinstance(response.body, bytes) else b""


async def _truncated(request: web.BaseRequest, response: web.Response, fault: Fault) -> web.StreamResponse:
    body = _content(response)
    stream = web.StreamResponse(status=response.status, headers=response.headers)
    stream.content_length = len(body)
    await stream.prepare(request)
    await stream.write(body[: fault.truncate])
    if fault.stall:
        await fault.hold()
    _break(request)
    return stream
