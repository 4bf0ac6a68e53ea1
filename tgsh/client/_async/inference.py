"""Methods of `AsyncClient` about reuse: inferred tasks, mixed contexts, transfer, scenarios, hash codes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import numpy as np

from tgsh import schemas
from tgsh.client import results
from tgsh.client._async.references import AsyncReferences, ExperimentReference
from tgsh.client._image_requests import post_codes, post_image_file, post_images, weights_text
from tgsh.client._requests import Images, get_document


class AsyncInferenceMethods(AsyncReferences):
    """Questions about images and contexts that an experiment has not seen together."""

    async def infer(
        self,
        experiment: ExperimentReference,
        images: Images | str | os.PathLike[str],
        rule: schemas.InferenceRule = "margin",
        *,
        stage: str | int = "after",
        size: tuple[int, int] | None = None,
        channels: int | None = None,
        fit: str | None = None,
    ) -> results.TaskInference:
        """Task that unlabelled images come from, and their classes without its number.

        Parameters
        ----------
        experiment : ExperimentReference
            The experiment, its id, or the beginning of it.
        images : Images | str | os.PathLike[str]
            At most 1,000 images of one task, as for `predictions`; or a file or folder of them: pictures,
            a zip of pictures, an array.
        rule : schemas.InferenceRule, default='margin'
            ``"margin"``, ``"entropy"``, ``"infomax"`` or ``"blind-hash"``, the best for a single image.
        stage : str | int, default='after'
            ``"before"`` or ``"after"`` training, or the number of an epoch.
        size : tuple[int, int] | None, default=None
            Height and width to which images of a file are resized.
        channels : int | None, default=None
            Channels into which images of a file are converted: 1 (grey) or 3 (colour).
        fit : str | None, default=None
            How images of a file get another size: ``"squash"``, ``"crop"`` or ``"pad"``.

        Returns
        -------
        results.TaskInference
            Tasks, the likeliest first, with scores, [T]; and a class for every image.

        Examples
        --------
        >>> found = await client.infer(experiment.id, images)
        >>> found.tasks[0].label, found.classes
        """
        experiment = await self.experiment_id(experiment)
        conversion = {
            "size": None if size is None else "{}x{}".format(*size),
            "channels": channels,
            "fit": fit,
        }
        options = {"rule": rule, "stage": stage, **conversion}
        if isinstance(images, (str, os.PathLike)):
            request = post_image_file(results.TaskInference, experiment, ["inference"], images, **options)
        else:
            request = post_images(results.TaskInference, experiment, ["inference"], images, **options)
        return await self._send(request)

    async def mixed_predictions(
        self,
        experiment: ExperimentReference,
        weights: Mapping[int, float] | str,
        images: Images,
        *,
        stage: str | int = "after",
    ) -> results.MixedPredictions:
        """Classes that a weighted mean of contexts predicts for images.

        Parameters
        ----------
        experiment : ExperimentReference
            The experiment, its id, or the beginning of it.
        weights : Mapping[int, float] | str
            Weights by index of the task, such as ``{8: 0.5, 10: 0.5}``; they are divided by their sum.
        images : Images
            At most 1,000 images, as for `predictions`.
        stage : str | int, default='after'
            ``"before"`` or ``"after"`` training, or the number of an epoch.

        Returns
        -------
        results.MixedPredictions
            Predicted classes, [n], and probabilities, [n, K].
        """
        experiment = await self.experiment_id(experiment)
        params = {"weights": weights_text(weights), "stage": stage}
        request = post_images(results.MixedPredictions, experiment, ["predictions"], images, **params)
        return await self._send(request)

    async def mixture(
        self,
        experiment: ExperimentReference,
        images: Images,
        labels: Sequence[str | int],
        contexts: int = 2,
        *,
        tasks: str | None = None,
        seed: int = 0,
        stage: str | int = "after",
    ) -> schemas.ContextMixture:
        """Best mix of contexts for labelled images: fitted on one half of them, measured on the other.

        Parameters
        ----------
        experiment : ExperimentReference
            The experiment, its id, or the beginning of it.
        images : Images
            4 to 1,000 images, as for `predictions`.
        labels : Sequence[str | int]
            Class of every image, [n], by name or number.
        contexts : int, default=2
            Contexts in the mix, at most.
        tasks : str | None, default=None
            Indices of the tasks whose contexts may be mixed, such as ``"0-8,10"``; None for all.
        seed : int, default=0
            Decides the halves.
        stage : str | int, default='after'
            ``"before"`` or ``"after"`` training, or the number of an epoch.

        Returns
        -------
        schemas.ContextMixture
            Weights, and the accuracy on the other half with its interval; `weights` fits `mixed_predictions`.
        """
        experiment = await self.experiment_id(experiment)
        text = ",".join(str(label) for label in labels)
        params = {"labels": text, "contexts": contexts, "tasks": tasks, "seed": seed, "stage": stage}
        return await self._send(
            post_images(schemas.ContextMixture, experiment, ["mixtures"], images, **params)
        )

    async def codes(
        self,
        experiment: ExperimentReference,
        task: int,
        images: Images,
        kind: schemas.HashKind = "simhash",
        bits: int = 256,
        *,
        stage: str | int = "after",
        transform: bool = False,
    ) -> np.ndarray:
        """Hash codes of images under the context of a task.

        Parameters
        ----------
        experiment : ExperimentReference
            The experiment, its id, or the beginning of it.
        task : int
            Index of the task.
        images : Images
            At most 1,000 images, as for `predictions`.
        kind : schemas.HashKind, default='simhash'
            ``"simhash"``, signs of random products, or ``"top-share"``, the largest units.
        bits : int, default=256
            Bits of a SimHash; units that are set of a top share.
        stage : str | int, default='after'
            ``"before"`` or ``"after"`` training, or the number of an epoch.
        transform : bool, default=False
            Whether to apply the transform of the task first, as to images of the dataset.

        Returns
        -------
        np.ndarray
            Packed codes, uint8 [n, bytes]; `numpy.unpackbits(codes, axis=1)` has the bits.
        """
        experiment = await self.experiment_id(experiment)
        params = {"kind": kind, "bits": bits, "stage": stage, "transform": transform}
        return await self._send(post_codes(experiment, task, images, **params))

    async def transfer(
        self, experiment: ExperimentReference, measure: schemas.Measure = "cosine", layer: str | None = None
    ) -> results.ContextTransfer:
        """Context to reuse for every task, chosen by similarity, and the accuracy to expect of it.

        Needs the accuracy matrix of the experiment.

        Parameters
        ----------
        experiment : ExperimentReference
            The experiment, its id, or the beginning of it.
        measure : schemas.Measure, default='cosine'
            Similarity of two context vectors.
        layer : str | None, default=None
            Layer whose part of the vectors is compared; None compares all of them.

        Returns
        -------
        results.ContextTransfer
            Correlations of similarity and accuracy, and accuracies, [T, 4].
        """
        experiment = await self.experiment_id(experiment)
        params = {"measure": measure, "layer": layer}
        return await self._send(get_document(results.ContextTransfer, experiment, "transfer", **params))

    async def scenarios(
        self, experiment: ExperimentReference, images: int | None = None, rule: schemas.LogitRule = "margin"
    ) -> results.Scenarios:
        """Accuracies with and without the task's number: the three settings of continual learning.

        Parameters
        ----------
        experiment : ExperimentReference
            The experiment, its id, or the beginning of it.
        images : int | None, default=None
            Images a batch, all of one task; None for 1, 10 and 100.
        rule : schemas.LogitRule, default='margin'
            Rule by which the task of a batch is inferred.

        Returns
        -------
        results.Scenarios
            Accuracies, [sizes, 4], with intervals over tasks, beside chance.
        """
        experiment = await self.experiment_id(experiment)
        params = {"images": images, "rule": rule}
        return await self._send(get_document(results.Scenarios, experiment, "scenarios", **params))

    async def hashing(
        self,
        experiment: ExperimentReference,
        kind: schemas.HashKind = "simhash",
        bits: int = 256,
        count: int = 10,
    ) -> results.HashProperties:
        """Properties of the network as a hash: collisions against cosine, and what codes retrieve.

        Parameters
        ----------
        experiment : ExperimentReference
            The experiment, its id, or the beginning of it.
        kind : schemas.HashKind, default='simhash'
            ``"simhash"``, signs of random products, or ``"top-share"``, the largest units.
        bits : int, default=256
            Bits of a SimHash; units that are set of a top share.
        count : int, default=10
            Nearest codes that are looked at.

        Returns
        -------
        results.HashProperties
            Collision curves, and precision of retrieval, [rows, 3].
        """
        experiment = await self.experiment_id(experiment)
        params = {"kind": kind, "bits": bits, "count": count}
        return await self._send(get_document(results.HashProperties, experiment, "hashing", **params))
