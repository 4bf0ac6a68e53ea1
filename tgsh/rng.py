"""Named random generators from a seed."""

from __future__ import annotations

import hashlib

import numpy as np


def rng_for(seed: int, *path: str | int) -> np.random.Generator:
    """Counter-based random generator (Philox) of a seed and a name.

    Parameters
    ----------
    seed : int
        Seed of an experiment, a base or a suite.
    *path : str or int
        Parts of the name, such as ``"context", 3``. Generators of different names are independent.

    Returns
    -------
    numpy.random.Generator
        At its start: equal arguments give equal random numbers, on every machine.
    """
    name = "/".join(map(str, path))
    key = hashlib.sha256(f"{seed}:{name}".encode()).digest()[:16]
    return np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little")))
