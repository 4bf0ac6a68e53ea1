"""How an upload arrives: as a body, as a form, slowly, with others; and what is seen before it is kept."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import anyio
import httpx
import pytest
from pydantic import SecretStr

from service.app import create_app
from service.settings import ServiceSettings
from service.uploads import UploadStaging
from tests.api.test_datasets import left_behind
from tests.support.people import people
from tests.support.serving import serving
from tests.support.uploads import grey, npz, post, upload

DIGITS = npz(x=grey()[0], y=grey()[1])


def send_form(client: httpx.Client, body: bytes, boundary: str = "b", **params: str) -> httpx.Response:
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    return client.post("/datasets", content=body, headers=headers, params=params)


def part(name: str, content: bytes, filename: str | None = "digits.npz") -> bytes:
    file = "" if filename is None else f'; filename="{filename}"'
    return f'--b\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + content + b"\r\n"


def test_a_form_is_the_file_in_it(client: httpx.Client) -> None:
    raw = post(client, DIGITS, name="raw")
    assert raw.status_code == 201
    form = client.post("/datasets", files={"file": ("weird name.bin", DIGITS, "image/png")})
    assert (form.status_code, form.json()["id"]) == (200, raw.json()["id"])
    assert send_form(client, part("any", DIGITS) + b"--b--\r\n").json()["id"] == raw.json()["id"]
    unnamed = part("file", DIGITS, filename=None) + b"--b--\r\n"
    assert send_form(client, unnamed).json()["id"] == raw.json()["id"]


@pytest.mark.parametrize(
    "media_type", ["application/json", "image/png", "application/x-www-form-urlencoded", ""]
)
def test_what_it_is_follows_from_its_bytes(client: httpx.Client, media_type: str) -> None:
    assert post(client, DIGITS, media_type).status_code == 201


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (part("file", DIGITS) + part("file", DIGITS) + b"--b--\r\n", "several files"),
        (part("name", b"digits", filename=None) + b"--b--\r\n", "?name=…"),
        (b"--b--\r\n", "without a file"),
        (part("file", DIGITS), "breaks off"),
        (part("file", DIGITS)[:100], "breaks off"),
        (b"no form at all", "broken form"),
        (b"", "breaks off"),
        (b"--b\r\n" + b"X-A: " + b"x" * 100_000 + b"\r\n\r\n", "broken form"),
    ],
)
def test_a_broken_form_is_told(client: httpx.Client, tmp_path: Path, body: bytes, words: str) -> None:
    answer = send_form(client, body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "body"), answer.text
    assert words in answer.json()["errors"][0]["message"]
    assert left_behind(tmp_path) == []


def test_a_form_without_a_boundary(client: httpx.Client) -> None:
    answer = client.post("/datasets", content=DIGITS, headers={"Content-Type": "multipart/form-data"})
    assert (answer.status_code, "boundary" in answer.text) == (422, True)


def test_a_dry_run_tells_all_and_keeps_nothing(client: httpx.Client, tmp_path: Path) -> None:
    seen = post(client, DIGITS, name="digits", dry_run=True)
    assert seen.status_code == 200
    found = seen.json()
    assert (found["stored"], found["same_as"], found["name"], found["images"]) == (False, None, "digits", 12)
    assert found["report"]["counts"]["train"] == {"0": 5, "1": 5}
    assert (left_behind(tmp_path), client.get("/datasets").json()["items"]) == ([], [])
    kept = post(client, DIGITS, name="digits").json()
    assert (kept["stored"], kept["id"]) == (True, found["id"])
    assert kept["report"] == found["report"]
    for answer in (post(client, DIGITS, name="other", dry_run=True), post(client, DIGITS, name="other")):
        assert (answer.status_code, answer.json()["same_as"]) == (200, "digits")
    assert client.get(f"/datasets/{kept['id']}").json()["same_as"] is None


@pytest.mark.attacks
def test_a_report_is_told_to_whom_it_is_of(client: httpx.Client, tmp_path: Path) -> None:
    with people(tmp_path, client) as known:
        alice, bob = known["alice"], known["bob"]
        mine = upload(alice, *grey(), name="alice's")
        seen = post(bob, DIGITS, dry_run=True).json()
        assert (seen["id"], seen["same_as"]) == (mine, None)  # what alice has is not bob's to know
        assert post(bob, DIGITS, name="bob's").status_code == 201
        assert bob.get(f"/datasets/{mine}").json()["name"] == "bob's"


def test_it_is_renamed_and_described(client: httpx.Client) -> None:
    path = f"/datasets/{upload(client, *grey(), name='digits')}"
    words = {"name": " Ziffern ", "notes": "from the attic", "citation": "Doe 1999", "licence": "CC0"}
    changed = client.patch(path, json=words)
    assert changed.status_code == 200
    assert {key: changed.json()[key] for key in words} == {**words, "name": "Ziffern"}
    assert client.patch(path, json={"notes": None, "citation": ""}).json()["notes"] is None
    found = client.get(path).json()
    assert (found["notes"], found["citation"], found["licence"], found["name"]) == (
        None,
        None,
        "CC0",
        "Ziffern",
    )
    for wrong in (
        {},
        {"name": ""},
        {"name": None},
        {"name": "x" * 65},
        {"shared": None},
        {"notes": 3},
        {"x": 1},
    ):
        assert client.patch(path, json=wrong).status_code == 422
    assert client.get(path).json() == found


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A service that waits for a second."""
    settings = ServiceSettings(
        home=tmp_path_factory.mktemp("patient"),
        redis_url=SecretStr("redis://127.0.0.1:1/0"),
        max_body_seconds=1.0,
    )
    with serving(create_app(settings)) as client:
        yield client


