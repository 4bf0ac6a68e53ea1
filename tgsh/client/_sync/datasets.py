# Generated from tgsh/client/_async/datasets.py: do not edit. To generate it again:
# python -m tests.architecture.generate_sync
"""Methods of `Client` about uploaded datasets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tgsh import schemas
from tgsh.client._requests import (
    dataset_path,
    delete_resource,
    get_dataset,
    get_dataset_page,
    get_file,
    patch_shared,
    post_dataset,
)
from tgsh.client._sync.references import References


class DatasetMethods(References):
    """Upload, listing, sharing and deletion of datasets."""

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
        """Upload images with classes: a file, or arrays.

        The same images again are the same dataset. ``{"dataset": {"id": …}}`` in a spec uses it.

        Parameters
        ----------
        source : str | Path | None, default=None
            File: an .npz with the arrays below, or a .zip with one folder of images per class.
        x : Any, default=None
            Training images, array [n, height, width] or [n, height, width, 3], uint8 (0 to 255) or floats
            (0 to 1).
        y : Any, default=None
            Classes of the training images, integers or text [n].
        x_test : Any, default=None
            Test images, as `x`.
        y_test : Any, default=None
            Classes of the test images, as `y`.
        name : str | None, default=None
            Name to display; None uses the name of the file.
        shared : bool | None, default=None
            Whether everybody with a key may use it; None uses the default of the service, False.
        size : tuple[int, int] | None, default=None
            Height and width in pixels to which the images of a .zip are resized.
        channels : int | None, default=None
            Channels into which the images of a .zip are converted: 1 (grey) or 3 (colour).

        Returns
        -------
        schemas.Dataset
            The dataset with its id.

        Raises
        ------
        InvalidSpec
            If there are both a file and arrays, or neither, if the file cannot be read, or if an array holds
            Python objects.

        Examples
        --------
        >>> leaves = client.upload(x=images, y=labels, name="leaves")
        >>> experiment = client.submit({"preset": "demo", "dataset": {"id": leaves.id}})
        """
        parameters = {"x": x, "y": y, "x_test": x_test, "y_test": y_test}
        arrays = {key: value for key, value in parameters.items() if value is not None}
        if name is None and source is not None:
            name = Path(source).stem[:64] or None
        resize = None if size is None else "{}x{}".format(*size)
        return self._send(
            post_dataset(source, arrays, name=name, shared=shared, size=resize, channels=channels)
        )

    def datasets(self, *, page_size: int | None = None) -> Iterator[schemas.Dataset]:
        """All uploaded datasets that the key may see, newest first.

        Parameters
        ----------
        page_size : int | None, default=None
            Datasets per request; None uses the default of the service.

        Yields
        ------
        schemas.Dataset
            The next dataset; pages are fetched as they are needed.
        """
        cursor: str | None = None
        while True:
            page = self._send(get_dataset_page(cursor, page_size))
            yield from page.items
            if (cursor := page.next) is None:
                return

    def dataset(self, dataset: str) -> schemas.Dataset:
        """One uploaded dataset.

        Parameters
        ----------
        dataset : str
            Id of the dataset, the beginning of it, or its name.

        Returns
        -------
        schemas.Dataset
            Its description.
        """
        dataset = self.dataset_id(dataset)
        return self._send(get_dataset(dataset))

    def dataset_samples(
        self,
        dataset: str,
        format: str = "png",
        *,
        classes: str | None = None,
        examples: int | None = None,
    ) -> bytes:
        """First training images of each class, as a file.

        Parameters
        ----------
        dataset : str
            Id of the dataset, the beginning of it, or its name.
        format : str, default='png'
            File format, such as ``"png"`` or ``"npy"``.
        classes : str | None, default=None
            Numbers of classes, such as ``"0,3"`` or ``"0-9"``; None uses the first 20.
        examples : int | None, default=None
            Images per class, 1 to 20; None uses the default of the service, 8.

        Returns
        -------
        bytes
            Content of the file.
        """
        dataset = self.dataset_id(dataset)
        path = f"{dataset_path(dataset)}/samples"
        return self._send(get_file(path, format=format, classes=classes, examples=examples))

    def share_dataset(self, dataset: str, shared: bool = True) -> schemas.Dataset:
        """Share a dataset with everybody who has a key, or with its owner alone again.

        Parameters
        ----------
        dataset : str
            Id of the dataset, the beginning of it, or its name.
        shared : bool, default=True
            Whether everybody with a key may see and use it.

        Returns
        -------
        schemas.Dataset
            The changed dataset.
        """
        dataset = self.dataset_id(dataset)
        return self._send(patch_shared(schemas.Dataset, dataset_path(dataset), shared))

    def delete_dataset(self, dataset: str) -> None:
        """Delete a dataset; experiments that use it have to be deleted first.

        Parameters
        ----------
        dataset : str
            Id of the dataset, the beginning of it, or its name.
        """
        dataset = self.dataset_id(dataset)
        self._send(delete_resource(dataset_path(dataset)))
