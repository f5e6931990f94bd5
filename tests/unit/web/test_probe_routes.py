"""`/probe` and `/sd`, as Prometheus asks for them."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from gzip import compress
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry
from tests.conftest import FakeClock

from electric_agents_exporter.fleet.fleet import Fleet
from electric_agents_exporter.metrics.exposition import Exposer
from electric_agents_exporter.metrics.formats import Format
from electric_agents_exporter.metrics.process_families import ProcessState
from electric_agents_exporter.metrics.scrape import Body, Scraper
from electric_agents_exporter.metrics.table import build_table
from electric_agents_exporter.web.probe_routes import BusyError
from electric_agents_exporter.web.routes import Served, create_app

NASTY = 'prod"\n<b>\N{RIGHT-TO-LEFT OVERRIDE}'
URL = "http://exporter:10437"


class ScriptedProbes:
    """Probes nobody, and notes who was to be probed, and within how many seconds."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, float | None]] = []
        self.busy = False

    def names(self) -> list[str]:
        return ["production", "staging", NASTY]

    async def scrape(
        self, target: str, seconds: float | None, fmt: Format, *, gzip: bool = False
    ) -> Body:
        self._note(target, seconds)
        text = f"{fmt.name} {gzip}".encode()
        return Body([compress(text) if gzip else text])

    async def explain(self, target: str, seconds: float | None) -> str:
        self._note(target, seconds)
        return f"explained {target}"

    def _note(self, target: str, seconds: float | None) -> None:
        if self.busy:
            raise BusyError
        self.asked.append((target, seconds))


@pytest.fixture
def probes() -> ScriptedProbes:
    return ScriptedProbes()


@pytest.fixture
async def client(probes: ScriptedProbes) -> AsyncIterator[httpx.AsyncClient]:
    clock = FakeClock()
    fleet, own = Fleet(clock), ProcessState("1", "3")
    scraper = Scraper(fleet, Exposer(build_table(), own, CollectorRegistry()), clock)
    served = replace(Served(fleet, scraper, own, clock, 2, None), probes=probes)
    transport = httpx.ASGITransport(create_app(served))
    async with httpx.AsyncClient(transport=transport, base_url=URL) as made:
        yield made


async def probe(client: httpx.AsyncClient, name: str, **headers: str) -> httpx.Response:
    return await client.get("/probe", params={"target": name}, headers=headers)


