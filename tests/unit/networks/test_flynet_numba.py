"""The fused FlyNet against the plain definition and torch.optim.RMSprop in float64, epoch for epoch."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from tests.support import plain_networks as plain
from tgsh.networks import flynet_numba, flynet_simd
from tgsh.networks.flynet_numba import FusedFlyNet
from tgsh.networks.registry import FlyNetBase, context_of, random_base
from tgsh.rng import rng_for
from tgsh.specs import FlyNetSpec
from tgsh.suites.pixel_maps import PixelMap

RATE = 0.01


@dataclass(frozen=True)
class Case:
    """A network on random images, a task and an order of batches."""

    classes: int = 10
    fan_in: int = 7
    side: int = 9
    expansion: int = 5
    images: int = 150
    batch: int = 64
    dtype: type = np.uint8

    @property
    def pixels(self) -> int:
        return self.side**2

    def base(self) -> FlyNetBase:
        return random_base(
            FlyNetSpec(expansion=self.expansion, fan_in=self.fan_in), self.pixels, self.classes, 3
        )

    def task(self) -> PixelMap:
        """Pixels move, and some come from outside."""
        source = np.append(rng_for(1, "map").permutation(self.pixels)[3:], [self.pixels] * 3)
        return PixelMap(source.astype(np.int32))

    def bytes(self) -> np.ndarray:
        return rng_for(7, "images").integers(0, 256, (self.images, self.pixels), dtype=np.uint8)

    def seen(self) -> np.ndarray:
        """The images as the network gets them."""
        return self.bytes() if self.dtype == np.uint8 else self.bytes().astype(np.float32) / np.float32(255)

    def labels(self) -> np.ndarray:
        return rng_for(7, "labels").integers(0, self.classes, self.images)

    def start(self) -> dict[str, np.ndarray]:
        return context_of(FlyNetSpec(expansion=self.expansion), self.pixels, self.classes).draw(
            rng_for(5, "c")
        )

    def batches(self) -> list[np.ndarray]:
        order = rng_for(2, "order").permutation(self.images)
        return [order[start : start + self.batch] for start in range(0, self.images, self.batch)]


CASES = [  # each number of classes, fan-in and dtype is compiled anew, for seconds: odd ones go together
    Case(),
    Case(dtype=np.float32),
    Case(batch=1, images=40),
    Case(batch=32),
    Case(batch=33),
    Case(batch=1000),
    Case(classes=1, fan_in=1),
    Case(classes=11, fan_in=31, dtype=np.float32),
    Case(classes=1000, fan_in=31, images=64, side=7),
    Case(classes=13, side=5, fan_in=3, expansion=33),  # fewer pixels than lanes
    Case(side=8, expansion=20),  # more units than a panel has
]
cases = pytest.mark.parametrize("case", CASES, ids=lambda case: str(case).removeprefix("Case"))


def _distance(got: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.linalg.norm(got - wanted) / np.linalg.norm(wanted))


def _flat(parameters: dict[str, np.ndarray]) -> np.ndarray:
    return np.concatenate([parameters["c"], parameters["g"]])


def _learned(case: Case, net: FusedFlyNet | None = None) -> tuple[np.ndarray, np.ndarray, float]:
    """Parameters, averages and summed losses after an epoch."""
    net = net or FusedFlyNet(case.base(), case.task())
    parameters, square_avg, loss = _flat(case.start()), np.zeros(len(_flat(case.start())), np.float32), 0.0
    for batch in case.batches():
        loss += net.learn(case.seen(), case.labels(), batch, parameters, square_avg, RATE)
    return parameters, square_avg, loss


def _plainly(case: Case) -> tuple[np.ndarray, np.ndarray, float]:
    """The same by the definition."""
    base = case.base()
    phi = plain.features(plain.dense(base, case.pixels), case.task().apply(case.bytes()))
    c, g = (torch.from_numpy(case.start()[name].astype(np.float64)).requires_grad_() for name in ("c", "g"))
    optimiser, loss = torch.optim.RMSprop([c, g], lr=RATE), 0.0
    labels = torch.from_numpy(case.labels())
    for batch in map(torch.from_numpy, case.batches()):
        optimiser.zero_grad()
        mean = cross_entropy(plain.logits(base, phi[batch], c, g), labels[batch])
        mean.backward()
        optimiser.step()
        loss += mean.item() * len(batch)
    square_avg = [optimiser.state[leaf]["square_avg"].numpy() for leaf in (c, g)]
    return torch.cat([c, g]).detach().numpy(), np.concatenate(square_avg), loss


@cases
def test_an_epoch_is_that_of_the_definition(case: Case) -> None:
    parameters, square_avg, loss = _learned(case)
    wanted, wanted_square_avg, wanted_loss = _plainly(case)
    assert _distance(parameters[:-1], wanted[:-1]) < 1e-5
    assert parameters[-1] == pytest.approx(wanted[-1], rel=1e-5)
    np.testing.assert_allclose(square_avg, wanted_square_avg, rtol=1e-3, atol=1e-9)
    assert loss == pytest.approx(wanted_loss, rel=1e-5, abs=1e-6)


@cases
def test_logits_and_representations_are_those_of_the_definition(case: Case) -> None:
    base, start = case.base(), case.start()
    c, g = (torch.from_numpy(start[name].astype(np.float64)) for name in ("c", "g"))
    net, every = FusedFlyNet(base, case.task()), case.batches()[-1]
    phi = plain.features(plain.dense(base, case.pixels), case.task().apply(case.bytes()[every]))
    got = net.logits(case.seen(), every, _flat(start))
    assert _distance(got, plain.logits(base, phi, c, g).T.numpy()) < 1e-6
    got = net.representations(case.seen(), every, _flat(start))
    assert _distance(got, (g * c * phi).numpy()) < 1e-6


def test_the_same_bytes_whatever_was_computed_before() -> None:
    case, other = Case(), Case(batch=33, dtype=np.float32)
    net = FusedFlyNet(case.base(), case.task())
    alone = _learned(case)
    net.logits(case.seen(), np.arange(7), np.full_like(alone[0], np.nan))
    _learned(other, net)
    after = _learned(case, net)
    assert [array.tobytes() for array in after[:2]] == [array.tobytes() for array in alone[:2]]
    assert after[2] == alone[2]


@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_what_is_no_number_is_not_hidden(poison: float) -> None:
    case = Case()
    parameters, square_avg = _flat(case.start()), np.zeros(len(_flat(case.start())), np.float32)
    parameters[2] = poison
    net = FusedFlyNet(case.base(), case.task())
    assert np.isnan(net.learn(case.seen(), case.labels(), case.batches()[0], parameters, square_avg, RATE))
    assert not np.isfinite(parameters).all()


def test_kept_machine_code_is_that_of_all_sources() -> None:
    values = [*vars(flynet_numba).values(), *vars(flynet_simd).values()]
    functions = [getattr(value, "py_func", None) or getattr(value, "_defn", None) for value in values]
    files = {Path(inspect.getfile(function)) for function in functions if function is not None}
    assert len(files) == 2
    assert files == set(flynet_numba.SOURCES)
