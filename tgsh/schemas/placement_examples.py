"""Examples of placements that the API page shows."""

from __future__ import annotations

from typing import Any

Example = dict[str, Any]

_ID, _PLACEMENT = "3f2a9c0d1e4b5a67", "9b1c44d0a7e2f358"
_ROOT = f"/experiments/{_ID}/placements/{_PLACEMENT}"

SUMMARY: Example = {
    "id": _PLACEMENT,
    "experiment_id": _ID,
    "name": "digits of the archive",
    "dataset": None,
    "status": "completed",
    "reason": None,
    "created_at": "2026-11-29T21:00:00Z",
    "finished_at": "2026-11-29T21:00:01Z",
    "owner": None,
    "nearest": 2,
    "nearest_label": "20°",
    "similarity": 0.39,
    "percentile": 98.4,
    "novel": False,
    "sentence": "Your images are most like 20° (cosine 0.39, 95 % 0.36–0.42).",
    "links": {"self": _ROOT, "map": f"{_ROOT}/map", "samples": f"{_ROOT}/samples"},
}
PLACEMENT: Example = {
    **SUMMARY,
    "base_id": "3b6a2f0c5d1e4b7898a7c6d5e4f30211aabbccddeeff00112233445566778899",
    "train_limit": 200,
    "replicates": 5,
    "seed": 0,
    "matching": "names",
    "tasks": [
        {"task": 2, "label": "20°", "similarity": 0.39, "low": 0.36, "high": 0.42},
        {"task": 1, "label": "10°", "similarity": 0.33, "low": 0.3, "high": 0.36},
        {"task": 0, "label": "0°", "similarity": 0.2, "low": 0.18, "high": 0.22},
    ],
    "level": 0.95,
    "interval_reason": None,
    "classes": [
        {"name": "3", "taken_for": "3", "images": 120},
        {"name": "8", "taken_for": "8", "images": 130},
    ],
    "matched_with": None,
    "images": 250,
    "images_drawn": 200,
    "images_left_out": 0,
    "normalisation": {"mean": 0.1307, "deviation": 0.3081},
    "expected": 0.4,
    "corrected": 0.98,
    "threshold": 0.35,
    "p": 0.05,
    "estimate": {"value": 17.6, "unit": "degrees"},
    "warnings": [],
}
PLACEMENT_PAGE: Example = {"items": [SUMMARY], "next": None}
PLACEMENT_MAP: Example = {
    "experiment_id": _ID,
    "placement_id": _PLACEMENT,
    "tasks": [0, 1, 2],
    "labels": ["0°", "10°", "20°"],
    "values": [[-0.254, 0.071], [0.001, -0.142], [0.253, 0.071]],
    "placed": [0.2, 0.03],
    "explained": [0.83, 0.17],
    "stress": 0.0,
}
PLACED_SAMPLES: Example = {
    "experiment_id": _ID,
    "placement_id": _PLACEMENT,
    "rows": ["your images", "20°"],
    "task": 2,
    "classes": ["3"],
    "shape": [2, 2],
    "values": [[[0.0, 1.0, 1.0, 0.0]], [[0.0, 0.9, 1.0, 0.1]]],
}
MATRIX_JOB: Example = {
    "experiment_id": _ID,
    "status": "queued",
    "reason": None,
    "created_at": "2026-11-29T21:00:00Z",
    "finished_at": None,
    "links": {
        "self": f"/experiments/{_ID}/accuracy/matrix/job",
        "matrix": f"/experiments/{_ID}/accuracy/matrix",
    },
}
SUBMISSIONS: Example = {
    "named": {"summary": "a named dataset", "value": {"dataset": "kmnist", "classes": "nearest"}},
    "uploaded": {
        "summary": "a dataset that was uploaded",
        "value": {"dataset": {"id": "0123456789abcdef"}, "train_limit": 1000, "replicates": 10},
    },
    "map": {
        "summary": "classes one by one",
        "value": {"dataset": "mnist", "classes": {"0": "0", "1": "1", "7": "4"}, "seed": 1},
    },
}
