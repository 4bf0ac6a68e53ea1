"""The best mix of contexts for labelled images, where logits are linear in the context vector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp, softmax

from tgsh.analysis.image_bootstrap import LEVEL, RESAMPLES

ITERATIONS = 500
TOLERANCE = 1e-6
"""Largest loss that is left on the table, nats an image."""


@dataclass(frozen=True, eq=False)
class Mixture:
    """Contexts with weights that sum to 1.

    Attributes
    ----------
    rows : tuple[int, ...]
        Rows of the contexts, heaviest first.
    weights : np.ndarray
        float64 [k], positive, with sum 1.
    loss : float
        Mean cross-entropy of the images that it was fitted to, nats.
    """

    rows: tuple[int, ...]
    weights: np.ndarray
    loss: float


@dataclass(frozen=True)
class MixtureScore:
    """Accuracy on images that a mix was not fitted to.

    Attributes
    ----------
    accuracy : float
        Share of images, 0 to 1.
    low, high : float
        Ends of the bootstrap interval over images.
    """

    accuracy: float
    low: float
    high: float


def fit_mixture(logits: np.ndarray, labels: np.ndarray, contexts: int) -> Mixture:
    """Weights on the simplex that make the labels likeliest: convex, as mixed logits are linear in them.

    min_w −mean_n log softmax(Σ_t w_t logits_nt)[y_n], w ≥ 0, Σ w = 1, by exponentiated gradient (Kivinen &
    Warmuth 1997) until the Frank–Wolfe gap is below TOLERANCE; then the heaviest contexts are kept and
    fitted again.

    Parameters
    ----------
    logits : np.ndarray
        Floats [n, T, K], of images under every context.
    labels : np.ndarray
        int [n], outputs of their classes.
    contexts : int
        Contexts in the mix, at most.

    Returns
    -------
    Mixture
        Of `contexts` contexts at most.

    Raises
    ------
    ValueError
        If there is no image, or less than one context is to be mixed.
    """
    if not len(labels) or contexts < 1:
        raise ValueError(f"{len(labels)} images and {contexts} contexts make no mix")
    logits = np.asarray(logits, np.float64)
    weights, loss = _fit(logits, labels)
    rows = np.sort(np.argsort(-weights, kind="stable")[:contexts])
    if len(rows) < len(weights):
        weights, loss = _fit(logits[:, rows], labels)
    else:
        rows = np.arange(len(weights))
    kept = weights > 1e-3
    rows, weights = rows[kept], weights[kept] / weights[kept].sum()
    order = np.argsort(-weights, kind="stable")
    return Mixture(tuple(rows[order].tolist()), weights[order], loss)


def _fit(logits: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights [T] and the loss."""
    images, tasks, _ = logits.shape
    rows = np.arange(images)
    truths = logits[rows, :, labels]

    def loss_of(weights: np.ndarray) -> tuple[float, np.ndarray]:
        mixed = np.einsum("t,ntk->nk", weights, logits)
        loss = float((logsumexp(mixed, axis=1) - mixed[rows, labels]).mean())
        expected = np.einsum("nk,ntk->nt", softmax(mixed, axis=1), logits)
        return loss, np.asarray((expected - truths).mean(axis=0))

    weights = np.full(tasks, 1 / tasks)
    loss, gradient = loss_of(weights)
    rate = 1 / max(float(np.abs(gradient).max()), 1e-12)
    for _ in range(ITERATIONS):
        if float(weights @ gradient - gradient.min()) < TOLERANCE:
            break
        moved = softmax(np.log(np.maximum(weights, 1e-300)) - rate * gradient)
        new_loss, new_gradient = loss_of(moved)
        if new_loss > loss:  # too far: convex losses fall along a short enough step
            rate /= 2
            continue
        weights, loss, gradient = moved, new_loss, new_gradient
        rate *= 1.2
    return weights, loss


def mixed_classes(logits: np.ndarray, mixture: Mixture) -> np.ndarray:
    """Classes that a mix sees.

    Parameters
    ----------
    logits : np.ndarray
        Floats [n, T, K].
    mixture : Mixture
        Of some of the T contexts.

    Returns
    -------
    np.ndarray
        int [n].
    """
    mixed = np.einsum("t,ntk->nk", mixture.weights, logits[:, list(mixture.rows)])
    return np.asarray(mixed.argmax(axis=1))


def score(right: np.ndarray, seed: int, level: float = LEVEL, resamples: int = RESAMPLES) -> MixtureScore:
    """Accuracy with a bootstrap interval over images.

    Where all or no images are right a bootstrap has no width: the end that is left is Clopper and Pearson's.

    Parameters
    ----------
    right : np.ndarray
        bool [n], n ≥ 1.
    seed : int
        Decides the resamples.
    level : float, default=LEVEL
        Confidence.
    resamples : int, default=RESAMPLES
        Of the images.

    Returns
    -------
    MixtureScore
        Share that is right.
    """
    images, accuracy = len(right), float(right.mean())
    if accuracy in (0.0, 1.0):
        distance = 1 - ((1 - level) / 2) ** (1 / images)
        return MixtureScore(accuracy, max(0.0, accuracy - distance), min(1.0, accuracy + distance))
    shares = np.random.default_rng(seed).binomial(images, accuracy, resamples) / images
    low, high = np.quantile(shares, [(1 - level) / 2, (1 + level) / 2])
    return MixtureScore(accuracy, float(low), float(high))


def halves(labels: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split images into two halves with equally many of each class, as far as that goes.

    Parameters
    ----------
    labels : np.ndarray
        int [n].
    seed : int
        Decides the halves.

    Returns
    -------
    first : np.ndarray
        Places of the images, ascending; at least one of every class.
    second : np.ndarray
        The other places, ascending.
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    in_first = np.zeros(len(labels), bool)
    turn = 0
    for label in np.unique(labels):
        places = order[labels[order] == label]
        # Classes of an odd number give their last image to either half in turn; one alone is fitted.
        first = (len(places) + turn) // 2 if len(places) > 1 else 1
        turn = (turn + len(places)) % 2
        in_first[places[:first]] = True
    return np.flatnonzero(in_first), np.flatnonzero(~in_first)
