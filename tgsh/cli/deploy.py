"""Commands about installing tgsh elsewhere: one archive for a server without internet."""

from __future__ import annotations

import hashlib
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from tgsh.cli.options import Json
from tgsh.cli.output import message_printer, print_json
from tgsh.errors import MachineProblem

app = typer.Typer(no_args_is_help=True, help="Install tgsh elsewhere.")

CONTEXT = (
    "Dockerfile",
    "docker-compose.yml",
    ".env.example",
    ".dockerignore",
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "tgsh",
    "service",
    "worker",
)
"""Files and folders of a checkout that images are built from and started by."""

SUMS = "SHA256SUMS"

INSTRUCTIONS = """\
# tgsh without internet

Made for {system} on {machine}, Python {python}: take the same there.

    sha256sum --check --quiet SHA256SUMS
    python{python} -m venv /opt/tgsh
    /opt/tgsh/bin/pip install --no-index --find-links wheels 'tgsh[{extras}]'
    export TGSH_DATA_DIR=$PWD/datasets          # {datasets}
    /opt/tgsh/bin/tgsh demo

The guide is in guide/ (start with index.md) and, once the API runs, at /guide. source/ has what images of
containers are built from; the base images that its Dockerfile and docker-compose.yml name are not in here:
bring them by `docker save` and `docker load`.
"""


@app.command()
def bundle(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The archive to write, such as tgsh.tar.")],
    source: Annotated[
        Path, typer.Option(help="A checkout of tgsh, whose version is bundled.", file_okay=False)
    ] = Path(),
    extras: Annotated[str, typer.Option(help="Extras to install there, with commas.")] = "cpu",
    dataset: Annotated[
        list[str] | None, typer.Option("--dataset", help="A named dataset to take along; may be repeated.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write one archive from which a server without internet is set up: wheels, sources, guide, datasets.

    It is for machines of this system and Python. pip finds the wheels, in the releases that were tested.
    """
    if not (source / "pyproject.toml").is_file():
        raise MachineProblem(f"{source.absolute()} is no checkout of tgsh; name one with --source")
    say = message_printer(as_json)
    with tempfile.TemporaryDirectory(prefix=".tgsh-bundle-", dir=file.absolute().parent) as name:
        folder = Path(name)
        say("Collecting wheels …")
        _collect_wheels(source, extras, folder / "wheels")
        data = _collect_datasets(dataset or [], folder / "datasets")
        (folder / "INSTALL.md").write_text(
            INSTRUCTIONS.format(
                system=platform.system(),
                machine=platform.machine(),
                python=f"{sys.version_info.major}.{sys.version_info.minor}",
                extras=extras,
                datasets=", ".join(dataset or []) or "none came along; mnist5k is inside a wheel",
            )
        )
        members = {f"source/{path.relative_to(source)}": path for path in _sources(source)}
        members |= {
            f"guide/{path.relative_to(source / 'tgsh' / 'docs')}": path
            for path in sorted((source / "tgsh" / "docs").rglob("*"))
            if path.is_file()
        }
        members |= {
            str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()
        }
        sums = "".join(f"{_sha256(path)}  {name}\n" for name, path in sorted(members.items()))
        (folder / SUMS).write_text(sums)
        say("Writing the archive …")
        _write(file, {**members, SUMS: folder / SUMS})
        wheels = len(list((folder / "wheels").iterdir()))
    if as_json:
        print_json({"file": file, "bytes": file.stat().st_size, "wheels": wheels, "datasets": data})
    else:
        say(f"Wrote {file}: {wheels} wheels, {file.stat().st_size >> 20} MB. INSTALL.md in it says the rest.")


def _collect_wheels(source: Path, extras: str, folder: Path) -> None:
    """Build or download a wheel of everything. Raises MachineProblem with pip's last words."""
    constraints = source / "tgsh" / "deploy" / "constraints.txt"
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--wheel-dir", str(folder)]
    command += ["--constraint", str(constraints), f"{source.absolute()}[{extras}]"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = "\n".join(done.stderr.strip().splitlines()[-5:])
        raise MachineProblem(f"pip could not collect the wheels of tgsh[{extras}]:\n{last}")


def _collect_datasets(names: Sequence[str], folder: Path) -> list[str]:
    """Copy the files of named datasets from TGSH_DATA_DIR; those that are downloaded are downloaded first."""
    from tgsh.datasets import downloads
    from tgsh.datasets.named_sets import NAMED_SETS
    from tgsh.settings import StoreSettings

    here = StoreSettings().data
    if unknown := sorted(set(names) - NAMED_SETS.keys()):
        raise MachineProblem(f"no named dataset: {', '.join(unknown)}; there are {', '.join(NAMED_SETS)}")
    downloads.fetch_missing(names, here)
    for name in names:
        for file in NAMED_SETS[name].files:
            plain = here / file
            path = plain if plain.exists() else plain.with_name(f"{plain.name}.gz")
            target = folder / path.relative_to(here)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    return list(names)


def _sources(source: Path) -> Iterator[Path]:
    """Files that images are built from, without compiled code."""
    for name in CONTEXT:
        place = source / name
        paths = sorted(place.rglob("*")) if place.is_dir() else [place]
        yield from (path for path in paths if path.is_file() and "__pycache__" not in path.parts)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(file: Path, members: dict[str, Path]) -> None:
    """Write the archive beside its place, and put it there whole."""
    part = file.with_name(f".{file.name}.part")
    with tarfile.open(part, "w") as archive:
        for name, path in sorted(members.items()):
            archive.add(path, arcname=f"tgsh/{name}", recursive=False)
    part.replace(file)
