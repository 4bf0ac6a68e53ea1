"""A leased job from start to recorded end."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import groupby

import numpy as np
from sqlalchemy.exc import DBAPIError

from tgsh import progress
from tgsh.analysis.confusion import accuracy, balanced_accuracy, chance
from tgsh.datasets.base import DatasetInfo
from tgsh.datasets.descriptions import info_of
from tgsh.errors import (
    ArtifactCorrupt,
    ArtifactMissing,
    DatasetUnavailable,
    Interrupted,
    LeaseLost,
    TgshError,
)
from tgsh.execution import faults
from tgsh.execution.analyses import run_analysis
from tgsh.execution.context import WorkerContext
from tgsh.execution.finish import log_failure, run_finish, run_preview
from tgsh.logs import log_context
from tgsh.specs import ExperimentSpec, SuiteSpec
from tgsh.store import jobs, removals
from tgsh.store.confusions import RecognisedCounts
from tgsh.store.database import STORAGE_ERRORS, is_transient, retry_transient
from tgsh.store.jobs import JobLease, LeaseState
from tgsh.store.leases import LeaseRenewer, needs_torch
from tgsh.store.models import AnalysisJob, Job, PreviewJob
from tgsh.store.scheduling import QUEUE, TORCH_QUEUE
from tgsh.suites import SuiteTask, build
from tgsh.suites.sources import source_of
from tgsh.system import description
from tgsh.traces import Value
from tgsh.training.backends import free_bytes
from tgsh.training.device_memory import tasks_that_fit
from tgsh.training.state import TaskState, from_tensors, to_tensors, versions
from tgsh.training.trainer import Trainer
from tgsh.training.trainer import warm_up as warm_up_training

log = logging.getLogger(__name__)

KEPT_EXPERIMENTS = 4
"""Experiments of which a process keeps images and buffers (some 100 MB each at most), as they take turns."""


@dataclass(frozen=True)
class Work:
    """The outcome of a turn: the job that was most due, or on a GPU several tasks of one experiment.

    Attributes
    ----------
    jobs : list[Job], list[PreviewJob] or list[AnalysisJob]
        The jobs.
    attempt : int
        Of the first of them.
    outcome : str
        How it ended: completed, failed, cancelled, released, repairing (of a finish: damaged checkpoints are
        trained again) or lost (to another worker). Several: of a batch whose tasks ended differently.
    seconds : float
        From the lease to the end.
    due : dict[str, int]
        Jobs that are queued because of it, by the queue of their messages.
    """

    jobs: Sequence[Job | PreviewJob | AnalysisJob]
    attempt: int
    outcome: str
    seconds: float
    due: dict[str, int] = field(default_factory=dict)


def warm_up(context: WorkerContext) -> None:
    """Prepare a process before its first job; see tgsh.training.trainer.warm_up.

    Parameters
    ----------
    context : WorkerContext
        The process's.
    """
    warm_up_training(context.device, context.compute)


def run(context: WorkerContext, job: Job, stop: Callable[[], bool]) -> None:
    """Lease one job, run it and record its end; do nothing where it cannot be leased.

    Parameters
    ----------
    context : WorkerContext
        The process's.
    job : Job
        The job.
    stop : callable
        Called between batches; True gives the lease back.
    """
    lease = jobs.lease_job(context.database, job, context.worker, context.lease_seconds)
    if lease is not None:
        _run_lease(context, lease, stop)


def run_next(context: WorkerContext, stop: Callable[[], bool]) -> Work | None:
    """Lease the job that is most due, run it and record its end.

    Parameters
    ----------
    context : WorkerContext
        The process's.
    stop : callable
        Called between batches; True gives the lease back.

    Returns
    -------
    Work or None
        What was done; None where no job waits that can be run here.
    """
    faults.fault_point("before claim")
    began = time.monotonic()
    if (preview := run_preview(context, stop)) is not None:
        job, attempt, outcome = preview
        return Work([job], attempt, outcome, time.monotonic() - began)
    if (analysed := _run_analysis(context, stop, began, in_turn=True)) is not None:
        return analysed
    lease = jobs.lease_next(context.database, context.worker, context.lease_seconds, context.has_torch)
    if lease is not None:
        return _run_lease(context, lease, stop)
    return _run_analysis(context, stop, began, in_turn=False)  # nobody else waits any more


def _run_analysis(
    context: WorkerContext, stop: Callable[[], bool], began: float, *, in_turn: bool
) -> Work | None:
    done = run_analysis(context, partial(_trainer, context), stop, in_turn=in_turn)
    if done is None:
        return None
    job, attempt, outcome, queue = done
    due = {queue: 1} if outcome == "released" else {}
    return Work([job], attempt, outcome, time.monotonic() - began, due)


def _run_lease(context: WorkerContext, first: JobLease, stop: Callable[[], bool]) -> Work:
    """Run a leased job, on a GPU with other tasks of the experiment in the same batch."""
    faults.fault_point("after claim", first.job.index)
    began = time.monotonic()
    leases = [first, *_lease_siblings(context, first)]
    with (
        log_context(experiment=first.job.experiment_id, worker=context.worker),
        _about(leases),
        _traced(context, leases) as describe,
        LeaseRenewer(context.database, leases, context.lease_seconds, context.stall_seconds) as renewer,
    ):
        due = _run_renewed(context, leases, renewer, stop)
        log.info("worked on %s", first.job)
        outcomes = [renewer.outcome(lease) for lease in leases]
        describe(None, {"tgsh.outcome": ", ".join(dict.fromkeys(outcomes))})
    due += outcomes.count("released")
    queue = TORCH_QUEUE if due and needs_torch(context.database, first.job.experiment_id) else QUEUE
    return Work(
        [lease.job for lease in leases],
        first.attempt,
        ", ".join(dict.fromkeys(outcomes)),
        time.monotonic() - began,
        {queue: due} if due else {},
    )


def _traced(
    context: WorkerContext, leases: Sequence[JobLease]
) -> AbstractContextManager[Callable[[str | None, Mapping[str, Value]], None]]:
    """A span of a job, or of a batch of tasks, in the trace of its experiment's submission."""
    job = leases[0].job
    about: dict[str, Value] = {
        "tgsh.experiment": job.experiment_id,
        "tgsh.task": "finish" if job.index is None else ",".join(str(lease.job.index) for lease in leases),
        "tgsh.attempt": leases[0].attempt,
        "tgsh.worker": context.worker,
    }
    parent = context.trace_of(job.experiment_id) if context.tracing.is_on else None
    return context.tracing.span("finish" if job.index is None else "task", "consumer", parent, about)


