# Generated from tgsh/client/_async/studies.py: do not edit. To generate it again:
# python -m tests.architecture.generate_sync
"""Methods of `Client` about studies: submission, progress and control."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from tgsh import schemas
from tgsh.client import results
from tgsh.client._requests import Spec, StudyEvent, parse_study_event, patch, without_none
from tgsh.client._study_requests import (
    Grid,
    Levels,
    delete_study,
    get_study_bundle,
    get_study_document,
    get_study_page,
    post_study,
    post_study_action,
    post_study_estimate,
    post_study_extension,
    study_body,
    study_path,
)
from tgsh.client._sync.references import ExperimentReference, References, StudyReference
from tgsh.client.progress import ProgressBar

MAX_POLL_SECONDS = 2.0  # between two requests of `wait_study`


class StudyMethods(References):
    """Submission, progress and control of studies."""

    def study(
        self,
        spec: Spec | None = None,
        *,
        seeds: Levels = None,
        base_seeds: Levels = None,
        grid: Grid = None,
        experiments: Sequence[ExperimentReference] | None = None,
        name: str | None = None,
        tags: Sequence[str] | None = None,
        notes: str | None = None,
        project: str | None = None,
        shared: bool | None = None,
        webhook: str | None = None,
        anew: bool = False,
        idempotency_key: str | None = None,
    ) -> results.Study:
        """Submit a study: one experiment for each seed, random base and combination of a grid's values.

        Experiments that were computed before are taken as they are.

        Parameters
        ----------
        spec : Spec | None, default=None
            Common spec, mapping, or name of a preset; None where `experiments` are given.
        seeds : Levels, default=None
            How many seeds of training, or a list of them; None takes the spec's own.
        base_seeds : Levels, default=None
            How many random bases, or a list of their seeds; None takes the spec's own.
        grid : Grid, default=None
            Values by dotted path of the spec, such as ``{"training.epochs": [1, 3]}``; with `experiments`,
            paths alone are enough.
        experiments : Sequence[ExperimentReference] | None, default=None
            Experiments that become a study; their specs differ in seeds and grid keys only.
        name : str | None, default=None
            Name for people.
        tags : Sequence[str] | None, default=None
            Tags of the study.
        notes : str | None, default=None
            Words about it.
        project : str | None, default=None
            Project that it belongs to.
        shared : bool | None, default=None
            Whether everybody with a key may see it and its experiments; None uses the default of the service.
        webhook : str | None, default=None
            URL that is told when all have ended, of a host that the administrator allows.
        anew : bool, default=False
            Whether to train even what is already stored.
        idempotency_key : str | None, default=None
            The service creates one study per key; None uses a random key.

        Returns
        -------
        results.Study
            The study with its experiments.

        Examples
        --------
        >>> study = client.study("demo", seeds=5, base_seeds=3, grid={"training.epochs": [1, 3]})
        """
        words: dict[str, object] = {
            "name": name,
            "tags": None if tags is None else list(tags),
            "notes": notes,
        }
        ids = None if experiments is None else [self.experiment_id(each) for each in experiments]
        words |= {"project": project, "shared": shared, "webhook": webhook}
        body = study_body(spec, ids, seeds, base_seeds, grid, **words)
        return self._send(post_study(body, idempotency_key, anew=anew))

    def estimate_study(
        self,
        spec: Spec | None = None,
        *,
        seeds: Levels = None,
        base_seeds: Levels = None,
        grid: Grid = None,
    ) -> schemas.StudyEstimate:
        """Estimate the cost of a study on today's workers, without submitting it.

        Parameters
        ----------
        spec : Spec | None, default=None
            Common spec, mapping, or name of a preset.
        seeds : Levels, default=None
            As for `study`.
        base_seeds : Levels, default=None
            As for `study`.
        grid : Grid, default=None
            As for `study`.

        Returns
        -------
        schemas.StudyEstimate
            Experiments, of these stored ones, tasks and seconds.
        """
        body = study_body(spec or {}, None, seeds, base_seeds, grid)
        return self._send(post_study_estimate(body))

    def studies(
        self,
        *,
        q: str | None = None,
        tag: str | None = None,
        project: str | None = None,
        page_size: int | None = None,
    ) -> Iterator[results.StudySummary]:
        """All studies that match every filter, newest first.

        Parameters
        ----------
        q : str | None, default=None
            Part of name, tags, notes, project or id.
        tag : str | None, default=None
            One of its tags.
        project : str | None, default=None
            Its project.
        page_size : int | None, default=None
            Studies per request; None uses the default of the service.

        Yields
        ------
        results.StudySummary
            The next study; pages are fetched as they are needed.
        """
        cursor: str | None = None
        while True:
            page = self._send(get_study_page(cursor, limit=page_size, q=q, tag=tag, project=project))
            yield from page.items
            if (cursor := page.next) is None:
                return

    def get_study(self, study: StudyReference) -> results.Study:
        """Current state of a study.

        Parameters
        ----------
        study : StudyReference
            The study, its id, or the beginning of it.

        Returns
        -------
        results.Study
            Status, progress, cells and replicates.
        """
        study = self.study_id(study)
        return self._send(get_study_document(results.Study, study))

    def cancel_study(self, study: StudyReference) -> results.Study:
        """Cancel the experiments of a study that wait or run; what was learned is kept.

        Parameters
        ----------
        study : StudyReference
            The study, its id, or the beginning of it.

        Returns
        -------
        results.Study
            Its state after the request.
        """
        study = self.study_id(study)
        return self._send(post_study_action(study, "cancel"))

    def resume_study(self, study: StudyReference) -> results.Study:
        """Train what is missing of the failed and cancelled experiments of a study.

        Parameters
        ----------
        study : StudyReference
            The study, its id, or the beginning of it.

        Returns
        -------
        results.Study
            Its state after the request.
        """
        study = self.study_id(study)
        return self._send(post_study_action(study, "resume"))

    def extend_study(
        self, study: StudyReference, *, seeds: Levels = None, base_seeds: Levels = None, anew: bool = False
    ) -> results.Study:
        """Extend a study by further seeds or random bases; without either, train deleted experiments again.

        Parameters
        ----------
        study : StudyReference
            The study, its id, or the beginning of it.
        seeds : Levels, default=None
            How many more seeds, or a list of further ones.
        base_seeds : Levels, default=None
            How many more bases, or a list of their seeds.
        anew : bool, default=False
            Whether to train even what is already stored.

        Returns
        -------
        results.Study
            Its state after the request.
        """
        study = self.study_id(study)
        return self._send(post_study_extension(study, seeds, base_seeds, anew=anew))

    def change_study(
        self,
        study: StudyReference,
        *,
        name: str | None = None,
        tags: Sequence[str] | None = None,
        notes: str | None = None,
        project: str | None = None,
        shared: bool | None = None,
    ) -> results.Study:
        """Rename, describe or share a study.

        Parameters
        ----------
        study : StudyReference
            The study, its id, or the beginning of it.
        name : str | None, default=None
            New name; None keeps the old one, as for the others.
        tags : Sequence[str] | None, default=None
            New tags, in place of all old ones.
        notes : str | None, default=None
            New notes; ``""`` removes them.
        project : str | None, default=None
            New project.
        shared : bool | None, default=None
            Whether everybody with a key may see it and its experiments.

        Returns
        -------
        results.Study
            The changed study.
        """
        study = self.study_id(study)
        words = without_none(name=name, notes=notes, project=project, shared=shared)
        changes = words if tags is None else {**words, "tags": list(tags)}
        return self._send(patch(results.Study, study_path(study), **changes))

    def study_bundle(self, study: StudyReference, path: str | Path) -> Path:
        """Download a study with its statistics and a bundle of each completed experiment as a zip.

        It is streamed, and the file appears at `path` once it is complete.

        Parameters
        ----------
        study : StudyReference
            The study, its id, or the beginning of it.
        path : str | Path
            File to write.

        Returns
        -------
        Path
            The written file.
        """
        study = self.study_id(study)
        target = Path(path)
        with tempfile.TemporaryDirectory(dir=target.absolute().parent, prefix=".bundle-") as folder:
            download = Path(folder) / "whole.zip"
            self._send(get_study_bundle(study, download))
            download.replace(target)
        return target

    def delete_study(self, study: StudyReference, *, members: bool = False, forever: bool = False) -> None:
        """Delete a study.

        Parameters
        ----------
        study : StudyReference
            The study, its id, or the beginning of it.
        members : bool, default=False
            Whether its experiments go, too, but those of others and of other studies.
        forever : bool, default=False
            Whether their files go at once; else `undelete_study` brings all back for seven days.
        """
        study = self.study_id(study)
        self._send(delete_study(study, members=members, forever=forever))

    def undelete_study(self, study_id: str) -> results.Study:
        """Bring a study back with the experiments that were deleted with it, within seven days.

        Parameters
        ----------
        study_id : str
            The whole id.

        Returns
        -------
        results.Study
            As it was; experiments that waited for workers are cancelled now.
        """
        return self._send(post_study_action(study_id, "restore"))

    def wait_study(
        self, study: StudyReference, timeout: float | None = None, *, progress: bool | None = None
    ) -> results.Study:
        """Wait until all experiments of a study have ended.

        Parameters
        ----------
        study : StudyReference
            The study, its id, or the beginning of it.
        timeout : float | None, default=None
            Seconds to wait at most; None waits without limit.
        progress : bool | None, default=None
            Whether to display a progress bar; None displays it in a terminal or a notebook.

        Returns
        -------
        results.Study
            The ended study.

        Raises
        ------
        TimeoutError
            If it has not ended after `timeout` seconds; the study continues.
        """
        study = self.study_id(study)
        deadline = None if timeout is None else time.monotonic() + timeout
        pause = 0.1
        with ProgressBar(progress) as bar:
            while True:
                state = self.get_study(study)
                bar.update(state)
                if state.status in schemas.TERMINAL:
                    return state
                if deadline is not None and time.monotonic() >= deadline:
                    raise TimeoutError(f"study {study} is still {state.status} after {timeout} s")
                remaining = pause if deadline is None else max(0.0, deadline - time.monotonic())
                time.sleep(min(pause, remaining))
                pause = min(MAX_POLL_SECONDS, pause * 1.5)

    def study_events(self, study: StudyReference) -> Iterator[StudyEvent]:
        """Events of a study until it ends: its present state first, then every change.

        After a lost connection the stream is opened again, and begins with the present state.

        Parameters
        ----------
        study : StudyReference
            The study, its id, or the beginning of it.

        Yields
        ------
        StudyEvent
            The next event of an experiment, of progress or of the status.
        """
        study = self.study_id(study)
        stream: Generator[StudyEvent, None, None] = self._follow(
            study_path(study, "events"), None, parse_study_event
        )
        with closing(stream) as events:
            yield from events
