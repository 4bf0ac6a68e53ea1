"""The units for machines without containers: valid, and what they start is what the compose file starts."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from service.settings import ServiceSettings
from tests.support.compose import ROOT, command, load_compose
from tgsh.stack.redis import find_server
from worker.settings import WorkerSettings

UNIT_FILES = ROOT / "tgsh" / "deploy" / "systemd"

UNITS = {"tgsh-redis": "redis", "tgsh-api": "service", "tgsh-worker": "worker-cpu"}
"""Which service of the compose file each does the work of."""

EXPOSURE = {"tgsh-redis": 20, "tgsh-api": 25, "tgsh-worker": 45}
"""What `systemd-analyze security` may find at most, in tenths; a unit without any of this has 96."""


def unit(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign] # names have capitals
    parser.read_string((UNIT_FILES / f"{name}.service").read_text("utf-8"))
    return parser


def words(name: str) -> list[str]:
    return shlex.split(unit(name)["Service"]["ExecStart"])


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = load_compose({"TGSH_REDIS_PASSWORD": "secret"})["services"]
    return found


def pairs(options: list[str]) -> set[tuple[str, str]]:
    return set(zip(options[::2], options[1::2], strict=True))


def test_they_start_what_the_compose_file_starts(services: dict[str, Any]) -> None:
    for name in ("tgsh-api", "tgsh-worker"):
        there = [word.replace("0.0.0.0", "127.0.0.1") for word in command(services[UNITS[name]])]
        here = words(name)
        assert [Path(here[0]).name, *here[1:]] == there
    there = [word.replace("secret", "${TGSH_REDIS_PASSWORD}") for word in command(services["redis"])]
    here = words("tgsh-redis")
    assert Path(here[0]).name == there[0]
    assert pairs(here[1:]) == pairs(there[1:]) | {("--bind", "127.0.0.1")}


def test_the_guide_shows_the_same_commands() -> None:
    shown = re.sub(r"\s*\\\n\s*", " ", (ROOT / "tgsh" / "docs" / "one-server.md").read_text("utf-8"))
    for name in ("tgsh-api", "tgsh-worker"):
        assert " ".join([Path(words(name)[0]).name, *words(name)[1:]]) in shown
    assert "redis-server " + " ".join(words("tgsh-redis")[1:5]) in shown


@pytest.mark.parametrize("name", UNITS)
def test_they_end_as_gently_as_containers_do(name: str, services: dict[str, Any]) -> None:
    service = unit(name)["Service"]
    assert service["Restart"] == "always"
    if name != "tgsh-redis":
        assert service["KillSignal"] == "SIGTERM"
        assert service["KillMode"] == "mixed"
        assert f"{service['TimeoutStopSec']}s" == services[UNITS[name]]["stop_grace_period"]


def test_settings_understand_the_environment() -> None:
    text = (UNIT_FILES / "environment").read_text("utf-8")
    shown = {found[1]: found[2] for found in re.finditer(r"(?m)^#?([A-Z_0-9]+)=(\S*)$", text)}
    fields = {*ServiceSettings.model_fields, *WorkerSettings.model_fields, "redis_password"}
    for variable in shown:
        known = variable.startswith("FSSPEC_S3_") or variable.removeprefix("TGSH_").lower() in fields
        assert known, variable
    assert shown["TGSH_REDIS_PASSWORD"] == shown["FSSPEC_S3_SECRET"] == "", "no password of ours"
    for name in UNITS:
        assert unit(name)["Service"]["EnvironmentFile"] == "/etc/tgsh/environment"
    assert shown["TGSH_HOME"] == "/var/lib/" + unit("tgsh-api")["Service"]["StateDirectory"]


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="Debian's package systemd")
@pytest.mark.parametrize("name", UNITS)
def test_systemd_understands_them(name: str, tmp_path: Path) -> None:
    text = (UNIT_FILES / f"{name}.service").read_text("utf-8")
    here = Path(sys.executable).parent
    for there, program in (("/opt/tgsh/bin", str(here)), ("/usr/bin/redis-server", find_server())):
        text = text.replace(there, program)
    path = tmp_path / f"{name}.service"
    path.write_text(text)
    checked = analyze("verify", "--man=no", str(path))
    assert (checked.returncode, checked.stderr) == (0, ""), checked.stderr
    path.write_text(
        text.replace("KillMode=mixed", "KillMode=gentle").replace("PrivateTmp=yes", "PrivateTmp=maybe")
    )
    assert "Failed to parse" in analyze("verify", "--man=no", str(path)).stderr


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="Debian's package systemd")
@pytest.mark.parametrize("name", UNITS)
def test_they_may_do_little(name: str) -> None:
    path = str(UNIT_FILES / f"{name}.service")
    judged = analyze("security", "--offline=true", f"--threshold={EXPOSURE[name]}", "--no-pager", path)
    assert judged.returncode == 0, judged.stdout[-2000:] + judged.stderr
