"""Reconstruction against numpy.linalg.pinv, and its score on cases whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from tgsh.analysis.reconstruction import Decoder, ImageAgreement, agreement, codes
from tgsh.networks.registry import random_base
from tgsh.specs import FlyNetSpec

PIXELS = 49
BASE = random_base(FlyNetSpec(expansion=6, fan_in=5), PIXELS, 4, 0)


def dense() -> np.ndarray:
    matrix = np.zeros((BASE.units, PIXELS))
    np.put_along_axis(matrix, BASE.indices, 1.0, axis=1)
    return matrix


def test_the_pseudo_inverse_is_numpys() -> None:
    noise = np.random.default_rng(0).standard_normal((3, BASE.units))
    expected = noise @ np.linalg.pinv(dense()).T
    np.testing.assert_allclose(Decoder(BASE.indices, PIXELS).decode(noise), expected, atol=1e-10)


def test_what_was_encoded_is_decoded() -> None:
    images = np.random.default_rng(1).random((5, PIXELS))
    np.testing.assert_allclose(Decoder(BASE.indices, PIXELS).decode(images @ dense().T), images, atol=1e-10)


def test_ridge_is_the_regularised_least_squares() -> None:
    target = np.random.default_rng(2).standard_normal((2, BASE.units))
    stacked = np.vstack([dense(), np.sqrt(3.0) * np.eye(PIXELS)])
    padded = np.hstack([target, np.zeros((2, PIXELS))])
    expected = np.linalg.lstsq(stacked, padded.T, rcond=None)[0].T
    np.testing.assert_allclose(Decoder(BASE.indices, PIXELS, 3.0).decode(target), expected, atol=1e-10)


def test_a_base_that_cannot_be_inverted_is_refused_unless_regularised() -> None:
    one_pixel = np.zeros((20, 1), np.int32)
    with pytest.raises(ValueError, match="use ridge"):
        Decoder(one_pixel, 3)
    assert Decoder(one_pixel, 3, 1.0).decode(np.ones((1, 20))).shape == (1, 3)


def test_codes_are_the_products_of_vectors_and_readout() -> None:
    vectors = np.random.default_rng(3).standard_normal((2, BASE.units)).astype(np.float32)
    made = codes(vectors, BASE.readout)
    assert made.shape == (2, 4, BASE.units)
    np.testing.assert_allclose(made[1, 3], vectors[1].astype(float) * BASE.readout[3])


def test_perfect_images_agree_perfectly() -> None:
    means = np.random.default_rng(4).random((3, 4, PIXELS))
    found = agreement(2 * means + 5, means)
    assert found is not None
    assert found.correlation == pytest.approx(1)
    assert (found.right_class, found.right_task) == (1.0, 1.0)


def test_what_all_classes_share_does_not_count() -> None:
    rng = np.random.default_rng(5)
    found = agreement(
        rng.random((6, 4, PIXELS)) + 9 * np.arange(PIXELS), rng.random((6, 4, PIXELS)) + np.arange(PIXELS)
    )
    assert found is not None
    assert abs(found.correlation) < 0.2


def test_swapped_classes_and_tasks_are_noticed() -> None:
    means = np.random.default_rng(6).random((2, 3, PIXELS))
    swapped_classes = agreement(means[:, [1, 0, 2]], means)
    swapped_tasks = agreement(means[::-1], means)
    assert swapped_classes is not None
    assert swapped_tasks is not None
    assert swapped_classes.right_class == pytest.approx(1 / 3)
    assert swapped_tasks.right_task == 0


def test_where_there_is_nothing_to_tell_apart() -> None:
    means = np.random.default_rng(7).random((1, 3, PIXELS))
    assert agreement(means, means) == ImageAgreement(pytest.approx(1.0), 1.0, None)
    assert agreement(means[:, :1], means[:, :1]) is None
    assert agreement(means[:0], means[:0]) is None
