"""Reports: figures as their owner sees them, and one HTML file with figures and data that works offline."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from markupsafe import Markup
from pydantic import TypeAdapter, ValidationError

from service.dependencies import Services
from service.errors import Forbidden, NotAcceptable, NotDrawn
from service.middleware.auth import Caller
from service.responses import Stream
from service.results import FIGURES
from service.results.base import Params, Result
from service.results.study_measurements import STUDY_ACCURACY
from service.results.study_replicates import StudyKey
from service.results.study_similarity import STUDY_CEILING, STUDY_SIMILARITY
from service.results.study_structure import STUDY_DENDROGRAM, STUDY_EMBEDDING
from tgsh.errors import Conflict, InvalidSpec, NotFound
from tgsh.schemas import Report, ReportFigure, ReportItem, ReportSummary
from tgsh.specs.validation import problems_of
from tgsh.store import queries, reports, studies
from tgsh.store.ownership import owner_of
from tgsh.store.reports import ReportRecord
from tgsh.store.studies import owner_of_study

AnyReported = Result[Any, Any, Any, Any]

STUDY_FIGURES: Mapping[str, AnyReported] = MappingProxyType(
    {
        "similarity": STUDY_SIMILARITY,
        "dendrogram": STUDY_DENDROGRAM,
        "embedding": STUDY_EMBEDDING,
        "accuracy": STUDY_ACCURACY,
        "ceiling": STUDY_CEILING,
    }
)
"""Figures of studies by the names of their answers."""

TITLES = MappingProxyType(
    {
        "similarity": "Similarity of the tasks",
        "similarity-before-after": "Similarity before and after training",
        "similarity-epochs": "Similarity over the epochs",
        "dendrogram": "Dendrogram",
        "embedding": "Map of the tasks",
        "geometry": "Intra-task and inter-task cosines",
        "reconstructions": "Reconstructions",
        "samples": "Images of each task",
        "accuracy": "Test accuracy",
        "accuracy-matrix": "Accuracy of every context on every task",
        "ceiling": "Noise ceilings",
    }
)

DATA_FORMATS = ("csv", "json")
"""Formats in which a file carries the numbers of a figure."""

REFUSALS = (Conflict, InvalidSpec, NotAcceptable, NotDrawn, NotFound)
"""Errors that leave a note in place of a figure."""

ITEMS: TypeAdapter[list[ReportItem]] = TypeAdapter(list[ReportItem])

MEDIA = {"csv": "text/csv;charset=utf-8", "json": "application/json"}


@dataclass(frozen=True)
class ReportPart:
    """An item as pages show it. svg: None where there is a note. files: name, format and data: URI."""

    item: ReportItem
    note: str | None = None
    svg: Markup | None = None
    files: tuple[tuple[str, str, str], ...] = ()


def figures_of(kind: str) -> dict[str, str]:
    """Names of the figures of an experiment or a study, with what they show."""
    names = FIGURES if kind == "experiment" else STUDY_FIGURES
    return {name: TITLES.get(name, name) for name in names}


def report_view(record: ReportRecord, caller: Caller) -> Report:
    """The document of a report."""
    link = f"/shared/{record.link}" if record.link and caller.may_change(record.owner) else None
    return Report.model_validate({**_words(record), "items": items_of(record), "link": link})


def summary_view(record: ReportRecord) -> ReportSummary:
    """The document of a report in a list."""
    return ReportSummary.model_validate(_words(record))


def items_of(record: ReportRecord) -> list[ReportItem]:
    """The items of a report."""
    return ITEMS.validate_python(record.items)


def require_report(services: Services, caller: Caller, report_id: str, *, change: bool) -> ReportRecord:
    """A report that the caller sees, or may change. Raises NotFound, Forbidden."""
    record = reports.report(services.database, report_id)
    if not caller.sees(record.owner, record.shared):
        raise reports.unknown(report_id)
    if change and not caller.may_change(record.owner):
        ownership = f"of {record.owner}, who shares it" if record.owner is not None else "of no key"
        raise Forbidden(f"the report is {ownership}: {caller.name} may look at it, not change it")
    return record


def checked_items(services: Services, caller: Caller, items: Sequence[ReportItem]) -> list[dict[str, Any]]:
    """Items as they are stored, with the names of their experiments and studies.

    Raises InvalidSpec: all that is wrong, by item and field.
    """
    errors: list[tuple[str, str]] = []
    stored = []
    for place, item in enumerate(items):
        if isinstance(item, ReportFigure):
            found = list(_wrong(services, caller, item))
            errors += [(f"items.{place}.{field}", message) for field, message in found]
            name = "" if found else _name(services, item)
            item = item.model_copy(update={"name": (name or item.name)[:255]})
        stored.append(item.model_dump(mode="json"))
    if errors:
        first, *others = errors
        raise InvalidSpec(*first, others)
    return stored


def figure_bytes(services: Services, owner: str | None, item: ReportFigure, format: str) -> bytes:
    """A figure, or its numbers, as the owner of the report sees it. Raises those of REFUSALS."""
    key: Any = item.id
    if item.of == "experiment":
        seen = owner_of(services.database, item.id)
    else:
        seen = owner_of_study(services.database, item.id)
        cell = int(item.params["cell"]) if item.params.get("cell", "").isdecimal() else None
        key = StudyKey(item.id, owner or "", cell)  # of a report without owner: what everybody may see
    if not Caller(owner, "submit").sees(*seen):
        raise NotFound(f"{item.of} {item.id} is not shared with whoever made this report")
    result, params = _result_of(item)
    if format not in result.formats:
        raise NotAcceptable(f"{item.figure} is not written as {format}")
    content = result.render(services, key, params, format).body()
    if isinstance(content, Stream):
        raise NotAcceptable(f"{item.figure} is too large for a report")
    return content


def parts(services: Services, record: ReportRecord) -> Iterator[ReportPart]:
    """The items with figures as SVG and data as files, each whole in itself."""
    for place, item in enumerate(items_of(record)):
        if not isinstance(item, ReportFigure):
            yield ReportPart(item)
            continue
        try:
            svg = inline_svg(figure_bytes(services, record.owner, item, "svg"), f"f{place}-")
        except REFUSALS as refusal:
            yield ReportPart(item, note=note_of(item, refusal))
            continue
        yield ReportPart(item, svg=svg, files=tuple(_files(services, record, item, place)))


def note_of(item: ReportFigure, refusal: Exception) -> str:
    """The note in place of a figure that is not there."""
    if isinstance(refusal, NotFound):
        why = "was deleted, or is not shared with whoever made the report"
        return f"{item.name or item.id}: this {item.of} {why}."
    return f"{item.name or item.id}: {refusal}."


def inline_svg(content: bytes, prefix: str) -> Markup:
    """An SVG of matplotlib as a part of a page, its ids made its own by a prefix."""
    text = content.decode()
    text = text[text.index("<svg") :]
    text = re.sub(r'\bid="', f'id="{prefix}', text)
    text = re.sub(r'((?:xlink:)?href=")#', rf"\1#{prefix}", text)
    text = re.sub(r"url\(#", f"url(#{prefix}", text)
    return Markup(re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL))


def _files(
    services: Services, record: ReportRecord, item: ReportFigure, place: int
) -> Iterator[tuple[str, str, str]]:
    for format in DATA_FORMATS:
        try:
            content = figure_bytes(services, record.owner, item, format)
        except REFUSALS:
            continue  # a picture of images has no table
        name = f"{place + 1}-{item.figure}.{format}"
        yield name, format, f"data:{MEDIA[format]};base64,{b64encode(content).decode()}"


def _result_of(item: ReportFigure) -> tuple[AnyReported, Params]:
    """Raises NotFound for an unknown figure, InvalidSpec for its parameters."""
    known: Mapping[str, Any] = FIGURES if item.of == "experiment" else STUDY_FIGURES
    if item.figure not in known:
        raise InvalidSpec("figure", f"there is none of this name; {item.of}s have {', '.join(known)}")
    result = known[item.figure][0] if item.of == "experiment" else known[item.figure]
    defaults = known[item.figure][1].model_dump() if item.of == "experiment" else {}
    given = {
        name: value for name, value in item.params.items() if not (item.of == "study" and name == "cell")
    }
    try:
        return result, result.params.model_validate({**defaults, **given})
    except ValidationError as error:
        found = problems_of(error.errors(), "params")
        raise InvalidSpec(*found[0], found[1:]) from error


def _wrong(services: Services, caller: Caller, item: ReportFigure) -> Iterator[tuple[str, str]]:
    try:
        _result_of(item)
    except InvalidSpec as error:
        yield from error.fields
    if item.of == "study" and not item.params.get("cell", "0").isdecimal():
        yield "params.cell", "is no number of a cell, from 0"
    find = owner_of if item.of == "experiment" else owner_of_study
    try:
        is_seen = caller.sees(*find(services.database, item.id))
    except NotFound:
        # what was in the report before may have been deleted since, and stays as a note
        is_seen = bool(item.name)
    if not is_seen:
        yield "id", f"there is no {item.of} {item.id!r}"


def _name(services: Services, item: ReportFigure) -> str:
    try:
        if item.of == "experiment":
            return queries.experiment(services.database, item.id).record.name
        return studies.study(services.database, item.id, None).record.name
    except NotFound:
        return item.name


def _words(record: ReportRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "title": record.title,
        "owner": record.owner,
        "shared": record.shared,
        "items_total": len(record.items),
        "created_at": datetime.fromtimestamp(record.created_at, UTC),
        "changed_at": datetime.fromtimestamp(record.changed_at, UTC),
    }
