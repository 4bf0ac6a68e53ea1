"""The database: there, of this version, in the right mode, with a clock like ours; and who works on it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from tgsh.doctor.finding import Finding, ok, problem, warning
from tgsh.settings import StoreSettings
from tgsh.store.clock import now
from tgsh.store.database import Database
from tgsh.store.migrations import revisions
from tgsh.store.workers import living

APART_SECONDS = 2.0


def look(settings: StoreSettings) -> Iterator[Finding]:
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
        theirs = float(session.scalar(select(now())) or 0)
    apart = theirs - (before + time.time()) / 2
    detail = f"the database's is {abs(apart):.1f} s {'ahead' if apart > 0 else 'behind'}"
    if abs(apart) <= APART_SECONDS:
        return ok("clock", detail)
    return warning("clock", detail, "let both keep the time: timedatectl set-ntp true")


def _workers(database: Database) -> Finding:
    workers = living(database)
    if not workers:
        remedy = "celery -A worker.app worker --loglevel INFO (or: tgsh up)"
        return warning("workers", "none lives: what is submitted waits", remedy)
    slots = sum(len(worker.slots) for worker in workers)
    hosts = ", ".join(sorted({worker.host for worker in workers}))
    return ok("workers", f"{len(workers)} on {hosts}, {slots} jobs at a time")
