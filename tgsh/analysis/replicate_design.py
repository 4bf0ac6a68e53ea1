"""Crossed designs of seeds and random bases: components of variance, and the variance of a mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import scipy  # its parts are loaded when they are used: the service starts without them

Over = Literal["seeds", "base_seeds", "both"]

ROUNDING = 1e-12
"""Relative spread of replicates that are equal but for rounding."""


@dataclass(frozen=True)
class Replicates:
    """The seeds of R experiments that differ in nothing else.

    Attributes
    ----------
    seeds : tuple[int, ...]
        R seeds of training.
    base_seeds : tuple[int, ...]
        R seeds of the random base.

    Raises
    ------
    ValueError
        If there are not as many of both, or two replicates have both in common.
    """

    seeds: tuple[int, ...]
    base_seeds: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.seeds) != len(self.base_seeds):
            raise ValueError(f"{len(self.seeds)} seeds and {len(self.base_seeds)} base seeds do not fit")
        if len(set(zip(self.seeds, self.base_seeds, strict=True))) < len(self.seeds):
            raise ValueError("two replicates have the same seed and base seed: they are one")

    def __len__(self) -> int:
        return len(self.seeds)

    @staticmethod
    def crossed(seeds: Sequence[int], base_seeds: Sequence[int]) -> Replicates:
        """Cross seeds and base seeds.

        Parameters
        ----------
        seeds : Sequence[int]
            I different seeds.
        base_seeds : Sequence[int]
            J different base seeds.

        Returns
        -------
        Replicates
            R = I·J replicates, base after base.
        """
        return Replicates(
            tuple(seed for _ in base_seeds for seed in seeds),
            tuple(base for base in base_seeds for _ in seeds),
        )

    @property
    def varying(self) -> Over:
        """The source that differs among them: the widest claim that they can support."""
        if len(set(self.base_seeds)) < 2:
            return "seeds"
        return "both" if len(set(self.seeds)) > 1 else "base_seeds"

    def chosen(self, places: Sequence[int]) -> Replicates:
        """Choose some of them.

        Parameters
        ----------
        places : Sequence[int]
            Places among the R.

        Returns
        -------
        Replicates
            Those, in that order.
        """
        return Replicates(
            tuple(self.seeds[place] for place in places), tuple(self.base_seeds[place] for place in places)
        )


@dataclass(frozen=True, eq=False)
class ReplicateDesign:
    """Projections and factors that follow from the seeds of n replicates, before any value is seen.

    `means` [m, n] takes the mean of each group that shares neither seed nor base with another. Sums of
    squares are those of the projections on `seed_axes` (seeds after bases), `base_axes` (bases after seeds)
    and what `fitted_axes` (both) leave over; `factors` are the coefficients of their components in their
    expectations. The variance of the mean is `weights` · (components of seeds, bases, residual); `traces`
    gives the variance of its estimate: 2 v' traces v.
    """

    means: np.ndarray
    fitted_axes: np.ndarray
    seed_axes: np.ndarray
    base_axes: np.ndarray
    factors: tuple[float, float]
    residual_degrees: int
    weights: np.ndarray
    traces: np.ndarray
    random: np.ndarray
    grouped: bool
    reducible: bool
    fewest_degrees: int
    reason: str | None

    def summarise(self, values: np.ndarray, level: float) -> np.ndarray:
        """Estimate means with their intervals.

        Parameters
        ----------
        values : np.ndarray
            float64 [replicates, n], finite.
        level : float
            Confidence of the intervals.

        Returns
        -------
        np.ndarray
            float64 [9, n]: mean, sd, standard error, its degrees of freedom, low, high, and the components of
            variance of seeds, bases and residual; NaN where undefined.
        """
        summary = np.full((9, values.shape[1]), np.nan)
        centre = values.mean(axis=0)
        centred = values - centre
        equal = np.abs(centred).max(axis=0) <= ROUNDING * np.maximum(np.abs(values).max(axis=0), 1e-300)
        centred[:, equal] = 0
        group_means = self.means @ centred
        summary[0] = np.where(equal, values[0], centre + group_means.mean(axis=0))
        raw = self._components(centred)
        components = np.maximum(raw, 0)
        summary[6:] = components
        if self.reason:
            return summary
        if self.grouped:
            variance = group_means.var(axis=0, ddof=1) / len(group_means)
            degrees = np.full_like(variance, len(group_means) - 1)
            summary[1] = centred.std(axis=0, ddof=1)
        else:
            known = np.where(self.random[:, None], np.nan_to_num(components), 0)  # NaN: inside the others
            variance = self.weights @ known
            summary[1] = np.sqrt(known.sum(axis=0))
            spread = np.einsum("kn,kl,ln->n", known, self.traces, known)
            degrees = np.divide(variance**2, spread, out=np.ones_like(variance), where=spread > 0)
            degrees = np.maximum(degrees, self.fewest_degrees)
            if not self.reducible:  # a sum of squares with positive factors: no component need be cut off
                variance = self.weights @ np.where(self.random[:, None], np.nan_to_num(raw), 0)
                variance = np.maximum(variance, 0)
        error = np.sqrt(variance)
        half = scipy.stats.t.ppf((1 + level) / 2, degrees) * error
        summary[2:6] = error, degrees, summary[0] - half, summary[0] + half
        return summary

    def _components(self, centred: np.ndarray) -> np.ndarray:
        """Unbiased components of seeds, bases and residual, [3, n]; NaN where they cannot be told."""
        components = np.full((3, centred.shape[1]), np.nan)
        residual = np.zeros(centred.shape[1])
        if self.residual_degrees:
            total = (centred**2).sum(axis=0)
            left = total - ((self.fitted_axes.T @ centred) ** 2).sum(axis=0)
            left[left <= 1e-14 * total] = 0  # what rounding leaves
            residual = components[2] = left / self.residual_degrees
        for row, axes in enumerate((self.seed_axes, self.base_axes)):
            if axes.shape[1]:
                squares = ((axes.T @ centred) ** 2).sum(axis=0)
                components[row] = (squares - axes.shape[1] * residual) / self.factors[row]
        return components


@lru_cache(maxsize=64)
def replicate_design(replicates: Replicates, over: Over) -> ReplicateDesign:
    """Work out what the seeds of replicates alone determine.

    Parameters
    ----------
    replicates : Replicates
        Those that have values.
    over : Over
        What intervals generalise over.

    Returns
    -------
    ReplicateDesign
        Projections, factors, and the reason where no interval can be had.
    """
    seeds, bases = _indicators(replicates.seeds), _indicators(replicates.base_seeds)
    count = len(replicates)
    both = np.hstack([seeds, bases])
    fitted, seed_axes, base_axes = _axes(both), _axes_after(seeds, bases), _axes_after(bases, seeds)
    residual_degrees = count - fitted.shape[1]
    means = _group_means(seeds, bases)
    weights = means.mean(axis=0)
    random = np.array([over != "base_seeds", over != "seeds", True])
    a, b = seed_axes.shape[1], base_axes.shape[1]
    factors = float(((seed_axes.T @ seeds) ** 2).sum()), float(((base_axes.T @ bases) ** 2).sum())
    shares = np.array(
        [((weights @ seeds) ** 2).sum(), ((weights @ bases) ** 2).sum(), (weights**2).sum()]
    )  # var of the mean: shares · components
    grouped = over == "both" and len(means) > 1
    reason = None if grouped else _reason(over, seeds.shape[1], bases.shape[1], a, b)
    # The variance of the mean is estimated by y'Qy, a sum of projections with these coefficients.
    of_seeds = shares[0] / factors[0] if random[0] and a else 0.0
    of_bases = shares[1] / factors[1] if random[1] and b else 0.0
    of_residual = 0.0
    if residual_degrees:
        of_residual = float(shares[2] - of_seeds * a - of_bases * b) / residual_degrees
    form = of_seeds * seed_axes @ seed_axes.T + of_bases * base_axes @ base_axes.T
    form += of_residual * (np.eye(count) - fitted @ fitted.T)
    parts = (seeds, bases, np.eye(count))
    traces = np.array([[((left.T @ form @ right) ** 2).sum() for right in parts] for left in parts])
    return ReplicateDesign(
        means=means,
        fitted_axes=fitted,
        seed_axes=seed_axes,
        base_axes=base_axes,
        factors=factors,
        residual_degrees=residual_degrees,
        weights=shares,
        traces=traces,
        random=random,
        grouped=grouped,
        reducible=of_residual * residual_degrees < -1e-12 * shares[2],
        fewest_degrees=max(1, min(n for n, is_random in ((a, random[0]), (b, random[1])) if is_random)),
        reason=reason,
    )


def _reason(over: Over, seeds: int, bases: int, seed_degrees: int, base_degrees: int) -> str | None:
    """The reason why there is no interval over this source, or None."""
    for named, count, other, degrees in (
        ("seeds", seeds, "random base", seed_degrees),
        ("base_seeds", bases, "seed", base_degrees),
    ):
        if over not in (named, "both"):
            continue
        name = named.removesuffix("s").replace("_", " ")
        if count < 2:
            return f"one {name}: how much another one would change is not known"
        if not degrees:
            return f"no {other} has two {name}s: their spread cannot be told from that of the {other}s"
    return None


def _indicators(levels: Sequence[int]) -> np.ndarray:
    """Indicators of the seed of each replicate: float64 [replicates, different seeds] of 0 and 1."""
    found, which = np.unique(np.array(levels), return_inverse=True)
    return np.eye(len(found))[which.reshape(-1)]


def _axes(columns: np.ndarray) -> np.ndarray:
    """Orthonormal basis of what columns span."""
    left, sizes, _ = np.linalg.svd(columns, full_matrices=False)
    return np.asarray(left[:, sizes > 1e-9 * max(1.0, *sizes.tolist())])


def _axes_after(columns: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Orthonormal basis of what columns span beyond other indicators."""
    means = others / others.sum(axis=0)
    return _axes(columns - others @ (means.T @ columns))


def _group_means(seeds: np.ndarray, bases: np.ndarray) -> np.ndarray:
    """Weights [groups, replicates] of the mean of each group that shares no seed and no base with another.

    In a group it is the least-squares mean of the additive model, over all its seeds and bases.
    """
    shared = seeds @ seeds.T + bases @ bases.T
    _, group_of = scipy.sparse.csgraph.connected_components(shared > 0, directed=False)
    means = np.zeros((group_of.max() + 1, len(seeds)))
    for group, weights in enumerate(means):
        rows = np.flatnonzero(group_of == group)
        of_seeds, of_bases = (part[rows][:, part[rows].any(axis=0)] for part in (seeds, bases))
        model = np.hstack([np.ones((len(rows), 1)), of_seeds, of_bases])
        target = np.concatenate(
            [[1.0], *(np.full(part.shape[1], 1 / part.shape[1]) for part in (of_seeds, of_bases))]
        )
        weights[rows] = target @ np.linalg.pinv(model)
    return means
