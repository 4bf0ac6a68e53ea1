"""What a client asks of an experiment's results: each a document, or the bytes of a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tgsh import schemas
from tgsh.client import calls, values
from tgsh.client.calls import Images
from tgsh.client.conversation import Conversation
from tgsh.client.operations import operation
from tgsh.client.steps import Call, Flow


class Results(Conversation):
    """The results of experiments.

    stage is "before", "after" or the number of an epoch; layer, such as "layer-1", takes one layer's part
    of the context vectors, None all of them.
    """

    @operation
    def similarity(
        self,
        experiment: str,
        stage: str | int = "after",
        order: schemas.Order = "task",
        measure: schemas.Measure = "cosine",
        layer: str | None = None,
    ) -> Flow[values.Similarity]:
        """The labelled T×T matrix."""
        wanted = {"stage": stage, "order": order, "measure": measure, "layer": layer}
        return self._ask(calls.document(experiment, values.Similarity, "similarity", **wanted))

    @operation
    def similarity_block(
        self,
        experiment: str,
        rows: str | None = None,
        columns: str | None = None,
        stage: str | int = "after",
        measure: schemas.Measure = "cosine",
        layer: str | None = None,
    ) -> Flow[values.SimilarityBlock]:
        """Some rows and columns of a matrix that may be large; rows and columns such as "0,9" or "0-99"."""
        wanted = {"rows": rows, "columns": columns, "stage": stage, "measure": measure, "layer": layer}
        return self._ask(calls.document(experiment, values.SimilarityBlock, "similarity", "block", **wanted))

    @operation
    def nearest(
        self,
        experiment: str,
        count: int = 20,
        stage: str | int = "after",
        measure: schemas.Measure = "cosine",
        layer: str | None = None,
    ) -> Flow[values.NearestTasks]:
        """The most similar other tasks of every task, best first."""
        wanted = {"count": count, "stage": stage, "measure": measure, "layer": layer}
        return self._ask(calls.document(experiment, values.NearestTasks, "similarity", "nearest", **wanted))

    @operation
    def similarity_epochs(
        self,
        experiment: str,
        pairs: Iterable[tuple[int, int]] | None = None,
        measure: schemas.Measure = "cosine",
        layer: str | None = None,
    ) -> Flow[values.SimilarityEpochs]:
        """The similarity of pairs of tasks at every epoch; by default of the first task and some others."""
        chosen = None if pairs is None else ",".join(f"{one}-{other}" for one, other in pairs)
        wanted = {"pairs": chosen, "measure": measure, "layer": layer}
        call = calls.document(experiment, values.SimilarityEpochs, "similarity", "epochs", **wanted)
        return self._ask(call)

    @operation
    def dendrogram(
        self,
        experiment: str,
        stage: str | int = "after",
        method: str = "average",
        measure: schemas.Measure = "cosine",
        layer: str | None = None,
    ) -> Flow[values.Dendrogram]:
        """Clustering of the tasks on 1 − similarity; method: average, single, complete or weighted."""
        wanted = {"stage": stage, "method": method, "measure": measure, "layer": layer}
        return self._ask(calls.document(experiment, values.Dendrogram, "dendrogram", **wanted))

    @operation
    def embedding(
        self,
        experiment: str,
        stage: str | int = "after",
        method: schemas.EmbeddingMethod = "mds",
        dimensions: int = 2,
        measure: schemas.Measure = "cosine",
        layer: str | None = None,
    ) -> Flow[values.Embedding]:
        """The tasks as points in 2 or 3 dimensions, by classical MDS of 1 − similarity or PCA."""
        wanted = {
            "stage": stage,
            "method": method,
            "dimensions": dimensions,
            "measure": measure,
            "layer": layer,
        }
        return self._ask(calls.document(experiment, values.Embedding, "embedding", **wanted))

    @operation
    def context_vectors(
        self, experiment: str, stage: str | int = "after", layer: str | None = None
    ) -> Flow[values.ContextVectors]:
        """The T×H context vectors as lists; `fetch` has them as npy or safetensors."""
        wanted = {"stage": stage, "layer": layer}
        return self._ask(calls.document(experiment, values.ContextVectors, "context-vectors", **wanted))

    @operation
    def accuracy(self, experiment: str) -> Flow[values.Accuracy]:
        """The test accuracy of every task that is done."""
        return self._ask(calls.document(experiment, values.Accuracy, "accuracy"))

    @operation
    def accuracy_matrix(self, experiment: str) -> Flow[values.AccuracyMatrix]:
        """How well the context of each task does on every task; where "accuracy_matrix" was submitted."""
        return self._ask(calls.document(experiment, values.AccuracyMatrix, "accuracy", "matrix"))

    @operation
    def geometry(self, experiment: str, baseline: str | None = None) -> Flow[values.Geometry]:
        """Definition 1 measured; there once the experiment has completed.

        baseline: the id of another experiment on the same tasks and images, measured beside it.
        """
        return self._ask(calls.document(experiment, values.Geometry, "geometry", baseline=baseline))

    @operation
    def reconstructions(
        self,
        experiment: str,
        tasks: str | None = None,
        classes: str | None = None,
        *,
        samples: int | None = None,
        seed: int | None = None,
        method: schemas.ReconstructionMethod | None = None,
        ridge: float | None = None,
        stage: str | int | None = None,
    ) -> Flow[values.Reconstructions]:
        """Images that the network believes in; tasks and classes such as "0,9" or "0-3".

        samples: draws of the noise, by `seed`, a task and class. ridge: λ, where method is "ridge".
        """
        which = {"tasks": tasks, "classes": classes, "stage": stage}
        how = {"samples": samples, "seed": seed, "method": method, "ridge": ridge}
        call = calls.document(experiment, values.Reconstructions, "reconstructions", **which, **how)
        return self._ask(call)

    @operation
    def samples(self, experiment: str, tasks: str | None = None) -> Flow[values.Samples]:
        """The same test images as each task shows them; tasks such as "0,9" or "0-3"."""
        return self._ask(calls.document(experiment, values.Samples, "samples", tasks=tasks))

    @operation
    def comparison(
        self,
        experiments: Iterable[str],
        stage: str | int = "after",
        measure: schemas.Measure = "cosine",
        layer: str | None = None,
        permutations: int = 999,
        alternative: schemas.Alternative = "greater",
        seed: int = 0,
    ) -> Flow[schemas.Comparison]:
        """Two to six experiments over the tasks that all have: what differs, and whether they agree."""
        wanted = {
            "ids": ",".join(experiments),
            "stage": stage,
            "measure": measure,
            "layer": layer,
            "permutations": permutations,
            "alternative": alternative,
            "seed": seed,
        }
        return self._ask(
            Call("GET", "/comparison", calls.model(schemas.Comparison), params=calls.given(**wanted))
        )

    @operation
    def predictions(
        self,
        experiment: str,
        task: int,
        images: Images,
        *,
        stage: str | int = "after",
        transform: bool = False,
    ) -> Flow[values.Predictions]:
        """What a task's network sees in images: up to 1,000 of them, uint8 (0 to 255) or floats (0 to 1).

        transform: the images are as the dataset has them; move their pixels as the task does first.
        """
        return self._ask(calls.predictions(experiment, task, images, stage=stage, transform=transform))

    @operation
    def representations(
        self,
        experiment: str,
        task: int,
        images: Images,
        *,
        stage: str | int = "after",
        transform: bool = False,
    ) -> Flow[np.ndarray]:
        """r_t(x) of images, float32 [n, R]; they are sent as to `predictions`."""
        return self._ask(calls.representations(experiment, task, images, stage=stage, transform=transform))

    @operation
    def fetch(
        self, experiment: str, resource: str, *, format: str, params: Mapping[str, Any] | None = None
    ) -> Flow[bytes]:
        """A result as the bytes of a file: resource such as "similarity", format such as "png"."""
        path = calls.path(experiment, *resource.split("/"))
        wanted = {**calls.given(**(params or {})), "format": format}
        return self._ask(Call("GET", path, lambda response: response.content, params=wanted))

    @operation
    def figure(self, experiment: str, name: str, format: str = "png") -> Flow[bytes]:
        """A figure under its stable name, such as "dendrogram", as the bytes of a png, svg or pdf file."""
        path = calls.path(experiment, "figures", f"{name}.{format}")
        return self._ask(Call("GET", path, lambda response: response.content))
