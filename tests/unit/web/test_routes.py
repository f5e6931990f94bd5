"""What is served over HTTP, asked through the ASGI application."""

import asyncio
import html
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest
from prometheus_client import CollectorRegistry
from tests.conftest import FakeClock

from electric_agents_exporter.contract.reading import read_list
from electric_agents_exporter.fleet.fleet import Fleet
from electric_agents_exporter.fleet.policy import Policy
from electric_agents_exporter.fleet.poll import Poll
from electric_agents_exporter.fleet.reasons import Operation
from electric_agents_exporter.metrics.exposition import Exposer
from electric_agents_exporter.metrics.formats import Format
from electric_agents_exporter.metrics.process_families import ProcessState
from electric_agents_exporter.metrics.scrape import CHUNK_BYTES, Body, Scraper
from electric_agents_exporter.metrics.table import build_table
from electric_agents_exporter.web.routes import Served, create_app
from skipping_loop import run_skipping

NASTY = '<script>alert("x")</script>\n# TYPE evil gauge\nevil 1'


class SlowScraper(Scraper):
    """Holds every scrape until it is let go."""

    def __init__(self, scraper: Scraper) -> None:
        self.go = asyncio.Event()
        self.waiting = 0
        self._scraper = scraper

    async def scrape(
        self, fmt: Format, names: frozenset[str] = frozenset(), *, gzip: bool = False
    ) -> Body:
        self.waiting += 1
        await self.go.wait()
        return await self._scraper.scrape(fmt, names, gzip=gzip)


class LargeScraper(Scraper):
    """Gives a body of so many parts, of the largest size or another."""

    def __init__(self, parts: int, size: int = CHUNK_BYTES) -> None:
        self._parts = parts
        self._size = size

    async def scrape(
        self, fmt: Format, names: frozenset[str] = frozenset(), *, gzip: bool = False
    ) -> Body:
        del fmt, names, gzip
        return Body([bytes(self._size)] * self._parts)


@pytest.fixture
def served() -> Served:
    clock = FakeClock(wall=1000.0)
    fleet = Fleet(clock)
    fleet.configure([Policy(NASTY, ("service:monitor",), operations=tuple(Operation))])
    own = ProcessState("1.2.3", "3.11.7", ticked_at=clock.time())
    scraper = Scraper(fleet, Exposer(build_table(), own, CollectorRegistry()), clock)
    return Served(fleet, scraper, own, clock, max_concurrent_scrapes=2, reload=None)


def client_of(served: Served) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(create_app(served))
    return httpx.AsyncClient(transport=transport, base_url="http://exporter")


@pytest.fixture
async def client(served: Served) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(served) as made:
        yield made


def poll(served: Served) -> None:
    begun = Poll(served.fleet.targets[NASTY])
    begun.listed("service:monitor", read_list(b"[]"))
    begun.due()
    begun.end()


@pytest.mark.parametrize(
    "accept, content_type",
    [
        ("*/*", "text/plain; version=0.0.4; charset=utf-8"),
        (
            "application/openmetrics-text",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        ),
    ],
)
async def test_metrics_come_in_the_format_that_is_accepted(
    accept: str, content_type: str, client: httpx.AsyncClient
) -> None:
    answer = await client.get("/metrics", headers={"accept": accept})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == content_type
    assert "electric_agents_server_up{" in answer.text
    assert (answer.text[-6:] == "# EOF\n") is ("openmetrics" in content_type)


