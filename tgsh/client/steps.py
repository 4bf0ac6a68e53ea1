"""What a conversation with the service consists of, one step at a time; who takes the steps is elsewhere.

A flow is a generator that yields steps and is sent what came of them; an error is thrown into it. It knows
nothing of sockets, threads or event loops, so that one text serves the client that blocks and the one that
awaits: they differ only in how they take a step.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar

import httpx

S = TypeVar("S")
T = TypeVar("T")


@dataclass(frozen=True)
class Call(Generic[T]):
    """Send one request; a httpx.Response comes of it. `read` makes the answer of a response.

    repeatable: sending it twice does no more than once. What is sent is `body` as JSON, or `content` as it
    is: bytes, or a file that is streamed. What a success answers is streamed to the file `into`, if any.
    patience: seconds to wait for an answer that takes long.
    """

    method: str
    path: str
    read: Callable[[httpx.Response], T]
    params: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    content: bytes | Path | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = True
    into: Path | None = None
    patience: float | None = None


@dataclass(frozen=True)
class Pause:
    """Let so many seconds go by; nothing comes of it."""

    seconds: float


@dataclass(frozen=True)
class Listen:
    """Open a stream of events; its httpx.Response comes of it, and is read whole where it is no success."""

    path: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Hear:
    """Wait for the next event of the open stream; a ServerSentEvent comes of it, None at the end."""


@dataclass(frozen=True)
class Hand(Generic[T]):
    """Hand a value to whoever iterates; nothing comes of it."""

    value: T


Step: TypeAlias = Call[Any] | Pause | Listen | Hear
Flow: TypeAlias = Generator[Step, Any, T]
"""Ends with one value."""

Series: TypeAlias = Generator[Step | Hand[T], Any, None]
"""Hands out values on its way."""

Outcome: TypeAlias = tuple[Any, BaseException | None]
"""What came of a step: a value, or an error."""

NOTHING: Outcome = (None, None)


def advance(flow: Generator[S, Any, Any], outcome: Outcome) -> S:
    """The flow's next step. Raises: StopIteration with its value, and what the flow does not handle."""
    came, error = outcome
    return flow.send(came) if error is None else flow.throw(error)
