"""All checks side by side, each with a time limit."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from functools import partial

from tgsh.doctor import machine, services
from tgsh.doctor.services import Finding, problem
from tgsh.settings import StoreSettings

Look = Callable[[], Iterable[Finding]]

SECONDS = 20.0
"""How long a look may take; torch, which a slow disk has to read first, three times as long."""


def examine(settings: StoreSettings, url: str | None, port: int) -> list[Finding]:
    """Everything that is found, in the order in which it is looked at.

    url: of the API; None: that of a `tgsh up` on the settings' home, else this machine's `port`.
    """
    looks: dict[str, tuple[Look, float]] = {
        "Python": (machine.python, SECONDS),
        "torch": (machine.torch, 3 * SECONDS),
        "disk": (partial(machine.check_disk, settings.home), SECONDS),
        "database": (partial(services.check_database, settings), SECONDS),
        "artifacts": (partial(services.check_artifacts, settings), SECONDS),
        "Redis": (partial(services.check_redis, settings), SECONDS),
        "data": (partial(machine.check_datasets, settings.data), SECONDS),
        "keys": (partial(machine.check_api_keys, settings.keys_file), SECONDS),
        "API": (partial(services.check_api, settings.home, url, port), SECONDS),
    }
    begun = [_begin(subject, look, seconds) for subject, (look, seconds) in looks.items()]
    return [finding for await_it in begun for finding in await_it()]


def _begin(subject: str, look: Look, seconds: float) -> Callable[[], list[Finding]]:
    found: list[Finding] = []

    def run() -> None:
        try:
            found.extend(look())
        except Exception as error:  # whatever it is, that is the finding
            found.append(
                problem(subject, f"{type(error).__name__}: {error}", "see what that means; it was unforeseen")
            )

    thread = threading.Thread(target=run, name=f"doctor-{subject}", daemon=True)
    thread.start()
    deadline = time.monotonic() + seconds

    def await_it() -> list[Finding]:
        thread.join(max(deadline - time.monotonic(), 0))
        if not thread.is_alive():
            return found
        return [problem(subject, f"no answer within {seconds:g} s", "see whether its disk or network hangs")]

    return await_it
