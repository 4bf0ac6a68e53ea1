"""The service over HTTP, typed with tgsh.schemas.

What is sent and how it is read is in calls.py; `Client` only sends, repeats and reconnects.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from types import TracebackType
from typing import TypeVar
from urllib.parse import urlsplit

import httpx
from httpx_sse import EventSource, ServerSentEvent, SSEError

from tgsh import calls, schemas
from tgsh.calls import Call, Event, Spec
from tgsh.datasets_client import Datasets
from tgsh.errors import ServiceUnreachable
from tgsh.results_client import Results

T = TypeVar("T")

DEFAULT_URL = "http://127.0.0.1:8000"
ATTEMPTS = 8  # in a row; with their pauses 16 seconds, in which a restarted API is back
SILENCE = 60.0  # seconds without even a keep-alive after which an event stream is taken for dead
AWAY = {502, 503, 504}  # what a proxy says while the service restarts


class Client(Results, Datasets):
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
        self.url = (url or os.environ.get("TGSH_URL") or DEFAULT_URL).rstrip("/")
        self._timeout = timeout
        self._answered = False
        key = key or os.environ.get("TGSH_API_KEY")
        here = urlsplit(self.url).hostname in {"127.0.0.1", "localhost", "::1"}
        try:
            self._http = httpx.Client(
                base_url=self.url,
                timeout=timeout,
                headers={"Authorization": f"Bearer {key}"} if key else None,
                transport=transport,
                trust_env=not here,  # a proxy cannot reach this machine's loopback
            )
        except httpx.InvalidURL as error:
            raise ServiceUnreachable(f"{self.url} is not a URL: {error}") from error

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def submit(
        self, spec: Spec, idempotency_key: str | None = None, *, shared: bool | None = None
    ) -> schemas.Experiment:
        """Submit a spec, a mapping (`{"preset": …}` and overrides), or a preset by its name.

        idempotency_key: the service makes one experiment per key; by default a new one each call, so that
        a retry after a lost connection does not make a second experiment.
        shared: whether everybody with a key sees it.
        """
        return self._send(calls.submission(spec, idempotency_key, shared=shared))

    def experiments(
        self,
        *,
        status: schemas.ExperimentStatus | None = None,
        suite: str | None = None,
        dataset: str | None = None,
        tag: str | None = None,
        q: str | None = None,
        page_size: int | None = None,
    ) -> Iterator[schemas.Experiment]:
        """All experiments that fit, newest first; pages are fetched as they are needed."""
        filters = {"status": status, "suite": suite, "dataset": dataset, "tag": tag, "q": q}
        cursor: str | None = None
        while True:
            found = self._send(calls.page(cursor, limit=page_size, **filters))
            yield from found.items
            if (cursor := found.next) is None:
                return

    def get(self, experiment: str) -> schemas.Experiment:
        return self._send(calls.document(experiment, schemas.Experiment))

    def cancel(self, experiment: str) -> schemas.Experiment:
        return self._send(calls.action(experiment, "cancel"))

    def resume(self, experiment: str) -> schemas.Experiment:
        """Train what is missing of a failed or cancelled experiment."""
        return self._send(calls.action(experiment, "resume"))

    def share(self, experiment: str, shared: bool = True) -> schemas.Experiment:
        """Let everybody with a key see it, or its owner alone again."""
        return self._send(calls.sharing(experiment, shared))

    def delete(self, experiment: str) -> None:
        self._send(Call("DELETE", calls.path(experiment), lambda _: None, repeatable=False))

    def tasks(self, experiment: str) -> list[schemas.Task]:
        return self._send(calls.document(experiment, schemas.TaskList, "tasks")).items

    def task(self, experiment: str, index: int) -> schemas.Task:
        return self._send(calls.document(experiment, schemas.Task, "tasks", index))

    def catalog(self) -> schemas.Catalog:
        return self._send(Call("GET", "/catalog", calls.model(schemas.Catalog)))

    def ready(self) -> schemas.Readiness:
        """What the service has and lacks; a service that is not ready (503) is an answer too."""
        call = Call("GET", "/readyz", calls.model(schemas.Readiness))
        response = self._exchange(call)
        if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            return call.read(response)
        return calls.read(call, response)

    def wait(self, experiment: str, timeout: float | None = None) -> schemas.Experiment:
        """The experiment once it has ended. Raises: TimeoutError after `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        pause = 0.1
        while (state := self.get(experiment)).status not in schemas.TERMINAL:
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError(f"experiment {experiment} is still {state.status} after {timeout} s")
            time.sleep(pause)
            pause = min(2.0, pause * 1.5)
        return state

    def events(self, experiment: str, last_event_id: str | None = None) -> Iterator[Event]:
        """What happens to an experiment, to its end. A dropped connection goes on where it broke off.

        last_event_id: go on after this event instead of at the first one.
        """
        ended, failures = False, 0
        while not ended:
            error: Exception | None = None
            try:
                # Read on after a terminal status: the history of a resumed experiment has several.
                for sent in self._stream(experiment, last_event_id):
                    failures, last_event_id = 0, sent.id or last_event_id
                    if (happened := calls.event(sent)) is not None:
                        ended = calls.is_last(happened)
                        yield happened
            except (httpx.TransportError, SSEError) as lost:
                error = lost
            if not ended:
                failures += 1
                self._pause(failures, error)

    def _stream(self, experiment: str, last_event_id: str | None) -> Iterator[ServerSentEvent]:
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        if last_event_id:
            headers["Last-Event-ID"] = last_event_id
        timeout = httpx.Timeout(self._timeout, read=SILENCE)
        path = calls.path(experiment, "events")
        with self._http.stream("GET", path, headers=headers, timeout=timeout) as response:
            if response.status_code in AWAY and self._answered:
                raise httpx.RemoteProtocolError(f"HTTP {response.status_code}")
            if not response.is_success:
                response.read()
                raise calls.problem(response)
            self._answered = True
            yield from EventSource(response).iter_sse()

    def _send(self, call: Call[T]) -> T:
        return calls.read(call, self._exchange(call))

    def _exchange(self, call: Call[T]) -> httpx.Response:
        """Send; where the connection is lost, repeat what may be repeated."""
        failures = 0
        while True:
            try:
                response = self._http.request(
                    call.method,
                    call.path,
                    params=call.params,
                    json=call.body,
                    content=call.content,
                    headers=call.headers,
                    timeout=httpx.Timeout(self._timeout, read=call.seconds or self._timeout),
                )
            except httpx.TransportError as error:
                if not call.repeatable:
                    raise self._unreachable(error) from error
                failures += 1
                self._pause(failures, error)
            else:
                self._answered = True
                return response

    def _pause(self, failures: int, error: Exception | None) -> None:
        """Back off before the next attempt. Raises: ServiceUnreachable where there should be none.

        A service that answered before is waited for, as it may be restarting; one that never did is not.
        """
        refused = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.UnsupportedProtocol)
        if failures >= ATTEMPTS or (refused and not self._answered):
            raise self._unreachable(error) from error
        if isinstance(error, httpx.ReadTimeout) and failures >= 2:
            raise self._unreachable(error) from error
        time.sleep(min(5.0, 0.1 * 2**failures))

    def _unreachable(self, error: Exception | None) -> ServiceUnreachable:
        if isinstance(error, httpx.ReadTimeout):
            return ServiceUnreachable(f"the service at {self.url} is silent")
        why = f" ({error})" if error and str(error) else ""
        return ServiceUnreachable(
            f"no service answers at {self.url}{why}: start it with `tgsh up`, or set TGSH_URL"
        )
