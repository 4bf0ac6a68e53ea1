"""What was refused because it could do harm: one line in the log, without the body."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

log = logging.getLogger(__name__)

MOST_SHOWN = 200
"""Characters of a path in the log."""


def log_refusal(error: Exception, scope: Mapping[str, Any]) -> None:
    """Note who was refused what, and why. scope: ASGI's, or as much of it as is known."""
    client = scope.get("client")
    where = f"{scope.get('method', '-')} {scope.get('path', '-')[:MOST_SHOWN]}"
    log.warning(
        "refused %s from %s: %s: %s", where, client[0] if client else "-", type(error).__name__, error
    )
