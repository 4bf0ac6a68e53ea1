"""Weighted means of contexts, and the best mix for labelled images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from service.results.task_networks import ExperimentNetworks
from tgsh.analysis.mixtures import Mixture, MixtureScore, fit_mixture, halves, mixed_classes, score
from tgsh.analysis.task_inference import mask_outputs
from tgsh.datasets.classes import task_labels
from tgsh.errors import Conflict, InvalidSpec
from tgsh.networks.inference import TaskNetwork, task_network
from tgsh.networks.registry import FlyNetBase, shares_base
from tgsh.schemas import ContextAccuracy, ContextMixture, ContextWeight, Interval
from tgsh.specs import FlyNetSpec, TgshSpec

FEWEST_IMAGES = 4


def require_shared_inputs(loaded: ExperimentNetworks) -> None:
    """Refuse to mix contexts of different weights or pixels. Raises Conflict."""
    if not shares_base(loaded.spec.network):
        raise Conflict(
            f"tasks of a {loaded.spec.network.kind} share no random base: there is no mean of their contexts"
        )
    if loaded.one_normalisation is None:
        raise Conflict("tasks normalise their pixels differently: there is no mean of their contexts")


def mixed_network(loaded: ExperimentNetworks, weights: Mapping[int, float]) -> TaskNetwork:
    """The network of a weighted mean of context vectors. Raises as `require_shared_inputs` does."""
    require_shared_inputs(loaded)
    rows = loaded.rows_of(list(weights))
    networks, first = loaded.networks, next(iter(weights))
    vectors = np.asarray(networks.vectors[rows], np.float64)
    if isinstance(networks.base, FlyNetBase):  # in units of the first task's pixels
        scales = np.array([networks.normalisation(task).scale for task in weights])
        vectors *= scales[:, None] / networks.normalisation(first).scale
    mean = np.einsum("t,tv->v", np.array(list(weights.values())), vectors).astype(np.float32)
    return task_network(networks.base, networks.context, mean, first, networks.normalisation(first))


def weight_documents(loaded: ExperimentNetworks, weights: Mapping[int, float]) -> list[ContextWeight]:
    """Weights with the labels of their tasks, heaviest first."""
    labels = dict(zip(loaded.ref.tasks, loaded.ref.labels, strict=True))
    order = sorted(weights, key=lambda task: (-weights[task], task))
    return [ContextWeight(task=task, label=labels[task], weight=weights[task]) for task in order]


def parse_labels(text: str, loaded: ExperimentNetworks, images: int) -> np.ndarray:
    """Outputs [n] of the classes in a list of names or numbers. Raises InvalidSpec that names `labels`."""
    names = task_labels(loaded.info, loaded.ref.tasks[0])
    outputs = {str(number): number for number in range(len(names))}
    outputs |= {name: number for number, name in enumerate(names)}
    parts = [part.strip() for part in text.split(",")]
    unknown = list(dict.fromkeys(part for part in parts if part not in outputs))
    if unknown:
        some = ", ".join(names[:10]) + (" …" if len(names) > 10 else "")
        raise InvalidSpec(
            "labels", f"{unknown[0][:40]!r} is no class; there are {some}, or their numbers from 0"
        )
    if len(parts) != images:
        raise InvalidSpec("labels", f"{len(parts):,} labels do not fit {images:,} images; send one for each")
    if images < FEWEST_IMAGES:
        raise InvalidSpec("images", f"one half is fitted, the other measured: send {FEWEST_IMAGES} at least")
    labels = np.array([outputs[part] for part in parts])
    if len(np.unique(labels)) < 2:
        raise InvalidSpec(
            "labels", "are all of one class, which every context could be right about; send several"
        )
    return labels


def best_mixture(
    loaded: ExperimentNetworks,
    images: np.ndarray,
    labels: np.ndarray,
    tasks: Sequence[int],
    contexts: int,
    seed: int,
) -> ContextMixture:
    """The mix of contexts that makes the labels of one half likeliest, measured on the other half.

    Raises Conflict for networks whose logits are not linear in the context.
    """
    require_shared_inputs(loaded)
    if not isinstance(loaded.spec.network, FlyNetSpec | TgshSpec):
        raise Conflict(
            f"logits of a {loaded.spec.network.kind} are not linear in its context, so that "
            f"no best mix is found; "
            "try weights yourself: POST …/predictions?weights="
        )
    loaded.check_work(len(images))
    rows = np.array(loaded.rows_of(tasks))
    # The outputs that any of the contexts has been taught.
    taught = loaded.allowed[rows].any(axis=0)
    logits = loaded.networks.logits(images)[:, rows]
    logits = mask_outputs(logits, np.broadcast_to(taught, logits.shape[1:]))
    if not taught[labels].all():
        raise InvalidSpec("labels", "name a class that none of these contexts was trained on")
    finite = logits[..., taught]
    place = np.cumsum(taught) - 1
    first, second = halves(labels, seed)
    if not len(second):
        raise InvalidSpec("labels", "have one image of each class, and all are needed for the fit; send more")
    own = place[labels]
    found = fit_mixture(finite[first], own[first], contexts)
    single = fit_mixture_of_one(finite[first], own[first])
    uniform = Mixture(tuple(range(len(rows))), np.full(len(rows), 1 / len(rows)), 0.0)
    of_mix, of_one, of_all = (
        score(mixed_classes(finite[second], each) == own[second], seed) for each in (found, single, uniform)
    )
    weights = {int(tasks[row]): float(weight) for row, weight in zip(found.rows, found.weights, strict=True)}
    return ContextMixture(
        **loaded.about,
        weights=",".join(f"{task}:{weight:.4f}" for task, weight in weights.items()),
        tasks=weight_documents(loaded, weights),
        loss=found.loss,
        fitted=len(first),
        measured=len(second),
        accuracy=of_mix.accuracy,
        low=of_mix.low,
        high=of_mix.high,
        single=_single(loaded, int(tasks[single.rows[0]]), of_one),
        uniform=Interval(low=of_all.low, high=of_all.high),
        uniform_accuracy=of_all.accuracy,
        seed=seed,
    )


def fit_mixture_of_one(logits: np.ndarray, labels: np.ndarray) -> Mixture:
    """The one context with the lowest cross-entropy."""
    losses = [fit_mixture(logits[:, [row]], labels, 1).loss for row in range(logits.shape[1])]
    row = int(np.argmin(losses))
    return Mixture((row,), np.ones(1), losses[row])


def _single(loaded: ExperimentNetworks, task: int, found: MixtureScore) -> ContextAccuracy:
    label = loaded.ref.labels[loaded.ref.tasks.index(task)]
    return ContextAccuracy(task=task, label=label, accuracy=found.accuracy, low=found.low, high=found.high)
