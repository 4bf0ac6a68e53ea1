"""FlyNet's training step and inference fused into one call, compiled by numba."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numba import njit

from tgsh.datasets.base import PAPER, Normalisation
from tgsh.networks import compiled_cache, flynet_simd
from tgsh.networks.flynet import FlyNetBase
from tgsh.networks.flynet_simd import (
    LANES,
    UNROLLED,
    add_gradient,
    add_logits,
    average,
    inner_product,
    sum_pixels,
    transpose,
)
from tgsh.suites.pixel_maps import PixelMap

PANEL = 64 * UNROLLED
"""Units whose sums of pixels are still in the L1 cache when their logits are added up."""

DECAY, ADDED, EPSILON = np.float32(0.99), np.float32(1 - 0.99), np.float32(1e-8)

_inner = njit(nogil=True, boundscheck=False, error_model="numpy")


SOURCES = Path(__file__), Path(flynet_simd.__file__)
"""All files that the machine code comes from."""


def _cached_on_disk(function: Callable[..., Any]) -> Any:
    """The function compiled, its machine code kept on disk."""
    return compiled_cache.cached(function, SOURCES, nogil=True, boundscheck=False, error_model="numpy")


class Readout(NamedTuple):
    """Rows of weights on the units, flat.

    Attributes
    ----------
    group : tuple[int, ...]
        As many zeros as rows are worked on at a time; rows of no effect fill the last group.
    weights : np.ndarray
        float32 [groups, H, rows of a group].
    """

    group: tuple[int, ...]
    weights: np.ndarray


class Net(NamedTuple):
    """The frozen weights of a network, flat; H, the length of v, is `units` and units of no effect.

    Attributes
    ----------
    units : int
        Hidden units of the base.
    classes : int
        K.
    inputs : tuple[int, ...]
        As many zeros as a unit has inputs (fan_in), so that the compiler knows it.
    wiring : np.ndarray
        int32 [H, fan_in], where rows of the table begin.
    readout : Readout
        W, a row a class.
    learned : Readout
        What learning multiplies by: the contrasts, rows of W less the last one, but for that; a softmax does
        not see what is taken off every logit, and its errors add up to zero. Or W itself.
    products : int
        Rows of it: K − 1 or K.
    degrees : np.ndarray
        float64 [D], of how many units each pixel is an input.
    """

    units: int
    classes: int
    inputs: tuple[int, ...]
    wiring: np.ndarray
    readout: Readout
    learned: Readout
    products: int
    degrees: np.ndarray


class Block(NamedTuple):
    """Pixels, sums and logits of a block of images, flat, LANES wide.

    Attributes
    ----------
    scale : int
        What a pixel is multiplied by to lie from 0 to 255.
    rows : np.ndarray
        int64, where the images begin.
    table : np.ndarray
        [D + 1, LANES] pixels from 0 to 255, the last row zero, uint8 or float32.
    sums : np.ndarray
        [H, LANES], int16 or float32.
    mean : np.ndarray
        float32, of an image's sums.
    logits : np.ndarray
        float32, LANES for every row of a readout; later dL/dlogits.
    """

    scale: int
    rows: np.ndarray
    table: np.ndarray
    sums: np.ndarray
    mean: np.ndarray
    logits: np.ndarray


@_cached_on_disk
def learn(net, block, images, labels, chosen, parameters, square_avg, rate, v, gradient):  # type: ignore[no-untyped-def]
    """One step on images[chosen]; the sum of their losses."""
    _modulate(net, parameters, v)
    gradient[:] = 0
    loss = 0.0
    for start in range(0, len(chosen), LANES):
        _forward(net, net.learned, block, images, chosen, start, v)
        if net.products < net.classes:
            loss += _errors(net, block, labels, chosen, start)
        else:
            loss += _class_errors(net, block, labels, chosen, start)
        _backward(net, block, gradient)
    _step(net, gradient, parameters, square_avg, rate)
    return loss


@_cached_on_disk
def logits(net, block, images, chosen, parameters, v, out):  # type: ignore[no-untyped-def]
    """out = logits [K, B] of images[chosen]; v, and sums and mean of the last block, stay behind."""
    _modulate(net, parameters, v)
    for start in range(0, len(chosen), LANES):
        _forward(net, net.readout, block, images, chosen, start, v)
        for k in range(net.classes):
            for lane in range(min(LANES, len(chosen) - start)):
                out[k, start + lane] = block.logits[k * LANES + lane]


@_inner
def _modulate(net, parameters, v):  # type: ignore[no-untyped-def]
    for h in range(net.units):
        v[h] = parameters[net.units] * parameters[h]


@_inner
def _forward(net, readout, block, images, chosen, start, v):  # type: ignore[no-untyped-def]
    """From pixels to the sums of a block and its logits by a readout."""
    _lay_out(block, images, chosen, start)
    average(len(net.degrees), net.units, net.degrees, block.table, block.mean)
    block.logits[:] = 0
    fan_in = len(net.inputs)
    size = len(readout.group)
    for first in range(0, len(v), PANEL):
        last = min(first + PANEL, len(v))
        sums, wiring = block.sums[first * LANES : last * LANES], net.wiring[first * fan_in : last * fan_in]
        sum_pixels(net.inputs, last - first, block.table, wiring, sums)
        for i in range(len(readout.weights) // (size * len(v))):
            begin = i * len(v)
            weights = readout.weights[(begin + first) * size : (begin + last) * size]
            added = block.logits[i * size * LANES : (i + 1) * size * LANES]
            add_logits(readout.group, last - first, sums, block.mean, v[first:last], weights, added)


@_inner
def _lay_out(block, images, chosen, start):  # type: ignore[no-untyped-def]
    """The table of pixels of a block."""
    pixels = images.shape[1]
    for lane in range(LANES):
        block.rows[lane] = chosen[min(start + lane, len(chosen) - 1)] * pixels
    flat = images.reshape(-1)
    for d in range(0, pixels - LANES + 1, LANES):
        transpose(flat, block.rows, d, block.table)
    if pixels >= LANES:
        transpose(flat, block.rows, pixels - LANES, block.table)  # some of them once more
        return
    for d in range(pixels):
        for lane in range(LANES):
            block.table[d * LANES + lane] = flat[block.rows[lane] + d] * block.scale


@_inner
def _errors(net, block, labels, chosen, start):  # type: ignore[no-untyped-def]
    """Contrasts become dL/dcontrasts of the batch's mean cross-entropy, (softmax − one-hot)/B; its loss.

    The last class's logit is zero, and its error needs no place.
    """
    batch, loss, others = len(chosen), 0.0, net.classes - 1
    for lane in range(LANES):
        if start + lane >= batch:
            block.logits[lane::LANES] = 0
            continue
        highest = np.float32(0)
        for k in range(others):
            highest = max(highest, block.logits[k * LANES + lane])
        truth = labels[chosen[start + lane]]
        loss += np.float64(highest - block.logits[truth * LANES + lane] if truth < others else highest)
        total = math.exp(-highest)
        for k in range(others):
            block.logits[k * LANES + lane] = math.exp(block.logits[k * LANES + lane] - highest)
            total += block.logits[k * LANES + lane]
        loss += math.log(total)
        for k in range(others):
            block.logits[k * LANES + lane] /= np.float32(total)
        if truth < others:
            block.logits[truth * LANES + lane] -= np.float32(1)
        for k in range(others):
            block.logits[k * LANES + lane] /= np.float32(batch)
    return loss


@_inner
def _class_errors(net, block, labels, chosen, start):  # type: ignore[no-untyped-def]
    """The same of the logits of all classes, whose exponentials are added up in double precision."""
    batch, loss = len(chosen), 0.0
    for lane in range(LANES):
        if start + lane >= batch:
            block.logits[lane::LANES] = 0
            continue
        highest = block.logits[lane]
        for k in range(1, net.classes):
            highest = max(highest, block.logits[k * LANES + lane])
        truth = labels[chosen[start + lane]] * LANES + lane
        loss += np.float64(highest - block.logits[truth])
        total = 0.0
        for k in range(net.classes):
            block.logits[k * LANES + lane] = math.exp(block.logits[k * LANES + lane] - highest)
            total += block.logits[k * LANES + lane]
        loss += math.log(total)
        for k in range(net.classes):
            block.logits[k * LANES + lane] /= np.float32(total)
        block.logits[truth] -= np.float32(1)
        for k in range(net.classes):
            block.logits[k * LANES + lane] /= np.float32(batch)
    return loss


@_inner
def _backward(net, block, gradient):  # type: ignore[no-untyped-def]
    """Add the block's part of dL/dv, from the last panel to the first: that one is still in the cache."""
    readout = net.learned
    size, units = len(readout.group), len(gradient)
    for panel in range((units - 1) // PANEL, -1, -1):
        first, last = panel * PANEL, min((panel + 1) * PANEL, units)
        sums, added = block.sums[first * LANES : last * LANES], gradient[first:last]
        for i in range(len(readout.weights) // (size * units)):
            begin = i * units
            weights = readout.weights[(begin + first) * size : (begin + last) * size]
            errors = block.logits[i * size * LANES : (i + 1) * size * LANES]
            add_gradient(readout.group, last - first, sums, block.mean, errors, weights, added)


@_inner
def _step(net, gradient, parameters, square_avg, rate):  # type: ignore[no-untyped-def]
    """RMSprop as torch.optim.RMSprop does it: dL/dc = g·dL/dv, dL/dg = ⟨c, dL/dv⟩."""
    g, whole = parameters[net.units], net.units - net.units % UNROLLED
    g_gradient = inner_product(whole, parameters, gradient)
    for h in range(whole, net.units):
        g_gradient += np.float64(parameters[h]) * gradient[h]
    for h in range(net.units + 1):
        slope = g * gradient[h] if h < net.units else np.float32(g_gradient)
        square_avg[h] = square_avg[h] * DECAY + ADDED * slope * slope
        parameters[h] -= rate * (slope / (math.sqrt(square_avg[h]) + EPSILON))


Products = Literal["contrasts", "classes"]

MOST_CLASSES = 10
"""Classes whose sums over units fit a core's registers; more of them are taken in groups."""


class FusedFlyNet:
    """A FlyNet with a pixel map; what is learned is passed in and changed in place.

    Buffers are reused from call to call, so an instance serves one thread at a time.

    Parameters
    ----------
    base : FlyNetBase
        The frozen weights.
    pixel_map : PixelMap
        Through which it sees images.
    normalisation : Normalisation, default=PAPER
        Of its pixels.
    products : {"contrasts", "classes"}, default="contrasts"
        What a step multiplies by: K − 1 contrasts of classes, or the K rows of W. The gradients are the same
        but for their last digits.
    """

    def __init__(
        self,
        base: FlyNetBase,
        pixel_map: PixelMap,
        normalisation: Normalisation = PAPER,
        products: Products = "contrasts",
    ) -> None:
        self._scale = np.float32(normalisation.scale)
        self._net = _net(base, pixel_map, self._scale, products)
        units = base.units + -base.units % UNROLLED
        self._v, self._gradient = _aligned(units, np.float32), _aligned(units, np.float32)
        self._blocks: dict[np.dtype[Any], Block] = {}

    def learn(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        chosen: np.ndarray,
        parameters: np.ndarray,
        square_avg: np.ndarray,
        rate: float,
    ) -> float:
        """One step of RMSprop on a batch.

        Parameters
        ----------
        images : np.ndarray
            C-contiguous [N, D], on which the map is still due: uint8, or float32 from 0 to 1.
        labels : np.ndarray
            int64 [N].
        chosen : np.ndarray
            int64 [B], rows of the images.
        parameters : np.ndarray
            float32 [H + 1], c, then g. Changed in place.
        square_avg : np.ndarray
            float32 [H + 1], RMSprop's averages, changed in place.
        rate : float
            η.

        Returns
        -------
        float
            The sum of the images' cross-entropies, in nats.
        """
        block, step = self._block(images.dtype), np.float32(rate)
        return learn(  # type: ignore[no-any-return]
            self._net, block, images, labels, chosen, parameters, square_avg, step, self._v, self._gradient
        )

    def logits(self, images: np.ndarray, chosen: np.ndarray, parameters: np.ndarray) -> np.ndarray:
        """W (v ⊙ φ) of a batch.

        Parameters
        ----------
        images : np.ndarray
            C-contiguous [N, D], on which the map is still due: uint8, or float32 from 0 to 1.
        chosen : np.ndarray
            int64 [B], rows of the images.
        parameters : np.ndarray
            float32 [H + 1], c, then g.

        Returns
        -------
        np.ndarray
            float32 [K, B].
        """
        out = np.empty((self._net.classes, len(chosen)), np.float32)
        block = self._block(images.dtype)
        logits(self._net, block, images, chosen, parameters, self._v, out)
        return out

    def representations(self, images: np.ndarray, chosen: np.ndarray, parameters: np.ndarray) -> np.ndarray:
        """v ⊙ φ of a batch; W follows.

        Parameters
        ----------
        images : np.ndarray
            C-contiguous [N, D], on which the map is still due: uint8, or float32 from 0 to 1.
        chosen : np.ndarray
            int64 [B], rows of the images.
        parameters : np.ndarray
            float32 [H + 1], c, then g.

        Returns
        -------
        np.ndarray
            float32 [B, H].
        """
        block, units = self._block(images.dtype), self._net.units
        out = np.empty((len(chosen), units), np.float32)
        for start in range(0, len(chosen), LANES):
            rows = chosen[start : start + LANES]
            self.logits(images, rows, parameters)
            above = block.sums.reshape(-1, LANES)[:units] - block.mean
            phi = np.maximum(above, 0)[:, : len(rows)]
            out[start : start + LANES] = (phi * self._v[:units, None]).T
        return out * self._scale

    def _block(self, dtype: np.dtype[Any]) -> Block:
        if dtype not in self._blocks:
            kind = np.int16 if dtype == np.uint8 else np.float32
            readouts = self._net.readout, self._net.learned
            rows = max(len(readout.weights) for readout in readouts) // len(self._v)
            self._blocks[dtype] = Block(
                1 if dtype == np.uint8 else 255,
                np.zeros(LANES, np.int64),
                _aligned((len(self._net.degrees) + 1) * LANES, dtype),
                _aligned(len(self._v) * LANES, kind),
                _aligned(LANES, np.float32),
                _aligned(rows * LANES, np.float32),
            )
        return self._blocks[dtype]


def _net(base: FlyNetBase, pixel_map: PixelMap, scale: np.float32, products: Products) -> Net:
    """A composed with the map, W and its contrasts; units of no effect make their number even."""
    pixels, padding = pixel_map.source.size, -base.units % UNROLLED
    rows = pixel_map.source[base.indices]
    degrees = np.bincount(rows.ravel(), minlength=pixels + 1)[:pixels].astype(np.float64)
    rows = np.pad(rows * np.int32(LANES), ((0, padding), (0, 0)), constant_values=pixels * LANES)
    readout = np.pad(base.readout * scale, ((0, 0), (0, padding)))
    learned = readout[:-1] - readout[-1] if products == "contrasts" else readout
    return Net(
        base.units,
        len(readout),
        (0,) * rows.shape[1],
        _copied(rows),
        _grouped(readout),
        _grouped(learned),
        len(learned),
        _copied(degrees),
    )


def _grouped(weights: np.ndarray) -> Readout:
    """Rows by groups that are as even as they can be; a row of zeros where there is none."""
    groups = max(1, -(-len(weights) // MOST_CLASSES))
    size = max(1, -(-len(weights) // groups))
    filled = np.pad(weights, ((0, groups * size - len(weights)), (0, 0)))
    return Readout((0,) * size, _copied(filled.reshape(groups, size, -1).transpose(0, 2, 1)))


def _copied(array: np.ndarray) -> np.ndarray:
    """A flat aligned copy."""
    flat = _aligned(array.size, array.dtype)
    flat[:] = array.ravel()
    return flat


def _aligned(size: int, dtype: Any) -> np.ndarray:
    """Zeros that begin where a cache line does: no vector lies across two of them."""
    line, width = 64, np.dtype(dtype).itemsize
    memory = np.zeros(size * width + line, np.uint8)
    start = -memory.ctypes.data % line
    return memory[start : start + size * width].view(dtype)
