"""/experiments/{id}/reconstructions: what the network believes a class looks like in a task."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query, Request, Response

from service import results, subprocesses
from service.dependencies import ExperimentId, Services, ServicesDep
from service.parsing import numbers
from service.responses import choose, respond
from service.results import Format, Stage
from service.subprocesses import DRAWN
from tgsh.analysis.reconstruction import Decoder, agreement, codes
from tgsh.arrays import LabelledArray
from tgsh.datasets.base import DatasetInfo, info_of
from tgsh.errors import Conflict, InvalidSpec
from tgsh.networks.registry import FlyNetBase, random_base, unavailable_reason
from tgsh.rng import rng_for
from tgsh.schemas import ReconstructionMethod, Reconstructions, ReconstructionScore
from tgsh.specs import ExperimentSpec, FlyNetSpec, Seed
from tgsh.store import queries
from tgsh.store.results import StageRef, find_stage, load_result, load_stage

router = APIRouter(prefix="/experiments", tags=["results"])

MAX_IMAGES = 1_000
"""Images in one answer: tasks × classes × samples."""

MOST_PAIRS = 100_000_000
"""H · fan_in², the additions of AᵀA: a second. 200,000 units with the paper's fan_in take 10,000,000."""

MOST_PIXELS = 4_096
"""D: AᵀA takes D² numbers (134 MB), and its factor D³/3 multiplications (a second)."""

OFFERED = ("json", "npy", "safetensors", "png", "svg", "pdf")


@dataclass(frozen=True)
class Wanted:
    """What is to be reconstructed, and how."""

    ref: StageRef
    info: DatasetInfo
    base: FlyNetBase
    tasks: list[int]
    classes: list[int]
    samples: int
    seed: int
    method: ReconstructionMethod
    ridge: float


@router.get(
    "/{experiment_id}/reconstructions",
    summary="What the network believes a class looks like in a task",
    responses=results.documented(Reconstructions, *OFFERED),
    response_class=Response,
)
def reconstructions(
    experiment_id: ExperimentId,
    services: ServicesDep,
    request: Request,
    tasks: Annotated[
        str | None, Query(max_length=2000, description="such as 0,9,18 or 0-35; all of them")
    ] = None,
    classes: Annotated[str | None, Query(max_length=2000, description="such as 0-9; all of them")] = None,
    samples: Annotated[int, Query(ge=1, le=100, description="draws of the noise ε a task and class")] = 1,
    seed: Annotated[Seed, Query(description="of the noise")] = 0,
    method: ReconstructionMethod = "pinv",
    ridge: Annotated[float, Query(gt=0, le=1e6, description="λ of method=ridge")] = 1.0,
    stage: Stage = "after",
    format: Format = None,
) -> Response:
    """x̂ = A⁺(v_t ⊙ w_k + ε), ε ~ N(0, 1/H²): Eq. 3 and Fig. 3 of the paper, with its score.

    `pinv` is the paper's pseudo-inverse, `ridge` is (AᵀA + λI)⁻¹Aᵀ. The sheet has a row a task and a
    column a class and shows the mean over samples; with a thousand images at most, choose tasks.
    """
    name = choose(request, format, OFFERED)
    ref = find_stage(services.database, experiment_id, stage)
    spec = ExperimentSpec.model_validate(queries.experiment(services.database, experiment_id).record.spec)
    info = info_of(spec, services.uploads.info)
    if (why := unavailable_reason(spec.network, "reconstructions")) is not None:
        raise Conflict(why)
    assert isinstance(spec.network, FlyNetSpec)
    if (ones := spec.network.expansion * info.pixels * spec.network.fan_in**2) > MOST_PAIRS:
        raise Conflict(
            f"the pseudo-inverse of this random base takes {ones:,} additions, and {MOST_PAIRS:,} are the "
            "most; reconstruct with a smaller expansion or fan_in"
        )
    if info.pixels > MOST_PIXELS:
        raise Conflict(
            f"{info.pixels:,} pixels an image are too many for a pseudo-inverse; {MOST_PIXELS:,} are the most"
        )
    base = random_base(spec.network, info.pixels, info.classes, spec.base_seed)
    wanted = Wanted(
        ref=ref,
        info=info,
        base=base,
        tasks=numbers(tasks, ref.tasks, "tasks"),
        classes=numbers(classes, tuple(range(info.classes)), "classes"),
        samples=samples,
        seed=seed,
        method=method,
        ridge=ridge if method == "ridge" else 0.0,
    )
    if (count := len(wanted.tasks) * len(wanted.classes) * samples) > MAX_IMAGES:
        raise InvalidSpec("tasks", f"{count:,} images are more than {MAX_IMAGES:,}; choose tasks or classes")
    choice = (wanted.tasks, wanted.classes, samples, seed, wanted.ridge)
    key = ("reconstructions", experiment_id, ref.digest, str(ref.finished), str(choice))
    return respond(
        request,
        services.cache,
        key,
        name,
        f"reconstructions-{experiment_id}",
        lambda: _encode(services, wanted, name),
        final=ref.finished,
    )


