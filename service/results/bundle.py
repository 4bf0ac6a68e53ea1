"""Bundle: every result of a completed experiment in one ZIP, made while it is sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from service.dependencies import Services
from service.errors import NotAcceptable
from service.responses import Stream
from service.results.base import AnyResult, NoParams, Params, Result, Source, source_itself
from tgsh.bundles.writer import FORMAT, VECTORS, Member, experiment_files, pack
from tgsh.errors import Conflict, InvalidSpec, NotFound
from tgsh.specs.results import BUNDLE as BUNDLE_SPEC
from tgsh.store import queries
from tgsh.store.models import ExperimentRecord, FinishRecord
from tgsh.store.results import task_origins

CHUNK = 1 << 20

DRAWN = ("png", "svg")

REFUSALS = (Conflict, InvalidSpec, NotAcceptable, NotFound)
"""Errors that leave a file out of a bundle: the network, the suite, or too many tasks."""


@dataclass
class BundleContents:
    """Members of a completed experiment's bundle.

    Parameters
    ----------
    rendered : results by the names of their files, with parameters and format.
    stored : local files by their names in the bundle.
    left_out : names and reasons, as they turn out.
    """

    services: Services
    record: ExperimentRecord
    rendered: Mapping[str, tuple[AnyResult, Params, str]]
    stored: Mapping[str, Path]
    left_out: dict[str, str] = field(default_factory=dict)

    def members(self) -> Iterator[Member]:
        """The files, sorted by name."""
        id, database = self.record.id, self.services.database
        origins = task_origins(database, self.services.artifacts, id)
        documents = experiment_files(self.record, queries.tasks(database, id), origins)
        for name in sorted([*documents, *self.rendered, *self.stored]):
            if name in documents:
                yield _member(name, documents[name])
            elif name in self.stored:
                path = self.stored[name]
                yield Member(name, path.stat().st_size, _chunks(path))
            else:
                yield from self._render(name, *self.rendered[name])

    def _render(self, name: str, result: AnyResult, params: Params, format: str) -> Iterator[Member]:
        """A result in one format; nothing where it is refused, or too large to be held."""
        try:
            content = result.render(self.services, self.record.id, params, format).body()
        except REFUSALS as refusal:
            self.left_out[name] = str(refusal)
            return
        if isinstance(content, Stream):
            self.left_out[name] = "so many tasks have no such file; the service answers it on demand"
            return
        yield _member(name, content)


def bundle_of(
    results: Sequence[AnyResult], figures: Mapping[str, tuple[AnyResult, Params]]
) -> Result[str, NoParams, BundleContents, BundleContents]:
    """The bundle of these results and figures."""
    rendered = {
        **{name: (result, *how) for result in results for name, how in result.bundled.items()},
        **{
            f"figures/{name}.{format}": (result, params, format)
            for name, (result, params) in figures.items()
            for format in DRAWN
        },
    }

    def find(services: Services, experiment_id: str, _params: NoParams) -> Source[BundleContents]:
        return _find(services, experiment_id, rendered)

    return Result(
        spec=BUNDLE_SPEC,
        params=NoParams,
        find=find,
        compute=source_itself,
        streams={
            "zip": lambda _services, contents, _params: Stream(
                None, pack(contents.members(), contents.left_out)
            )
        },
        file_stem="tgsh",
    )


def _find(
    services: Services, experiment_id: str, rendered: Mapping[str, tuple[AnyResult, Params, str]]
) -> Source[BundleContents]:
    """Members to pack, the stored files checked by their hashes.

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
    files = [f"{name} {sha256}" for name, (_, sha256) in sorted(results.items())]
    digest = "\n".join([FORMAT, version("tgsh"), record.id, record.name, str(record.finished_at), *files])
    return Source(BundleContents(services, record, rendered, stored), digest, experiment_id)


def _member(name: str, content: bytes) -> Member:
    return Member(name, len(content), (content,))


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk
