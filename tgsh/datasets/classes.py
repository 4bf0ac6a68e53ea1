"""Outputs of a network that the classes of several datasets share, and what that means for their tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from tgsh.datasets.base import DatasetInfo
from tgsh.specs import DatasetsSuite, ExperimentSpec, SuiteSpec

MOST_TOLD = 3
"""Pairs of tasks, and classes, that a warning names."""

MOST_TOLD_CLASSES = 10_000
"""Classes of all tasks beyond which an overlap tells counts alone."""


@dataclass(frozen=True)
class SharedClasses:
    """Classes of several tasks by output, where tasks do not all have the same.

    Attributes
    ----------
    matching : str
        ``"names"``, ``"nearest"``, ``"order"`` or ``"map"``.
    outputs : tuple[str, ...]
        Names of the K outputs.
    classes : tuple[tuple[str | None, ...], ...] | None
        T × K names that the tasks themselves have for their outputs, None for what a task lacks; None where
        they are many, or are matched when the first task is trained.
    shared : tuple[tuple[int, ...], ...] | None
        T × T numbers of outputs that two tasks have; None where they are not matched yet.
    """

    matching: str
    outputs: tuple[str, ...]
    classes: tuple[tuple[str | None, ...], ...] | None
    shared: tuple[tuple[int, ...], ...] | None


def matching_of(suite: SuiteSpec, info: DatasetInfo) -> str:
    """Name the rule by which a suite matches classes.

    Parameters
    ----------
    suite : SuiteSpec
        The suite.
    info : DatasetInfo
        Its tasks' images.

    Returns
    -------
    str
        ``"names"``, ``"nearest"``, ``"order"`` or ``"map"``. Parts of one dataset match by name where each
        class has an output of its own, and by order where they share the first ones.
    """
    if isinstance(suite, DatasetsSuite):
        return suite.classes if isinstance(suite.classes, str) else "map"
    is_own = all(
        info.class_names[output] == name
        for member in info.members
        for output, name in zip(member.class_outputs, member.class_names, strict=True)
    )
    return "names" if is_own else "order"


def class_overlap(spec: ExperimentSpec, info: DatasetInfo) -> SharedClasses | None:
    """Tell which classes the tasks of an experiment share.

    Parameters
    ----------
    spec : ExperimentSpec
        The experiment.
    info : DatasetInfo
        Its datasets; with the outputs of all tasks where images were read for them.

    Returns
    -------
    SharedClasses | None
        None where all tasks have the same classes, by name, at the same outputs.
    """
    if len(info.members) < 2:
        return None
    outputs = [_outputs(spec.suite, info, place) for place in range(len(info.members))]
    names = [
        None if own is None else dict(zip(own, member.names, strict=True))
        for own, member in zip(outputs, info.members, strict=True)
    ]
    if all(each is not None and each == names[0] for each in names):
        return None
    matching, known = matching_of(spec.suite, info), [each for each in names if each is not None]
    if len(known) < len(names):
        return SharedClasses(matching, output_names(info), None, None)
    few = len(known) * info.classes <= MOST_TOLD_CLASSES
    return SharedClasses(
        matching,
        output_names(info),
        tuple(tuple(each.get(output) for output in range(info.classes)) for each in known) if few else None,
        tuple(tuple(len(one.keys() & other.keys()) for other in known) for one in known),
    )


def output_names(info: DatasetInfo) -> tuple[str, ...]:
    """Name every output of the network.

    Parameters
    ----------
    info : DatasetInfo
        Several datasets.

    Returns
    -------
    tuple[str, ...]
        K names; by number, the name of the first dataset that has that many classes.
    """
    if info.class_names:
        return info.class_names
    return max(info.members, key=lambda member: member.classes).names if info.members else info.names


def class_warnings(spec: ExperimentSpec, info: DatasetInfo, labels: Sequence[str] | None = None) -> list[str]:
    """Say what in the classes of an experiment's tasks would mislead a reader of their similarity.

    Parameters
    ----------
    spec : ExperimentSpec
        The experiment.
    info : DatasetInfo
        Its datasets.
    labels : Sequence[str] | None, default=None
        What tasks are called; None: by their datasets' names.

    Returns
    -------
    list[str]
        Sentences without their last full stop; none where all tasks have the same classes.
    """
    overlap = class_overlap(spec, info)
    if overlap is None:
        return []
    titles = labels or [_dataset_name(member) for member in info.members]
    warnings = []
    if info.members[0].is_part:
        return [_part_warning(overlap, titles)]
    if overlap.matching == "order" and (differing := _differing(overlap)) is not None:
        output, one, other = differing
        warnings.append(
            f"Classes are matched by their numbers, and names differ: class {output} is "
            f"{_name(overlap, one, output)!r} of {titles[one]} and {_name(overlap, other, output)!r} of "
            f'{titles[other]}. Submit with "classes": "names" or "nearest" in the suite to match otherwise'
        )
    if overlap.shared is None:
        warnings.append(
            f"Classes of {', '.join(titles[1:])} are matched to those of {titles[0]} by the means of their "
            "images when they are trained; the answer tells which is which"
        )
    elif fewest := _fewest(overlap):
        pairs = "; ".join(f"{titles[one]} and {titles[other]}: {number}" for number, one, other in fewest)
        warnings.append(
            f"Tasks do not have the same classes (shared of {len(overlap.outputs)}: {pairs}). Tasks that "
            "share few classes are less alike for that reason alone"
        )
    if overlap.matching == "nearest" and overlap.shared is not None:
        warnings.append(
            "Classes were matched by the means of their images, not by names: class_overlap tells which"
        )
    return warnings


def _part_warning(overlap: SharedClasses, titles: Sequence[str]) -> str:
    """Say what the outputs of parts of one dataset stand for."""
    if overlap.matching == "order":
        example = ""
        if overlap.classes is not None:
            one, other = (f"{_name(overlap, task, 0)!r} of {titles[task]}" for task in (0, 1))
            example = f": output 0 is {one} and {other}"
        return (
            f"Tasks have classes of their own at shared outputs{example}. Their similarity compares "
            "different classes"
        )
    return (
        "Tasks do not have the same classes, and each class has an output of its own: tasks that share few "
        "classes are less alike for that reason alone"
    )


def task_labels(info: DatasetInfo, task: int) -> tuple[str, ...]:
    """Name every output as a task does: its own classes by their names, the others by the output's.

    Parameters
    ----------
    info : DatasetInfo
        One dataset, or several with their outputs.
    task : int
        Index of the task.

    Returns
    -------
    tuple[str, ...]
        K names.
    """
    own = info.of_task(task)
    labels = list(info.class_names or map(str, range(info.classes)))
    for output, label in zip(own.class_outputs, own.class_labels, strict=True):
        labels[output] = label
    return tuple(labels)


def conversions(info: DatasetInfo, labels: Sequence[str] | None = None) -> list[str]:
    """Say which datasets' images were given another size or other channels.

    Parameters
    ----------
    info : DatasetInfo
        Several datasets.
    labels : Sequence[str] | None, default=None
        What tasks are called; None: by their datasets' names.

    Returns
    -------
    list[str]
        A sentence for each that was converted.
    """
    titles = labels or [_dataset_name(member) for member in info.members]
    return [
        f"Images of {title} are made {_shape(each.shape)} from {_shape(each.source_shape)}"
        for title, each in zip(titles, info.members, strict=True)
        if each.source_shape
    ]


def _dataset_name(info: DatasetInfo) -> str:
    return info.title if info.is_uploaded or info.is_part else info.name


def _shape(shape: Sequence[int]) -> str:
    return " × ".join(map(str, shape))


def _outputs(suite: SuiteSpec, info: DatasetInfo, place: int) -> tuple[int, ...] | None:
    """Outputs of a task's classes; None where they follow from images that were not read here."""
    member = info.members[place]
    if isinstance(suite, DatasetsSuite) and suite.classes == "nearest" and not member.outputs:
        return None
    return member.class_outputs


def _name(overlap: SharedClasses, task: int, output: int) -> str | None:
    return None if overlap.classes is None else overlap.classes[task][output]


def _differing(overlap: SharedClasses) -> tuple[int, int, int] | None:
    """The first output that two tasks have other names for, and these."""
    for output in range(len(overlap.outputs)):
        named = [
            (task, own[output]) for task, own in enumerate(overlap.classes or ()) if own[output] is not None
        ]
        for task, name in named[1:]:
            if name != named[0][1]:
                return output, named[0][0], task
    return None


def _fewest(overlap: SharedClasses) -> list[tuple[int, int, int]]:
    """Pairs of tasks that do not have the same outputs: how many they share, fewest first."""
    shared = overlap.shared or ()
    pairs = [
        (shared[one][other], one, other)
        for one, other in combinations(range(len(shared)), 2)
        if shared[one][other] < max(shared[one][one], shared[other][other])
    ]
    return sorted(pairs)[:MOST_TOLD]
