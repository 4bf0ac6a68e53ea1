"""Formats, ETags, cache of rendered results, concurrency limit."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext

import mimeparse
from cachetools import LRUCache
from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from service.errors import Busy, NotAcceptable

AT_A_TIME = max(2, os.cpu_count() or 1)
"""Answers that are computed side by side: each may take seconds and hundreds of megabytes."""

MOST_WAITING = 24
"""Requests that wait for their turn; fewer than the threads there are (40), so that others get one."""

PATIENCE_SECONDS = 20.0


class ConcurrencyLimit:
    """Lets so many compute at a time, and so many wait."""

    def __init__(self, at_a_time: int = AT_A_TIME, most_waiting: int = MOST_WAITING) -> None:
        self._free = threading.BoundedSemaphore(at_a_time)
        self._seats = threading.BoundedSemaphore(at_a_time + most_waiting)

    @contextmanager
    def turn(self, same: threading.Lock | None = None) -> Iterator[None]:
        """same: held by who makes the same answer. Raises Busy where too many wait, or one too long."""
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
    """Answers by a key that follows from their content, so that none can be out of date."""

    def __init__(self, max_bytes: int) -> None:
        self.turns = ConcurrencyLimit()
        self._bodies: LRUCache[str, bytes] = LRUCache(max_bytes, getsizeof=len)
        self._making: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, key: str, make: Callable[[], bytes]) -> bytes:
        """The answer under `key`, made now if it is not there; who asks meanwhile waits for the same one.

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


def respond(
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

    final: it will never be another, see service/middleware/final_responses.py.
    """
    if final:
        request.scope[FINAL] = True
    headers = _headers(key, name)
    if has_tag(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return _content(cache.get(headers["ETag"], make), name, file_name, headers)


def respond_streaming(
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


def respond_once(content: bytes, name: str, file_name: str) -> Response:
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
