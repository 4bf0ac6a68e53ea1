"""The jobs that are not training: the finish of an experiment and previews."""

from __future__ import annotations

import logging
from collections.abc import Callable

from sqlalchemy.exc import DBAPIError

from tgsh import progress
from tgsh.errors import ArtifactCorrupt, DatasetUnavailable, Interrupted, LeaseLost, TgshError
from tgsh.execution import faults
from tgsh.execution.context import WorkerContext
from tgsh.specs import ExperimentSpec
from tgsh.store import jobs, previews, queries, removals
from tgsh.store.database import is_transient, retry_transient
from tgsh.store.jobs import JobLease, LeaseState
from tgsh.store.leases import LeaseRenewer
from tgsh.store.maintenance import remove_leftovers, requeue_tasks
from tgsh.store.models import PreviewJob
from tgsh.store.previews import PreviewLease
from tgsh.store.results import PROVENANCE as PROVENANCE
from tgsh.store.results import collect_provenance, consolidate, damaged_tasks
from tgsh.suites import build
from tgsh.suites.sources import source_of
from tgsh.training.inputs import TaskTransforms
from tgsh.training.measurements import measure, samples
from tgsh.training.state import TaskState, from_tensors
from tgsh.training.trainer import Trainer

log = logging.getLogger(__name__)

SHARED = ("samples", "class-means")
"""Results that say nothing of training: members of a study have them in common, and the store keeps one."""

MOST_REPAIRS = 3
"""Attempts in which damaged checkpoints are trained again; then the finish fails."""


def run_finish(
    context: WorkerContext,
    lease: JobLease,
    trainer_of: Callable[[ExperimentSpec], Trainer],
    should_stop: Callable[[], bool],
) -> int:
    """Write the results of an experiment whose tasks are trained, and remove files that no row names.

    Damaged checkpoints are trained again instead; the finish is due once more when that is done.

    Parameters
    ----------
    context : WorkerContext
        The process's.
    lease : JobLease
        Of the finish.
    trainer_of : callable
        A spec's trainer.
    should_stop : callable
        Called between measurements; True ends the finish.

    Returns
    -------
    int
        The number of tasks that are trained again.

    Raises
    ------
    ArtifactCorrupt
        Where checkpoints are damaged after MOST_REPAIRS attempts.
    Interrupted
        Soon after `should_stop` returned True.
    LeaseLost
        Where the lease ended meanwhile; no file is left.
    """
    experiment_id = lease.job.experiment_id
    if damaged := damaged_tasks(context.database, context.artifacts, experiment_id):
        if lease.attempt > MOST_REPAIRS:
            raise ArtifactCorrupt(f"checkpoints of tasks {damaged} are damaged again and again")
        log.warning("%s: checkpoints of tasks %s are damaged; training them again", experiment_id, damaged)
        requeue_tasks(context.database, lease, damaged)
        return len(damaged)
    faults.fault_point("before the results")
    results: dict[str, tuple[str, str]] = {}
    try:
        _write_results(context, lease, trainer_of(lease.spec), should_stop, results)
        retry_transient(lambda: jobs.complete_finish(context.database, lease, results), context.lease_seconds)
    except LeaseLost:
        removals.discard(context.database, context.artifacts, (key for key, _ in results.values()))
        raise
    remove_leftovers(context.database, context.artifacts, experiment_id)
    return 0


def _write_results(
    context: WorkerContext,
    lease: JobLease,
    trainer: Trainer,
    should_stop: Callable[[], bool],
    results: dict[str, tuple[str, str]],
) -> None:
    """Write the results of an experiment, and add key and digest of each to `results` under its name."""
    experiment_id, attempt = lease.job.experiment_id, lease.token[:8]
    key = f"{experiment_id}/vectors-{attempt}.npy"
    results["vectors"] = (key, consolidate(context.database, context.artifacts, experiment_id, key))
    vectors = context.artifacts.load_array(*results["vectors"])
    tasks = build(lease.spec.suite, trainer.info)

    def trained_state(index: int) -> TaskState:
        record = queries.task(context.database, experiment_id, index)
        checkpoint = context.artifacts.load(str(record.checkpoint), str(record.checkpoint_sha256))
        return from_tensors(*checkpoint, lease.spec, index, context.uploads.info)

    measurements = measure(trainer, tasks, vectors, trained_state, should_stop)
    measurements[PROVENANCE] = {}, collect_provenance(context.database, context.artifacts, experiment_id)
    for name, (tensors, metadata) in measurements.items():
        key = f"{experiment_id}/{name}-{attempt}.safetensors"
        results[name] = (key, context.artifacts.save(key, tensors, metadata))
        if name in SHARED:
            context.artifacts.share(*results[name])
    faults.fault_point("before finishing")


