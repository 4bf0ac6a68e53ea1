"""Methods of `AsyncClient` about results: similarity, geometry, accuracy, images, inference and files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tgsh import schemas
from tgsh.client import results
from tgsh.client._async.references import AsyncReferences, ExperimentReference
from tgsh.client._requests import (
    Images,
    experiment_path,
    get_document,
    get_file,
    post_predictions,
    post_representations,
)


class AsyncResultMethods(AsyncReferences):
    """Results of experiments, as labelled arrays or as files."""

    async def similarity(
        self,
        experiment: ExperimentReference,
        stage: str | int = "after",
        order: schemas.Order = "task",
        measure: schemas.Measure = "cosine",
        layer: str | None = None,
        null: int | None = None,
    ) -> results.Similarity:
        """Similarity matrix of the tasks.

        Parameters
        ----------
        experiment : ExperimentReference
            The experiment, its id, or the beginning of it.
        stage : str | int, default='after'
            ``"before"`` or ``"after"`` training, or the number of an epoch.
        order : schemas.Order, default='task'
            Order of the rows: ``"task"`` as in the suite, ``"cluster"`` as the leaves of the dendrogram.
        measure : schemas.Measure, default='cosine'
            Similarity of two context vectors: ``"cosine"`` or ``"correlation"``.
        layer : str | None, default=None
            Layer, such as ``"layer-1"``, whose part of the vectors is compared; None compares all of them.
        null : int | None, default=None
            Shuffles of the classes whose range of similarities is told beside the matrix (`null`), of an
            experiment that was submitted with ``"null_shuffles"``; None tells all that were trained.

        Returns
        -------
        results.Similarity
            Labelled matrix, [T, T].

        Examples
        --------
        >>> matrix = await client.similarity(experiment.id, order="cluster")
        >>> matrix.to_dataframe()
        """
        experiment = await self.experiment_id(experiment)
        params = {"stage": stage, "order": order, "measure": measure, "layer": layer, "null": null}
        return await self._send(get_document(results.Similarity, experiment, "similarity", **params))

    async def similarity_block(
        self,
        experiment: ExperimentReference,
        rows: str | None = None,
        columns: str | None = None,
        stage: str | int = "after",
        measure: schemas.Measure = "cosine",
        layer: str | None = None,
    ) -> results.SimilarityBlock:
        """Block of rows and columns of the similarity matrix, for experiments with many tasks.

        Parameters
        ----------
        experiment : ExperimentReference
            The experiment, its id, or the beginning of it.
        rows : str | None, default=None
            Indices of tasks, such as ``"0,9"`` or ``"0-99"``; None uses all of them.
        columns : str | None, default=None
            Indices of tasks, as `rows`.
        stage : str | int, default='after'
            ``"before"`` or ``"after"`` training, or the number of an epoch.
        measure : schemas.Measure, default='cosine'
            Similarity of two context vectors: ``"cosine"`` or ``"correlation"``.
        layer : str | None, default=None
            Layer whose part of the vectors is compared; None compares all of them.

        Returns
        -------
        results.SimilarityBlock
            Labelled block, [rows, columns].
        """
        experiment = await self.experiment_id(experiment)
        params = {"rows": rows, "columns": columns, "stage": stage, "measure": measure, "layer": layer}
        return await self._send(
            get_document(results.SimilarityBlock, experiment, "similarity", "block", **params)
        )

    async def nearest(
        self,
        experiment: ExperimentReference,
        count: int = 20,
        stage: str | int = "after",
        measure: schemas.Measure = "cosine",
        layer: str | None = None,
    ) -> results.NearestTasks:
        """Nearest tasks: for every task the most similar other tasks.

        Parameters
        ----------
        experiment : ExperimentReference
            The experiment, its id, or the beginning of it.
        count : int, default=20
            Neighbours per task, 1 to 100.
        stage : str | int, default='after'
            ``"before"`` or ``"after"`` training, or the number of an epoch.
        measure : schemas.Measure, default='cosine'
            Similarity of two context vectors: ``"cosine"`` or ``"correlation"``.
        layer : str | None, default=None
            Layer whose part of the vectors is compared; None compares all of them.

        Returns
        -------
        results.NearestTasks
            Neighbours and similarities, [T, count], most similar first.
        """
        experiment = await self.experiment_id(experiment)
        params = {"count": count, "stage": stage, "measure": measure, "layer": layer}
        return await self._send(
            get_document(results.NearestTasks, experiment, "similarity", "nearest", **params)
        )

    async def similarity_epochs(
        self,
        experiment: ExperimentReference,
        pairs: Iterable[tuple[int, int]] | None = None,
        measure: schemas.Measure = "cosine",
        layer: str | None = None,
    ) -> results.SimilarityEpochs:
        """Similarity of pairs of tasks over the epochs.

        Parameters
        ----------
        experiment : ExperimentReference
            The experiment, its id, or the beginning of it.
        pairs : Iterable[tuple[int, int]] | None, default=None
            Pairs of indices of tasks; None pairs the first task with some others.
        measure : schemas.Measure, default='cosine'
            Similarity of two context vectors: ``"cosine"`` or ``"correlation"``.
        layer : str | None, default=None
            Layer whose part of the vectors is compared; None compares all of them.

        Returns
        -------
        results.SimilarityEpochs
            Similarities, [epochs, pairs]; epoch 0 is before training.
        """
        experiment = await self.experiment_id(experiment)
        joined = None if pairs is None else ",".join(f"{one}-{other}" for one, other in pairs)
        params = {"pairs": joined, "measure": measure, "layer": layer}
        return await self._send(
            get_document(results.SimilarityEpochs, experiment, "similarity", "epochs", **params)
        )

    async def dendrogram(
        self,
        experiment: ExperimentReference,
        stage: str | int = "after",
        method: str = "average",
        measure: schemas.Measure = "cosine",
        layer: str | None = None,
    ) -> results.Dendrogram:
        """Agglomerative clustering of the tasks on the distance 1 − similarity.

        Parameters
        ----------
        experiment : ExperimentReference
            The experiment, its id, or the beginning of it.
        stage : str | int, default='after'
            ``"before"`` or ``"after"`` training, or the number of an epoch.
        method : str, default='average'
            Linkage: ``"average"``, ``"single"``, ``"complete"`` or ``"weighted"``.
        measure : schemas.Measure, default='cosine'
            Similarity of two context vectors: ``"cosine"`` or ``"correlation"``.
        layer : str | None, default=None
            Layer whose part of the vectors is compared; None compares all of them.

        Returns
        -------
        results.Dendrogram
            Linkage matrix of SciPy, [T − 1, 4], order of the leaves and Newick tree.
        """
        experiment = await self.experiment_id(experiment)
        params = {"stage": stage, "method": method, "measure": measure, "layer": layer}
        return await self._send(get_document(results.Dendrogram, experiment, "dendrogram", **params))

    async def embedding(
        self,
        experiment: ExperimentReference,
        stage: str | int = "after",
        method: schemas.EmbeddingMethod = "mds",
        dimensions: int = 2,
        measure: schemas.Measure = "cosine",
        layer: str | None = None,
    ) -> results.Embedding:
        """Embedding of the tasks as points.

        Parameters
        ----------
        experiment : ExperimentReference
            The experiment, its id, or the beginning of it.
        stage : str | int, default='after'
            ``"before"`` or ``"after"`` training, or the number of an epoch.
        method : schemas.EmbeddingMethod, default='mds'
            ``"mds"``, classical multidimensional scaling of 1 − similarity, or ``"pca"`` of the vectors.
        dimensions : int, default=2
            Coordinates per task, 2 or 3.
        measure : schemas.Measure, default='cosine'
            Similarity behind ``"mds"``: ``"cosine"`` or ``"correlation"``.
        layer : str | None, default=None
            Layer whose part of the vectors is embedded; None embeds all of them.

        Returns
        -------
        results.Embedding
            Coordinates, [T, dimensions].
        """
        experiment = await self.experiment_id(experiment)
        params = {
            "stage": stage,
            "method": method,
            "dimensions": dimensions,
            "measure": measure,
            "layer": layer,
        }
        return await self._send(get_document(results.Embedding, experiment, "embedding", **params))

    async def context_vectors(
        self, experiment: ExperimentReference, stage: str | int = "after", layer: str | None = None
    ) -> results.ContextVectors:
        """Context vectors of the tasks, as JSON; `fetch` reads them as .npy or safetensors.

        Parameters
        ----------
        experiment : ExperimentReference
            The experiment, its id, or the beginning of it.
        stage : str | int, default='after'
            ``"before"`` or ``"after"`` training, or the number of an epoch.
        layer : str | None, default=None
            Layer whose part of the vectors is returned; None returns all of them.

        Returns
        -------
        results.ContextVectors
            Vectors v_t, [T, H].
        """
        experiment = await self.experiment_id(experiment)
        params = {"stage": stage, "layer": layer}
        return await self._send(get_document(results.ContextVectors, experiment, "context-vectors", **params))

    async def accuracy(self, experiment: ExperimentReference) -> results.Accuracy:
        """Test accuracy of every task that has completed.

        Parameters
        ----------
        experiment : ExperimentReference
            The experiment, its id, or the beginning of it.

        Returns
        -------
        results.Accuracy
            Accuracies, [T], each from 0 to 1, beside balanced accuracy, chance, and recall of every class.
        """
        experiment = await self.experiment_id(experiment)
        return await self._send(get_document(results.Accuracy, experiment, "accuracy"))

    async def confusion(self, experiment: ExperimentReference, task: int) -> results.Confusion:
        """Confusion of the classes of a task that has completed.

        Parameters
        ----------
        experiment : ExperimentReference
            The experiment, its id, or the beginning of it.
        task : int
            Index of the task.

        Returns
        -------
        results.Confusion
            Test images, [K, K]: a row a class, a column a recognised class.
        """
        experiment = await self.experiment_id(experiment)
        return await self._send(get_document(results.Confusion, experiment, "tasks", str(task), "confusion"))

    async def accuracy_matrix(self, experiment: ExperimentReference) -> results.AccuracyMatrix:
        """Test accuracy with the context of each task on the data of every task.

        Measured for experiments that were submitted with ``"accuracy_matrix": True``.

        Parameters
        ----------
        experiment : ExperimentReference
            The experiment, its id, or the beginning of it.

        Returns
        -------
        results.AccuracyMatrix
            Accuracies, [T, T]: contexts in rows, data in columns.
        """
        experiment = await self.experiment_id(experiment)
        return await self._send(get_document(results.AccuracyMatrix, experiment, "accuracy", "matrix"))

    async def geometry(
        self, experiment: ExperimentReference, baseline: ExperimentReference | None = None
    ) -> results.Geometry:
        """Geometry of the representations (Definition 1 of the paper) of a completed experiment.

        Parameters
        ----------
        experiment : ExperimentReference
            The experiment, its id, or the beginning of it.
        baseline : ExperimentReference | None, default=None
            Another experiment on the same tasks and images, to measure beside it.

        Returns
        -------
        results.Geometry
            Histograms of intra-task and inter-task cosines, before and after training.
        """
        experiment = await self.experiment_id(experiment)
        baseline_id = None if baseline is None else await self.experiment_id(baseline)
        return await self._send(get_document(results.Geometry, experiment, "geometry", baseline=baseline_id))

    async def reconstructions(
        self,
        experiment: ExperimentReference,
        tasks: str | None = None,
        classes: str | None = None,
        *,
        samples: int | None = None,
        seed: int | None = None,
        method: schemas.ReconstructionMethod | None = None,
        ridge: float | None = None,
        stage: str | int | None = None,
    ) -> results.Reconstructions:
        """Images reconstructed from context vectors and class weights (Eq. 3 of the paper).

        Parameters
        ----------
        experiment : ExperimentReference
            The experiment, its id, or the beginning of it.
        tasks : str | None, default=None
            Indices of tasks, such as ``"0,9"`` or ``"0-3"``; None uses all of them.
        classes : str | None, default=None
            Numbers of classes, as `tasks`.
        samples : int | None, default=None
            Samples of the noise ε per task and class, 1 to 100; None samples once.
        seed : int | None, default=None
            Seed of the noise; None uses 0.
        method : schemas.ReconstructionMethod | None, default=None
            Inverse of A: ``"pinv"``, the pseudo-inverse, or ``"ridge"``; None uses ``"pinv"``.
        ridge : float | None, default=None
            λ of ``"ridge"``; None uses 1.
        stage : str | int | None, default=None
            ``"before"`` or ``"after"`` training, or the number of an epoch; None uses ``"after"``.

        Returns
        -------
        results.Reconstructions
            Images, [T, K, samples, height, width], in units of the network's input.
        """
        experiment = await self.experiment_id(experiment)
        selection = {"tasks": tasks, "classes": classes, "stage": stage}
        options = {"samples": samples, "seed": seed, "method": method, "ridge": ridge}
        return await self._send(
            get_document(results.Reconstructions, experiment, "reconstructions", **selection, **options)
        )

    async def samples(self, experiment: ExperimentReference, tasks: str | None = None) -> results.Samples:
        """Test images as transformed by each task, the same images for all of them.

        Parameters
        ----------
        experiment : ExperimentReference
            The experiment, its id, or the beginning of it.
        tasks : str | None, default=None
            Indices of tasks, such as ``"0,9"`` or ``"0-3"``; None uses all that are stored.

        Returns
        -------
        results.Samples
            Images, [T, n, height, width], from 0 (black) to 1 (white).
        """
        experiment = await self.experiment_id(experiment)
        return await self._send(get_document(results.Samples, experiment, "samples", tasks=tasks))

    async def predictions(
        self,
        experiment: ExperimentReference,
        task: int,
        images: Images,
        *,
        stage: str | int = "after",
        transform: bool = False,
    ) -> results.Predictions:
        """Classes and class probabilities that a task's network predicts for images.

        Parameters
        ----------
        experiment : ExperimentReference
            The experiment, its id, or the beginning of it.
        task : int
            Index of the task.
        images : Images
            At most 1,000 images, [n, height, width] or [n, height, width, 3], uint8 (0 to 255) or floats
            (0 to 1).
        stage : str | int, default='after'
            ``"before"`` or ``"after"`` training, or the number of an epoch.
        transform : bool, default=False
            Whether to apply the transform of the task first, as to images of the dataset.

        Returns
        -------
        results.Predictions
            Predicted classes, [n], and probabilities, [n, K].
        """
        experiment = await self.experiment_id(experiment)
        return await self._send(post_predictions(experiment, task, images, stage=stage, transform=transform))

    async def representations(
        self,
        experiment: ExperimentReference,
        task: int,
        images: Images,
        *,
        stage: str | int = "after",
        transform: bool = False,
    ) -> np.ndarray:
        """Representations r_t(x) of images in a task's network, the input of its readout.

        Parameters
        ----------
        experiment : ExperimentReference
            The experiment, its id, or the beginning of it.
        task : int
            Index of the task.
        images : Images
            Images, as for `predictions`.
        stage : str | int, default='after'
            ``"before"`` or ``"after"`` training, or the number of an epoch.
        transform : bool, default=False
            Whether to apply the transform of the task first, as to images of the dataset.

        Returns
        -------
        np.ndarray
            Representations, float32 [n, R].
        """
        experiment = await self.experiment_id(experiment)
        return await self._send(
            post_representations(experiment, task, images, stage=stage, transform=transform)
        )

    async def fetch(
        self,
        experiment: ExperimentReference,
        resource: str,
        *,
        format: str,
        params: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Result as a file.

        Parameters
        ----------
        experiment : ExperimentReference
            The experiment, its id, or the beginning of it.
        resource : str
            Path of the result below the experiment, such as ``"similarity"`` or ``"similarity/epochs"``.
        format : str
            File format, such as ``"csv"``, ``"npy"``, ``"safetensors"``, ``"png"`` or ``"pdf"``.
        params : Mapping[str, Any] | None, default=None
            Query parameters of the result, such as ``{"stage": "before"}``.

        Returns
        -------
        bytes
            Content of the file.

        Examples
        --------
        >>> content = await client.fetch(experiment.id, "similarity", format="csv")
        """
        experiment = await self.experiment_id(experiment)
        path = experiment_path(experiment, *resource.split("/"))
        return await self._send(get_file(path, **{**(params or {}), "format": format}))

    async def figure(
        self, experiment: ExperimentReference, name: str, format: str = "png", **options: Any
    ) -> bytes:
        """Figure under its stable name, as a file.

        Parameters
        ----------
        experiment : ExperimentReference
            The experiment, its id, or the beginning of it.
        name : str
            Name of the figure, such as ``"dendrogram"``.
        format : str, default='png'
            ``"png"``, ``"svg"`` or ``"pdf"``.
        **options : Any
            Options of the figure, such as ``width=85, font=8, diagonal="mask", svg_text="text"``; see
            `tgsh.specs.figure_options.FigureOptions`.

        Returns
        -------
        bytes
            Content of the file.

        Examples
        --------
        >>> svg = await client.figure(experiment.id, "similarity", "svg", width=85, font=8)
        """
        experiment = await self.experiment_id(experiment)
        path = experiment_path(experiment, "figures", f"{name}.{format}")
        return await self._send(get_file(path, **options))