@pytest.mark.parametrize(
    "accepted, encoded",
    [
        ("gzip", True),
        ("GZIP", True),
        ("gzip, deflate;q=0.5", True),
        ("deflate;q=0.5, gzip;q=0.1", True),
        ("*", True),
        ("br, *;q=0.1", True),
        ("", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip; q=0.0", False),
        ("gzip;Q=0.00", False),
        ("gzip;q = 0.000", False),
        ("*;q=0", False),
        # What is said of a coding by its name counts, wherever it stands.
        ("*;q=0, gzip", True),
        ("*, gzip;q=0", False),
    ],
)
async def test_metrics_are_gzipped_for_whoever_takes_that(
    accepted: str, client: httpx.AsyncClient, *, encoded: bool
) -> None:
    answer = await client.get("/metrics", headers={"accept-encoding": accepted})
    assert answer.headers.get("content-encoding") == ("gzip" if encoded else None)
    assert answer.headers["vary"] == "accept, accept-encoding"
    assert "electric_agents_server_up{" in answer.text


async def test_whoever_asks_for_metrics_and_says_no_more_is_given_plain_text(
    served: Served,
) -> None:
    async with client_of(served) as client:
        client.headers.clear()
        answer = await client.get("/metrics")
    assert "content-encoding" not in answer.headers
    assert answer.headers["content-type"] == Format.TEXT.value
    assert int(answer.headers["content-length"]) == len(answer.content)


async def test_metrics_can_only_be_read(client: httpx.AsyncClient) -> None:
    assert (await client.post("/metrics")).status_code == 405


@pytest.mark.parametrize("pieces", [1, 4])
async def test_everything_else_has_its_turn_between_the_parts_of_a_body(
    pieces: int, served: Served
) -> None:
    # Packed pieces are smaller than what is sent in one turn.
    served.scraper = LargeScraper(40 * pieces, CHUNK_BYTES // pieces)
    turns = 0

    async def work() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    working = asyncio.create_task(work())
    async with client_of(served) as client:
        plain = {"accept-encoding": "identity"}
        scrapes = (client.get("/metrics", headers=plain) for _ in range(2))
        answers = await asyncio.gather(*scrapes)
    working.cancel()

    assert [len(answer.content) for answer in answers] == [40 * CHUNK_BYTES] * 2
    assert turns > 2 * 40


async def test_a_name_filter_restricts_metrics(client: httpx.AsyncClient) -> None:
    answer = await client.get("/metrics?name[]=electric_agents_server_up&name[]=nothing")
    lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
    assert [line.split("{")[0] for line in lines] == ["electric_agents_server_up"]


async def test_no_name_breaks_a_line_of_the_exposition(client: httpx.AsyncClient) -> None:
    lines = (await client.get("/metrics")).text.splitlines()
    assert not [line for line in lines if line.startswith(("evil", "# TYPE evil"))]


async def test_no_name_puts_a_tag_into_the_page(served: Served, client: httpx.AsyncClient) -> None:
    for _ in range(2):
        answer = await client.get("/")
        assert answer.status_code == 200
        assert "<script>" not in answer.text
        assert "&lt;script&gt;" in answer.text
        poll(served)


async def test_too_many_scrapes_at_once_are_told_to_come_back(served: Served) -> None:
    slow = SlowScraper(served.scraper)
    served.scraper = slow
    async with client_of(served) as client:
        scrapes = [asyncio.create_task(client.get("/metrics")) for _ in range(2)]
        async with asyncio.timeout(5):
            while slow.waiting < 2:
                await asyncio.sleep(0)
        refused = await client.get("/metrics")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert "web.max_concurrent_scrapes" in refused.text
        slow.go.set()
        assert [answer.status_code for answer in await asyncio.gather(*scrapes)] == [200, 200]


async def test_as_many_scrapes_at_once_are_answered_after_others_as_before(served: Served) -> None:
    slow = SlowScraper(served.scraper)
    served.scraper = slow
    async with client_of(served) as client:
        for _ in range(3):
            slow.go.clear()
            slow.waiting = 0
            scrapes = [asyncio.create_task(client.get("/metrics")) for _ in range(3)]
            await asyncio.wait(scrapes, return_when=asyncio.FIRST_COMPLETED)
            slow.go.set()
            answers = await asyncio.gather(*scrapes)
            assert sorted(answer.status_code for answer in answers) == [200, 200, 503]


async def test_whoever_was_served_before_has_a_place_that_others_cannot_hold(
    served: Served,
) -> None:
    plain, served.scraper = served.scraper, SlowScraper(served.scraper)
    slow = served.scraper
    served.max_concurrent_scrapes = 2
    prometheus = {"user-agent": "Prometheus/2.53"}
    async with client_of(served) as client:
        served.scraper = plain
        assert (await client.get("/metrics", headers=prometheus)).status_code == 200
        served.scraper = slow
        others = [
            asyncio.create_task(client.get("/metrics", headers={"user-agent": f"other {number}"}))
            for number in range(2)
        ]
        async with asyncio.timeout(5):
            while slow.waiting < 2:
                await asyncio.sleep(0)
        assert (await client.get("/metrics")).status_code == 503
        scrape = asyncio.create_task(client.get("/metrics", headers=prometheus))
        while slow.waiting < 3:
            await asyncio.sleep(0)
        # One place each, not as many as it likes.
        assert (await client.get("/metrics", headers=prometheus)).status_code == 503
        slow.go.set()
        answers = await asyncio.gather(scrape, *others)
    assert [answer.status_code for answer in answers] == [200, 200, 200]


async def test_clients_with_ever_new_names_do_not_take_the_place_of_a_regular_one(
    served: Served,
) -> None:
    plain = served.scraper
    served.max_concurrent_scrapes = 1
    prometheus = {"user-agent": "Prometheus/2.53"}
    async with client_of(served) as client:
        for _ in range(2):
            await client.get("/metrics", headers=prometheus)
        for number in range(100):
            await client.get("/metrics", headers={"user-agent": f"other {number}"})
        slow = served.scraper = SlowScraper(plain)
        other = asyncio.create_task(client.get("/metrics"))
        async with asyncio.timeout(5):
            while not slow.waiting:
                await asyncio.sleep(0)
        scrape = asyncio.create_task(client.get("/metrics", headers=prometheus))
        async with asyncio.timeout(5):
            while slow.waiting < 2:
                await asyncio.sleep(0)
        slow.go.set()
        assert [each.status_code for each in await asyncio.gather(other, scrape)] == [200, 200]


async def test_a_slash_too_many_leads_to_no_host_of_the_clients_choice(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("/metrics/", headers={"host": "evil.example.com"})
    assert answer.status_code == 404
    assert "location" not in answer.headers


def test_a_client_that_does_not_read_is_cut_off_after_half_a_minute_and_its_place_is_free(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    served.scraper = LargeScraper(parts=2)
    served.max_concurrent_scrapes = 1

    async def never(message: object = None) -> Any:  # noqa: ANN401  (ASGI's two calls)
        del message
        await asyncio.Event().wait()

    async def scrape() -> tuple[float, int]:
        began = asyncio.get_running_loop().time()
        scope = {"type": "http", "method": "GET", "path": "/metrics", "headers": []}
        app = create_app(served)
        await app(scope | {"query_string": b""}, never, never)
        waited = asyncio.get_running_loop().time() - began
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://exporter"
        ) as client:
            plain = {"accept-encoding": "identity"}
            return waited, (await client.get("/metrics", headers=plain)).status_code

    waited, status = run_skipping(scrape())
    assert (round(waited), status) == (30, 200)
    (record,) = caplog.records
    assert (record.getMessage(), vars(record)["seconds"]) == ("scrape cut off", 30)


async def test_healthy_means_that_nothing_stands_still_and_else_says_what_does(
    served: Served, client: httpx.AsyncClient
) -> None:
    for tick, expected in (
        (False, (503, "the scheduler does not tick\n")),
        (True, (200, "healthy\n")),
    ):
        if tick:
            served.fleet.tick()
        answer = await client.get("/-/healthy")
        assert (answer.status_code, answer.text) == expected


async def test_ready_means_that_every_first_poll_has_ended_well_or_badly(
    served: Served, client: httpx.AsyncClient
) -> None:
    served.fleet.configure([Policy(name, ("service:monitor",)) for name in ("eu", "us")])
    for polled, expected in (
        (None, (503, "not polled yet: eu, us\n")),
        ("eu", (503, "not polled yet: us\n")),
        ("us", (200, "ready\n")),
    ):
        if polled is not None:
            Poll(served.fleet.targets[polled]).end()
        answer = await client.get("/-/ready")
        assert (answer.status_code, answer.text) == expected


async def test_there_is_no_reload_unless_it_is_switched_on(client: httpx.AsyncClient) -> None:
    assert (await client.post("/-/reload")).status_code == 404


@pytest.mark.parametrize(
    "faults, status, text",
    [("", 200, "reloaded\n"), ("file:3: is wrong", 500, "file:3: is wrong\n")],
)
async def test_a_reload_tells_what_is_wrong(
    faults: str, status: int, text: str, served: Served
) -> None:
    async def reload() -> str:
        return faults

    served.reload = reload
    async with client_of(served) as client:
        answer = await client.post("/-/reload")
        assert (answer.status_code, answer.text) == (status, text)
        assert (await client.get("/-/reload")).status_code == 405


PATHS = ("/metrics", "/-/healthy", "/-/ready", "/", "/api/v1/fleet", "/static/icon.svg")


@pytest.mark.parametrize("prefix", ["/exporter", "/a/b"])
async def test_what_stands_before_every_path_stands_there_alone(
    served: Served, prefix: str
) -> None:
    poll(served)
    served.fleet.tick()
    async with client_of(replace(served, route_prefix=prefix)) as client:
        for path in PATHS:
            assert (await client.get(f"{prefix}{path}")).status_code == 200, path
            if path != "/":
                assert (await client.get(path)).status_code == 404, path
        assert (await client.get(f"{prefix}x/metrics")).status_code == 404


@pytest.mark.parametrize("path", ["/", "/exporter"])
async def test_who_comes_without_what_stands_before_is_shown_the_way(
    served: Served, path: str
) -> None:
    """And stays with the host that it asked, by whichever name it knows that."""
    async with client_of(replace(served, route_prefix="/exporter")) as client:
        answer = await client.get(path, headers={"host": "evil.test"})
    assert answer.status_code == 302
    assert answer.headers["location"] == "/exporter/"


async def test_every_link_of_a_page_leads_somewhere_whatever_stands_before_its_path(
    served: Served,
) -> None:
    poll(served)
    served.fleet.tick()
    async with client_of(replace(served, route_prefix="/a/b")) as client:
        page = await client.get("/a/b/")
        links = re.findall(r'(?:href|src)="([^"#?]+)', page.text)
        assert {"static/status.css", "static/status.js", "metrics", "api/v1/fleet"} <= set(links)
        for link in links:
            answer = await client.get(urljoin("http://exporter/a/b/", html.unescape(link)))
            assert answer.status_code == 200, link


async def test_every_answer_keeps_browsers_careful(served: Served) -> None:
    async with client_of(served) as client:
        for path in (*PATHS, "/nowhere"):
            headers = (await client.get(path)).headers
            assert headers["x-content-type-options"] == "nosniff", path
            assert headers["referrer-policy"] == "no-referrer", path
            (policy,) = headers.get_list("content-security-policy")
            assert "frame-ancestors 'none'" in policy, path
