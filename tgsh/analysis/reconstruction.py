"""Eq. 3 decoder and its score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy  # its parts are loaded when they are used: the service starts without them


class Decoder:
    """A⁺, or (AᵀA + λI)⁻¹Aᵀ, of the binary matrix A that `indices` int [H, fan_in] describe.

    ridge: λ ≥ 0; 0 is the pseudo-inverse. Raises ValueError where AᵀA is singular and λ is 0.
    """

    def __init__(self, indices: np.ndarray, pixels: int, ridge: float = 0.0) -> None:
        units, fan_in = indices.shape
        starts = np.arange(0, units * fan_in + 1, fan_in)
        self._wiring = scipy.sparse.csr_array(
            (np.ones(indices.size), indices.ravel(), starts), shape=(units, pixels)
        )
        gram = (self._wiring.T @ self._wiring).toarray() + ridge * np.eye(pixels)
        try:
            self._factor = scipy.linalg.cho_factor(gram)
        except np.linalg.LinAlgError as error:
            raise ValueError("A has not full column rank: use ridge") from error

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Images [n, D] from codes [n, H]."""
        projected = self._wiring.T @ codes.T
        return np.asarray(scipy.linalg.cho_solve(self._factor, projected).T)


def codes(vectors: np.ndarray, readout: np.ndarray) -> np.ndarray:
    """v_t ⊙ w_k for every task and class: float64 [T, K, H] from vectors [T, H] and W [K, H]."""
    return np.asarray(vectors[:, None].astype(np.float64) * readout[None])


@dataclass(frozen=True)
class ImageAgreement:
    """How well reconstructions agree with the mean images of their class and task.

    correlation: mean over tasks and classes of the class-centred correlation: both image and mean less
    their average over classes, so that what all classes share does not count. right_class: share whose
    own class's mean, of all classes of the task, correlates best; right_task likewise among the tasks of
    the class. None where there is nothing to tell apart.
    """

    correlation: float
    right_class: float | None
    right_task: float | None


def agreement(images: np.ndarray, means: np.ndarray) -> ImageAgreement | None:
    """Compare reconstructions with mean images, both [T, K, D]; None for fewer than two classes."""
    tasks, classes, _ = images.shape
    if tasks == 0 or classes < 2:
        return None
    ours, theirs = _centred(images), _centred(means)
    own = np.einsum("tkd,tkd->tk", ours, theirs)
    by_class = np.einsum("tkd,tjd->tkj", ours, theirs).argmax(axis=2)
    by_task = np.einsum("tkd,skd->tks", ours, theirs, optimize=True).argmax(axis=2)
    return ImageAgreement(
        correlation=float(own.mean()),
        right_class=float((by_class == np.arange(classes)).mean()),
        right_task=float((by_task == np.arange(tasks)[:, None]).mean()) if tasks > 1 else None,
    )


def _centred(images: np.ndarray) -> np.ndarray:
    """Less the average over classes, less each one's own mean, at length one: products are correlations."""
    centred = images - images.mean(axis=1, keepdims=True)
    centred -= centred.mean(axis=2, keepdims=True)
    lengths = np.linalg.norm(centred, axis=2, keepdims=True)
    return np.asarray(np.divide(centred, lengths, out=np.zeros_like(centred), where=lengths > 0))
