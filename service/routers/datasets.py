"""/datasets: upload, list, look, change, delete, samples."""

from __future__ import annotations

import secrets
import shutil
import time
from pathlib import Path
from typing import Annotated, Any, get_args

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from service import cursors
from service.cursors import Cursor, PageLimit, next_link
from service.dependencies import AskedOptions, CallerDep, Format, HeldDep, Services, ServicesDep
from service.errors import MEDIA_TYPE, Forbidden
from service.middleware.auth import Caller
from service.multipart import file_pieces
from service.responses import documented, respond
from service.results.images import DATASET_SAMPLES, DatasetSamplesParams
from service.threads import writing
from tgsh.datasets.uploads.ingest import (
    DOMAINS,
    IMAGES,
    LABELS,
    IngestedDataset,
    ingest_in_subprocess,
)
from tgsh.datasets.uploads.labelled_images import MAX_IMAGES, MAX_PIXELS
from tgsh.datasets.uploads.options import Duplicates, OnBad, UploadOptions
from tgsh.datasets.uploads.sandbox import Upload
from tgsh.execution.presenters import dataset_view, report_view
from tgsh.schemas import Dataset, DatasetChanges, DatasetPage, DatasetSamples
from tgsh.specs.base import WITHOUT_NUL
from tgsh.specs.suites import Fit
from tgsh.store import datasets, removals
from tgsh.store.datasets import StoredDataset
from tgsh.store.models import DatasetRecord, HolderRecord
from tgsh.store.ownership import require_storage_quota

router = APIRouter(prefix="/datasets", tags=["datasets"])

BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": (
            "Images with classes, in whatever they come: a zip or tar of class folders (below train/ and "
            "test/ or not), an .npz with images and labels, four IDX files in an archive, a WebDataset, "
            "Hugging Face's parquet, a .mat as SVHN has it. What it is follows from its bytes, never from a "
            f"name or Content-Type. At most {MAX_IMAGES:,} images of {MAX_PIXELS:,} pixels (128 × 128 × 3), "
            "2 to 1,000 classes, and TGSH_MAX_UPLOAD_BYTES (2 GiB), packed and unpacked."
        ),
        "content": {
            "application/octet-stream": {
                "schema": {"type": "string", "format": "binary"},
                "examples": {
                    "file": {
                        "summary": "a file as it is",
                        "description": "curl -T leaves.zip -X POST",
                        "value": "leaves.zip",
                    }
                },
            },
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                },
            },
        },
    }
}


def _choice(values: Any) -> dict[str, Any]:
    return {"enum": list(get_args(values))}


def _upload_options(
    size: Annotated[str | None, Query(description="resize images to HEIGHTxWIDTH, such as 64x64")] = None,
    channels: Annotated[
        str | None,
        Query(description="make all images grey (1) or colour (3)", json_schema_extra={"enum": ["1", "3"]}),
    ] = None,
    fit: Annotated[
        str | None,
        Query(description="how images get another size; squash", json_schema_extra=_choice(Fit)),
    ] = None,
    background: Annotated[
        str | None,
        Query(description="colour under transparent pixels and of pad's margins, such as white or #ff8800"),
    ] = None,
    encoding: Annotated[
        str | None, Query(description="of names in an archive that are not UTF-8, such as gbk or cp1252")
    ] = None,
    on_bad: Annotated[
        str | None,
        Query(description="files that cannot be read: refuse", json_schema_extra=_choice(OnBad)),
    ] = None,
    duplicates: Annotated[
        str | None,
        Query(
            description="images with the same pixels: together, on one side of the split",
            json_schema_extra=_choice(Duplicates),
        ),
    ] = None,
    test_share: Annotated[
        str | None,
        Query(description="of every class, where the upload has no test images; above 0, below 1: 0.2"),
    ] = None,
    group_pattern: Annotated[
        str | None,
        Query(
            max_length=200,
            description="regular expression on paths: files that match it in the same text stay on one side "
            "of the split, such as (patient\\d+)",
        ),
    ] = None,
) -> UploadOptions:
    return UploadOptions.parsed({name: value for name, value in locals().items() if value is not None})


