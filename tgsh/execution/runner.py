"""A claimed job from start to recorded end."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import groupby

import torch
from sqlalchemy.exc import DBAPIError

from tgsh.datasets.base import DatasetInfo
from tgsh.errors import (
    ArtifactCorrupt,
    ArtifactMissing,
    DatasetUnavailable,
    Interrupted,
    LeaseLost,
    TgshError,
)
from tgsh.execution import faults
from tgsh.execution.context import WorkerContext
from tgsh.execution.finish import run_finish, run_preview
from tgsh.logs import log_context
from tgsh.specs import ExperimentSpec, SuiteSpec
from tgsh.store import jobs
from tgsh.store.database import STORAGE_ERRORS, is_transient, retry_transient
from tgsh.store.jobs import JobLease, LeaseState
from tgsh.store.leases import LeaseRenewer
from tgsh.store.models import Job, PreviewJob
from tgsh.suites import Task, build
from tgsh.suites.sources import source_of
from tgsh.system import description
from tgsh.training.state import TaskState, from_tensors, to_tensors, versions
from tgsh.training.trainer import Trainer
from tgsh.training.trainer import warm_up as warm_up_training

log = logging.getLogger(__name__)

KEPT_EXPERIMENTS = 4
"""Experiments of which a process keeps images and buffers (some 100 MB each at most), as they take turns."""


def warm_up(context: WorkerContext) -> None:
    """What a process can do before there is a job; see tgsh.training.trainer.warm_up."""
    warm_up_training(torch.device(context.device), context.compute)


def run(context: WorkerContext, job: Job, stop: Callable[[], bool]) -> None:
    """Claim this very job, do it, record how it ended; nothing happens where it cannot be claimed."""
    first = jobs.lease_job(context.database, job, context.worker, context.lease_seconds)
    if first is not None:
        _do(context, first, stop)


def run_next(context: WorkerContext, stop: Callable[[], bool]) -> Job | PreviewJob | None:
    """Claim the job that is most due, do it, record how it ended; None where no job waits.

    `stop` is asked between batches; when it turns true the claim goes back.
    """
    faults.fault_point("before claim")
    if (drawn := run_preview(context, stop)) is not None:
        return drawn
    first = jobs.lease_next(context.database, context.worker, context.lease_seconds)
    if first is None:
        return None
    _do(context, first, stop)
    return first.job


def _do(context: WorkerContext, first: JobLease, stop: Callable[[], bool]) -> None:
    faults.fault_point("after claim", first.job.index)
    claims = [first, *_company(context, first)]
    with (
        log_context(experiment=first.job.experiment_id, worker=context.worker),
        _about(claims),
        LeaseRenewer(context.database, claims, context.lease_seconds) as keeper,
    ):
        _work_on(context, claims, keeper, stop)
        log.info("worked on %s", first.job)


def _about(claims: Sequence[JobLease]) -> AbstractContextManager[None]:
    """Log lines name the task and its attempt, or all the tasks of a batch."""
    if len(claims) == 1:
        return log_context(task=claims[0].job.task, attempt=claims[0].attempt)
    return log_context(task=[claim.job.task for claim in claims])


def _work_on(
    context: WorkerContext, claims: list[JobLease], keeper: LeaseRenewer, stop: Callable[[], bool]
) -> None:
    first, should_stop = claims[0], _stopping(keeper, stop)
    if first.job.index is None:
        _settled(
            context,
            first,
            keeper,
            lambda: run_finish(context, first, partial(_trainer, context), should_stop),
        )
        return
    try:
        groups = _groups(context, claims)
    except Exception as error:
        for claim in claims:
            _ended_badly(context, claim, keeper, error)
        return
    for group in groups:
        with _about([item.claim for item in group]):
            _train_group(context, group, keeper, stop)


def _company(context: WorkerContext, first: JobLease) -> list[JobLease]:
    limit = context.at_once - 1
    return jobs.lease_more(context.database, first, context.worker, context.lease_seconds, limit)


@dataclass(frozen=True)
class _Work:
    """A claim with its task and the state it starts from."""

    claim: JobLease
    task: Task
    state: TaskState


def _groups(context: WorkerContext, claims: Sequence[JobLease]) -> list[list[_Work]]:
    """Claims that stand at the same epoch, with equally many images, can be trained in one batch."""
    spec = claims[0].spec
    trainer = _trainer(context, spec)
    tasks = _tasks(spec.suite, trainer.info)
    work = [_Work(claim, tasks[claim.job.index or 0], _start(context, trainer, claim)) for claim in claims]

    def alike(item: _Work) -> tuple[int, ...]:
        return (item.state.epoch, *trainer.batchable(item.task))

    return [list(group) for _, group in groupby(sorted(work, key=alike), key=alike)]


def _trainer(context: WorkerContext, spec: ExperimentSpec) -> Trainer:
    kept = _some_trainers if context.at_once == 1 else _one_trainer
    nameless = spec.model_copy(update={"name": "", "tags": ()})
    return kept(nameless, context)


@lru_cache(maxsize=KEPT_EXPERIMENTS)
def _tasks(suite: SuiteSpec, info: DatasetInfo) -> tuple[Task, ...]:
    return build(suite, info)


def _new_trainer(spec: ExperimentSpec, context: WorkerContext) -> Trainer:
    """Images, random base and buffers stay from job to job of an experiment."""
    source = source_of(spec, context.data_dir, context.uploads)
    return Trainer(spec, source, torch.device(context.device), context.compute)


_some_trainers = lru_cache(maxsize=KEPT_EXPERIMENTS)(_new_trainer)
_one_trainer = lru_cache(maxsize=1)(_new_trainer)  # a GPU may not hold the buffers of two large batches


def _start(context: WorkerContext, trainer: Trainer, claim: JobLease) -> TaskState:
    """The last checkpoint, or a fresh start where there is none that can be trusted."""
    index = claim.job.index
    assert index is not None
    if claim.checkpoint is not None and claim.sha256 is not None:
        try:
            key, sha256 = claim.checkpoint, claim.sha256
            found = retry_transient(lambda: context.artifacts.load(key, sha256), context.lease_seconds)
            return from_tensors(*found, claim.spec, index, context.uploads.info)
        except (ArtifactMissing, ArtifactCorrupt) as error:
            with _about([claim]):
                log.warning("task %d starts afresh: %s", index, error)
    return trainer.fresh(index)


def _train_group(
    context: WorkerContext, work: list[_Work], keeper: LeaseRenewer, stop: Callable[[], bool]
) -> None:
    """Train a group; if it fails as a group, each task alone, so that one's failure is its own."""
    if len(work) == 1:
        _settled(context, work[0].claim, keeper, lambda: _train(context, work, keeper, stop))
        return
    try:
        _train(context, work, keeper, stop)
    except Exception:
        log.exception("a batch of %d tasks failed; training them one by one", len(work))
        for item in work:
            _train_group(context, [item], keeper, stop)


