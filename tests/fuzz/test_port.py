"""Whatever comes to our port: it is answered or cut off, nothing is an error, and scrapes go on."""

import asyncio
import contextlib
import json
import logging
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from tests.conftest import FakeClock
from tests.contract.test_reading import GOOD, ITEM

from damage import damaged, lines_moved
from electric_agents_exporter.contract.reading import read_health, read_list
from electric_agents_exporter.fleet.fleet import Fleet
from electric_agents_exporter.fleet.policy import Policy
from electric_agents_exporter.fleet.poll import Poll
from electric_agents_exporter.metrics.exposition import Exposer
from electric_agents_exporter.metrics.formats import Format
from electric_agents_exporter.metrics.process_families import ProcessState
from electric_agents_exporter.metrics.scrape import Body, Scraper
from electric_agents_exporter.metrics.table import build_table
from electric_agents_exporter.web.connections import Limits
from electric_agents_exporter.web.routes import Served, create_app
from fuzzing import for_seconds
from served import served
from unhindered_loop import run_unhindered

QUICK = Limits(
    connections=8, request_seconds=0.1, request_bytes=4096, stuck_seconds=0.3, sweep_seconds=0.02
)
LONGEST = 3.0
"""Seconds. The longest of these limits, and time to work."""

GOOD_SCRAPE = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
STATUSES = {b"100", b"200", b"400", b"404", b"405", b"503"}
HOST = b"Host: x\r\n"
ACCEPTED = (
    b"Accept: application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.1\r\n"
    b"Accept-Encoding: gzip;q=1.0, *;q=0\r\nUser-Agent: Prometheus/3\r\n\r\n"
)
UPGRADE = (
    b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
REQUESTS = [
    GOOD_SCRAPE,
    b"GET /metrics?name[]=electric_agents_runner_info HTTP/1.1\r\nHost: x\r\n" + ACCEPTED,
    *(b"GET %s HTTP/1.1\r\n%s\r\n" % (path, HOST) for path in (b"/", b"/-/healthy", b"/-/ready")),
    b"GET /runner?target=a&id=%00&tenant HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /api/v1/fleet?page=9&sort=claims&q=%ff HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /probe?target=production&debug=true HTTP/1.1\r\nHost: x\r\n" + ACCEPTED,
    b"GET /probe?target=prod HTTP/1.1\r\nX-Prometheus-Scrape-Timeout-Seconds: 1e9\r\n\r\n",
    b"GET /sd HTTP/1.1\r\nHost: [::1]:10437\r\n\r\n",
    b"GET /api/v1/runners/a%2Fb HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /-/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na=b",
    b"POST /-/reload HTTP/1.1\r\n%sTransfer-Encoding: chunked\r\n\r\n3\r\na=b\r\n0\r\n\r\n" % HOST,
    b"GET /-/ready HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"HEAD /metrics HTTP/1.0\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n" + UPGRADE,
    b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    b"CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
]
PARTS = [
    *(
        b"\r\n",
        b"\n",
        b"\r",
        b"\0",
        b" ",
        b"\t",
        b":",
        b"\xff",
        b"%",
        b"%00",
        b"%ff",
        b"?",
        b"&",
        b"#",
    ),
    *(b"/../", b"//", b"\\", b"http://x@[::1]:0/metrics", b"name[]=", b"name[]=%F0", b"=" * 500),
    *(
        b"Content-Length: -1\r\n",
        b"Content-Length: 99999999999999999999\r\n",
        b"Content-Length: 5\r\n",
    ),
    *(
        b"Transfer-Encoding: chunked, chunked\r\n",
        b"Transfer-Encoding: x\r\n",
        b"ffffffffffffffff\r\n",
    ),
    *(
        b"Host: a\r\n",
        b"Host: [\r\n",
        b"Host: [::.:]:1\r\n",
        b"X-Prometheus-Scrape-Timeout-Seconds: nan\r\n",
        b"Connection: upgrade\r\nUpgrade: h2c\r\n",
        b"Connection: close\r\n",
    ),
    *(
        b"Expect: 100-continue\r\n",
        b"Accept: ;q=,;;version=\xff\r\n",
        b"Accept: */*;q=nan\r\n",
        b"q=1e999",
    ),
    *(
        b"Accept-Encoding: gzip;q=\r\n",
        b"HTTP/9.9",
        b"HTTP/1.0",
        b"GET",
        b"POST",
        b"M-SEARCH",
        b"\x16\x03\x01",
    ),
    GOOD_SCRAPE,
]


class Polled:
    """Answers probes of a target that was polled."""

    def names(self) -> list[str]:
        return ["production"]

    async def scrape(
        self, target: str, seconds: float | None, fmt: Format, *, gzip: bool = False
    ) -> Body:
        del target, seconds, gzip
        return Body([fmt.encode()])

    async def explain(self, target: str, seconds: float | None) -> str:
        return f"{target} {seconds}"


def polled_once() -> Served:
    """Give what is served of a fleet of one."""
    clock = FakeClock()
    fleet = Fleet(clock)
    fleet.configure([Policy("production", ("service:monitor",))])
    poll = Poll(fleet.targets["production"])
    poll.listed("service:monitor", read_list(json.dumps([ITEM]).encode()))
    report = {**GOOD, "runner": {**GOOD["runner"], "id": ITEM["id"]}}
    poll.reported(read_health(json.dumps(report).encode()), clock.monotonic())
    poll.end()
    own = ProcessState("1.2.3", "3.11.7", ticked_at=clock.time())
    scraper = Scraper(fleet, Exposer(build_table(), own, CollectorRegistry()), clock)

    async def reload() -> str:
        return ""

    return Served(
        fleet, scraper, own, clock, max_concurrent_scrapes=2, reload=reload, probes=Polled()
    )


class Errors(logging.Handler):
    """Keeps what is logged as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one."""
        self.said.append(self.format(record))

    def of_loop(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Keep what the loop says."""
        self.said.append(repr(context))


async def said_to(port: int, said: bytes, pause: int) -> bytes:
    """Send something, with a turn for others in the middle of it, and read until the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        with contextlib.suppress(ConnectionError):
            writer.write(said[:pause])
            await writer.drain()
            await asyncio.sleep(0)
            writer.write(said[pause:])
            return await reader.read(-1)
        return b""
    finally:
        writer.transport.abort()


async def attacked(attacks: list[tuple[bytes, int]]) -> None:
    errors = Errors()
    logging.getLogger().addHandler(errors)
    asyncio.get_running_loop().set_exception_handler(errors.of_loop)
    try:
        async with served(create_app(polled_once()), QUICK, keep_alive=0) as port:
            async with asyncio.timeout(LONGEST):
                answers = await asyncio.gather(*(said_to(port, *attack) for attack in attacks))
                scrape = await said_to(port, GOOD_SCRAPE, 0)
    finally:
        logging.getLogger().removeHandler(errors)
    assert errors.said == []
    assert scrape.startswith(b"HTTP/1.1 200 OK\r\n")
    for answer in answers:
        assert not answer or answer.startswith(b"HTTP/1.1 ")
        assert set(re.findall(rb"^HTTP/1.1 (\d+)", answer, re.MULTILINE)) <= STATUSES


requests = st.one_of(
    damaged(REQUESTS, PARTS),
    lines_moved(REQUESTS, PARTS),
    st.lists(st.sampled_from(PARTS), max_size=20).map(b"".join),
    st.binary(max_size=100),
)


@for_seconds
@given(attacks=st.lists(st.tuples(requests, st.integers(0, 200)), min_size=1, max_size=6))
def test_what_comes_is_answered_or_cut_off_and_scrapes_go_on(
    attacks: list[tuple[bytes, int]],
) -> None:
    run_unhindered(attacked(attacks))
