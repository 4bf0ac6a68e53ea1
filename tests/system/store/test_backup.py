"""Everything in one file while everything runs, and a new home made of it that reads the same bytes."""

from __future__ import annotations

import io
import json
import tarfile
import threading
from pathlib import Path

import pytest

from tests.support.execution import SPEC, digest, run_all_jobs, submit, worker_context
from tgsh.errors import ArtifactCorrupt, MachineProblem
from tgsh.execution import runner
from tgsh.execution.context import WorkerContext
from tgsh.store import queries
from tgsh.store.backup import backup, restore
from tgsh.store.models import Job

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> WorkerContext:
    """A store with a completed experiment and one that was stopped after an epoch."""
    context = worker_context(tmp_path_factory.mktemp("home"))
    run_all_jobs(context, submit(context))
    asked = iter(range(8))
    runner.run(context, Job(submit(context), 0), lambda: next(asked, None) is None)
    return context


def hashes(context: WorkerContext) -> dict[str, str]:
    """The hash of every completed experiment's vectors."""
    found = [snapshot.record for snapshot in queries.experiments(context.database, queries.Filters(), 100)]
    return {record.id: digest(context, record.id) for record in found if record.status == "completed"}


def test_a_restored_home_reads_the_same_bytes_and_goes_on(context: WorkerContext, tmp_path: Path) -> None:
    saved = backup(context.database, context.artifacts, tmp_path / "all.tar")
    assert (saved.experiments, saved.damaged) == (2, ())
    restored = restore(tmp_path / "all.tar", tmp_path / "home")
    assert (restored.experiments, restored.files) == (saved.experiments, saved.files)
    assert (tmp_path / "home").stat().st_mode & 0o077 == 0
    there = worker_context(tmp_path / "home")
    assert hashes(there) == hashes(context) != {}
    (half,) = [
        item.record.id for item in queries.experiments(there.database, queries.Filters(status="running"), 9)
    ]
    assert queries.task(there.database, half, 0).epochs_done == 1
    run_all_jobs(there, half)
    assert len(set(hashes(there).values())) == 1  # the same spec


def test_a_backup_while_everything_changes_is_one_moment(tmp_path: Path) -> None:
    context = worker_context(tmp_path / "live")
    training = SPEC.training.model_copy(update={"epochs": 12, "train_limit": 100})
    spec = SPEC.model_copy(update={"training": training})
    ids = [submit(context, spec) for _ in range(3)]
    worker = threading.Thread(target=lambda: [run_all_jobs(context, experiment_id) for experiment_id in ids])
    worker.start()
    rounds = 0
    while worker.is_alive() or rounds == 0:
        rounds += 1
        saved = backup(context.database, context.artifacts, tmp_path / f"{rounds}.tar")
        assert saved.damaged == ()
    worker.join()
    expected = set(hashes(context).values())
    assert len(expected) == 1
    for number in {1, rounds // 2 + 1, rounds}:
        restore(tmp_path / f"{number}.tar", tmp_path / f"home-{number}")
        there = worker_context(tmp_path / f"home-{number}")
        for experiment_id in ids:
            run_all_jobs(there, experiment_id)
        found = hashes(there)
        assert set(found) >= {
            i for i in ids if queries.experiment(there.database, i).record.status == "completed"
        }
        assert set(found.values()) <= expected


def test_a_damaged_backup_is_refused_and_leaves_nothing(context: WorkerContext, tmp_path: Path) -> None:
    backup(context.database, context.artifacts, tmp_path / "all.tar")
    with tarfile.open(tmp_path / "all.tar") as tar:
        member = next(member for member in tar if member.name.startswith("artifacts/"))
    content = bytearray((tmp_path / "all.tar").read_bytes())
    content[member.offset_data + 5] ^= 1
    (tmp_path / "flipped.tar").write_bytes(content)
    with pytest.raises(ArtifactCorrupt, match="is not what was written"):
        restore(tmp_path / "flipped.tar", tmp_path / "home")
    (tmp_path / "cut.tar").write_bytes(content[: len(content) // 2])
    with pytest.raises(MachineProblem, match="no backup"):
        restore(tmp_path / "cut.tar", tmp_path / "home")
    (tmp_path / "other.tar").write_bytes(b"nothing of the kind")
    with pytest.raises(MachineProblem, match="no backup"):
        restore(tmp_path / "other.tar", tmp_path / "home")
    assert list((tmp_path / "home").iterdir()) == []


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "artifacts/../../outside", "tgsh.conf"])
def test_nothing_is_unpacked_outside_or_unasked(tmp_path: Path, name: str) -> None:
    manifest = json.dumps({"format": "tgsh.backup/1", "sha256": {"tgsh.db": "0", "../outside": "0"}}).encode()
    with tarfile.open(tmp_path / "evil.tar", "w") as tar:
        for member, content in (("manifest.json", manifest), (name, b"x")):
            info = tarfile.TarInfo(member)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    with pytest.raises(ArtifactCorrupt, match="nobody knows"):
        restore(tmp_path / "evil.tar", tmp_path / "home")
    assert not (tmp_path / "outside").exists()


def test_a_home_in_use_is_not_overwritten(context: WorkerContext, tmp_path: Path) -> None:
    backup(context.database, context.artifacts, tmp_path / "all.tar")
    restore(tmp_path / "all.tar", tmp_path / "home")
    with pytest.raises(MachineProblem, match="already"):
        restore(tmp_path / "all.tar", tmp_path / "home")


def test_what_is_damaged_is_named_and_left_out(tmp_path: Path) -> None:
    context = worker_context(tmp_path / "live")
    experiment_id = submit(context)
    run_all_jobs(context, experiment_id)
    (file,) = (tmp_path / "live" / "artifacts").rglob("vectors-*")
    file.write_bytes(file.read_bytes()[:-1])
    saved = backup(context.database, context.artifacts, tmp_path / "all.tar")
    assert saved.damaged == (f"{experiment_id}/{file.name}",)
