"""One description of a method, two kinds of client: one blocks until its value is there, one awaits it."""

from __future__ import annotations

import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from types import MethodType
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from tgsh.client.steps import Flow, Series

P = ParamSpec("P")
T = TypeVar("T")


class Blocking(ABC):
    """A client that takes steps one after the other, and its caller waits."""

    @abstractmethod
    def _run(self, flow: Flow[T]) -> T: ...

    @abstractmethod
    def _iterate(self, series: Series[T]) -> Iterator[T]: ...


class Awaiting(ABC):
    """A client that takes steps in an event loop."""

    @abstractmethod
    async def _run(self, flow: Flow[T]) -> T: ...

    @abstractmethod
    def _iterate(self, series: Series[T]) -> AsyncIterator[T]: ...


class operation(Generic[P, T]):  # noqa: N801  # a decorator, as property is
    """Makes a method of both clients of one that describes its flow."""

    def __init__(self, function: Callable[Concatenate[Any, P], Flow[T]]) -> None:
        self._function = function
        self.__doc__ = function.__doc__

    @overload
    def __get__(self, client: None, owner: type) -> operation[P, T]: ...
    @overload
    def __get__(self, client: Blocking, owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, client: Awaiting, owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...

    def __get__(self, client: Any, owner: type) -> Any:
        return self if client is None else _bound(self._function, client, client._run)


class series(Generic[P, T]):  # noqa: N801
    """Makes an iterator, or an asynchronous one, of a method that describes how its values come."""

    def __init__(self, function: Callable[Concatenate[Any, P], Series[T]]) -> None:
        self._function = function
        self.__doc__ = function.__doc__

    @overload
    def __get__(self, client: None, owner: type) -> series[P, T]: ...
    @overload
    def __get__(self, client: Blocking, owner: type) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, client: Awaiting, owner: type) -> Callable[P, AsyncIterator[T]]: ...

    def __get__(self, client: Any, owner: type) -> Any:
        return self if client is None else _bound(self._function, client, client._iterate)


def _bound(function: Callable[..., Any], client: Any, take: Callable[[Any], Any]) -> Callable[..., Any]:
    """The method, with name, docstring and signature for whoever asks in a notebook."""
    method = MethodType(function, client)

    @functools.wraps(method)
    def called(*args: Any, **kwargs: Any) -> Any:
        return take(method(*args, **kwargs))

    called.__signature__ = _signature(function)  # type: ignore[attr-defined]
    return called


@functools.cache
def _signature(function: Callable[..., Any]) -> inspect.Signature:
    """Without `self`, and with the value that comes in the end in place of the flow that leads to it."""
    found = inspect.signature(function)
    value = str(found.return_annotation).partition("[")[2].removesuffix("]")
    return found.replace(parameters=list(found.parameters.values())[1:], return_annotation=value)
