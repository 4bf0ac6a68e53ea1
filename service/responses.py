"""Formats, ETags, caches of rendered results and of arrays, concurrency limit."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

import mimeparse
import numpy as np
from cachetools import LRUCache
from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from service.errors import Busy, NotAcceptable
from tgsh.specs.figure_options import FigureOptions, read_figure_options

AT_A_TIME = max(2, os.cpu_count() or 1)
"""Results that are computed side by side: each may take seconds and hundreds of megabytes."""

MOST_WAITING = 24
"""Requests that wait for their turn; fewer than the threads there are (40), so that others get one."""

PATIENCE_SECONDS = 20.0


class ConcurrencyLimit:
    """Limits how many results are computed at a time, and how many requests wait for their turn."""

    def __init__(self, at_a_time: int = AT_A_TIME, most_waiting: int = MOST_WAITING) -> None:
        self._free = threading.BoundedSemaphore(at_a_time)
        self._seats = threading.BoundedSemaphore(at_a_time + most_waiting)

    @contextmanager
    def turn(self, same: threading.Lock | None = None) -> Iterator[None]:
        """same: held while the same body is made. Raises Busy where too many wait, or one too long."""
        if not self._seats.acquire(blocking=False):
            raise Busy("too many results are being computed; try again soon")
        try:
            with _held(same) if same else nullcontext(), _held(self._free):
                yield
        finally:
            self._seats.release()


@contextmanager
def _held(lock: threading.Lock | threading.Semaphore) -> Iterator[None]:
    if not lock.acquire(timeout=PATIENCE_SECONDS):
        raise Busy("results take too long to compute; try again soon")
    try:
        yield
    finally:
        lock.release()


class ByteCache:
    """Bodies by a key that follows from their content, so that none can be out of date."""

    def __init__(self, max_bytes: int) -> None:
        self.turns = ConcurrencyLimit()
        self._bodies: LRUCache[str, bytes] = LRUCache(max_bytes, getsizeof=len)
        self._making: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, key: str, make: Callable[[], bytes]) -> bytes:
        """The body under `key`, made now if it is not there; requests meanwhile wait for the same one.

        Raises Busy.
        """
        with self._lock:
            body = self._bodies.get(key)
            if body is not None:
                return body
            same = self._making.setdefault(key, threading.Lock())
        with self.turns.turn(same):
            with self._lock:
                body = self._bodies.get(key)  # another may have made it while this one waited
            if body is None:
                body = self._keep(key, make())
        return body

    def _keep(self, key: str, body: bytes) -> bytes:
        with self._lock:
            self._making.pop(key, None)
            if len(body) <= self._bodies.maxsize:
                self._bodies[key] = body
        return body


class ArrayCache:
    """Read-only arrays by a key that follows from their content, so that none can be out of date.

    Results of one study share the matrices of its replicates. An array of more than a sixteenth is not kept:
    a few of them would leave nothing else.
    """

    def __init__(self, max_bytes: int) -> None:
        self._arrays: LRUCache[str, np.ndarray] = LRUCache(max_bytes, getsizeof=lambda array: array.nbytes)
        self._lock = threading.Lock()

    def get(self, key: str, make: Callable[[], np.ndarray]) -> np.ndarray:
        """The array under `key`, made now if it is not there. Two that need it at once both make it."""
        with self._lock:
            array = self._arrays.get(key)
        if array is None:
            array = make()
            array.flags.writeable = False
            if array.nbytes <= self._arrays.maxsize // 16:
                with self._lock:
                    self._arrays[key] = array
        return array


MEDIA_TYPES = {
    "json": "application/json",
    "csv": "text/csv",
    "npy": "application/x-npy",
    "npz": "application/x-npz",
    "safetensors": "application/vnd.safetensors",
    "png": "image/png",
    "svg": "image/svg+xml",
    "pdf": "application/pdf",
    "newick": "text/x-nh",
    "zip": "application/zip",
}

ENDINGS = {"newick": "nwk"}
"""Endings of files where they are not the format's name."""

INLINE = ("json", "svg", "png")
"""Formats that browsers show; all others are downloads."""

FINAL = "tgsh.final"
"""The key of a request's scope that says that its response is final."""


