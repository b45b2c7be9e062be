"""Cancelling, closing, forgetting to close, and one client in several event loops, threads and processes."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import os
import subprocess
import sys
import textwrap
import threading
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from klaviyo_async import ConfigurationError, ConnectionFailed, Klaviyo, RequestOptions
from tests.http.wire import PROFILE, Recorder
from tests.support.servers import RawServer, Received, reply, until

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]


async def stall(_request: Received, _writer: asyncio.StreamWriter) -> bool:
    await asyncio.sleep(30)
    return True


async def dribble(_request: Received, writer: asyncio.StreamWriter) -> bool:
    for letter in reply(200, PROFILE):
        writer.write(bytes([letter]))
        await asyncio.sleep(0)
    return False


def others() -> set[asyncio.Task[Any]]:
    return asyncio.all_tasks() - {asyncio.current_task()}


def acquired(klaviyo: Klaviyo) -> int:
    session = klaviyo._session.transport.connections.own
    return 0 if session is None or session.connector is None else len(session.connector._acquired)


class TestCancelling:
    async def test_at_every_await_leaves_nothing_behind(
        self, server: RawServer, klaviyo: Klaviyo, recorder: Recorder
    ) -> None:
        """Cancel after 0, 1, 2, … turns of the loop, until the call is faster."""
        server.plan(dribble)
        before = others()
        cancelled = 0
        for turns in range(2000):
            task = asyncio.create_task(klaviyo.profiles.get_profile("01"))
            for _ in range(turns):
                await asyncio.sleep(0)
            if not task.cancel():
                await task
                break
            try:
                await task
            except asyncio.CancelledError:
                cancelled += 1
            assert acquired(klaviyo) == 0
        else:
            pytest.fail("the call never ended")
        assert cancelled > 50
        assert None not in recorder.fates
        assert {"unsent", "lost", 200} <= set(recorder.fates)
        for _ in range(50):
            await asyncio.sleep(0)
        assert not {task for task in others() - before if "RawServer._serve" not in repr(task)}

    async def test_while_waiting_for_the_limiter_and_between_attempts(
        self, server: RawServer, klaviyo: Klaviyo
    ) -> None:
        server.plan(reply(503, Retry_After="30"))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await klaviyo.profiles.get_profile("01")
        assert len(server.requests) == 1

    async def test_the_callers_timeout_stays_the_callers(
        self, server: RawServer, klaviyo: Klaviyo, recorder: Recorder
    ) -> None:
        server.plan(stall)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(klaviyo.profiles.get_profile("01"), 0.1)
        assert recorder.fates == ["lost"]


class TestClosing:
    async def test_ends_calls_under_way_with_a_clear_error(self, server: RawServer, recorder: Recorder) -> None:
        server.plan(stall)
        before = others()
        klaviyo = Klaviyo("pk_x", base_url=server.url, limiter=recorder)
        calls = [asyncio.create_task(klaviyo.profiles.get_profile(str(n))) for n in range(5)]
        await until(lambda: len(server.requests) == 5)
        await klaviyo.close()
        for call in calls:
            assert call.done()
            with pytest.raises(
                ConnectionFailed, match=r"get_profile: the client was closed while the call was in flight"
            ):
                await call
            assert not call.cancelled()
        assert recorder.fates == ["lost"] * 5
        assert not {task for task in others() - before if "RawServer._serve" not in repr(task)}

    async def test_ends_calls_that_wait(self, server: RawServer) -> None:
        class Never(Recorder):
            async def acquire(self, *_: Any, **__: Any) -> Any:
                await asyncio.sleep(60)

        klaviyo = Klaviyo("pk_x", base_url=server.url, limiter=Never())
        call = asyncio.create_task(klaviyo.profiles.get_profile("1"))
        await asyncio.sleep(0)
        await klaviyo.close()
        with pytest.raises(ConnectionFailed, match="closed"):
            await call

    async def test_the_task_of_an_ended_call_goes_on(self, server: RawServer) -> None:
        server.plan(stall)
        klaviyo = Klaviyo("pk_x", base_url=server.url, limiter=False)
        said: list[str] = []

        async def work() -> None:
            try:
                await klaviyo.profiles.get_profile("1")
            except ConnectionFailed as error:
                said.append(str(error))
            await asyncio.sleep(0.01)
            said.append("and on")

        task = asyncio.create_task(work())
        await until(lambda: len(server.requests) == 1)
        await klaviyo.close()
        await task
        assert said[1:] == ["and on"]
        assert task.cancelling() == 0

    async def test_a_cancellation_of_the_callers_wins(self, server: RawServer) -> None:
        server.plan(stall)
        klaviyo = Klaviyo("pk_x", base_url=server.url, limiter=False)
        task = asyncio.create_task(klaviyo.profiles.get_profile("1"))
        await until(lambda: len(server.requests) == 1)
        task.cancel()
        await klaviyo.close()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelling() == 1

    async def test_from_inside_a_call(self, server: RawServer) -> None:
        server.plan(reply(200, PROFILE))

        async def close_first(request: Any, call_next: Callable[..., Any]) -> Any:
            await klaviyo.close()
            return await call_next(request)

        klaviyo = Klaviyo("pk_x", base_url=server.url, limiter=False, middlewares=[close_first])
        await asyncio.wait_for(klaviyo.profiles.get_profile("1"), 2)
        await klaviyo.close()

    async def test_twice_and_calling_afterwards(self, server: RawServer) -> None:
        klaviyo = Klaviyo("pk_x", base_url=server.url)
        await klaviyo.close()
        await klaviyo.aclose()
        assert klaviyo.closed
        with pytest.raises(ConfigurationError, match="This client is closed: create a new Klaviyo"):
            await klaviyo.profiles.get_profile("1")
        with pytest.raises(ConfigurationError, match="closed"):
            async with klaviyo:
                pass

    async def test_closes_the_connections(self, server: RawServer) -> None:
        server.plan(reply(200, PROFILE))
        async with Klaviyo("pk_x", base_url=server.url, limiter=False) as klaviyo:
            await klaviyo.profiles.get_profile("1")
            assert not server.connections[0].closed
        await until(lambda: server.connections[0].closed)


class TestForgettingToClose:
    async def test_in_a_running_loop(self, server: RawServer, caplog: pytest.LogCaptureFixture) -> None:
        server.plan(reply(200, PROFILE))
        complaints = _complaints(asyncio.get_running_loop())
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            klaviyo = Klaviyo("pk_x", base_url=server.url, limiter=False)
            await klaviyo.profiles.get_profile("1")
            del klaviyo
            gc.collect()
            await until(lambda: server.connections[0].closed)
            gc.collect()
        assert complaints == []
        assert caplog.records == []

    @pytest.mark.parametrize(
        "ending",
        ["asyncio.run(main())", "loop = asyncio.new_event_loop(); loop.run_until_complete(main()); loop.close()"],
    )
    @pytest.mark.parametrize("where", ["local", "global"])
    def test_at_the_end_of_the_program(self, ending: str, where: str) -> None:
        with ThreadServer() as server:
            server.plan(reply(200, b"{}"))
            out = _python(f"""
                import asyncio, gc
                from klaviyo_async import Klaviyo

                keep = []
                async def main():
                    klaviyo = Klaviyo("pk_x", base_url={server.url!r}, limiter=False)
                    if {where == "global"}:
                        keep.append(klaviyo)
                    print(await klaviyo.request("GET", "/api/x"))

                {ending}
                gc.collect()
            """)
        assert out == "{}\n"

    async def test_a_session_that_was_never_used(self, server: RawServer) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            Klaviyo("pk_x", base_url=server.url)
            gc.collect()


def _complaints(loop: asyncio.AbstractEventLoop) -> list[Any]:
    complaints: list[Any] = []
    loop.set_exception_handler(lambda _loop, context: complaints.append(context))
    return complaints


def _python(program: str, **environment: str) -> str:
    return subprocess.run(
        [sys.executable, "-W", "default", "-c", textwrap.dedent(program)],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=True,
    ).stdout  # fmt: skip


class ThreadServer:
    """The loopback server in a loop and thread of its own, for tests that have several loops."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.server = RawServer()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.options: dict[str, Any] = {}

    def __enter__(self) -> RawServer:
        self.thread.start()
        asyncio.run_coroutine_threadsafe(self.server.start(**self.options), self.loop).result(5)
        return self.server

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self.server.stop(), self.loop).result(5)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