@router.post(
    "",
    status_code=201,
    summary="Upload a dataset",
    openapi_extra=BODY,
    responses={
        200: {"model": Dataset, "description": "it is there already, or it was a dry run"},
        507: {"description": "the disk is full", "content": {MEDIA_TYPE: {}}},
    },
)
async def upload(
    request: Request,
    response: Response,
    services: ServicesDep,
    caller: CallerDep,
    options: Annotated[UploadOptions, Depends(_upload_options)],
    name: Annotated[
        str | None, Query(min_length=1, max_length=64, pattern=WITHOUT_NUL, description="what to call it")
    ] = None,
    shared: Annotated[bool, Query(description="whether everybody with a key sees it")] = False,
    dry_run: Annotated[bool, Query(description="tell what would be made of it, and keep nothing")] = False,
) -> Dataset:
    """Keep images of your own as a dataset; `{"dataset": {"id": …}}` in a spec uses it.

    `report` tells everything that was done to the images, names and split; a refusal lists all that is wrong.
    The id follows from the content: the same images give the same one, whatever they came in. Within each
    class images keep their order; files are in the order of their names.
    """
    declared = request.headers.get("content-length", "0")
    expected = int(declared[:20]) if declared.isdecimal() else 0
    await run_in_threadpool(_require_room, services, caller, expected)
    with services.upload_staging.room() as folder:
        target = folder / "upload"
        await services.upload_staging.receive(file_pieces(request), target)
        sent = Upload(target, options, services.settings.max_upload_bytes)
        async with services.upload_staging.turn(caller.name):
            unpacked = await run_in_threadpool(ingest_in_subprocess, sent, folder)
            if dry_run:
                response.status_code = 200
                return await run_in_threadpool(_preview, services, caller, unpacked, folder, name)
            held, is_new = await run_in_threadpool(_keep, services, caller, unpacked, folder, name, shared)
    response.status_code = 201 if is_new else 200
    response.headers["Location"] = f"/datasets/{held.record.id}"
    same_as = None if is_new else held.holder.name
    report = report_view(unpacked.report.as_dict())  # of this upload, which may be another than the first
    return dataset_view(held).model_copy(update={"same_as": same_as, "report": report})


def _require_room(services: Services, caller: Caller, more: int) -> None:
    services.upload_staging.require_space(more)
    if caller.name is not None:
        most = services.settings.max_stored_bytes
        require_storage_quota(services.database, services.artifacts, caller.name, most, more)


def _keep(
    services: Services,
    caller: Caller,
    unpacked: IngestedDataset,
    folder: Path,
    name: str | None,
    shared: bool,
) -> tuple[StoredDataset, bool]:
    """Store, record: files first, then the row. Second: whether it is new to the caller."""
    record = _record(unpacked, folder)
    _require_room(services, caller, record.bytes)
    place = f"{datasets.FOLDER}/{record.id}-{secrets.token_hex(4)}"
    kept = False
    try:
        for file in FILES_OF_COLUMNS:
            _store(services, record, file, folder, place)
        holder = _holder(caller, record, unpacked, name, shared)
        kept, is_new = datasets.add(services.database, record, holder)
    finally:
        if not kept:  # somebody holds the same content, or something went wrong
            removals.discard(services.database, services.artifacts, [place], is_folder=True)
    return datasets.get(services.database, record.id, caller.visible_to or caller.name), is_new


def _preview(
    services: Services, caller: Caller, unpacked: IngestedDataset, folder: Path, name: str | None
) -> Dataset:
    """The dataset that an upload would become, and the name under which the caller has it already."""
    record = _record(unpacked, folder)
    record.created_at = time.time()
    known = datasets.find(services.database, record.id, caller.visible_to or caller.name)
    holder = _holder(caller, record, unpacked, name, shared=False)
    holder.created_at = record.created_at
    is_own = known is not None and known.owner == caller.name
    same_as = known.holder.name if known is not None and is_own else None
    changes: dict[str, object] = {"stored": False, "same_as": same_as, "links": {}}
    return dataset_view(StoredDataset(record, holder, 0)).model_copy(update=changes)


def _holder(
    caller: Caller, record: DatasetRecord, unpacked: IngestedDataset, name: str | None, shared: bool
) -> HolderRecord:
    return HolderRecord(
        dataset_id=record.id,
        owner=caller.name or "",
        name=(name or "").strip() or f"dataset {record.id[:6]}",
        shared=shared,
        report=unpacked.report.as_dict(),
    )


FILES_OF_COLUMNS = {IMAGES: "images", LABELS: "labels", DOMAINS: "domain_labels"}
"""Files that an upload becomes, and the columns of DatasetRecord that name them."""


