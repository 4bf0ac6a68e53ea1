"""Settings of the service: those of the store, and where it listens."""

from __future__ import annotations

from pydantic import Field

from tgsh.settings import StoreSettings


class ServiceSettings(StoreSettings):
    """TGSH_MAX_BODY_BYTES bounds what a client may send; TGSH_CACHE_BYTES what rendered answers may take.

    TGSH_MAX_BODY_SECONDS bounds how slowly it may be sent, TGSH_MAX_STREAMS(_PER_CLIENT) open event streams.
    """

    max_body_bytes: int = Field(1 << 20, gt=0)
    max_body_seconds: float = Field(30, gt=0)
    max_streams: int = Field(300, gt=0)
    max_streams_per_client: int = Field(100, gt=0)
    cache_bytes: int = Field(32 << 20, ge=0)
