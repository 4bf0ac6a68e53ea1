"""Confusion counts of tasks: stored as they complete, read only where asked for, forgotten with the task."""

from __future__ import annotations

import numpy as np
import pytest
from sqlalchemy.orm.exc import DetachedInstanceError

from tests.support.jobs import leased, submitted
from tgsh.store import jobs, queries
from tgsh.store.confusions import RecognisedCounts, load_confusion, load_confusions
from tgsh.store.database import Database
from tgsh.store.maintenance import requeue_tasks

COUNTS = np.array([[7, 0, 2], [0, 0, 0], [70_000, 1, 3]])


def test_counts_are_kept_and_forgotten_with_what_was_learned(database: Database) -> None:
    experiment_id = submitted(database, tasks=2)
    for index, tested in enumerate((None, RecognisedCounts(COUNTS, 0.25, 0.75))):
        lease = leased(database, experiment_id, index)
        jobs.complete_task(database, lease, 0.5, "cpu", {}, 0.1, tested)
    old, new = queries.tasks(database, experiment_id)
    assert (old.balanced, old.chance, new.balanced, new.chance) == (None, None, 0.25, 0.75)
    with pytest.raises(DetachedInstanceError):  # lists of tasks do not carry them along
        _ = new.confusion
    assert load_confusion(database, experiment_id, 0) is None
    assert load_confusion(database, experiment_id, 2) is None
    [(index, counts)] = load_confusions(database, experiment_id)
    assert index == 1
    np.testing.assert_array_equal(counts, COUNTS)
    np.testing.assert_array_equal(load_confusion(database, experiment_id, 1), COUNTS)  # type: ignore[arg-type]

    requeue_tasks(database, leased(database, experiment_id, None), [1])
    assert load_confusion(database, experiment_id, 1) is None
    assert queries.task(database, experiment_id, 1).balanced is None
