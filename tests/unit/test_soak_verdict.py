"""The soak's judgement: a leak is found, and what is kept or fills once is none."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable

import pytest

from tests.soak.lab import Soaked
from tests.soak.samples import (
    DATABASE,
    FILES,
    HANDLES,
    MEMORY,
    OF_EXPERIMENTS,
    ROWS,
    STORED,
    THREADS,
    Sample,
    memory_bytes,
)
from tests.soak.verdict import bound_of, judge, table

API = f"{MEMORY}: API"


def series(
    name: str, size: Callable[[int], float], count: int = 60, live: Callable[[int], int] = lambda _: 24
) -> list[Sample]:
    """Samples of one size, a hundred jobs apart."""
    return [Sample(float(n), 100 * n, live(n), {name: size(n)}) for n in range(count)]


@pytest.mark.parametrize(
    ("name", "start", "a_sample"),
    [
        (API, 120.0, 0.5),  # 5 kB a job
        (f"{HANDLES}: worker's children", 44.0, 0.2),
        (f"{THREADS}: API", 9.0, 0.2),
        (FILES, 1_200.0, 10.0),
        (STORED, 4.0, 0.1),
        (DATABASE, 12.0, 0.1),
        (f"{ROWS} of events", 2_400.0, 20.0),
        (f"{ROWS} of removals", 0.0, 0.2),
        (f"{ROWS} of experiments", 24.0, 0.2),
        (f"{ROWS} of counters", 100.0, 2.0),
    ],
)
def test_what_grows_is_found(name: str, start: float, a_sample: float) -> None:
    (found,) = judge(series(name, lambda n: start + a_sample * n))
    assert not found.is_flat
    assert found.a_thousand == pytest.approx(10 * a_sample / (24 if bound_of(name).by_live else 1))
    assert "**grows**" in table([found])
    assert "NOT FLAT" in Soaked(findings=[found]).report()
    (level,) = judge(series(name, lambda n: start))
    assert level.is_flat
    assert "grows" not in table([level])


def test_what_fills_once_is_no_leak() -> None:
    (found,) = judge(series(API, lambda n: 120.0 + min(n, 10) * 5.0))
    assert found.is_flat


def test_what_is_kept_may_take_room() -> None:
    name = f"{ROWS} of tasks"
    assert name.removeprefix(f"{ROWS} of ") in OF_EXPERIMENTS
    (found,) = judge(series(name, lambda n: 50.0 * (10 + n), live=lambda n: 10 + n))
    assert found.is_flat
    (found,) = judge(series(name, lambda n: 50.0 * (10 + n), live=lambda _: 10))
    assert not found.is_flat


def test_a_single_peak_is_no_growth() -> None:
    (found,) = judge(series(API, lambda n: 900.0 if n == 55 else 120.0))
    assert found.is_flat


def test_too_few_samples_are_no_verdict() -> None:
    with pytest.raises(ValueError, match="too few"):
        judge(series(API, lambda _: 1.0, count=5))


def test_what_is_left_behind_or_failed_counts() -> None:
    flat = judge(series(API, lambda _: 1.0))
    assert Soaked(findings=flat).is_flat
    assert not Soaked(findings=flat, left={"rows of events": 1.0}).is_flat
    assert not Soaked(findings=flat, errors=["GET /: 500"]).is_flat


def test_memory_of_a_process_is_what_it_holds() -> None:
    before = memory_bytes(os.getpid())
    with mmap.mmap(-1, 50_000_000) as held:  # not of memory that this process has had before
        held.write(b"x" * len(held))
        assert memory_bytes(os.getpid()) - before > 0.9 * len(held)
