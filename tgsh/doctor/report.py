"""Report of all checks, which run concurrently, each with a time limit."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from functools import partial

from tgsh.doctor import machine, services
from tgsh.doctor.services import Finding, problem
from tgsh.settings import StoreSettings

CheckFunction = Callable[[], Iterable[Finding]]

CHECK_SECONDS = 20.0
"""Time limit of a check; that of torch, which a slow disk has to read first, is three times as long."""


def run_checks(settings: StoreSettings, url: str | None, port: int) -> list[Finding]:
    """Findings of all checks, in their order.

    url: of the API; None: that of a `tgsh up` on the settings' home, else this machine's `port`.
    """
    checks: dict[str, tuple[CheckFunction, float]] = {
        "Python": (machine.check_python, CHECK_SECONDS),
        "settings": (partial(machine.check_settings, settings.home), CHECK_SECONDS),
        "torch": (machine.check_torch, 3 * CHECK_SECONDS),
        "disk": (partial(machine.check_disk, settings.home), CHECK_SECONDS),
        "database": (partial(services.check_database, settings), CHECK_SECONDS),
        "artifacts": (partial(services.check_artifacts, settings), CHECK_SECONDS),
        "Redis": (partial(services.check_redis, settings), CHECK_SECONDS),
        "data": (partial(machine.check_datasets, settings.data), CHECK_SECONDS),
        "keys": (partial(machine.check_api_keys, settings.keys_file), CHECK_SECONDS),
        "API": (partial(services.check_api, settings.home, url, port), CHECK_SECONDS),
    }
    started = [_start(subject, check, seconds) for subject, (check, seconds) in checks.items()]
    return [finding for result in started for finding in result()]


def _start(subject: str, check: CheckFunction, seconds: float) -> Callable[[], list[Finding]]:
    """Start a check in a thread; a function that waits for its findings, or for the time limit."""
    findings: list[Finding] = []

    def run() -> None:
        try:
            findings.extend(check())
        except Exception as error:  # whatever it is, that is the finding
            findings.append(
                problem(subject, f"{type(error).__name__}: {error}", "see what that means; it was unforeseen")
            )

    thread = threading.Thread(target=run, name=f"doctor-{subject}", daemon=True)
    thread.start()
    deadline = time.monotonic() + seconds

    def result() -> list[Finding]:
        thread.join(max(deadline - time.monotonic(), 0))
        if not thread.is_alive():
            return findings
        return [problem(subject, f"no answer within {seconds:g} s", "see whether its disk or network hangs")]

    return result
