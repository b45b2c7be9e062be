"""The pytest plugin, as a project that has nothing to do with ours sees it."""

from __future__ import annotations

import asyncio
import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

from klaviyo_async import Klaviyo, RateLimitWait
from klaviyo_async.testing import FakeKlaviyo
from klaviyo_async.testing.plugin import fake_klaviyo, klaviyo

__all__ = ["fake_klaviyo", "klaviyo"]  # the package may not be installed here

pytest_plugins = ["pytester"]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(pytester, monkeypatch):
    """Runs a test file of somebody else's project, with no configuration of its own."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    installed = any(one.name == "klaviyo_async" for one in importlib.metadata.entry_points(group="pytest11"))
    plugins = [] if installed else ["-p", "klaviyo_async.testing.plugin"]

    def run(source, *more):
        pytester.makepyfile(source)
        return pytester.runpytest_subprocess(
            *plugins, "-W", "error", "-W", "ignore::pytest.PytestDeprecationWarning", *more
        )

    return run


def test_fixtures_need_no_configuration(project):
    result = project(
        """
        import pytest

        @pytest.mark.asyncio
        async def test_client(klaviyo, fake_klaviyo):
            await klaviyo.profiles.create_profile(email="a@x.com")
            assert fake_klaviyo.store.count("profile") == 1
            assert (await klaviyo.profiles.get_profiles()).data[0].attributes.email == "a@x.com"

        @pytest.mark.asyncio
        async def test_every_test_has_its_own(klaviyo, fake_klaviyo):
            assert fake_klaviyo.store.count("profile") == 0
            assert fake_klaviyo.requests == []
        """
    )
    result.assert_outcomes(passed=2)


def test_plain_tests_and_other_loops(project):
    result = project(
        """
        import asyncio
        from klaviyo_async import Klaviyo

        def test_plain(fake_klaviyo):
            async def work():
                async with Klaviyo("pk_test", base_url=fake_klaviyo.url) as klaviyo:
                    await klaviyo.lists.create_list(name="VIP")

            asyncio.run(work())
            asyncio.run(work())
            assert [one["attributes"]["name"] for one in fake_klaviyo.store.all("list")] == ["VIP", "VIP"]
            asyncio.run(fake_klaviyo.settle())
        """
    )
    result.assert_outcomes(passed=1)


def test_auto_mode(project):
    result = project(
        """
        async def test_client(klaviyo):
            assert (await klaviyo.accounts.get_accounts()).data[0].attributes.test_account
        """,
        "-o",
        "asyncio_mode=auto",
    )
    result.assert_outcomes(passed=1)


def test_a_missing_extra_says_what_to_install(project, pytester):
    pytester.makeconftest("import sys\nsys.modules['jsonschema_rs'] = None")
    result = project("def test_plain(fake_klaviyo): pass")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*pip install 'klaviyo-async[[]testing]'*"])


def test_the_plugin_is_cheap_to_load():
    code = (
        "import pytest, sys; before = set(sys.modules); import klaviyo_async.testing.plugin; "
        "print(*sorted(name for name in set(sys.modules) - before if not name.startswith('pytest_asyncio')))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    heavy = {
        "aiohttp",
        "orjson",
        "attrs",
        "attr",
        "jsonschema_rs",
        "klaviyo_async.testing.server",
        "klaviyo_async.models",
    }
    assert not heavy & set(loaded.split())


CALLS = 17  # of an operation with 1/s and 15/m: with limits they take over a minute


async def test_the_client_does_not_wait_for_limits_that_the_fake_does_not_have(klaviyo, fake_klaviyo):
    for _ in range(CALLS):
        document = await klaviyo.accounts.get_accounts()
        assert document.http.waited == 0
    assert fake_klaviyo.responses == {200: CALLS}


async def test_nor_does_any_other_client_of_it():
    async with FakeKlaviyo(limits=False) as fake:
        for url in (fake.url, fake.url.replace("127.0.0.1", "localhost")):
            async with asyncio.timeout(10), Klaviyo("pk_test", base_url=url) as klaviyo:
                await asyncio.gather(*(klaviyo.accounts.get_accounts() for _ in range(CALLS)))


async def test_with_limits_it_does():
    async with FakeKlaviyo() as fake, Klaviyo("pk_test", base_url=fake.url, max_wait=0.0) as klaviyo:
        calls = [klaviyo.accounts.get_accounts() for _ in range(CALLS)]
        with pytest.raises(RateLimitWait):
            await asyncio.gather(*calls)
