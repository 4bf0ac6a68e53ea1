"""Which requests no worker that lives could carry out."""

from __future__ import annotations

import socket

import pytest

from service import fleet
from service.fleet import images_reason, preview_refusal, refusal
from tgsh.specs import ExperimentSpec
from tgsh.specs.presets import PRESETS
from tgsh.store.models import WorkerRecord

HERE = socket.gethostname()


def worker(has_torch: bool = True, *datasets: str, host: str = HERE, tells: bool = True) -> WorkerRecord:
    return WorkerRecord(
        name="w",
        host=host,
        pid=1,
        slots=["cpu"],
        has_torch=has_torch,
        seen_at=0.0,
        datasets=list(datasets) if tells else None,
        data_dir="/srv/datasets" if tells else None,
    )


AUGMENT = ExperimentSpec.model_validate({"network": {"kind": "tgsh"}, "suite": {"kind": "augment"}})


def test_all_that_needs_torch_is_refused_at_once_where_no_worker_has_it() -> None:
    error = refusal(AUGMENT, [worker(False, "mnist")])
    assert error is not None
    assert [field for field, _ in error.fields] == ["network.kind", "suite.kind"]
    assert error.fields[1][1].startswith("augment needs torch: pip install 'tgsh[worker]'")
    assert str(error).count("\n") == 1
    suite_only = preview_refusal(AUGMENT, [worker(False, "mnist")])
    assert suite_only is not None
    assert [field for field, _ in suite_only.fields] == ["suite.kind"]
    assert refusal(AUGMENT, [worker(False, "mnist"), worker(True, "mnist")]) is None
    assert refusal(AUGMENT, []) is None  # a worker that starts later may have it
    assert refusal(PRESETS["rotation-mnist"], [worker(False, "mnist")]) is None


@pytest.fixture
def mirrors(monkeypatch: pytest.MonkeyPatch) -> dict[str, str | None]:
    """Causes for which mirrors do not answer, by dataset; each request of them is fresh."""
    causes: dict[str, str | None] = {"mnist": "Name or service not known", "kmnist": None}
    monkeypatch.setattr(fleet, "unreachable_reason", causes.__getitem__)
    monkeypatch.setattr(fleet, "_mirrors", fleet._Mirrors())
    return causes


def test_images_that_nobody_has_and_nobody_can_download_are_refused_with_files_and_folder(
    mirrors: dict[str, str | None],
) -> None:
    reason = images_reason("mnist", [worker(True, "mnist5k")])
    assert reason is not None
    first, second = reason.splitlines()
    assert first == "mnist is not here and cannot be downloaded: Name or service not known"
    assert second.startswith("Put train-images-idx3-ubyte, ")
    assert second.endswith("(or .gz) into /srv/datasets/MNIST/raw, or use mnist5k, which needs none")
    error = refusal(PRESETS["rotation-mnist"], [worker(True, "mnist5k")])
    assert error is not None
    assert error.fields == (("dataset", reason),)
    both = refusal(AUGMENT, [worker(False, "mnist5k")])
    assert both is not None
    assert [field for field, _ in both.fields] == ["network.kind", "suite.kind", "dataset"]


@pytest.mark.parametrize(
    "workers",
    [
        [],
        [worker(True, "mnist5k", "mnist")],
        [worker(True, "mnist5k"), worker(True, "mnist")],
        [worker(tells=False)],
        [worker(True, "mnist5k"), worker(True, host="elsewhere")],
    ],
    ids=["none lives", "it is there", "one has it", "an earlier version", "another machine's network"],
)
def test_images_are_not_refused_where_a_worker_has_them_or_may_get_them(
    workers: list[WorkerRecord], mirrors: dict[str, str | None]
) -> None:
    assert images_reason("mnist", workers) is None


def test_what_can_be_downloaded_or_needs_no_file_is_not_refused(mirrors: dict[str, str | None]) -> None:
    assert images_reason("kmnist", [worker(True, "mnist5k")]) is None
    assert images_reason("mnist5k", [worker(True)]) is None


def test_a_mirror_is_tried_once_a_minute(
    mirrors: dict[str, str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = [worker(True, "mnist5k")]
    assert images_reason("mnist", alone) is not None
    mirrors["mnist"] = None
    assert images_reason("mnist", alone) is not None
    monkeypatch.setattr(fleet, "PROBE_SECONDS", 0)
    assert images_reason("mnist", alone) is None
