"""python -m tests.benchmarks [NAME ...] [--json FILE] [--rounds N] [--plain-batches N]

Everything side by side with what it is compared to, as one table; without names, all of it: about 15 minutes
on two cores. Full MNIST must lie under TGSH_DATA_DIR for classes, epochs, full and parts. Apart from it:
python -m tests.benchmarks course --help, the sign of the paper's T7 over the epochs, and starts --help, the
order of NeuroModNet's tasks by the start of its contexts; placements --help, where new images fall;
inference --help, the numbers of the guide's page; and cuda --help, all of RotationMNIST on a GPU.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.benchmarks.table import Row, table

NAMES: Mapping[str, str] = {
    "epochs": "a task-epoch of each network and of several tasks against plain PyTorch",
    "full": "all of RotationMNIST over HTTP, and the memory of every process",
    "transforms": "60,000 images through transforms that change values, against torchvision",
    "reads": "similarity at T = 36, 1,000 and 10,000 against SciPy and a bare matrix product",
    "http": "GET /similarity against a bare FastAPI route",
    "pages": "the table of experiments with 10,000 of them",
    "studies": "answers of a study of 36 tasks × 15 replicates",
    "queue": "what a job costs beside its training, and what a second worker brings",
    "leases": "leases at 1, 8 and 40 workers and among 100,000 tasks, beside procrastinate",
    "processors": "bytes of FlyNet in code for other processors",
    "startup": "seconds until ready",
    "atlas": "the nearest of 100,000 tasks across experiments, against an exact search",
    "classes": "similarity of the halves of MNIST, by how their classes are named and matched",
    "stop": "seconds from Ctrl-C to the end of tgsh demo, at ten moments",
}

APART = ("course", "cuda", "inference", "placements", "starts")
"""What is no matter of speed, or of this machine's: each prints a table of its own."""


def main() -> int:
    if sys.argv[1:2] and sys.argv[1] in APART:
        return int(import_module(f"tests.benchmarks.{sys.argv[1]}").main(sys.argv[2:]))
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(NAMES)}; or parts: a profile")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here too")
    parser.add_argument("--rounds", type=int, default=7, help="times are medians of so many")
    parser.add_argument("--plain-batches", type=int, default=100, metavar="N", help="of 469, extrapolated")
    options = parser.parse_args()
    names = options.names or list(NAMES)
    if unknown := set(names) - {*NAMES, "parts"}:
        parser.error(f"there is no benchmark {unknown.pop()!r}")
    data_dir = Path(os.environ.get("TGSH_DATA_DIR") or "nowhere")
    if {"classes", "epochs", "full", "parts"} & set(names) and not (data_dir / "MNIST" / "raw").is_dir():
        print("set TGSH_DATA_DIR to a folder that has MNIST/raw with full MNIST in it", file=sys.stderr)
        return 2
    if names == ["parts"]:
        print(import_module("tests.benchmarks.parts").report(data_dir))
        return 0
    load, results = os.getloadavg()[0], _run(names, data_dir, options.rounds, options.plain_batches)
    print(f"load of this machine at the start: {load:.1f}\n\n{table(results)}")
    if options.json:
        document = {"machine": _machine(load), "rows": [row.document() for row in results]}
        options.json.write_text(json.dumps(document, indent=2) + "\n")
    return 0


def _run(names: list[str], data_dir: Path, rounds: int, batches: int) -> list[Row]:
    arguments: dict[str, tuple[Any, ...]] = {
        "classes": (data_dir,),
        "epochs": (data_dir, rounds, batches),
        "full": (data_dir,),
        "leases": (rounds,),
        "pages": (rounds,),
        "queue": (rounds,),
        "startup": (rounds,),
        "studies": (rounds,),
    }
    results: list[Row] = []
    for name in names:
        print(f"{name} …", file=sys.stderr)
        rows: Callable[..., list[Row]] = import_module(f"tests.benchmarks.{name}").rows
        results += rows(*arguments.get(name, ()))
    return results


def _machine(load: float) -> dict[str, object]:
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": len(os.sched_getaffinity(0)),
        "load": load,
        "python": platform.python_version(),
        **{name: version(name) for name in ("tgsh", "torch", "numba", "numpy", "fastapi")},
    }


if __name__ == "__main__":
    sys.exit(main())
