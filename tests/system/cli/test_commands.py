"""`tgsh` as a user types it, against a real stack."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.system.cli.conftest import TINY, Tgsh
from tgsh.stack.stack import Stack

RUN = [sys.executable, "-c", "import sys; from tgsh.cli import app; sys.exit(app())"]


def run(
    *arguments: str, cwd: Path, url: str | None = None, text: str = ""
) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TGSH_")}
    environment |= {"COLUMNS": "160"} | ({"TGSH_URL": url} if url else {})
    return subprocess.run(
        [*RUN, *arguments], input=text, capture_output=True, text=True, cwd=cwd, env=environment, check=False
    )


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("cli") / "home") as running:
        yield running


@pytest.fixture(scope="module")
def done(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The id of a finished experiment; the first command of all, on an empty store."""
    folder = tmp_path_factory.mktemp("first")
    empty = run("list", cwd=folder, url=stack.url)
    assert "tgsh submit demo" in empty.stdout
    (folder / "tiny.json").write_text(json.dumps(TINY))
    watched = run("submit", "tiny.json", "--watch", cwd=folder, url=stack.url)
    assert watched.returncode == 0, watched.stderr
    assert "Mean test accuracy 0." in watched.stdout
    assert "100%  2/2 tasks" in watched.stderr
    return watched.stdout.split()[1]


def test_list_and_show(tgsh: Tgsh, done: str) -> None:
    listed = json.loads(tgsh("list", "--status", "completed", "--json").stdout)
    assert done in {experiment["id"] for experiment in listed}
    assert done in tgsh("list").stdout
    assert "No experiment fits" in tgsh("list", "--tag", "no such tag").stdout
    shown = tgsh("show", done)
    assert all(word in shown.stdout for word in ("completed", "base id", "0°", "10°"))
    assert json.loads(tgsh("show", done, "--json").stdout)["id"] == done


def test_fetch_takes_the_format_from_the_ending(tgsh: Tgsh, done: str, tmp_path: Path) -> None:
    for resource, name in (
        ("similarity", "s.csv"),
        ("similarity", "s.png"),
        ("dendrogram", "tree.nwk"),
        ("context-vectors", "deep/v.npy"),
    ):
        fetched = tgsh("fetch", done, resource, "-o", name)
        assert fetched.returncode == 0, fetched.stderr
    assert len(list(csv.reader(io.StringIO((tmp_path / "s.csv").read_text())))) == 3
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")
    assert np.load(tmp_path / "deep" / "v.npy", allow_pickle=False).shape == (2, 7840)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep", "s.csv", "s.png", "tree.nwk"]
    assert (tmp_path / "tree.nwk").read_text("utf-8").startswith("('0°':")
    space = tgsh("fetch", done, "embedding", "-o", "-", "--format", "csv", "--dimensions", "3")
    assert space.stdout.splitlines()[0] == "task,label,x,y,z"
    course = tgsh("fetch", done, "similarity/epochs", "-o", "-", "--format", "csv", "--pairs", "1-0")
    assert course.stdout.splitlines()[0] == "epoch,1-0"
    assert tgsh("fetch", done, "figures/accuracy", "-o", "a.svg").returncode == 0
    assert (tmp_path / "a.svg").read_bytes().startswith(b"<?xml")
    assert tgsh("fetch", done, "figures/similarity", "-o", "b.png", "--stage", "before").returncode == 2
    before = tgsh("fetch", done, "similarity", "-o", "-", "--format", "json", "--stage", "before")
    assert json.loads(before.stdout)["stage"] == "before"
    both = tgsh("fetch", done, "geometry", "-o", "-", "--format", "csv", "--baseline", done[:8])
    assert both.stdout.splitlines()[0].endswith("baseline after inter")
    layer = tgsh("fetch", done, "dendrogram", "-o", "-", "--format", "json", "--layer", "layer-1")
    assert json.loads(layer.stdout)["layer"] == "layer-1"
    assert tgsh("fetch", done, "similarity", "-o", "no-ending").returncode == 2
    assert tgsh("fetch", done, "similarity", "-o", "s.gif").returncode == 2
    assert tgsh("fetch", done, "similarity", "-o", "/proc/nothing.csv").returncode == 2


def test_ids_may_be_abbreviated(tgsh: Tgsh, done: str) -> None:
    submit = ("submit", "-", "--json", "--anew")
    others = [json.loads(tgsh(*submit, text=json.dumps(TINY)).stdout)["id"] for _ in range(2)]
    length = next(n for n in range(1, 17) if not any(other[:n] == done[:n] for other in others))
    assert json.loads(tgsh("show", done[:length], "--json").stdout)["id"] == done
    ambiguous = tgsh("show", "")
    assert ambiguous.returncode == 4
    assert all(candidate in ambiguous.stderr for candidate in (done, *others))
    assert "no experiment's id begins with 'xyz'" in tgsh("show", "xyz").stderr


