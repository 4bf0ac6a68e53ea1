"""Request for the place of new images among the tasks of an experiment."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, WrapValidator

from tgsh.specs.base import WITHOUT_NUL, DatasetSpec, Frozen, Seed, must_be

MOST_DRAWN = 5_000
"""Images of a replicate."""

MOST_REPLICATES = 20

MOST_MAPPED = 1_000
"""Classes that a map names."""

ClassName = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=WITHOUT_NUL)]


def _validate_classes(value: Any, otherwise: Any) -> Any:
    """Validate a rule; errors name the classes of a map as the request does."""
    if isinstance(value, dict) or value in ("names", "nearest"):
        return otherwise(value)
    raise must_be("'names', 'nearest', or a map from classes of the images to the experiment's")


ClassRule = Annotated[
    Literal["names", "nearest"] | Annotated[dict[ClassName, ClassName], Field(max_length=MOST_MAPPED)],
    WrapValidator(_validate_classes),
]
"""Which class of new images is taken for which of an experiment."""


class PlacementOptions(Frozen):
    """Options of a placement."""

    name: str = Field("", max_length=64, pattern=WITHOUT_NUL, description="what to call it")
    classes: ClassRule = Field(
        "names",
        description="which class is taken for which: names (those of the same name), nearest (one to one, by "
        "the means of their images), or a map from names of the images' classes to names of the experiment's",
    )
    train_limit: int = Field(
        200, ge=5, le=MOST_DRAWN, description="images that a replicate learns from, at most"
    )
    replicates: int = Field(
        5, ge=1, le=MOST_REPLICATES, description="contexts that are learned, each of a draw of the images"
    )
    seed: Seed = Field(0, description="decides which images each replicate draws, and how contexts begin")


class PlacementSubmission(PlacementOptions):
    """A dataset that is to be placed, and how."""

    dataset: DatasetSpec = Field(description="a named dataset, or an uploaded one's {id}")
