"""The schema and its history, by Alembic. `upgrade` is all that the program needs."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, MetaData

from tgsh.errors import MachineProblem
from tgsh.store.models import Base

WITH_RECORDS = ("idempotency", "reports", "webhooks")
"""Modules of the store that have tables of their own, beside models."""


def metadata() -> MetaData:
    """Every table of today's schema, whatever else is imported."""
    for name in WITH_RECORDS:
        import_module(f"tgsh.store.{name}")
    return Base.metadata


def config() -> Config:
    """Alembic's configuration; no ini file, so that nothing depends on the working directory."""
    configuration = Config()
    configuration.set_main_option("script_location", str(Path(__file__).parent))
    return configuration


def revisions(connection: Connection) -> tuple[str | None, str | None, frozenset[str]]:
    """The schema's revision behind `connection`, this version's newest, and all that it knows."""
    script = ScriptDirectory.from_config(config())
    here = MigrationContext.configure(connection).get_current_revision()
    return here, script.get_current_head(), frozenset(r.revision for r in script.walk_revisions())


def upgrade(connection: Connection) -> None:
    """Bring the schema behind `connection` to the newest revision, in its transaction."""
    configuration = config()
    configuration.attributes["connection"] = connection
    try:
        command.upgrade(configuration, "head")
    except CommandError as error:
        raise MachineProblem(
            f"the database was written by another version of tgsh ({error}); install that version or newer"
        ) from error
