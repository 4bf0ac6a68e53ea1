"""Bodies made to fill the memory, to stop the parser, or to be run: each is refused, named and forgotten."""

from __future__ import annotations

import io
import json
import pickle
import struct
from collections.abc import Callable

import httpx
import numpy as np
import pytest

from tests.support.wire import exchange, post
from tests.system.attacks.conftest import Service
from tgsh.specs import MAX_TASKS

pytestmark = pytest.mark.attacks

MB = 1 << 20
LIMIT = MB  # TGSH_MAX_BODY_BYTES


def custom(tasks: list[object]) -> bytes:
    return json.dumps({"suite": {"kind": "custom", "tasks": tasks}}, separators=(",", ":")).encode()


Body = bytes | Callable[[], bytes]
"""What is sent; what is large is made when its test runs, not when tests are collected, in every process."""

SPECS: dict[str, tuple[Body, int, str]] = {
    "100,000 levels of lists": (b'{"suite":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400, "body"),
    "100,000 levels of objects": (b'{"suite":' * 100_000 + b"1" + b"}" * 100_000, 400, "body"),
    "900 levels": (b'{"suite":' * 900 + b"1" + b"}" * 900, 422, "suite.suite"),
    "a number of 900,000 digits": (b'{"seed":' + b"9" * 900_000 + b"}", 400, "body"),
    "a float beyond all floats": (b'{"training":{"learning_rate":1e400}}', 422, "training.learning_rate"),
    "a number of many digits": (b'{"seed":' + b"9" * 4000 + b"}", 422, "seed"),
    "NaN": (b'{"training":{"learning_rate":NaN}}', 422, "training.learning_rate"),
    "-Infinity": (b'{"suite":{"step_degrees":-Infinity}}', 422, "suite.step_degrees"),
    "60,000 keys": (lambda: json.dumps({str(n): 0 for n in range(60_000)}).encode(), 422, "0"),
    "a million keys": (lambda: json.dumps({str(n): 0 for n in range(1_000_000)}).encode(), 413, "body"),
    "a lone surrogate in a value": (b'{"name":"\\ud800"}', 422, "name"),
    "a lone surrogate in a key": (b'{"\\ud800":1}', 422, "body"),
    "NUL in a name": (b'{"name":"a\\u0000b"}', 422, "name"),
    "NUL in a tag": (b'{"tags":["a\\u0000b"]}', 422, "tags.0"),
    "NUL in a label": (custom([{"label": "a\0b"}]), 422, "suite.tasks.0.label"),
    "a billion tasks": (b'{"suite":{"tasks":1000000000}}', 422, "suite.tasks"),
    "300,000 tasks that are none": (lambda: custom([[]] * 300_000), 422, "suite.tasks"),
    "10,000 tasks that are none": (lambda: custom([[]] * MAX_TASKS), 422, "suite.tasks.0"),
    "17 transforms": (
        custom([{"label": "a", "transforms": [{"kind": "invert"}] * 17}]),
        422,
        "suite.tasks.0.transforms",
    ),
    "300,000 layers": (
        lambda: json.dumps({"network": {"kind": "neuromodnet", "layers": [1] * 300_000}}).encode(),
        422,
        "network.layers",
    ),
    "a base of 40 billion weights": (
        b'{"network":{"kind":"neuromodnet","layers":[200000,200000]}}',
        422,
        "network.layers",
    ),
    "a readout of 200 million weights": (
        b'{"suite":{"kind":"manifold","classes":1000,"side":44},"network":{"expansion":100}}',
        422,
        "network.expansion",
    ),
    "a pickle": (pickle.dumps({"preset": "demo"}), 400, "body"),
}


@pytest.mark.parametrize("name", SPECS)
def test_no_spec_is_a_bomb(service: Service, name: str) -> None:
    body, status, field = SPECS[name]
    before = service.memory
    answer = exchange(service.address, post("/experiments", body if isinstance(body, bytes) else body()))
    assert answer.status == status, answer.body[:500]
    assert field in [error["field"] for error in answer.problem["errors"]]
    assert len(answer.body) < 64 << 10
    assert service.memory - before < 150 * MB
    assert httpx.get(f"{service.url}/experiments", timeout=60).json()["items"] == []


def npy(header: bytes, data: bytes = b"") -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def objects() -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([{"a": 1}], object), allow_pickle=True)
    return file.getvalue()


