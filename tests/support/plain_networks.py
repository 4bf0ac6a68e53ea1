"""Reference implementation of the networks from their equations: float64, dense matrices."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from tgsh.networks.registry import FlyNetBase, GshBase, NeuroModNetBase, RandomBase, TgshBase

MEAN, DEVIATION = 0.1307, 0.3081


def dense(base: FlyNetBase, pixels: int) -> Tensor:
    """A as a binary matrix, float64 [H, D]."""
    a = np.zeros((base.units, pixels))
    np.put_along_axis(a, base.indices.astype(np.int64), 1.0, axis=1)
    return torch.from_numpy(a)


def features(a: Tensor, images: np.ndarray) -> Tensor:
    """φ(x) = ReLU(Ax − mean(Ax)), float64 [N, H], of transformed images uint8 [N, D]."""
    x = (torch.from_numpy(images.astype(np.float64)) / 255 - MEAN) / DEVIATION
    h = x @ a.T
    return torch.relu(h - h.mean(dim=1, keepdim=True))


def logits(base: FlyNetBase, phi: Tensor, c: Tensor, g: Tensor) -> Tensor:
    """g·W(c ⊙ φ), [N, K]."""
    return g * ((c * phi) @ torch.from_numpy(base.readout.astype(np.float64)).T)


def neuromodnet(base: NeuroModNetBase, images: np.ndarray, parameters: Mapping[str, Tensor]) -> Tensor:
    """The last layer of a NeuroModNet, float64 [N, K], of transformed images [N, D] from 0 to 255."""
    h = (torch.from_numpy(images.astype(np.float64)) / 255 - MEAN) / DEVIATION
    for layer, weights in enumerate(base.weights, 1):
        r = torch.from_numpy(weights.astype(np.float64))
        h = parameters[f"g{layer}"] * ((parameters[f"c{layer}"] * h) @ r.T)
        if layer < len(base.weights):
            h = torch.relu(h)
    return h


def logits_of(base: RandomBase, images: np.ndarray, parameters: Mapping[str, Tensor], index: int) -> Tensor:
    """Logits of any network's task `index`, float64 [N, K], of transformed images [N, D] from 0 to 255."""
    match base:
        case FlyNetBase():
            phi = features(dense(base, images.shape[1]), images)
            return logits(base, phi, parameters["c"], parameters["g"])
        case NeuroModNetBase():
            return neuromodnet(base, images, parameters)
    x = (torch.from_numpy(images.astype(np.float64)) / 255 - MEAN) / DEVIATION
    input_weights = base.input_weights if isinstance(base, TgshBase) else base.input_weights(index)
    last = torch.tensor(base.readout, dtype=torch.float64) if isinstance(base, TgshBase) else parameters["A"]
    return torch.relu(x @ torch.tensor(input_weights, dtype=torch.float64).T) @ parameters["B"].T @ last.T


def penalty(base: RandomBase, parameters: Mapping[str, Tensor]) -> Tensor:
    """λ/2·‖θ‖² of a network with weight decay, else zero."""
    decay = base.weight_decay if isinstance(base, TgshBase | GshBase) else 0.0
    return decay / 2 * torch.stack([(array**2).sum() for array in parameters.values()]).sum()
