# Generated from tgsh/client/_async/notebook.py: do not edit. To generate it again:
# python -m tests.architecture.generate_sync
"""Methods of `Client` about the notebook: names and notes of experiments, batches, deletion."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tgsh import schemas
from tgsh.client._requests import (
    delete_resource,
    experiment_path,
    get_deleted_page,
    get_document,
    get_table,
    patch,
    post_action,
    post_batch,
    table_filters,
)
from tgsh.client._sync.references import ExperimentReference, References
from tgsh.client.results import Experiment, ExperimentTable


class NotebookMethods(References):
    """Names, tags, notes and projects of experiments; batches; deletion and return."""

    def update(
        self,
        experiment: ExperimentReference,
        *,
        name: str | None = None,
        tags: Sequence[str] | None = None,
        notes: str | None = None,
        project: str | None = None,
    ) -> Experiment:
        """ExperimentChange what is said of an experiment; what is None stays.

        Parameters
        ----------
        experiment : ExperimentReference
            The experiment, its id, or the beginning of it.
        name : str | None, default=None
            Its name.
        tags : Sequence[str] | None, default=None
            All tags that it has from now on.
        notes : str | None, default=None
            Markdown; the empty text removes them.
        project : str | None, default=None
            What it belongs to; the empty text takes it out.

        Returns
        -------
        Experiment
            The changed experiment.
        """
        experiment = self.experiment_id(experiment)
        changes: dict[str, object] = {"name": name, "notes": notes}
        changes["tags"] = None if tags is None else list(tags)
        changes = {field: value for field, value in changes.items() if value is not None}
        if project is not None:
            changes["project"] = project or None
        return self._send(patch(Experiment, experiment_path(experiment), **changes))

    def table(
        self,
        columns: Sequence[str] | None = None,
        *,
        group_by: str | None = None,
        **filters: object,
    ) -> ExperimentTable:
        """Experiments under columns of one's choice, or groups of them with means and deviations.

        Parameters
        ----------
        columns : Sequence[str] | None, default=None
            Such as ``["name", "accuracy", "seed", "training.epochs"]``: columns of the table and fields of
            the spec by their paths; None: the usual ones.
        group_by : str | None, default=None
            ``"project"``, ``"study"``, ``"tag"``, ``"network"``, ``"seed"`` or a field of the spec; then a
            column of numbers becomes two, the mean and the standard deviation. None: no groups.
        **filters : object
            As of `experiments`: ``project="thesis"``, ``**{"training.epochs": 5}``.

        Returns
        -------
        ExperimentTable
            All that match; `to_dataframe` makes a DataFrame of it.

        Examples
        --------
        >>> table = client.table(["accuracy"], group_by="training.epochs", tag="paper")
        >>> table.to_dataframe()
        """
        params = table_filters(filters)
        if params.get("study") is not None:
            params["study"] = self.study_id(str(params["study"]))
        table = self._send(get_table(columns, None, group_by=group_by, **params))
        while table.next is not None:
            more = self._send(get_table(columns, table.next, **params))
            table = table.model_copy(update={"rows": [*table.rows, *more.rows], "next": more.next})
        return table

    def share(self, experiment: ExperimentReference, shared: bool = True) -> Experiment:
        """Share an experiment with everybody who has a key, or with its owner alone again.

        Parameters
        ----------
        experiment : ExperimentReference
            The experiment, its id, or the beginning of it.
        shared : bool, default=True
            Whether everybody with a key may see it.

        Returns
        -------
        Experiment
            The changed experiment.
        """
        experiment = self.experiment_id(experiment)
        return self._send(patch(Experiment, experiment_path(experiment), shared=shared))

    def prioritise(self, experiment: ExperimentReference, priority: int) -> Experiment:
        """ExperimentChange the priority of an experiment: which of its owner's experiments is served first.

        Parameters
        ----------
        experiment : ExperimentReference
            The experiment, its id, or the beginning of it.
        priority : int
            From -10 to 10, the greater first. Other owners wait no longer for it.

        Returns
        -------
        Experiment
            The changed experiment.
        """
        experiment = self.experiment_id(experiment)
        return self._send(patch(Experiment, experiment_path(experiment), priority=priority))

    def history(self, experiment: ExperimentReference) -> list[schemas.ExperimentChange]:
        """Changes of what is said of an experiment, and who made them.

        Parameters
        ----------
        experiment : ExperimentReference
            The experiment, its id, or the beginning of it.

        Returns
        -------
        list[schemas.ExperimentChange]
            The newest first.
        """
        experiment = self.experiment_id(experiment)
        found = self._send(get_document(schemas.ExperimentHistory, experiment, "history"))
        return found.items

    def batch(
        self,
        action: schemas.BatchAction,
        experiments: Iterable[ExperimentReference],
        value: str | None = None,
    ) -> list[schemas.BatchOutcome]:
        """Do one thing to many experiments.

        Parameters
        ----------
        action : schemas.BatchAction
            ``"cancel"``, ``"resume"``, ``"delete"``, ``"restore"``, ``"tag"``, ``"untag"`` or ``"project"``.
        experiments : Iterable[ExperimentReference]
            Experiments, their ids, or the beginnings of them.
        value : str | None, default=None
            The tag, or the project.

        Returns
        -------
        list[schemas.BatchOutcome]
            Whether it was done, and why not, for each id.
        """
        ids = [self.experiment_id(each) for each in experiments]
        outcomes = self._send(post_batch(action, ids, value))
        return outcomes.outcomes

    def delete(self, experiment: ExperimentReference, *, forever: bool = False) -> None:
        """Delete an experiment and all its results.

        Parameters
        ----------
        experiment : ExperimentReference
            The experiment, its id, or the beginning of it.
        forever : bool, default=False
            Whether its files go at once; else `undelete` brings it back for seven days.
        """
        experiment = self.experiment_id(experiment)
        path = experiment_path(experiment) + ("?forever=true" if forever else "")
        self._send(delete_resource(path))

    def deleted(self) -> Iterator[schemas.DeletedExperiment]:
        """Deleted experiments that can be brought back, the last deleted first.

        Yields
        ------
        schemas.DeletedExperiment
            The next one; pages are fetched as they are needed.
        """
        cursor: str | None = None
        while True:
            page = self._send(get_deleted_page(cursor))
            yield from page.items
            if (cursor := page.next) is None:
                return

    def undelete(self, experiment_id: str) -> Experiment:
        """Bring a deleted experiment back, within seven days.

        Parameters
        ----------
        experiment_id : str
            The whole id.

        Returns
        -------
        Experiment
            As it was; one that waited for workers is cancelled now.
        """
        return self._send(post_action(experiment_id, "restore"))
