"""Examples of the documents about studies that the API page shows."""

from __future__ import annotations

from typing import Any

ID = "5d1e0c94a2b7f638"

MEMBERS = ["47341124ceace8e6", "9326c31d29f87427"]

SPEC = {"dataset": "mnist5k", "suite": {"kind": "rotation", "tasks": 3, "step_degrees": 10.0}}

SUBMISSIONS: dict[str, Any] = {
    "replicates": {
        "summary": "five seeds on three random bases",
        "value": {
            "name": "rotations with error bars",
            "spec": {"preset": "rotation-mnist"},
            "replicates": {"seeds": 5, "base_seeds": 3},
        },
    },
    "grid": {
        "summary": "a grid of two values, three seeds each",
        "value": {
            "spec": {"preset": "demo"},
            "replicates": {"seeds": 3},
            "grid": {"training.epochs": [1, 3]},
        },
    },
    "experiments": {
        "summary": "experiments that there are",
        "value": {"experiments": MEMBERS, "grid": {"training.epochs": [1, 3]}},
    },
}

SUMMARY: dict[str, Any] = {
    "id": ID,
    "name": "two seeds",
    "status": "completed",
    "reason": None,
    "progress": {
        "tasks_total": 6,
        "tasks_done": 6,
        "fraction": 1.0,
        "eta_seconds": None,
        "experiments_total": 2,
        "experiments_done": 2,
        "experiments": {"completed": 2},
    },
    "replicates": {"seeds": [0, 1], "base_seeds": [0]},
    "grid": {},
    "spec": SPEC,
    "tags": ["a"],
    "notes": None,
    "project": None,
    "owner": None,
    "shared": False,
    "priority": 0,
    "created_at": "2026-01-05T09:30:00Z",
    "links": {"self": f"/studies/{ID}", "similarity": f"/studies/{ID}/similarity"},
}

STUDY: dict[str, Any] = {
    **SUMMARY,
    "cells": [{"cell": 0, "values": {}, "experiments": MEMBERS}],
    "members": [
        {
            "cell": 0,
            "seed": seed,
            "base_seed": 0,
            "experiment": MEMBERS[seed],
            "status": "completed",
            "fraction": 1.0,
            "mean_accuracy": 0.945,
            "reason": None,
        }
        for seed in (0, 1)
    ],
}

STUDY_PAGE: dict[str, Any] = {"items": [SUMMARY], "next": None}

STUDY_ESTIMATE: dict[str, Any] = {
    "experiments": 2,
    "stored": 1,
    "tasks": 3,
    "task_epochs": 9,
    "seconds": 4.2,
    "queue_seconds": 0.0,
    "workers": 2,
    "cells": [],
}

ANSWER: dict[str, Any] = {
    "study_id": ID,
    "cell": 0,
    "cell_values": {},
    "stage": "after",
    "measure": "cosine",
    "layer": None,
    "replicates": 2,
    "complete": True,
    "tasks": [0, 1, 2],
    "labels": ["0°", "10°", "20°"],
    "reason": None,
}

STUDY_SIMILARITY: dict[str, Any] = {
    **ANSWER,
    "statistic": "mean",
    "level": 0.95,
    "over": "seeds",
    "order": "task",
    "values": [[1.0, 0.715, 0.493], [0.715, 1.0, 0.716], [0.493, 0.716, 1.0]],
}

STUDY_CEILING: dict[str, Any] = {
    **ANSWER,
    "ceilings": [
        {
            "over": "seeds",
            "measure": "pearson",
            "lower": 0.994,
            "upper": 0.999,
            "between": 0.994,
            "replicates": 2,
            "tasks": 3,
            "reason": None,
        }
    ],
}

STUDY_DIFFERENCES: dict[str, Any] = {
    **ANSWER,
    "level": 0.95,
    "over": "seeds",
    "differences": [
        {
            "pairs": [[0, 1], [0, 2]],
            "labels": [["0°", "10°"], ["0°", "20°"]],
            "difference": 0.222,
            "low": 0.18,
            "high": 0.264,
            "p": 0.009,
            "p_holm": 0.009,
            "distinguishable": True,
            "replicates": 2,
            "reason": None,
        }
    ],
}

STUDY_TREE: dict[str, Any] = {
    **ANSWER,
    "method": "average",
    "resampling": "replicates",
    "trees": 2,
    "linkage": [[1, 2, 0.284, 2], [0, 3, 0.396, 3]],
    "support": [0.5, 1.0],
    "leaves": [0, 1, 2],
    "leaf_labels": ["0°", "10°", "20°"],
    "cophenetic_correlation": 0.87,
    "newick": "('0°':0.198,('10°':0.142,'20°':0.142)0.5:0.056)1;",
}

STUDY_EMBEDDING: dict[str, Any] = {
    **ANSWER,
    "dimensions": 2,
    "values": [[-0.254, 0.071], [0.001, -0.142], [0.253, 0.071]],
    "spread": [0.01, 0.012, 0.009],
    "covariances": [[[0.0001, 0.0], [0.0, 0.0001]]] * 3,
}

