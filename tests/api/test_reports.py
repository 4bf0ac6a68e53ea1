"""Reports over HTTP: figures and text, who sees them, one file, links, what was deleted."""

from __future__ import annotations

import base64
import re
from html import unescape
from pathlib import Path
from xml.etree import ElementTree

import httpx
import pytest
from fastapi import FastAPI
from typer.testing import CliRunner

from service.dependencies import Services
from tests.api import test_study_results as study_results
from tests.api.conftest import completed
from tests.support.people import people
from tests.support.serving import another, serving
from tgsh.cli.application import app as application
from tgsh.client import Client
from tgsh.store.reports import ReportRecord

TEXT = "Neighbours are **alike** <script>alert(1)</script> <b>raw</b>."


@pytest.fixture
def experiment(client: httpx.Client, services: Services) -> str:
    return completed(client, services).rpartition("/")[2]


def figure(id: str, name: str = "similarity", **more: object) -> dict[str, object]:
    return {"kind": "figure", "of": "experiment", "id": id, "figure": name, **more}


def test_a_report_from_the_first_figure_to_one_file(client: httpx.Client, experiment: str) -> None:
    items = [{"kind": "text", "text": TEXT}, figure(experiment, params={"order": "cluster"}, caption="*c*")]
    made = client.post("/reports", json={"title": "Rotations <&>", "items": items})
    assert made.status_code == 201, made.text
    path = made.headers["Location"]
    report = client.get(path).json()
    assert (report["title"], report["items_total"], report["link"]) == ("Rotations <&>", 2, None)
    assert report["items"][1]["name"] == "three"
    more = [*report["items"], figure(experiment, "accuracy")]
    assert client.patch(path, json={"items": more}).json()["items_total"] == 3
    assert client.get(f"{path}/figures/1.csv").text.splitlines()[0] in {",0°,10°,20°", ",20°,10°,0°"}
    assert client.get(f"{path}/figures/0.svg").status_code == 404

    exported = client.get(f"{path}/export")
    page = exported.text
    assert "attachment" in exported.headers["Content-Disposition"]
    assert "<script" not in page
    assert "<b>raw" not in page
    assert "<strong>alike</strong>" in page
    assert "Rotations &lt;&amp;&gt;" in page
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)  # nothing to fetch
    ids = re.findall(r'\bid="([^"]+)"', page)
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', page))
    assert len(ids) == len(set(ids))
    assert used <= set(ids)
    drawings = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(drawings) == 2
    for drawing in drawings:
        ElementTree.fromstring(drawing)
    files = dict(re.findall(r'href="data:([^;]+);[^"]*base64,([^"]+)"', page))
    assert base64.b64decode(files["text/csv"]).decode().startswith(("task", ",0°", "index", "label"))

    client.delete(f"/experiments/{experiment}?forever=true")
    assert "three: this experiment was deleted" in client.get(f"{path}/export").text
    assert "three: this experiment was deleted" in client.get(f"/dashboard{path}").text
    kept = client.get(path).json()["items"]
    assert client.patch(path, json={"items": kept}).status_code == 200  # it may be edited all the same
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404


def test_all_that_is_wrong_is_told_at_once(client: httpx.Client, experiment: str) -> None:
    items = [
        figure(experiment, "portrait"),
        figure("0" * 16),
        figure(experiment, params={"order": "upwards", "colour": "red"}),
    ]
    refused = client.post("/reports", json={"title": "x", "items": items})
    assert refused.status_code == 422
    assert {error["field"] for error in refused.json()["errors"]} == {
        "items.0.figure",
        "items.1.id",
        "items.2.params.order",
        "items.2.params.colour",
    }
    assert client.post("/reports", json={"title": " "}).status_code == 422


def test_who_sees_a_report_and_its_figures(client: httpx.Client, services: Services, tmp_path: Path) -> None:
    with people(tmp_path, client) as known:
        alice, bob, rita = known["alice"], known["bob"], known["rita"]
        own = completed(alice, services).rpartition("/")[2]
        made = alice.post("/reports", json={"title": "mine", "items": [figure(own)]})
        path = made.headers["Location"]
        assert bob.get(path).status_code == 404
        assert bob.get("/reports").json()["items"] == []
        assert bob.get(f"/dashboard{path}").status_code == 404
        others = bob.post("/reports", json={"title": "his", "items": [figure(own)]})
        assert others.json()["errors"][0]["field"] == "items.0.id"
        assert rita.post("/reports", json={"title": "no"}).status_code == 403

        alice.patch(path, json={"shared": True})
        assert bob.get(f"{path}/figures/0.svg").status_code == 200  # shown by the report alone
        assert bob.get(f"/experiments/{own}").status_code == 404
        assert bob.patch(path, json={"title": "his"}).status_code == 403
        assert bob.delete(path).status_code == 403

        link = alice.patch(path, json={"link": True}).json()["link"]
        assert bob.get(path).json()["link"] is None
        with another(client) as nobody:
            assert nobody.get(path).status_code == 401
            seen = nobody.get(link)
            assert (seen.status_code, "<svg" in seen.text) == (200, True)
            assert "script" not in seen.headers["Content-Security-Policy"]
            assert nobody.post(link).status_code in {401, 405}
            assert nobody.get("/shared/nothing").status_code == 404
            alice.patch(path, json={"link": False})
            assert nobody.get(link).status_code == 404


