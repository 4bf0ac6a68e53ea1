"""Check of a light installation, one of the extra `cpu`: python -m tests.support.light_install FOLDER.

The demo, with torch absent, and what it learned as a digest in FOLDER/light.json, to be compared with what an
installation with torch learns (tests/system/cli/test_light_install.py). Needs nothing but tgsh.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

from tgsh.store import queries
from tgsh.store.database import Database
from tgsh.store.results import find_stage

HEAVY = ("torch", "torchvision", "psycopg", "s3fs", "ipywidgets")
"""What a newcomer does not need."""

MEGABYTE = 1_000_000


def main() -> int:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    if present := [name for name in HEAVY if find_spec(name) is not None]:
        print(f"not a light installation: {', '.join(present)}", file=sys.stderr)
        return 1
    began = time.monotonic()
    demo = [str(Path(sys.executable).parent / "tgsh"), "demo", "--home", str(folder / "home")]
    demo += ["--output", str(folder), "--json"]
    done = subprocess.run(demo, stdout=subprocess.PIPE, text=True, check=False, timeout=300)
    if done.returncode:
        return done.returncode
    seconds = time.monotonic() - began
    summary = json.loads(done.stdout)
    document = {
        "python": platform.python_version(),
        "neighbours": summary["neighbours"],
        "tasks": summary["tasks"],
        "vectors_sha256": demo_digest(folder / "home"),
    }
    (folder / "light.json").write_text(json.dumps(document, indent=2) + "\n")
    size = sum(path.lstat().st_size for path in Path(sys.prefix).rglob("*") if not path.is_dir())
    print(
        f"Python {document['python']}, {size / MEGABYTE:,.0f} MB: the demo took {seconds:.0f} s, "
        f"{summary['neighbours']} of {summary['tasks']} rotations beside their neighbours"
    )
    return 0


def demo_digest(home: Path) -> str:
    """SHA-256 of the context vectors of the newest experiment in a home."""
    database = Database(f"sqlite:///{home}/tgsh.db")
    try:
        [snapshot] = queries.experiments(database, queries.Filters(), limit=1)
        [(_, sha256)] = find_stage(database, snapshot.record.id, "after").sources
        return sha256
    finally:
        database.dispose()


if __name__ == "__main__":
    sys.exit(main())