def _about(leases: Sequence[JobLease]) -> AbstractContextManager[None]:
    """Log lines name the task and its attempt, or all the tasks of a batch."""
    if len(leases) == 1:
        return log_context(task=leases[0].job.task, attempt=leases[0].attempt)
    return log_context(task=[lease.job.task for lease in leases])


def _run_renewed(
    context: WorkerContext, leases: list[JobLease], renewer: LeaseRenewer, stop: Callable[[], bool]
) -> int:
    """Run the finish, or train the tasks of the leases; the number of jobs that are due thereby."""
    first, should_stop = leases[0], _stop_condition(renewer, stop)
    if first.job.index is None:
        return _run_recorded(
            context,
            first,
            renewer,
            lambda: _finish(context, first, renewer, should_stop),
        )
    try:
        groups = _groups(context, leases)
    except Exception as error:
        for lease in leases:
            _record_failure(context, lease, renewer, error)
        return 0
    due = 0
    for group in groups:
        with _about([item.lease for item in group]):
            due += _train_group(context, group, renewer, stop)
    return due


def _finish(
    context: WorkerContext, lease: JobLease, renewer: LeaseRenewer, should_stop: Callable[[], bool]
) -> int:
    damaged = run_finish(context, lease, partial(_trainer, context), should_stop)
    renewer.drop(lease, "repairing" if damaged else "completed")
    return damaged


def _lease_siblings(context: WorkerContext, first: JobLease) -> list[JobLease]:
    limit = _tasks_at_once(context, first.spec) - 1
    return jobs.lease_more(context.database, first, context.worker, context.lease_seconds, limit)


def _tasks_at_once(context: WorkerContext, spec: ExperimentSpec) -> int:
    """As many as may be, of those that the device's free memory holds."""
    if context.at_once == 1 or context.device == "cpu":
        return context.at_once
    try:
        info, free = info_of(spec, context.uploads.info), free_bytes(context.device)
    except (TgshError, RuntimeError) as error:  # the first job meets it again, and ends with the reason
        log.warning("one task is trained alone, as memory cannot be planned: %s", error)
        return 1
    return tasks_that_fit(spec, info, free, context.at_once, cuda_graphs=context.cuda_graphs)


@dataclass(frozen=True)
class _LeasedTask:
    """A lease with its task and the state that training starts from."""

    lease: JobLease
    task: SuiteTask
    state: TaskState


