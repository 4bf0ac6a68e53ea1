"""Sentences for what is wrong with a document: the value that is there, and what it may be.

Pydantic finds the mistakes; service, client and command line say them in these words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from tgsh.specs.base import DATASET_PATTERN, ID_PATTERN, WITHOUT_NUL

Mistake = Mapping[str, Any]
"""What `ValidationError.errors()` lists: type, loc, msg, input, ctx."""

HIDDEN = object()
"""Stands for a value that is not to be repeated."""

LONGEST_TEXT = 60
"""Characters that a sentence repeats of a text."""


def problems_of(mistakes: Iterable[Mistake], above: str = "") -> list[tuple[str, str]]:
    """Fields and sentences of the mistakes that pydantic found.

    Parameters
    ----------
    mistakes : Iterable[Mistake]
        `ValidationError.errors()`.
    above : str, default=""
        Path of what was validated, in front of each field.

    Returns
    -------
    list[tuple[str, str]]
        Dotted path of a field, "" for the whole, and what is wrong there.
    """
    return [
        (".".join([*filter(None, [above]), *map(str, each["loc"])]), sentence_of(each)) for each in mistakes
    ]


def sentence_of(mistake: Mistake) -> str:
    """The sentence of a mistake, as it follows a field's name: "must be at least 1, is 0"."""
    context = mistake.get("ctx") or {}
    say = _SENTENCES.get(mistake["type"])
    if say is not None:
        return say(mistake.get("input", HIDDEN), context)
    return str(mistake["msg"])  # a type of our own has its own words


def _number(value: Any) -> str:
    """A number as people write it, whatever it came as."""
    if value is HIDDEN:
        return "another"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)[:LONGEST_TEXT]
    if isinstance(value, int):
        powers = {2**63: "2⁶³", 2**63 - 1: "2⁶³ − 1"}
        return powers.get(value) or (f"{value:,}" if abs(value) < 10**24 else "a longer number")
    return f"{value:,.0f}" if value.is_integer() and abs(value) < 10**15 else f"{value:g}"


def _shown(value: Any) -> str:
    if value is HIDDEN:
        return "something else"
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int() | float():
            return _number(value)
        case str():
            return f"'{value}'" if len(value) <= LONGEST_TEXT else f"'{value[:LONGEST_TEXT]}…'"
        case Mapping():
            return "an object"
        case list() | tuple() | set() | frozenset():
            return f"a list of {len(value)}"
    return f"of type {type(value).__name__}"


def _must_be(what: str) -> Callable[[Any, Mistake], str]:
    return lambda value, _: f"must be {what}, is {_shown(value)}"


def _bound(words: str, limit: str) -> Callable[[Any, Mistake], str]:
    return lambda value, context: f"must be {words} {_number(context[limit])}, is {_number(value)}"


def _size(words: str, limit: str, one: str, many: str) -> Callable[[Any, Mistake], str]:
    """A sentence on how many there are of something; their number where it is known."""

    def say(value: Any, context: Mistake) -> str:
        bound = context[limit]
        if words == "at least" and bound == 1:
            return "must not be empty"
        has = context.get("actual_length")
        if has is None and isinstance(value, str):
            has = len(value if len(value) > bound or words == "at least" else value.strip())
        told = f", has {_number(has)}" if has is not None else ", has more"
        return f"must have {words} {_number(bound)} {one if bound == 1 else many}{told}"

    return say


def _one_of(value: Any, context: Mistake) -> str:
    """One of several; what was meant, where a word is close to one of them."""
    expected = str(context.get("expected", ""))
    names = re.findall(r"'([^']+)'", expected)
    several = "one of " if " or " in expected else ""
    meant = get_close_matches(value, names, n=1) if isinstance(value, str) else []
    guess = f"; meant is perhaps '{meant[0]}'" if meant else ""
    return f"must be {several}{expected}; it is {_shown(value)}{guess}"


def _missing(_: Any, context: Mistake) -> str:
    expected = context.get("expected")
    return f"is missing; write one of {expected}" if expected else "is missing"


def _text(value: Any, _: Mistake) -> str:
    quoted = isinstance(value, int | float) and not isinstance(value, bool)
    return f"must be text, is {_shown(value)}" + (f'; write "{value}"' if quoted else "")


def _pattern(value: Any, context: Mistake) -> str:
    known = _PATTERNS.get(context["pattern"])
    if known is None:
        return f"must be of the form {context['pattern']}, is {_shown(value)}"
    return known.format(_shown(value))


