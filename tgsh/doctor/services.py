"""Findings, and the checks of database, Redis, artifact store and API."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import httpx
import numpy as np
import redis
from pydantic import ValidationError
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from tgsh.errors import ArtifactError, MachineProblem
from tgsh.schemas import Readiness
from tgsh.settings import StoreSettings
from tgsh.stack.redis import find_server, require_free
from tgsh.stack.state import running_url
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database
from tgsh.store.leases import live_workers
from tgsh.store.migrations import revisions
from tgsh.store.models import db_now

MIN_REDIS = 6

REDIS_SETTINGS = {
    "maxmemory-policy": (
        "noeviction",
        "redis-server --maxmemory-policy noeviction: else it drops job messages",
    ),
    "appendonly": (
        "yes",
        "redis-server --appendonly yes: else a restart forgets what waits (workers notice)",
    ),
}

MAX_CLOCK_DIFFERENCE = 2.0  # seconds
HOST = "127.0.0.1"

Severity = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """Outcome of one check. remedy: one line that says what to do; "" where there is nothing to do."""

    subject: str
    verdict: Severity
    detail: str
    remedy: str = ""


def ok(subject: str, detail: str) -> Finding:
    """Finding that all is well."""
    return Finding(subject, "ok", detail)


def warning(subject: str, detail: str, remedy: str) -> Finding:
    """Finding that something works less well than it could, or in part."""
    return Finding(subject, "warning", detail, remedy)


def problem(subject: str, detail: str, remedy: str) -> Finding:
    """Finding that something cannot work."""
    return Finding(subject, "problem", detail, remedy)


def check_database(settings: StoreSettings) -> Iterator[Finding]:
    """Check reachability, schema, journal, clock and workers. Creates no database where there is none."""
    if settings.database_url is None and not (path := settings.home.absolute() / "tgsh.db").exists():
        yield ok("database", f"none at {path} yet: the API or a worker makes it when it starts")
        return
    database = Database(settings.database)
    try:
        yield from _check_contents(database)
    except DBAPIError as error:
        url = database.url.render_as_string(hide_password=True)
        cause = str(error.orig).strip().splitlines()[0]
        yield problem("database", f"{url}: {cause}", "start it, or correct TGSH_DATABASE_URL")
    finally:
        database.dispose()


def _check_contents(database: Database) -> Iterator[Finding]:
    with database.engine.connect() as connection:
        current, newest, revisions_of_version = revisions(connection)
    url = database.url.render_as_string(hide_password=True)
    if current == newest:
        yield ok("database", f"{url}, schema {current}")
    elif current is None:
        yield warning("database", f"{url} is empty", "start the API or a worker: it makes the tables")
        return
    elif current in revisions_of_version:
        remedy = "`tgsh backup FILE`, then start the API or a worker: it migrates"
        yield warning("database", f"{url} has schema {current}, this version's is {newest}", remedy)
        return
    else:
        detail = f"{url} has schema {current}, which this version does not know"
        yield problem("database", detail, "install the version of tgsh that wrote it, or a newer one")
        return
    if database.is_sqlite:
        yield _check_journal(database)
    yield _check_clock(database)
    yield _check_workers(database)


def _check_journal(database: Database) -> Finding:
    with database.engine.connect() as connection:
        mode = str(connection.execute(text("PRAGMA journal_mode")).scalar())
    if mode == "wal":
        return ok("journal", "WAL: who reads does not wait for who writes")
    folder = Path(str(database.url.database)).parent
    remedy = f"put {folder} on a local disk, as network file systems cannot do it; then restart the API"
    return warning("journal", f"{mode}, not WAL", remedy)


def _check_clock(database: Database) -> Finding:
    before = time.time()
    with database.read() as session:
        database_time = float(session.scalar(select(db_now())) or 0)
    difference = database_time - (before + time.time()) / 2
    detail = f"the database's is {abs(difference):.1f} s {'ahead' if difference > 0 else 'behind'}"
    if abs(difference) <= MAX_CLOCK_DIFFERENCE:
        return ok("clock", detail)
    return warning("clock", detail, "let both keep the time: timedatectl set-ntp true")


def _check_workers(database: Database) -> Finding:
    workers = live_workers(database)
    if not workers:
        remedy = "celery -A worker.app worker --loglevel INFO (or: tgsh up)"
        return warning("workers", "none lives: what is submitted waits", remedy)
    slots = sum(len(worker.slots) for worker in workers)
    hosts = ", ".join(sorted({worker.host for worker in workers}))
    return ok("workers", f"{len(workers)} on {hosts}, {slots} jobs at a time")


def check_redis(settings: StoreSettings) -> Iterator[Finding]:
    """Check version and persistence of the Redis of the settings, else that `tgsh up` can start one."""
    if "TGSH_REDIS_URL" not in os.environ:
        yield _check_private_redis(settings.home)
        return
    url = urlsplit(settings.redis)
    address = f"{url.hostname}:{url.port or 6379}"
    client = redis.Redis.from_url(
        settings.redis, socket_timeout=5, socket_connect_timeout=5, decode_responses=True
    )
    with client:
        try:
            version = str(client.info("server")["redis_version"])
        except redis.AuthenticationError as error:
            yield problem("Redis", f"{address}: {error}", "correct the password in TGSH_REDIS_URL")
            return
        except redis.RedisError as error:
            yield problem("Redis", f"{address}: {error}", "start redis-server, or correct TGSH_REDIS_URL")
            return
        yield _check_redis_version(address, version)
        yield from _check_redis_settings(client)


def _check_private_redis(home: Path) -> Finding:
    if running_url(home.absolute()):
        return ok("Redis", "the one of the running `tgsh up`; see API")
    try:
        return ok("Redis", f"TGSH_REDIS_URL is not set; `tgsh up` starts its own: {find_server()}")
    except MachineProblem as error:
        return problem("Redis", "TGSH_REDIS_URL is not set, and `tgsh up` finds none", str(error))


def _check_redis_version(address: str, version: str) -> Finding:
    if int(version.partition(".")[0]) < MIN_REDIS:
        return warning("Redis", f"{address}: {version} is old", f"install Redis {MIN_REDIS} or later")
    return ok("Redis", f"{address}: {version}")


def _check_redis_settings(client: redis.Redis) -> Iterator[Finding]:
    for name, (expected, remedy) in REDIS_SETTINGS.items():
        try:
            value = dict(client.config_get(name)).get(name)
        except redis.RedisError:  # hosted services refuse CONFIG
            yield warning("Redis", f"does not tell its {name}", f"see that it is {expected}")
            continue
        detail = f"{name} {value}"
        yield ok("Redis", detail) if value == expected else warning("Redis", detail, remedy)


def check_artifacts(settings: StoreSettings) -> Iterator[Finding]:
    """Write, read and delete an artifact. Creates no folder where there is none."""
    url = settings.artifacts
    if "://" not in url and not Path(url).exists():
        yield ok("artifacts", f"will be in {url}")
        return
    key = f"doctor/{secrets.token_hex(8)}.safetensors"
    try:
        artifacts = Artifacts(url)
        sha256 = artifacts.save(key, {"x": np.arange(3, dtype=np.float32)}, {})
        is_intact = artifacts.is_whole(key, sha256)
        artifacts.remove_all("doctor")
    except MachineProblem as error:
        yield problem("artifacts", f"{url}: no package for it is installed", str(error))
    except (ArtifactError, OSError, ValueError) as error:
        remedy = "correct TGSH_ARTIFACTS_URL, FSSPEC_S3_ENDPOINT_URL, FSSPEC_S3_KEY and FSSPEC_S3_SECRET"
        local_remedy = "give this user the right to write there, and make room"
        yield problem("artifacts", str(error), remedy if "://" in url else local_remedy)
    else:
        if is_intact and not artifacts.keys("doctor"):
            yield ok("artifacts", f"{url}: written, read, deleted")
        else:
            fault = "nothing is deleted" if is_intact else "what was written does not come back"
            remedy = "see the rights of the key, and whether the store is healthy"
            yield problem("artifacts", f"{url}: {fault}", remedy)


def check_api(home: Path, url: str | None, port: int) -> Iterator[Finding]:
    """Check that the API lives and is ready, else that its port is free."""
    base_url = url or running_url(home.absolute()) or f"http://{HOST}:{port}"
    key = os.environ.get("TGSH_API_KEY")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        with httpx.Client(base_url=base_url, headers=headers, timeout=5, trust_env=False) as http:
            if http.get("/livez").json() != {"status": "alive"}:
                yield problem(
                    "API", f"what answers at {base_url} is not tgsh", "choose another --port, or --url"
                )
                return
            response = http.get("/readyz")
    except (httpx.TransportError, ValueError) as error:
        yield from _unreachable_api(base_url, error, port, is_named=url is not None)
        return
    yield from _readiness(base_url, response)


def _unreachable_api(base_url: str, error: Exception, port: int, *, is_named: bool) -> Iterator[Finding]:
    if is_named:
        yield problem("API", f"{base_url}: {error}", "start it, or correct --url or TGSH_URL")
        return
    yield ok("API", f"none runs at {base_url}; `tgsh up` starts one")
    try:
        require_free(HOST, port)
    except MachineProblem as port_error:
        yield problem("port", str(port_error).partition(":")[0], "end it, or choose another with --port")
    else:
        yield ok("port", f"{port} is free")


def _readiness(base_url: str, response: httpx.Response) -> Iterator[Finding]:
    if response.status_code in (401, 403):
        yield warning("API", f"{base_url} lives, and tells no more without a key", "set TGSH_API_KEY")
        return
    try:
        checks = Readiness.model_validate_json(response.content).checks
    except ValidationError:
        yield problem("API", f"{base_url}/readyz answers {response.status_code}", "see the API's log")
        return
    failed = [f"{name}: {check.detail}" for name, check in checks.items() if not check.ok]
    if failed:
        yield problem("API", f"{base_url} is not ready", "; ".join(failed))
    else:
        yield ok("API", f"{base_url} is ready: {', '.join(check.detail for check in checks.values())}")
