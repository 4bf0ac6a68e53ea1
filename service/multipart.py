"""Multipart forms: the one file in a body, piece by piece as it comes."""

from __future__ import annotations

from collections.abc import AsyncIterator

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from tgsh.errors import InvalidSpec

FORM = "multipart/form-data"
FIELD = "file"

HOW = "send the file itself as the body (curl -T), or one form field: curl -F file=@NAME"


FILES = (FORM, "application/octet-stream", "application/zip", "application/x-tar")
"""Types of bodies that are files where an array might come, too."""


def is_file(content_type: str | None) -> bool:
    """True where a body is a file, not an array, by its Content-Type."""
    return (content_type or "").partition(";")[0].strip().lower() in FILES


def file_pieces(request: Request) -> AsyncIterator[bytes]:
    """The pieces of the file that a request carries: its form's, or else the body as it is.

    Raises InvalidSpec, while they are read, where a form is broken or has anything but one file.
    """
    kind, parameters = parse_options_header(request.headers.get("content-type"))
    if kind.lower() != FORM.encode():
        return _body(request)
    return _FormFile(parameters.get(b"boundary", b"")).pieces(request)


async def _body(request: Request) -> AsyncIterator[bytes]:
    async for piece in request.stream():
        yield piece


class _FormFile:
    """The parser's events, of which only bytes of the file are kept, and those until they are taken."""

    def __init__(self, boundary: bytes) -> None:
        if not 1 <= len(boundary) <= 70:  # RFC 2046
            raise InvalidSpec("body", f"is a form without a boundary in its Content-Type; {HOW}")
        self._header = bytearray()
        self._value = bytearray()
        self._names: list[str] = []
        self._is_file = False
        self._has_ended = False
        self._ready: list[bytes] = []
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin_part,
                "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
                "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
                "on_header_end": self._end_header,
                "on_headers_finished": self._check_part,
                "on_part_data": self._take,
                "on_end": self._end,
            },
        )
        self._disposition: dict[bytes, bytes] = {}

    async def pieces(self, request: Request) -> AsyncIterator[bytes]:
        """The bytes of the file."""
        async for piece in request.stream():
            try:
                self._parser.write(piece)
            except FormParserError as error:
                raise InvalidSpec("body", f"is a broken form: {error}; {HOW}") from error
            for ready in self._ready:
                yield ready
            self._ready.clear()
        if not self._has_ended:
            raise InvalidSpec("body", f"is a form that breaks off; {HOW}")
        if not self._names:
            raise InvalidSpec("body", f"is a form without a file; {HOW}")

    def _begin_part(self) -> None:
        self._disposition = {}
        self._header.clear()
        self._value.clear()

    def _end_header(self) -> None:
        if bytes(self._header).lower() == b"content-disposition":
            _, self._disposition = parse_options_header(bytes(self._value))
        self._header.clear()
        self._value.clear()

    def _check_part(self) -> None:
        name = self._disposition.get(b"name", b"").decode(errors="replace")
        if b"filename" not in self._disposition and name != FIELD:
            raise InvalidSpec(
                "body", f"has the form field {name[:40]!r}: options go into the query, ?{name[:40]}=…"
            )
        self._names.append(name)
        if len(self._names) > 1:
            raise InvalidSpec("body", "is a form with several files; zip or tar them, and send that one file")

    def _take(self, data: bytes, start: int, end: int) -> None:
        self._ready.append(bytes(data[start:end]))

    def _end(self) -> None:
        self._has_ended = True
