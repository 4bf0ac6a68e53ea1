"""The atlas: from the list of bases to the tasks most like one, on every screen, for everybody."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.system.browser.conftest import Troubles

TRAINING = {"epochs": 1, "train_limit": 500}
NETWORK = {"kind": "flynet", "expansion": 3}
HOSTILE = "<b>bold</b> & <script>alert(1)</script>"

EXPERIMENTS = (
    {"name": "rotations by 15°", "suite": {"kind": "rotation", "tasks": 24, "step_degrees": 15}},
    {"name": "rotations by 20°", "suite": {"kind": "rotation", "tasks": 18, "step_degrees": 20}, "seed": 1},
    {"name": HOSTILE, "suite": {"kind": "shift", "step_pixels": 4, "tasks": 7}},
)


@pytest.fixture(scope="module")
def base(http: httpx.Client) -> str:
    """The random base of three completed experiments."""
    ids = []
    for changes in EXPERIMENTS:
        body = {"dataset": "mnist5k", "network": NETWORK, "training": TRAINING, "base_seed": 77, **changes}
        ids.append(http.post("/experiments", json=body).json()["id"])
    until = time.monotonic() + 150
    while True:
        found = [http.get(f"/experiments/{id}").json() for id in ids]
        if all(each["status"] == "completed" for each in found):
            return str(found[0]["base_id"])
        assert time.monotonic() < until, [each["status"] for each in found]
        time.sleep(0.3)


def opened(page: Page, base: str, query: str = "") -> None:
    page.goto(f"/dashboard/atlas/{base}{query}")
    expect(page.locator("#map-said")).to_contain_text("stress")
    expect(page.locator("#map .main-svg").first).to_be_visible()


def test_from_the_list_to_the_nearest_task(
    page: Page, troubles: Troubles, base: str, screenshot: Callable[[str], None]
) -> None:
    page.goto("/dashboard/atlas")
    screenshot("atlas-list")
    page.get_by_role("link", name=base[:12]).click()
    expect(page.locator("#map-said")).to_contain_text("49 tasks of 3 experiments")
    expect(page.locator("#map .legend")).to_contain_text("<b>bold<…alert(1)</script>")
    option = page.locator("#question option", has_text="rotations by 15°")
    page.locator("#question select").select_option(option.get_attribute("value"))
    page.get_by_label("Task number").fill("4")
    page.get_by_label("Other experiments only").check()
    page.get_by_role("button", name="Find").click()
    expect(page.locator("#nearest [data-summary]")).to_contain_text("Most like 60°, among 25 tasks")
    first = page.locator("#nearest tbody tr").first
    expect(first).to_contain_text("60°")  # the same rotation of another experiment is the nearest
    expect(first).to_contain_text("rotations by 20°")
    assert "task=4" in page.url
    page.reload()
    expect(page.locator("#nearest tbody tr").first).to_contain_text("rotations by 20°")
    screenshot("atlas-nearest")
    page.locator("#nearest tbody tr").first.get_by_role("link", name="60°").click()
    expect(page.locator("#nearest [data-summary]")).to_contain_text("Most like 60°")


def test_filters_and_a_click_on_a_point(page: Page, troubles: Troubles, base: str) -> None:
    opened(page, base)
    page.locator("#filters [name=suite]").select_option("shift")
    expect(page.locator("#map-said")).to_contain_text("7 tasks of 1 experiment.")
    assert "suite=shift" in page.url
    page.evaluate("document.querySelector('#map .place').emit('plotly_click', {points: [{customdata: "
                  "document.querySelector('#map .place').data[0].customdata[2]}]})")  # fmt: skip
    expect(page.locator("#nearest [data-summary]")).to_contain_text("among 6 tasks")
    expect(page.locator("#nearest tbody tr")).to_have_count(6)
    assert page.locator("#nearest tbody b").count() == 0  # names are text


def test_an_experiment_leads_to_it(page: Page, troubles: Troubles, base: str, http: httpx.Client) -> None:
    id = next(each["id"] for each in http.get("/experiments").json()["items"] if each["base_id"] == base)
    page.goto(f"/dashboard/experiments/{id}")
    page.get_by_role("link", name="Nearest tasks of other experiments").click()
    expect(page.locator("#nearest tbody tr").first).to_be_visible()
    assert id not in page.locator("#nearest tbody").inner_html()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 768, 390])
def test_every_screen(
    page: Page, troubles: Troubles, base: str, http: httpx.Client, scheme: str, width: int,
    screenshot: Callable[[str], None],
) -> None:  # fmt: skip
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 900})
    items = http.get("/experiments").json()["items"]
    id = next(each["id"] for each in items if each["name"] == "rotations by 15°")
    opened(page, base, f"?experiment={id}&task=3")
    expect(page.locator("#nearest tbody tr").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    screenshot(f"atlas-{scheme}-{width}")
    for address in (page.url, "/dashboard/atlas"):
        page.goto(address)
        expect(page.locator("tbody th").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") == width
        complaints = [
            (rule["id"], [node["html"] for node in rule["nodes"]])
            for rule in Axe().run(page).response["violations"]
        ]
        assert complaints == []
