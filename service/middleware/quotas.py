"""Requests a minute of each API key, counted for all processes of an API together."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from tgsh.errors import QuotaExceeded

log = logging.getLogger(__name__)

MINUTE = 60.0

REDIS_SECONDS = 0.25
"""For which Redis is waited for, before this process counts alone."""

RETRY_SECONDS = 5.0
"""After which Redis is tried again."""

PREFIX = "tgsh:requests:"

TAKE = """
local clock = redis.call('TIME')
local now, most = clock[1] + clock[2] / 1000000, tonumber(ARGV[1])
local rate = most / 60
local kept = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens, at = tonumber(kept[1]) or most, tonumber(kept[2]) or now
tokens = math.min(most, tokens + math.max(0, now - at) * rate)
if tokens < 1 then
  return tostring((1 - tokens) / rate)
end
redis.call('HSET', KEYS[1], 'tokens', tokens - 1, 'at', string.format('%.6f', now))
redis.call('EXPIRE', KEYS[1], 120)
return '0'
"""
"""Takes a token from a bucket, in one step. Returns the seconds until there is one; 0: it was taken."""


class RequestQuota:
    """Token bucket of requests for every key name, refilled steadily: of this process alone."""

    def __init__(self, a_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._a_minute = a_minute
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}  # name -> tokens, and the time of that count

    def take(self, name: str) -> None:
        """Take one token. Raises QuotaExceeded."""
        now = self._clock()
        tokens, at = self._buckets.get(name, (float(self._a_minute), now))
        tokens = min(float(self._a_minute), tokens + (now - at) * self._a_minute / MINUTE)
        if tokens < 1:
            self._buckets[name] = (tokens, now)
            raise exceeded(self._a_minute, name, (1 - tokens) * MINUTE / self._a_minute)
        self._buckets[name] = (tokens - 1, now)


def exceeded(a_minute: int, name: str, seconds: float) -> QuotaExceeded:
    """The refusal of a request; the next one is possible after so many seconds."""
    return QuotaExceeded(f"{a_minute} requests a minute are the most for {name}", math.ceil(seconds))


class SharedQuota:
    """Token buckets in Redis, for all processes of an API; while Redis is away or full, this process's own.

    Used on the event loop only, and no longer than that lives.
    """

    def __init__(self, a_minute: int, redis_url: str) -> None:
        self._a_minute = a_minute
        self._url = redis_url
        self._own = RequestQuota(a_minute)
        self._redis: Redis | None = None
        self._script: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._alone_until = float("-inf")
        self._is_alone = False

    async def take(self, name: str) -> None:
        """Take one token. Raises QuotaExceeded."""
        wait = await self._take_shared(name)
        if wait is None:
            self._own.take(name)
        elif wait > 0:
            raise exceeded(self._a_minute, name, wait)

    async def close(self) -> None:
        """Close the connections to Redis."""
        redis, self._redis, self._loop = self._redis, None, None
        if redis is not None:
            with suppress(RedisError, OSError):
                await redis.aclose()

    async def _take_shared(self, name: str) -> float | None:
        """Seconds until there is a token, 0: it was taken; None where Redis cannot tell."""
        now = time.monotonic()
        if now < self._alone_until:
            return None
        if self._is_alone:
            self._alone_until = now + RETRY_SECONDS  # one request tries, the others do not wait for it
        self._connect()
        try:
            async with asyncio.timeout(REDIS_SECONDS):
                wait = float(await self._script(keys=[PREFIX + name], args=[self._a_minute]))
        except (RedisError, OSError) as error:  # TimeoutError is one
            self._alone_until = time.monotonic() + RETRY_SECONDS
            if not self._is_alone:
                why = str(error) or f"no answer within {REDIS_SECONDS} s"
                log.warning("requests a minute are counted by each process alone, Redis: %s", why)
            self._is_alone = True
            return None
        if self._is_alone:
            log.warning("requests a minute are counted for all processes again")
        self._is_alone, self._alone_until = False, float("-inf")
        return wait

    def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        if self._redis is None or self._loop is not loop:  # connections belong to one event loop
            self._redis, self._loop = Redis.from_url(self._url, socket_connect_timeout=REDIS_SECONDS), loop
            self._script = self._redis.register_script(TAKE)
