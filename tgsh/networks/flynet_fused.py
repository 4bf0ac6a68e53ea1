"""FlyNets on the processor, fused: a batch goes from pixels to RMSprop's step without leaving the cache.

    logits = W (v ⊙ φ(x)),  v = g·c,  φ(x) = ReLU(Ax − mean(Ax))        (Hong & Pavlic 2023, Eq. 2)

The mathematics is that of tgsh.networks.flynet. The sums Ax of a block of bytes are integers of 16 bits, and
small enough to stay in a core's cache from the forward pass to the backward one. One thread; the same
images and parameters always give the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tgsh.datasets.normalisation import PAPER, Normalisation
from tgsh.networks import flynet_kernels as kernels
from tgsh.networks.flynet_base import FlyNetBase
from tgsh.networks.flynet_lanes import LANES, UNROLLED
from tgsh.suites.pixelmap import PixelMap

MOST_CLASSES = 10
"""Classes whose sums over units fit a core's registers; more of them are taken in groups."""


class FusedFlyNets:
    """T FlyNets as tgsh.networks.learners wants them, but that each makes its steps itself (`of`)."""

    def __init__(
        self, base: FlyNetBase, maps: Sequence[PixelMap], normalisations: Sequence[Normalisation]
    ) -> None:
        pairs = zip(maps, normalisations, strict=True)
        self._nets = [FusedFlyNet(base, pixel_map, own) for pixel_map, own in pairs]

    def take(self, parameters: Tensor) -> None:
        """Work with these parameters: float32 [T, H + 1], c, then g."""
        self._parameters = parameters.numpy()

    def logits(self, images: Tensor) -> Tensor:
        """W (v ⊙ φ), [T, K, B], of images [T, B, D]."""
        return self._of_each(FusedFlyNet.logits, images)

    def representations(self, images: Tensor) -> Tensor:
        """v ⊙ φ, [T, B, H]; W follows."""
        return self._of_each(FusedFlyNet.representations, images)

    def of(self, task: int) -> FusedFlyNet:
        """The one of a task, which learns with parameters of its own."""
        return self._nets[task]

    def _of_each(self, what: Callable[..., np.ndarray], images: Tensor) -> Tensor:
        every = np.arange(images.shape[1])
        found = [
            what(net, seen, every, parameters)
            for net, seen, parameters in zip(self._nets, images.numpy(), self._parameters, strict=True)
        ]
        return torch.from_numpy(np.stack(found))


class FusedFlyNet:
    """A FlyNet that sees images through a pixel map; what is learned is passed in and changed in place.

    Buffers are reused from call to call, so an instance serves one thread at a time. images: C-contiguous
    [N, D] on which the map is still due, uint8, or float32 from 0 to 1. chosen: int64 [B], which of them.
    parameters: float32 [H + 1], c, then g.
    """

    def __init__(self, base: FlyNetBase, pixel_map: PixelMap, normalisation: Normalisation = PAPER) -> None:
        self._scale = np.float32(normalisation.scale)
        self._net = _net(base, pixel_map, self._scale)
        units = base.units + -base.units % UNROLLED
        self._v, self._gradient = _aligned(units, np.float32), _aligned(units, np.float32)
        self._blocks: dict[np.dtype[Any], kernels.Block] = {}

    def learn(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        chosen: np.ndarray,
        parameters: np.ndarray,
        squares: np.ndarray,
        rate: float,
    ) -> float:
        """One step of RMSprop on a batch; the sum of its images' cross-entropies (nats).

        labels: int64 [N]. squares: float32 [H + 1], RMSprop's averages, changed in place as parameters are.
        """
        block, step = self._block(images.dtype), np.float32(rate)
        return kernels.learn(  # type: ignore[no-any-return]
            self._net, block, images, labels, chosen, parameters, squares, step, self._v, self._gradient
        )

    def logits(self, images: np.ndarray, chosen: np.ndarray, parameters: np.ndarray) -> np.ndarray:
        """float32 [K, B] of a batch."""
        found = np.empty((self._net.classes, len(chosen)), np.float32)
        block = self._block(images.dtype)
        kernels.logits(self._net, block, images, chosen, parameters, self._v, found)
        return found

    def representations(self, images: np.ndarray, chosen: np.ndarray, parameters: np.ndarray) -> np.ndarray:
        """v ⊙ φ of a batch, float32 [B, H]."""
        block, units = self._block(images.dtype), self._net.units
        found = np.empty((len(chosen), units), np.float32)
        for start in range(0, len(chosen), LANES):
            some = chosen[start : start + LANES]
            self.logits(images, some, parameters)
            above = block.sums.reshape(-1, LANES)[:units] - block.mean
            phi = np.maximum(above, 0)[:, : len(some)]
            found[start : start + LANES] = (phi * self._v[:units, None]).T
        return found * self._scale

    def _block(self, dtype: np.dtype[Any]) -> kernels.Block:
        if dtype not in self._blocks:
            kind = np.int16 if dtype == np.uint8 else np.float32
            readouts = self._net.readout, self._net.contrasts
            rows = max(len(readout.weights) for readout in readouts) // len(self._v)
            self._blocks[dtype] = kernels.Block(
                1 if dtype == np.uint8 else 255,
                np.zeros(LANES, np.int64),
                _aligned((len(self._net.degrees) + 1) * LANES, dtype),
                _aligned(len(self._v) * LANES, kind),
                _aligned(LANES, np.float32),
                _aligned(rows * LANES, np.float32),
            )
        return self._blocks[dtype]


def _net(base: FlyNetBase, pixel_map: PixelMap, scale: np.float32) -> kernels.Net:
    """A composed with the map, W and its contrasts; units of no effect make their number even."""
    pixels, padding = pixel_map.source.size, -base.units % UNROLLED
    rows = pixel_map.source[base.indices]
    degrees = np.bincount(rows.ravel(), minlength=pixels + 1)[:pixels].astype(np.float64)
    rows = np.pad(rows * np.int32(LANES), ((0, padding), (0, 0)), constant_values=pixels * LANES)
    readout = np.pad(base.readout * scale, ((0, 0), (0, padding)))
    contrasts = readout[:-1] - readout[-1]
    return kernels.Net(
        base.units,
        len(readout),
        (0,) * rows.shape[1],
        _copied(rows),
        _grouped(readout),
        _grouped(contrasts),
        _copied(degrees),
    )


def _grouped(weights: np.ndarray) -> kernels.Readout:
    """Rows by groups that are as even as they can be; a row of zeros where there is none."""
    groups = max(1, -(-len(weights) // MOST_CLASSES))
    size = max(1, -(-len(weights) // groups))
    filled = np.pad(weights, ((0, groups * size - len(weights)), (0, 0)))
    return kernels.Readout((0,) * size, _copied(filled.reshape(groups, size, -1).transpose(0, 2, 1)))


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
