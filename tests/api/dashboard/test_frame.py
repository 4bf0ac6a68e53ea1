"""What all pages stand in: no foreign code but what is listed, nothing from elsewhere, errors as pages."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import httpx
import pytest

from service.dashboard.rendering import FOLDER, MOUNT, POLICY, WORKER, WORKER_POLICY, digest, static_url
from service.dependencies import Services
from tests.support.many_experiments import fill
from tests.support.people import people

VENDOR = FOLDER / "vendor"


def test_foreign_code_is_what_its_list_says() -> None:
    listed = json.loads((VENDOR / "vendor.json").read_text())
    files = {path.name for path in VENDOR.iterdir() if path.is_file()} - {"vendor.json"}
    assert files == {entry["file"] for entry in listed}
    for entry in listed:
        assert hashlib.sha256((VENDOR / entry["file"]).read_bytes()).hexdigest() == entry["sha256"], entry[
            "file"
        ]
        assert entry["registry"] == f"npm:{entry['name']}@{entry['version']}"
        licence = (VENDOR / entry["licence_file"]).read_text()
        assert entry["licence"] in ("MIT", "0BSD")
        assert "Permission" in licence


def test_files_are_kept_under_an_address_of_their_version(client: httpx.Client) -> None:
    page = client.get("/dashboard/submit")
    found = set(re.findall(r'(?:src|href)="(/dashboard/static/[^"]*)"', page.text))
    assert {Path(file).name for file in found} >= {
        "dashboard.css",
        "pico.min.css",
        "submit.js",
    }
    for file in found:
        answer = client.get(file)
        assert answer.status_code == 200, file
        assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
    plotly = client.get(static_url("vendor/plotly-cartesian.min.js"))
    assert len(plotly.content) > 1_000_000
    for other in (
        f"{MOUNT}/000000000000/dashboard.css",
        f"{MOUNT}/{digest()}/../frame.py",
        f"{MOUNT}/{digest()}/",
    ):
        assert client.get(other).status_code == 404


def test_scripts_of_our_own_load_one_another_from_there(client: httpx.Client) -> None:
    for script in FOLDER.glob("*.js"):
        for imported in re.findall(r'from "([^"]*)"', script.read_text()):
            assert client.get(static_url(imported.removeprefix("./"))).status_code == 200, (
                script.name,
                imported,
            )


@pytest.mark.parametrize("path", ["/", "/dashboard/submit", "/dashboard/workers", "/dashboard/datasets"])
def test_the_policy_lets_no_inline_script_run(client: httpx.Client, path: str) -> None:
    page = client.get(path)
    assert page.headers["content-security-policy"] == POLICY
    assert "unsafe" not in POLICY.split("style-src")[0]
    assert not re.search(r"<script(?![^>]*\bsrc=)", page.text)
    assert not re.search(r"\son[a-z]+=|hx-on|javascript:", page.text)
    assert page.headers["cache-control"] == "private, no-cache"


def test_a_key_that_may_look_only_finds_nothing_to_press(client: httpx.Client, tmp_path: Path) -> None:
    with people(tmp_path, client) as known:
        assert '<button id="send" type="submit" disabled>' in known["rita"].get("/dashboard/submit").text
        assert 'id="file"' not in known["rita"].get("/dashboard/datasets").text
        assert 'id="file"' in known["alice"].get("/dashboard/datasets").text


def test_what_failed_can_be_tried_again_by_its_owner(client: httpx.Client, services: Services) -> None:
    assert "Nothing has failed" in client.get("/dashboard/workers/failed").text
    fill(services.database, 200, owner="alice")
    page = client.get("/dashboard/workers/failed").text
    assert page.count('data-path="/experiments/') == 20
    assert "MemoryError" in page
    assert 'href="/?status=failed"' in page


def test_the_banner_says_what_readyz_says(client: httpx.Client, tmp_path: Path) -> None:
    ready, banner = client.get("/readyz"), client.get("/dashboard/health")
    assert (ready.status_code, banner.status_code) == (503, 200)  # there is no queue, and no worker
    failing = [check["detail"] for check in ready.json()["checks"].values() if not check["ok"]]
    assert [line.partition(": ")[0] for line in banner.json()["lines"]] == ["Queue", "Workers"]
    assert [line.partition(": ")[2] for line in banner.json()["lines"]] == failing


def test_the_worker_of_the_pages_may_connect_and_nothing_else(client: httpx.Client) -> None:
    answer = client.get(static_url(WORKER))
    assert answer.headers["content-security-policy"] == WORKER_POLICY
    assert "worker-src 'self'" in POLICY
    assert client.get(static_url("frame.js")).headers["content-security-policy"] != WORKER_POLICY


@pytest.mark.parametrize("typed", ["/dashboard", "/dashboard/experiments"])
def test_who_types_the_folder_of_the_pages_is_led_to_the_table(client: httpx.Client, typed: str) -> None:
    answer = client.get(f"{typed}?q=a%26b", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (307, "/?q=a%26b")
    assert "<h1>Experiments</h1>" in client.get(typed, follow_redirects=True).text
