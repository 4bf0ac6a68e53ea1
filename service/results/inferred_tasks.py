"""Tasks that unlabelled images come from: scores by a rule, calibrated where the finish measured that."""

from __future__ import annotations

import threading

import numpy as np
from cachetools import LRUCache
from scipy.special import softmax

from service.dependencies import Services
from service.results.base import stage_digest
from service.results.task_networks import (
    ExperimentNetworks,
    calibration_of,
    require_two_classes,
)
from service.results.warnings import warnings_of
from tgsh.analysis.hash_codes import nearest_templates, simhash
from tgsh.analysis.task_inference import Calibration, Evidence, mask_outputs
from tgsh.datasets.classes import task_labels
from tgsh.errors import Conflict, InvalidSpec
from tgsh.networks.all_tasks import blind_features
from tgsh.networks.registry import shares_base
from tgsh.schemas import InferenceCalibration, InferenceRule, InferredTask, TaskInference
from tgsh.schemas.measurements import NOT_MEASURED_THEN
from tgsh.store.results import load_result

BLIND_BITS = 1_024
"""Bits of the codes of blind-hash."""

KEPT_TEMPLATES = 32 << 20
"""Bytes of template codes of the latest experiments."""

MOST_FEATURES = 2**26
"""Features of the images and templates of one request (256 MB)."""

NO_PROBABILITY = "a blind hash compares codes, and its scores are not calibrated"

_templates: LRUCache[str, tuple[np.ndarray, np.ndarray, np.ndarray]] = LRUCache(
    KEPT_TEMPLATES, getsizeof=lambda arrays: sum(array.nbytes for array in arrays)
)
_lock = threading.Lock()


def infer_task(
    services: Services,
    experiment_id: str,
    stage: str,
    rule: InferenceRule,
    loaded: ExperimentNetworks,
    images: np.ndarray,
) -> TaskInference:
    """The tasks of an experiment by how likely a batch of images comes from each.

    Raises Conflict where tasks have one class or no templates, InvalidSpec where the rule cannot tell.
    """
    require_two_classes(loaded)
    if rule == "infomax" and len(images) == 1:
        raise InvalidSpec(
            "rule",
            "infomax compares the images of a batch: of one it knows nothing; send more, or ask for margin",
        )
    calibration = calibration_of(services, experiment_id) if stage == "after" else None
    temperature = 1.0 if calibration is None else calibration.temperature
    if rule == "blind-hash":
        scores = _blind_scores(services, loaded, images)
        best = int(scores.argmax())
        own = mask_outputs(loaded.networks.network(best).logits(images)[:, None], loaded.allowed[best, None])[
            :, 0
        ]
        return _document(
            loaded, rule, scores, own, temperature, calibration, None, _warnings(services, loaded)
        )
    loaded.check_work(len(images))
    logits = mask_outputs(loaded.networks.logits(images), loaded.allowed)
    scales = None if calibration is None else calibration.scales
    evidence = Evidence.of(logits, scales, temperature)
    scores = evidence.scores(rule, np.arange(len(images))[None])[0]
    own = logits[:, int(scores.argmax())]
    measured = None if calibration is None else calibration.nearest(rule, len(images))
    divisor = None if measured is None else measured[1].temperature
    return _document(
        loaded, rule, scores, own, temperature, calibration, divisor, _warnings(services, loaded)
    )


def _warnings(services: Services, loaded: ExperimentNetworks) -> list[str]:
    return warnings_of(services, loaded.ref.experiment_id)


def _document(
    loaded: ExperimentNetworks,
    rule: InferenceRule,
    scores: np.ndarray,
    logits: np.ndarray,
    temperature: float,
    calibration: Calibration | None,
    divisor: float | None,
    warnings: list[str],
) -> TaskInference:
    ref = loaded.ref
    order = np.argsort(-scores, kind="stable")
    p = [None] * len(scores) if divisor is None else softmax(scores / divisor).tolist()
    labels = task_labels(loaded.info, ref.tasks[order[0]])
    confidence = softmax(np.asarray(logits, np.float64) / temperature, axis=1).max(axis=1)
    measured = None if calibration is None else _calibration(calibration, rule, len(logits))
    best = order[0]
    return TaskInference(
        **loaded.about,
        rule=rule,
        images=len(logits),
        tasks=[
            InferredTask(
                task=ref.tasks[row], label=ref.labels[row], score=float(scores[row]), probability=p[row]
            )
            for row in order.tolist()
        ],
        classes=[labels[output] for output in logits.argmax(axis=1).tolist()],
        confidence=confidence.tolist(),
        calibration=measured,
        reason=_reason(ref.stage, rule, calibration, divisor),
        sentence=_sentence(ref.labels[best], p[best], len(logits), measured),
        warnings=warnings,
    )


