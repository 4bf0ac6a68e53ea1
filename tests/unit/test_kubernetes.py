"""The manifests of tgsh/deploy/kubernetes against two releases of Kubernetes, and against one another."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.support.compose import ROOT
from tgsh.store.scheduling import QUEUE, TORCH_QUEUE

FOLDER = ROOT / "tgsh" / "deploy" / "kubernetes"
RELEASES = ("1.33", "1.36")
KEDA = "keda.sh/"
"""Kinds that are KEDA's are none of Kubernetes' own: the guide says how they were checked."""

Document = dict[str, Any]


def documents() -> dict[tuple[str, str], Document]:
    """All manifests by kind and name."""
    found = {}
    for file in sorted(FOLDER.glob("*.yml")):
        for document in yaml.safe_load_all(file.read_text("utf-8")):
            found[document["kind"], document["metadata"]["name"]] = document
    return found


def own() -> list[Document]:
    return [each for each in documents().values() if not each["apiVersion"].startswith(KEDA)]


def pods() -> Iterator[Document]:
    for each in own():
        if "template" in each.get("spec", {}):
            yield each["spec"]["template"]["spec"]


@pytest.mark.parametrize("release", RELEASES)
def test_every_manifest_is_one_that_kubernetes_takes(release: str) -> None:
    assert len(own()) >= 8
    for document in own():
        kubernetes_validate.validate(document, release, strict=True)


def test_a_misspelt_field_is_found() -> None:
    worker = copy.deepcopy(documents()["Deployment", "tgsh-worker-cpu"])
    worker["spec"]["template"]["spec"]["terminationGraceSeconds"] = 1
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(worker, RELEASES[1], strict=True)


def test_what_a_manifest_names_is_there() -> None:
    known = documents()
    for pod in pods():
        for volume in pod.get("volumes", []):
            if "persistentVolumeClaim" in volume:
                assert ("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]) in known
        for container in pod["containers"]:
            for source in container.get("envFrom", []):
                assert source.get("configMapRef", {"name": "tgsh"}) == {"name": "tgsh"}
    for each in known.values():
        if each["kind"] == "ScaledObject":
            assert ("Deployment", each["spec"]["scaleTargetRef"]["name"]) in known
            assert "replicas" not in known["Deployment", each["spec"]["scaleTargetRef"]["name"]]["spec"]
            for trigger in each["spec"]["triggers"]:
                assert ("TriggerAuthentication", trigger["authenticationRef"]["name"]) in known
                host = trigger["metadata"]["address"].partition(":")[0]
                assert ("Service", host) in known


def test_workers_scale_by_the_queues_that_jobs_wait_in() -> None:
    scaled = {
        each["spec"]["scaleTargetRef"]["name"]: each["spec"]["triggers"][0]["metadata"]["listName"]
        for each in documents().values()
        if each["kind"] == "ScaledObject"
    }
    assert scaled == {"tgsh-worker-cpu": QUEUE, "tgsh-worker-gpu": TORCH_QUEUE}


def test_no_pod_runs_as_root_or_writes_where_it_need_not() -> None:
    assert len(list(pods())) == 4
    for pod in pods():
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["automountServiceAccountToken"] is False
        for container in pod["containers"]:
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"]
            assert security["allowPrivilegeEscalation"] is False
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert "limits" in container["resources"]


def test_the_guide_names_every_key_of_the_secret() -> None:
    guide = (ROOT / "tgsh" / "docs" / "kubernetes.md").read_text("utf-8")
    keys = {
        "TGSH_REDIS_PASSWORD",
        "TGSH_REDIS_URL",
        "TGSH_DATABASE_URL",
        "FSSPEC_S3_KEY",
        "FSSPEC_S3_SECRET",
    }
    assert all(f"--from-literal={key}=" in guide for key in keys)
