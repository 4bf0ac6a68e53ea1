"""Generator of tgsh/deploy/constraints.txt: the releases that were tested together, for `pip install -c`.

Run `python -m tests.architecture.generate_constraints` in a new environment, after `pip install -e '.[dev]'`,
with the oldest Python that is supported: newer ones have wheels of the same releases. It is what `pip freeze`
says, of what this project needs and of nothing else.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.compose import ROOT

TARGET = ROOT / "tgsh" / "deploy" / "constraints.txt"

HEAD = """\
# Releases that were tested together: pip install -c constraints.txt 'tgsh[cpu]'
# Made by `python -m tests.architecture.generate_constraints`; do not edit.
"""

BUILDS = {"torch": "2.14.1", "torchvision": "0.29.1"}
"""Capped, not pinned: an index for processors has other releases. Torch pins what its own build needs."""

OF_TORCH = re.compile(r"(nvidia|cuda)-(?!ml-py)|triton$")


def required(root: Path = ROOT) -> Iterator[Requirement]:
    """Requirements of pyproject.toml, those of extras included."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    for text in (*project["dependencies"], *(text for extra in extras for text in extra)):
        requirement = Requirement(text)
        if requirement.name != project["name"]:
            yield requirement


def applies(requirement: Requirement, extras: Iterable[str] = ("",)) -> bool:
    """True where a requirement's marker holds here, for one of the extras."""
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in extras)


def closure(requirements: Iterable[Requirement]) -> dict[str, str]:
    """Version by name of all that is installed because of these."""
    found: dict[str, str] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [requirement for requirement in requirements if applies(requirement)]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        key = name, frozenset(requirement.extras)
        if key in seen:
            continue
        seen.add(key)
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # the check of the file complains, where it is one of ours
        found[name] = distribution.version
        needs = [Requirement(text) for text in distribution.requires or ()]
        waiting += [need for need in needs if applies(need, requirement.extras or ("",))]
    return found


def generate() -> str:
    """The file's text."""
    lines = []
    for name, version in sorted(closure(required()).items()):
        if name in BUILDS:
            lines.append(f"{name}<={BUILDS[name]}")
        elif not OF_TORCH.match(name):
            lines.append(f"{name}=={version.partition('+')[0]}")
    return HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    TARGET.write_text(generate(), "utf-8")
