"""Everything that an experiment's results can be had as."""

from __future__ import annotations

from dataclasses import dataclass

from service.negotiation import ENDINGS
from service.routers import (
    accuracy,
    accuracy_matrix,
    context_vectors,
    dendrogram,
    embedding,
    geometry,
    reconstructions,
    samples,
    similarity,
)
from tgsh.networks.answers import obstacle
from tgsh.spec import ExperimentSpec


@dataclass(frozen=True)
class File:
    """A link: the format's name, where it is, and what the file is called."""

    format: str
    path: str
    name: str


@dataclass(frozen=True)
class Result:
    """One result in all its formats; waits: it is there when the experiment is completed."""

    title: str
    files: tuple[File, ...]
    waits: bool = False


def results_of(experiment_id: str, spec: ExperimentSpec) -> list[Result]:
    """The results that an experiment of this spec has, or will have."""

    def result(
        title: str, path: str, formats: tuple[str, ...], *, waits: bool = False, **query: str
    ) -> Result:
        return Result(title, tuple(_file(experiment_id, path, name, query) for name in formats), waits)

    found = [
        result("Similarity", "similarity", similarity.FORMATS),
        result("Similarity before training", "similarity", similarity.FORMATS, stage="before"),
        result("Dendrogram", "dendrogram", dendrogram.FORMATS),
        result("Map of the tasks", "embedding", embedding.FORMATS),
        result("Context vectors", "context-vectors", context_vectors.FORMATS),
        result("Accuracy", "accuracy", accuracy.FORMATS),
        result("Definition 1 (T-GSH)", "geometry", geometry.OFFERED, waits=True),
        result("Samples of the tasks", "samples", samples.OFFERED, waits=True),
    ]
    if spec.accuracy_matrix:
        found.append(result("Accuracy matrix", "accuracy/matrix", accuracy_matrix.FORMATS, waits=True))
    if obstacle(spec.network, "reconstructions") is None:
        found.append(result("Reconstructions", "reconstructions", reconstructions.OFFERED))
    tasks = File("json", f"/experiments/{experiment_id}/tasks", f"tasks-{experiment_id}.json")
    losses = File("csv", f"/dashboard/experiments/{experiment_id}/losses.csv", f"losses-{experiment_id}.csv")
    return [*found, Result("Tasks and losses", (tasks, losses))]


def _file(experiment_id: str, path: str, format: str, query: dict[str, str]) -> File:
    asked = "&".join(f"{key}={value}" for key, value in (query | {"format": format}).items())
    name = "-".join([path.replace("/", "-"), experiment_id, *query.values()])
    return File(
        format, f"/experiments/{experiment_id}/{path}?{asked}", f"{name}.{ENDINGS.get(format, format)}"
    )
