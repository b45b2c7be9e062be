"""The way of one request through the fake: route, fault, key, revision, limits, query, body, behaviour, record."""

from __future__ import annotations

import asyncio
import logging
import re
import uuid
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web
from attrs import define, field
from multidict import CIMultiDict

from klaviyo_async.testing import bodies, checks
from klaviyo_async.testing.behaviour import standard
from klaviyo_async.testing.behaviour.registry import BEHAVIOURS
from klaviyo_async.testing.call import Answer, Call
from klaviyo_async.testing.faults import Fault, latency_of
from klaviyo_async.testing.problems import Problem, invalid
from klaviyo_async.testing.recorder import RecordedRequest, Recorder

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
_CONTENT = "application/vnd.api+json"
OAUTH = {
    ("GET", "/oauth/authorize"): "oauth_authorize",
    ("POST", "/oauth/token"): "oauth_token",
    ("POST", "/oauth/revoke"): "oauth_revoke",
}
"""What faults and records call the paths of the OAuth server."""


@define(kw_only=True)
class Exchange:
    """A request on its way, and what is known of its answer."""

    request: web.BaseRequest
    route: Route | None
    name: str | None
    """Name of the operation, where there is one."""
    path: str
    query: str
    arguments: tuple[str, ...]
    content: bytes
    headers: CIMultiDict[str]

    @property
    def target(self) -> str:
        """Path and query as they came."""
        return f"{self.path}?{self.query}" if self.query else self.path


