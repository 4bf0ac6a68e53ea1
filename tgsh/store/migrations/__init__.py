"""The schema and its history, by Alembic. `upgrade` is all that the program needs."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection

from tgsh.errors import MachineProblem


def config() -> Config:
    """Alembic's configuration; no ini file, so that nothing depends on the working directory."""
    configuration = Config()
    configuration.set_main_option("script_location", str(Path(__file__).parent))
    return configuration


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
