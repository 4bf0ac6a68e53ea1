"""Reconstruction of images from context vectors (Eq. 3), and its agreement with the class means."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy  # its parts are loaded when they are used: the service starts without them


class Decoder:
    """Decoder of Eq. 3 of Hong & Pavlic (2023): A⁺, or (AᵀA + λI)⁻¹Aᵀ, of FlyNet's binary A [H, D].

    Parameters
    ----------
    indices : np.ndarray
        int [H, fan_in], the pixels that each unit sums: the places of the ones in A (Dasgupta et al. 2017).
    pixels : int
        D.
    ridge : float, default=0.0
        λ ≥ 0; 0 is the pseudo-inverse.

    Raises
    ------
    ValueError
        If AᵀA is singular and λ is 0.
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
        """Decode images from codes.

        Parameters
        ----------
        codes : np.ndarray
            float [n, H].

        Returns
        -------
        np.ndarray
            float64 [n, D], x̂ = A⁺ codes.
        """
        projected = self._wiring.T @ codes.T
        return np.asarray(scipy.linalg.cho_solve(self._factor, projected).T)


def codes(vectors: np.ndarray, readout: np.ndarray) -> np.ndarray:
    """Compute v_t ⊙ w_k for every task and class, the code of Eq. 3.

    Parameters
    ----------
    vectors : np.ndarray
        v_t, float [T, H].
    readout : np.ndarray
        W, float [K, H].

    Returns
    -------
    np.ndarray
        float64 [T, K, H].
    """
    return np.asarray(vectors[:, None].astype(np.float64) * readout[None])


@dataclass(frozen=True)
class ImageAgreement:
    """Agreement of reconstructions with the mean images of their class and task.

    Attributes
    ----------
    correlation : float
        Mean over tasks and classes of the class-centred correlation: both image and mean less their average
        over classes, so that what all classes share does not count.
    right_class : float | None
        Share whose own class's mean, of all classes of the task, correlates best.
    right_task : float | None
        Share whose own task's mean, of all tasks of the class, correlates best; None for one task.
    """

    correlation: float
    right_class: float | None
    right_task: float | None


def agreement(images: np.ndarray, means: np.ndarray) -> ImageAgreement | None:
    """Compare reconstructions with mean images.

    Parameters
    ----------
    images : np.ndarray
        Reconstructions, float [T, K, D].
    means : np.ndarray
        Mean images, float [T, K, D].

    Returns
    -------
    ImageAgreement | None
        Class-centred correlation and shares; None for fewer than two classes.

    Raises
    ------
    ValueError
        If a number is not finite.
    """
    tasks, classes, _ = images.shape
    if tasks == 0 or classes < 2:
        return None
    if not (np.isfinite(images).all() and np.isfinite(means).all()):
        raise ValueError("images hold a number that is not finite")
    directions, mean_directions = centred_directions(images), centred_directions(means)
    correlations = np.einsum("tkd,tkd->tk", directions, mean_directions)
    by_class = np.einsum("tkd,tjd->tkj", directions, mean_directions).argmax(axis=2)
    by_task = np.einsum("tkd,skd->tks", directions, mean_directions, optimize=True).argmax(axis=2)
    return ImageAgreement(
        correlation=float(correlations.mean()),
        right_class=float((by_class == np.arange(classes)).mean()),
        right_task=float((by_task == np.arange(tasks)[:, None]).mean()) if tasks > 1 else None,
    )


def centred_directions(images: np.ndarray) -> np.ndarray:
    """Subtract the class average and the image's mean, scale to length 1: products are correlations.

    Parameters
    ----------
    images : np.ndarray
        float [T, K, D].

    Returns
    -------
    np.ndarray
        float [T, K, D], of length 1, or 0 where nothing is left.
    """
    centred = images - images.mean(axis=1, keepdims=True)
    centred -= centred.mean(axis=2, keepdims=True)
    lengths = np.linalg.norm(centred, axis=2, keepdims=True)
    return np.asarray(np.divide(centred, lengths, out=np.zeros_like(centred), where=lengths > 0))
