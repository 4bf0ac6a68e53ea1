"""What a client does with experiments: submit, watch, stop, share, delete."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tgsh import schemas
from tgsh.client import calls
from tgsh.client.bar import Bar
from tgsh.client.calls import Event, Spec
from tgsh.client.conversation import Conversation
from tgsh.client.operations import operation, series
from tgsh.client.steps import Call, Flow, Hand, Pause, Series
from tgsh.client.values import Experiment

LONGEST_PAUSE = 1.0  # seconds between two looks at an experiment


class Experiments(Conversation):
    """Experiments from their submission to their end."""

    @operation
    def submit(
        self,
        spec: Spec,
        idempotency_key: str | None = None,
        *,
        shared: bool | None = None,
        anew: bool = False,
    ) -> Flow[Experiment]:
        """Submit a spec, a mapping (`{"preset": …}` and overrides), or a preset by its name.

        What was computed before is the answer at once (`stored_answer`), unless it is to be trained anew.

        idempotency_key: the service makes one experiment per key; by default a new one each call, so that
        a retry after a lost connection does not make a second experiment.
        shared: whether everybody with a key sees it.
        """
        return self._ask(calls.submission(spec, idempotency_key, shared=shared, anew=anew))

    @series
    def experiments(
        self,
        *,
        status: schemas.ExperimentStatus | None = None,
        suite: str | None = None,
        dataset: str | None = None,
        tag: str | None = None,
        q: str | None = None,
        page_size: int | None = None,
    ) -> Series[Experiment]:
        """All experiments that fit, newest first; pages are fetched as they are needed."""
        filters = {"status": status, "suite": suite, "dataset": dataset, "tag": tag, "q": q}
        cursor: str | None = None
        while True:
            found = yield from self._ask(calls.page(cursor, limit=page_size, **filters))
            for experiment in found.items:
                yield Hand(experiment)
            if (cursor := found.next) is None:
                return

    @operation
    def get(self, experiment: str) -> Flow[Experiment]:
        """The experiment as it is now."""
        return self._ask(calls.document(experiment, Experiment))

    @operation
    def cancel(self, experiment: str) -> Flow[Experiment]:
        """Stop an experiment; what was learned is kept."""
        return self._ask(calls.action(experiment, "cancel"))

    @operation
    def resume(self, experiment: str) -> Flow[Experiment]:
        """Train what is missing of a failed or cancelled experiment."""
        return self._ask(calls.action(experiment, "resume"))

    @operation
    def share(self, experiment: str, shared: bool = True) -> Flow[Experiment]:
        """Let everybody with a key see it, or its owner alone again."""
        return self._ask(calls.sharing(experiment, shared))

    @operation
    def delete(self, experiment: str) -> Flow[None]:
        """Delete an experiment and all its results."""
        return self._ask(Call("DELETE", calls.path(experiment), lambda _: None, repeatable=False))

    @operation
    def bundle(self, experiment: str, path: str | Path) -> Flow[Path]:
        """Write a completed experiment, with all its results, to a zip at `path`: whole, or not at all.

        It is streamed, as it may be large.
        """
        target = Path(path)
        with tempfile.TemporaryDirectory(dir=target.absolute().parent, prefix=".bundle-") as folder:
            whole = Path(folder) / "whole.zip"
            yield from self._ask(Call("GET", calls.path(experiment, "bundle"), lambda _: None, into=whole))
            whole.replace(target)
        return target

    @operation
    def tasks(self, experiment: str) -> Flow[list[schemas.Task]]:
        """Its tasks: losses, attempts, worker, reason of a failure."""
        found = yield from self._ask(calls.document(experiment, schemas.TaskList, "tasks"))
        return found.items

    @operation
    def task(self, experiment: str, index: int) -> Flow[schemas.Task]:
        """One of its tasks."""
        return self._ask(calls.document(experiment, schemas.Task, "tasks", index))

    @operation
    def wait(
        self, experiment: str, timeout: float | None = None, *, progress: bool | None = None
    ) -> Flow[Experiment]:
        """The experiment once it has ended, in whatever way; `status` and `reason` tell which.

        progress: show a bar; None: in a terminal or a notebook. A service that is restarted meanwhile is
        waited for. Ctrl-C ends the wait, not the experiment.
        Raises: TimeoutError after `timeout` seconds; the experiment goes on.
        """
        ends = None if timeout is None else time.monotonic() + timeout
        pause = 0.1
        with Bar(progress) as bar, goes_on(experiment):
            while True:
                state = yield from self._ask(calls.document(experiment, Experiment))
                bar.update(state)
                if state.status in schemas.TERMINAL:
                    return state
                if ends is not None and time.monotonic() >= ends:
                    raise TimeoutError(f"experiment {experiment} is still {state.status} after {timeout} s")
                yield Pause(pause if ends is None else max(0.0, min(pause, ends - time.monotonic())))
                pause = min(LONGEST_PAUSE, pause * 1.5)

    @series
    def events(self, experiment: str, last_event_id: str | None = None) -> Series[Event]:
        """What happens to an experiment, to its end. A dropped connection goes on where it broke off.

        last_event_id: go on after this event instead of at the first one.
        """
        return self._follow(experiment, last_event_id)


@contextmanager
def goes_on(experiment: str) -> Iterator[None]:
    """Says at Ctrl-C what the person who typed it wants to know."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        interrupt.add_note(
            f"Experiment {experiment} goes on without you. Wait again: client.wait({experiment!r}); "
            f"end it: client.cancel({experiment!r})"
        )
        raise
