"""Counts for Prometheus: requests by endpoint and status, and what each engine has to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ..service.observation import Observation
from ..service.queue import QueuedEngine

SECONDS = (0.05, 0.25, 1, 2.5, 5, 10, 30, 60, 120, 300, 900)


class Metrics:
    """`queues` gives those that there are now."""

    def __init__(self, queues: Callable[[], Iterable[QueuedEngine]]) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "visioncraft_requests",
            "Requests that were answered; 499: their clients left",
            ("endpoint", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "visioncraft_request_seconds",
            "Seconds until the answer, with the time in the queue",
            ("endpoint",),
            buckets=SECONDS,
            registry=self._registry,
        )
        self._registry.register(_Queues(queues))

    def observe(self, seen: Observation) -> None:
        endpoint = seen.endpoint or "none"
        self._requests.labels(endpoint, str(seen.status)).inc()
        self._seconds.labels(endpoint).observe(seen.seconds)

    def text(self) -> bytes:
        return generate_latest(self._registry)


class _Queues(Collector):
    def __init__(self, queues: Callable[[], Iterable[QueuedEngine]]) -> None:
        self._queues = queues

    def collect(self) -> Iterator[Metric]:
        work = GaugeMetricFamily("visioncraft_at_work", "Requests at work", labels=["engine"])
        waiting = GaugeMetricFamily("visioncraft_waiting", "Requests waiting", labels=["engine"])
        for queue in self._queues():
            work.add_metric([queue.name], queue.at_work)
            waiting.add_metric([queue.name], queue.waiting)
        yield work
        yield waiting
