"""`Client`: takes steps one after the other, in the thread of its caller."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import httpx
from httpx_sse import EventSource, ServerSentEvent

from tgsh.client import calls
from tgsh.client.methods import Methods
from tgsh.client.operations import Blocking
from tgsh.client.steps import NOTHING, Call, Flow, Hand, Hear, Listen, Outcome, Pause, Series, Step, advance
from tgsh.errors import ServiceUnreachable

T = TypeVar("T")


class Client(Methods, Blocking):
    """A connection to the service; use it as a context manager.

    url: default TGSH_URL, else http://127.0.0.1:8000. key: bearer key, default TGSH_API_KEY.
    timeout: seconds to wait for an answer.
    Every method raises ServiceUnreachable where nothing answers, ServiceProblem where the service refuses.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        key: str | None = None,
        timeout: float = 30.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        super().__init__(url, key, timeout)
        try:
            self._http = httpx.Client(transport=transport, **self._options)
        except httpx.InvalidURL as error:
            raise ServiceUnreachable(f"{self.url} is not a URL: {error}") from error

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def _run(self, flow: Flow[T]) -> T:
        outcome = NOTHING
        with _Line(self._http) as line:
            try:
                while True:
                    outcome = line.take(advance(flow, outcome))
            except StopIteration as end:
                value: T = end.value
                return value

    def _iterate(self, series: Series[T]) -> Iterator[T]:
        outcome = NOTHING
        with _Line(self._http) as line, closing(series):
            while True:
                try:
                    step = advance(series, outcome)
                except StopIteration:
                    return
                if isinstance(step, Hand):
                    outcome = NOTHING
                    yield step.value
                else:
                    outcome = line.take(step)


class _Line:
    """Takes the steps of one flow; at most one stream of events is open at a time."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http
        self._open = ExitStack()
        self._events: Iterator[ServerSentEvent] = iter(())

    def __enter__(self) -> _Line:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def take(self, step: Step) -> Outcome:
        try:
            return self._taken(step), None
        except BaseException as error:  # Ctrl-C, too: the flow may have something to say to it
            return None, error

    def _taken(self, step: Step) -> Any:
        match step:
            case Call():
                return self._send(step)
            case Listen():
                return self._listen(step)
            case Hear():
                return next(self._events, None)
            case Pause():
                time.sleep(step.seconds)
                return None

    def _send(self, call: Call[Any]) -> httpx.Response:
        if not isinstance(call.content, Path):
            return self._receive(call, calls.request(self._http, call, call.content))
        with call.content.open("rb") as file:
            return self._receive(call, calls.request(self._http, call, file))

    def _receive(self, call: Call[Any], request: httpx.Request) -> httpx.Response:
        response = self._http.send(request, stream=call.into is not None)
        if call.into is None:
            return response
        with closing(response):
            if not response.is_success:
                response.read()
                return response
            with call.into.open("wb") as file:
                file.writelines(response.iter_bytes())
        return response

    def _listen(self, listen: Listen) -> httpx.Response:
        self._open.close()
        response = self._http.send(calls.stream(self._http, listen), stream=True)
        self._open.callback(response.close)
        if not response.is_success:
            response.read()
        self._events = EventSource(response).iter_sse()
        return response
