"""Files that cannot be removed, and processes killed before they remove them: nobody fails, nothing stays."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select, update

from service.app import create_app
from service.settings import ServiceSettings
from tests.conftest import missing
from tests.support.compose import ROOT
from tests.support.execution import SPEC, run_all_jobs, submit, worker_context
from tests.support.s3 import REFUSAL, s3_in_process
from tests.support.serving import in_process
from tests.system.test_stack import until
from tgsh.stack.stack import Stack
from tgsh.store import experiments, queries, removals
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database
from tgsh.store.maintenance import collect_garbage
from tgsh.store.models import RemovalRecord

pytestmark = pytest.mark.faults

SUPERFLUOUS = 3 * (SPEC.training.epochs - 1)
"""Checkpoints: of each task, those of all epochs but the last."""

DELETE_AND_DIE = """
import os, signal, sys
from tests.support.serving import in_process
from service.app import create_app
from service.settings import ServiceSettings
from tgsh.store.artifacts import Artifacts

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

Artifacts.remove_all = Artifacts.remove = die
with in_process(create_app(ServiceSettings())) as api:
    api.delete(f"/experiments/{sys.argv[1]}?forever=true")
"""


@dataclasses.dataclass
class Store:
    """Where artifacts are, and how deletion there is refused for the time of a block."""

    url: str
    refusing: Callable[[], object]


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("s3")
    with s3_in_process(folder):
        yield folder


@pytest.fixture(params=["folder", "403", "keep"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A folder with a file that root cannot remove, and object stores that refuse in two ways."""
    if request.param == "folder":
        return Store(str(tmp_path / "artifacts"), lambda: immutable(tmp_path / "artifacts"))
    file = request.getfixturevalue("s3") / REFUSAL

    @contextmanager
    def refusing() -> Iterator[None]:
        file.write_text(request.param)
        yield
        file.unlink()

    return Store(f"s3://bucket/{tmp_path.name.replace('_', '-')}-{request.param}", refusing)


@contextmanager
def immutable(folder: Path) -> Iterator[None]:
    """No file of the folder can be changed or removed."""
    files = [str(path) for path in folder.rglob("*") if path.is_file()]
    if subprocess.run(["chattr", "+i", *files], capture_output=True, check=False).returncode != 0:
        missing("chattr +i needs root and a file system that knows it")
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", *files], check=True)


def hurry(database: Database) -> None:
    """Make what is noted due."""
    with database.write() as session:
        session.execute(update(RemovalRecord).values(retry_at=0))


def files(artifacts: Artifacts) -> set[str]:
    return set(artifacts.keys(""))


def test_an_experiment_completes_though_its_store_refuses_to_delete(s3: Path, tmp_path: Path) -> None:
    artifacts = Artifacts(f"s3://bucket/{tmp_path.name.replace('_', '-')}")
    context = dataclasses.replace(worker_context(tmp_path), artifacts=artifacts)
    (s3 / REFUSAL).write_text("403")
    try:
        experiment_id = submit(context)
        run_all_jobs(context, experiment_id)
        assert queries.experiment(context.database, experiment_id).record.status == "completed"
        assert removals.overdue(context.database) == SUPERFLUOUS
        hurry(context.database)
        assert removals.carry_out(context.database, artifacts) == 0
    finally:
        (s3 / REFUSAL).unlink()
    before = files(artifacts)
    assert removals.carry_out(context.database, artifacts) == 0  # it waits, longer each time
    hurry(context.database)
    assert removals.carry_out(context.database, artifacts) == SUPERFLUOUS
    assert removals.overdue(context.database) == 0
    assert len(before - files(artifacts)) == SUPERFLUOUS


