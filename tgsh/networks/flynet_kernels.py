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


class Net(NamedTuple):
    """The frozen weights of a network, flat; H, the length of v, is `units` and units of no effect.

    group: as many zeros as classes are worked on at a time. wiring: int32 [H, fan_in], where rows of the
    table begin. weights: float32 [groups, H, classes of a group]. degrees: float64 [D], of how many
    units each pixel is an input.
    """

    group: tuple[int, ...]
    units: int
    classes: int
    wiring: np.ndarray
    weights: np.ndarray
    degrees: np.ndarray


class Block(NamedTuple):
    """What is known of a block of images, flat, LANES wide.

    scale: what a pixel is multiplied by to lie from 0 to 255. rows: int64, where the images begin. table:
    [D + 1, LANES] pixels from 0 to 255, the last row zero, uint8 or float32; sums: [H, LANES] int16 or
    float32. mean: float32, of an image's sums. logits: float32 [groups · classes of a group, LANES], later
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
        _forward(net, block, images, chosen, start, v)
        loss += _errors(net, block, labels, chosen, start)
        _backward(net, block, gradient)
    _step(net, gradient, parameters, squares, rate)
    return loss


@_kept
def logits(net, block, images, chosen, parameters, v, found):  # type: ignore[no-untyped-def]
    """found = logits [K, B] of images[chosen]; v, and sums and mean of the last block, stay behind."""
    _modulate(net, parameters, v)
    for start in range(0, len(chosen), LANES):
        _forward(net, block, images, chosen, start, v)
        for k in range(net.classes):
            for lane in range(min(LANES, len(chosen) - start)):
                found[k, start + lane] = block.logits[k * LANES + lane]


@_inner
def _modulate(net, parameters, v):  # type: ignore[no-untyped-def]
    for h in range(net.units):
        v[h] = parameters[net.units] * parameters[h]


@_inner
def _forward(net, block, images, chosen, start, v):  # type: ignore[no-untyped-def]
    """From pixels to the sums and logits of a block."""
    _lay_out(block, images, chosen, start)
    average(len(net.degrees), net.units, net.degrees, block.table, block.mean)
    block.logits[:] = 0
    fan_in = len(net.wiring) // len(v)
    size = len(net.group)
    for first in range(0, len(v), PANEL):
        last = min(first + PANEL, len(v))
        sums, wiring = block.sums[first * LANES : last * LANES], net.wiring[first * fan_in : last * fan_in]
        sum_pixels(last - first, fan_in, block.table, wiring, sums)
        for i in range(len(block.logits) // (size * LANES)):
            begin = i * len(v)
            weights = net.weights[(begin + first) * size : (begin + last) * size]
            added = block.logits[i * size * LANES : (i + 1) * size * LANES]
            add_logits(net.group, last - first, sums, block.mean, v[first:last], weights, added)


@_inner
def _lay_out(block, images, chosen, start):  # type: ignore[no-untyped-def]
    """The table of pixels of a block."""
    pixels = images.shape[1]
    for lane in range(LANES):
        block.rows[lane] = chosen[min(start + lane, len(chosen) - 1)] * pixels
    flat = images.reshape(-1)
    whole = pixels - pixels % LANES
    for d in range(0, whole, LANES):
        transpose(flat, block.rows, d, block.table)
    for d in range(whole, pixels):
        for lane in range(LANES):
            block.table[d * LANES + lane] = flat[block.rows[lane] + d] * block.scale


@_inner
def _errors(net, block, labels, chosen, start):  # type: ignore[no-untyped-def]
    """Logits become dL/dlogits of the batch's mean cross-entropy, (softmax − one-hot)/B; the block's loss."""
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
    """Add the block's part of dL/dv."""
    rows, many = len(net.group) * LANES, len(net.group) * len(gradient)
    for i in range(len(block.logits) // rows):
        weights, errors = net.weights[i * many : (i + 1) * many], block.logits[i * rows : (i + 1) * rows]
        add_gradient(net.group, len(gradient), block.sums, block.mean, errors, weights, gradient)


@_inner
def _step(net, gradient, parameters, squares, rate):  # type: ignore[no-untyped-def]
    """RMSprop as torch.optim.RMSprop does it: dL/dc = g·dL/dv, dL/dg = ⟨c, dL/dv⟩."""
    g, g_gradient = parameters[net.units], 0.0
    for h in range(net.units):
        g_gradient += np.float64(parameters[h]) * gradient[h]
    for h in range(net.units + 1):
        slope = g * gradient[h] if h < net.units else np.float32(g_gradient)
        squares[h] = squares[h] * DECAY + ADDED * slope * slope
        parameters[h] -= rate * (slope / (math.sqrt(squares[h]) + EPSILON))
