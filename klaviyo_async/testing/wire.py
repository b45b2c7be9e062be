"""The way of one request through the fake: route, fault, key, revision, limits, query, body, behaviour, record."""

from __future__ import annotations

import asyncio
import logging
import re
import uuid
from collections import Counter
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web
from attrs import define, field, frozen
from multidict import CIMultiDict

from klaviyo_async.testing import bodies, checks
from klaviyo_async.testing.behaviour import standard
from klaviyo_async.testing.behaviour.registry import BEHAVIOURS
from klaviyo_async.testing.call import Answer, Call
from klaviyo_async.testing.faults import latency_of
from klaviyo_async.testing.problems import Problem, invalid

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping
    from datetime import datetime

    from klaviyo_async.testing.credentials import Credentials
    from klaviyo_async.testing.faults import Fault, Faults, Latency
    from klaviyo_async.testing.limits import RateLimits
    from klaviyo_async.testing.oauth import OAuthServer
    from klaviyo_async.testing.routes import Route
    from klaviyo_async.testing.webhooks import Deliveries
    from klaviyo_async.testing.world import World

_LOGGER = logging.getLogger("klaviyo_async.testing")
_REVISION = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])(\.[a-z0-9]+)?")
_CONTENT = "application/vnd.api+json"
_KEPT_REQUESTS = 100_000


@frozen(kw_only=True)
class RecordedRequest:
    """A request that the fake got."""

    operation: str | None
    """Name of the operation; None where the path is none of the API's."""
    method: str
    path: str
    """Raw path, percent-encoded as it came."""
    arguments: tuple[str, ...]
    """Path arguments, decoded."""
    parameters: Mapping[str, str]
    """Query parameters, decoded; of a repeated one the last."""
    body: Any
    """Decoded JSON; the fields of a form; bytes where it is neither; None where there is none."""
    headers: Mapping[str, str]
    """Headers, of any case."""
    status: int
    """Status that was answered; 0 where the connection was broken instead."""


@define(kw_only=True)
class Exchange:
    """A request on its way, and what is known of its answer."""

    request: web.BaseRequest
    route: Route | None
    path: str
    query: str
    arguments: tuple[str, ...]
    content: bytes
    headers: CIMultiDict[str]
    body: Any = None

    @property
    def operation(self) -> str | None:
        """Name of the operation, where there is one."""
        return None if self.route is None else self.route.operation.name

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
    requests: list[RecordedRequest] = field(factory=list)
    answers: Counter[int] = field(factory=Counter)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request from its first byte to its last."""
        path, _, query = request.rel_url.raw_path_qs.partition("?")
        if path.startswith("/oauth/"):
            return await self._oauth(request, path)
        route, arguments, methods = self.world.router.find(request.method, path)
        request_id = str(uuid.UUID(int=self.weather.getrandbits(128), version=4))
        content = await request.read()
        exchange = Exchange(
            request=request,
            route=route,
            path=path,
            query=query,
            arguments=arguments,
            content=content,
            headers=CIMultiDict({"X-Klaviyo-Req-Id": request_id}),
        )
        fault = self.faults.strike(route.operation.name) if route is not None else None
        wait = latency_of(self.latency, self.weather) + (fault.delay if fault is not None else 0.0)
        if wait:
            await asyncio.sleep(wait)
        instead = fault is not None and (fault.status is not None or fault.reset)
        answer = None
        if not instead or (fault is not None and fault.processed):
            answer = self._answer(exchange, methods, request_id)
        if fault is not None and fault.reset:
            self._record(exchange, 0)
            _break(request)
            return web.Response(status=500)
        if fault is not None and (fault.status is not None or answer is None):
            response = _faulty(fault, request_id)
        else:
            response = _response(answer or Answer(status=500), exchange.headers)
        self._record(exchange, response.status)
        self.deliveries.start()
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
        if operation.body is not None:
            exchange.body = self._body(exchange, route)
        self.world.jobs.run(self.world)
        call = Call(
            world=self.world,
            route=route,
            path=exchange.arguments,
            query=query,
            body=exchange.body,
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

    async def _oauth(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        content = await request.read()
        result: Any
        if path == "/oauth/authorize" and request.method == "GET":
            status, result = self.oauth.authorize(dict(request.rel_url.query))
        elif path in {"/oauth/token", "/oauth/revoke"} and request.method == "POST":
            act = self.oauth.token if path == "/oauth/token" else self.oauth.revocation
            status, result = act(request.headers.get("Authorization"), content)
        else:
            status, result = 404, {"error": "not_found"}
        exchange = Exchange(
            request=request, route=None, path=path, query="", arguments=(), content=content, headers=CIMultiDict()
        )
        self._record(exchange, status)
        if isinstance(result, str):
            return web.Response(status=status, headers={"Location": result})
        return web.Response(status=status, body=orjson.dumps(result), content_type="application/json")

    def _record(self, exchange: Exchange, status: int) -> None:
        if len(self.requests) >= _KEPT_REQUESTS:
            del self.requests[: _KEPT_REQUESTS // 10]
        if status:
            self.answers[status] += 1
        request = exchange.request
        self.requests.append(
            RecordedRequest(
                operation=exchange.operation,
                method=request.method,
                path=exchange.path,
                arguments=exchange.arguments,
                parameters=dict(request.rel_url.query),
                body=exchange.body if exchange.body is not None else _guess(exchange.content),
                headers=request.headers,
                status=status,
            )
        )


def _guess(content: bytes) -> Any:
    """A body that wasn't read: JSON where it is."""
    if not content:
        return None
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return content


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
