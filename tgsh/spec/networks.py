"""Networks: random weights that never learn, and what of them is learned for a task."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tgsh.spec.tagged import tagged
from tgsh.spec.values import Frozen

MAX_UNITS = 200_000

Width = Annotated[int, Field(ge=1, le=MAX_UNITS)]


class FlyNetSpec(Frozen):
    """logits = g_t · W (c_t ⊙ φ(x)), φ(x) = ReLU(Ax − mean(Ax)): a CRWN after Eq. 2 of the paper."""

    kind: Literal["flynet"] = "flynet"
    expansion: int = Field(10, ge=1, le=100, description="hidden units per input pixel: H = expansion · D")
    fan_in: int = Field(7, ge=1, le=128, description="ones in each row of the binary matrix A")


class NeuroModNetSpec(Frozen):
    """h_l = ReLU(g_tl · R_l (c_tl ⊙ h_(l−1))), the last layer without ReLU: a layer-wise CRWN."""

    kind: Literal["neuromodnet"] = "neuromodnet"
    layers: Annotated[tuple[Width, ...], Field(strict=False)] = Field(
        (1024, 1024), max_length=32, description="hidden units of each layer; a readout of K units follows"
    )


_Networks = FlyNetSpec | NeuroModNetSpec
NetworkSpec = Annotated[_Networks, Field(discriminator="kind"), tagged(_Networks, default="flynet")]
