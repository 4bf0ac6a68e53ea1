"""What tells random bases apart."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import numpy as np


def base_id(header: Mapping[str, object], *arrays: np.ndarray) -> str:
    """SHA-256 (hex) of what a base is and of its arrays, as little-endian bytes."""
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for array in arrays:
        digest.update(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
    return digest.hexdigest()
