"""/datasets: upload, list, look, share, delete, samples."""

from __future__ import annotations

import secrets
import shutil
import zipfile
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi import Path as PathParameter
from fastapi.concurrency import run_in_threadpool

from service import parsing
from service.dependencies import ID, CallerDep, Format, Services, ServicesDep
from service.errors import MEDIA_TYPE, Forbidden, UnsupportedMediaType
from service.middleware.auth import Caller
from service.responses import documented, respond
from service.results.images import DATASET_SAMPLES, DatasetSamplesParams
from tgsh.datasets.uploads.image_folders import MAX_IMAGES, MAX_PIXELS, ImageOptions
from tgsh.datasets.uploads.ingest import (
    IMAGES,
    LABELS,
    IngestedDataset,
    Upload,
    UploadKind,
    ingest_in_subprocess,
)
from tgsh.errors import InvalidSpec
from tgsh.execution.presenters import dataset_view
from tgsh.schemas import Dataset, DatasetPage, DatasetSamples, Sharing
from tgsh.specs.base import WITHOUT_NUL
from tgsh.store import datasets
from tgsh.store.datasets import StoredDataset
from tgsh.store.models import DatasetRecord
from tgsh.store.ownership import require_storage_quota

router = APIRouter(prefix="/datasets", tags=["datasets"])

KINDS: dict[str, UploadKind] = {"application/x-npz": "npz", "application/zip": "zip"}

BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": (
            "An .npz with `x`, uint8 [N, height, width] or [N, height, width, 3], and `y`, a class for each "
            "(integers or text); `x_test` and `y_test` beside them, or a fifth of every class becomes the "
            "test images. Or a zip of class folders with images, CLASS/image.png, below train/ and test/ or "
            f"not. At most {MAX_IMAGES:,} images of {MAX_PIXELS:,} pixels (128 × 128 × 3), 2 to 1,000 "
            "classes, and TGSH_MAX_UPLOAD_BYTES (2 GiB), packed and unpacked."
        ),
        "content": {
            "application/x-npz": {
                "schema": {"type": "string", "format": "binary"},
                "examples": {
                    "file": {
                        "summary": "a file that numpy.savez(file, x=images, y=classes) wrote",
                        "description": "curl -T digits.npz -X POST -H 'Content-Type: application/x-npz'",
                        "value": "digits.npz",
                    }
                },
            },
            "application/zip": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


def _image_options(
    size: Annotated[
        str | None,
        Query(pattern=r"^[1-9]\d{0,3}x[1-9]\d{0,3}$", description="of a zip: resize to HEIGHTxWIDTH"),
    ] = None,
    channels: Annotated[
        Literal["1", "3"] | None, Query(description="of a zip: make all images grey (1) or colour (3)")
    ] = None,
) -> ImageOptions:
    height, _, width = (size or "").partition("x")
    return ImageOptions(
        (int(height), int(width)) if size else None, None if channels is None else int(channels)
    )


@router.post(
    "",
    status_code=201,
    summary="Upload a dataset",
    openapi_extra=BODY,
    responses={
        200: {"model": Dataset, "description": "it is there already"},
        507: {"description": "the disk is full", "content": {MEDIA_TYPE: {}}},
    },
)
async def upload(
    request: Request,
    response: Response,
    services: ServicesDep,
    caller: CallerDep,
    options: Annotated[ImageOptions, Depends(_image_options)],
    name: Annotated[
        str | None, Query(min_length=1, max_length=64, pattern=WITHOUT_NUL, description="what to call it")
    ] = None,
    shared: Annotated[bool, Query(description="whether everybody with a key sees it")] = False,
) -> Dataset:
    """Keep images of your own as a dataset; `{"dataset": {"id": …}}` in a spec uses it.

    The id follows from the content: the same images give the same one, whatever they came in. Within each
    class images keep their order; a zip's are in the order of their names.
    """
    kind = _kind(request.headers.get("content-type"), options)
    declared = request.headers.get("content-length", "0")
    expected = int(declared[:20]) if declared.isdecimal() else 0
    await run_in_threadpool(_require_room, services, caller, expected)
    with services.upload_staging.room() as folder:
        target = folder / "upload"
        await services.upload_staging.receive(_pieces(request), target)
        sent = Upload(target, kind, options, services.settings.max_upload_bytes)
        held, is_new = await run_in_threadpool(_keep, services, caller, sent, folder, name, shared)
    response.status_code = 201 if is_new else 200
    response.headers["Location"] = f"/datasets/{held.record.id}"
    return dataset_view(held)


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    async for piece in request.stream():
        yield piece


def _kind(content_type: str | None, options: ImageOptions) -> UploadKind:
    media_type = (content_type or "").partition(";")[0].strip().lower()
    if media_type not in KINDS:
        raise UnsupportedMediaType(
            f"Content-Type: {content_type or 'none'} is no dataset; send an .npz as application/x-npz, or a "
            "zip of class folders as application/zip"
        )
    if media_type == "application/x-npz" and options != ImageOptions():
        field = "size" if options.size else "channels"
        raise InvalidSpec(field, "is for the images of a zip; an array is taken as it is")
    return KINDS[media_type]


def _require_room(services: Services, caller: Caller, more: int) -> None:
    services.upload_staging.require_space(more)
    if caller.name is not None:
        most = services.settings.max_stored_bytes
        require_storage_quota(services.database, services.artifacts, caller.name, most, more)


def _keep(
    services: Services, caller: Caller, sent: Upload, folder: Path, name: str | None, shared: bool
) -> tuple[StoredDataset, bool]:
    """Unpack, store, record: files first, then the row. Second: whether it is new to the caller."""
    if not zipfile.is_zipfile(sent.path):  # looks at its end only
        raise InvalidSpec("body", "is neither what numpy.savez writes nor a zip")
    unpacked = ingest_in_subprocess(sent, folder)
    size = sum((folder / file).stat().st_size for file in (IMAGES, LABELS))
    id = unpacked.sha256[:16]
    _require_room(services, caller, size)
    place = f"{datasets.FOLDER}/{id}-{secrets.token_hex(4)}"
    kept = False
    try:
        record = _stored(services, place, unpacked, folder, size)
        called = (name or "").strip() or f"dataset {id[:6]}"
        kept, is_new = datasets.add(services.database, record, called, caller.name, shared)
    finally:
        if not kept:  # somebody holds the same content, or something went wrong
            services.artifacts.remove_all(place)
    return datasets.get(services.database, id, caller.visible_to or caller.name), is_new


def _stored(
    services: Services, place: str, unpacked: IngestedDataset, folder: Path, size: int
) -> DatasetRecord:
    digests = {}
    for file in (IMAGES, LABELS):
        with services.artifacts.staged(f"{place}/{file}") as staged:
            shutil.move(folder / file, staged.path)
        digests[file] = staged.sha256
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
        report=asdict(unpacked.copies),
        bytes=size,
        images=f"{place}/{IMAGES}",
        images_sha256=digests[IMAGES],
        labels=f"{place}/{LABELS}",
        labels_sha256=digests[LABELS],
    )


