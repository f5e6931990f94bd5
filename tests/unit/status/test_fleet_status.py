"""Everything at a glance: verdict, targets, and the runners that are asked for."""

from typing import Any

import pytest
from tests.conftest import FakeClock

from ailing_fleet import ALICE, DEAD, HOSTILE, MONITOR, NOON, SHOWN, AilingFleet
from electric_agents_exporter.alerting.alert import Alert, AlertState
from electric_agents_exporter.contract.reading import read_list
from electric_agents_exporter.fleet.fleet import Fleet
from electric_agents_exporter.fleet.policy import Policy
from electric_agents_exporter.fleet.poll import Poll
from electric_agents_exporter.status.fleet_status import fleet_status, with_pasts
from electric_agents_exporter.status.query import Query, Sort, read_query
from electric_agents_exporter.status.states import MEANINGS, Severity, State
from electric_agents_exporter.status.view import FleetStatus, RunnerRow, TargetRow

EVERY = Query(per_page=1000)
PARTLY = (
    "2 servers are not polled in full: production: 1 of 13 runners did not answer (timeout 1); "
    "partly: no list for service:monitor (forbidden)"
)


@pytest.fixture
def ailing() -> AilingFleet:
    return AilingFleet(FakeClock(wall=NOON))


def told(fleet: Fleet, query: Query = EVERY) -> FleetStatus:
    return fleet_status(fleet.snapshot(), query, "1.2.3", None)


def ids(status: FleetStatus) -> list[str]:
    return [row.id for row in status.page.rows]


def row_of(status: FleetStatus, runner_id: str) -> RunnerRow:
    (row,) = [row for row in status.page.rows if row.id == runner_id]
    return row


def target_of(status: FleetStatus, name: str) -> TargetRow:
    (target,) = [target for target in status.targets if target.name == name]
    return target


def texts(status: FleetStatus) -> list[str]:
    return [each.text for each in status.verdict.statements]


# --- the verdict ----------------------------------------------------------------------------------


def test_the_verdict_says_all_that_is_wrong_the_worst_first(ailing: AilingFleet) -> None:
    status = told(ailing.fleet)
    assert texts(status) == [
        "1 entity waits for work, oldest 4 min",
        "1 runner works and gives no sign of life",
        "1 server down: dead: the server does not answer (tls: certificate has expired)",
        PARTLY,
        "0 runners listed for service:monitor of production",
        "1 runner had a claim fail",
        "1 runner has a claim stuck",
        "2 runners are deaf",
        "2 runners are gone",
        "1 server not polled yet",
        f"{DEAD + 1} of {13 + DEAD + 1 + len(HOSTILE)} runners unknown",
        "whether work waits is not known of 2 runners",
    ]
    assert status.verdict.severity is Severity.BAD
    assert status.verdict.text == "; ".join(texts(status))


def test_before_the_first_poll_nothing_is_good_and_nothing_is_down(clock: FakeClock) -> None:
    fleet = Fleet(clock)
    fleet.configure([Policy("eu", (ALICE,)), Policy("us", (ALICE,))])
    status = told(fleet)
    assert texts(status) == ["2 servers not polled yet"]
    assert status.verdict.severity is Severity.UNKNOWN
    assert [target.state for target in status.targets] == ["not polled yet"] * 2


def listed(fleet: Fleet, body: bytes) -> None:
    (target,) = fleet.targets.values()
    begun = Poll(target)
    begun.listed(ALICE, read_list(body))
    begun.due()
    begun.end()


def test_fewer_runners_than_are_expected_are_told_of(clock: FakeClock) -> None:
    fleet = Fleet(clock)
    fleet.configure([Policy("eu", (ALICE,), expected_min=3)])
    listed(fleet, b'[{"id": "a"}]')
    assert "eu lists 1 runner, and 3 or more are expected" in texts(told(fleet))
    assert target_of(told(fleet), "eu").severity is Severity.LOOK


def test_where_nothing_is_wrong_and_all_is_known_the_verdict_is_good(ailing: AilingFleet) -> None:
    fleet = ailing.fleet
    kept = fleet.targets["hostile"]
    fleet.configure([kept.policy])
    status = told(fleet)
    assert texts(status) == ["nobody waits for work, and nothing is wrong: 10 runners of 1 server"]
    assert status.verdict.severity is Severity.GOOD


def test_what_was_good_is_unknown_once_it_is_stale(ailing: AilingFleet) -> None:
    ailing.fleet.configure([ailing.fleet.targets["hostile"].policy])
    clock = ailing.clock
    assert isinstance(clock, FakeClock)
    clock.advance(61)
    status = told(ailing.fleet)
    assert status.verdict.severity is Severity.BAD
    assert status.states == {State.UNKNOWN: len(HOSTILE)}
    assert target_of(status, "hostile").state == "down"


