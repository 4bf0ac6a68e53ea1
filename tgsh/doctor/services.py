"""Finding; checks of database, Redis, artifacts, API."""

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
from tgsh.stack.stack import running_url
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database
from tgsh.store.leases import live_workers
from tgsh.store.migrations import revisions
from tgsh.store.models import db_now

Verdict = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """What was looked at, what is so, and in one line what to do about it ("" where nothing is to do)."""

    subject: str
    verdict: Verdict
    detail: str
    remedy: str = ""


def ok(subject: str, detail: str) -> Finding:
    """It is as it should be."""
    return Finding(subject, "ok", detail)


def warning(subject: str, detail: str, remedy: str) -> Finding:
    """Something works less well than it could, or not everything does."""
    return Finding(subject, "warning", detail, remedy)


def problem(subject: str, detail: str, remedy: str) -> Finding:
    """It cannot work like this."""
    return Finding(subject, "problem", detail, remedy)


APART_SECONDS = 2.0


def check_database(settings: StoreSettings) -> Iterator[Finding]:
    """The one that the settings name; none is made where none is."""
    if settings.database_url is None and not (path := settings.home.absolute() / "tgsh.db").exists():
        yield ok("database", f"none at {path} yet: the API or a worker makes it when it starts")
        return
    database = Database(settings.database)
    try:
        yield from _look(database)
    except DBAPIError as error:
        shown = database.url.render_as_string(hide_password=True)
        why = str(error.orig).strip().splitlines()[0]
        yield problem("database", f"{shown}: {why}", "start it, or correct TGSH_DATABASE_URL")
    finally:
        database.dispose()


def _look(database: Database) -> Iterator[Finding]:
    with database.engine.connect() as connection:
        here, newest, known = revisions(connection)
    shown = database.url.render_as_string(hide_password=True)
    if here == newest:
        yield ok("database", f"{shown}, schema {here}")
    elif here is None:
        yield warning("database", f"{shown} is empty", "start the API or a worker: it makes the tables")
        return
    elif here in known:
        remedy = "`tgsh backup FILE`, then start the API or a worker: it migrates"
        yield warning("database", f"{shown} has schema {here}, this version's is {newest}", remedy)
        return
    else:
        detail = f"{shown} has schema {here}, which this version does not know"
        yield problem("database", detail, "install the version of tgsh that wrote it, or a newer one")
        return
    if database.is_sqlite:
        yield _journal(database)
    yield _clock(database)
    yield _workers(database)


def _journal(database: Database) -> Finding:
    with database.engine.connect() as connection:
        mode = str(connection.execute(text("PRAGMA journal_mode")).scalar())
    if mode == "wal":
        return ok("journal", "WAL: who reads does not wait for who writes")
    folder = Path(str(database.url.database)).parent
    remedy = f"put {folder} on a local disk, as network file systems cannot do it; then restart the API"
    return warning("journal", f"{mode}, not WAL", remedy)


def _clock(database: Database) -> Finding:
    before = time.time()
    with database.read() as session:
        theirs = float(session.scalar(select(db_now())) or 0)
    apart = theirs - (before + time.time()) / 2
    detail = f"the database's is {abs(apart):.1f} s {'ahead' if apart > 0 else 'behind'}"
    if abs(apart) <= APART_SECONDS:
        return ok("clock", detail)
    return warning("clock", detail, "let both keep the time: timedatectl set-ntp true")


def _workers(database: Database) -> Finding:
    workers = live_workers(database)
    if not workers:
        remedy = "celery -A worker.app worker --loglevel INFO (or: tgsh up)"
        return warning("workers", "none lives: what is submitted waits", remedy)
    slots = sum(len(worker.slots) for worker in workers)
    hosts = ", ".join(sorted({worker.host for worker in workers}))
    return ok("workers", f"{len(workers)} on {hosts}, {slots} jobs at a time")


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


def check_redis(settings: StoreSettings) -> Iterator[Finding]:
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


def check_artifacts(settings: StoreSettings) -> Iterator[Finding]:
    """Write, read and delete. A folder that is not there yet is not made."""
    url = settings.artifacts
    if "://" not in url and not Path(url).exists():
        yield ok("artifacts", f"will be in {url}")
        return
    key = f"doctor/{secrets.token_hex(8)}.safetensors"
    try:
        artifacts = Artifacts(url)
        sha256 = artifacts.save(key, {"x": np.arange(3, dtype=np.float32)}, {})
        whole = artifacts.is_whole(key, sha256)
        artifacts.remove_all("doctor")
    except ImportError as error:
        package = "pip install 'tgsh[s3]'" if url.startswith("s3:") else "install the package that it names"
        yield problem("artifacts", f"{url}: {error}", package)
    except (ArtifactError, OSError, ValueError) as error:
        remedy = "correct TGSH_ARTIFACTS_URL, FSSPEC_S3_ENDPOINT_URL, FSSPEC_S3_KEY and FSSPEC_S3_SECRET"
        local = "give this user the right to write there, and make room"
        yield problem("artifacts", str(error), remedy if "://" in url else local)
    else:
        if whole and not artifacts.keys("doctor"):
            yield ok("artifacts", f"{url}: written, read, deleted")
        else:
            fault = "nothing is deleted" if whole else "what was written does not come back"
            remedy = "see the rights of the key, and whether the store is healthy"
            yield problem("artifacts", f"{url}: {fault}", remedy)


HOST = "127.0.0.1"


def check_api(home: Path, url: str | None, port: int) -> Iterator[Finding]:
    """Ask it how it is."""
    asked = url or running_url(home.absolute()) or f"http://{HOST}:{port}"
    key = os.environ.get("TGSH_API_KEY")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        with httpx.Client(base_url=asked, headers=headers, timeout=5, trust_env=False) as http:
            if http.get("/livez").json() != {"status": "alive"}:
                yield problem(
                    "API", f"what answers at {asked} is not tgsh", "choose another --port, or --url"
                )
                return
            answer = http.get("/readyz")
    except (httpx.TransportError, ValueError) as error:
        yield from _silent(asked, error, port, is_named=url is not None)
        return
    yield from _told(asked, answer)


def _silent(asked: str, error: Exception, port: int, *, is_named: bool) -> Iterator[Finding]:
    if is_named:
        yield problem("API", f"{asked}: {error}", "start it, or correct --url or TGSH_URL")
        return
    yield ok("API", f"none runs at {asked}; `tgsh up` starts one")
    try:
        require_free(HOST, port)
    except MachineProblem as taken:
        yield problem("port", str(taken).partition(":")[0], "end it, or choose another with --port")
    else:
        yield ok("port", f"{port} is free")


def _told(asked: str, answer: httpx.Response) -> Iterator[Finding]:
    if answer.status_code in (401, 403):
        yield warning("API", f"{asked} lives, and tells no more without a key", "set TGSH_API_KEY")
        return
    try:
        checks = Readiness.model_validate_json(answer.content).checks
    except ValidationError:
        yield problem("API", f"{asked}/readyz answers {answer.status_code}", "see the API's log")
        return
    lacking = [f"{name}: {check.detail}" for name, check in checks.items() if not check.ok]
    if lacking:
        yield problem("API", f"{asked} is not ready", "; ".join(lacking))
    else:
        yield ok("API", f"{asked} is ready: {', '.join(check.detail for check in checks.values())}")
