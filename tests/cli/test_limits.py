"""`klaviyo-async limits`: what is left, asked of Klaviyo or of Redis."""

from __future__ import annotations

from typing import Any

import pytest

from klaviyo_async.testing import FakeKlaviyo
from tests.cli.conftest import Commands, in_process
from tests.limiter.redis_server import RedisServer, needs_server

KEYS = {"KLAVIYO_API_KEY": "pk_test"}


def test_one_request_for_each_operation(run: Commands) -> None:
    with FakeKlaviyo() as fake:
        found = run("limits", "get_profiles", "get_flows", "--json", KLAVIYO_BASE_URL=fake.url).json
        assert sorted(one.operation or "" for one in fake.requests) == ["get_flows", "get_profiles"]
    assert found["source"] == "api"
    profiles = next(one for one in found["buckets"] if one["name"] == "get_profiles")
    burst, steady = profiles["windows"]
    assert (burst["rate"], burst["left"], burst["reported"]) == ("75/s", 74, True)
    # Klaviyo's headers tell of one window; of the other it is only known how much it can be at most.
    assert (steady["rate"], steady["left"], steady["reported"]) == ("750/m", 749, False)


def test_lines_in_a_pipe(run: Commands) -> None:
    with FakeKlaviyo() as fake:
        lines = run("limits", KLAVIYO_BASE_URL=fake.url).out.splitlines()
    assert len(lines) == 9
    assert any("≤ 14 of 15/m left" in line for line in lines if line.startswith("get_accounts"))


def test_what_others_use_is_seen(run: Commands) -> None:
    with FakeKlaviyo(limits=0.02) as fake:
        found = run("limits", "get_profiles", "--json", KLAVIYO_BASE_URL=fake.url).json
    assert found["buckets"][0]["windows"][0]["left"] <= 1


def test_a_scope_that_is_missing_is_said_and_the_others_are_shown(run: Commands) -> None:
    with FakeKlaviyo(api_keys={"pk_narrow": ["profiles:read"]}) as fake:
        found = run("limits", "get_profiles", "get_flows", KLAVIYO_BASE_URL=fake.url, KLAVIYO_API_KEY="pk_narrow")
        assert found.out.startswith("get_profiles")
        assert "get_flows: the key lacks the scope flows:read" in found.err
        run("limits", "get_flows", KLAVIYO_BASE_URL=fake.url, KLAVIYO_API_KEY="pk_narrow", code=3)


def test_what_can_not_be_asked_is_told(run: Commands) -> None:
    for name in ("get_profile", "create_profile", "get_campaigns"):
        assert f"klaviyo-async operations {name}" in run("limits", name, code=2).err
    assert not run.fake.requests


@needs_server
def test_what_the_processes_that_share_redis_used() -> None:
    pytest.importorskip("redis")
    server = RedisServer()
    server.start()
    try:
        with FakeKlaviyo() as fake:
            env: dict[str, Any] = {"KLAVIYO_BASE_URL": fake.url, "KLAVIYO_REDIS_URL": server.url, **KEYS}
            assert "fully available" in in_process("limits", **env).err
            for _ in range(2):
                assert (
                    in_process(
                        "call", "get_profiles", "--additional-fields", "profile=predictive_analytics", **env
                    ).code
                    == 0
                )
            sent = len(fake.requests)
            found = in_process("limits", "--json", **env).json
            assert len(fake.requests) == sent
        assert found["source"] == "redis"
        assert {one["name"]: one["windows"][1]["left"] for one in found["buckets"]} == {
            "get_profiles": 748,
            "profile: additional-fields[profile]=predictive_analytics": 148,
        }
        assert in_process("limits", "get_profiles", **env).code == 2
    finally:
        server.kill()
    gone = in_process("limits", "--json", **env)
    assert gone.code == 1
    assert "Redis doesn't respond" in gone.error["message"]
