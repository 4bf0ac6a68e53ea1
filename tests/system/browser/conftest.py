"""A real stack and a real browser, shared by all tests of the pages, and the pages of one test.

`stack`: Redis, API and one worker, with nothing in it but what tests of this folder put there.
`http`: a client of it. `page`: a fresh page at 1280 × 900, that goes to paths of the stack; the test fails if
anything is wrong on it (`troubles`). `screenshot("name")` keeps a picture in TGSH_SCREENSHOTS.
What needs no browser is asked of the application alone: `client`, as in tests/api.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, BrowserType, Page, Request, Response, expect, sync_playwright

from tests.api.conftest import app as app
from tests.api.conftest import client as client
from tests.api.conftest import services as services
from tests.conftest import missing
from tgsh.stack.stack import Stack

# As root in a container, and with nothing that calls home.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

NETWORK = "net::ERR_NETWORK_CHANGED"

SECONDS = 20
"""How long a page may take for what it is asked, on a machine that runs other tests, too."""


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Redis, API and one worker as processes."""
    with Stack(tmp_path_factory.mktemp("dashboard") / "home", workers=1) as running:
        yield running


@pytest.fixture(scope="package")
def http(stack: Stack) -> Iterator[httpx.Client]:
    """A client of the stack's API."""
    with httpx.Client(base_url=stack.url, timeout=60) as client:
        yield client


# For this folder, not for the run: Playwright's event loop is in the main thread, where others start theirs.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium, with a profile of its own."""
    expect.set_options(timeout=SECONDS * 1000)
    with sync_playwright() as playwright:
        browser = launch(playwright.chromium)
        yield browser
        browser.close()


def launch(kind: BrowserType, *arguments: str) -> Browser:
    """Debian's Chromium; arguments: more of them."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        missing("no Chromium; install Debian's package chromium")
    return kind.launch(executable_path=program, args=[*ARGUMENTS, *arguments])


class Troubles:
    """What goes wrong on a page: errors in its console, requests that fail or leave the origin."""

    def __init__(self, page: Page, origin: str) -> None:
        self._origin = origin
        self._found: list[str] = []
        self._allowed: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self._on_console(message.type, message.text))
        page.on("pageerror", lambda error: self._note(f"script: {error}"))
        page.on("request", self._on_request)
        page.on("requestfailed", self._on_failure)
        page.on("response", self._on_response)

    def allow(self, pattern: str) -> None:
        """Expect troubles whose line the pattern is found in, such as "422"."""
        self._allowed.append(pattern)

    def left(self) -> list[str]:
        """Those that nobody expected."""
        return [line for line in self._found if not any(re.search(known, line) for known in self._allowed)]

    def _note(self, line: str) -> None:
        self._found.append(line)

    def _on_console(self, kind: str, text: str) -> None:
        # What was under way when the page was left; of a request that failed htmx tells by a third name.
        left = text.startswith(("htmx:afterRequest", "htmx:sendAbort"))
        if kind == "error" and not left and NETWORK not in text:
            self._note(f"console: {text}")

    def _on_request(self, request: Request) -> None:
        self.requests.append(request.url)
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and f"{parts.scheme}://{parts.netloc}" != self._origin:
            self._note(f"leaves the origin: {request.url}")

    def _on_failure(self, request: Request) -> None:
        # A page that is left ends what it waits for; other tests make networks and remove them.
        if request.failure not in ("net::ERR_ABORTED", NETWORK):
            self._note(f"failed: {request.url}: {request.failure}")

    def _on_response(self, response: Response) -> None:
        if response.status >= 400:
            self._note(f"answered {response.status}: {response.url}")


@pytest.fixture
def page(browser: Browser, stack: Stack) -> Iterator[Page]:
    """A page of its own context; in words and times of Berlin, so that no zone is the server's by chance."""
    context = browser.new_context(
        base_url=stack.url,
        viewport={"width": 1280, "height": 900},
        locale="en-GB",
        timezone_id="Europe/Berlin",
        accept_downloads=True,
    )
    context.set_default_timeout(SECONDS * 1000)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    yield context.new_page()
    context.close()


@pytest.fixture(autouse=True)
def troubles(request: pytest.FixtureRequest) -> Iterator[Troubles | None]:
    """What goes wrong on `page`; there must be nothing left at the end. None where a test has no page."""
    if "page" not in request.fixturenames:
        yield None
        return
    found = Troubles(request.getfixturevalue("page"), request.getfixturevalue("stack").url)
    yield found
    assert found.left() == []


@pytest.fixture
def screenshot(page: Page) -> Callable[[str], None]:
    """Keeps a picture of the page, whole, in TGSH_SCREENSHOTS: for eyes alone, so nothing without that."""
    folder = os.environ.get("TGSH_SCREENSHOTS")

    def keep(name: str) -> None:
        if folder is not None:
            page.screenshot(path=Path(folder, f"{name}.png"), full_page=True, timeout=60_000)

    return keep
