"""Who holds a dataset, who sees it, and that what is used stays, whoever is faster."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath

import numpy as np
import pytest
from sqlalchemy import func, select

from tests.support.jobs import submitted
from tgsh.errors import ArtifactCorrupt, ArtifactMissing, Conflict, NotFound, QuotaExceeded
from tgsh.specs import DatasetsSuite, ExperimentSpec, RotationSuite, TrainingSpec, UploadedDataset
from tgsh.store import datasets, experiments, queries
from tgsh.store.artifacts import Artifacts
from tgsh.store.backup import _referenced
from tgsh.store.database import Database
from tgsh.store.experiments import ExperimentPlan, PlannedTask
from tgsh.store.maintenance import remove_orphans
from tgsh.store.models import DatasetRecord, HolderRecord, UseRecord
from tgsh.store.ownership import Owner, require_storage_quota

ID = "a" * 16


def record(id: str = ID, sha256: str = "0" * 64, size: int = 1000) -> DatasetRecord:
    return DatasetRecord(
        id=id,
        sha256=sha256,
        height=5,
        width=6,
        channels=1,
        class_names=["a", "b"],
        train=9,
        test=3,
        mean=0.5,
        deviation=0.25,
        bytes=size,
        images=f"datasets/{id}-1/images.npy",
        images_sha256="1" * 64,
        labels=f"datasets/{id}-1/labels.npy",
        labels_sha256="2" * 64,
    )


def add(
    database: Database, record: DatasetRecord, name: str, owner: str | None, shared: bool
) -> tuple[bool, bool]:
    holder = HolderRecord(dataset_id=record.id, owner=owner or "", name=name, shared=shared)
    return datasets.add(database, record, holder)


def using(database: Database, owner: str | None, *ids: str, shared: bool = False) -> str:
    """An experiment of that owner on these datasets."""
    if len(ids) == 1:
        spec = ExperimentSpec(dataset=UploadedDataset(id=ids[0]), suite=RotationSuite(tasks=1))
    else:
        spec = ExperimentSpec(dataset=None, suite=DatasetsSuite(datasets=ids), training=TrainingSpec())
    plan = ExperimentPlan([PlannedTask("a", {})], "b" * 64, ids)
    return experiments.submit(database, spec, plan, None, Owner(owner), shared)[0]


def seen(database: Database, visible_to: str | None) -> list[tuple[str, str | None]]:
    return [(held.holder.name, held.owner) for held in datasets.page(database, visible_to, 10)]


def test_two_who_hold_the_same_learn_nothing_of_each_other(database: Database) -> None:
    assert add(database, record(), "alice's", "alice", False) == (True, True)
    with pytest.raises(NotFound):
        datasets.get(database, ID, "bob")
    assert add(database, record(), "bob's", "bob", False) == (False, True)
    assert add(database, record(), "other", "bob", False) == (False, False)
    assert [seen(database, who) for who in ("alice", "bob", "rita")] == [
        [("alice's", "alice")],
        [("bob's", "bob")],
        [],
    ]
    assert len(seen(database, None)) == 1  # an admin sees it once
    with pytest.raises(Conflict, match="another dataset"):
        add(database, record(sha256="f" * 64), "x", "rita", False)

    using(database, "bob", ID)
    assert datasets.remove(database, ID, "alice", "alice") == []  # bob's experiments have bob's hold
    assert (seen(database, "alice"), seen(database, "bob")) == ([], [("bob's", "bob")])
    with pytest.raises(Conflict):
        datasets.remove(database, ID, "bob", "bob")


def test_the_same_content_from_many_at_once_is_kept_once(database: Database) -> None:
    ready = threading.Barrier(6)

    def keep(number: int) -> tuple[bool, bool]:
        ready.wait()
        return add(database, record(), "x", f"owner {number % 3}", False)

    with ThreadPoolExecutor(6) as threads:
        told = list(threads.map(keep, range(6)))
    assert sum(is_new for is_new, _ in told) == 1
    assert sum(holds for _, holds in told) == 3
    assert len(seen(database, None)) == 1


def test_what_is_shared_or_nobodys_is_seen(database: Database) -> None:
    add(database, record(), "alice's", "alice", False)
    datasets.change(database, ID, "alice", {"shared": True})
    add(database, record("b" * 16, "b" * 64), "old", None, False)
    assert seen(database, "bob") == [("old", None), ("alice's", "alice")]
    newest = datasets.page(database, "bob", 1)[0]
    event_feed = datasets.page(database, "bob", 5, (newest.holder.created_at, newest.record.id))
    assert [held.record.id for held in event_feed] == [ID]
    datasets.change(database, ID, "alice", {"shared": False})
    assert seen(database, "bob") == [("old", None)]
    for change, how in ((datasets.change, {"shared": False}), (datasets.remove, False)):
        with pytest.raises(NotFound):
            change(database, ID, "bob", how)  # type: ignore[operator]


def test_what_experiments_use_stays_and_they_are_named(database: Database) -> None:
    for letter in "ab":
        add(database, record(letter * 16, letter * 64), letter, "alice", True)
    mine = using(database, "alice", ID)
    both = using(database, "bob", ID, "b" * 16)
    assert [datasets.get(database, ID, who).used_by for who in ("alice", "bob", None)] == [1, 1, 2]
    found = queries.experiments(database, queries.Filters(dataset="b" * 16), 5)
    assert [snapshot.record.id for snapshot in found] == [both]
    with pytest.raises(Conflict, match=rf": {mine} \(.*\); delete them first") as told:
        datasets.remove(database, ID, "alice", "alice")
    assert both not in str(told.value)
    with pytest.raises(Conflict, match=f"{mine} .*{both}"):
        datasets.remove(database, ID, None, None)
    for experiment in (mine, both):
        experiments.delete(database, experiment)
    assert datasets.remove(database, ID, "alice", "alice") == [str(PurePosixPath(record().images).parent)]
    with pytest.raises(NotFound):
        using(database, "alice", ID)
    assert submitted(database)  # of no uploaded dataset


def test_a_holder_lets_go_of_what_only_hidden_experiments_use(database: Database) -> None:
    add(database, record(), "x", "alice", True)
    hidden = using(database, "bob", ID)
    shown = using(database, "bob", ID, shared=True)
    with pytest.raises(Conflict) as told:
        datasets.remove(database, ID, "alice", "alice")
    assert (shown in str(told.value), hidden in str(told.value)) == (True, False)
    assert "1 more" not in str(told.value)
    experiments.delete(database, shown)
    assert datasets.remove(database, ID, "alice", "alice") == []
    assert (seen(database, "alice"), seen(database, "bob"), seen(database, None)) == ([], [], [])
    assert datasets.content(database, ID).id == ID  # bob's workers go on
    assert datasets.forget_unheld(database) == 0
    with pytest.raises(NotFound):
        datasets.remove(database, ID, "alice", "alice")
    assert add(database, record(), "again", "rita", False) == (False, True)
    assert datasets.remove(database, ID, "rita", "rita") == []
    experiments.delete(database, hidden)
    assert datasets.forget_unheld(database) == 1
    with pytest.raises(NotFound):
        datasets.content(database, ID)


def test_deleting_and_submitting_at_once_leave_no_experiment_without_its_images(database: Database) -> None:
    for attempt in range(8):
        id = f"{attempt:016x}"
        add(database, record(id, id * 4), "x", "alice", False)
        ready = threading.Barrier(2)
        outcomes: list[str] = []

        def submit(id: str = id, ready: threading.Barrier = ready, told: list[str] = outcomes) -> None:
            ready.wait()
            try:
                told.append(using(database, "alice", id))
            except NotFound:
                told.append("refused")

        thread = threading.Thread(target=submit)
        thread.start()
        ready.wait()
        try:
            datasets.remove(database, id, "alice", "alice")
            gone = True
        except Conflict:
            gone = False
        thread.join()
        assert (outcomes == ["refused"]) == gone
    with database.read() as session:
        used = session.scalar(select(func.count()).select_from(UseRecord)) or 0
        kept = session.scalar(select(func.count()).select_from(DatasetRecord)) or 0
    assert used == kept


def test_a_dataset_counts_in_its_owners_share(database: Database, artifacts: Artifacts) -> None:
    add(database, record(size=900), "a", "alice", False)
    require_storage_quota(database, artifacts, "alice", 1000)
    with pytest.raises(QuotaExceeded, match="datasets of alice"):
        require_storage_quota(database, artifacts, "alice", 1000, 100)
    require_storage_quota(database, artifacts, "bob", 1000, 100)


def test_a_backup_has_it(database: Database) -> None:
    add(database, record(), "a", "alice", False)
    assert _referenced(database)[0] == {record().images: "1" * 64, record().labels: "2" * 64}


def test_files_without_a_row_go_when_they_are_old(
    database: Database, artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifacts.save(record().images, {"x": np.ones(3)}, {})
    artifacts.save("datasets/orphan/images.npy", {"x": np.ones(3)}, {})
    add(database, record(), "a", "alice", False)
    assert remove_orphans(database, artifacts) == 0
    monkeypatch.setattr("tgsh.store.maintenance.ORPHAN_SECONDS", -5.0)
    assert remove_orphans(database, artifacts) == 1
    assert artifacts.keys("datasets") == [record().images]


def test_machines_share_one_copy_of_what_is_elsewhere() -> None:
    far = Artifacts("memory://tgsh-test-shared")
    with far.staged("datasets/x/images.npy") as staged, staged.path.open("wb") as file:
        np.save(file, np.arange(5))
        file.flush()
    near = Artifacts("memory://tgsh-test-shared")
    cache = near._folder / "cache"
    found = near.load_shared("datasets/x/images.npy", staged.sha256, cache)
    assert found.tolist() == list(range(5))
    copy = cache / "images.npy"
    copy.write_bytes(b"damaged")
    assert near.load_shared("datasets/x/images.npy", staged.sha256, cache).tolist() == list(range(5))
    assert [file.name for file in cache.iterdir()] == ["images.npy"]
    with pytest.raises(ArtifactCorrupt):
        near.load_shared("datasets/x/images.npy", "0" * 64, cache)
    with pytest.raises(ArtifactMissing):
        near.load_shared("datasets/x/other.npy", "0" * 64, cache)
