"""`python -m tests.soak`: months of a lab in hours, and whether anything grows that should not."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from tests.soak.lab import soak
from tests.support.postgres import find_tool
from tgsh.settings import compiled_code_folder


def main() -> int:
    """0: all stayed flat; 1: something grew, was left behind or failed; 2: something is missing here."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--jobs", type=int, default=100_000, help="until so many are done")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="at most")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--keep", type=int, default=20, help="finished experiments; older ones are deleted")
    parser.add_argument("--at-once", type=int, default=4, help="experiments under way")
    parser.add_argument("--tasks", type=int, default=50, help="of each experiment")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples here")
    chosen = parser.parse_args()
    if chosen.database == "postgresql" and find_tool("initdb") is None:
        print("no PostgreSQL server tools; install Debian's package postgresql", file=sys.stderr)
        return 2
    os.environ.setdefault("NUMBA_CACHE_DIR", str(compiled_code_folder()))  # else it is compiled in each home
    with tempfile.TemporaryDirectory(prefix="tgsh-soak-") as folder:
        soaked = soak(
            Path(folder),
            chosen.database,
            chosen.jobs,
            seconds=60 * chosen.minutes,
            keep=chosen.keep,
            at_once=chosen.at_once,
            tasks=chosen.tasks,
            tell=lambda line: print(line, file=sys.stderr, flush=True),
        )
    print(soaked.report())
    if chosen.json:
        chosen.json.write_text(json.dumps([asdict(sample) for sample in soaked.samples]) + "\n")
    return 0 if soaked.is_flat else 1


if __name__ == "__main__":
    sys.exit(main())
