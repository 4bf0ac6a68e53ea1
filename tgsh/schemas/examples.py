"""Examples of documents in the OpenAPI document, with numbers like those of RotationMNIST."""

from __future__ import annotations

from typing import Any

Example = dict[str, Any]

ID = "47341124ceace8e6"
BASE = "0f3a5c"
PATH = f"/experiments/{ID}"
TASKS: Example = {"tasks": [0, 1, 2], "labels": ["0°", "10°", "20°"]}
STAGE: Example = {"experiment_id": ID, "base_id": BASE, "stage": "after", "complete": True}

SPEC: Example = {
    "name": "RotationMNIST",
    "dataset": "mnist",
    "suite": {"kind": "rotation", "tasks": 36, "step_degrees": 10.0},
    "network": {"kind": "flynet", "expansion": 10, "fan_in": 7},
    "training": {"epochs": 3, "batch_size": 128, "learning_rate": 0.01, "train_limit": None},
    "seed": 0,
    "base_seed": 0,
    "tags": ["paper"],
}

EXPERIMENT: Example = {
    "id": ID,
    "name": "RotationMNIST",
    "status": "running",
    "reason": None,
    "cancel_requested": False,
    "spec": SPEC,
    "progress": {"tasks_total": 36, "tasks_done": 20, "fraction": 0.57, "eta_seconds": 27.0},
    "mean_accuracy": 0.9457,
    "base_id": BASE,
    "digest": "b3c0d1",
    "versions": {"torch": "2.15.0", "numpy": "2.3.4"},
    "owner": "alice",
    "shared": True,
    "priority": 0,
    "stored_answer": False,
    "timings": {
        "created_at": "2026-11-24T06:55:29Z",
        "started_at": "2026-11-24T06:55:30Z",
        "finished_at": None,
        "seconds": 36.1,
    },
    "links": {"self": PATH, "tasks": f"{PATH}/tasks", "similarity": f"{PATH}/similarity"},
}
EXPERIMENT_PAGE: Example = {"items": [EXPERIMENT], "next": "WzE3OTU1MDMzMjkuMCwgIjQ3MzQxMTI0Y2VhY2U4ZTYiXQ=="}

TASK: Example = {
    "index": 1,
    "label": "10°",
    "params": {"angle": 10.0},
    "status": "completed",
    "reason": None,
    "accuracy": 0.9461,
    "epochs_done": 3,
    "loss": [0.412, 0.229, 0.196],
    "seconds": 1.7,
    "attempts": 1,
    "worker": "worker@lab:4711",
    "compute": "cpu AVX512 torch 2.15.0 2 threads",
    "links": {"self": f"{PATH}/tasks/1", "experiment": PATH},
}
TASK_LIST: Example = {"items": [TASK]}

