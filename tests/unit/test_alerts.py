"""Alerts on series of hours that went wrong, judged by Prometheus' own promtool; queries of the dashboard."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.metrics import RequestMetrics, StoreCollector
from tests.conftest import missing
from tests.support.compose import ROOT
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database

FOLDER = ROOT / "tgsh" / "deploy" / "monitoring"
ALERTS = FOLDER / "alerts.yml"

# Values at intervals of a minute, in promtool's notation: "5x60" is five, and sixty times the same.
CALM = {
    'up{job="tgsh"}': "1x120",
    "tgsh_store_up": "1x120",
    'tgsh_jobs{kind="task",status="queued"}': "3x120",
    'tgsh_workers{host="a"}': "1x120",
    'tgsh_worker_slots{host="a",device="cuda",state="busy"}': "2x120",
    'tgsh_worker_slots{host="a",device="cuda",state="stuck"}': "0x5 1x2 0x112",
    'tgsh_jobs_recovered_total{kind="task"}': "7x30 9x90",
    'tgsh_jobs_stalled_total{kind="task"}': "0x30 1x90",
    'tgsh_disk_free_bytes{place="home"}': "6e9x120",
    'tgsh_http_request_seconds_count{method="GET",route="/workers",status="5xx"}': "0+1x120",
}
"""Two hours in which nobody need look: a job hung, two were lost, somebody saw a 503 a minute."""

TROUBLE: dict[str, tuple[Mapping[str, str], str]] = {
    "TgshIsAway": ({'up{job="tgsh"}': "1x60 0x60"}, "64m"),
    "TgshDatabaseIsAway": ({"tgsh_store_up": "1x60 0x60"}, "63m"),
    "TgshJobsWaitForNobody": ({'tgsh_workers{host="a"}': "1x60 _x60"}, "70m"),
    "TgshWorkersAreLost": ({'tgsh_jobs_recovered_total{kind="task"}': "0x60 0+1x60"}, "80m"),
    "TgshSlotsAreLost": (
        {'tgsh_worker_slots{host="a",device="cuda",state="broken"}': "0x60 2x60"}, "75m",
    ),
    "TgshJobsMakeNoProgress": ({'tgsh_jobs_stalled_total{kind="task"}': "0x60 0+1x60"}, "80m"),
    "TgshDiskIsFull": ({'tgsh_disk_free_bytes{place="home"}': "6e9x60 4e9x60"}, "70m"),
    "TgshAnswersWithErrors": (
        {'tgsh_http_request_seconds_count{method="GET",route="/workers",status="5xx"}': "0x60 0+60x60"},
        "80m",
    ),
}  # fmt: skip
"""What goes wrong after an hour of each alert, and when it must have been told."""


@pytest.fixture(scope="module")
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        missing("no promtool; Debian's package prometheus has it")
    return found


def checked(promtool: str, *words: str) -> str:
    """What promtool says, which must be pleased."""
    done = subprocess.run([promtool, *words], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(ALERTS.read_text("utf-8"))["groups"] for rule in group["rules"]]


def series(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"series": name, "values": text} for name, text in values.items()]


def fires(name: str, at: str) -> dict[str, Any]:
    """promtool's expectation that an alert fires."""
    (rule,) = [rule for rule in rules() if rule["alert"] == name]
    labels = {"job": "tgsh"} if "up{" in rule["expr"] else {}
    text = rule["annotations"]["summary"]
    if "$labels.host" in text:
        labels = {"host": "a", "device": "cuda"}
        text = text.replace("{{ $labels.host }}", "a").replace("{{ $labels.device }}", "cuda")
        text = text.replace("{{ $value }}", "2")
    return {
        "eval_time": at,
        "alertname": name,
        "exp_alerts": [{"exp_labels": labels, "exp_annotations": {"summary": text}}],
    }


def test_every_alert_fires_when_its_trouble_is_there_and_only_then(promtool: str, tmp_path: Path) -> None:
    assert {rule["alert"] for rule in rules()} == set(TROUBLE)
    quiet = [
        {"eval_time": at, "alertname": name, "exp_alerts": []} for name in TROUBLE for at in ("59m", "119m")
    ]
    tests = [{"interval": "1m", "input_series": series(CALM), "alert_rule_test": quiet}]
    for name, (values, at) in TROUBLE.items():
        before = {"eval_time": "59m", "alertname": name, "exp_alerts": []}
        tests.append(
            {
                "interval": "1m",
                "input_series": series({**CALM, **values}),
                "alert_rule_test": [before, fires(name, at)],
            }
        )
    file = tmp_path / "alerts_test.yml"
    document = {"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": tests}
    file.write_text(yaml.safe_dump(document))
    checked(promtool, "test", "rules", str(file))


def test_prometheus_can_read_every_query_of_the_dashboard(promtool: str, tmp_path: Path) -> None:
    queries = [query.replace("$__rate_interval", "1m") for query in asked_by_the_dashboard()]
    named = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(queries)]
    file = tmp_path / "dashboard.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": named}]}))
    assert f"{len(queries)} rules found" in checked(promtool, "check", "rules", str(file))


def asked_by_the_dashboard() -> list[str]:
    dashboard = json.loads((FOLDER / "grafana" / "dashboard.json").read_text("utf-8"))
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


def test_whatever_is_asked_for_is_exported(migrated_sqlite: Path, tmp_path: Path) -> None:
    endings = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("_total",), "gauge": ("",)}
    database = Database(f"sqlite:///{migrated_sqlite}")
    families = [
        *StoreCollector(database, Artifacts(str(tmp_path)), tmp_path).collect(),
        *RequestMetrics().seconds.collect(),
    ]
    database.dispose()
    exported = {f"{each.name}{ending}" for each in families for ending in endings[each.type]}
    queries = [*asked_by_the_dashboard(), *(rule["expr"] for rule in rules())]
    queries += [*CALM, *(name for values, _ in TROUBLE.values() for name in values)]
    asked = {name for query in queries for name in re.findall(r"\btgsh_\w+", query)}
    assert {"tgsh_studies", "tgsh_owner_tasks", "tgsh_worker_slots"} <= asked
    assert asked - exported == {"tgsh_api_process_resident_memory_bytes"}, "prometheus-client's own"


def test_every_panel_asks_the_one_source() -> None:
    source = yaml.safe_load((FOLDER / "grafana" / "datasource.yml").read_text("utf-8"))
    panels = json.loads((FOLDER / "grafana" / "dashboard.json").read_text("utf-8"))["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert {panel["datasource"]["uid"] for panel in panels} == {source["datasources"][0]["uid"]}
