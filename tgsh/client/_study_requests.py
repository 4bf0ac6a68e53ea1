"""HTTP requests of the client about studies; sends nothing itself."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, SupportsIndex
from urllib.parse import quote

from tgsh import schemas
from tgsh.client._requests import ApiRequest, M, Spec, parse_model, submission_of, without_none
from tgsh.client.results import Study, StudyPage

Levels = int | Sequence[int] | None
"""A number of seeds, the seeds themselves, or the default."""

ReferenceKind = Literal["experiment", "study"]
"""Kind of thing that an id is of."""

Grid = Mapping[str, Sequence[Any]] | Sequence[str] | None
"""Values by path of the spec, or paths alone."""


def study_path(*parts: str | int) -> str:
    """Path of a study, or of a resource below it."""
    return "/studies/" + "/".join(quote(str(part), safe="") for part in parts)


def study_body(
    spec: Spec | None,
    experiments: Sequence[str] | None,
    seeds: Levels,
    base_seeds: Levels,
    grid: Grid,
    **words: Any,
) -> dict[str, Any]:
    """Body of a submission of a study.

    Parameters
    ----------
    spec : Spec | None
        Common spec, or None.
    experiments : Sequence[str] | None
        Ids of experiments, or None.
    seeds : Levels
        Seeds of training.
    base_seeds : Levels
        Seeds of the random base.
    grid : Grid
        Values by path of the spec.
    **words : Any
        Name, tags and others; None leaves one out.

    Returns
    -------
    dict[str, Any]
        JSON object.
    """
    replicates = without_none(seeds=_listed(seeds), base_seeds=_listed(base_seeds))
    body = without_none(
        spec=None if spec is None else submission_of(spec),
        experiments=None if experiments is None else list(experiments),
        replicates=replicates or None,
        **words,
    )
    if grid is not None:
        is_values = isinstance(grid, Mapping)
        body["grid"] = {path: list(grid[path]) for path in grid} if is_values else list(grid)  # type: ignore[call-overload]
    return body


def _listed(levels: Levels) -> int | list[int] | None:
    if levels is None:
        return None
    return int(levels) if isinstance(levels, SupportsIndex) else [int(seed) for seed in levels]


def post_study(body: Mapping[str, Any], idempotency_key: str | None, *, anew: bool) -> ApiRequest[Study]:
    """POST a study; without an idempotency key under a random one, so that it may be repeated."""
    return ApiRequest(
        "POST",
        "/studies",
        parse_model(Study),
        params={"anew": True} if anew else {},
        json=body,
        headers={"Idempotency-Key": idempotency_key or str(uuid.uuid4())},
    )


def post_study_estimate(body: Mapping[str, Any]) -> ApiRequest[schemas.StudyEstimate]:
    """POST a study to /estimates."""
    return ApiRequest("POST", "/estimates", parse_model(schemas.StudyEstimate), json=body)


def get_study_page(cursor: str | None, **filters: Any) -> ApiRequest[StudyPage]:
    """GET one page of studies, newest first."""
    params = without_none(cursor=cursor, **filters)
    return ApiRequest("GET", "/studies", parse_model(StudyPage), params=params)


def get_study_document(kind: type[M], study: str, *parts: str, **params: Any) -> ApiRequest[M]:
    """GET a study, or an answer below it, as a JSON document."""
    return ApiRequest("GET", study_path(study, *parts), parse_model(kind), params=without_none(**params))


def get_study_bundle(study: str, file: Path) -> ApiRequest[None]:
    """GET the bundle of a study, streamed into a file."""
    return ApiRequest("GET", study_path(study, "bundle"), lambda _: None, save_to=file)


def post_study_action(study: str, action: str) -> ApiRequest[Study]:
    """POST "cancel" or "resume" of a study."""
    return ApiRequest("POST", study_path(study, action), parse_model(Study), idempotent=False)


def post_study_extension(study: str, seeds: Levels, base_seeds: Levels, *, anew: bool) -> ApiRequest[Study]:
    """POST further replicates, under a random key, so that it may be repeated."""
    return ApiRequest(
        "POST",
        study_path(study, "extend"),
        parse_model(Study),
        params={"anew": True} if anew else {},
        json=without_none(seeds=_listed(seeds), base_seeds=_listed(base_seeds)),
        headers={"Idempotency-Key": str(uuid.uuid4())},
    )


def delete_study(study: str, *, members: bool, forever: bool) -> ApiRequest[None]:
    """DELETE a study, alone or with its experiments."""
    params = {"members": members} | ({"forever": True} if forever else {})
    return ApiRequest("DELETE", study_path(study), lambda _: None, params=params, idempotent=False)


def post_study_agreement(
    study: str, question: Mapping[str, Any], **params: Any
) -> ApiRequest[schemas.StudyGeometryAgreement]:
    """POST a geometry to compare the replicates of a study with; nothing is stored."""
    path = study_path(study, "agreement")
    parse = parse_model(schemas.StudyGeometryAgreement)
    return ApiRequest("POST", path, parse, params=without_none(**params), json=question)
