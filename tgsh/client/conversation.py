"""How a client perseveres: what it repeats, how long it waits, and when it gives up."""

from __future__ import annotations

import os
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
from httpx_sse import SSEError

from tgsh.client import calls
from tgsh.client.calls import Event
from tgsh.client.steps import Call, Flow, Hand, Hear, Listen, Pause, Series
from tgsh.errors import ServiceUnreachable

T = TypeVar("T")

DEFAULT_URL = "http://127.0.0.1:8000"
ATTEMPTS = 8  # in a row; with their pauses 16 seconds, in which a restarted API is back
AWAY = {502, 503, 504}  # what a proxy says while the service restarts


class Conversation:
    """What both clients know of the service, and the flows that all others are made of."""

    def __init__(self, url: str | None, key: str | None, timeout: float) -> None:
        self.url = (url or os.environ.get("TGSH_URL") or DEFAULT_URL).rstrip("/")
        key = key or os.environ.get("TGSH_API_KEY")
        here = urlsplit(self.url).hostname in {"127.0.0.1", "localhost", "::1"}
        self._options: dict[str, Any] = {  # of either httpx client
            "base_url": self.url,
            "timeout": timeout,
            "headers": {"Authorization": f"Bearer {key}"} if key else None,
            "trust_env": not here,  # a proxy cannot reach this machine's loopback
        }
        self._answered = False

    def _ask(self, call: Call[T]) -> Flow[T]:
        """The answer to a call. Raises: ServiceProblem, ServiceUnreachable."""
        response = yield from self._exchange(call)
        return calls.read(call, response)

    def _exchange(self, call: Call[T]) -> Flow[httpx.Response]:
        """Send; where the connection is lost, repeat what may be repeated."""
        failures = 0
        while True:
            try:
                response: httpx.Response = yield call
            except httpx.TransportError as error:
                if not call.repeatable:
                    raise self._unreachable(error) from error
                failures += 1
                yield from self._back_off(failures, error)
            else:
                self._answered = True
                return response

    def _follow(self, experiment: str, last_event_id: str | None) -> Series[Event]:
        """What happens to an experiment, to its end; a dropped connection goes on where it broke off."""
        ended, failures = False, 0
        while not ended:
            error: Exception | None = None
            try:
                yield from self._listen(calls.path(experiment, "events"), last_event_id)
                # Read on after a terminal status: the history of a resumed experiment has several.
                while (sent := (yield Hear())) is not None:
                    failures, last_event_id = 0, sent.id or last_event_id
                    if (happened := calls.event(sent)) is not None:
                        ended = calls.is_last(happened)
                        yield Hand(happened)
            except (httpx.TransportError, SSEError) as lost:
                error = lost
            if not ended:
                failures += 1
                yield from self._back_off(failures, error)

    def _listen(self, path: str, last_event_id: str | None) -> Flow[None]:
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        if last_event_id:
            headers["Last-Event-ID"] = last_event_id
        response: httpx.Response = yield Listen(path, headers)
        if response.status_code in AWAY and self._answered:
            raise httpx.RemoteProtocolError(f"HTTP {response.status_code}")
        if not response.is_success:
            raise calls.problem(response)
        self._answered = True

    def _back_off(self, failures: int, error: Exception | None) -> Flow[None]:
        """Wait before the next attempt. Raises: ServiceUnreachable where there should be none.

        A service that answered before is waited for, as it may be restarting; one that never did is not.
        """
        refused = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.UnsupportedProtocol)
        if failures >= ATTEMPTS or (refused and not self._answered):
            raise self._unreachable(error) from error
        if isinstance(error, httpx.ReadTimeout) and failures >= 2:
            raise self._unreachable(error) from error
        yield Pause(min(5.0, 0.1 * 2**failures))

    def _unreachable(self, error: Exception | None) -> ServiceUnreachable:
        if isinstance(error, httpx.ReadTimeout):
            return ServiceUnreachable(f"the service at {self.url} is silent")
        why = f" ({error})" if error and str(error) else ""
        return ServiceUnreachable(
            f"no service answers at {self.url}{why}: start it with `tgsh up`, or set TGSH_URL"
        )
