"""SQL functions that both databases have by other names: the clock, and texts whatever their case."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Boolean, ColumnElement, Double, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class db_now(FunctionElement[float]):  # noqa: N801 - reads as the SQL function it is
    """Seconds since 1970 in UTC, at the moment the statement runs."""

    type = Double()
    inherit_cache = True


@compiles(db_now, "sqlite")
def _sqlite_now(*_: Any, **__: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(db_now, "postgresql")
def _postgresql_now(*_: Any, **__: Any) -> str:
    return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS DOUBLE PRECISION)"


def contains(column: Any, text: str) -> ColumnElement[bool]:
    """The condition that a column contains a text; percent signs and underscores are letters."""
    return _Matches(column, literal(f"%{_escaped(text)}%"))


def begins(column: Any, text: str) -> ColumnElement[bool]:
    """The condition that a column begins with a text."""
    return _Matches(column, literal(f"{_escaped(text)}%"))


def _escaped(text: str) -> str:
    return text.replace("/", "//").replace("%", "/%").replace("_", "/_")


class _Matches(FunctionElement[bool]):
    """LIKE without regard to case. `icontains` calls lower() for each row, which takes longer than LIKE."""

    type = Boolean()
    inherit_cache = True


@compiles(_Matches, "sqlite")
def _sqlite(element: Any, compiler: Any, **options: Any) -> str:
    column, pattern = (compiler.process(each, **options) for each in element.clauses)
    return f"({column} LIKE {pattern} ESCAPE '/')"


@compiles(_Matches, "postgresql")
def _postgresql(element: Any, compiler: Any, **options: Any) -> str:
    column, pattern = (compiler.process(each, **options) for each in element.clauses)
    # The same as ILIKE, which would make the pattern lower for each row.
    return f"(lower({column}) LIKE lower({pattern}) ESCAPE '/')"
