"""Random bases of the two hashes: C and R shared by all tasks (tgsh), or a C for every task (gsh)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

import numpy as np

from tgsh.errors import InvalidSpec
from tgsh.networks.identity import base_id
from tgsh.networks.normal_weights import normal_blocks, normal_weights
from tgsh.spec import GshSpec, TgshSpec
from tgsh.streams import stream

MAX_LEARNED = 4_000_000
MAX_FIRST = 100_000_000


@dataclass(frozen=True, eq=False)
class TgshBase:
    """C and R of Eq. 1, read-only: float32 [H, D] ~ N(0, 2/D) and [K, rank] ~ N(0, 2/rank).

    weight_decay: how strongly B_t is drawn to zero; no part of the base, but every learner needs it.
    base_id: SHA-256 (hex) of both and of what they are.
    """

    first: np.ndarray
    readout: np.ndarray
    weight_decay: float
    base_id: str


@dataclass(frozen=True)
class GshBase:
    """Nothing is shared: every task has its own C, which follows from the base seed and the task's index.

    base_id: SHA-256 (hex) of what it is and of the seed. Within an experiment vectors lie over different C,
    so that similarities compare what has no reason to be alike: that is the baseline's point.
    """

    pixels: int
    hidden: int
    rank: int
    classes: int
    base_seed: int
    weight_decay: float
    base_id: str

    def first(self, index: int) -> np.ndarray:
        """C of task `index`, float32 [H, D] ~ N(0, 2/D)."""
        return normal_weights(stream(self.base_seed, "gsh", "C", index), (self.hidden, self.pixels))


def tgsh_base(network: TgshSpec, pixels: int, classes: int, base_seed: int) -> TgshBase:
    """The base for images of D = pixels and K = classes. Raises InvalidSpec, naming the field."""
    _check_size(network, pixels)
    first = normal_weights(stream(base_seed, "tgsh", "C"), (network.hidden, pixels))
    readout = normal_weights(stream(base_seed, "tgsh", "R"), (classes, network.rank))
    header = _header(network, pixels, classes)
    return TgshBase(first, readout, network.weight_decay, base_id(header, (first, readout)))


def tgsh_id(network: TgshSpec, pixels: int, classes: int, base_seed: int) -> str:
    """The id of that base, without the base. Raises InvalidSpec likewise."""
    _check_size(network, pixels)
    blocks = chain(
        normal_blocks(stream(base_seed, "tgsh", "C"), (network.hidden, pixels)),
        normal_blocks(stream(base_seed, "tgsh", "R"), (classes, network.rank)),
    )
    return base_id(_header(network, pixels, classes), blocks)


def gsh_base(network: GshSpec, pixels: int, classes: int, base_seed: int) -> GshBase:
    """What takes the place of a base for images of D = pixels. Raises InvalidSpec, naming the field."""
    _check_size(network, pixels)
    header = _header(network, pixels, classes) | {"base_seed": base_seed}
    return GshBase(
        pixels, network.hidden, network.rank, classes, base_seed, network.weight_decay, base_id(header, ())
    )


def _header(network: TgshSpec | GshSpec, pixels: int, classes: int) -> dict[str, object]:
    """What a base is; how strongly is regularised what is learned over it makes no difference."""
    return {
        **network.model_dump(mode="json", exclude={"weight_decay"}),
        "pixels": pixels,
        "classes": classes,
    }


def _check_size(network: TgshSpec | GshSpec, pixels: int) -> None:
    if (learned := network.hidden * network.rank) > MAX_LEARNED:
        raise InvalidSpec(
            "network.rank", f"{learned:,} numbers learned for a task are more than {MAX_LEARNED:,}"
        )
    if (weights := network.hidden * pixels) > MAX_FIRST:
        raise InvalidSpec("network.hidden", f"{weights:,} random weights are more than {MAX_FIRST:,}")
