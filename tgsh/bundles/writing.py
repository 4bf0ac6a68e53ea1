"""What is written for a bundle of an experiment's records: texts and tables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import Any

from tgsh.bundles import texts
from tgsh.bundles.format import DATASETS, EXPERIMENT, SPEC
from tgsh.encoding import table_csv
from tgsh.spec import ExperimentSpec
from tgsh.store.clock import as_datetime
from tgsh.store.provenance import Origin
from tgsh.store.records import ExperimentRecord, TaskRecord


def written(
    record: ExperimentRecord, tasks: Sequence[TaskRecord], origins: Sequence[Origin] | None
) -> dict[str, bytes]:
    """Files by name. origins: of each task, None where they were not recorded."""
    spec = ExperimentSpec.model_validate(record.spec)
    return {
        "CITATION.cff": texts.citation(version("tgsh")).encode(),
        "README.txt": texts.readme(
            title=record.name,
            version=record.versions.get("tgsh", ""),
            tasks=len(tasks),
            id=record.id,
            made=str(as_datetime(record.finished_at)),
        ).encode(),
        SPEC: _json(spec.model_dump(mode="json")),
        EXPERIMENT: _json(_experiment(record, spec, tasks, origins or ())),
        DATASETS: _json(_datasets(spec, origins or ())),
        "tasks.csv": _tasks(tasks),
        "losses.csv": _losses(tasks, spec.training.epochs),
    }


def _experiment(
    record: ExperimentRecord, spec: ExperimentSpec, tasks: Sequence[TaskRecord], origins: Sequence[Origin]
) -> dict[str, Any]:
    return {
        "id": record.id,
        "name": record.name,
        "digest": record.digest,
        "base_id": record.base_id,
        "seeds": {"seed": spec.seed, "base_seed": spec.base_seed},
        "epochs": spec.training.epochs,
        "mean_accuracy": record.mean_accuracy,
        "versions": record.versions,
        "versions_of_tasks": _distinct(origin["versions"] for origin in origins),
        "compute": _distinct(task.compute for task in tasks),
        "machines": _distinct(origin["machine"] for origin in origins),
        "created_at": str(as_datetime(record.created_at)),
        "started_at": str(as_datetime(record.started_at)),
        "finished_at": str(as_datetime(record.finished_at)),
        "labels": [task.label for task in tasks],
    }


def _datasets(spec: ExperimentSpec, origins: Sequence[Origin]) -> dict[str, Any]:
    """Which images, by digest; tasks that see the same ones together."""
    of = _distinct(origin["images"] for origin in origins)
    tasks = [[place for place, origin in enumerate(origins) if origin["images"] == each] for each in of]
    images = [{**each, "tasks": which} for each, which in zip(of, tasks, strict=True)]
    return {"dataset": spec.model_dump(mode="json")["dataset"], "images": images}


def _distinct(values: Iterable[Any]) -> list[Any]:
    """What was recorded, each once, in the order of the tasks."""
    found: list[Any] = []
    for value in values:
        if value is not None and value not in found:
            found.append(value)
    return found


def _tasks(tasks: Sequence[TaskRecord]) -> bytes:
    columns = ("index", "label", "params", "accuracy", "epochs_done", "seconds", "attempts", "compute")
    rows = [[getattr(task, name) for name in columns] for task in tasks]
    params = columns.index("params")
    for row in rows:
        row[params] = json.dumps(row[params], sort_keys=True, ensure_ascii=False)
    return table_csv(columns, rows)


def _losses(tasks: Sequence[TaskRecord], epochs: int) -> bytes:
    header = ["task", "label", *(str(epoch) for epoch in range(1, epochs + 1))]
    return table_csv(header, [(task.index, task.label, *task.losses) for task in tasks])


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
