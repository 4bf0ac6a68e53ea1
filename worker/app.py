"""The Celery application, its configuration and the signals that start and stop its children.

Why it acknowledges early and prefetches nothing: tgsh/docs/decisions/0001-leases-and-fencing-tokens.md.
Why it has one task: tgsh/docs/decisions/0002-one-message-one-job.md.
"""

from __future__ import annotations

import logging
import os
import signal
from typing import Any

from celery import Celery, signals
from celery.utils.log import get_task_logger
from kombu import entity as kombu_entity

from tgsh.errors import MachineProblem
from tgsh.logs import formatter
from tgsh.store.database import Database
from tgsh.store.scheduling import QUEUE, RUN_JOB_TASK
from tgsh.system import has_torch, limit_memory, yield_to_others
from worker import devices, tasks, time_limit, transport
from worker.lifetime import DRAIN_SIGNALS, Drain
from worker.settings import WorkerSettings
from worker.stop_flag import stop_flag
from worker.sweeper import Sweeper
from worker.watch import worker_name

log = get_task_logger(__name__)

REDIS = {
    "visibility_timeout": 86_400,
    "health_check_interval": 10,
    "socket_connect_timeout": 5,
    "socket_timeout": 5,  # a Redis that hangs or is cut off counts as unreachable
    "socket_keepalive": True,
    "ack_emulation": False,  # a message that is lost is replaced, and a full Redis would refuse its copy
}

NICENESS = 5
"""Training yields to the API, to Redis and to the pool's parent, which need little time but at once."""


def create_app(settings: WorkerSettings) -> Celery:
    """The Celery application with its one task and its sweeper."""
    transport.use()
    app = Celery("tgsh", broker=settings.redis, events="worker.events:Events")
    app.conf.update(
        task_default_queue=QUEUE,
        task_queues=[_queue(name) for name in devices.queues()],
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_acks_late=False,
        worker_disable_prefetch=True,
        worker_prefetch_multiplier=1,
        worker_pool="worker.pool:TaskPool",
        worker_proc_alive_timeout=86_400,  # a child that cannot work waits, and one that hangs is seen
        worker_max_tasks_per_child=settings.jobs_per_child,
        worker_max_memory_per_child=settings.child_memory and max(1, settings.child_memory >> 10),
        task_soft_time_limit=settings.job_seconds,
        task_time_limit=settings.job_seconds and settings.job_seconds + time_limit.GRACE_SECONDS,
        worker_concurrency=len(devices.slots(settings.devices)),
        worker_hijack_root_logger=True,
        worker_send_task_events=True,  # for Flower; a few bytes a job message, and nobody has to listen
        worker_enable_remote_control=False,  # nobody needs it, and it could stop a worker
        worker_consumer=f"{transport.__name__}:Consumer",
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_enable_prefetch_count_reduction=False,
        broker_channel_error_retry=True,  # what a full Redis refuses is no reason to end
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options=REDIS,
        task_store_errors_even_if_ignored=False,
    )
    app.conf["tgsh_settings"] = settings
    app.steps["worker"].update((Drain, Sweeper))
    app.task(tasks.run_job, name=RUN_JOB_TASK)
    return app


def _queue(name: str) -> Any:
    """A queue as Celery declares one that it knows by name only."""
    entity: Any = kombu_entity
    return entity.Queue(name, entity.Exchange(name), routing_key=name)


@signals.after_setup_logger.connect
@signals.after_setup_task_logger.connect
def _format(logger: logging.Logger, **_: Any) -> None:
    """Format Celery's own log lines as ours; a job's end is told by its own line, which has its fields."""
    logging.getLogger("celery.app.trace").setLevel(logging.WARNING)
    for handler in logger.handlers:
        handler.setFormatter(formatter(app.conf["tgsh_settings"].log_format))


@signals.celeryd_init.connect
def _hide_banner(instance: Any, **_: Any) -> None:
    if app.conf["tgsh_settings"].log_format == "json":
        instance.quiet = True  # the banner is printed, and is no JSON


@signals.worker_init.connect
def _prepare_parent(sender: Any, **_: Any) -> None:
    """Migrate the schema and share memory, before the pool forks; tell what this worker cannot do."""
    settings = WorkerSettings()
    if settings.compute == "torch" and not has_torch():
        raise SystemExit("TGSH_COMPUTE=torch needs torch: pip install 'tgsh[worker]'")
    if gpus := devices.unused_gpus(settings.devices):
        log.warning("%d GPUs are not used, as torch is not installed: pip install 'tgsh[worker]'", gpus)
    devices.name_partitions()
    slots = devices.slots(settings.devices)
    used = {slot for slot in slots if slot.startswith("cuda")}
    if used and sender.concurrency > len(slots):
        log.warning("%d processes share %d GPUs, and hold each other up", sender.concurrency, len(used))
    stop_flag.prepare()
    tasks.board.prepare(sender.concurrency)
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

    signal.pthread_sigmask(signal.SIG_UNBLOCK, DRAIN_SIGNALS)  # until now it was its parent's to hear them
    settings = WorkerSettings()
    slots = devices.slots(settings.devices)
    index = getattr(current_process(), "index", 0)
    slot = slots[index % len(slots)]
    tasks.start_child(index)
    yield_to_others(NICENESS)
    if slot == "cpu":  # CUDA reserves address space beyond the memory of a job
        limit_memory(settings.memory_limit or devices.child_memory(settings.devices))
    device = devices.bind(slot)
    tasks.open_context(settings, device, name=worker_name(os.getpid(), os.getppid(), slot))


@signals.worker_process_shutdown.connect
def _close_child(**_: Any) -> None:
    tasks.close_context()


@signals.worker_shutting_down.connect
def _stop_children(**_: Any) -> None:
    """On SIGTERM running jobs release their leases at the next batch, instead of being waited for."""
    stop_flag.request()


app = create_app(WorkerSettings())
