"""Execution of a reproduction: submit the experiments, follow them, judge the claims."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from tgsh.client import Client
from tgsh.errors import ServiceProblem
from tgsh.reproduce.claims import paper_claims
from tgsh.reproduce.claims.base import Claim, ExperimentDocuments, ExperimentRun, NotMeasured
from tgsh.reproduce.plan import TAG, DatasetChoice, FigureRequest, PlannedExperiment, planned_experiments
from tgsh.reproduce.record import ClaimResult, ExperimentResult, ReproductionRecord, joined_versions
from tgsh.schemas import Experiment
from tgsh.system import cores

Follow = Callable[[Client, Experiment], Experiment]

PREFERENCE = ("completed", "running", "queued", "failed", "cancelled")
"""Statuses by preference, where several experiments have the same spec."""


@dataclass(frozen=True)
class ReproductionPlan:
    """Experiments to be run, and the claims to be judged by them."""

    dataset: str
    experiments: tuple[PlannedExperiment, ...]
    claims: tuple[Claim, ...]


def paper_plan(dataset: DatasetChoice) -> ReproductionPlan:
    """All experiments and claims of the paper, on this dataset."""
    return ReproductionPlan(dataset, planned_experiments(dataset), paper_claims(dataset))


def reproduce(
    client: Client,
    plan: ReproductionPlan,
    records: Mapping[str, ReproductionRecord],
    follow: Follow,
    report: Callable[[str], object] = lambda _: None,
) -> tuple[ReproductionRecord, list[ExperimentRun]]:
    """Run a plan through a service and judge its claims, compared with earlier records by their names.

    follow: shows an experiment's progress to its end. report: called with progress messages.
    """
    started = time.monotonic()
    runs = list(run_experiments(client, plan.experiments, follow, report))
    claims = [claim.compared_with(records) for claim in judge(client, plan.claims, runs)]
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
    client: Client, plan: Sequence[PlannedExperiment], follow: Follow, report: Callable[[str], object]
) -> Iterator[ExperimentRun]:
    """Run the planned experiments: continue the one that an earlier run left, else submit a new one.

    They run one after the other, so that each one's seconds are its own. One that is refused or fails has a
    reason, and the others go on. report: called with a progress message before each one.
    """
    earlier = _experiments_of_earlier_runs(client)
    for position, planned in enumerate(plan, 1):
        run = _submit_or_resume(client, planned, earlier.get(planned.spec.digest()))
        report(f"{position} of {len(plan)}: {_progress_message(run)}")
        if run.experiment is None or run.completed:
            yield run
            continue
        experiment = follow(client, run.experiment)
        completed = experiment.status == "completed"
        reason = None if completed else experiment.reason or f"it was {experiment.status}"
        yield ExperimentRun(planned, experiment, run.initial_state, reason)


def judge(client: Client, claims: Iterable[Claim], runs: Sequence[ExperimentRun]) -> list[ClaimResult]:
    """Results of the claims; one that cannot be measured has a reason, and the others go on."""
    by_name = {run.planned.name: run for run in runs}
    return [_judge_claim(client, claim, [by_name[name] for name in claim.about]) for claim in claims]


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


def _experiments_of_earlier_runs(client: Client) -> dict[str, Experiment]:
    """Experiment of each digest with the preferred status; the newest of equals."""
    by_preference = sorted(client.experiments(tag=TAG), key=lambda each: PREFERENCE.index(each.status))
    best: dict[str, Experiment] = {}
    for experiment in by_preference:
        best.setdefault(experiment.digest, experiment)
    return best


def _submit_or_resume(
    client: Client, planned: PlannedExperiment, earlier: Experiment | None
) -> ExperimentRun:
    try:
        if earlier is None:
            submitted = client.submit(planned.spec)
            return ExperimentRun(planned, submitted, "completed" if submitted.stored_answer else "new")
        if earlier.status in {"failed", "cancelled"}:  # what it lacked may be there by now
            earlier = client.resume(earlier.id)
        return ExperimentRun(planned, earlier, "completed" if earlier.status == "completed" else "unfinished")
    except ServiceProblem as problem:
        return ExperimentRun(planned, None, reason=str(problem))


def _progress_message(run: ExperimentRun) -> str:
    name, experiment = run.planned.name, run.experiment
    if experiment is None:
        return f"{name} cannot be run: {run.reason}"
    if run.initial_state == "completed":
        return f"{name} was completed by an earlier run ({experiment.id})"
    if run.initial_state == "unfinished":
        return f"{name} goes on from {experiment.progress.fraction:.0%} ({experiment.id})"
    return f"{name} ({experiment.id})"


def _judge_claim(client: Client, claim: Claim, runs: Sequence[ExperimentRun]) -> ClaimResult:
    reasons = [f"{run.planned.name}: {run.reason}" for run in runs if not run.completed]
    result = ClaimResult.of(claim, runs)
    if reasons:
        return result.not_measured("; ".join(reasons))
    experiments = [(run.experiment, run.planned.stage) for run in runs]
    documents = [ExperimentDocuments(client, each, stage) for each, stage in experiments if each is not None]
    try:
        measurement = claim.judge(*documents)
        return result.with_measurement(measurement, claim.reason(measurement.verdict))
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
    tasks = client.tasks(run.experiment.id) if run.experiment else []
    return ExperimentResult.of(run, (task.compute for task in tasks if task.compute))


def _machine() -> dict[str, str]:
    """This machine. With a service elsewhere, `compute` of the experiments names what trained them."""
    return {"system": platform.system(), "processor": platform.machine(), "cores": str(cores())}
