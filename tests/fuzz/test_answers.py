"""Whatever a server answers: a poll ends, failures are counted, and what is served can be read."""

import asyncio
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from tests.conftest import FakeClock
from tests.contract.test_reading import (
    GOOD,
    ITEM,
    check_health,
    check_list,
    json_values,
    mutations,
    texts,
)
from tests.contract.test_wakes import EVENT, values
from tests.unit.sources.conftest import offset_at

from damage import damaged
from electric_agents_exporter.contract.wakes import read_wakes
from electric_agents_exporter.fleet.fleet import Fleet
from electric_agents_exporter.fleet.policy import Policy
from electric_agents_exporter.fleet.poll import Poll
from electric_agents_exporter.fleet.reasons import Operation
from electric_agents_exporter.fleet.snapshot import FleetSnapshot
from electric_agents_exporter.metrics.exposition import Exposer
from electric_agents_exporter.metrics.formats import Format
from electric_agents_exporter.metrics.process_families import ProcessState
from electric_agents_exporter.metrics.table import build_table
from electric_agents_exporter.sources.http import HttpOptions, HttpServer, HttpSource
from electric_agents_exporter.status.fleet_status import fleet_status
from electric_agents_exporter.status.query import Query
from electric_agents_exporter.status.runner_status import runner_status
from electric_agents_exporter.status.steps import Links
from electric_agents_exporter.web.pages import Pages
from fuzzing import for_seconds

PARSERS: Final[Mapping[Format, Callable[[str], Any]]] = {
    Format.TEXT: parse_text,
    Format.OPENMETRICS: parse_openmetrics,
}
INTERVAL: Final = 15.0
MOST_REQUESTS: Final = 100
PRINCIPAL: Final = "service:monitor"
OFFSET: Final = "Stream-Next-Offset"
SERVER_TIME: Final = 1_795_346_971.0  # about what the good report says that it is
PARTS: Final = [
    *(b"null", b"true", b"-1", b"1e999", b"NaN", b"9" * 5000, b"0.5", b'""', b"{}", b"[]", b"\xff"),
    *(
        b'"\\ud800"',
        b'"\\u0000"',
        b'"2026-11-22T11:30:00.664Z"',
        b'"9999-12-31T23:59:59.999-12:00"',
    ),
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b'"',
        b"\\",
        b"[" * 2000,
        b'{"a":' * 2000,
        b"\0",
        b"\xef\xbb\xbf",
    ),
    *(b'"id":', b'"runner":', b'"claims":', b'"active":', b'"type":"wake",', b'"stream":"/../x",'),
]
"""What a body may hold in any place."""


@dataclass(frozen=True)
class Answer:
    """What is answered to one kind of request."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 200


Answers = Mapping[str, Answer]
"""What a server answers, by what is asked for: a list, a report, a wake stream, an entity."""

TWO: Final = [ITEM, ITEM | {"id": "other"}]
OLD_WAKE: Final = EVENT | {"ts": 1000 * (SERVER_TIME - 3600)}
WELL: Final[Answers] = {
    "server": Answer(b'{"status": "ok"}'),
    "list": Answer(json.dumps([ITEM]).encode()),
    "report": Answer(b""),
    "wakes": Answer(json.dumps([OLD_WAKE]).encode(), {OFFSET: offset_at(300)}),
    "entity": Answer(b'{"status": "stopped"}'),
}


def report_of(**runner: object) -> bytes:
    return json.dumps({**GOOD, "runner": {**GOOD["runner"], "id": ITEM["id"], **runner}}).encode()


def asked_for(path: str) -> str:
    """Tell what a request is for."""
    if path.endswith("/_electric/health"):
        return "server"
    if "/_electric/runners" in path:
        return "report" if path.endswith("/health") else "list"
    return "entity" if "/_electric/entities" in path else "wakes"


class Played(httpx.AsyncBaseTransport):
    """A server without a network."""

    def __init__(self) -> None:
        self.answers: Answers = WELL
        self.asked = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer as was said."""
        self.asked += 1
        answer = self.answers[asked_for(request.url.path)]
        return httpx.Response(answer.status, headers=answer.headers, content=answer.body)


class Watched:
    """A server that is polled, and what is served of it."""

    def __init__(self) -> None:
        self.clock = FakeClock(wall=SERVER_TIME)
        self.wire = Played()
        self.fleet = Fleet(self.clock)
        self.fleet.configure([Policy("production", (PRINCIPAL,), operations=tuple(Operation))])
        options = HttpOptions("http://agents", (PRINCIPAL,), interval=INTERVAL)
        self.source = HttpSource(HttpServer(options, self.clock, lambda _: self.wire))
        own = ProcessState("1.2.3", "3.11.7", ticked_at=self.clock.time())
        self.exposer = Exposer(build_table(), own, CollectorRegistry())
        self.pages = Pages()

    async def poll(self, answers: Answers) -> None:
        """Poll once, and hold what was counted and what is served against what they must be."""
        self.wire.answers, self.wire.asked = {**WELL, **answers}, 0
        poll = Poll(self.fleet.targets["production"])
        poll.end(complete=await self.source.poll(poll, paced=False))
        assert self.wire.asked <= MOST_REQUESTS
        snapshot = self.fleet.snapshot()
        requests = snapshot.targets[0].requests
        for operation, count in requests.requests.items():
            errors = sum(n for (of, _), n in requests.errors.items() if of is operation)
            assert errors <= count
        self.serve(snapshot)
        self.clock.advance(INTERVAL)

    def serve(self, snapshot: FleetSnapshot) -> None:
        """Let others read what is served."""
        for fmt, parse in PARSERS.items():
            exposition = b"".join(self.exposer.expose(snapshot, fmt, frozenset())).decode()
            values = [sample.value for family in parse(exposition) for sample in family.samples]
            assert values
            # What is not known is absent.
            assert not any(map(math.isnan, values))
        status = fleet_status(snapshot, Query(), "1.2.3", None)
        self.pages.fleet(status, Query()).encode()
        (target,) = snapshot.targets
        for runner in target.runners[:1]:
            detail = self.fleet.detail(target.name, None, runner.listed.id)
            assert detail is not None
            told = runner_status(snapshot, target, detail, version="1.2.3", links=Links())
            self.pages.runner(told).encode()


