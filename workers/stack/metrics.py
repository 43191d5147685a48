"""The metrics of a whole stack under one URL: the agents' own, and what the supervisor sees."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence

import aiohttp
from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from workers.stack.ports import HOST, Ports
from workers.stack.state import Process

PATIENCE = aiohttp.ClientTimeout(total=2)
LABEL = "process"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Merged(Collector):
    """Metric families of several processes as one list."""

    def __init__(self, families: Iterable[Metric]) -> None:
        """Hold families of distinct names."""
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        """Return the families."""
        return self._families


def merge(texts: Mapping[str, str], processes: Sequence[Process], more: Sequence[Metric] = ()) -> bytes:
    """Return one Prometheus text of many: `texts` is what each process answered, `more` is told beside it.

    A text that is no Prometheus text is left out; `firebreak_process_up` still tells of its process.
    """
    families: dict[str, Metric] = {}
    for process, text in texts.items():
        for family in _parsed(text):
            known = families.setdefault(
                family.name, Metric(family.name, family.documentation, family.type, family.unit)
            )
            for sample in family.samples:
                labels = {**sample.labels, LABEL: process}
                known.add_sample(sample.name, labels, sample.value, sample.timestamp, sample.exemplar)
    registry = CollectorRegistry()
    registry.register(Merged([*_processes(processes), *more, *families.values()]))
    return generate_latest(registry)


def _parsed(text: str) -> list[Metric]:
    try:
        return list(text_string_to_metric_families(text))
    except ValueError:
        return []


def _processes(processes: Sequence[Process]) -> tuple[Metric, Metric]:
    up = GaugeMetricFamily("firebreak_process_up", "1 if the process serves", labels=[LABEL])
    restarts = CounterMetricFamily(
        "firebreak_process_restarts", "How often the process was started again", labels=[LABEL]
    )
    for process in processes:
        up.add_metric([process.name], float(process.ready))
        restarts.add_metric([process.name], process.restarts)
    return up, restarts


class MetricsServer:
    """Serves `/metrics` on the supervisor's own port."""

    def __init__(
        self,
        ports: Ports,
        sources: Mapping[str, int],
        processes: Callable[[], Sequence[Process]],
        more: Callable[[], Sequence[Metric]],
    ) -> None:
        """`sources` are the loopback ports of what has metrics; `processes` tells how all are, `more` the rest."""
        self._more = more
        self._processes = processes
        self._socket = ports.guard
        self._sources = sources
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Begin to serve."""
        application = web.Application()
        application.router.add_get("/metrics", self._answer)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        await web.SockSite(self._runner, self._socket).start()

    async def stop(self) -> None:
        """Stop serving."""
        if self._runner:
            await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        async with aiohttp.ClientSession(timeout=PATIENCE) as session:
            texts = await asyncio.gather(*(_scrape(session, port) for port in self._sources.values()))
        answered = {name: text for name, text in zip(self._sources, texts, strict=True) if text is not None}
        merged = await asyncio.to_thread(lambda: merge(answered, self._processes(), self._more()))
        return web.Response(body=merged, headers={"Content-Type": CONTENT_TYPE})


async def _scrape(session: aiohttp.ClientSession, port: int) -> str | None:
    try:
        async with session.get(f"http://{HOST}:{port}/metrics") as response:
            return await response.text() if response.status == 200 else None
    except (aiohttp.ClientError, TimeoutError, UnicodeDecodeError):
        return None
