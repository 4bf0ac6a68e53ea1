"""Definition 1 measured (T-GSH): intra and inter cosines, linear readouts of task and parameter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy  # its parts are loaded when they are used: the service starts without them

BINS = 100
"""Bins of the histograms, over cosines from −1 to 1."""

RIDGE = 1e-2
"""λ of the linear readouts, relative to the mean squared length of a representation."""

DIGITS = 9
"""Decimals by which values of the parameter are the same."""


@dataclass(frozen=True, eq=False)
class CosineGeometry:
    """Distributions of cosines of pairs of representations.

    Intra pairs are of one task and different classes, inter pairs of one class and different tasks. Numbers
    are None where there is no pair of a kind.

    Attributes
    ----------
    edges : np.ndarray
        float64 [BINS + 1], bin edges from −1 to 1.
    intra : np.ndarray
        int64 [BINS], counts of intra pairs.
    inter : np.ndarray
        int64 [BINS], counts of inter pairs.
    intra_mean : float | None
        Mean cosine of intra pairs.
    inter_mean : float | None
        Mean cosine of inter pairs.
    overlap : float | None
        Shared area of the two distributions, 0 to 1.
    p_intra_greater : float | None
        Probability that a random intra pair has a greater cosine than a random inter pair (ties count half).
    neighbour_mean : float | None
        Mean cosine of the inter pairs of two tasks that follow one another.
    """

    edges: np.ndarray
    intra: np.ndarray
    inter: np.ndarray
    intra_mean: float | None
    inter_mean: float | None
    overlap: float | None
    p_intra_greater: float | None
    neighbour_mean: float | None


@dataclass(frozen=True, eq=False)
class PairCosines:
    """Cosines of pairs of representations, each pair once.

    Attributes
    ----------
    shape : tuple[int, int, int]
        T tasks, K classes, n images of each class.
    intra : list[np.ndarray]
        float32, an array for each task: pairs of different classes.
    inter : list[np.ndarray]
        float32, an array for each class: pairs of different tasks.
    neighbour_mean : float | None
        Mean cosine of the inter pairs of two tasks that follow one another; None without such pairs.
    """

    shape: tuple[int, int, int]
    intra: list[np.ndarray]
    inter: list[np.ndarray]
    neighbour_mean: float | None


def pair_cosines(representations: np.ndarray) -> PairCosines:
    """Compute the cosines that Definition 1 of Hong & Pavlic (2023) is about.

    Parameters
    ----------
    representations : np.ndarray
        r_t(x), float32 [T, K, n, M]: n images of each of K classes as T tasks represent them.

    Returns
    -------
    PairCosines
        Of intra and inter pairs.

    Raises
    ------
    ValueError
        If a number is not finite.
    """
    _require_finite(representations)
    tasks, classes, images, width = representations.shape
    lengths = np.linalg.norm(representations, axis=3, keepdims=True)
    rows = np.divide(representations, lengths, out=np.zeros_like(representations), where=lengths > 0)
    return PairCosines(
        (tasks, classes, images),
        [_cosines_of_groups(rows[t].reshape(-1, width), images) for t in range(tasks)],
        [_cosines_of_groups(rows[:, k].reshape(-1, width), images) for k in range(classes)],
        _neighbour_mean(rows),
    )


def geometry(representations: np.ndarray) -> CosineGeometry:
    """Measure a task-specific geometric-sensitive hash: Definition 1 of Hong & Pavlic (2023).

    Parameters
    ----------
    representations : np.ndarray
        r_t(x), float32 [T, K, n, M]: n images of each of K classes as T tasks represent them.

    Returns
    -------
    CosineGeometry
        Histograms, means and P(intra > inter) of the cosines.

    Raises
    ------
    ValueError
        If a number is not finite.
    """
    return summarise(pair_cosines(representations))


def summarise(cosines: PairCosines) -> CosineGeometry:
    """Summarise the cosines of pairs.

    Parameters
    ----------
    cosines : PairCosines
        As of `pair_cosines`.

    Returns
    -------
    CosineGeometry
        Histograms, means and P(intra > inter).
    """
    intra, inter = _concatenated(cosines.intra), _concatenated(cosines.inter)
    edges = np.linspace(-1, 1, BINS + 1)
    counts = [np.histogram(values, edges)[0] for values in (intra, inter)]
    both = len(intra) > 0 and len(inter) > 0
    return CosineGeometry(
        edges=edges,
        intra=counts[0],
        inter=counts[1],
        intra_mean=float(intra.mean(dtype=np.float64)) if len(intra) else None,
        inter_mean=float(inter.mean(dtype=np.float64)) if len(inter) else None,
        overlap=float(np.minimum(counts[0] / len(intra), counts[1] / len(inter)).sum()) if both else None,
        p_intra_greater=_probability_greater(intra, inter) if both else None,
        neighbour_mean=cosines.neighbour_mean,
    )


def _require_finite(representations: np.ndarray) -> None:
    if not np.isfinite(representations).all():
        raise ValueError("representations hold a number that is not finite")


def _neighbour_mean(rows: np.ndarray) -> float | None:
    """Mean cosine of one class in tasks t and t + 1; rows [T, K, n, M] have length 1 or 0."""
    if len(rows) < 2 or not rows.size:
        return None
    means = rows.mean(axis=2, dtype=np.float64)  # a mean of products of all pairs: the product of the means
    return float(np.einsum("tkm,tkm->tk", means[:-1], means[1:]).mean())


def _cosines_of_groups(rows: np.ndarray, images: int) -> np.ndarray:
    """Cosines of all pairs of different groups, each once; rows [groups · images, M] have length 1."""
    group = np.repeat(np.arange(len(rows) // images), images)
    products = rows @ rows.T  # of a matrix with itself, BLAS makes one half
    return np.asarray(products[group[:, None] < group])


def _concatenated(parts: list[np.ndarray]) -> np.ndarray:
    values = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    return np.clip(values, -1, 1)


def _probability_greater(intra: np.ndarray, inter: np.ndarray) -> float:
    """P(intra > inter) + P(intra = inter)/2 for independent draws: the Mann–Whitney U statistic, scaled."""
    ordered = np.sort(inter)
    below = np.searchsorted(ordered, intra, side="left")
    not_above = np.searchsorted(ordered, intra, side="right")
    return float((below + not_above).mean() / (2 * len(inter)))


@dataclass(frozen=True)
class LeftOut:
    """Scores of a linear readout of the parameter γ on tasks that it was not fitted on.

    Attributes
    ----------
    r2 : float
        Share of the parameter's variance that is explained; below 0 where the mean of γ would be nearer.
    median_error : float
        Median over representations of the distance from the parameter, on its circle where it is periodic.
    """

    r2: float
    median_error: float


@dataclass(frozen=True)
class Recoverability:
    """Scores of linear readouts on images, or tasks, that they were not fitted on.

    Attributes
    ----------
    task_accuracy : float
        Share of representations whose task, of T, is predicted right, 0 to 1.
    parameter_r2 : float | None
        Share of the parameter's variance that is explained, where all tasks are in the fit; None where tasks
        have no parameter or all have the same.
    left_out : LeftOut | None
        The parameter as it is read in a task that was left out of the fit; None for fewer than three values
        of the parameter.
    """

    task_accuracy: float
    parameter_r2: float | None
    left_out: LeftOut | None


def recoverability(
    representations: np.ndarray, parameters: np.ndarray | None, period: float | None = None
) -> Recoverability:
    """Fit ridge regressions from r_t(x) to its task and the task's parameter, and score them on others.

    Images at even places are fitted, those at odd places scored; λ is RIDGE times the mean squared length.
    Of tasks left out, the images at even places are scored: those of all tasks of one parameter by the
    regression, with an intercept, on the other tasks.

    Parameters
    ----------
    representations : np.ndarray
        r_t(x), float32 [T, n, M]: the same n ≥ 2 images as T tasks represent them.
    parameters : np.ndarray | None
        float [T, P], γ_t of each task; a periodic one as its cosine and sine, P = 2.
    period : float | None, default=None
        Of a periodic parameter, in the units of `LeftOut.median_error`: 360 for degrees.

    Returns
    -------
    Recoverability
        Accuracy of the task and R² of the parameter; R² and error of the parameter of tasks left out.

    Raises
    ------
    ValueError
        If there are fewer than two images, or a number is not finite.
    """
    tasks, images, width = representations.shape
    if images < 2:
        raise ValueError("one half of a single image cannot be scored")
    _require_finite(representations)
    fitted, scored = representations[:, ::2].reshape(-1, width), representations[:, 1::2].reshape(-1, width)
    gram = _inner_products(fitted, fitted)
    penalty = RIDGE * max(float(np.trace(gram)) / len(gram), np.finfo(float).tiny)
    factor = scipy.linalg.cho_factor(gram + penalty * np.eye(len(gram)))
    across = _inner_products(scored, fitted)

    def predict(targets: np.ndarray) -> np.ndarray:
        """Predict targets [T, P] of the scored half.

        Parameters
        ----------
        targets : np.ndarray
            float [T, P].

        Returns
        -------
        np.ndarray
            float64 [T · scored images, P].
        """
        repeated = np.repeat(targets, len(fitted) // tasks, axis=0)
        centre = repeated.mean(axis=0)
        return np.asarray(across @ scipy.linalg.cho_solve(factor, repeated - centre) + centre)

    truth = np.repeat(np.arange(tasks), len(scored) // tasks)
    accuracy = float((predict(np.eye(tasks)).argmax(axis=1) == truth).mean())
    if parameters is None:
        return Recoverability(accuracy, None, None)
    return Recoverability(
        accuracy,
        _r2(predict(parameters), parameters[truth]),
        _left_out(gram / penalty, parameters, period),
    )


def _left_out(gram: np.ndarray, parameters: np.ndarray, period: float | None) -> LeftOut | None:
    """Scores of ridge regressions, with intercept, that saw no task of the same γ; products divided by λ."""
    images = len(gram) // len(parameters)
    _, groups = np.unique(parameters.round(DIGITS), axis=0, return_inverse=True)
    if groups.max() < 2:  # fewer than three values: what is left when one is out does not vary
        return None
    truth = np.repeat(parameters, images, axis=0)
    predicted = truth - _residuals_of_groups_left_out(gram, truth, np.repeat(groups.reshape(-1), images))
    r2 = _r2(predicted, truth)
    return None if r2 is None else LeftOut(r2, float(np.median(_distances(predicted, truth, period))))


def _residuals_of_groups_left_out(gram: np.ndarray, targets: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Errors of each group by the regression on all others: one factorisation for all of them.

    The dual coefficients α and the intercept b solve [K + I, 1; 1ᵀ, 0] [α; b] = [y; 0]. With M, the part of
    the inverse that makes α of y, the errors of the rows g where they are left out are M[g, g]⁻¹ α[g].
    """
    factor = scipy.linalg.cho_factor(gram + np.eye(len(gram)))
    inverse = scipy.linalg.cho_solve(factor, np.eye(len(gram)))
    sums = inverse.sum(axis=1)
    inverse -= np.outer(sums, sums / sums.sum())
    coefficients = inverse @ targets
    residuals: np.ndarray = np.empty_like(coefficients)
    for group in range(groups.max() + 1):
        rows = np.flatnonzero(groups == group)
        residuals[rows] = np.linalg.solve(inverse[np.ix_(rows, rows)], coefficients[rows])
    return residuals


def _distances(predicted: np.ndarray, truth: np.ndarray, period: float | None) -> np.ndarray:
    """Distances of parameters [n, P]; on the circle of this period, where there is one."""
    if period is None:
        return np.asarray(np.linalg.norm(predicted - truth, axis=1))
    turns = [np.arctan2(values[:, 1], values[:, 0]) / (2 * np.pi) for values in (predicted, truth)]
    return np.asarray(np.abs((turns[0] - turns[1] + 0.5) % 1 - 0.5) * period)


def _inner_products(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Inner products of all pairs, float64; of an array with itself, BLAS makes one half."""
    return np.asarray(left @ right.T, np.float64)


def _r2(predicted: np.ndarray, truth: np.ndarray) -> float | None:
    spread = ((truth - truth.mean(axis=0)) ** 2).sum()
    return None if spread == 0 else float(1 - ((predicted - truth) ** 2).sum() / spread)
