"""The Celery application, its configuration and the signals that start and stop its children.

Why it acknowledges early and prefetches nothing: tgsh/docs/decisions/0001-leases-and-fencing-tokens.md.
Why it has one task: tgsh/docs/decisions/0002-one-message-one-job.md.
"""

from __future__ import annotations

import logging
import os
import socket
from typing import Any

from celery import Celery, signals
from celery.utils.log import get_task_logger
from kombu import entity as kombu_entity

from tgsh.errors import MachineProblem
from tgsh.logs import formatter
from tgsh.store.database import Database
from tgsh.store.scheduling import QUEUE, RUN_JOB_TASK
from tgsh.system import has_torch, limit_memory, memory, yield_to_others
from worker import devices, tasks, transport
from worker.settings import WorkerSettings
from worker.sweeper import Sweeper

log = get_task_logger(__name__)

REDIS = {
    "visibility_timeout": 86_400,
    "health_check_interval": 10,
    "socket_connect_timeout": 5,
    "socket_timeout": 15,  # a Redis that hangs or is cut off counts as unreachable
    "socket_keepalive": True,
}

NICENESS = 5
"""Training yields to the API, to Redis and to the pool's parent, which need little time but at once."""


def create_app(settings: WorkerSettings) -> Celery:
    """The Celery application with its one task and its sweeper."""
    transport.use()
    app = Celery("tgsh", broker=settings.redis)
    app.conf.update(
        task_default_queue=QUEUE,
        task_queues=[_queue(name) for name in devices.queues()],
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_acks_late=False,
        worker_disable_prefetch=True,
        worker_prefetch_multiplier=1,
        worker_proc_alive_timeout=300,  # a child may compile, or import torch, first
        worker_concurrency=len(devices.slots(settings.devices)),
        worker_hijack_root_logger=True,
        worker_send_task_events=True,  # for Flower; a few bytes a job message, and nobody has to listen
        worker_enable_remote_control=False,  # nobody needs it, and it could stop a worker
        worker_consumer=f"{transport.__name__}:Consumer",
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options=REDIS,
        task_store_errors_even_if_ignored=False,
    )
    app.conf["tgsh_settings"] = settings
    app.steps["consumer"].add(Sweeper)
    app.task(tasks.run_due_jobs, name=RUN_JOB_TASK)
    return app


def _queue(name: str) -> Any:
    """A queue as Celery declares one that it knows by name only."""
    entity: Any = kombu_entity
    return entity.Queue(name, entity.Exchange(name), routing_key=name)


@signals.after_setup_logger.connect
@signals.after_setup_task_logger.connect
def _format(logger: logging.Logger, **_: Any) -> None:
    """Format Celery's own log lines as ours."""
    for handler in logger.handlers:
        handler.setFormatter(formatter(app.conf["tgsh_settings"].log_format))


@signals.celeryd_init.connect
def _hide_banner(instance: Any, **_: Any) -> None:
    if app.conf["tgsh_settings"].log_format == "json":
        instance.quiet = True  # the banner is printed, and is no JSON


@signals.worker_init.connect
def _prepare_parent(**_: Any) -> None:
    """Migrate the schema and share the stop flag, before the pool forks; tell what this worker cannot do."""
    settings = WorkerSettings()
    if settings.compute == "torch" and not has_torch():
        raise SystemExit("TGSH_COMPUTE=torch needs torch: pip install 'tgsh[worker]'")
    if gpus := devices.unused_gpus(settings.devices):
        log.warning("%d GPUs are not used, as torch is not installed: pip install 'tgsh[worker]'", gpus)
    tasks.stop_flag.prepare()
    database = Database(settings.database)
    try:
        database.migrate()
    except MachineProblem as error:
        raise SystemExit(str(error)) from error
    finally:
        database.dispose()  # no connection may cross the fork


@signals.worker_process_init.connect
def _prepare_child(**_: Any) -> None:
    from billiard import current_process

    settings = WorkerSettings()
    slots = devices.slots(settings.devices)
    slot = slots[getattr(current_process(), "index", 0) % len(slots)]
    yield_to_others(NICENESS)
    if slot == "cpu":  # CUDA reserves address space beyond the memory of a job
        limit_memory(settings.memory_limit or memory())
    device = devices.bind(slot)
    tasks.open_context(settings, device, name=f"{socket.gethostname()}/{os.getppid()}/{os.getpid()}/{slot}")


@signals.worker_shutting_down.connect
def _stop_children(**_: Any) -> None:
    """On SIGTERM running jobs release their leases at the next batch, instead of being waited for."""
    tasks.stop_flag.request()


app = create_app(WorkerSettings())
