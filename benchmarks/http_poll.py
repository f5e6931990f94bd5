"""What a poll over HTTP costs, against the same poll on httpx as it comes."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from typing_extensions import override

from electric_agents_exporter.conditions import Ages, Thresholds, judge
from electric_agents_exporter.contract.reading import read_health
from electric_agents_exporter.fleet.clock import SystemClock
from electric_agents_exporter.fleet.fleet import Fleet
from electric_agents_exporter.fleet.policy import Policy
from electric_agents_exporter.fleet.poll import Poll
from electric_agents_exporter.fleet.reasons import Operation
from electric_agents_exporter.sources.http import (
    HttpOptions,
    HttpServer,
    HttpSource,
    TransportFactory,
)
from fleets import PRINCIPAL, health_bodies
from measure import Comparison, compare, cpu_seconds, limit

STOCK_AT_BEST = 5
"""Connections at which httpx as it comes costs least, as measured here: its pool is quadratic."""
_POLLS = 2
_CONCURRENCIES = (STOCK_AT_BEST, 10)


@contextmanager
def canned_server(count: int, *options: str) -> Iterator[str]:
    """Serve a fleet from another process; gives its URL."""
    script = Path(__file__).with_name("canned_server.py")
    with subprocess.Popen(
        [sys.executable, str(script), str(count), *options], stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None  # noqa: S101
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.kill()


class StockClient(httpx.AsyncBaseTransport):
    """httpx as it comes: its client on its own transport."""

    def __init__(self, options: HttpOptions) -> None:
        self._client = httpx.AsyncClient(
            limits=httpx.Limits(max_connections=options.concurrency, keepalive_expiry=4.0)
        )

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._client.send(request, stream=True)

    @override
    async def aclose(self) -> None:
        await self._client.aclose()


async def cycle(
    url: str,
    count: int,
    transport: TransportFactory | None = None,
    concurrency: int = 10,
    *,
    wakes: bool = False,
) -> float:
    """Poll a few times, and give the CPU time of one but the first: connections stand by then.

    The clock moves on by an interval from poll to poll, since a quiet wake stream is not asked for
    at each.
    """
    clock = _SteppedClock()
    fleet = Fleet(clock)
    operations = tuple(each for each in Operation if wakes or each is not Operation.WAKES)
    policy = Policy("production", (PRINCIPAL,), max_runners=count, operations=operations)
    fleet.configure([policy])
    options = HttpOptions(url, (PRINCIPAL,), concurrency=concurrency, timeout=30.0)
    source = HttpSource(HttpServer(options, clock, transport), wakes=wakes)
    began = 0.0
    for turn in range(1 + _POLLS):
        if turn == 1:
            began = time.process_time()
        poll = Poll(fleet.targets["production"])
        result = poll.end(complete=await source.poll(poll, paced=False))
        assert result.succeeded, f"nothing is measured: {result.faults}"  # noqa: S101
        clock.now += policy.interval
    cost = time.process_time() - began
    await source.aclose()
    return cost / _POLLS


class _SteppedClock(SystemClock):
    """A clock that stands during a poll, which here may take longer than an interval."""

    def __init__(self) -> None:
        self.now = 0.0

    @override
    def monotonic(self) -> float:
        return self.now

    @override
    def awake(self) -> float:
        return self.now


def measure(count: int, runs: int) -> Iterator[Comparison]:
    """Measure polls of a fleet of so many runners."""
    ours: list[float] = []
    with_wakes: list[float] = []
    theirs: dict[int, list[float]] = {}
    with canned_server(count) as url:
        for _ in range(runs):
            ours.append(asyncio.run(cycle(url, count)))
            with_wakes.append(asyncio.run(cycle(url, count, wakes=True)))
            for concurrency in _CONCURRENCIES:
                cost = asyncio.run(cycle(url, count, StockClient, concurrency))
                theirs.setdefault(concurrency, []).append(cost)
    middle = sorted(ours)[len(ours) // 2]
    best = min(theirs, key=lambda concurrency: sorted(theirs[concurrency])[runs // 2])
    yield compare(
        f"poll over HTTP, {count:,} runners",
        middle,
        sorted(theirs[best])[runs // 2],
        goal=2,
        against=f"httpx as it comes, concurrency {best}",
    )
    yield limit(
        f"poll over HTTP, {count:,} runners, a request",
        middle / count * 1e6,
        goal=None,
        unit="CPU us",
    )
    yield limit(
        f"what reading wakes adds to a poll over HTTP, {count:,} runners",
        sorted(with_wakes)[len(with_wakes) // 2] / middle - 1,
        goal=0.6,
        unit="of the poll",
    )
    yield limit(
        f"what judging takes of a poll over HTTP, {count:,} runners",
        _judging(count, runs) / middle,
        goal=0.05,
        unit="of the poll",
    )


def _judging(count: int, runs: int) -> float:
    """Give the CPU time that it takes to judge so many runners."""
    (body,) = health_bodies(1).values()
    report = read_health(body).report
    ages = Ages(1.0, 2.0, 3.0, 0.0, 0.0)
    thresholds = Thresholds()

    def judge_all() -> None:
        for _ in range(count):
            judge(report, ages, refused=False, thresholds=thresholds)

    return cpu_seconds(judge_all, runs)
