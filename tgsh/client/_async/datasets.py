"""Methods of `AsyncClient` about uploaded datasets."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tgsh import schemas
from tgsh.client._async.references import AsyncReferences
from tgsh.client._requests import (
    dataset_path,
    delete_resource,
    get_dataset,
    get_dataset_page,
    get_file,
    patch,
    post_dataset,
    without_none,
)


class AsyncDatasetMethods(AsyncReferences):
    """Upload, listing, sharing and deletion of datasets."""

    async def upload(
        self,
        source: str | os.PathLike[str] | Mapping[str, Any] | Sequence[Any] | None = None,
        *,
        x: Any = None,
        y: Any = None,
        x_test: Any = None,
        y_test: Any = None,
        groups: Any = None,
        class_names: Any = None,
        name: str | None = None,
        shared: bool | None = None,
        size: tuple[int, int] | None = None,
        channels: int | None = None,
        fit: str | None = None,
        background: str | None = None,
        encoding: str | None = None,
        on_bad: str | None = None,
        duplicates: str | None = None,
        test_share: float | None = None,
        group_pattern: str | None = None,
        dry_run: bool | None = None,
    ) -> schemas.Dataset:
        """Upload images with classes: a file, a folder, or arrays.

        `report` of the answer tells everything that was done to them. The same images again are the same
        dataset. ``{"dataset": {"id": …}}`` in a spec uses it.

        Parameters
        ----------
        source : str | os.PathLike[str] | Mapping[str, Any] | Sequence[Any] | None, default=None
            Folder of class folders; file of any kind that the service reads (zip, tar, npz, parquet, …);
            arrays by name; or (images, classes).
        x : Any, default=None
            Training images, array or tensor [n, height, width] or with channels first or last; uint8, uint16
            or floats.
        y : Any, default=None
            Classes of the training images: integers, text or one-hot, as array, tensor or column [n].
        x_test : Any, default=None
            Test images, as `x`.
        y_test : Any, default=None
            Classes of the test images, as `y`.
        groups : Any, default=None
            Group of each image [n]; the images of a group stay on one side of the split.
        class_names : Any, default=None
            Names of the integer classes 0, 1, ….
        name : str | None, default=None
            Name to display; None uses the name of the file or folder.
        shared : bool | None, default=None
            Whether everybody with a key may use it; None uses the default of the service, False.
        size : tuple[int, int] | None, default=None
            Height and width in pixels to which images are resized.
        channels : int | None, default=None
            Channels into which images are converted: 1 (grey) or 3 (colour).
        fit : str | None, default=None
            How images get another size: ``"squash"``, ``"crop"`` or ``"pad"``.
        background : str | None, default=None
            Colour under transparent pixels and of the margins of ``"pad"``.
        encoding : str | None, default=None
            Encoding of names in an archive that are not UTF-8.
        on_bad : str | None, default=None
            ``"skip"`` leaves files out that cannot be read; ``"refuse"`` refuses the upload.
        duplicates : str | None, default=None
            Images with identical pixels: ``"together"`` on one side of the split, ``"keep"`` or ``"refuse"``.
        test_share : float | None, default=None
            Share of every class that becomes test images, where there are none.
        group_pattern : str | None, default=None
            Regular expression; files whose paths match it in the same text are a group.
        dry_run : bool | None, default=None
            True: tell what would be made of it, and keep nothing.

        Returns
        -------
        schemas.Dataset
            The dataset with its id and report.

        Raises
        ------
        InvalidSpec
            If there are both a file and arrays, or neither, if a file cannot be read, or if an array holds
            something else than numbers and text.

        Examples
        --------
        >>> leaves = await client.upload("leaves/", size=(64, 64))
        >>> digits = await client.upload((images, labels), name="digits")
        >>> experiment = await client.submit({"preset": "demo", "dataset": {"id": leaves.id}})
        """
        given = {"x": x, "y": y, "x_test": x_test, "y_test": y_test}
        given |= {"groups": groups, "class_names": class_names}
        arrays = {key: value for key, value in given.items() if value is not None}
        if name is None and isinstance(source, (str, os.PathLike)):
            name = Path(source).resolve().stem[:64] or None
        options = {
            "name": name,
            "shared": shared,
            "size": None if size is None else "{}x{}".format(*size),
            "channels": channels,
            "fit": fit,
            "background": background,
            "encoding": encoding,
            "on_bad": on_bad,
            "duplicates": duplicates,
            "test_share": test_share,
            "group_pattern": group_pattern,
            "dry_run": dry_run,
        }
        return await self._send(post_dataset(source, arrays, **options))

    async def datasets(self, *, page_size: int | None = None) -> AsyncIterator[schemas.Dataset]:
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
            page = await self._send(get_dataset_page(cursor, page_size))
            for dataset in page.items:
                yield dataset
            if (cursor := page.next) is None:
                return

    async def dataset(self, dataset: str) -> schemas.Dataset:
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
        dataset = await self.dataset_id(dataset)
        return await self._send(get_dataset(dataset))

    async def dataset_samples(
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
        dataset = await self.dataset_id(dataset)
        path = f"{dataset_path(dataset)}/samples"
        return await self._send(get_file(path, format=format, classes=classes, examples=examples))

    async def change_dataset(
        self,
        dataset: str,
        *,
        name: str | None = None,
        notes: str | None = None,
        citation: str | None = None,
        licence: str | None = None,
    ) -> schemas.Dataset:
        """Rename or describe a dataset; what is None stays as it is, and empty text empties.

        Parameters
        ----------
        dataset : str
            Id of the dataset, the beginning of it, or its name.
        name : str | None, default=None
            New name.
        notes : str | None, default=None
            Words about it.
        citation : str | None, default=None
            How to cite it.
        licence : str | None, default=None
            Terms under which it may be used.

        Returns
        -------
        schemas.Dataset
            The changed dataset.
        """
        dataset = await self.dataset_id(dataset)
        changes = without_none(name=name, notes=notes, citation=citation, licence=licence)
        return await self._send(patch(schemas.Dataset, dataset_path(dataset), **changes))

    async def share_dataset(self, dataset: str, shared: bool = True) -> schemas.Dataset:
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
        dataset = await self.dataset_id(dataset)
        return await self._send(patch(schemas.Dataset, dataset_path(dataset), shared=shared))

    async def delete_dataset(self, dataset: str) -> None:
        """Delete a dataset; experiments that use it have to be deleted first.

        Parameters
        ----------
        dataset : str
            Id of the dataset, the beginning of it, or its name.
        """
        dataset = await self.dataset_id(dataset)
        await self._send(delete_resource(dataset_path(dataset)))