@router.get("", summary="List uploaded datasets, newest first")
def list_datasets(
    request: Request,
    response: Response,
    services: ServicesDep,
    caller: CallerDep,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=200, description="`next` of the page before")] = None,
) -> DatasetPage:
    """A page of datasets that are one's own, shared, or nobody's; the named ones are in GET /catalog."""
    after = parsing.decode_cursor(cursor) if cursor else None
    rows = datasets.page(services.database, caller.visible_to, limit + 1, after)
    page, more = rows[:limit], len(rows) > limit
    next_cursor = parsing.encode_cursor(page[-1].holder.created_at, page[-1].record.id) if more else None
    if next_cursor is not None:
        response.headers["Link"] = f'<{request.url.include_query_params(cursor=next_cursor)}>; rel="next"'
    return DatasetPage(items=[dataset_view(held) for held in page], next=next_cursor)


def _held(
    dataset_id: Annotated[str, PathParameter(pattern=ID, description="as POST /datasets answered it")],
    services: ServicesDep,
    caller: CallerDep,
) -> StoredDataset:
    return datasets.get(services.database, dataset_id, caller.visible_to)


HeldDep = Annotated[StoredDataset, Depends(_held)]
"""The dataset whose id is in the path, where it is there for who asks."""


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
    """Its size, its classes, and how many experiments use it."""
    return dataset_view(held)


@router.patch("/{dataset_id}", summary="Share a dataset")
def patch(held: OwnDep, sharing: Sharing, services: ServicesDep, caller: CallerDep) -> Dataset:
    """Let everybody with a key see and use a dataset, or its owner alone again."""
    datasets.share(services.database, held.record.id, _owner(caller), sharing.shared)
    return dataset_view(datasets.get(services.database, held.record.id, caller.visible_to))


@router.delete("/{dataset_id}", status_code=204, summary="Delete a dataset")
def delete(held: OwnDep, services: ServicesDep, caller: CallerDep) -> None:
    """Forget a dataset. One that experiments use stays (409, which names them)."""
    for key in datasets.remove(services.database, held.record.id, _owner(caller), caller.visible_to):
        services.artifacts.remove_all(str(PurePosixPath(key).parent))


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
    return respond(request, services, DATASET_SAMPLES, held, params, format)
