"""Pages of lists: how many there are on one, the cursor of the next, and the link to it."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Annotated

from fastapi import Query, Request

from tgsh.errors import InvalidSpec
from tgsh.store.queries import NEWEST, Position, SortOrder

MAX_CURSOR = 4_000
"""Characters of a cursor, which can contain a name of 200 characters."""

PageLimit = Annotated[int, Query(ge=1, le=200)]

Cursor = Annotated[str | None, Query(max_length=MAX_CURSOR, description="`next` of the page before")]


def next_link(request: Request, cursor: str | None) -> dict[str, str]:
    """The Link header of a page that another one follows; no header of the last one."""
    if cursor is None:
        return {}
    return {"Link": f'<{request.url.include_query_params(cursor=cursor)}>; rel="next"'}


def encode_cursor(*position: str | float) -> str:
    """The cursor of the page that follows this position."""
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode()


def decode_cursor(cursor: str, order: SortOrder = NEWEST) -> Position:
    """The position of a cursor of `encode_cursor` for the same sort order. Raises InvalidSpec."""
    try:
        position = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        if isinstance(position, list) and order.is_position(position):
            "".join(map(str, position)).encode()  # ValueError for text that no database stores
            return position
        raise ValueError("another list than ours")
    except (ValueError, TypeError, binascii.Error, RecursionError) as error:
        raise InvalidSpec("cursor", "is not one of ours; take `next` of the page before") from error
