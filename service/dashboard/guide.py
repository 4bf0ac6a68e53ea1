"""Guide pages rendered from Markdown.

The pages are `tgsh/docs/**/*.md`, package data, so that they are there without the internet. Raw HTML in them
is escaped. Relative links work on GitHub as they stand; here they are rewritten to addresses below /guide.
"""

from __future__ import annotations

import mimetypes
import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from service.dashboard.rendering import render
from tgsh.errors import NotFound

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

router = APIRouter(include_in_schema=False)

ROOT = "/guide"
START = "index"
IMAGES = "images"
IMAGE_SECONDS = 3600
"""Lifetime of a picture in a browser's cache."""

CONTENTS = "where-to-go-from-here"
"""The heading of the first page whose links, in their order, are the table of contents."""


@dataclass(frozen=True)
class Heading:
    """A heading of a page. level: 1 to 6; slug: its anchor, as GitHub makes it."""

    level: int
    slug: str
    text: str


@dataclass(frozen=True)
class Page:
    """A rendered page. name: path below the guide, without ending; links: names of pages, in their order."""

    name: str
    title: str
    body: Markup
    headings: tuple[Heading, ...]
    links: tuple[str, ...]

    @property
    def address(self) -> str:
        """The URL of the page."""
        return address_of(self.name)

    @property
    def sections(self) -> tuple[Heading, ...]:
        """The headings in the page's own table of contents."""
        return tuple(heading for heading in self.headings if heading.level == 2)


@router.get(ROOT)
def start(request: Request) -> HTMLResponse:
    """The first page."""
    return _page(request, START)


@router.get(f"{ROOT}/{IMAGES}/{{name}}")
def image(name: str) -> Response:
    """A picture of the guide."""
    try:
        content = _pictures()[name]
    except KeyError:
        raise NotFound(f"there is no picture {name!r} in the guide; see {ROOT}") from None
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return Response(
        content.read_bytes(),
        media_type=kind,
        headers={"Cache-Control": f"private, max-age={IMAGE_SECONDS}"},
    )


@router.get(f"{ROOT}/{{name:path}}")
def page(name: str, request: Request) -> HTMLResponse:
    """Any page, such as /guide/results or /guide/decisions."""
    return _page(request, name)


def address_of(name: str) -> str:
    """The URL of the page of that name."""
    if name == START:
        return ROOT
    return f"{ROOT}/{name.removesuffix(f'/{START}')}"


def slug(text: str) -> str:
    """The anchor that GitHub gives a heading, but for the number that tells equal ones apart."""
    return re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")


@cache
def rendered(name: str) -> Page:
    """The page of that name. Raises NotFound."""
    source = _sources().get(name) or _sources().get(f"{name}/{START}")
    if source is None:
        raise NotFound(f"there is no page {name!r} in the guide; see {ROOT}")
    if name not in _sources():
        name = f"{name}/{START}"
    parser = _parser()
    tokens = parser.parse(source.read_text("utf-8"))
    headings = tuple(_anchor(tokens))
    links = tuple(_rewrite(tokens, posixpath.dirname(name)))
    body = Markup(parser.renderer.render(tokens, parser.options, {}))  # escaped by markdown-it: html is off
    title = next((heading.text for heading in headings if heading.level == 1), name)
    return Page(name, title, body, headings, links)


@cache
def contents() -> tuple[Page, ...]:
    """The pages that the table of contents lists: the first, and those that its last section links to."""
    tokens = _parser().parse(_sources()[START].read_text("utf-8"))
    _anchor(tokens)
    place = next(place for place, token in enumerate(tokens) if token.attrGet("id") == CONTENTS)
    names = dict.fromkeys(_rewrite(tokens[place:], ""))
    return tuple(rendered(name) for name in (START, *names))


def _page(request: Request, name: str) -> HTMLResponse:
    current = rendered(name)
    pages = contents()
    names = [other.name for other in pages]
    following = None
    if current.name in names and names.index(current.name) + 1 < len(pages):
        following = pages[names.index(current.name) + 1]
    return render(request, "guide.html", page=current, pages=pages, following=following)


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt  # imported by these pages only: the API starts faster

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    parser.add_render_rule("table_open", _open_table)
    parser.add_render_rule("table_close", lambda *_: "</table></div>\n")
    parser.add_render_rule("fence", _fence)
    return parser


def _open_table(*_: Any) -> str:
    # A wide table scrolls on a narrow screen, also by keyboard.
    return '<div class="wide" tabindex="0" role="group" aria-label="Table"><table>\n'


def _fence(_: Any, tokens: Sequence[Token], place: int, *__: Any) -> str:
    language = Markup.escape(tokens[place].info.strip())
    code = Markup.escape(tokens[place].content)
    return f'<pre tabindex="0" data-language="{language}"><code>{code}</code></pre>\n'


def _anchor(tokens: Sequence[Token]) -> list[Heading]:
    """Give every heading its anchor, in place."""
    headings: list[Heading] = []
    counts: dict[str, int] = {}
    for opening, content in pairwise(tokens):
        if opening.type != "heading_open":
            continue
        text = "".join(child.content for child in content.children or [])
        anchor = slug(text)
        count = counts[anchor] = counts.get(anchor, -1) + 1
        anchor = f"{anchor}-{count}" if count else anchor
        opening.attrSet("id", anchor)
        headings.append(Heading(int(opening.tag[1:]), anchor, text))
    return headings


def _rewrite(tokens: Sequence[Token], folder: str) -> Iterator[str]:
    """Rewrite relative links and pictures to URLs, in place; yields the names of linked pages."""
    for token in _inline(tokens):
        attribute = {"link_open": "href", "image": "src"}.get(token.type)
        target = str(token.attrGet(attribute) or "") if attribute else ""
        parts = urlsplit(target)
        if attribute is None or parts.scheme or parts.netloc or not parts.path:
            continue
        path = posixpath.normpath(posixpath.join(folder, parts.path))
        anchor = f"#{parts.fragment}" if parts.fragment else ""
        if path.endswith(".md") and (name := path.removesuffix(".md")) in _sources():
            token.attrSet(attribute, address_of(name) + anchor)
            yield name
        elif path.startswith(f"{IMAGES}/"):
            token.attrSet(attribute, f"{ROOT}/{path}")
        else:  # a file of the repository, which the service does not have
            token.attrs.pop(attribute)


def _inline(tokens: Sequence[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from _inline(token.children or [])


@cache
def _sources() -> dict[str, Traversable]:
    """The Markdown files by the names of their pages."""
    return {name.removesuffix(".md"): file for name, file in _walk(_folder(), "") if name.endswith(".md")}


@cache
def _pictures() -> dict[str, Traversable]:
    return {file.name: file for file in (_folder() / IMAGES).iterdir() if file.is_file()}


def _folder() -> Traversable:
    return files("tgsh") / "docs"


def _walk(folder: Traversable, path: str) -> Iterator[tuple[str, Traversable]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _walk(entry, f"{path}{entry.name}/")
        else:
            yield path + entry.name, entry
