"""Where new data falls: a placement from the request to the answer, and everything that is refused."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from PIL import Image
from pydantic import SecretStr

from service.app import create_app
from service.settings import ServiceSettings
from tests.api.conftest import submit
from tests.support.execution import SPEC, never, run_all_jobs, worker_context
from tests.support.execution import submit as submit_spec
from tests.support.serving import in_process
from tgsh.datasets.mnist import load_dataset
from tgsh.execution import runner
from tgsh.execution.context import WorkerContext
from tgsh.specs import ExperimentSpec
from tgsh.store import analyses, experiments, removals
from tgsh.suites import build

TASKS = {"kind": "rotation", "tasks": 4, "step_degrees": 90}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a completed experiment of four quarter turns."""
    folder = tmp_path_factory.mktemp("placements")
    context = worker_context(folder)
    run_all_jobs(context, submit_spec(context, spec()))
    return folder


@pytest.fixture
def app(home: Path) -> FastAPI:
    return create_app(ServiceSettings(home=home, redis_url=SecretStr("redis://127.0.0.1:1/0")))


@pytest.fixture
def client(app: FastAPI) -> Iterator[httpx.Client]:
    with in_process(app) as client:
        yield client


@pytest.fixture
def context(home: Path) -> WorkerContext:
    return worker_context(home)


@pytest.fixture
def path(client: httpx.Client) -> str:
    [done] = client.get("/experiments?status=completed").json()["items"]
    return f"/experiments/{done['id']}"


def spec() -> ExperimentSpec:
    return SPEC.model_copy(update={"suite": ExperimentSpec.model_validate({"suite": TASKS}).suite})


