"""Intervals over test images: of accuracies, from the counts, and of the geometry, from the finish."""

from __future__ import annotations

import csv
import io
import json

import httpx
import numpy as np
import pytest

from service.dependencies import Services
from service.results import measurements
from tests.api.conftest import completed, counts_of, submit, work
from tests.api.test_trained_results import train
from tgsh.analysis.image_bootstrap import accuracy_intervals, seed_from
from tgsh.execution import presenters
from tgsh.figures import accuracy_figure
from tgsh.store.results import load_result

ENDS = ("low", "high", "balanced_low", "balanced_high")


def test_accuracies_have_intervals_from_their_counts(client: httpx.Client, services: Services) -> None:
    done = completed(client, services, 4, counted=True)
    document = client.get(f"{done}/accuracy").json()
    digest = client.get(done).json()["digest"]
    assert (document["level"], document["resamples"], document["reason"]) == (0.95, 2000, None)
    for index, task in enumerate(document["tasks"]):
        expected = accuracy_intervals(counts_of(index).counts, seed=seed_from(digest))
        assert (task["low"], task["high"]) == (expected.accuracy.low, expected.accuracy.high)
        assert (task["balanced_low"], task["balanced_high"]) == (
            expected.balanced.low,
            expected.balanced.high,
        )
        assert task["low"] <= 0.25 * index <= task["high"]
    header, *rows = csv.reader(io.StringIO(client.get(f"{done}/accuracy?format=csv").text))
    written = dict(zip(header, rows[2], strict=True))
    task = document["tasks"][2]
    assert [float(written[name.replace("_", " ")]) for name in ENDS] == [task[name] for name in ENDS]
    drawn = client.get(f"{done}/accuracy?format=svg").text
    older = client.get(f"{completed(client, services, 4)}/accuracy?format=svg").text
    assert drawn.count("<path") > older.count("<path")  # the bars


def test_accuracies_that_nobody_counted_have_none(client: httpx.Client, services: Services) -> None:
    experiment_id = submit(client)
    work(services, experiment_id, 0, counted=True)
    work(services, experiment_id, 1)
    document = client.get(f"/experiments/{experiment_id}/accuracy").json()
    assert [task["low"] is None for task in document["tasks"]] == [False, True]
    assert "did not count" in document["reason"]
    for format in ("csv", "png"):
        assert client.get(f"/experiments/{experiment_id}/accuracy?format={format}").status_code == 200
    none = client.get(f"/experiments/{submit(client)}/accuracy").json()
    assert (none["tasks"], none["reason"]) == ([], None)


def test_many_are_drawn_elsewhere_and_too_many_not_at_all(
    client: httpx.Client, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = (completed(client, services, 3, counted=True) for _ in range(2))
    expected = client.get(f"{here}/accuracy").json()["tasks"]
    monkeypatch.setattr(measurements, "RESAMPLED_HERE", 0)
    assert client.get(f"{there}/accuracy").json()["tasks"] == expected
    monkeypatch.setattr(presenters, "MOST_RESAMPLED", 29)
    refused = client.get(f"{completed(client, services, 3, counted=True)}/accuracy").json()
    assert [task["low"] for task in refused["tasks"]] == [None] * 3
    assert refused["reason"].startswith("no intervals: 3 tasks of 10 classes are too many")


SMALL = {"network": {"kind": "flynet", "expansion": 1}, "training": {"epochs": 1, "train_limit": 300}}
MEASURES = ("intra_mean", "inter_mean", "overlap", "p_intra_greater", "neighbour_mean")
MEASURED_BEFORE = {
    "intra_mean", "inter_mean", "overlap", "p_intra_greater", "task_accuracy", "parameter_r2",
    "neighbour_mean", "left_out",
}  # fmt: skip
"""What the finish of 0.5 stored of a stage."""


@pytest.mark.slow
def test_the_geometry_tells_the_intervals_that_were_measured(
    client: httpx.Client, services: Services
) -> None:
    done = train(client, services, **SMALL)
    document = client.get(f"{done}/geometry").json()
    for stage in ("before", "after"):
        intervals = document[stage]["intervals"]
        assert (intervals["level"], intervals["resamples"], intervals["reason"]) == (0.95, 2000, None)
        for name in MEASURES:
            low, high = intervals[name]["low"], intervals[name]["high"]
            assert low - 1e-6 <= document[stage][name] <= high + 1e-6, name
    page = client.get(f"/dashboard{done}/plots/geometry").json()
    assert "95% interval over test images" in page["summary"]
    assert client.get(f"{done}/geometry?format=png").status_code == 200
    stored = load_result(services.database, services.artifacts, done.rpartition("/")[2], "geometry")
    assert stored is not None
    tensors, about = stored
    summaries = json.loads(about["summaries"])
    assert set(about) == {"summaries", "sample"}
    for summary in summaries.values():
        del summary["intervals"]
        assert set(summary) == MEASURED_BEFORE
    older = completed(
        client, services, 3, {"geometry": (tensors, {**about, "summaries": json.dumps(summaries)})}
    )
    answer = client.get(f"{older}/geometry").json()
    for stage in ("before", "after"):
        reason = answer[stage]["intervals"].pop("reason")
        assert "train the same spec again" in reason
        assert {answer[stage]["intervals"].pop(name) for name in MEASURES} == {None}
        del document[stage]["intervals"], answer[stage]["intervals"]
        assert answer[stage] == document[stage]
    drawn = [client.get(f"{path}/geometry?format=csv").content for path in (done, older)]
    assert drawn[0] == drawn[1]


@pytest.mark.slow
def test_tasks_of_other_images_have_no_intervals_of_the_geometry(
    client: httpx.Client, services: Services
) -> None:
    done = train(client, services, suite={"kind": "split", "classes_per_task": 5}, **SMALL)
    intervals = client.get(f"{done}/geometry").json()["after"]["intervals"]
    assert {intervals[name] for name in MEASURES} == {None}
    assert intervals["reason"].startswith("tasks of this suite have different images")


def test_the_bars_of_a_figure_span_the_axis() -> None:
    ends = np.array([[0.5, 0.95], [np.nan, np.nan]])
    axes = accuracy_figure([0.9, 0.91], ["a", "b"], title="t", intervals=ends).axes[0]
    low, high = axes.get_ylim()
    assert low < 50 < 95 < high
    assert "interval over test images" in axes.texts[-1].get_text()
    for none in (None, np.full((2, 2), np.nan)):
        axes = accuracy_figure([0.9, 0.91], ["a", "b"], title="t", intervals=none).axes[0]
        assert "interval" not in axes.texts[-1].get_text()