def test_what_a_store_keeps_is_removed_later(store: Store, tmp_path: Path) -> None:
    settings = ServiceSettings(home=tmp_path, artifacts_url=store.url)
    artifacts = Artifacts(store.url)
    context = dataclasses.replace(worker_context(tmp_path), artifacts=artifacts)
    gone, stays = submit(context), submit(context)
    for key in (f"{gone}/tasks/a.npy", f"{gone}/b.npy", f"{stays}/c.npy"):
        with artifacts.staged(key) as staged:
            staged.path.write_bytes(b"x")
    with in_process(create_app(settings)) as api:
        with store.refusing():  # type: ignore[attr-defined]
            assert api.delete(f"/experiments/{gone}?forever=true").status_code == 204
            assert api.get(f"/experiments/{gone}").status_code == 404
            assert removals.overdue(context.database) == 1
            with context.database.read() as session:
                record = session.get_one(RemovalRecord, gone)
            assert record.attempts == 1
            assert record.retry_at >= record.created_at + removals.FIRST_PAUSE
            assert gone in str(record.reason)
        hurry(context.database)
        assert removals.carry_out(context.database, artifacts) == 1
    assert removals.overdue(context.database) == 0
    assert files(artifacts) == {f"{stays}/c.npy"}


def test_files_of_a_service_killed_while_deleting_are_swept(tmp_path: Path) -> None:
    context = worker_context(tmp_path)
    experiment_id = submit(context)
    for number in range(30):
        with context.artifacts.staged(f"{experiment_id}/{number}.npy") as staged:
            staged.path.write_bytes(b"x")
    command = [sys.executable, "-c", DELETE_AND_DIE, experiment_id]
    environment = os.environ | {"TGSH_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    assert subprocess.run(command, env=environment, check=False, timeout=120).returncode == -signal.SIGKILL
    assert queries.experiments(context.database, queries.Filters(), 9) == []
    assert len(files(context.artifacts)) == 30
    assert removals.carry_out(context.database, context.artifacts) == 1
    assert not (tmp_path / "artifacts" / experiment_id).exists()
    assert removals.carry_out(context.database, context.artifacts) == 0  # nothing is left to do


def test_a_worker_removes_what_is_noted(tmp_path: Path) -> None:
    context = worker_context(tmp_path / "home")
    experiment_id = submit(context)
    with context.artifacts.staged(f"{experiment_id}/tasks/a.npy") as staged:
        staged.path.write_bytes(b"x")
    experiments.delete(context.database, experiment_id)
    with Stack(tmp_path / "home", workers=1):
        assert until(lambda: not (tmp_path / "home" / "artifacts" / experiment_id).exists(), 150)
        assert until(lambda: noted(context.database) == 0, 150)


def noted(database: Database) -> int:
    with database.read() as session:
        return len(session.scalars(select(RemovalRecord)).all())


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_folders_that_no_row_names_are_collected(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = worker_context(tmp_path)
    artifacts = context.artifacts
    if kind == "s3":
        request.getfixturevalue("s3")
        artifacts = Artifacts(f"s3://bucket/{tmp_path.name.replace('_', '-')}")
    stays = submit(context)
    orphan = "0123456789abcdef"
    for key in (f"{stays}/a.npy", f"{orphan}/b.npy", f"{orphan}/tasks/b.npy", "somebody-elses/c.npy"):
        with artifacts.staged(key) as staged:
            staged.path.write_bytes(b"x")
    assert collect_garbage(context.database, artifacts, 60) == 0  # they are young: somebody may be at work
    assert len(files(artifacts)) == 4
    monkeypatch.setattr("tgsh.store.maintenance.ORPHAN_SECONDS", -5.0)
    assert collect_garbage(context.database, artifacts, 60) == 1
    assert files(artifacts) == {f"{stays}/a.npy", "somebody-elses/c.npy"}


def test_a_removal_never_takes_an_experiment_that_is_there(tmp_path: Path) -> None:
    context = worker_context(tmp_path)
    experiment_id = submit(context)
    with context.artifacts.staged(f"{experiment_id}/a.npy") as staged:
        staged.path.write_bytes(b"x")
    with context.database.write() as session:
        removals.note(session, [experiment_id], is_folder=True)
    assert removals.carry_out(context.database, context.artifacts) == 1
    assert files(context.artifacts) == {f"{experiment_id}/a.npy"}
