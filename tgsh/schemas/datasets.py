"""Schemas of uploaded datasets, and of what was done to make them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from tgsh.schemas import examples
from tgsh.schemas.base import WireModel
from tgsh.specs.base import WITHOUT_NUL

DatasetName = Annotated[
    str, StringConstraints(min_length=1, max_length=64, pattern=WITHOUT_NUL, strip_whitespace=True)
]
DatasetText = Annotated[str, StringConstraints(max_length=10_000, pattern=WITHOUT_NUL)]

Pictures = list[list[list[list[float]]]] | list[list[list[list[list[float]]]]]
"""[row][image][row of pixels][column], and three numbers a pixel in colour."""


class DatasetRemark(WireModel):
    """One kind of thing that was left out of an upload, or done to it."""

    kind: str
    count: int = Field(description="how many files, images or names")
    names: list[str] = Field(default_factory=list, description="the first of them")
    detail: str = ""


class UnreadableFile(WireModel):
    """A file of an upload that was skipped."""

    name: str
    reason: str


class DatasetReport(WireModel):
    """Everything that was done to make a dataset of an upload."""

    sentences: list[str] = Field(default_factory=list, description="all of it in words")
    container: str = Field("", description="what it came in, such as zip; empty: uploaded before 0.5")
    layout: str = Field("", description="how it was read, such as split/class")
    found: int = Field(0, description="images that were found, skipped ones included")
    images: int = 0
    ignored: list[DatasetRemark] = Field(default_factory=list, description="left out as a rule")
    done: list[DatasetRemark] = Field(default_factory=list, description="done to names, images and split")
    skipped: list[UnreadableFile] = Field(default_factory=list, description="the first of the skipped files")
    skipped_count: int = 0
    counts: dict[str, dict[str, int]] = Field(
        default_factory=dict, description="images by split (train, test) and class"
    )
    untested: list[str] = Field(default_factory=list, description="classes without a test image")
    domains: dict[str, int] = Field(default_factory=dict, description="images by domain")
    copies: int = Field(description="images whose pixels are those of an image before them")
    overlap: int = Field(description="test images whose pixels are those of a training image")
    contradictory: int = Field(description="images of which an identical one has another class")
    duplicates: str = Field("together", description="what was done about copies")


class Dataset(WireModel):
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
    used_by: int = Field(
        description="experiments that use it and that you see; they keep it from being deleted"
    )
    owner: str | None = Field(None, description="the key that uploaded it; null: nobody's, everybody sees it")
    shared: bool = Field(False, description="whether others see it, too")
    domains: list[str] = Field(
        default_factory=list,
        description="of the images, such as art and photo; the suite `domains` uses them",
    )
    notes: str | None = Field(None, description="what its owner says of it")
    citation: str | None = None
    licence: str | None = None
    report: DatasetReport | None = Field(None, description="null: uploaded before copies were counted")
    stored: bool = Field(True, description="false: a dry run, nothing was kept")
    same_as: str | None = Field(
        None, description="your name for the same images, which you have already; in POST /datasets alone"
    )
    links: dict[str, str] = Field(default_factory=dict)


class DatasetChanges(WireModel):
    """What is to be changed of a dataset; what is left out stays, and null empties."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"name": "leaves", "licence": "CC BY 4.0"}]},
    )

    name: DatasetName | None = None
    notes: DatasetText | None = None
    citation: DatasetText | None = None
    licence: DatasetText | None = None
    shared: bool | None = Field(None, description="whether everybody with a key sees it, not its owner alone")

    @model_validator(mode="after")
    def _change_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("changes nothing; send name, notes, citation, licence or shared")
        for name in ("name", "shared"):
            if name in self.model_fields_set and getattr(self, name) is None:
                raise ValueError(f"{name} cannot be null")
        return self


class DatasetPage(WireModel):
    """A page of datasets, newest first; `next` is the cursor of the page after, null on the last."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.DATASET_PAGE]})

    items: list[Dataset]
    next: str | None = None


class DatasetSamples(WireModel):
    """The first training images of some classes: images[class][example][row][column], 0 to 255."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.DATASET_SAMPLES]})

    id: str
    classes: list[int]
    class_names: list[str]
    images: Pictures
