"""Methods of `AsyncClient` about experiments: submission, progress, control and tasks."""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import datetime
from pathlib import Path

import anyio

from tgsh import schemas
from tgsh.client._async.references import AsyncReferences, ExperimentReference, StudyReference
from tgsh.client._requests import (
    Event,
    Spec,
    changed_submission,
    experiment_path,
    get_bundle,
    get_document,
    get_experiment_page,
    is_id,
    parse_event,
    post_action,
    post_experiment,
    spec_filters,
    without_none,
)
from tgsh.client.progress import ProgressBar, note_on_interrupt
from tgsh.client.results import Experiment

MAX_POLL_SECONDS = 1.0  # between two requests of `wait`


class AsyncExperimentMethods(AsyncReferences):
    """Submission, progress, control and tasks of experiments."""

    async def submit(
        self,
        spec: Spec | schemas.Experiment,
        idempotency_key: str | None = None,
        *,
        shared: bool | None = None,
        anew: bool = False,
        priority: int | None = None,
        notes: str | None = None,
        project: str | None = None,
        webhook: str | None = None,
        **changes: object,
    ) -> Experiment:
        """Submit an experiment.

        If an experiment with the same digest has completed, it is returned instead (`stored_answer`).

        Parameters
        ----------
        spec : Spec | schemas.Experiment
            Spec, mapping (``{"preset": …}`` and what differs from it), name of a preset, or an experiment or
            its whole id, whose spec it is then.
        idempotency_key : str | None, default=None
            The service creates one experiment per key; None uses a random key, so that a retry after a lost
            connection creates no second experiment.
        shared : bool | None, default=None
            Whether everybody with a key may see it; None uses the default of the service.
        anew : bool, default=False
            Whether to train even if the results are already stored.
        priority : int | None, default=None
            Rank among the experiments of the same owner, from -10 to 10; None uses the default, 0.
        notes : str | None, default=None
            Markdown; what is to be remembered of it.
        project : str | None, default=None
            What it belongs to.
        webhook : str | None, default=None
            URL that is told when it ends, of a host that the administrator allows.
        **changes : object
            Fields of the spec that differ from it, by their paths: ``seed=3``, ``**{"training.epochs": 5}``.
            Where they change it, its name and tags are not taken over: give others.

        Returns
        -------
        Experiment
            The queued experiment, or the stored one.

        Examples
        --------
        >>> experiment = await client.submit("demo", seed=3, **{"training.epochs": 3})
        """
        if isinstance(spec, schemas.Experiment):
            spec = spec.spec
        elif isinstance(spec, str) and is_id(spec):
            spec = (await self.get(spec)).spec
        remarks = {"shared": shared, "priority": priority, "notes": notes, "project": project}
        remarks["webhook"] = webhook
        body = changed_submission(spec, changes) | without_none(**remarks)
        return await self._send(post_experiment(body, idempotency_key, anew=anew))

    async def experiments(
        self,
        *,
        status: schemas.ExperimentStatus | None = None,
        suite: str | None = None,
        dataset: str | None = None,
        network: str | None = None,
        tag: str | None = None,
        study: StudyReference | None = None,
        project: str | None = None,
        owner: str | None = None,
        created_after: datetime | str | None = None,
        created_before: datetime | str | None = None,
        q: str | None = None,
        page_size: int | None = None,
        **spec: object,
    ) -> AsyncIterator[Experiment]:
        """All experiments that match every filter, newest first.

        Parameters
        ----------
        status : schemas.ExperimentStatus | None, default=None
            Status, such as ``"completed"``.
        suite : str | None, default=None
            Kind of the suite, such as ``"rotation"``.
        dataset : str | None, default=None
            Name or id of the dataset.
        network : str | None, default=None
            Kind of the network, such as ``"flynet"``.
        tag : str | None, default=None
            One of its tags.
        study : StudyReference | None, default=None
            Study that it belongs to, its id, or the beginning of it.
        project : str | None, default=None
            What it belongs to.
        owner : str | None, default=None
            Name of the key that submitted it.
        created_after : datetime | str | None, default=None
            Moment or date, such as ``"2026-11-28"``; in UTC where it names no zone.
        created_before : datetime | str | None, default=None
            Likewise.
        q : str | None, default=None
            Part of its name, a tag, its notes or its project, or the beginning of its id.
        page_size : int | None, default=None
            Experiments per request; None uses the default of the service.
        **spec : object
            Fields of the spec by their paths, such as ``**{"training.epochs": 5}``.

        Yields
        ------
        Experiment
            The next experiment; pages are fetched as they are needed.
        """
        filters: dict[str, object] = {
            "status": status,
            "suite": suite,
            "dataset": dataset,
            "network": network,
            "tag": tag,
            "study": None if study is None else await self.study_id(study),
            "project": project,
            "owner": owner,
            "created_after": created_after,
            "created_before": created_before,
            "q": q,
            **spec_filters(spec),
        }
        cursor: str | None = None
        while True:
            page = await self._send(get_experiment_page(cursor, limit=page_size, **filters))
            for experiment in page.items:
                yield experiment
            if (cursor := page.next) is None:
                return

    async def get(self, experiment: ExperimentReference) -> Experiment:
        """Current state of an experiment.

        Parameters
        ----------
        experiment : ExperimentReference
            The experiment, its id, or the beginning of it.

        Returns
        -------
        Experiment
            Spec, status and progress.
        """
        experiment = await self.experiment_id(experiment)
        return await self._send(get_document(Experiment, experiment))

    async def cancel(self, experiment: ExperimentReference) -> Experiment:
        """Cancel an experiment; the epochs trained so far are kept.

        Parameters
        ----------
        experiment : ExperimentReference
            The experiment, its id, or the beginning of it.

        Returns
        -------
        Experiment
            Its state after the request.
        """
        experiment = await self.experiment_id(experiment)
        return await self._send(post_action(experiment, "cancel"))

    async def resume(self, experiment: ExperimentReference) -> Experiment:
        """Train the missing epochs of a failed or cancelled experiment.

        Parameters
        ----------
        experiment : ExperimentReference
            The experiment, its id, or the beginning of it.

        Returns
        -------
        Experiment
            Its state after the request.
        """
        experiment = await self.experiment_id(experiment)
        return await self._send(post_action(experiment, "resume"))

    async def bundle(self, experiment: ExperimentReference, path: str | Path) -> Path:
        """Download a completed experiment with all its results as a zip.

        It is streamed, and the file appears at `path` once it is complete.

        Parameters
        ----------
        experiment : ExperimentReference
            The experiment, its id, or the beginning of it.
        path : str | Path
            File to write.

        Returns
        -------
        Path
            The written file.
        """
        experiment = await self.experiment_id(experiment)
        target = Path(path)
        with tempfile.TemporaryDirectory(dir=target.absolute().parent, prefix=".bundle-") as folder:
            download = Path(folder) / "whole.zip"
            await self._send(get_bundle(experiment, download))
            download.replace(target)
        return target

    async def webhooks(self, experiment: ExperimentReference) -> list[schemas.Webhook]:
        """Webhooks of an experiment, and how they fare.

        Parameters
        ----------
        experiment : ExperimentReference
            The experiment, its id, or the beginning of it.

        Returns
        -------
        list[schemas.Webhook]
            URL, status, attempts, and the reason of the last failure.
        """
        experiment = await self.experiment_id(experiment)
        return (await self._send(get_document(schemas.WebhookList, experiment, "webhooks"))).items

    async def tasks(self, experiment: ExperimentReference) -> list[schemas.Task]:
        """Tasks of an experiment.

        Parameters
        ----------
        experiment : ExperimentReference
            The experiment, its id, or the beginning of it.

        Returns
        -------
        list[schemas.Task]
            Losses, attempts, worker and reason of a failure of every task.
        """
        experiment = await self.experiment_id(experiment)
        page = await self._send(get_document(schemas.TaskList, experiment, "tasks"))
        return page.items

    async def task(self, experiment: ExperimentReference, index: int) -> schemas.Task:
        """One task of an experiment.

        Parameters
        ----------
        experiment : ExperimentReference
            The experiment, its id, or the beginning of it.
        index : int
            Index of the task, from 0.

        Returns
        -------
        schemas.Task
            Losses, attempts, worker and reason of a failure.
        """
        experiment = await self.experiment_id(experiment)
        return await self._send(get_document(schemas.Task, experiment, "tasks", index))

    async def wait(
        self, experiment: ExperimentReference, timeout: float | None = None, *, progress: bool | None = None
    ) -> Experiment:
        """Wait until an experiment has completed, failed or been cancelled.

        A service that restarts meanwhile is waited for. Ctrl-C ends the wait, not the experiment.

        Parameters
        ----------
        experiment : ExperimentReference
            The experiment, its id, or the beginning of it.
        timeout : float | None, default=None
            Seconds to wait at most; None waits without limit.
        progress : bool | None, default=None
            Whether to display a progress bar; None displays it in a terminal or a notebook.

        Returns
        -------
        Experiment
            The ended experiment, with its `status` and, of a failure, the `reason`.

        Raises
        ------
        TimeoutError
            If it has not ended after `timeout` seconds; the experiment continues.
        """
        experiment = await self.experiment_id(experiment)
        deadline = None if timeout is None else time.monotonic() + timeout
        pause = 0.1
        with ProgressBar(progress) as bar, note_on_interrupt(experiment):
            while True:
                state = await self.get(experiment)
                bar.update(state)
                if state.status in schemas.TERMINAL:
                    return state
                if deadline is not None and time.monotonic() >= deadline:
                    raise TimeoutError(f"experiment {experiment} is still {state.status} after {timeout} s")
                remaining = pause if deadline is None else max(0.0, deadline - time.monotonic())
                await anyio.sleep(min(pause, remaining))
                pause = min(MAX_POLL_SECONDS, pause * 1.5)

    async def events(
        self, experiment: ExperimentReference, last_event_id: str | None = None
    ) -> AsyncIterator[Event]:
        """Events of an experiment until it ends; after a lost connection the stream is resumed.

        Parameters
        ----------
        experiment : ExperimentReference
            The experiment, its id, or the beginning of it.
        last_event_id : str | None, default=None
            Id of the event after which to begin; None begins with the first event.

        Yields
        ------
        Event
            The next progress, task or status event.
        """
        experiment = await self.experiment_id(experiment)
        path = experiment_path(experiment, "events")
        stream: AsyncGenerator[Event, None] = self._follow(path, last_event_id, parse_event)
        async with aclosing(stream) as events:
            async for event in events:
                yield event