def _sentence(
    label: str, probability: float | None, images: int, measured: InferenceCalibration | None
) -> str:
    """The answer in words, with how often such an answer was right."""
    yours = "Your image is" if images == 1 else f"Your {images:,} images are"
    if probability is None:
        return f"{yours} most like those of {label}."
    answer = f"{yours} most likely from {label} (probability {probability:.2f})."
    if measured is None or measured.task_right is None or measured.images is None:
        return answer
    batches = "1 image" if measured.images == 1 else f"{measured.images:,} images"
    return f"{answer} Of batches of {batches} the right task came first in {measured.task_right:.0%}."


def _calibration(calibration: Calibration, rule: InferenceRule, images: int) -> InferenceCalibration:
    found = None if rule == "blind-hash" else calibration.nearest(rule, images)
    size, measured = found or (None, None)
    return InferenceCalibration(
        temperature=calibration.temperature,
        error=calibration.error,
        error_before=calibration.error_before,
        fitted=calibration.fitted,
        measured=calibration.measured,
        images=size,
        task_right=None if measured is None else measured.right,
        task_error=None if measured is None else measured.error,
        batches=None if measured is None else measured.batches,
    )


def _reason(
    stage: str, rule: InferenceRule, calibration: Calibration | None, divisor: float | None
) -> str | None:
    """The reason for numbers that are missing."""
    if rule == "blind-hash":
        return NO_PROBABILITY
    if stage != "after":
        return "contexts are calibrated after training alone"
    if calibration is None:
        return f"not calibrated: too few test images or too many tasks, or {NOT_MEASURED_THEN}"
    if divisor is None:
        return "too few test images for calibration of batches by this rule"
    return None


# --- blind-hash


def _blind_scores(services: Services, loaded: ExperimentNetworks, images: np.ndarray) -> np.ndarray:
    """Mean over images of the agreement with the nearest mean image of each task, no context involved: [T].

    Codes are SimHashes of φ(x) less the mean of the templates' features.
    """
    ref, normalisation = loaded.ref, loaded.one_normalisation
    if not shares_base(loaded.spec.network) or normalisation is None:
        what = "random base" if normalisation is not None else "normalisation of pixels"
        raise Conflict(
            f"blind-hash compares codes of all tasks, and these share no {what}; ask for rule=margin"
        )
    codes, owners, mean = _template_codes(services, loaded)
    most = MOST_FEATURES // len(mean)
    if len(images) > most:
        raise InvalidSpec("images", f"each has {len(mean):,} features; send {most:,} at most")
    features = blind_features(loaded.networks.base, images, normalisation) - mean
    own = simhash(features, BLIND_BITS, loaded.spec.base_seed)
    return np.asarray(nearest_templates(own, codes, owners, len(ref.tasks)).mean(axis=0))


def _template_codes(
    services: Services, loaded: ExperimentNetworks
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Codes [m, bits] of the mean images of all classes, the row of the task of each [m], mean features
    [H]."""
    experiment_id = loaded.ref.experiment_id
    stored = load_result(services.database, services.artifacts, experiment_id, "class-means")
    if stored is None:
        raise Conflict(
            "blind-hash compares with the mean images of the classes, which a finish keeps "
            "of up to 1,000 tasks; "
            f"{experiment_id} has none (yet): ask for rule=margin"
        )
    with _lock:
        if (kept := _templates.get(stage_digest(loaded.ref))) is not None:
            return kept
    means = stored[0]["means"]
    has = np.isfinite(means).all(axis=2)
    normalisation = loaded.one_normalisation
    assert normalisation is not None
    if int(has.sum()) > MOST_FEATURES // loaded.networks.hidden_units:
        raise Conflict(
            "the mean images of so many classes are too many to be hashed here; ask for rule=margin"
        )
    features = blind_features(loaded.networks.base, means[has], normalisation)
    mean = features.mean(axis=0)
    codes = simhash(features - mean, BLIND_BITS, loaded.spec.base_seed)
    made = codes, np.nonzero(has)[0], mean
    with _lock:
        if sum(array.nbytes for array in made) <= KEPT_TEMPLATES:
            _templates[stage_digest(loaded.ref)] = made
    return made
