"""A preview's life: asked for, claimed once, drawn, lost, failed, forgotten."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.support.jobs import submitted
from tgsh.errors import LeaseLost, NotFound, QuotaExceeded
from tgsh.store import previews
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database
from tgsh.store.leases import expire_leases
from tgsh.store.models import PreviewRecord
from tgsh.store.previews import PreviewLease, PreviewRequest
from tgsh.store.scheduling import count_queued


def wanted(name: str = "a") -> PreviewRequest:
    return PreviewRequest(name * 64, {"dataset": "mnist5k"}, [(0, "0°"), (2, "20°")], 3)


def taken(database: Database, lease_seconds: float = 60) -> PreviewLease:
    claimed = previews.lease_next(database, "w/1/2/cpu", lease_seconds)
    assert claimed is not None
    return claimed


def drawn(database: Database, artifacts: Artifacts, name: str = "a") -> PreviewRecord:
    previews.request_preview(database, artifacts, wanted(name))
    claimed = taken(database)
    sha256 = artifacts.save(claimed.artifact, {"images": np.zeros(3)}, {})
    previews.complete(database, claimed, sha256)
    return previews.get(database, name * 64)


def test_it_is_drawn_once_however_often_it_is_asked_for(database: Database, artifacts: Artifacts) -> None:
    with pytest.raises(NotFound):
        previews.get(database, "a" * 64)
    assert previews.lease_next(database, "w", 60) is None
    assert [previews.request_preview(database, artifacts, wanted()) for _ in range(2)] == [True, True]
    assert count_queued(database) == 1
    claimed = taken(database)
    assert (claimed.spec, claimed.tasks) == ({"dataset": "mnist5k"}, [(0, "0°"), (2, "20°")])
    assert not previews.request_preview(database, artifacts, wanted())
    assert previews.lease_next(database, "other", 60) is None
    assert (previews.get(database, "a" * 64).status, count_queued(database)) == ("running", 0)
    previews.complete(database, claimed, artifacts.save(claimed.artifact, {"images": np.zeros(3)}, {}))
    record = previews.get(database, "a" * 64)
    assert previews.is_whole(artifacts, record)
    assert record.token is None
    assert not previews.request_preview(database, artifacts, wanted())
    with pytest.raises(LeaseLost):
        previews.complete(database, claimed, "s" * 64)


def test_many_who_ask_and_many_who_draw_make_one(database: Database, artifacts: Artifacts) -> None:
    with ThreadPoolExecutor(6) as pool:
        assert (
            list(pool.map(lambda _: previews.request_preview(database, artifacts, wanted()), range(6)))
            == [True] * 6
        )
        claims = list(pool.map(lambda n: previews.lease_next(database, f"w{n}", 60), range(6)))
    assert len([claimed for claimed in claims if claimed is not None]) == 1


def test_they_go_in_the_order_they_were_asked_for(database: Database, artifacts: Artifacts) -> None:
    for name in "cab":
        previews.request_preview(database, artifacts, wanted(name))
    previews.request_preview(database, artifacts, wanted("c"))
    assert [taken(database).job.key[0] for _ in range(3)] == ["c", "a", "b"]


def test_a_worker_that_falls_silent_loses_it(database: Database, artifacts: Artifacts) -> None:
    submitted(database)
    previews.request_preview(database, artifacts, wanted())
    lost = taken(database, lease_seconds=-1)
    assert expire_leases(database, max_attempts=2) == 1
    kept = taken(database)
    assert expire_leases(database, max_attempts=2) == 0
    assert previews.is_held(database, kept)
    assert not previews.is_held(database, lost)
    for write in (
        lambda: previews.complete(database, lost, "s" * 64),
        lambda: previews.fail(database, lost, "late"),
        lambda: previews.release(database, lost),
    ):
        with pytest.raises(LeaseLost):
            write()
    previews.renew_lease(database, lost, 60)  # of no effect
    previews.renew_lease(database, kept, -1)
    assert expire_leases(database, max_attempts=2) == 1
    record = previews.get(database, "a" * 64)
    assert record.status == "failed"
    assert record.reason == "its worker fell silent 2 times, the last one was w/1/2/cpu"


def test_what_failed_or_was_given_back_is_tried_again(database: Database, artifacts: Artifacts) -> None:
    previews.request_preview(database, artifacts, wanted())
    previews.release(database, taken(database))
    record = previews.get(database, "a" * 64)
    assert (record.status, record.attempts, record.token) == ("queued", 0, None)
    previews.fail(database, taken(database), "no images")
    record = previews.get(database, "a" * 64)
    assert (record.status, record.reason, record.attempts) == ("failed", "no images", 1)
    assert previews.lease_next(database, "w", 60) is None
    assert previews.request_preview(database, artifacts, wanted())
    record = previews.get(database, "a" * 64)
    assert (record.status, record.reason, record.attempts) == ("queued", None, 0)


def test_damaged_images_are_drawn_anew(database: Database, artifacts: Artifacts) -> None:
    record = drawn(database, artifacts)
    artifacts.remove([str(record.artifact)])
    assert not previews.is_whole(artifacts, previews.get(database, record.key))
    assert previews.request_preview(database, artifacts, wanted())
    assert previews.get(database, record.key).status == "queued"


def test_what_nobody_wants_is_forgotten_with_its_files(database: Database, artifacts: Artifacts) -> None:
    assert previews.remove_unused(database, artifacts) == 0
    keys = [drawn(database, artifacts, name).key for name in "abcd"]
    with database.write() as session:
        for age, key in zip((8 * 86_400, 300, 200, 100), keys, strict=True):
            session.get_one(PreviewRecord, key).used_at -= age
    previews.request_preview(database, artifacts, wanted("e"))
    working = taken(database)
    artifacts.save(working.artifact, {"images": np.zeros(3)}, {})
    artifacts.save("previews/of-one-who-was-killed.safetensors", {"images": np.zeros(3)}, {})
    assert previews.remove_unused(database, artifacts) == 2  # the oldest, and what has no row
    assert previews.remove_unused(database, artifacts, most=3) == 1
    assert len(artifacts.keys("previews")) == 3
    with pytest.raises(NotFound):
        previews.get(database, keys[1])
    assert previews.is_whole(artifacts, previews.get(database, keys[2]))
    assert previews.is_held(database, working)


def test_to_look_is_a_use_once_an_hour(database: Database, artifacts: Artifacts) -> None:
    record = drawn(database, artifacts)
    with database.write() as session:
        session.get_one(PreviewRecord, record.key).used_at -= 4_000
    before = previews.get(database, record.key).used_at
    previews.note_use(database, record.key)
    after = previews.get(database, record.key).used_at
    assert after - before == pytest.approx(4_000, abs=60)
    previews.note_use(database, record.key)
    assert previews.get(database, record.key).used_at == after


def test_so_many_wait_and_no_more(
    database: Database, artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(previews, "MAX_QUEUED", 2)
    for name in "ab":
        previews.request_preview(database, artifacts, wanted(name))
    with pytest.raises(QuotaExceeded, match="2 previews wait") as refused:
        previews.request_preview(database, artifacts, wanted("c"))
    assert refused.value.retry_after > 0
    assert previews.request_preview(database, artifacts, wanted("b"))  # it waits already
    previews.fail(database, taken(database), "no images")
    previews.request_preview(database, artifacts, wanted("c"))
    with pytest.raises(QuotaExceeded):
        previews.request_preview(database, artifacts, wanted("a"))