def digits(turns: int, count: int, *, first: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Test images that no task was trained on, as the task of so many quarter turns sees them."""
    data = load_dataset("mnist5k", Path("unused"))
    chosen = slice(first, first + count)
    transform = build(spec().suite, data.info)[turns].transform
    return transform.apply(data.test_images[chosen]), data.test_labels[chosen].astype(np.int64)  # type: ignore[union-attr]


def npz(images: np.ndarray, labels: np.ndarray | None) -> bytes:
    file = io.BytesIO()
    arrays = {"images": images.reshape(-1, 28, 28) if images.ndim == 2 else images}
    if labels is not None:
        arrays["labels"] = labels
    np.savez(file, **arrays)
    return file.getvalue()


def textures(count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    return rng.integers(0, 256, (count, 784)).astype(np.uint8), np.arange(count) % 10


def placed(client: httpx.Client, context: WorkerContext, path: str, **sent: object) -> dict[str, object]:
    answer = client.post(f"{path}/placements", **sent)  # type: ignore[arg-type]
    assert answer.status_code == 202, answer.text
    assert answer.json()["status"] == "queued"
    work = runner.run_next(context, never)
    assert work is not None
    assert work.outcome == "completed", client.get(answer.headers["location"]).json()
    document: dict[str, object] = client.get(answer.headers["location"]).json()
    return document


@pytest.mark.parametrize("turns", [1, 3])
def test_images_that_no_task_saw_are_placed_at_their_own_rotation(
    client: httpx.Client, context: WorkerContext, path: str, turns: int
) -> None:
    found = placed(client, context, path, content=npz(*digits(turns, 200)))
    assert found["nearest"] == turns
    assert found["novel"] is False
    tasks = found["tasks"]
    assert tasks[0]["task"] == turns  # type: ignore[index]
    similarities = [row["similarity"] for row in tasks]  # type: ignore[attr-defined]
    assert similarities == sorted(similarities, reverse=True)
    assert tasks[0]["low"] < tasks[0]["similarity"] < tasks[0]["high"]  # type: ignore[index]
    assert tasks[0]["low"] > tasks[1]["high"]  # type: ignore[index]
    assert found["percentile"] == 100
    assert f"most like {90 * turns}°" in str(found["sentence"])
    estimate = found["estimate"]
    assert abs(estimate["value"] - 90 * turns) < 20  # type: ignore[index]


def test_textures_and_digits_of_the_wrong_classes_are_novel(
    client: httpx.Client, context: WorkerContext, path: str
) -> None:
    found = placed(client, context, path, content=npz(*textures(200)))
    assert found["novel"] is True
    assert "like none of the tasks" in str(found["sentence"])
    images, labels = digits(1, 200)
    shuffled = placed(client, context, path, content=npz(images, (labels + 3) % 10))
    assert shuffled["novel"] is True


def test_classes_are_matched_by_their_images_or_a_map_and_that_is_told(
    client: httpx.Client, context: WorkerContext, path: str
) -> None:
    images, labels = digits(2, 300)
    nearest = placed(client, context, path, content=npz(images, labels + 40), params={"classes": "nearest"})
    assert nearest["nearest"] == 2
    assert nearest["matched_with"] == "180°"
    assert nearest["p"] is None
    taken = {each["name"]: each["taken_for"] for each in nearest["classes"]}  # type: ignore[attr-defined]
    assert sum(taken[str(label + 40)] == str(label) for label in range(10)) >= 8
    assert any("means of their images" in each for each in nearest["warnings"])  # type: ignore[attr-defined]
    mapped = placed(
        client, context, path, json={"dataset": "mnist5k", "classes": {"3": "3", "5": "5", "8": "8"}}
    )
    assert mapped["nearest"] == 0
    assert mapped["images_left_out"] == 4000 - mapped["images"]  # type: ignore[operator]
    assert any("left out" in each for each in mapped["warnings"])  # type: ignore[attr-defined]


def test_a_zip_of_pictures_of_another_size_is_converted_where_that_is_asked_for(
    client: httpx.Client, context: WorkerContext, path: str
) -> None:
    images, labels = digits(0, 120)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            picture = io.BytesIO()
            Image.fromarray(image.reshape(28, 28)).resize((56, 56)).save(picture, "png")
            archive.writestr(f"{label}/{number}.png", picture.getvalue())
    refused = client.post(f"{path}/placements", content=file.getvalue())
    assert refused.status_code == 422
    assert "size=28x28&channels=1" in refused.json()["detail"] + str(refused.json()["errors"])
    found = placed(client, context, path, content=file.getvalue(), params={"size": "28x28", "channels": "1"})
    assert found["nearest"] == 0


def test_a_form_with_the_file_will_do(client: httpx.Client, context: WorkerContext, path: str) -> None:
    body = npz(*digits(3, 60))
    found = placed(client, context, path, files={"file": ("quarter.npz", body)}, params={"seed": "4"})
    assert found["nearest"] == 3
    assert found["seed"] == 4
    wrong = client.post(f"{path}/placements", files={"file": ("quarter.npz", body)}, data={"seed": "4"})
    assert wrong.status_code == 422
    assert "?seed" in wrong.json()["detail"]


def test_every_format_of_a_placement(client: httpx.Client, context: WorkerContext, path: str) -> None:
    found = placed(client, context, path, content=npz(*digits(1, 100)), params={"name": "quarter"})
    here = f"{path}/placements/{found['id']}"
    vectors = np.load(io.BytesIO(client.get(f"{here}?format=npy").content))
    assert vectors.shape[0] == 5
    assert client.get(f"{here}?format=csv").text.splitlines()[0] == "task,label,similarity,low,high"
    for below in ("", "/map", "/samples"):
        for format in ("png", "svg", "pdf"):
            answer = client.get(f"{here}{below}?format={format}")
            assert answer.status_code == 200, answer.text
    shown = client.get(f"{here}/map").json()
    points, point = np.array(shown["values"]), np.array(shown["placed"])
    assert np.linalg.norm(points - point, axis=1).argmin() == 1
    samples = client.get(f"{here}/samples").json()
    assert samples["rows"] == ["your images", "90°"]
    etag = client.get(here).headers["etag"]
    assert client.get(here, headers={"If-None-Match": etag}).status_code == 304
    listed = client.get(f"{path}/placements").json()["items"]
    assert listed[0]["id"] == found["id"]
    assert listed[0]["name"] == "quarter"
    page = client.get(f"{path}/placements?limit=1").json()
    assert page["next"]
    assert client.delete(here).status_code == 204
    assert client.get(here).status_code == 404
    kept = context.artifacts.keys("analyses")
    assert not [key for key in kept if str(found["id"]) in key]


def test_equal_requests_have_equal_answers_and_another_seed_another(
    client: httpx.Client, context: WorkerContext, path: str
) -> None:
    body = npz(*digits(1, 60))
    first, again, other = (
        placed(client, context, path, content=body, params={"seed": seed}) for seed in ("0", "0", "1")
    )
    assert first["tasks"] == again["tasks"]
    assert first["tasks"] != other["tasks"]


def test_the_experiment_stays_as_it_is(client: httpx.Client, context: WorkerContext, path: str) -> None:
    before = client.get(path).json(), client.get(f"{path}/context-vectors?format=npy").content
    placed(client, context, path, content=npz(*digits(1, 60)))
    assert (client.get(path).json(), client.get(f"{path}/context-vectors?format=npy").content) == before


@pytest.mark.parametrize(
    ("body", "params", "field"),
    [
        ({"dataset": "mnist5k", "train_limit": 0}, {}, "train_limit"),
        ({"dataset": "mnist5k", "classes": "by magic"}, {}, "classes"),
        ({"dataset": "mnist5k", "classes": {"0": "zero", "1": "1"}}, {}, "classes.0"),
        ({"dataset": "mnist5k", "classes": {"0": "1", "1": "1"}}, {}, "classes"),
        ({"dataset": "mnist5k", "classes": {"0": "1"}}, {}, "classes"),
        ({"dataset": None}, {}, "dataset"),
        ({"dataset": "synthetic"}, {}, "dataset"),
        ({"dataset": {"id": "0" * 16}}, {}, "dataset.id"),
        ({"dataset": "cifar10"}, {}, "dataset"),
        ({"dataset": "mnist5k", "more": 1}, {}, "more"),
        ({}, {}, "dataset"),
        ({"dataset": "mnist5k"}, {"seed": "3"}, "seed"),
    ],
)
def test_bad_requests_name_the_field(
    client: httpx.Client, path: str, body: dict[str, object], params: dict[str, str], field: str
) -> None:
    answer = client.post(f"{path}/placements", json=body, params=params)
    assert answer.status_code == 422, answer.text
    assert field in [each["field"] for each in answer.json()["errors"]]


def bad_files() -> Iterator[tuple[str, bytes, str]]:
    images, labels = digits(0, 60)
    yield "one class", npz(images, np.zeros(60, np.int64)), "class"
    yield "no labels", npz(images, None), "label"
    other = np.random.default_rng(0).integers(0, 256, (60, 28, 28, 3)).astype(np.uint8)
    yield "another size", npz(other[:, :20, :20, 0], labels), "20 × 20"
    yield "another depth", npz(other, labels), "28 × 28 × 3"
    spoiled = images.astype(np.float32) / 255
    spoiled[3, 5] = np.nan
    yield "NaN", npz(spoiled, labels), "NaN"
    yield "too few", npz(images[:4], np.arange(4) % 2), "are the least"
    yield "other classes", npz(images, labels + 50), "nearest"
    yield "nothing", b"", ""
    yield "no file of images", b"hello", ""


@pytest.mark.parametrize(("what", "body", "words"), [pytest.param(*each, id=each[0]) for each in bad_files()])
def test_bad_images_are_refused_in_plain_words(
    client: httpx.Client, path: str, what: str, body: bytes, words: str
) -> None:
    answer = client.post(f"{path}/placements", content=body)
    assert answer.status_code == 422, (what, answer.text)
    assert words in str(answer.json()), (what, answer.text)


def test_a_million_images_are_too_many(client: httpx.Client, path: str, tmp_path: Path) -> None:
    file = tmp_path / "many.npz"
    np.savez_compressed(
        file,
        images=np.arange(4_000_000, dtype=np.uint32).astype(np.uint8).reshape(-1, 2, 2),
        labels=np.arange(1_000_000, dtype=np.int32) % 10,
    )
    answer = client.post(f"{path}/placements", content=file.read_bytes())
    assert answer.status_code == 422
    assert "send a sample" in str(answer.json())


def test_an_experiment_that_is_not_completed_is_no_place(client: httpx.Client, home: Path) -> None:
    experiment_id = submit(client)
    for sent in ({"json": {"dataset": "mnist5k"}}, {"content": npz(*digits(0, 50))}):
        answer = client.post(f"/experiments/{experiment_id}/placements", **sent)  # type: ignore[arg-type]
        assert answer.status_code == 409
        assert "queued" in answer.json()["detail"]
    assert client.post(f"/experiments/{experiment_id}/accuracy/matrix").status_code == 409
    client.post(f"/experiments/{experiment_id}/cancel")
    client.delete(f"/experiments/{experiment_id}")


def test_too_many_at_a_time_are_refused(client: httpx.Client, path: str) -> None:
    statuses = [
        client.post(f"{path}/placements", json={"dataset": "mnist5k"}).status_code
        for _ in range(analyses.MAX_UNFINISHED + 1)
    ]
    assert statuses == [202] * analyses.MAX_UNFINISHED + [429]
    queued = client.get("/workers").json()["queue"]["queued_jobs"]
    assert queued == analyses.MAX_UNFINISHED
    assert 'tgsh_jobs{kind="placement",status="queued"} 20.0' in client.get("/metrics").text
    for each in client.get(f"{path}/placements").json()["items"]:
        if each["status"] == "queued":
            assert client.delete(each["links"]["self"]).status_code == 204
    assert client.get("/workers").json()["queue"]["queued_jobs"] == 0


def test_the_accuracy_matrix_is_computed_later(
    client: httpx.Client, context: WorkerContext, path: str
) -> None:
    refused = client.get(f"{path}/accuracy/matrix")
    assert refused.status_code == 409
    assert "POST" in refused.json()["detail"]
    assert client.get(f"{path}/accuracy/matrix/job").json()["status"] == "absent"
    first, second = (client.post(f"{path}/accuracy/matrix") for _ in range(2))
    assert (first.status_code, second.status_code) == (202, 202)
    assert client.get("/workers").json()["queue"]["queued_jobs"] == 1
    work = runner.run_next(context, never)
    assert work is not None
    assert work.outcome == "completed"
    matrix = np.array(client.get(f"{path}/accuracy/matrix").json()["values"])
    accuracies = [task["accuracy"] for task in client.get(f"{path}/accuracy").json()["tasks"]]
    assert np.allclose(np.diag(matrix), accuracies)
    assert (np.diag(matrix) > matrix.max(axis=1, where=~np.eye(4, dtype=bool), initial=0)).all()
    assert client.get(f"{path}/accuracy/matrix/job").json()["status"] == "completed"
    assert client.post(f"{path}/accuracy/matrix").status_code == 200


def test_an_experiment_that_is_deleted_takes_its_placements_along(tmp_path: Path) -> None:
    context = worker_context(tmp_path)
    experiment_id = submit_spec(context, spec())
    run_all_jobs(context, experiment_id)
    key = analyses.images_key(experiment_id, "a" * 16)
    context.artifacts.save(key, {"images": np.zeros((5, 784), np.uint8)}, {})
    request = analyses.AnalysisRequest(
        "a" * 16, experiment_id, "placement", None, {"classes": "names"}, images=key, images_sha256="0" * 64
    )
    analyses.create(context.database, request)
    lease = analyses.lease_next(context.database, "w", 60)
    assert lease is not None
    experiments.delete(context.database, experiment_id)
    assert not analyses.is_held(context.database, lease)
    removals.carry_out(context.database, context.artifacts)
    assert not context.artifacts.keys("analyses")