@define(kw_only=True)
class Wire:
    """Answers the requests of one fake."""

    world: World
    faults: Faults
    credentials: Credentials
    oauth: OAuthServer
    limits: RateLimits | None
    deliveries: Deliveries
    weather: random.Random
    latency: Latency
    strict: bool
    recorder: Recorder = field(factory=Recorder)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request from its first byte to its last."""
        path, _, query = request.rel_url.raw_path_qs.partition("?")
        route, arguments, methods = self.world.router.find(request.method, path)
        request_id = str(uuid.UUID(int=self.weather.getrandbits(128), version=4))
        content = await request.read()
        exchange = Exchange(
            request=request,
            route=route,
            name=route.operation.name if route is not None else OAUTH.get((request.method, path)),
            path=path,
            query=query,
            arguments=arguments,
            content=content,
            headers=CIMultiDict({"X-Klaviyo-Req-Id": request_id}),
        )
        fault = self.faults.strike(exchange.name)
        # half of the latency is the way here, half the way back: the limits count in the middle
        latency = latency_of(self.latency, self.weather)
        wait = latency / 2 + (fault.delay if fault is not None else 0.0)
        if wait:
            await asyncio.sleep(wait)
        instead = fault is not None and (fault.status is not None or fault.reset)
        response = None
        if not instead or (fault is not None and fault.processed):
            if path.startswith("/oauth/"):
                response = self._oauth(exchange)
            else:
                response = _response(self._answer(exchange, methods, request_id), exchange.headers)
        if fault is not None and fault.reset:
            self._record(exchange, 0)
            _break(request)
            return web.Response(status=500)
        if response is None or (fault is not None and fault.status is not None):
            response = _faulty(fault or Fault(operation=None), request_id)
        self._record(exchange, response.status)
        self.deliveries.start()
        if latency:
            await asyncio.sleep(latency / 2)
        if fault is not None and fault.truncate is not None:
            return await _truncated(request, response, fault.truncate)
        return response

    def _answer(self, exchange: Exchange, methods: tuple[str, ...], request_id: str) -> Answer:
        """The answer, whatever happens; state is written out before it goes."""
        try:
            return self._act(exchange, _routed(exchange, methods))
        except Problem as problem:
            if problem.status == 401:
                exchange.headers["WWW-Authenticate"] = "Klaviyo-API-Key"
            return Answer(status=problem.status, document=problem.document(request_id), headers=problem.headers)
        except Exception:
            # a bug of the fake: the client gets the shape that it knows, the test's log says what it was
            _LOGGER.exception("FakeKlaviyo could not answer %s %s", exchange.request.method, exchange.target)
            bug = Problem(500, "A server error occurred.", pointer="/data/")
            return Answer(status=500, document=bug.document(request_id))
        finally:
            self.world.store.flush()

    def _act(self, exchange: Exchange, route: Route) -> Answer:
        operation, headers = route.operation, exchange.request.headers
        account = self.credentials.check(operation, headers)
        exchange.headers.update(_revision(headers, self.world.clock.now()))
        if self.limits is not None:
            exchange.headers.update(self.limits.take(account, operation, _split(exchange.query)))
        self.credentials.check_scopes(operation, headers)
        query = checks.check(operation, exchange.query, headers)
        body = None if operation.body is None else self._body(exchange, route)
        self.world.jobs.run(self.world)
        call = Call(
            world=self.world,
            route=route,
            path=exchange.arguments,
            query=query,
            body=body,
            origin=f"{exchange.request.scheme}://{exchange.request.host}",
            target=exchange.target,
        )
        behaviour = BEHAVIOURS.get(operation.name)
        return standard.answer(call) if behaviour is None else behaviour.answer(call)

    def _body(self, exchange: Exchange, route: Route) -> Any:
        content_type = exchange.request.headers.get("Content-Type", "")
        if exchange.content:
            bodies.check_type(route, content_type)
        bodies.check_size(route.operation, len(exchange.content))
        if route.facts.media == "multipart/form-data":
            return bodies.form(content_type, exchange.content)
        return bodies.read(route, self.world.schemas, exchange.content, strict=self.strict)

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

    def _record(self, exchange: Exchange, status: int) -> None:
        self.recorder.add(
            RecordedRequest(
                operation=exchange.name,
                method=exchange.request.method,
                path=exchange.path,
                arguments=exchange.arguments,
                parameters=dict(exchange.request.rel_url.query),
                headers=exchange.request.headers,
                status=status,
                content=exchange.content,
            )
        )


def request_factory(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
    """Requests that may be as large as the API's caps; aiohttp's default is one megabyte."""
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=bodies.LARGEST)


def _routed(exchange: Exchange, methods: tuple[str, ...]) -> Route:
    """The route; Problem where there is none."""
    if exchange.route is not None:
        return exchange.route
    if methods:
        allowed = {"Allow": ", ".join(sorted(methods))}
        raise Problem(405, f'Method "{exchange.request.method}" not allowed.', pointer="/data", headers=allowed)
    raise Problem(404, f"There is no endpoint {exchange.path}.", pointer="/data/")


def _revision(headers: Mapping[str, str], now: datetime) -> dict[str, str]:
    """What the answer says of the request's revision: served as asked for, retired two years after its date.

    Raises:
        Problem: 400 for a missing or malformed one, 410 for a retired one whose client wants no fall-forward.
    """
    given = headers.get("revision")
    if not given:
        raise invalid("The header 'revision' is required, for instance 2026-04-15.", parameter="revision")
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


def _response(answer: Answer, headers: CIMultiDict[str]) -> web.Response:
    headers.update(answer.headers)
    if answer.status == 429:
        # the real one has Retry-After and nothing else about limits
        for name in ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"):
            headers.popall(name, None)
    if answer.document is None:
        return web.Response(status=answer.status, headers=headers)
    headers["Content-Type"] = _CONTENT
    return web.Response(status=answer.status, body=orjson.dumps(answer.document), headers=headers)


def _faulty(fault: Fault, request_id: str) -> web.Response:
    status = fault.status or 500
    headers = CIMultiDict({"X-Klaviyo-Req-Id": request_id, **fault.headers})
    if isinstance(fault.body, str | bytes):
        headers.setdefault("Content-Type", "text/html")
        body = fault.body.encode() if isinstance(fault.body, str) else fault.body
        return web.Response(status=status, body=body, headers=headers)
    headers.setdefault("Content-Type", _CONTENT)
    if status == 429:
        headers.setdefault("Retry-After", "1")
    problem = Problem(status, "This fault was asked for by fake.fail().", pointer="/data")
    document = fault.body if fault.body is not None else problem.document(request_id)
    return web.Response(status=status, body=orjson.dumps(document), headers=headers)


def _break(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.abort()


async def _truncated(request: web.BaseRequest, response: web.Response, size: int) -> web.StreamResponse:
    body = response.body if isinstance(response.body, bytes) else b""
    stream = web.StreamResponse(status=response.status, headers=response.headers)
    stream.content_length = len(body)
    await stream.prepare(request)
    await stream.write(body[:size])
    _break(request)
    return stream