class Harmful:
    """What a pickle of it does must never happen."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("raise SystemExit('unpickled')",)


IMAGES = {
    "objects": objects(),
    "a pickle": pickle.dumps(Harmful()),
    "a pickle behind npy's magic": npy(
        b"{'descr': '|O', 'fortran_order': False, 'shape': (1, 784)}", pickle.dumps(Harmful())
    ),
    "a structured type": npy(b"{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (1, 784)}"),
    "a terabyte promised": npy(b"{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000000, 784)}"),
    "negative": npy(b"{'descr': '|u1', 'fortran_order': False, 'shape': (-1, 784)}"),
    "a shape beyond 64 bits": npy(
        b"{'descr': '|u1', 'fortran_order': False, 'shape': (" + b"9" * 40 + b", 784)}"
    ),
    "a header of code": npy(b"__import__('os').abort()"),
    "a deep header": npy(b"(" * 60_000),
    "a header that is not there": b"\x93NUMPY\x02\x00\xff\xff\xff\xff",
    "safetensors with a huge header": struct.pack("<Q", 2**40) + b"{}",
    "nothing": b"",
}


@pytest.mark.parametrize("name", IMAGES)
def test_no_array_is_unpickled_or_believed(trained: str, attacked: httpx.Client, name: str) -> None:
    for what in ("predictions", "representations"):
        for content_type, status in (("application/x-npy", 422), ("application/vnd.safetensors", 415)):
            answer = attacked.post(
                f"{trained}/tasks/0/{what}", content=IMAGES[name], headers={"Content-Type": content_type}
            )
            assert answer.status_code == status, answer.text
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["errors"][0]["field"] in ("body", "images", "content-type")
    assert attacked.get("/livez").status_code == 200


DEEP = b'{"images":' + b"[" * 5_000 + b"1" + b"]" * 5_000 + b"}"
RAGGED = b'{"images":[' + b",".join(b"[" + b"1," * (n % 7) + b"1]" for n in range(20_000)) + b"]}"
IN_JSON = {
    "deep": DEEP,
    "100 levels": b'{"images":' + b"[" * 100 + b"1" + b"]" * 100 + b"}",
    "ragged": RAGGED,
    "twice": b'{"images":[1],"images":[2]}',
    "NaN": b'{"images":[' + b"NaN," * 783 + b"1.0]}",
    "huge numbers": b'{"images":[' + b"1e308," * 783 + b"1]}",
    "huge integers": b'{"images":[' + b"9" * 4000 + b"," + b"1," * 782 + b"1]}",
    "null": b'{"images":null}',
    "text": b'{"images":"' + b"a" * 900_000 + b'"}',
    "objects": b'{"images":[' + b"{}," * 783 + b"{}]}",
    "half a million lists": b'{"images":[' + b"[]," * 300_000 + b"[]]}",
}


@pytest.mark.parametrize("name", IN_JSON)
def test_no_json_of_images_is_a_bomb(trained: str, attacked: httpx.Client, name: str) -> None:
    answer = attacked.post(
        f"{trained}/tasks/0/predictions", content=IN_JSON[name], headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 422, answer.text[:500]
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(answer.content) < 64 << 10


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, gzip", "x" * 1000])
def test_a_compressed_body_is_not_unpacked(service: Service, encoding: str) -> None:
    body = b"\x1f\x8b" + b"\0" * 100
    answer = exchange(service.address, post("/experiments", body, f"Content-Encoding: {encoding}"))
    assert answer.status == 415
    assert answer.problem["errors"][0]["field"] == "content-encoding"


def test_ten_thousand_tasks_of_a_mebibyte_take_little_memory(service: Service) -> None:
    transforms = [{"kind": "invert"}] * 2
    body = custom([{"label": str(n), "transforms": transforms} for n in range(MAX_TASKS)])
    assert 0.6 * LIMIT < len(body) < LIMIT
    before = service.memory
    answer = exchange(service.address, post("/experiments", body), seconds=60)
    assert answer.status == 202
    assert service.memory - before < 300 * MB
    assert httpx.delete(f"{service.url}{answer.headers['location']}", timeout=60).status_code == 204
