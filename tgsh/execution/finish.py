"""The jobs that are not training: finish, preview."""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch
from sqlalchemy.exc import DBAPIError

from tgsh.errors import ArtifactCorrupt, Interrupted, LeaseLost, TgshError
from tgsh.execution import faults
from tgsh.execution.context import WorkerContext
from tgsh.specs import ExperimentSpec
from tgsh.store import jobs, previews, queries
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
from tgsh.training.inputs import Views
from tgsh.training.measurements import measured, samples
from tgsh.training.state import TaskState, from_tensors
from tgsh.training.trainer import Trainer

log = logging.getLogger(__name__)

MOST_REPAIRS = 3
"""How often damaged checkpoints are trained again before the disk is given up."""


def run_finish(
    context: WorkerContext,
    claim: JobLease,
    trainer_of: Callable[[ExperimentSpec], Trainer],
    should_stop: Callable[[], bool],
) -> None:
    """Put together what reads need, and drop files that no row names.

    Damaged checkpoints are trained again instead; the finish is due once more when that is done. Raises
    ArtifactCorrupt where that does not help, Interrupted, and LeaseLost, which leaves no file.
    """
    experiment_id = claim.job.experiment_id
    if damaged := damaged_tasks(context.database, context.artifacts, experiment_id):
        if claim.attempt > MOST_REPAIRS:
            raise ArtifactCorrupt(f"checkpoints of tasks {damaged} are damaged again and again")
        log.warning("%s: checkpoints of tasks %s are damaged; training them again", experiment_id, damaged)
        requeue_tasks(context.database, claim, damaged)
        return
    faults.fault_point("before the results")
    results: dict[str, tuple[str, str]] = {}
    try:
        _put_together(context, claim, trainer_of(claim.spec), should_stop, results)
        retry_transient(lambda: jobs.complete_finish(context.database, claim, results), context.lease_seconds)
    except LeaseLost:
        context.artifacts.remove(key for key, _ in results.values())
        raise
    remove_leftovers(context.database, context.artifacts, experiment_id)


def _put_together(
    context: WorkerContext,
    claim: JobLease,
    trainer: Trainer,
    should_stop: Callable[[], bool],
    results: dict[str, tuple[str, str]],
) -> None:
    """Write the results of an experiment, and note each under its name in `results`."""
    experiment_id, own = claim.job.experiment_id, claim.token[:8]
    key = f"{experiment_id}/vectors-{own}.npy"
    results["vectors"] = (key, consolidate(context.database, context.artifacts, experiment_id, key))
    vectors = context.artifacts.load_array(*results["vectors"])
    tasks = build(claim.spec.suite, trainer.info)

    def learned(index: int) -> TaskState:
        record = queries.task(context.database, experiment_id, index)
        found = context.artifacts.load(str(record.checkpoint), str(record.checkpoint_sha256))
        return from_tensors(*found, claim.spec, index, context.uploads.info)

    found = measured(trainer, tasks, vectors, learned, should_stop)
    found[PROVENANCE] = {}, collect_provenance(context.database, context.artifacts, experiment_id)
    for name, (tensors, metadata) in found.items():
        key = f"{experiment_id}/{name}-{own}.safetensors"
        results[name] = (key, context.artifacts.save(key, tensors, metadata))
    faults.fault_point("before finishing")


def run_preview(context: WorkerContext, stop: Callable[[], bool]) -> PreviewJob | None:
    """Claim the preview that has waited longest, draw it, record how that ended; None where none waits.

    `stop` is asked between tasks; when it turns true the claim goes back.
    """
    claimed = previews.lease_next(context.database, context.worker, context.lease_seconds)
    if claimed is None:
        return None
    with LeaseRenewer(context.database, [claimed], context.lease_seconds) as keeper:
        try:
            _draw(context, claimed, lambda: stop() or keeper.should_stop)
        except Exception as error:
            _ended_badly(context, claimed, keeper, error)
        finally:
            keeper.drop(claimed)
    return claimed.job


def _draw(context: WorkerContext, claimed: PreviewLease, should_stop: Callable[[], bool]) -> None:
    """File, then row; a worker that lost its lease leaves neither."""
    spec = ExperimentSpec.model_validate(claimed.spec)
    source = source_of(spec, context.data_dir, context.uploads)
    tasks = build(spec.suite, source.info)
    shown = [tasks[index] for index, _ in claimed.tasks]
    faults.fault_point("mid-preview")
    tensors, about = samples(Views(source, spec.seed, torch.device(context.device)), shown, should_stop)
    key, patience = claimed.artifact, context.lease_seconds
    sha256 = retry_transient(lambda: context.artifacts.save(key, tensors, about), patience)
    faults.fault_point("before the preview's row")
    try:
        retry_transient(lambda: previews.complete(context.database, claimed, sha256), patience)
    except LeaseLost:
        context.artifacts.remove([key])
        raise


def _ended_badly(
    context: WorkerContext, claimed: PreviewLease, keeper: LeaseRenewer, error: Exception
) -> None:
    try:
        if isinstance(error, LeaseLost) or keeper.state(claimed) is LeaseState.LOST:
            log.warning("%s: %s", claimed.job, error)
        elif isinstance(error, Interrupted):
            retry_transient(lambda: previews.release(context.database, claimed), context.lease_seconds)
        elif isinstance(error, DBAPIError) and is_transient(error):
            log.error("%s: the database is away; the lease runs out by itself", claimed.job, exc_info=error)
        else:
            log.error("%s failed", claimed.job, exc_info=error)
            reason = str(error) if isinstance(error, TgshError) else f"{type(error).__name__}: {error}"
            retry_transient(lambda: previews.fail(context.database, claimed, reason), context.lease_seconds)
    except LeaseLost as lost:
        log.warning("%s: %s", claimed.job, lost)
