"""Choice of a context to reuse: how well similarity predicts accuracy under another task's context."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy  # its parts are loaded when they are used: the service starts without them

from tgsh.analysis.comparison import FEWEST, Mantel, agreement

LEVEL = 0.95

NEIGHBOURS = 80
"""Pairs of alike similarity whose errors make a prediction interval."""

FEWEST_FITTED = 5
"""Tasks without which no fit is made: one is left out, and of three pairs nothing can be read."""

MOST_FITTED = 100
"""Tasks of which intervals take seconds."""


@dataclass(frozen=True, eq=False)
class AccuracyFit:
    """Accuracy under a context as a function of its similarity that never falls, with prediction intervals.

    Isotonic regression over ordered pairs of tasks; errors are those of pairs whose second task was left out.

    Attributes
    ----------
    similarities : np.ndarray
        float64 [P], ascending.
    fitted : np.ndarray
        float64 [P], never falling.
    errors : np.ndarray
        float64 [P], accuracy less the prediction without the task, by the order of `similarities`.
    coverage : float
        Share of pairs in the interval that was made without their task.
    """

    similarities: np.ndarray
    fitted: np.ndarray
    errors: np.ndarray
    coverage: float

    def predict(self, similarity: float) -> tuple[float, float, float]:
        """Accuracy to expect under a context of this similarity.

        Parameters
        ----------
        similarity : float
            Of two context vectors.

        Returns
        -------
        expected : float
            Prediction, 0 to 1.
        low : float
            Lower end of its interval of LEVEL: by quantiles of the errors of the NEIGHBOURS pairs of nearest
            similarity.
        high : float
            Upper end.
        """
        expected = float(np.interp(similarity, self.similarities, self.fitted))
        low, high = _ends(self.similarities, self.errors, similarity)
        return expected, float(np.clip(expected + low, 0, 1)), float(np.clip(expected + high, 0, 1))


@dataclass(frozen=True)
class SourceChoice:
    """The context that similarity chooses for a task, beside what other choices would give.

    Attributes
    ----------
    task, chosen, best : int
        Rows: of the task, of the most similar other one, of the one whose context is best for it.
    similarity : float
        Of task and chosen.
    accuracy, best_accuracy, random_accuracy, own_accuracy : float
        On the task's images, under the chosen context, the best, one at random (expected), and its own.
    expected, low, high : float | None
        Prediction for `chosen` by a fit without this task; None where there are too few tasks, or too many.
    """

    task: int
    chosen: int
    best: int
    similarity: float
    accuracy: float
    best_accuracy: float
    random_accuracy: float
    own_accuracy: float
    expected: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, eq=False)
class SourceChoices:
    """Agreement of similarity with accuracy under other contexts, and what follows for every task.

    Attributes
    ----------
    pearson, spearman : float | None
        Correlations over ordered pairs of different tasks; None where one side is constant.
    mantel : Mantel | None
        Of the similarities and the mean accuracy of both directions; None for fewer than three tasks.
    choices : tuple[SourceChoice, ...]
        One a task.
    fit : AccuracyFit | None
        Over all pairs; None where there are too few tasks, or too many.
    """

    pearson: float | None
    spearman: float | None
    mantel: Mantel | None
    choices: tuple[SourceChoice, ...]
    fit: AccuracyFit | None


def source_choices(
    similarity: np.ndarray, accuracy: np.ndarray, permutations: int = 999, seed: int = 0
) -> SourceChoices:
    """Compare similarities with accuracies under other contexts.

    Parameters
    ----------
    similarity : np.ndarray
        float [T, T], symmetric, T ≥ 2.
    accuracy : np.ndarray
        float [T, T], of the context of task i on the images of task j.
    permutations : int, default=999
        Of Mantel's test.
    seed : int, default=0
        Decides them.

    Returns
    -------
    SourceChoices
        Correlations, and a choice a task.

    Raises
    ------
    ValueError
        If shapes do not fit, there is one task, or a number is not finite.
    """
    tasks = len(similarity)
    if similarity.shape != (tasks, tasks) or accuracy.shape != similarity.shape or tasks < 2:
        raise ValueError(f"{similarity.shape} and {accuracy.shape} are not matrices of two or more tasks")
    if not (np.isfinite(similarity).all() and np.isfinite(accuracy).all()):
        raise ValueError("a matrix holds a number that is not finite")
    off = ~np.eye(tasks, dtype=bool)
    x, y = similarity[off], accuracy[off]
    varied = min(np.ptp(x), np.ptp(y)) > 1e-12
    mantel = None
    if tasks >= FEWEST:
        both = (accuracy + accuracy.T) / 2
        mantel = agreement(similarity, both, permutations, "greater", seed).mantel
    fit, left_out = _fit(similarity, accuracy) if FEWEST_FITTED <= tasks <= MOST_FITTED else (None, None)
    return SourceChoices(
        float(scipy.stats.pearsonr(x, y).statistic) if varied else None,
        float(scipy.stats.spearmanr(x, y).statistic) if varied else None,
        mantel,
        tuple(_choice(similarity, accuracy, task, left_out) for task in range(tasks)),
        fit,
    )


def _choice(
    similarity: np.ndarray, accuracy: np.ndarray, task: int, left_out: np.ndarray | None
) -> SourceChoice:
    others = np.flatnonzero(np.arange(len(similarity)) != task)
    chosen = int(others[similarity[others, task].argmax()])
    best = int(others[accuracy[others, task].argmax()])
    prediction = (None, None, None) if left_out is None else left_out[:, chosen, task].tolist()
    return SourceChoice(
        task,
        chosen,
        best,
        float(similarity[chosen, task]),
        float(accuracy[chosen, task]),
        float(accuracy[best, task]),
        float(accuracy[others, task].mean()),
        float(accuracy[task, task]),
        *prediction,
    )


def _fit(similarity: np.ndarray, accuracy: np.ndarray) -> tuple[AccuracyFit, np.ndarray]:
    """The fit over all pairs, and predictions [3, T, T] of pairs (i, j) by fits without task j.

    Intervals without task j come from the errors of other tasks, each of which was left out of its own fit.
    """
    tasks = len(similarity)
    predicted = np.full((tasks, tasks), np.nan)
    for task in range(tasks):
        others = np.flatnonzero(np.arange(tasks) != task)
        predicted[others, task] = _isotonic(similarity, accuracy, others, similarity[others, task])
    off = ~np.eye(tasks, dtype=bool)
    errors = accuracy - predicted
    expected = np.full((3, tasks, tasks), np.nan)
    for task in range(tasks):
        usable = off.copy()
        usable[:, task] = usable[task] = False
        for source in np.flatnonzero(off[:, task]).tolist():
            ends = _ends(similarity[usable], errors[usable], similarity[source, task])
            ends = np.clip(predicted[source, task] + ends, 0, 1)
            expected[:, source, task] = predicted[source, task], *ends
    covered = (accuracy >= expected[1]) & (accuracy <= expected[2])
    order = np.argsort(similarity[off], kind="stable")
    x = similarity[off][order]
    fitted = _isotonic(similarity, accuracy, np.arange(tasks), x)
    return AccuracyFit(x, fitted, errors[off][order], float(covered[off].mean())), expected


def _isotonic(similarity: np.ndarray, accuracy: np.ndarray, tasks: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Predictions at similarities, by the pairs of these tasks."""
    off = ~np.eye(len(tasks), dtype=bool)
    x, y = similarity[np.ix_(tasks, tasks)][off], accuracy[np.ix_(tasks, tasks)][off]
    levels, inverse, counts = np.unique(x, return_inverse=True, return_counts=True)
    means = np.bincount(inverse, y) / counts
    return np.asarray(
        np.interp(at, levels, scipy.optimize.isotonic_regression(means, weights=counts.astype(float)).x)
    )


def _ends(similarities: np.ndarray, errors: np.ndarray, at: float) -> np.ndarray:
    """Quantiles of the errors of the pairs nearest to a similarity, [2]."""
    count = min(NEIGHBOURS, len(errors))
    nearest = np.argpartition(np.abs(similarities - at), count - 1)[:count]
    return np.asarray(np.quantile(errors[nearest], [(1 - LEVEL) / 2, (1 + LEVEL) / 2]))
