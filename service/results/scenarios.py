"""The three settings of continual learning, from logits that the finish kept."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from service import subprocesses
from service.dependencies import Services
from service.results import base
from service.results.base import Computed, KeptValues, Params, Result, Sketch, Source, as_json
from service.results.classes import read_info
from service.results.task_networks import Probe, calibration_of, outputs_of, probe_of
from service.results.warnings import warnings_of
from tgsh.analysis.image_bootstrap import seed_from
from tgsh.analysis.scenarios import ScenarioAccuracy, chance, scenario_accuracy
from tgsh.analysis.task_inference import BATCHES, Calibration
from tgsh.arrays import table_csv
from tgsh.schemas import (
    LogitRule,
    ScenarioChance,
    ScenarioEstimate,
    ScenarioRow,
    Scenarios,
    ScenarioSample,
)
from tgsh.specs import figure_options
from tgsh.specs.results import RESULT_SPECS
from tgsh.store import queries

FEW_TASKS = (
    "images of {} of {} tasks were run under all contexts: all would have been too many for the finish"
)


class ScenarioParams(Params):
    """images: a batch; None for 1, 10 and 100. rule: by which the task is inferred."""

    images: int | None = None
    rule: LogitRule = "margin"


@dataclass(frozen=True, eq=False)
class Probed:
    """A probe and its calibration. allowed: bool [T, K]. seed: decides batches."""

    experiment_id: str
    base_id: str
    name: str
    probe: Probe
    calibration: Calibration
    allowed: np.ndarray
    seed: int


ScenarioValue = Computed[Scenarios, Probed, ScenarioParams]


def _find(services: Services, experiment_id: str, _params: ScenarioParams) -> Source[Probed]:
    record = queries.experiment(services.database, experiment_id).record
    probe, calibration = probe_of(services, experiment_id), calibration_of(services, experiment_id)
    assert calibration is not None  # the finish writes both or neither
    info = read_info(services, experiment_id, base.spec_of(services, experiment_id))
    name = base.figure_name(services, experiment_id)
    allowed = outputs_of(info, range(record.tasks_total))
    content = Probed(
        experiment_id, record.base_id, name, probe, calibration, allowed, seed_from(record.digest)
    )
    digest = f"{experiment_id} {record.digest} {calibration.to_text()} {name}"
    return Source(content, digest, experiment_id, final=True)


_kept: KeptValues[Scenarios] = KeptValues()


def _compute(_services: Services, content: Probed, params: ScenarioParams) -> Scenarios:
    key = f"{content.experiment_id} {content.calibration.to_text()} {params.model_dump_json()}"
    return _kept.get(key, lambda: _measure(content, params))


def _measure(content: Probed, params: ScenarioParams) -> Scenarios:
    probe = content.probe
    sizes = BATCHES if params.images is None else (params.images,)
    guesses = chance(content.allowed)
    return Scenarios(
        experiment_id=content.experiment_id,
        base_id=content.base_id,
        rule=params.rule,
        rows=[_row(content, params.rule, size) for size in sizes],
        chance=ScenarioChance.model_validate(
            {
                "task_known": guesses.task_known,
                "domain": guesses.task_known,
                "class": guesses.class_,
                "task": guesses.task,
            }
        ),
        sample=ScenarioSample(tasks=list(probe.tasks), images=probe.labels.shape[1] - probe.fitted),
    )


def _row(content: Probed, rule: LogitRule, images: int) -> ScenarioRow:
    probe = content.probe
    kept = probe.labels.shape[1] - probe.fitted
    reason = None
    if images > kept:
        reason = f"{kept} test images of each task make no batch of {images}"
    elif rule == "infomax" and images == 1:
        reason = "infomax compares the images of a batch: of one it knows nothing"
    if reason is not None:
        nothing = dict.fromkeys(("task_known", "domain", "class", "task"))
        return ScenarioRow.model_validate({"images": images, **nothing, "batches": 0, "reason": reason})
    found = scenario_accuracy(
        probe.logits[:, probe.fitted :],
        probe.labels[:, probe.fitted :],
        np.array(probe.tasks),
        content.allowed,
        images,
        rule,
        scales=content.calibration.scales,
        temperature=content.calibration.temperature,
        seed=content.seed,
    )
    return _measured_row(found)


def _measured_row(found: ScenarioAccuracy) -> ScenarioRow:
    named = {
        "task_known": found.task_known,
        "domain": found.domain,
        "class": found.class_,
        "task": found.task,
    }
    estimates = {name: ScenarioEstimate(**asdict(value)) for name, value in named.items()}
    return ScenarioRow.model_validate({"images": found.images, **estimates, "batches": found.batches})


def _warnings(services: Services, experiment_id: str) -> list[str]:
    probe, total = probe_of(services, experiment_id), len(queries.tasks(services.database, experiment_id))
    few = [FEW_TASKS.format(len(probe.tasks), total)] if len(probe.tasks) < total else []
    return [*warnings_of(services, experiment_id), *few]


def _document(computed: ScenarioValue) -> Scenarios:
    return computed.value.model_copy(update={"warnings": list(computed.warnings)})


def _table(computed: ScenarioValue) -> bytes:
    names = ("task known", "domain", "class", "task")
    header = ["images", *(f"{name}{part}" for name in names for part in ("", " low", " high")), "batches"]
    rows: list[list[object]] = []
    for row in computed.value.rows:
        numbers: list[float | None] = []
        for estimate in (row.task_known, row.domain, row.class_, row.task):
            numbers += [None] * 3 if estimate is None else [estimate.value, estimate.low, estimate.high]
        rows.append([row.images, *numbers, row.batches])
    guesses = computed.value.chance
    chances = (guesses.task_known, guesses.domain, guesses.class_, guesses.task)
    rows.append(["chance", *(value for each in chances for value in (each, None, None)), None])
    return table_csv(header, rows)


def _figure(_services: Services, computed: ScenarioValue) -> Sketch:
    title = f"{computed.content.name}: accuracy by what is told"
    return Sketch(subprocesses.draw_scenarios, (computed.value, title))


SCENARIOS = Result(
    spec=RESULT_SPECS["scenarios"],
    params=ScenarioParams,
    find=_find,
    compute=_compute,
    encoders={"json": as_json(_document), "csv": _table},
    figure=_figure,
    figure_options=figure_options.SHAPE,
    warnings=_warnings,
)
