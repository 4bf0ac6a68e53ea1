"""Training, evaluation and measurements as a GPU would be told to do them, on torch's fake CUDA tensors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch

from tests.support import training
from tests.support.fake_cuda import DEVICE, DeviceLog, fake_cuda, recorded
from tgsh.datasets.base import DATASETS, DatasetInfo, ImageDataset, ImageSource
from tgsh.datasets.descriptions import joint_info
from tgsh.datasets.several import SeveralDatasets
from tgsh.datasets.subsets import DatasetParts
from tgsh.execution import runner
from tgsh.execution.context import WorkerContext
from tgsh.settings import StoreSettings
from tgsh.specs import (
    CorruptionSuite,
    CustomSuite,
    DatasetsSuite,
    DomainsSuite,
    ExperimentSpec,
    FlyNetSpec,
    GshSpec,
    ManifoldSuite,
    NetworkSpec,
    NeuroModNetSpec,
    RotationSuite,
    SplitSuite,
    SuiteSpec,
    TgshSpec,
    TrainingSpec,
)
from tgsh.specs.transforms import ColorJitter
from tgsh.suites import build
from tgsh.suites.corruption import CorruptedImages
from tgsh.suites.manifold import ManifoldImages
from tgsh.training import state as state_module
from tgsh.training import torch_backend
from tgsh.training import trainer as trainer_module
from tgsh.training.colours import Jittered, jitters
from tgsh.training.device_memory import task_bytes, tasks_that_fit
from tgsh.training.measurements import measure
from tgsh.training.torch_backend import TorchBackend
from tgsh.training.trainer import Trainer

NETWORKS: list[NetworkSpec] = [
    FlyNetSpec(expansion=2),
    NeuroModNetSpec(layers=(16,)),
    TgshSpec(hidden=16, rank=4),
    GshSpec(hidden=16, rank=4),
]


def custom(*tasks: list[str | dict[str, object]]) -> SuiteSpec:
    """A task for each list of transforms; a name stands for one as it is by default."""
    named = [[{"kind": each} if isinstance(each, str) else each for each in steps] for steps in tasks]
    body = [{"label": str(place), "transforms": steps} for place, steps in enumerate(named)]
    return CustomSuite.model_validate({"tasks": body})


SUITES: dict[str, SuiteSpec] = {
    "rotation": RotationSuite(tasks=2),
    "transforms": custom(
        ["gaussian-noise", "impulse-noise", {"kind": "affine", "degrees": 9, "fill": 0.5}],
        ["random-perspective", "random-erasing", "horizontal-flip", "random-resized-crop", "gaussian-blur"],
    ),
    "fills": custom([{"kind": "rotate", "degrees": 30, "fill": 0.5}], ["invert"]),
    "manifold": ManifoldSuite(tasks=2, classes=4, side=8, train_images=16, test_images=8),
    "datasets": DatasetsSuite(datasets=("a" * 16, "b" * 16)),
    "split": SplitSuite(),
    "domains": DomainsSuite(),
    "corruption": CorruptionSuite(names=("contrast",), severities=(1,)),
}
"""Shift and permutation are pixel maps as rotation is; the paper's transforms are those of `transforms`."""


