"""The locked releases: each satisfies pyproject.toml, and none that is needed is left open."""

from __future__ import annotations

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture import generate_constraints
from tests.architecture.generate_constraints import BUILDS, OF_TORCH, TARGET, applies, closure, required
from tests.support.compose import ROOT


def locked(text: str) -> dict[str, Requirement]:
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {canonicalize_name(each.name): each for each in map(Requirement, lines)}


def complaints(text: str) -> list[str]:
    """What is wrong with a file of constraints."""
    lock = locked(text)
    found = []
    for requirement in required():
        name = canonicalize_name(requirement.name)
        if not applies(requirement):
            continue
        if name not in lock:
            found.append(f"{requirement} has no line")
            continue
        (pin,) = lock[name].specifier
        if pin.version not in requirement.specifier:
            found.append(f"{lock[name]} does not satisfy {requirement}")
    needed = {name for name in closure(required()) if not OF_TORCH.match(name)}
    return found + [f"{name} has no line" for name in sorted(needed - lock.keys())]


def test_every_dependency_has_a_release_that_satisfies_it() -> None:
    text = TARGET.read_text("utf-8")
    assert complaints(text) == [], f"python -m {generate_constraints.__name__}"
    pins = {name: str(each.specifier) for name, each in locked(text).items()}
    assert {name: f"<={most}" for name, most in BUILDS.items()}.items() <= pins.items()
    assert all(pin.startswith("==") for name, pin in pins.items() if name not in BUILDS)


def test_what_is_missing_or_too_old_is_found() -> None:
    text = TARGET.read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.startswith(("celery==", "vine=="))]
    old = [line if not line.startswith("typer==") else "typer==0.1.0" for line in lines]
    found = " ".join(complaints("\n".join(old)))
    assert "typer==0.1.0 does not satisfy typer>=" in found
    assert "celery[redis]>=5.6 has no line" in found
    assert "vine has no line" in found, "which celery needs"


def test_images_and_checks_are_built_from_it() -> None:
    for name in ("Dockerfile", ".ci/run"):
        assert TARGET.relative_to(ROOT).as_posix() in (ROOT / name).read_text("utf-8")