def _record(unpacked: IngestedDataset, folder: Path) -> DatasetRecord:
    """The row of an upload whose files are not stored yet."""
    return DatasetRecord(
        id=unpacked.sha256[:16],
        sha256=unpacked.sha256,
        height=unpacked.height,
        width=unpacked.width,
        channels=unpacked.channels,
        class_names=list(unpacked.class_names),
        train=unpacked.train,
        test=unpacked.test,
        mean=unpacked.mean,
        deviation=unpacked.deviation,
        report={name: getattr(unpacked.report, name) for name in ("copies", "overlap", "contradictory")},
        domains=list(unpacked.domains) or None,
        bytes=sum((folder / file).stat().st_size for file in FILES_OF_COLUMNS if (folder / file).exists()),
    )


def _store(services: Services, record: DatasetRecord, file: str, folder: Path, place: str) -> None:
    if not (folder / file).exists():  # there are no domains
        return
    with services.artifacts.staged(f"{place}/{file}") as staged:
        shutil.move(folder / file, staged.path)
    column = FILES_OF_COLUMNS[file]
    setattr(record, column, f"{place}/{file}")
    setattr(record, f"{column}_sha256", staged.sha256)


@router.get("", summary="List uploaded datasets, newest first")
def list_datasets(
    request: Request,
    response: Response,
    services: ServicesDep,
    caller: CallerDep,
    limit: PageLimit = 50,
    cursor: Cursor = None,
) -> DatasetPage:
    """A page of datasets that are one's own, shared, or nobody's; the named ones are in GET /catalog."""
    after = cursors.decode_cursor(cursor) if cursor else None
    rows = datasets.page(services.database, caller.visible_to, limit + 1, after)
    page, more = rows[:limit], len(rows) > limit
    next_cursor = cursors.encode_cursor(page[-1].holder.created_at, page[-1].record.id) if more else None
    response.headers.update(next_link(request, next_cursor))
    return DatasetPage(items=[dataset_view(held) for held in page], next=next_cursor)


def _own(held: HeldDep, caller: CallerDep) -> StoredDataset:
    if not caller.may_change(held.owner):
        whose = f"of {held.owner}, who shares it" if held.owner is not None else "of no key"
        raise Forbidden(f"the dataset is {whose}: {caller.name} may use it, not change it")
    return held


OwnDep = Annotated[StoredDataset, Depends(_own)]
"""The same, where who asks may change it."""


def _owner(caller: Caller) -> str | None:
    """The owner whose hold on a dataset is changed; None: everybody's, for an admin."""
    return None if caller.role == "admin" else caller.name


@router.get("/{dataset_id}", summary="Look at an uploaded dataset")
def get(held: HeldDep) -> Dataset:
    """Its size, its classes, and how many experiments that you see use it."""
    return dataset_view(held)


@router.patch("/{dataset_id}", summary="Rename, describe or share a dataset")
@writing
def patch(held: OwnDep, changes: DatasetChanges, services: ServicesDep, caller: CallerDep) -> Dataset:
    """Change its name, notes, citation or licence; let everybody with a key see and use it, or not."""
    values = {
        name: None if value == "" else value for name, value in changes.model_dump(exclude_unset=True).items()
    }
    datasets.change(services.database, held.record.id, _owner(caller), values)
    return dataset_view(datasets.get(services.database, held.record.id, caller.visible_to))


@router.delete("/{dataset_id}", status_code=204, summary="Delete a dataset")
@writing
def delete(held: OwnDep, services: ServicesDep, caller: CallerDep) -> None:
    """Forget a dataset. One that experiments use which you see stays (409, which names them)."""
    folders = datasets.remove(services.database, held.record.id, _owner(caller), caller.visible_to)
    removals.carry_out(services.database, services.artifacts, folders)


@router.get(
    "/{dataset_id}/samples",
    summary="What the images of a dataset look like",
    responses=documented(DatasetSamples, DATASET_SAMPLES.formats),
    response_class=Response,
)
def dataset_samples(
    held: HeldDep,
    services: ServicesDep,
    request: Request,
    asked: AskedOptions,
    classes: Annotated[
        str | None, Query(max_length=2000, description="such as 0,9 or 0-19; the first 20")
    ] = None,
    examples: Annotated[int, Query(ge=1, le=20, description="images of each class")] = 8,
    format: Format = None,
) -> Response:
    """The first training images of each class, pixels from 0 to 255: a row a class on the sheet.

    A class that has fewer examples shows what it has, and so do the others then.
    """
    params = DatasetSamplesParams(classes=classes, examples=examples)
    return respond(request, services, DATASET_SAMPLES, held, params, format, asked)
