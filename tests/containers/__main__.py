"""`python -m tests.containers`: Dockerfile, docker-compose.yml and systemd units in their real homes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from contextlib import ExitStack
from pathlib import Path

from tests.containers import stand_ins
from tests.containers.engine import Compose, Engine, Unavailable
from tests.containers.walk import FLOWER_PORT, PASSWORDS, PORT, Report, Walk
from tests.support.compose import ROOT

PARTS = ("sqlite", "postgres", "store", "upgrade", "systemd")
IMAGES = {"tgsh-service": "tgsh-test/service", "tgsh-worker:cpu": "tgsh-test/worker-cpu"}
"""Those of docker-compose.yml, and the names under which those of each version are kept."""

PROFILES = {"sqlite": "cpu,monitoring,flower", "postgres": "cpu,postgres"}
DATABASE = f"postgresql+psycopg://tgsh:{PASSWORDS['TGSH_STORE_PASSWORD']}@postgres:5432/tgsh"
STORE = (
    "TGSH_ARTIFACTS_URL=s3://tgsh/artifacts",
    "FSSPEC_S3_ENDPOINT_URL=http://store:8333",
    "FSSPEC_S3_KEY=tgsh",
    f"FSSPEC_S3_SECRET={PASSWORDS['TGSH_STORE_PASSWORD']}",
)
"""What the guide's page about several machines adds for arrays in the S3 store."""

NOT_TRIED = (
    "the image for NVIDIA GPUs: its torch is 3 GB, and there is no GPU",
    "python:3.12-slim, redis:7-alpine, postgres:17-alpine and prom/prometheus themselves: there is no "
    "registry of images; Debian's packages stand in for them",
)