CLASS_OVERLAP: Example = {
    "matching": "names",
    "outputs": ["0", "1", "2"],
    "classes": [["0", "1", "2"], ["0", None, "2"]],
    "shared": [[3, 2], [2, 2]],
}
SIMILARITY: Example = {
    **STAGE,
    **TASKS,
    "measure": "cosine",
    "order": "task",
    "layer": None,
    "values": [[1.0, 0.715, 0.493], [0.715, 1.0, 0.716], [0.493, 0.716, 1.0]],
    "null": {"shuffles": 10, "low": -0.12, "high": 0.18, "mean": 0.01},
    "class_overlap": None,
}
_OTHER_ID = "9326c31d29f87427"
_COMPARED: Example = {"status": "completed", "base_id": BASE, "complete": True, "tasks": [0, 1, 2]}
COMPARISON: Example = {
    "stage": "after",
    "measure": "cosine",
    "layer": None,
    "experiments": [
        {"id": ID, "name": "RotationMNIST", "digest": "b3c0d1", "mean_accuracy": 0.9454, **_COMPARED},
        {"id": _OTHER_ID, "name": "one epoch", "digest": "5a11e7", "mean_accuracy": 0.93, **_COMPARED},
    ],
    "differences": [{"field": "training.epochs", "values": [3, 1]}],
    "tasks": TASKS["labels"],
    "matrices": [
        [[1.0, 0.715, 0.493], [0.715, 1.0, 0.716], [0.493, 0.716, 1.0]],
        [[1.0, 0.66, 0.41], [0.66, 1.0, 0.65], [0.41, 0.65, 1.0]],
    ],
    "pairs": [
        {
            "a": ID,
            "b": _OTHER_ID,
            "tasks": 3,
            "pearson": 0.9989,
            "spearman": 0.5,
            "mantel": {
                "statistic": 0.9989,
                "p_value": 0.33,
                "permutations": 5,
                "alternative": "greater",
                "seed": 0,
            },
            "same_base": True,
            "same_task": {"mean": 0.92, "values": [0.93, 0.91, 0.92]},
        }
    ],
    "same_base": True,
}
CONTEXT_VECTORS: Example = {
    **STAGE,
    **TASKS,
    "layer": None,
    "values": [[1.31, 0.02, -0.45], [1.18, 0.1, -0.31], [0.97, 0.16, -0.12]],
}
SAMPLES: Example = {
    "experiment_id": ID,
    "tasks": [0, 9],
    "labels": ["0°", "90°"],
    "classes": [1],
    "class_names": ["1"],
    "images": [[[[0.0, 1.0, 0.0], [0.0, 0.9, 0.0]]], [[[0.0, 0.0, 0.0], [1.0, 0.9, 0.0]]]],
}
RECONSTRUCTIONS: Example = {
    "experiment_id": ID,
    "base_id": BASE,
    "stage": "after",
    "method": "pinv",
    "ridge": 0.0,
    "seed": 0,
    "tasks": [0],
    "labels": ["0°"],
    "classes": [1],
    "class_names": ["1"],
    "score": {
        "correlation": 0.3,
        "right_class": 1.0,
        "right_task": 0.71,
        "interval": None,
        "reason": "of each class the mean image is stored, not the images that it is of, so that none can be "
        "drawn anew; a study has the spread over seeds and random bases",
    },
    "images": [[[[[-0.02, 0.31, 0.01], [0.04, 0.28, -0.03]]]]],
}

_TRANSFERS: Example = {"forgetting": [0.0, 0.0, 0.0], "mean_forgetting": 0.0, "forward_transfer": 0.72}


def _accuracy(index: int, label: str, accuracy: float, balanced: float) -> Example:
    ends = {"low": accuracy - 0.0045, "high": accuracy + 0.0044}
    ends |= {"balanced_low": balanced - 0.0045, "balanced_high": balanced + 0.0045}
    rounded = {name: round(end, 4) for name, end in ends.items()}
    return {
        "index": index,
        "label": label,
        "accuracy": accuracy,
        "balanced": balanced,
        "chance": 0.1135,
        **rounded,
    }


ACCURACY: Example = {
    "experiment_id": ID,
    "complete": True,
    "mean": 0.9454,
    "min": 0.9447,
    "max": 0.9461,
    "tasks": [
        _accuracy(0, "0°", 0.9447, 0.944),
        _accuracy(1, "10°", 0.9461, 0.9453),
        _accuracy(2, "20°", 0.9454, 0.9446),
    ],
    "class_names": ["0", "1"],
    "per_class": [[0.98, 0.99], [0.981, 0.988], [0.979, 0.989]],
    "matrix": {**_TRANSFERS, "link": f"{PATH}/accuracy/matrix"},
}
CONFUSION: Example = {
    "experiment_id": ID,
    "task": 1,
    "label": "10°",
    "class_names": ["beech", "oak"],
    "counts": [[480, 20], [3, 7]],
    "accuracy": 0.9549,
    "balanced": 0.83,
    "chance": 0.9804,
    "warnings": [
        "accuracy is no better than chance in task 10°: always saying the commonest class scores 98.0 %"
    ],
}
ACCURACY_MATRIX: Example = {
    "experiment_id": ID,
    **TASKS,
    "values": [[0.9447, 0.83, 0.58], [0.84, 0.9461, 0.83], [0.57, 0.84, 0.9454]],
    "untrained": [0.11, 0.09, 0.13],
    **_TRANSFERS,
}


