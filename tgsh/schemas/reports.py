"""Schemas of reports: pages of chosen figures and text about experiments and studies."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints

from tgsh.schemas.base import WireModel
from tgsh.specs.base import WITHOUT_NUL, Frozen

MAX_ITEMS = 100

MAX_WORDS = 20_000

SubjectKind = Literal["experiment", "study"]

Words = Annotated[str, StringConstraints(max_length=MAX_WORDS, pattern=WITHOUT_NUL)]
Title = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=WITHOUT_NUL)
]
Parameter = Annotated[str, StringConstraints(max_length=200, pattern=WITHOUT_NUL)]

EXAMPLE: dict[str, Any] = {
    "title": "Rotations",
    "items": [
        {"kind": "text", "text": "Neighbouring angles are **alike**."},
        {
            "kind": "figure",
            "of": "experiment",
            "id": "4734b1c0a5d9e2f7",
            "figure": "similarity",
            "params": {"order": "cluster"},
            "caption": "Cosine of the context vectors",
        },
    ],
}


SUMMARY_EXAMPLE: dict[str, Any] = {
    "id": "9b1de4f0c2a37586",
    "title": "Rotations",
    "owner": "alice",
    "shared": False,
    "items_total": 2,
    "created_at": "2026-11-30T09:00:00Z",
    "changed_at": "2026-11-30T09:30:00Z",
}


class ReportText(Frozen):
    """A piece of text."""

    kind: Literal["text"] = "text"
    text: Words = Field(description="Markdown without raw HTML")


class ReportFigure(Frozen):
    """A figure of an experiment or of a study, drawn anew whenever it is looked at."""

    kind: Literal["figure"] = "figure"
    of: SubjectKind = "experiment"
    id: str = Field(pattern="^[0-9a-f]{16}$", description="of the experiment or the study")
    figure: Parameter = Field(description="such as similarity, dendrogram, embedding, accuracy")
    params: dict[Parameter, Parameter] = Field(
        default_factory=dict, max_length=20, description="query parameters of its answer, such as stage"
    )
    caption: Words = Field("", description="Markdown")
    name: str = Field("", max_length=255, description="of the experiment or study; written by the service")


ReportItem = Annotated[ReportText | ReportFigure, Field(discriminator="kind")]


class NewReport(Frozen):
    """The body of POST /reports."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    title: Title
    items: tuple[ReportItem, ...] = Field((), max_length=MAX_ITEMS, strict=False)
    shared: bool = Field(False, description="whether everybody with a key sees it")


class ReportChanges(Frozen):
    """The body of PATCH /reports/{id}; what is left out stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"title": "Rotations of MNIST", "link": True}]})

    title: Title | None = None
    items: tuple[ReportItem, ...] | None = Field(None, max_length=MAX_ITEMS, strict=False)
    shared: bool | None = None
    changed_at: datetime | None = Field(
        None,
        strict=False,
        description="of the report as it was read: where others have changed it since, this is refused (409)",
    )
    link: bool | None = Field(
        None, description="whether it has a link that shows it without a key; false ends the one it has"
    )


class ReportSummary(WireModel):
    """A report in a list."""

    id: str
    title: str
    owner: str | None = None
    shared: bool
    items_total: int
    created_at: datetime
    changed_at: datetime


class Report(ReportSummary):
    """A report: text and figures in their order.

    Its figures are those that its owner sees. One of an experiment that was deleted stays as a note.
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [{**SUMMARY_EXAMPLE, "items": EXAMPLE["items"], "link": None}]}
    )

    items: list[ReportItem]
    link: str | None = Field(
        None, description="path that shows it without a key; told to whoever may change it, null without one"
    )


class ReportList(WireModel):
    """A page of reports, the one changed last first; `next`: cursor of the page after, null on the last."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [SUMMARY_EXAMPLE], "next": None}]})

    items: list[ReportSummary]
    next: str | None = None
