"""`tgsh demo` as a newcomer meets it: told as a story, interrupted at any moment, run again."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import pytest

from tests.system.faults.disks import small_disk
from tests.system.faults.stack import PATIENCE
from tests.system.test_stack import kin, until
from tgsh.stack.state import Home, running_url

pytestmark = pytest.mark.timeout(900)

RUN = [sys.executable, "-c", "import sys; from tgsh.cli import app; sys.exit(app())"]


def start(folder: Path, *options: str, **variables: str) -> subprocess.Popen[str]:
    """A demo on `folder`/home that writes to `folder`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TGSH_")}
    return subprocess.Popen(
        [*RUN, "demo", "--home", "home", *options],
        cwd=folder,
        env=inherited | {"COLUMNS": "80"} | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if "--json" in options else subprocess.STDOUT,
        text=True,
    )


def value(home: Path, query: str) -> int:
    """A number from the home's database; -1 while there is none."""
    with (
        suppress(sqlite3.Error),
        closing(sqlite3.connect(f"file:{home}/tgsh.db?mode=ro", uri=True)) as database,
    ):
        (found,) = database.execute(query).fetchone()
        return -1 if found is None else int(found)
    return -1


def held(home: Path) -> int:
    """Number of jobs that a worker holds."""
    tables = ("tasks", "finishes")
    return sum(value(home, f"SELECT count(*) FROM {t} WHERE status = 'running'") for t in tables)


def epochs(home: Path) -> int:
    return value(home, "SELECT max(epochs_done) FROM experiments")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "home"
    for process in kin(tmp_path / "home"):  # a failed test must not disturb the next
        process.kill()


def stop(demo: subprocess.Popen[str], home: Path, number: int) -> str:
    """Send a signal; what the demo said. Nothing may be left of it: no process, no lease, no worker."""
    demo.send_signal(number)
    said, _ = demo.communicate(timeout=PATIENCE)
    assert kin(home) == [], said
    assert demo.returncode == 128 + number, said
    assert "Everything is stopped" in said
    assert "Traceback" not in said
    assert not (home / "up.json").exists()
    if (home / "tgsh.db").exists():
        assert held(home) <= 0
        assert value(home, "SELECT count(*) FROM workers") <= 0
    return said


