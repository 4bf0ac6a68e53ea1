"""Every kind of fault once; `python -m tests.system.faults chaos` brings a hundred, and measures shares."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.system.faults.chaos import bring_chaos


@pytest.mark.timeout(600)
def test_whatever_happens_nothing_is_lost_and_nothing_done_twice(tmp_path: Path) -> None:
    aftermath = bring_chaos(tmp_path, count=15, seed=3, pause=1.0, unfinished={"alice": 2, "bob": 1})
    assert (aftermath.lost, aftermath.double) == (0, 0), aftermath.report()
    digests = {found.digest for found in aftermath.verdicts.values()}
    assert digests == {aftermath.expected}, aftermath.report()
    assert not any(found.left_over for found in aftermath.verdicts.values())
    assert len(aftermath.faults) == 15
