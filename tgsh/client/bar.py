"""How far an experiment is, while somebody waits: tqdm's bar, in a terminal as in a notebook."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn

from tgsh.schemas import Experiment, Progress

if TYPE_CHECKING:
    from tqdm.auto import tqdm

FORMAT = "{desc}: {percentage:3.0f}%|{bar}| {unit}"


class Bar:
    """Shows nothing before its first experiment, and nothing at all where `shown` is false.

    shown: None shows it where somebody looks: in a terminal and in a notebook.
    """

    def __init__(self, shown: bool | None) -> None:
        self._shown = in_notebook() or sys.stderr.isatty() if shown is None else shown
        self._open = ExitStack()
        self._bar: tqdm[NoReturn] | None = None

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def update(self, experiment: Experiment) -> None:
        """Show how far it is."""
        if not self._shown:
            return
        if self._bar is None:
            from tqdm.auto import tqdm

            title = experiment.spec.title
            self._bar = tqdm(total=1.0, desc=title, bar_format=FORMAT, dynamic_ncols=True)
            self._open.callback(self._bar.close)
        self._bar.n, self._bar.unit = experiment.progress.fraction, _left(experiment)
        self._bar.refresh()


def in_notebook() -> bool:
    """Whether a kernel runs this: its output is no terminal, and yet somebody looks."""
    shell = sys.modules.get("IPython")
    return shell is not None and "IPKernelApp" in getattr(shell.get_ipython(), "config", {})


def _left(experiment: Experiment) -> str:
    tasks = f"{experiment.progress.tasks_done}/{experiment.progress.tasks_total} tasks"
    return f"{tasks}, {_time(experiment.status, experiment.progress)}"


def _time(status: str, progress: Progress) -> str:
    if status != "running" or progress.eta_seconds is None:
        return status
    minutes, seconds = divmod(round(progress.eta_seconds), 60)
    return f"{minutes}:{seconds:02} left"
