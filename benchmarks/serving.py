"""What scrapers feel and do: how long scrapes take, how far the event loop lags meanwhile.

The exporter is the one that `run` runs, polling a fleet whose every report changes every few
seconds, so that nearly every scrape has something to render.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress

from electric_agents_exporter.service import Service
from electric_agents_exporter.settings import loading
from electric_agents_exporter.sockets import listen
from fleets import PRINCIPAL
from http_poll import canned_server
from measure import Comparison, limit, resident_megabytes

_SCRAPERS = (1, 4, 16)
_SCRAPER = """
import http.client, sys, time
from concurrent.futures import ThreadPoolExecutor
port, scrapers, seconds, packed = map(int, sys.argv[1:])
end = time.monotonic() + seconds
def scrape(_):
    done = 0
    while time.monotonic() < end:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", "/metrics", headers={"Accept-Encoding": "gzip"} if packed else {})
        answer = connection.getresponse()
        assert answer.status == 200, answer.status
        while answer.read(1 << 20):
            pass
        connection.close()
        done += 1
    return done
with ThreadPoolExecutor(scrapers) as threads:
    print(sum(threads.map(scrape, range(scrapers))))
"""


class Lag:
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


async def _scrape(port: int, scrapers: int, seconds: int, *, packed: bool) -> tuple[float, Lag]:
    """Let some scrapers scrape without a pause; gives how long a scrape took, and the lag."""
    arguments = map(str, (port, scrapers, seconds, int(packed)))
    lag = Lag()
    watching = asyncio.create_task(lag.watch())
    began = time.perf_counter()
    scraping = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _SCRAPER, *arguments, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await scraping.communicate()
    assert scraping.returncode == 0, "a scrape failed: nothing is measured"  # noqa: S101
    took = time.perf_counter() - began
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching
    return took / int(output), lag


async def _serve(url: str, count: int, seconds: int) -> list[Comparison]:
    target = {"name": "canned", "url": url, "principals": [PRINCIPAL], "max_runners": count}
    # A scraper may come again before its last answer has ended.
    flags = {"targets": [target], "web": {"max_concurrent_scrapes": 2 * max(_SCRAPERS)}}
    settings = loading.load(None, flags, {})
    service = Service(settings, lambda: settings)
    listening = listen("127.0.0.1:0")
    port = listening.sockets[0].getsockname()[1]
    serving = asyncio.create_task(service.run(listening))
    await polled(port)
    rows = []
    for scrapers in _SCRAPERS:
        for packed in (True, False):
            what = f"{scrapers} scraper{'s' if scrapers > 1 else ''}, {count:,} runners" + (
                ", gzip" if packed else ""
            )
            took, lag = await _scrape(port, scrapers, seconds, packed=packed)
            rows += [
                limit(f"time a scrape, {what}", took, goal=None, unit="s"),
                limit(f"loop lag at p99, {what}", lag.percentile(0.99), goal=10, unit="ms"),
                limit(f"loop lag at worst, {what}", lag.percentile(1), goal=None, unit="ms"),
            ]
    rss = resident_megabytes()
    rows.append(limit(f"resident after serving, {count:,} runners", rss, goal=None, unit="MB"))
    os.kill(os.getpid(), signal.SIGTERM)
    await serving
    return rows


async def polled(port: int) -> None:
    """Wait until the first poll has ended."""
    while True:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /-/ready HTTP/1.0\r\n\r\n")
        status = await reader.readline()
        writer.close()
        if b" 200 " in status:
            return
        await asyncio.sleep(0.1)


def measure(count: int, seconds: int) -> Iterator[Comparison]:
    """Measure scrapes over sockets of a fleet of so many runners, each kind for some seconds."""
    with canned_server(count, "churn") as url:
        yield from asyncio.run(_serve(url, count, seconds))
