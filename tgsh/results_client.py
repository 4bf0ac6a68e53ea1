"""What a client asks of an experiment's results: each a document, or the bytes of a file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import numpy as np

from tgsh import calls, schemas
from tgsh.calls import Call, Images

T = TypeVar("T")


class Results(ABC):
    """The results of experiments, for whoever can send a call.

    stage is "before", "after" or the number of an epoch; layer, such as "layer-1", takes one layer's part
    of the context vectors, None all of them.
    """

    @abstractmethod
    def _send(self, call: Call[T]) -> T: ...

    def similarity(
        self,
        experiment: str,
        stage: str | int = "after",
        order: schemas.Order = "task",
        measure: schemas.Measure = "cosine",
        layer: str | None = None,
    ) -> schemas.Similarity:
        """The labelled T×T matrix."""
        wanted = {"stage": stage, "order": order, "measure": measure, "layer": layer}
        return self._send(calls.document(experiment, schemas.Similarity, "similarity", **wanted))

    def similarity_block(
        self,
        experiment: str,
        rows: str | None = None,
        columns: str | None = None,
        stage: str | int = "after",
        measure: schemas.Measure = "cosine",
        layer: str | None = None,
    ) -> schemas.SimilarityBlock:
        """Some rows and columns of a matrix that may be large; rows and columns such as "0,9" or "0-99"."""
        wanted = {"rows": rows, "columns": columns, "stage": stage, "measure": measure, "layer": layer}
        return self._send(
            calls.document(experiment, schemas.SimilarityBlock, "similarity", "block", **wanted)
        )

    def nearest(
        self,
        experiment: str,
        count: int = 20,
        stage: str | int = "after",
        measure: schemas.Measure = "cosine",
        layer: str | None = None,
    ) -> schemas.NearestTasks:
        """The most similar other tasks of every task, best first."""
        wanted = {"count": count, "stage": stage, "measure": measure, "layer": layer}
        return self._send(calls.document(experiment, schemas.NearestTasks, "similarity", "nearest", **wanted))

    def similarity_epochs(
        self,
        experiment: str,
        pairs: Iterable[tuple[int, int]] | None = None,
        measure: schemas.Measure = "cosine",
        layer: str | None = None,
    ) -> schemas.SimilarityEpochs:
        """The similarity of pairs of tasks at every epoch; by default of the first task and some others."""
        chosen = None if pairs is None else ",".join(f"{one}-{other}" for one, other in pairs)
        wanted = {"pairs": chosen, "measure": measure, "layer": layer}
        call = calls.document(experiment, schemas.SimilarityEpochs, "similarity", "epochs", **wanted)
        return self._send(call)

    def dendrogram(
        self,
        experiment: str,
        stage: str | int = "after",
        method: str = "average",
        measure: schemas.Measure = "cosine",
        layer: str | None = None,
    ) -> schemas.Dendrogram:
        """Clustering of the tasks on 1 − similarity; method: average, single, complete or weighted."""
        wanted = {"stage": stage, "method": method, "measure": measure, "layer": layer}
        return self._send(calls.document(experiment, schemas.Dendrogram, "dendrogram", **wanted))

    def embedding(
        self,
        experiment: str,
        stage: str | int = "after",
        method: schemas.EmbeddingMethod = "mds",
        dimensions: int = 2,
        measure: schemas.Measure = "cosine",
        layer: str | None = None,
    ) -> schemas.Embedding:
        """The tasks as points in 2 or 3 dimensions, by classical MDS of 1 − similarity or PCA."""
        wanted = {
            "stage": stage,
            "method": method,
            "dimensions": dimensions,
            "measure": measure,
            "layer": layer,
        }
        return self._send(calls.document(experiment, schemas.Embedding, "embedding", **wanted))

    def context_vectors(
        self, experiment: str, stage: str | int = "after", layer: str | None = None
    ) -> schemas.ContextVectors:
        """The T×H context vectors as lists; `fetch` has them as npy or safetensors."""
        wanted = {"stage": stage, "layer": layer}
        return self._send(calls.document(experiment, schemas.ContextVectors, "context-vectors", **wanted))

    def accuracy(self, experiment: str) -> schemas.Accuracy:
        return self._send(calls.document(experiment, schemas.Accuracy, "accuracy"))

    def accuracy_matrix(self, experiment: str) -> schemas.AccuracyMatrix:
        """How well the context of each task does on every task; where "accuracy_matrix" was submitted."""
        return self._send(calls.document(experiment, schemas.AccuracyMatrix, "accuracy", "matrix"))

    def geometry(self, experiment: str, baseline: str | None = None) -> schemas.Geometry:
        """Definition 1 measured; there once the experiment has completed.

        baseline: the id of another experiment on the same tasks and images, measured beside it.
        """
        return self._send(calls.document(experiment, schemas.Geometry, "geometry", baseline=baseline))

    def reconstructions(
        self, experiment: str, tasks: str | None = None, classes: str | None = None, **params: Any
    ) -> schemas.Reconstructions:
        """Images that the network believes in; tasks and classes such as "0,9" or "0-3"."""
        call = calls.document(
            experiment, schemas.Reconstructions, "reconstructions", tasks=tasks, classes=classes, **params
        )
        return self._send(call)

    def samples(self, experiment: str, tasks: str | None = None) -> schemas.Samples:
        """The same test images as each task shows them; tasks such as "0,9" or "0-3"."""
        return self._send(calls.document(experiment, schemas.Samples, "samples", tasks=tasks))

    def comparison(
        self,
        experiments: Iterable[str],
        stage: str | int = "after",
        measure: schemas.Measure = "cosine",
        layer: str | None = None,
        permutations: int = 999,
        alternative: schemas.Alternative = "greater",
        seed: int = 0,
    ) -> schemas.Comparison:
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
        return self._send(
            Call("GET", "/comparison", calls.model(schemas.Comparison), params=calls.given(**wanted))
        )

    def predictions(
        self,
        experiment: str,
        task: int,
        images: Images,
        *,
        stage: str | int = "after",
        transform: bool = False,
    ) -> schemas.Predictions:
        """What a task's network sees in images: up to 1,000 of them, uint8 (0 to 255) or floats (0 to 1).

        transform: the images are as the dataset has them; move their pixels as the task does first.
        """
        return self._send(calls.predictions(experiment, task, images, stage=stage, transform=transform))

    def representations(
        self,
        experiment: str,
        task: int,
        images: Images,
        *,
        stage: str | int = "after",
        transform: bool = False,
    ) -> np.ndarray:
        """r_t(x) of images, float32 [n, R]; they are sent as to `predictions`."""
        return self._send(calls.representations(experiment, task, images, stage=stage, transform=transform))

    def fetch(
        self, experiment: str, resource: str, *, format: str, params: Mapping[str, Any] | None = None
    ) -> bytes:
        """A result as the bytes of a file: resource such as "similarity", format such as "png"."""
        path = calls.path(experiment, *resource.split("/"))
        wanted = {**calls.given(**(params or {})), "format": format}
        return self._send(Call("GET", path, lambda response: response.content, params=wanted))

    def figure(self, experiment: str, name: str, format: str = "png") -> bytes:
        """A figure under its stable name, such as "dendrogram", as the bytes of a png, svg or pdf file."""
        path = calls.path(experiment, "figures", f"{name}.{format}")
        return self._send(Call("GET", path, lambda response: response.content))