async def test_a_target_is_probed_by_its_name(
    client: httpx.AsyncClient, probes: ScriptedProbes
) -> None:
    answers = [await probe(client, name) for name in ("production", NASTY)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert probes.asked == [("production", None), (NASTY, None)]


@pytest.mark.parametrize(
    "headers, body",
    [
        ({"accept": "*/*", "accept-encoding": "identity"}, b"TEXT False"),
        ({"accept": "application/openmetrics-text"}, b"OPENMETRICS False"),
        ({"accept": "*/*", "accept-encoding": "gzip"}, b"TEXT True"),
    ],
)
async def test_an_exposition_comes_in_the_format_that_is_accepted(
    headers: dict[str, str], body: bytes, client: httpx.AsyncClient
) -> None:
    answer = await probe(client, "staging", **{"accept-encoding": "identity", **headers})
    assert answer.content == body
    assert answer.headers["content-type"].startswith(headers["accept"].replace("*/*", "text/plain"))


@pytest.mark.parametrize(
    "given, seconds",
    [
        ("10", 9.5),
        ("10.000000", 9.5),
        ("0.6", 0.3),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("-1", None),
        ("0", None),
    ],
)
async def test_a_probe_leaves_time_for_its_answer(
    given: str, seconds: float | None, client: httpx.AsyncClient, probes: ScriptedProbes
) -> None:
    headers: Any = {"X-Prometheus-Scrape-Timeout-Seconds": given}
    await probe(client, "staging", **headers)
    assert probes.asked == [("staging", seconds)]


@pytest.mark.parametrize(
    "name, told",
    [
        ("prodution", "no target is called prodution (did you mean production?); a URL is none\n"),
        ("Xyz", "no target is called Xyz; a URL is none\n"),
        (
            "http://169.254.169.254/",
            "no target is called http://169.254.169.254/; a URL is none\n",
        ),
        ("a\nb\N{RIGHT-TO-LEFT OVERRIDE}", "no target is called a\\nb\\u202e; a URL is none\n"),
        ("x" * 9000, f"no target is called {'x' * 128}; a URL is none\n"),
    ],
)
async def test_a_name_of_no_target_is_told_with_the_nearest_and_nobody_is_asked(
    name: str, told: str, client: httpx.AsyncClient, probes: ScriptedProbes
) -> None:
    answer = await probe(client, name)
    assert (answer.status_code, answer.text) == (404, told)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert probes.asked == []


async def test_the_nearest_name_is_written_as_people_can_read_it(client: httpx.AsyncClient) -> None:
    answer = await probe(client, 'prod"<b>')
    assert 'did you mean prod"\\n<b>\\u202e?' in answer.text


@pytest.mark.parametrize("query", ["", "?target=", "?name=production", "?target=a&target=staging"])
async def test_a_probe_names_one_target(
    query: str, client: httpx.AsyncClient, probes: ScriptedProbes
) -> None:
    answer = await client.get(f"/probe{query}")
    assert answer.status_code == 400
    assert answer.text == "expected /probe?target=NAME with the name of a target\n"
    assert probes.asked == []


async def test_a_probe_is_explained_to_who_asks(
    client: httpx.AsyncClient, probes: ScriptedProbes
) -> None:
    answer = await client.get("/probe?target=staging&debug=true")
    assert answer.text == "explained staging"
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert "TEXT" in (await client.get("/probe?target=staging&debug=false")).text
    assert len(probes.asked) == 2


async def test_a_probe_is_explained_to_nobody_where_there_is_no_status_page(
    probes: ScriptedProbes,
) -> None:
    clock = FakeClock()
    fleet, own = Fleet(clock), ProcessState("1", "3")
    scraper = Scraper(fleet, Exposer(build_table(), own, CollectorRegistry()), clock)
    served = Served(fleet, scraper, own, clock, 2, None, status_page=False, probes=probes)
    transport = httpx.ASGITransport(create_app(served))
    async with httpx.AsyncClient(transport=transport, base_url=URL) as client:
        refused = await client.get("/probe?target=staging&debug=true")
        answer = await client.get("/probe?target=staging")
    assert refused.status_code == 403
    assert "web.status_page" in refused.text
    assert answer.status_code == 200
    assert probes.asked == [("staging", None)]


async def test_who_comes_when_many_wait_is_asked_to_come_again(
    client: httpx.AsyncClient, probes: ScriptedProbes
) -> None:
    probes.busy = True
    answer = await probe(client, "staging")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


async def test_targets_are_named_where_the_client_reached_us(client: httpx.AsyncClient) -> None:
    answer = await client.get("/sd", headers={"x-prometheus-refresh-interval-seconds": "60"})
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == [
        {
            "targets": ["exporter:10437"],
            "labels": {
                "__metrics_path__": "/probe",
                "__param_target": name,
                "server": name,
            },
        }
        for name in ("production", "staging", NASTY)
    ]


@pytest.mark.parametrize(
    "host", ["exporter", "[fd00::1]:10437", "10.0.0.1:80", "a_b.example.com.:443"]
)
async def test_a_host_is_given_back_as_it_came(host: str, client: httpx.AsyncClient) -> None:
    answer = await client.get("/sd", headers={"host": host})
    assert {each["targets"][0] for each in answer.json()} == {host}


@pytest.mark.parametrize(
    "host",
    [
        "",
        "a b",
        "exporter:10437/x",
        "user@evil",
        "exporter:123456",
        "a,b",
        "<b>",
        "ä",
        "[::.:]",
        "[",
    ],
)
async def test_a_host_that_is_none_is_refused(host: str, client: httpx.AsyncClient) -> None:
    answer = await client.get("/sd", headers=[(b"host", host.encode())])
    assert answer.status_code == 400
    assert host not in answer.text or not host


async def test_over_tls_prometheus_is_told_to_come_by_tls(probes: ScriptedProbes) -> None:
    clock = FakeClock()
    fleet, own = Fleet(clock), ProcessState("1", "3")
    scraper = Scraper(fleet, Exposer(build_table(), own, CollectorRegistry()), clock)
    transport = httpx.ASGITransport(
        create_app(Served(fleet, scraper, own, clock, 2, None, probes=probes))
    )
    async with httpx.AsyncClient(transport=transport, base_url="https://exporter") as client:
        (first, *_) = (await client.get("/sd")).json()
    assert first["labels"]["__scheme__"] == "https"


async def test_below_a_path_prometheus_is_told_to_come_there(probes: ScriptedProbes) -> None:
    clock = FakeClock()
    fleet, own = Fleet(clock), ProcessState("1", "3")
    scraper = Scraper(fleet, Exposer(build_table(), own, CollectorRegistry()), clock)
    served = Served(fleet, scraper, own, clock, 2, None, probes=probes, route_prefix="/a/sd")
    transport = httpx.ASGITransport(create_app(served))
    async with httpx.AsyncClient(transport=transport, base_url=URL) as client:
        (first, *_) = (await client.get("/a/sd/sd")).json()
        path = first["labels"]["__metrics_path__"]
        answers = [await client.get(f"{each}?target=production") for each in (path, "/probe")]
    assert path == "/a/sd/probe"
    assert [answer.status_code for answer in answers] == [200, 404]


async def test_without_probes_there_is_nothing_to_probe() -> None:
    clock = FakeClock()
    fleet, own = Fleet(clock), ProcessState("1", "3")
    scraper = Scraper(fleet, Exposer(build_table(), own, CollectorRegistry()), clock)
    transport = httpx.ASGITransport(create_app(Served(fleet, scraper, own, clock, 2, None)))
    async with httpx.AsyncClient(transport=transport, base_url=URL) as client:
        answers = await asyncio.gather(client.get("/probe?target=staging"), client.get("/sd"))
    assert [answer.status_code for answer in answers] == [404, 404]
