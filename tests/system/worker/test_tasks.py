"""Job messages, other messages, and the stop flag."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.support.jobs import submitted
from tgsh.store import queries
from tgsh.store.database import Database
from tgsh.store.scheduling import RUN_JOB_TASK
from worker import tasks
from worker.settings import WorkerSettings
from worker.stop_flag import stop_flag
from worker.time_limit import time_limit


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """The store of this process's context."""
    settings = WorkerSettings(home=tmp_path, data_dir=tmp_path, redis_url=SecretStr("redis://127.0.0.1:1/0"))
    tasks.open_context(settings, "cpu", "test")
    assert tasks._place is not None
    tasks._place.context.database.migrate()
    yield tasks._place.context.database
    tasks._place.context.database.dispose()
    tasks._place = None


@pytest.mark.parametrize(
    "arguments", [{"experiment_id": "../../etc/passwd", "index": 0}, {"index": "1; DROP TABLE tasks"}]
)
def test_a_message_that_is_no_job_message_is_refused_and_logged(
    database: Database, arguments: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    experiment_id = submitted(database)
    assert tasks.run_job(**arguments)["outcome"] == "refused"
    assert tasks.run_job("positional")["outcome"] == "refused"
    assert caplog.text.count("refused a message") == 2
    assert {task.status for task in queries.tasks(database, experiment_id)} == {"queued"}


def test_a_job_message_where_nothing_is_to_be_done_is_a_look(database: Database) -> None:
    nothing = {"experiment": None, "task": None, "attempt": None, "seconds": 0.0, "outcome": "nothing due"}
    assert tasks.run_job() == nothing


def test_a_job_message_is_one_job_and_tells_what_was_done(database: Database) -> None:
    ids = [submitted(database, tasks=2, dataset="mnist5k", train_limit=10) for _ in range(2)]
    told = [tasks.run_job() for _ in range(6)]
    assert {turn["outcome"] for turn in told} == {"completed"}
    assert sorted((str(turn["experiment"]), str(turn["task"])) for turn in told) == sorted(
        (experiment_id, task) for experiment_id in ids for task in ("0", "1", "finish")
    )
    assert all(turn["attempt"] == 1 and float(str(turn["seconds"])) > 0 for turn in told)
    assert [queries.experiment(database, experiment_id).record.status for experiment_id in ids] == [
        "completed"
    ] * 2
    assert tasks.run_job()["outcome"] == "nothing due"


def test_a_job_that_takes_too_long_fails_and_names_the_setting(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where Celery's soft time limit is reached, whose signal is this call."""
    experiment_id = submitted(database, tasks=1, dataset="mnist5k", train_limit=10)
    monkeypatch.setattr(stop_flag, "is_requested", lambda: time_limit.reached())
    told = tasks.run_job()
    assert told["outcome"] == "failed"
    assert "TGSH_JOB_SECONDS" in str(queries.task(database, experiment_id, 0).reason)


@pytest.mark.parametrize("end", ["stop_flag.request(); os.wait()", "os.kill(os.getpid(), 9)"])
def test_children_stop_when_asked_and_when_their_parent_is_gone(end: str) -> None:
    code = f"""
import os, time
from worker.stop_flag import stop_flag
stop_flag.prepare()
heard, said = os.pipe()
if os.fork() == 0:
    before = stop_flag.is_requested()
    os.write(said, b".")
    while not stop_flag.is_requested():
        time.sleep(0.01)
    print(before, flush=True)
    os._exit(0)
os.read(heard, 1)
{end}
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == "False\n"


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
        "tasks": [RUN_JOB_TASK],
    }
