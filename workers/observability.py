"""Logs, traces and metrics of one process: started with one call, flushed with another.

Nothing is exported that the settings do not name, and what is not exported costs next to nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from activities.tracing import attach, inject, span
from signals.errors import SettingsInvalid
from workers import logs
from workers.logs import about
from workers.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricReader
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import SpanProcessor
    from temporalio.client import Interceptor

__all__ = ["Observability", "about", "attach", "inject", "span", "start"]

LOOPBACK = "127.0.0.1"
FLUSH_MILLISECONDS = 3000
"""How long a stopping agent waits for a collector that may be gone."""
SPAN_DELAY_MILLISECONDS = 500
"""How long a span waits for company before it is written."""


@dataclass(frozen=True, kw_only=True)
class Observability:
    """What was started. `metrics_port` is where Prometheus may scrape; 0 means nowhere."""

    tracing: bool = False
    metrics_port: int = 0
    _closers: list[Callable[[], object]] = field(default_factory=list)

    def interceptors(self) -> Sequence["Interceptor"]:
        """Return what `Client.connect` is given; workers made from the client inherit it."""
        if not self.tracing:
            return ()
        from temporalio.contrib.opentelemetry import TracingInterceptor

        return (TracingInterceptor(),)

    def shutdown(self) -> None:
        """Write out what is waiting, and stop. A second call does nothing."""
        while self._closers:
            self._closers.pop()()


def start(settings: Settings, agent: str) -> Observability:
    """Start logging, tracing and measuring in this process, once.

    Raises:
        SettingsInvalid: the port of the metrics is taken.
    """
    logs.start(settings, agent)
    closers: list[Callable[[], object]] = []
    port = _measure(settings, agent, closers)
    tracing = _trace(settings, agent, closers)
    return Observability(tracing=tracing, metrics_port=port, _closers=closers)


def _resource(settings: Settings, agent: str) -> "Resource":
    from opentelemetry.sdk.resources import Resource

    return Resource.create(
        {
            "service.name": agent,
            "service.namespace": "firebreak",
            "service.instance.id": settings.replica,
            "k8s.cluster.name": settings.cluster_name,
        }
    )


def _trace(settings: Settings, agent: str, closers: list[Callable[[], object]]) -> bool:
    processors = _span_processors(settings)
    if not processors:
        return False
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider

    provider = TracerProvider(resource=_resource(settings, agent), shutdown_on_exit=False)
    for processor in processors:
        provider.add_span_processor(processor)
    trace.set_tracer_provider(provider)
    closers += [provider.shutdown, lambda: provider.force_flush(FLUSH_MILLISECONDS)]
    return True


def _span_processors(settings: Settings) -> list["SpanProcessor"]:
    processors: list[SpanProcessor] = []
    if settings.otlp_endpoint:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        exporter = OTLPSpanExporter(f"{settings.otlp_endpoint.rstrip('/')}/v1/traces")
        processors.append(BatchSpanProcessor(exporter))
    if settings.trace_file:
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        from workers.trace_file import TraceFile

        processors.append(
            BatchSpanProcessor(TraceFile(settings.trace_file), schedule_delay_millis=SPAN_DELAY_MILLISECONDS)
        )
    return processors


def _measure(settings: Settings, agent: str, closers: list[Callable[[], object]]) -> int:
    if not (settings.metrics_port or settings.otlp_endpoint):
        return 0
    from opentelemetry import metrics
    from opentelemetry.sdk.metrics import MeterProvider

    readers: list[MetricReader] = []
    if settings.otlp_endpoint:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

        exporter = OTLPMetricExporter(f"{settings.otlp_endpoint.rstrip('/')}/v1/metrics")
        readers.append(PeriodicExportingMetricReader(exporter))
    if settings.metrics_port:
        readers.append(_prometheus(settings.metrics_port, closers))
    provider = MeterProvider(
        metric_readers=readers, resource=_resource(settings, agent), shutdown_on_exit=False
    )
    metrics.set_meter_provider(provider)
    closers += [provider.shutdown, lambda: provider.force_flush(FLUSH_MILLISECONDS)]
    return settings.metrics_port


def _prometheus(port: int, closers: list[Callable[[], object]]) -> "MetricReader":
    from opentelemetry.exporter.prometheus import PrometheusMetricReader
    from prometheus_client import CollectorRegistry, start_http_server

    registry = CollectorRegistry()
    try:
        server, thread = start_http_server(port, addr=LOOPBACK, registry=registry)
    except OSError as error:
        raise SettingsInvalid(f"FIREBREAK_METRICS_PORT: port {port} is taken: {error.strerror}") from error
    closers += [thread.join, server.server_close, server.shutdown]
    return PrometheusMetricReader(registry=registry, scope_info_enabled=False)
