"""The conditions that select the experiments and studies that an owner sees."""

from __future__ import annotations

from sqlalchemy import ColumnElement, or_

from tgsh.store.models import ExperimentRecord, StudyRecord


def is_visible_to(name: str) -> ColumnElement[bool]:
    """The condition that selects the experiments an owner sees: its own, shared ones, those without owner."""
    owner = ExperimentRecord.owner
    return or_(owner == name, owner.is_(None), ExperimentRecord.shared)


def is_study_visible_to(name: str) -> ColumnElement[bool]:
    """The same of studies."""
    owner = StudyRecord.owner
    return or_(owner == name, owner.is_(None), StudyRecord.shared)
