"""GET /: what the table says, finds, sorts and pages, with 10,000 experiments and with none."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest
from pydantic import SecretStr

from service.app import create_app
from service.settings import ServiceSettings
from tests.api.conftest import submit
from tests.support.browser import BROWSER, HTMX
from tests.support.many_experiments import fill
from tests.support.people import people
from tests.support.serving import in_process

COUNT = 10_000


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a service with so many experiments, for tests that change none."""
    home = tmp_path_factory.mktemp("filled")
    app = create_app(ServiceSettings(home=home, redis_url=SecretStr("redis://127.0.0.1:1/0")))
    with in_process(app) as client:
        fill(app.state.services.database, COUNT)
        yield client


def names(page: httpx.Response) -> list[str]:
    """Names of the experiments in the table, from above."""
    assert page.status_code == 200, page.text
    return re.findall(r'<th scope="row"><a [^>]*>([^<]*)</a>', page.text)


def counts(page: httpx.Response) -> str:
    [found] = re.findall(r'<p class="counts" role="status">(.*?)</p>', page.text, re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", "", found).split())


def test_without_experiments_it_says_how_to_begin(client: httpx.Client) -> None:
    page = client.get("/", headers=BROWSER)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "/dashboard/submit?preset=demo" in page.text
    assert names(page) == []


def test_ten_thousand_are_counted_searched_filtered_sorted_and_paged(filled: httpx.Client) -> None:
    page = filled.get("/")
    assert names(page) == [f"run {COUNT - 1 - index:05}" for index in range(50)]
    assert counts(page).startswith("10,000 experiments · 1,428 queued · 1,428 running · 4,287 completed")
    found = filled.get("/?" + urlencode({"q": "RUN 0123", "suite": "", "status": "", "tag": ""}))
    assert names(found) == [f"run 0123{digit}" for digit in range(9, -1, -1)]
    assert counts(found).startswith("10 experiments")
    narrowed = filled.get("/?tag=week-3&suite=shift&status=completed&sort=name")
    expected = [f"run {number:05}" for number in range(600, 800, 2) if number % 7 < 3]
    assert names(narrowed) == expected
    assert 'aria-sort="ascending"' in narrowed.text
    assert "<option selected>shift</option>" in narrowed.text
    assert "Nothing matches" in filled.get("/?q=nobody").text


@pytest.mark.parametrize("sort", ["-created", "-accuracy", "seconds"])
def test_pages_follow_one_another_without_a_gap(filled: httpx.Client, sort: str) -> None:
    seen: list[str] = []
    path: str | None = f"/?q=run+001&sort={sort}"
    while path:
        page = filled.get(path)
        seen += names(page)
        link = re.search(r'<a rel="next" href="([^"]*)">', page.text)
        path = html.unescape(link[1]) if link else None
    assert sorted(seen) == [f"run {number:05}" for number in range(100, 200)]
    from_api = filled.get("/experiments", params={"q": "run 001", "sort": sort, "limit": 100}).json()["items"]
    assert [item["name"] for item in from_api] == seen


def test_columns_are_remembered_and_groups_are_of_what_is_found(filled: httpx.Client) -> None:
    cookie = {"Cookie": "tgsh_columns=accuracy,training.batch_size,seed,nonsense,suite.nonsense"}
    page = filled.get("/?status=completed&group=epochs&suite=shift", headers=cookie)
    heads = re.findall(r'<th scope="col"[^>]*>([^<]*)</th>', page.text)
    assert heads == ["Epochs", "Experiments", "Completed", "Seed", "Accuracy", "training.batch_size"]
    assert re.search(
        r"<td class=\"number\">\d\d\.\d ± \d\d\.\d %</td>\s*<td class=\"number\">128</td>", page.text
    )
    link = html.unescape(
        re.findall(r'<a class="name" href="([^"]*where=training.epochs[^"]*)"', page.text)[0]
    )
    found = filled.get(link, headers=cookie)
    assert set(re.findall(r'<td class="column-spec number">([^<]*)</td>', found.text)) == {"0", "128"}
    exported = html.unescape(re.findall(r'href="([^"]*)" id="export"', found.text)[0])
    first = filled.get(exported).text.splitlines()[0]
    assert first == "id,name,project,tags,seed,accuracy,training.batch_size"
    grouped = html.unescape(re.findall(r'href="([^"]*)" id="export"', page.text)[0])
    assert filled.get(grouped).text.startswith("epochs,experiments,completed,seed,accuracy_mean,accuracy_sd")
    assert "group by project, study" in filled.get("/?group=name").text


def test_htmx_gets_the_table_alone(filled: httpx.Client) -> None:
    part = filled.get("/?status=running", headers=HTMX)
    assert part.text.lstrip().startswith('<section id="found"')
    assert "HX-Request" in part.headers["vary"]
    assert 'hx-trigger="every 1500ms' in part.text  # what runs is asked for often
    assert 'hx-trigger="every 4000ms' in filled.get("/?status=completed", headers=HTMX).text


def test_what_people_write_is_text(client: httpx.Client) -> None:
    name = "<img src=x onerror=alert(1)>\"' "
    submit(client, name=name, tags=["<b>&"])
    page = client.get("/", params={"q": "<img", "tag": "<b>&"})
    assert "<img" not in page.text
    assert "<b>" not in page.text
    assert html.unescape(names(page)[0]) == name
    assert "/?tag=%3Cb%3E%26" in client.get("/").text


def test_each_sees_what_is_there_for_it_and_changes_its_own(client: httpx.Client, tmp_path: Path) -> None:
    with people(tmp_path, client) as known:
        submit(known["alice"], name="hidden", tags=["secret"])
        submit(known["alice"], name="shown", shared=True)
        submit(known["bob"], name="bobs")
        assert names(known["bob"].get("/")) == ["bobs", "shown"]
        assert names(known["root"].get("/")) == ["bobs", "shown", "hidden"]
        for name, actions in (("bob", 2), ("rita", 0), ("root", 6)):
            page = known[name].get("/")
            assert page.text.count("data-method=") == actions, name
            assert ("secret" in page.text) == (name == "root")
