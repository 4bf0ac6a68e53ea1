"""Images of tasks as arrays and as a sheet: an experiment's samples, and previews."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from service import results, subprocesses
from service.dependencies import Services
from service.subprocesses import DRAWN
from tgsh.arrays import LabelledArray


@dataclass(frozen=True)
class Shown:
    """The same n test images as some tasks show them: images float32 [T, n, height, width], 0 to 1;
    [T, n, height, width, 3] in colour.

    about: what they are of, for formats that can hold it. title: of the sheet. names: of the classes.
    """

    about: dict[str, str]
    title: str
    tasks: list[int]
    labels: list[str]
    classes: list[int]
    names: list[str]
    images: np.ndarray


def encode(services: Services, shown: Shown, name: str) -> bytes:
    """In a format of arrays, or as a sheet with a row a task and a column an image."""
    if name in DRAWN:
        sheet = (shown.images, shown.labels, shown.names, shown.title)
        return services.figure_process.render(subprocesses.draw_samples, DRAWN[name], *sheet)
    about = {**shown.about, "classes": json.dumps(shown.classes)}
    return results.ARRAYS[name](LabelledArray(shown.images, shown.tasks, shown.labels, None, about))
