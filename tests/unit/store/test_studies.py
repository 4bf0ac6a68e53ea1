"""A study is inserted with all its experiments or not at all, and its status follows from them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from tests.support.jobs import leased, queued_jobs
from tgsh.errors import Conflict, InvalidSpec, NotFound, QuotaExceeded
from tgsh.specs import ExperimentSpec, RotationSuite, TrainingSpec
from tgsh.store import experiments, jobs, queries, studies
from tgsh.store.annotations import annotate
from tgsh.store.database import Database
from tgsh.store.experiments import ExperimentPlan, PlannedTask
from tgsh.store.idempotency import IdempotentRequest
from tgsh.store.models import ExperimentRecord, StudyMemberRecord, StudyRecord, TaskRecord
from tgsh.store.ownership import NO_OWNER, Owner
from tgsh.store.studies import (
    NewStudy,
    PlannedMember,
    StudyFilters,
    Tally,
)

SPEC = ExperimentSpec(
    name="two", suite=RotationSuite(tasks=2), training=TrainingSpec(epochs=2), tags=("a", "b")
)
PLAN = ExperimentPlan([PlannedTask("0°", {"angle": 0.0}), PlannedTask("10°", {"angle": 10.0})], "b" * 64)


def planned(seeds: Sequence[int] = (0, 1), cell: int = 0, **ids: str) -> list[PlannedMember]:
    return [
        PlannedMember(cell, seed, 0, SPEC.model_copy(update={"seed": seed}), PLAN, **ids) for seed in seeds
    ]


def new(name: str = "study", seeds: Sequence[int] = (0, 1), **fields: object) -> NewStudy:
    body = SPEC.model_dump(mode="json")
    return NewStudy(name, body, seeds, (0,), {}, [{}], **fields)  # type: ignore[arg-type]


def created(database: Database, owner: Owner = NO_OWNER, **fields: object) -> str:
    return studies.create(database, new(**fields), planned(), owner).study_id


def ids_of(database: Database, study_id: str) -> list[str]:
    return [each.record.id for each in studies.members(database, study_id, None) if each.record is not None]


def count(database: Database, table: type) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_members_are_ordinary_experiments(database: Database) -> None:
    made = studies.create(database, new(), planned(), Owner("alice"))
    assert made.queued == 2
    for number, id in enumerate(ids_of(database, made.study_id)):
        record = queries.experiment(database, id).record
        assert (record.owner, record.status, record.spec["seed"]) == ("alice", "queued", number)
        assert (record.tasks_total, record.epochs_total, record.digest) == (
            2,
            4,
            SPEC.model_copy(update={"seed": number}).digest(),
        )
        assert len(queued_jobs(database, id)) == 2
        (event,), is_over = queries.events(database, id, 0)
        assert (event.kind, event.data, is_over) == ("status", {"status": "queued", "reason": None}, False)


def test_all_or_nothing(database: Database) -> None:
    owner = Owner("alice", max_queued=3)
    with pytest.raises(QuotaExceeded):
        studies.create(database, new(), planned(), owner)
    with pytest.raises(NotFound):
        studies.create(database, new(), [*planned((0,)), *planned((1,), experiment_id="f" * 16)], NO_OWNER)
    with pytest.raises(Conflict):
        studies.create(database, new(), planned(), NO_OWNER, refusal=Conflict("no room"))
    assert count(database, StudyRecord) == count(database, ExperimentRecord) == 0
    assert studies.create(database, new(seeds=(0,)), planned((0,)), owner).queued == 1


def test_the_same_key_is_the_same_study_whoever_is_first(database: Database) -> None:
    request = IdempotentRequest("key", "body")

    def submit(_: int) -> tuple[str, int]:
        made = studies.create(database, new(), planned(), Owner("alice"), request=request)
        return made.study_id, made.queued

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(submit, range(4)))
    assert len({id for id, _ in answers}) == 1
    assert sorted(queued for _, queued in answers) == [0, 0, 0, 2]
    assert count(database, ExperimentRecord) == 2
    assert studies.replayed(database, Owner("alice"), request) == answers[0][0]
    assert studies.replayed(database, Owner("bob"), request) is None
    with pytest.raises(InvalidSpec, match="Idempotency-Key"):
        studies.replayed(database, Owner("alice"), IdempotentRequest("key", "other"))


def test_stored_ones_are_taken_if_they_are_still_completed(database: Database) -> None:
    first = ids_of(database, created(database))
    with database.write() as session:
        session.get_one(ExperimentRecord, first[0]).status = "completed"
    members = [*planned((0,), stored=first[0]), *planned((1,), stored=first[1])]
    made = studies.create(database, new(), members, NO_OWNER)
    assert made.queued == 1
    assert ids_of(database, made.study_id)[0] == first[0]
    assert ids_of(database, made.study_id)[1] != first[1]


def test_a_deleted_experiment_leaves_its_place_which_extension_fills(database: Database) -> None:
    study_id = created(database)
    first, second = ids_of(database, study_id)
    experiments.delete(database, first)
    assert [each.record is None for each in studies.members(database, study_id, None)] == [True, False]
    assert studies.study(database, study_id, None).tally.missing == 1
    more = studies.extend(database, study_id, (0, 1, 2), (0,), planned((0, 2)), NO_OWNER)
    assert more.queued == 2
    assert len(ids_of(database, study_id)) == 3
    assert second in ids_of(database, study_id)
    with pytest.raises(Conflict, match="another request"):
        studies.extend(database, study_id, (0, 1, 2), (0,), planned((2,)), NO_OWNER)
    with pytest.raises(NotFound):
        studies.extend(database, "f" * 16, (0,), (0,), planned(), NO_OWNER)


@pytest.mark.parametrize(
    ("counts", "status"),
    [
        ({"queued": 2}, "queued"),
        ({"queued": 1, "completed": 1}, "running"),
        ({"running": 1, "failed": 1}, "running"),
        ({"completed": 2}, "completed"),
        ({"completed": 1, "failed": 1, "cancelled": 1}, "failed"),
        ({"completed": 1, "cancelled": 1}, "cancelled"),
        ({}, "cancelled"),
    ],
)
def test_the_status_of_the_whole(counts: dict[str, int], status: str) -> None:
    assert Tally(counts).status == status


def test_progress_is_the_sum(database: Database) -> None:
    study_id = created(database)
    first, _ = ids_of(database, study_id)
    lease = leased(database, first, 0)
    jobs.record_epoch(database, lease, (0.5,), 1.0, "key", "s" * 64)
    tally = studies.study(database, study_id, None).tally
    assert (tally.status, tally.tasks_total, tally.epochs_total, tally.epochs_done) == ("running", 4, 8, 1)


def test_who_sees_which_and_who_sees_their_experiments(database: Database) -> None:
    hidden = created(database, Owner("alice"), name="hidden")
    shared = created(database, Owner("alice"), name="shared", shared=True)
    nobodys = created(database, name="nobody's")

    def seen(by: str | None) -> set[str]:
        found = studies.studies(database, StudyFilters(visible_to=by), 10)
        return {snapshot.record.name for snapshot in found}

    assert seen("alice") == seen(None) == {"hidden", "shared", "nobody's"}
    assert seen("bob") == {"shared", "nobody's"}
    with pytest.raises(NotFound):
        studies.study(database, hidden, "bob")
    assert all(each.record is not None for each in studies.members(database, shared, "bob"))
    annotate(database, ids_of(database, shared)[0], {"shared": False})
    assert [each.record is None for each in studies.members(database, shared, "bob")] == [True, False]
    assert studies.study(database, shared, "bob").tally.missing == 1
    assert nobodys


def test_sharing_goes_with_the_experiments_that_no_other_shared_study_has(database: Database) -> None:
    owner = Owner("alice")
    one = created(database, owner)
    first, second = ids_of(database, one)
    foreign = ids_of(database, created(database, Owner("bob")))[0]
    other = studies.create(
        database,
        new(shared=True),
        [*planned((0,), experiment_id=first), *planned((5,), experiment_id=foreign)],
        owner,
    ).study_id

    def shared() -> list[bool]:
        return [queries.experiment(database, id).record.shared for id in (first, second, foreign)]

    assert shared() == [True, False, False]
    studies.change(database, one, {"shared": True, "name": "renamed"})
    assert shared() == [True, True, False]
    assert studies.study(database, one, None).record.name == "renamed"
    studies.change(database, one, {"shared": False})
    assert shared() == [True, False, False]
    studies.change(database, other, {"shared": False})
    assert shared() == [False, False, False]
    with pytest.raises(NotFound):
        studies.change(database, "f" * 16, {"name": "x"})


def test_lists_have_pages_and_filters(database: Database) -> None:
    ids = [
        created(database, name=name, tags=tags, notes=notes, project=project)
        for name, tags, notes, project in (
            ("one", ["ü"], "a note", "p"),
            ("two", ["ü", "paper"], None, None),
            ("50%", [], None, "q"),
        )
    ]
    newest = studies.studies(database, StudyFilters(), 2)
    assert [each.record.id for each in newest] == [ids[2], ids[1]]
    position = (newest[-1].record.created_at, newest[-1].record.id)
    assert [each.record.id for each in studies.studies(database, StudyFilters(), 2, position)] == [ids[0]]
    for filters, found in (
        (StudyFilters(text="NOTE"), [0]),
        (StudyFilters(text="%"), [2]),
        (StudyFilters(text="ü"), [1, 0]),
        (StudyFilters(tag="paper"), [1]),
        (StudyFilters(tag="pap"), []),
        (StudyFilters(project="p"), [0]),
        (StudyFilters(text=ids[0][:9]), [0]),
    ):
        names = [each.record.id for each in studies.studies(database, filters, 10)]
        assert names == [ids[place] for place in found], filters


def test_what_goes_with_a_study_and_what_stays(database: Database) -> None:
    owner = Owner("alice")
    one = created(database, owner)
    first, second = ids_of(database, one)
    foreign = ids_of(database, created(database, Owner("bob")))[0]
    other = studies.create(
        database,
        new(),
        [*planned((0,), experiment_id=first), *planned((7,), experiment_id=foreign)],
        owner,
    ).study_id
    assert studies.deletable_members(database, one) == [second]
    assert studies.deletable_members(database, other) == []
    assert studies.own_members(database, other) == [first]
    leased(database, second, 0)
    with pytest.raises(Conflict, match="cancel the study first"):
        studies.deletable_members(database, one)
    studies.delete(database, one)
    assert count(database, ExperimentRecord) == 4
    assert studies.deletable_members(database, other) == [first]
    with pytest.raises(NotFound):
        studies.delete(database, one)
    with database.read() as session:
        left = session.scalars(select(StudyMemberRecord.study_id)).all()
    assert one not in left


def test_accuracies_by_experiment_and_task(database: Database) -> None:
    study_id = created(database)
    first, second = ids_of(database, study_id)
    with database.write() as session:
        session.get_one(TaskRecord, (first, 1)).accuracy = 0.75
    found = studies.task_accuracies(database, study_id)
    assert found == {first: {0: ("0°", None), 1: ("10°", 0.75)}, second: {0: ("0°", None), 1: ("10°", None)}}
