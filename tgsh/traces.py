"""OpenTelemetry traces of requests and jobs, where TGSH_OTLP_ENDPOINT is set; else nothing is imported.

The trace of a submission goes on in the workers: its context lies in Redis, beside the job messages.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from tgsh.errors import MachineProblem

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

log = logging.getLogger(__name__)

Kind = Literal["server", "consumer"]
Value = str | int | float

TRACES_PATH = "/v1/traces"
"""Path of OTLP over HTTP below a collector's address, which is port 4318 mostly."""


class Tracing:
    """Spans of this process. Make it after a fork: it has a thread, which sends them.

    endpoint: a collector's address, such as http://collector:4318; None: no spans, and no cost.
    service: this process's name in the traces. Raises MachineProblem where the packages are missing.
    """

    def __init__(self, endpoint: str | None, service: str) -> None:
        self._provider: TracerProvider | None = None
        if endpoint is not None:
            self._provider = _provider(endpoint, service)

    @property
    def is_on(self) -> bool:
        """True if spans are made."""
        return self._provider is not None

    @contextmanager
    def span(
        self, name: str, kind: Kind, parent: str | None, attributes: Mapping[str, Value]
    ) -> Iterator[Callable[[str | None, Mapping[str, Value]], None]]:
        """A span for as long as the block, within the trace of `parent` (W3C traceparent) or a new one.

        Yields a function that gives it a better name, once that is known, and further attributes. An error
        that leaves the block is recorded.
        """
        if self._provider is None:
            yield lambda *_: None
            return
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        context = TraceContextTextMapPropagator().extract({"traceparent": parent or ""})
        tracer = self._provider.get_tracer("tgsh")
        kinds = {"server": SpanKind.SERVER, "consumer": SpanKind.CONSUMER}
        with tracer.start_as_current_span(
            name, context=context, kind=kinds[kind], attributes=dict(attributes)
        ) as span:

            def describe(better: str | None, more: Mapping[str, Value]) -> None:
                _describe(span, better, more)

            yield describe

    def current(self) -> str | None:
        """The context of the span around the caller, as W3C's traceparent; None where there is none."""
        if self._provider is None:
            return None
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        carrier: dict[str, str] = {}
        TraceContextTextMapPropagator().inject(carrier)
        return carrier.get("traceparent")

    def close(self) -> None:
        """Send what waits, for some seconds at most."""
        if self._provider is not None:
            self._provider.shutdown()
            self._provider = None


def _provider(endpoint: str, service: str) -> TracerProvider:
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise MachineProblem("TGSH_OTLP_ENDPOINT needs a package: pip install 'tgsh[otel]'") from error
    address = endpoint.rstrip("/")
    address = address if address.endswith(TRACES_PATH) else address + TRACES_PATH
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(
        BatchSpanProcessor(OTLPSpanExporter(endpoint=address, timeout=5), schedule_delay_millis=1000)
    )
    log.info("traces are sent to %s", address)
    return provider


def _describe(span: Span, name: str | None, attributes: Mapping[str, Value]) -> None:
    if name is not None:
        span.update_name(name)
    for key, value in attributes.items():
        span.set_attribute(key, value)