MOMENTS: dict[str, Callable[[Path], bool]] = {
    "the server starts": lambda home: (home / "redis" / "redis.conf").exists(),
    "the API starts": lambda home: (home / "logs" / "api.log").exists(),
    "workers start": lambda home: (home / "logs" / "worker.log").exists(),
    "all is ready": lambda home: running_url(home) is not None,
    "workers import": lambda home: value(home, "SELECT count(*) FROM experiments") > 0,
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_ctrl_c_before_anything_is_learned(home: Path, moment: str) -> None:
    demo = start(home.parent)
    assert until(lambda: MOMENTS[moment](home), PATIENCE)
    assert "nothing yet" in stop(demo, home, signal.SIGINT)
    assert [path.name for path in home.parent.iterdir()] == ["home"]


def test_ctrl_c_twice_is_no_quicker_way_to_leave_something(home: Path) -> None:
    demo = start(home.parent)
    assert until(lambda: epochs(home) > 0, PATIENCE)
    demo.send_signal(signal.SIGINT)
    stop(demo, home, signal.SIGINT)


def test_a_demo_is_stopped_goes_on_tells_its_story_and_is_compared_with_the_last(home: Path) -> None:
    folder = home.parent
    for number, least in ((signal.SIGINT, 40), (signal.SIGTERM, 140)):
        demo = start(folder)
        assert until(lambda: epochs(home) >= least, PATIENCE)  # noqa: B023
        said = stop(demo, home, number)
        assert "What was learned is kept" in said
    assert "Going on with the demo that was stopped at" in said
    assert value(home, "SELECT max(attempts) FROM tasks") == 1  # a Ctrl-C is no failed attempt
    assert not list(folder.glob("*similarity*"))

    demo = start(folder, NO_COLOR="1")  # through the finish, and a Ctrl-C in it
    assert until(lambda: value(home, "SELECT max(tasks_done) FROM experiments") == 36, PATIENCE)
    stop(demo, home, signal.SIGINT)
    assert len(list(folder.glob("*similarity*"))) in {0, 2}

    demo = start(folder)
    said, _ = demo.communicate(timeout=PATIENCE)
    assert demo.returncode == 0, said
    assert kin(home) == []
    lines = said.splitlines()
    assert max(map(len, lines)) <= 80 or max(lines, key=len).startswith("  ")
    assert not [character for character in said if ord(character) < 32 and character != "\n"]
    sentences = " ".join(said.split())
    assert "each of 36 rotations is most like its neighbours, 10° away: 36 of 36." in sentences
    assert "% of the test digits" in sentences
    assert "Redis-compatible server" in said
    for path in (home, folder / "similarity.png", folder / "similarity.csv"):
        assert f"  {path}" in lines
        assert path.exists()
    assert f"  tgsh up --home {home.name}" in said
    assert "http://127.0.0.1:" in lines[lines.index("Everything is stopped. What next:") + 2]
    earlier = value(home, "SELECT count(*) FROM experiments WHERE status = 'completed'")

    demo = start(folder, "--json")
    out, story = demo.communicate(timeout=PATIENCE)
    assert demo.returncode == 0, story
    document = json.loads(out)
    assert document["neighbours"] == document["tasks"] == 36
    assert document["earlier"]["same_bytes"] is True
    assert "The demo ran here before," in story
    assert "the same to the last bit" in " ".join(story.split())
    vectors = sorted((home / "artifacts").glob("*/vectors-*.npy"))
    assert len(vectors) == earlier + 1
    assert len({hashlib.sha256(np.load(each).tobytes()).hexdigest() for each in vectors}) == 1

    # As if that run had been made by another version, and had come to other bytes.
    with closing(sqlite3.connect(home / "tgsh.db")) as database, database:
        database.execute("UPDATE experiments SET versions = json_set(versions, '$.numpy', '1.0')")
        database.execute("UPDATE finishes SET results = json_set(results, '$.vectors[1]', 'other')")
    demo = start(folder, "--json")
    out, story = demo.communicate(timeout=PATIENCE)
    assert demo.returncode == 0, story
    assert json.loads(out)["earlier"]["same_bytes"] is False
    assert "not the same bytes" in story
    assert "  numpy: 1.0, now " in story
    assert "last bit" not in story


def failure(demo: subprocess.Popen[str], home: Path) -> str:
    """What a demo said that could not be; nothing of it runs."""
    said, _ = demo.communicate(timeout=PATIENCE)
    assert demo.returncode == 1, said
    assert "Traceback" not in said
    assert kin(home) == []
    return " ".join(said.split())


def test_a_home_that_cannot_be_or_is_in_use(home: Path) -> None:
    home.write_text("no folder")
    assert f"{home} is no folder; choose another with --home" in failure(start(home.parent), home)
    home.unlink()
    locked = Home(home)
    locked.lock()
    assert "choose another --home" in failure(start(home.parent), home)
    locked.unlock()


def test_a_full_disk_is_told_before_anything_starts(home: Path) -> None:
    with small_disk(home, "20m"):
        said = failure(start(home.parent), home)
        assert f"MB are free in {home}: make room there" in said
        assert not list(home.iterdir())


@pytest.mark.faults
def test_a_disk_that_fills_up_meanwhile_and_then_it_goes_on(home: Path) -> None:
    with small_disk(home, "330m") as disk:
        demo = start(home.parent)
        assert until(lambda: epochs(home) > 10, PATIENCE)
        disk.fill()
        assert "the disk is full" in failure(demo, home)
        disk.free()
        said, _ = start(home.parent).communicate(timeout=PATIENCE)
        assert "36 of 36" in said


@pytest.mark.parametrize("place", ["file/below", "file"])
def test_results_that_could_not_be_written_are_told_before_anything_starts(home: Path, place: str) -> None:
    (home.parent / "file").write_text("no folder")
    demo = start(home.parent, "--output", place)
    said, _ = demo.communicate(timeout=PATIENCE)
    assert demo.returncode == 2
    assert f"--output: {home.parent / 'file'} is no folder" in said
    assert not home.exists()


def test_a_task_that_fails_is_told_with_its_reason(home: Path) -> None:
    demo = start(home.parent, TGSH_LEASE_SECONDS="1")
    assert until(lambda: epochs(home) > 0, PATIENCE)
    artifacts = home / "artifacts"
    attempts = 0
    while artifacts.is_dir():  # workers make it again
        with suppress(OSError):
            artifacts.rename(home / f"gone-{attempts}")
            artifacts.write_text("no folder")
        attempts += 1
    said = failure(demo, home)
    assert "the demo failed: " in said
    assert "cannot be written to" in said or ".safetensors" in said  # or one was looked for meanwhile
    assert f"Everything is stopped. Logs: {home / 'logs'}" in said


def test_a_worker_that_ends_is_told_instead_of_waited_for(home: Path) -> None:
    demo = start(home.parent)
    assert until(lambda: epochs(home) > 0, PATIENCE)
    workers = json.loads((home / "up.json").read_text())["pids"]["worker"]
    os.kill(workers, signal.SIGKILL)
    assert "worker ended unexpectedly; the end of" in failure(demo, home)
