"""HTTP server of MNIST-like files of the right shape."""

from __future__ import annotations

import gzip
import hashlib
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np

from tgsh.datasets.downloads import FILES
from tgsh.rng import rng_for

SHAPES = ((60_000, 28, 28), (60_000,), (10_000, 28, 28), (10_000,))


def contents() -> dict[str, bytes]:
    """The four files: blank images but for their first pixels, labels 0 to 9."""
    files = {}
    for name, shape in zip(FILES, SHAPES, strict=True):
        array = np.zeros(shape, np.uint8)
        array.reshape(shape[0], -1)[:, 0] = rng_for(0, name).integers(0, 10, shape[0])
        files[name] = struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape) + array.tobytes()
    return files


def write(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)


def pack(folder: Path, files: dict[str, bytes]) -> list[tuple[str, str]]:
    """Write files as .gz; their names and MD5 sums, as torchvision declares them."""
    packed = {f"{name}.gz": gzip.compress(data, 1) for name, data in files.items()}
    write(folder, packed)
    return [(name, hashlib.md5(data).hexdigest()) for name, data in packed.items()]


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """URL of a server that publishes a folder for as long as the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
