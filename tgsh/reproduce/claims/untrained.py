"""Accuracy of untrained contexts on an experiment's sample images: the control of claims about accuracy."""

from __future__ import annotations

import numpy as np

from tgsh.client import Client
from tgsh.schemas import Samples


def untrained_accuracies(client: Client, experiment_id: str, *, backwards: bool = False) -> list[float]:
    """Accuracy of each task's untrained context on its own samples; backwards: the last is asked first."""
    samples = client.samples(experiment_id)
    images = _bytes_of(samples)
    places = range(len(images))
    found = {
        place: _recognised(client, experiment_id, samples, place, images[place])
        for place in (reversed(places) if backwards else places)
    }
    return [float(found[place].mean()) for place in places]


def untrained_matrix(client: Client, experiment_id: str) -> np.ndarray:
    """Accuracy of the untrained context of task i on the samples of task j, float64 [T, T]."""
    samples = client.samples(experiment_id)
    images = _bytes_of(samples)
    together = images.reshape(-1, *images.shape[2:])
    rows = [
        _recognised(client, experiment_id, samples, place, together).reshape(images.shape[:2]).mean(axis=1)
        for place in range(len(images))
    ]
    return np.stack(rows)


def _bytes_of(samples: Samples) -> np.ndarray:
    """Images of the samples, uint8: a request of all of them is then small enough for the service."""
    return np.asarray(np.rint(255 * np.array(samples.images)).astype(np.uint8))


def _recognised(
    client: Client, experiment_id: str, samples: Samples, place: int, images: np.ndarray
) -> np.ndarray:
    """True for each image whose class the untrained context of a task names right."""
    seen = client.predictions(experiment_id, samples.tasks[place], images, stage="before")
    return np.asarray(np.equal(seen.classes, np.resize(samples.classes, len(images))))
