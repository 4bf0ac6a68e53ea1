"""One reproduction from its plan to its record."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from tgsh.client import Client
from tgsh.machine import cores
from tgsh.reproduce.claims import paper_claims
from tgsh.reproduce.claims.claim import Claim
from tgsh.reproduce.experiments import DatasetChoice, Planned, planned
from tgsh.reproduce.record import ExperimentResult, Record, joined_versions
from tgsh.reproduce.run import Run
from tgsh.reproduce.running import Follow, judge, run_all


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