def _train(context: WorkerContext, work: list[_Work], keeper: LeaseRenewer, stop: Callable[[], bool]) -> None:
    trainer = _trainer(context, work[0].claim.spec)
    tasks = [item.task for item in work]
    states = [item.state for item in work]
    epochs = work[0].claim.spec.training.epochs
    origins = [_origin(trainer, task) for task in tasks]
    while states[0].epoch < epochs:
        began = time.perf_counter()
        faults.fault_point("mid-epoch", tasks[0].index)
        states = trainer.epoch(tasks, states, _stopping(keeper, stop))
        seconds = (time.perf_counter() - began) / len(work)
        for item, state, origin in zip(work, states, origins, strict=True):
            _checkpoint(context, item.claim, state, seconds, origin)
    began = time.perf_counter()
    accuracies = trainer.accuracy(tasks, states)
    seconds = (time.perf_counter() - began) / len(work)
    for item, accuracy in zip(work, accuracies, strict=True):
        faults.fault_point("before completing", item.task.index)
        _complete(context, item.claim, accuracy, trainer.compute, seconds)
        keeper.drop(item.claim)


def _complete(context: WorkerContext, claim: JobLease, accuracy: float, compute: str, seconds: float) -> None:
    retry_transient(
        lambda: jobs.complete_task(context.database, claim, accuracy, compute, versions(), seconds),
        context.lease_seconds,
    )


def _origin(trainer: Trainer, task: Task) -> dict[str, str]:
    """On what a task is trained, and where: its bytes depend on both."""
    return {"images": json.dumps(trainer.source.of(task.index).digests), "machine": description()}


def _checkpoint(
    context: WorkerContext, claim: JobLease, state: TaskState, seconds: float, origin: dict[str, str]
) -> None:
    """File, then row. The name holds the attempt's token, so that a zombie overwrites nobody's file."""
    last = state.epoch == claim.spec.training.epochs
    tensors, metadata = to_tensors(state, claim.spec, keep_optimiser=not last)
    metadata |= origin
    root, own = f"{claim.job.experiment_id}/tasks/{state.index:05d}", claim.token[:8]
    key = f"{root}-e{state.epoch}-{own}.safetensors"
    patience = context.lease_seconds
    sha256 = retry_transient(lambda: context.artifacts.save(key, tensors, metadata), patience)
    faults.fault_point("between file and row", state.index)
    losses = state.losses
    try:
        retry_transient(
            lambda: jobs.record_epoch(context.database, claim, losses, seconds, key, sha256), patience
        )
    except LeaseLost:
        context.artifacts.remove([key])
        raise
    context.artifacts.remove([f"{root}-e{state.epoch - 1}-{own}.safetensors"])
    faults.fault_point("after the row", state.index)


def _stopping(keeper: LeaseRenewer, stop: Callable[[], bool]) -> Callable[[], bool]:
    return lambda: stop() or keeper.should_stop


def _settled(context: WorkerContext, claim: JobLease, keeper: LeaseRenewer, work: Callable[[], None]) -> None:
    """Do the work; whatever it raises ends the claim in the way that fits."""
    try:
        work()
    except Exception as error:
        _ended_badly(context, claim, keeper, error)


def _ended_badly(context: WorkerContext, claim: JobLease, keeper: LeaseRenewer, error: Exception) -> None:
    with _about([claim]):
        _end_badly(context, claim, keeper, error)


def _end_badly(context: WorkerContext, claim: JobLease, keeper: LeaseRenewer, error: Exception) -> None:
    try:
        if isinstance(error, LeaseLost) or keeper.state(claim) is LeaseState.LOST:
            log.warning("%s: %s", claim.job, error)
        elif keeper.state(claim) is LeaseState.CANCELLED:
            jobs.stop_cancelled(context.database, claim)
        elif isinstance(error, Interrupted):
            retry_transient(lambda: jobs.release(context.database, claim), context.lease_seconds)
        elif isinstance(error, DBAPIError) and is_transient(error):
            log.error("%s: the database is away; the lease runs out by itself", claim.job, exc_info=error)
        else:
            log.error("%s failed", claim.job, exc_info=error)
            reason = str(error) if isinstance(error, TgshError) else f"{type(error).__name__}: {error}"
            everybodys = isinstance(error, (DatasetUnavailable, *STORAGE_ERRORS))
            retry_transient(
                lambda: jobs.fail(context.database, claim, reason, with_siblings=everybodys),
                context.lease_seconds,
            )
    except LeaseLost as lost:
        log.warning("%s: %s", claim.job, lost)
    finally:
        keeper.drop(claim)
