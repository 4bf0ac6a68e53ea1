"""Settings of the service, from TGSH_* environment variables."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from tgsh.settings import StoreSettings

SECRETS = ("TGSH_API_KEY", "TGSH_REDIS_URL", "TGSH_DATABASE_URL", "FSSPEC_S3_KEY", "FSSPEC_S3_SECRET")


class ServiceSettings(StoreSettings):
    """Limits, hosts, keys and quotas, beside the settings of the store.

    TGSH_MAX_BODY_BYTES and TGSH_MAX_BODY_SECONDS bound a request's body, TGSH_MAX_UPLOAD_BYTES that of a
    dataset, which is streamed to disk. TGSH_CACHE_BYTES bounds the memory of rendered responses,
    TGSH_ATLAS_BYTES that of the index of learned tasks, and TGSH_MAX_STREAMS(_PER_CLIENT) open event streams.
    The last three fields are quotas of each API key; without keys there are no quotas.
    """

    max_body_bytes: int = Field(1 << 20, gt=0)
    max_upload_bytes: int = Field(2 << 30, gt=0, description="size of a dataset, packed and unpacked")
    max_body_seconds: float = Field(30, gt=0)
    max_streams: int = Field(300, gt=0)
    max_streams_per_client: int = Field(100, gt=0)
    cache_bytes: int = Field(32 << 20, ge=0)
    atlas_bytes: int = Field(
        512 << 20, ge=1 << 20, description="sketches of learned tasks in memory, about 4 KB each"
    )
    host: str = Field("127.0.0.1", description="address on which it listens")
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="host names of the service, beside localhost and the address of the machine"
    )
    allow_no_keys: bool = Field(False, description="without keys, admit every client")
    metrics_key_file: Path | None = Field(
        None, description="a key that opens /metrics alone; made at the start where there is none"
    )
    stack_key_sha256: str | None = Field(None, description="set by `tgsh up`: the hash of its own key")
    max_queued_tasks: int = Field(20_000, ge=1, description="queued and running tasks of a key")
    max_stored_bytes: int = Field(50 << 30, ge=1, description="results of a key's experiments")
    requests_a_minute: int = Field(1_200, ge=1, description="requests with one key")

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        """Parse a comma-separated list."""
        if not isinstance(value, str):
            return value
        return tuple(name.strip().lower() for name in value.split(",") if name.strip())


def from_environment() -> ServiceSettings:
    """The settings. Removes the secrets from the environment, which child processes inherit.

    fsspec has read its own when it was imported.
    """
    settings = ServiceSettings()
    for name in SECRETS:
        os.environ.pop(name, None)
    return settings