class TestLoops:
    def test_one_client_in_several_loops_one_after_the_other(self) -> None:
        with ThreadServer() as server:
            server.plan(reply(200, PROFILE))
            klaviyo = Klaviyo("pk_x", base_url=server.url, limiter=False)

            async def work() -> str:
                await klaviyo.profiles.get_profile("1")
                return (await klaviyo.profiles.get_profile("1")).data.id

            for _ in range(3):
                assert asyncio.run(work()) == "01"
            asyncio.run(klaviyo.close())
            assert len(server.connections) == 3
            gc.collect()

    def test_the_end_of_a_loop_closes_its_connections(self) -> None:
        with ThreadServer() as server:
            server.plan(reply(200, PROFILE))
            klaviyo = Klaviyo("pk_x", base_url=server.url, limiter=False)
            asyncio.run(_get(klaviyo))
            deadline = time.monotonic() + 5
            while not server.connections[0].closed and time.monotonic() < deadline:
                time.sleep(0.01)
            assert server.connections[0].closed
            assert not klaviyo.closed

    def test_with_loops_that_end_roughly(self) -> None:
        with ThreadServer() as server, warnings.catch_warnings():
            warnings.simplefilter("error")
            server.plan(reply(200, PROFILE))
            klaviyo = Klaviyo("pk_x", base_url=server.url, limiter=False)
            for _ in range(3):
                loop = asyncio.new_event_loop()
                loop.run_until_complete(klaviyo.profiles.get_profile("1"))
                loop.close()
                gc.collect()
            asyncio.run(klaviyo.close())
            gc.collect()

    @pytest.mark.parametrize("where", ["no loop", "another loop"])
    @pytest.mark.parametrize("closing", [False, True])
    def test_a_client_that_is_collected_with_its_loop_complains_of_nothing(
        self, monkeypatch: pytest.MonkeyPatch, where: str, *, closing: bool
    ) -> None:
        ignored: list[Any] = []
        monkeypatch.setattr(sys, "unraisablehook", lambda what: ignored.append(what.exc_value))

        async def hold() -> None:
            async with Klaviyo("pk_x", base_url=server.url, limiter=False) as klaviyo:
                calls = [asyncio.ensure_future(klaviyo.profiles.get_profile("1")) for _ in range(2)]
                await asyncio.sleep(0.1)
                asyncio.get_running_loop().stop()
                if closing:
                    asyncio.get_running_loop().call_soon(asyncio.get_running_loop().stop)
                    await klaviyo.close()
                await asyncio.gather(*calls)

        async def collect() -> None:
            gc.collect()

        with ThreadServer() as server:
            server.plan(stall)
            loop = asyncio.new_event_loop()
            task = loop.create_task(hold())
            loop.run_forever()
            loop.close()
            del loop, task
            asyncio.run(collect()) if where == "another loop" else gc.collect()
            gc.collect()
        assert [error for error in ignored if not isinstance(error, ResourceWarning)] == []

    def test_the_shared_limiter_goes_with_it(self) -> None:
        with ThreadServer() as server:
            server.plan(reply(200, PROFILE))
            klaviyo = Klaviyo("pk_loops", base_url=server.url)
            for _ in range(3):
                asyncio.run(_get(klaviyo))
            asyncio.run(klaviyo.close())

    def test_a_callers_session_of_another_loop_says_what_to_do(self) -> None:
        async def make() -> aiohttp.ClientSession:
            return aiohttp.ClientSession()

        async def use() -> None:
            recorder = Recorder()
            klaviyo = Klaviyo("pk_x", base_url="http://127.0.0.1:1", session=session, limiter=recorder)
            with pytest.raises(
                ConfigurationError, match="belongs to another event loop: create the session and the client"
            ):
                await klaviyo.profiles.get_profile("1")
            assert recorder.fates == ["unsent"]

        first = asyncio.new_event_loop()
        session = first.run_until_complete(make())
        asyncio.run(use())
        first.run_until_complete(session.close())
        first.close()

    async def test_a_callers_closed_session_says_so(self, recorder: Recorder) -> None:
        async with aiohttp.ClientSession() as session:
            klaviyo = Klaviyo("pk_x", base_url="http://127.0.0.1:1", session=session, limiter=recorder)
        with pytest.raises(ConfigurationError, match="aiohttp session given to the client is closed"):
            await klaviyo.profiles.get_profile("1")
        assert recorder.fates == ["unsent"]

    def test_two_loops_at_the_same_time_say_what_to_do(self) -> None:
        """The connections of one would be taken away from the other, whose calls would fail as if Klaviyo had hung up."""

        async def here() -> None:
            with pytest.raises(
                ConfigurationError, match=r"calls in flight in another event loop.* create one Klaviyo per event loop"
            ):
                await klaviyo.profiles.get_profile("1")

        with ThreadServer() as server:
            answer = threading.Event()

            async def later(_: Any, writer: Any) -> bool:
                while not answer.is_set():  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
                writer.write(reply(200, PROFILE))
                return False

            server.plan(later)
            loop = asyncio.new_event_loop()
            runner = threading.Thread(target=loop.run_forever)
            runner.start()
            klaviyo = Klaviyo("pk_x", base_url=server.url, limiter=False)
            call = asyncio.run_coroutine_threadsafe(_get(klaviyo), loop)
            while not server.requests:
                time.sleep(0.01)
            asyncio.run(here())
            assert len(server.requests) == 1
            answer.set()
            call.result(5)
            # With nothing in flight any more the other loop may have it.
            asyncio.run(_get(klaviyo))
            loop.call_soon_threadsafe(loop.stop)
            runner.join()
            loop.close()
            asyncio.run(klaviyo.close())

    def test_dropped_in_another_thread(self) -> None:
        with ThreadServer() as server, warnings.catch_warnings():
            warnings.simplefilter("error")
            server.plan(reply(200, PROFILE))
            loop = asyncio.new_event_loop()
            runner = threading.Thread(target=loop.run_forever)
            runner.start()
            klaviyo = Klaviyo("pk_x", base_url=server.url, limiter=False)
            asyncio.run_coroutine_threadsafe(_get(klaviyo), loop).result(5)
            del klaviyo
            gc.collect()
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0.05), loop).result(5)
            assert server.connections[0].closed
            loop.call_soon_threadsafe(loop.stop)
            runner.join()
            loop.close()
            gc.collect()

    def test_closed_from_another_loop_ends_calls_there(self) -> None:
        with ThreadServer() as server:
            server.plan(stall)
            loop = asyncio.new_event_loop()
            runner = threading.Thread(target=loop.run_forever)
            runner.start()
            klaviyo = Klaviyo("pk_x", base_url=server.url, limiter=False)
            call = asyncio.run_coroutine_threadsafe(_get(klaviyo), loop)
            while not server.requests:
                time.sleep(0.01)
            asyncio.run(klaviyo.close())
            with pytest.raises(ConnectionFailed, match="closed"):
                call.result(5)
            loop.call_soon_threadsafe(loop.stop)
            runner.join()
            loop.close()


