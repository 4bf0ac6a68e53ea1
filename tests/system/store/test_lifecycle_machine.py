"""Whatever users, workers, the sweeper and the clock do in whatever order: rows and events stay sound.

`TGSH_LIFECYCLE_EXAMPLES=2000 pytest -m attacks tests/system/store/test_lifecycle_machine.py` looks longer.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.support.lifecycle_machine import Lifecycle
from tests.support.study_lifecycle import StudyLifecycle
from tgsh.store.database import Database

EXAMPLES = int(os.environ.get("TGSH_LIFECYCLE_EXAMPLES", "40"))
"""Forty take six seconds of a processor with SQLite, of a minute that a busy machine waits for its disk."""

STEPS = 40


STUDY_EXAMPLES = EXAMPLES * 2 // 5
"""A step with studies takes longer: more experiments, and each study is compared with the model."""


def walk(machine: Callable[[], Lifecycle], examples: int) -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize="TGSH_LIFECYCLE_EXAMPLES" not in os.environ,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.attacks
@pytest.mark.timeout(60 + 10 * EXAMPLES)
def test_any_order_of_steps_leaves_the_store_sound(database: Database) -> None:
    walk(lambda: Lifecycle(database), EXAMPLES)


@pytest.mark.attacks
@pytest.mark.timeout(60 + 25 * STUDY_EXAMPLES)
def test_studies_lose_and_double_nothing(database: Database) -> None:
    walk(lambda: StudyLifecycle(database), STUDY_EXAMPLES)
