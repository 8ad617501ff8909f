"""What a deployable tells of its requests and its means, for Prometheus: https://prometheus.io/docs/instrumenting/exposition_formats/

No label names a person, a resource or a client: paths are the templates of routes, and whatever stands in none of them is `other`.
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from time import perf_counter
from typing import Any, Final

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Histogram, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from services.kit.database import Database, DatabaseUnavailable
from services.kit.transport import AsgiApp

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
PATH: Final = "/metrics"
ROUTE: Final = "yiyang.route"
"""Where an app that finds its way itself tells the template in the scope of a request."""
OTHER: Final = "other"
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_FAILED: Final = 500
disable_created_metrics()  # type: ignore[no-untyped-call]


class Gauge(msgspec.Struct, frozen=True):
    """What is asked for when it is told: a value for each value of the one label."""

    name: str
    help: str
    label: str
    values: Mapping[str, float]


Source = Callable[[], Awaitable[Iterable[Gauge]]]


class Metrics:
    """Of one deployable in one process: all that it tells says which."""

    def __init__(self, service: str) -> None:
        self.service = service
        self._registry = CollectorRegistry(auto_describe=True)
        seconds = Histogram(
            "yiyang_request_seconds",
            "How long requests took, by the template of their route",
            ("service", "process", "route", "method", "status"),
            registry=self._registry,
            buckets=_BUCKETS,
        )
        self._of = (service, str(os.getpid()))
        self._seconds = seconds
        self._children: dict[tuple[str, str, int], Histogram] = {}
        self._sources: list[Source] = []

    def add(self, source: Source) -> None:
        self._sources.append(source)

    def observe(self, route: str, method: str, status: int, seconds: float) -> None:
        child = self._children.get((route, method, status))
        if child is None:
            named = method if method in _METHODS else OTHER
            child = self._seconds.labels(*self._of, route, named, str(status))
            if named is method:
                self._children[route, method, status] = child
        child.observe(seconds)

    async def text(self) -> bytes:
        families = [*self._registry.collect()]
        async for gauge in self._gauges():
            family = GaugeMetricFamily(gauge.name, gauge.help, labels=("service", "process", gauge.label))
            for value, number in gauge.values.items():
                family.add_metric((*self._of, value), number)
            families.append(family)
        return told(families)

    async def _gauges(self) -> AsyncIterator[Gauge]:
        """A source that is away says nothing: what it would tell is not known, and not zero."""
        for source in self._sources:
            try:
                for gauge in await source():
                    yield gauge
            except DatabaseUnavailable:
                continue


class _Families:
    """As `generate_latest` asks for them."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self.collect = lambda: families


def told(families: Iterable[Metric]) -> bytes:
    return generate_latest(_Families(families))


def joined(texts: Iterable[bytes]) -> bytes:
    """What several deployables tell as one: a metric's lines stand together."""
    families: dict[str, Metric] = {}
    for text in texts:
        for family in text_string_to_metric_families(text.decode()):
            known = families.setdefault(family.name, family)
            if known is not family:
                known.samples.extend(family.samples)
    return told(families.values())


def pool_of(database: Database) -> Source:
    async def source() -> Iterable[Gauge]:
        state = {"open": database.open_connections, "idle": database.idle_connections, "most": database.pool_size}
        return [Gauge("yiyang_pool_connections", "Database connections of this process", "state", state)]

    return source


class Measured:
    """An ASGI app whose requests are counted; the template is `route`, what the app tells in the scope, or what FastAPI found."""

    def __init__(self, app: AsgiApp, metrics: Metrics, route: str = "") -> None:
        self.app = app
        self._metrics = metrics
        self._route = route

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = _FAILED

        async def noting(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        begun = perf_counter()
        try:
            await self.app(scope, receive, noting)
        finally:
            route = self._route or scope.get(ROUTE) or getattr(scope.get("route"), "path", OTHER)
            self._metrics.observe(route, scope["method"], status, perf_counter() - begun)
