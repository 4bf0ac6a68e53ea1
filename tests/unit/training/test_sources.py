"""Tasks with images of their own: learned as the truth says, in any company."""

from __future__ import annotations

import numpy as np
from scipy.stats import spearmanr

from tests.support import training
from tgsh.analysis.similarity import similarity
from tgsh.specs import ExperimentSpec, FlyNetSpec, ManifoldSuite, TrainingSpec
from tgsh.suites import build
from tgsh.suites.manifold import ManifoldImages
from tgsh.suites.task_identity import task_parameters
from tgsh.training.trainer import Trainer

SPEC = ExperimentSpec(
    suite=ManifoldSuite(tasks=12, side=12, train_images=1_000, test_images=300),
    network=FlyNetSpec(expansion=6),
    training=TrainingSpec(epochs=3),
)


def test_context_vectors_are_as_alike_as_the_true_identifiers() -> None:
    source = ManifoldImages(SPEC.suite)  # type: ignore[arg-type]
    trainer, tasks = Trainer(SPEC, source, training.CPU), build(SPEC.suite, source.info)
    states = []
    for task in tasks:
        [state] = [trainer.fresh(task.index)]
        for _ in range(SPEC.training.epochs):
            [state] = trainer.epoch([task], [state], training.never)
        assert trainer.accuracy([task], [state])[0] > 0.6
        states.append(state)
    vectors = np.stack([state.vectors[-1] for state in states])
    learned = similarity(vectors, [task.label for task in tasks], [task.index for task in tasks]).values
    truth = task_parameters(SPEC.suite, tasks, source.info)
    assert truth is not None
    pairs = np.triu_indices(len(tasks), 1)
    assert spearmanr(learned[pairs], (truth @ truth.T)[pairs]).statistic > 0.6


def test_company_changes_no_byte() -> None:
    source = ManifoldImages(SPEC.suite)  # type: ignore[arg-type]
    tasks = build(SPEC.suite, source.info)[:3]
    trainer = Trainer(SPEC, source, training.CPU)
    together = trainer.epoch(tasks, [trainer.fresh(task.index) for task in tasks], training.never)
    accuracies = trainer.accuracy(tasks, together)
    for task, state, accuracy in zip(tasks, together, accuracies, strict=True):
        [alone] = trainer.epoch([task], [trainer.fresh(task.index)], training.never)
        assert training.digest(state) == training.digest(alone)
        assert trainer.accuracy([task], [alone]) == [accuracy]