def _own_words(_: Any, context: Mistake) -> str:
    return str(context["error"])


def _tag(value: Any, context: Mistake) -> str:
    tag = context["discriminator"].strip("'")
    given = value.get(tag) if isinstance(value, Mapping) else value
    return f"its {tag} must be one of {context['expected_tags']}; it is {_shown(given)}"


_PATTERNS: Mapping[str, str] = MappingProxyType(
    {
        WITHOUT_NUL: "must not contain the character NUL",
        ID_PATTERN: "must be an id, 16 digits from 0-9 and a-f, is {}",
        "^[0-9a-f]{64}$": "must be a SHA-256, 64 digits from 0-9 and a-f, is {}",
        DATASET_PATTERN: "must be a dataset's name, such as mnist5k, or the id of an uploaded one, is {}",
    }
)
"""Patterns in words."""

_WHOLE = _must_be("a whole number")
_REAL = _must_be("a number")
_LIST = _must_be("a list")
_OBJECT = _must_be("an object")
_DATE = _must_be("a date, such as 2026-11-28")
_MOMENT = _must_be("a date such as 2026-11-28, or one with a time, 2026-11-28T09:30:00Z")
_BOOLEAN = _must_be("true or false")


def _plain(words: str) -> Callable[[Any, Mistake], str]:
    return lambda _value, _context: words


_SENTENCES: Mapping[str, Callable[[Any, Mistake], str]] = MappingProxyType(
    {
        "missing": _missing,
        "extra_forbidden": _plain("unknown key; remove it or check its spelling against GET /catalog"),
        "invalid_key": _plain("has a key that is no text"),
        "json_invalid": lambda _, context: f"is no JSON: {context['error']}",
        "json_type": _plain("must be JSON"),
        "recursion_loop": _plain("holds itself"),
        "recursion_depth_exceeded": _plain("is nested too deeply"),
        "none_required": _must_be("null"),
        # Numbers
        "greater_than": _bound("greater than", "gt"),
        "greater_than_equal": _bound("at least", "ge"),
        "less_than": _bound("less than", "lt"),
        "less_than_equal": _bound("at most", "le"),
        "multiple_of": _bound("a multiple of", "multiple_of"),
        "finite_number": _must_be("a finite number"),
        "int_type": _WHOLE,
        "int_parsing": _WHOLE,
        "int_from_float": _WHOLE,
        "int_parsing_size": _plain("has more digits than a whole number may have here"),
        "float_type": _REAL,
        "float_parsing": _REAL,
        "bool_type": _BOOLEAN,
        "bool_parsing": _BOOLEAN,
        # Text
        "string_type": _text,
        "string_unicode": _plain("must be text in UTF-8"),
        "string_not_ascii": _must_be("text of ASCII characters"),
        "string_too_short": _size("at least", "min_length", "character", "characters"),
        "string_too_long": _size("at most", "max_length", "character", "characters"),
        "string_pattern_mismatch": _pattern,
        "enum": _one_of,
        "literal_error": _one_of,
        # Lists and objects
        "too_short": _size("at least", "min_length", "entry", "entries"),
        "too_long": _size("at most", "max_length", "entry", "entries"),
        **dict.fromkeys(("list_type", "tuple_type", "iterable_type"), _LIST),
        **dict.fromkeys(
            (
                "dict_type",
                "model_type",
                "model_attributes_type",
            ),
            _OBJECT,
        ),
        "union_tag_invalid": _tag,
        "union_tag_not_found": lambda value, context: (
            f"must name its {context['discriminator'].strip(chr(39))}"
            if isinstance(value, Mapping)
            else _OBJECT(value, context)
        ),
        # Dates
        **dict.fromkeys(
            ("date_type", "date_parsing", "date_from_datetime_parsing", "date_from_datetime_inexact"), _DATE
        ),
        **dict.fromkeys(
            ("datetime_type", "datetime_parsing", "datetime_object_invalid", "datetime_from_date_parsing"),
            _MOMENT,
        ),
        "timezone_aware": _must_be("a time with its zone, such as 2026-11-28T09:30:00Z"),
        # Checks of our own, with their own words
        "value_error": _own_words,
        "assertion_error": _own_words,
    }
)
"""A sentence by pydantic's type of mistake, of the value and the context."""
