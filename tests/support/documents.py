"""API documents made of chosen numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from tgsh.analysis.clustering import dendrogram
from tgsh.analysis.similarity import SimilarityMatrix
from tgsh.schemas import Accuracy, Dendrogram, Geometry, Reconstructions, Similarity, SimilarityEpochs

HEAD = {"experiment_id": "0" * 16, "base_id": "base", "complete": True}


def circle(tasks: int, bump: float = 0.0, seed: int | None = None, noise: float = 0.0) -> np.ndarray:
    """Similarities that fall with the distance on a closed circle, and rise by `bump` half way around."""
    steps = np.abs(np.arange(tasks)[:, None] - np.arange(tasks)[None])
    away = np.minimum(steps, tasks - steps) / (tasks / 2)
    values = 0.9 * np.exp(-6 * away) + bump * (away == 1)
    if seed is not None:
        values += noise * np.random.default_rng(seed).standard_normal(values.shape)
        values = (values + values.T) / 2
    np.fill_diagonal(values, 1)
    return values


def similarity(values: np.ndarray) -> Similarity:
    about = {"stage": "after", "measure": "cosine", "order": "task"}
    return Similarity.model_validate({**HEAD, **about, **_tasks(len(values)), "values": values.tolist()})


def tree(values: np.ndarray) -> Dendrogram:
    """The average-linkage tree of a similarity."""
    tasks = _tasks(len(values))
    cluster_tree = dendrogram(
        SimilarityMatrix(values.copy(), tuple(tasks["labels"]), tuple(tasks["tasks"]), "cosine")
    )
    return Dendrogram.model_validate(
        {
            **HEAD,
            **tasks,
            "stage": "after",
            "measure": "cosine",
            "method": "average",
            "linkage": [(int(a), int(b), float(d), int(n)) for a, b, d, n in cluster_tree.linkage],
            "leaves": cluster_tree.leaves,
            "leaf_labels": [],
            "cophenetic_correlation": cluster_tree.cophenetic,
            "newick": "",
        }
    )


def trajectories(values: list[float | None]) -> SimilarityEpochs:
    pair = {"tasks": (0, 6), "labels": ("T1", "T7"), "values": values}
    return SimilarityEpochs.model_validate(
        {**HEAD, "measure": "cosine", "epochs": range(len(values)), "pairs": [pair]}
    )


def stage(
    intra: float | None, inter: float | None, r2: float | None = None, neighbours: float | None = None
) -> Any:
    """r2: of tasks left out, with an error of 2 degrees."""
    read = {"r2": r2, "median_error": 2.0, "unit": "degrees", "reason": None}
    return {
        "intra": [],
        "inter": [],
        "intra_mean": intra,
        "inter_mean": inter,
        "overlap": 0.1,
        "p_intra_greater": None if intra is None or inter is None else 0.9,
        "task_accuracy": 1.0,
        "parameter_r2": 0.83,
        "neighbour_mean": neighbours,
        **({} if r2 is None else {"left_out": read}),
    }


def geometry(before: Any, after: Any, tasks: int = 4) -> Geometry:
    sample = {"tasks": range(tasks), "classes": 10, "images": 6}
    stages = {"before": before, "after": after}
    return Geometry.model_validate({**HEAD, "network": "flynet", "sample": sample, "edges": [], **stages})


def reconstructions(score: dict[str, float | None] | None) -> Reconstructions:
    about = {"stage": "after", "method": "pinv", "ridge": 0, "seed": 0, "classes": [], "images": []}
    return Reconstructions.model_validate({**HEAD, **about, **_tasks(0), "score": score})


def accuracy(*values: float) -> Accuracy:
    tasks = [{"index": i, "label": str(i), "accuracy": value} for i, value in enumerate(values)]
    summary = {"mean": float(np.mean(values)), "min": min(values), "max": max(values)} if values else {}
    return Accuracy.model_validate({**HEAD, **summary, "tasks": tasks})


def _tasks(count: int) -> dict[str, list[Any]]:
    return {"tasks": list(range(count)), "labels": [f"T{i + 1}" for i in range(count)]}
