"""Specs of networks: FlyNet, NeuroModNet, T-GSH and GSH."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tgsh.specs.base import Frozen, tagged

MAX_UNITS = 200_000

Width = Annotated[int, Field(ge=1, le=MAX_UNITS)]

Start = Literal["independent", "common", "ones"]

StartField = Annotated[
    Start,
    Field(
        description="c and g before training; independent: each task draws its own; common: all tasks have "
        "one draw; ones: c = 1 and g = 1. The random base is the same for all"
    ),
]


KIND = Field(description="which network this is; the other fields are those of this one alone")


class FlyNetSpec(Frozen):
    """logits = g_t · W (c_t ⊙ φ(x)), φ(x) = ReLU(Ax − mean(Ax)): a CRWN after Eq. 2 of the paper."""

    kind: Annotated[Literal["flynet"], KIND] = "flynet"
    expansion: int = Field(10, ge=1, le=100, description="hidden units per input pixel: H = expansion · D")
    fan_in: int = Field(7, ge=1, le=128, description="ones in each row of the binary matrix A")
    start: StartField = "independent"


class NeuroModNetSpec(Frozen):
    """h_l = ReLU(g_tl · R_l (c_tl ⊙ h_(l−1))), the last layer without ReLU: a layer-wise CRWN."""

    kind: Annotated[Literal["neuromodnet"], KIND] = "neuromodnet"
    layers: Annotated[tuple[Width, ...], Field(strict=False)] = Field(
        (1024, 1024), max_length=32, description="hidden units of each layer; a readout of K units follows"
    )
    start: StartField = "independent"


class TgshSpec(Frozen):
    """logits = R B_t ReLU(Cx), R and C random and shared, B_t learned with weight decay: Eq. 1."""

    kind: Annotated[Literal["tgsh"], KIND] = "tgsh"
    hidden: Width = Field(1024, description="hidden units H: rows of C")
    rank: Width = Field(64, description="rows of B_t")
    weight_decay: float = Field(1e-4, ge=0, le=1, description="λ of the term λ/2·‖B_t‖² in the loss")


class GshSpec(Frozen):
    """logits = A_t B_t ReLU(C_t x), A_t and B_t learned, nothing shared: the baseline (Dikkala 2021)."""

    kind: Annotated[Literal["gsh"], KIND] = "gsh"
    hidden: Width = Field(1024, description="hidden units H: rows of C_t")
    rank: Width = Field(64, description="rows of B_t")
    weight_decay: float = Field(1e-4, ge=0, le=1, description="λ of the term λ/2·(‖A_t‖² + ‖B_t‖²)")


_Networks = FlyNetSpec | NeuroModNetSpec | TgshSpec | GshSpec
NetworkSpec = Annotated[_Networks, Field(discriminator="kind"), tagged(_Networks, default="flynet")]