def test_a_report_by_command(
    app: FastAPI, experiment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(app) as http:
        monkeypatch.setenv("TGSH_URL", str(http.base_url))

        def tgsh(*arguments: str) -> str:
            done = CliRunner().invoke(application, ["report", *arguments])
            assert done.exit_code == 0, done.output
            return done.stdout.strip()

        made = tgsh("new", "Rotations", "--text", "Neighbours are **alike**.")
        tgsh("add", made[:6], experiment[:8], "similarity", "--param", "order=cluster", "--caption", "*c*")
        assert "Rotations" in tgsh("list")
        exported = tmp_path / "report.html"
        tgsh("export", made, "-o", str(exported))
        assert "<strong>alike</strong>" in exported.read_text("utf-8")
        assert exported.read_text("utf-8").count("<svg") == 1
        told = tgsh("link", made)
        path = "/shared/" + told.rsplit("/shared/", 1)[1].split()[0]
        assert http.get(path).status_code == 200
        tgsh("delete", made, "--yes")
        assert http.get(path).status_code == 404


def test_of_two_who_read_the_same_report_the_second_loses_nothing(
    client: httpx.Client, experiment: str
) -> None:
    path = client.post("/reports", json={"title": "of two"}).headers["Location"]
    read_at = client.get(path).json()["changed_at"]
    first = {"items": [figure(experiment)], "changed_at": read_at}
    assert client.patch(path, json=first).status_code == 200
    refused = client.patch(path, json={"items": [], "changed_at": read_at})
    assert (refused.status_code, "read it again" in refused.json()["detail"]) == (409, True)
    found = client.get(path).json()
    assert found["items_total"] == 1
    assert client.patch(path, json={"items": [], "changed_at": found["changed_at"]}).status_code == 200
    assert client.patch(path, json={"title": "whoever read it"}).status_code == 200


def test_all_are_listed_however_many(app: FastAPI, client: httpx.Client, services: Services) -> None:
    with services.database.write() as session:
        session.add_all(  # of the first, many were changed at once
            ReportRecord(
                id=f"{number:016x}",
                title=f"{number}",
                items=[],
                shared=False,
                created_at=1.0,
                changed_at=max(number, 120.0),
            )
            for number in range(230)
        )
    everything = [f"{number:016x}" for number in reversed(range(230))]
    listed, url = [], "/reports?limit=90"
    while url:
        answer = client.get(url)
        listed += [each["id"] for each in answer.json()["items"]]
        url = answer.links.get("next", {}).get("url", "")
        assert ("next" in answer.links) == (answer.json()["next"] is not None)
    assert listed == everything
    with serving(app) as http, Client(str(http.base_url)) as python:
        assert [each.id for each in python.reports()] == everything
    refused = client.get("/reports?cursor=nonsense").json()["errors"]
    assert [error["field"] for error in refused] == ["cursor"]

    page, pages = client.get("/dashboard/reports").text, 1
    assert "First page" not in page
    while older := re.search(r'rel="next" href="([^"]+)"', page):
        page, pages = client.get(unescape(older[1])).text, pages + 1
    assert pages == 3
    assert f"/dashboard/reports/{everything[-1]}" in page
    assert "First page" in page


def test_figures_of_a_study(client: httpx.Client, services: Services) -> None:
    study = study_results.completed(client, services, replicates={"seeds": 2}).rpartition("/")[2]
    items = [
        {"kind": "figure", "of": "study", "id": study, "figure": name, "params": {"cell": "0"}}
        for name in ("similarity", "dendrogram", "embedding", "accuracy", "ceiling")
    ]
    path = client.post("/reports", json={"title": "a study", "items": items}).headers["Location"]
    assert client.get(f"{path}/export").text.count("<svg") == len(items)
    for cell in ("abc", "-1"):
        refused = client.post(
            "/reports", json={"title": "x", "items": [{**items[0], "params": {"cell": cell}}]}
        )
        assert refused.json()["errors"][0]["field"] == "items.0.params.cell"
