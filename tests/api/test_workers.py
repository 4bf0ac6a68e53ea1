"""Who works on what and what waits, and who is told the names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import insert, text

from service.dependencies import Services
from tests.api.conftest import submit
from tests.support.people import people
from tgsh.store import jobs, leases, previews
from tgsh.store.models import ExperimentRecord, FinishRecord, Job, TaskRecord
from tgsh.store.previews import PreviewRequest

GIGABYTE = 1 << 30


def test_nobody_and_nothing(client: httpx.Client) -> None:
    queue = {"queued_jobs": 0, "oldest_seconds": None, "running_jobs": 0, "experiments": []}
    assert client.get("/workers").json() == {"workers": [], "queue": queue}


def test_who_works_on_what(client: httpx.Client, services: Services) -> None:
    leases.heartbeat(services.database, "celery@a/10", "a", 10, ["cpu", "cuda:1"], 3 * GIGABYTE, 2 * GIGABYTE)
    leases.heartbeat(services.database, "celery@a/1", "a", 1, ["cpu"], GIGABYTE)
    first = submit(client, name="first")
    claimed = jobs.lease_job(services.database, Job(first, 1), "a/10/11/cpu", 60)
    jobs.lease_job(services.database, Job(first, 2), "b/9/11/cpu", 60)  # of a worker that is gone
    previews.request_preview(
        services.database, services.artifacts, PreviewRequest("a" * 64, {"dataset": "mnist"}, [(0, "0°")], 1)
    )
    previews.lease_next(services.database, "a/10/12/cuda:1", 60)
    found = client.get("/workers").json()
    one, ten = found["workers"]
    assert (one["name"], one["working_on"], one["device_memory_bytes"]) == ("celery@a/1", [], None)
    assert (ten["devices"], ten["host"], ten["pid"]) == (["cpu", "cuda:1"], "a", 10)
    assert (ten["memory_bytes"], ten["device_memory_bytes"]) == (3 * GIGABYTE, 2 * GIGABYTE)
    task, preview = ten["working_on"]
    assert {**task, "since": None} == {
        "kind": "task",
        "experiment_id": first,
        "name": "first",
        "task_index": 1,
        "label": "10°",
        "since": None,
        "device": "cpu",
    }
    assert (preview["kind"], preview["experiment_id"], preview["device"]) == ("preview", None, "cuda:1")
    queue = found["queue"]
    assert (queue["queued_jobs"], queue["running_jobs"]) == (1, 3)
    assert 0 <= queue["oldest_seconds"] < 60
    assert queue["experiments"] == [{"id": first, "name": "first", "queued": 1, "running": 2}]
    assert claimed is not None


def child(slot: str, state: str, reason: str = "") -> leases.ChildState:
    return leases.ChildState(slot=slot, pid=11, state=state, since=1.7e9, reason=reason)


def test_slots_that_cannot_work_are_told(client: httpx.Client, services: Services) -> None:
    """By /workers, /readyz and metrics; a version before tells nothing and is believed."""

    def checked() -> dict[str, Any]:
        found: dict[str, Any] = client.get("/readyz").json()["checks"]["workers"]
        return found

    children = [child("cuda:0", "broken", "cuda:0: no driver"), child("cpu", "busy")]
    leases.heartbeat(services.database, "w", "a", 10, ["cuda:0", "cpu"], children=children)
    [worker] = client.get("/workers").json()["workers"]
    assert worker["version"]
    assert worker["children"][0] == {
        "slot": "cuda:0",
        "pid": 11,
        "state": "broken",
        "since": "2023-11-14T22:13:20Z",
        "reason": "cuda:0: no driver",
    }
    assert checked() == {"ok": True, "detail": "1 of 2 slots cannot work: cuda:0 of a: cuda:0: no driver"}
    samples = client.get("/metrics").text
    assert 'tgsh_worker_slots{device="cuda",host="a",state="broken"} 1.0' in samples
    assert 'tgsh_worker_slots{device="cpu",host="a",state="busy"} 1.0' in samples
    children[1] = child("cpu", "stuck", "killed")
    leases.heartbeat(services.database, "w", "a", 10, ["cuda:0", "cpu"], children=children)
    assert (checked()["ok"], checked()["detail"][:27]) == (False, "2 of 2 slots cannot work: c")
    leases.heartbeat(services.database, "before", "b", 10, ["cpu"])
    assert checked()["ok"] is True
    assert client.get("/workers").json()["workers"][0]["children"] is None


def test_a_finish_is_work_too_and_oldest_is_since_the_last_resume(
    client: httpx.Client, services: Services
) -> None:
    leases.heartbeat(services.database, "w", "a", 10, ["cpu"])
    failed = submit(client, name="failed")
    for index in range(3):
        claim = jobs.lease_job(services.database, Job(failed, index), "a/10/11/cpu", 60)
        assert claim is not None
        jobs.fail(services.database, claim, "it broke")
    with services.database.write() as session:
        record = session.get_one(ExperimentRecord, failed)
        record.created_at = record.queued_at = (record.queued_at or 0) - 100_000
    assert client.post(f"/experiments/{failed}/resume").status_code == 202
    assert client.get("/workers").json()["queue"]["oldest_seconds"] < 60
    with services.database.write() as session:
        session.get_one(FinishRecord, failed).status = "queued"
    jobs.lease_job(services.database, Job(failed), "a/10/11/cpu", 60)
    [worker] = client.get("/workers").json()["workers"]
    [job] = worker["working_on"]
    assert (job["kind"], job["task_index"], job["name"]) == ("finish", None, "failed")


def test_what_others_own_is_counted_and_not_named(
    client: httpx.Client, services: Services, tmp_path: Path
) -> None:
    with people(tmp_path, client) as known:
        leases.heartbeat(services.database, "w", "a", 10, ["cpu"])
        hidden = submit(known["alice"], name="a secret")
        shared = submit(known["alice"], name="for all", shared=True)
        jobs.lease_job(services.database, Job(hidden, 0), "a/10/11/cpu", 60)
        for name, sees in (("alice", True), ("root", True), ("bob", False), ("rita", False)):
            answer = known[name].get("/workers")
            found = answer.json()
            assert ("a secret" in answer.text, hidden in answer.text) == (sees, sees), name
            assert (found["queue"]["queued_jobs"], found["queue"]["running_jobs"]) == (5, 1), name
            [job] = found["workers"][0]["working_on"]
            assert (job["kind"], job["device"]) == ("task", "cpu"), name
            assert [job[key] for key in ("name", "experiment_id", "task_index", "label")] == (
                ["a secret", hidden, 0, "0°"] if sees else [None] * 4
            )
            ids = [each["id"] for each in found["queue"]["experiments"]]
            assert ids == ([hidden, shared] if sees else [shared]), name


def many(services: Services, experiments: int, unfinished: int, tasks: int = 4) -> None:
    """So many experiments of so many tasks each, of which the last are unfinished."""
    rows: dict[str, list[dict[str, Any]]] = {"experiments": [], "finishes": [], "tasks": []}
    for number in range(experiments):
        id, status = f"{number:016x}", "completed" if number < experiments - unfinished else "queued"
        about = {"name": f"number {number}", "spec": {}, "digest": id, "base_id": "b", "suite": "rotation"}
        counts = {"tasks_total": tasks, "epochs_total": tasks, "created_at": number, "queued_at": number}
        rows["experiments"].append({"id": id, "dataset": "mnist", "status": status, **about, **counts})
        rows["finishes"].append({"experiment_id": id, "status": "waiting"})
        task = {"experiment_id": id, "params": {}, "status": status, "label": ""}
        rows["tasks"] += [{**task, "index": index} for index in range(tasks)]
    with services.database.write() as session:
        session.execute(insert(ExperimentRecord), rows["experiments"])
        session.execute(insert(FinishRecord), rows["finishes"])
        session.execute(insert(TaskRecord), rows["tasks"])


@pytest.mark.slow
def test_of_ten_thousand_experiments_the_queue_is_read_from_indices(
    client: httpx.Client, services: Services
) -> None:
    many(services, 10_000, unfinished=500)
    statements: list[tuple[str, Any]] = []
    from sqlalchemy import event

    def note(_c: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        statements.append((statement, parameters))

    event.listen(services.database.engine, "before_cursor_execute", note)
    queue = client.get("/workers").json()["queue"]
    event.remove(services.database.engine, "before_cursor_execute", note)
    assert (queue["queued_jobs"], len(queue["experiments"])) == (2_000, 100)
    assert queue["experiments"][0] == {
        "id": f"{9_500:016x}",
        "name": "number 9500",
        "queued": 4,
        "running": 0,
    }
    selects = [(s, p) for s, p in statements if s.startswith("SELECT") and "FROM tasks" in s]
    assert len(selects) >= 3
    with services.database.read() as session:
        session.execute(text("SELECT 1"))
        raw = session.connection().connection
        for statement, parameters in selects:
            cursor = raw.cursor()
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plan = [str(row[3]) for row in cursor.fetchall()]
            scans = [line for line in plan if line.startswith("SCAN") and "INDEX" not in line]
            assert not [line for line in scans if "tasks" in line or "experiments" in line], (statement, plan)