STUDY_ACCURACY: dict[str, Any] = {
    "study_id": ID,
    "level": 0.95,
    "over": "seeds",
    "complete": True,
    "cells": [
        {
            "cell": 0,
            "values": {},
            "replicates": 2,
            "overall": {"mean": 0.945, "sd": 0.001, "low": 0.936, "high": 0.954, "replicates": 2},
            "tasks": [
                {
                    "mean": 0.9447,
                    "sd": 0.001,
                    "low": 0.9357,
                    "high": 0.9537,
                    "replicates": 2,
                    "index": 0,
                    "label": "0°",
                }
            ],
            "reason": None,
        }
    ],
}

STUDY_MATRICES: dict[str, Any] = {
    "study_id": ID,
    "stage": "after",
    "measure": "cosine",
    "layer": None,
    "level": 0.95,
    "complete": True,
    "cells": [
        {
            "cell": 0,
            "values": {},
            "replicates": 2,
            "over": "seeds",
            "tasks": [0, 1],
            "labels": ["0°", "10°"],
            "mean": [[1.0, 0.715], [0.715, 1.0]],
            "sd": [[0.0, 0.003], [0.003, 0.0]],
            "low": [[1.0, 0.688], [0.688, 1.0]],
            "high": [[1.0, 0.742], [0.742, 1.0]],
            "reason": None,
        }
    ],
}

STUDY_EFFECTS: dict[str, Any] = {
    "study_id": ID,
    "stage": "after",
    "measure": "cosine",
    "level": 0.95,
    "over": "seeds",
    "complete": True,
    "rows": [
        {
            "cell": 0,
            "values": {},
            "seed": 0,
            "base_seed": 0,
            "experiment": MEMBERS[0],
            "task": 0,
            "label": "0°",
            "accuracy": 0.9447,
            "similarity": [0.715, 0.493],
        }
    ],
    "effects": [],
}

STREAM = f"""\
event: experiment
data: {{"experiment":"{MEMBERS[0]}","cell":0,"seed":0,"base_seed":0,"status":"completed","fraction":1.0}}

event: progress
data: {{"progress":{{"tasks_total":6,"tasks_done":6,"fraction":1.0,"eta_seconds":null,"experiments_total":2,\
"experiments_done":2,"experiments":{{"completed":2}}}}}}

event: status
data: {{"status":"completed","reason":null}}

"""
"""Event stream example on the API page."""

_COMPARED_STUDY: dict[str, Any] = {
    "status": "completed",
    "base_id": "1f0c8a77",
    "digest": None,
    "complete": True,
    "tasks": [0, 1, 2],
    "note": None,
    "kind": "study",
    "cell_values": {},
    "replicates": 5,
    "cell": 0,
}

_COMPARED_CEILING: dict[str, Any] = {
    "over": "seeds",
    "measure": "pearson",
    "lower": 0.994,
    "upper": 0.999,
    "between": 0.994,
    "replicates": 5,
    "tasks": 3,
    "reason": None,
}

STUDY_COMPARISON: dict[str, Any] = {
    "stage": "after",
    "measure": "cosine",
    "layer": None,
    "experiments": [
        {
            **_COMPARED_STUDY,
            "id": ID,
            "study_id": ID,
            "name": "five seeds",
            "mean_accuracy": 0.9454,
            "experiments": [*MEMBERS, "0f8fad5bd9cb469f", "7c3d1a90e5b84f26", "b2e64d08c71f935a"],
            "ceilings": [_COMPARED_CEILING],
        },
        {
            **_COMPARED_STUDY,
            "id": "0b7c22d9e4f15a86",
            "study_id": "0b7c22d9e4f15a86",
            "name": "one epoch",
            "mean_accuracy": 0.93,
            "experiments": [f"{place}a97c405b8d1f36e" for place in range(5)],
            "ceilings": [_COMPARED_CEILING | {"lower": 0.991, "upper": 0.998, "between": 0.991}],
        },
    ],
    "differences": [{"field": "training.epochs", "values": [3, 1]}],
    "tasks": ["0°", "10°", "20°"],
    "matrices": [
        [[1.0, 0.715, 0.493], [0.715, 1.0, 0.716], [0.493, 0.716, 1.0]],
        [[1.0, 0.66, 0.41], [0.66, 1.0, 0.65], [0.41, 0.65, 1.0]],
    ],
    "pairs": [
        {
            "a": ID,
            "b": "0b7c22d9e4f15a86",
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
            "same_task": None,
            "replicates": {
                "verdict": "less alike than replicates are",
                "as_alike": False,
                "level": 0.95,
                "p": 0.008,
                "least_p": 0.008,
                "permutations": 251,
                "agreement": 0.9989,
                "a_with_b": 0.985,
                "b_with_a": 0.983,
                "between": 0.98,
                "within": 0.992,
                "over": "seeds",
                "reason": None,
            },
        }
    ],
    "same_base": True,
}
