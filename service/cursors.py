"""Opaque places in a list that is newest first."""

from __future__ import annotations

import base64
import binascii
import json
import math
import re

from tgsh.errors import InvalidSpec

_ID = re.compile("[0-9a-f]{16}")


def encode(created_at: float, id: str) -> str:
    """The place of what was made then and has this id."""
    return base64.urlsafe_b64encode(json.dumps([created_at, id]).encode()).decode()


def decode(cursor: str) -> tuple[float, str]:
    """The same back. Raises InvalidSpec for what is none of ours."""
    try:
        created_at, id = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        if isinstance(created_at, float) and math.isfinite(created_at) and _ID.fullmatch(id):
            return created_at, id
        raise ValueError("another list than ours")
    except (ValueError, TypeError, binascii.Error, RecursionError) as error:
        raise InvalidSpec("cursor", "is not one of ours; take `next` of the page before") from error
