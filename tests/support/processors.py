"""What a small FlyNet learns in code that is compiled for another processor than this one.

python -m tests.support.processors FILE, under NUMBA_CPU_NAME and NUMBA_CPU_FEATURES.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from tgsh.networks.flynet_simd import instruction_set

WITH_FMA = ("haswell", "x86-64-v3", "skylake-avx512", "x86-64-v4", "znver4")
"""LLVM's names of processors that multiply and add in one rounding."""

WITHOUT_FMA = ("x86-64-v2", "nehalem")

NO_OTHERS = "+64bit"
"""Features: those of the name. Without this numba adds all that this machine has, whatever the name."""

_NEEDS_AVX512 = ("skylake-avx512", "x86-64-v4", "znver4")


def runs_here(name: str) -> bool:
    """True if this machine has every instruction of that processor."""
    found = instruction_set()
    return found == "AVX512" or (found == "AVX2" and name not in _NEEDS_AVX512)


def learned_as(name: str | None, folder: Path) -> np.ndarray:
    """Context and RMSprop's averages after an epoch, float32; None: compiled for this processor."""
    other = {} if name is None else {"NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": NO_OTHERS}
    file = folder / f"{name}.npy"
    command = [sys.executable, "-m", "tests.support.processors", str(file)]
    subprocess.run(command, env={**os.environ, **other}, check=True, timeout=300)
    numbers: np.ndarray = np.load(file)
    return numbers


def _learned() -> np.ndarray:
    from tgsh.networks.flynet_numba import FusedFlyNet
    from tgsh.networks.registry import context_of, random_base
    from tgsh.rng import rng_for
    from tgsh.specs import FlyNetSpec
    from tgsh.suites.pixel_maps import PixelMap

    spec, pixels, classes, images = FlyNetSpec(), 784, 10, 1000
    net = FusedFlyNet(random_base(spec, pixels, classes, 3), PixelMap.identity(pixels))
    x = rng_for(7, "images").integers(0, 256, (images, pixels), dtype=np.uint8)
    y, order = rng_for(7, "labels").integers(0, classes, images), rng_for(2, "order").permutation(images)
    parameters = np.concatenate([*context_of(spec, pixels, classes).draw(rng_for(5, "c")).values()])
    square_avg = np.zeros_like(parameters)
    for batch in np.array_split(order, 8):
        net.learn(x, y, batch, parameters, square_avg, 0.01)
    return np.concatenate([parameters, square_avg])


if __name__ == "__main__":
    np.save(sys.argv[1], _learned())
