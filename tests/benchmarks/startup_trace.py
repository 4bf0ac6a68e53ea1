"""Trace of a starting process: how long it imports, compiles, reads images, samples the base and learns.

It is no part of tgsh, so that it works in any version: `tests.benchmarks.startup` copies this file into a
folder of its own as `sitecustomize.py`, which Python imports at every start. A process writes one file,
TGSH_TRACE/PID: a line a measurement, with its name, the names of those around it, its begin and its end.
"""

from __future__ import annotations

import functools
import importlib.abc
import importlib.machinery
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

IMPORTED = ("torch", "numba", "celery", "worker.app", "tgsh.execution.local", "tgsh.execution.runner")
"""Modules that bring along most of what is imported."""

MEASURED = {
    "worker.app": [("Database.migrate", "database")],
    "worker.tasks": [("open_context", "opening")],
    "tgsh.execution.runner": [
        ("source_of", "images"),
        ("_origin", "digests"),
        ("warm_up_training", "warm-up"),
        ("_train", "training"),
    ],
    "tgsh.training.trainer": [("random_base", "base"), ("Trainer.epoch", "epoch")],
    "numba.core.dispatcher": [("Dispatcher.compile", "machine code")],
    "filelock": [("FileLock.acquire", "lock")],
}
"""Functions by module, and the names of their measurements; those that a version lacks are left out."""

_around: list[str] = []
_file = None


def _write(name: str, begin: float, end: float, **more: object) -> None:
    global _file
    if _file is None:
        path = Path(os.environ["TGSH_TRACE"], str(os.getpid()))
        _file = path.open("a", buffering=1)
    _file.write(json.dumps({"name": name, "around": _around, "begin": begin, "end": end, **more}) + "\n")


def _measure(name: str, call: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:
    if name in _around:
        return call(*arguments, **named)
    begin = time.time()
    _around.append(name)
    try:
        return call(*arguments, **named)
    finally:
        _around.pop()
        compiled = _misses(arguments[0]) if name == "machine code" else 0
        _write(name, begin, time.time(), compiled=compiled)


def _misses(dispatcher: Any) -> int:
    """How often a function whose code is kept on the disk was compiled so far in this process."""
    return sum(dispatcher.stats.cache_misses.values()) if dispatcher.stats.cache_path else 0


def _wrap(module: ModuleType) -> None:
    for path, name in MEASURED.get(module.__name__, ()):
        *owners, attribute = path.split(".")
        owner: Any = module
        for each in owners:
            owner = getattr(owner, each, None)
        if hasattr(owner, attribute):
            function = getattr(owner, attribute)

            def call(*arguments: Any, _name: str = name, _function: Any = function, **named: Any) -> Any:
                return _measure(_name, _function, *arguments, **named)

            setattr(owner, attribute, call)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds what the others find, and measures what is of interest."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The spec of a module whose import, or whose functions, are measured."""
        if name not in MEASURED and name not in IMPORTED:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            if name in IMPORTED:
                _measure("import", execute, module)
            else:
                execute(module)
            _wrap(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _begin(name: str = "start") -> None:
    global _file
    _file = None  # a forked child's is its own
    _around.clear()
    _write(name, time.time(), time.time())


if "TGSH_TRACE" in os.environ:
    sys.meta_path.insert(0, _Finder())
    _begin()
    os.register_at_fork(after_in_child=functools.partial(_begin, "fork"))
