"""The laboratory of the chaos: PostgreSQL, S3, Redis, API and two workers with cables, for two owners."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
from sqlalchemy import create_engine, text

from tests.conftest import missing
from tests.support.cables import Cable, cable
from tests.support.compose_stack import WORKER
from tests.support.postgres import find_tool, restart_postgres, running_postgres
from tests.support.s3 import REFUSAL, s3_in_process
from tests.system.faults.disks import SmallDisk, small_disk
from tests.system.faults.stack import PATIENCE, FaultStack
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database

SECOND = "worker-two"
WORKERS = (WORKER, SECOND)

SETTINGS = {
    "TGSH_MAX_ATTEMPTS": "50",  # nobody is to blame
    "TGSH_STALL_SECONDS": "6",
    "TGSH_DEVICES": "cpu:1",
    "TGSH_ARTIFACTS_URL": "s3://tgsh/artifacts",
}

CLOCK = """
CREATE TABLE public.clock_step (seconds double precision);
INSERT INTO public.clock_step VALUES (0);
CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS
$$ SELECT pg_catalog.clock_timestamp() + make_interval(secs => (SELECT seconds FROM public.clock_step)) $$;
ALTER ROLE tgsh SET search_path = public, pg_catalog;
"""
"""A clock of PostgreSQL that can be set."""


class Laboratory(FaultStack):
    """The parts, and what can be done to them."""

    def __init__(
        self, folder: Path, disk: SmallDisk, database_url: str, cables: dict[str, Cable], **settings: str
    ) -> None:
        super().__init__(folder, **SETTINGS, TGSH_DATABASE_URL=database_url, **settings)
        self._services[SECOND] = self._services[WORKER]
        self._database_url = database_url
        self._cables = cables
        self.disk = disk

    def _environment(self, name: str) -> dict[str, str]:
        """The second worker is connected by cables."""
        found = super()._environment(name)
        if name != SECOND:
            return found
        there = {
            "TGSH_DATABASE_URL": self._database_url,
            "TGSH_REDIS_URL": self.redis_url,
            "FSSPEC_S3_ENDPOINT_URL": found["FSSPEC_S3_ENDPOINT_URL"],
        }
        for variable, url in there.items():
            port = urlsplit(url).port
            found[variable] = url.replace(f":{port}", f":{self._cables[variable].port}")
        return found

    def start_all(self) -> None:
        """Redis, API and the workers, which have names of their own."""
        for name in ("redis", "service", *WORKERS):
            self.start(name)
        self.wait_until_ready(PATIENCE)

    def start(self, name: str, *more: str) -> Any:
        return super().start(name, *more, *(["--hostname", f"{name}@%h"] if name in WORKERS else []))

    def workers_children(self, name: str) -> list[psutil.Process]:
        """The processes of a worker that do its jobs."""
        with contextlib.suppress(psutil.NoSuchProcess, KeyError):
            return self.parent(name).children()
        return []

    def pull_cables(self) -> None:
        """Cut the second worker off."""
        for each in self._cables.values():
            each.pull()

    def plug_cables(self) -> None:
        """Connect it again."""
        for each in self._cables.values():
            each.plug()

    def set_clock(self, seconds: float) -> None:
        """Set PostgreSQL's clock so much after the right time."""
        engine = create_engine(self._database_url)
        with engine.begin() as connection:
            connection.execute(text("UPDATE public.clock_step SET seconds = :seconds"), {"seconds": seconds})
        engine.dispose()

    def restart_database(self) -> None:
        """Kill PostgreSQL, and start it again."""
        restart_postgres(self.disk.folder / "postgres")

    def fill_store(self, is_full: bool) -> None:
        """Let S3 refuse what is written, or take it again."""
        refusal = self._folder / REFUSAL
        if is_full:
            refusal.write_text("full")
        else:
            refusal.unlink(missing_ok=True)

    def database(self) -> Database:
        return Database(self._database_url)

    def artifacts(self) -> Artifacts:
        return Artifacts(SETTINGS["TGSH_ARTIFACTS_URL"])


@contextmanager
def laboratory(folder: Path) -> Iterator[Laboratory]:
    """All of it, ready, for as long as the block; a test is skipped where it cannot be had."""
    if find_tool("initdb") is None:
        missing("no PostgreSQL server tools; install Debian's package postgresql")
    with ExitStack() as parts:
        disk = parts.enter_context(small_disk(folder / "disk", "400m"))
        disk.folder.chmod(0o755)
        (disk.folder / "postgres").mkdir()
        words = ["-c", "max_wal_size=64MB", "-c", "min_wal_size=32MB"]
        url = parts.enter_context(running_postgres(disk.folder / "postgres", words=words))
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.exec_driver_sql(CLOCK)
        engine.dispose()
        s3 = parts.enter_context(s3_in_process(folder))
        cables: dict[str, Cable] = {}
        lab = Laboratory(folder, disk, url, cables, **s3)
        targets = {
            "TGSH_DATABASE_URL": url,
            "TGSH_REDIS_URL": lab.redis_url,
            "FSSPEC_S3_ENDPOINT_URL": s3["FSSPEC_S3_ENDPOINT_URL"],
        }
        for variable, target in targets.items():
            port = urlsplit(target).port
            assert port is not None
            cables[variable] = parts.enter_context(cable(port))
        parts.callback(lab.kill)
        lab.start_all()
        yield lab
