"""Pages of studies and their plots: numbers against the API's answers, sentences, what is not there yet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from service.dashboard.study_plots import PLOTS
from service.dashboard.study_words import cell_words, difference_sentence
from service.dependencies import Services
from tests.api.test_study_results import TASKS, completed, learn, submitted
from tests.support.people import cancelled_study, people
from tgsh.analysis.differences import MeanDifference

GRID = {"training.learning_rate": [0.01, 0.02]}
LABELS = (("0°", "10°"), ("10°", "20°"))


def plot(client: httpx.Client, path: str, name: str, query: str = "") -> dict[str, Any]:
    answer = client.get(f"/dashboard{path}/plots/{name}{query}")
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


def test_the_list_and_a_study(client: httpx.Client, services: Services) -> None:
    assert "No studies yet" in client.get("/dashboard/studies").text
    path = completed(client, services, name="<b>mine</b>", notes="<i>n</i>", grid=GRID)
    listed = client.get("/dashboard/studies?q=mine").text
    assert f"/dashboard{path}" in listed
    assert "<b>mine" not in listed
    part = client.get("/dashboard/studies?q=mine", headers={"HX-Request": "true"}).text
    assert f"/dashboard{path}" in part
    assert "<html" not in part
    assert "No study fits" in client.get("/dashboard/studies?q=other").text
    page = client.get(f"/dashboard{path}?cell=1").text
    for hostile in ("<b>mine", "<i>n"):
        assert hostile not in page
    assert page.count("status-completed") >= 13  # of the whole, and of each experiment
    assert "training: learning rate = 0.02" in page
    assert '<option value="4">40°</option>' in page.replace("  ", "")
    assert 'href="/dashboard/studies" aria-current="true"' in page
    state = client.get(f"/dashboard{path}/state").text
    assert 'data-completed="12"' in state
    assert "every" not in state  # what is over is not polled
    assert "<html" not in state


def test_nothing_completed_and_nothing_visible(
    client: httpx.Client, services: Services, tmp_path: Path
) -> None:
    study = submitted(client)
    path = f"/studies/{study['id']}"
    page = client.get(f"/dashboard{path}").text
    assert "No experiment is completed yet" in page
    assert "every 2000ms" in page
    assert '<option value="4">40°</option>' in page.replace("  ", "")  # tasks are known before they are done
    for name in PLOTS:
        found = plot(client, path, name, "?pairs=0-1:1-2")
        assert found["data"] == []
        assert found["summary"].endswith(".")
    assert "6 of 6 are queued or running" in plot(client, path, "similarity")["summary"]
    first = study["members"][0]
    learn(services, first["experiment"], first["seed"], first["base_seed"])
    assert 'data-completed="1"' in client.get(f"/dashboard{path}/state").text
    found = plot(client, path, "similarity")
    assert len(found["data"]) == 1
    assert "There are no intervals: " in found["summary"]
    assert "cannot be told" in plot(client, path, "differences", "?pairs=0-1:1-2")["sentences"][0]
    with people(tmp_path, client) as known:
        hidden = cancelled_study(known["alice"])
        for part in ("", "/state", "/plots/similarity"):
            assert known["bob"].get(f"/dashboard/studies/{hidden}{part}").status_code == 404
        assert hidden not in known["bob"].get("/dashboard/studies").text
        assert "Cancel" not in known["bob"].get(f"/dashboard{path}").text  # nobody's: to be looked at
        assert 'id="extend"' not in known["bob"].get(f"/dashboard{path}").text


def test_plots_have_the_numbers_of_the_answers(client: httpx.Client, services: Services) -> None:
    path = completed(client, services, name="s", grid=GRID)
    for statistic in ("mean", "sd", "low", "high"):
        found = plot(client, path, "similarity", f"?cell=1&over=seeds&statistic={statistic}")
        document = client.get(f"{path}/similarity?cell=1&over=seeds&statistic={statistic}").json()
        drawn, known = (
            np.array(values, np.float64) for values in (found["data"][0]["z"], document["values"])
        )
        np.testing.assert_allclose(drawn, known, atol=6e-5)
        assert (
            client.get(found["links"]["csv"]).content
            == client.get(f"{path}/similarity?cell=1&over=seeds&statistic={statistic}&format=csv").content
        )
    marked = plot(client, path, "similarity", "?over=seeds")
    low, high = (
        np.array(client.get(f"{path}/similarity?over=seeds&statistic={name}").json()["values"])
        for name in ("low", "high")
    )
    uncertain = (low <= 0) & (high >= 0)
    marks = marked["data"][1] if uncertain.any() else {"x": []}
    assert len(marks["x"]) == uncertain.sum()
    tree = client.get(f"{path}/dendrogram").json()
    shares = [f"{100 * share:.0f} " for share in tree["support"][:-1] if share is not None]
    assert plot(client, path, "dendrogram")["data"][2]["text"] == shares
    points = plot(client, path, "embedding")["data"][-1]
    known = np.array(client.get(f"{path}/embedding").json()["values"])
    np.testing.assert_allclose(np.stack([points["x"], points["y"]], axis=1), known, atol=6e-5)
    space = plot(client, path, "embedding", "?dimensions=3")
    in_space = np.stack([space["data"][-1][axis] for axis in "xyz"], axis=1)
    known = np.array(client.get(f"{path}/embedding?dimensions=3").json()["values"])
    np.testing.assert_allclose(in_space, known, atol=6e-5)
    assert all("dimensions=3" in link for link in space["links"].values())
    bars = plot(client, path, "ceiling")["data"][0]
    ceilings = client.get(f"{path}/ceiling").json()["ceilings"]
    np.testing.assert_allclose(bars["base"], [each["lower"] for each in ceilings], atol=6e-6)
    cells = client.get(f"{path}/accuracy").json()["cells"]
    for trace, cell in zip(plot(client, path, "accuracy")["data"], cells, strict=True):
        np.testing.assert_allclose(trace["y"], [task["mean"] for task in cell["tasks"]], atol=6e-6)
        ends = [task["high"] - task["mean"] for task in cell["tasks"]]
        np.testing.assert_allclose(trace["error_y"]["array"], ends, atol=2e-5)
    effects = client.get(f"{path}/effects?reference=1").json()["effects"]
    drawn_effects = plot(client, path, "effects", "?cell=1")["data"][0]
    assert drawn_effects["x"] == [
        round(each["difference"], 5) for each in effects if each["quantity"] == "accuracy"
    ]
    small = plot(client, path, "cells")
    assert [len(trace["z"]) for trace in small["data"]] == [TASKS, TASKS]
    assert {trace["coloraxis"] for trace in small["data"]} == {"coloraxis"}  # one range of colours


def test_differences_are_told_as_the_answer_has_them(client: httpx.Client, services: Services) -> None:
    path = completed(client, services, name="s")
    pairs = "0-1:3-4,0-1:1-2"
    found = plot(client, path, "differences", f"?pairs={pairs}")
    known = client.get(f"{path}/differences?pairs={pairs}").json()["differences"]
    for sentence, each in zip(found["sentences"], known, strict=True):
        assert ("do not differ" in sentence) is (not each["distinguishable"])
        for name in ("difference", "low", "high"):
            assert f"{each[name]:.3f}".replace("-", "−") in sentence
        assert "for 2 comparisons" in sentence
    wrong = plot(client, path, "differences", "?pairs=0-1:0-9,nonsense")
    assert wrong["data"] == []
    assert "there is no task 9" in wrong["summary"]
    assert "'nonsense' is no difference" in wrong["summary"]
    assert client.get(f"/dashboard{path}/plots/nothing").status_code == 404


def test_a_plot_is_fetched_again_only_when_more_is_completed(
    client: httpx.Client, services: Services
) -> None:
    study = submitted(client)
    path = f"/dashboard/studies/{study['id']}/plots/similarity"
    members = study["members"]
    tags = [client.get(path).headers["ETag"]]
    for each in members[:3]:
        learn(services, each["experiment"], each["seed"], each["base_seed"])
        tags.append(client.get(path).headers["ETag"])
    assert len(set(tags)) == 4
    assert client.get(path, headers={"If-None-Match": tags[-1]}).status_code == 304


@pytest.mark.parametrize("statistic", ["mean", "sd", "low", "high"])
def test_matrices_have_the_range_and_the_diagonal_that_are_asked_for(
    client: httpx.Client, services: Services, statistic: str
) -> None:
    path = completed(client, services, name="s", grid=GRID)
    query = f"?statistic={statistic}"
    plain = plot(client, path, "similarity", query)
    masked = plot(client, path, "similarity", f"{query}&range=auto&diagonal=mask")
    before, after = (np.array(found["data"][0]["z"], float) for found in (plain, masked))
    assert np.isnan(after.diagonal()).all()
    off = ~np.eye(TASKS, dtype=bool)
    np.testing.assert_array_equal(before[off], after[off])
    colours = masked["layout"]["coloraxis"]
    assert np.abs(after[off]).max() <= colours["cmax"] <= 1
    assert (colours["cmin"] == -colours["cmax"]) is (statistic != "sd")
    assert ("colorscale" in colours) is (statistic == "sd")  # deviations keep their own colours
    assert len(masked["data"]) == len(plain["data"])  # dots of uncertain pairs stay
    for name, link in masked["links"].items():
        picture = name in ("png", "svg", "pdf")
        assert ("range=auto" in link and "diagonal=mask" in link) is picture
        assert client.get(link).status_code == 200
    own = plot(client, path, "similarity", f"{query}&range=-0.2,0.8")
    assert [own["layout"]["coloraxis"][end] for end in ("cmin", "cmax")] == [-0.2, 0.8]
    assert "range=-0.2%2C0.8" in own["links"]["svg"]


def test_cells_side_by_side_keep_one_range(client: httpx.Client, services: Services) -> None:
    path = completed(client, services, name="s", grid=GRID)
    found = plot(client, path, "cells", "?range=auto&diagonal=mask")
    values = [np.array(trace["z"], float) for trace in found["data"]]
    assert all(np.isnan(each.diagonal()).all() for each in values)
    greatest = max(np.nanmax(np.abs(each)) for each in values)
    assert greatest <= found["layout"]["coloraxis"]["cmax"] <= 1.1 * greatest + 0.1
    assert "Colours go from" in found["summary"]
    for name in PLOTS:  # one choice for the page: what is no matrix has none
        plot(client, path, name, "?range=auto&diagonal=mask&pairs=0-1:1-2")


def test_a_range_that_is_none_is_a_problem(client: httpx.Client, services: Services) -> None:
    path = completed(client, services, name="s")
    answer = client.get(f"/dashboard{path}/plots/similarity?range=1,0&diagonal=sideways")
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["errors"]] == ["range", "diagonal"]


@pytest.mark.parametrize(
    ("result", "asked", "expected"),
    [
        (
            MeanDifference(0.0034, -0.05, 0.06, 0.27, 0.27, False, 6, None),
            1,
            "0° with 10°, and 10° with 20°: these two pairs do not differ (difference 0.003, "
            "95\N{NO-BREAK SPACE}% interval −0.050 to 0.060, p = 0.270). More replicates than 6 may "
            "tell them apart.",
        ),
        (
            MeanDifference(-0.3, -0.4, -0.2, 0.00001, 0.00003, True, 6, None),
            3,
            "0° with 10° are less alike than 10° with 20°: these two pairs differ (difference −0.300, "
            "95\N{NO-BREAK SPACE}% interval −0.400 to −0.200, p < 0.001 after Holm’s correction for 3 "
            "comparisons).",
        ),
        (
            MeanDifference(0.1, None, None, None, None, None, 1, "there is one replicate"),
            1,
            "0° with 10°, and 10° with 20°: whether they differ cannot be told, as there is one replicate.",
        ),
    ],
)
def test_a_difference_in_words(result: MeanDifference, asked: int, expected: str) -> None:
    assert difference_sentence(LABELS, result, 0.95, asked) == expected


def test_a_cell_in_words() -> None:
    values = {"training.learning_rate": 0.010, "network.kind": "gsh", "training.train_limit": None}
    words = "training: learning rate = 0.01, network: kind = gsh, training: train limit = none"
    assert cell_words(values) == words
    assert cell_words({}) == ""
