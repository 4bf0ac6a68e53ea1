"""python -m tests.benchmarks task-epoch [--json FILE] [--rounds N] [--plain-batches N]
python -m tests.benchmarks parts
python -m tests.benchmarks transforms
python -m tests.benchmarks queue | startup [--rounds N]

Full MNIST must lie under TGSH_DATA_DIR for the first two.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from importlib import import_module
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    commands = parser.add_subparsers(dest="command", required=True)
    epoch = commands.add_parser(
        "task-epoch", help="plain PyTorch against tgsh's two paths, every core at work"
    )
    epoch.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here too")
    epoch.add_argument("--rounds", type=int, default=7, help="tgsh's times are medians of so many")
    epoch.add_argument("--plain-batches", type=int, metavar="N", help="quick: extrapolate from N of 469")
    commands.add_parser("parts", help="where the time of a task-epoch goes")
    commands.add_parser("transforms", help="seconds per 60,000 images of transforms that change values")
    for name, help in (("queue", "what a job costs beside its training"), ("startup", "seconds until ready")):
        commands.add_parser(name, help=help).add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    if chosen.command in ("queue", "startup"):
        print(import_module(f"tests.benchmarks.{chosen.command}").report(chosen.rounds))
        return 0
    if chosen.command == "transforms":
        from tests.benchmarks import transforms

        print(transforms.report())
        return 0
    data_dir = os.environ.get("TGSH_DATA_DIR")
    if not data_dir or not (Path(data_dir) / "MNIST" / "raw").is_dir():
        print("set TGSH_DATA_DIR to a folder that has MNIST/raw with full MNIST in it", file=sys.stderr)
        return 2
    if chosen.command == "parts":
        from tests.benchmarks.parts import report

        print(report(Path(data_dir)))
        return 0
    from tests.benchmarks.task_epoch import compare

    comparison = compare(Path(data_dir), chosen.rounds, chosen.plain_batches)
    print(comparison.table())
    if chosen.json:
        chosen.json.write_text(json.dumps(comparison.document(), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
