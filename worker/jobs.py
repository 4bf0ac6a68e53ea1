"""What a child does when a hint wakes it: one job after the other, until none is left."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from worker import stopping
from worker.settings import WorkerSettings

if TYPE_CHECKING:
    from tgsh.bench import Bench

log = logging.getLogger(__name__)

_place: tuple[WorkerSettings, str, str] | None = None
_bench: Bench | None = None


def open_bench(settings: WorkerSettings, device: str, name: str) -> None:
    """Note where this child works, connect it to its store and device, warm up; once, after the fork."""
    global _place
    _place = settings, device, name
    try:
        bench = _open()
        from tgsh import runner

        runner.warm_up(bench)
    except Exception:
        log.exception("this child cannot work yet; it tries again at the next hint")


def _open() -> Bench:
    from tgsh import runner  # noqa: F401 - brings torch, which the parent must never import, before the first job
    from tgsh.bench import Bench

    global _bench
    if _bench is None:
        assert _place is not None, "no child of the pool"
        _bench = Bench.from_settings(*_place)
    return _bench


def work(*args: object, **kwargs: object) -> None:
    """The one Celery task: whatever the database says is due. A repeated, late or forged hint is a look."""
    from tgsh import runner

    if args or kwargs:
        log.error("refused a message that is no hint: it has arguments")
        return
    bench = _open()
    while not stopping.is_requested():
        if runner.run_next(bench, stopping.is_requested) is None:
            return
