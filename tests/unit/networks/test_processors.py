"""Bytes of the fused FlyNet on other processors: the same wherever a product and a sum round once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support.processors import WITH_FMA, WITHOUT_FMA, learned_as, runs_here

CHECKED = (*WITH_FMA[:1], *WITHOUT_FMA[:1])
"""Each is compiled for 5 s; `python -m tests.benchmarks processors` takes them all."""


@pytest.mark.slow
@pytest.mark.skipif(not runs_here(WITH_FMA[0]), reason="this processor has no FMA")
def test_every_processor_with_fma_gives_the_same_bytes(tmp_path: Path) -> None:
    here, other, unfused = (learned_as(name, tmp_path) for name in (None, *CHECKED))
    assert here.tobytes() == other.tobytes()
    assert here.tobytes() != unfused.tobytes()  # or the name had no effect
    np.testing.assert_allclose(unfused, here, atol=1e-3)
