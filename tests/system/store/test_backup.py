"""Everything in one file while everything runs, and a new home made of it that reads the same bytes."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from service.app import create_app
from service.settings import ServiceSettings
from tests.support.compose import ROOT
from tests.support.execution import SPEC, digest, run_all_jobs, submit, worker_context
from tests.support.serving import in_process
from tgsh.api_keys import KeyFile
from tgsh.errors import ArtifactCorrupt, KeysUnreadable, MachineProblem
from tgsh.execution import runner
from tgsh.execution.context import WorkerContext
from tgsh.store import queries
from tgsh.store.artifacts import Artifacts
from tgsh.store.backup import LOCK_SECONDS, UNFINISHED, backup, restore
from tgsh.store.database import Database
from tgsh.store.models import Job

pytestmark = pytest.mark.faults

TGSH = [sys.executable, "-c", "import sys; from tgsh.cli import app; sys.exit(app())"]

BACKUP_AND_DIE = """
import os, signal, sys
from tgsh.cli.application import app
from tgsh.store import backup

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

backup._count_experiments = die
app(["backup", sys.argv[1]])
"""


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
    saved = backup(context.database, context.artifacts, KeyFile(tmp_path / "keys.json"), tmp_path / "all.tar")
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
        saved = backup(
            context.database, context.artifacts, KeyFile(tmp_path / "keys.json"), tmp_path / f"{rounds}.tar"
        )
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
    backup(context.database, context.artifacts, KeyFile(tmp_path / "keys.json"), tmp_path / "all.tar")
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
    manifest = json.dumps({"format": "tgsh.backup/2", "sha256": {"tgsh.db": "0", "../outside": "0"}}).encode()
    with tarfile.open(tmp_path / "evil.tar", "w") as tar:
        for member, content in (("manifest.json", manifest), (name, b"x")):
            info = tarfile.TarInfo(member)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    with pytest.raises(ArtifactCorrupt, match="nobody knows"):
        restore(tmp_path / "evil.tar", tmp_path / "home")
    assert not (tmp_path / "outside").exists()


def test_a_home_in_use_is_not_overwritten(context: WorkerContext, tmp_path: Path) -> None:
    backup(context.database, context.artifacts, KeyFile(tmp_path / "keys.json"), tmp_path / "all.tar")
    restore(tmp_path / "all.tar", tmp_path / "home")
    with pytest.raises(MachineProblem, match="already"):
        restore(tmp_path / "all.tar", tmp_path / "home")


def test_what_is_damaged_is_named_and_left_out(tmp_path: Path) -> None:
    context = worker_context(tmp_path / "live")
    experiment_id = submit(context)
    run_all_jobs(context, experiment_id)
    (file,) = (tmp_path / "live" / "artifacts").rglob("vectors-*")
    file.write_bytes(file.read_bytes()[:-1])
    saved = backup(context.database, context.artifacts, KeyFile(tmp_path / "keys.json"), tmp_path / "all.tar")
    assert saved.damaged == (f"{experiment_id}/{file.name}",)


def run(home: Path, *arguments: object, **settings: str) -> subprocess.CompletedProcess[str]:
    """A command on a home, where files may be read by everybody unless the program says otherwise."""
    environment = os.environ | {"TGSH_HOME": str(home), "PYTHONPATH": str(ROOT)} | settings
    command = [*TGSH, *map(str, arguments)]
    return subprocess.run(
        command, env=environment, umask=0, capture_output=True, text=True, timeout=120, check=False
    )


def empty_home(folder: Path) -> Path:
    worker_context(folder).database.dispose()
    return folder


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_restored_home_is_as_closed_as_the_one_it_came_from(tmp_path: Path, elsewhere: bool) -> None:
    home = empty_home(tmp_path / "home")
    settings = {"TGSH_API_KEYS_FILE": str(tmp_path / "etc" / "keys")} if elsewhere else {}
    key = KeyFile(Path(settings.get("TGSH_API_KEYS_FILE", home / "keys.json"))).add(
        "alice", "admin", datetime.now(UTC) + timedelta(days=1)
    )
    saved = run(home, "backup", tmp_path / "all.tar", **settings)
    assert saved.returncode == 0, saved.stderr
    assert "1 API keys" in saved.stdout
    assert stat.S_IMODE((tmp_path / "all.tar").stat().st_mode) == 0o600
    made = run(tmp_path / "new", "restore", tmp_path / "all.tar")
    assert made.returncode == 0, made.stderr
    for name in ("keys.json", "tgsh.db"):
        assert stat.S_IMODE((tmp_path / "new" / name).stat().st_mode) == 0o600
    with in_process(create_app(ServiceSettings(home=tmp_path / "new"))) as api:
        assert api.get("/experiments").status_code == 401
        assert api.get("/experiments", headers={"Authorization": f"Bearer {key}"}).status_code == 200


def test_keys_that_are_there_are_not_mixed_with_those_of_a_backup(tmp_path: Path) -> None:
    home = empty_home(tmp_path / "home")
    KeyFile(home / "keys.json").add("alice", "admin", None)
    assert run(home, "backup", tmp_path / "all.tar").returncode == 0
    KeyFile(tmp_path / "others.json").add("bob", "admin", None)
    refused = run(
        tmp_path / "new", "restore", tmp_path / "all.tar", TGSH_API_KEYS_FILE=str(tmp_path / "others.json")
    )
    assert refused.returncode == 1
    assert "is there already" in refused.stderr
    assert list((tmp_path / "new").iterdir()) == []


def test_keys_that_cannot_be_read_are_no_backup_without_keys(tmp_path: Path) -> None:
    context = worker_context(tmp_path / "home")
    (tmp_path / "keys.json").write_text("{")
    with pytest.raises(KeysUnreadable):
        backup(context.database, context.artifacts, KeyFile(tmp_path / "keys.json"), tmp_path / "all.tar")
    assert not (tmp_path / "all.tar").exists()


def test_a_backup_of_an_earlier_version_is_restored_with_a_warning(tmp_path: Path) -> None:
    home = empty_home(tmp_path / "home")
    assert run(home, "backup", tmp_path / "all.tar").returncode == 0
    with tarfile.open(tmp_path / "all.tar") as new, tarfile.open(tmp_path / "old.tar", "w") as old:
        for member in new:
            file = new.extractfile(member)
            assert file is not None
            content = file.read().replace(b"tgsh.backup/2", b"tgsh.backup/1")
            old.addfile(member, io.BytesIO(content))
    made = run(tmp_path / "new", "restore", tmp_path / "old.tar")
    assert made.returncode == 0
    assert "left out the API keys" in made.stderr
    assert "left out" not in run(tmp_path / "newer", "restore", tmp_path / "all.tar").stderr


def test_what_a_killed_backup_leaves_is_no_backup_and_is_removed_by_the_next(tmp_path: Path) -> None:
    home, folder = empty_home(tmp_path / "home"), tmp_path / "backups"
    killed = subprocess.run(
        [sys.executable, "-c", BACKUP_AND_DIE, str(folder / "all.tar")],
        env=os.environ | {"TGSH_HOME": str(home), "PYTHONPATH": str(ROOT)},
        umask=0,
        timeout=120,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    (left,) = folder.iterdir()
    assert left.name.startswith(UNFINISHED)
    assert stat.S_IMODE(left.stat().st_mode) == 0o700
    assert stat.S_IMODE((left / "part").stat().st_mode) == 0o600
    shutil.copy(left / "part", tmp_path / "part.tar")
    old = time.time() - 2 * LOCK_SECONDS
    os.utime(left, (old, old))
    # A folder whose backup lives, however old: of another process.
    shutil.copytree(left, folder / f"{UNFINISHED}living")
    os.utime(folder / f"{UNFINISHED}living", (old, old))
    hold = "import fcntl, os, sys; fcntl.flock(os.open(sys.argv[1], 0), fcntl.LOCK_EX); print(); input()"
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(folder / f"{UNFINISHED}living")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as living:
        assert living.stdout is not None
        living.stdout.readline()
        assert run(home, "backup", folder / "all.tar").returncode == 0
        assert {path.name for path in folder.iterdir()} == {"all.tar", f"{UNFINISHED}living"}
        living.communicate(b"\n")


def test_postgresql_is_told_what_to_copy(tmp_path: Path, postgres_url: str) -> None:
    database = Database(postgres_url)
    with pytest.raises(MachineProblem) as refusal:
        backup(database, Artifacts(tmp_path / "files"), KeyFile(tmp_path / "keys.json"), tmp_path / "all.tar")
    database.dispose()
    for part in ("pg_dump", str(tmp_path / "files"), str(tmp_path / "keys.json")):
        assert part in str(refusal.value)
