"""A batch of one FlyNet from pixels to RMSprop's step, compiled (numba); arrays in, arrays changed in place.

Images come in blocks of LANES. Lanes beyond the end of a batch repeat its last image and count for nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from tgsh.networks import flynet_lanes
from tgsh.networks.flynet_lanes import (
    LANES,
    UNROLLED,
    add_gradient,
    add_logits,
    average,
    inner_product,
    sum_pixels,
    transpose,
)

PANEL = 64 * UNROLLED
"""Units whose sums of pixels are still in the nearest cache when their logits are added up."""

DECAY, ADDED, EPSILON = np.float32(0.99), np.float32(1 - 0.99), np.float32(1e-8)

_inner = njit(nogil=True, boundscheck=False, error_model="numpy")


def _kept(function: Callable[..., Any]) -> Any:
    """The function compiled, its machine code kept on disk for the next process where a folder is writable.

    numba trusts what it kept as long as this file is the same, but the code comes from a second one too:
    that one's digest becomes part of the name.
    """
    function.__qualname__ += "_" + sha256(Path(flynet_lanes.__file__).read_bytes()).hexdigest()[:16]
    try:
        return njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")(function)
    except RuntimeError:  # neither beside the source, nor in the user's cache, nor in NUMBA_CACHE_DIR
        return _inner(function)


class Readout(NamedTuple):
    """Rows of weights on the units, flat: float32 [groups, H, rows of a group].

    group: as many zeros as rows are worked on at a time; rows of no effect fill the last group.
    """

    group: tuple[int, ...]
    weights: np.ndarray


class Net(NamedTuple):
    """The frozen weights of a network, flat; H, the length of v, is `units` and units of no effect.

    inputs: as many zeros as a unit has inputs (fan_in), so that the compiler knows it. wiring: int32
    [H, fan_in], where rows of the table begin. readout: W, a row a class. contrasts: its rows less the last
    one, but for that; learning needs no more, as a softmax does not see what is taken off every logit, and
    its errors add up to zero. degrees: float64 [D], of how many units each pixel is an input.
    """

    units: int
    classes: int
    inputs: tuple[int, ...]
    wiring: np.ndarray
    readout: Readout
    contrasts: Readout
    degrees: np.ndarray


class Block(NamedTuple):
    """What is known of a block of images, flat, LANES wide.

    scale: what a pixel is multiplied by to lie from 0 to 255. rows: int64, where the images begin. table:
    [D + 1, LANES] pixels from 0 to 255, the last row zero, uint8 or float32; sums: [H, LANES] int16 or
    float32. mean: float32, of an image's sums. logits: float32, LANES for every row of a readout, later
    dL/dlogits.
    """

    scale: int
    rows: np.ndarray
    table: np.ndarray
    sums: np.ndarray
    mean: np.ndarray
    logits: np.ndarray


@_kept
def learn(net, block, images, labels, chosen, parameters, squares, rate, v, gradient):  # type: ignore[no-untyped-def]
    """One step on images[chosen]; the sum of their losses."""
    _modulate(net, parameters, v)
    gradient[:] = 0
    loss = 0.0
    for start in range(0, len(chosen), LANES):
        _forward(net, net.contrasts, block, images, chosen, start, v)
        loss += _errors(net, block, labels, chosen, start)
        _backward(net, block, gradient)
    _step(net, gradient, parameters, squares, rate)
    return loss


@_kept
def logits(net, block, images, chosen, parameters, v, found):  # type: ignore[no-untyped-def]
    """found = logits [K, B] of images[chosen]; v, and sums and mean of the last block, stay behind."""
    _modulate(net, parameters, v)
    for start in range(0, len(chosen), LANES):
        _forward(net, net.readout, block, images, chosen, start, v)
        for k in range(net.classes):
            for lane in range(min(LANES, len(chosen) - start)):
                found[k, start + lane] = block.logits[k * LANES + lane]


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
    """Logits become dL/dlogits of the batch's mean cross-entropy, (softmax − one-hot)/B; the block's loss.

    They are contrasts: the last class's logit is zero, and its error needs no place.
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
def _backward(net, block, gradient):  # type: ignore[no-untyped-def]
    """Add the block's part of dL/dv, from the last panel to the first: that one is still in the cache."""
    readout = net.contrasts
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
def _step(net, gradient, parameters, squares, rate):  # type: ignore[no-untyped-def]
    """RMSprop as torch.optim.RMSprop does it: dL/dc = g·dL/dv, dL/dg = ⟨c, dL/dv⟩."""
    g, whole = parameters[net.units], net.units - net.units % UNROLLED
    g_gradient = inner_product(whole, parameters, gradient)
    for h in range(whole, net.units):
        g_gradient += np.float64(parameters[h]) * gradient[h]
    for h in range(net.units + 1):
        slope = g * gradient[h] if h < net.units else np.float32(g_gradient)
        squares[h] = squares[h] * DECAY + ADDED * slope * slope
        parameters[h] -= rate * (slope / (math.sqrt(squares[h]) + EPSILON))
