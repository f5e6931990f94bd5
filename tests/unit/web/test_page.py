"""The status page and a runner's page, read as a browser does: their tables, cell by cell."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import msgspec
import pytest
from prometheus_client import CollectorRegistry
from tests.conftest import FakeClock
from typing_extensions import override

from ailing_fleet import HOSTILE, NOON, SHOWN, AilingFleet
from electric_agents_exporter.alerting.alert import Alert, AlertState
from electric_agents_exporter.metrics.exposition import Exposer
from electric_agents_exporter.metrics.process_families import ProcessState
from electric_agents_exporter.metrics.scrape import Scraper
from electric_agents_exporter.metrics.table import build_table
from electric_agents_exporter.status.view import FleetStatus, RunnerMatches
from electric_agents_exporter.web.names import name_html, visible
from electric_agents_exporter.web.pages import STATIC
from electric_agents_exporter.web.routes import Served, create_app

VOID = {"meta", "br", "link", "wbr", "input", "rect"}
BOTH = ("/", "/runner?" + urlencode({"target": "production", "id": "unheard"}))


class Page(HTMLParser):
    """A page's tables as rows of cells by their heads, and its text by the ids of its parts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.text: dict[str, str] = {}
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[tuple[str, str]] = []
        self.feed(text)
        assert self._open == []

    @property
    def _part(self) -> str:
        return next((name for _, name in reversed(self._open) if name), "")

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.tags.append((tag, told))
        if tag not in VOID:
            self._open.append((tag, told.get("id") or ""))
        table = self.tables.setdefault(self._part, [])
        if tag == "tr":
            table.append([])
        elif tag in {"td", "th"}:
            table[-1].append("")
        elif tag in {"span", "small"} and {"td", "th"} & {name for name, _ in self._open}:
            table[-1][-1] += " "

    @override
    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    @override
    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag

    @override
    def handle_data(self, data: str) -> None:
        self.text[self._part] = self.text.get(self._part, "") + data
        if {"td", "th"} & {name for name, _ in self._open}:
            table = self.tables[self._part]
            table[-1][-1] += data

    def rows(self, part: str) -> list[dict[str, str]]:
        """Give the rows of a part's table, by their heads."""
        heads, *rows = [[" ".join(cell.split()) for cell in row] for row in self.tables[part]]
        return [dict(zip(heads, row, strict=True)) for row in rows]

    def said(self, part: str) -> str:
        return " ".join(self.text[part].split())


@pytest.fixture
def ailing() -> AilingFleet:
    return AilingFleet(FakeClock(wall=NOON))


@pytest.fixture
def served(ailing: AilingFleet) -> Served:
    own = ProcessState("1.2.3", "3.11.7", ticked_at=NOON)
    exposer = Exposer(build_table(), own, CollectorRegistry())
    scraper = Scraper(ailing.fleet, exposer, ailing.clock)
    return Served(ailing.fleet, scraper, own, ailing.clock, max_concurrent_scrapes=2, reload=None)


def client_of(served: Served) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(create_app(served))
    return httpx.AsyncClient(transport=transport, base_url="http://exporter")


@pytest.fixture
async def client(served: Served) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(served) as made:
        yield made


async def page_of(client: httpx.AsyncClient, path: str = "/") -> Page:
    answer = await client.get(path)
    assert answer.status_code == 200
    return Page(answer.text)


async def test_the_verdict_stands_first_in_words(client: httpx.AsyncClient) -> None:
    said = (await page_of(client)).said("verdict")
    assert said.startswith("✖ 1 entity waits for work, oldest 4 min ✖ 1 runner works")
    assert "? 195 of 218 runners unknown" in said


async def test_each_target_is_one_row_with_why(client: httpx.AsyncClient) -> None:
    rows = {row["Target"]: row for row in (await page_of(client)).rows("targets")}
    assert rows["dead"]["State"].startswith("✖ down for 1 s the server does not answer (tls: cert")
    assert rows["dead"]["Runners"] == "194 194 unknown show each"
    assert rows["new"] == {
        "Target": "new",
        "State": "? not polled yet",
        "Runners": "unknown",
        "Principals": "user:alice: unknown",
        "Last success": "never",
        "Polled": "not yet",
    }
    assert "0 runners listed for service:monitor" in rows["production"]["Principals"]
    assert rows["hostile"]["State"].startswith("✔ up")