def _groups(context: WorkerContext, leases: Sequence[JobLease]) -> list[list[_LeasedTask]]:
    """Leased tasks at the same epoch, with equally many images, which can be trained in one batch."""
    spec = leases[0].spec
    trainer = _trainer(context, spec)
    tasks = _tasks(spec.suite, trainer.info)
    leased = [
        _LeasedTask(lease, tasks[lease.job.index or 0], _start(context, trainer, lease)) for lease in leases
    ]

    def batch_key(item: _LeasedTask) -> tuple[int, ...]:
        return (item.state.epoch, *trainer.batchable(item.task))

    return [list(group) for _, group in groupby(sorted(leased, key=batch_key), key=batch_key)]


def _trainer(context: WorkerContext, spec: ExperimentSpec) -> Trainer:
    cached = _cached_trainers if context.at_once == 1 else _cached_trainer
    nameless = spec.model_copy(update={"name": "", "tags": ()})
    return cached(nameless, context)


@lru_cache(maxsize=KEPT_EXPERIMENTS)
def _tasks(suite: SuiteSpec, info: DatasetInfo) -> tuple[SuiteTask, ...]:
    return build(suite, info)


def _new_trainer(spec: ExperimentSpec, context: WorkerContext) -> Trainer:
    """Images, random base and buffers stay from job to job of an experiment."""
    source = source_of(spec, context.data_dir, context.uploads)
    return Trainer(spec, source, context.device, context.compute, cuda_graphs=context.cuda_graphs)


_cached_trainers = lru_cache(maxsize=KEPT_EXPERIMENTS)(_new_trainer)
_cached_trainer = lru_cache(maxsize=1)(_new_trainer)  # a GPU may not hold the buffers of two large batches


def _start(context: WorkerContext, trainer: Trainer, lease: JobLease) -> TaskState:
    """The last checkpoint's state, or a fresh one where no checkpoint is intact."""
    index = lease.job.index
    assert index is not None
    if lease.checkpoint is not None and lease.sha256 is not None:
        try:
            key, sha256 = lease.checkpoint, lease.sha256
            checkpoint = retry_transient(lambda: context.artifacts.load(key, sha256), context.lease_seconds)
            return from_tensors(*checkpoint, lease.spec, index, context.uploads.info)
        except (ArtifactMissing, ArtifactCorrupt) as error:
            with _about([lease]):
                log.warning("task %d starts afresh: %s", index, error)
    return trainer.fresh(index)


def _train_group(
    context: WorkerContext, group: list[_LeasedTask], renewer: LeaseRenewer, stop: Callable[[], bool]
) -> int:
    """Train a group; if it fails as a group, each task alone, so that one's failure is its own."""
    if len(group) == 1:
        return _run_recorded(context, group[0].lease, renewer, lambda: _train(context, group, renewer, stop))
    try:
        return _train(context, group, renewer, stop)
    except Interrupted:  # no task alone would be let go on either
        return sum(_train_group(context, [item], renewer, stop) for item in group)
    except Exception:
        log.exception("a batch of %d tasks failed; training them one by one", len(group))
        return sum(_train_group(context, [item], renewer, stop) for item in group)


def _train(
    context: WorkerContext, group: list[_LeasedTask], renewer: LeaseRenewer, stop: Callable[[], bool]
) -> int:
    """Train and test the tasks; the number of finishes that are due now, one at most."""
    trainer = _trainer(context, group[0].lease.spec)
    tasks = [item.task for item in group]
    states = [item.state for item in group]
    epochs = group[0].lease.spec.training.epochs
    origins = [_origin(trainer, task) for task in tasks]
    while states[0].epoch < epochs:
        began = time.perf_counter()
        faults.fault_point("mid-epoch", tasks[0].index)
        states = trainer.epoch(tasks, states, _stop_condition(renewer, stop))
        seconds = (time.perf_counter() - began) / len(group)
        for item, state, origin in zip(group, states, origins, strict=True):
            _checkpoint(context, item.lease, state, seconds, origin)
    began = time.perf_counter()
    confusions = trainer.confusion(tasks, states)
    seconds = (time.perf_counter() - began) / len(group)
    finishes = 0
    for item, counts in zip(group, confusions, strict=True):
        faults.fault_point("before completing", item.task.index)
        finishes += _complete(context, item.lease, counts, trainer.compute, seconds)
        renewer.drop(item.lease, "completed")
    return finishes


