"""`python -m tests.system.faults`: the long forms of what breaks things, each with a report."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any


def main() -> int:
    """0: the promise was kept; 1: it was not; 2: something is missing here."""
    parser = argparse.ArgumentParser(prog="python -m tests.system.faults", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    kills = commands.add_parser("kills", help="SIGKILL at random times over one full-size experiment")
    kills.add_argument("--count", type=int, default=50)
    kills.add_argument("--dataset", choices=["mnist", "mnist5k"], default="mnist")
    kills.add_argument("--seed", type=int, default=0)
    load = commands.add_parser("load", help="many clients, experiments and event streams at once")
    load.add_argument("--experiments", type=int, default=200)
    load.add_argument("--clients", type=int, default=20)
    load.add_argument("--streams", type=int, default=100)
    idle = commands.add_parser("idle", help="what event streams cost on which nothing happens")
    idle.add_argument("--streams", type=int, default=1000)
    chaos = commands.add_parser("chaos", help="random faults of every kind over experiments of two owners")
    chaos.add_argument("--count", type=int, default=100)
    chaos.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tgsh-faults-") as folder:
        if chosen.command == "load":
            from tests.system.faults.load import press

            pressed = press(Path(folder), chosen.experiments, chosen.clients, chosen.streams)
            print(pressed.report())
            return 0 if pressed.kept else 1
        if chosen.command == "idle":
            from tests.system.faults.idle import measure

            print(measure(Path(folder), chosen.streams))
            return 0
        if chosen.command == "chaos":
            from tests.system.faults.chaos import bring_chaos

            Path(folder).chmod(0o755)  # the database is another user's
            aftermath = bring_chaos(Path(folder), chosen.count, chosen.seed)
            print(aftermath.report())
            return 0 if aftermath.kept else 1
        from tests.system.faults.kills import disturb

        data_dir = os.environ.get("TGSH_DATA_DIR")
        if chosen.dataset == "mnist" and not (data_dir and (Path(data_dir) / "MNIST" / "raw").is_dir()):
            print("set TGSH_DATA_DIR to a folder that has MNIST/raw with full MNIST in it", file=sys.stderr)
            return 2
        spec: dict[str, Any] = {"preset": "rotation-mnist", "dataset": chosen.dataset}
        outcome = disturb(Path(folder), spec, chosen.count, chosen.seed, Path(data_dir) if data_dir else None)
        print(outcome.report())
        return 0 if outcome.kept else 1


if __name__ == "__main__":
    sys.exit(main())
