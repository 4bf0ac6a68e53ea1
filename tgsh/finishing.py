"""Ends an experiment: its vectors in one file, and what is measured on images; called by runner.py."""

from __future__ import annotations

import logging
from collections.abc import Callable

from tgsh import faults
from tgsh.bench import Bench
from tgsh.errors import ArtifactCorrupt, LeaseLost
from tgsh.spec import ExperimentSpec
from tgsh.store import claims as lifecycle
from tgsh.store import reads
from tgsh.store.provenance import NAME as PROVENANCE
from tgsh.store.provenance import collected
from tgsh.store.claims import Claim
from tgsh.store.patience import patiently
from tgsh.store.repair import train_again
from tgsh.store.results import damaged_tasks
from tgsh.store.tidying import remove_leftovers
from tgsh.store.vectors import consolidate
from tgsh.suites import build
from tgsh.training.checkpoints import from_tensors
from tgsh.training.probe import measured
from tgsh.training.state import TaskState
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
    faults.point("before the results")
    results: dict[str, tuple[str, str]] = {}
    try:
        _put_together(bench, claim, trainer_of(claim.spec), should_stop, results)
        patiently(lambda: lifecycle.complete_finish(bench.database, claim, results), bench.lease_seconds)
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
        record = reads.task(bench.database, experiment_id, index)
        found = bench.artifacts.load(str(record.checkpoint), str(record.checkpoint_sha256))
        return from_tensors(*found, claim.spec, index, bench.shelf.info)

    found = measured(trainer, tasks, vectors, learned, should_stop)
    found[PROVENANCE] = {}, collected(bench.database, bench.artifacts, experiment_id)
    for name, (tensors, metadata) in found.items():
        key = f"{experiment_id}/{name}-{own}.safetensors"
        results[name] = (key, bench.artifacts.save(key, tensors, metadata))
    faults.point("before finishing")
