"""Execution of a reproduction: submit the experiments, follow them, judge the claims."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from tgsh.client import Client, Study
from tgsh.errors import ServiceProblem
from tgsh.reproduce.claims import paper_claims
from tgsh.reproduce.claims.base import Claim, ExperimentRun, InitialState, NotMeasured
from tgsh.reproduce.claims.quantities import LEVEL
from tgsh.reproduce.plan import (
    SINGLE_RUN,
    TAG,
    DatasetChoice,
    FigureRequest,
    PlannedExperiment,
    ReplicateCounts,
    planned_experiments,
)
from tgsh.reproduce.record import ClaimResult, ExperimentResult, ReproductionRecord, joined_versions
from tgsh.schemas import Experiment, StudySummary
from tgsh.system import cores

Follow = Callable[[Client, Experiment | Study], object]
"""Shows the progress of an experiment or a study to its end."""

PREFERENCE = ("completed", "running", "queued", "failed", "cancelled")
"""Statuses by preference, where several experiments or studies have the same spec."""


@dataclass(frozen=True)
class ReproductionPlan:
    """Experiments to be run, their replicates, and the claims to be judged by them."""

    dataset: str
    experiments: tuple[PlannedExperiment, ...]
    claims: tuple[Claim, ...]
    replicates: ReplicateCounts = SINGLE_RUN
    level: float = LEVEL


def paper_plan(dataset: DatasetChoice, replicates: ReplicateCounts) -> ReproductionPlan:
    """All experiments and claims of the paper, on this dataset."""
    return ReproductionPlan(dataset, planned_experiments(dataset), paper_claims(dataset), replicates)


def reproduce(
    client: Client,
    plan: ReproductionPlan,
    records: Mapping[str, ReproductionRecord],
    follow: Follow,
    report: Callable[[str], object] = lambda _: None,
) -> tuple[ReproductionRecord, list[ExperimentRun]]:
    """Run a plan through a service and judge its claims, compared with earlier records by their names.

    Each experiment is a study of its replicates, or an experiment alone where there is one. report: called
    with progress messages.
    """
    started = time.monotonic()
    runs = list(run_experiments(client, plan.experiments, plan.replicates, follow, report))
    report(f"Judging {len(plan.claims)} claims")
    claims = [claim.compared_with(records) for claim in judge(client, plan.claims, runs, plan.level)]
    experiments = [_experiment_result(client, run) for run in runs]
    record = ReproductionRecord(
        dataset=plan.dataset,
        created_at=datetime.now(UTC),
        machine=_machine(),
        versions=joined_versions(experiments),
        seconds=time.monotonic() - started,
        experiments=experiments,
        claims=claims,
    )
    return record, runs


def run_experiments(
    client: Client,
    plan: Sequence[PlannedExperiment],
    replicates: ReplicateCounts,
    follow: Follow,
    report: Callable[[str], object],
) -> Iterator[ExperimentRun]:
    """Run the planned experiments: continue what an earlier run left, else submit anew.

    They run one after the other, so that each one's seconds are its own. One that is refused or fails has a
    reason, and the others go on. report: called with a progress message before each one.
    """
    submit = _single_runs(client) if replicates.total == 1 else _studies(client, replicates)
    for position, planned in enumerate(plan, 1):
        try:
            run = submit(planned)
        except ServiceProblem as problem:
            run = ExperimentRun(planned, reason=str(problem))
        report(f"{position} of {len(plan)}: {_progress_message(run)}")
        if run.experiment is not None and not run.completed:
            follow(client, run.study or run.experiment)
            run = _ended(client, run)
        yield run


def judge(
    client: Client, claims: Iterable[Claim], runs: Sequence[ExperimentRun], level: float = LEVEL
) -> list[ClaimResult]:
    """Results of the claims; one that cannot be measured has a reason, and the others go on."""
    by_name = {run.planned.name: run for run in runs}
    return [_judge_claim(client, claim, [by_name[name] for name in claim.about], level) for claim in claims]


def fetch_figures(
    client: Client, runs: Sequence[ExperimentRun], format: str
) -> Iterator[tuple[str, bytes | None, str]]:
    """File name and bytes of every figure; None and the reason for one that the service cannot draw."""
    by_name = {run.planned.name: run for run in runs}
    for run in runs:
        if run.experiment is None or not run.completed:
            continue
        for figure in run.planned.figures:
            name = f"{run.planned.name}-{figure.name}.{format}"
            baseline = by_name.get(figure.baseline) if figure.baseline else None
            try:
                yield name, _fetch_figure(client, run.experiment.id, figure, baseline, format), ""
            except ServiceProblem as problem:
                yield name, None, str(problem).splitlines()[0]


Submit = Callable[[PlannedExperiment], ExperimentRun]


def _single_runs(client: Client) -> Submit:
    """Submission of experiments alone, or continuation of those that an earlier run left."""
    by_preference = sorted(client.experiments(tag=TAG), key=lambda each: PREFERENCE.index(each.status))
    earlier: dict[str, Experiment] = {}
    for experiment in by_preference:  # the newest of equals
        earlier.setdefault(experiment.digest, experiment)

    def submit(planned: PlannedExperiment) -> ExperimentRun:
        found = earlier.get(planned.spec.digest())
        if found is None:
            submitted = client.submit(planned.spec)
            state: InitialState = "completed" if submitted.stored_answer else "new"
            return ExperimentRun(planned, (submitted,), None, state)
        if found.status in {"failed", "cancelled"}:  # what it lacked may be there by now
            found = client.resume(found.id)
        return ExperimentRun(
            planned, (found,), None, "completed" if found.status == "completed" else "unfinished"
        )

    return submit


def _studies(client: Client, replicates: ReplicateCounts) -> Submit:
    """Submission of studies, or continuation of those that an earlier run left."""
    by_preference = sorted(client.studies(tag=TAG), key=lambda each: PREFERENCE.index(each.status))
    earlier: dict[tuple[str, tuple[int, ...], tuple[int, ...]], StudySummary] = {}
    for study in by_preference:
        if not study.grid:
            seeds, bases = tuple(study.replicates.seeds), tuple(study.replicates.base_seeds)
            earlier.setdefault((study.spec.digest(), seeds, bases), study)

    def submit(planned: PlannedExperiment) -> ExperimentRun:
        seeds, bases = planned.seeds(replicates.seeds), planned.seeds(replicates.base_seeds)
        template = planned.spec.model_copy(update={"seed": seeds[0], "base_seed": bases[0]})
        found = earlier.get((template.digest(), seeds, bases))
        if found is None:
            study = client.study(template, seeds=seeds, base_seeds=bases, name=template.name, tags=(TAG,))
            return _run_of(client, planned, study, "completed" if study.status == "completed" else "new")
        counts = found.progress.experiments
        if counts.get("missing"):  # deleted meanwhile
            client.extend_study(found.id)
        if counts.get("failed") or counts.get("cancelled"):  # what they lacked may be there by now
            client.resume_study(found.id)
        study = client.get_study(found.id)
        return _run_of(client, planned, study, "completed" if study.status == "completed" else "unfinished")

    return submit


def _run_of(
    client: Client, planned: PlannedExperiment, study: Study, initial_state: InitialState
) -> ExperimentRun:
    """Run of a study whose experiments are read one by one, base after base."""
    ids = [each.experiment for each in study.members if each.experiment is not None]
    return ExperimentRun(planned, tuple(map(client.get, ids)), study, initial_state)


def _ended(client: Client, run: ExperimentRun) -> ExperimentRun:
    """The same with the final state of its experiments, and the reason where they have no results."""
    run = replace(run, experiments=tuple(client.get(each.id) for each in run.experiments))
    incomplete = [each for each in run.experiments if each.status != "completed"]
    if not incomplete:
        return run
    reason = incomplete[0].reason or f"it was {incomplete[0].status}"
    if len(run.experiments) > 1:
        reason = f"{len(incomplete)} of {len(run.experiments)} replicates have no results: {reason}"
    return replace(run, reason=reason)


def _progress_message(run: ExperimentRun) -> str:
    name, subject = run.planned.name, run.study or run.experiment
    if subject is None:
        return f"{name} cannot be run: {run.reason}"
    kind = f"{len(run.experiments)} replicates, study {subject.id}" if run.study else subject.id
    if run.initial_state == "completed":
        return f"{name} was completed by an earlier run ({kind})"
    if run.initial_state == "unfinished":
        return f"{name} goes on from {subject.progress.fraction:.0%} ({kind})"
    return f"{name} ({kind})"


def _judge_claim(client: Client, claim: Claim, runs: Sequence[ExperimentRun], level: float) -> ClaimResult:
    reasons = [f"{run.planned.name}: {run.reason}" for run in runs if not run.completed]
    result = ClaimResult.of(claim, runs)
    if reasons:
        return result.not_measured("; ".join(reasons))
    documents = list(zip(*(run.documents(client) for run in runs), strict=True))
    try:
        finding = claim.judge(documents, runs[0].replicates, level=level)
        return result.with_finding(finding, claim.reason(finding.verdict))
    except (NotMeasured, ServiceProblem) as problem:
        return result.not_measured(str(problem))


def _fetch_figure(
    client: Client, id: str, figure: FigureRequest, baseline: ExperimentRun | None, format: str
) -> bytes:
    if figure.resource is None:
        return client.figure(id, figure.name, format)
    params = dict(figure.params)
    if baseline is not None and baseline.completed and baseline.experiment is not None:
        params["baseline"] = baseline.experiment.id
    return client.fetch(id, figure.resource, format=format, params=params)


def _experiment_result(client: Client, run: ExperimentRun) -> ExperimentResult:
    tasks = [task for each in run.experiments for task in client.tasks(each.id)]
    return ExperimentResult.of(run, (task.compute for task in tasks if task.compute))


def _machine() -> dict[str, str]:
    """This machine. With a service elsewhere, `compute` of the experiments names what trained them."""
    return {"system": platform.system(), "processor": platform.machine(), "cores": str(cores())}
