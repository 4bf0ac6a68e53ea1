"""Every result has an endpoint, which answers for every network and suite that has it, in every format."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from PIL import Image
from pydantic import SecretStr

from service.app import create_app
from service.dependencies import Services
from service.responses import MEDIA_TYPES
from service.results import RESULTS
from service.results.base import AnyResult
from service.settings import ServiceSettings
from tests.api.test_trained_results import train
from tests.support.serving import in_process
from tests.support.uploads import coloured, post, upload
from tgsh.datasets.descriptions import info_of
from tgsh.datasets.mnist import load_dataset
from tgsh.datasets.named_sets import NAMED_SETS
from tgsh.specs import FlyNetSpec
from tgsh.specs.figure_options import DESCRIPTIONS
from tgsh.specs.presets import Submission
from tgsh.specs.results import RESULT_SPECS

SMALL: dict[str, Any] = {
    "suite": {"kind": "rotation", "tasks": 3, "step_degrees": 90},
    "network": {"kind": "flynet", "expansion": 2},
    "training": {"epochs": 1, "train_limit": 200},
    "accuracy_matrix": True,
}
NETWORKS = (
    {"kind": "flynet", "expansion": 2},
    {"kind": "neuromodnet", "layers": [20, 12]},
    {"kind": "tgsh", "hidden": 20, "rank": 6},
    {"kind": "gsh", "hidden": 20, "rank": 6},
)
OWN: tuple[dict[str, Any], ...] = (
    {"suite": {"kind": "rotation", "tasks": 3, "step_degrees": 90}},
    {
        "suite": {"kind": "shift", "step_pixels": 5, "tasks": 3},
        "network": {"kind": "tgsh", "hidden": 20, "rank": 6},
    },
    {"suite": {"kind": "augment"}, "network": {"kind": "neuromodnet", "layers": [20]}},
    {"suite": {"kind": "permutation", "tasks": 3}, "network": {"kind": "gsh", "hidden": 20, "rank": 6}},
    {
        "suite": {
            "kind": "custom",
            "tasks": [{"label": "as it is"}, {"label": "inverted", "transforms": [{"kind": "invert"}]}],
        }
    },
)
"""Of a coloured dataset that is not square and has 13 classes."""

FLYNET_ALONE = [name for name, result in RESULT_SPECS.items() if result.network is FlyNetSpec]

SUITES = (
    {"kind": "shift", "step_pixels": 9, "tasks": 3},
    {"kind": "augment"},
    {"kind": "permutation", "tasks": 3},
    {
        "kind": "custom",
        "tasks": [{"label": "as it is"}, {"label": "=inverted", "transforms": [{"kind": "invert"}]}],
    },
    {"kind": "manifold", "tasks": 3, "side": 8, "train_images": 300, "test_images": 100},
    {"kind": "split"},
    {"kind": "split", "order": [["0", "1", "2"], ["1", "2", "3"]], "outputs": "own"},
    {"kind": "corruption", "names": ["shot-noise", "zigzag"], "severities": [5, 1]},
)


BESIDE_RESULTS = {
    "",
    "/tasks",
    "/tasks/{index}",
    "/tasks/{index}/confusion",
    "/events",
    "/history",
    "/webhooks",
    "/placements",
    "/figures/{name}.{format}",
}
"""GET below an experiment that is no result of the registry: resources, and results as figures."""

OTHER_VALUES: dict[str, str] = {
    "stage": "before",
    "layer": "layer-1",
    "order": "cluster",
    "measure": "correlation",
    "rows": "0,1",
    "columns": "0",
    "count": "1",
    "pairs": "0-1",
    "method": "single pca ridge",
    "dimensions": "3",
    "baseline": "",
    "tasks": "0",
    "classes": "0,1",
    "samples": "2",
    "seed": "1",
    "ridge": "2.5",
    "null": "1",
    "images": "1",
    "rule": "entropy",
    "kind": "top-share",
    "bits": "64",
}
"""A value of each parameter that is not its default; one that differs by result is the one that it takes."""


PICTURES = ("image/png", "image/svg+xml", "application/pdf")


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    home = tmp_path_factory.mktemp("home")
    return create_app(
        ServiceSettings(home=home, data_dir=home / "data", redis_url=SecretStr("redis://127.0.0.1:1/0"))
    )


@pytest.fixture(scope="module")
def client(app: FastAPI) -> Iterator[httpx.Client]:
    """One server for all."""
    with in_process(app) as client:
        yield client


@pytest.fixture(scope="module")
def services(app: FastAPI, client: httpx.Client) -> Services:
    services: Services = app.state.services
    return services


NOT_THERE = ("/restore", "/accuracy/matrix/job", "/{placement_id}")
"""Parts of paths to what experiments of this module do not have: jobs, placements, a past."""


def results(app: FastAPI, method: str) -> Iterator[tuple[str, list[str]]]:
    """Paths below an experiment that answer this method, with the media types that they list."""
    for path, operations in app.openapi()["paths"].items():
        if any(part in path for part in NOT_THERE):
            continue
        if path.startswith("/experiments/{experiment_id}") and method in operations:
            yield path, list(operations[method]["responses"].get("200", {}).get("content", {}))


def answers(
    client: httpx.Client,
    app: FastAPI,
    root: str,
    network: str,
    pictures: Sequence[str] = ("image/png",),
    without: Sequence[str] = (),
) -> int:
    """Ask for everything that the API page lists; how many answers there were.

    A figure is one in all its formats: one is asked for, where not more are said.
    """
    counted = 0
    for path, media_types in results(app, "get"):
        below = path.removeprefix("/experiments/{experiment_id}").replace("{index}", "1")
        if below == "/events" or below.startswith("/figures/"):
            continue
        for media_type in media_types:
            if media_type in PICTURES and media_type not in pictures:
                continue
            answer = client.get(f"{root}{below}", headers={"Accept": media_type})
            can = network == "flynet" or below.removeprefix("/") not in FLYNET_ALONE
            can &= below.removeprefix("/") not in without
            assert answer.status_code == (200 if can else 409), (below, media_type, answer.text[:300])
            if can:
                assert answer.headers["content-type"].split(";")[0] == media_type
                counted += 1
    page_links_work(client, root)
    return counted


def page_links_work(client: httpx.Client, root: str) -> None:
    """Ask for all that the page of an experiment links to, of pictures and files in one format."""
    page = client.get(f"/dashboard{root}").text
    links = {link.replace("&amp;", "&") for link in re.findall(rf'href="({root}/[^"]*)"', page)}
    assert any("similarity" in link for link in links)
    asked = [link for link in sorted(links) if not re.search("(svg|pdf|npy|safetensors|bundle)$", link)]
    assert {link: status for link in asked if (status := client.get(link).status_code) != 200} == {}


def shown(client: httpx.Client, app: FastAPI, root: str, body: dict[str, Any]) -> None:
    """Ask of a task's network what it sees in images, and of all tasks how they agree with a geometry."""
    uploads = app.state.services.uploads.info
    pixels = info_of(Submission.model_validate(body).spec(), uploads).pixels
    images = np.random.default_rng(0).random((4, pixels)).tolist()
    kind = body.get("network", {}).get("kind", "flynet")
    cannot = {"gsh": ("/predictions", "/mixtures"), "neuromodnet": ("/mixtures",)}.get(kind, ())
    for path, media_types in results(app, "post"):
        for media_type in media_types:
            below = path.removeprefix("/experiments/{experiment_id}").replace("{index}", "1")
            asked: dict[str, Any] = (
                {"geometry": "abs(index)"} if below == "/agreement" else {"images": images}
            )
            params = {"/predictions": {"weights": "0:1,1:3"}, "/mixtures": {"labels": "0,1,0,1"}}.get(below)
            answer = client.post(f"{root}{below}", params=params, json=asked, headers={"Accept": media_type})
            wanted = 409 if below in cannot else 200
            assert answer.status_code == wanted, (below, media_type, answer.text[:300])


