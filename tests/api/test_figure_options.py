"""Options of figures: every picture takes those that change it, and refuses the others."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from PIL import Image
from pydantic import SecretStr

from service.app import create_app
from service.results import FIGURES, RESULTS
from service.settings import ServiceSettings
from tests.api.test_all_results import SMALL
from tests.api.test_trained_results import train
from tests.support.serving import in_process
from tgsh.specs.figure_options import MATRIX, SHAPE

OTHER_VALUES: dict[str, Any] = {
    "width": 85,
    "height": 90,
    "font": 8,
    "title": "of my own",
    "labels": "some",
    "range": "-0.25,0.75",
    "diagonal": "mask",
    "cmap": "PuOr_r",
}
"""A value of each option that svg has, as it is not by default."""

FOR_PAPER = {"width": 85, "font": 8, "svg_text": "text"}
MM = 72 / 25.4

DRAWN = {result.name: result.figure_options for result in RESULTS if result.figure is not None} | {
    f"figures/{name}": FIGURES[name][0].figure_options for name in ("similarity-before-after", "embedding")
}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    home = tmp_path_factory.mktemp("home")
    return create_app(
        ServiceSettings(home=home, data_dir=home / "data", redis_url=SecretStr("redis://127.0.0.1:1/0"))
    )


@pytest.fixture(scope="module")
def client(app: FastAPI) -> Iterator[httpx.Client]:
    with in_process(app) as client:
        yield client


@pytest.fixture(scope="module")
def root(client: httpx.Client, app: FastAPI) -> str:
    """Path of a trained experiment that has every result."""
    return train(client, app.state.services, **SMALL)


def get(client: httpx.Client, path: str, format: str = "svg", **options: Any) -> httpx.Response:
    if "/figures/" in path:
        return client.get(f"{path}.{format}", params=options)
    return client.get(path, params={"format": format, **options})


@pytest.mark.slow
@pytest.mark.parametrize("name", DRAWN)
def test_a_figure_takes_its_options(client: httpx.Client, root: str, name: str) -> None:
    takes, path = DRAWN[name], f"{root}/{name}"
    mine = {option: value for option, value in OTHER_VALUES.items() if option in takes}
    whole = get(client, path, **mine, svg_text="text")
    assert whole.status_code == 200, whole.text
    assert size_of(whole.text) == pytest.approx((85, 90), abs=0.01)
    assert "of my own" in whole.text
    assert set(re.findall(r'<text style="font-size: ([\d.]+)px', whole.text)) == {"8"}
    others = {option: value for option, value in OTHER_VALUES.items() if option not in takes}
    refused = get(client, path, **others, dpi=100, width=5)
    named = {error["field"] for error in refused.json()["errors"]}
    assert (refused.status_code, named) == (422, {*others, "dpi", "width"})


@pytest.mark.slow
def test_a_column_of_a_paper(client: httpx.Client, root: str) -> None:
    svg = get(client, f"{root}/similarity", **FOR_PAPER, diagonal="mask", stage="before", range="auto").text
    width, height = size_of(svg)
    assert width == pytest.approx(85, abs=0.001)
    assert 50 < height < 110
    for label in ("0°", "90°", "180°"):
        assert svg.count(f">{label}</text>") == 2
    cells = pixels(svg)
    size = len(cells) // 3
    painted = cells[size // 2 :: size, size // 2 :: size, 3] > 0
    assert painted.tolist() == (~np.eye(3, dtype=bool)).tolist()
    colours = cells[size // 2 :: size, size // 2 :: size, :3][painted]
    assert (colours.min(axis=1) < 150).any()  # the range is that of the cells: none is blank at ±1
    blank = pixels(get(client, f"{root}/similarity", stage="before", diagonal="mask").text)
    assert blank[size // 2 :: size, size // 2 :: size, :3][painted].min() > 150
    png = Image.open(io.BytesIO(get(client, f"{root}/similarity", "png", width=85, dpi=300).content))
    assert png.width == pytest.approx(85 / 25.4 * 300, abs=1)


@pytest.mark.slow
def test_all_that_is_wrong_is_told_at_once(client: httpx.Client, root: str) -> None:
    wrong = {
        "width": "wide",
        "height": "1e9",
        "font": "nan",
        "title": " ",
        "labels": "few",
        "range": "1,0",
        "diagonal": "off",
        "cmap": "jet",
        "dpi": "9",
        "svg_text": "letters",
    }
    answer = get(client, f"{root}/similarity", "png", **wrong)
    assert answer.status_code == 422
    assert {error["field"] for error in answer.json()["errors"]} == set(wrong)
    for format, options in (("json", {"width": 85}), ("pdf", {"dpi": 100}), ("png", {"svg_text": "text"})):
        refused = get(client, f"{root}/similarity", format, **options)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, *options)
    for options, field in (({"width": 25, "font": 36}, "width"), ({"width": 600, "dpi": 1200}, "dpi")):
        full = get(client, f"{root}/embedding", "png", **options)
        assert (full.status_code, full.json()["errors"][0]["field"]) == (422, field)


@pytest.mark.slow
def test_each_option_is_in_the_key_of_the_cache(client: httpx.Client, root: str) -> None:
    path = f"{root}/similarity"
    designed = get(client, path)
    same = get(client, path, title="on", diagonal="show", svg_text="paths")
    assert (same.headers["ETag"], same.content) == (designed.headers["ETag"], designed.content)
    options = {**OTHER_VALUES, "svg_text": "text"}
    answers = [get(client, path, **{option: value}) for option, value in options.items()]
    assert len({answer.headers["ETag"] for answer in (designed, *answers)}) == 1 + len(options)
    assert len({answer.content for answer in (designed, *answers)}) == 1 + len(options)


def test_what_can_be_chosen_is_in_the_api_page(app: FastAPI) -> None:
    for path in ("/experiments/{experiment_id}/similarity", "/studies/{study_id}/similarity"):
        named = {each["name"] for each in app.openapi()["paths"][path]["get"]["parameters"]}
        assert named >= MATRIX
    assert all(options >= SHAPE for options in DRAWN.values())


def size_of(svg: str) -> tuple[float, float]:
    """Width and height, mm."""
    width, height = (re.search(rf'<svg[^>]*? {side}="([\d.]+)pt"', svg, re.S) for side in ("width", "height"))
    assert width is not None
    assert height is not None
    return float(width[1]) / MM, float(height[1]) / MM


def pixels(svg: str) -> np.ndarray:
    """The picture in it that is largest: the matrix, not the colour bar."""
    found = re.findall(r'xlink:href="data:image/png;base64,\s*([^"]+)"', svg)
    images = [np.asarray(Image.open(io.BytesIO(base64.b64decode(each))).convert("RGBA")) for each in found]
    return max(images, key=lambda image: image.size)
