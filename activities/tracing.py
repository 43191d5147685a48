"""One trace from alert to verified effect: spans, and the context that travels with messages as data.

OpenTelemetry is loaded when the first span is made, not when this is imported: workflows can reach this module.
Without a provider, which only `workers.observability` sets, everything here costs nothing and does nothing.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

CARRIER = ("traceparent", "tracestate")
"""W3C names that a message carries."""
_SCOPE = "firebreak"

Value = str | int | float | bool


def inject() -> dict[str, str]:
    """Return the current trace context, for the `trace` field of a message; empty where nothing is traced."""
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier


@contextmanager
def attach(carrier: Mapping[str, str]) -> Iterator[None]:
    """Go on with the trace that a message carries; one that carries none, or nonsense, changes nothing."""
    from opentelemetry import context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    known = {name: carrier[name] for name in CARRIER if name in carrier}
    token = context.attach(TraceContextTextMapPropagator().extract(known, context.get_current()))
    try:
        yield
    finally:
        context.detach(token)


@contextmanager
def span(name: str, carrier: Mapping[str, str] | None = None, **attributes: Value) -> Iterator[None]:
    """Measure one step, within the trace that `carrier` holds, or else within the current one.

    An exception marks the span as failed and goes on. Names are constants in `signals.subjects`.
    """
    from opentelemetry import trace

    told = {f"firebreak.{key}": value for key, value in attributes.items()}
    tracer = trace.get_tracer(_SCOPE)
    with attach(carrier or {}), tracer.start_as_current_span(name, attributes=told):
        yield
