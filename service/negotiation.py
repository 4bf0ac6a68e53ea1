"""Which format an answer has (?format= before Accept), and whether the caller has it already (ETag)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence

import mimeparse
from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from service.cache import ByteCache
from service.errors import NotAcceptable

MEDIA_TYPES = {
    "json": "application/json",
    "csv": "text/csv",
    "npy": "application/x-npy",
    "safetensors": "application/vnd.safetensors",
    "png": "image/png",
    "svg": "image/svg+xml",
    "pdf": "application/pdf",
    "newick": "text/x-nh",
    "zip": "application/zip",
}


FINAL = "tgsh.final"
"""The key of a request's scope that says that its answer is final."""

ENDINGS = {"newick": "nwk"}
"""Endings of files where they are not the format's name."""


def choose(request: Request, wanted: str | None, offered: Sequence[str]) -> str:
    """The name of the format to answer in; the first of `offered` where the caller does not mind."""
    if wanted is not None:
        if wanted not in offered:
            raise NotAcceptable(
                f"format {wanted!r} cannot be served here; ask for one of: {', '.join(offered)}"
            )
        return wanted
    accept = request.headers.get("accept") or "*/*"
    # mimeparse prefers the last of equals
    types = [MEDIA_TYPES[name] for name in reversed(offered)]
    try:
        best = mimeparse.best_match(types, accept)
    except mimeparse.MimeTypeParseException:
        best = ""
    if not best:
        raise NotAcceptable(
            f"Accept: {accept} cannot be served here; ask for one of: {', '.join(reversed(types))}"
        )
    return next(name for name in offered if MEDIA_TYPES[name] == best)


def answer(
    request: Request,
    cache: ByteCache,
    key: Sequence[str],
    name: str,
    file_name: str,
    make: Callable[[], bytes],
    *,
    final: bool = False,
) -> Response:
    """The answer under `key` (its content decides it) in format `name`, or 304 if the caller has it.

    final: it will never be another, see service/remembering.py.
    """
    if final:
        request.scope[FINAL] = True
    headers = _headers(key, name)
    if has_tag(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return _content(cache.get(headers["ETag"], make), name, file_name, headers)


def answer_streamed(
    request: Request, key: Sequence[str], name: str, file_name: str, size: int | None, chunks: Iterable[bytes]
) -> Response:
    """As `answer`, but of so many bytes (None: not known yet) that nobody holds them all; or 304."""
    headers = _headers(key, name)
    if has_tag(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    headers["Content-Disposition"] = _attachment(file_name, name)
    if size is not None:
        headers["Content-Length"] = str(size)
    return StreamingResponse(chunks, media_type=MEDIA_TYPES[name], headers=headers)


def answer_once(content: bytes, name: str, file_name: str) -> Response:
    """The answer to what was sent with the question, in format `name`: nobody keeps it."""
    return _content(content, name, file_name, {"Cache-Control": "no-store"})


def _headers(key: Sequence[str], name: str) -> dict[str, str]:
    etag = '"' + hashlib.sha256("\n".join((*key, name)).encode()).hexdigest()[:32] + '"'
    return {"ETag": etag, "Cache-Control": "private, no-cache", "Vary": "Accept"}


def _content(content: bytes, name: str, file_name: str, headers: dict[str, str]) -> Response:
    if name not in ("json", "svg", "png"):
        headers["Content-Disposition"] = _attachment(file_name, name)
    return Response(content, media_type=MEDIA_TYPES[name], headers=headers)


def _attachment(file_name: str, name: str) -> str:
    return f'attachment; filename="{file_name}.{ENDINGS.get(name, name)}"'


def has_tag(if_none_match: str | None, etag: str) -> bool:
    """RFC 9110 section 13.1.2: weak comparison with each of the list."""
    if if_none_match is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return "*" in tags or etag in tags
