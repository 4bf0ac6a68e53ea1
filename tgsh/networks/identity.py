"""What tells random bases apart."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping

import numpy as np


def base_id(header: Mapping[str, object], arrays: Iterable[np.ndarray]) -> str:
    """SHA-256 (hex) of what a base is and of its arrays, whole or in parts, as little-endian bytes."""
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for array in arrays:
        digest.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).data)
    return digest.hexdigest()
