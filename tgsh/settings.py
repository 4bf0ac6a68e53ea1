"""Settings that every process reads from TGSH_* variables."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Annotated, Literal

from dotenv import dotenv_values
from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from tgsh.logs import LogFormat

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
Compute = Literal["auto", "torch", "fused", "fused-classes"]


class StoreSettings(BaseSettings):
    """Locations of records, artifacts and data, connection of the queue, limits of jobs, logging."""

    model_config = SettingsConfigDict(env_prefix="TGSH_", extra="ignore", frozen=True, env_ignore_empty=True)

    home: Path = Field(Path("tgsh-home"), description="database, artifacts, logs")
    database_url: SecretStr | None = Field(
        None,
        description="SQLAlchemy URL; unset: SQLite in HOME. PostgreSQL: postgresql+psycopg://user:pw@host/db",
    )
    artifacts_url: str | None = Field(None, description="a folder or any fsspec URL; unset: HOME/artifacts")
    data_dir: Path | None = Field(None, description="datasets in torchvision's layout; unset: HOME/data")
    redis_url: SecretStr = Field(SecretStr("redis://127.0.0.1:6379/0"), description="the queue")
    api_keys_file: Path | None = Field(None, description="hashes of the API's keys; unset: HOME/keys.json")
    lease_seconds: float = Field(
        60.0, gt=0, description="a job whose worker is silent this long is given to another"
    )
    stall_seconds: float = Field(
        300.0,
        gt=0,
        description="a job without progress, not a batch, for so long loses its child, which is killed",
    )
    max_attempts: int = Field(3, ge=1, description="a job that lost this many workers has failed")
    compute: Compute = Field(
        "auto",
        description="what trains FlyNet on a processor: numba's fused loops where they can be had, or torch",
    )
    webhook_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="host names that webhooks may go to; private addresses are named beside them: "
        "hooks.example.org,build.local,10.0.0.7",
    )
    otlp_endpoint: str | None = Field(
        None, description="OpenTelemetry collector for traces, such as http://collector:4318; unset: none"
    )
    cuda_graphs: bool = Field(
        False,
        description="a GPU records the kernels of a step once and launches them together from then on",
    )
    log_level: LogLevel = "INFO"
    log_format: LogFormat = Field("text", description="lines for people, or JSON for programs")

    @field_validator("home", "data_dir", "api_keys_file", mode="before")
    @classmethod
    def _require_text(cls, value: object) -> object:
        """Refuse names that no log line, document or table could repeat; any other name will do."""
        if isinstance(value, (str, os.PathLike)):
            try:
                os.fspath(value).encode()
            except UnicodeEncodeError:
                raise ValueError(
                    f"{os.fspath(value)!a} is not UTF-8: choose a folder or file of another name"
                ) from None
        return value

    @field_validator("webhook_hosts", mode="before")
    @classmethod
    def _split_hosts(cls, value: object) -> object:
        """Parse a comma-separated list."""
        if not isinstance(value, str):
            return value
        return tuple(name.strip().lower() for name in value.split(",") if name.strip())

    @property
    def webhook_key(self) -> Path:
        """The file of the key that signs webhooks."""
        return self.home.absolute() / "webhook.key"

    @property
    def database(self) -> str | Path:
        """The SQLAlchemy URL in force (it may hold a password), or the file of SQLite."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return self.home.absolute() / "tgsh.db"

    @property
    def artifacts(self) -> str:
        """The artifact folder or, where it has "://", URL in force."""
        return self.artifacts_url or str(self.home.absolute() / "artifacts")

    @property
    def data(self) -> Path:
        """The dataset folder in force."""
        return (self.data_dir or self.home / "data").absolute()

    @property
    def keys_file(self) -> Path:
        """The file of keys in force."""
        return (self.api_keys_file or self.home / "keys.json").absolute()

    @property
    def redis(self) -> str:
        """The Redis URL in force (it may hold a password)."""
        return self.redis_url.get_secret_value()


def units_file() -> Path:
    """File of the variables that the systemd units have: TGSH_ENVIRONMENT_FILE, else where the guide puts it.

    Returns
    -------
    Path
        It need not exist.
    """
    return Path(os.environ.get("TGSH_ENVIRONMENT_FILE") or "/etc/tgsh/environment")


def take_units_settings() -> bool:
    """Take the variables that the systemd units of this machine have, for a command about that service.

    Where TGSH_HOME is set, where there is a home in the current folder, or where this user may not read the
    file, everything stays as it is; so does every variable that is set.

    Returns
    -------
    bool
        Whether they were taken.
    """
    path = units_file()
    has_home = "TGSH_HOME" in os.environ or os.access(
        "tgsh-home", os.F_OK
    )  # also where this user may not look
    if has_home or not os.access(path, os.R_OK):
        return False
    for name, value in dotenv_values(path, interpolate=False).items():
        if value:
            os.environ.setdefault(name, value)
    return True


def compiled_code_folder() -> Path:
    """Folder of the machine code that numba compiles for this machine.

    Returns
    -------
    Path
        NUMBA_CACHE_DIR; else in TGSH_HOME, where that is set, as a container has nothing else that lasts;
        else in the user's cache folder, whatever homes the user has.
    """
    if folder := os.environ.get("NUMBA_CACHE_DIR"):
        return Path(folder).absolute()
    if not os.environ.get("TGSH_HOME"):
        with contextlib.suppress(RuntimeError):  # a user without a home folder
            users = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
            return Path(users).absolute() / "tgsh" / "numba"
    return StoreSettings().home.absolute() / "cache" / "numba"
