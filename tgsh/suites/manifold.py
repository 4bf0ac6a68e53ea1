"""Manifold: synthetic tasks from the paper's generative process (Hong & Pavlic 2023, section 2.1).

    x = F(γ_t, ω_k, θ)

γ_t says which task it is, ω_k which class, alike in all tasks, and θ where on the manifold of that task and
class an example lies. All three are points on unit spheres; F is a random analytic map. The γ_t are known, so
that what is read from context vectors can be held against the truth.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from tgsh.datasets.info import DatasetInfo
from tgsh.spec import ManifoldSuite
from tgsh.streams import stream
from tgsh.suites.pixelmap import PixelMap
from tgsh.suites.task import Task

HIDDEN = 64
"""Units of F between latents and pixels."""

GAIN, CONTRAST = 1.5, 3.0
"""How far the latents bend F, and how far pixels reach from grey to black and white."""


def manifold_tasks(suite: ManifoldSuite, info: DatasetInfo) -> tuple[Task, ...]:
    """The tasks of a manifold suite; a longer suite begins with the tasks of a shorter one."""
    return tuple(
        Task(
            index,
            f"γ{index}",
            {"gamma": tuple(task_identifier(suite, index).tolist())},
            partial(PixelMap.identity, info.pixels),
        )
        for index in range(suite.tasks)
    )


def task_identifier(suite: ManifoldSuite, index: int) -> np.ndarray:
    """γ_t, float64 [task_dimensions], of length 1."""
    rng = stream(suite.manifold_seed, "manifold", "task", index)
    return _on_sphere(rng, 1, suite.task_dimensions).ravel()


def class_identifiers(suite: ManifoldSuite) -> np.ndarray:
    """ω_1 … ω_K, a row each: float64 [K, class_dimensions], rows of length 1."""
    rng = stream(suite.manifold_seed, "manifold", "classes")
    return _on_sphere(rng, suite.classes, suite.class_dimensions)


def perturbations(suite: ManifoldSuite, part: str, count: int) -> np.ndarray:
    """θ of `count` examples of a part ("train" or "test"): float64 [count, dimensions], rows of length 1."""
    rng = stream(suite.manifold_seed, "manifold", part)
    return _on_sphere(rng, count, suite.perturbation_dimensions)


class AnalyticMap:
    """F: latents [n, d] to pixels, uint8 [n, D]: 255·σ(M₂ tanh(M₁ z)), M₁ and M₂ normal and never learned.

    z are γ_t, ω_k and perturbation·θ, one after the other. tanh and the logistic σ are analytic, and so is F.
    """

    def __init__(self, suite: ManifoldSuite) -> None:
        seed, pixels = suite.manifold_seed, suite.side**2
        sizes = (suite.task_dimensions, suite.class_dimensions, suite.perturbation_dimensions)
        self._first = GAIN * stream(seed, "manifold", "M1").standard_normal((HIDDEN, sum(sizes)))
        second = stream(seed, "manifold", "M2").standard_normal((pixels, HIDDEN))
        self._second = CONTRAST / np.sqrt(HIDDEN) * second

    def __call__(self, latents: np.ndarray) -> np.ndarray:
        """The pixels that latents make."""
        bent = np.tanh(latents @ self._first.T) @ self._second.T
        return np.asarray(np.rint(255 / (1 + np.exp(-bent))), np.uint8)


def _on_sphere(rng: np.random.Generator, count: int, dimensions: int) -> np.ndarray:
    """Points drawn uniformly from the unit sphere, float64 [count, dimensions]."""
    points = rng.standard_normal((count, dimensions))
    return np.asarray(points / np.linalg.norm(points, axis=1, keepdims=True))
