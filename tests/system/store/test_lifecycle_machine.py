"""Whatever users, workers, the sweeper and the clock do in whatever order: rows and events stay sound.

`TGSH_LIFECYCLE_EXAMPLES=2000 pytest -m attacks tests/system/store/test_lifecycle_machine.py` looks longer.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.support.lifecycle_machine import Lifecycle
from tgsh.store.database import Database

EXAMPLES = int(os.environ.get("TGSH_LIFECYCLE_EXAMPLES", "40"))
STEPS = 40


@pytest.mark.attacks
@pytest.mark.timeout(60 + 10 * EXAMPLES)
def test_any_order_of_steps_leaves_the_store_sound(database: Database) -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        lambda: Lifecycle(database),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize="TGSH_LIFECYCLE_EXAMPLES" not in os.environ,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
