"""Inference of the task that unlabelled images come from, and its calibration.

A network with the right context decides firmly; with another one it hesitates. All rules read that from the
logits of the images under every context.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, get_args

import numpy as np
import scipy  # its parts are loaded when they are used: the service starts without them
from scipy.special import log_softmax, softmax

Rule = Literal["margin", "entropy", "infomax"]
"""Rules that need logits alone."""

RULES: tuple[Rule, ...] = get_args(Rule)

BATCHES = (1, 10, 100)
"""Images a batch for which calibration is measured."""

BINS = 15
"""Bins of confidence behind an expected calibration error."""

PARTITIONS = 10
"""Random partitions of a task's images into batches."""


def mask_outputs(logits: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """Take away the outputs of classes that a task does not have.

    Parameters
    ----------
    logits : np.ndarray
        Floats [n, T, K].
    allowed : np.ndarray
        bool [T, K], the outputs of every task.

    Returns
    -------
    np.ndarray
        The same logits where all are allowed, else a copy with −inf for the others.
    """
    return logits if allowed.all() else np.where(allowed, logits, -np.inf)


def margins(logits: np.ndarray) -> np.ndarray:
    """Margin of every image under every context: the largest logit less the second largest.

    Parameters
    ----------
    logits : np.ndarray
        Floats [n, T, K], K ≥ 2; at least two of K are finite.

    Returns
    -------
    np.ndarray
        float64 [n, T], 0 or more.
    """
    top = np.partition(logits, -2, axis=-1)[..., -2:]
    return np.asarray(top[..., 1] - top[..., 0], np.float64)


def _entropy(p: np.ndarray) -> np.ndarray:
    """Nats, of the last axis; 0·log 0 is 0."""
    return np.asarray(-(p * np.log(np.where(p > 0, p, 1))).sum(axis=-1))


@dataclass(frozen=True, eq=False)
class Evidence:
    """Numbers that logits tell of every image under every context.

    Attributes
    ----------
    margins : np.ndarray
        float64 [n, T], over the scale of the context.
    entropies : np.ndarray
        float64 [n, T], nats.
    probabilities : np.ndarray
        float32 [n, T, K].
    """

    margins: np.ndarray
    entropies: np.ndarray
    probabilities: np.ndarray

    @classmethod
    def of(cls, logits: np.ndarray, scales: np.ndarray | None = None, temperature: float = 1.0) -> Evidence:
        """Read it off logits.

        Parameters
        ----------
        logits : np.ndarray
            Floats [n, T, K].
        scales : np.ndarray | None, default=None
            float [T], see `context_scales`; None: 1 for all.
        temperature : float, default=1.0
            Logits are divided by it before they become probabilities.

        Returns
        -------
        Evidence
            Of all images.
        """
        logits = np.asarray(logits, np.float32)
        p = softmax(logits / np.float32(temperature), axis=-1)
        scaled = margins(logits) / (1.0 if scales is None else scales)
        return cls(scaled, _entropy(p).astype(np.float64), p)

    def scores(self, rule: Rule, batches: np.ndarray) -> np.ndarray:
        """Score of every task for batches of images that come from one task each: the larger, the likelier.

        margin: mean over the batch of the scaled margin. entropy: minus the mean entropy of the classes.
        infomax: mutual information of image and class, H(mean p) − mean H(p) (Bridle, Heading & MacKay 1991);
        of one image it is 0 under every context.

        Parameters
        ----------
        rule : Rule
            "margin", "entropy" or "infomax".
        batches : np.ndarray
            int [B, size], places of images.

        Returns
        -------
        np.ndarray
            float64 [B, T].
        """
        if rule == "margin":
            return np.asarray(self.margins[batches].mean(axis=1))
        of_images = self.entropies[batches].mean(axis=1)
        if rule == "entropy":
            return np.asarray(-of_images)
        means = np.stack([self.probabilities[batch].mean(axis=0) for batch in batches])
        return np.asarray(_entropy(means) - of_images, np.float64)


def context_scales(logits: np.ndarray) -> np.ndarray:
    """Mean margin of every context over images of all tasks, so that long vectors are not preferred.

    Parameters
    ----------
    logits : np.ndarray
        Floats [D, n, T, K], of n images of each of D tasks under T contexts.

    Returns
    -------
    np.ndarray
        float64 [T], positive.
    """
    _, _, tasks, classes = logits.shape
    means = margins(logits.reshape(-1, tasks, classes)).mean(axis=0)
    return np.asarray(np.maximum(means, np.finfo(np.float64).tiny))


def fit_temperature(logits: np.ndarray, labels: np.ndarray, smoothing: float = 0.0) -> float:
    """Temperature τ that makes softmax(logits/τ) most likely (Guo et al. 2017).

    Parameters
    ----------
    logits : np.ndarray
        Floats [n, K].
    labels : np.ndarray
        int [n], the right column of each.
    smoothing : float, default=0.0
        Probability that is spread over the other columns: without it, what is separated without an error
        would be certain beyond all measure (Platt 1999).

    Returns
    -------
    float
        10⁻⁴ to 100; the negative log-likelihood is unimodal in log τ.
    """

    def loss(log_temperature: float) -> float:
        log_p = log_softmax(logits / np.exp(log_temperature), axis=-1)
        log_p = np.maximum(log_p, -1e9)
        right = log_p[np.arange(len(labels)), labels]
        others = (log_p.sum(axis=-1) - right) / max(1, log_p.shape[1] - 1)
        return float(-((1 - smoothing) * right + smoothing * others).mean())

    logits = np.asarray(logits, np.float64)
    return float(np.exp(scipy.optimize.minimize_scalar(loss, bounds=np.log([1e-4, 100]), method="bounded").x))


def calibration_error(confidence: np.ndarray, right: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error: mean distance of confidence and accuracy over equal bins of confidence.

    Σ_b n_b/n · |accuracy_b − confidence_b| (Naeini et al. 2015).

    Parameters
    ----------
    confidence : np.ndarray
        float [n], from 0 to 1.
    right : np.ndarray
        bool [n].
    bins : int, default=BINS
        Of equal width.

    Returns
    -------
    float
        0 to 1.
    """
    places = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = np.bincount(places, np.asarray(right, float) - confidence, bins)
    return float(np.abs(gaps).sum() / len(confidence))


@dataclass(frozen=True)
class RuleCalibration:
    """Calibration of a rule for batches of one size.

    Attributes
    ----------
    temperature : float
        Scores are divided by it; a softmax over tasks then makes probabilities.
    right : float
        Share of batches whose task has the highest score.
    error : float
        Expected calibration error of the probability of that task.
    batches : int
        Batches behind both, of images that were not used for the fit.
    """

    temperature: float
    right: float
    error: float
    batches: int


@dataclass(frozen=True, eq=False)
class Calibration:
    """Calibration of classes and tasks on labelled images that nothing was trained on.

    Attributes
    ----------
    scales : np.ndarray
        float64 [T], see `context_scales`.
    temperature : float
        Of the classes' logits under the right context.
    error : float
        Expected calibration error of the classes' probabilities with it, on images not used for the fit.
    error_before : float
        The same without it.
    fitted, measured : int
        Images behind the fit, and behind the errors.
    rules : Mapping[Rule, Mapping[int, RuleCalibration]]
        By rule and images a batch.
    """

    scales: np.ndarray
    temperature: float
    error: float
    error_before: float
    fitted: int
    measured: int
    rules: Mapping[Rule, Mapping[int, RuleCalibration]]

    def nearest(self, rule: Rule, images: int) -> tuple[int, RuleCalibration] | None:
        """Calibration of the batches whose size is nearest, by ratio.

        Parameters
        ----------
        rule : Rule
            A rule.
        images : int
            Images of a batch.

        Returns
        -------
        tuple[int, RuleCalibration] | None
            The size that was measured, and its calibration; None where no size was.
        """
        sizes = self.rules.get(rule, {})
        size = min(sizes, key=lambda each: abs(np.log(each / images)), default=None)
        return None if size is None else (size, sizes[size])

    def to_text(self) -> str:
        """Everything but the scales, as JSON.

        Returns
        -------
        str
            For the metadata of a file that has the scales.
        """
        return json.dumps({name: value for name, value in asdict(self).items() if name != "scales"})

    @classmethod
    def from_text(cls, text: str, scales: np.ndarray) -> Calibration:
        """Read it back.

        Parameters
        ----------
        text : str
            As `to_text` makes it.
        scales : np.ndarray
            float64 [T].

        Returns
        -------
        Calibration
            Equal to the one that was written.
        """
        fields = json.loads(text)
        fields["rules"] = {
            rule: {int(size): RuleCalibration(**each) for size, each in sizes.items()}
            for rule, sizes in fields["rules"].items()
        }
        return cls(scales=scales, **fields)


def batches_of(images: int, size: int, seed: int, partitions: int = PARTITIONS) -> np.ndarray:
    """Random batches of a task's images: several partitions of all of them.

    Parameters
    ----------
    images : int
        n.
    size : int
        Images a batch, n at most.
    seed : int
        Decides the partitions.
    partitions : int, default=PARTITIONS
        One for batches of one image, whatever is asked for.

    Returns
    -------
    np.ndarray
        int [batches, size], places of images.

    Raises
    ------
    ValueError
        If there are fewer images than a batch has.
    """
    if size > images:
        raise ValueError(f"{images} images make no batch of {size}")
    rng, count = np.random.default_rng(seed), images // size
    if size == 1:
        return np.arange(images)[:, None]
    orders = [rng.permutation(images)[: count * size].reshape(count, size) for _ in range(partitions)]
    return np.concatenate(orders)


def calibrate(
    logits: np.ndarray,
    labels: np.ndarray,
    tasks: np.ndarray,
    fitted: int,
    seed: int,
    step: Callable[[], None] = lambda: None,
) -> Calibration:
    """Fit scales and temperatures on the first images of every task, and measure errors on the others.

    Parameters
    ----------
    logits : np.ndarray
        Floats [D, n, T, K], of n images of each of D tasks under T contexts, K ≥ 2.
    labels : np.ndarray
        int [D, n], outputs of their classes.
    tasks : np.ndarray
        int [D], which of T each is.
    fitted : int
        Images of a task behind the fit, from 1 to n − 1.
    seed : int
        Decides batches.
    step : Callable[[], None], default=lambda: None
        Called between fits; may raise to end it.

    Returns
    -------
    Calibration
        Rules are calibrated for the sizes of BATCHES that both parts have images for.

    Raises
    ------
    ValueError
        If one part would have no image.
    """
    if not 0 < fitted < logits.shape[1]:
        raise ValueError(f"{fitted} of {logits.shape[1]} images leave none for one of the parts")
    rows = np.arange(len(tasks))
    own = logits[rows, :, tasks]
    classes = own.shape[-1]
    train, test = (own[:, :fitted].reshape(-1, classes), own[:, fitted:].reshape(-1, classes))
    train_labels, test_labels = labels[:, :fitted].ravel(), labels[:, fitted:].ravel()
    temperature = fit_temperature(train, train_labels)
    scales = context_scales(logits[:, :fitted])
    errors = []
    for divisor in (temperature, 1.0):
        p = softmax(np.asarray(test, np.float64) / divisor, axis=-1)
        errors.append(calibration_error(p.max(axis=-1), p.argmax(axis=-1) == test_labels))
    step()
    evidence = [Evidence.of(of_task, scales, temperature) for of_task in logits]
    rules: dict[Rule, dict[int, RuleCalibration]] = {rule: {} for rule in RULES}
    images = logits.shape[1]
    for size in BATCHES:
        if size > min(fitted, images - fitted):
            continue
        parts = batches_of(fitted, size, seed), fitted + batches_of(images - fitted, size, seed)
        for rule in RULES:
            if rule == "infomax" and size == 1:
                continue  # of one image it knows nothing
            step()
            rules[rule][size] = _calibrate_rule(evidence, tasks, rule, *parts)
    error, error_before = errors
    return Calibration(scales, temperature, error, error_before, len(train), len(test), rules)


def _calibrate_rule(
    evidence: Sequence[Evidence], tasks: np.ndarray, rule: Rule, train: np.ndarray, test: np.ndarray
) -> RuleCalibration:
    """Fit on batches `train` of every task, measure on `test`."""
    scores = np.concatenate([each.scores(rule, train) for each in evidence])
    temperature = fit_temperature(scores, np.repeat(tasks, len(train)), 1 / (len(scores) + 2))
    scores = np.concatenate([each.scores(rule, test) for each in evidence])
    p = softmax(scores / temperature, axis=-1)
    right = p.argmax(axis=-1) == np.repeat(tasks, len(test))
    error = calibration_error(p.max(axis=-1), right)
    return RuleCalibration(temperature, float(right.mean()), error, len(right))
