"""The claims of the paper: each a pure function from documents of the API to a finding.

Criteria are the paper's wording, or numbers that were expected before anything was measured here.
"""

from __future__ import annotations

from tgsh.reproduce.claims import accuracies, augment, representations, similarities
from tgsh.reproduce.claims.claim import Claim
from tgsh.reproduce.experiments import DatasetChoice


def paper_claims(dataset: DatasetChoice) -> tuple[Claim, ...]:
    """All claims about the experiments that are planned for this dataset, in the order of the report."""
    return (
        *accuracies.claims(dataset),
        *similarities.claims(dataset),
        *augment.claims(dataset),
        *representations.claims(dataset),
    )
