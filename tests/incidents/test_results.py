"""How deliveries are compared with what was expected: on made-up ones."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from electric_agents_simulator.scenarios.model import Scenario
from incidents.catalogue import UNPLAYED, catalogue
from incidents.model import PAGE, TICKET, Expected, Incident
from incidents.results import Notification, Result, compare
from rule_files import PREFIX, alert_rules

PAGE_OF_RESULTS: Final = Path(__file__).parents[2] / "docs/alert-quality.md"
DEATH = Expected("WorkAbandoned", PAGE, since=30, shows_after=90, until=600, runner="one")
SOON = replace(DEATH, within=150)


def incident(*expected: Expected, may: tuple[str, ...] = ()) -> Incident:
    scenario = Scenario("", "", "", "", ())
    return Incident("some", "something", scenario, lasts=900, expected=expected, may=may)


def notification(  # noqa: PLR0913  (what a notification says, each with one meaning)
    alert: str = "WorkAbandoned",
    at: float = 300.0,
    *,
    started: float = 240.0,
    receiver: str = "pager",
    runner: str | None = "one",
    firing: bool = True,
) -> Notification:
    return Notification(at, receiver, alert, runner, firing, started)


def compared(
    which: Incident, *notifications: Notification, last_sign: float | None = None
) -> Result:
    signs = {} if last_sign is None else {"one": last_sign}
    delays = [165.0] * len(which.expected)
    return compare(which, notifications, delays, signs, hold=60, speed=20)


def test_what_was_expected_and_came_in_time_is_good() -> None:
    result = compared(incident(DEATH), notification(), notification(at=700, firing=False))
    assert result.good
    (outcome,) = result.outcomes
    assert (outcome.fired_after, outcome.delivered_after, outcome.allowed) == (210, 270, 255)
    assert outcome.resolved_after == 100


def test_what_never_came_is_missed() -> None:
    result = compared(incident(DEATH))
    assert result.outcomes[0].missed
    assert not result.good


def test_what_fired_later_than_it_may_is_late() -> None:
    result = compared(incident(DEATH), notification(started=300, at=330))
    assert result.outcomes[0].late
    assert not result.good


@pytest.mark.parametrize("last_sign, silent_for", [(10, 150), (25, 135)])
def test_what_was_delivered_within_its_deadline_is_good(
    last_sign: float, silent_for: float
) -> None:
    result = compared(incident(SOON), notification(at=160, started=120), last_sign=last_sign)
    assert result.good
    assert result.outcomes[0].silent_for == silent_for


@pytest.mark.parametrize("last_sign", [9, None])
def test_what_was_delivered_after_its_deadline_or_cannot_be_told_is_late(
    last_sign: float | None,
) -> None:
    result = compared(incident(SOON), notification(at=160, started=120), last_sign=last_sign)
    assert result.outcomes[0].late
    assert not result.good


@pytest.mark.parametrize(
    "wrong, label",
    [
        (notification(runner="two"), "WorkAbandoned two"),
        (notification("FleetUnavailable", runner=None), "FleetUnavailable"),
        (notification(started=10), "WorkAbandoned one"),
        (notification(started=700, at=720), "WorkAbandoned one"),
    ],
    ids=["another runner", "another alert", "before the fault", "begun after the repair"],
)
def test_a_page_that_nobody_expected_is_false(wrong: Notification, label: str) -> None:
    result = compared(incident(DEATH), notification(), wrong)
    assert result.false_pages == (label,)
    assert not result.good


def test_a_page_where_a_ticket_was_expected_is_false_and_the_ticket_missed() -> None:
    ticket = Expected("WorkAbandoned", TICKET, since=30)
    result = compared(incident(ticket), notification())
    assert result.false_pages == ("WorkAbandoned one",)
    assert result.outcomes[0].missed


def test_a_ticket_that_may_come_is_not_false_and_a_page_always_is() -> None:
    result = compared(
        incident(may=("RunnerFlapping",)),
        notification("RunnerFlapping", receiver="tickets"),
        notification("RunnerFlapping", receiver="pager"),
    )
    assert result.false_tickets == ()
    assert result.false_pages == ("RunnerFlapping one",)


def test_that_an_alert_is_resolved_is_never_false() -> None:
    assert compared(incident(), notification(firing=False)).good


def test_the_naive_rules_catch_what_they_page_for_and_are_wrong_in_the_rest() -> None:
    result = compared(
        incident(DEATH),
        notification("NaiveRunnerUnhealthy", receiver="naive-pager"),
        notification("NaiveRunnerUnhealthy", receiver="naive-pager", runner="two"),
        notification("NaiveRunnerDegraded", receiver="naive-tickets", runner="two"),
    )
    assert result.naive_caught == (True,)
    assert result.naive_false_pages == ("NaiveRunnerUnhealthy",)
    assert result.naive_false_tickets == ("NaiveRunnerDegraded",)


def test_a_naive_ticket_is_not_enough_where_a_page_was_expected() -> None:
    result = compared(
        incident(DEATH), notification("NaiveRunnerDegraded", receiver="naive-tickets")
    )
    assert result.naive_caught == (False,)


def test_every_alert_is_played_by_an_incident_or_known_not_to_be() -> None:
    played = {expected.alert for one in catalogue() for expected in one.expected}
    names = {rule.name.removeprefix(PREFIX) for rule in alert_rules()}

    assert names - played - UNPLAYED == set(), "add an incident that leads to each of these alerts"
    assert UNPLAYED - (names - played) == set(), "these are played, or are no alerts"
    page = PAGE_OF_RESULTS.read_text()
    unnamed = {name for name in UNPLAYED - {"Watchdog"} if f"`{name}`" not in page}
    assert unnamed == set(), "say in docs/alert-quality.md that they are not played"


def test_the_page_shows_every_incident_as_it_is() -> None:
    text = PAGE_OF_RESULTS.read_text()
    section = text.partition("<!-- measured: begin -->")[2].partition("<!-- measured: end -->")[0]
    rows = re.findall(r"^\| ([\w-]+) \| ([^|]+) \| (?:silence|page|ticket)", section, re.MULTILINE)

    assert rows == [(one.name, one.what) for one in catalogue()], "make incidents ARGS=--write"


def test_every_incident_has_a_name_of_its_own_and_every_fault_shows_while_it_is_watched() -> None:
    names = [one.name for one in catalogue()]
    assert len(set(names)) == len(names)
    for one in catalogue():
        for expected in one.expected:
            assert expected.since + expected.shows_after < one.lasts, one.name
