"""Intervals of the geometry over test images: against brute force, and truths that are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tgsh.analysis.geometry import geometry
from tgsh.analysis.geometry_bootstrap import GEOMETRY_SCORES, geometry_intervals
from tgsh.analysis.image_bootstrap import image_weights
from tgsh.rng import rng_for


def world(rng: np.random.Generator, maps: np.ndarray, means: np.ndarray, images: int) -> np.ndarray:
    """Representations [T, K, n, M] of images drawn anew."""
    drawn = means[:, None] + rng.standard_normal((len(means), images, means.shape[1]))
    return np.einsum("tmw,knw->tknm", maps, drawn).astype(np.float32)


def test_a_resample_is_the_geometry_of_the_images_that_were_drawn() -> None:
    rng = np.random.default_rng(4)
    maps, means = rng.standard_normal((3, 8, 8)) + 2 * np.eye(8), rng.standard_normal((4, 8))
    representations = world(rng, maps, means, 5)
    found = geometry_intervals(representations, resamples=500)
    (weights,) = image_weights(rng_for(0, "image bootstrap"), 500, 4, 5)
    values = []
    for weight in weights.astype(int).reshape(500, 4, 5):
        drawn = [np.repeat(np.arange(5), row) for row in weight]
        resampled = np.stack([representations[:, k, places] for k, places in enumerate(drawn)], axis=1)
        measured = geometry(resampled)
        values.append([getattr(measured, name) for name in GEOMETRY_SCORES])
    whole = geometry(representations)
    estimate = np.array([getattr(whole, name) for name in GEOMETRY_SCORES])
    tail = stats.norm.sf(stats.t.ppf(0.975, 16) * np.sqrt(5 / 4))
    shifted = np.array(values) - np.mean(values, axis=0) + estimate
    expected = np.quantile(shifted, [tail, 1 - tail], axis=0).T
    for name, (low, high) in zip(GEOMETRY_SCORES, expected, strict=True):
        interval = found[name]
        assert interval is not None
        assert (interval.low, interval.high) == pytest.approx((low, min(high, 1)), abs=1e-5), name


def test_intervals_of_the_geometry_cover_what_other_images_give_on_average() -> None:
    rng = rng_for(16, "geometry")
    maps, means = rng.standard_normal((3, 8, 8)) + 2 * np.eye(8), rng.standard_normal((5, 8))
    names = ("intra_mean", "inter_mean", "p_intra_greater", "neighbour_mean")
    truths = [geometry(world(rng, maps, means, 6)) for _ in range(600)]
    truth = {name: np.mean([getattr(each, name) for each in truths]) for name in names}
    found = [geometry_intervals(world(rng, maps, means, 6), resamples=200) for _ in range(120)]
    for name in names:
        intervals = [each[name] for each in found]
        covered = np.mean([i is not None and i.low <= truth[name] <= i.high for i in intervals])
        assert 0.9 <= covered <= 0.99, name  # of 120: the standard error is 0.02


def test_a_geometry_without_pairs_has_no_intervals() -> None:
    rng = np.random.default_rng(5)
    one_task = geometry_intervals(rng.standard_normal((1, 3, 4, 6)).astype(np.float32), resamples=20)
    assert [name for name, each in one_task.items() if each is not None] == ["intra_mean"]
    one_class = geometry_intervals(rng.standard_normal((3, 1, 4, 6)).astype(np.float32), resamples=20)
    assert [name for name, each in one_class.items() if each] == ["inter_mean", "neighbour_mean"]
    for shape in ((3, 2, 1, 6), (0, 2, 4, 6)):
        assert set(geometry_intervals(np.zeros(shape, np.float32)).values()) == {None}
    with pytest.raises(ValueError, match="not finite"):
        geometry_intervals(np.full((2, 2, 2, 2), np.nan, np.float32))
