# Generated from tgsh/client/_async/atlas.py: do not edit. To generate it again:
# python -m tests.architecture.generate_sync
"""Methods of `Client` about random bases: what was learned on each, across experiments."""

from __future__ import annotations

from collections.abc import Iterator

from tgsh import schemas
from tgsh.client import results
from tgsh.client._requests import ApiRequest, get_document, get_file, parse_model, without_none
from tgsh.client._sync.references import ExperimentReference, References
from tgsh.errors import NotFound

BASE_ID_LENGTH = 64


class AtlasMethods(References):
    """Random bases, and everything that was learned on one."""

    def bases(self, *, page_size: int | None = None) -> Iterator[schemas.RandomBaseSummary]:
        """All random bases on which one sees an experiment, the one used last first.

        Parameters
        ----------
        page_size : int | None, default=None
            Bases per request; None uses the default of the service.

        Yields
        ------
        schemas.RandomBaseSummary
            The next base; pages are fetched as they are needed.
        """
        cursor: str | None = None
        while True:
            params = without_none(cursor=cursor, limit=page_size)
            page = self._send(ApiRequest("GET", "/bases", parse_model(schemas.BasePage), params=params))
            yield from page.items
            if (cursor := page.next) is None:
                return

    def base_id(self, base: str) -> str:
        """Id of the one random base whose id begins as given; a whole id costs no request.

        Every method that takes a base accepts the beginning of its id, too.

        Parameters
        ----------
        base : str
            Id of the base, as an experiment's `base_id` has it, or the beginning of it.

        Returns
        -------
        str
            The whole id.

        Raises
        ------
        NotFound
            If no id begins so, or several do.
        """
        beginning = base.strip().lower()
        if len(beginning) == BASE_ID_LENGTH and set(beginning) <= set("0123456789abcdef"):
            return beginning
        matches = [each.base_id for each in self.bases() if each.base_id.startswith(beginning)]
        if len(matches) == 1 and beginning:
            return matches[0]
        found = f"{len(matches)} bases' ids begin with" if matches else "no base's id begins with"
        raise NotFound(f"{found} {base!r}; `tgsh bases` shows them all")

    def base(self, base: str) -> schemas.RandomBaseSummary:
        """Network, shape and numbers of experiments and tasks of a random base.

        Parameters
        ----------
        base : str
            Id of the base, or the beginning of it.

        Returns
        -------
        schemas.RandomBaseSummary
            The base, and what one sees of it.
        """
        path = f"/bases/{self.base_id(base)}"
        return self._send(ApiRequest("GET", path, parse_model(schemas.RandomBaseSummary)))

    def atlas_nearest(
        self,
        experiment: ExperimentReference,
        task: int,
        count: int = 20,
        *,
        other: bool = False,
        dataset: str | None = None,
        suite: str | None = None,
        owner: str | None = None,
        project: str | None = None,
    ) -> results.NearestElsewhere:
        """Tasks most like one, among all that were learned on its random base and that one sees.

        Parameters
        ----------
        experiment : ExperimentReference
            The experiment, its id, or the beginning of it.
        task : int
            Index of the task.
        count : int, default=20
            How many tasks, at most 100.
        other : bool, default=False
            Whether its own experiment is left out.
        dataset : str | None, default=None
            Only tasks of experiments on this dataset.
        suite : str | None, default=None
            Only tasks of experiments with this suite.
        owner : str | None, default=None
            Only tasks of experiments of this API key.
        project : str | None, default=None
            Only tasks of experiments of this project.

        Returns
        -------
        results.NearestElsewhere
            The tasks, most alike first, and among how many they are.

        Examples
        --------
        >>> (client.atlas_nearest(experiment.id, 0, other=True)).to_dataframe()
        """
        experiment = self.experiment_id(experiment)
        base = (self._send(get_document(schemas.Experiment, experiment))).base_id
        params = without_none(
            experiment=experiment,
            task=task,
            count=count,
            other=other,
            dataset=dataset,
            suite=suite,
            owner=owner,
            project=project,
        )
        parse = parse_model(results.NearestElsewhere)
        return self._send(ApiRequest("GET", f"/bases/{base}/nearest", parse, params=params))

    def atlas(
        self,
        base: str,
        method: schemas.AtlasMethod = "mds",
        *,
        dataset: str | None = None,
        suite: str | None = None,
        owner: str | None = None,
        project: str | None = None,
    ) -> results.AtlasMap:
        """Map of all tasks that were learned on a random base and that one sees.

        Parameters
        ----------
        base : str
            Id of the base, or the beginning of it.
        method : schemas.AtlasMethod, default='mds'
            ``"mds"`` (landmark MDS of 1 − cosine), ``"pca"``, or ``"umap"`` where the service has it.
        dataset : str | None, default=None
            Only tasks of experiments on this dataset.
        suite : str | None, default=None
            Only tasks of experiments with this suite.
        owner : str | None, default=None
            Only tasks of experiments of this API key.
        project : str | None, default=None
            Only tasks of experiments of this project.

        Returns
        -------
        results.AtlasMap
            Points, with labels and experiments.
        """
        path = f"/bases/{self.base_id(base)}/map"
        params = without_none(method=method, dataset=dataset, suite=suite, owner=owner, project=project)
        return self._send(ApiRequest("GET", path, parse_model(results.AtlasMap), params=params))

    def atlas_file(
        self,
        base: str,
        format: str = "png",
        method: schemas.AtlasMethod = "mds",
        colour: schemas.AtlasGroup = "experiment",
    ) -> bytes:
        """Map of all tasks on a random base as the bytes of a file.

        Parameters
        ----------
        base : str
            Id of the base, or the beginning of it.
        format : str, default='png'
            ``"png"``, ``"svg"``, ``"pdf"``, ``"csv"`` or ``"npy"``.
        method : schemas.AtlasMethod, default='mds'
            As for `atlas`.
        colour : schemas.AtlasGroup, default='experiment'
            What colours the points: ``"experiment"``, ``"dataset"`` or ``"suite"``.

        Returns
        -------
        bytes
            Content of the file.
        """
        path = f"/bases/{self.base_id(base)}/map"
        return self._send(get_file(path, format=format, method=method, colour=colour))
