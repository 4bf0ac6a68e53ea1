# Generated from tgsh/client/_async/study_results.py: do not edit. To generate it again:
# python -m tests.architecture.generate_sync
"""Methods of `Client` about answers of studies: statistics over replicates."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tgsh import schemas
from tgsh.client import results
from tgsh.client._requests import get_file
from tgsh.client._study_requests import get_study_document, study_path
from tgsh.client._sync.references import References, StudyReference


class StudyResultMethods(References):
    """Statistics over the replicates of studies, as tables or as files."""

    def study_differences(
        self,
        study: StudyReference,
        pairs: str | Iterable[tuple[tuple[int, int], tuple[int, int]]],
        level: float = 0.95,
        over: schemas.Over | None = None,
        cell: int = 0,
        stage: str | int = "after",
        measure: schemas.Measure = "cosine",
        layer: str | None = None,
    ) -> results.StudyDifferences:
        """Differences of similarities, with intervals and p after Holm's correction.

        Parameters
        ----------
        study : StudyReference
            The study, its id, or the beginning of it.
        pairs : str | Iterable[tuple[tuple[int, int], tuple[int, int]]]
            Two pairs of indices of tasks a difference, such as ``"0-1:9-10"`` or ``[((0, 1), (9, 10))]``.
        level : float, default=0.95
            Confidence of the intervals.
        over : schemas.Over | None, default=None
            What intervals generalise over: ``"seeds"``, ``"base_seeds"`` or ``"both"``; None for what varies.
        cell : int, default=0
            Number of the cell, where the grid has several.
        stage : str | int, default='after'
            ``"before"`` or ``"after"`` training, or the number of an epoch.
        measure : schemas.Measure, default='cosine'
            Similarity of two context vectors: ``"cosine"``, ``"correlation"`` or ``"update"``.
        layer : str | None, default=None
            Layer whose part of the vectors is compared; None compares all of them.

        Returns
        -------
        results.StudyDifferences
            One a difference, in this order.
        """
        study = self.study_id(study)
        if not isinstance(pairs, str):
            pairs = ",".join(f"{a}-{b}:{c}-{d}" for (a, b), (c, d) in pairs)
        params = {"pairs": pairs, "level": level, "over": over, "cell": cell}
        more = {"stage": stage, "measure": measure, "layer": layer}
        return self._send(
            get_study_document(results.StudyDifferences, study, "differences", **params, **more)
        )

    def study_similarity(
        self,
        study: StudyReference,
        statistic: schemas.Statistic = "mean",
        level: float = 0.95,
        over: schemas.Over | None = None,
        cell: int = 0,
        stage: str | int = "after",
        measure: schemas.Measure = "cosine",
        layer: str | None = None,
        order: schemas.Order = "task",
    ) -> results.StudySimilarity:
        """Statistic of the similarities over replicates.

        Parameters
        ----------
        study : StudyReference
            The study, its id, or the beginning of it.
        statistic : schemas.Statistic, default='mean'
            ``"mean"``, ``"sd"`` of one replicate, or ``"low"`` and ``"high"``, the ends of the interval.
        level : float, default=0.95
            Confidence of the intervals.
        over : schemas.Over | None, default=None
            What intervals generalise over: ``"seeds"``, ``"base_seeds"`` or ``"both"``; None for what varies.
        cell : int, default=0
            Number of the cell, where the grid has several.
        stage : str | int, default='after'
            ``"before"`` or ``"after"`` training, or the number of an epoch.
        measure : schemas.Measure, default='cosine'
            Similarity of two context vectors: ``"cosine"``, ``"correlation"`` or ``"update"``.
        layer : str | None, default=None
            Layer whose part of the vectors is compared; None compares all of them.
        order : schemas.Order, default='task'
            Order of the rows: ``"task"`` as in the suite, ``"cluster"`` as the leaves of the mean's tree.

        Returns
        -------
        results.StudySimilarity
            Labelled matrix, [T, T]; NaN where undefined, as `reason` says.
        """
        study = self.study_id(study)
        params: dict[str, Any] = {
            "statistic": statistic,
            "level": level,
            "over": over,
            "cell": cell,
            "stage": stage,
            "measure": measure,
            "layer": layer,
            "order": order,
        }
        return self._send(get_study_document(results.StudySimilarity, study, "similarity", **params))

    def study_matrices(
        self,
        study: StudyReference,
        level: float = 0.95,
        over: schemas.Over | None = None,
        stage: str | int = "after",
        measure: schemas.Measure = "cosine",
        layer: str | None = None,
    ) -> results.StudyMatrices:
        """Mean, sd and interval of the similarity of every two tasks, in all cells side by side.

        Parameters
        ----------
        study : StudyReference
            The study, its id, or the beginning of it.
        level : float, default=0.95
            Confidence of the intervals.
        over : schemas.Over | None, default=None
            What intervals generalise over: ``"seeds"``, ``"base_seeds"`` or ``"both"``; None for what varies.
        stage : str | int, default='after'
            ``"before"`` or ``"after"`` training, or the number of an epoch.
        measure : schemas.Measure, default='cosine'
            Similarity of two context vectors: ``"cosine"``, ``"correlation"`` or ``"update"``.
        layer : str | None, default=None
            Layer whose part of the vectors is compared; None compares all of them.

        Returns
        -------
        results.StudyMatrices
            Cells that have a completed experiment.
        """
        study = self.study_id(study)
        params: dict[str, Any] = {
            "level": level,
            "over": over,
            "stage": stage,
            "measure": measure,
            "layer": layer,
        }
        return self._send(get_study_document(results.StudyMatrices, study, "matrices", **params))

    def study_ceiling(
        self,
        study: StudyReference,
        cell: int = 0,
        stage: str | int = "after",
        measure: schemas.Measure = "cosine",
        layer: str | None = None,
    ) -> results.StudyCeiling:
        """Noise ceilings of a cell.

        Parameters
        ----------
        study : StudyReference
            The study, its id, or the beginning of it.
        cell : int, default=0
            Number of the cell, where the grid has several.
        stage : str | int, default='after'
            ``"before"`` or ``"after"`` training, or the number of an epoch.
        measure : schemas.Measure, default='cosine'
            Similarity of two context vectors: ``"cosine"``, ``"correlation"`` or ``"update"``.
        layer : str | None, default=None
            Layer whose part of the vectors is compared; None compares all of them.

        Returns
        -------
        results.StudyCeiling
            Lower and upper end, over seeds, over bases and over both.
        """
        study = self.study_id(study)
        params: dict[str, Any] = {"cell": cell, "stage": stage, "measure": measure, "layer": layer}
        return self._send(get_study_document(results.StudyCeiling, study, "ceiling", **params))

    def study_dendrogram(
        self,
        study: StudyReference,
        method: str = "average",
        resampling: schemas.Resampling = "replicates",
        seed: int = 0,
        cell: int = 0,
        stage: str | int = "after",
        measure: schemas.Measure = "cosine",
        layer: str | None = None,
    ) -> results.StudyDendrogram:
        """Tree of the mean similarities, with the share of replicates that have each group.

        Parameters
        ----------
        study : StudyReference
            The study, its id, or the beginning of it.
        method : str, default='average'
            Distance of two groups.
        resampling : schemas.Resampling, default='replicates'
            What support is counted in: trees of single ``"replicates"``, of means without one
            (``"jackknife"``), of means redrawn (``"bootstrap"``).
        seed : int, default=0
            Of the bootstrap.
        cell : int, default=0
            Number of the cell, where the grid has several.
        stage : str | int, default='after'
            ``"before"`` or ``"after"`` training, or the number of an epoch.
        measure : schemas.Measure, default='cosine'
            Similarity of two context vectors: ``"cosine"``, ``"correlation"`` or ``"update"``.
        layer : str | None, default=None
            Layer whose part of the vectors is compared; None compares all of them.

        Returns
        -------
        results.StudyDendrogram
            Linkage, support, order of the leaves, Newick.
        """
        study = self.study_id(study)
        params: dict[str, Any] = {
            "method": method,
            "resampling": resampling,
            "seed": seed,
            "cell": cell,
            "stage": stage,
            "measure": measure,
            "layer": layer,
        }
        return self._send(get_study_document(results.StudyDendrogram, study, "dendrogram", **params))

    def study_embedding(
        self,
        study: StudyReference,
        dimensions: int = 2,
        cell: int = 0,
        stage: str | int = "after",
        measure: schemas.Measure = "cosine",
        layer: str | None = None,
    ) -> results.StudyEmbedding:
        """Tasks as points, with their spread over replicates.

        Parameters
        ----------
        study : StudyReference
            The study, its id, or the beginning of it.
        dimensions : int, default=2
            2 or 3.
        cell : int, default=0
            Number of the cell, where the grid has several.
        stage : str | int, default='after'
            ``"before"`` or ``"after"`` training, or the number of an epoch.
        measure : schemas.Measure, default='cosine'
            Similarity of two context vectors: ``"cosine"``, ``"correlation"`` or ``"update"``.
        layer : str | None, default=None
            Layer whose part of the vectors is compared; None compares all of them.

        Returns
        -------
        results.StudyEmbedding
            Points, [T, dimensions], and spread.
        """
        study = self.study_id(study)
        params: dict[str, Any] = {
            "dimensions": dimensions,
            "cell": cell,
            "stage": stage,
            "measure": measure,
            "layer": layer,
        }
        return self._send(get_study_document(results.StudyEmbedding, study, "embedding", **params))

    def study_accuracy(
        self,
        study: StudyReference,
        level: float = 0.95,
        over: schemas.Over | None = None,
    ) -> results.StudyAccuracy:
        """Test accuracies of all cells and tasks, with intervals.

        Parameters
        ----------
        study : StudyReference
            The study, its id, or the beginning of it.
        level : float, default=0.95
            Confidence of the intervals.
        over : schemas.Over | None, default=None
            What intervals generalise over: ``"seeds"``, ``"base_seeds"`` or ``"both"``; None for what varies.

        Returns
        -------
        results.StudyAccuracy
            Mean, sd and interval.
        """
        study = self.study_id(study)
        params: dict[str, Any] = {"level": level, "over": over}
        return self._send(get_study_document(results.StudyAccuracy, study, "accuracy", **params))

    def study_effects(
        self,
        study: StudyReference,
        reference: int = 0,
        lags: int = 3,
        level: float = 0.95,
        over: schemas.Over | None = None,
        stage: str | int = "after",
        measure: schemas.Measure = "cosine",
        layer: str | None = None,
    ) -> results.StudyEffects:
        """Long table of all tasks of all experiments, and what cells differ in.

        Parameters
        ----------
        study : StudyReference
            The study, its id, or the beginning of it.
        reference : int, default=0
            Cell that the others are compared with.
        lags : int, default=3
            Mean similarities with the tasks up to so many places away.
        level : float, default=0.95
            Confidence of the intervals.
        over : schemas.Over | None, default=None
            What intervals generalise over: ``"seeds"``, ``"base_seeds"`` or ``"both"``; None for what varies.
        stage : str | int, default='after'
            ``"before"`` or ``"after"`` training, or the number of an epoch.
        measure : schemas.Measure, default='cosine'
            Similarity of two context vectors: ``"cosine"``, ``"correlation"`` or ``"update"``.
        layer : str | None, default=None
            Layer whose part of the vectors is compared; None compares all of them.

        Returns
        -------
        results.StudyEffects
            Rows, and differences from the reference cell.
        """
        study = self.study_id(study)
        params: dict[str, Any] = {
            "reference": reference,
            "lags": lags,
            "level": level,
            "over": over,
            "stage": stage,
            "measure": measure,
            "layer": layer,
        }
        return self._send(get_study_document(results.StudyEffects, study, "effects", **params))

    def study_file(self, study: StudyReference, name: str, format: str = "png", **params: Any) -> bytes:
        """Answer of a study as a file, such as a figure.

        Parameters
        ----------
        study : StudyReference
            The study, its id, or the beginning of it.
        name : str
            Name of the answer, such as ``"similarity"``.
        format : str, default='png'
            One of its formats.
        **params : Any
            Parameters of the answer.

        Returns
        -------
        bytes
            Contents of the file.
        """
        study = self.study_id(study)
        return self._send(get_file(study_path(study, name), format=format, **params))
