"""Tables at 80 and 200 columns: whatever a person copies stands in one piece on one line."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from service.routers.catalog import _catalog
from tgsh import schemas
from tgsh.api_keys import Key
from tgsh.cli import tables
from tgsh.client.results import Experiment
from tgsh.schemas import examples
from tgsh.specs.presets import PRESETS

LONG = "digits that are rotated by ten degrees each, to be told from all the others that were ever made here"
WORD = "supercalifragilisticexpialidocious" * 3
OWNER = "a.person.with.a.long.name@institute.university.example.org.4711"
UPLOADED = "9c56cc51b374c3ba"

pytestmark = pytest.mark.parametrize("width", [80, 200])


@pytest.fixture(autouse=True)
def _terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))


def _experiment(number: int, **spec: Any) -> Experiment:
    changed = {**examples.SPEC, "name": LONG, **spec}
    document = {**examples.EXPERIMENT, "id": f"{number:016x}", "spec": changed, "name": changed["name"]}
    return Experiment.model_validate(document | {"status": "cancelled", "reason": "none in particular"})


def _lines(capsys: pytest.CaptureFixture[str], width: int) -> list[str]:
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    assert not any("…" in line for line in lines)
    return [line.rstrip() for line in lines]


def _whole(text: str, lines: list[str]) -> bool:
    """True where every word of a text is whole; they may be in several lines."""
    return _words(text) <= {word for line in lines for word in _words(line)}


def _words(text: str) -> set[str]:
    return {word.strip(",:") for word in text.split()}


def test_list_tells_runs_apart(capsys: pytest.CaptureFixture[str], width: int) -> None:
    uploaded = {"dataset": {"id": UPLOADED}, "name": WORD}
    rates = [{**examples.SPEC["training"], "learning_rate": rate} for rate in (0.01, 0.001)]
    experiments = [
        _experiment(1, training=rates[0]),
        _experiment(2, training=rates[1]),
        _experiment(3, training=rates[0], seed=7),
        _experiment(4, **uploaded),
    ]
    tables.print_experiments(experiments)
    lines = _lines(capsys, width)
    assert all(_whole(experiment.id, lines) for experiment in experiments)
    assert _whole(LONG, lines)
    assert _whole(UPLOADED, lines)
    text = " ".join(" ".join(lines).split())
    assert text.count("training.learning_rate=0.01") == 2
    assert text.count("training.learning_rate=0.001") == 1
    assert (text.count("seed=0"), text.count("seed=7")) == (2, 1)
    assert all(part in text for part in ("mnist, rotation, 36 tasks, flynet, 3 epochs", "11-24"))
    assert WORD[-20:] in text  # too long for a line: folded, not cut


def test_show(capsys: pytest.CaptureFixture[str], width: int) -> None:
    reason = f"mnist in /srv/{'data/' * 10}MNIST/raw cannot be read: damaged"
    task = schemas.Task.model_validate(examples.TASK | {"status": "failed", "reason": reason})
    tables.print_experiment(_experiment(1), [task])
    lines = _lines(capsys, width)
    assert all(_whole(text, lines) for text in (f"{1:016x}", LONG, reason, "b3c0d1", "10°"))


def test_compare(capsys: pytest.CaptureFixture[str], width: int) -> None:
    ids = [f"{number:016x}" for number in range(6)]
    first = examples.COMPARISON["experiments"][0]
    values = [{"id": UPLOADED}, *range(5)]
    document: Mapping[str, Any] = {
        **examples.COMPARISON,
        "experiments": [{**first, "id": each, "name": LONG} for each in ids],
        "differences": [{"field": "suite.step_degrees.in.a.long.key", "values": values}],
        "pairs": [{**examples.COMPARISON["pairs"][0], "a": ids[4], "b": ids[5]}],
    }
    for count in (2, 6):
        shown = {"experiments": document["experiments"][:count]}
        shown["differences"] = [{**document["differences"][0], "values": values[:count]}]
        tables.print_comparison(schemas.Comparison.model_validate({**document, **shown}))
        lines = _lines(capsys, width)
        assert all(_whole(each, lines) for each in (*ids[:count], *ids[4:], LONG))
        assert _whole("suite.step_degrees.in.a.long.key", lines)
        assert any(UPLOADED in line for line in lines)
        assert _whole("pearson spearman Mantel p same task", lines)


def test_workers(capsys: pytest.CaptureFixture[str], width: int) -> None:
    job = {**examples.WORKERS["workers"][0]["working_on"][0], "name": LONG}
    host = {"name": f"celery@{'node-17.cluster' * 2}/4710", "devices": ["cuda:0"] * 4, "working_on": [job]}
    worker = {**examples.WORKERS["workers"][0], **host, "device_memory_bytes": 80_000_000_000}
    queue = {**examples.WORKERS["queue"], "experiments": [{**examples.WORKERS["queue"]["experiments"][0]}]}
    tables.print_workers(schemas.Workers.model_validate({"workers": [worker], "queue": queue}))
    lines = _lines(capsys, width)
    assert sum(_whole(examples.ID, [line]) for line in lines) == 2  # who works on it; how much waits
    assert _whole(LONG, lines)
    assert _whole(host["name"], lines)


def test_catalog(capsys: pytest.CaptureFixture[str], width: int) -> None:
    entries = _catalog()
    tables.print_catalog(entries)
    lines = _lines(capsys, width)
    for entry in (*entries.presets, *entries.datasets, *entries.suites, *entries.networks):
        assert any(line.split()[:1] == [entry.name] for line in lines), entry.name
        assert "\n    " not in entry.description  # a docstring's
    assert set(PRESETS) <= {line.split()[0] for line in lines if line}


def test_keys(capsys: pytest.CaptureFixture[str], width: int) -> None:
    made = datetime(2026, 11, 24, tzinfo=UTC)
    tables.print_keys([Key(name=OWNER, role="submit", sha256="0" * 64, created_at=made, expires_at=made)])
    lines = _lines(capsys, width)
    assert _whole(f"{OWNER} submit 2026-11-24 (expired)", lines)


def test_datasets(capsys: pytest.CaptureFixture[str], width: int) -> None:
    changes = {"name": "n" * 64, "owner": OWNER, "images": 1_000_000, "height": 128, "width": 128}
    dataset = schemas.Dataset.model_validate(examples.DATASET | changes)
    tables.print_datasets([dataset])
    lines = _lines(capsys, width)
    assert all(_whole(text, lines) for text in (UPLOADED, dataset.name, "128 × 128 × 3", "1,000,000"))
    assert OWNER in "".join("".join(lines).split())
    tables.print_dataset(dataset)
    assert all(_whole(text, _lines(capsys, width)) for text in (UPLOADED,))
