"""Bundle of a study: its statistics, and a bundle of each experiment that `tgsh replay` trains again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from service.dependencies import Services
from service.responses import Stream
from service.results.base import NoParams, Params, Result, Source, source_itself
from service.results.bundle import REFUSALS, BundleContents, bundle_of
from service.results.study_matrices import STUDY_MATRICES
from service.results.study_measurements import STUDY_ACCURACY, STUDY_EFFECTS, EffectsParams
from service.results.study_replicates import CellParams, EstimateParams, StudyKey, StudyParams
from service.results.study_similarity import (
    STUDY_CEILING,
    STUDY_SIMILARITY,
    StatisticParams,
)
from service.results.study_structure import (
    STUDY_DENDROGRAM,
    STUDY_EMBEDDING,
    StudyEmbeddingParams,
    TreeParams,
)
from tgsh.bundles.writer import STUDY_FORMAT, Member, pack, study_files
from tgsh.errors import Conflict
from tgsh.specs.results import BUNDLE as BUNDLE_SPEC
from tgsh.store import studies
from tgsh.store.models import StudyRecord
from tgsh.store.studies import StudyReplicate

AnyStudyResult = Result[StudyKey, Any, Any, Any]

EXPERIMENT_BUNDLE = bundle_of((), {})
"""Spec, digests and stored arrays of an experiment: what a replay reads, without pictures and tables."""

OF_CELL: Mapping[str, tuple[AnyStudyResult, Params, str]] = {
    **{
        f"similarity-{statistic}.csv": (STUDY_SIMILARITY, StatisticParams(statistic=statistic), "csv")
        for statistic in ("mean", "sd", "low", "high")
    },
    "similarity-mean.svg": (STUDY_SIMILARITY, StatisticParams(), "svg"),
    "ceiling.csv": (STUDY_CEILING, CellParams(), "csv"),
    "dendrogram.nwk": (STUDY_DENDROGRAM, TreeParams(), "newick"),
    "dendrogram.svg": (STUDY_DENDROGRAM, TreeParams(), "svg"),
    "embedding.csv": (STUDY_EMBEDDING, StudyEmbeddingParams(), "csv"),
}
"""Files of each cell, by their names below its folder."""

OF_STUDY: Mapping[str, tuple[AnyStudyResult, Params, str]] = {
    "matrices.csv": (STUDY_MATRICES, EstimateParams(), "csv"),
    "accuracy.csv": (STUDY_ACCURACY, StudyParams(), "csv"),
    "effects.csv": (STUDY_EFFECTS, EffectsParams(), "csv"),
}


@dataclass
class StudyBundleContents:
    """Members of a study's bundle; left_out: names and reasons, as they turn out."""

    services: Services
    key: StudyKey
    record: StudyRecord
    replicates: Sequence[StudyReplicate]
    experiments: Mapping[str, Source[BundleContents]]
    left_out: dict[str, str] = field(default_factory=dict)

    def members(self) -> Iterator[Member]:
        """The files: texts, statistics, and a bundle an experiment."""
        files = study_files(self.record, self.replicates, list(self.experiments))
        for name, content in sorted(files.items()):
            yield Member(name, len(content), (content,))
        for name, how in OF_STUDY.items():
            yield from self._render(name, self.key, *how)
        for place in range(len(self.record.cells)):
            key = StudyKey(self.key.study_id, self.key.visible_to, place)
            for name, how in OF_CELL.items():
                yield from self._render(f"cells/{place}/{name}", key, *how)
        for id, source in self.experiments.items():
            contents = source.content
            size = sum(path.stat().st_size for path in contents.stored.values())
            yield Member(f"experiments/{id}.zip", size, pack(contents.members(), contents.left_out))

    def _render(
        self, name: str, key: StudyKey, result: AnyStudyResult, params: Params, format: str
    ) -> Iterator[Member]:
        try:
            content = result.render(self.services, key, params, format).body()
        except REFUSALS as refusal:
            self.left_out[name] = str(refusal)
            return
        if isinstance(content, bytes):
            yield Member(name, len(content), (content,))


def _find(services: Services, key: StudyKey, _params: NoParams) -> Source[StudyBundleContents]:
    """Raises NotFound, Conflict where an experiment is still to come or none is completed."""
    record = studies.study(services.database, key.study_id, key.visible_to).record
    replicates = studies.members(services.database, key.study_id, key.visible_to)
    waits = sum(each.record is not None and each.record.status in studies.UNFINISHED for each in replicates)
    if waits:
        raise Conflict(f"{waits} of {len(replicates)} experiments are queued or running; wait, or cancel")
    left_out = {}
    experiments: dict[str, Source[BundleContents]] = {}
    for each in replicates:
        name = f"cell {each.cell}, seed {each.seed}, base seed {each.base_seed}"
        if each.record is None:
            left_out[name] = "its experiment was deleted, or is not visible"
        elif each.record.status != "completed":
            left_out[name] = f"{each.record.id} is {each.record.status}"
        else:
            experiments[each.record.id] = EXPERIMENT_BUNDLE.find(services, each.record.id, NoParams())
    if not experiments:
        raise Conflict("no experiment of the study is completed")
    content = StudyBundleContents(services, key, record, replicates, experiments, left_out)
    parts = [STUDY_FORMAT, version("tgsh"), record.id, record.name, str(record.cells), *sorted(left_out)]
    digest = "\n".join([*parts, *(source.digest for source in experiments.values())])
    return Source(content, digest, key.study_id)


def _zip(_services: Services, contents: StudyBundleContents, _params: NoParams) -> Stream:
    return Stream(None, pack(contents.members(), contents.left_out, STUDY_FORMAT))


STUDY_BUNDLE: Result[StudyKey, NoParams, StudyBundleContents, StudyBundleContents] = Result(
    spec=BUNDLE_SPEC,
    params=NoParams,
    find=_find,
    compute=source_itself,
    streams={"zip": _zip},
    file_stem="tgsh-study",
)
