"""Dictionaries of NumPy arrays out of pickle files, parsed as data: nothing of a file is ever carried out.

CIFAR is published as pickles of Python 2, and that is what torchvision downloads. Python's unpickler calls
what a file tells it to; here its opcodes are parsed (`pickletools.genops`) and those that build dictionaries,
lists, texts, numbers and arrays of bytes are interpreted. A callable is nothing but its name, and only four
names mean anything.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

ARRAYS = {"numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct"}
DTYPE, ENCODE = "numpy dtype", "_codecs encode"

_LITERALS = {
    "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BINUNICODE",
    "SHORT_BINUNICODE", "BINUNICODE8", "BININT", "BININT1", "BININT2", "LONG1",
}  # fmt: skip
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_MARK = object()


@dataclass
class _Name:
    """A callable that a file names; it is not looked up."""

    name: str


@dataclass
class _Call:
    """A call that a file asks for, and the state that it sets; it is not carried out."""

    name: str
    arguments: tuple[Any, ...]
    state: Any = None


def read_pickled_arrays(content: bytes) -> dict[str, Any]:
    """Read a pickled dictionary of texts, numbers, lists and arrays of unsigned bytes.

    Parameters
    ----------
    content : bytes
        A file of pickle's protocols 2 to 4, by Python 2 or 3.

    Returns
    -------
    dict[str, Any]
        Its values by their keys: ints, str (bytes as Latin-1), lists of these, and uint8 arrays, read-only.

    Raises
    ------
    ValueError
        If it is no such file, or holds anything else; names what.
    """
    try:
        value = _interpreted(content)
    except (IndexError, KeyError, TypeError) as error:  # operations on what is not on the stack
        raise ValueError(f"is no pickled dictionary of arrays: {error}") from error
    if not isinstance(value, dict):
        raise ValueError("is no pickled dictionary")
    return {str(_plain(key)): _plain(each) for key, each in value.items()}


def _interpreted(content: bytes) -> Any:
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    argument: Any
    for opcode, argument, _ in pickletools.genops(content):
        name = opcode.name
        if name in _LITERALS:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name]())
        elif name in ("BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name == "MARK":
            stack.append(_MARK)
        elif name in _TUPLES:
            stack.append(tuple(_popped(stack, _TUPLES[name])))
        elif name == "TUPLE":
            stack.append(tuple(_to_mark(stack)))
        elif name == "APPEND":
            [item] = _popped(stack, 1)
            _list(stack).append(item)
        elif name == "APPENDS":
            items = _to_mark(stack)
            _list(stack).extend(items)
        elif name == "SETITEM":
            items = _popped(stack, 2)
            _set(stack, items)
        elif name == "SETITEMS":
            items = _to_mark(stack)
            _set(stack, items)
        elif name == "GLOBAL":
            stack.append(_Name(argument))
        elif name == "STACK_GLOBAL":
            stack.append(_Name(" ".join(_popped(stack, 2))))
        elif name == "REDUCE":
            called, arguments = _popped(stack, 2)
            stack.append(_Call(_known(called), arguments))
        elif name == "BUILD":
            [state] = _popped(stack, 1)
            stack[-1].state = state
        elif name not in ("PROTO", "FRAME", "STOP"):
            raise ValueError(f"holds the pickle operation {name}, which arrays and lists do not need")
    [value] = stack
    return value


def _popped(stack: list[Any], count: int) -> list[Any]:
    items = stack[-count:]
    del stack[-count:]
    if len(items) < count or any(each is _MARK for each in items):
        raise ValueError("is no whole pickle")
    return items


def _to_mark(stack: list[Any]) -> list[Any]:
    place = next((place for place in range(len(stack) - 1, -1, -1) if stack[place] is _MARK), None)
    if place is None:
        raise ValueError("is no whole pickle")
    items = stack[place + 1 :]
    del stack[place:]
    return items


def _list(stack: list[Any]) -> list[Any]:
    if not isinstance(stack[-1], list):
        raise ValueError("appends to what is no list")
    return stack[-1]


def _set(stack: list[Any], items: list[Any]) -> None:
    if not isinstance(stack[-1], dict):
        raise ValueError("sets a key of what is no dictionary")
    stack[-1].update(zip((_key(each) for each in items[::2]), items[1::2], strict=True))


def _key(value: Any) -> str | bytes | int:
    if isinstance(value, _Call):
        value = _plain(value)
    if not isinstance(value, str | bytes | int):
        raise ValueError("has a key that is neither text nor number")
    return value


def _known(called: Any) -> str:
    name = called.name if isinstance(called, _Name) else type(called).__name__
    if name not in {*ARRAYS, DTYPE, ENCODE}:
        raise ValueError(f"asks for a call of {name.replace(' ', '.')}, and nothing is called here")
    return str(name)


def _plain(value: Any) -> Any:
    """A value of the stack as what it stands for."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, _Call):
        return _array(value) if value.name in ARRAYS else _text(value)
    if value is None or isinstance(value, str | int):
        return value
    raise ValueError(f"holds a {type(value).__name__}, neither number, text, list nor array")


def _text(call: _Call) -> str:
    """Bytes as Python 3 writes them for Python 2: a text and the encoding Latin-1."""
    if call.name != ENCODE or not isinstance(call.arguments[0], str):
        raise ValueError(f"holds a {call.name.replace(' ', '.')} where a value should be")
    return call.arguments[0]


def _array(call: _Call) -> np.ndarray:
    """An array of unsigned bytes, by the state that NumPy sets: version, shape, dtype, order, bytes."""
    _, shape, dtype, is_fortran, data = call.state
    if not isinstance(dtype, _Call) or dtype.name != DTYPE or _plain(dtype.arguments[0]) != "u1":
        raise ValueError("holds an array of other numbers than unsigned bytes")
    if isinstance(data, _Call):
        data = _text(data)
    raw = data.encode("latin-1") if isinstance(data, str) else data
    if not isinstance(raw, bytes) or any(not isinstance(side, int) or side < 0 for side in shape):
        raise ValueError("holds an array without its bytes")
    return np.frombuffer(raw, np.uint8).reshape(shape, order="F" if is_fortran else "C")
