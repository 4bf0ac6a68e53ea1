"""An analysis's life: asked for, leased once and in turn, completed, lost, failed, removed with its files."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.support.jobs import completed, leased, submitted
from tgsh.errors import Conflict, LeaseLost, NotFound, QuotaExceeded
from tgsh.specs import ExperimentSpec, RotationSuite
from tgsh.store import analyses, deleted, experiments, jobs, leases, maintenance, removals
from tgsh.store.analyses import MATRIX, AnalysisKind, AnalysisLease, AnalysisRequest
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database
from tgsh.store.experiments import ExperimentPlan, PlannedTask
from tgsh.store.models import AnalysisRecord, DeletedRecord
from tgsh.store.ownership import Owner
from tgsh.store.results import load_result
from tgsh.store.scheduling import QUEUE, TORCH_QUEUE, count_by_queue, count_queued
from tgsh.store.statistics import queue_figures, running_jobs, totals


def done(database: Database) -> str:
    """A completed experiment of one task."""
    experiment_id = submitted(database, tasks=1)
    completed(database, leased(database, experiment_id, 0))
    jobs.complete_finish(database, leased(database, experiment_id, None), {"vectors": ("v", "s" * 64)})
    return experiment_id


def asked(
    database: Database,
    experiment_id: str,
    owner: str | None = None,
    kind: AnalysisKind = "placement",
    *,
    needs_torch: bool = False,
) -> AnalysisRecord:
    request = AnalysisRequest(analyses.new_id(), experiment_id, kind, owner, {"seed": 3}, needs_torch)
    return analyses.create(database, request)


def taken(database: Database, seconds: float = 60) -> AnalysisLease:
    lease = analyses.lease_next(database, "host/1/2/cpu", seconds)
    assert lease is not None
    return lease


def training(database: Database, owner: str, tasks: int = 3) -> str:
    spec = ExperimentSpec(suite=RotationSuite(tasks=tasks), name=owner)
    plan = ExperimentPlan([PlannedTask(str(index), {}) for index in range(tasks)], "b" * 64)
    return experiments.submit(database, spec, plan, owner=Owner(owner), anew=True)[0]


def test_it_is_leased_once_and_completed_by_its_holder(database: Database, artifacts: Artifacts) -> None:
    record = asked(database, done(database))
    assert (record.status, count_queued(database)) == ("queued", 1)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda n: analyses.lease_next(database, f"w{n}", 60), range(4)))
    [lease] = [each for each in found if each is not None]
    assert (lease.job.id, lease.params, lease.attempt) == (record.id, {"seed": 3}, 1)
    assert count_queued(database) == 0
    assert [job.kind for job in running_jobs(database)] == ["placement"]
    assert queue_figures(database, None).running_jobs == 1
    sha256 = artifacts.save(lease.artifact, {"vectors": np.zeros(3)}, {})
    analyses.complete_placement(database, lease, {"novel": True}, sha256, 12)
    kept = analyses.get(database, record.experiment_id, record.id)
    assert (kept.status, kept.summary, kept.bytes, kept.token) == ("completed", {"novel": True}, 12, None)
    with pytest.raises(LeaseLost):
        analyses.complete_placement(database, lease, {}, sha256, 12)
    assert totals(database).jobs["placement", "completed"] == 1


def test_a_lost_lease_writes_nothing_and_the_job_goes_to_another(database: Database) -> None:
    record = asked(database, done(database))
    lost = taken(database, seconds=-1)
    assert leases.expire_leases(database, max_attempts=2) == 1
    again = taken(database)
    assert (again.job.id, again.attempt) == (record.id, 2)
    assert not analyses.is_held(database, lost)
    for write in (
        lambda: analyses.complete_placement(database, lost, {}, "s" * 64, 0),
        lambda: analyses.fail(database, lost, "why"),
        lambda: analyses.release(database, lost),
    ):
        with pytest.raises(LeaseLost):
            write()
    assert analyses.is_held(database, again)
    leases.end_stuck(database, {"host/1/2/cpu": 300.0}, max_attempts=2)
    failed = analyses.get(database, record.experiment_id, record.id)
    assert failed.status == "failed"
    assert "no progress" in str(failed.reason)


def test_a_worker_that_stops_gives_it_back(database: Database) -> None:
    record = asked(database, done(database))
    analyses.release(database, taken(database))
    lease = taken(database)
    assert lease.attempt == 1
    assert leases.release_ended(database, "host", lambda _: False) == 1
    assert analyses.get(database, record.experiment_id, record.id).status == "queued"
    assert taken(database).attempt == 1


def test_workers_without_torch_leave_it_to_others(database: Database) -> None:
    asked(database, done(database), needs_torch=True)
    assert count_by_queue(database) == {QUEUE: 0, TORCH_QUEUE: 1}
    assert analyses.lease_next(database, "w", 60, has_torch=False) is None
    assert analyses.lease_next(database, "w", 60, has_torch=True) is not None


def test_many_analyses_of_one_owner_starve_nobodys_training(database: Database) -> None:
    experiment_id = done(database)
    training(database, "trainer", tasks=8)
    for _ in range(6):
        asked(database, experiment_id, "placer")
    served = []
    while len(served) < 12:
        analysis = analyses.lease_next(database, "w", 60)
        task = None if analysis is not None else jobs.lease_next(database, "w", 60)
        served.append("analysis" if analysis is not None else "task" if task is not None else "nothing")
    assert served[:11] == ["analysis", "task"] * 5 + ["analysis"]


def test_they_wait_for_nobody_where_nobody_can_be_served(database: Database) -> None:
    experiment_id = done(database)
    waiting = training(database, "trainer", tasks=1)
    for _ in range(2):
        asked(database, experiment_id, "placer")
    assert analyses.lease_next(database, "w", 60) is not None
    assert analyses.lease_next(database, "w", 60) is None
    assert analyses.lease_next(database, "w", 60, in_turn=False) is not None
    assert jobs.lease_next(database, "w", 60).job.experiment_id == waiting  # type: ignore[union-attr]


def test_an_owner_has_so_many_at_a_time_and_others_are_not_counted(database: Database) -> None:
    experiment_id = done(database)
    for _ in range(analyses.MAX_UNFINISHED):
        asked(database, experiment_id, "ann")
    with pytest.raises(QuotaExceeded, match="of ann"):
        asked(database, experiment_id, "ann")
    asked(database, experiment_id, "ben")


def test_nobody_sees_what_another_placed(database: Database) -> None:
    record = asked(database, done(database), "ann")
    assert analyses.get(database, record.experiment_id, record.id, "ann").id == record.id
    assert analyses.get(database, record.experiment_id, record.id, None).id == record.id
    for visible_to in ("ben",):
        with pytest.raises(NotFound):
            analyses.get(database, record.experiment_id, record.id, visible_to)
        assert analyses.page(database, record.experiment_id, visible_to, 10) == []
    with pytest.raises(NotFound):
        analyses.get(database, "0" * 16, record.id)


def test_only_of_completed_experiments(database: Database) -> None:
    experiment_id = submitted(database)
    with pytest.raises(Conflict, match="queued"):
        asked(database, experiment_id)
    with pytest.raises(NotFound):
        asked(database, "0" * 16)


def test_a_matrix_becomes_a_result_of_its_experiment(database: Database, artifacts: Artifacts) -> None:
    experiment_id = done(database)
    first, second = asked(database, experiment_id, kind=MATRIX), asked(database, experiment_id, kind=MATRIX)
    assert first.id == second.id
    lease = taken(database)
    sha256 = artifacts.save(lease.artifact, {"matrix": np.eye(1)}, {})
    maintenance.remove_leftovers(database, artifacts, experiment_id)  # amid the two writes
    analyses.complete_matrix(database, lease, sha256)
    maintenance.remove_leftovers(database, artifacts, experiment_id)
    found = load_result(database, artifacts, experiment_id, MATRIX)
    assert found is not None
    assert found[0]["matrix"].tolist() == [[1.0]]
    analyses.fail(database, _failing(database, experiment_id), "no")
    assert asked(database, experiment_id, kind=MATRIX).status == "queued"  # one that failed is tried again


def _failing(database: Database, experiment_id: str) -> AnalysisLease:
    asked(database, experiment_id, kind=MATRIX)
    return taken(database)


def test_files_go_with_the_row_and_orphans_go_later(
    database: Database, artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment_id = done(database)
    record = asked(database, experiment_id)
    lease = taken(database)
    artifacts.save(lease.artifact, {"vectors": np.zeros(3)}, {})
    artifacts.save(analyses.images_key(experiment_id, "f" * 16), {"images": np.zeros(3)}, {})
    monkeypatch.setattr(analyses, "ORPHAN_SECONDS", -1.0)
    assert analyses.remove_orphans(database, artifacts) == 1
    assert artifacts.keys("analyses") == [lease.artifact]
    removals.carry_out(database, artifacts, analyses.remove(database, record.id))
    assert artifacts.keys("analyses") == []
    assert not analyses.is_held(database, lease)


def test_an_experiment_that_is_brought_back_brings_its_placements(
    database: Database, artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analyses, "ORPHAN_SECONDS", -1.0)
    experiment_id = done(database)
    first, second = asked(database, experiment_id), asked(database, experiment_id)
    lease = taken(database)
    assert lease.job.id == first.id
    sha256 = artifacts.save(lease.artifact, {"vectors": np.zeros(3)}, {})
    analyses.complete_placement(database, lease, {"novel": True}, sha256, 12)
    running = taken(database)
    deleted.put_away(database, experiment_id)
    assert count_queued(database) == 0
    assert not analyses.is_held(database, running)
    assert analyses.remove_orphans(database, artifacts) == 0
    deleted.restore(database, experiment_id, None)
    assert analyses.get(database, experiment_id, first.id).summary == {"novel": True}
    assert artifacts.is_whole(lease.artifact, sha256)
    assert analyses.get(database, experiment_id, second.id).status == "queued"
    assert taken(database).job.id == second.id
    deleted.put_away(database, experiment_id)
    deleted.forget(database, DeletedRecord.id == experiment_id)
    removals.carry_out(database, artifacts)
    assert artifacts.keys("analyses") == []
