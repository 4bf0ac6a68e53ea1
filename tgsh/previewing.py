"""Draws previews: the images that an experiment's finish would keep as samples, before there is one.

Needs neither a network nor its base. Called by runner.py before it looks for other work.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch
from sqlalchemy.exc import DBAPIError

from tgsh import faults
from tgsh.bench import Bench
from tgsh.errors import Interrupted, LeaseLost, TgshError
from tgsh.jobs import Preview
from tgsh.spec import ExperimentSpec
from tgsh.store import previews
from tgsh.store.claims import Lease
from tgsh.store.patience import is_passing, patiently
from tgsh.store.previews import Drawing
from tgsh.store.renewal import LeaseKeeper
from tgsh.suites import build
from tgsh.suites.sources import source_of
from tgsh.training.measures import samples
from tgsh.training.views import Views

log = logging.getLogger(__name__)


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
    faults.point("mid-preview")
    tensors, about = samples(Views(source, spec.seed, torch.device(bench.device)), shown, should_stop)
    key, patience = claimed.artifact, bench.lease_seconds
    sha256 = patiently(lambda: bench.artifacts.save(key, tensors, about), patience)
    faults.point("before the preview's row")
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