async def test_each_runner_is_a_row_in_its_state(client: httpx.AsyncClient) -> None:
    rows = (await page_of(client, "/?target=production")).rows("rows")
    assert [row["State ▾"].split(" for ")[0][2:] for row in rows] == list(SHOWN.values())
    (unheard,) = [row for row in rows if row["Runner"].startswith("unheard")]
    assert unheard["Why"] == (
        "work waits for it: 1 entity, the oldest for 4 min; does not hear its wakes The server "
        "says healthy, as heartbeats pass; it does not look at wakes."
    )
    assert (unheard["Heartbeat"], unheard["Waiting"]) == ("10 s ago", "1 oldest 4 min")
    (silent,) = [row for row in rows if row["Runner"].startswith("silent")]
    assert [silent[each] for each in ("Heartbeat", "Waiting", "Claims", "Reconnects")] == (
        ["unknown"] * 4
    )


async def test_a_server_that_is_down_has_no_row_for_each_of_its_runners(
    client: httpx.AsyncClient,
) -> None:
    page = await page_of(client, "/?per_page=1000")
    assert len(page.rows("rows")) == 24
    assert "194 runners of servers that are down have no row here." in page.said("rows")
    assert len((await page_of(client, "/?target=dead&per_page=1000")).rows("rows")) == 194


async def test_filters_stand_in_the_form_as_they_were_asked_for(client: httpx.AsyncClient) -> None:
    page = await page_of(client, "/?condition=deaf&kind=sandbox&q=dea&sort=claims&order=reverse")
    chosen = {told["value"] for tag, told in page.tags if tag == "option" and "selected" in told}
    assert chosen == {"deaf", "sandbox"}
    fields = {told["name"]: told["value"] for tag, told in page.tags if tag == "input"}
    assert fields == {"q": "dea", "sort": "claims", "order": "reverse"}
    assert [row["Runner"].split()[0] for row in page.rows("rows")] == ["deaf"]


async def test_pages_are_linked_with_what_was_asked_for(client: httpx.AsyncClient) -> None:
    page = await page_of(client, "/?target=dead&page=2&sort=runner")
    links = {told.get("rel"): told["href"] for tag, told in page.tags if tag == "a"}
    assert links["next"] == "?target=dead&sort=runner&page=3#runners"
    assert links["prev"] == "?target=dead&sort=runner#runners"


async def test_a_runners_page_has_all_that_is_known_of_it(client: httpx.AsyncClient) -> None:
    page = await page_of(client, BOTH[1])
    (wake,) = page.rows("wakes")
    assert wake == {"Entity": "/task/7", "Stream": "task/7/main", "Waits for": "4 min"}
    assert page.said("claims") == "None."
    assert "Wakes waiting1" in page.said("facts")
    assert "first seen: work waits" in page.said("events")
    assert "remembers 60 min, and 60 changes of a runner" in page.said("events")
    assert "it reported" in page.said("polls")
    assert "runners/unheard/health" in page.said("next")
    page = await page_of(client, "/runner?target=production&id=stuck")
    assert page.rows("claims")[0] == {
        "Entity": "/task/1",
        "Stream": "/task/1/main",
        "Claimed": "15 min ago",
        "Sign of life": "10 min ago",
    }


@pytest.mark.parametrize("runner_id", HOSTILE)
async def test_any_odd_id_has_a_page_and_an_answer(
    runner_id: str, client: httpx.AsyncClient
) -> None:
    page = await page_of(client, "/runner?" + urlencode({"target": "hostile", "id": runner_id}))
    assert not [told for tag, told in page.tags if tag == "script" and "src" not in told]
    asked = await client.get("/api/v1/runners?" + urlencode({"id": runner_id}))
    assert [each["row"]["id"] for each in asked.json()["runners"]] == [runner_id]


@pytest.mark.parametrize("runner_id", ["unheard", HOSTILE[0], HOSTILE[3], HOSTILE[4]])
async def test_the_id_may_stand_in_the_path_of_the_data(
    runner_id: str, client: httpx.AsyncClient
) -> None:
    answer = await client.get(f"/api/v1/runners/{quote(runner_id, safe='')}")
    assert [each["row"]["id"] for each in answer.json()["runners"]] == [runner_id]


async def test_who_is_not_there_is_not_found(client: httpx.AsyncClient) -> None:
    for path in ("/runner?id=nobody", "/runner?target=us&id=unheard"):
        answer = await client.get(path)
        assert answer.status_code == 404
        assert "No such runner is watched" in answer.text
    for path in ("/api/v1/runners/nobody", "/api/v1/runners/unheard?target=us"):
        answer = await client.get(path)
        assert (answer.status_code, answer.json()) == (404, {"runners": []})