def lacking(app: FastAPI, registry: Sequence[AnyResult]) -> list[str]:
    """Results of the registry without an endpoint, and endpoints without a result."""
    endpoints = {
        path.removeprefix("/experiments/{experiment_id}"): set(media_types)
        for path, media_types in results(app, "get")
    }
    served = {path: types for path, types in endpoints.items() if path not in BESIDE_RESULTS}
    registered = {
        f"/{result.name}": {MEDIA_TYPES[format] for format in result.formats} for result in registry
    }
    return sorted(
        path for path in served.keys() | registered.keys() if served.get(path) != registered.get(path)
    )


def test_every_result_has_an_endpoint_and_every_endpoint_a_result(app: FastAPI) -> None:
    assert lacking(app, RESULTS) == []
    paths = [path.removeprefix("/experiments/{experiment_id}") for path, _ in results(app, "get")]
    assert [path for path in paths if path not in BESIDE_RESULTS] == [f"/{each.name}" for each in RESULTS]
    assert set(paths) > BESIDE_RESULTS


def test_one_that_lacks_the_other_is_found(app: FastAPI) -> None:
    assert lacking(app, RESULTS[1:]) == [f"/{RESULTS[0].name}"]
    spec = replace(RESULTS[0].spec, name="other")
    assert lacking(app, (*RESULTS, replace(RESULTS[0], spec=spec))) == ["/other"]
    fewer = replace(RESULTS[0].spec, formats=("json",))
    assert lacking(app, (replace(RESULTS[0], spec=fewer), *RESULTS[1:])) == [f"/{RESULTS[0].name}"]


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: result.name)
def test_parameters_are_those_of_the_endpoint_with_its_defaults(app: FastAPI, result: AnyResult) -> None:
    operation = app.openapi()["paths"][f"/experiments/{{experiment_id}}/{result.name}"]["get"]
    declared = {
        parameter["name"]: parameter["schema"].get("default")
        for parameter in operation["parameters"]
        if parameter["in"] == "query" and parameter["name"] not in {"format", *DESCRIPTIONS}
    }
    assert declared == {name: field.default for name, field in result.params.model_fields.items()}