def test_cancel_resume_delete(tgsh: Tgsh, tmp_path: Path) -> None:
    slow = {"preset": "demo", "training": {"epochs": 1000}, "suite": {"tasks": 2}}
    made = json.loads(tgsh("submit", "-", "--json", text=json.dumps(slow)).stdout)["id"]
    while '"queued"' in tgsh("show", made, "--json").stdout:
        time.sleep(0.05)
    running = tgsh("delete", made, "--yes")
    assert (running.returncode, "cancel" in running.stderr) == (5, True)
    assert tgsh("cancel", made).returncode == 0
    say = 'echo "$TGSH_EXPERIMENT $TGSH_STATUS" > told; exit 3'
    watched = tgsh("watch", made, "--then", say)
    assert (watched.returncode, "cancelled" in watched.stderr) == (1, True)
    assert "--then: exit status 3" in watched.stderr
    assert (tmp_path / "told").read_text() == f"{made} cancelled\n"
    assert tgsh("resume", made).returncode == 0
    assert tgsh("cancel", made).returncode == 0
    tgsh("watch", made)
    assert tgsh("delete", made, text="n\n").returncode == 1
    assert tgsh("delete", made, text="y\n").returncode == 0
    gone = tgsh("show", made)
    assert gone.returncode == 4
    assert len(gone.stderr.splitlines()) == 1


def test_bad_specs_name_what_is_wrong(tgsh: Tgsh, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{'preset': 'demo'}")
    assert "bad.json: is not JSON" in tgsh("submit", "bad.json").stderr
    for command in (["submit", "-"], ["run", "-", "-o", "out"]):
        unknown = tgsh(*command, text=json.dumps(TINY | {"epocks": 3}))
        assert unknown.returncode == 2
        assert "epocks" in unknown.stderr
        assert "Traceback" not in unknown.stderr
    for source, text in (("-", "[1]"), ("-", '{"seed": NaN}'), ("missing.json", ""), (".", "")):
        refused = tgsh("submit", source, text=text)
        assert refused.returncode == 2
        assert len(refused.stderr.splitlines()) == 1
    preset = tgsh("submit", "no-such-preset")
    assert preset.returncode == 2
    assert "preset: must be one of '5-datasets', 'augment-mnist', 'demo'" in preset.stderr
    assert len(preset.stderr.splitlines()) == 1


def test_another_dataset_by_its_name(tgsh: Tgsh, tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 28, 28), dtype=np.uint8)
    np.savez(tmp_path / "leaves.npz", x=images, y=np.arange(40) % 2)
    uploaded = json.loads(tgsh("datasets", "add", "leaves.npz", "--json").stdout)["id"]
    spec = json.dumps(TINY | {"training": {"epochs": 1, "train_limit": 20}})
    for reference in ("leaves", uploaded[:9], uploaded):
        made = tgsh("submit", "-", "--dataset", reference, "--json", text=spec)
        assert json.loads(made.stdout)["spec"]["dataset"] == {"id": uploaded}, made.stderr
    named = json.loads(tgsh("submit", "rotation-mnist", "--dataset", "mnist5k", "--json").stdout)
    assert named["spec"]["dataset"] == "mnist5k"
    assert tgsh("cancel", named["id"]).returncode == 0
    assert "36 tasks" in tgsh("estimate", "rotation-mnist", "--dataset", "mnist5k").stdout
    unknown = tgsh("estimate", "rotation-mnist", "--dataset", "flowers")
    assert (unknown.returncode, "no dataset is called 'flowers'" in unknown.stderr) == (4, True)


def test_ctrl_c_while_watching_leaves_the_experiment(tgsh: Tgsh, stack: Stack, tmp_path: Path) -> None:
    spec = json.dumps({"preset": "demo", "training": {"epochs": 1000}, "suite": {"tasks": 2}})
    made = json.loads(tgsh("submit", "-", "--json", text=spec).stdout)["id"]
    environment = dict(os.environ) | {"TGSH_URL": stack.url}
    watching = subprocess.Popen([*RUN, "watch", made], stderr=subprocess.PIPE, text=True, env=environment)
    assert watching.stderr
    assert watching.stderr.readline() == "rotation on mnist5k, flynet\n"  # it watches now
    time.sleep(0.5)
    watching.send_signal(signal.SIGINT)
    _, said = watching.communicate(timeout=60)
    assert watching.returncode == 130
    assert f"tgsh watch {made[:6]}" in said
    assert "Traceback" not in said
    assert json.loads(tgsh("show", made, "--json").stdout)["status"] in {"queued", "running"}
    tgsh("cancel", made)


def test_run_needs_no_service(tmp_path: Path) -> None:
    (tmp_path / "tiny.json").write_text(json.dumps(TINY))
    ended = run("run", "tiny.json", "-o", "out", "--workers", "1", cwd=tmp_path, url="http://127.0.0.1:1")
    assert ended.returncode == 0, ended.stderr
    assert {"similarity.csv", "similarity.png"} <= {path.name for path in (tmp_path / "out").iterdir()}


def test_no_service_is_status_3(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    refused = run("list", "--url", url, cwd=tmp_path)
    assert refused.returncode == 3
    assert url in refused.stderr
    assert "tgsh up" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_catalog_version_and_usage(tgsh: Tgsh) -> None:
    assert "rotation-mnist" in tgsh("catalog").stdout
    assert "spec_schema" in json.loads(tgsh("catalog", "--json").stdout)
    assert tgsh("version").stdout.startswith("tgsh 0.")
    assert tgsh("no-such-command").returncode == 2


def test_help_imports_nothing_heavy() -> None:
    heavy = "{'torch', 'numpy', 'httpx', 'pydantic', 'matplotlib', 'psutil'}"
    code = (
        f"import sys; import tgsh.cli; sys.exit(str(found) if (found := {heavy} & sys.modules.keys()) else 0)"
    )
    checked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
