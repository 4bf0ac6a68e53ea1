"""Methods of `AsyncClient` that compare: experiments with one another, and with a geometry that is stated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from numpy.typing import ArrayLike

from tgsh import schemas
from tgsh.client import results
from tgsh.client._async.references import AsyncReferences, ExperimentReference, StudyReference
from tgsh.client._requests import (
    ApiRequest,
    geometry_json,
    get_file,
    is_id,
    parse_model,
    post_agreement,
    without_none,
)
from tgsh.client._study_requests import post_study_agreement


class AsyncComparisonMethods(AsyncReferences):
    """Comparisons of similarities."""

    async def comparison(
        self,
        experiments: Iterable[ExperimentReference | StudyReference],
        stage: str | int = "after",
        measure: schemas.Measure = "cosine",
        layer: str | None = None,
        permutations: int | None = None,
        alternative: schemas.Alternative = "greater",
        seed: int = 0,
        level: float = 0.95,
    ) -> results.Comparison:
        """Comparison of the similarity matrices of experiments and studies, over the tasks that all have.

        Parameters
        ----------
        experiments : Iterable[ExperimentReference | StudyReference]
            Two to fifty experiments and studies, their ids, or the beginnings of them. A study stands for all
            its cells, ``"ID:1"`` for one.
        stage : str | int, default='after'
            ``"before"`` or ``"after"`` training, or the number of an epoch.
        measure : schemas.Measure, default='cosine'
            Similarity of two context vectors: ``"cosine"`` or ``"correlation"``.
        layer : str | None, default=None
            Layer whose part of the vectors is compared; None compares all of them.
        permutations : int | None, default=None
            Permutations of Mantel's test, 99 to 9,999; None for 999, or no test where that takes too long.
        alternative : schemas.Alternative, default='greater'
            Alternative hypothesis of Mantel's test: ``"greater"``, ``"less"`` or ``"two-sided"``.
        seed : int, default=0
            Seed of the permutations.
        level : float, default=0.95
            Of studies: two differ where p is at most 1 − level.

        Returns
        -------
        results.Comparison
            Differences of the specs, and for each pair Pearson's and Spearman's correlation and Mantel's
            test; with studies, whether they differ more than replicates do. What cannot be aligned with the
            others is left out, as its `note` says.
        """
        params = {
            "ids": await self._compared_ids(experiments),
            "stage": stage,
            "measure": measure,
            "layer": layer,
            "permutations": permutations,
            "alternative": alternative,
            "seed": seed,
            "level": level,
        }
        parse = parse_model(results.Comparison)
        return await self._send(ApiRequest("GET", "/comparison", parse, params=without_none(**params)))

    async def comparison_file(
        self,
        experiments: Iterable[ExperimentReference | StudyReference],
        format: str = "png",
        *,
        part: schemas.ComparisonPart = "matrices",
        **params: Any,
    ) -> bytes:
        """Picture or table of a comparison, as a file.

        Parameters
        ----------
        experiments : Iterable[ExperimentReference | StudyReference]
            Two to fifty experiments and studies, as `comparison` takes them.
        format : str, default='png'
            ``"png"``, ``"svg"``, ``"pdf"`` or ``"csv"``.
        part : schemas.ComparisonPart, default='matrices'
            ``"matrices"``, side by side on one scale; ``"correlations"`` of every two; ``"difference"`` of
            two; or ``"specs"`` (csv): what differs in them, with the accuracies.
        **params : Any
            Parameters of `comparison`, such as ``stage="before"``, and options of the figure, such as
            ``width=180, font=8``; see `tgsh.specs.figure_options.FigureOptions`.

        Returns
        -------
        bytes
            Content of the file.

        Examples
        --------
        >>> svg = await client.comparison_file([first, second], "svg", part="difference", width=85)
        """
        ids = await self._compared_ids(experiments)
        return await self._send(get_file("/comparison", ids=ids, format=format, part=part, **params))

    async def _compared_ids(self, references: Iterable[ExperimentReference | StudyReference]) -> str:
        return ",".join([await self._compared_id(each) for each in references])

    async def _compared_id(self, reference: ExperimentReference | StudyReference) -> str:
        """A whole id, with the number of a cell where the reference has one."""
        if not isinstance(reference, str):
            return reference.id
        beginning, colon, cell = reference.strip().lower().partition(":")
        if not is_id(beginning):
            beginning = (await self.experiment_or_study_id(beginning))[1]
        return f"{beginning}{colon}{cell}"

    async def agreement(
        self,
        experiment: ExperimentReference,
        geometry: str | ArrayLike | Mapping[str, ExperimentReference],
        *,
        partial: str | ArrayLike | Mapping[str, ExperimentReference] | None = None,
        stage: str | int = "after",
        measure: schemas.Measure = "cosine",
        layer: str | None = None,
        correlation: schemas.AgreementCorrelation = "pearson",
        permutations: int = 9_999,
        alternative: schemas.Alternative = "greater",
        seed: int = 0,
    ) -> schemas.Agreement:
        """Agreement of the similarities of the tasks with a stated geometry.

        Parameters
        ----------
        experiment : ExperimentReference
            The experiment, its id, or the beginning of it.
        geometry : str | ArrayLike | Mapping[str, ExperimentReference]
            Formula over the parameters of the tasks, such as ``"circular(angle)"``, ``"abs(shift)"`` or
            ``"same(transform)"``; similarities [T, T], symmetric, NaN for tasks that have no place; or
            ``{"experiment": id}``, the similarities of another experiment.
        partial : str | ArrayLike | Mapping[str, ExperimentReference] | None, default=None
            Another geometry, which is held constant.
        stage : str | int, default='after'
            ``"before"`` or ``"after"`` training, or the number of an epoch.
        measure : schemas.Measure, default='cosine'
            Similarity of two context vectors: ``"cosine"`` or ``"correlation"``.
        layer : str | None, default=None
            Layer whose part of the vectors is compared; None compares all of them.
        correlation : schemas.AgreementCorrelation, default='pearson'
            Of the entries above the diagonals: ``"pearson"``, ``"spearman"``, ``"kendall"`` or ``"cosine"``.
        permutations : int, default=9999
            Permutations of the tasks behind p, 99 to 9,999.
        alternative : schemas.Alternative, default='greater'
            Alternative hypothesis: ``"greater"``, ``"less"`` or ``"two-sided"``.
        seed : int, default=0
            Seed of the permutations.

        Returns
        -------
        schemas.Agreement
            Correlation, partial correlation and p.

        Examples
        --------
        >>> (await client.agreement(experiment.id, "circular(angle)")).agreement
        """
        question = {
            "geometry": await self._stated(geometry),
            "partial": None if partial is None else await self._stated(partial),
            "stage": str(stage),
            "measure": measure,
            "layer": layer,
            "correlation": correlation,
            "permutations": permutations,
            "alternative": alternative,
            "seed": seed,
        }
        return await self._send(post_agreement(await self.experiment_id(experiment), question))

    async def study_agreement(
        self,
        study: StudyReference,
        geometry: str | ArrayLike | Mapping[str, ExperimentReference],
        *,
        partial: str | ArrayLike | Mapping[str, ExperimentReference] | None = None,
        cell: int = 0,
        level: float = 0.95,
        over: schemas.Over | None = None,
        stage: str | int = "after",
        measure: schemas.Measure = "cosine",
        layer: str | None = None,
        correlation: schemas.AgreementCorrelation = "pearson",
        permutations: int = 9_999,
        alternative: schemas.Alternative = "greater",
        seed: int = 0,
    ) -> schemas.StudyGeometryAgreement:
        """Agreement of the replicates of a study with a stated geometry, against their noise ceiling.

        Parameters
        ----------
        study : StudyReference
            The study, its id, or the beginning of it.
        geometry : str | ArrayLike | Mapping[str, ExperimentReference]
            Formula, matrix or experiment, as `agreement` takes it.
        partial : str | ArrayLike | Mapping[str, ExperimentReference] | None, default=None
            Another geometry, which is held constant.
        cell : int, default=0
            Number of the cell, where the grid has several.
        level : float, default=0.95
            Confidence of the interval.
        over : schemas.Over | None, default=None
            What interval and ceiling generalise over: ``"seeds"``, ``"base_seeds"`` or ``"both"``; None for
            what varies.
        stage : str | int, default='after'
            ``"before"`` or ``"after"`` training, or the number of an epoch.
        measure : schemas.Measure, default='cosine'
            Similarity of two context vectors: ``"cosine"``, ``"correlation"`` or ``"update"``.
        layer : str | None, default=None
            Layer whose part of the vectors is compared; None compares all of them.
        correlation : schemas.AgreementCorrelation, default='pearson'
            Of the entries above the diagonals: ``"pearson"``, ``"spearman"``, ``"kendall"`` or ``"cosine"``.
        permutations : int, default=9999
            Permutations of the tasks behind p, 99 to 9,999.
        alternative : schemas.Alternative, default='greater'
            Alternative hypothesis: ``"greater"``, ``"less"`` or ``"two-sided"``.
        seed : int, default=0
            Seed of the permutations.

        Returns
        -------
        schemas.StudyGeometryAgreement
            Mean agreement with interval, p, and the noise ceiling.

        Examples
        --------
        >>> (await client.study_agreement(study.id, "circular(angle)", over="both")).within_ceiling
        """
        question = {
            "geometry": await self._stated(geometry),
            "partial": None if partial is None else await self._stated(partial),
            "stage": str(stage),
            "measure": measure,
            "layer": layer,
            "correlation": correlation,
            "permutations": permutations,
            "alternative": alternative,
            "seed": seed,
        }
        params = {"cell": cell, "level": level, "over": over}
        return await self._send(post_study_agreement(await self.study_id(study), question, **params))

    async def _stated(self, geometry: str | ArrayLike | Mapping[str, ExperimentReference]) -> object:
        """A geometry as JSON has it, with the whole id of an experiment."""
        if isinstance(geometry, Mapping):
            return {name: await self.experiment_id(value) for name, value in geometry.items()}
        return geometry_json(geometry)
