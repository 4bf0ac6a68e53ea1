"""`tgsh doctor` on machines that lack something: it says what, and what to do, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from service.app import create_app
from service.settings import ServiceSettings
from tests.support.compose import ROOT
from tests.support.serving import serving
from tgsh.api_keys import KeyFile
from tgsh.doctor import machine, report, services
from tgsh.doctor.services import Finding, ok
from tgsh.settings import StoreSettings
from tgsh.stack.redis import RedisConfig, find_server, free_port, wait_for_pong
from tgsh.store import leases
from tgsh.store.database import Database

TGSH = "from tgsh.cli import app; sys.exit(app())"
WITHOUT_WORKER = (
    "for name in ('torch', 'torchvision', 'numba', 'mlxtend', 'filelock'): sys.modules[name] = None"
)


def doctor(
    home: Path | None, *words: str, first: str = "", cwd: Path | None = None, **variables: str
) -> tuple[int, dict[str, Any]]:
    """Exit status and document of the command."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("TGSH_", "FSSPEC_"))}
    command = [sys.executable, "-c", f"import sys\n{first}\n{TGSH}"]
    asked = subprocess.run(
        [*command, "doctor", *(["--home", str(home)] if home else []), "--json", *words],
        env=clean | variables,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert asked.stdout, asked.stderr
    document: dict[str, Any] = json.loads(asked.stdout)
    return asked.returncode, document


def by_subject(document: dict[str, Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for finding in document["findings"]:
        found.setdefault(finding["subject"], []).append(finding["verdict"])
    return found


def verdicts(findings: Iterator[Finding]) -> list[tuple[str, str]]:
    """What was found, each bad thing with its remedy."""
    found = list(findings)
    assert all(bool(finding.remedy) == (finding.verdict != "ok") for finding in found)
    assert all("\n" not in finding.remedy for finding in found)
    return [(finding.subject, finding.verdict) for finding in found]


def test_a_good_machine_is_fine_and_stays_as_it_was(tmp_path: Path) -> None:
    status, document = doctor(tmp_path / "home", "--port", str(free_port()))
    assert (status, document["ok"]) == (0, True), document
    found = by_subject(document)
    assert {
        "Python",
        "torch",
        "CUDA",
        "numba",
        "disk",
        "database",
        "artifacts",
        "Redis",
        "data",
        "keys",
    } <= set(found)
    assert found["torch"] == found["numba"] == found["API"] == found["port"] == ["ok"]
    assert list(tmp_path.iterdir()) == []


def test_without_the_worker_extra_it_runs_and_says_what_is_missing(tmp_path: Path) -> None:
    status, document = doctor(tmp_path, "--port", str(free_port()), first=WITHOUT_WORKER)
    assert status == 0
    [torch] = [finding for finding in document["findings"] if finding["subject"] == "torch"]
    assert torch["verdict"] == "warning"
    assert "API only" in torch["detail"]
    assert torch["remedy"].startswith("pip install 'tgsh[cpu]'")
    assert by_subject(document)["data"] == ["warning"]


def test_without_torch_it_is_a_worker_for_flynets(tmp_path: Path) -> None:
    light = "for name in ('torch', 'torchvision'): sys.modules[name] = None"
    status, document = doctor(tmp_path, "--port", str(free_port()), first=light, PATH="/nowhere")
    found = by_subject(document)
    assert (status, found["torch"], found["numba"]) == (0, ["ok"], ["ok"]), document
    [torch] = [finding for finding in document["findings"] if finding["subject"] == "torch"]
    assert "FlyNet trains on processors here" in torch["detail"]
    assert "CUDA" not in found


def test_whatever_is_wrong_makes_it_exit_with_1(tmp_path: Path) -> None:
    status, document = doctor(
        tmp_path, "--url", "http://127.0.0.1:9", TGSH_REDIS_URL="redis://:hidden@127.0.0.1:9/0"
    )
    assert (status, document["ok"]) == (1, False)
    found = by_subject(document)
    assert found["Redis"] == found["API"] == ["problem"]
    assert "hidden" not in json.dumps(document)


def test_it_looks_at_the_service_that_systemd_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `sudo -u tgsh tgsh doctor` has none of the units' variables."""
    path, home = tmp_path / "environment", tmp_path / "var"
    home.mkdir(mode=0o700)
    path.write_text(
        f"# a comment\nTGSH_HOME={home}\nTGSH_REDIS_URL=redis://:hidden@127.0.0.1:9/0\nTGSH_DEVICES=\n"
    )
    KeyFile(home / "keys.json").add("alice", "read", None)
    code = [sys.executable, "-c", f"import sys\n{TGSH}"]
    variables = {"TGSH_ENVIRONMENT_FILE": str(path), "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    status, document = doctor(None, "--port", str(free_port()), cwd=tmp_path, **variables)
    details = {finding["subject"]: finding["detail"] for finding in document["findings"]}
    assert status == 1
    assert details["settings"] == f"those of the service, in {path}"
    assert str(home) in details["keys"]
    assert "127.0.0.1:9" in details["Redis"]
    assert "hidden" not in json.dumps(document)
    shown = subprocess.run(
        [*code, "keys", "list"], env=variables, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "alice" in shown.stdout
    elsewhere = subprocess.run(
        [*code, "keys", "list", "--home", "other"],
        env=variables,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert "No keys" in elsewhere.stdout
    monkeypatch.setenv("TGSH_ENVIRONMENT_FILE", str(path))
    assert verdicts(machine.check_settings(tmp_path)) == [("settings", "ok")]
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert verdicts(machine.check_settings(tmp_path)) == [("settings", "warning")]


@pytest.fixture
def settings(tmp_path: Path) -> StoreSettings:
    """A home with a database of today."""
    settings = StoreSettings(home=tmp_path)
    Database(settings.database).migrate()
    return settings


def test_the_database_as_it_should_be(settings: StoreSettings) -> None:
    leases.heartbeat(Database(settings.database), "celery@here/1", "here", 1, ["cpu", "cpu"])
    expected = [(subject, "ok") for subject in ("database", "journal", "clock", "workers")]
    assert verdicts(services.check_database(settings)) == expected


def test_a_database_without_workers_or_of_another_version(settings: StoreSettings) -> None:
    store = Database(settings.database)
    assert verdicts(services.check_database(settings))[-1] == ("workers", "warning")
    for revision, verdict, remedy in (("0001", "warning", "tgsh backup"), ("9999", "problem", "newer")):
        with store.engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :r"), {"r": revision})
        [finding] = services.check_database(settings)
        assert (finding.verdict, remedy in finding.remedy) == (verdict, True)


def test_a_database_that_is_away(tmp_path: Path) -> None:
    url = SecretStr("postgresql+psycopg://tgsh:hidden@127.0.0.1:9/tgsh")
    [finding] = services.check_database(StoreSettings(home=tmp_path, database_url=url))
    assert finding.verdict == "problem"
    assert "hidden" not in finding.detail


def test_postgresql_is_looked_at_too(postgres_url: str, tmp_path: Path) -> None:
    found = list(services.check_database(StoreSettings(home=tmp_path, database_url=SecretStr(postgres_url))))
    assert (found[0].subject, found[0].verdict) in (("database", "warning"), ("database", "ok"))


def test_artifacts_go_there_and_back(settings: StoreSettings, tmp_path: Path) -> None:
    assert verdicts(services.check_artifacts(settings)) == [("artifacts", "ok")]
    (tmp_path / "artifacts").mkdir()
    assert verdicts(services.check_artifacts(settings)) == [("artifacts", "ok")]
    assert list((tmp_path / "artifacts").iterdir()) == []
    (tmp_path / "file").touch()
    broken = settings.model_copy(update={"artifacts_url": str(tmp_path / "file")})
    assert verdicts(services.check_artifacts(broken)) == [("artifacts", "problem")]
    unknown = settings.model_copy(update={"artifacts_url": "nowhere://x"})
    assert verdicts(services.check_artifacts(unknown)) == [("artifacts", "problem")]


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Starts a Redis with these words, and answers its URL."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*words: str) -> str:
        (tmp_path / "redis").mkdir()
        config = RedisConfig(tmp_path / "redis")
        command = [*config.command(find_server()), *words]
        started.append(subprocess.Popen(command, cwd=config.folder, stdout=subprocess.DEVNULL))
        wait_for_pong(config, lambda: None)
        return config.url

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_a_redis_that_forgets(
    redis_url: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = redis_url("--appendonly", "no", "--maxmemory-policy", "allkeys-lru")
    monkeypatch.setenv("TGSH_REDIS_URL", url)
    expected = [("Redis", "ok"), ("Redis", "warning"), ("Redis", "warning")]
    assert verdicts(services.check_redis(StoreSettings(home=tmp_path))) == expected
    monkeypatch.setenv("TGSH_REDIS_URL", url.replace("redis://:", "redis://:wrong"))
    [finding] = services.check_redis(StoreSettings(home=tmp_path))
    assert (finding.verdict, "password" in finding.remedy) == ("problem", True)


def test_a_redis_as_ours_is_fine(
    redis_url: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TGSH_REDIS_URL", redis_url())
    assert verdicts(services.check_redis(StoreSettings(home=tmp_path))) == [("Redis", "ok")] * 3


def test_keys_that_others_can_read(tmp_path: Path) -> None:
    keys = KeyFile(tmp_path / "keys.json")
    assert verdicts(machine.check_api_keys(keys.path)) == [("keys", "ok")]
    keys.add("alice", "read", None)
    assert verdicts(machine.check_api_keys(keys.path)) == [("keys", "ok")]
    keys.path.chmod(0o644)
    assert verdicts(machine.check_api_keys(keys.path)) == [("keys", "warning"), ("keys", "ok")]
    keys.path.chmod(0o600)
    keys.revoke("alice")
    assert verdicts(machine.check_api_keys(keys.path)) == [("keys", "warning")]
    keys.path.write_text("{")
    assert verdicts(machine.check_api_keys(keys.path)) == [("keys", "problem")]


def test_a_disk_that_is_nearly_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o700)
    monkeypatch.setattr(machine, "SLOW_SECONDS", 60.0)
    assert verdicts(machine.check_disk(tmp_path)) == [("disk", "ok"), ("writing", "ok")]
    tmp_path.chmod(0o755)
    monkeypatch.setattr(machine, "LOW_FREE", 1 << 60)
    assert verdicts(machine.check_disk(tmp_path)) == [
        ("disk", "warning"),
        ("rights", "warning"),
        ("writing", "ok"),
    ]
    monkeypatch.setattr(machine, "MIN_FREE", 1 << 60)
    assert verdicts(machine.check_disk(tmp_path))[0] == ("disk", "problem")


def test_an_api_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TGSH_API_KEY", raising=False)
    app = create_app(ServiceSettings(home=tmp_path, redis_url=SecretStr("redis://127.0.0.1:1/0")))
    with serving(app) as client:
        url = str(client.base_url)
        [finding] = services.check_api(tmp_path, url, 1)
        assert (finding.subject, finding.verdict) == ("API", "problem")
        assert "redis" in finding.remedy
        assert "celery -A worker.app worker" in finding.remedy
        key = KeyFile(tmp_path / "keys.json").add("alice", "read", None)
        assert verdicts(services.check_api(tmp_path, url, 1)) == [("API", "warning")]
        monkeypatch.setenv("TGSH_API_KEY", key)
        assert verdicts(services.check_api(tmp_path, url, 1)) == [("API", "problem")]
        port = httpx.URL(url).port
        assert port is not None
        (tmp_path / "keys.json").unlink()
    assert verdicts(services.check_api(tmp_path, None, port)) == [("API", "ok"), ("port", "ok")]


def test_a_look_that_hangs_or_breaks_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    monkeypatch.setattr(report, "CHECK_SECONDS", 1.0)
    monkeypatch.setattr(report.machine, "check_torch", lambda: iter([ok("torch", "")]))
    monkeypatch.setattr(
        report.machine, "check_datasets", lambda _: [ok("data", "")] if released.wait(60) else []
    )
    monkeypatch.setattr(report.machine, "check_api_keys", lambda _: [1 / 0])
    began = time.monotonic()
    findings = report.run_checks(StoreSettings(home=tmp_path), None, free_port())
    assert time.monotonic() - began < 30
    released.set()
    bad = {finding.subject: finding.detail for finding in findings if finding.verdict == "problem"}
    assert bad["data"] == "no answer within 1 s"
    assert bad["keys"] == "ZeroDivisionError: division by zero"
