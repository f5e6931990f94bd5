"""How the incidents are judged: on deliveries that are made up."""

import pytest

from electric_agents_simulator.scenarios.model import Scenario
from incidents.catalogue import catalogue
from incidents.judge import Notice, Verdict, judge
from incidents.model import PAGE, TICKET, Expected, Incident

DEATH = Expected("RunnerUnhealthy", PAGE, since=30, shows_after=90, until=600, runner="one")


def incident(*expected: Expected, may: tuple[str, ...] = ()) -> Incident:
    story = Scenario("", "", "", "", ())
    return Incident("some", "something", story, lasts=900, expected=expected, may=may)


def notice(  # noqa: PLR0913  (what a notification says, each with one meaning)
    alert: str = "RunnerUnhealthy",
    at: float = 300.0,
    *,
    started: float = 240.0,
    receiver: str = "pager",
    runner: str | None = "one",
    firing: bool = True,
) -> Notice:
    return Notice(at, receiver, alert, runner, firing, started)


def judged(which: Incident, *notices: Notice) -> Verdict:
    return judge(which, notices, [165.0] * len(which.expected), hold=60)


def test_what_was_expected_and_came_in_time_is_good() -> None:
    verdict = judged(incident(DEATH), notice(), notice(at=700, firing=False))
    assert verdict.good
    (outcome,) = verdict.outcomes
    assert (outcome.fired_after, outcome.delivered_after, outcome.allowed) == (210, 270, 255)
    assert outcome.resolved_after == 100


def test_what_never_came_is_missed() -> None:
    verdict = judged(incident(DEATH))
    assert verdict.outcomes[0].missed
    assert not verdict.good


def test_what_fired_later_than_it_may_is_late() -> None:
    verdict = judged(incident(DEATH), notice(started=300, at=330))
    assert verdict.outcomes[0].late
    assert not verdict.good


@pytest.mark.parametrize(
    "wrong, words",
    [
        (notice(runner="two"), "RunnerUnhealthy two"),
        (notice("FleetUnavailable", runner=None), "FleetUnavailable"),
        (notice(started=10), "RunnerUnhealthy one"),
        (notice(started=700, at=720), "RunnerUnhealthy one"),
    ],
    ids=["another runner", "another alert", "before the fault", "begun after the repair"],
)
def test_a_page_that_nobody_expected_is_false(wrong: Notice, words: str) -> None:
    verdict = judged(incident(DEATH), notice(), wrong)
    assert verdict.false_pages == (words,)
    assert not verdict.good


def test_a_page_where_a_ticket_was_expected_is_false_and_the_ticket_missed() -> None:
    ticket = Expected("RunnerUnhealthy", TICKET, since=30)
    verdict = judged(incident(ticket), notice())
    assert verdict.false_pages == ("RunnerUnhealthy one",)
    assert verdict.outcomes[0].missed


def test_a_ticket_that_may_come_is_not_false_and_a_page_always_is() -> None:
    verdict = judged(
        incident(may=("RunnerFlapping",)),
        notice("RunnerFlapping", receiver="tickets"),
        notice("RunnerFlapping", receiver="pager"),
    )
    assert verdict.false_tickets == ()
    assert verdict.false_pages == ("RunnerFlapping one",)


def test_that_something_ended_is_never_false() -> None:
    assert judged(incident(), notice(firing=False)).good


def test_the_naive_rules_catch_what_they_page_for_and_are_wrong_in_the_rest() -> None:
    verdict = judged(
        incident(DEATH),
        notice("NaiveRunnerUnhealthy", receiver="naive-pager"),
        notice("NaiveRunnerUnhealthy", receiver="naive-pager", runner="two"),
        notice("NaiveRunnerDegraded", receiver="naive-tickets", runner="two"),
    )
    assert verdict.naive_caught == (True,)
    assert verdict.naive_false_pages == ("NaiveRunnerUnhealthy",)
    assert verdict.naive_false_tickets == ("NaiveRunnerDegraded",)


def test_a_naive_ticket_is_not_enough_where_a_page_was_expected() -> None:
    verdict = judged(incident(DEATH), notice("NaiveRunnerDegraded", receiver="naive-tickets"))
    assert verdict.naive_caught == (False,)


def test_every_incident_has_a_name_of_its_own_and_every_fault_shows_while_it_is_watched() -> None:
    names = [one.name for one in catalogue()]
    assert len(set(names)) == len(names)
    for one in catalogue():
        for expected in one.expected:
            assert expected.since + expected.shows_after < one.lasts, one.name
