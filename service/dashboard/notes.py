"""Notes of people as HTML: Markdown without raw HTML and images, its headings below those of the page."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

BELOW = 1
"""Levels by which headings are lowered: a page has one h1, and notes stand right below it."""


def as_html(notes: str | None) -> Markup | None:
    """The notes, escaped but for their Markdown; None where there are none."""
    if not notes:
        return None
    parser = _parser()
    tokens = parser.parse(notes)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1:]) + BELOW)}"
        for inner in token.children or ():
            if inner.type == "link_open":
                inner.attrSet("rel", "nofollow noopener noreferrer")
    return Markup(parser.renderer.render(tokens, parser.options, {}))


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt  # imported by pages with notes only: the API starts faster

    return MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
