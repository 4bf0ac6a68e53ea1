"""The jobs that are not training: finish, preview."""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch
from sqlalchemy.exc import DBAPIError

from tgsh.errors import ArtifactCorrupt, Interrupted, LeaseLost, TgshError
from tgsh.execution import context
from tgsh.execution.context import Bench
from tgsh.specs import ExperimentSpec
from tgsh.store import jobs, previews, queries
from tgsh.store.database import is_passing, patiently
from tgsh.store.jobs import Claim, Lease
from tgsh.store.leases import LeaseKeeper
from tgsh.store.maintenance import remove_leftovers, train_again
from tgsh.store.models import Preview
from tgsh.store.previews import Drawing
from tgsh.store.results import NAME as PROVENANCE
from tgsh.store.results import collected, consolidate, damaged_tasks
from tgsh.suites import build
from tgsh.suites.sources import source_of
from tgsh.training.inputs import Views
from tgsh.training.measurements import measured, samples
from tgsh.training.state import TaskState, from_tensors
from tgsh.training.trainer import Trainer

log = logging.getLogger(__name__)

MOST_REPAIRS = 3
"""How often damaged checkpoints are trained again before the disk is given up."""


def finish(
    bench: Bench,
    claim: Claim,
    trainer_of: Callable[[ExperimentSpec], Trainer],
    should_stop: Callable[[], bool],
) -> None:
    """Put together what reads need, and drop files that no row names.

    Damaged checkpoints are trained again instead; the finish is due once more when that is done. Raises
    ArtifactCorrupt where that does not help, Interrupted, and LeaseLost, which leaves no file.
    """
    experiment_id = claim.job.experiment_id
    if damaged := damaged_tasks(bench.database, bench.artifacts, experiment_id):
        if claim.attempt > MOST_REPAIRS:
            raise ArtifactCorrupt(f"checkpoints of tasks {damaged} are damaged again and again")
        log.warning("%s: checkpoints of tasks %s are damaged; training them again", experiment_id, damaged)
        train_again(bench.database, claim, damaged)
        return
    context.point("before the results")
    results: dict[str, tuple[str, str]] = {}
    try:
        _put_together(bench, claim, trainer_of(claim.spec), should_stop, results)
        patiently(lambda: jobs.complete_finish(bench.database, claim, results), bench.lease_seconds)
    except LeaseLost:
        bench.artifacts.remove(key for key, _ in results.values())
        raise
    remove_leftovers(bench.database, bench.artifacts, experiment_id)


def _put_together(
    bench: Bench,
    claim: Claim,
    trainer: Trainer,
    should_stop: Callable[[], bool],
    results: dict[str, tuple[str, str]],
) -> None:
    """Write the results of an experiment, and note each under its name in `results`."""
    experiment_id, own = claim.job.experiment_id, claim.token[:8]
    key = f"{experiment_id}/vectors-{own}.npy"
    results["vectors"] = (key, consolidate(bench.database, bench.artifacts, experiment_id, key))
    vectors = bench.artifacts.load_array(*results["vectors"])
    tasks = build(claim.spec.suite, trainer.info)

    def learned(index: int) -> TaskState:
        record = queries.task(bench.database, experiment_id, index)
        found = bench.artifacts.load(str(record.checkpoint), str(record.checkpoint_sha256))
        return from_tensors(*found, claim.spec, index, bench.shelf.info)

    found = measured(trainer, tasks, vectors, learned, should_stop)
    found[PROVENANCE] = {}, collected(bench.database, bench.artifacts, experiment_id)
    for name, (tensors, metadata) in found.items():
        key = f"{experiment_id}/{name}-{own}.safetensors"
        results[name] = (key, bench.artifacts.save(key, tensors, metadata))
    context.point("before finishing")


def draw_next(bench: Bench, stop: Callable[[], bool]) -> Preview | None:
    """Claim the preview that has waited longest, draw it, record how that ended; None where none waits.

    `stop` is asked between tasks; when it turns true the claim goes back.
    """
    claimed = previews.claim_next(bench.database, bench.worker, bench.lease_seconds)
    if claimed is None:
        return None
    with LeaseKeeper(bench.database, [claimed], bench.lease_seconds) as keeper:
        try:
            _draw(bench, claimed, lambda: stop() or keeper.should_stop)
        except Exception as error:
            _ended_badly(bench, claimed, keeper, error)
        finally:
            keeper.drop(claimed)
    return claimed.job


def _draw(bench: Bench, claimed: Drawing, should_stop: Callable[[], bool]) -> None:
    """File, then row; a worker that lost its lease leaves neither."""
    spec = ExperimentSpec.model_validate(claimed.spec)
    source = source_of(spec, bench.data_dir, bench.shelf)
    tasks = build(spec.suite, source.info)
    shown = [tasks[index] for index, _ in claimed.tasks]
    context.point("mid-preview")
    tensors, about = samples(Views(source, spec.seed, torch.device(bench.device)), shown, should_stop)
    key, patience = claimed.artifact, bench.lease_seconds
    sha256 = patiently(lambda: bench.artifacts.save(key, tensors, about), patience)
    context.point("before the preview's row")
    try:
        patiently(lambda: previews.complete(bench.database, claimed, sha256), patience)
    except LeaseLost:
        bench.artifacts.remove([key])
        raise


def _ended_badly(bench: Bench, claimed: Drawing, keeper: LeaseKeeper, error: Exception) -> None:
    try:
        if isinstance(error, LeaseLost) or keeper.state(claimed) is Lease.LOST:
            log.warning("%s: %s", claimed.job, error)
        elif isinstance(error, Interrupted):
            patiently(lambda: previews.release(bench.database, claimed), bench.lease_seconds)
        elif isinstance(error, DBAPIError) and is_passing(error):
            log.error("%s: the database is away; the lease runs out by itself", claimed.job, exc_info=error)
        else:
            log.error("%s failed", claimed.job, exc_info=error)
            reason = str(error) if isinstance(error, TgshError) else f"{type(error).__name__}: {error}"
            patiently(lambda: previews.fail(bench.database, claimed, reason), bench.lease_seconds)
    except LeaseLost as lost:
        log.warning("%s: %s", claimed.job, lost)