@dataclass(frozen=True)
class Stream:
    """Bytes that are never held all at once. size: how many they are; None: not known yet."""

    size: int | None
    chunks: Iterable[bytes]


@dataclass(frozen=True)
class Rendered:
    """A result in one format.

    Parameters
    ----------
    format : its name.
    file_name : of a download, without its ending.
    etag : entity tag; equal ones mean equal bytes.
    final : whether it can no longer change, see service/middleware/final_responses.py.
    body : makes the bytes, or has them from the cache.
    """

    format: str
    file_name: str
    etag: str
    final: bool
    body: Callable[[], bytes | Stream]


C = TypeVar("C", contravariant=True)
K = TypeVar("K", contravariant=True)
P = TypeVar("P", contravariant=True)


class Renderable(Protocol[C, K, P]):
    """Interface of a result that `respond` uses."""

    @property
    def formats(self) -> tuple[str, ...]:
        """Names of the formats offered, the default one first."""

    @property
    def figure_options(self) -> Collection[str]:
        """Names of the options that its picture can use."""

    def render(
        self, services: C, subject: K, params: P, format: str, options: FigureOptions = ..., /
    ) -> Rendered:
        """In one of them."""


def respond(
    request: Request,
    services: C,
    result: Renderable[C, K, P],
    subject: K,
    params: P,
    format: str | None = None,
    asked: Mapping[str, str | None] = MappingProxyType({}),
) -> Response:
    """The response to a GET of a result: in `format`, or in one that is accepted; 304 if the caller has it.

    asked: options of the figure, as they stand in the query.
    Raises NotAcceptable, InvalidSpec for options that are wrong here, and what rendering raises.
    """
    format = choose(request, format, result.formats)
    options = read_figure_options(asked, result.figure_options, format)
    rendered = result.render(services, subject, params, format, options)
    if rendered.final:
        request.scope[FINAL] = True
    headers = {"ETag": rendered.etag, "Cache-Control": "private, no-cache", "Vary": "Accept"}
    if has_tag(request.headers.get("if-none-match"), rendered.etag):
        return Response(status_code=304, headers=headers)
    return _whole(rendered.body(), rendered.format, rendered.file_name, headers)


def respond_once(content: bytes, format: str, file_name: str) -> Response:
    """The response to images that came with the request: nobody keeps it."""
    return _whole(content, format, file_name, {"Cache-Control": "no-store"})


def _whole(content: bytes | Stream, format: str, file_name: str, headers: dict[str, str]) -> Response:
    if format not in INLINE:
        ending = ENDINGS.get(format, format)
        headers["Content-Disposition"] = f'attachment; filename="{file_name}.{ending}"'
    if isinstance(content, bytes):
        return Response(content, media_type=MEDIA_TYPES[format], headers=headers)
    if content.size is not None:
        headers["Content-Length"] = str(content.size)
    return StreamingResponse(content.chunks, media_type=MEDIA_TYPES[format], headers=headers)


def choose(request: Request, format: str | None, offered: Sequence[str]) -> str:
    """The name of the format to respond in; the first of `offered` where the caller does not mind."""
    if format is not None:
        if format not in offered:
            raise NotAcceptable(
                f"format {format!r} cannot be served here; ask for one of: {', '.join(offered)}"
            )
        return format
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


def entity_tag(*parts: str) -> str:
    """An ETag. No two lists of parts share one, as long as no part but the last has a line break."""
    return '"' + hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32] + '"'


def has_tag(if_none_match: str | None, etag: str) -> bool:
    """RFC 9110 section 13.1.2: weak comparison with each of the list."""
    if if_none_match is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return "*" in tags or etag in tags


def documented(model: type, formats: Sequence[str], **examples: str) -> dict[int | str, dict[str, Any]]:
    """The documented responses of an endpoint that serves these formats, with examples of those of text."""
    content: dict[str, dict[str, Any]] = {
        MEDIA_TYPES[name]: {"schema": {"type": "string"}} for name in formats if name != "json"
    }
    for name, text in examples.items():
        content[MEDIA_TYPES[name]]["example"] = text
    return {200: {"model": model, "content": content}, **NOT_MODIFIED}


NOT_MODIFIED: dict[int | str, dict[str, Any]] = {304: {"description": "the caller has it (If-None-Match)"}}
"""The documented response to a caller who has a result already."""
