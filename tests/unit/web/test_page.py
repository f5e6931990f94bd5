"""The status page, read as a browser does: its tables, cell by cell."""

import json
from html.parser import HTMLParser
from typing import Any

import pytest
from tests.conftest import FakeClock
from typing_extensions import override

from electric_agents_exporter.contract.reading import read_health, read_list
from electric_agents_exporter.fleet.fleet import Fleet
from electric_agents_exporter.fleet.policy import Policy
from electric_agents_exporter.fleet.poll import Poll
from electric_agents_exporter.fleet.target import Target
from electric_agents_exporter.web.page import status_page

NOON = 1_795_348_800.0  # 2026-11-22T12:00:00Z
ONLINE = {"admin_status": "enabled", "liveness_status": "online"}
EXPIRED = {"liveness_status": "expired", "lease_expires_at": "2026-11-22T11:58:00.000Z"}
NO_WORK = {
    "entities_with_active_claim": 0,
    "entities_with_outstanding_wake": 0,
    "entities_with_pending_work": 0,
}
VOID = {"meta", "br"}


class Page(HTMLParser):
    """The tables of a page, a row a line, and what is said around them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.classes: list[list[list[str]]] = []
        self.around = ""
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self._open.append(tag)
        told = dict(attrs)
        if tag == "table":
            self.tables.append([])
            self.classes.append([])
        elif tag == "tr":
            self.tables[-1].append([])
            self.classes[-1].append([])
        elif tag in {"td", "th"}:
            self.tables[-1][-1].append("")
            self.classes[-1][-1].append(told.get("class") or "")
        elif tag == "span":
            self.classes[-1][-1][-1] += told.get("class") or ""
        elif tag == "br":
            self.tables[-1][-1][-1] += "; "

    @override
    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    @override
    def handle_data(self, data: str) -> None:
        if {"td", "th"} & set(self._open):
            self.tables[-1][-1][-1] += data
        else:
            assert not data.strip() or "table" not in self._open, "text that is in no cell"
            self.around += data


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(wall=NOON)


def page_of(fleet: Fleet) -> Page:
    return Page(status_page(fleet.snapshot(), "1.2.3"))


def poll(
    target: Target, listed: list[dict[str, Any]], reports: dict[str, Any], *, dated: bool = True
) -> None:
    """Poll once; who is not in `reports` does not answer. `dated`: the server tells its time."""
    if dated:
        target.server_clock.observe_date(target.clock.time(), target.clock.monotonic())
    poll = Poll(target)
    poll.listed("all", read_list(json.dumps(listed).encode()))
    for due in poll.due():
        if due.runner_id in reports:
            said = reports[due.runner_id]
            report = said | {"runner": ONLINE | {"id": due.runner_id} | said.get("runner", {})}
            poll.reported(read_health(json.dumps(report).encode()), target.clock.monotonic())
    poll.end()


def health(status: str) -> dict[str, Any]:
    return {"health": {"status": status, "issues": []}}


def test_each_target_is_a_row_with_its_state_and_its_runners(clock: FakeClock) -> None:
    fleet = Fleet(clock)
    asked = {"eu": ("all",), "new": ("all",), "db": ("all", "own")}
    fleet.configure([Policy(name, principals) for name, principals in asked.items()])
    gone = EXPIRED | {"last_seen_at": "2026-11-01T00:00:00.000Z"}
    nothing = {"claims": {"active_count": 0, "active": []}, "dispatch": NO_WORK}
    reports = {
        "a": health("healthy"),
        # One state of two is another word for health, and both are counted.
        "b": health("degraded"),
        "c": health("degraded") | {"runner": EXPIRED},
        "d": health("unhealthy"),
        "gone": health("unhealthy") | nothing | {"runner": gone},
    }
    listed = [{"id": name, "kind": "local"} for name in (*reports, "silent")]
    poll(fleet.targets["eu"], listed, reports)
    database = Poll(fleet.targets["db"])
    for tenant in database.tenants(["acme"]).values():
        for principal in asked["db"]:
            tenant.listed(principal, read_list(b"[]"))
        tenant.due()
    database.end()
    clock.advance(12.4)
    page = page_of(fleet)
    empty = "; 0 runners listed for all; 0 runners listed for own"
    assert page.tables == [
        [
            ["Target", "State", "Runners", "Healthy", "Degraded", "Unhealthy", "Retired", "Polled"],
            ["eu", "up", "5", "1", "2", "1", "1", "12 s ago"],
            ["new", "down", *["unknown"] * 5, "not yet"],
            ["db", "up", *["unknown"] * 5, "12 s ago"],
            ["db, tenant acme", f"up{empty}", *"00000", "12 s ago"],
        ],
        page.tables[1],
    ]
    assert page.classes[0] == [
        ["", "", *["number"] * 6],
        ["", "good", *["number"] * 6],
        ["", "bad", *["number"] * 6],
        *[["", "good", *["number"] * 6]] * 2,
    ]
    assert "Version 1.2.3." in page.around


def test_a_clock_that_was_set_back_polled_nobody_in_the_future(clock: FakeClock) -> None:
    fleet = Fleet(clock)
    fleet.configure([Policy("eu", ("all",))])
    poll(fleet.targets["eu"], [], {})
    clock.wall -= 60
    assert page_of(fleet).tables[0][1][-1] == "0 s ago"


def test_where_nobody_needs_a_look_the_page_ends_after_the_targets(clock: FakeClock) -> None:
    fleet = Fleet(clock)
    fleet.configure([Policy("eu", ("all",))])
    poll(fleet.targets["eu"], [{"id": "a"}], {"a": health("healthy")})
    page = page_of(fleet)
    assert len(page.tables) == 1
    assert page.around.rstrip().endswith("ready")


def test_of_a_runner_that_needs_a_look_all_is_told_that_is_known(clock: FakeClock) -> None:
    fleet = Fleet(clock)
    fleet.configure([Policy("eu", ("all",)), Policy("us", ("all",))])
    deaf = {"client": {"stream_connected": False}}
    claim = {"stream_path": "a", "claimed_at": "2026-11-22T11:00:00.000Z"}
    seen = {"runner": {"last_seen_at": "2026-11-22T11:59:50.000Z"}}
    reports = {
        "both": deaf | seen | {"claims": {"active_count": 1, "active": [claim]}},
        "never": deaf | health("degraded") | {"claims": {"active_count": 2.5}},
    }
    listed = [{"id": name, "kind": "server"} for name in reports]
    poll(fleet.targets["eu"], [*listed, {"id": "silent"}], reports)
    poll(fleet.targets["us"], [{"id": "undated"}], {"undated": deaf | seen}, dated=False)
    clock.advance(4.9)  # a date is half a second old on average
    stuck_and_deaf = "a claim gives no sign of life; does not hear its wakes"
    assert page_of(fleet).tables[1] == [
        [
            *("Runner", "Target", "Kind", "Why", "The server says"),
            *("Last heartbeat", "Wakes waiting", "Claims"),
        ],
        ["both", "eu", "server", stuck_and_deaf, "unknown", "15 s ago", "unknown", "1"],
        ["never", "eu", "server", "does not hear its wakes", "degraded", "never", "unknown", "2.5"],
        ["undated", "us", "unknown", "does not hear its wakes", *["unknown"] * 4],
        ["silent", "eu", "unknown", "no fresh report", *["unknown"] * 4],
    ]


def test_what_was_known_of_a_runner_is_not_told_once_it_is_stale(clock: FakeClock) -> None:
    fleet = Fleet(clock)
    fleet.configure([Policy("eu", ("all",))])
    said = health("healthy") | {
        "runner": {"last_seen_at": "2026-11-22T11:59:50.000Z"},
        "claims": {"active_count": 2, "active": []},
    }
    poll(fleet.targets["eu"], [{"id": "a"}], {"a": said})
    assert len(page_of(fleet).tables) == 1
    clock.advance(61)
    page = page_of(fleet)
    row = ["a", "eu", "unknown", "no fresh report", *["unknown"] * 4]
    assert page.tables[1][1:] == [row]
    assert page.classes[1] == [["", "", "", "", "", *["number"] * 3]] * 2


@pytest.mark.parametrize("runners, more", [(200, ""), (201, "And 1 more"), (203, "And 3 more")])
def test_of_more_ailing_runners_than_people_can_read_the_page_says_how_many(
    runners: int, more: str, clock: FakeClock
) -> None:
    fleet = Fleet(clock)
    fleet.configure([Policy("eu", ("all",))])
    poll(fleet.targets["eu"], [{"id": f"{n:03}"} for n in range(runners)], {})
    page = page_of(fleet)
    assert [row[0] for row in page.tables[1][1:]] == [f"{n:03}" for n in range(200)]
    assert more in page.around
    assert ("more: see" in page.around) is bool(more)
