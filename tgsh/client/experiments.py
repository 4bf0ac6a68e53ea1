"""What a client does with experiments: submit, watch, stop, share, delete."""

from __future__ import annotations

import time

from tgsh import schemas
from tgsh.client import calls
from tgsh.client.calls import Event, Spec
from tgsh.client.conversation import Conversation
from tgsh.client.operations import operation, series
from tgsh.client.steps import Call, Flow, Hand, Pause, Series


class Experiments(Conversation):
    """Experiments from their submission to their end."""

    @operation
    def submit(
        self, spec: Spec, idempotency_key: str | None = None, *, shared: bool | None = None
    ) -> Flow[schemas.Experiment]:
        """Submit a spec, a mapping (`{"preset": …}` and overrides), or a preset by its name.

        idempotency_key: the service makes one experiment per key; by default a new one each call, so that
        a retry after a lost connection does not make a second experiment.
        shared: whether everybody with a key sees it.
        """
        return self._ask(calls.submission(spec, idempotency_key, shared=shared))

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
    ) -> Series[schemas.Experiment]:
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
    def get(self, experiment: str) -> Flow[schemas.Experiment]:
        """The experiment as it is now."""
        return self._ask(calls.document(experiment, schemas.Experiment))

    @operation
    def cancel(self, experiment: str) -> Flow[schemas.Experiment]:
        """Stop an experiment; what was learned is kept."""
        return self._ask(calls.action(experiment, "cancel"))

    @operation
    def resume(self, experiment: str) -> Flow[schemas.Experiment]:
        """Train what is missing of a failed or cancelled experiment."""
        return self._ask(calls.action(experiment, "resume"))

    @operation
    def share(self, experiment: str, shared: bool = True) -> Flow[schemas.Experiment]:
        """Let everybody with a key see it, or its owner alone again."""
        return self._ask(calls.sharing(experiment, shared))

    @operation
    def delete(self, experiment: str) -> Flow[None]:
        """Delete an experiment and all its results."""
        return self._ask(Call("DELETE", calls.path(experiment), lambda _: None, repeatable=False))

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
    def wait(self, experiment: str, timeout: float | None = None) -> Flow[schemas.Experiment]:
        """The experiment once it has ended. Raises: TimeoutError after `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        pause = 0.1
        while True:
            state = yield from self._ask(calls.document(experiment, schemas.Experiment))
            if state.status in schemas.TERMINAL:
                return state
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError(f"experiment {experiment} is still {state.status} after {timeout} s")
            yield Pause(pause)
            pause = min(2.0, pause * 1.5)

    @series
    def events(self, experiment: str, last_event_id: str | None = None) -> Series[Event]:
        """What happens to an experiment, to its end. A dropped connection goes on where it broke off.

        last_event_id: go on after this event instead of at the first one.
        """
        return self._follow(experiment, last_event_id)
