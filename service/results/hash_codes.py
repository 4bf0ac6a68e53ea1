"""The network as a hash: collision curves and retrieval of test images that the finish kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from service import subprocesses
from service.dependencies import Services
from service.results import base
from service.results.base import Computed, KeptValues, Params, Result, Sketch, Source, as_json
from service.results.task_networks import ExperimentNetworks, Probe, load_networks, probe_of
from service.results.warnings import warnings_of
from tgsh.analysis.hash_codes import (
    collision_curve,
    cosines,
    hash_codes,
    pair_places,
    retrieval,
    shared_bits,
    simhash,
    theory,
    top_share,
)
from tgsh.arrays import table_csv
from tgsh.errors import Conflict, InvalidSpec
from tgsh.networks.all_tasks import blind_features
from tgsh.networks.registry import shares_base
from tgsh.schemas import HashCurve, HashKind, HashProperties, HashRetrieval
from tgsh.specs import figure_options
from tgsh.specs.results import RESULT_SPECS

MOST_NUMBERS = 2**25
"""Of all representations of a stage (128 MB): of wide networks fewer images are hashed."""

MOST_IMAGES = 2_000
"""Of all tasks: every pair of them is compared."""

FLY_SHARE = 20
"""One unit of so many is set in FlyHash's code (Dasgupta, Stevens & Navlakha 2017)."""

NOTE = (
    "A context that query and database share gives the task away: codes of one task "
    "are alike because one vector "
    "multiplied all of them, whatever the images show. The blind rows say what is "
    "left without it: the query is "
    "hashed without its task's context."
)


class HashParams(Params):
    """kind, bits: of the codes. count: nearest codes that are looked at."""

    kind: HashKind = "simhash"
    bits: int = 256
    count: int = 10


@dataclass(frozen=True, eq=False)
class HashedImages:
    """A probe, and the networks before and after training."""

    before: ExperimentNetworks
    after: ExperimentNetworks
    probe: Probe
    name: str


HashValue = Computed[HashProperties, HashedImages, HashParams]


def check_bits(kind: HashKind, bits: int, units: int) -> None:
    """Refuse codes that say nothing. Raises InvalidSpec."""
    if kind == "top-share" and bits >= units:
        raise InvalidSpec(
            "bits", f"representations have {units} units: set fewer of them, such as {units // 4 or 1}"
        )


def _find(services: Services, experiment_id: str, params: HashParams) -> Source[HashedImages]:
    probe = probe_of(services, experiment_id)
    after = load_networks(services, experiment_id, "after")
    before = load_networks(services, experiment_id, "before")
    check_bits(params.kind, params.bits, after.networks.network(0).size)
    if probe.images.shape[1] < 2:
        raise Conflict("one test image of each task was kept, and pairs of one task need two")
    name = base.figure_name(services, experiment_id)
    digest = f"{base.stage_digest(before.ref)} {base.stage_digest(after.ref)} {name}"
    return Source(HashedImages(before, after, probe, name), digest, experiment_id, final=True)


_kept: KeptValues[HashProperties] = KeptValues()


def _compute(_services: Services, content: HashedImages, params: HashParams) -> HashProperties:
    refs = (content.before.ref, content.after.ref)
    key = " ".join([*map(base.stage_digest, refs), params.model_dump_json()])
    return _kept.get(key, lambda: _measure(content, params))


