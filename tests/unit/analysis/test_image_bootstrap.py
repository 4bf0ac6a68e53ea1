"""Intervals over test images: against SciPy, brute force, and truths that are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tgsh.analysis import confusion, image_bootstrap, reconstruction
from tgsh.analysis.image_bootstrap import (
    ScoreInterval,
    accuracy_intervals,
    reconstruction_intervals,
    resampled_means,
    score_intervals,
)
from tgsh.rng import rng_for


def counts_of(rng: np.random.Generator, images: np.ndarray, recalls: np.ndarray) -> np.ndarray:
    """Confusion counts [K, K]: a wrong image is taken for the next class."""
    right = rng.binomial(images, recalls)
    return np.diag(right) + np.roll(np.diag(images - right), 1, axis=1)


def test_accuracies_have_scipys_percentiles_of_resampled_images() -> None:
    rng = np.random.default_rng(1)
    images, recalls = np.array([300, 200, 500]), np.array([0.9, 0.7, 0.95])
    counts = counts_of(rng, images, recalls)
    found = accuracy_intervals(counts, resamples=20_000)
    labels = np.repeat(np.arange(3), images)
    right = np.concatenate([np.arange(n) < c for n, c in zip(images, np.diagonal(counts), strict=True)])

    def balanced(places: np.ndarray, axis: int) -> np.ndarray:
        hit, of = right[places], labels[places]
        return np.mean([np.sum(hit & (of == k), axis) / np.sum(of == k, axis) for k in range(3)], axis=0)

    for ends, statistic in (
        (found.accuracy, lambda places, axis: right[places].mean(axis)),
        (found.balanced, balanced),
        (
            image_bootstrap.ImageIntervals(found.per_class.low[1], found.per_class.high[1]),
            lambda places, axis: (
                np.sum(right[places] & (labels[places] == 1), axis) / np.sum(labels[places] == 1, axis)
            ),
        ),
    ):
        expected = stats.bootstrap(
            (np.arange(1000),), statistic, n_resamples=4_000, method="percentile", batch=500, rng=rng
        ).confidence_interval
        assert (ends.low, ends.high) == pytest.approx(tuple(expected), abs=0.004)


@pytest.mark.parametrize(
    ("images", "recalls"),
    [
        ([1000] * 10, [0.92, 0.98] * 5),  # MNIST's test images
        ([20] * 10, [0.85, 0.95] * 5),
        ([300, 60, 40], [0.98, 0.7, 0.9]),
        ([50, 50], [0.97, 0.93]),
    ],
)
def test_intervals_of_accuracies_cover_what_is_true(images: list[int], recalls: list[float]) -> None:
    rng = rng_for(16, "accuracies", str(images))
    shares, truth = np.array(images) / sum(images), np.array(recalls)
    drawn = rng.multinomial(sum(images), shares, size=250)
    tables = np.stack([counts_of(rng, each, truth) for each in drawn])
    found = accuracy_intervals(tables, resamples=600)
    for ends, value in (
        (found.accuracy, shares @ truth),
        (found.balanced, truth.mean()),
        (found.per_class, truth),
    ):
        covered = ((ends.low <= value) & (value <= ends.high)).mean()
        assert 0.91 <= covered <= 0.995  # of 250: the standard error is 0.014; few images come in steps


def test_an_accuracy_of_one_is_no_certainty_and_a_class_without_images_has_no_interval() -> None:
    counts = np.diag([30, 30, 0])
    found = accuracy_intervals(counts)
    assert (found.accuracy.low, found.accuracy.high) == (
        pytest.approx(stats.binomtest(60, 60).proportion_ci(method="wilson").low),
        1,
    )
    assert found.balanced.low < 0.96
    assert found.balanced.high == 1
    assert np.isnan([found.per_class.low[2], found.per_class.high[2]]).all()
    low, high = stats.binomtest(27, 30).proportion_ci(method="wilson")
    found = accuracy_intervals(np.array([[27, 3], [3, 27]]))
    np.testing.assert_allclose([found.per_class.low, found.per_class.high], [[low] * 2, [high] * 2])
    assert accuracy_intervals(np.array([[5]])).accuracy.high == 1
    with pytest.raises(ValueError, match="no images"):
        accuracy_intervals(np.zeros((2, 2), int))
    with pytest.raises(ValueError, match="shape"):
        accuracy_intervals(np.zeros((2, 3), int))


def test_intervals_follow_from_the_seed_and_a_tasks_own_counts() -> None:
    rng = np.random.default_rng(2)
    tables = np.stack([counts_of(rng, np.array([100, 200]), np.array([0.6, 0.8])) for _ in range(3)])
    together, alone = accuracy_intervals(tables, seed=3), accuracy_intervals(tables[1], seed=3)
    np.testing.assert_array_equal(together.balanced.low[1], alone.balanced.low)
    assert accuracy_intervals(tables[1], seed=4).balanced.low != alone.balanced.low
    inside = [confusion.balanced_accuracy(table) for table in tables]
    assert (together.balanced.low < inside).all()
    assert (inside < together.balanced.high).all()


def test_scores_have_intervals_that_know_that_their_images_are_the_same() -> None:
    rng = np.random.default_rng(3)
    ability = rng.normal(0.5, 0.3, 400)
    scores = np.stack([ability, ability + rng.normal(0.05, 0.02, 400)], axis=1)
    found = score_intervals(np.column_stack([scores, scores[:, 1] - scores[:, 0]]))
    for column in (0, 1):
        expected = stats.t.interval(0.95, 399, scores[:, column].mean(), stats.sem(scores[:, column]))
        assert (found.low[column], found.high[column]) == pytest.approx(expected, abs=0.004)
    assert found.low[2] > 0.04  # though the two intervals overlap
    assert found.low[1] < found.high[0]
    assert np.isnan(score_intervals(np.ones((1, 2))).low).all()
    with pytest.raises(ValueError, match="no images"):
        score_intervals(np.ones((0, 2)))


@pytest.mark.parametrize("images", [12, 60])
def test_intervals_of_means_of_few_images_cover_what_is_true(images: int) -> None:
    rng = rng_for(16, "scores", images)
    found = score_intervals(rng.normal(0.3, 1, (images, 2_000)), resamples=1_000)
    covered = ((found.low <= 0.3) & (found.high >= 0.3)).mean()
    assert covered == pytest.approx(0.95, abs=0.02)


def test_reconstructions_are_scored_again_against_means_of_resampled_images() -> None:
    rng = np.random.default_rng(6)
    shapes = rng.standard_normal((4, 30))
    images = shapes[:, None] + 2 * rng.standard_normal((4, 25, 30))
    sources = np.array(
        [np.arange(30), rng.permutation(30), np.minimum(np.arange(30) + 5, 30)]
    )  # the last shifts out

    def moved(means: np.ndarray) -> np.ndarray:
        return np.pad(means, ((0, 0), (0, 1)))[:, sources].swapaxes(0, 1)

    reconstructions = moved(shapes) + 2 * rng.standard_normal((3, 4, 30))
    means = images.mean(axis=1)
    found = reconstruction_intervals(reconstructions, means, resampled_means(images, 400), sources, 25)
    scores = [
        reconstruction.agreement(reconstructions, moved(each))
        for batch in resampled_means(images, 400)
        for each in batch
    ]
    whole = reconstruction.agreement(reconstructions, moved(means))
    tail = stats.norm.sf(stats.t.ppf(0.975, 4 * 24) * np.sqrt(25 / 24))
    for name in ("correlation", "right_class", "right_task"):
        values = np.array([getattr(each, name) for each in scores])
        expected = np.quantile(values - values.mean() + getattr(whole, name), [tail, 1 - tail])
        interval = found[name]
        assert interval is not None
        assert (interval.low, interval.high) == pytest.approx(np.clip(expected, -1, 1).tolist(), abs=1e-5), (
            name
        )
        assert interval.low <= getattr(whole, name) <= interval.high
    lone = reconstruction_intervals(reconstructions[:1], means, resampled_means(images, 20), sources[:1], 25)
    assert lone["right_task"] is None
    assert isinstance(lone["correlation"], ScoreInterval)
    assert set(reconstruction_intervals(reconstructions, means, [], sources, 1).values()) == {None}
    with pytest.raises(ValueError, match="do not fit"):
        reconstruction_intervals(reconstructions, means[:3], [], sources, 25)


def test_resampled_means_vary_as_means_of_images_do() -> None:
    images = np.random.default_rng(7).normal(0, 1, (2, 40, 5))
    means = np.concatenate(list(resampled_means(images, 3_000)))
    assert means.shape == (3_000, 2, 5)
    np.testing.assert_allclose(means.mean(axis=0), images.mean(axis=1), atol=0.02)
    np.testing.assert_allclose(means.std(axis=0), images.std(axis=1) / np.sqrt(40), rtol=0.06)