def dataset(letter: str, seed: int) -> ImageDataset:
    """Four classes and two domains of small pictures in colour."""
    rng = np.random.default_rng(seed)
    info = DatasetInfo(letter * 16, letter, 12, 10, 4, 16, 8, channels=3, domains=("ink", "chalk"))
    labels, domains = (np.arange(24) % 4).astype(np.uint8), (np.arange(24) % 8 // 4).astype(np.uint16)
    images = rng.integers(0, 256, (24, info.pixels)).astype(np.uint8)
    of_training = images[:16], labels[:16], images[16:], labels[16:]
    return ImageDataset(info, *of_training, domains[:16], domains[16:])


def source_of(suite: SuiteSpec) -> ImageSource:
    one, other = dataset("a", 1), dataset("b", 2)  # images stay on a device as long as a dataset is there
    match suite:
        case ManifoldSuite():
            return ManifoldImages(suite)
        case DatasetsSuite():
            return SeveralDatasets(joint_info([one.info, other.info]), (one, other))
        case SplitSuite() | DomainsSuite():
            return DatasetParts(suite, one)
        case CorruptionSuite():
            return CorruptedImages(suite, one)
    return one


@pytest.fixture(autouse=True)
def _conditions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_module, "_conditions", {})
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def whole_experiment(network: NetworkSpec, suite: SuiteSpec, batch: int) -> DeviceLog:
    """An epoch, its evaluation, and all that the finish measures, the accuracy matrix too."""
    recipe = TrainingSpec(epochs=1, batch_size=batch)
    spec = ExperimentSpec(network=network, suite=suite, training=recipe, accuracy_matrix=True)
    source = source_of(suite)
    tasks = build(suite, source.info)
    with fake_cuda() as log:
        trainer = Trainer(spec, source, DEVICE)
        assert trainer.compute.startswith("cuda a GPU")
        states = trainer.epoch(tasks, [trainer.fresh(task.index) for task in tasks], training.never)
        assert trainer.confusion(tasks, states).shape[0] == len(tasks)
        vectors = np.stack([state.vectors for state in states], axis=1)
        measured = measure(trainer, tasks, vectors, lambda index: states[index], training.never)
    assert {"samples", "class-means", "accuracy-matrix"} <= set(measured)
    return log


UNDETERMINED = ("scatter_add", "index_add", "index_put_.accumulate", "put_", "bincount", "histc", "cumsum")
"""Operations without a deterministic algorithm on a GPU, so that training there would end with an error."""


FLYNET, *OTHERS = NETWORKS