def _measure(content: HashedImages, params: HashParams) -> HashProperties:
    probe, networks = content.probe, content.after.networks
    probed = len(probe.tasks)
    most = min(MOST_NUMBERS // (probed * networks.network(0).size), MOST_IMAGES // probed)
    images = probe.images[:, : max(2, most)]
    count = images.shape[1]
    seed = content.after.spec.base_seed
    hashed = HashedSample(
        np.repeat(np.arange(probed), count), probe.labels[:, :count].ravel(), params.kind, params.count
    )
    curves, codes = [], {}
    for stage, loaded in (("before", content.before), ("after", content.after)):
        vectors = _represented(loaded, probe.tasks, images)
        codes[stage] = hash_codes(vectors, params.kind, params.bits, seed)
        both = cosines(vectors), shared_bits(codes[stage], codes[stage], params.kind)
        curves += [hashed.curve(*both, stage, within=within) for within in (True, False)]
    rows = [
        hashed.row("own context", "r_t(x)", "r_t(y)", codes["after"]),
        hashed.row("own context, untrained", "untrained r_t(x)", "untrained r_t(y)", codes["before"]),
    ]
    flat = images.reshape(len(hashed.tasks), -1)
    normalisation = content.after.one_normalisation
    if shares_base(content.after.spec.network) and normalisation is not None:
        features = blind_features(networks.base, flat, normalisation)
        size = features.shape[1]
        if size == networks.network(0).size:
            blind = hash_codes(features, params.kind, params.bits, seed)
            rows.append(hashed.row("blind query", "φ(x), no context", "r_t(y)", blind, codes["after"]))
            rows.append(hashed.row("blind", "φ(x), no context", "φ(y), no context", blind))
        fly = top_share(features, min(max(1, size // FLY_SHARE), size - 1))
        rows.append(hashed.row("FlyHash", "φ(x), top 5 %", "φ(y), top 5 %", fly, kind="top-share"))
    pixels = flat.astype(np.float32) - flat.mean(axis=0, dtype=np.float64).astype(np.float32)
    rows.append(
        hashed.row(
            "pixels", "pixels, centred", "the same", simhash(pixels, params.bits, seed), kind="simhash"
        )
    )
    return HashProperties(
        experiment_id=content.after.ref.experiment_id,
        base_id=content.after.ref.base_id,
        kind=params.kind,
        bits=params.bits,
        count=params.count,
        tasks=list(probe.tasks),
        images=count,
        curves=curves,
        retrieval=rows,
        chance=hashed.chance(),
        note=NOTE,
    )


def _represented(loaded: ExperimentNetworks, tasks: tuple[int, ...], images: np.ndarray) -> np.ndarray:
    """r_t(x) of the images [D, m, pixels], each under its own context: float32 [D·m, R]."""
    rows = loaded.rows_of(tasks)
    each = [loaded.networks.network(row).representations(own) for row, own in zip(rows, images, strict=True)]
    return np.concatenate(each)


@dataclass(frozen=True, eq=False)
class HashedSample:
    """Images that are hashed in several ways. tasks, labels: int [n]. kind: of codes. count: k."""

    tasks: np.ndarray
    labels: np.ndarray
    kind: HashKind
    count: int

    def curve(self, cosine: np.ndarray, agreement: np.ndarray, stage: str, *, within: bool) -> HashCurve:
        """Agreement [n, n] of codes by the cosine [n, n] of their vectors, of pairs of one kind."""
        one, other = pair_places(self.tasks, within=within, seed=0)
        cosine, agreement = (each[one, other].astype(np.float64) for each in (cosine, agreement))
        found = collision_curve(cosine, agreement)
        has, is_simhash = len(one) > 0, self.kind == "simhash"
        return HashCurve.model_validate(
            {
                "pairs_of": "within" if within else "across",
                "stage": stage,
                "cosine": found.cosine.tolist(),
                "agreement": found.agreement.tolist(),
                "theory": theory(found.cosine).tolist() if is_simhash else None,
                "pairs": found.pairs.tolist(),
                "mean_cosine": float(cosine.mean()) if has else None,
                "mean_agreement": float(agreement.mean()) if has else None,
                "deviation": float(np.abs(agreement - theory(cosine)).mean()) if has and is_simhash else None,
            }
        )

    def row(
        self,
        name: str,
        query: str,
        database: str,
        queries: np.ndarray,
        others: np.ndarray | None = None,
        kind: HashKind | None = None,
    ) -> HashRetrieval:
        """Precision at k of codes among others; None: among themselves."""
        agreement = shared_bits(queries, queries if others is None else others, kind or self.kind)
        return self._retrieval(name, query, database, agreement, self.count)

    def chance(self) -> HashRetrieval:
        """Precision of a random order."""
        nothing = np.zeros((len(self.tasks), len(self.tasks)))
        return self._retrieval("chance", "any", "any", nothing, self.count)

    def _retrieval(
        self, name: str, query: str, database: str, agreement: np.ndarray, count: int
    ) -> HashRetrieval:
        found = asdict(retrieval(agreement, self.tasks, self.labels, count))
        found.pop("count")
        return HashRetrieval(name=name, query=query, database=database, **found)


def _document(computed: HashValue) -> HashProperties:
    return computed.value.model_copy(update={"warnings": list(computed.warnings)})


def _table(computed: HashValue) -> bytes:
    header = [
        "kind",
        "name",
        "same task",
        "same class",
        "same class within",
        "cosine",
        "agreement",
        "theory",
        "pairs",
    ]
    value = computed.value
    rows: list[list[object]] = [
        ["retrieval", each.name, each.same_task, each.same_class, each.same_class_within, *[None] * 4]
        for each in (*value.retrieval, value.chance)
    ]
    for curve in value.curves:
        expected: Sequence[float | None] = curve.theory or [None] * len(curve.cosine)
        points = zip(curve.cosine, curve.agreement, expected, curve.pairs, strict=True)
        rows += [["curve", f"{curve.pairs_of} {curve.stage}", *[None] * 3, *point] for point in points]
    return table_csv(header, rows)


def _figure(_services: Services, computed: HashValue) -> Sketch:
    title = f"{computed.content.name}: {computed.params.kind} codes of representations"
    return Sketch(subprocesses.draw_hash_curves, (computed.value, title))


HASHING = Result(
    spec=RESULT_SPECS["hashing"],
    params=HashParams,
    find=_find,
    compute=_compute,
    encoders={"json": as_json(_document), "csv": _table},
    figure=_figure,
    figure_options=figure_options.SHAPE,
    warnings=warnings_of,
)
