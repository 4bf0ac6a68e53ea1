"""The files of an experiment's bundle, made one after the other as they are sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path

from fastapi import Request, Response

from service.dependencies import Services
from service.errors import NotAcceptable
from service.routers.accuracy import accuracy
from service.routers.dendrogram import dendrogram
from service.routers.embedding import embedding
from service.routers.figures import FIGURES
from service.routers.geometry import geometry
from service.routers.similarity import similarity
from tgsh.bundles.writer import FORMAT, VECTORS, Member, experiment_files
from tgsh.errors import Conflict, InvalidSpec, NotFound
from tgsh.store import queries
from tgsh.store.models import ExperimentRecord, FinishRecord
from tgsh.store.results import task_origins as origins_of

CHUNK = 1 << 20

DRAWN = ("png", "svg")

Ask = Callable[[str, Services, Request], Response]

ANSWERS: dict[str, Ask] = {
    "accuracy.csv": lambda id, services, ask: accuracy(id, services, ask, "csv"),
    "dendrogram.nwk": lambda id, services, ask: dendrogram(id, services, ask, format="newick"),
    "embedding.csv": lambda id, services, ask: embedding(id, services, ask, format="csv"),
    "geometry.json": lambda id, services, ask: geometry(id, services, ask, format="json"),
    "similarity/after.csv": lambda id, services, ask: similarity(id, services, ask, format="csv"),
    "similarity/after.npy": lambda id, services, ask: similarity(id, services, ask, format="npy"),
    "similarity/before.csv": lambda id, services, ask: similarity(id, services, ask, "before", format="csv"),
    "similarity/before.npy": lambda id, services, ask: similarity(id, services, ask, "before", format="npy"),
}
"""Files that hold what the API answers."""

NOT_HAD = (Conflict, InvalidSpec, NotAcceptable, NotFound)
"""Why an experiment does not have some of them: its network, its suite, or too many tasks."""


@dataclass
class Contents:
    """What a completed experiment's bundle is made of.

    stored: local files by their names in the bundle. left_out: names and reasons, as they are found.
    """

    services: Services
    record: ExperimentRecord
    results: dict[str, tuple[str, str]]
    stored: dict[str, Path]
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, ...]:
        """Decides the bytes."""
        record, files = self.record, [f"{name} {sha}" for name, (_, sha) in sorted(self.results.items())]
        return ("bundle", FORMAT, version("tgsh"), record.id, record.name, str(record.finished_at), *files)

    def members(self) -> Iterator[Member]:
        """The files, sorted by name."""
        id, database = self.record.id, self.services.database
        origins = origins_of(database, self.services.artifacts, id)
        told = experiment_files(self.record, queries.tasks(database, id), origins)
        figures = {f"figures/{name}.{format}": (name, format) for name in FIGURES for format in DRAWN}
        for name in sorted([*told, *ANSWERS, *figures, *self.stored]):
            if name in told:
                yield _of(name, told[name])
            elif name in self.stored:
                path = self.stored[name]
                yield Member(name, path.stat().st_size, _chunks(path))
            elif name in ANSWERS:
                yield from self._asked(name, ANSWERS[name])
            else:
                yield from self._asked(name, partial(_drawn, *figures[name]))

    def _asked(self, name: str, ask: Ask) -> Iterator[Member]:
        """What the API answers to somebody who has nothing yet; nothing where it refuses."""
        request = Request({"type": "http", "method": "GET", "path": "", "query_string": b"", "headers": []})
        try:
            response = ask(self.record.id, self.services, request)
        except NOT_HAD as refusal:
            self.left_out[name] = str(refusal)
            return
        if not hasattr(response, "body"):
            self.left_out[name] = "so many tasks have no such file; the service answers it on demand"
            return
        yield _of(name, bytes(response.body))


def contents(services: Services, experiment_id: str) -> Contents:
    """What there is to be packed, its stored files checked by their hashes.

    Raises NotFound, Conflict where the experiment is not completed, and ArtifactError for a damaged file.
    """
    record = queries.experiment(services.database, experiment_id).record
    with services.database.read() as session:
        finish = session.get_one(FinishRecord, experiment_id)
        results = {name: (str(key), str(sha256)) for name, (key, sha256) in finish.results.items()}
    if record.status != "completed":
        remedy = "resume it" if record.status in ("failed", "cancelled") else "wait until it is"
        raise Conflict(
            f"a bundle is made of a completed experiment; {experiment_id} is {record.status}: {remedy}"
        )
    stored = {}
    for name, (key, sha256) in results.items():
        inside = VECTORS if name == "vectors" else f"measured/{name}.safetensors"
        stored[inside] = services.artifacts.path(key, sha256)
    return Contents(services, record, results, stored)


def _drawn(which: str, format: str, id: str, services: Services, ask: Request) -> Response:
    return FIGURES[which](id, services, ask, format)


def _of(name: str, content: bytes) -> Member:
    return Member(name, len(content), (content,))


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk
