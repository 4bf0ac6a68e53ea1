"""Cursors: where a page of a list ends, as text that nobody needs to read."""

from __future__ import annotations

import base64
import binascii
import json

from tgsh.errors import InvalidSpec
from tgsh.store.orders import NEWEST, Order, Position

MOST = 4_000
"""Characters of a cursor: a name of 200 characters can be in it."""


def encode(*position: str | float) -> str:
    """The cursor of the page behind this position."""
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode()


def decode(cursor: str, order: Order = NEWEST) -> Position:
    """The position that `encode` was given, in the same order, or (created_at, id). Raises InvalidSpec."""
    try:
        position = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        if isinstance(position, list) and order.is_position(position):
            "".join(map(str, position)).encode()  # a ValueError, where no database could take it
            return position
        raise ValueError("another list than ours")
    except (ValueError, TypeError, binascii.Error, RecursionError) as error:
        raise InvalidSpec("cursor", "is not one of ours; take `next` of the page before") from error
