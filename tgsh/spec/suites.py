"""Suites: how one dataset becomes a sequence of tasks."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator

from tgsh.spec.tagged import tagged
from tgsh.spec.transforms import TransformSpec
from tgsh.spec.values import Frozen, Seed

MAX_TASKS = 10_000


class RotationSuite(Frozen):
    """Task k sees every image rotated by k·step_degrees counter-clockwise (nearest neighbour, zero fill)."""

    kind: Literal["rotation"] = "rotation"
    tasks: int = Field(36, ge=1, le=MAX_TASKS, description="number of tasks, T")
    step_degrees: float = Field(10.0, gt=-360, lt=360, description="degrees between neighbouring tasks")


class ShiftSuite(Frozen):
    """Task k sees every image rolled k·step_pixels to the right; what leaves comes back on the left."""

    kind: Literal["shift"] = "shift"
    tasks: int | None = Field(
        None, ge=1, le=MAX_TASKS, description="number of tasks, T; null: as many as fit until it wraps"
    )
    step_pixels: int = Field(1, ge=1, description="pixels between neighbouring tasks; less than the width")


class PermutationSuite(Frozen):
    """Task 0 sees images as they are, every other task through a fixed random permutation of its own."""

    kind: Literal["permutation"] = "permutation"
    tasks: int = Field(10, ge=1, le=MAX_TASKS, description="number of tasks, T")
    permutation_seed: Seed = Field(0, description="decides the permutations, and nothing else")


class AugmentSuite(Frozen):
    """The eight transforms of the paper's Table 1, a task each; what is random is drawn anew every epoch."""

    kind: Literal["augment"] = "augment"


class CustomTask(Frozen):
    """A task of transforms, one after the other; none is the identity."""

    label: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]
    transforms: Annotated[tuple[TransformSpec, ...], Field(strict=False)] = Field((), max_length=16)


class CustomSuite(Frozen):
    """Tasks that the caller composes of named transforms with parameters."""

    kind: Literal["custom"] = "custom"
    tasks: Annotated[tuple[CustomTask, ...], Field(strict=False)] = Field(
        max_length=MAX_TASKS, json_schema_extra={"minItems": 1}
    )

    @field_validator("tasks")
    @classmethod
    def _can_be_told_apart(cls, tasks: tuple[CustomTask, ...]) -> tuple[CustomTask, ...]:
        if not tasks:  # min_length would complain of tasks that are there but not valid, too
            raise ValueError("there must be a task")
        if len({task.label for task in tasks}) < len(tasks):
            raise ValueError("labels must differ: a matrix is read by them")
        return tasks


_Suites = RotationSuite | ShiftSuite | PermutationSuite | AugmentSuite | CustomSuite
SuiteSpec = Annotated[_Suites, Field(discriminator="kind"), tagged(_Suites, default="rotation")]
