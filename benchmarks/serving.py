"""What scrapers feel and do: how long scrapes take, how far the event loop lags meanwhile."""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import uvicorn
from prometheus_client import CollectorRegistry

from electric_agents_exporter.metrics.exposition import Exposer
from electric_agents_exporter.metrics.own import OwnState
from electric_agents_exporter.metrics.scrape import Scraper
from electric_agents_exporter.metrics.table import build_table
from electric_agents_exporter.web.routes import Served, create_app
from fleets import Polled, health_bodies
from measure import Comparison, limit, resident_megabytes

_OWN = OwnState("0", "3", ticked_at=0.0)
_SCRAPER = """
import http.client, sys, threading
port, scrapers, rounds, packed = map(int, sys.argv[1:])
def scrape():
    for _ in range(rounds):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", "/metrics", headers={"Accept-Encoding": "gzip"} if packed else {})
        answer = connection.getresponse()
        assert answer.status == 200
        while answer.read(1 << 20):
            pass
        connection.close()
threads = [threading.Thread(target=scrape) for _ in range(scrapers)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""


class _Lag:
    """How late a timer of the loop comes, in milliseconds."""

    def __init__(self) -> None:
        self.samples: list[float] = []

    async def watch(self) -> None:
        """Look every few milliseconds until cancelled."""
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.002)
            self.samples.append((time.perf_counter() - began - 0.002) * 1000)

    def percentile(self, share: float) -> float:
        """Give the lag that so large a share of the looks did not exceed."""
        ordered = sorted(self.samples)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


async def _scrape(
    polled: Polled, scrapers: int, rounds: int, *, packed: bool
) -> tuple[float, _Lag]:
    """Serve a fleet that changes all the time to some scrapers at once."""
    exposer = Exposer(build_table(), replace(_OWN), CollectorRegistry())
    scraper = Scraper(polled.fleet, exposer, polled.clock)
    served = Served(polled.fleet, scraper, replace(_OWN), polled.clock, 64, None)
    server = uvicorn.Server(uvicorn.Config(create_app(served), log_config=None, access_log=False))
    sock = socket.create_server(("127.0.0.1", 0))
    port = sock.getsockname()[1]
    serving = asyncio.create_task(server.serve(sockets=[sock]))
    arguments = [sys.executable, "-c", _SCRAPER, str(port), str(scrapers)]
    warm_up = await asyncio.create_subprocess_exec(*arguments, "1", str(int(packed)))
    await warm_up.wait()

    async def change() -> None:
        while True:
            polled.fleet.targets["production"].begin_poll().end()
            await asyncio.sleep(0.02)

    lag = _Lag()
    background = [asyncio.create_task(lag.watch()), asyncio.create_task(change())]
    began = time.perf_counter()
    scraping = await asyncio.create_subprocess_exec(
        *arguments, str(rounds), str(int(packed)), stderr=subprocess.PIPE
    )
    _, complaint = await scraping.communicate()
    assert scraping.returncode == 0, complaint.decode()  # noqa: S101
    seconds = (time.perf_counter() - began) / (rounds * scrapers)
    for task in background:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    server.should_exit = True
    await serving
    return seconds, lag


def measure(count: int, rounds: int) -> Iterator[Comparison]:
    """Measure scrapes over sockets of a fleet of so many runners."""
    polled = Polled(count)
    polled.poll(health_bodies(count))
    size = f"{count:,} runners"
    for scrapers in (1, 4, 16):
        for packed in (True, False):
            what = f"{scrapers} scraper{'s' if scrapers > 1 else ''}, {size}" + (
                ", gzip" if packed else ""
            )
            seconds, lag = asyncio.run(_scrape(polled, scrapers, rounds, packed=packed))
            yield limit(f"time a scrape, {what}", seconds, goal=None, unit="s")
            # The limit is for the 10,000 runners that fit one scrape.
            yield limit(f"loop lag at p99, {what}", lag.percentile(0.99), goal=10, unit="ms")
    yield limit(f"resident after serving, {size}", resident_megabytes(), goal=None, unit="MB")