def _encode(services: Services, wanted: Wanted, name: str) -> bytes:
    images, score = _reconstruct(services, wanted)
    labels = [wanted.ref.labels[wanted.ref.tasks.index(task)] for task in wanted.tasks]
    names = [wanted.info.class_labels[number] for number in wanted.classes]
    about = {**results.about(wanted.ref), "method": wanted.method}
    if name == "json":
        document = Reconstructions.model_validate(
            {
                **about,
                "ridge": wanted.ridge,
                "seed": wanted.seed,
                "tasks": wanted.tasks,
                "labels": labels,
                "classes": wanted.classes,
                "class_names": names,
                "score": score,
                "images": images.tolist(),
            }
        )
        return document.model_dump_json().encode()
    if name in DRAWN:
        results.require_tasks(wanted.ref)
        title = results.title(services, wanted.ref, "reconstructions")
        sheet = (images.mean(axis=2), labels, names, title)
        return services.figure_process.render(subprocesses.draw_reconstructions, DRAWN[name], *sheet)
    return results.ARRAYS[name](LabelledArray(images, wanted.tasks, labels, None, about))


def _reconstruct(services: Services, wanted: Wanted) -> tuple[np.ndarray, ReconstructionScore | None]:
    """Images float32 [T, K, S, height, width(, 3)] and the score of their mean over samples."""
    info, units = wanted.info, wanted.base.units
    rows = [wanted.ref.tasks.index(task) for task in wanted.tasks]
    shape = (len(rows), len(wanted.classes), wanted.samples, info.pixels)
    images = np.zeros(shape, np.float32)
    vectors = load_stage(services.artifacts, wanted.ref)
    try:
        decoder = Decoder(wanted.base.indices, info.pixels, wanted.ridge)
    except ValueError as error:
        raise Conflict(f"the pseudo-inverse of this random base does not exist: {error}") from error
    for place, (row, task) in enumerate(zip(rows, wanted.tasks, strict=True)):
        clean = codes(vectors[row : row + 1], wanted.base.readout[wanted.classes])[0]
        for column, label in enumerate(wanted.classes):
            # A stream a task and class: what is drawn does not depend on what else was asked for.
            noise = rng_for(wanted.seed, "reconstruction", task, label).standard_normal(
                (wanted.samples, units)
            )
            images[place, column] = decoder.decode(clean[column] + noise / units)
    return images.reshape(*shape[:3], *info.shape), _score(services, wanted, images.mean(axis=2))


def _score(services: Services, wanted: Wanted, images: np.ndarray) -> ReconstructionScore | None:
    measured = load_result(services.database, services.artifacts, wanted.ref.experiment_id, "class-means")
    if measured is None:
        return None
    means = measured[0]["means"][np.ix_(wanted.tasks, wanted.classes)]
    there = np.isfinite(means).all(axis=(0, 2))  # classes that all of these tasks have
    found = agreement(images[:, there], means[:, there])
    return None if found is None else ReconstructionScore.model_validate(asdict(found))
