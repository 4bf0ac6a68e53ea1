"""A folder for PYTHONPATH with which every process finds torch not installed."""

from __future__ import annotations

from pathlib import Path

NOT_INSTALLED = """
import importlib.machinery

_find = importlib.machinery.PathFinder.find_spec


def _find_spec(name, path=None, target=None):
    hidden = name.partition(".")[0] in ("torch", "torchvision")
    return None if hidden else _find(name, path, target)


importlib.machinery.PathFinder.find_spec = _find_spec
"""


def hide_torch(folder: Path) -> str:
    """Write it: Python imports sitecustomize in every process, so that children have no torch either."""
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(NOT_INSTALLED)
    return str(folder)
