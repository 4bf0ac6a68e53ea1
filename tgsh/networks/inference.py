"""One task's network on images, in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from tgsh.datasets.base import PAPER, Normalisation
from tgsh.networks.registry import Context, FlyNetBase, GshBase, NeuroModNetBase, RandomBase, TgshBase

BLOCK_NUMBERS = 2**21
"""Units of a block of images that are in memory at a time (8 MB); wide networks see fewer images at once."""


@dataclass(frozen=True, eq=False)
class TaskNetwork:
    """A network with the context of one task.

    Attributes
    ----------
    represent : Callable[[np.ndarray], np.ndarray]
        r(x), float32 [B, R], of B images.
    readout : np.ndarray
        W, float32 [K, R].
    widest : int
        Units of the widest layer.
    """

    represent: Callable[[np.ndarray], np.ndarray]
    readout: np.ndarray
    widest: int

    @property
    def size(self) -> int:
        """R: numbers in the representation of an image."""
        return int(self.readout.shape[1])

    def representations(self, images: np.ndarray) -> np.ndarray:
        """r(x), what the readout makes logits of.

        Parameters
        ----------
        images : np.ndarray
            [n, D], uint8 from 0 to 255 or floats from 0 to 1.

        Returns
        -------
        np.ndarray
            float32 [n, R].
        """
        representations = np.empty((len(images), self.size), np.float32)
        for block in self._blocks(len(images)):
            representations[block] = self.represent(images[block])
        return representations

    def logits(self, images: np.ndarray) -> np.ndarray:
        """W r(x); a softmax makes probabilities of them.

        Parameters
        ----------
        images : np.ndarray
            [n, D], uint8 from 0 to 255 or floats from 0 to 1.

        Returns
        -------
        np.ndarray
            float32 [n, K].
        """
        logits = np.empty((len(images), len(self.readout)), np.float32)
        for block in self._blocks(len(images)):
            logits[block] = self.represent(images[block]) @ self.readout.T
        return logits

    def _blocks(self, images: int) -> Iterator[slice]:
        size = max(1, BLOCK_NUMBERS // self.widest)
        return (slice(start, start + size) for start in range(0, images, size))


def task_network(
    base: RandomBase,
    context: Context,
    vector: np.ndarray,
    index: int,
    normalisation: Normalisation = PAPER,
) -> TaskNetwork:
    """The network of a task under a context vector.

    Parameters
    ----------
    base : RandomBase
        The frozen weights.
    context : Context
        The parameters of a task.
    vector : np.ndarray
        The context vector, float32 [V].
    index : int
        The task's place in its suite.
    normalisation : Normalisation, default=PAPER
        Of the task's pixels.

    Returns
    -------
    TaskNetwork
        Ready for images.
    """
    parameters = context.parameters(vector)
    match base:
        case FlyNetBase():
            v = parameters["g"] * parameters["c"]
            return TaskNetwork(_FlyNet(base, v * np.float32(normalisation.scale)), base.readout, base.units)
        case NeuroModNetBase():
            layers = range(1, len(base.weights) + 1)
            contexts = [parameters[f"g{layer}"] * parameters[f"c{layer}"] for layer in layers]
            widest = max(max(weights.shape) for weights in base.weights)
            return TaskNetwork(_NeuroModNet(base, contexts, normalisation), base.weights[-1], widest)
        case TgshBase():
            return TaskNetwork(
                _Hash(base.input_weights, parameters["B"], normalisation),
                base.readout,
                max(base.input_weights.shape),
            )
        case GshBase():
            input_weights = base.input_weights(index)
            return TaskNetwork(
                _Hash(input_weights, parameters["B"], normalisation),
                parameters["A"],
                max(input_weights.shape),
            )


def flynet_features(base: FlyNetBase, images: np.ndarray) -> np.ndarray:
    """φ(x) = ReLU(Ax − mean(Ax)) of images, in units of bytes.

    Sums of bytes are below 2^24 at the paper's size: exact in float32.

    Parameters
    ----------
    base : FlyNetBase
        A.
    images : np.ndarray
        [n, D], uint8 from 0 to 255 or floats from 0 to 1.

    Returns
    -------
    np.ndarray
        float32 [n, H], the transpose of an array in memory.
    """
    # A copy even of one image, whose transpose is contiguous.
    pixels = np.array(images.T, np.float32, order="C")
    if images.dtype != np.uint8:
        pixels *= 255
    features = np.asarray(_matrix(base, len(pixels)) @ pixels)
    degrees = np.bincount(base.indices.ravel(), minlength=len(pixels)).astype(np.float32)
    features -= degrees @ pixels / np.float32(base.units)
    return _relu(features).T


def _matrix(base: FlyNetBase, pixels: int) -> csr_array:
    """A [H, D]."""
    ones = np.ones(base.indices.size, np.float32)
    starts = np.arange(0, base.indices.size + 1, base.indices.shape[1], dtype=np.int32)
    return csr_array((ones, base.indices.ravel(), starts), shape=(base.units, pixels))


class _FlyNet:
    """v ⊙ φ(x), v in units of bytes."""

    def __init__(self, base: FlyNetBase, v: np.ndarray) -> None:
        self._base, self._v = base, v

    def __call__(self, images: np.ndarray) -> np.ndarray:
        modulated: np.ndarray = flynet_features(self._base, images) * self._v
        return modulated


class _NeuroModNet:
    """v_L ⊙ h_(L−1)."""

    def __init__(
        self, base: NeuroModNetBase, contexts: list[np.ndarray], normalisation: Normalisation
    ) -> None:
        self._hidden, self._contexts = base.weights[:-1], contexts
        self._normalisation = normalisation

    def __call__(self, images: np.ndarray) -> np.ndarray:
        h = normalised_pixels(images, self._normalisation)
        h *= self._contexts[0]
        for weights, context in zip(self._hidden, self._contexts[1:], strict=True):
            h = _relu(h @ weights.T)
            h *= context
        return h


class _Hash:
    """B ReLU(Cx)."""

    def __init__(self, first: np.ndarray, b: np.ndarray, normalisation: Normalisation) -> None:
        self._first, self._b, self._normalisation = first, b, normalisation

    def __call__(self, images: np.ndarray) -> np.ndarray:
        phi = _relu(normalised_pixels(images, self._normalisation) @ self._first.T)
        hashes: np.ndarray = phi @ self._b.T
        return hashes


def normalised_pixels(images: np.ndarray, by: Normalisation) -> np.ndarray:
    """(p − mean)/deviation of pixels p from 0 to 1.

    Parameters
    ----------
    images : np.ndarray
        [n, D], uint8 from 0 to 255 or floats from 0 to 1.
    by : Normalisation
        Mean and deviation.

    Returns
    -------
    np.ndarray
        float32 [n, D].
    """
    scale = 255 if images.dtype == np.uint8 else 1
    pixels = images.astype(np.float32)
    pixels *= np.float32(1 / (scale * by.deviation))
    pixels -= np.float32(by.mean / by.deviation)
    return pixels


def _relu(values: np.ndarray) -> np.ndarray:
    np.maximum(values, 0, out=values)
    return values