async def polled(turns: list[Answers]) -> None:
    watched = Watched()
    for answers in turns:
        await watched.poll(answers)
    await watched.source.aclose()


def bodies(good: Any, *texts_: bytes) -> st.SearchStrategy[bytes]:  # noqa: ANN401
    """Give bodies that are like a good one, or not."""
    text = json.dumps(good).encode()
    anything = json_values.map(lambda value: json.dumps(value).encode())
    return st.one_of(
        mutations(good), damaged([text, *texts_], PARTS), anything, st.binary(max_size=50)
    )


reports = bodies(GOOD, report_of())
lists = bodies(TWO)
odd_offsets = st.one_of(
    st.sampled_from(["-1", "now", "9" * 32 + "_1", "9" * 33 + "_1", "1_2\n", "é", "", "../x"]),
    texts,
)
offsets = st.builds(offset_at, st.integers(0, 400)) | odd_offsets
names = st.sampled_from(["task", "..", "%2e%2e", "\ud800", "é", "a?b#c", "\n", "x" * 2000]) | texts
streams = st.builds(
    "{}{}{}".format,
    st.sampled_from(["/task/", "/", "", "//", "/principal/", "/_"]),
    names,
    st.sampled_from(["/main", "/", ""]),
)
wake_events = st.fixed_dictionaries(
    {"type": st.just("wake"), "stream": streams, "ts": st.just(OLD_WAKE["ts"]) | values},
    optional={"generation": values},
)
wakes = st.one_of(
    st.lists(wake_events, max_size=6).map(lambda events: json.dumps(events).encode()),
    st.lists(wake_events | values, max_size=6).map(lambda events: json.dumps(events).encode()),
    bodies([EVENT, OLD_WAKE]),
)
# An offset is looked at in full only where it is one; what a header may hold, another target tries.
tails = st.sampled_from([offset_at(0), offset_at(300)]) | st.from_regex(
    r"[ -~]{0,40}", fullmatch=True
)


@for_seconds
@given(body=reports)
def test_a_report_is_read_or_refused(body: bytes) -> None:
    check_health(body)


@for_seconds
@given(body=lists)
def test_a_list_is_read_or_refused(body: bytes) -> None:
    check_list(body)


@for_seconds
@given(body=wakes)
def test_wakes_are_read_or_passed_over(body: bytes) -> None:
    for wake in read_wakes(body):
        hash(wake)


dates = st.sampled_from(
    [
        "Sun, 22 Nov 2026 11:29:31 GMT",
        "Fri, 31 Dec 9999 23:59:59 -9999",
        "Mon, 01 Jan 0001 00:00:00 +2359",
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "soon",
    ]
)


def dated(body: bytes, date: str) -> Answer:
    return Answer(body, {"Date": date})


# A report that another runner's id stands in is not looked at any further.
own_reports = st.one_of(
    reports,
    mutations(json.loads(report_of())).filter(lambda body: ITEM["id"].encode() in body),
    offsets.map(lambda offset: report_of(wake_stream_offset=offset)),
)


@for_seconds
@given(
    turns=st.lists(
        st.fixed_dictionaries(
            {"report": own_reports.map(Answer)}, optional={"list": st.builds(dated, lists, dates)}
        ),
        min_size=1,
        max_size=3,
    )
)
def test_lists_and_reports_are_polled_and_served(turns: list[Answers]) -> None:
    asyncio.run(polled(turns))


def streamed(body: bytes, offset: str) -> Answer:
    return Answer(body, {OFFSET: offset})


@for_seconds
@given(
    turns=st.lists(
        st.fixed_dictionaries(
            {
                "report": st.one_of(st.just("-1"), offsets)
                .map(lambda offset: report_of(wake_stream_offset=offset))
                .map(Answer),
                "wakes": st.builds(streamed, wakes, tails),
            },
            optional={
                "entity": bodies({"status": "stopped"}).map(Answer),
                "list": streams.map(
                    lambda path: Answer(json.dumps([ITEM | {"wake_stream": path}]).encode())
                ),
            },
        ),
        min_size=1,
        max_size=3,
    )
)
def test_wakes_are_polled_and_served(turns: list[Answers]) -> None:
    asyncio.run(polled(turns))
