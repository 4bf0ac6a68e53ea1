"""Writer of bundles: manifest, README, CITATION.cff and a deterministic zip, made chunk by chunk."""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from pydantic import BaseModel, ConfigDict, Field

from tgsh.arrays import table_csv
from tgsh.specs import ExperimentSpec
from tgsh.store.models import ExperimentRecord, StudyRecord, TaskRecord, as_datetime
from tgsh.store.results import Origin
from tgsh.store.studies import StudyReplicate

FORMAT = "tgsh.bundle/1"
STUDY_FORMAT = "tgsh.study-bundle/1"
STUDY, MEMBERS = "study.json", "members.csv"
MANIFEST, SPEC, VECTORS = "manifest.json", "spec.json", "vectors.npy"
EXPERIMENT, DATASETS = "experiment.json", "datasets.json"
REQUIRED_FILES = {SPEC, EXPERIMENT, DATASETS, VECTORS}
"""Files that a replay reads."""

EARLIEST_TIME = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip can hold: equal contents have equal bytes."""

UNIX = 3  # system in a zip's headers

DESCRIPTIONS = {
    "CITATION.cff": "how to cite the paper and the software",
    "README.txt": "this text",
    "accuracy.csv": "test accuracy of each task after its last epoch",
    "datasets.json": "SHA-256 of the images and labels that tasks were trained and tested on",
    "dendrogram.nwk": "the tree of the tasks (average linkage of 1 - similarity), Newick",
    "embedding.csv": "the tasks as points in two dimensions (classical MDS of 1 - similarity)",
    "experiment.json": "seeds, digest of the spec, base_id, versions, compute paths, machines, times",
    "figures/": "every figure, as png and svg",
    "geometry.json": "Definition 1 of the paper, measured; its histograms and what a linear map reads",
    "hashing.json": "the network as a hash: collisions of codes against cosine, and what codes retrieve",
    "losses.csv": "mean training cross-entropy of each task (row) in each epoch (column), in nats",
    "measured/": "what was measured on images at the end, as it is stored (safetensors)",
    "scenarios.json": "accuracy with and without the task's number, by images a batch",
    "similarity/": "cosines of the context vectors, before and after training: csv with labels, npy without",
    "spec.json": "the spec: what POST /experiments, tgsh submit and tgsh run take",
    "tasks.csv": "every task: its parameters, accuracy, seconds, attempts and compute path",
    "transfer.json": "whether similarity tells which context can be reused, and the source of every task",
    "vectors.npy": "context vectors of every stage, float32 [epochs + 1, tasks, width]; [0]: before training",
    "manifest.json": "SHA-256 and size of every other file; what was left out, and why",
}
"""Descriptions of files by their names, or by the beginnings of their names."""

README = """\
{title}

Context vectors that tgsh {version} learned, one for each of {tasks} tasks, over random weights that never
learn; and what follows from them. Experiment {id}, made {made}.

{files}
What an experiment does not have is left out; manifest.json says why.

Replay it:

    pip install 'tgsh[worker]'
    tgsh replay BUNDLE.zip

checks every hash, trains spec.json anew and compares all vectors byte by byte. The bytes follow from the
spec, its seeds and the images on one compute path and kind of machine, and with the same versions of the
software: experiment.json has them, and a replay that differs says which of them are others. By hand:

    tgsh run spec.json -o again/

Read it with NumPy:

    vectors = numpy.load("vectors.npy")          # [stage, task, unit]
    tasks = list(csv.DictReader(open("tasks.csv", encoding="utf-8")))
"""

STUDY_README = """\
{name}

A study by tgsh: {count} experiments that differ in seeds and in a grid of values, and what follows from them.

study.json        what POST /studies takes
members.csv       cell, seed, base seed and id of every experiment
accuracy.csv      mean, sd and interval of the test accuracy of every task
effects.csv       a row for each task of each experiment, for statistics of your own
cells/N/          mean, sd and interval of the similarities, noise ceiling, tree with support, map
experiments/      a bundle of each experiment: spec, digests of the images, vectors of every stage
manifest.json     SHA-256 and size of every other file; what was left out, and why

Replay it:

    pip install 'tgsh[worker]'
    tgsh replay BUNDLE.zip

checks every hash, trains every experiment anew and compares all vectors byte by byte.
"""

CITATION = """\
cff-version: 1.2.0
message: If you use these results, please cite the paper and the software.
type: software
title: "tgsh: how do learning tasks relate to one another?"
version: "{version}"
license: MIT
authors:
  - name: The authors of tgsh
preferred-citation:
  type: article
  title: >-
    Randomly Weighted Neuromodulation in Neural Networks Facilitates Learning of Manifolds
    Common Across Tasks
  authors:
    - family-names: Hong
      given-names: Jinyung
    - family-names: Pavlic
      given-names: Theodore P.
  year: 2023
  journal: arXiv
  url: https://arxiv.org/abs/2401.02437
  identifiers:
    - type: other
      value: "arXiv:2401.02437"
