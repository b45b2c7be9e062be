"""What Redis knows about an account's limits, whoever used them: read-only, no tokens are taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from klaviyo_async.limiter._scripts import Script, limiters_key, make_script, state_key
from klaviyo_async.limiter.base import BucketSnapshot, Snapshot, WindowSnapshot
from klaviyo_async.operation import Rate

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from klaviyo_async.limiter._connection import RedisConnection

_MICRO = 1_000_000
_USED = "used:"
_PAUSE = "pause:"
_WIDEST = {1: 3, 60: 60}
"""The limits of requests that the operation table doesn't know, by seconds: Klaviyo's tier S."""

SURVEY: Script = make_script("""
-- KEYS: state, limiters
-- The windows' keys are the state's; all of an account share a slot.
local fields = redis.call('HGETALL', state)
local windows, pauses = {}, {}
for i = 1, #fields, 2 do
  if string.sub(fields[i], 1, 5) == 'used:' then
    local key = string.sub(fields[i], 6)
    local used = redis.call('ZCOUNT', key, '(' .. number(now), '(+inf')
    local first = redis.call('ZRANGEBYSCORE', key, '(' .. number(now), '(+inf', 'WITHSCORES', 'LIMIT', 0, 1)
    table.insert(windows, {key, used, first[2] and number(first[2] - now) or '-1'})
  elseif string.sub(fields[i], 1, 6) == 'pause:' then
    table.insert(pauses, {fields[i], number(math.max(0, tonumber(fields[i + 1]) - now))})
  end
end
return {windows, pauses, redis.call('ZCOUNT', KEYS[2], '(' .. number(now), '+inf')}
""")


async def survey(
    connection: RedisConnection, prefix: str, accounts: Iterable[str], overrides: Mapping[str, Mapping[str, Rate]]
) -> Snapshot:
    """The buckets of these accounts according to Redis."""
    found: list[BucketSnapshot] = []
    limiters = 0
    for account in accounts:
        keys = [state_key(prefix, account), limiters_key(prefix, account)]
        windows, pauses, several = await connection.run(SURVEY, keys, ["", "", 0])
        limiters = max(limiters, int(several))
        frozen = {_text(name).removeprefix(_PAUSE): int(_text(left)) / _MICRO for name, left in pauses}
        found += _buckets(account, f"{prefix}:{{{account}}}:", windows, frozen, overrides)
    return Snapshot(buckets=tuple(found), shared=True, limiters=limiters)


def _buckets(
    account: str,
    start: str,
    windows: Iterable[tuple[Any, int, Any]],
    frozen: Mapping[str, float],
    overrides: Mapping[str, Mapping[str, Rate]],
) -> list[BucketSnapshot]:
    by_bucket: dict[str, dict[int, tuple[int, float | None]]] = {}
    for key, used, first in windows:
        name, _, seconds = _text(key).removeprefix(start).rpartition(":")
        next_in = int(_text(first)) / _MICRO
        by_bucket.setdefault(name, {})[int(seconds)] = (int(used), next_in if next_in >= 0 else None)
    made: list[BucketSnapshot] = []
    for full, used_of in sorted(by_bucket.items()):
        kind, _, name = full.partition(":")
        rates = _rates(kind, name, used_of, overrides)
        made.append(
            BucketSnapshot(
                account=account[:8],
                name=name,
                windows=tuple(
                    WindowSnapshot(
                        rate=rate,
                        left=max(0, rate.count - used_of[rate.seconds][0]),
                        spent=used_of[rate.seconds][0],
                        foreign=0,
                        reserved=0,
                        next_in=used_of[rate.seconds][1],
                        phase=None,
                    )
                    for rate in rates
                ),
                in_flight=0,
                waiting={"interactive": 0, "bulk": 0},
                frozen_for=frozen.get(full, 0.0),
            )
        )
    return made


def _rates(kind: str, name: str, seconds: Collection[int], overrides: Mapping[str, Mapping[str, Rate]]) -> list[Rate]:
    """The rates of a bucket, for the windows that Redis has of it."""
    from klaviyo_async.operation_table import operations  # noqa: PLC0415 - rarely asked

    known: list[Rate] = []
    if kind == "operation" and name in operations:
        known = [*operations[name].limits.rates, *overrides.get(name, {}).values()]
    elif kind == "operation":
        known = [*overrides.get(name, {}).values()]
    else:
        limits = (one for operation in operations.values() for one in operation.limits.by_parameter)
        known = [rate for one in limits if f"{one.resource}: {one.parameter}={one.value}" == name for rate in one.rates]
    by_seconds = {rate.seconds: rate for rate in known}
    units = {1: "s", 60: "m", 3600: "h", 86400: "d"}
    for window in seconds:
        if window not in by_seconds:
            by_seconds[window] = Rate(f"{_WIDEST.get(window, 60)}/{units.get(window, 's')}")
    return [by_seconds[window] for window in sorted(seconds)]


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
