"""Compiled code that is kept: where, for whom, how often it is compiled, and what is not safe."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any

import pytest

from tests.conftest import missing
from tests.support.compose import ROOT
from tgsh.networks.compiled_cache import danger
from tgsh.settings import compiled_code_folder

PROGRAM = """
import json, logging, resource, sys
from pathlib import Path
from tgsh.networks.compiled_cache import cached

SOURCES = Path(__file__), Path(__file__).with_name("other.py")

def double(number):
    return number + number

double = cached(double, SOURCES, nogil=True)

if __name__ == "__main__":
    logging.basicConfig(level="INFO")
    if "full" in sys.argv:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    print("ready", flush=True)
    sys.stdin.readline()
    assert double(21) == 42
    stats = double.stats
    counts = sum(stats.cache_misses.values()), sum(stats.cache_hits.values())
    print(json.dumps([*counts, stats.cache_path]))
"""
"""Prints how often it compiled, how often it loaded what was compiled, and where that is kept."""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program with a compiled function, in a folder of its own."""
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "other.py").write_text("ZERO = 0\n")
    (folder / "program.py").write_text(PROGRAM)
    return folder / "program.py"


def _start(
    program: Path, *words: str, before: tuple[str, ...] = (), **variables: object
) -> subprocess.Popen[str]:
    """A process that waits for a line before it calls its compiled function."""
    kept = {name: value for name, value in os.environ.items() if name not in ("NUMBA_CACHE_DIR", "TGSH_HOME")}
    environment = kept | {"PYTHONPATH": str(ROOT)} | {name: str(value) for name, value in variables.items()}
    return subprocess.Popen(
        [*before, sys.executable, str(program), *words],
        cwd=program.parent,
        env=environment,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def _end(process: subprocess.Popen[str]) -> tuple[list[Any], str]:
    """What it printed and logged."""
    printed, logged = process.communicate("go\n", timeout=120)
    assert process.returncode == 0, logged
    return json.loads(printed.splitlines()[-1]), logged


def _run(
    program: Path, *words: str, before: tuple[str, ...] = (), **variables: object
) -> tuple[list[Any], str]:
    return _end(_start(program, *words, before=before, **variables))


def _line(stream: IO[str] | None) -> str:
    assert stream is not None
    return stream.readline()


def test_the_second_process_loads_what_the_first_one_compiled(program: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    (compiled, loaded, place), logged = _run(program, TGSH_HOME=home)
    assert (compiled, loaded) == (1, 0)
    assert Path(place).is_relative_to(home / "cache" / "numba")
    assert "the code is kept in" in logged
    [folder] = (home / "cache" / "numba").iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert _run(program, TGSH_HOME=home)[0] == [0, 1, place]


def test_another_source_is_compiled_anew(program: Path, tmp_path: Path) -> None:
    _run(program, TGSH_HOME=tmp_path)
    program.with_name("other.py").write_text("ZERO = 1 - 1\n")
    assert _run(program, TGSH_HOME=tmp_path)[0][:2] == [1, 0]


def test_the_folder_is_what_the_user_says_or_lasts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", "mine")
    monkeypatch.setenv("TGSH_HOME", "home")
    monkeypatch.setenv("XDG_CACHE_HOME", "/users/cache")
    monkeypatch.chdir(tmp_path)
    assert compiled_code_folder() == tmp_path / "mine"
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    assert compiled_code_folder() == tmp_path / "home" / "cache" / "numba"
    monkeypatch.delenv("TGSH_HOME")
    assert compiled_code_folder() == Path("/users/cache/tgsh/numba")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert compiled_code_folder() == Path.home() / ".cache" / "tgsh" / "numba"


def test_code_that_is_read_only_is_compiled_once(program: Path, tmp_path: Path) -> None:
    program.parent.chmod(0o555)
    program.chmod(0o444)
    setpriv = shutil.which("setpriv")
    if os.geteuid() == 0 and setpriv is None:
        missing("root may write everywhere, and there is no setpriv to take that from it")
    before = (str(setpriv), "--bounding-set=-all", "--") if os.geteuid() == 0 else ()
    homes = [tmp_path / name for name in ("users-home", "new-users-home")]
    first, second = (_run(program, before=before, TGSH_HOME=tmp_path, HOME=home)[0] for home in homes)
    program.parent.chmod(0o755)
    assert first[:2] == [1, 0]
    assert second[:2] == [0, 1]
    assert not (program.parent / "__pycache__").exists()


def test_processes_that_start_at_once_compile_once(program: Path, tmp_path: Path) -> None:
    processes = [_start(program, TGSH_HOME=tmp_path) for _ in range(3)]
    assert [_line(process.stdout) for process in processes] == ["ready\n"] * 3
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    counts = [_end(process)[0][:2] for process in processes]
    assert sorted(counts) == [[0, 1], [0, 1], [1, 0]]


def test_a_folder_that_others_can_write_to_is_not_used(program: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    _run(program, TGSH_HOME=home)
    home.chmod(0o777)
    for _ in range(2):
        (compiled, loaded, place), logged = _run(program, TGSH_HOME=home)
        assert (compiled, loaded, place) == (1, 0, None)
        assert f"everybody can write to {home}" in logged
        assert "NUMBA_CACHE_DIR" in logged
    home.chmod(0o755)
    assert _run(program, TGSH_HOME=home)[0][:2] == [0, 1]


def test_a_folder_that_cannot_be_made_is_named(program: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    (compiled, _, place), logged = _run(program, TGSH_HOME=tmp_path / "file")
    assert (compiled, place) == (1, None)
    assert str(tmp_path / "file") in logged


def test_danger_is_who_else_can_put_code_there(tmp_path: Path) -> None:
    folder = tmp_path / "above" / "folder"
    folder.mkdir(mode=0o700, parents=True)
    assert danger(folder) is None
    folder.chmod(0o707)
    assert danger(folder) == f"everybody can write to {folder}"
    folder.chmod(0o1707)  # whoever can write there need not move anything
    assert danger(folder) == f"everybody can write to {folder}"
    folder.chmod(0o700)
    folder.parent.chmod(0o757)
    assert danger(folder) == f"everybody can write to {folder.parent}"
    folder.parent.chmod(0o1757)  # as /tmp
    assert danger(folder) is None


def test_danger_is_another_user_or_group(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        missing("only root gives folders away")
    folder = tmp_path / "above" / "folder"
    folder.mkdir(mode=0o700, parents=True)
    os.chown(folder, 12345, 0)
    assert danger(folder) == f"{folder} belongs to another user"
    os.chown(folder, 0, 12345)
    folder.chmod(0o770)
    assert danger(folder) == f"a group can write to {folder}"
    folder.chmod(0o700)
    os.chown(folder.parent, 12345, 0)
    assert danger(folder) == f"{folder.parent} belongs to another user"


def test_a_damaged_file_is_made_anew(program: Path, tmp_path: Path) -> None:
    place = Path(_run(program, TGSH_HOME=tmp_path)[0][2])
    for file in place.glob("*.nbc"):
        file.write_bytes(file.read_bytes()[:100])
    assert "could not be kept" in _run(program, TGSH_HOME=tmp_path)[1]
    assert _run(program, TGSH_HOME=tmp_path)[0][:2] == [1, 0]
    assert _run(program, TGSH_HOME=tmp_path)[0][:2] == [0, 1]


def test_a_full_disk_ends_no_work(program: Path, tmp_path: Path) -> None:
    assert "could not be kept" in _run(program, "full", TGSH_HOME=tmp_path)[1]
    assert _run(program, TGSH_HOME=tmp_path)[0][:2] == [1, 0]


def test_what_no_process_uses_any_more_is_removed(program: Path, tmp_path: Path) -> None:
    folder, long_ago = tmp_path / "cache" / "numba", time.time() - 60 * 86_400
    for name in ("flynet-0.1-old", "flynet-0.1-in-use", "somebody-elses"):
        (folder / name).mkdir(parents=True)
        if name != "flynet-0.1-in-use":
            os.utime(folder / name, (long_ago, long_ago))
    _run(program, TGSH_HOME=tmp_path)
    left = {path.name for path in folder.iterdir()}
    assert left > {"flynet-0.1-in-use", "somebody-elses"}
    assert "flynet-0.1-old" not in left