"""


class ManifestEntry(BaseModel):
    """Hash and size of a file of a bundle."""

    model_config = ConfigDict(extra="forbid", strict=True)

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    bytes: int = Field(ge=0)


class Manifest(BaseModel):
    """Every other file of a bundle by its name, and the reasons why others were left out."""

    model_config = ConfigDict(extra="forbid", strict=True)

    format: str
    files: dict[str, ManifestEntry]
    left_out: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True)
class Member:
    """A file to be packed: its name, size in bytes, and contents."""

    name: str
    size: int
    chunks: Iterable[bytes]


def experiment_files(
    record: ExperimentRecord, tasks: Sequence[TaskRecord], origins: Sequence[Origin] | None
) -> dict[str, bytes]:
    """Text files of a bundle, by name, that are made from an experiment's rows.

    origins: where each task was trained; None where that was not recorded.
    """
    spec = ExperimentSpec.model_validate(record.spec)
    return {
        "CITATION.cff": citation(version("tgsh")).encode(),
        "README.txt": readme(
            title=record.name,
            version=record.versions.get("tgsh", ""),
            tasks=len(tasks),
            id=record.id,
            made=str(as_datetime(record.finished_at)),
        ).encode(),
        SPEC: _json_bytes(spec.model_dump(mode="json")),
        EXPERIMENT: _json_bytes(_experiment_document(record, spec, tasks, origins or ())),
        DATASETS: _json_bytes(_datasets_document(spec, origins or ())),
        "tasks.csv": _tasks_csv(tasks),
        "losses.csv": _losses_csv(tasks, spec.training.epochs),
    }


def study_files(
    record: StudyRecord, replicates: Sequence[StudyReplicate], experiments: Sequence[str]
) -> dict[str, bytes]:
    """Text files of a study's bundle, by name, that are made from its rows. experiments: ids inside."""
    body = {
        "name": record.name,
        "spec": ExperimentSpec.model_validate(record.spec).model_dump(mode="json"),
        "replicates": record.replicates,
        "grid": record.grid,
    }
    rows = [
        (each.cell, each.seed, each.base_seed, each.record.id, each.record.status)
        for each in replicates
        if each.record is not None
    ]
    return {
        "CITATION.cff": citation(version("tgsh")).encode(),
        "README.txt": STUDY_README.format(name=record.name, count=len(experiments)).encode(),
        STUDY: _json_bytes(body),
        MEMBERS: table_csv(("cell", "seed", "base_seed", "experiment", "status"), rows),
    }


def readme(*, title: str, version: str, tasks: int, id: str, made: str) -> str:
    """Text of README.txt of an experiment's bundle."""
    width = max(map(len, DESCRIPTIONS)) + 2
    files = "".join(f"{name:{width}}{description}\n" for name, description in DESCRIPTIONS.items())
    return README.format(title=title, version=version, tasks=tasks, id=id, made=made, files=files)


def citation(version: str) -> str:
    """Text of CITATION.cff for a version of the software."""
    return CITATION.format(version=version)


def pack(members: Iterable[Member], left_out: Mapping[str, str], format: str = FORMAT) -> Iterator[bytes]:
    """Chunks of a zip of these files, in their order, with their manifest as the last file.

    left_out: reasons by name; read after all members have been packed.
    """
    buffer, files = _WriteBuffer(), {}
    with ZipFile(buffer, "w", ZIP_STORED) as zip:  # type: ignore[call-overload]
        for member in members:
            digest, size = hashlib.sha256(), 0
            with zip.open(_zip_info(member.name, member.size), "w") as file:
                for chunk in member.chunks:
                    digest.update(chunk)
                    size += len(chunk)
                    file.write(chunk)
                    yield buffer.drain()
            files[member.name] = ManifestEntry(sha256=digest.hexdigest(), bytes=size)
        manifest = Manifest(format=format, files=files, left_out=dict(left_out))
        zip.writestr(_zip_info(MANIFEST, 0), manifest.model_dump_json(indent=2) + "\n")
    yield buffer.drain()


def _experiment_document(
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


def _datasets_document(spec: ExperimentSpec, origins: Sequence[Origin]) -> dict[str, Any]:
    """Digests of the images, each with the tasks that see them."""
    digests = _distinct(origin["images"] for origin in origins)
    images = [
        {**digest, "tasks": [index for index, origin in enumerate(origins) if origin["images"] == digest]}
        for digest in digests
    ]
    return {"dataset": spec.model_dump(mode="json")["dataset"], "images": images}


def _distinct(values: Iterable[Any]) -> list[Any]:
    """Recorded values, each once, in the order of the tasks."""
    distinct: list[Any] = []
    for value in values:
        if value is not None and value not in distinct:
            distinct.append(value)
    return distinct


def _tasks_csv(tasks: Sequence[TaskRecord]) -> bytes:
    columns = ("index", "label", "params", "accuracy", "epochs_done", "seconds", "attempts", "compute")
    rows = [[getattr(task, name) for name in columns] for task in tasks]
    params = columns.index("params")
    for row in rows:
        row[params] = json.dumps(row[params], sort_keys=True, ensure_ascii=False)
    return table_csv(columns, rows)


def _losses_csv(tasks: Sequence[TaskRecord], epochs: int) -> bytes:
    header = ["task", "label", *(str(epoch) for epoch in range(1, epochs + 1))]
    return table_csv(header, [(task.index, task.label, *task.losses) for task in tasks])


def _json_bytes(value: Any) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


class _WriteBuffer:
    """Unseekable file for a ZipFile, emptied between writes."""

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._written.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """No operation: writes are not delayed."""

    def drain(self) -> bytes:
        """Remove and return the bytes written since the last call."""
        data, self._written = b"".join(self._written), []
        return data


def _zip_info(name: str, size: int) -> ZipInfo:
    info = ZipInfo(name, EARLIEST_TIME)
    info.create_system, info.external_attr = UNIX, (stat.S_IFREG | 0o644) << 16
    info.file_size = size  # beyond 2 GB the header is longer
    return info
