"""Similarity of the two halves of MNIST by what their classes are called and how they are matched.

No times: what the rule `classes` of a suite of datasets is worth, and what unrelated labels give.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.benchmarks.table import Row
from tgsh.analysis.similarity import similarity, similarity_range
from tgsh.datasets.base import ImageDataset
from tgsh.datasets.descriptions import joint_info
from tgsh.datasets.mnist import load_dataset
from tgsh.datasets.several import several_datasets
from tgsh.specs import DatasetsSuite, ExperimentSpec
from tgsh.suites import build
from tgsh.training.shuffles import shuffled_vectors
from tgsh.training.trainer import Trainer

DIGITS = tuple("0123456789")
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
EXCHANGED = tuple("0128456739")
"""Names of the classes in the order of their numbers: 3 and 8 are numbered the other way round."""

RULES = ("order", "names", "nearest")
SHUFFLES = 10


def rows(data_dir: Path | None, dataset: str = "mnist") -> list[Row]:
    """Cosine of the halves for every case and rule, and the range of unrelated labels."""
    whole = load_dataset(dataset, data_dir or Path("unused"))
    one, other = half(whole, 0, DIGITS), half(whole, 1, DIGITS)
    cases: Mapping[str, ImageDataset] = {
        "same names": other,
        "folders zero to nine": half(whole, 1, sorted(WORDS)),
        "without class 3": half(whole, 1, [name for name in DIGITS if name != "3"]),
        "3 and 8 exchanged": half(whole, 1, EXCHANGED),
    }
    found = []
    for case, beside in cases.items():
        for rule in RULES:
            vectors = trained(trainer_of(one, beside, rule))
            value = float(similarity(vectors, ["one", "other"], [0, 1]).values[0, 1])
            found.append(Row(f"halves of {dataset}, {case}, classes: {rule}", "cosine", value))
    trainer = trainer_of(one, other, "names")
    shuffled = shuffled_vectors(trainer, build(trainer.spec.suite, trainer.info), SHUFFLES, lambda: False)
    for what, value in zip(("least", "greatest", "mean"), similarity_range(shuffled), strict=True):
        found.append(Row(f"halves of {dataset}, unrelated labels, {SHUFFLES} times, {what}", "cosine", value))
    return found


def half(whole: ImageDataset, part: int, names: Sequence[str]) -> ImageDataset:
    """Every second image of each digit, as an upload whose classes have these names in this order."""
    order = np.argsort(whole.train_labels, kind="stable")
    chosen = np.sort(order[part::2])
    digit_of = {name: place for place, name in enumerate(WORDS)} | {name: int(name) for name in DIGITS}
    number = np.full(10, -1)
    number[[digit_of[name] for name in names]] = np.arange(len(names))
    train, test = number[whole.train_labels[chosen]], number[whole.test_labels]
    info = replace(
        whole.info,
        name="ab"[part] * 16,
        classes=len(names),
        class_names=tuple(names),
        train_images=int((train >= 0).sum()),
        test_images=int((test >= 0).sum()),
    )
    images = np.asarray(whole.train_images)[chosen[train >= 0]], np.asarray(whole.test_images)[test >= 0]
    return ImageDataset(info, images[0], train[train >= 0], images[1], test[test >= 0])


def trainer_of(one: ImageDataset, other: ImageDataset, rule: str) -> Trainer:
    """A trainer of both, matched by a rule."""
    suite = DatasetsSuite.model_validate({"datasets": (one.info.name, other.info.name), "classes": rule})
    source = several_datasets(suite, joint_info([one.info, other.info], suite), [one, other])
    return Trainer(ExperimentSpec(dataset=None, suite=suite), source, "cpu")


def trained(trainer: Trainer) -> np.ndarray:
    """Context vectors of all tasks after training."""
    vectors = []
    for task in build(trainer.spec.suite, trainer.info):
        states = [trainer.fresh(task.index)]
        for _ in range(trainer.spec.training.epochs):
            states = trainer.epoch([task], states, lambda: False)
        vectors.append(states[0].vectors[-1])
    return np.array(vectors)
