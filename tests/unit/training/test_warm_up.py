"""After warming up, the first task compiles nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.compose import ROOT

PROGRAM = """
from pathlib import Path

from tgsh.datasets.mnist import load_dataset
from tgsh.networks import flynet_numba as kernels
from tgsh.specs import ExperimentSpec
from tgsh.suites import build
from tgsh.training.trainer import Trainer, warm_up

warm_up("cpu", "fused")
warm = [set(function.signatures) for function in (kernels.learn, kernels.logits)]
assert all(warm), warm
spec = ExperimentSpec(dataset="mnist5k")
trainer = Trainer(spec, load_dataset("mnist5k", Path("nowhere")), "cpu", "fused")
task = build(spec.suite, trainer.info)[3]
[state] = trainer.epoch([task], [trainer.fresh(3)], lambda: False)
trainer.accuracy([task], [state])
assert [set(function.signatures) for function in (kernels.learn, kernels.logits)] == warm
"""


@pytest.mark.slow
def test_the_first_task_finds_its_machine_code() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
