"""The light installation of the README's first command, as .ci/run makes it with two versions of Python."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import missing
from tests.support.light_install import demo_digest
from tgsh.execution import local
from tgsh.specs.presets import PRESETS


@pytest.fixture
def light() -> list[dict[str, Any]]:
    """What the demo learned there, by installation."""
    folder = os.environ.get("TGSH_LIGHT_INSTALLS")
    files = sorted(Path(folder or "/nowhere").glob("*/light.json"))
    documents = [json.loads(file.read_text()) for file in files]
    if not documents:
        missing("no light installation; .ci/run makes them and names their folder in TGSH_LIGHT_INSTALLS")
    return documents


@pytest.mark.slow
def test_with_torch_and_without_and_with_any_python_the_bytes_are_the_same(
    light: list[dict[str, Any]], tmp_path: Path
) -> None:
    ended = local.run(PRESETS["demo"], tmp_path, None, lambda progress: None)
    assert (ended.status, "torch" in ended.versions) == ("completed", True)
    for installation in light:
        assert installation["vectors_sha256"] == demo_digest(tmp_path), installation["python"]
        assert (installation["neighbours"], installation["tasks"]) == (36, 36), installation["python"]
