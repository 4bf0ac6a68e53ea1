"""Guide pages as the service renders them: reachable, linked to one another, escaped, offline."""

from __future__ import annotations

import asyncio
import html
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import FastAPI
from markdown_it import MarkdownIt

from service import errors
from service.dashboard import guide, rendering
from service.dashboard.rendering import POLICY

PAGES = sorted(guide._sources())


class Guide:
    """The guide alone, which needs no store, over ASGI."""

    def __init__(self) -> None:
        self._app = FastAPI()
        errors.install(self._app)
        self._app.include_router(guide.router)
        rendering.mount(self._app)

    def get(self, path: str) -> httpx.Response:
        return asyncio.run(self._get(path))

    async def _get(self, path: str) -> httpx.Response:
        transport = httpx.ASGITransport(self._app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60) as client:
            return await client.get(path)


@pytest.fixture(scope="module")
def client() -> Guide:
    return Guide()


class Elements(HTMLParser):
    """Start tags of a page with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    def values(self, name: str) -> list[str]:
        return [attributes[name] for _, attributes in self.found if name in attributes]


@pytest.mark.parametrize("name", PAGES)
def test_every_page_and_what_it_links_to_is_there(client: Guide, name: str) -> None:
    answer = client.get(guide.address_of(name))
    assert answer.status_code == 200
    assert answer.headers["content-security-policy"] == POLICY
    page = Elements(answer.text)
    assert len(page.values("id")) == len(set(page.values("id"))), "an anchor is there twice"
    for address in [*page.values("href"), *page.values("src")]:
        parts = urlsplit(address)
        if parts.scheme or parts.netloc:
            assert parts.scheme in ("http", "https")
        elif not parts.path:
            assert parts.fragment in page.values("id")
        elif parts.path.startswith((guide.ROOT, rendering.MOUNT)):
            there = client.get(parts.path)
            assert there.status_code == 200, address
            if parts.fragment:
                assert parts.fragment in Elements(there.text).values("id"), address
        else:
            assert parts.path in ("/", "/docs") or parts.path.startswith("/dashboard/")
    for tag, attributes in page.found:
        if tag == "img":
            assert attributes["alt"]


def test_every_page_is_in_the_contents_or_one_click_away(client: Guide) -> None:
    listed = [page.name for page in guide.contents()]
    assert listed[0] == guide.START
    assert len(listed) == len(set(listed))
    reachable = {*listed, *(name for page in guide.contents() for name in page.links)}
    assert set(PAGES) <= reachable
    addresses = Elements(client.get("/guide").text).values("href")
    assert addresses.index("/guide/experiments") < addresses.index("/guide/results")


@pytest.mark.parametrize(
    "path",
    ["nowhere", "results.md", "../../README", "..%2f..%2fREADME", "images", "decisions/nowhere", "%00"],
)
def test_other_pages_are_not_there(client: Guide, path: str) -> None:
    answer = client.get(f"/guide/{path}")
    assert answer.status_code == 404
    assert answer.json()["type"] == "urn:tgsh:problem:not-found"


@pytest.mark.parametrize("name", ["nothing.png", "..%2findex.md", "%2e%2e%2findex.md"])
def test_other_pictures_are_not_there(client: Guide, name: str) -> None:
    assert client.get(f"/guide/images/{name}").status_code == 404


def test_pictures_have_their_type(client: Guide) -> None:
    for path in guide._pictures():
        answer = client.get(f"/guide/images/{path}")
        assert answer.headers["content-type"] in ("image/png", "image/svg+xml")
        assert answer.headers["cache-control"].startswith("private")


def rendered(text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> guide.Page:
    (tmp_path / "sub").mkdir()
    (tmp_path / "index.md").write_text(f"# Start\n\n{text}", "utf-8")
    (tmp_path / "sub" / "index.md").write_text(
        "# Sub\n\n[a](../index.md#start) ![b](../images/c.png)", "utf-8"
    )
    monkeypatch.setattr(guide, "_folder", lambda: tmp_path)
    for cached in (guide._sources, guide.rendered, guide.contents):
        cached.cache_clear()
    try:
        return guide.rendered("index")
    finally:
        page = guide.rendered("sub")
        assert 'href="/guide#start"' in page.body
        assert 'src="/guide/images/c.png"' in page.body
        monkeypatch.undo()
        for cached in (guide._sources, guide.rendered, guide.contents):
            cached.cache_clear()


@pytest.mark.parametrize(
    "raw",
    [
        "<script>alert(1)</script>",
        'text <img src=x onerror="alert(1)"> more',
        "<style>* {display: none}</style>",
        "```<b>\n</code><b>\n```",
        "`<b>`",
        "| <b>\n|---\n| <i>",
        "[a](javascript:alert(1))",
        "![a](data:text/html,<script>)",
    ],
)
def test_html_is_shown_and_not_obeyed(raw: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    page = rendered(raw, monkeypatch, tmp_path)
    found = Elements(page.body).found
    known = {"h1", "p", "pre", "code", "div", "table", "thead", "tbody", "tr", "th", "td"}
    assert {tag for tag, _ in found} <= known
    assert not any(
        name.startswith("on") or "script" in value for _, each in found for name, value in each.items()
    )
    text = html.unescape(re.sub(r"<[^>]*>", "", page.body))
    assert re.search(r"alert|display|<b>|data:", text)


def test_links_are_rewritten(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = "[a](sub/index.md#sub) [b](#start) [c](../../LICENSE) [d](https://example.org) ![e](images/f.png)"
    page = rendered(text, monkeypatch, tmp_path)
    links = Elements(page.body).values("href")
    assert links == ["/guide/sub#sub", "#start", "https://example.org"]
    assert page.links == ("sub/index",)
    assert Elements(page.body).values("src") == ["/guide/images/f.png"]


def test_anchors_are_those_of_github() -> None:
    headings = {
        "Where to look for …": "where-to-look-for-",
        "`code`, and (more)": "code-and-more",
        "All of MNIST": "all-of-mnist",
        "Definition 1 (T-GSH)": "definition-1-t-gsh",
        "Größe_x": "größe_x",
    }
    for text, slug in headings.items():
        tokens = MarkdownIt().parse(f"## {text}\n\n## {text}")
        assert [heading.slug for heading in guide._anchor(tokens)] == [slug, f"{slug}-1"]