@pytest.mark.slow
def test_every_parameter_arrives(client: httpx.Client, services: Services) -> None:
    body = {**SMALL, "null_shuffles": 2}
    root, other = (train(client, services, **body, name=name) for name in ("one", "other"))
    for result in RESULTS:
        tag = client.get(f"{root}/{result.name}").headers["ETag"]
        for name in result.params.model_fields:
            values = [other.rpartition("/")[2]] if name == "baseline" else OTHER_VALUES[name].split()
            answers = [client.get(f"{root}/{result.name}", params={name: value}) for value in values]
            [answer] = [answer for answer in answers if answer.status_code == 200]
            assert answer.headers["ETag"] != tag, (result.name, name)


@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network["kind"])
def test_every_network(
    client: httpx.Client, app: FastAPI, services: Services, network: dict[str, Any]
) -> None:
    body = {**SMALL, "network": network}
    root = train(client, services, **body)
    assert answers(client, app, root, network["kind"], PICTURES) > 50
    shown(client, app, root, body)


@pytest.mark.slow
@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite["kind"] + suite.get("outputs", ""))
def test_every_suite(client: httpx.Client, app: FastAPI, services: Services, suite: dict[str, Any]) -> None:
    body = {**SMALL, "suite": suite, "dataset": "synthetic" if suite["kind"] == "manifold" else "mnist5k"}
    root = train(client, services, **body)
    assert answers(client, app, root, "flynet", ()) > 35  # pictures show numbers, whatever the suite
    shown(client, app, root, body)
    for name in ("samples", "dendrogram"):
        assert client.get(f"{root}/figures/{name}.png").content.startswith(b"\x89PNG")


