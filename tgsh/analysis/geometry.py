"""Definition 1 measured (T-GSH): intra and inter cosines, linear readout of task and parameter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy  # its parts are loaded when they are used: the service starts without them

BINS = 100
"""Bins of the histograms, over cosines from −1 to 1."""

RIDGE = 1e-2
"""λ of the linear readout, relative to the mean squared length of a representation."""


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
    """

    edges: np.ndarray
    intra: np.ndarray
    inter: np.ndarray
    intra_mean: float | None
    inter_mean: float | None
    overlap: float | None
    p_intra_greater: float | None


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
    """
    tasks, classes, images, width = representations.shape
    lengths = np.linalg.norm(representations, axis=3, keepdims=True)
    rows = np.divide(representations, lengths, out=np.zeros_like(representations), where=lengths > 0)
    intra = [_pair_cosines(rows[t].reshape(-1, width), images) for t in range(tasks)]
    inter = [_pair_cosines(rows[:, k].reshape(-1, width), images) for k in range(classes)]
    return _summarise(_concatenated(intra), _concatenated(inter))


def _pair_cosines(rows: np.ndarray, images: int) -> np.ndarray:
    """Cosines of all pairs of different groups, each once; rows [groups · images, M] have length 1."""
    group = np.repeat(np.arange(len(rows) // images), images)
    products = rows @ rows.T  # of a matrix with itself, BLAS makes one half
    return np.asarray(products[group[:, None] < group])


def _concatenated(parts: list[np.ndarray]) -> np.ndarray:
    values = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    return np.clip(values, -1, 1)


def _summarise(intra: np.ndarray, inter: np.ndarray) -> CosineGeometry:
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
    )


def _probability_greater(intra: np.ndarray, inter: np.ndarray) -> float:
    """P(intra > inter) + P(intra = inter)/2 for independent draws: the Mann–Whitney U statistic, scaled."""
    ordered = np.sort(inter)
    below = np.searchsorted(ordered, intra, side="left")
    not_above = np.searchsorted(ordered, intra, side="right")
    return float((below + not_above).mean() / (2 * len(inter)))


@dataclass(frozen=True)
class Recoverability:
    """Scores of a linear readout on images that it was not fitted on.

    Attributes
    ----------
    task_accuracy : float
        Share of representations whose task, of T, is predicted right, 0 to 1.
    parameter_r2 : float | None
        Share of the parameter's variance that is explained; None where tasks have no parameter or all have
        the same.
    """

    task_accuracy: float
    parameter_r2: float | None


def recoverability(representations: np.ndarray, parameters: np.ndarray | None) -> Recoverability:
    """Fit a ridge regression from r_t(x) to its task and the task's parameter, and score it on other images.

    Images at even places are fitted, those at odd places scored; λ is RIDGE times the mean squared length.

    Parameters
    ----------
    representations : np.ndarray
        r_t(x), float32 [T, n, M]: the same n ≥ 2 images as T tasks represent them.
    parameters : np.ndarray | None
        float [T, P], γ_t of each task; a periodic one as its cosine and sine.

    Returns
    -------
    Recoverability
        Accuracy of the task and R² of the parameter.

    Raises
    ------
    ValueError
        If there are fewer than two images.
    """
    tasks, images, width = representations.shape
    if images < 2:
        raise ValueError("one half of a single image cannot be scored")
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
    return Recoverability(
        accuracy, None if parameters is None else _r2(predict(parameters), parameters[truth])
    )


def _inner_products(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Inner products of all pairs, float64; of an array with itself, BLAS makes one half."""
    return np.asarray(left @ right.T, np.float64)


def _r2(predicted: np.ndarray, truth: np.ndarray) -> float | None:
    spread = ((truth - truth.mean(axis=0)) ** 2).sum()
    return None if spread == 0 else float(1 - ((predicted - truth) ** 2).sum() / spread)
