"""Notes of people as HTML: Markdown without raw HTML and images, its headings below those of the page."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

FIRST = 2
"""Level of the highest heading of the notes: a page has one h1, and they stand right below it."""


def as_html(notes: str | None) -> Markup | None:
    """The notes, escaped but for their Markdown; None where there are none."""
    if not notes:
        return None
    parser = _parser()
    tokens = parser.parse(notes)
    written = sorted({token.tag for token in tokens if token.type == "heading_open"})
    level = FIRST - 1
    for token in tokens:
        if token.type == "heading_open":  # none is left out between a heading and the one above it
            level = min(FIRST + written.index(token.tag), level + 1, 6)
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{level}"
        for inner in token.children or ():
            if inner.type == "link_open":
                inner.attrSet("rel", "nofollow noopener noreferrer")
    return Markup(parser.renderer.render(tokens, parser.options, {}))


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt  # imported by pages with notes only: the API starts faster

    return MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