@pytest.mark.slow
@pytest.mark.parametrize("own", OWN, ids=lambda own: own["suite"]["kind"])
def test_every_suite_on_ones_own_data(
    client: httpx.Client, app: FastAPI, services: Services, own: dict[str, Any]
) -> None:
    names = [f"kind {letter}" for letter in "abcdefghijklm"]
    x, y = coloured()
    dataset = upload(client, x, np.array(names)[y])
    body = {**SMALL, "training": {"epochs": 1, "batch_size": 16}, "dataset": {"id": dataset}, **own}
    root = train(client, services, **body)
    network = body["network"]["kind"]
    if own["suite"]["kind"] in ("rotation", "augment"):  # the others differ in what is learned alone
        assert answers(client, app, root, network, ()) > 35
    shown(client, app, root, body)
    samples = client.get(f"{root}/samples").json()
    assert np.array(samples["images"]).shape[1:] == (10, 10, 14, 3)
    assert samples["class_names"] == names[:10]
    if network == "flynet":
        drawn = client.get(f"{root}/reconstructions?tasks=0,1").json()
        assert np.array(drawn["images"]).shape == (2, 13, 1, 10, 14, 3)
        assert (drawn["class_names"], drawn["score"]["right_class"] > 0.2) == (names, True)
    seen = client.post(f"{root}/tasks/0/predictions", json={"images": x[:2].tolist()}).json()
    assert {len(row) for row in seen["probabilities"]} == {13}
    assert set(seen["class_names"]) <= set(names)
    csv = client.post(f"{root}/tasks/0/predictions?format=csv", json={"images": x[0].tolist()}).text
    assert csv.startswith("image,class,kind a,")
    refused = client.post(f"{root}/tasks/0/predictions", json={"images": x[:, :, :, 0].tolist()})
    assert (refused.status_code, "10 × 14 × 3 = 420" in refused.text) == (422, True)


@pytest.mark.slow
def test_several_datasets_over_one_base(client: httpx.Client, app: FastAPI, services: Services) -> None:
    ids = [
        upload(client, *coloured(13), name="thirteen"),
        upload(client, *coloured(4, seed=1), name="four"),
        upload(client, *coloured(4, seed=2), name="four"),
    ]
    suite = {"kind": "datasets", "datasets": ids}
    body = {**SMALL, "training": {"epochs": 1, "batch_size": 16}, "suite": suite}
    body["dataset"] = None
    root = train(client, services, **body)
    assert answers(client, app, root, "flynet") > 35
    shown(client, app, root, body)
    labels = client.get(f"{root}/similarity").json()["labels"]
    assert labels == ["thirteen", f"four ({ids[1]})", f"four ({ids[2]})"]
    assert client.get(root).json()["name"] == "three"
    samples = client.get(f"{root}/samples").json()
    assert np.array(samples["images"]).shape == (3, 4, 10, 14, 3)  # classes that all have
    score = client.get(f"{root}/reconstructions").json()["score"]
    assert 0 <= score["right_task"] <= 1


@pytest.mark.slow
def test_named_and_uploaded_datasets_together(client: httpx.Client, app: FastAPI, services: Services) -> None:
    digits = load_dataset("mnist5k", services.settings.data)
    x, y = digits.test_images[:300].reshape(-1, 28, 28), digits.test_labels[:300]
    own = upload(client, 255 - x, y, name="inverted")
    suite = {"kind": "datasets", "datasets": ["mnist5k", own]}
    root = train(client, services, **{**SMALL, "training": {"epochs": 2}, "suite": suite, "dataset": None})
    tasks = client.get(f"{root}/tasks").json()["items"]
    assert [task["label"] for task in tasks] == ["mnist5k", "inverted"]
    assert tasks[0]["accuracy"] > 0.7
    assert client.get(f"{root}/accuracy/matrix").json()["values"][0][0] == tasks[0]["accuracy"]
    assert client.get(f"{root}").json()["spec"]["suite"]["classes"] == "names"
    assert client.get(f"{root}/similarity").json().get("class_overlap") is None
    assert client.get(f"{root}/similarity?null=1").status_code == 409


WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@pytest.mark.slow
def test_classes_and_sizes_that_differ(client: httpx.Client, app: FastAPI, services: Services) -> None:
    digits = load_dataset("mnist5k", services.settings.data)
    x, y = digits.test_images.reshape(-1, 28, 28), digits.test_labels
    large = np.pad(x[..., None].repeat(3, axis=3), ((0, 0), (0, 0), (7, 7), (0, 0)))
    own = upload(client, large, np.array(WORDS)[y], name="words")
    suite = {"kind": "datasets", "datasets": ["mnist5k", own]}
    body = {**SMALL, "training": {"epochs": 2}, "suite": suite, "dataset": None, "null_shuffles": 2}
    refused = client.post("/experiments", json=body)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "suite.datasets.1")
    suite |= {"size": [28, 28], "channels": 1, "fit": "crop", "classes": "nearest"}
    estimate = client.post("/estimates", json=body).json()
    assert estimate["class_overlap"]["shared"] is None
    assert any("words are made 28 × 28 from 28 × 42 × 3" in warning for warning in estimate["warnings"])
    root = train(client, services, **body)
    shown(client, app, root, body)
    similarity = client.get(f"{root}/similarity").json()
    assert similarity["values"][0][1] > 0.5 > similarity["null"]["high"]
    assert similarity["null"]["shuffles"] == 2
    overlap = similarity["class_overlap"]
    assert (overlap["matching"], overlap["outputs"]) == ("nearest", list("0123456789"))
    assert overlap["classes"] == [list("0123456789"), list(WORDS)]
    updates = client.get(f"{root}/similarity?measure=update").json()
    assert updates["values"][0][1] > 0.5 > updates["null"]["high"]
    for path in ("similarity", "similarity/block", "similarity/nearest", "dendrogram", "embedding"):
        warnings = client.get(f"{root}/{path}").json()["warnings"]
        assert any("matched by the means of their images" in warning for warning in warnings), path
        assert any("words are made 28 × 28 from 28 × 42 × 3" in warning for warning in warnings), warnings
    assert client.get(f"{root}/tasks/1/confusion").json()["class_names"] == list(WORDS)
    assert client.get(f"{root}/accuracy").json()["class_names"] == list("0123456789")
    assert client.get(f"{root}/similarity?null=1").json()["null"]["shuffles"] == 1
    for query, status in (("null=3", 409), ("null=1&stage=before", 422), ("null=0", 422)):
        assert client.get(f"{root}/similarity?{query}").status_code == status, query
    assert client.get(f"{root}/similarity?stage=before").json().get("null") is None
    assert client.get(f"{root}/similarity?format=png").content.startswith(b"\x89PNG")
    plot = client.get(f"/dashboard{root}/plots/similarity").json()
    assert "Unrelated labels give" in plot["summary"]
    seen = client.post(
        f"{root}/tasks/1/predictions", json={"images": (x[:40] / 255).round(3).tolist()}
    ).json()
    assert (np.array(seen["class_names"]) == np.array(WORDS)[y[:40]]).mean() > 0.6
    assert client.get(f"{root}/samples").json()["class_names"] == list("0123456789")
    again = client.post("/experiments", json={**body, "null_shuffles": 1, "name": "again"})
    assert (again.status_code, again.json()["links"]["self"]) == (200, root)
    assert client.post("/experiments", json={**body, "null_shuffles": 3}).status_code == 202


def _check_parts(
    client: httpx.Client, app: FastAPI, services: Services, body: dict[str, Any], without: Sequence[str] = ()
) -> str:
    """Everything is answered for an experiment of parts of a dataset; its path."""
    root = train(client, services, **body)
    assert answers(client, app, root, "flynet", ("image/png",), without) > 35
    shown(client, app, root, body)
    similarity = client.get(f"{root}/similarity").json()
    assert similarity["warnings"]
    assert similarity["class_overlap"]["classes"] is not None
    matrix = np.array(client.get(f"{root}/accuracy/matrix").json()["values"])
    assert matrix.shape == (len(similarity["labels"]),) * 2
    return root


@pytest.mark.slow
def test_classes_of_a_split_have_outputs_of_their_own(
    client: httpx.Client, app: FastAPI, services: Services
) -> None:
    body = {**SMALL, "dataset": "mnist5k", "suite": {"kind": "split", "outputs": "own"}}
    root = _check_parts(client, app, services, body, ["geometry"])
    refused = client.get(f"{root}/geometry")
    assert (refused.status_code, "these share 0 classes" in refused.text) == (409, True)
    samples = client.get(f"{root}/samples").json()
    assert samples["labels"] == ["0, 1", "2, 3", "4, 5", "6, 7", "8, 9"]
    confusion = client.get(f"{root}/tasks/1/confusion").json()
    counts = np.array(confusion["counts"])
    assert counts.sum(axis=1).tolist() == [0, 0, 100, 100, 0, 0, 0, 0, 0, 0]
    assert client.get(f"{root}/tasks/1").json()["accuracy"] > 0.8
    per_class = client.get(f"{root}/accuracy").json()["per_class"][1]
    assert [value is None for value in per_class] == [label not in (2, 3) for label in range(10)]


