"""Small datasets for uploads, and the requests that upload them."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import httpx
import numpy as np
from PIL import Image

from tgsh.rng import rng_for

NPZ, ZIP = "application/x-npz", "application/zip"


def npz(**arrays: Any) -> bytes:
    """Contents of an .npz file."""
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def zipped(files: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """A zip of these files."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def picture(pixels: np.ndarray, format: str = "PNG", **options: Any) -> bytes:
    """An image file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format, **options)
    return file.getvalue()


def coloured(
    classes: int = 13, each: int = 12, size: tuple[int, ...] = (10, 14, 3), seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Noisy images of random patterns, one a class: x uint8 [N, …] and y int64 [N]."""
    rng = rng_for(seed, "coloured")
    y = np.repeat(np.arange(classes), each)
    patterns = rng.integers(0, 200, (classes, *size))
    return (patterns[y] + rng.integers(0, 56, (len(y), *size))).astype(np.uint8), y


def grey(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Like `coloured`, but small and grey."""
    return coloured(2, 6, (5, 6), seed)


def post(client: httpx.Client, content: bytes, media_type: str = NPZ, **params: Any) -> httpx.Response:
    """POST /datasets."""
    return client.post("/datasets", content=content, headers={"Content-Type": media_type}, params=params)


def upload(client: httpx.Client, x: Any = None, y: Any = None, **params: Any) -> str:
    """Upload a dataset; its id."""
    if x is None:
        x, y = grey()
    response = post(client, npz(x=x, y=y), **params)
    assert response.status_code in (200, 201), response.text
    return str(response.json()["id"])
