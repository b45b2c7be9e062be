"""The Lua that runs inside Redis, and the keys it works on.

Each window of each bucket is a sorted set: one member for each request that may still be counted there, scored with the time (in
microseconds of the server's clock) when its token comes back. It is the rule of `window` with Redis's clock as the only clock: a
request is entered before it is sent and re-scored, after its answer, to that moment plus one window. A request whose process died
leaves when its lease is over. All keys of an account carry the account's digest as their hash tag, so they live on one slot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from klaviyo_async.limiter.bucket import Bucket

TAKE = """
-- KEYS: members, then the freeze key of each bucket, then each window
-- ARGV: buckets, wanted, lease, limiter, presence, known, (capacity, span) of each window, then the wanted ids; times in microseconds
if ARGV[6] == '1' and not redis.call('ZSCORE', KEYS[1], ARGV[4]) then
  return {-1} -- the caller was here a moment ago, but nothing is known of it: Redis lost its data
end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local buckets, wanted, lease = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZADD', KEYS[1], now + ARGV[5], ARGV[4])
redis.call('PEXPIRE', KEYS[1], math.ceil(ARGV[5] / 1000))
local frozen = 0
for i = 2, buckets + 1 do
  frozen = math.max(frozen, tonumber(redis.call('GET', KEYS[i]) or '0') - now)
end
local first = buckets + 2
local windows = #KEYS - buckets - 1
local granted = frozen > 0 and 0 or wanted
local used = {}
for i = 1, windows do
  local key = KEYS[first + i - 1]
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
  used[i] = redis.call('ZCARD', key)
  granted = math.max(0, math.min(granted, ARGV[5 + 2 * i] - used[i]))
end
local next, last = frozen, frozen
for i = 1, windows do
  local key, capacity, span = KEYS[first + i - 1], tonumber(ARGV[5 + 2 * i]), tonumber(ARGV[6 + 2 * i])
  for id = 1, granted do
    redis.call('ZADD', key, now + lease + span, ARGV[6 + 2 * windows + id])
  end
  if granted > 0 then
    redis.call('PEXPIRE', key, math.ceil((lease + span) / 1000))
  end
  used[i] = used[i] + granted
  -- What has no answer yet is back one window from now at the earliest, whatever its lease says.
  local short = used[i] + 1 - capacity
  if short > 0 then
    local due = redis.call('ZRANGE', key, short - 1, short - 1, 'WITHSCORES')
    next = math.max(next, math.min(span, (due[2] or now) - now))
  end
  short = short + wanted - granted - 1
  if short > 0 then
    local rounds = math.floor((short - 1) / capacity)
    local rank = (short - 1) % capacity
    local due = redis.call('ZRANGE', key, rank, rank, 'WITHSCORES')
    last = math.max(last, rounds * span + math.min(span, (due[2] or now) - now))
  end
end
return {granted, math.ceil(next), math.ceil(last), redis.call('ZCARD', KEYS[1]), unpack(used)}
"""

SETTLE = """
-- KEYS: the freeze key of each bucket, then each window
-- ARGV: buckets, freeze, spans of the windows, then pairs (id, time until its last possible count; 'open' lease; '' gone)
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local buckets, freeze = tonumber(ARGV[1]), tonumber(ARGV[2])
if freeze > 0 then
  for i = 1, buckets do
    if tonumber(redis.call('GET', KEYS[i]) or '0') < now + freeze then
      redis.call('SET', KEYS[i], string.format('%.0f', now + freeze), 'PX', math.ceil(freeze / 1000))
    end
  end
end
local windows = #KEYS - buckets
for w = 1, windows do
  local key, span = KEYS[buckets + w], tonumber(ARGV[2 + w])
  local longest = 0
  for i = 3 + windows, #ARGV, 2 do
    if ARGV[i + 1] == '' then
      redis.call('ZREM', key, ARGV[i])
    else
      local stays = span + tonumber(ARGV[i + 1])
      if stays > 0 then
        redis.call('ZADD', key, now + stays, ARGV[i])
        longest = math.max(longest, stays)
      end
    end
  end
  if longest > 0 and redis.call('PTTL', key) < longest / 1000 then
    redis.call('PEXPIRE', key, math.ceil(longest / 1000))
  end
end
return 1
"""


def members_key(prefix: str, account: str) -> str:
    """Who takes part: the limiters that asked for something lately."""
    return f"{prefix}:{{{account}}}:limiters"


def freeze_key(prefix: str, bucket: Bucket) -> str:
    """Until when nothing is sent that needs the bucket."""
    return f"{prefix}:{{{bucket.account}}}:{bucket.name}:frozen"


def window_keys(prefix: str, bucket: Bucket) -> list[str]:
    """The sorted set of each of the bucket's windows."""
    kind = "operation" if bucket.is_operation else "parameter"
    return [f"{prefix}:{{{bucket.account}}}:{kind}:{bucket.name}:{window.rate.seconds}" for window in bucket.windows]