def _complete(
    context: WorkerContext, lease: JobLease, counts: np.ndarray, compute: str, seconds: float
) -> bool:
    tested = RecognisedCounts(counts, balanced_accuracy(counts), chance(counts))
    return retry_transient(
        lambda: jobs.complete_task(
            context.database, lease, accuracy(counts), compute, versions(), seconds, tested
        ),
        context.lease_seconds,
    )


def _origin(trainer: Trainer, task: SuiteTask) -> dict[str, str]:
    """Digests of a task's images and the machine: its bytes depend on both."""
    return {"images": json.dumps(trainer.source.of(task.index).digests), "machine": description()}


def _checkpoint(
    context: WorkerContext, lease: JobLease, state: TaskState, seconds: float, origin: dict[str, str]
) -> None:
    """Write the file, then the row.

    The name holds the attempt's token: an attempt that lost its lease overwrites no file.
    """
    last = state.epoch == lease.spec.training.epochs
    tensors, metadata = to_tensors(state, lease.spec, keep_optimiser=not last)
    metadata |= origin
    root, attempt = f"{lease.job.experiment_id}/tasks/{state.index:05d}", lease.token[:8]
    key = f"{root}-e{state.epoch}-{attempt}.safetensors"
    retry_seconds = context.lease_seconds
    sha256 = retry_transient(lambda: context.artifacts.save(key, tensors, metadata), retry_seconds)
    faults.fault_point("between file and row", state.index)
    losses = state.losses
    try:
        retry_transient(
            lambda: jobs.record_epoch(context.database, lease, losses, seconds, key, sha256), retry_seconds
        )
    except LeaseLost:
        removals.discard(context.database, context.artifacts, [key])
        raise
    if state.epoch > 1:
        earlier = f"{root}-e{state.epoch - 1}-{attempt}.safetensors"
        removals.discard(context.database, context.artifacts, [earlier])
    faults.fault_point("after the row", state.index)


def _stop_condition(renewer: LeaseRenewer, stop: Callable[[], bool]) -> Callable[[], bool]:
    """Of the loops over batches and measurements, which call it before each: that is progress."""

    def should_stop() -> bool:
        progress.step()
        return stop() or renewer.should_stop

    return should_stop


def _run_recorded(
    context: WorkerContext, lease: JobLease, renewer: LeaseRenewer, work: Callable[[], int]
) -> int:
    """Do the work; an exception ends the lease and is recorded. The number of jobs that are due thereby."""
    try:
        return work()
    except Exception as error:
        _record_failure(context, lease, renewer, error)
        return 0


def _record_failure(context: WorkerContext, lease: JobLease, renewer: LeaseRenewer, error: Exception) -> None:
    with _about([lease]):
        _end_lease(context, lease, renewer, error)


def _device_loss(context: WorkerContext) -> str | None:
    """The reason why a GPU can do nothing any more, not even what a new process does first; None: it can."""
    if context.device == "cpu":
        return None
    try:
        warm_up(context)
    except Exception as error:
        return f"{type(error).__name__}: {error}".splitlines()[0]
    return None


def _end_lease(context: WorkerContext, lease: JobLease, renewer: LeaseRenewer, error: Exception) -> None:
    """End a lease as its state and the error require: stop, release, fail, or nothing where it was lost."""
    outcome = "lost"
    try:
        if isinstance(error, LeaseLost) or renewer.state(lease) is LeaseState.LOST:
            log.warning("%s: %s", lease.job, error)
        elif renewer.state(lease) is LeaseState.CANCELLED:
            jobs.stop_cancelled(context.database, lease)
            outcome = "cancelled"
        elif isinstance(error, Interrupted):
            retry_transient(lambda: jobs.release(context.database, lease), context.lease_seconds)
            outcome = "released"
        elif isinstance(error, DBAPIError) and is_transient(error):
            log.error("%s: the database is away; the lease runs out by itself", lease.job, exc_info=error)
        elif (loss := _device_loss(context)) is not None:
            # It counts as an attempt: a job that brings down one device after the other must end.
            log.error("%s: %s is lost (%s); the lease runs out by itself", lease.job, context.device, loss)
        else:
            log_failure(lease.job, error)
            reason = str(error) if isinstance(error, TgshError) else f"{type(error).__name__}: {error}"
            affects_siblings = isinstance(error, (DatasetUnavailable, *STORAGE_ERRORS))
            retry_transient(
                lambda: jobs.fail(context.database, lease, reason, with_siblings=affects_siblings),
                context.lease_seconds,
            )
            outcome = "failed"
    except LeaseLost as lost:
        log.warning("%s: %s", lease.job, lost)
    finally:
        renewer.drop(lease, outcome)
