"""All claims of the paper."""

from __future__ import annotations

from tgsh.reproduce.claims import accuracy, augment, representations, similarity
from tgsh.reproduce.claims.base import Claim
from tgsh.reproduce.plan import DatasetChoice


def paper_claims(dataset: DatasetChoice) -> tuple[Claim, ...]:
    """Claims about the experiments planned for this dataset, in the order of the report."""
    return (
        *accuracy.accuracy_claims(dataset),
        *similarity.similarity_claims(dataset),
        *augment.augment_claims(dataset),
        *representations.representation_claims(dataset),
    )
