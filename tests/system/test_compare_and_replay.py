"""As a user types it, against real processes: submit twice, compare, bundle, replay."""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.support.bundles import npy, packed_bundle, unpack
from tgsh.bundles.writer import STUDY_FORMAT, Member, pack
from tgsh.cli.application import app
from tgsh.client import Client
from tgsh.errors import ServiceProblem
from tgsh.schemas import Experiment
from tgsh.stack.stack import Stack

TINY: dict[str, Any] = {
    "preset": "demo",
    "name": "tiny",
    "suite": {"tasks": 3},
    "network": {"expansion": 2},
    "training": {"epochs": 2, "train_limit": 500},
}

Tgsh = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("answers") / "home", workers=1) as running:
        yield running


@pytest.fixture(scope="module")
def client(stack: Stack) -> Iterator[Client]:
    with Client(stack.url) as connected:
        yield connected


@pytest.fixture(scope="module")
def done(client: Client) -> Experiment:
    """An experiment that a real worker trained."""
    ended = client.wait(client.submit(TINY).id, timeout=120)
    assert ended.status == "completed", ended.reason
    return ended


@pytest.fixture(scope="module")
def bundle(client: Client, done: Experiment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return client.bundle(done.id, tmp_path_factory.mktemp("bundle") / "bundle.zip")


@pytest.fixture
def tgsh(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tgsh:
    """Type a command against the stack, in an empty folder; in this process, for speed."""
    monkeypatch.chdir(tmp_path)
    for name, value in {"TGSH_URL": stack.url, "TGSH_HOME": str(tmp_path), "COLUMNS": "160"}.items():
        monkeypatch.setenv(name, value)

    def typed(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        result = CliRunner().invoke(app, arguments, input=text)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return subprocess.CompletedProcess(arguments, result.exit_code, result.stdout, result.stderr)

    return typed


def test_a_second_submit_is_answered_by_the_first(tgsh: Tgsh, client: Client, done: Experiment) -> None:
    again = tgsh("submit", "-", text=json.dumps({**TINY, "name": "again", "tags": ["t"]}))
    assert again.returncode == 0
    assert again.stdout.startswith("Already computed on 2")
    assert f"as {done.id}; --anew trains it again" in again.stdout
    watched = tgsh("submit", "-", "--watch", text=json.dumps(TINY))
    assert (watched.returncode, "Mean test accuracy 0." in watched.stdout) == (0, True)
    told = json.loads(tgsh("submit", "-", "--json", text=json.dumps(TINY)).stdout)
    assert (told["id"], told["stored_answer"]) == (done.id, True)
    assert client.submit(TINY).stored_answer
    anew = json.loads(tgsh("submit", "-", "--json", "--anew", text=json.dumps(TINY)).stdout)
    assert (anew["id"] == done.id, anew["stored_answer"]) == (False, False)
    assert client.wait(anew["id"], timeout=60).digest == done.digest
    same = [client.fetch(id, "context-vectors", format="npy") for id in (anew["id"], done.id)]
    assert same[0] == same[1]
    client.delete(anew["id"])


def test_a_matrix_that_was_not_measured_is_no_answer(client: Client, done: Experiment) -> None:
    asked = client.submit({**TINY, "accuracy_matrix": True})
    assert (asked.stored_answer, asked.digest) == (False, done.digest)
    client.cancel(asked.id)


def test_experiments_are_compared(tgsh: Tgsh, client: Client, done: Experiment) -> None:
    other = client.wait(client.submit({**TINY, "seed": 1}).id, timeout=60)
    found = client.comparison([done.id, other.id], measure="correlation", permutations=99)
    assert [each.field for each in found.differences] == ["seed"]
    assert found.pairs[0].pearson is not None
    assert found.pairs[0].same_task is not None
    assert found.pairs[0].same_task.mean > 0.8  # the same tasks over the same base
    shown = tgsh("compare", done.id, other.id[:8])
    assert shown.returncode == 0, shown.stderr
    assert all(word in shown.stdout for word in (done.id, other.id, "seed", "pearson", "5 permutations"))
    assert json.loads(tgsh("compare", done.id, other.id, "--json").stdout)["same_base"] is True
    written = tgsh("compare", done.id, other.id, "-o", "both.svg", "--part", "difference")
    assert written.returncode == 0, written.stderr
    assert Path("both.svg").read_text("utf-8").rstrip().endswith("</svg>")
    alone = tgsh("compare", done.id)
    assert (alone.returncode, "2 to 50 are compared" in alone.stderr) == (2, True)
    agreed = tgsh("agree", done.id[:8], "circular(angle)", "--partial", other.id)
    assert agreed.returncode == 0, agreed.stderr
    assert all(word in agreed.stdout for word in ("pearson", "3 tasks", "other orders"))
    refused = tgsh("agree", done.id, "circle(angle)")
    assert (refused.returncode, "circular, abs, same" in " ".join(refused.stderr.split())) == (2, True)
    client.cancel(other.id) if other.status == "running" else client.delete(other.id)


def test_a_bundle_is_the_same_by_every_way(
    tgsh: Tgsh, client: Client, done: Experiment, bundle: Path, tmp_path: Path
) -> None:
    written = tgsh("bundle", done.id[:8])
    assert written.returncode == 0, written.stderr
    assert f"tgsh replay tgsh-{done.id}.zip" in written.stdout
    assert tgsh("fetch", done.id, "bundle", "-o", "deep/fetched.zip").returncode == 0
    for name in (f"tgsh-{done.id}.zip", "deep/fetched.zip"):
        assert (tmp_path / name).read_bytes() == bundle.read_bytes()
    assert tgsh("bundle", done.id, "-o", "/proc/nowhere/b.zip").returncode == 2
    slow = client.submit({**TINY, "training": {"epochs": 1000}})
    with pytest.raises(ServiceProblem, match="a bundle is made of a completed experiment"):
        client.bundle(slow.id, tmp_path / "none.zip")
    client.cancel(slow.id)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep", f"tgsh-{done.id}.zip"]


def test_a_replay_gives_the_same_bytes(tgsh: Tgsh, bundle: Path, tmp_path: Path) -> None:
    replayed = tgsh("replay", str(bundle), "--workers", "1", "-o", "again")
    assert replayed.returncode == 0, replayed.stderr + replayed.stdout
    assert "The same bytes: vectors of 3 tasks" in replayed.stdout
    [vectors] = (tmp_path / "again" / "artifacts").rglob("vectors-*.npy")
    assert vectors.read_bytes() == unpack(bundle.read_bytes())["vectors.npy"]
    full = tgsh("replay", str(bundle), "-o", "again")
    assert (full.returncode, "not empty" in full.stderr) == (2, True)


def test_what_was_tampered_with_is_refused_before_training(tgsh: Tgsh, bundle: Path, tmp_path: Path) -> None:
    content = bytearray(bundle.read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "bad.zip").write_bytes(content)
    (tmp_path / "cut.zip").write_bytes(content[:-100])
    for name in ("bad.zip", "cut.zip", "missing.zip"):
        refused = tgsh("replay", name, "-o", "nothing")
        assert refused.returncode == 2
        assert refused.stderr.startswith(name)
        assert len(refused.stderr.splitlines()) == 1
    assert not (tmp_path / "nothing").exists()


def changed(bundle: Path, target: Path, **others: bytes) -> str:
    """A bundle whose hashes are right, and whose files do not belong together; its name."""
    files = unpack(bundle.read_bytes())
    del files["manifest.json"]
    target.write_bytes(
        packed_bundle({**files, **{name.replace("_", "."): data for name, data in others.items()}})
    )
    return str(target)


def test_changed_vectors_and_other_images_are_told(tgsh: Tgsh, bundle: Path, tmp_path: Path) -> None:
    files = unpack(bundle.read_bytes())
    vectors = np.load(io.BytesIO(files["vectors.npy"]))
    vectors[2, 1, 7] *= 1.5
    experiment, datasets = (json.loads(files[name]) for name in ("experiment.json", "datasets.json"))
    experiment["versions"]["torch"] = "1.0"
    datasets["images"][0]["train"] = "0" * 64
    name = changed(
        bundle,
        tmp_path / "b.zip",
        vectors_npy=npy(vectors),
        experiment_json=json.dumps(experiment).encode(),
        datasets_json=json.dumps(datasets).encode(),
    )
    replayed = tgsh("replay", name, "--workers", "1", "--json")
    assert replayed.returncode == 1
    found = json.loads(replayed.stdout)
    assert found["same"] is False
    assert [(task["index"], task["label"], task["epoch"]) for task in found["others"]] == [(1, "10°", 2)]
    assert 0 < found["others"][0]["largest"] <= 0.5
    assert found["differs"].keys() == {"version of torch", "images"}
    assert found["differs"]["version of torch"]["bundle"] == "1.0"


def test_another_seed_and_another_compute_path_are_told(
    tgsh: Tgsh, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = {**json.loads(unpack(bundle.read_bytes())["spec.json"]), "seed": 7}
    name = changed(bundle, tmp_path / "b.zip", spec_json=json.dumps(spec).encode())
    monkeypatch.setenv("TGSH_COMPUTE", "torch")
    replayed = tgsh("replay", name, "--workers", "1")
    assert replayed.returncode == 1
    assert replayed.stderr.splitlines()[-1].startswith("Other bytes: ")
    for index, label in enumerate(("0°", "10°", "20°")):
        assert f"task {index} ({label}): from epoch 0 on" in replayed.stdout
    assert "numba" in replayed.stdout
    assert "1 thread here" in replayed.stdout


def test_a_study_is_bundled_and_replayed(tgsh: Tgsh, client: Client, tmp_path: Path) -> None:
    study = client.study({**TINY, "training": {"epochs": 1, "train_limit": 500}}, seeds=2, name="two seeds")
    assert client.wait_study(study.id, timeout=120, progress=False).status == "completed"
    assert tgsh("bundle", study.id[:8], "-o", "study.zip").returncode == 0
    replayed = tgsh("replay", "study.zip", "--workers", "1", "--json")
    assert replayed.returncode == 0, replayed.stderr
    found = json.loads(replayed.stdout)
    assert sorted(found) == sorted(each.experiment or "" for each in study.members)
    assert all(each["same"] for each in found.values())
    files = unpack((tmp_path / "study.zip").read_bytes())
    name = f"experiments/{study.members[1].experiment}.zip"
    inside = unpack(files[name])
    vectors = np.load(io.BytesIO(inside["vectors.npy"]))
    vectors[1, 2, 3] += 1
    del inside["manifest.json"], files["manifest.json"]
    files[name] = packed_bundle({**inside, "vectors.npy": npy(vectors)})
    members = (Member(each, len(content), (content,)) for each, content in files.items())
    (tmp_path / "changed.zip").write_bytes(b"".join(pack(members, {}, STUDY_FORMAT)))
    changed = tgsh("replay", "changed.zip", "--workers", "1")
    assert changed.returncode == 1
    assert (changed.stdout.count("The same bytes"), "task 2" in changed.stdout) == (1, True)