async def test_data_says_the_same_as_the_page(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/v1/fleet?target=production")
    assert answer.headers["content-type"] == "application/json"
    status = decode(answer, FleetStatus)
    rows = (await page_of(client, "/?target=production")).rows("rows")
    assert [row.id for row in status.page.rows] == [row["Runner"].split()[0] for row in rows]
    assert all(row.timeline for row in status.page.rows)
    decode(await client.get("/api/v1/runners/unheard"), RunnerMatches)


def decode(answer: httpx.Response, kind: Any) -> Any:  # noqa: ANN401
    return msgspec.json.decode(answer.content, type=kind)


@pytest.mark.parametrize("path", [*BOTH, "/runner?id=nobody"])
async def test_pages_may_load_nothing_from_elsewhere_and_stand_in_no_frame(
    path: str, client: httpx.AsyncClient
) -> None:
    answer = await client.get(path)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    page = Page(answer.text)
    inline = [
        told
        for tag, told in page.tags
        if tag == "style" or any(name == "style" or name.startswith("on") for name in told)
    ]
    assert inline == []
    loaded = [
        told.get("src") or told.get("href") or ""
        for tag, told in page.tags
        if tag in {"script", "link"}
    ]
    assert loaded
    assert not [each for each in loaded if each.startswith(("http", "//", "/"))]


@pytest.mark.parametrize("name", STATIC)
async def test_what_pages_load_is_there(name: str, client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/static/{name}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == STATIC[name]
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_setting_turns_all_of_it_off(served: Served) -> None:
    served.status_page = False
    async with client_of(served) as client:
        for path in (*BOTH, "/api/v1/fleet", "/api/v1/runners/a", "/static/status.js"):
            assert (await client.get(path)).status_code == 404
        assert (await client.get("/metrics")).status_code == 200


def alerts() -> Sequence[Alert]:
    labels = {"alertname": "ElectricAgentsWorkUnheard", "severity": "critical", "server": "<b>"}
    said = {"summary": "Work waits for <i>", "runbook_url": "https://books.test/x"}
    return [
        Alert(labels, said, AlertState.FIRING, NOON - 200, NOON - 100),
        Alert({**labels, "server": "us"}, said, AlertState.PENDING, NOON - 50),
    ]


async def test_alerts_that_fire_and_are_pending_are_shown(served: Served) -> None:
    served.alerts = alerts
    async with client_of(served) as client:
        page = await page_of(client)
    said = page.said("alerts")
    assert "firing ElectricAgentsWorkUnheard critical, since 100 s ago Work waits for <i>" in said
    assert "pending" in said
    assert "None" not in said


async def test_where_no_alerts_are_sent_the_page_has_none(
    served: Served, client: httpx.AsyncClient
) -> None:
    assert "alerts" not in (await page_of(client)).text
    served.alerts = list
    async with client_of(served) as other:
        assert "None is pending, and none fires." in (await page_of(other)).said("alerts")


async def test_no_foreign_text_is_a_tag_or_turns_a_line_around(client: httpx.AsyncClient) -> None:
    for path in ("/?target=hostile", *map(_path, HOSTILE)):
        text = (await client.get(path)).text
        assert "<script>" not in text
        for odd in "\u202e\u202c\u200f\x00":
            assert odd not in text


def _path(runner_id: str) -> str:
    return "/runner?" + urlencode({"target": "hostile", "id": runner_id})


def test_a_line_breaks_after_separators_and_in_words_that_no_screen_has_room_for() -> None:
    assert name_html("eu-west/a_b") == "<bdi>eu-<wbr>west/<wbr>a_<wbr>b</bdi>"
    assert name_html("x" * 30) == f'<bdi><span class="long">{"x" * 30}</span></bdi>'
    assert name_html("a" * 200).endswith("</span></bdi>&hellip;")
    assert name_html("<b>&") == "<bdi>&lt;b&gt;&amp;</bdi>"
    assert name_html("") == '<span class="none">(empty)</span>'


def test_what_shows_nothing_is_shown_by_its_escape() -> None:
    assert visible("a\nb\u202ec\x00") == "a\\nb\\u202ec\\x00"
    assert visible("אב") == "אב"


async def test_many_who_ask_at_once_are_answered_or_told_to_come_again(served: Served) -> None:
    async with client_of(served) as client:
        answers = await asyncio.gather(*(client.get("/") for _ in range(60)))
    statuses = {answer.status_code for answer in answers}
    assert statuses == {200, 503}
