"""On what and with what each task was trained, as its last checkpoint tells it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tgsh.store import reads
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database
from tgsh.store.results import result

NAME = "provenance"
"""Under which the finish of an experiment keeps it."""

Origin = dict[str, Any]


def collected(database: Database, artifacts: Artifacts, experiment_id: str) -> dict[str, str]:
    """What the checkpoints of all tasks tell, as text: each origin once, and which of them a task has."""
    origins: list[Origin] = []
    of_task = []
    for task in reads.tasks(database, experiment_id):
        origin = _told(artifacts.about(str(task.checkpoint), str(task.checkpoint_sha256)))
        if origin not in origins:
            origins.append(origin)
        of_task.append(origins.index(origin))
    return {"origins": json.dumps(origins, sort_keys=True), "of_task": json.dumps(of_task)}


def _told(about: Mapping[str, str]) -> Origin:
    """images: SHA-256 of arrays by split; versions: of software by name; machine. None where not recorded."""
    images, versions = (json.loads(about.get(name, "null")) for name in ("images", "versions"))
    return {"images": images, "versions": versions, "machine": about.get("machine")}


def origins(database: Database, artifacts: Artifacts, experiment_id: str) -> list[Origin] | None:
    """The origin of each task of a completed experiment; None where an earlier version did not record it."""
    found = result(database, artifacts, experiment_id, NAME)
    if found is None:
        return None
    every = json.loads(found[1]["origins"])
    return [every[place] for place in json.loads(found[1]["of_task"])]
