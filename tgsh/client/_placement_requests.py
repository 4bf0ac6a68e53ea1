"""Requests about placements and accuracy matrices that are computed later."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any, get_args
from urllib.parse import quote

from tgsh import schemas
from tgsh.client import results
from tgsh.client._requests import (
    UPLOAD_TIMEOUT,
    ApiRequest,
    experiment_path,
    parse_model,
    upload_body,
    without_none,
)
from tgsh.errors import InvalidSpec
from tgsh.specs.base import DatasetName

Classes = str | Mapping[str, str]
"""``"names"``, ``"nearest"``, or a map from classes of the images to classes of the experiment."""


NAMED_DATASETS: tuple[str, ...] = get_args(DatasetName)


def placement_path(experiment: str, placement: str) -> str:
    """Path of a placement."""
    return f"{experiment_path(experiment)}/placements/{quote(placement, safe='')}"


def post_placement(
    experiment: str,
    source: Any,
    arrays: Mapping[str, Any],
    dataset: str | None,
    classes: Classes,
    conversion: Mapping[str, Any],
    **options: Any,
) -> ApiRequest[results.Placement]:
    """POST a dataset, or images, to be placed, under a random idempotency key, so that it may be repeated.

    Raises InvalidSpec where there are both, or neither.
    """
    key = {"Idempotency-Key": str(uuid.uuid4())}
    path = f"{experiment_path(experiment)}/placements"
    given = without_none(**options)
    parse = parse_model(results.Placement)
    if dataset is not None:
        if source is not None or arrays:
            raise InvalidSpec("dataset", "place a dataset or images, not both")
        if without_none(**conversion):
            raise InvalidSpec(
                ", ".join(without_none(**conversion)),
                "converts images that are sent; a dataset stays as it is",
            )
        is_id = len(dataset) == 16 and set(dataset) <= set("0123456789abcdef")
        rule = classes if isinstance(classes, str) else dict(classes)
        body = {"dataset": {"id": dataset} if is_id else dataset, "classes": rule, **given}
        return ApiRequest("POST", path, parse, json=body, headers=key)
    rule = classes if isinstance(classes, str) else json.dumps(dict(classes))
    return ApiRequest(
        "POST",
        path,
        parse,
        params={"classes": rule, **given, **without_none(**conversion)},
        content=upload_body(source, arrays),
        headers={"Content-Type": "application/octet-stream", **key},
        read_timeout=UPLOAD_TIMEOUT,
    )


def get_placement(experiment: str, placement: str) -> ApiRequest[results.Placement]:
    """GET a placement."""
    return ApiRequest("GET", placement_path(experiment, placement), parse_model(results.Placement))


def get_placement_page(
    experiment: str, cursor: str | None, limit: int | None
) -> ApiRequest[schemas.PlacementPage]:
    """GET one page of an experiment's placements, newest first."""
    params = without_none(cursor=cursor, limit=limit)
    path = f"{experiment_path(experiment)}/placements"
    return ApiRequest("GET", path, parse_model(schemas.PlacementPage), params=params)


def post_matrix(experiment: str) -> ApiRequest[schemas.MatrixJob]:
    """POST for the accuracy matrix of an experiment that was submitted without."""
    path = experiment_path(experiment, "accuracy", "matrix")
    return ApiRequest("POST", path, parse_model(schemas.MatrixJob))


def get_matrix_job(experiment: str) -> ApiRequest[schemas.MatrixJob]:
    """GET how far that is."""
    path = experiment_path(experiment, "accuracy", "matrix", "job")
    return ApiRequest("GET", path, parse_model(schemas.MatrixJob))