def _intervals(*ends: tuple[float, float]) -> Example:
    names = ("intra_mean", "inter_mean", "overlap", "p_intra_greater", "neighbour_mean")
    intervals = {name: {"low": low, "high": high} for name, (low, high) in zip(names, ends, strict=True)}
    return {**intervals, "level": 0.95, "resamples": 2000, "reason": None}


_UNTRAINED: Example = {
    "intra": [0, 0, 58320],
    "inter": [0, 37800, 0],
    "intra_mean": 0.43,
    "inter_mean": 0.0,
    "overlap": 0.0,
    "p_intra_greater": 1.0,
    "task_accuracy": 0.98,
    "parameter_r2": 0.83,
    "neighbour_mean": 0.0,
    "left_out": {"r2": -0.4, "median_error": 106.0, "unit": "degrees", "reason": None},
    "intervals": _intervals((0.42, 0.44), (-0.01, 0.01), (0.0, 0.0), (1.0, 1.0), (-0.02, 0.02)),
}
_TRAINED: Example = {
    "intra": [0, 9120, 49200],
    "inter": [0, 34900, 2900],
    "intra_mean": 0.36,
    "inter_mean": 0.08,
    "overlap": 0.23,
    "p_intra_greater": 0.95,
    "task_accuracy": 1.0,
    "parameter_r2": 0.98,
    "neighbour_mean": 0.32,
    "left_out": {"r2": 0.985, "median_error": 1.9, "unit": "degrees", "reason": None},
    "intervals": _intervals((0.35, 0.37), (0.07, 0.09), (0.21, 0.25), (0.94, 0.96), (0.31, 0.33)),
}
GEOMETRY: Example = {
    "experiment_id": ID,
    "base_id": BASE,
    "network": "flynet",
    "sample": {"tasks": [0, 1, 2], "classes": 10, "images": 6},
    "edges": [-1.0, -0.33, 0.33, 1.0],
    "before": _UNTRAINED,
    "after": _TRAINED,
    "baseline": {
        "experiment_id": "9326c31d29f87427",
        "name": "RotationMNIST, GSH without a shared base",
        "network": "gsh",
        "before": _UNTRAINED,
        "after": {**_TRAINED, "inter_mean": 0.0, "p_intra_greater": 0.99},
    },
}

_KEY = "5f1c0a" + 58 * "0"
PREVIEW: Example = {
    "key": _KEY,
    "status": "ready",
    "reason": None,
    "tasks": TASKS["labels"],
    "indices": TASKS["tasks"],
    "tasks_total": 3,
    "links": {"self": f"/previews/{_KEY}", "png": f"/previews/{_KEY}?format=png"},
}
ESTIMATE: Example = {
    "digest": "b3c0d1",
    "tasks": 36,
    "task_epochs": 108,
    "seconds": 9.8,
    "queue_seconds": 4.1,
    "experiments_ahead": 1,
    "tasks_ahead": 18,
    "workers": 2,
    "basis": "measured",
    "stored": None,
    "class_overlap": None,
    "warnings": [],
}
WORKERS: Example = {
    "workers": [
        {
            "name": "celery@lab/4710",
            "host": "lab",
            "pid": 4710,
            "devices": ["cpu", "cpu"],
            "memory_bytes": 2070000000,
            "device_memory_bytes": None,
            "seen_at": "2026-11-24T06:55:58Z",
            "working_on": [
                {
                    "kind": "task",
                    "experiment_id": ID,
                    "name": "RotationMNIST",
                    "task_index": 20,
                    "label": "200°",
                    "since": "2026-11-24T06:55:57Z",
                    "device": "cpu",
                }
            ],
        }
    ],
    "queue": {
        "queued_jobs": 15,
        "oldest_seconds": 28.6,
        "running_jobs": 1,
        "experiments": [{"id": ID, "name": "RotationMNIST", "queued": 15, "running": 1}],
    },
}
DATASET_ID = "9c56cc51b374c3ba"
DATASET: Example = {
    "id": DATASET_ID,
    "name": "leaves",
    "images": 1300,
    "train": 1040,
    "test": 260,
    "classes": 2,
    "class_names": ["beech", "oak"],
    "height": 24,
    "width": 32,
    "channels": 3,
    "mean": 0.41,
    "deviation": 0.27,
    "bytes": 2998128,
    "created_at": "2026-11-24T06:55:29Z",
    "used_by": 2,
    "owner": "alice",
    "shared": False,
    "notes": "from the yard, autumn",
    "licence": "CC BY 4.0",
    "report": {
        "sentences": [
            "1300 images in 2 classes from a zip read as class: 1,040 to train on, 260 to test",
            "12 images were turned upright, as their EXIF orientation says (beech/7.jpg and 11 more)",
            "3 images are copies of others; copies stay on one side of the split",
        ],
        "container": "zip",
        "layout": "class",
        "found": 1300,
        "images": 1300,
        "ignored": [{"kind": "documents", "count": 1, "names": ["README.md"], "detail": ""}],
        "done": [{"kind": "turned", "count": 12, "names": ["beech/7.jpg"], "detail": ""}],
        "counts": {"train": {"beech": 520, "oak": 520}, "test": {"beech": 130, "oak": 130}},
        "copies": 3,
        "overlap": 0,
        "contradictory": 0,
    },
    "links": {"self": f"/datasets/{DATASET_ID}", "samples": f"/datasets/{DATASET_ID}/samples"},
}
DATASET_PAGE: Example = {"items": [DATASET], "next": None}
DATASET_SAMPLES: Example = {
    "id": DATASET_ID,
    "classes": [0],
    "class_names": ["beech"],
    "images": [[[[0.0, 255.0, 0.0], [0.0, 230.0, 0.0]]]],
}

