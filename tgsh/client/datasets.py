"""What a client does with datasets of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tgsh import schemas
from tgsh.client import dataset_calls
from tgsh.client.conversation import Conversation
from tgsh.client.operations import operation, series
from tgsh.client.steps import Flow, Hand, Series


class Datasets(Conversation):
    """Uploaded datasets."""

    @operation
    def upload(
        self,
        source: str | Path | None = None,
        *,
        x: Any = None,
        y: Any = None,
        x_test: Any = None,
        y_test: Any = None,
        name: str | None = None,
        shared: bool | None = None,
        size: tuple[int, int] | None = None,
        channels: int | None = None,
    ) -> Flow[schemas.Dataset]:
        """Upload an .npz, a .zip of class folders with images, or arrays x and y; see POST /datasets.

        size (height, width) and channels (1 or 3): what a zip's images become. `{"dataset": {"id": …}}` in
        a spec uses it. The same images again are the same dataset.
        """
        every = {"x": x, "y": y, "x_test": x_test, "y_test": y_test}
        arrays = {key: value for key, value in every.items() if value is not None}
        if name is None and source is not None:
            name = Path(source).stem[:64] or None
        sides = None if size is None else "{}x{}".format(*size)
        return self._ask(
            dataset_calls.upload(source, arrays, name=name, shared=shared, size=sides, channels=channels)
        )

    @series
    def datasets(self, *, page_size: int | None = None) -> Series[schemas.Dataset]:
        """All uploaded datasets that one sees, newest first; pages are fetched as they are needed."""
        cursor: str | None = None
        while True:
            found = yield from self._ask(dataset_calls.page(cursor, page_size))
            for dataset in found.items:
                yield Hand(dataset)
            if (cursor := found.next) is None:
                return

    @operation
    def dataset(self, dataset: str) -> Flow[schemas.Dataset]:
        """One of them, by its id."""
        return self._ask(dataset_calls.get(dataset))

    @operation
    def dataset_samples(
        self,
        dataset: str,
        format: str = "png",
        *,
        classes: str | None = None,
        examples: int | None = None,
    ) -> Flow[bytes]:
        """What its images look like, as a file; classes such as "0-9", and so many examples of each."""
        return self._ask(dataset_calls.samples(dataset, format, classes=classes, examples=examples))

    @operation
    def share_dataset(self, dataset: str, shared: bool = True) -> Flow[schemas.Dataset]:
        """Let everybody with a key see and use it, or its owner alone again."""
        return self._ask(dataset_calls.sharing(dataset, shared))

    @operation
    def delete_dataset(self, dataset: str) -> Flow[None]:
        """Delete it. Experiments that use it keep it: delete them first."""
        return self._ask(dataset_calls.deletion(dataset))
