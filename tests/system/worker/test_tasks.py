"""Job messages, other messages, and the stop flag."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.jobs import submitted
from tgsh.store import queries
from tgsh.store.database import Database
from tgsh.store.scheduling import RUN_JOB_TASK
from worker import tasks
from worker.settings import WorkerSettings


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """The store of this process's context."""
    tasks.open_context(WorkerSettings(home=tmp_path, data_dir=tmp_path), "cpu", "test")
    assert tasks._context is not None
    tasks._context.database.migrate()
    yield tasks._context.database
    tasks._context.database.dispose()
    tasks._context = None


@pytest.mark.parametrize(
    "arguments", [{"experiment_id": "../../etc/passwd", "index": 0}, {"index": "1; DROP TABLE tasks"}]
)
def test_a_message_that_is_no_job_message_is_refused_and_logged(
    database: Database, arguments: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    experiment_id = submitted(database)
    tasks.run_due_jobs(**arguments)
    tasks.run_due_jobs("positional")
    assert caplog.text.count("refused a message") == 2
    assert {task.status for task in queries.tasks(database, experiment_id)} == {"queued"}


def test_a_job_message_where_nothing_is_to_be_done_is_a_look(database: Database) -> None:
    tasks.run_due_jobs()


def test_one_job_message_is_enough_for_all_that_waits(database: Database) -> None:
    ids = [submitted(database, tasks=2, dataset="mnist5k", train_limit=10) for _ in range(2)]
    tasks.run_due_jobs()
    assert [queries.experiment(database, experiment_id).record.status for experiment_id in ids] == [
        "completed"
    ] * 2


@pytest.mark.parametrize("end", ["stop_flag.request(); os.wait()", "os.kill(os.getpid(), 9)"])
def test_children_stop_when_asked_and_when_their_parent_is_gone(end: str) -> None:
    code = f"""
import os, time
from worker.tasks import stop_flag
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
