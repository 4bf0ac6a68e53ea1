"""/experiments/{id}/tasks: what each task is and what was learned on it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from service.deps import ExperimentId, PartsDep
from tgsh.schemas import Task, TaskList
from tgsh.spec import MAX_TASKS
from tgsh.store import reads
from tgsh.views import task_view

router = APIRouter(prefix="/experiments", tags=["tasks"])


@router.get("/{experiment_id}/tasks", summary="The tasks of an experiment")
def tasks(experiment_id: ExperimentId, parts: PartsDep) -> TaskList:
    """Label, parameters, status, accuracy, loss per epoch, attempts and worker of every task."""
    return TaskList(items=[task_view(record) for record in reads.tasks(parts.database, experiment_id)])


@router.get("/{experiment_id}/tasks/{index}", summary="One task")
def task(
    experiment_id: ExperimentId, index: Annotated[int, Path(ge=0, le=MAX_TASKS)], parts: PartsDep
) -> Task:
    """One task of an experiment."""
    return task_view(reads.task(parts.database, experiment_id, index))
