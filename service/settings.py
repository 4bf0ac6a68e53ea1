"""ServiceSettings."""

from __future__ import annotations

import os
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from tgsh.settings import StoreSettings

SECRETS = ("TGSH_API_KEY", "TGSH_REDIS_URL", "TGSH_DATABASE_URL", "FSSPEC_S3_KEY", "FSSPEC_S3_SECRET")


class ServiceSettings(StoreSettings):
    """TGSH_MAX_BODY_BYTES bounds what a client may send; TGSH_CACHE_BYTES what rendered answers may take.

    TGSH_MAX_UPLOAD_BYTES bounds a dataset, which goes to the disk as it comes.

    TGSH_MAX_BODY_SECONDS bounds how slowly it may be sent, TGSH_MAX_STREAMS(_PER_CLIENT) open event streams.

    The three shares are a key's; where there are no keys, nobody's are counted.
    """

    max_body_bytes: int = Field(1 << 20, gt=0)
    max_upload_bytes: int = Field(2 << 30, gt=0, description="a dataset's, packed and unpacked")
    max_body_seconds: float = Field(30, gt=0)
    max_streams: int = Field(300, gt=0)
    max_streams_per_client: int = Field(100, gt=0)
    cache_bytes: int = Field(32 << 20, ge=0)
    host: str = Field("127.0.0.1", description="where it listens, as far as it is told")
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="names by which it is reached, beside localhost and the address of the machine"
    )
    allow_no_keys: bool = Field(False, description="without keys, let in everybody who reaches it")
    stack_key_sha256: str | None = Field(None, description="set by `tgsh up`: the hash of its own key")
    max_queued_tasks: int = Field(20_000, ge=1, description="tasks of a key that wait or run")
    max_stored_bytes: int = Field(50 << 30, ge=1, description="results of a key's experiments")
    requests_a_minute: int = Field(1_200, ge=1, description="requests with a key")

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        """Names with commas between them."""
        if not isinstance(value, str):
            return value
        return tuple(name.strip().lower() for name in value.split(",") if name.strip())


def from_environment() -> ServiceSettings:
    """The settings; the secrets among them are then no longer in the environment that children inherit.

    fsspec has taken its own when it was imported.
    """
    settings = ServiceSettings()
    for name in SECRETS:
        os.environ.pop(name, None)
    return settings
