"""Rules that infer the task of images, and their calibration."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from scipy.special import softmax

from tgsh.analysis.task_inference import (
    Calibration,
    Evidence,
    batches_of,
    calibrate,
    calibration_error,
    context_scales,
    fit_temperature,
    margins,
    mask_outputs,
)

TASKS, CLASSES = 4, 5


def logits_of(images: int, sharpness: float = 3.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """[T, n, T, K]: noise everywhere, and the right class raised under the right context."""
    rng = np.random.default_rng(seed)
    logits = rng.standard_normal((TASKS, images, TASKS, CLASSES))
    labels = rng.integers(0, CLASSES, (TASKS, images))
    for task in range(TASKS):
        logits[task, np.arange(images), task, labels[task]] += sharpness
    return logits, labels


def test_margin_is_the_first_less_the_second() -> None:
    logits = np.random.default_rng(0).standard_normal((3, TASKS, CLASSES))
    ordered = np.sort(logits, axis=-1)
    np.testing.assert_array_equal(margins(logits), ordered[..., -1] - ordered[..., -2])


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_evidence_agrees_with_scipy(temperature: float) -> None:
    logits = np.random.default_rng(1).standard_normal((6, TASKS, CLASSES))
    evidence = Evidence.of(logits, temperature=temperature)
    p = softmax(logits / temperature, axis=-1)
    entropies = scipy.stats.entropy(p, axis=-1)
    batch = np.arange(6)[None]
    np.testing.assert_allclose(evidence.scores("entropy", batch)[0], -entropies.mean(axis=0), rtol=1e-5)
    information = scipy.stats.entropy(p.mean(axis=0), axis=-1) - entropies.mean(axis=0)
    np.testing.assert_allclose(evidence.scores("infomax", batch)[0], information, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(evidence.scores("margin", batch)[0], margins(logits).mean(axis=0), rtol=1e-6)


def test_infomax_knows_nothing_of_one_image() -> None:
    logits = np.random.default_rng(2).standard_normal((1, TASKS, CLASSES))
    np.testing.assert_allclose(Evidence.of(logits).scores("infomax", np.array([[0]])), 0, atol=1e-6)


def test_masked_outputs_say_nothing() -> None:
    logits = np.random.default_rng(3).standard_normal((7, 2, 4))
    allowed = np.array([[True, True, False, False], [False, True, True, True]])
    masked = Evidence.of(mask_outputs(logits, allowed))
    for task, own in enumerate(allowed):
        alone = Evidence.of(logits[:, [task]][..., own])
        np.testing.assert_allclose(masked.margins[:, task], alone.margins[:, 0], rtol=1e-6)
        np.testing.assert_allclose(masked.entropies[:, task], alone.entropies[:, 0], rtol=1e-5)
    assert mask_outputs(logits, np.ones((2, 4), bool)) is logits


def test_scales_make_contexts_of_all_lengths_comparable() -> None:
    """A context twice as long is as firm as ever where its margins are divided by their mean."""
    logits, _ = logits_of(200)
    longer = logits * np.array([1, 1, 10, 1])[:, None]
    batches = batches_of(200, 10, seed=0)
    truth = np.repeat(np.arange(TASKS), len(batches))

    def right(given: np.ndarray, scales: np.ndarray | None) -> float:
        scores = [Evidence.of(each, scales).scores("margin", batches) for each in given]
        return float((np.concatenate(scores).argmax(axis=1) == truth).mean())

    assert right(logits, None) > 0.95
    assert right(longer, None) < 0.3  # the long context always wins
    assert right(longer, context_scales(longer)) > 0.95


def test_temperature_of_a_softmax_that_is_too_sharp_is_found() -> None:
    rng = np.random.default_rng(4)
    logits = rng.standard_normal((20_000, CLASSES)) * 2
    labels = np.array([rng.choice(CLASSES, p=row) for row in softmax(logits, axis=1)])
    assert fit_temperature(3 * logits, labels) == pytest.approx(3, rel=0.03)
    assert fit_temperature(logits, labels) == pytest.approx(1, rel=0.03)


def test_smoothing_keeps_what_is_separated_from_certainty() -> None:
    logits = np.eye(3)[np.tile(np.arange(3), 10)]
    labels = np.tile(np.arange(3), 10)
    assert fit_temperature(logits, labels) < 0.01
    p = softmax(logits / fit_temperature(logits, labels, smoothing=1 / 32), axis=1).max(axis=1)
    np.testing.assert_allclose(p, 31 / 32, rtol=1e-3)


def test_calibration_error() -> None:
    confidence = np.array([0.95, 0.95, 0.95, 0.95, 0.55, 0.55])
    right = np.array([True, True, True, False, True, False])
    assert calibration_error(confidence, right, bins=10) == pytest.approx((4 * 0.2 + 2 * 0.05) / 6)
    assert calibration_error(np.ones(3), np.ones(3, bool)) == 0
    assert calibration_error(np.ones(3), np.zeros(3, bool)) == 1


def test_batches_are_partitions() -> None:
    batches = batches_of(23, 5, seed=1, partitions=3)
    assert batches.shape == (12, 5)
    for partition in batches.reshape(3, 20):
        assert len(set(partition.tolist())) == 20
    np.testing.assert_array_equal(batches_of(4, 1, seed=1)[:, 0], np.arange(4))
    np.testing.assert_array_equal(batches, batches_of(23, 5, seed=1, partitions=3))
    with pytest.raises(ValueError, match="no batch of 24"):
        batches_of(23, 24, seed=0)


def test_calibration_is_measured_on_other_images_than_it_is_fitted_to() -> None:
    logits, labels = logits_of(300)
    tasks = np.arange(TASKS)
    found = calibrate(logits * 4, labels, tasks, 100, seed=0)  # four times too firm
    assert (found.fitted, found.measured) == (400, 800)
    assert found.temperature > 1.1
    assert found.error < found.error_before
    assert set(found.rules["margin"]) == {1, 10, 100}
    assert set(found.rules["infomax"]) == {10, 100}
    assert found.rules["margin"][100].right == 1 > found.rules["margin"][1].right
    changed = labels.copy()
    changed[:, 100:] = (changed[:, 100:] + 1) % CLASSES
    again = calibrate(logits * 4, changed, tasks, 100, seed=0)
    assert again.temperature == found.temperature
    assert again.error > 0.3
    with pytest.raises(ValueError, match="leave none"):
        calibrate(logits, labels, tasks, 300, seed=0)


def test_untrained_contexts_name_no_task() -> None:
    logits, labels = logits_of(300, sharpness=0)
    found = calibrate(logits, labels, np.arange(TASKS), 100, seed=0)
    assert found.rules["margin"][10].right < 0.4


def test_calibration_as_text() -> None:
    logits, labels = logits_of(30)
    found = calibrate(logits, labels, np.arange(TASKS), 10, seed=0)
    again = Calibration.from_text(found.to_text(), found.scales)
    assert again.rules == found.rules
    assert (again.temperature, again.error, again.measured) == (
        found.temperature,
        found.error,
        found.measured,
    )
    nearest = again.nearest("margin", 7)
    assert nearest is not None
    assert nearest[0] == 10
    assert again.nearest("infomax", 1000) == (10, again.rules["infomax"][10])
    few = calibrate(logits[:, :3], labels[:, :3], np.arange(TASKS), 1, seed=0)
    assert few.nearest("infomax", 5) is None
