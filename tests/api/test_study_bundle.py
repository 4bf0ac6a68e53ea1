"""The bundle of a study: what is in it, when there is none, and that nothing in it can be changed unseen."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from typer.testing import CliRunner

from service.dependencies import Services
from tests.api.test_study_results import completed, learn, submitted
from tests.support.bundles import unpack
from tests.support.people import people
from tests.support.serving import serving
from tgsh.bundles.reader import is_study, read, read_study
from tgsh.cli.application import app as application
from tgsh.client import Client
from tgsh.errors import InvalidSpec
from tgsh.store import experiments

GRID = {"training.learning_rate": [0.01, 0.02]}
OF_CELL = (
    "similarity-mean.csv similarity-sd.csv similarity-low.csv similarity-high.csv similarity-mean.svg "
    "ceiling.csv dendrogram.nwk dendrogram.svg embedding.csv"
)


def test_everything_is_in_it(client: httpx.Client, services: Services, tmp_path: Path) -> None:
    path = completed(client, services, grid=GRID, replicates={"seeds": 2})
    study = client.get(path).json()
    answer = client.get(f"{path}/bundle")
    assert answer.status_code == 200, answer.text
    id = path.rpartition("/")[2]
    assert answer.headers["content-disposition"] == f'attachment; filename="tgsh-study-{id}.zip"'
    assert study["links"]["bundle"] == f"{path}/bundle"
    files = unpack(answer.content)
    ids = [each["experiment"] for each in study["members"]]
    assert files.keys() == {
        *(
            "README.txt",
            "CITATION.cff",
            "study.json",
            "members.csv",
            "accuracy.csv",
            "effects.csv",
            "matrices.csv",
        ),
        *(f"cells/{cell}/{name}" for cell in (0, 1) for name in OF_CELL.split()),
        *(f"experiments/{each}.zip" for each in ids),
        "manifest.json",
    }
    for cell in (0, 1):
        for statistic in ("mean", "sd"):
            query = f"cell={cell}&statistic={statistic}&format=csv"
            table = client.get(f"{path}/similarity?{query}").content
            assert files[f"cells/{cell}/similarity-{statistic}.csv"] == table
    assert files["effects.csv"] == client.get(f"{path}/effects?format=csv").content
    rows = list(csv.DictReader(io.StringIO(files["members.csv"].decode())))
    assert [row["experiment"] for row in rows] == ids
    assert [int(row["cell"]) for row in rows] == [0, 0, 1, 1]
    again = client.post("/studies", json=json.loads(files["study.json"]))
    assert again.status_code == 202, again.text
    assert [each["experiment"] for each in again.json()["members"]] == ids  # stored answers
    file = tmp_path / "study.zip"
    file.write_bytes(answer.content)
    assert is_study(file)
    bundle = read_study(file)
    assert bundle.experiments == tuple(sorted(f"experiments/{each}.zip" for each in ids))
    lone = tmp_path / "lone.zip"
    for name in bundle.experiments:
        with bundle.experiment(name) as found:
            assert f"experiments/{found.recorded.id}.zip" == name
            vectors = client.get(f"/experiments/{found.recorded.id}/context-vectors?format=npy").content
            np.testing.assert_array_equal(found.vectors((3, 5, 40))[2], np.load(io.BytesIO(vectors)))
            lone.write_bytes(files[name])
            assert not is_study(lone)
            assert read(lone).spec == found.spec
    with pytest.raises(InvalidSpec, match="study-bundle"):
        read(file)
    with pytest.raises(InvalidSpec, match="this version reads"):
        read_study(lone)


def test_it_is_the_same_each_time(client: httpx.Client, services: Services) -> None:
    path = completed(client, services, replicates={"seeds": 2})
    first, second = (client.get(f"{path}/bundle") for _ in range(2))
    assert first.content == second.content
    tag = first.headers["ETag"]
    assert client.get(f"{path}/bundle", headers={"If-None-Match": tag}).status_code == 304
    client.patch(path, json={"name": "renamed"})
    renamed = client.get(f"{path}/bundle", headers={"If-None-Match": tag})
    assert (renamed.status_code, b"renamed" in unpack(renamed.content)["README.txt"]) == (200, True)
    assert client.get(f"{path}/bundle", headers={"Accept": "text/csv"}).status_code == 406


def test_what_is_missing_is_told(client: httpx.Client, services: Services) -> None:
    study = submitted(client, replicates={"seeds": 3})
    path = f"/studies/{study['id']}"
    first, second, third = study["members"]
    waits = client.get(f"{path}/bundle")
    assert (waits.status_code, "3 of 3 experiments are queued or running" in waits.text) == (409, True)
    learn(services, first["experiment"], first["seed"], first["base_seed"])
    experiments.cancel(services.database, second["experiment"])
    experiments.cancel(services.database, third["experiment"])
    experiments.delete(services.database, third["experiment"])
    files = unpack(client.get(f"{path}/bundle").content)
    left_out = json.loads(files["manifest.json"])["left_out"]
    assert left_out["cell 0, seed 1, base seed 0"] == f"{second['experiment']} is cancelled"
    assert "was deleted" in left_out["cell 0, seed 2, base seed 0"]
    inside = [name for name in files if name.startswith("experiments/")]
    assert inside == [f"experiments/{first['experiment']}.zip"]
    experiments.delete(services.database, first["experiment"])
    none = client.get(f"{path}/bundle")
    assert (none.status_code, "no experiment of the study is completed" in none.text) == (409, True)


def test_what_was_changed_is_refused(client: httpx.Client, services: Services, tmp_path: Path) -> None:
    path = completed(client, services, replicates={"seeds": 2})
    content = client.get(f"{path}/bundle").content
    file = tmp_path / "study.zip"
    for place in (len(content) // 4, len(content) // 2, 3 * len(content) // 4):
        changed = bytearray(content)
        changed[place] ^= 1
        file.write_bytes(changed)
        with pytest.raises(InvalidSpec, match=r"study\.zip"):
            read_study(file)


def test_what_others_do_not_share_is_not_there(client: httpx.Client, services: Services) -> None:
    with people(services.settings.home, client) as known:
        path = completed(known["alice"], services, replicates={"seeds": 2})
        hidden, missing = (known["bob"].get(f"{at}/bundle") for at in (path, f"/studies/{'0' * 16}"))
        assert hidden.status_code == missing.status_code == 404
        assert known["alice"].get(f"{path}/bundle").status_code == 200


def test_client_and_command(
    app: FastAPI, client: httpx.Client, services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = completed(client, services, replicates={"seeds": 2})
    id = path.rpartition("/")[2]
    monkeypatch.chdir(tmp_path)
    with serving(app) as http, Client(str(http.base_url)) as connected:
        monkeypatch.setenv("TGSH_URL", str(http.base_url))
        whole = client.get(f"{path}/bundle").content
        assert connected.study_bundle(id[:8], tmp_path / "a.zip").read_bytes() == whole
        told = CliRunner().invoke(application, ["bundle", id[:8]])
        assert told.exit_code == 0, told.stderr
        assert (tmp_path / f"tgsh-study-{id}.zip").read_bytes() == whole
