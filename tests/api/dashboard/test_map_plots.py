"""Maps of tasks on the pages, in a plane and in space: the numbers of the answers, on axes of one scale."""

from __future__ import annotations

import re
from typing import Any

import httpx
import numpy as np
import pytest

from service.dashboard.map_traces import MAX_NAMED, SHORTEST, map_plot, spread_map_plot
from service.dependencies import Services
from tests.api.conftest import completed
from tgsh.analysis.consensus import consensus_map
from tgsh.analysis.embedding import TaskMap, TaskScale, classical_mds
from tgsh.analysis.similarity import similarity

TASKS = 7


def map_of(tasks: int, dimensions: int, width: int = 6) -> TaskMap:
    vectors = np.random.default_rng(tasks).standard_normal((tasks, width))
    return classical_mds(similarity(vectors, [f"{task}°" for task in range(tasks)], range(tasks)), dimensions)


def drawn(client: httpx.Client, path: str, name: str = "embedding", **query: Any) -> dict[str, Any]:
    answer = client.get(f"/dashboard{path}/plots/{name}", params=query)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


@pytest.mark.parametrize("measure", ["cosine", "correlation"])
def test_a_map_in_space_has_the_numbers_of_the_answer(
    client: httpx.Client, services: Services, measure: str
) -> None:
    path = completed(client, services, TASKS)
    plane = drawn(client, path, measure=measure)
    space = drawn(client, path, measure=measure, dimensions=3)
    known = client.get(f"{path}/embedding", params={"dimensions": 3, "measure": measure}).json()
    line, points = space["data"]
    assert {line["type"], points["type"]} == {"scatter3d"}
    np.testing.assert_allclose(np.stack([points[axis] for axis in "xyz"], axis=1), known["values"], atol=6e-5)
    order = np.argsort(known["parameter"])
    assert line["z"] == [points["z"][row] for row in order]
    for told in ("hovertext", "hovertemplate", "mode", "meta"):  # as in the plane
        assert points[told] == plane["data"][-1][told], told
    for colour in ("color", "coloraxis"):
        assert points["marker"][colour] == plane["data"][-1]["marker"][colour], colour
    titles = [space["layout"]["scene"][f"{axis}axis"]["title"]["text"] for axis in "xyz"]
    shares = [f"{share:.0%}" for share in known["explained"]]
    assert titles == [
        f"{name} axis, {share}" for name, share in zip(("first", "second", "third"), shares, strict=True)
    ]
    assert (
        f"Three axes show {sum(known['explained']):.0%} of it; stress {known['stress']:.2f}"
        in space["summary"]
    )
    assert (
        f"stress {client.get(f'{path}/embedding?measure={measure}').json()['stress']:.2f}" in plane["summary"]
    )
    for format, link in space["links"].items():
        assert "dimensions=3" in link
        assert client.get(link).status_code == 200, format
    assert client.get(space["links"]["csv"]).text.splitlines()[0] == "task,label,x,y,z"
    assert not any("dimensions" in link for link in plane["links"].values())


@pytest.mark.parametrize(("dimensions", "status"), [(1, 422), (2, 200), (3, 200), (4, 422), ("space", 422)])
def test_other_dimensions_are_told_to_be_none(
    client: httpx.Client, services: Services, dimensions: object, status: int
) -> None:
    path = completed(client, services)
    answer = client.get(f"/dashboard{path}/plots/embedding", params={"dimensions": dimensions})
    assert answer.status_code == status
    if status == 422:
        assert [error["field"] for error in answer.json()["errors"]] == ["dimensions"]


def test_only_the_map_is_another_in_space(client: httpx.Client, services: Services) -> None:
    root = f"/dashboard{completed(client, services)}/plots"
    for name, same in (("similarity", True), ("dendrogram", True), ("losses", True), ("embedding", False)):
        tags = [client.get(f"{root}/{name}{query}").headers["etag"] for query in ("", "?dimensions=3")]
        assert (tags[0] == tags[1]) == same, name  # and a page draws the others not again


@pytest.mark.parametrize("width", [1, 2, 6])
def test_axes_in_space_have_one_scale_and_all_have_room(width: int) -> None:
    task_map = map_of(5, 3, width)
    scene = map_plot(task_map, None).layout["scene"]
    ranges = np.array([scene[f"{axis}axis"]["range"] for axis in "xyz"])
    assert (ranges[:, 0] < task_map.points.min(axis=0)).all()
    assert (ranges[:, 1] > task_map.points.max(axis=0)).all()
    lengths = ranges[:, 1] - ranges[:, 0]
    sides = np.array([scene["aspectratio"][axis] for axis in "xyz"])
    np.testing.assert_allclose(sides / sides.max(), lengths / lengths.max(), atol=1e-3)
    assert lengths.min() > SHORTEST * lengths.max()


def test_tasks_on_one_point_have_a_map_in_space() -> None:
    labels = ("a", "b", "c")
    equal = classical_mds(similarity(np.ones((3, 4)), labels, range(3)), 3)
    scene = map_plot(equal, None).layout["scene"]
    assert all(scene[f"{axis}axis"]["range"][0] < 0 < scene[f"{axis}axis"]["range"][1] for axis in "xyz")


def test_two_tasks_are_no_map_and_many_have_no_names() -> None:
    assert not map_plot(map_of(2, 3), None).data
    for dimensions in (2, 3):
        [few], [many] = (map_plot(map_of(n, dimensions), None).data for n in (MAX_NAMED, MAX_NAMED + 1))
        assert "meta" in few
        assert (many["mode"], "meta" in many) == ("markers", False)


def test_a_closed_line_closes_in_space() -> None:
    scale = TaskScale((0.0, 90.0, 180.0, 270.0), 360.0)
    line, points = map_plot(map_of(4, 3), scale).data
    assert [line[axis][0] for axis in "xyz"] == [line[axis][-1] for axis in "xyz"]
    assert len(line["x"]) == 5
    assert points["marker"]["coloraxis"] == "coloraxis3"


def test_single_replicates_are_in_the_space_of_the_mean() -> None:
    matrices = [
        similarity(np.random.default_rng(seed).standard_normal((5, 8)), list("abcde"), range(5)).values
        for seed in range(3)
    ]
    found = consensus_map(matrices, 3)
    task_map = TaskMap(found.points, (0.5, 0.3, 0.1), 1.0, 0.1, "mds", tuple("abcde"), tuple(range(5)))
    single, points = spread_map_plot(task_map, found, None).data
    assert single["type"] == points["type"] == "scatter3d"
    np.testing.assert_allclose(
        np.stack([single[axis] for axis in "xyz"], axis=1), found.replicates.reshape(-1, 3), atol=6e-5
    )


def test_the_figure_for_a_paper_follows_the_page_into_space(client: httpx.Client, services: Services) -> None:
    page = client.get(f"/dashboard{completed(client, services)}").text
    assert re.findall(r'<option value="(.*?)".*? data-follows="[^"]*dimensions', page) == ["embedding"]
