"""Disks that are full, read-only or lie; a database that is locked: a clear reason, and no wrong answer."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy.exc import DBAPIError

from service.app import create_app
from service.settings import ServiceSettings
from tests.support.execution import digest, never, run_all_jobs, submit, worker_context
from tests.support.jobs import queued_jobs, submitted
from tests.support.serving import serving
from tests.system.faults.disks import small_disk
from tgsh.execution import runner
from tgsh.execution.context import WorkerContext
from tgsh.store import database, experiments, jobs, queries
from tgsh.store.database import is_transient
from tgsh.store.maintenance import requeue_tasks
from tgsh.store.models import Job, lock_experiment


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The hash of the vectors when nothing happens."""
    context = worker_context(tmp_path_factory.mktemp("undisturbed"))
    experiment_id = submit(context)
    run_all_jobs(context, experiment_id)
    return digest(context, experiment_id)


def ended(context: WorkerContext, experiment_id: str) -> tuple[str, str]:
    record = queries.experiment(context.database, experiment_id).record
    return record.status, str(record.reason)


def settings(home: Path) -> ServiceSettings:
    return ServiceSettings(home=home, redis_url=SecretStr("redis://127.0.0.1:1/0"))


@pytest.mark.parametrize("stage", ["training", "finish"])
def test_a_full_disk_fails_with_its_folder_and_resume_goes_on(
    tmp_path: Path, undisturbed: str, stage: str
) -> None:
    with small_disk(tmp_path / "artifacts") as disk:
        context = worker_context(tmp_path, lease_seconds=1)
        experiment_id = submit(context)
        if stage == "finish":
            for job in queued_jobs(context.database, experiment_id):
                runner.run(context, job, never)
        disk.fill(leave=4 * 4096 if stage == "finish" else 0)
        run_all_jobs(context, experiment_id)
        status, reason = ended(context, experiment_id)
        assert status == "failed"
        assert "No space left on device" in reason
        assert str(disk.folder) in reason
        assert "resume" in reason
        disk.free()
        experiments.resume(context.database, experiment_id)
        run_all_jobs(context, experiment_id)
        assert digest(context, experiment_id) == undisturbed
        assert not list(disk.folder.rglob(".staged-*"))
        context.database.dispose()


def test_a_disk_that_is_full_for_a_moment_costs_that_moment(tmp_path: Path, undisturbed: str) -> None:
    with small_disk(tmp_path / "artifacts") as disk:
        context = worker_context(tmp_path)
        experiment_id = submit(context)
        disk.fill()
        threading.Timer(2, disk.free).start()
        run_all_jobs(context, experiment_id)
        assert digest(context, experiment_id) == undisturbed
        assert [task.attempts for task in queries.tasks(context.database, experiment_id)] == [1, 1, 1]


def test_a_read_only_folder_is_told_by_the_experiment_and_by_readyz(tmp_path: Path, undisturbed: str) -> None:
    with small_disk(tmp_path / "artifacts") as disk:
        context = worker_context(tmp_path, lease_seconds=1)
        experiment_id = submit(context)
        disk.lock("ro")
        run_all_jobs(context, experiment_id)
        status, reason = ended(context, experiment_id)
        assert status == "failed"
        assert f"cannot be written to {disk.folder}: Read-only file system" in reason
        with serving(create_app(settings(tmp_path))) as http:
            disk_check = http.get("/readyz").json()["checks"]["disk"]
            assert disk_check["ok"] is False
            assert "Read-only file system" in disk_check["detail"]
            disk.lock("rw")
            assert http.post(f"/experiments/{experiment_id}/resume").status_code == 202
        run_all_jobs(context, experiment_id)
        assert digest(context, experiment_id) == undisturbed


@contextmanager
def locked(path: Path, seconds: float) -> Iterator[None]:
    """Another program holds the database's lock for so long, from the start of the block."""
    held = threading.Event()

    def hold() -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            held.set()
            time.sleep(seconds)
            connection.execute("ROLLBACK")

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    yield
    thread.join()


