"""Reads that take long where there are many tasks: those are done in a process of their own."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Concatenate, ParamSpec, TypeVar

import numpy as np

from service.child import Child
from tgsh.analysis.clustering import Dendrogram, cluster_order, dendrogram
from tgsh.analysis.embedding import Embedding, classical_mds, pca
from tgsh.analysis.similarity import SimilarityMatrix, similarity
from tgsh.schemas import EmbeddingMethod, Measure
from tgsh.store.artifacts import Artifacts
from tgsh.store.vectors import StageRef, load_stage

P = ParamSpec("P")
T = TypeVar("T")

MANY = 300
"""Tasks from which on a read holds the interpreter for longer than other requests should wait."""

CALLS_A_CHILD = 20
"""So that what a large matrix took goes back to the system."""


class Reckoner:
    """Works on the vectors of a stage: here where tasks are few, else in its child, one at a time."""

    def __init__(self, artifacts: Artifacts) -> None:
        self._artifacts = artifacts
        self._child = Child(CALLS_A_CHILD)

    def reckon(
        self,
        work: Callable[Concatenate[np.ndarray, StageRef, P], T],
        ref: StageRef,
        part: slice,
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """What `work`, a function of this module, makes of this part of the vectors [T, H]."""
        if len(ref.tasks) < MANY:
            return work(load_stage(self._artifacts, ref)[:, part], ref, *args, **kwargs)
        folder = self._artifacts.copied(ref.sources)  # the child needs no right to fetch them
        return self._child.call(_elsewhere, folder, work, ref, part, *args, **kwargs)

    def elsewhere(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """What `work`, a function of a module, makes of values: in the child, as it takes long."""
        return self._child.call(work, *args, **kwargs)

    def close(self) -> None:
        """End the child."""
        self._child.close()


def embedding(
    vectors: np.ndarray, ref: StageRef, method: EmbeddingMethod, dimensions: int, measure: Measure
) -> Embedding:
    """The tasks as points."""
    if method == "pca":
        return pca(vectors, ref.labels, ref.tasks, dimensions)
    return classical_mds(similarity(vectors, ref.labels, ref.tasks, measure), dimensions)


def tree(vectors: np.ndarray, ref: StageRef, method: str, measure: Measure) -> Dendrogram:
    """Which tasks belong together."""
    return dendrogram(similarity(vectors, ref.labels, ref.tasks, measure), method)


def clustered(vectors: np.ndarray, ref: StageRef, measure: Measure) -> SimilarityMatrix:
    """How alike the tasks are, like beside like."""
    matrix = similarity(vectors, ref.labels, ref.tasks, measure)
    return matrix.reordered(cluster_order(matrix))


def _elsewhere(
    folder: str,
    work: Callable[Concatenate[np.ndarray, StageRef, P], T],
    ref: StageRef,
    part: slice,
    /,
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    return work(load_stage(_artifacts(folder), ref)[:, part], ref, *args, **kwargs)


@lru_cache(maxsize=1)
def _artifacts(folder: str) -> Artifacts:
    return Artifacts(folder)
