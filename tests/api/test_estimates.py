"""What an experiment would cost: typical or measured, alone and beside others, or there already."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from service.dependencies import Services
from tests.api.conftest import SPEC, completed, finish, submit, work
from tests.support.people import people
from tgsh.client import Client
from tgsh.datasets.descriptions import info_of
from tgsh.execution.planning import task_seconds
from tgsh.specs.presets import Submission
from tgsh.store import jobs, leases
from tgsh.store.models import EventRecord, ExperimentRecord, Job, TaskRecord


def estimated(client: httpx.Client, **changes: Any) -> dict[str, Any]:
    answer = client.post("/estimates", json={**SPEC, **changes})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def typical(**changes: Any) -> float:
    spec = Submission.model_validate({**SPEC, **changes}).spec()
    return task_seconds(spec, info_of(spec))


@pytest.fixture
def two(services: Services) -> None:
    """Two workers' places."""
    leases.heartbeat(services.database, "w", "h", 1, ["cpu", "cpu"])


def test_without_workers_nobody_knows_when(client: httpx.Client) -> None:
    submit(client)
    found = estimated(client)
    assert (found["tasks"], found["task_epochs"], found["workers"]) == (3, 6, 0)
    assert (found["seconds"], found["queue_seconds"], found["basis"]) == (None, None, "typical")
    assert (found["experiments_ahead"], found["tasks_ahead"], found["stored"]) == (1, 3, None)


@pytest.mark.usefixtures("two")
def test_typical_seconds_are_shared_among_the_workers(client: httpx.Client) -> None:
    found = estimated(client, suite={"kind": "rotation", "tasks": 5})
    assert (found["basis"], found["workers"], found["queue_seconds"]) == ("typical", 2, 0)
    alone = 3 * typical()  # five tasks on two places
    assert alone < found["seconds"] < alone + 1
    with Client(str(client.base_url), transport=client._transport) as reader:
        assert reader.estimate("rotation-mnist").task_epochs == 108


@pytest.mark.usefixtures("two")
def test_measured_seconds_are_those_of_its_like(client: httpx.Client, services: Services) -> None:
    completed(client, services)  # each task took two seconds, and a tenth
    same = estimated(client, name="another")
    assert same["basis"] == "measured"
    assert same["seconds"] == pytest.approx(2 * 2.1, abs=0.6)
    epochs = estimated(client, training={"epochs": 20})
    assert epochs["seconds"] == pytest.approx(10 * same["seconds"], rel=0.2)
    large = estimated(client, network={"kind": "flynet", "expansion": 30})
    assert large["seconds"] == pytest.approx(3 * same["seconds"], rel=0.2)
    for changes in ({"suite": {"kind": "shift"}}, {"network": {"kind": "tgsh"}}, {"dataset": "mnist"}):
        assert estimated(client, **changes)["basis"] == "typical"
    leases.heartbeat(services.database, "w", "h", 1, ["cuda:0"])
    assert estimated(client)["basis"] == "typical"  # what a processor took says little of a GPU


@pytest.mark.usefixtures("two")
def test_who_shares_waits_for_no_more_than_it_has_itself(client: httpx.Client, services: Services) -> None:
    alone = estimated(client)["seconds"]
    submit(client, suite={"kind": "rotation", "tasks": 1000, "step_degrees": 0.1})
    behind = estimated(client)
    assert (behind["experiments_ahead"], behind["tasks_ahead"], behind["seconds"]) == (1, 3, alone)
    assert behind["queue_seconds"] == pytest.approx(3 * typical() / 2)
    small = submit(client, suite={"kind": "rotation", "tasks": 1})
    both = estimated(client)
    assert (both["experiments_ahead"], both["tasks_ahead"]) == (2, 4)
    assert both["queue_seconds"] == pytest.approx(4 * typical() / 2)
    claim = jobs.lease_job(services.database, Job(small, 0), "w", 60)
    assert claim is not None
    jobs.record_epoch(services.database, claim, (0.5,), 1.0, "key", "0" * 64)  # half of it is done
    assert estimated(client)["queue_seconds"] == pytest.approx(3.5 * typical() / 2)


@pytest.mark.usefixtures("two")
def test_an_accuracy_matrix_costs_more(client: httpx.Client) -> None:
    suite = {"kind": "rotation", "tasks": 100}
    plain, crossed = (estimated(client, suite=suite, accuracy_matrix=wanted) for wanted in (False, True))
    assert crossed["seconds"] > plain["seconds"] + 10
    assert math.isfinite(crossed["seconds"])


def test_what_is_there_already_is_told_to_who_may_see_it(
    client: httpx.Client, services: Services, tmp_path: Path
) -> None:
    with people(tmp_path, client) as known:
        made = submit(known["alice"])
        assert estimated(known["alice"])["stored"] is None
        work(services, made, 0, 1, 2)
        finish(services, made)
        assert estimated(known["alice"], name="another name")["stored"] == made
        assert estimated(known["root"])["stored"] == made
        assert estimated(known["bob"])["stored"] is None
        assert estimated(known["alice"], seed=1)["stored"] is None
        assert known["alice"].patch(f"/experiments/{made}", json={"shared": True}).status_code == 200
        assert estimated(known["bob"])["stored"] == made


def test_nothing_is_written(client: httpx.Client, services: Services) -> None:
    estimated(client)
    with services.database.read() as session:
        for record in (ExperimentRecord, TaskRecord, EventRecord):
            assert session.scalar(select(func.count()).select_from(record)) == 0