def test_no_runner_at_all_is_not_good(clock: FakeClock) -> None:
    fleet = Fleet(clock)
    fleet.configure([Policy("eu", ())])
    assert told(fleet).verdict.severity is Severity.UNKNOWN


# --- targets --------------------------------------------------------------------------------------


def test_of_servers_that_are_only_probed_nothing_is_told_here_and_that_is_not_good(
    clock: FakeClock,
) -> None:
    fleet = Fleet(clock)
    fleet.configure([Policy("probed", ("service:monitor",), scheduled=False)])
    status = told(fleet)
    assert status.verdict.severity is Severity.UNKNOWN
    assert texts(status) == ["servers are polled only when Prometheus probes them"]
    assert status.targets == ()


def test_a_target_says_how_it_is_why_and_whose_runners_it_has(ailing: AilingFleet) -> None:
    status = told(ailing.fleet)
    partly = target_of(status, "partly")
    assert (partly.state, partly.severity) == ("partly", Severity.LOOK)
    assert partly.reasons == ("no list for service:monitor (forbidden)",)
    assert [(each.principal, each.listed) for each in partly.principals] == [
        (ALICE, 1),
        (MONITOR, None),
    ]
    dead = target_of(status, "dead")
    assert (dead.state, dead.runners, dead.folded) == ("down", DEAD, DEAD)
    assert dead.since == NOON
    assert target_of(status, "new").runners is None


def test_a_server_that_is_down_is_one_line_and_each_of_its_runners_only_if_asked_for(
    ailing: AilingFleet,
) -> None:
    assert not [row for row in told(ailing.fleet).page.rows if row.target == "dead"]
    asked = told(ailing.fleet, Query(target="dead", per_page=1000))
    assert len(asked.page.rows) == DEAD
    assert ids(told(ailing.fleet, Query(text="dead-007"))) == ["dead-007"]


# --- runners --------------------------------------------------------------------------------------


def test_runners_stand_worst_first_in_their_states(ailing: AilingFleet) -> None:
    rows = told(ailing.fleet, Query(target="production", per_page=1000)).page.rows
    assert {row.id: MEANINGS[row.state].name for row in rows} == SHOWN
    assert [row.id for row in rows] == list(SHOWN)


@pytest.mark.parametrize(
    "runner_id, why",
    [
        ("unheard", "work waits for it: 1 entity, the oldest for 4 min; does not hear its wakes"),
        ("abandoned", "works, and gives no sign of life for 10 min; its lease is over"),
        ("refused", "a claim failed: its entity stands still"),
        ("silent", "no fresh report: it could not be had"),
        (
            "mute",
            "nothing is known to be wrong, but not all is known: whether a claim failed",
        ),
        ("off", "its operator disabled it"),
    ],
)
def test_why_is_said_in_words_with_the_numbers(
    runner_id: str, why: str, ailing: AilingFleet
) -> None:
    assert row_of(told(ailing.fleet), runner_id).why == why


def test_nothing_is_told_of_a_report_that_is_not_fresh(ailing: AilingFleet) -> None:
    row = row_of(told(ailing.fleet), "silent")
    assert (row.heartbeat_age, row.claims, row.wakes_waiting, row.server_says) == (None,) * 4


@pytest.mark.parametrize(
    "asked, expected",
    [
        ({"condition": "deaf"}, ["unheard", "deaf"]),
        ({"condition": "gone"}, ["laptop"]),
        ({"condition": "unknown"}, ["silent"]),
        ({"condition": "disabled"}, ["off"]),
        ({"kind": "local"}, ["laptop"]),
        ({"q": "ABANDON"}, ["abandoned"]),
        ({"q": "unheard host"}, ["unheard"]),
        ({"q": "<script>"}, ['<script>alert("x")</script>']),
        ({"target": "partly"}, ["one"]),
        ({"target": "nowhere"}, []),
        ({"condition": "deaf", "kind": "sandbox"}, ["deaf"]),
    ],
)
def test_filters_leave_those_that_fit(
    asked: dict[str, str], expected: list[str], ailing: AilingFleet
) -> None:
    assert ids(told(ailing.fleet, read_query(asked))) == expected


def test_a_condition_is_counted_as_often_as_its_filter_finds_it(ailing: AilingFleet) -> None:
    counts = told(ailing.fleet).states
    for state, count in counts.items():
        found = told(ailing.fleet, Query(condition=state)).page.fitting
        dead = told(ailing.fleet, Query(condition=state, target="dead")).page.fitting
        assert count == found + dead


