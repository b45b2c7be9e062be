"""`FakeKlaviyo`, the fake as tests use it."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web

from klaviyo_async.errors import ConfigurationError
from klaviyo_async.limiter import _unlimited
from klaviyo_async.operation_table import operations as shipped
from klaviyo_async.testing import checks, faults, render, schemas
from klaviyo_async.testing.behaviour import bulk, standard
from klaviyo_async.testing.call import Call
from klaviyo_async.testing.clock import Clock
from klaviyo_async.testing.credentials import Credentials
from klaviyo_async.testing.database import Database
from klaviyo_async.testing.jobs import Jobs
from klaviyo_async.testing.kinds import kinds_of
from klaviyo_async.testing.limits import RateLimits
from klaviyo_async.testing.oauth import OAuthServer
from klaviyo_async.testing.routes import Router
from klaviyo_async.testing.seed import furnish, seed
from klaviyo_async.testing.store import Store
from klaviyo_async.testing.webhooks import Deliveries
from klaviyo_async.testing.window.guard import is_loopback
from klaviyo_async.testing.wire import OAUTH, Wire, request_factory
from klaviyo_async.testing.world import World

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterable
    from os import PathLike

    from klaviyo_async.operation import Operation
    from klaviyo_async.testing.behaviour.registry import Coverage
    from klaviyo_async.testing.faults import Fault
    from klaviyo_async.testing.limits import Window
    from klaviyo_async.testing.recorder import RecordedRequest


class FakeKlaviyo:
    """A local Klaviyo, on loopback, in this process.

    ::

        async with FakeKlaviyo() as fake, Klaviyo("pk_test", base_url=fake.url) as klaviyo:
            await klaviyo.profiles.create_profile(email="sarah@example.com")

    ``with FakeKlaviyo() as fake`` runs it in a separate thread, for tests without an event loop or with another one. State can be
    inspected and changed between requests, from any thread.

    - ``host``, ``port``: where it listens; port 0 picks a free one.
    - ``limits``: whether to enforce rate limits like the real server; a number scales every limit. With False,
      clients in this process don't wait either.
    - ``api_keys``: the valid keys, or a mapping of keys to scopes (None: all). By default any ``pk_…`` is valid.
    - ``oauth_clients``: client id → secret; by default any.
    - ``oauth_redirect_uris``: the redirect URIs that ``/oauth/authorize`` accepts; by default any https URL, and http on this
      machine.
    - ``seed``: makes ids, seeded data, phases of the limits and latencies reproducible.
    - ``latency``: seconds that each response takes, half of them before the request counts: a number, a range, or a function of
      a `random.Random`.
    - ``job_seconds``: how long a bulk job takes, a quarter of it in the queue; ``clock.advance`` shortens it.
    - ``database``: a SQLite file to keep the state in; another program's file is refused.
    - ``window``: whether ``url`` serves pages for a browser: requests as they arrive, state, limits, faults, webhooks.
      On loopback only.
    - ``strict``: whether to reject body members that the documents don't declare.
    - ``operations``: the operations to serve, of a package for any revision or of several; by default
      `klaviyo_async.operations`. With several, a request is routed by the revision it asks for, or else to the first that has
      the path; all share the same state.

    Raises `ConfigurationError` if the database can't be used, and on start if the extra ``testing`` is not installed.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        limits: bool | float = True,
        api_keys: Iterable[str] | Mapping[str, Iterable[str] | None] | None = None,
        oauth_clients: Mapping[str, str] | None = None,
        oauth_redirect_uris: Iterable[str] | None = None,
        seed: int = 0,
        latency: faults.Latency = None,
        job_seconds: float = 0.2,
        database: str | PathLike[str] | None = None,
        strict: bool = True,
        window: bool = False,
        operations: Mapping[str, Operation] | Iterable[Mapping[str, Operation]] | None = None,
    ) -> None:
        if window and not is_loopback(host):
            raise ConfigurationError(f"The fake's browser window is for this machine only, and {host} is not loopback.")
        self._host = host
        self._port = port
        self._seed = seed
        self.clock: Clock = Clock()
        """The fake's time; `advance` moves it, `freeze` stops it."""
        chance = random.Random(seed)  # noqa: S311 - it must be reproducible, not secret
        self._faults = faults.Faults()
        self._database = None if database is None else Database(database)
        self.oauth: OAuthServer = OAuthServer(self.clock, oauth_clients, oauth_redirect_uris)
        """The OAuth server: ``issue`` and ``revoke`` tokens."""
        rates = None
        self._origins: frozenset[str] = frozenset()
        if limits:
            scale = 1.0 if limits is True else float(limits)
            rates = RateLimits(self.clock, random.Random(f"phases {seed}"), scale=scale)  # noqa: S311
        served = _served(shipped if operations is None else operations)
        kinds = kinds_of((router, found) for router, found in served.values())
        self.store: Store = Store(self.clock, chance, self._database, kinds=kinds)
        """All state, to inspect and change."""
        jobs: Jobs[World] = Jobs(self.clock, bulk.FAMILIES, seconds=job_seconds)
        noted: list[Callable[[str, str], Any]] = []
        self._worlds = {
            revision: World(
                store=self.store,
                clock=self.clock,
                chance=chance,
                router=router,
                schemas=found,
                jobs=jobs,
                on_event=noted,
                revision=revision,
            )
            for revision, (router, found) in served.items()
        }
        self._world = next(iter(self._worlds.values()))
        self.store.before_reading = self._settle_jobs
        self._deliveries = Deliveries(self._world, self._event_document)
        self._world.on_event.append(self._deliveries.note)
        self._world.jobs.restore(self.store)
        furnish(self._world)
        self._wire = Wire(
            world=self._world,
            worlds=self._worlds,
            faults=self._faults,
            credentials=Credentials(api_keys, self.oauth),
            oauth=self.oauth,
            limits=rates,
            deliveries=self._deliveries,
            weather=random.Random(f"weather {seed}"),  # noqa: S311 - apart, so that latency doesn't change ids
            latency=latency,
            strict=strict,
        )
        if window:
            from klaviyo_async.testing.window.server import Window as Pages  # noqa: PLC0415 - tests need none

            self._wire.window = Pages(self, self._world)
            self._wire.recorder.keeps_answers = True
        self._runner: web.ServerRunner | None = None
        self._url: str | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    # lifecycle

    async def start(self) -> Self:
        """Start listening.

        Raises:
            ConfigurationError: if the extra ``testing`` is not installed.
        """
        schemas.require_library()
        self._loop = asyncio.get_running_loop()
        server = web.Server(self._wire.handle, request_factory=request_factory, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        await site.start()
        port = self._runner.addresses[0][1]
        shown = f"[{self._host}]" if ":" in self._host else self._host
        self._url = f"http://{shown}:{port}"
        if self._wire.limits is None:
            self._origins = frozenset({self._url, f"http://127.0.0.1:{port}", f"http://localhost:{port}"})
            _unlimited.ORIGINS.update(self._origins)
        return self

    async def stop(self) -> None:
        """Stop listening and write the state to the database."""
        _unlimited.ORIGINS.difference_update(self._origins)
        await self._deliveries.close()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._database is not None:
            self._database.close()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def start_thread(self) -> Self:
        """Listen in a separate thread, for code that has no event loop or runs its own.

        Raises:
            ConfigurationError: if the extra ``testing`` is not installed.
        """
        schemas.require_library()
        loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=loop.run_forever, name="FakeKlaviyo", daemon=True)
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self.start(), loop).result()
        except BaseException:
            self._loop = loop
            self.stop_thread()
            raise
        return self

    def stop_thread(self) -> None:
        """Stop the thread that `start_thread` started."""
        loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(self.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
        self._thread = None

    def __enter__(self) -> Self:
        return self.start_thread()

    def __exit__(self, *_: object) -> None:
        self.stop_thread()

    def __repr__(self) -> str:
        return f"<FakeKlaviyo {self._url or 'not started'}: {sum(self.responses.values())} requests>"

    # what tests use

    @property
    def requests(self) -> list[RecordedRequest]:
        """All requests, in the order of their responses (the last hundred thousand)."""
        return self._wire.recorder.requests

    @property
    def responses(self) -> Counter[int]:
        """Status → number of responses."""
        return self._wire.recorder.responses

    @property
    def latency(self) -> faults.Latency:
        """Seconds before each response; can be changed at any time."""
        return self._wire.latency

    @latency.setter
    def latency(self, value: faults.Latency) -> None:
        self._wire.latency = value

    @property
    def url(self) -> str:
        """Where it listens, for ``base_url``.

        Raises:
            RuntimeError: before it is started.
        """
        if self._url is None:
            raise RuntimeError("FakeKlaviyo is not listening yet: use `async with FakeKlaviyo() as fake`")
        return self._url

    @property
    def revision(self) -> str:
        """The revision that it was made from; with several, the first."""
        return self._world.revision

    def fail(
        self,
        operation: str | None = None,
        *,
        times: int | None = 1,
        after: int = 0,
        status: int | None = None,
        body: bytes | str | Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        retry_after: int | None = None,
        reset: bool = False,
        delay: float = 0.0,
        truncate: int | None = None,
        stall: bool = False,
        processed: bool = False,
    ) -> faults.Fault:
        """Plan a fault for the next requests of an operation (None: of any).

        The OAuth server's endpoints are ``oauth_token``, ``oauth_revoke`` and ``oauth_authorize``.

        - ``times``: how many requests it affects (None: all from now on), after ``after`` unaffected ones.
        - ``status``: respond with this status, with ``body``, ``headers``, ``retry_after``; the default body is Klaviyo's error
          format.
        - ``reset``: break the connection without a response.
        - ``delay``: seconds to wait first; on its own, the request is then handled as usual.
        - ``truncate``: send this many bytes of the body, then break the connection.
        - ``stall``: keep the connection open silently, after the bytes of ``truncate`` or before the first one, until
          `clear_faults`.
        - ``processed``: process the request although its response is lost (``status``, ``reset`` and ``stall``).

        Raises:
            ValueError: for an unknown operation, or for a fault that has no effect.
        """
        known = {name for world in self._worlds.values() for name in world.router.routes}
        if operation is not None and operation not in known and operation not in OAUTH.values():
            message = f"there is no operation {operation!r}: see klaviyo_async.operations"
            raise ValueError(message)
        if status is None and not reset and not delay and not stall and truncate is None:
            raise ValueError("this fault has no effect: pass status, reset, delay, stall or truncate")
        extra = dict(headers or {})
        if retry_after is not None:
            extra["Retry-After"] = str(retry_after)
        return self._faults.plan(
            faults.Fault(
                operation=operation,
                times=times,
                after=after,
                status=status,
                body=body,
                headers=extra,
                reset=reset,
                delay=delay,
                truncate=truncate,
                stall=stall,
                processed=processed,
            )
        )

    @property
    def faults(self) -> list[Fault]:
        """The planned faults that can still take effect."""
        return self._faults.planned

    def drop_fault(self, fault: Fault) -> None:
        """Remove a planned fault, and release the requests that it holds back."""
        self._faults.drop(fault)

    def clear_faults(self) -> None:
        """Remove all planned faults, and release the requests that they hold back."""
        self._faults.clear()

    def seed(self, *, profiles: int = 0, lists: int = 0, events: int = 0, items: int = 0) -> None:
        """Add realistic data, the same for the same ``seed`` of the fake: profiles spread over the lists, events of the
        profiles, catalog items with variants."""
        seed(self._world, self._seed, profiles=profiles, lists=lists, events=events, items=items)
        self.store.flush()

    def limits_left(self) -> dict[tuple[str, ...], list[tuple[Window, float]]] | None:
        """Account and operation (or parameter) → each window with the seconds to its next edge; None if limits are off."""
        return None if self._wire.limits is None else self._wire.limits.left()

    def coverage(self) -> dict[str, Coverage]:
        """Operation → how realistic it is: ``stateful``, ``computed`` from state, ``accepted`` without effect, or
        ``example`` from the documents."""
        return {
            name: standard.coverage(world, route)
            for world in reversed(self._worlds.values())
            for name, route in world.router.routes.items()
        }

    def calls(self, operation: str) -> list[RecordedRequest]:
        """The requests of one operation."""
        return [request for request in self.requests if request.operation == operation]

    def finish_jobs(self) -> None:
        """Run every bulk job to completion."""
        self._world.jobs.finish(self._world)
        self.store.flush()

    async def settle(self) -> None:
        """Wait until all webhook deliveries are done; from any event loop."""
        if self._loop is None or self._loop is asyncio.get_running_loop():
            await self._settle()
        else:
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._settle(), self._loop))

    async def _settle(self) -> None:
        self._deliveries.start()
        await self._deliveries.settle()

    def deliver(self) -> None:
        """Send pending webhook deliveries now instead of with the next response; from the fake's own event loop."""
        self._deliveries.start()

    @property
    def deliveries(self) -> list[tuple[str, int | None]]:
        """Webhook id and response status of every delivery attempt (None: no response)."""
        return self._deliveries.log

    def reset(self) -> None:
        """Discard all state, requests, counts and faults; the account and its initial content are created again."""
        self.store.clear()
        furnish(self._world)
        self._wire.recorder.clear()
        self._faults.clear()
        self.store.flush()

    def _settle_jobs(self) -> None:
        self._world.jobs.run(self._world)

    def _event_document(self, id: str) -> dict[str, Any] | None:
        """An event as Get Event returns it, for deliveries."""
        record = self.store.record("event", id)
        world = next((world for world in self._worlds.values() if "get_event" in world.router.routes), None)
        if record is None or world is None:
            return None
        call = Call(
            world=world,
            route=world.router.routes["get_event"],
            path=(id,),
            query=checks.Query(include=("metric", "profile")),
            body=None,
            origin=self._url or "",
            target=f"/api/events/{id}",
        )
        return render.one(call, record)


def _served(
    operations: Mapping[str, Operation] | Iterable[Mapping[str, Operation]],
) -> dict[str, tuple[Router, schemas.Schemas]]:
    """Revision → routes and schemas of its operations, in the order given."""
    tables: Any = (operations,) if isinstance(operations, Mapping) else operations
    by_package: dict[str, dict[str, Operation]] = {}
    for table in tables:
        for name, operation in table.items():
            by_package.setdefault(operation.package, {})[name] = operation
    if not by_package:
        raise ConfigurationError(
            "FakeKlaviyo needs operations: those of a package generated by `python -m codegen generate`."
        )
    served: dict[str, tuple[Router, schemas.Schemas]] = {}
    for package, found in by_package.items():
        loaded = schemas.load(package)
        served.setdefault(loaded.revision, (Router(found, loaded), loaded))
    return served
