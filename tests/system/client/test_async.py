"""The client that is awaited: the same methods, the same answers, many at once."""

from __future__ import annotations

import asyncio
import inspect
import socket
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests.system.client.conftest import TINY
from tests.system.client.cutting import CuttingProxy
from tgsh.client import AsyncClient, Client
from tgsh.client._requests import ApiRequest
from tgsh.client.results import Experiment
from tgsh.client.uploads import file_body
from tgsh.errors import ServiceProblem, ServiceUnreachable
from tgsh.stack.stack import Stack


def ask(url: str, question: Callable[[AsyncClient], Coroutine[Any, Any, Any]]) -> Any:
    async def asking() -> Any:
        async with AsyncClient(url) as client:
            return await question(client)

    return asyncio.run(asking())


def test_both_clients_have_every_method_with_the_same_signature() -> None:
    names = [name for name in dir(Client) if not name.startswith("_")]
    assert names == [name for name in dir(AsyncClient) if not name.startswith("_")]
    assert {"submit", "wait", "events", "similarity", "catalog"} <= set(names)
    with Client() as blocking:
        awaiting = AsyncClient()
        for name in names:
            one, other = getattr(blocking, name), getattr(awaiting, name)
            assert str(inspect.signature(one)) == str(inspect.signature(other)).replace(
                "AsyncIterator", "Iterator"
            )
            assert one.__doc__, name
            assert "self" not in inspect.signature(one).parameters
            assert "self" in inspect.signature(getattr(Client, name)).parameters
    assert str(inspect.signature(awaiting.get)) == "(experiment: 'ExperimentReference') -> 'Experiment'"
    assert str(inspect.signature(Client.get)) == "(self, experiment: 'ExperimentReference') -> 'Experiment'"


def test_answers_are_those_of_the_client_that_blocks(stack: Stack, client: Client, done: Experiment) -> None:
    async def everything(other: AsyncClient) -> tuple[Any, ...]:
        found = [experiment async for experiment in other.experiments(tag="tiny", page_size=1)]
        events = [event async for event in other.events(done.id)]
        answers = await asyncio.gather(
            other.get(done.id),
            other.similarity(done.id, order="cluster"),
            other.dendrogram(done.id),
            other.predictions(done.id, 1, np.zeros((3, 28, 28))),
            other.figure(done.id, "similarity"),
            other.ready(),
        )
        return found, events, *answers

    expected = (
        list(client.experiments(tag="tiny")),
        list(client.events(done.id)),
        client.get(done.id),
        client.similarity(done.id, order="cluster"),
        client.dendrogram(done.id),
        client.predictions(done.id, 1, np.zeros((3, 28, 28))),
        client.figure(done.id, "similarity"),
        client.ready(),
    )
    assert ask(stack.url, everything) == expected


def test_submit_wait_and_delete(stack: Stack) -> None:
    async def once(client: AsyncClient) -> Experiment:
        submitted = await client.submit(TINY | {"tags": ["awaited"]}, anew=True)
        ended = await client.wait(submitted.id, timeout=60)
        await client.delete(submitted.id)
        assert not [left async for left in client.experiments(tag="awaited")]
        return ended

    assert ask(stack.url, once).status == "completed"


def test_waiting_leaves_the_loop_to_others_and_can_be_cancelled(stack: Stack, client: Client) -> None:
    slow = client.submit({"preset": "demo", "training": {"epochs": 1000}})

    async def both(awaiting: AsyncClient) -> tuple[int, float]:
        ticks, started = 0, time.monotonic()
        waiting = asyncio.create_task(awaiting.wait(slow.id))
        while time.monotonic() < started + 0.5:
            await asyncio.sleep(0.01)
            ticks += 1
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        return ticks, time.monotonic() - started

    ticks, seconds = ask(stack.url, both)
    assert ticks > 10
    assert seconds < 5
    assert client.cancel(slow.id).id == slow.id
    client.wait(slow.id, timeout=150)


def test_events_go_on_where_the_connection_broke(stack: Stack, client: Client, done: Experiment) -> None:
    async def events(shaky: AsyncClient) -> list[Any]:
        return [event async for event in shaky.events(done.id)]

    with CuttingProxy(stack.port, cuts=2, limit=700) as proxy:
        assert ask(proxy.url, events) == list(client.events(done.id))
    assert proxy.requests == 3


def test_errors_are_those_of_the_client_that_blocks(stack: Stack) -> None:
    with pytest.raises(ServiceProblem, match="epocks") as refused:
        ask(stack.url, lambda client: client.submit(TINY | {"epocks": 3}))
    assert refused.value.status == 422
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(ServiceUnreachable, match="tgsh up"):
        ask(url, lambda client: client.catalog())


@pytest.mark.parametrize("size", [0, 3, 200_000])
def test_files_are_streamed_with_their_length_by_both(tmp_path: Path, size: int) -> None:
    content = np.random.default_rng(size).bytes(size)
    (tmp_path / "file").write_bytes(content)
    seen: list[tuple[str | None, bytes]] = []

    def note(request: httpx.Request) -> httpx.Response:
        seen.append((request.headers.get("Content-Length"), request.read()))
        return httpx.Response(200, json={})

    async def note_later(request: httpx.Request) -> httpx.Response:
        await request.aread()
        return note(request)

    body = file_body(tmp_path / "file")
    request = ApiRequest("POST", "/somewhere", lambda response: response.json(), content=body)
    with Client("http://lab", transport=httpx.MockTransport(note)) as client:
        assert client._send(request) == {}

    async def send() -> None:
        async with AsyncClient("http://lab", transport=httpx.MockTransport(note_later)) as client:
            assert await client._send(request) == {}

    asyncio.run(send())
    assert seen == [(str(size), content)] * 2
