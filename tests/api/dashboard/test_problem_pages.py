"""Problems as pages, for browsers alone, with the words of the documents."""

from __future__ import annotations

import html
import re
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from service.dashboard.rendering import POLICY, wants_page
from service.middleware.security import HEADERS
from tests.support.browser import BROWSER
from tgsh.api_keys import KeyFile

PROBLEMS = {
    "/nowhere": 404,
    "/?sort=sideways": 422,
    "/?cursor=nonsense": 422,
    "/?status=asleep": 422,
    "/experiments/0123456789abcdef": 404,
    "/experiments?limit=0": 422,
    "/broken": 500,
}


@pytest.mark.parametrize("path", PROBLEMS)
def test_a_page_says_what_the_document_says(app: FastAPI, client: httpx.Client, path: str) -> None:
    @app.get("/broken")
    def broken() -> None:
        raise RuntimeError("unforeseen")

    document, page = (client.get(path, headers=headers) for headers in ({}, BROWSER))
    assert document.status_code == page.status_code == PROBLEMS[path]
    assert document.headers["content-type"] == "application/problem+json"
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    shown = html.unescape(re.sub(r"<[^>]*>", "", page.text))
    said = document.json()
    for words in (said["title"], said["detail"], said["type"], *(error["field"] for error in said["errors"])):
        assert words in shown
    assert {name: page.headers.get(name) for name in HEADERS} == HEADERS | {"Content-Security-Policy": POLICY}


def test_what_came_is_shown_as_text(client: httpx.Client) -> None:
    page = client.get("/nowhere<script>alert(1)</script>", headers=BROWSER)
    assert page.status_code == 404
    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert(1)" in page.text


def test_headers_of_the_problem_stay(client: httpx.Client, tmp_path: Path) -> None:
    KeyFile(tmp_path / "keys.json").add("alice", "read", None)
    page = client.get("/", headers=BROWSER)
    assert (page.status_code, page.headers["content-type"]) == (401, "text/html; charset=utf-8")
    assert len(page.headers.get_list("www-authenticate")) == 2
    assert "A key is needed" in page.text
    wrong = client.get("/", headers=BROWSER | {"Host": "evil.example"})
    assert (wrong.status_code, "TGSH_ALLOWED_HOSTS" in wrong.text) == (421, True)


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        (BROWSER["Accept"], True),
        ("text/html", True),
        ("*/*", False),
        ("", False),
        ("application/json, text/html", False),
        ("application/json;q=0.5, text/html", True),
        ("text/html;q=0.1, application/problem+json, */*", False),
        ("text/html, nonsense", False),
        ("/;text/html", False),
    ],
)
def test_who_wants_a_page(accept: str, wanted: bool) -> None:
    assert wants_page(accept) is wanted
