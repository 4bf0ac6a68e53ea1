# Generated from tgsh/client/_async/placements.py: do not edit. To generate it again:
# python -m tests.architecture.generate_sync
"""Methods of `Client` about new data: placements, and accuracy matrices computed later."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tgsh import schemas
from tgsh.client import results
from tgsh.client._placement_requests import (
    NAMED_DATASETS,
    Classes,
    get_matrix_job,
    get_placement,
    get_placement_page,
    placement_path,
    post_matrix,
    post_placement,
)
from tgsh.client._requests import delete_resource, get_document, get_file
from tgsh.client._sync.references import ExperimentReference, References
from tgsh.errors import Conflict

MAX_POLL_SECONDS = 1.0  # between two requests of `wait_placement`
ENDED = ("completed", "failed")


class PlacementMethods(References):
    """Placement of new data among the tasks of an experiment."""

    def place(
        self,
        experiment: ExperimentReference,
        x: Any = None,
        y: Any = None,
        *,
        dataset: str | None = None,
        classes: Classes = "names",
        train_limit: int | None = None,
        replicates: int | None = None,
        seed: int | None = None,
        name: str | None = None,
        size: tuple[int, int] | None = None,
        channels: int | None = None,
        fit: str | None = None,
        background: str | None = None,
        encoding: str | None = None,
        on_bad: str | None = None,
        class_names: Any = None,
        wait: bool = True,
        timeout: float | None = None,
    ) -> results.Placement:
        """Place labelled images among the tasks of a completed experiment, which stays as it is.

        Parameters
        ----------
        experiment : ExperimentReference
            The experiment, its id, or the beginning of it.
        x : Any, default=None
            Images, array or tensor [n, height, width] or with channels; or a file or folder that the service
            reads, as for `upload`, which holds the classes too.
        y : Any, default=None
            Classes of the images in an array: integers, text or one-hot.
        dataset : str | None, default=None
            Named dataset, or an uploaded one's id or name, in place of images.
        classes : Classes, default='names'
            Which class is taken for which: ``"names"``, ``"nearest"`` (by the means of their images), or a
            map from classes of the images to classes of the experiment.
        train_limit : int | None, default=None
            Images that a replicate learns from; None uses the default of the service, 200.
        replicates : int | None, default=None
            Contexts that are learned; None uses the default of the service, 5.
        seed : int | None, default=None
            Decides draws and starts; None: 0.
        name : str | None, default=None
            Name to display.
        size : tuple[int, int] | None, default=None
            Height and width to which images are resized.
        channels : int | None, default=None
            Channels into which images are converted: 1 (grey) or 3 (colour).
        fit : str | None, default=None
            How images get another size: ``"squash"``, ``"crop"`` or ``"pad"``.
        background : str | None, default=None
            Colour under transparent pixels and of the margins of ``"pad"``.
        encoding : str | None, default=None
            Encoding of names in an archive that are not UTF-8.
        on_bad : str | None, default=None
            ``"skip"`` leaves files out that cannot be read.
        class_names : Any, default=None
            Names of the integer classes 0, 1, ….
        wait : bool, default=True
            Whether to wait until the placement is completed or has failed.
        timeout : float | None, default=None
            Seconds to wait at most; None waits without limit.

        Returns
        -------
        results.Placement
            Tasks ranked by similarity, and whether the images are like any of them.

        Raises
        ------
        InvalidSpec
            If there are both images and a dataset, or neither.
        TimeoutError
            If it has not ended after `timeout` seconds; it goes on.

        Examples
        --------
        >>> placement = client.place(experiment.id, images, labels)
        >>> print(placement.sentence)
        >>> placement.to_dataframe()
        """
        experiment = self.experiment_id(experiment)
        if dataset is not None and dataset not in NAMED_DATASETS:
            dataset = self.dataset_id(dataset)
        is_file = isinstance(x, (str, os.PathLike))
        arrays = {} if is_file else {"x": x, "y": y, "class_names": class_names}
        arrays = {key: value for key, value in arrays.items() if value is not None}
        if name is None and is_file:
            name = Path(x).resolve().stem[:64] or None
        conversion = {
            "size": None if size is None else "{}x{}".format(*size),
            "channels": channels,
            "fit": fit,
            "background": background,
            "encoding": encoding,
            "on_bad": on_bad,
        }
        options = {"train_limit": train_limit, "replicates": replicates, "seed": seed, "name": name}
        source = x if is_file else None
        request = post_placement(experiment, source, arrays, dataset, classes, conversion, **options)
        placement = self._send(request)
        return self.wait_placement(experiment, placement.id, timeout) if wait else placement

    def wait_placement(
        self, experiment: ExperimentReference, placement: str, timeout: float | None = None
    ) -> results.Placement:
        """Wait until a placement is completed or has failed.

        Parameters
        ----------
        experiment : ExperimentReference
            The experiment, its id, or the beginning of it.
        placement : str
            Id of the placement.
        timeout : float | None, default=None
            Seconds to wait at most; None waits without limit.

        Returns
        -------
        results.Placement
            The placement; where it failed, `reason` says why.

        Raises
        ------
        TimeoutError
            If it has not ended after `timeout` seconds; it goes on.
        """
        experiment = self.experiment_id(experiment)
        deadline = None if timeout is None else time.monotonic() + timeout
        pause = 0.05
        while True:
            state = self._send(get_placement(experiment, placement))
            if state.status in ENDED:
                return state
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError(f"placement {placement} is still {state.status} after {timeout} s")
            time.sleep(pause)
            pause = min(MAX_POLL_SECONDS, pause * 1.5)

    def placement(self, experiment: ExperimentReference, placement: str) -> results.Placement:
        """One placement.

        Parameters
        ----------
        experiment : ExperimentReference
            The experiment, its id, or the beginning of it.
        placement : str
            Id of the placement.

        Returns
        -------
        results.Placement
            Its ranking once it is completed.
        """
        experiment = self.experiment_id(experiment)
        return self._send(get_placement(experiment, placement))

    def placements(
        self, experiment: ExperimentReference, *, page_size: int | None = None
    ) -> Iterator[schemas.PlacementSummary]:
        """Placements of an experiment that are one's own, newest first.

        Parameters
        ----------
        experiment : ExperimentReference
            The experiment, its id, or the beginning of it.
        page_size : int | None, default=None
            Placements per request; None uses the default of the service.

        Yields
        ------
        schemas.PlacementSummary
            The next placement; pages are fetched as they are needed.
        """
        experiment = self.experiment_id(experiment)
        cursor: str | None = None
        while True:
            page = self._send(get_placement_page(experiment, cursor, page_size))
            yield from page.items
            if (cursor := page.next) is None:
                return

    def placement_map(self, experiment: ExperimentReference, placement: str) -> schemas.PlacementMap:
        """Map of the tasks with the point of the placed images.

        Parameters
        ----------
        experiment : ExperimentReference
            The experiment, its id, or the beginning of it.
        placement : str
            Id of the placement.

        Returns
        -------
        schemas.PlacementMap
            Points of the tasks, and `placed`.
        """
        experiment = self.experiment_id(experiment)
        return self._send(get_document(schemas.PlacementMap, experiment, "placements", placement, "map"))

    def placement_file(
        self, experiment: ExperimentReference, placement: str, format: str, of: str = ""
    ) -> bytes:
        """File of a placement, such as its picture.

        Parameters
        ----------
        experiment : ExperimentReference
            The experiment, its id, or the beginning of it.
        placement : str
            Id of the placement.
        format : str
            Such as ``"png"``, ``"csv"`` or ``"npy"`` (the replicates' context vectors).
        of : str, default=''
            ``""`` for the ranking, ``"map"`` or ``"samples"``.

        Returns
        -------
        bytes
            Content of the file.
        """
        experiment = self.experiment_id(experiment)
        path = placement_path(experiment, placement) + (f"/{of}" if of else "")
        return self._send(get_file(path, format=format))

    def delete_placement(self, experiment: ExperimentReference, placement: str) -> None:
        """Delete a placement and its images.

        Parameters
        ----------
        experiment : ExperimentReference
            The experiment, its id, or the beginning of it.
        placement : str
            Id of the placement.
        """
        experiment = self.experiment_id(experiment)
        self._send(delete_resource(placement_path(experiment, placement)))

    def compute_accuracy_matrix(
        self, experiment: ExperimentReference, timeout: float | None = None
    ) -> results.AccuracyMatrix:
        """Accuracy matrix of an experiment that was submitted without: have it computed, and wait for it.

        Parameters
        ----------
        experiment : ExperimentReference
            The experiment, its id, or the beginning of it.
        timeout : float | None, default=None
            Seconds to wait at most; None waits without limit.

        Returns
        -------
        results.AccuracyMatrix
            The matrix, as from `accuracy_matrix`.

        Raises
        ------
        Conflict
            If the computation failed; it says why.
        TimeoutError
            If it has not ended after `timeout` seconds; it goes on.
        """
        experiment = self.experiment_id(experiment)
        deadline = None if timeout is None else time.monotonic() + timeout
        job = self._send(post_matrix(experiment))
        pause = 0.1
        while job.status not in ENDED:
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError(f"the accuracy matrix is still {job.status} after {timeout} s")
            time.sleep(pause)
            pause = min(MAX_POLL_SECONDS, pause * 1.5)
            job = self._send(get_matrix_job(experiment))
        if job.status == "failed":
            raise Conflict(f"the accuracy matrix was not computed: {job.reason}")
        return self._send(get_document(results.AccuracyMatrix, experiment, "accuracy", "matrix"))