def begin(client: httpx.Client, length: int) -> socket.socket:
    """A connection over which an upload of that length has begun."""
    sent = socket.create_connection((client.base_url.host, client.base_url.port or 0), timeout=20)
    sent.sendall(f"POST /datasets HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n".encode())
    return sent


def test_slow_senders_keep_nobody_out(patient: httpx.Client) -> None:
    """Before, four of them answered everybody else 503."""
    with ExitStack() as stack:
        slow = [stack.enter_context(begin(patient, 10_000_000)) for _ in range(20)]
        for each in slow:
            each.sendall(bytes(1000))
        assert post(patient, DIGITS).status_code in (200, 201)
        for each in slow:
            assert b" 408 " in each.recv(65_536).split(b"\r\n")[0]


def test_who_was_fast_may_not_trickle_for_ever(patient: httpx.Client) -> None:
    """The credit of a fast beginning is bounded: of 4 MB at once it would have been a minute."""
    with begin(patient, 100_000_000) as sender:
        sender.sendall(bytes(4_000_000))
        began = time.monotonic()
        is_over = threading.Event()

        def trickle() -> None:
            while not is_over.wait(0.1):
                try:
                    sender.sendall(b"x")
                except OSError:
                    return

        thread = threading.Thread(target=trickle)
        thread.start()
        answered = sender.recv(65_536)
        is_over.set()
        thread.join()
    assert b" 408 " in answered.split(b"\r\n")[0]
    assert time.monotonic() - began < 20


def test_turns_at_unpacking_are_by_owner(tmp_path: Path) -> None:
    """Two at a time, of which an owner with many has one as long as others wait; who gave up gets none."""
    staging = UploadStaging(tmp_path)
    order: list[str] = []

    async def unpack(owner: str, number: int, all_wait: anyio.Event) -> None:
        async with staging.turn(owner):
            order.append(f"{owner}{number}")
            await all_wait.wait()
            await anyio.sleep(0)

    async def run() -> None:
        all_wait = anyio.Event()
        async with anyio.create_task_group() as tasks:
            for number in range(5):
                tasks.start_soon(unpack, "a", number, all_wait)
            await anyio.wait_all_tasks_blocked()
            for number in range(2):
                tasks.start_soon(unpack, "b", number, all_wait)
                tasks.start_soon(unpack, "c", number, all_wait)
            async with anyio.create_task_group() as impatient:
                impatient.start_soon(unpack, "d", 0, all_wait)
                await anyio.wait_all_tasks_blocked()
                impatient.cancel_scope.cancel()
            all_wait.set()

    anyio.run(run)
    assert order[:2] == ["a0", "a1"]
    assert sorted(order) == ["a0", "a1", "a2", "a3", "a4", "b0", "b1", "c0", "c1"]
    assert set(order[2:4]) == {"b0", "c0"}