@pytest.mark.parametrize("patience", [None, 0.2], ids=["waited for", "given up and tried again"])
def test_a_database_that_is_locked_for_seconds_costs_seconds(
    tmp_path: Path, undisturbed: str, patience: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if patience is not None:
        monkeypatch.setattr(database, "BUSY_SECONDS", patience)
    context = worker_context(tmp_path)
    experiment_id = submit(context)
    asked = iter(range(3))
    pulled = threading.Event()

    def stop() -> bool:
        if next(asked, None) is None:
            pulled.set()
        return False

    worker = threading.Thread(target=runner.run, args=(context, Job(experiment_id, 0), stop))
    worker.start()
    assert pulled.wait(60)
    with locked(tmp_path / "tgsh.db", 10 if patience is None else 4):
        pass
    worker.join()
    run_all_jobs(context, experiment_id)
    assert digest(context, experiment_id) == undisturbed
    assert [task.attempts for task in queries.tasks(context.database, experiment_id)] == [1, 1, 1]


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


DAMAGE = {"a flipped bit": flip, "a cut": cut, "removed": Path.unlink}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_checkpoint_of_a_done_task_is_trained_again(
    tmp_path: Path, undisturbed: str, damage: str
) -> None:
    context = worker_context(tmp_path)
    experiment_id = submit(context)
    for job in queued_jobs(context.database, experiment_id):
        runner.run(context, job, never)
    (checkpoint,) = (tmp_path / "artifacts").rglob("00001-*.safetensors")
    DAMAGE[damage](checkpoint)
    run_all_jobs(context, experiment_id)
    assert digest(context, experiment_id) == undisturbed
    record = queries.experiment(context.database, experiment_id).record
    assert (record.tasks_done, record.epochs_done) == (3, 6)


@pytest.mark.parametrize(
    ("pattern", "damage"),
    [
        ("vectors-*.npy", "a flipped bit"),
        ("vectors-*.npy", "removed"),
        ("class-means-*", "a cut"),
        ("tasks/00002-*", "a flipped bit"),
    ],
)
def test_a_damaged_result_is_a_problem_and_resume_repairs_it(
    tmp_path: Path, undisturbed: str, pattern: str, damage: str
) -> None:
    context = worker_context(tmp_path)
    experiment_id = submit(context)
    run_all_jobs(context, experiment_id)
    path = f"/experiments/{experiment_id}"
    with serving(create_app(settings(tmp_path))) as http:
        similarity = http.get(f"{path}/similarity").content
        assert http.post(f"{path}/resume").status_code == 409  # nothing is damaged
        (file,) = (tmp_path / "artifacts" / experiment_id).glob(pattern)
        DAMAGE[damage](file)
        if pattern.startswith("vectors"):
            answer = http.get(f"{path}/context-vectors?format=npy")
            assert answer.status_code == 500
            assert answer.json()["type"] == "urn:tgsh:problem:artifact-error"
            assert "resume" in answer.json()["detail"]
        assert http.post(f"{path}/resume").status_code == 202
        run_all_jobs(context, experiment_id)
        assert digest(context, experiment_id) == undisturbed
        assert http.get(f"{path}/similarity").content == similarity
        assert http.post(f"{path}/resume").status_code == 409


def test_a_cancel_that_comes_while_damage_is_found_is_a_cancel(tmp_path: Path, undisturbed: str) -> None:
    context = worker_context(tmp_path)
    experiment_id = submit(context)
    for job in queued_jobs(context.database, experiment_id):
        runner.run(context, job, never)
    (checkpoint,) = (tmp_path / "artifacts").rglob("00001-*.safetensors")
    cut(checkpoint)
    claim = jobs.lease_job(context.database, Job(experiment_id), "w", 60)
    assert claim is not None
    experiments.cancel(context.database, experiment_id)
    requeue_tasks(context.database, claim, [1])
    assert ended(context, experiment_id)[0] == "cancelled"
    experiments.resume(context.database, experiment_id)
    run_all_jobs(context, experiment_id)
    assert digest(context, experiment_id) == undisturbed


def test_a_disk_that_damages_everything_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = worker_context(tmp_path)
    experiment_id = submit(context)
    rounds = 0
    while waiting := queued_jobs(context.database, experiment_id):
        rounds += 1
        assert rounds < 50
        for job in waiting:
            runner.run(context, job, never)
            for checkpoint in (tmp_path / "artifacts").rglob("00001-*.safetensors"):
                cut(checkpoint)
    status, reason = ended(context, experiment_id)
    assert status == "failed"
    assert "checkpoints of tasks [1] are damaged again and again" in reason


def test_a_worker_that_vanishes_inside_a_transaction_holds_its_lock_for_a_while_only(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL, and a machine that loses its power: nobody tells the server that it has gone."""
    other = database.Database(postgres_url)
    other.migrate()
    options = str(database.POSTGRESQL_OPTIONS["options"]).replace(
        "transaction_session_timeout=30s", "transaction_session_timeout=1s"
    )
    monkeypatch.setitem(database.POSTGRESQL_OPTIONS, "options", options)
    vanishing = database.Database(postgres_url)
    try:
        experiment_id = submitted(other)

        def vanish() -> None:
            with vanishing.write() as session:
                lock_experiment(session, experiment_id)
                experiments.cancel(other, experiment_id)  # waits for the lock, and gets it

        with pytest.raises(DBAPIError) as raised:
            vanish()
        assert is_transient(raised.value)
        assert queries.experiment(other, experiment_id).record.status == "cancelled"
    finally:
        with other.engine.begin() as connection:
            connection.exec_driver_sql("DROP SCHEMA public CASCADE")
            connection.exec_driver_sql("CREATE SCHEMA public")
        vanishing.dispose()
        other.dispose()
