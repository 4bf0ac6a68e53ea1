"""The map of the tasks in space: in WebGL by software, turned by mouse, keys and touch; and without WebGL."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.system.browser.conftest import launch
from tests.system.browser.heatmap import until
from tests.system.browser.training import completed
from tgsh.stack.stack import Stack

TASKS = 12
SEEING = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader")
BLIND = ("--disable-3d-apis",)
BUNDLE = "plotly-gl3d"
PLACE = "document.querySelector('.plot-embedding .place')"
CAMERA = f"Object.values({PLACE}._fullLayout.scene._scene.getCamera().eye)"
AXES = "Axes of the map"
PLOTS_FIT = """[...document.querySelectorAll(".plot .js-plotly-plot, .plot .place.js-plotly-plot")].every(
  (place) => !place._fullLayout || Math.abs(place._fullLayout.width - place.clientWidth) < 2)"""


@pytest.fixture(scope="module")
def browser(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Browser]:
    """Chromium with WebGL by software, or with none."""
    own = launch(browser.browser_type, *getattr(request, "param", SEEING))
    yield own
    own.close()


@pytest.fixture(scope="module")
def done(http: httpx.Client) -> str:
    """The id of a completed experiment of twelve rotations."""
    return completed(http, TASKS, 2, name="twelve rotations in space", seed=18)


def go(page: Page, experiment_id: str, query: str = "?dimensions=3") -> None:
    page.goto(f"/dashboard/experiments/{experiment_id}{query}")
    drawn = "canvas" if "dimensions=3" in query else ".scatterlayer .point"
    expect(page.locator(f".plot-embedding {drawn}").first).to_be_visible()


def camera(page: Page) -> np.ndarray:
    return np.array(page.evaluate(CAMERA))


def until_seen_from(page: Page, place: np.ndarray) -> None:
    until(page, lambda: bool(np.allclose(camera(page), place, atol=1e-6)))


def points_on(page: Page) -> dict[str, Any]:
    points: dict[str, Any] = page.evaluate(
        f"(({{x, y, z, hovertext, text, marker: {{color, coloraxis}}}}) => "
        f"({{x, y, z, hovertext, text, color, coloraxis}}))({PLACE}.data.at(-1))"
    )
    return points


def middle(page: Page) -> tuple[float, float]:
    page.locator(".plot-embedding canvas").evaluate("canvas => canvas.scrollIntoView({block: 'center'})")
    box = page.locator(".plot-embedding canvas").bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_space_is_drawn_when_somebody_asks_for_it(
    page: Page, http: httpx.Client, done: str, troubles: Any, screenshot: Callable[[str], None]
) -> None:
    go(page, done, "")
    assert not [url for url in troubles.requests if BUNDLE in url]
    plane = points_on(page)
    page.evaluate("window.before = window.Plotly")
    page.get_by_label(AXES).select_option(label="in space")
    expect(page.locator(".plot-embedding canvas")).to_be_visible()
    assert len([url for url in troubles.requests if BUNDLE in url]) == 1
    assert page.evaluate("window.Plotly === window.before && window.Plotly !== undefined")

    known = http.get(f"/experiments/{done}/embedding", params={"dimensions": 3}).json()
    points = points_on(page)
    seen = np.stack([points[axis] for axis in "xyz"], axis=1)
    np.testing.assert_allclose(seen, known["values"], atol=6e-5)
    for name in ("hovertext", "color", "coloraxis"):
        assert points[name] == plane[name], name
    said = page.locator("#said-embedding")
    expect(said).to_contain_text("Three axes show")
    expect(said).to_contain_text(f"stress {known['stress']:.2f}")
    place = page.locator(".plot-embedding").get_by_role("application", name=re.compile("Three axes show"))
    bar = page.locator(".plot-embedding .modebar-group").first
    box, scene = bar.bounding_box(), page.locator(".plot-embedding canvas").bounding_box()
    assert box is not None
    assert scene is not None
    assert box["y"] + box["height"] <= scene["y"]  # it covers nothing
    expect(place).to_be_visible()
    for format in ("csv", "svg"):
        link = page.locator(".plot-embedding").get_by_role("link", name=format)
        assert "dimensions=3" in (link.get_attribute("href") or "")
    page.get_by_role("button", name="For a paper: Map of the tasks").click()
    expect(page.locator("#figure-as")).to_have_text("As chosen above: after training, cosine, in space.")
    expect(page.locator("#figure-address")).to_contain_text("dimensions=3")

    assert page.url.endswith("?dimensions=3")
    page.reload()
    expect(page.locator(".plot-embedding canvas")).to_be_visible()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        assert [*Axe().run(page, ".plot-embedding").response["violations"]] == []
        for width in (1440, 768, 390):
            page.set_viewport_size({"width": width, "height": 900})
            until(page, lambda: page.evaluate("document.documentElement.scrollWidth <= innerWidth"))
            until(page, lambda: page.evaluate(PLOTS_FIT))
            screenshot(f"space-{width}-{scheme}")


def test_a_choice_holds_for_the_next_page_and_can_be_taken_back(
    page: Page, http: httpx.Client, done: str
) -> None:
    go(page, done, "")
    listeners = f"{PLACE}._ev.listenerCount('plotly_relayout')"  # those that place the names
    until(page, lambda: page.evaluate(f"'fitsNames' in {PLACE}.dataset"))
    in_plane = page.evaluate(listeners)
    page.get_by_label(AXES).select_option("3")
    expect(page.locator(".plot-embedding canvas")).to_be_visible()
    page.goto(f"/dashboard/experiments/{done}")
    expect(page.locator(".plot-embedding canvas")).to_be_visible()
    until(page, lambda: camera(page).any())
    page.locator(".plot-embedding .place").press("ArrowLeft")
    until(page, lambda: abs(camera(page)[0] - camera(page)[1]) > 0.1)
    turned = camera(page)
    page.get_by_label(AXES).select_option("2")
    expect(page.locator(".plot-embedding .scatterlayer .point")).to_have_count(TASKS)
    expect(page.locator(".plot-embedding canvas")).to_have_count(0)
    expect(page.locator(".plot-embedding [data-how]")).to_be_empty()
    until(page, lambda: page.evaluate(listeners) == in_plane > 0)
    place = page.locator(".plot-embedding .place")
    assert (place.get_attribute("role"), place.get_attribute("tabindex")) == ("group", None)
    page.get_by_label(AXES).select_option("3")
    expect(page.locator(".plot-embedding canvas")).to_be_visible()
    until_seen_from(page, turned)
    page.goto(f"/dashboard/experiments/{done}?dimensions=7")  # no choice: what was chosen before holds
    expect(page.get_by_label(AXES)).to_have_value("3")


def test_mouse_and_keys_turn_it_and_the_page_scrolls_as_ever(page: Page, done: str) -> None:
    page.emulate_media(reduced_motion="reduce")
    go(page, done)
    start = camera(page)
    x, y = middle(page)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y + 20, steps=5)
    page.mouse.up()
    until(page, lambda: bool(np.abs(camera(page) - start).max() > 0.1))
    place = page.locator(".plot-embedding .place")
    place.press("Home")
    until_seen_from(page, start)

    scrolled = page.evaluate("scrollY")
    distance = np.hypot(*start[:2])
    place.press("ArrowRight")
    angle = np.arctan2(start[1], start[0]) - np.radians(5)
    around = np.array([distance * np.cos(angle), distance * np.sin(angle), start[2]])
    until_seen_from(page, around)
    place.press("ArrowLeft")
    until_seen_from(page, start)
    place.press("ArrowUp")
    until(page, lambda: bool(camera(page)[2] < start[2] - 0.01))
    for _ in range(40):  # to below, and no farther
        place.press("ArrowUp")
    until(page, lambda: bool(camera(page)[2] < -2))
    assert np.hypot(*camera(page)[:2]) > 0
    place.press("Home")
    until_seen_from(page, start)
    place.press("+")
    until_seen_from(page, start / 1.1)
    place.press("-")
    until_seen_from(page, start)
    assert page.evaluate("scrollY") == scrolled
    page.mouse.move(x, y)
    page.mouse.wheel(0, 150)
    until(page, lambda: page.evaluate("scrollY") == scrolled + 150)
    np.testing.assert_allclose(camera(page), start, atol=1e-6)

    place.press("ArrowRight")
    until_seen_from(page, around)
    page.get_by_role("slider").press("Home")  # another epoch is looked at from the same side
    expect(page.locator(".plot-embedding").get_by_role("link", name="csv")).to_have_attribute(
        "href", re.compile("stage=before")
    )
    until_seen_from(page, around)
    page.emulate_media(color_scheme="dark")
    until(page, lambda: page.evaluate(f"{PLACE}._fullLayout.font.color") == "#c8d1dc")
    until_seen_from(page, around)


def test_pointing_at_a_task_names_it_and_names_cover_nothing(page: Page, done: str) -> None:
    go(page, done)
    middle(page)
    points = points_on(page)
    row = points["hovertext"].index("90°")
    at = page.evaluate(
        f"""(async () => {{
          const script = [...document.scripts].find(({{src}}) => src.includes("experiment.js")).src;
          const {{pixelOf, sceneOf}} = await import(script.replace("experiment.js", "space.js"));
          const {{left, top, width, height}} = sceneOf({PLACE}).container.getBoundingClientRect();
          const [x, y] = pixelOf({PLACE}, {[points[axis][row] for axis in "xyz"]}, width, height);
          return [left + x, top + y];
        }})()"""
    )
    for _ in range(2):  # the first move only enters
        page.mouse.move(at[0] - 5, at[1])
        page.mouse.move(at[0], at[1], steps=3)
    expect(page.locator(".plot-embedding .hovertext")).to_have_text("90°")
    shown = [text for text in points_on(page)["text"] if text]
    assert set(shown) <= set(points["hovertext"])
    left_out = page.locator(".plot-embedding [data-unnamed]").inner_text()
    assert len(shown) == TASKS - int((re.match(r"\d+", left_out) or ["0"])[0])


def test_names_that_look_like_markup_are_written_as_they_are(page: Page, http: httpx.Client) -> None:
    tasks: list[dict[str, Any]] = [
        {"label": "<b>bold</b> & co"},
        {"label": "a<br>b", "transforms": [{"kind": "invert"}]},
        {"label": "plain", "transforms": [{"kind": "horizontal-flip"}]},
    ]
    go(page, completed(http, 3, suite={"kind": "custom", "tasks": tasks}, name="markup in space"))
    until(page, lambda: points_on(page)["text"][0] == "<\u200bb>bold<\u200b/b> & co")
    assert points_on(page)["text"][1] == "a<\u200bbr>b"


def test_a_finger_turns_it_from_the_side_and_scrolls_from_above(
    browser: Browser, stack: Stack, done: str
) -> None:
    context = browser.new_context(
        base_url=stack.url, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    page = context.new_page()
    go(page, done)
    start = camera(page)
    session = context.new_cdp_session(page)

    def swipe(across: int, along: int) -> None:
        x, y = middle(page)
        for kind, steps in (("touchStart", [0]), ("touchMove", range(1, 11)), ("touchEnd", [None])):
            for step in steps:
                at = [] if step is None else [{"x": x + across * step / 10, "y": y + along * step / 10}]
                session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})

    middle(page)
    scrolled = page.evaluate("scrollY")
    swipe(100, 40)
    until(page, lambda: bool(np.abs(camera(page) - start).max() > 0.1))
    until(page, lambda: bool((camera(page) == camera(page)).all()))
    turned = camera(page)
    assert page.evaluate("scrollY") == scrolled
    swipe(3, -150)
    until(page, lambda: page.evaluate("scrollY") > scrolled + 50)
    np.testing.assert_allclose(camera(page), turned, atol=1e-3)
    context.close()


@pytest.mark.parametrize("browser", [BLIND], indirect=True)
def test_without_webgl_it_is_in_a_plane_and_says_why(
    page: Page, http: httpx.Client, done: str, troubles: Any
) -> None:
    page.goto(f"/dashboard/experiments/{done}?dimensions=3")
    expect(page.locator(".plot-embedding .scatterlayer .point")).to_have_count(TASKS)
    expect(page.locator(".plot-embedding [data-how]")).to_contain_text("it has no WebGL")
    known = http.get(f"/experiments/{done}/embedding").json()
    expect(page.locator("#said-embedding")).to_contain_text(f"stress {known['stress']:.2f}")
    points = points_on(page)
    np.testing.assert_allclose(np.stack([points["x"], points["y"]], axis=1), known["values"], atol=6e-5)
    link = page.locator(".plot-embedding").get_by_role("link", name="csv")
    assert "dimensions=3" in (link.get_attribute("href") or "")
    assert not [url for url in troubles.requests if BUNDLE in url]
    page.get_by_label(AXES).select_option("2")
    expect(page.locator(".plot-embedding [data-how]")).to_be_empty()


def test_what_does_not_load_leaves_the_map_in_a_plane(page: Page, done: str, troubles: Any) -> None:
    troubles.allow("ERR_FAILED")
    page.route(f"**/{BUNDLE}*", lambda route: route.abort())
    page.goto(f"/dashboard/experiments/{done}?dimensions=3")
    expect(page.locator(".plot-embedding [data-how]")).to_contain_text("does not load")
    expect(page.locator(".plot-embedding .scatterlayer .point")).to_have_count(TASKS)
    page.unroute(f"**/{BUNDLE}*")
    page.get_by_label("correlation", exact=True).check()  # it is tried again
    expect(page.locator(".plot-embedding canvas")).to_be_visible()
