"""State machine of studies: what users do with many experiments at once, and processes killed in its middle.

To the actions on single jobs of `lifecycle_machine` it adds those on studies. A kill is a transaction that is
rolled back, or a loop over experiments that ends early; what follows must find everything once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import hypothesis.strategies as st
import pytest
from hypothesis.stateful import initialize, invariant, precondition, rule
from sqlalchemy import delete, select

from tests.support.jobs import EPOCHS
from tests.support.lifecycle_machine import Lifecycle, Pick, of
from tgsh.errors import Conflict
from tgsh.specs import ExperimentSpec, RotationSuite, TrainingSpec
from tgsh.store import experiments, studies
from tgsh.store.database import Database
from tgsh.store.experiments import ExperimentPlan, PlannedTask
from tgsh.store.idempotency import IdempotentRequest
from tgsh.store.models import StudyMemberRecord, StudyRecord
from tgsh.store.ownership import NO_OWNER
from tgsh.store.studies import UNFINISHED, NewStudy, PlannedMember

MOST_EXPERIMENTS = 6
MOST_STUDIES = 2

SPEC = ExperimentSpec(name="of a study", suite=RotationSuite(tasks=2), training=TrainingSpec(epochs=EPOCHS))
PLAN = ExperimentPlan([PlannedTask("0°", {"angle": 0.0})], "b" * 64)
KILLED_AFTER = st.none() | st.integers(0, 2)
"""Experiments after which a loop over them is killed; None: it is not."""

Place = tuple[int, int, int]


class _Killed(BaseException):
    """The end of a process."""


@contextmanager
def _killed_before_members() -> Iterator[None]:
    """A process that ends when the experiments are inserted, and the members are not."""

    def end(*_args: object) -> None:
        raise _Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(studies, "insert", end)
        try:
            yield
        except _Killed:
            return
    raise AssertionError("it was to be killed")


class StudyLifecycle(Lifecycle):
    """Model of studies: the experiment of each place, which must agree with the rows after every step."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.studies: dict[str, dict[Place, str]] = {}
        self.requests: dict[str, IdempotentRequest] = {}

    @initialize()
    def start_without_studies(self) -> None:
        with self.database.write() as session:
            session.execute(delete(StudyRecord))

    @precondition(lambda self: len(self.studies) < MOST_STUDIES and len(self.experiments) < MOST_EXPERIMENTS)
    @rule(seeds=st.integers(1, 2), pick=st.none() | Pick, killed=st.booleans())
    def submit_study(self, seeds: int, pick: int | None, killed: bool) -> None:
        """Submit a study; pick: an experiment that is its second cell."""
        known = [of(self.experiments, pick)] if pick is not None and self.experiments else []
        members = [_planned(0, seed) for seed in range(seeds)]
        members += [_planned(1, 0, experiment_id=id) for id in known]
        new = NewStudy(
            "s", SPEC.model_dump(mode="json"), range(seeds), (0,), {}, [{} for _ in range(1 + len(known))]
        )
        request = IdempotentRequest(f"key {len(self.requests)}", "body")
        before = self._rows()
        if killed:
            with _killed_before_members():
                studies.create(self.database, new, members, NO_OWNER, request=request)
            assert self._rows() == before
        made = studies.create(self.database, new, members, NO_OWNER, request=request)
        assert made.queued == seeds
        self.requests[made.study_id] = request
        self.studies[made.study_id] = {}
        self._take_in(made.study_id)
        again = studies.create(self.database, new, members, NO_OWNER, request=request)
        assert (again.study_id, again.queued) == (made.study_id, 0)

    @precondition(lambda self: self.studies and len(self.experiments) < MOST_EXPERIMENTS)
    @rule(pick=Pick, more=st.booleans(), killed=st.booleans())
    def extend_study(self, pick: int, more: bool, killed: bool) -> None:
        """Train what was deleted again, and one seed more."""
        study_id = of(list(self.studies), pick)
        places = self.studies[study_id]
        missing = [place for place, id in places.items() if id not in self.experiments]
        seeds = sorted({seed for _, seed, _ in places})
        if more:
            seeds.append(seeds[-1] + 1)
            missing.append((0, seeds[-1], 0))
        members = [_planned(cell, seed) for cell, seed, _ in missing]
        if not members:
            return
        before = self._rows(), self._members(study_id)
        if killed:
            with _killed_before_members():
                studies.extend(self.database, study_id, seeds, (0,), members, NO_OWNER)
            assert (self._rows(), self._members(study_id)) == before
        made = studies.extend(self.database, study_id, seeds, (0,), members, NO_OWNER)
        assert made.queued == len(members)
        self._take_in(study_id)
        with pytest.raises(Conflict):  # another request that planned the same
            studies.extend(self.database, study_id, seeds, (0,), members, NO_OWNER)

    @precondition(lambda self: self.studies)
    @rule(pick=Pick, killed_after=KILLED_AFTER)
    def cancel_study(self, pick: int, killed_after: int | None) -> None:
        study_id = of(list(self.studies), pick)
        for id in studies.own_members(self.database, study_id, *UNFINISHED)[:killed_after]:
            experiments.cancel(self.database, id)
        if killed_after is None:
            rows = self._rows().experiments
            left = studies.own_members(self.database, study_id, *UNFINISHED)
            assert all(rows[id]["cancel_requested"] for id in left)

    @precondition(lambda self: self.studies)
    @rule(pick=Pick, killed_after=KILLED_AFTER)
    def resume_study(self, pick: int, killed_after: int | None) -> None:
        study_id = of(list(self.studies), pick)
        for id in studies.own_members(self.database, study_id, "failed", "cancelled")[:killed_after]:
            assert self._resume(id)
        if killed_after is None:
            assert studies.own_members(self.database, study_id, "failed", "cancelled") == []

    @precondition(lambda self: self.studies)
    @rule(pick=Pick, members=st.booleans(), killed_after=KILLED_AFTER)
    def delete_study(self, pick: int, members: bool, killed_after: int | None) -> None:
        study_id = of(list(self.studies), pick)
        elsewhere = {
            id for other, places in self.studies.items() if other != study_id for id in places.values()
        }
        own = {id for id in self.studies[study_id].values() if id in self.experiments} - elsewhere
        rows = self._rows().experiments
        ids: Sequence[str] = []
        if members:
            try:
                ids = studies.deletable_members(self.database, study_id)
            except Conflict:
                assert any(rows[id]["status"] == "running" for id in own)
                return
            assert set(ids) == own
        for id in ids[:killed_after]:
            experiments.delete(self.database, id)
            self._forget(id)
        if killed_after is None:
            studies.delete(self.database, study_id)
            del self.studies[study_id]

    @invariant()
    def nothing_is_lost_or_double(self) -> None:
        rows = self._rows().experiments
        with self.database.read() as session:
            assert set(session.scalars(select(StudyRecord.id))) == set(self.studies)
        for study_id, places in self.studies.items():
            there = {place: id if id in self.experiments else None for place, id in places.items()}
            assert self._members(study_id) == there
            found = [id for id in there.values() if id is not None]
            assert len(set(found)) == len(found)
            tally = studies.study(self.database, study_id, None).tally
            assert tally.missing == len(there) - len(found)
            assert tally.by_status == Counter(rows[id]["status"] for id in found)
            assert tally.tasks_done == sum(rows[id]["tasks_done"] for id in found)

    def _take_in(self, study_id: str) -> None:
        """Take the experiments that a study has now into the model."""
        for place, id in self._members(study_id).items():
            if id is not None:
                self.studies[study_id][place] = id
                if id not in self.experiments:
                    self.experiments.append(id)

    def _members(self, study_id: str) -> dict[Place, str | None]:
        m = StudyMemberRecord
        query = select(m.cell, m.seed, m.base_seed, m.experiment_id).where(m.study_id == study_id)
        with self.database.read() as session:
            return {(row[0], row[1], row[2]): row[3] for row in session.execute(query)}


def _planned(cell: int, seed: int, **ids: str) -> PlannedMember:
    return PlannedMember(cell, seed, 0, SPEC.model_copy(update={"seed": seed}), PLAN, **ids)
