"""python -m tests.system.attacks fuzz [--examples N] [--only OPERATION …]"""

from __future__ import annotations

import argparse
import sys
import tempfile
from functools import partial
from pathlib import Path

from pydantic import SecretStr

from service.app import create_app
from service.settings import ServiceSettings
from tests.support.serving import serving
from tests.system.attacks.fuzzing import fuzz


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.system.attacks")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("fuzz", help="requests out of the OpenAPI document")
    command.add_argument(
        "--examples", type=int, default=1000, help="of right ones and of wrong ones, each operation"
    )
    command.add_argument("--only", nargs="+", default=(), metavar="OPERATION", help="such as 'GET /workers'")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        app = create_app(ServiceSettings(home=Path(folder), redis_url=SecretStr("redis://127.0.0.1:1/0")))
        with serving(app) as client:
            say = partial(print, flush=True)
            told = fuzz(
                client, app.state.services, chosen.examples, derandomize=False, only=chosen.only, say=say
            )
            print(f"{told.statuses.total():,} requests")
    return 0


if __name__ == "__main__":
    sys.exit(main())
