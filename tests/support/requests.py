"""Request bodies that hold images."""

from __future__ import annotations

import io
import json

import numpy as np

NPY, JSON = "application/x-npy", "application/json"


def as_npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def as_json(array: np.ndarray) -> bytes:
    return json.dumps({"images": array.tolist()}).encode()
