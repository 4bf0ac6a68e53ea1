"""The Python client's references to experiments and datasets: whole ids, beginnings of them, names."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests.api.conftest import submit
from tests.support.uploads import grey, upload
from tgsh.client import Client
from tgsh.errors import NotFound, ServiceProblem

PAGE = "GET /{}?limit=200"

FOUND = "GET /experiments?limit=200&q={}"


class Recorder(httpx.BaseTransport):
    """Passes requests on, and notes them."""

    def __init__(self, transport: httpx.BaseTransport) -> None:
        self.transport = transport
        self.requests: list[str] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(f"{request.method} {request.url.raw_path.decode()}")
        return self.transport.handle_request(request)


@pytest.fixture
def recorder(client: httpx.Client) -> Recorder:
    return Recorder(client._transport)


@pytest.fixture
def connected(recorder: Recorder) -> Iterator[Client]:
    with Client("http://127.0.0.1:8000", transport=recorder) as connected:
        yield connected


FILTERING = {"dataset": {"atlas", "atlas_nearest", "place"}}
"""Methods whose parameters of that name are filters, or one of several ways."""


def _methods(parameter: str) -> list[str]:
    """Public methods of the client with that parameter, but for that which resolves it."""
    names = [
        name
        for name, method in inspect.getmembers(Client, inspect.isfunction)
        if parameter in inspect.signature(method).parameters and not name.startswith("_")
    ]
    return sorted(set(names) - {f"{parameter}_id", "experiments"} - FILTERING.get(parameter, set()))


def _requests(recorder: Recorder, method: Callable[..., Any], reference: str, folder: Path) -> list[str]:
    """What a call sends, whether or not the service has such a result."""
    recorder.requests.clear()
    images = np.zeros((1, 28, 28), np.uint8)
    values = {"path": folder / "bundle.zip", "resource": "similarity", "format": "json", "name": "similarity"}
    values |= {
        "index": 0,
        "task": 0,
        "images": images,
        "progress": False,
        "priority": 1,
        "geometry": "abs(index)",
        "placement": "0" * 16,
        "weights": {0: 1.0},
        "labels": [0],
    }
    required = [*inspect.signature(method).parameters][1:]
    with suppress(ServiceProblem):
        result = method(reference, **{name: values[name] for name in required if name in values})
        if inspect.isgenerator(result):
            list(result)
    return list(recorder.requests)


def test_every_method_takes_the_beginning_of_an_id(
    client: httpx.Client, recorder: Recorder, connected: Client, tmp_path: Path
) -> None:
    whole = submit(client)
    assert len(_methods("experiment")) > 25
    for name in _methods("experiment"):
        if name in ("delete", "place"):  # place: needs images
            continue
        method, sent = getattr(connected, name), []
        for reference in (whole, f" {whole[:7].upper()}"):
            with suppress(ServiceProblem):
                connected.cancel(whole)  # it may have been resumed, and is to have ended
            sent.append(_requests(recorder, method, reference, tmp_path))
        direct, looked_up = sent
        assert direct, name
        named = (f"/experiments/{whole}", f"experiment={whole}")
        assert all(any(each in request for each in named) for request in direct), name
        assert looked_up == [FOUND.format(whole[:7]), *direct], name
    beside = _requests(recorder, lambda short: connected.geometry(whole, baseline=short), whole[:7], tmp_path)
    assert beside == [FOUND.format(whole[:7]), f"GET /experiments/{whole}/geometry?baseline={whole}"]
    compared = _requests(recorder, lambda short: connected.comparison([whole, short]), whole[:7], tmp_path)
    assert compared[0] == FOUND.format(whole[:7])
    assert f"ids={whole}%2C{whole}" in compared[-1]
    connected.cancel(whole[:7])
    connected.delete(whole[:7])
    assert list(connected.experiments()) == []


def test_a_dataset_has_a_name_too(
    client: httpx.Client, recorder: Recorder, connected: Client, tmp_path: Path
) -> None:
    whole = upload(client, *grey(0), name="leaves")
    for name in _methods("dataset"):
        if name in ("delete_dataset", "change_dataset"):
            continue
        method = getattr(connected, name)
        direct = _requests(recorder, method, whole, tmp_path)
        assert [f"/datasets/{whole}" in request for request in direct] == [True]
        for reference in (whole[:5], "leaves"):
            assert _requests(recorder, method, reference, tmp_path) == [PAGE.format("datasets"), *direct]
    assert connected.change_dataset("leaves", notes="from the yard").id == whole
    other = upload(client, *grey(1), name="leaves")
    with pytest.raises(NotFound) as refusal:
        connected.dataset("leaves")
    assert str(refusal.value).splitlines() == ["'leaves' fits 2:", f"  {other}  leaves", f"  {whole}  leaves"]
    with pytest.raises(NotFound, match="no dataset is called 'flowers'; `tgsh datasets list` shows them all"):
        connected.share_dataset("flowers")
    connected.delete_dataset(other[:7])
    connected.delete_dataset("leaves")
    assert list(connected.datasets()) == []


def test_a_beginning_that_several_have_names_them(client: httpx.Client, connected: Client) -> None:
    ids = [submit(client) for _ in range(17)]  # two at least begin with the same digit
    digit = next(each[0] for each in ids if sum(other[0] == each[0] for other in ids) > 1)
    with pytest.raises(NotFound) as refusal:
        connected.get(digit)
    same = [each for each in reversed(ids) if each[0] == digit]
    assert str(refusal.value).splitlines() == [
        f"'{digit}' fits {len(same)}:",
        *(f"  {each}  queued     three" for each in same[:8]),
        *([f"  … and {len(same) - 8} more"] if len(same) > 8 else []),
    ]
    with pytest.raises(NotFound, match="no experiment's id begins with 'xyz'; `tgsh list` shows them all"):
        connected.cancel("xyz")
    with pytest.raises(NotFound, match="and 9 more"):
        connected.cancel("")


def test_nothing_is_meant_by_an_empty_id(client: httpx.Client, connected: Client) -> None:
    only = submit(client)
    with pytest.raises(NotFound, match=only):
        connected.delete("")
    assert [each.id for each in connected.experiments()] == [only]
