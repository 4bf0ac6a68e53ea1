"""Classes of new images and the outputs of an experiment's networks that stand for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

import numpy as np

from tgsh.analysis.class_matches import class_distances, nearest_classes, normalised_class_means
from tgsh.datasets.base import DatasetInfo
from tgsh.datasets.class_names import normalised
from tgsh.datasets.classes import output_names
from tgsh.errors import InvalidSpec

MATCHED_IMAGES = 1_000
"""Images of a class at most whose mean its match is found by."""

MOST_NAMED = 20
"""Names that a message lists."""

NONE = -1
"""The output of a class that has none."""


def outputs_named(names: Sequence[str], info: DatasetInfo, field: str = "classes") -> np.ndarray:
    """Give each class the output of its own name.

    Parameters
    ----------
    names : Sequence[str]
        Of the new images' classes.
    info : DatasetInfo
        The experiment's images.
    field : str, default="classes"
        Field of the request, for the error.

    Returns
    -------
    np.ndarray
        int64 [classes], NONE for a class of which the experiment has none of that name.

    Raises
    ------
    InvalidSpec
        If fewer than two names are the same.
    """
    places = {normalised(name): output for output, name in enumerate(output_names(info))}
    outputs = np.array([places.get(normalised(name), NONE) for name in names], np.int64)
    if (outputs != NONE).sum() < 2:
        raise InvalidSpec(
            field,
            f"the images have the classes {_listed(names)}, the experiment {_listed(list(places))}, and "
            'fewer than two names are the same: take "nearest", which matches classes by their images, or '
            "write which is taken for which, as {" + f'"{names[0]}": "{output_names(info)[0]}", …' + "}",
        )
    return outputs


def outputs_mapped(
    names: Sequence[str], mapping: Mapping[str, str], info: DatasetInfo, field: str = "classes"
) -> np.ndarray:
    """Give each class the output that a map says.

    Parameters
    ----------
    names : Sequence[str]
        Of the new images' classes.
    mapping : Mapping[str, str]
        From a name of these to the name of an output; classes that it does not mention have none.
    info : DatasetInfo
        The experiment's images.
    field : str, default="classes"
        Field of the request, for the errors.

    Returns
    -------
    np.ndarray
        int64 [classes], NONE for a class that is not mentioned.

    Raises
    ------
    InvalidSpec
        With all that is wrong: a name that is not there, an output twice, fewer than two classes.
    """
    own = {normalised(name): place for place, name in enumerate(names)}
    places = {normalised(name): output for output, name in enumerate(output_names(info))}
    outputs = np.full(len(names), NONE, np.int64)
    wrong = []
    for name, output in mapping.items():
        if normalised(name) not in own:
            wrong.append((f"{field}.{name}", f"the images have no such class{_hint(name, list(own))}"))
        if normalised(output) not in places:
            wrong.append(
                (f"{field}.{name}", f"the experiment has no class {output!r}{_hint(output, list(places))}")
            )
        elif normalised(name) in own:
            outputs[own[normalised(name)]] = places[normalised(output)]
    taken = [output for output in outputs.tolist() if output != NONE]
    if len(set(taken)) < len(taken):
        wrong.append((field, "takes two classes for the same one; each needs its own"))
    if not wrong and len(taken) < 2:
        wrong.append((field, "names fewer than two classes, and of one there is nothing to learn"))
    if wrong:
        raise InvalidSpec(*wrong[0], wrong[1:])
    return outputs


def outputs_nearest(
    images: np.ndarray, labels: np.ndarray, classes: int, means: np.ndarray
) -> tuple[np.ndarray, int]:
    """Match classes one to one by the means of their images, with those of the task that they fit best.

    Means are normalised by their own mean and deviation, so that brightness and contrast decide nothing.

    Parameters
    ----------
    images : np.ndarray
        uint8 [N, D].
    labels : np.ndarray
        int64 [N], classes; each has an image.
    classes : int
        C.
    means : np.ndarray
        float [T, K, D], mean images of the classes of T tasks; NaN of a class that a task does not have.

    Returns
    -------
    outputs : np.ndarray
        int64 [C], NONE for a class that is left over.
    task : int
        Place of the task whose classes fit best.
    """
    own = _standardised(normalised_class_means(images, labels, classes, MATCHED_IMAGES))
    best: tuple[float, int, np.ndarray] | None = None
    for place, of_task in enumerate(means):
        present = np.flatnonzero(np.isfinite(of_task).all(axis=1))
        reference = _standardised(of_task[present].astype(np.float64))
        matched = nearest_classes(reference, own)
        used = matched != NONE
        cost = float(class_distances(reference, own)[matched[used], np.flatnonzero(used)].mean())
        if best is None or cost < best[0]:
            outputs = np.where(used, present[np.maximum(matched, 0)], NONE)
            best = (cost, place, outputs)
    assert best is not None, "an experiment has tasks"
    return best[2], best[1]


def _standardised(means: np.ndarray) -> np.ndarray:
    return np.asarray((means - means.mean()) / (means.std() or 1.0))


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:MOST_NAMED])
    return shown if len(names) <= MOST_NAMED else f"{shown} and {len(names) - MOST_NAMED} more"


def _hint(name: str, names: Sequence[str]) -> str:
    close = get_close_matches(name, names, 1)
    return f"; is {close[0]!r} meant?" if close else f"; there are {_listed(names)}"