CATALOG: Example = {
    "datasets": [
        {
            "name": "mnist",
            "description": "MNIST: handwritten digits",
            "json_schema": None,
            "cost": "60,000 images a task-epoch",
            "details": {"height": 28, "width": 28, "classes": 10},
        }
    ],
    "suites": [{"name": "rotation", "description": "Task k sees every image rotated by k·step_degrees"}],
    "networks": [
        {
            "name": "flynet",
            "description": "logits = g_t · W (c_t ⊙ φ(x)): a CRWN after Eq. 2 of the paper.",
            "details": {"answers": ["similarity", "reconstructions"], "layers": {"layer-1": 7840}},
        }
    ],
    "presets": [{"name": "demo", "description": "demo: rotated digits", "details": {"spec": SPEC}}],
    "spec_schema": {"title": "Submission", "type": "object"},
}
READINESS: Example = {
    "ready": True,
    "checks": {
        "store": {"ok": True, "detail": "sqlite"},
        "redis": {"ok": True, "detail": "answers"},
        "disk": {"ok": True, "detail": "118.3 GB free for artifacts"},
        "workers": {"ok": True, "detail": "1 worker(s), 2 job(s) at a time"},
    },
}
PROBLEM: Example = {
    "type": "urn:tgsh:problem:invalid-request",
    "title": "The request cannot be carried out as it is",
    "status": 422,
    "detail": "training.epochs: must be at least 1, is 0",
    "instance": "/experiments",
    "errors": [
        {"field": "training.epochs", "message": "must be at least 1, is 0"},
    ],
}

SUBMISSIONS: Example = {
    "demo": {"summary": "the demo: seconds to minutes, no download", "value": {"preset": "demo"}},
    "paper": {"summary": "the paper's RotationMNIST", "value": {"preset": "rotation-mnist"}},
    "own": {
        "summary": "twelve rotations of 30°",
        "value": {
            "name": "twelve rotations",
            "dataset": "mnist5k",
            "suite": {"kind": "rotation", "tasks": 12, "step_degrees": 30},
            "training": {"epochs": 2},
            "seed": 1,
            "tags": ["example"],
        },
    },
    "custom": {
        "summary": "tasks composed of transforms",
        "value": {
            "name": "mirrored, tilted and blurred",
            "dataset": "mnist5k",
            "suite": {
                "kind": "custom",
                "tasks": [
                    {"label": "as they are"},
                    {"label": "mirrored", "transforms": [{"kind": "horizontal-flip"}]},
                    {
                        "label": "tilted and blurred",
                        "transforms": [
                            {"kind": "rotate", "degrees": 20},
                            {"kind": "gaussian-blur", "sigma": 1},
                        ],
                    },
                ],
            },
        },
    },
}
"""Bodies of POST /experiments."""
