"""Rows that many insert at the same moment."""

from __future__ import annotations

from tests.support.stores import at_once
from tgsh.store import leases
from tgsh.store.database import Database
from tgsh.store.insertion import insert_absent, insert_or_update
from tgsh.store.models import WorkerRecord


def worker(pid: int) -> WorkerRecord:
    return WorkerRecord(name="w", host="h", pid=pid, slots=["cpu"], memory_bytes=0, seen_at=1.0)


def test_one_of_many_inserts_and_none_fails(database: Database) -> None:
    def insert(pid: int) -> bool:
        with database.write() as session:
            return insert_absent(session, worker(pid))

    inserted = at_once(20, insert)
    assert sum(inserted) == 1
    with database.read() as session:
        assert session.get_one(WorkerRecord, "w").pid == inserted.index(True)


def test_what_was_not_inserted_after_all_may_be_by_the_next(database: Database) -> None:
    class Undone(Exception):
        pass

    def insert(pid: int) -> bool:
        try:
            with database.write() as session:
                inserted = insert_absent(session, worker(pid))
                if inserted and pid % 4:
                    raise Undone
                return inserted
        except Undone:
            return False

    assert sum(at_once(20, insert)) == 1
    with database.read() as session:
        assert session.get_one(WorkerRecord, "w").pid % 4 == 0


def test_the_last_one_counts_and_what_it_does_not_say_stays(database: Database) -> None:
    for record in (worker(1), WorkerRecord(name="w", host="h", pid=2, slots=["cuda:0"], seen_at=2.0)):
        with database.write() as session:
            insert_or_update(session, record)
    with database.read() as session:
        stored = session.get_one(WorkerRecord, "w")
    assert (stored.pid, stored.slots, stored.memory_bytes, stored.seen_at) == (2, ["cuda:0"], 0, 2.0)


def test_heartbeats_at_once_leave_one_row(database: Database) -> None:
    at_once(20, lambda pid: leases.heartbeat(database, "w", "h", pid, ["cpu"]))
    assert [each.name for each in leases.live_workers(database)] == ["w"]
