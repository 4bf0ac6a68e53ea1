"""Images that the service made or keeps, in rows of tasks."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from tgsh import schemas
from tgsh.client.values.labelled import Drawn, span, table

if TYPE_CHECKING:
    import pandas


class Reconstructions(Drawn, schemas.Reconstructions):
    """What the network believes in, float64 [T, K, samples, height, width], in units of its input."""

    def to_numpy(self) -> np.ndarray:
        return np.array(self.images, np.float64)

    def to_dataframe(self) -> pandas.DataFrame:
        """A row an image, its pixels in columns."""
        images = self.to_numpy()
        rows = product(self.labels, self.classes, range(images.shape[2]))
        tasks, classes, samples = zip(*rows, strict=True)
        return _pixels(images, {"task": tasks, "class": classes, "sample": samples})

    def _says(self) -> str:
        score = "" if self.score is None else f", correlation {self.score.correlation:.2f}"
        return f"{self.method}, {span(self.labels)}, {len(self.classes)} classes{score}"


class Samples(Drawn, schemas.Samples):
    """The same test images as each task shows them, float64 [T, n, height, width], 0 black to 1 white."""

    def to_numpy(self) -> np.ndarray:
        return np.array(self.images, np.float64)

    def to_dataframe(self) -> pandas.DataFrame:
        """A row an image, its pixels in columns."""
        rows = product(self.labels, enumerate(self.classes))
        tasks, numbered = zip(*rows, strict=True)
        numbers, classes = zip(*numbered, strict=True)
        return _pixels(self.to_numpy(), {"task": tasks, "image": numbers, "class": classes})

    def _says(self) -> str:
        return f"{span(self.labels)}, {len(self.classes)} images each"


def _pixels(images: np.ndarray, rows: dict[str, tuple[object, ...]]) -> pandas.DataFrame:
    height, width = images.shape[-2:]
    places = product(range(height), range(width))
    down, across = zip(*places, strict=True)
    return table(images.reshape(-1, height * width), rows, {"row": down, "column": across})
