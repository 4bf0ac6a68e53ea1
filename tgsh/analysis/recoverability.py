"""Can a linear map read the task, and its parameter, from representations? (The γ of the paper's section 2.)

Ridge regression, fitted on one half of the images and scored on the other, in its dual form: there are
far fewer images than units.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy

RIDGE = 1e-2
"""λ, relative to the mean squared length of a representation."""


@dataclass(frozen=True)
class Recoverability:
    """Scores on images that the map was not fitted on.

    task_accuracy: share of representations whose task is named right, of T. parameter_r2: share of the
    parameter's variance that is explained; None where tasks have no parameter or all have the same.
    """

    task_accuracy: float
    parameter_r2: float | None


def recoverability(representations: np.ndarray, parameters: np.ndarray | None) -> Recoverability:
    """Fit and score on r_t(x), float32 [T, n, M]: the same n ≥ 2 images as T tasks represent them.

    parameters: float [T, P], what is to be read of each task; a periodic one as its cosine and sine.
    Even images are fitted on, odd ones scored. Raises ValueError for fewer than two images.
    """
    tasks, images, width = representations.shape
    if images < 2:
        raise ValueError("one half of a single image cannot be scored")
    fitted, scored = representations[:, ::2].reshape(-1, width), representations[:, 1::2].reshape(-1, width)
    gram = _gram(fitted, fitted)
    penalty = RIDGE * max(float(np.trace(gram)) / len(gram), np.finfo(float).tiny)
    factor = scipy.linalg.cho_factor(gram + penalty * np.eye(len(gram)))
    across = _gram(scored, fitted)

    def read(targets: np.ndarray) -> np.ndarray:
        """What the map says of the scored half; targets [T, P]."""
        wanted = np.repeat(targets, len(fitted) // tasks, axis=0)
        centre = wanted.mean(axis=0)
        return np.asarray(across @ scipy.linalg.cho_solve(factor, wanted - centre) + centre)

    truth = np.repeat(np.arange(tasks), len(scored) // tasks)
    accuracy = float((read(np.eye(tasks)).argmax(axis=1) == truth).mean())
    return Recoverability(accuracy, None if parameters is None else _r2(read(parameters), parameters[truth]))


def _gram(ones: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Inner products of all pairs, float64; of an array with itself, BLAS makes one half."""
    return np.asarray(ones @ others.T, np.float64)


def _r2(said: np.ndarray, truth: np.ndarray) -> float | None:
    spread = ((truth - truth.mean(axis=0)) ** 2).sum()
    return None if spread == 0 else float(1 - ((said - truth) ** 2).sum() / spread)
