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

from electric_agents_exporter.fleet.clock import SystemClock
from electric_agents_exporter.fleet.fleet import Fleet
from electric_agents_exporter.fleet.policy import Policy
from electric_agents_exporter.sources.http import HttpOptions, HttpSource, TransportFactory
from fleets import PRINCIPAL
from measure import Comparison, compare, limit

STOCK_AT_BEST = 5
"""Connections at which httpx as it comes costs least, as measured here: its pool is quadratic."""
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
    url: str, count: int, transport: TransportFactory | None = None, concurrency: int = 10
) -> float:
    """Poll twice, and give the CPU time of the second: connections stand by then."""
    clock = SystemClock()
    fleet = Fleet(clock)
    fleet.configure({Policy("production", max_runners=count): [PRINCIPAL]})
    source = HttpSource(
        HttpOptions(url, (PRINCIPAL,), concurrency=concurrency, timeout=30.0), clock, transport
    )
    cost = 0.0
    for _ in range(2):
        began = time.process_time()
        poll = Poll(fleet.targets["production"])
        succeeded = poll.end(complete=await source.poll(poll, paced=False))
        cost = time.process_time() - began
        assert succeeded, "the poll failed: nothing is measured"  # noqa: S101
    await source.aclose()
    return cost


def measure(count: int, runs: int) -> Iterator[Comparison]:
    """Measure polls of a fleet of so many runners."""
    ours: list[float] = []
    theirs: dict[int, list[float]] = {}
    with canned_server(count) as url:
        for _ in range(runs):
            ours.append(asyncio.run(cycle(url, count)))
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
