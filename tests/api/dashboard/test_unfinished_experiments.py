"""Pages of experiments that ended early, or are not done yet: what they say, and that each link works."""

from __future__ import annotations

import re

import httpx
import pytest

from service.dependencies import Services
from tests.api.conftest import submit, vectors_of, work
from tests.api.dashboard.test_experiment_page import PLOTS, page, plot
from tgsh.store import jobs
from tgsh.store.models import Job

FIGURES = ("similarity", "dendrogram", "embedding", "accuracy")


def learn(client: httpx.Client, services: Services, *learned: int) -> str:
    """The id of an experiment of three tasks, of which these are learned."""
    experiment_id = submit(client, network={"kind": "flynet", "expansion": 2})
    work(services, experiment_id, *learned, width=1568)
    return experiment_id


def cancelled(client: httpx.Client, services: Services, *learned: int) -> str:
    """The id of a cancelled experiment of three tasks, of which these were learned."""
    experiment_id = learn(client, services, *learned)
    assert client.post(f"/experiments/{experiment_id}/cancel").status_code == 202
    return experiment_id


def failed(client: httpx.Client, services: Services) -> str:
    """The id of an experiment whose three tasks failed."""
    experiment_id = submit(client)
    for index in range(3):
        claim = jobs.lease_job(services.database, Job(experiment_id=experiment_id, index=index), "w", 60)
        assert claim is not None
        jobs.fail(services.database, claim, "no memory left")
    return experiment_id


def begun(client: httpx.Client, services: Services) -> str:
    """The id of an experiment that ended after one epoch of a task."""
    experiment_id = submit(client)
    claim = jobs.lease_job(services.database, Job(experiment_id=experiment_id, index=1), "w", 60)
    assert claim is not None
    key = f"{experiment_id}/tasks/1-1"
    sha256 = services.artifacts.save(key, {"vectors": vectors_of(1)[:2]}, {})
    jobs.record_epoch(services.database, claim, (0.5,), 1.0, key, sha256)
    jobs.fail(services.database, claim, "no memory left")
    assert client.post(f"/experiments/{experiment_id}/cancel").status_code == 202
    return experiment_id


def linked(shown: str, experiment_id: str) -> list[str]:
    """Paths below the experiment that the page links to."""
    found = re.findall(rf'href="(/experiments/{experiment_id}/[^"]*)"', shown)
    return [path.replace("&amp;", "&") for path in found]


def offered(shown: str, experiment_id: str) -> list[str]:
    """Paths of the figures that can be chosen in the form, as PNG."""
    options = re.findall(r"<option[^>]*data-address[^>]*>", shown)
    found = [re.search('data-address="([^"]*)"', option) for option in options if " disabled" not in option]
    return [each[1].replace("&amp;", "&").replace("FORMAT", "png") for each in found if each]


def all_answer(client: httpx.Client, paths: list[str]) -> None:
    """Assert that all are there; of pictures one format, for all are refused alike."""
    paths = [path for path in dict.fromkeys(paths) if not re.search("(svg|pdf|npy|safetensors)$", path)]
    refused = {path: status for path in paths if (status := client.get(path).status_code) != 200}
    assert not refused


def is_hidden(shown: str, heading: str) -> bool:
    """Whether the section with the heading of this id is hidden."""
    found = re.search(rf'<section aria-labelledby="{heading}"([^>]*)>', shown)
    assert found is not None
    return "hidden" in found[1]


@pytest.mark.parametrize("end", ["cancelled", "failed"])
def test_where_nothing_was_learned_the_page_says_so_and_how_to_go_on(
    client: httpx.Client, services: Services, end: str
) -> None:
    experiment_id = cancelled(client, services) if end == "cancelled" else failed(client, services)
    shown = page(client, experiment_id)
    assert f'class="status status-{end}"' in shown
    how = "Resume" if end == "cancelled" else "Retry what failed"
    assert (
        f"No task was learned, so there are no figures and no results. “{how}” trains all 3 tasks." in shown
    )
    assert all(
        is_hidden(shown, section) for section in ("alike", "learned", "believed", "images", "for-paper")
    )
    links = linked(shown, experiment_id)
    assert links == [f"/experiments/{experiment_id}/tasks"]
    assert f"/dashboard/experiments/{experiment_id}/losses.csv" in shown
    all_answer(client, links)
    for name in PLOTS:
        drawn = plot(client, experiment_id, name)
        assert (drawn["data"], drawn["links"]) == ([], {})  # no empty grid


def test_losses_of_what_was_begun_are_shown(client: httpx.Client, services: Services) -> None:
    experiment_id = begun(client, services)
    shown = page(client, experiment_id)
    assert "No task was learned to its end: there is the training loss of what was begun" in shown
    assert not is_hidden(shown, "learned")
    assert is_hidden(shown, "alike")
    section = shown[shown.index('aria-labelledby="learned"') :]
    hidden = dict(re.findall(r'<figure class="plot plot-([a-z-]+)"[^>]*?( hidden)?>', section))
    assert [name for name, how in hidden.items() if not how] == ["losses"]
    assert plot(client, experiment_id, "losses")["data"]


@pytest.mark.parametrize("learned", [(2,), (0, 2)])
def test_what_was_learned_is_shown_and_every_link_works(
    client: httpx.Client, services: Services, learned: tuple[int, ...]
) -> None:
    experiment_id = cancelled(client, services, *learned)
    shown = page(client, experiment_id)
    assert f"{len(learned)} of 3 tasks were learned" in shown or "1 of 3 tasks was learned" in shown
    assert "“Resume” trains what is missing" in shown
    assert not any(is_hidden(shown, section) for section in ("alike", "learned", "believed", "for-paper"))
    links = [*linked(shown, experiment_id), *offered(shown, experiment_id)]
    assert f"/experiments/{experiment_id}/similarity?format=csv" in links
    assert not [path for path in links if re.search("geometry|samples|scenarios|hashing", path)]
    assert f"task={learned[0]}&amp;other=true" in shown  # neighbours of one that has a vector
    chosen = re.findall(r'name="tasks" value="(\d)" checked', shown)
    assert chosen == [str(task) for task in learned]  # those to come cannot be drawn
    for name in FIGURES:
        drawn = plot(client, experiment_id, name)
        links += drawn["links"].values()  # type: ignore[attr-defined]
    all_answer(client, links)
    [grid] = plot(client, experiment_id, "similarity")["data"]  # type: ignore[misc]
    assert grid["x"] == [
        f"{10 * task}°" for task in learned
    ]  # as in the files: no place for tasks that do not come


@pytest.mark.parametrize("learned", [(), (1,)])
def test_links_of_an_experiment_that_runs_work_too(
    client: httpx.Client, services: Services, learned: tuple[int, ...]
) -> None:
    experiment_id = learn(client, services, *learned)
    shown = page(client, experiment_id)
    assert "nothing-yet" not in shown
    assert not is_hidden(shown, "alike")  # it fills in
    assert '<small class="quiet">when completed</small>' in shown
    files = linked(shown, experiment_id)
    assert len(files) > 10
    all_answer(client, files)