@pytest.mark.parametrize(
    "sort, first, unknown",
    [
        (Sort.WAITING, "unheard", {"silent", "newcomer", "one"}),
        (Sort.HEARTBEAT, "abandoned", {"silent", "newcomer"}),
        (Sort.CLAIMS, "abandoned", {"silent"}),
        (Sort.RECONNECTS, "", {"silent", "newcomer", "mute"}),
    ],
)
def test_runners_are_sorted_the_most_first_and_what_is_not_known_comes_last(
    sort: Sort, first: str, unknown: set[str], ailing: AilingFleet
) -> None:
    found = ids(told(ailing.fleet, Query(sort=sort, per_page=1000)))
    assert found[0] == first
    assert set(found[-len(unknown) :]) == unknown
    turned = ids(told(ailing.fleet, Query(sort=sort, reverse=True, per_page=1000)))
    assert turned == found[::-1]


def test_runners_can_be_sorted_by_what_they_are_called(ailing: AilingFleet) -> None:
    found = ids(told(ailing.fleet, Query(sort=Sort.RUNNER, per_page=1000)))
    assert found == sorted(found)
    for sort in (Sort.TARGET, Sort.KIND):
        assert set(ids(told(ailing.fleet, Query(sort=sort, per_page=1000)))) == set(found)


def test_pages_divide_what_fits_and_the_last_one_stands_for_any_beyond_it(
    ailing: AilingFleet,
) -> None:
    def page(number: int) -> FleetStatus:
        return told(ailing.fleet, Query(target="dead", page=number, per_page=100))

    assert (len(page(1).page.rows), len(page(2).page.rows), page(2).page.pages) == (100, 94, 2)
    assert page(99).page == page(2).page
    assert set(ids(page(1))).isdisjoint(ids(page(2)))


def test_since_when_it_is_so_and_what_was_before_is_told_of_a_page(ailing: AilingFleet) -> None:
    fleet, clock = ailing.fleet, ailing.clock
    assert isinstance(clock, FakeClock)
    clock.advance(30)
    snapshot = fleet.snapshot()
    status = fleet_status(snapshot, EVERY, "1.2.3", None)
    pasts = {
        (row.target, row.tenant, row.id): detail.past
        for row in status.page.rows
        if (detail := fleet.detail(row.target, row.tenant, row.id))
    }
    status = with_pasts(status, snapshot, pasts)
    row = row_of(status, "unheard")
    assert (row.since, row.since_before) == (NOON, False)
    assert [(span.state, span.ends - span.begins) for span in row.timeline] == [
        (None, 3570),
        (State.WORK_UNHEARD, 30),
    ]
    assert row_of(status, "silent").why == "no fresh report: it could not be had (timeout)"


# --- alerts ---------------------------------------------------------------------------------------


def alert(name: str, state: AlertState, **more: Any) -> Alert:  # noqa: ANN401
    labels = {"alertname": name, "severity": "critical", "server": "eu"}
    return Alert(labels, {"summary": f"{name} is so"}, state, active_at=NOON - 100, **more)


def test_alerts_that_fire_come_first_and_those_that_are_over_are_left_out(
    ailing: AilingFleet,
) -> None:
    alerts = [
        alert("A", AlertState.PENDING),
        alert("B", AlertState.FIRING, fired_at=NOON - 40),
        alert("C", AlertState.RESOLVED),
    ]
    rows = fleet_status(ailing.fleet.snapshot(), EVERY, "1", alerts).alerts
    assert rows is not None
    assert [(row.name, row.state, row.since, row.summary) for row in rows] == [
        ("B", "firing", NOON - 40, "B is so"),
        ("A", "pending", NOON - 100, "A is so"),
    ]
    assert rows[0].labels == {"server": "eu"}


def test_of_many_alerts_a_hundred_are_told_the_worst_first_and_the_watchdog_is_none(
    ailing: AilingFleet,
) -> None:
    alerts = [alert(str(number), AlertState.FIRING) for number in range(150)]
    mild = Alert({"severity": "info"}, {}, AlertState.FIRING, NOON - 9_000)
    watchdog = Alert({"severity": "none"}, {}, AlertState.FIRING, NOON - 9_000)
    status = fleet_status(ailing.fleet.snapshot(), EVERY, "1", [mild, watchdog, *alerts])
    assert status.alerts is not None
    assert {row.severity for row in status.alerts} == {"critical"}
    assert (len(status.alerts), status.more_alerts) == (100, 51)


def test_only_links_that_lead_over_http_are_links(ailing: AilingFleet) -> None:
    bad = alert("A", AlertState.FIRING)
    links = {"runbook_url": "javascript:alert(1)", "dashboard_url": "https://grafana/d/1"}
    linked = Alert(bad.labels, {**bad.annotations, **links}, bad.state, bad.active_at)
    rows = fleet_status(ailing.fleet.snapshot(), EVERY, "1", [linked]).alerts
    assert rows is not None
    assert (rows[0].runbook_url, rows[0].dashboard_url) == ("", "https://grafana/d/1")


def test_where_no_alerts_are_sent_none_are_told_of(ailing: AilingFleet) -> None:
    assert told(ailing.fleet).alerts is None
