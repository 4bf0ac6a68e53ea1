"""Named random generators from a seed."""

from __future__ import annotations

import hashlib

import numpy as np


def rng_for(seed: int, *path: str | int) -> np.random.Generator:
    """The counter-based (Philox) generator that belongs to `seed` and `path`, at its start."""
    name = "/".join(map(str, path))
    key = hashlib.sha256(f"{seed}:{name}".encode()).digest()[:16]
    return np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little")))
