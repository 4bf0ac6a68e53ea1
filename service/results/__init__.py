"""Registry of the results of an experiment, in the order of the API pages."""

from __future__ import annotations

from service.results.base import AnyResult
from service.results.bundle import bundle_of
from service.results.figures import FIGURES
from service.results.hash_codes import HASHING
from service.results.images import RECONSTRUCTIONS, SAMPLES
from service.results.measurements import ACCURACY, ACCURACY_MATRIX, GEOMETRY
from service.results.scenarios import SCENARIOS
from service.results.similarity import BLOCK, EPOCHS, NEAREST, SIMILARITY
from service.results.structure import CONTEXT_VECTORS, DENDROGRAM, EMBEDDING
from service.results.transfer import TRANSFER

__all__ = ["BUNDLE", "FIGURES", "RESULTS"]

_BUNDLED: tuple[AnyResult, ...] = (
    SAMPLES,
    SIMILARITY,
    BLOCK,
    NEAREST,
    EPOCHS,
    DENDROGRAM,
    EMBEDDING,
    CONTEXT_VECTORS,
    ACCURACY,
    ACCURACY_MATRIX,
    GEOMETRY,
    RECONSTRUCTIONS,
    TRANSFER,
    SCENARIOS,
    HASHING,
)

BUNDLE = bundle_of(_BUNDLED, FIGURES)

RESULTS: tuple[AnyResult, ...] = (*_BUNDLED, BUNDLE)
"""Each has an endpoint of its name in service/routers/results.py, or reuse.py beside it."""
