"""The three settings of continual learning, measured from logits: task known, task inferred, both inferred.

After van de Ven & Tolias (2019). A class is counted by its place among the classes of its own task.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tgsh.analysis.task_inference import Evidence, Rule, batches_of

LEVEL = 0.95
RESAMPLES = 2_000
"""Of the tasks, behind intervals."""


@dataclass(frozen=True)
class MeanOverTasks:
    """A mean over tasks and its interval over tasks; no interval of a single one.

    Attributes
    ----------
    value : float
        Share of images, 0 to 1.
    low, high : float | None
        Ends of the percentile interval.
    """

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class ScenarioAccuracy:
    """Accuracies for batches of one size, each batch from one task.

    Attributes
    ----------
    images : int
        Images a batch.
    task_known : MeanOverTasks
        Task-incremental: the class, under the context of the right task.
    domain : MeanOverTasks
        Domain-incremental: the class within the task, under the context that is inferred.
    class_ : MeanOverTasks
        Class-incremental: the task and the class within it.
    task : MeanOverTasks
        Share of batches whose task is inferred.
    batches : int
        Batches behind all.
    """

    images: int
    task_known: MeanOverTasks
    domain: MeanOverTasks
    class_: MeanOverTasks
    task: MeanOverTasks
    batches: int


@dataclass(frozen=True)
class Chance:
    """Accuracies of guesses with equal probabilities.

    Attributes
    ----------
    task_known : float
        Mean over tasks of 1/(classes of the task); also of the domain setting.
    class_ : float
        1/(classes of all tasks together).
    task : float
        1/T.
    """

    task_known: float
    class_: float
    task: float


def chance(allowed: np.ndarray) -> Chance:
    """Accuracies of guessing.

    Parameters
    ----------
    allowed : np.ndarray
        bool [T, K], the outputs of every task.

    Returns
    -------
    Chance
        For every setting.
    """
    classes = allowed.sum(axis=1)
    return Chance(float((1 / classes).mean()), 1 / float(classes.sum()), 1 / len(allowed))


def scenario_accuracy(
    logits: np.ndarray,
    labels: np.ndarray,
    tasks: np.ndarray,
    allowed: np.ndarray,
    images: int,
    rule: Rule,
    *,
    scales: np.ndarray | None = None,
    temperature: float = 1.0,
    seed: int = 0,
) -> ScenarioAccuracy:
    """Measure the three settings.

    Parameters
    ----------
    logits : np.ndarray
        Floats [D, n, T, K], of n images of each of D tasks under T contexts; −inf where not `allowed`.
    labels : np.ndarray
        int [D, n], outputs of their classes.
    tasks : np.ndarray
        int [D], which of T each is.
    allowed : np.ndarray
        bool [T, K], the outputs of every task.
    images : int
        Images a batch, n at most.
    rule : Rule
        By which the task of a batch is inferred.
    scales : np.ndarray | None, default=None
        float [T], see `task_inference.context_scales`.
    temperature : float, default=1.0
        See `task_inference.Evidence.of`.
    seed : int, default=0
        Decides batches and intervals.

    Returns
    -------
    ScenarioAccuracy
        Means over tasks, and intervals over tasks.

    Raises
    ------
    ValueError
        If there are fewer images than a batch has.
    """
    batches = batches_of(logits.shape[1], images, seed)
    # Place of every output among those of its task: what a class is without the task's number.
    places = np.where(allowed, np.cumsum(allowed, axis=1) - 1, -1)
    shares = np.empty((len(tasks), 4))
    for row, (of_task, own_labels, task) in enumerate(zip(logits, labels, tasks.tolist(), strict=True)):
        classes = of_task.argmax(axis=-1)
        inferred = Evidence.of(of_task, scales, temperature).scores(rule, batches).argmax(axis=-1)
        seen = np.take_along_axis(classes[batches], inferred[:, None, None], axis=2)[..., 0]
        is_class = places[inferred[:, None], seen] == places[task, own_labels][batches]
        is_task = inferred == task
        known = classes[:, task] == own_labels
        shares[row] = known.mean(), is_class.mean(), (is_class & is_task[:, None]).mean(), is_task.mean()
    known, domain, class_, inferred_task = _estimates(shares, seed)
    return ScenarioAccuracy(images, known, domain, class_, inferred_task, len(tasks) * len(batches))


def _estimates(shares: np.ndarray, seed: int) -> list[MeanOverTasks]:
    """Of every column of [D, n]."""
    means = shares.mean(axis=0)
    if len(shares) < 2:
        return [MeanOverTasks(float(mean), None, None) for mean in means]
    drawn = np.random.default_rng(seed).integers(0, len(shares), (RESAMPLES, len(shares)))
    ends = np.quantile(shares[drawn].mean(axis=1), [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return [
        MeanOverTasks(float(mean), float(low), float(high))
        for mean, low, high in zip(means, *ends, strict=True)
    ]
