"""Many at once, in small; `python -m tests.system.faults load` does it with hundreds, and measures."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.system.faults.load import press


@pytest.mark.timeout(300)
def test_nobody_gets_an_error_and_no_stream_loses_an_event(tmp_path: Path) -> None:
    pressed = press(tmp_path, experiments=16, clients=8, streams=16)
    assert pressed.kept, pressed.report()
    assert pressed.events >= 16 * (2 + 2 * (2 + 2)) - 16
    assert pressed.times