def run_preview(context: WorkerContext, stop: Callable[[], bool]) -> tuple[PreviewJob, int, str] | None:
    """Lease the preview that has waited longest, make it and record its end.

    Parameters
    ----------
    context : WorkerContext
        The process's.
    stop : callable
        Called between tasks; True gives the lease back.

    Returns
    -------
    tuple[PreviewJob, int, str] or None
        The preview, its attempt and how it ended (see `tgsh.execution.runner.Work`); None where none waits.
    """
    lease = previews.lease_next(context.database, context.worker, context.lease_seconds, context.has_torch)
    if lease is None:
        return None
    limits = context.lease_seconds, context.stall_seconds
    with LeaseRenewer(context.database, [lease], *limits) as renewer:

        def should_stop() -> bool:
            progress.step()
            return stop() or renewer.should_stop

        outcome = "completed"
        try:
            _make_preview(context, lease, should_stop)
        except Exception as error:
            outcome = _record_failure(context, lease, renewer, error)
        finally:
            renewer.drop(lease)
    return lease.job, lease.attempt, outcome


def _make_preview(context: WorkerContext, lease: PreviewLease, should_stop: Callable[[], bool]) -> None:
    """Write the file, then the row; a worker that lost its lease leaves neither."""
    spec = ExperimentSpec.model_validate(lease.spec)
    source = source_of(spec, context.data_dir, context.uploads)
    tasks = build(spec.suite, source.info)
    previewed = [tasks[index] for index, _ in lease.tasks]
    transforms = TaskTransforms(source, spec.seed, context.device)
    faults.fault_point("mid-preview")
    tensors, about = samples(transforms, previewed, should_stop)
    key, retry_seconds = lease.artifact, context.lease_seconds
    sha256 = retry_transient(lambda: context.artifacts.save(key, tensors, about), retry_seconds)
    faults.fault_point("before the preview's row")
    try:
        retry_transient(lambda: previews.complete(context.database, lease, sha256), retry_seconds)
    except LeaseLost:
        removals.discard(context.database, context.artifacts, [key])
        raise


def log_failure(job: object, error: Exception) -> None:
    """Log why a job failed, with a traceback unless the images are missing.

    Parameters
    ----------
    job : object
        The job.
    error : Exception
        The reason.
    """
    if isinstance(error, DatasetUnavailable):
        log.error("%s failed: %s", job, error)
    else:
        log.error("%s failed", job, exc_info=error)


def _record_failure(
    context: WorkerContext, lease: PreviewLease, renewer: LeaseRenewer, error: Exception
) -> str:
    """Record why a preview was not made; the outcome."""
    try:
        if isinstance(error, LeaseLost) or renewer.state(lease) is LeaseState.LOST:
            log.warning("%s: %s", lease.job, error)
        elif isinstance(error, Interrupted):
            retry_transient(lambda: previews.release(context.database, lease), context.lease_seconds)
            return "released"
        elif isinstance(error, DBAPIError) and is_transient(error):
            log.error("%s: the database is away; the lease runs out by itself", lease.job, exc_info=error)
        else:
            log_failure(lease.job, error)
            reason = str(error) if isinstance(error, TgshError) else f"{type(error).__name__}: {error}"
            retry_transient(lambda: previews.fail(context.database, lease, reason), context.lease_seconds)
            return "failed"
    except LeaseLost as lost:
        log.warning("%s: %s", lease.job, lost)
    return "lost"
