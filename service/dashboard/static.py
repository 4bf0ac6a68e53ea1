"""Scripts and styles, under an address that changes with them: browsers keep them for a year."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FOLDER = Path(__file__).parent / "static"

MOUNT = "/dashboard/static"

PLOTLY = ("plotly", "package_data")  # plotly.min.js, from the wheel


def address(file: str) -> str:
    """Where a browser finds a file of the folder `static`, or plotly.min.js."""
    return f"{MOUNT}/{digest()}/{file}"


@cache
def digest() -> str:
    """Of all files together: modules import one another by relative paths, so that they change together."""
    whole = hashlib.sha256(version("plotly").encode())
    for path in sorted(FOLDER.rglob("*")):
        if path.is_file():
            whole.update(path.relative_to(FOLDER).as_posix().encode() + b"\0" + path.read_bytes())
    return whole.hexdigest()[:12]


def mount(app: FastAPI) -> None:
    """Serve the files of this version; those of another one are not here."""
    app.mount(f"{MOUNT}/{digest()}", Kept(directory=FOLDER, packages=[PLOTLY]), name="dashboard-static")


class Kept(StaticFiles):
    """Files that are never another under their address."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, to be kept; by its owner's browser alone, as a key may be needed for it."""
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "private, max-age=31536000, immutable"
        return response
