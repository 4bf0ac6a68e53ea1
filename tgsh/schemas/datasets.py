"""Uploaded datasets on the wire."""

from __future__ import annotations

from datetime import datetime

from pydantic import ConfigDict, Field

from tgsh.schemas import examples
from tgsh.schemas.wire import Wire

Pictures = list[list[list[list[float]]]] | list[list[list[list[list[float]]]]]
"""[row][image][row of pixels][column], and three numbers a pixel in colour."""


class Dataset(Wire):
    """A dataset that somebody uploaded; its id follows from its content."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.DATASET]})

    id: str
    name: str = Field(description="what its owner calls it")
    images: int
    train: int = Field(description="training images")
    test: int = Field(description="test images")
    classes: int
    class_names: list[str]
    height: int
    width: int
    channels: int = Field(description="1: grey, 3: colour")
    mean: float = Field(description="of the training images' pixels, from 0 to 1; a network's input is "
                                    "(pixel − mean)/deviation")  # fmt: skip
    deviation: float
    bytes: int = Field(description="what it takes on the disk, and of its owner's share")
    created_at: datetime
    used_by: int = Field(description="experiments that use it, and keep it from being deleted")
    owner: str | None = Field(None, description="the key that uploaded it; null: nobody's, everybody sees it")
    shared: bool = Field(False, description="whether others see it, too")
    links: dict[str, str] = Field(default_factory=dict)


class DatasetPage(Wire):
    """A page of datasets, newest first; `next` is the cursor of the page after, null on the last."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.DATASET_PAGE]})

    items: list[Dataset]
    next: str | None = None


class DatasetSamples(Wire):
    """The first training images of some classes: images[class][example][row][column], 0 to 255."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.DATASET_SAMPLES]})

    id: str
    classes: list[int]
    class_names: list[str]
    images: Pictures
