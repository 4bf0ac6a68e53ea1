"""Progress bar of `Client.wait` (tqdm, in a terminal or a notebook), and the message at Ctrl-C."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn

from tgsh.schemas import Experiment, Progress, Study

if TYPE_CHECKING:
    from tqdm.auto import tqdm

BAR_FORMAT = "{desc}: {percentage:3.0f}%|{bar}| {unit}"


class ProgressBar:
    """Progress bar of one experiment, displayed from the first update on.

    Parameters
    ----------
    enabled : bool | None
        Whether to display it; None displays it in a terminal or a notebook.
    """

    def __init__(self, enabled: bool | None) -> None:
        self._enabled = in_notebook() or sys.stderr.isatty() if enabled is None else enabled
        self._stack = ExitStack()
        self._bar: tqdm[NoReturn] | None = None

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def update(self, experiment: Experiment | Study) -> None:
        """Display the current progress.

        Parameters
        ----------
        experiment : Experiment | Study
            Current state of the experiment or the study.
        """
        if not self._enabled:
            return
        if self._bar is None:
            from tqdm.auto import tqdm

            title = experiment.name or experiment.spec.title
            self._bar = tqdm(total=1.0, desc=title, bar_format=BAR_FORMAT, dynamic_ncols=True)
            self._stack.callback(self._bar.close)
        self._bar.n, self._bar.unit = experiment.progress.fraction, _summary(experiment)
        self._bar.refresh()


def in_notebook() -> bool:
    """Detects an IPython kernel, whose output is displayed although it is no terminal.

    Returns
    -------
    bool
        True if this process is a kernel.
    """
    ipython = sys.modules.get("IPython")
    return ipython is not None and "IPKernelApp" in getattr(ipython.get_ipython(), "config", {})


def _summary(experiment: Experiment | Study) -> str:
    tasks = f"{experiment.progress.tasks_done}/{experiment.progress.tasks_total} tasks"
    return f"{tasks}, {_time_left(experiment.status, experiment.progress)}"


def _time_left(status: str, progress: Progress) -> str:
    if status != "running" or progress.eta_seconds is None:
        return status
    minutes, seconds = divmod(round(progress.eta_seconds), 60)
    return f"{minutes}:{seconds:02} left"


@contextmanager
def note_on_interrupt(experiment: str) -> Iterator[None]:
    """Context manager that adds to a KeyboardInterrupt how to wait again, or to cancel the experiment.

    Parameters
    ----------
    experiment : str
        Id of the experiment, which continues after Ctrl-C.

    Yields
    ------
    None
        Nothing.
    """
    try:
        yield
    except KeyboardInterrupt as interrupt:
        interrupt.add_note(
            f"Experiment {experiment} goes on without you. Wait again: client.wait({experiment!r}); "
            f"end it: client.cancel({experiment!r})"
        )
        raise
