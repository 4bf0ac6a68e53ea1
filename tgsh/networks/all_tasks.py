"""Networks of all tasks on the same images, in NumPy: a FlyNet's features are computed once for all
contexts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tgsh.datasets.base import Normalisation
from tgsh.networks.inference import TaskNetwork, flynet_features, normalised_pixels, task_network
from tgsh.networks.registry import Context, FlyNetBase, GshBase, NeuroModNetBase, RandomBase, TgshBase

CONTEXT_NUMBERS = 2**23
"""Numbers of the readouts of a block of contexts (32 MB): T·K·H of a FlyNet may be gigabytes."""

FEATURE_NUMBERS = 2**22
"""Features of a block of images (16 MB)."""


@dataclass(frozen=True, eq=False)
class TaskNetworks:
    """The networks of several tasks over one random base.

    Attributes
    ----------
    base : RandomBase
        The frozen weights.
    context : Context
        The parameters of a task.
    vectors : np.ndarray
        float32 [T, V], context vectors; may be a memory map.
    tasks : Sequence[int]
        T places in the suite.
    normalisation : Callable[[int], Normalisation]
        Of the pixels of a task, by its place.
    """

    base: RandomBase
    context: Context
    vectors: np.ndarray
    tasks: Sequence[int]
    normalisation: Callable[[int], Normalisation]

    @property
    def classes(self) -> int:
        """K: outputs of a network."""
        match self.base:
            case NeuroModNetBase():
                return len(self.base.weights[-1])
            case FlyNetBase() | TgshBase():
                return len(self.base.readout)
            case GshBase():
                return self.base.classes

    @property
    def hidden_units(self) -> int:
        """Units of the first hidden layer, whose numbers are the features of an image without context."""
        match self.base:
            case FlyNetBase():
                return self.base.units
            case NeuroModNetBase():
                return len(self.base.weights[0])
            case TgshBase():
                return len(self.base.input_weights)
            case GshBase():
                return self.base.hidden

    def network(self, row: int) -> TaskNetwork:
        """The network of one task.

        Parameters
        ----------
        row : int
            Row of `vectors`.

        Returns
        -------
        TaskNetwork
            Ready for images.
        """
        index = self.tasks[row]
        vector = np.asarray(self.vectors[row])
        return task_network(self.base, self.context, vector, index, self.normalisation(index))

    def logits(self, images: np.ndarray, step: Callable[[], None] = lambda: None) -> np.ndarray:
        """Logits of the images under every context, W r_t(x).

        Parameters
        ----------
        images : np.ndarray
            [n, D], uint8 from 0 to 255 or floats from 0 to 1, as the networks see them.
        step : Callable[[], None], default=lambda: None
            Called between two blocks of work; may raise to end it.

        Returns
        -------
        np.ndarray
            float32 [n, T, K].
        """
        logits = np.empty((len(images), len(self.tasks), self.classes), np.float32)
        if isinstance(self.base, FlyNetBase):
            self._flynet_logits(self.base, images, logits, step)
        else:
            for row in range(len(self.tasks)):
                step()
                logits[:, row] = self.network(row).logits(images)
        return logits

    def _flynet_logits(
        self, base: FlyNetBase, images: np.ndarray, logits: np.ndarray, step: Callable[[], None]
    ) -> None:
        """logits[n, t, k] = Σ_h φ_h(x_n) v_th W_kh: one product of features and modulated readouts."""
        classes, units = base.readout.shape
        contexts_at_once = max(1, CONTEXT_NUMBERS // (classes * units))
        images_at_once = max(1, FEATURE_NUMBERS // units)
        scales = np.array([self.normalisation(index).scale for index in self.tasks], np.float32)
        for start in range(0, len(self.tasks), contexts_at_once):
            rows = slice(start, start + contexts_at_once)
            v = np.asarray(self.vectors[rows], np.float32) * scales[rows, None]
            readouts = (v[:, None, :] * base.readout[None]).reshape(-1, units)
            for first in range(0, len(images), images_at_once):
                step()
                block = slice(first, first + images_at_once)
                # [B, T·K]; float32 products of fixed block sizes give the same bytes for the same request
                products = flynet_features(base, images[block]) @ readouts.T
                logits[block, rows] = products.reshape(len(products), -1, classes)


def multiply_adds(base: RandomBase) -> int:
    """Multiplications that one more context costs for an image.

    Parameters
    ----------
    base : RandomBase
        The frozen weights.

    Returns
    -------
    int
        K·H of a FlyNet, whose features are shared; all weights of the other networks.
    """
    match base:
        case FlyNetBase():
            return int(base.readout.size)
        case NeuroModNetBase():
            return sum(int(weights.size) for weights in base.weights)
        case TgshBase():
            units, rank = len(base.input_weights), base.readout.shape[1]
            return int(base.input_weights.size) + int(rank) * (units + len(base.readout))
        case GshBase():
            return int(base.hidden * base.pixels)


def blind_features(base: RandomBase, images: np.ndarray, normalisation: Normalisation) -> np.ndarray:
    """φ(x), what the random base makes of images without any context.

    Parameters
    ----------
    base : RandomBase
        The frozen weights.
    images : np.ndarray
        [n, D], uint8 from 0 to 255 or floats from 0 to 1.
    normalisation : Normalisation
        Of the pixels; a FlyNet's features are told in units of bytes.

    Returns
    -------
    np.ndarray
        float32 [n, H]: ReLU(Ax − mean(Ax)) of a FlyNet, ReLU(Cx) of a T-GSH, ReLU(R₁x) of a NeuroModNet.

    Raises
    ------
    ValueError
        For the baseline `gsh`, whose tasks share no weights.
    """
    match base:
        case FlyNetBase():
            return flynet_features(base, images)
        case NeuroModNetBase():
            first = base.weights[0]
        case TgshBase():
            first = base.input_weights
        case GshBase():
            raise ValueError("tasks share no random base")
    return np.asarray(np.maximum(normalised_pixels(images, normalisation) @ first.T, 0))
