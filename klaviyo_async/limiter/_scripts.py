"""The Lua scripts that run inside Redis, and the keys they use.

An account has these keys, all with the account's digest as their hash tag, so that they share a slot:

- a sorted set for each window of each bucket: a member for each request that Klaviyo may still count there, scored with the time (in
  microseconds of the server's clock) at which its token is returned, and a guard that is never due. It is the rule of `_window`
  with Redis's clock as the only clock: a request is recorded before it is sent, with a short lease that its process renews, and
  re-scored when its response has arrived. The lease of a process that died expires.
- a sorted set of the limiters that take part, scored with the time at which they are no longer counted.
- a hash, the state: its epoch, the time of the last script, until when each window's set must exist, how many requests it had (and
  had when it was lost, and when that was noticed), and the pauses after 429s.

The epoch names a complete history of the account. A script that finds something missing - the state, a set that must exist, ten
minutes of the clock - begins a new epoch. Each limiter sends the epoch it knows with every script; if that is no longer current,
nothing is done, the whole state is returned, and the limiter records again what it sent.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from klaviyo_async.limiter._bucket import Bucket


@frozen
class Script:
    """A Lua script, and the digest by which Redis knows it."""

    text: str
    digest: str


_BEGIN = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local STEP = 1000000 -- a clock that goes back by more was set; less is NTP at work
local state, epoch, ttl = KEYS[1], ARGV[1], tonumber(ARGV[3])

local function number(value)
  return string.format('%.0f', value)
end

local function keep(key, lifetime)
  if redis.call('PTTL', key) < lifetime / 1000 then
    redis.call('PEXPIRE', key, math.ceil(lifetime / 1000))
  end
end

local function lose(key, used)
  redis.call('HSET', state, 'lost:' .. key, used, 'lost at:' .. key, number(now))
end

local function check(first)
  -- The epoch, after looking at what must be there; and whether it is the caller's.
  local found = redis.call('HMGET', state, 'epoch', 'time')
  local current, lost = found[1], false
  if current and tonumber(found[2]) > now + STEP then
    local fields = redis.call('HGETALL', state)
    redis.call('DEL', state)
    for i = 1, #fields, 2 do
      if string.sub(fields[i], 1, 5) == 'used:' then
        lose(string.sub(fields[i], 6), fields[i + 1])
      end
    end
    current = false
  end
  for i = first, #KEYS do
    local expires = redis.call('HGET', state, KEYS[i])
    if expires and tonumber(expires) > now and redis.call('EXISTS', KEYS[i]) == 0 then
      redis.call('HDEL', state, KEYS[i])
      lose(KEYS[i], redis.call('HGET', state, 'used:' .. KEYS[i]) or '0')
      lost = true
    end
  end
  if lost or not current then
    current = ARGV[2]
    redis.call('HSET', state, 'epoch', current)
  end
  redis.call('HSET', state, 'time', number(now))
  keep(state, ttl)
  return current, epoch == '' or epoch == current
end

local function guard(key, lifetime)
  -- Make the set last, and note that it must exist until then.
  redis.call('ZADD', key, '+inf', 'guard')
  if redis.call('PTTL', key) < lifetime / 1000 then
    redis.call('PEXPIRE', key, math.ceil(lifetime / 1000))
    redis.call('HSET', state, key, number(now + lifetime - 1000))
  end
end
"""


def make_script(text: str) -> Script:
    """A script that begins with the state, the time and the helpers that all of them use."""
    whole = _BEGIN + text
    return Script(whole, hashlib.sha1(whole.encode(), usedforsecurity=False).hexdigest())


