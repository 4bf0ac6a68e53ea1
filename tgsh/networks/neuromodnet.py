"""NeuroModNet's random base and context, as NumPy arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np

from tgsh.errors import InvalidSpec
from tgsh.networks.weights import base_id, normal_blocks, normal_weights
from tgsh.rng import rng_for
from tgsh.specs import NeuroModNetSpec

MAX_WEIGHTS = 100_000_000


@dataclass(frozen=True, eq=False)
class NeuroModNetBase:
    """R_1 … R_L, read-only.

    Attributes
    ----------
    weights : tuple[np.ndarray, ...]
        float32 [n_l, n_(l−1)] each, Kaiming normal, N(0, 2/n_(l−1)).
    base_id : str
        SHA-256 (hex) of all of them and of what they are.
    """

    weights: tuple[np.ndarray, ...]
    base_id: str


def neuromodnet_base(network: NeuroModNetSpec, pixels: int, classes: int, base_seed: int) -> NeuroModNetBase:
    """Sample R_1 … R_L.

    Parameters
    ----------
    network : NeuroModNetSpec
        Size of the network.
    pixels : int
        D, numbers of an image.
    classes : int
        K.
    base_seed : int
        Decides the random numbers.

    Returns
    -------
    NeuroModNetBase
        The base for images of D pixels and K classes.

    Raises
    ------
    InvalidSpec
        For more than MAX_WEIGHTS weights.
    """
    weights = tuple(
        normal_weights(_rng(base_seed, layer), shape)
        for layer, shape in enumerate(_shapes(network, pixels, classes), 1)
    )
    return NeuroModNetBase(weights, base_id(_header(network, pixels, classes), weights))


def neuromodnet_id(network: NeuroModNetSpec, pixels: int, classes: int, base_seed: int) -> str:
    """The id of that base, without the base in memory.

    Parameters
    ----------
    network : NeuroModNetSpec
        Size of the network.
    pixels : int
        D, numbers of an image.
    classes : int
        K.
    base_seed : int
        Decides the random numbers.

    Returns
    -------
    str
        SHA-256 (hex).

    Raises
    ------
    InvalidSpec
        For more than MAX_WEIGHTS weights.
    """
    blocks = (
        block
        for layer, shape in enumerate(_shapes(network, pixels, classes), 1)
        for block in normal_blocks(_rng(base_seed, layer), shape)
    )
    return base_id(_header(network, pixels, classes), blocks)


def _shapes(network: NeuroModNetSpec, pixels: int, classes: int) -> list[tuple[int, int]]:
    shapes = [(after, before) for before, after in pairwise((pixels, *network.layers, classes))]
    if (count := sum(after * before for after, before in shapes)) > MAX_WEIGHTS:
        raise InvalidSpec("network.layers", f"{count:,} random weights are more than {MAX_WEIGHTS:,}")
    return shapes


def _rng(base_seed: int, layer: int) -> np.random.Generator:
    return rng_for(base_seed, "neuromodnet", "R", layer)


def _header(network: NeuroModNetSpec, pixels: int, classes: int) -> dict[str, object]:
    return {**network.model_dump(mode="json", exclude={"start"}), "pixels": pixels, "classes": classes}


@dataclass(frozen=True)
class NeuroModNetContext:
    """c1 [n_0], g1 [1], c2 [n_1], …; v is v_1, v_2, … one after the other, v_l = g_l·c_l.

    Attributes
    ----------
    widths : tuple[int, ...]
        n_0 = D, n_1, …: units that each layer takes in.
    """

    widths: tuple[int, ...]

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """c1, g1, c2, g2, …"""
        return {
            name: shape
            for layer, width in enumerate(self.widths, 1)
            for name, shape in ((f"c{layer}", (width,)), (f"g{layer}", (1,)))
        }

    @property
    def parts(self) -> Mapping[str, slice]:
        """v_1, v_2, …"""
        stops = list(accumulate(self.widths))
        return {
            f"layer-{layer}": slice(stop - width, stop)
            for layer, (width, stop) in enumerate(zip(self.widths, stops, strict=True), 1)
        }

    def draw(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Sample c_l ~ N(0, 2/(n + 1)) for a layer that takes in n units, and g_l ~ N(0, 1).

        Parameters
        ----------
        rng : np.random.Generator
            The task's generator.

        Returns
        -------
        dict[str, np.ndarray]
            c1, g1, c2, …, float32.
        """
        return dict(self._drawn(rng))

    def vector(self, parameters: Mapping[str, np.ndarray]) -> np.ndarray:
        """v_l = g_l·c_l, one after the other.

        Parameters
        ----------
        parameters : Mapping[str, np.ndarray]
            c1, g1, c2, …

        Returns
        -------
        np.ndarray
            float32 [n_0 + n_1 + …].
        """
        layers = range(1, len(self.widths) + 1)
        return np.concatenate([parameters[f"g{layer}"] * parameters[f"c{layer}"] for layer in layers])

    def parameters(self, vector: np.ndarray) -> dict[str, np.ndarray]:
        """c_l = v_l and g_l = 1.

        Parameters
        ----------
        vector : np.ndarray
            v, float32 [n_0 + n_1 + …].

        Returns
        -------
        dict[str, np.ndarray]
            c1, g1, c2, …, float32.
        """
        one = np.ones(1, np.float32)
        return {
            name: array
            for layer, part in enumerate(self.parts.values(), 1)
            for name, array in ((f"c{layer}", vector[part]), (f"g{layer}", one))
        }

    def _drawn(self, rng: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
        for layer, width in enumerate(self.widths, 1):
            yield f"c{layer}", (rng.standard_normal(width) * np.sqrt(2 / (width + 1))).astype(np.float32)
            yield f"g{layer}", rng.standard_normal(1).astype(np.float32)
