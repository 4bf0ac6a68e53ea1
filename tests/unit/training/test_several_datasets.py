"""Datasets of one's own in training: their own normalisation, colour, and several of them over one base."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from tests.support import plain_networks as plain
from tests.support import training
from tests.support.uploads import coloured
from tgsh.analysis.similarity import similarity, similarity_range
from tgsh.datasets.base import DATASETS, PAPER, DatasetInfo, ImageDataset, Normalisation
from tgsh.datasets.descriptions import joint_info
from tgsh.datasets.downloads import missing_files
from tgsh.datasets.mnist import load_dataset
from tgsh.datasets.normalisation import MOMENTS, PLAIN, NormalisedSource, normalisation_of
from tgsh.datasets.several import SeveralDatasets, several_datasets
from tgsh.errors import Interrupted
from tgsh.networks.inference import task_network
from tgsh.networks.registry import context_of, random_base
from tgsh.settings import Compute, StoreSettings
from tgsh.specs import (
    DatasetsSuite,
    ExperimentSpec,
    FlyNetSpec,
    GshSpec,
    NetworkSpec,
    NeuroModNetSpec,
    NormalisationChoice,
    RotationSuite,
    TgshSpec,
    TrainingSpec,
    UploadedDataset,
)
from tgsh.suites import SuiteTask, build
from tgsh.training.measurements import Measurement, measure
from tgsh.training.shuffles import ShuffledSource, shuffled_vectors
from tgsh.training.state import batch_order, fresh_state
from tgsh.training.trainer import Trainer

NETWORKS: list[NetworkSpec] = [
    FlyNetSpec(expansion=3),
    NeuroModNetSpec(layers=(20,)),
    TgshSpec(hidden=20, rank=6),
    GshSpec(hidden=20, rank=6),
]


CHOICES: tuple[NormalisationChoice, ...] = ("auto", "dataset", "none")


def own(letter: str, classes: int, each: int, seed: int) -> ImageDataset:
    """A colour dataset, as the store has them."""
    x, y = coloured(classes, each, (7, 9, 3), seed)
    order = np.argsort(np.tile(np.arange(each), classes), kind="stable")
    x, y, train = x.reshape(len(x), -1)[order], y[order], len(x) - 2 * classes
    normalisation = Normalisation(float(x[:train].mean() / 255), float(x[:train].std() / 255))
    info = DatasetInfo(
        letter * 16, letter, 7, 9, classes, train, 2 * classes, channels=3, normalisation=normalisation
    )
    return ImageDataset(info, x[:train], y[:train], x[train:], y[train:])


ONE, OTHER = own("a", 5, 12, 1), own("b", 3, 9, 2)
BOTH = SeveralDatasets(joint_info([ONE.info, OTHER.info]), (ONE, OTHER))


def spec_of(network: NetworkSpec = NETWORKS[0], **changes: object) -> ExperimentSpec:
    return ExperimentSpec(
        dataset=UploadedDataset(id=ONE.info.name),
        suite=RotationSuite(tasks=2, step_degrees=180),
        network=network,
        training=TrainingSpec(epochs=2, batch_size=16),
    ).model_copy(update=changes)


def several(network: NetworkSpec = NETWORKS[0]) -> ExperimentSpec:
    suite = DatasetsSuite(datasets=(ONE.info.name, OTHER.info.name))
    return spec_of(network, dataset=None, suite=suite)


@pytest.mark.parametrize(
    ("path", "choice"),
    [
        ("torch", "auto"),
        ("fused", "dataset"),
        ("torch", "none"),
        ("fused-classes", "none"),
    ],
)
def test_epochs_are_those_of_the_definition(
    path: Compute, choice: NormalisationChoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_of(normalisation=choice)
    trainer = Trainer(spec, ONE, training.CPU, path)
    task = build(spec.suite, ONE.info)[1]
    state = trainer.fresh(1)
    for _ in range(2):
        [state] = trainer.epoch([task], [state], training.never)

    by = PLAIN if choice == "none" else ONE.info.normalisation
    monkeypatch.setattr(plain, "MEAN", by.mean)
    monkeypatch.setattr(plain, "DEVIATION", by.deviation)
    start = fresh_state(spec, context_of(spec.network, 189, 5), 1).parameters
    c, g = (torch.from_numpy(start[name].astype(np.float64)).requires_grad_() for name in ("c", "g"))
    optimiser = torch.optim.RMSprop([c, g], lr=spec.training.learning_rate)
    labels = torch.from_numpy(ONE.train_labels.astype(np.int64))
    phi = plain.features(plain.dense(trainer.base, 189), task.transform.apply(ONE.train_images))  # type: ignore[arg-type, union-attr]
    for epoch in range(2):
        for batch in torch.from_numpy(batch_order(spec.seed, 1, epoch, len(labels))).split(16):
            optimiser.zero_grad()
            cross_entropy(plain.logits(trainer.base, phi[batch], c, g), labels[batch]).backward()  # type: ignore[arg-type]
            optimiser.step()
    v = (g * c).detach().numpy()
    differences = np.sort(np.abs(state.vectors[-1] - v))[: int(0.99 * len(v))]
    assert np.linalg.norm(differences) < 1e-3 * np.linalg.norm(v)


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.kind)
def test_a_dataset_learns_in_company_what_it_learns_alone(network: NetworkSpec) -> None:
    together = several(network)
    trainer = Trainer(together, BOTH, training.CPU)
    tasks = build(together.suite, BOTH.info)
    assert trainer.batchable(tasks[0]) != trainer.batchable(tasks[1])
    alone = Trainer(spec_of(network, suite=RotationSuite(tasks=1)), ONE, training.CPU)
    [first] = runs_of(trainer, tasks[0])
    [same] = runs_of(alone, build(RotationSuite(tasks=1), ONE.info)[0])
    assert first.vectors.tobytes() == same.vectors.tobytes()  # 5 classes are the most of both: one base
    [second] = runs_of(trainer, tasks[1])
    assert trainer.accuracy([tasks[1]], [second])[0] > 0.5


@pytest.mark.parametrize("choice", ["auto", "none"])
@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.kind)
def test_inference_normalises_as_training_does(network: NetworkSpec, choice: NormalisationChoice) -> None:
    spec = several(network).model_copy(update={"normalisation": choice})
    trainer = Trainer(spec, BOTH, training.CPU)
    base = random_base(network, BOTH.info.pixels, BOTH.info.classes, 0)
    context = context_of(network, BOTH.info.pixels, BOTH.info.classes)
    for task, dataset in zip(build(spec.suite, BOTH.info), BOTH.datasets, strict=True):
        [state] = runs_of(trainer, task)
        vector = state.vectors[-1]
        net = task_network(base, context, vector, task.index, normalisation_of(choice, dataset.info))
        wanted = trainer.representations(task, vector, dataset.test_images)
        np.testing.assert_allclose(net.representations(dataset.test_images), wanted, rtol=1e-3, atol=1e-4)
        right = (net.logits(dataset.test_images).argmax(axis=1) == dataset.test_labels).mean()
        assert right == pytest.approx(trainer.accuracy([task], [state])[0])


@pytest.mark.parametrize("network", NETWORKS[:3], ids=lambda network: network.kind)
def test_one_batch_of_differently_normalised_tasks(network: NetworkSpec) -> None:
    twin = own("c", 5, 12, 3)
    source = SeveralDatasets(joint_info([ONE.info, twin.info]), (ONE, twin))
    spec = spec_of(network, dataset=None, suite=DatasetsSuite(datasets=(ONE.info.name, twin.info.name)))
    trainer, tasks = Trainer(spec, source, training.CPU, "torch"), build(spec.suite, source.info)
    states = [trainer.fresh(task.index) for task in tasks]
    for state, task in zip(trainer.epoch(tasks, states, training.never), tasks, strict=True):
        [alone] = trainer.epoch([task], [trainer.fresh(task.index)], training.never)
        np.testing.assert_allclose(state.losses, alone.losses, rtol=1e-4)


def test_each_option_is_what_it_says() -> None:
    digits = load_dataset("mnist5k", Path("unused"))
    mnist = digits.info
    own = Normalisation(float((digits.train_images / 255).mean()), float((digits.train_images / 255).std()))
    assert (MOMENTS["mnist5k"].mean, MOMENTS["mnist5k"].deviation) == pytest.approx((own.mean, own.deviation))
    assert normalisation_of("auto", mnist) == PAPER
    assert normalisation_of("dataset", mnist) == MOMENTS["mnist5k"]
    assert {normalisation_of("none", info) for info in (mnist, ONE.info)} == {PLAIN}
    assert {normalisation_of(choice, ONE.info) for choice in CHOICES[:2]} == {ONE.info.normalisation}
    assert set(MOMENTS) < set(DATASETS)
    together = NormalisedSource(SeveralDatasets(joint_info([mnist, mnist]), (digits, digits)), "dataset")
    assert together.info_of(1).normalisation == MOMENTS["mnist5k"]
    assert together.of(1) is digits


@pytest.mark.skipif(bool(missing_files("mnist", StoreSettings().data)), reason="MNIST is not here")
def test_moments_of_mnist_are_those_of_its_training_images() -> None:
    counts = np.bincount(load_dataset("mnist", StoreSettings().data).train_images.ravel(), minlength=256)
    shares, pixels = counts / counts.sum(), np.arange(256) / 255
    mean = shares @ pixels
    found = mean, math.sqrt(shares @ (pixels - mean) ** 2)
    assert (MOMENTS["mnist"].mean, MOMENTS["mnist"].deviation) == pytest.approx(found, rel=1e-12)
    assert found == pytest.approx((PAPER.mean, PAPER.deviation), abs=5e-5)


def test_the_finish_measures_what_all_tasks_have() -> None:
    spec = several().model_copy(update={"accuracy_matrix": True})
    trainer, tasks = Trainer(spec, BOTH, training.CPU), build(spec.suite, BOTH.info)
    states = [runs_of(trainer, task)[0] for task in tasks]
    vectors = np.stack([state.vectors for state in states], axis=1)
    found = measure(trainer, tasks, vectors, lambda index: states[index], training.never)
    means = found["class-means"][0]["means"]
    assert means.shape == (2, 5, 189)
    assert np.isnan(means[1, 3:]).all()
    assert np.isfinite(means[0]).all()
    wanted = OTHER.train_images[OTHER.train_labels == 2].mean(axis=0) / 255
    np.testing.assert_allclose(means[1, 2], wanted, atol=1e-6)
    assert found["samples"][0]["images"].shape == (2, 3, 189)  # three classes are in both
    assert '"classes": 3' in found["geometry"][1]["sample"]
    assert np.isfinite(found["accuracy-matrix"][0]["matrix"]).all()


def renamed(dataset: ImageDataset, *names: str) -> ImageDataset:
    """The same images in classes of these names, numbered as a folder would number them."""
    numbers = np.argsort(np.argsort(names))
    info = replace(dataset.info, name="d" * 16, class_names=tuple(sorted(names)))
    train, test = numbers[dataset.train_labels], numbers[dataset.test_labels]
    return ImageDataset(info, dataset.train_images, train, dataset.test_images, test)


def named(rule: str, other: ImageDataset) -> tuple[Trainer, list[SuiteTask]]:
    """A trainer of ONE, whose classes are called 0 to 4, beside another dataset."""
    suite = DatasetsSuite.model_validate({"datasets": (ONE.info.name, other.info.name), "classes": rule})
    spec = spec_of(dataset=None, suite=suite, seed=3)
    source = several_datasets(suite, joint_info([ONE.info, other.info], suite), [ONE, other])
    return Trainer(spec, source, training.CPU), list(build(suite, source.info))


def alike(trainer: Trainer, tasks: list[SuiteTask]) -> float:
    """Cosine of the first two tasks."""
    vectors = np.array([runs_of(trainer, task)[0].vectors[-1] for task in tasks])
    return float(similarity(vectors, ["a", "b"], [0, 1]).values[0, 1])


def test_classes_are_what_they_are_called() -> None:
    """The same images twice: names undo other numbers, and images undo other names."""
    same = alike(*named("names", renamed(ONE, *"01234")))
    info = replace(ONE.info, name="e" * 16, class_names=tuple("43210"))
    train, test = (4 - labels for labels in (ONE.train_labels, ONE.test_labels))
    exchanged = ImageDataset(info, ONE.train_images, train, ONE.test_images, test)
    assert alike(*named("names", exchanged)) == alike(*named("nearest", exchanged)) == same
    assert alike(*named("order", exchanged)) < same - 0.3
    words = renamed(ONE, "zero", "one", "two", "three", "four")
    assert alike(*named("nearest", words)) == same
    assert max(alike(*named(rule, words)) for rule in ("order", "names")) < same - 0.3


def finished(trainer: Trainer, tasks: list[SuiteTask]) -> dict[str, Measurement]:
    """What the finish measures."""
    states = [runs_of(trainer, task)[0] for task in tasks]
    vectors = np.stack([state.vectors for state in states], axis=1)
    return measure(trainer, tasks, vectors, lambda index: states[index], training.never)


def test_a_class_without_test_images_is_measured_by_training_images() -> None:
    kept = ONE.test_labels != 2
    info = replace(ONE.info, test_images=int(kept.sum()))
    lacking = replace(ONE, info=info, test_images=ONE.test_images[kept], test_labels=ONE.test_labels[kept])
    spec = spec_of()
    trainer, tasks = Trainer(spec, lacking, training.CPU), build(spec.suite, info)
    found = finished(trainer, tasks)
    assert found["samples"][0]["images"].shape == (2, 5, 189)
    shown = found["samples"][0]["images"][0, 2]
    np.testing.assert_allclose(shown, lacking.train_images[lacking.train_labels == 2][0] / 255, atol=1e-6)
    assert '"classes": 5' in found["geometry"][1]["sample"]
    assert np.isfinite(found["geometry"][0]["after.intra"]).all()


def test_the_finish_measures_by_output() -> None:
    trainer, tasks = named("names", renamed(ONE, *"34567"))  # 3 and 4 are in both
    found = finished(trainer, tasks)
    means = found["class-means"][0]["means"]
    assert [np.flatnonzero(np.isfinite(own).all(axis=1)).tolist() for own in means] == [
        [0, 1, 2, 3, 4],
        [3, 4, 5, 6, 7],
    ]
    np.testing.assert_allclose(means[1, 3], means[0, 0])  # the same images under another name
    assert found["samples"][0]["classes"].tolist() == [3, 4]
    assert '"classes": 2' in found["geometry"][1]["sample"]
    assert "members" not in found

    trainer, tasks = named("names", renamed(ONE, *"abcde"))
    found = finished(trainer, tasks)
    assert found["samples"][0]["classes"].tolist() == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
    np.testing.assert_array_equal(*found["samples"][0]["images"])
    assert "geometry" not in found  # no class is in both: there is nothing to compare
    assert "members" in finished(*named("nearest", renamed(ONE, *"abcde")))


def test_shuffles_shuffle_the_classes_that_a_task_has() -> None:
    trainer, tasks = named("names", renamed(ONE, *"56789"))
    source = ShuffledSource(trainer.source, trainer.spec.seed)
    labels = source.of(1).train_labels
    assert source.of(1) is source.of(1)
    assert set(labels.tolist()) == {5, 6, 7, 8, 9}
    shuffled = dict(zip(trainer.source.of(1).train_labels.tolist(), labels.tolist(), strict=True))
    assert len(set(shuffled.values())) == 5
    source.number = 1
    assert (source.of(1).train_labels != labels).any()
    one = shuffled_vectors(trainer, tasks, 2, training.never)
    assert one.shape == (2, 2, trainer.fresh(0).vectors.shape[1])
    np.testing.assert_array_equal(shuffled_vectors(trainer, tasks, 1, training.never)[0], one[0])
    low, high, mean = similarity_range(one)
    values = [float(similarity(each, ["a", "b"], [0, 1]).values[0, 1]) for each in one]
    assert (low, high, mean) == (min(values), max(values), pytest.approx(np.mean(values)))
    with pytest.raises(Interrupted):
        shuffled_vectors(trainer, tasks, 1, lambda: True)


def runs_of(trainer: Trainer, task: object) -> list:  # type: ignore[type-arg]
    """The state after all epochs."""
    states = [trainer.fresh(task.index)]  # type: ignore[attr-defined]
    for _ in range(trainer.spec.training.epochs):
        states = trainer.epoch([task], states, training.never)  # type: ignore[list-item]
    return states