async def _get(klaviyo: Klaviyo) -> Any:
    return await klaviyo.profiles.get_profile("1", options=RequestOptions(max_retries=0))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_opens_connections_of_its_own() -> None:
    with ThreadServer() as server:
        server.plan(reply(200, PROFILE))
        out = _python(f"""
            import asyncio, os, warnings
            from klaviyo_async import Klaviyo, preload

            preload("get_profile")
            klaviyo = Klaviyo("pk_x", base_url={server.url!r}, limiter=False)
            loop = asyncio.new_event_loop()
            first = loop.run_until_complete(klaviyo.profiles.get_profile("1"))
            child = os.fork()
            if child == 0:
                asyncio.run(klaviyo.profiles.get_profile("1"))
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
            # The parent's connection still works.
            loop.run_until_complete(klaviyo.profiles.get_profile("1"))
            loop.run_until_complete(klaviyo.close())
            loop.close()
            print("fine")
        """)
        assert out.strip() == "fine"
        assert len(server.connections) == 2
        assert [len(connection.requests) for connection in server.connections] == [2, 1]


@pytest.mark.parametrize("where", ["wire", "middleware"])
def test_a_suspended_call_closed_from_elsewhere_just_ends(where: str) -> None:
    """A coroutine that is dropped in mid-air gets a GeneratorExit, maybe in another context and without its loop."""

    class Once:
        def __await__(self) -> Any:
            yield

    async def wait(request: Any, call_next: Any) -> Any:
        await Once()
        return await call_next(request)

    async def begin(call: Any, server: Any) -> None:
        step = call.send(None)
        while where == "wire" and not server.requests:
            await asyncio.sleep(0.005)
            if step is None or step.done():
                step = call.send(None)

    with ThreadServer() as server, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server.plan(stall)
        recorder = Recorder()
        klaviyo = Klaviyo(
            "pk_x", base_url=server.url, limiter=recorder, middlewares=[wait] if where == "middleware" else []
        )
        session = klaviyo._session
        call = session.send(session.prepare("get_profile", ("01",)), None)
        loop = asyncio.new_event_loop()
        loop.run_until_complete(begin(call, server))
        contextvars.Context().run(call.close)
        assert recorder.fates == ["lost" if where == "wire" else "unsent"]
        assert len(session.calls) == 0
        loop.run_until_complete(klaviyo.close())
        loop.close()
