"""What the service answers about one experiment, as claims ask for it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tgsh.client import Client
from tgsh.schemas import Accuracy, Dendrogram, Experiment, Geometry, Reconstructions, Similarity
from tgsh.schemas import SimilarityEpochs as Courses


@dataclass(frozen=True)
class Answers:
    """The documents of a completed experiment; similarities and trees at `stage`.

    Every method raises ServiceProblem where the service refuses.
    """

    client: Client
    experiment: Experiment
    stage: str | int = "after"

    def similarity(self) -> Similarity:
        return self.client.similarity(self.experiment.id, self.stage)

    def before(self) -> Similarity:
        return self.client.similarity(self.experiment.id, "before")

    def dendrogram(self) -> Dendrogram:
        return self.client.dendrogram(self.experiment.id, self.stage)

    def courses(self, *pairs: tuple[int, int]) -> Courses:
        return self.client.similarity_epochs(self.experiment.id, pairs)

    def geometry(self) -> Geometry:
        return self.client.geometry(self.experiment.id)

    def reconstructions(self) -> Reconstructions:
        return self.client.reconstructions(self.experiment.id)

    def accuracy(self) -> Accuracy:
        return self.client.accuracy(self.experiment.id)

    def accuracy_matrix(self) -> dict[str, Any] | None:
        """What was measured of "context of i on data of j", as JSON; None where it was not asked for."""
        document = json.loads(self.client.fetch(self.experiment.id, "accuracy", format="json"))
        found: dict[str, Any] | None = document.get("matrix")
        return found
