"""The arrows of the architecture, each shown to be able to fail, and what imports must not bring along."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.compose import ROOT

PACKAGES = ("tgsh", "service", "worker")

BREAKS = [
    ("layers", "service/settings.py", "import worker.settings"),
    ("layers", "worker/settings.py", "import service.settings"),
    ("layers", "tgsh/errors.py", "import service.settings"),
    ("layers", "tgsh/stack/stack.py", "import worker.app"),
    ("layers", "tgsh/store/jobs.py", "import tgsh.execution.planning"),
    ("layers", "tgsh/schemas/base.py", "import tgsh.store.models"),
    ("layers", "tgsh/execution/local.py", "from tgsh.cli import options"),
    ("layers", "tgsh/datasets/base.py", "def lazily(): import tgsh.suites"),
    ("no-web-no-queue", "tgsh/store/scheduling.py", "import celery"),
    ("no-web-no-queue", "tgsh/client/_sync/client.py", "from fastapi import FastAPI"),
    ("light-service", "service/responses.py", "import torch"),
    ("light-service", "tgsh/schemas/__init__.py", "import torchvision"),
    ("light-service", "tgsh/arrays.py", "def lazily(): import mlxtend.data"),
    ("light-service", "tgsh/suites/__init__.py", "from numba import njit"),
    ("errors-below", "service/errors.py", "from service.dashboard import rendering"),
    ("results-below", "service/results/base.py", "import service.routers.results"),
    ("results-below", "service/results/bundle.py", "def lazily(): from service.dashboard import rendering"),
    ("light-execution", "tgsh/execution/planning.py", "import tgsh.training"),
    ("torch-where-torch-computes", "tgsh/training/state.py", "import torch"),
    (
        "torch-where-torch-computes",
        "tgsh/execution/runner.py",
        "def lazily(): import tgsh.training.torch_inputs",
    ),
    ("torch-where-torch-computes", "tgsh/networks/registry.py", "import tgsh.networks.torch_registry"),
    ("no-web-in-workers", "worker/devices.py", "import uvicorn"),
    ("plain-analysis", "tgsh/analysis/__init__.py", "import torch"),
    ("store-apart", "tgsh/store/jobs.py", "import tgsh.suites"),
    ("store-apart", "tgsh/store/models.py", "import tgsh.analysis"),
    ("science-apart", "tgsh/training/__init__.py", "import tgsh.store"),
    ("science-apart", "tgsh/figures/__init__.py", "from sqlalchemy import select"),
    ("client-over-the-wire", "tgsh/client/results/base.py", "import tgsh.store.models"),
    ("client-over-the-wire", "tgsh/client/results/experiments.py", "from tgsh.figures import render"),
    ("by-command", "tgsh/stack/stack.py", "import tgsh.training"),
    ("examined-by-command", "tgsh/doctor/machine.py", "def lazily(): import torch"),
    ("reproduced-over-the-wire", "tgsh/reproduce/execution.py", "import tgsh.store.queries"),
]


def lint_imports(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    program = "from importlinter.cli import lint_imports_command as run; run()"
    return subprocess.run(
        [sys.executable, "-c", program, "--no-cache", *options],
        cwd=folder,
        env=os.environ | {"COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def modules() -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))


def imported_by(path: Path) -> Iterator[str]:
    """Absolute names that a file imports, with what it takes from them."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def loaded_by(statement: str, home: Path) -> set[str]:
    """Names of all modules that a fresh interpreter has loaded after a statement."""
    program = f"{statement}\nimport sys\nprint('\\n'.join(sys.modules))"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TGSH_")}
    output = subprocess.check_output(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=clean | {"TGSH_HOME": str(home)},
        text=True,
        timeout=120,
    )
    return set(output.split())


def contract_names() -> dict[str, str]:
    """Names of the contracts by their ids."""
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    return {contract["id"]: contract["name"] for contract in linter["contracts"]}


def test_every_contract_is_kept() -> None:
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the linter says of a copy in which every contract is broken, by the contract's name."""
    copy = tmp_path_factory.mktemp("copy")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    for _, file, line in BREAKS:
        with (copy / file).open("a", encoding="utf-8") as source:
            source.write(f"\n\n{line}\n")
    result = lint_imports(copy)
    assert result.returncode == 1, result.stdout + result.stderr
    reports = result.stdout.partition("Broken contracts")[2]
    sections = re.split(r"^(.+)\n-+\n", reports, flags=re.MULTILINE)
    return dict(zip(sections[1::2], sections[2::2], strict=True))


@pytest.mark.parametrize(("contract", "file", "line"), BREAKS)
def test_a_forbidden_import_is_found(contract: str, file: str, line: str, broken: dict[str, str]) -> None:
    importer = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    imported = re.search(r"(?:import|from) ([\w.]+)", line)
    assert imported
    package = imported[1].partition(".")[0]
    target = imported[1] if package in PACKAGES else package  # the linter knows others as a whole
    assert f"{importer} -> {target}" in broken[contract_names()[contract]], broken


def test_every_contract_has_been_broken() -> None:
    assert contract_names().keys() == {contract for contract, _, _ in BREAKS}


def test_the_service_loads_no_torch(tmp_path: Path) -> None:
    loaded = loaded_by("import service.app", tmp_path / "home")
    assert "service.app" in loaded
    assert not loaded & {"torch", "torchvision", "numba", "mlxtend", "matplotlib.pyplot", "worker"}
    assert not loaded & {"scipy.linalg", "scipy.spatial", "matplotlib"}, "what reads need can wait for them"
    assert not (tmp_path / "home").exists(), "an import made files"


def test_the_parent_of_the_pool_loads_no_torch(tmp_path: Path) -> None:
    # CUDA does not survive a fork, and torch would cost every machine its memory twice
    loaded = loaded_by("import worker.app", tmp_path / "home")
    assert "worker.app" in loaded
    assert not loaded & {"torch", "torchvision", "numba", "mlxtend", "service"}
    assert not (tmp_path / "home").exists(), "an import made files"


def test_nothing_imports_pyplot() -> None:
    # pyplot keeps every figure alive, picks a window system and is not for threads
    names = {name: path for path in modules() for name in imported_by(path)}
    assert "matplotlib.figure.Figure" in names
    assert not [name for name in names if name.startswith(("matplotlib.pyplot", "pylab", "matplotlib.pylab"))]


def test_no_star_imports() -> None:
    assert not [f"{path}: {name}" for path in modules() for name in imported_by(path) if name.endswith(".*")]


def test_every_module_says_what_it_is_for() -> None:
    sources = {str(path): path.read_text("utf-8") for path in modules()}
    assert not [
        path for path, source in sources.items() if source and not ast.get_docstring(ast.parse(source))
    ]
