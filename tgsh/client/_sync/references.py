# Generated from tgsh/client/_async/references.py: do not edit. To generate it again:
# python -m tests.architecture.generate_sync
"""Ids of experiments, studies and datasets from their beginnings, for the methods of `Client`."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from tgsh import schemas
from tgsh.client._requests import ApiRequest, get_dataset_page, get_document, get_experiment_page, is_id
from tgsh.client._study_requests import ReferenceKind, get_study_document, get_study_page
from tgsh.client._sync.connection import Connection
from tgsh.client.results import Experiment, Study
from tgsh.errors import NotFound, ServiceProblem

ExperimentReference = str | schemas.Experiment
"""An experiment, its id, or the beginning of it."""

StudyReference = str | schemas.StudySummary
"""A study, its id, or the beginning of it."""

PAGE_SIZE = 200  # the most that the service sends at once
MAX_CANDIDATES = 8  # named in an error


class References(Connection):
    """Ids from their beginnings: what a person copies or types."""

    def experiment_id(self, experiment: ExperimentReference) -> str:
        """Id of the one experiment whose id begins as given; a whole id costs no request.

        Every method that takes an experiment accepts the beginning of its id, too.

        Parameters
        ----------
        experiment : ExperimentReference
            The experiment, its id, or the beginning of it.

        Returns
        -------
        str
            The whole id.

        Raises
        ------
        NotFound
            If no id begins so, or several do, which it names.
        """
        if not isinstance(experiment, str):
            return experiment.id
        beginning = experiment.strip().lower()
        if is_id(beginning):
            return beginning
        matches = self._experiments_like(beginning)
        return _only(matches, experiment, "experiment's id begins with", "tgsh list")

    def _is_there(self, request: ApiRequest[Any]) -> bool:
        try:
            self._send(request)
        except ServiceProblem as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return False
        return True

    def _experiments_like(self, beginning: str) -> list[tuple[str, str]]:
        """Ids of experiments that begin so, each with what a person knows it by."""
        matches: list[tuple[str, str]] = []
        cursor: str | None = None
        while True:
            page = self._send(get_experiment_page(cursor, limit=PAGE_SIZE, q=beginning or None))
            matches += [
                (each.id, f"{each.status:9}  {each.spec.title}")
                for each in page.items
                if each.id.startswith(beginning)
            ]
            if (cursor := page.next) is None:
                return matches

    def dataset_id(self, dataset: str) -> str:
        """Id of the one uploaded dataset of that name, or whose id begins as given.

        A whole id costs no request. Every method that takes a dataset accepts its name, or the beginning of
        its id, too.

        Parameters
        ----------
        dataset : str
            Id of the dataset, the beginning of it, or its name.

        Returns
        -------
        str
            The whole id.

        Raises
        ------
        NotFound
            If there is none, or there are several, which it names.
        """
        beginning = dataset.strip().lower()
        if is_id(beginning):
            return beginning
        matches: list[tuple[str, str]] = []
        cursor: str | None = None
        while True:
            page = self._send(get_dataset_page(cursor, PAGE_SIZE))
            matches += [
                (each.id, each.name)
                for each in page.items
                if each.name == dataset or each.id.startswith(beginning)
            ]
            if (cursor := page.next) is None:
                return _only(matches, dataset, "dataset is called", "tgsh datasets list")

    def experiment_or_study_id(
        self, reference: ExperimentReference | StudyReference
    ) -> tuple[ReferenceKind, str]:
        """Kind and id of the one experiment or study whose id begins as given.

        Parameters
        ----------
        reference : ExperimentReference | StudyReference
            Experiment or study, its id, or the beginning of it.

        Returns
        -------
        tuple[ReferenceKind, str]
            ``"experiment"`` or ``"study"``, and the whole id.

        Raises
        ------
        NotFound
            If no id begins so, or several do, which it names.
        """
        if not isinstance(reference, str):
            return ("study" if isinstance(reference, schemas.StudySummary) else "experiment"), reference.id
        beginning = reference.strip().lower()
        if is_id(beginning):
            if self._is_there(get_document(Experiment, beginning)):
                return "experiment", beginning
            if self._is_there(get_study_document(Study, beginning)):
                return "study", beginning
            raise NotFound(f"there is no experiment and no study {beginning!r}")
        experiments = self._experiments_like(beginning)
        studies = self._studies_like(beginning)
        found = _only(
            [(id, f"experiment  {about}") for id, about in experiments]
            + [(id, f"study       {about}") for id, about in studies],
            reference,
            "id of an experiment or a study begins with",
            "tgsh list` and `tgsh studies list",
        )
        return ("study" if any(id == found for id, _ in studies) else "experiment"), found

    def study_id(self, study: StudyReference) -> str:
        """Id of the one study whose id begins as given; a whole id costs no request.

        Every method that takes a study accepts the beginning of its id, too.

        Parameters
        ----------
        study : StudyReference
            The study, its id, or the beginning of it.

        Returns
        -------
        str
            The whole id.

        Raises
        ------
        NotFound
            If no id begins so, or several do, which it names.
        """
        if not isinstance(study, str):
            return study.id
        beginning = study.strip().lower()
        if is_id(beginning):
            return beginning
        matches = self._studies_like(beginning)
        return _only(matches, study, "study's id begins with", "tgsh studies list")

    def _studies_like(self, beginning: str) -> list[tuple[str, str]]:
        """Ids of studies that begin so, each with what a person knows it by."""
        matches: list[tuple[str, str]] = []
        cursor: str | None = None
        while True:
            page = self._send(get_study_page(cursor, limit=PAGE_SIZE, q=beginning or None))
            matches += [
                (each.id, f"{each.status:9}  {each.name}")
                for each in page.items
                if each.id.startswith(beginning)
            ]
            if (cursor := page.next) is None:
                return matches


def _only(matches: Sequence[tuple[str, str]], reference: str, meant: str, command: str) -> str:
    """The id of the only match. Raises: NotFound for none and for several, and for an empty reference."""
    if len(matches) == 1 and reference.strip():  # an empty one is a mistake, even where one thing is all
        return matches[0][0]
    if not matches:
        raise NotFound(f"no {meant} {reference!r}; `{command}` shows them all")
    lines = [f"{each}  {about}" for each, about in matches[:MAX_CANDIDATES]]
    if len(matches) > MAX_CANDIDATES:
        lines.append(f"… and {len(matches) - MAX_CANDIDATES} more")
    raise NotFound("\n  ".join([f"{reference!r} fits {len(matches)}:", *lines]))