@pytest.mark.parametrize(
    ("network", "suite"),
    [(FLYNET, suite) for suite in SUITES] + [(network, "rotation") for network in OTHERS],
    ids=lambda each: each if isinstance(each, str) else each.kind,
)
def test_the_host_neither_waits_for_a_step_nor_sends_it_anything(
    network: NetworkSpec, suite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several times the batches, in training and in evaluation, and not one more copy between devices.

    A network does not know its suite, nor a suite its network: each of them is here, not every pair.
    """
    few = whole_experiment(network, SUITES[suite], 24)
    monkeypatch.setattr(trainer_module, "FEATURES_AT_ONCE", 4 * 400)  # chunks of few images
    many = whole_experiment(network, SUITES[suite], 4)
    assert len(many.kernels) > len(few.kernels)
    assert Counter(many.crossings) == Counter(few.crossings)
    assert set(few.crossings) == {"aten::_to_copy"}
    assert not [name for name in many.kernels if name.split("::")[1].startswith(UNDETERMINED)]


def test_jittered_colours_wait_for_nothing_and_are_those_of_a_processor() -> None:
    """Which images come first by brightness, the host of a GPU does not know: it adjusts all by all."""
    rng = np.random.default_rng(3)
    parameters = jitters(rng, 50, ColorJitter())
    for channels in (1, 3):
        images = torch.tensor(rng.uniform(0, 1, (channels * 20, 6, 5)).astype(np.float32))
        chosen = torch.tensor(rng.integers(0, 50, 20)).repeat(channels)
        jittered = Jittered(parameters, channels, torch.device("cpu"))
        seen = jittered(images, chosen)
        with patch.object(jittered, "_chosen_rows", jittered._all_rows):
            np.testing.assert_allclose(jittered(images, chosen).numpy(), seen.numpy(), atol=1e-6)
        with fake_cuda() as log:
            on_gpu = Jittered(parameters, channels, torch.device(DEVICE))
            there = images.to(DEVICE), chosen.to(DEVICE)
            log.crossings.clear()
            assert on_gpu(*there).device == torch.device(DEVICE)
            assert not log.crossings


PAPER: dict[str, NetworkSpec] = {
    each.kind: each for each in (FlyNetSpec(), NeuroModNetSpec(), TgshSpec(), GshSpec())
}
KERNELS = {"flynet": 32, "neuromodnet": 64, "tgsh": 30, "gsh": 32}
"""Of a step of the paper's networks on rotations, however many tasks there are; see the guide, operate.md."""


def learned(network: NetworkSpec, tasks: int, steps: int) -> DeviceLog:
    """Some steps of an epoch of rotations of pictures as large as MNIST's, and their evaluation."""
    recipe = TrainingSpec(epochs=1)
    spec = ExperimentSpec(network=network, suite=RotationSuite(tasks=tasks), training=recipe)
    images, count = np.zeros((recipe.batch_size * steps, 784), np.uint8), recipe.batch_size * steps
    info = replace(DATASETS["mnist"], train_images=count, test_images=10)
    labels = (np.arange(count) % 10).astype(np.uint8)
    source = ImageDataset(info, images, labels, images[:10], labels[:10])
    suite = build(spec.suite, info)
    with fake_cuda() as log:
        trainer = Trainer(spec, source, DEVICE)
        states = trainer.epoch(suite, [trainer.fresh(task.index) for task in suite], training.never)
        trainer.confusion(suite, states)
    return log


@pytest.mark.parametrize("network", PAPER.values(), ids=PAPER)
def test_more_tasks_are_no_more_kernels_and_take_the_memory_that_is_planned(
    network: NetworkSpec,
) -> None:
    two, three = learned(network, 4, 2), learned(network, 4, 3)
    more = learned(network, 6, 3)
    assert len(three.kernels) - len(two.kernels) == KERNELS[network.kind]
    assert len(more.kernels) - len(three.kernels) <= 2 * 2  # gsh's own weights are sent to the device
    measured = (more.peak_bytes - three.peak_bytes) / 2
    planned = task_bytes(
        ExperimentSpec(network=network), replace(DATASETS["mnist"], train_images=384, test_images=10)
    )
    assert measured <= planned <= 1.5 * measured


def test_a_batch_is_what_the_free_memory_holds() -> None:
    spec, info = ExperimentSpec(), DATASETS["mnist"]
    gigabyte = 10**9
    assert tasks_that_fit(spec, info, 80 * gigabyte, 36) == 36
    few = tasks_that_fit(spec, info, gigabyte // 2, 36)
    assert 1 < few < 36
    assert tasks_that_fit(spec, info, gigabyte // 2, 36, cuda_graphs=True) < few
    assert tasks_that_fit(spec, info, 0, 36) == 1
    own = spec.model_copy(update={"suite": DatasetsSuite(datasets=("mnist", "kmnist"))})
    assert task_bytes(own, info) - task_bytes(spec, info) == 70_000 * 784  # images of its own


def test_a_worker_asks_its_gpu_for_memory_and_trains_one_task_alone_where_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settings = StoreSettings(home=tmp_path)
    processor, gpu = (WorkerContext.from_settings(settings, device, "w") for device in ("cpu", DEVICE))
    assert runner._tasks_at_once(processor, ExperimentSpec()) == 1
    if not torch.cuda.is_available():  # torch says so itself
        assert runner._tasks_at_once(gpu, ExperimentSpec()) == 1
        assert "one task is trained alone" in caplog.text
    monkeypatch.setattr(torch_backend, "device_memory", lambda _: (2 * 10**8, 3 * 10**8))
    alone = tasks_that_fit(ExperimentSpec(), DATASETS["mnist"], 5 * 10**8, 36)
    assert 1 < runner._tasks_at_once(gpu, ExperimentSpec()) == alone < 36


@pytest.mark.parametrize("suite", ["rotation", "transforms"])
def test_steps_that_are_recorded_once_and_done_again_learn_the_same_bytes(
    suite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A processor repeats the operations here as a GPU would repeat its kernels: on the same memory."""
    spec = ExperimentSpec(network=FLYNET, suite=SUITES[suite], training=TrainingSpec(epochs=2, batch_size=3))
    source = source_of(spec.suite)
    tasks = build(spec.suite, source.info)
    recordings = []

    def capture(work: Callable[[], None]) -> Callable[[], None]:
        recordings.append(replay := recorded(work))
        return replay

    digests: list[list[str]] = []
    monkeypatch.setattr(torch_backend, "captured", capture)
    for graphs in (False, True):
        trainer = Trainer(spec, source, training.CPU, "torch")
        parts = trainer.base, trainer.context, source, None, 100, 16, training.CPU
        monkeypatch.setattr(trainer, "_backend", TorchBackend(*parts, cuda_graphs=graphs))
        states = [trainer.fresh(task.index) for task in tasks]
        for _ in range(2):
            states = trainer.epoch(tasks, states, training.never)
        digests.append([training.digest(state) for state in states])
    assert digests[0] == digests[1]
    assert len(recordings) == 2 * len(tasks)  # a processor computes each task alone
