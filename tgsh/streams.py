"""Named streams of random numbers. Randomness is always an argument, never global.

A stream follows from a seed and a path of names alone, so that a task's result does not depend on
which worker ran it, when, or in what company.
"""

from __future__ import annotations

import hashlib

import numpy as np


def stream(seed: int, *path: str | int) -> np.random.Generator:
    """The counter-based (Philox) generator that belongs to `seed` and `path`, at its start."""
    name = "/".join(map(str, path))
    key = hashlib.sha256(f"{seed}:{name}".encode()).digest()[:16]
    return np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little")))
