"""What a scrape costs, against prometheus_client's custom collector on the same snapshot."""

import asyncio
import gzip
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector
from typing_extensions import override

from electric_agents_exporter.fleet.poll import Poll
from electric_agents_exporter.fleet.snapshot import FleetSnapshot
from electric_agents_exporter.metrics.exposition import Exposer
from electric_agents_exporter.metrics.formats import Format
from electric_agents_exporter.metrics.process_families import ProcessState
from electric_agents_exporter.metrics.scrape import Scraper
from electric_agents_exporter.metrics.table import build_table
from fleets import Polled, health_bodies
from measure import Comparison, compare, cpu_seconds, limit
from plain_path import plainly

_OWN = ProcessState("0", "3")
_GOALS_AT = 10_000
_AGAINST = "prometheus_client, custom collector"


class PlainCollector(Collector):
    """The custom collector that one would write: every family made anew at every scrape."""

    def __init__(self, snapshot: FleetSnapshot) -> None:
        self._snapshot = snapshot

    @override
    def collect(self) -> Iterable[Metric]:
        return plainly(build_table(), self._snapshot, _OWN)


def measure(count: int, runs: int) -> Iterator[Comparison]:
    """Measure scrapes of a fleet of so many runners."""
    polled = Polled(count)
    turns = [health_bodies(count, turn) for turn in range(2)]
    polled.poll(turns[0])
    exposer = Exposer(build_table(), replace(_OWN), CollectorRegistry())
    snapshot = polled.fleet.snapshot()
    registry = CollectorRegistry()
    registry.register(PlainCollector(snapshot))
    size = f"{count:,} runners"
    goals = count == _GOALS_AT or None

    def ours(fmt: Format = Format.TEXT) -> list[bytes]:
        return list(exposer.expose(snapshot, fmt))

    ours()
    plain_runs = max(1, runs // 3)
    plain = cpu_seconds(lambda: generate_latest(registry), plain_runs)
    yield compare(
        f"scrape, {size}, text",
        cpu_seconds(ours, runs),
        plain,
        goal=goals and 50,
        against=_AGAINST,
    )
    ours(Format.OPENMETRICS)
    yield compare(
        f"scrape, {size}, OpenMetrics",
        cpu_seconds(lambda: ours(Format.OPENMETRICS), runs),
        cpu_seconds(lambda: generate_openmetrics(registry), plain_runs),  # type: ignore[no-untyped-call]
        goal=goals and 50,
        against=_AGAINST,
    )
    scraper = Scraper(polled.fleet, exposer, polled.clock)

    def packed() -> None:
        asyncio.run(scraper.scrape(Format.TEXT, gzip=True))

    def changed_and_packed() -> None:
        Poll(polled.fleet.targets["production"]).end()
        packed()

    plain_packed = cpu_seconds(lambda: gzip.compress(generate_latest(registry)), plain_runs)
    yield compare(
        f"scrape, {size}, gzip",
        cpu_seconds(changed_and_packed, runs),
        plain_packed,
        goal=goals and 40,
        against=f"{_AGAINST}, and its gzip",
    )
    packed()
    yield compare(
        f"scrape of an unchanged state, {size}, gzip",
        cpu_seconds(packed, runs),
        plain_packed,
        goal=goals and 300,
        against=f"{_AGAINST}, and its gzip",
    )
    yield from _rendering(polled, exposer, turns, size)


def _rendering(
    polled: Polled, exposer: Exposer, turns: list[dict[str, bytes]], size: str
) -> Iterator[Comparison]:
    """Measure what a poll costs downstream: everything changed, and nothing did."""

    def cycle(bodies: dict[str, bytes]) -> tuple[float, float]:
        began = time.process_time()
        polled.poll(bodies)
        between = time.process_time()
        list(exposer.expose(polled.fleet.snapshot(), Format.TEXT))
        return between - began, time.process_time() - between

    taken, changed = cycle(turns[1])
    _, unchanged = cycle(turns[1])
    yield limit(f"read and take in every report, {size}", taken, goal=None, unit="CPU s")
    yield limit(f"scrape after every report changed, {size}", changed, goal=None, unit="CPU s")
    yield limit(f"scrape after a poll changed nothing, {size}", unchanged, goal=None, unit="CPU s")
