"""Submit, follow, judge."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from tgsh.client import Client
from tgsh.errors import ServiceProblem
from tgsh.reproduce.claims import paper_claims
from tgsh.reproduce.claims.base import Claim, ExperimentDocuments, NotMeasured, Run
from tgsh.reproduce.plan import TAG, DatasetChoice, Drawing, Planned, planned
from tgsh.reproduce.record import ClaimResult, ExperimentResult, Record, joined_versions
from tgsh.schemas import Experiment
from tgsh.system import cores

Follow = Callable[[Client, Experiment], Experiment]

PREFERENCE = ("completed", "running", "queued", "failed", "cancelled")
"""Of several experiments with the same spec, the one that is farthest."""


def run_all(
    client: Client, plan: Sequence[Planned], follow: Follow, say: Callable[[str], object]
) -> Iterator[Run]:
    """Each planned experiment once it has ended: the one that an earlier run left, else a new one.

    One after the other, so that each one's seconds are its own. What the service refuses, and what fails,
    has a reason and stops nothing else. say: is told, in a line for a person, what is about to run.
    """
    left = _left_by_earlier_runs(client)
    for place, item in enumerate(plan, 1):
        begun = _begun(client, item, left.get(item.spec.digest()))
        say(f"{place} of {len(plan)}: {_told(begun)}")
        if begun.experiment is None or begun.completed:
            yield begun
            continue
        ended = follow(client, begun.experiment)
        reason = None if ended.status == "completed" else ended.reason or f"it was {ended.status}"
        yield Run(item, ended, begun.found, reason)


def judge(client: Client, claims: Iterable[Claim], runs: Sequence[Run]) -> list[ClaimResult]:
    """What is found of each claim; one that cannot be measured says why, and the others go on."""
    by_name = {run.planned.name: run for run in runs}
    return [_judged(client, claim, [by_name[name] for name in claim.about]) for claim in claims]


def drawings(client: Client, runs: Sequence[Run], format: str) -> Iterator[tuple[str, bytes | None, str]]:
    """Every figure: the name of its file and its bytes, or None and why the service does not draw it."""
    by_name = {run.planned.name: run for run in runs}
    for run in runs:
        if run.experiment is None or not run.completed:
            continue
        for drawing in run.planned.drawings:
            name = f"{run.planned.name}-{drawing.name}.{format}"
            beside = by_name.get(drawing.baseline) if drawing.baseline else None
            try:
                yield name, _drawn(client, run.experiment.id, drawing, beside, format), ""
            except ServiceProblem as problem:
                yield name, None, str(problem).splitlines()[0]


def _left_by_earlier_runs(client: Client) -> dict[str, Experiment]:
    """The farthest experiment of each digest; the newest of equals."""
    found = sorted(client.experiments(tag=TAG), key=lambda each: PREFERENCE.index(each.status))
    best: dict[str, Experiment] = {}
    for experiment in found:
        best.setdefault(experiment.digest, experiment)
    return best


def _begun(client: Client, planned: Planned, left: Experiment | None) -> Run:
    try:
        if left is None:
            submitted = client.submit(planned.spec)
            return Run(planned, submitted, "completed" if submitted.stored_answer else "new")
        if left.status in {"failed", "cancelled"}:  # what it lacked may be there by now
            left = client.resume(left.id)
        return Run(planned, left, "completed" if left.status == "completed" else "unfinished")
    except ServiceProblem as problem:
        return Run(planned, None, reason=str(problem))


def _told(run: Run) -> str:
    name, experiment = run.planned.name, run.experiment
    if experiment is None:
        return f"{name} cannot be run: {run.reason}"
    if run.found == "completed":
        return f"{name} was completed by an earlier run ({experiment.id})"
    if run.found == "unfinished":
        return f"{name} goes on from {experiment.progress.fraction:.0%} ({experiment.id})"
    return f"{name} ({experiment.id})"


def _judged(client: Client, claim: Claim, about: Sequence[Run]) -> ClaimResult:
    reasons = [f"{run.planned.name}: {run.reason}" for run in about if not run.completed]
    result = ClaimResult.of(claim, about)
    if reasons:
        return result.not_measured("; ".join(reasons))
    experiments = [(run.experiment, run.planned.stage) for run in about]
    answers = [ExperimentDocuments(client, each, stage) for each, stage in experiments if each is not None]
    try:
        return result.found(claim.measure(*answers))
    except (NotMeasured, ServiceProblem) as problem:
        return result.not_measured(str(problem))


def _drawn(client: Client, id: str, drawing: Drawing, beside: Run | None, format: str) -> bytes:
    if drawing.resource is None:
        return client.figure(id, drawing.name, format)
    params = dict(drawing.params)
    if beside is not None and beside.completed and beside.experiment is not None:
        params["baseline"] = beside.experiment.id
    return client.fetch(id, drawing.resource, format=format, params=params)


@dataclass(frozen=True)
class Plan:
    """What is to be run, and the claims to be judged by it."""

    dataset: str
    experiments: tuple[Planned, ...]
    claims: tuple[Claim, ...]


def paper(dataset: DatasetChoice) -> Plan:
    """All of the paper, on this dataset."""
    return Plan(dataset, planned(dataset), paper_claims(dataset))


def reproduce(
    client: Client,
    plan: Plan,
    records: Mapping[str, Record],
    follow: Follow,
    say: Callable[[str], object] = lambda _: None,
) -> tuple[Record, list[Run]]:
    """Run a plan through a service and judge its claims, beside earlier records by their names.

    follow: shows an experiment's progress to its end. say: is told, in lines for a person, what goes on.
    """
    started = time.monotonic()
    runs = list(run_all(client, plan.experiments, follow, say))
    claims = [claim.beside(records) for claim in judge(client, plan.claims, runs)]
    experiments = [_result(client, run) for run in runs]
    record = Record(
        dataset=plan.dataset,
        created_at=datetime.now(UTC),
        machine=_machine(),
        versions=joined_versions(experiments),
        seconds=time.monotonic() - started,
        experiments=experiments,
        claims=claims,
    )
    return record, runs


def _result(client: Client, run: Run) -> ExperimentResult:
    tasks = client.tasks(run.experiment.id) if run.experiment else []
    return ExperimentResult.of(run, (task.compute for task in tasks if task.compute))


def _machine() -> dict[str, str]:
    """This machine; with a service elsewhere, `compute` of the experiments tells what trained them."""
    return {"system": platform.system(), "processor": platform.machine(), "cores": str(cores())}
