"""Many tabs of one browser: one event stream for all, hidden ones ask nothing, and none is forgotten."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import update
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.dependencies import Services
from tests.conftest import missing
from tests.support.jobs import completed, leased, submitted
from tests.support.serving import serving
from tests.system.browser.conftest import ARGUMENTS
from tests.system.browser.tabs import Tab, Window, wait_until, window
from tests.system.browser.training import submit, wait
from tgsh.api_keys import KeyFile
from tgsh.store import experiments
from tgsh.store.annotations import annotate
from tgsh.store.models import ExperimentRecord

HOUR = 3600


@dataclass
class Traffic:
    """What a service was asked, and its event streams that are open."""

    paths: list[str] = field(default_factory=list)
    streams: int = 0
    most_streams: int = 0
    streams_refused: bool = False
    cuts_next_state: bool = False


class TrafficMiddleware:
    """ASGI middleware that writes it down, and refuses event streams where that is asked for."""

    def __init__(self, app: ASGIApp, traffic: Traffic) -> None:
        self._app, self._traffic = app, traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        traffic = self._traffic
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        traffic.paths.append(scope["path"])
        if not scope["path"].endswith("/events"):
            return await self._app(scope, receive, send)
        if traffic.streams_refused:
            await send({"type": "http.response.start", "status": 503, "headers": []})
            return await send({"type": "http.response.body", "body": b""})
        traffic.streams += 1
        traffic.most_streams = max(traffic.most_streams, traffic.streams)

        async def send_or_cut(message: Message) -> None:
            if traffic.cuts_next_state and b"event: state" in message.get("body", b""):
                traffic.cuts_next_state = False
                raise OSError("the cable is pulled")
            await send(message)

        try:
            await self._app(scope, receive, send_or_cut)
        except OSError:
            traffic.cuts_next_state = False
        finally:
            traffic.streams -= 1


@pytest.fixture
def traffic(app: FastAPI) -> Traffic:
    """What the application of this test is asked."""
    traffic = Traffic()
    app.add_middleware(TrafficMiddleware, traffic=traffic)
    return traffic


@pytest.fixture
def url(app: FastAPI, traffic: Traffic) -> Iterator[str]:
    """Where the application of this test is."""
    with serving(app) as client:
        yield str(client.base_url).rstrip("/")


@pytest.fixture
def services(app: FastAPI, url: str) -> Services:
    """What it works with."""
    found: Services = app.state.services
    return found


@pytest.fixture
def browser_window(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Window]:
    """A browser whose tabs in the background are hidden; it ends before the service, which waits for it."""
    if "url" in request.fixturenames:
        request.getfixturevalue("url")
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        missing("no Chromium; install Debian's package chromium")
    with window(str(program), tmp_path / "profile", *ARGUMENTS) as opened:
        yield opened


def page(url: str, experiment: str) -> str:
    return f"{url}/dashboard/experiments/{experiment}"


def end(services: Services, experiment: str) -> None:
    """Cancel it: it ends at once, as nothing of it runs."""
    experiments.cancel(services.database, experiment)


def shown_status(tab: Tab) -> str:
    return str(tab.evaluate("document.getElementById('state')?.dataset.status"))


def note(tab: Tab) -> str:
    return str(tab.evaluate("document.getElementById('note')?.textContent"))


def test_eight_tabs_of_what_workers_train_all_get_to_the_end(
    browser_window: Window, http: httpx.Client
) -> None:
    ids = [submit(http, 2, 30, name=f"tab {number}", seed=900 + number)["id"] for number in range(8)]
    tabs = [browser_window.open(page(str(http.base_url).rstrip("/"), id)) for id in ids]
    for id in ids:
        assert wait(http, id)["status"] == "completed"
    titles = lambda: [tab.title for tab in tabs]  # noqa: E731
    # The last one is shown, and fetches what is new; the others are not, and only their titles tell.
    ended = [f"✓ tab {number} · tgsh" for number in range(7)] + ["tab 7 · tgsh"]
    wait_until(lambda: titles() == ended, titles)
    for tab in tabs:
        tab.show()
        wait_until(lambda tab=tab: shown_status(tab) == "completed", lambda tab=tab: shown_status(tab))


def test_all_tabs_share_one_stream(
    browser_window: Window, services: Services, traffic: Traffic, url: str
) -> None:
    ids = [submitted(services.database, tasks=2, name=f"tab {number}") for number in range(8)]
    tabs = [browser_window.open(page(url, id)) for id in [*ids, ids[0]]]  # one of them twice
    begun = [f"0 % tab {number} · tgsh" for number in [*range(8), 0]]
    wait_until(lambda: [tab.title for tab in tabs] == begun, lambda: [tab.title for tab in tabs])
    wait_until(lambda: traffic.streams == 1, lambda: traffic)
    for id in ids:
        completed(services.database, leased(services.database, id, 0, HOUR))
    half = [f"50 % tab {number} · tgsh" for number in [*range(8), 0]]
    wait_until(lambda: [tab.title for tab in tabs] == half, lambda: [tab.title for tab in tabs])
    assert traffic.streams == 1
    for id in ids:
        end(services, id)
    over = [f"◌ tab {number} · tgsh" for number in range(8)] + ["tab 0 · tgsh"]
    wait_until(lambda: [tab.title for tab in tabs] == over, lambda: [tab.title for tab in tabs])
    wait_until(lambda: traffic.streams == 0, lambda: traffic)


def test_a_hidden_tab_asks_nothing_and_is_up_to_date_when_it_is_shown(
    browser_window: Window, services: Services, traffic: Traffic, url: str
) -> None:
    id = submitted(services.database, tasks=2, name="hidden")
    hidden = [
        browser_window.open(address) for address in (page(url, id), f"{url}/", f"{url}/dashboard/workers")
    ]
    browser_window.open("data:text/html,<title>something else</title>")
    wait_until(lambda: all(tab.evaluate("document.visibilityState") == "hidden" for tab in hidden))
    quiet_since(traffic)
    completed(services.database, leased(services.database, id, 0, HOUR))
    wait_until(lambda: hidden[0].title == "50 % hidden · tgsh", lambda: hidden[0].title)
    # Longer than all of their intervals.
    assert hidden[0].evaluate("new Promise((resolve) => setTimeout(() => resolve(1), 9000))") == 1
    assert traffic.paths == []
    hidden[0].show()
    wait_until(lambda: hidden[0].evaluate("document.getElementById('state').dataset.done") == "1")
    traffic.paths.clear()
    hidden[1].show()
    wait_until(lambda: "1 of 2" in hidden[1].evaluate("document.getElementById('found').textContent"))
    hidden[2].show()
    wait_until(lambda: "/workers" in traffic.paths and "/dashboard/workers/failed" in traffic.paths)


def quiet_since(traffic: Traffic) -> None:
    """Wait until what was under way has ended, then begin a new list."""

    def is_quiet() -> bool:
        before = len(traffic.paths)
        time.sleep(2)
        return len(traffic.paths) == before

    wait_until(is_quiet)
    traffic.paths.clear()


def test_closed_tabs_are_forgotten(
    browser_window: Window, services: Services, traffic: Traffic, url: str
) -> None:
    ids = [submitted(services.database, name=f"tab {number}") for number in range(3)]
    tabs = [browser_window.open(page(url, id)) for id in ids]
    wait_until(lambda: traffic.streams == 1, lambda: traffic)
    for tab in tabs[:2]:
        tab.close()
    tabs[2].evaluate("location.assign('/guide')")
    wait_until(lambda: traffic.streams == 0, lambda: traffic)
    tabs[2].evaluate("history.back()")
    wait_until(lambda: traffic.streams == 1, lambda: traffic)


def test_what_is_deleted_says_so(browser_window: Window, services: Services, url: str) -> None:
    id = submitted(services.database, name="deleted")
    tab = browser_window.open(page(url, id))
    end(services, id)
    wait_until(lambda: shown_status(tab) == "cancelled", lambda: shown_status(tab))
    other = submitted(services.database, name="deleted while it is followed")
    follower = browser_window.open(page(url, other))
    wait_until(lambda: shown_status(follower) == "queued", lambda: shown_status(follower))
    end(services, other)
    experiments.delete(services.database, other)
    wait_until(lambda: "is gone" in note(follower), lambda: (note(follower), follower.title))


def test_a_key_that_is_revoked_and_a_share_that_ends(
    browser_window: Window, services: Services, url: str, tmp_path: Path
) -> None:
    keys = KeyFile(tmp_path / "keys.json")
    key = keys.add("bob", "submit", None)
    keys.add("alice", "submit", None)
    own, shared = (submitted(services.database, name=name) for name in ("own", "shared"))
    for id, owner in ((own, "bob"), (shared, "alice")):
        own_by(services, id, owner)
    annotate(services.database, shared, {"shared": True})
    with_key = url.replace("http://", f"http://anybody:{quote(key)}@")
    first = browser_window.open(f"{with_key}/")
    first.send("Page.navigate", url=page(url, own))
    second = browser_window.open(page(url, shared))  # the browser has the key by now
    completed(services.database, leased(services.database, own, 0, HOUR))
    wait_until(lambda: first.title == "50 % own · tgsh", lambda: first.title)
    annotate(services.database, shared, {"shared": False})
    wait_until(lambda: "is gone" in note(second), lambda: note(second))
    keys.revoke("bob")
    first.show()
    wait_until(lambda: "key is not accepted" in note(first), lambda: note(first))


def own_by(services: Services, id: str, owner: str) -> None:
    with services.database.write() as session:
        session.execute(update(ExperimentRecord).where(ExperimentRecord.id == id).values(owner=owner))


def test_without_streams_the_tab_that_is_shown_asks(
    browser_window: Window, services: Services, traffic: Traffic, url: str
) -> None:
    traffic.streams_refused = True
    id = submitted(services.database, tasks=2, name="refused")
    tab = browser_window.open(page(url, id))
    completed(services.database, leased(services.database, id, 0, HOUR))
    wait_until(lambda: tab.title == "50 % refused · tgsh", lambda: tab.title)
    traffic.streams_refused = False
    wait_until(lambda: traffic.streams == 1, lambda: traffic)


def test_without_shared_workers_the_tab_that_is_shown_has_a_stream(
    browser_window: Window, services: Services, traffic: Traffic, url: str
) -> None:
    ids = [submitted(services.database, tasks=2, name=f"tab {number}") for number in range(3)]
    tabs = [browser_window.open("data:text/html,<title>empty</title>") for _ in ids]
    for tab, id in zip(tabs, ids, strict=True):
        tab.show()
        tab.send("Page.enable")
        tab.send("Page.addScriptToEvaluateOnNewDocument", source="delete window.SharedWorker")
        tab.send("Page.navigate", url=page(url, id))
        wait_until(lambda tab=tab: tab.title.startswith("0 %"), lambda tab=tab: tab.title)
        assert not tab.evaluate("'SharedWorker' in window")
        wait_until(lambda: traffic.streams == 1, lambda: traffic)
    quiet_since(traffic)  # else the one stream might be that of a tab which is just being hidden
    wait_until(lambda: traffic.streams == 1, lambda: traffic)
    for id in ids:
        completed(services.database, leased(services.database, id, 0, HOUR))
    wait_until(lambda: tabs[2].title == "50 % tab 2 · tgsh", lambda: tabs[2].title)
    assert tabs[0].title == "0 % tab 0 · tgsh"
    tabs[0].show()
    wait_until(lambda: tabs[0].title == "50 % tab 0 · tgsh", lambda: tabs[0].title)
    wait_until(lambda: traffic.streams == 1, lambda: traffic)


def test_after_a_stream_that_was_cut_off_nothing_is_missed(
    browser_window: Window, services: Services, traffic: Traffic, url: str
) -> None:
    id = submitted(services.database, tasks=2, name="cut off")
    tab = browser_window.open(page(url, id))
    browser_window.open("data:text/html,<title>something else</title>")  # it is hidden: only the stream tells
    wait_until(lambda: traffic.streams == 1, lambda: traffic)
    traffic.cuts_next_state = True
    completed(services.database, leased(services.database, id, 0, HOUR))
    wait_until(lambda: tab.title == "50 % cut off · tgsh", lambda: tab.title)
    assert not traffic.cuts_next_state
    assert traffic.paths.count("/dashboard/events") == 2