def check_out(folder: Path) -> Path:
    """Copy of this checkout's files, as they are now."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    for name in listed:
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def main() -> int:
    """0: every claim was kept; 1: one was not; 2: something is missing here."""
    parser = ArgumentParser(prog="python -m tests.containers", description=__doc__)
    parser.add_argument("--folder", type=Path, help="images and caches, kept for the next time")
    parser.add_argument("--wheels", type=Path, default=Path("/opt/wheels"), help="with torch for processors")
    parser.add_argument("--light", action="store_true", help="a worker without torch")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="some of the parts")
    parser.add_argument("--reuse", action="store_true", help="images that are in the folder already")
    parser.add_argument("--upgrade-from", metavar="COMMIT", help="images of it first, on the same volumes")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the report here, too")
    chosen = parser.parse_args()
    report = Report(missing=[*NOT_TRIED, *stand_ins.NOT_HERE.values()])
    with ExitStack() as stack:
        temporary = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tgsh-containers-")))
        folder = (chosen.folder or temporary / "engine").absolute()
        try:
            engine = stack.enter_context(Engine(folder))
            python = stand_ins.make_base(engine)
            report.missing.append(f"Python 3.12: the stand-in has {python}")
            index = _index(stack, folder, chosen.wheels, python, report) if not chosen.light else ""
            if set(chosen.only) - {"systemd"}:
                stand_ins.make_all(engine)
                before = _check_out_commit(chosen.upgrade_from, temporary / "before")
                _compose(engine, check_out(temporary / "checkout"), before, index, report, chosen)
            if "systemd" in chosen.only:
                from tests.containers.units import walk_units

                walk_units(engine, check_out(temporary / "source"), index, report)
        except Unavailable as lack:
            print(f"not tried: {lack}", file=sys.stderr)
            return 2
    print(report.text())
    if chosen.report:
        chosen.report.write_text(report.text())
    return 1 if report.failed else 0


def _check_out_commit(commit: str | None, folder: Path) -> Path | None:
    """Copy of an earlier version, without the line of its Dockerfile that asks a registry."""
    if commit is None:
        return None
    folder.mkdir()
    archive = subprocess.run(["git", "-C", str(ROOT), "archive", commit], capture_output=True, check=True)
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)
    for name in ("Dockerfile", "docker-compose.yml"):
        lines = (folder / name).read_text("utf-8").splitlines(keepends=True)
        kept = [line for line in lines if not line.startswith("# syntax=")]
        text = "".join(kept).replace("https://download.pytorch.org/whl/cpu }", '"${TORCH_INDEX}" }')
        (folder / name).write_text(text, "utf-8")
    return folder


def _index(stack: ExitStack, folder: Path, wheels: Path, python: str, report: Report) -> str:
    """URL of an index with torch for processors; "" where there is none: a worker without torch."""
    try:
        if not (folder / "index/simple/torch").exists():
            stand_ins.collect_torch(folder / "index", wheels, python)
    except Unavailable as lack:
        report.missing.append(f"a worker with torch: {lack}")
        return ""
    return stack.enter_context(stand_ins.serving_index(folder / "index"))


def _compose(
    engine: Engine,
    checkout: Path,
    before: Path | None,
    index: str,
    report: Report,
    chosen: Namespace,
) -> None:
    variables = [f"{name}={value}" for name, value in PASSWORDS.items()]
    variables += [f"TGSH_PORT={PORT}", f"TGSH_FLOWER_PORT={FLOWER_PORT}"]
    variables += [f"TORCH_INDEX={index}"] if index else ["TGSH_WORKER_EXTRA=cpu"]
    on_sqlite = [*variables, f"COMPOSE_PROFILES={PROFILES['sqlite']}"]
    on_postgres = [*variables, f"COMPOSE_PROFILES={PROFILES['postgres']}", f"TGSH_DATABASE_URL={DATABASE}"]
    compose = Compose(engine, checkout, on_sqlite)
    compose("down", "--volumes", quiet=True)  # of a run that was cut off
    claim = "the images are built from the Dockerfile as it is"
    report.step(claim, lambda: build(engine, compose, "this", chosen.reuse))
    if not chosen.reuse:
        report.step("what is in them is told, as CycloneDX", lambda: describe(engine, checkout, index))
    if report.failed:
        return
    learned = engine.folder / "learned.json"  # what these images learned
    made: dict[str, str] = json.loads(learned.read_text()) if chosen.reuse and learned.exists() else {}
    try:
        if "sqlite" in chosen.only:
            Walk(engine, compose, report, made).on_sqlite()
            compose("down", "--volumes", quiet=True)
            learned.write_text(json.dumps(made))
        if "postgres" in chosen.only:
            if not made:
                report.missing.append("bytes to compare PostgreSQL's with: walk through sqlite, too")
            compose = Compose(engine, checkout, on_postgres)
            Walk(engine, compose, report, made).on_postgres()
            compose("down", "--volumes", quiet=True)
        if "store" in chosen.only:
            compose = Compose(engine, checkout, [*on_postgres, *STORE])
            Walk(engine, compose, report, made).on_a_store()
            compose("down", "--volumes", quiet=True)
        if "upgrade" not in chosen.only:
            return
        if before is None:
            report.missing.append("an upgrade on the same volumes: name the version, --upgrade-from COMMIT")
            return
        earlier, compose = Compose(engine, before, on_sqlite), Compose(engine, checkout, on_sqlite)
        claim = f"the images of {chosen.upgrade_from} are built"
        report.step(claim, lambda: build(engine, earlier, chosen.upgrade_from, chosen.reuse))
        Walk(engine, compose, report).on_an_upgrade(earlier, lambda: name_images(engine, "this"))
    finally:
        compose("down", "--volumes", quiet=True)


def build(engine: Engine, compose: Compose, version: str, reuse: bool) -> str:
    """Both images, or those of the version that are kept; their sizes."""
    missing = any(engine.status("image", "inspect", f"{kept}:{version}") for kept in IMAGES.values())
    if missing or not reuse:
        compose("build", "service", "worker-cpu", seconds=2400)
        for name, kept in IMAGES.items():
            engine.docker("tag", name, f"{kept}:{version}")
    name_images(engine, version)
    sizes = {name: engine.inspect(name)["Size"] / 1e6 for name in IMAGES}
    said = ", ".join(f"{name} {size:.0f} MB" for name, size in sizes.items())
    return said if missing or not reuse else f"those of an earlier run: {said}"


def describe(engine: Engine, checkout: Path, index: str) -> str:
    """Components that the SBOM of each image names."""
    arguments = [f"TORCH_INDEX={index}"] if index else ["EXTRA=cpu"]
    words = ("build", "--target", "sbom", "--output", checkout / "sbom", "--build-arg", *arguments)
    engine.docker(*words, checkout, seconds=2400)
    counts = []
    for image, lacking in (("service", {"torch", "pandas", "pip"}), ("worker", {"pandas", "pip"})):
        document = json.loads((checkout / f"sbom/{image}.cdx.json").read_text("utf-8"))
        versions = {each["name"]: each["version"] for each in document["components"]}
        assert {"tgsh", "numpy", "celery"} <= versions.keys(), versions
        assert lacking.isdisjoint(versions), versions
        counts.append(f"{image} {len(versions)} components")
    return ", ".join(counts)


def name_images(engine: Engine, version: str) -> None:
    """Give the images of a version the names that docker-compose.yml has."""
    for name, kept in IMAGES.items():
        engine.docker("tag", f"{kept}:{version}", name)


if __name__ == "__main__":
    sys.exit(main())