TAKE = make_script("""
-- Take a token of every window for as many requests as there is room for.
-- KEYS: state, limiters, then each window
-- ARGV: known epoch or '', an epoch to begin, lifetime of the state, limiter, its presence, lease, wanted, number of buckets,
--   then (capacity, span, earliest return of a token whose request has no response yet) of each window,
--   then the field of each bucket's pause, then the ids of the first of those wanted; times in microseconds
local current, known = check(3)
if not known then
  return {-1, current, redis.call('HGETALL', state)}
end
local limiter, presence, lease = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
local wanted, buckets, windows = tonumber(ARGV[7]), tonumber(ARGV[8]), #KEYS - 2
local pauses = 8 + 3 * windows
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', number(now))
redis.call('ZREMRANGEBYSCORE', KEYS[2], '(' .. number(now + presence + STEP), '+inf')
redis.call('ZADD', KEYS[2], number(now + presence), limiter)
redis.call('PEXPIRE', KEYS[2], math.ceil(presence / 1000))
local pause = 0
for i = 1, buckets do
  pause = math.max(pause, tonumber(redis.call('HGET', state, ARGV[pauses + i]) or '0') - now)
end
local granted = pause > 0 and 0 or #ARGV - pauses - buckets
local used = {}
for i = 1, windows do
  local key, capacity, span = KEYS[2 + i], tonumber(ARGV[6 + 3 * i]), tonumber(ARGV[7 + 3 * i])
  redis.call('ZREMRANGEBYSCORE', key, '-inf', number(now))
  -- No score is later than this, unless the clock was set back.
  redis.call('ZREMRANGEBYSCORE', key, '(' .. number(now + lease + span + STEP), '(+inf')
  used[i] = math.max(0, redis.call('ZCARD', key) - 1)
  granted = math.max(0, math.min(granted, capacity - used[i]))
end
local next, last, full = pause, pause, 0
for i = 1, windows do
  local key, capacity = KEYS[2 + i], tonumber(ARGV[6 + 3 * i])
  local span, earliest = tonumber(ARGV[7 + 3 * i]), tonumber(ARGV[8 + 3 * i])
  for id = 1, granted do
    redis.call('ZADD', key, number(now + lease + span), ARGV[pauses + buckets + id])
  end
  if granted > 0 then
    guard(key, lease + span)
  end
  used[i] = used[i] + granted
  redis.call('HSET', state, 'used:' .. key, used[i])
  local short = used[i] + 1 - capacity
  if short > 0 then
    local due = redis.call('ZRANGE', key, short - 1, short - 1, 'WITHSCORES')
    local wait = math.min(earliest, due[2] - now)
    if wait > next then
      next, full = wait, i
    end
  end
  short = short + wanted - granted - 1
  if short > 0 then
    local rounds = math.floor((short - 1) / capacity)
    local place = (short - 1) % capacity
    local wait = 0
    if place < used[i] then
      wait = math.min(span, redis.call('ZRANGE', key, place, place, 'WITHSCORES')[2] - now)
    end
    last = math.max(last, rounds * span + wait)
  end
end
return {granted, current, math.ceil(next), math.ceil(last), full, redis.call('ZCARD', KEYS[2]), unpack(used)}
""")

RECORD = make_script("""
-- Record what became of requests, and pauses.
-- KEYS: state, limiters, then each window
-- ARGV: known epoch or '', an epoch to begin, lifetime of the state, pause (-1 ends the ones there are), number of buckets,
--   the field of each bucket's pause, then for each request its id and how long it stays in each window; '' takes it out
local current, known = check(3)
if not known then
  return {-1, current, redis.call('HGETALL', state)}
end
local pause, buckets, windows = tonumber(ARGV[4]), tonumber(ARGV[5]), #KEYS - 2
for i = 6, 5 + buckets do
  if pause < 0 then
    redis.call('HDEL', state, ARGV[i])
  elseif pause > 0 and tonumber(redis.call('HGET', state, ARGV[i]) or '0') < now + pause then
    redis.call('HSET', state, ARGV[i], number(now + pause))
  end
end
local used = {}
for w = 1, windows do
  local key, longest = KEYS[2 + w], 0
  for i = 6 + buckets, #ARGV, 1 + windows do
    local stays = ARGV[i + w]
    if stays == '' then
      redis.call('ZREM', key, ARGV[i])
    elseif tonumber(stays) > 0 then
      redis.call('ZADD', key, number(now + stays), ARGV[i])
      longest = math.max(longest, tonumber(stays))
    end
  end
  if longest > 0 then
    guard(key, longest)
  end
  used[w] = redis.call('ZCOUNT', key, number(now), '(+inf')
end
return {1, current, redis.call('ZCARD', KEYS[2]), unpack(used)}
""")


def state_key(prefix: str, account: str) -> str:
    """The hash with the account's epoch, and what goes with it."""
    return f"{prefix}:{{{account}}}:state"


def limiters_key(prefix: str, account: str) -> str:
    """The limiters that asked for something lately."""
    return f"{prefix}:{{{account}}}:limiters"


def pause_field(bucket: Bucket) -> str:
    """The field of the state with the time until which nothing is sent that needs the bucket."""
    return f"pause:{_kind(bucket)}:{bucket.name}"


def window_keys(prefix: str, bucket: Bucket) -> list[str]:
    """The sorted set of each of the bucket's windows."""
    start = f"{prefix}:{{{bucket.account}}}:{_kind(bucket)}:{bucket.name}"
    return [f"{start}:{window.rate.seconds}" for window in bucket.windows]


def _kind(bucket: Bucket) -> str:
    return "operation" if bucket.is_operation else "parameter"
