"""The in-process transport of the API tests: a response that breaks off is no response."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from tests.support.serving import in_process


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    app = FastAPI()

    async def chunks(*, breaks: bool) -> AsyncIterator[bytes]:
        yield b"first "
        if breaks:
            raise RuntimeError("in the middle")
        yield b"last"

    @app.get("/stream")
    async def stream(breaks: bool) -> StreamingResponse:
        return StreamingResponse(chunks(breaks=breaks))

    with in_process(app) as client:
        yield client


def test_a_whole_stream_is_whole(client: httpx.Client) -> None:
    assert client.get("/stream", params={"breaks": False}).content == b"first last"


def test_a_stream_that_breaks_off_is_an_error(client: httpx.Client) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        client.get("/stream", params={"breaks": True})
