"""The clients' methods about studies, against the application in this process."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from service.dependencies import Services
from tests.api.conftest import SPEC
from tests.api.test_study_results import SUITE, learn
from tests.support.serving import serving
from tgsh.client import Client, Study
from tgsh.client.results import StudySimilarity
from tgsh.errors import NotFound, ServiceProblem
from tgsh.schemas import StatusEvent

BODY = {**SPEC, "suite": SUITE}


@pytest.fixture
def connected(app: FastAPI, client: httpx.Client) -> Iterator[Client]:
    with serving(app) as http, Client(str(http.base_url)) as found:
        yield found


def learned(services: Services, study: Study) -> None:
    for each in study.members:
        if each.experiment is not None and each.status == "queued":
            learn(services, each.experiment, each.seed, each.base_seed)


def test_a_study_from_submission_to_data_frames(connected: Client, app: FastAPI) -> None:
    services: Services = app.state.services
    grid = {"training.learning_rate": (0.01, 0.02)}
    estimate = connected.estimate_study(BODY, seeds=2, base_seeds=[3, 4], grid=grid)
    assert (estimate.experiments, estimate.stored) == (8, 0)
    study = connected.study(BODY, seeds=2, base_seeds=[3, 4], grid=grid, name="mine", tags=["t"])
    assert (study.status, study.replicates.base_seeds) == ("queued", [3, 4])
    assert study.url.endswith(f"/dashboard/studies/{study.id}")
    assert "0 of 8 experiments" in repr(study)
    assert "<progress" in study._repr_html_()
    assert len(study.to_dataframe()) == 8
    with pytest.raises(TimeoutError):
        connected.wait_study(study.id, timeout=0, progress=False)
    learned(services, study)
    ended = connected.wait_study(study.id[:8], timeout=5, progress=True)
    assert ended.status == "completed"
    connected.submit(BODY, anew=True)
    of_study = {each.id for each in connected.experiments(study=study.id[:8])}
    assert of_study == {each.experiment for each in study.members}
    matrix = connected.study_similarity(study.id, "sd", cell=1, order="cluster")
    assert isinstance(matrix, StudySimilarity)
    assert (matrix.to_numpy().shape, matrix.cell) == ((5, 5), 1)
    assert list(matrix.to_dataframe().columns) == matrix.labels
    assert "sd of cosine after training, 4 replicates" in repr(matrix)
    assert len(connected.study_ceiling(study.id).to_dataframe()) == 6
    asked = [((0, 1), (3, 4)), ((0, 2), (0, 4))]
    differences = connected.study_differences(study.id, asked)
    assert [each.pairs for each in differences.differences] == asked
    assert list(differences.to_dataframe()["pair"]) == ["0-1", "0-2"]
    assert connected.study_dendrogram(study.id).to_numpy().shape == (4, 4)
    points = connected.study_embedding(study.id, dimensions=3)
    assert (points.to_numpy().shape, "spread" in points.to_dataframe()) == ((5, 3), True)
    accuracy = connected.study_accuracy(study.id).to_dataframe()
    assert (len(accuracy), accuracy["training.learning_rate"].nunique()) == (10, 2)
    matrices = connected.study_matrices(study.id).to_dataframe()
    mean = connected.study_similarity(study.id).to_numpy()
    pair = matrices[(matrices.cell == 0) & (matrices.task == 0) & (matrices.other == 1)]
    assert pair["mean"].item() == mean[0, 1]
    effects = connected.study_effects(study.id, lags=1).to_dataframe()
    assert len(effects) == 40
    assert np.isfinite(effects["similarity at lag 1"]).all()
    assert connected.study_file(study.id, "similarity", "svg", statistic="sd").startswith(b"<?xml")
    events = list(connected.study_events(study.id))
    assert events[-1] == StatusEvent(status="completed")
    assert len(events) == 10


def test_control_lists_and_references(connected: Client, app: FastAPI) -> None:
    study = connected.study(BODY, seeds=2, notes="n", project="p")
    again = connected.study(experiments=study.cells[0].experiments, name="gathered")
    assert [each.id for each in connected.studies(page_size=1)] == [again.id, study.id]
    assert [each.name for each in connected.studies(q="gath")] == ["gathered"]
    assert connected.get_study(again.id[:10]).name == "gathered"
    changed = connected.change_study(study.id, name="new", tags=["x"], shared=True)
    assert (changed.name, changed.tags, changed.shared, changed.notes) == ("new", ["x"], True, "n")
    assert connected.cancel_study(study.id).status == "cancelled"
    assert connected.resume_study(study.id).status == "queued"
    assert connected.extend_study(study.id, seeds=1).replicates.seeds == [0, 1, 2]
    connected.delete_study(again.id)
    connected.delete_study(study.id, members=True)
    assert connected.undelete_study(study.id).replicates.seeds == [0, 1, 2]
    connected.delete_study(study.id, members=True, forever=True)
    assert list(connected.studies()) == list(connected.experiments()) == []
    with pytest.raises(NotFound, match="tgsh studies list"):
        connected.get_study("abc")
    with pytest.raises(ServiceProblem):
        connected.study(BODY, grid={"training.epochs": [0]})
