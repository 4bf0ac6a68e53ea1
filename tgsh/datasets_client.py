"""What a client asks of datasets of one's own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from tgsh import dataset_calls, schemas
from tgsh.calls import Call

T = TypeVar("T")


class Datasets(ABC):
    """Uploaded datasets, for whoever can send a call."""

    @abstractmethod
    def _send(self, call: Call[T]) -> T: ...

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
    ) -> schemas.Dataset:
        """Upload an .npz, a .zip of class folders with images, or arrays x and y; see POST /datasets.

        size (height, width) and channels (1 or 3): what a zip's images become. `{"dataset": {"id": …}}` in
        a spec uses it. The same images again are the same dataset.
        """
        every = {"x": x, "y": y, "x_test": x_test, "y_test": y_test}
        arrays = {key: value for key, value in every.items() if value is not None}
        if name is None and source is not None:
            name = Path(source).stem[:64] or None
        with dataset_calls.opened(source, arrays) as (content, media_type):
            return self._send(
                dataset_calls.upload(
                    content, media_type, name=name, shared=shared, size=size, channels=channels
                )
            )

    def datasets(self, *, page_size: int | None = None) -> Iterator[schemas.Dataset]:
        """All uploaded datasets that one sees, newest first; pages are fetched as they are needed."""
        cursor: str | None = None
        while True:
            found = self._send(dataset_calls.page(cursor, page_size))
            yield from found.items
            if (cursor := found.next) is None:
                return

    def dataset(self, dataset: str) -> schemas.Dataset:
        """One of them, by its id."""
        return self._send(dataset_calls.get(dataset))

    def dataset_samples(self, dataset: str, format: str = "png", **params: Any) -> bytes:
        """What its images look like, as a file; `classes` such as "0-9" and `examples` of each."""
        return self._send(dataset_calls.samples(dataset, format, **params))

    def share_dataset(self, dataset: str, shared: bool = True) -> schemas.Dataset:
        """Let everybody with a key see and use it, or its owner alone again."""
        return self._send(dataset_calls.sharing(dataset, shared))

    def delete_dataset(self, dataset: str) -> None:
        """Delete it. Experiments that use it keep it: delete them first."""
        self._send(dataset_calls.deletion(dataset))
