"""What the queue may bring: jobs, and things that are none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tgsh.jobs import JOB_NAME, Job
from worker import jobs
from worker.settings import WorkerSettings


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"experiment_id": "../../etc/passwd", "index": 0},
        {"experiment_id": "0" * 16, "index": -1},
        {"experiment_id": "0" * 16, "index": "1; DROP TABLE tasks"},
        {"experiment_id": "0" * 16, "index": 0, "spec": {}},
    ],
)
def test_a_message_that_is_no_job_is_refused_and_logged(
    payload: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    jobs.do(**payload)
    assert "refused a message" in caplog.text


def test_a_job_for_an_experiment_that_is_not_there_does_nothing(tmp_path: Path) -> None:
    settings = WorkerSettings(home=tmp_path)
    jobs.open_bench(settings, "cpu", "test")
    assert jobs._bench is not None
    jobs._bench.database.migrate()
    jobs.do(**Job(experiment_id="0" * 16, index=0).model_dump())
    jobs._bench.database.dispose()


def test_the_application_is_configured_as_designed() -> None:
    code = """
import json
from worker.app import app
keys = "task_acks_late worker_disable_prefetch task_ignore_result accept_content task_serializer".split()
tasks = [name for name in app.tasks if "celery." not in name]
print(json.dumps({**{key: app.conf[key] for key in keys}, "tasks": tasks}))
"""
    environment = {**os.environ, "TGSH_DEVICES": "cpu:2"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert json.loads(done.stdout) == {
        "task_acks_late": False,
        "worker_disable_prefetch": True,
        "task_ignore_result": True,
        "accept_content": ["json"],
        "task_serializer": "json",
        "tasks": [JOB_NAME],
    }