@pytest.mark.slow
def test_domains_that_lack_classes_and_test_images(
    client: httpx.Client, app: FastAPI, services: Services
) -> None:
    classes, domains = NAMED_SETS["pacs"].class_names, NAMED_SETS["pacs"].domains
    rng = np.random.default_rng(0)
    for number, (domain, _) in enumerate(domains):
        for label, name in enumerate(classes):
            folder = services.settings.data / "PACS" / domain / name
            folder.mkdir(parents=True)
            # Photos know no guitars; art has too few horses for a test.
            count = 0 if (number, label) == (2, 3) else 3 if (number, label) == (0, 4) else 11
            for place in range(count):
                pixels = np.full((32, 32, 3), 30 * label + 5 * number) + rng.integers(0, 30, (32, 32, 3))
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{place}.png")
    network = {"kind": "flynet", "expansion": 1}
    training = {"epochs": 1, "train_limit": 60, "batch_size": 16}
    body = {
        **SMALL,
        "dataset": "pacs",
        "suite": {"kind": "domains"},
        "network": network,
        "training": training,
    }
    root = _check_parts(client, app, services, body, ["reconstructions"])  # 12,288 pixels are too many
    assert client.get(f"{root}/similarity").json()["labels"] == [domain for domain, _ in domains]
    overlap = client.get(f"{root}/similarity").json()["class_overlap"]
    assert [row.count(None) for row in overlap["classes"]] == [0, 0, 1, 0]
    assert client.get(f"{root}/geometry").json()["sample"] == {
        "tasks": [0, 1, 2, 3],
        "classes": 6,
        "images": 2,
    }
    assert client.get(f"{root}/accuracy").json()["per_class"][0][4] is None


def test_a_dataset_without_domains_is_told_what_to_do(client: httpx.Client) -> None:
    answer = client.post("/experiments", json={"dataset": "mnist5k", "suite": {"kind": "domains"}})
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert error["field"] == "suite.kind"
    assert "mnist5k has no domains; upload folders domain/class" in error["message"]


@pytest.mark.slow
def test_domains_of_an_upload(client: httpx.Client, app: FastAPI, services: Services) -> None:
    file, rng = io.BytesIO(), np.random.default_rng(0)
    with zipfile.ZipFile(file, "w") as archive:
        for number, domain in enumerate(("art", "photo")):
            for label, name in enumerate(("cat", "dog", "fox")):
                for place in range(12):
                    pixels = np.full((9, 8, 3), 60 * label + 20 * number) + rng.integers(0, 20, (9, 8, 3))
                    picture = io.BytesIO()
                    Image.fromarray(pixels.astype(np.uint8)).save(picture, "PNG")
                    archive.writestr(f"{domain}/{name}/{place}.png", picture.getvalue())
    answer = post(client, file.getvalue(), "application/zip", name="pets")
    assert answer.status_code == 201, answer.text
    training = {"epochs": 2, "batch_size": 8}
    body = {
        **SMALL,
        "dataset": {"id": answer.json()["id"]},
        "suite": {"kind": "domains"},
        "training": training,
    }
    root = train(client, services, **body)
    assert answers(client, app, root, "flynet") > 35
    shown(client, app, root, body)
    similarity = client.get(f"{root}/similarity").json()
    assert similarity["labels"] == ["art", "photo"]
    assert not similarity.get("class_overlap")  # all domains have all classes
    assert client.get(f"/datasets/{answer.json()['id']}").json()["used_by"] == 1
    both = train(
        client, services, **{**body, "suite": {"kind": "split", "order": [["cat", "dog"], ["cat", "fox"]]}}
    )
    assert client.get(f"{both}/similarity").json()["labels"] == ["cat, dog", "cat, fox"]
