"""Redis: answers, keeps what it has, and lets nothing go."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import redis

from tgsh.doctor.finding import Finding, ok, problem, warning
from tgsh.embedded.home import running_url
from tgsh.embedded.redis import find_server
from tgsh.errors import MachineProblem
from tgsh.settings import StoreSettings

OLDEST = 6

KEEPS = {
    "maxmemory-policy": (
        "noeviction",
        "redis-server --maxmemory-policy noeviction: else it drops jobs' hints",
    ),
    "appendonly": (
        "yes",
        "redis-server --appendonly yes: else a restart forgets what waits (workers notice)",
    ),
}


def look(settings: StoreSettings) -> Iterator[Finding]:
    """The Redis of the settings; where they name none, the one that `tgsh up` brings."""
    if "TGSH_REDIS_URL" not in os.environ:
        yield _own(settings.home)
        return
    where = urlsplit(settings.redis)
    shown = f"{where.hostname}:{where.port or 6379}"
    client = redis.Redis.from_url(
        settings.redis, socket_timeout=5, socket_connect_timeout=5, decode_responses=True
    )
    with client:
        try:
            version = str(client.info("server")["redis_version"])
        except redis.AuthenticationError as error:
            yield problem("Redis", f"{shown}: {error}", "correct the password in TGSH_REDIS_URL")
            return
        except redis.RedisError as error:
            yield problem("Redis", f"{shown}: {error}", "start redis-server, or correct TGSH_REDIS_URL")
            return
        yield _version(shown, version)
        yield from _settings(client)


def _own(home: Path) -> Finding:
    if running_url(home.absolute()):
        return ok("Redis", "the one of the running `tgsh up`; see API")
    try:
        return ok("Redis", f"TGSH_REDIS_URL is not set; `tgsh up` starts its own: {find_server()}")
    except MachineProblem as error:
        return problem("Redis", "TGSH_REDIS_URL is not set, and `tgsh up` finds none", str(error))


def _version(shown: str, version: str) -> Finding:
    if int(version.partition(".")[0]) < OLDEST:
        return warning("Redis", f"{shown}: {version} is old", f"install Redis {OLDEST} or later")
    return ok("Redis", f"{shown}: {version}")


def _settings(client: redis.Redis) -> Iterator[Finding]:
    for name, (wanted, remedy) in KEEPS.items():
        try:
            found = dict(client.config_get(name)).get(name)
        except redis.RedisError:  # as services that others run refuse it
            yield warning("Redis", f"does not tell its {name}", f"see that it is {wanted}")
            continue
        detail = f"{name} {found}"
        yield ok("Redis", detail) if found == wanted else warning("Redis", detail, remedy)
