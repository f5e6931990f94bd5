"""The sentence that says what is wrong, of fleets that are told by their numbers."""

from typing import Any

import pytest

from electric_agents_exporter.status.states import Severity, State
from electric_agents_exporter.status.targets import DOWN, PARTLY, UP
from electric_agents_exporter.status.verdict import Fleetwide, judge_fleet
from electric_agents_exporter.status.view import PrincipalRow, TargetRow


def target(name: str, state: str = UP, **more: Any) -> TargetRow:  # noqa: ANN401
    known: dict[str, Any] = {
        "tenant": None,
        "severity": Severity.GOOD,
        "reasons": (),
        "since": None,
        "last_success_at": None,
        "last_poll_at": None,
        "poll_seconds": None,
        "principals": (),
        "runners": 1,
        "states": {},
        "retired": 0,
        "left_out": 0,
        "folded": 0,
    }
    return TargetRow(name=name, state=state, **{**known, **more})


def sentence(**known: Any) -> tuple[Severity, str]:  # noqa: ANN401
    """Judge a fleet of ten runners and one server of which nothing else is known."""
    nothing: dict[str, Any] = {
        "targets": (target("eu"),),
        "few": (),
        "states": {},
        "runners": 10,
        "waiting": 0,
        "oldest": None,
        "unsure": 0,
    }
    verdict = judge_fleet(Fleetwide(**{**nothing, **known}))
    return verdict.severity, verdict.text


def test_work_that_waits_is_counted_and_its_age_told_where_it_is_known() -> None:
    states = {State.WORK_UNHEARD: 1}
    assert sentence(states=states, waiting=1) == (Severity.BAD, "1 entity waits for work")
    told = sentence(states=states, waiting=3, oldest=240.0)
    assert told == (Severity.BAD, "3 entities wait for work, oldest 4 min")


def test_several_that_died_at_work_are_counted() -> None:
    told = sentence(states={State.WORK_ABANDONED: 2})
    assert told == (Severity.BAD, "2 runners work and give no sign of life")


@pytest.mark.parametrize(
    "count, text",
    [
        (1, "1 server down: s0"),
        (3, "3 servers down: s0; s1; s2"),
        (5, "5 servers down: s0; s1; s2 and 2 more"),
    ],
)
def test_of_many_servers_that_are_down_three_are_named(count: int, text: str) -> None:
    down = tuple(target(f"s{number}", DOWN) for number in range(count))
    assert sentence(targets=down) == (Severity.BAD, text)


def test_a_tenant_is_named_with_its_server_and_a_reason_in_part() -> None:
    partly = target("eu", PARTLY, tenant="acme", reasons=("x" * 200, "y"))
    told = sentence(targets=(partly,))
    assert told == (
        Severity.LOOK,
        f"1 server is not polled in full: eu, tenant acme: {'x' * 160}",
    )


@pytest.mark.parametrize(
    "count, text",
    [
        (3, "0 runners listed for p0 of eu, p1 of eu, p2 of eu"),
        (5, "0 runners listed for p0 of eu, p1 of eu, p2 of eu and 2 more"),
    ],
)
def test_of_many_empty_lists_three_are_named(count: int, text: str) -> None:
    lists = (PrincipalRow("full", 1), PrincipalRow("unknown", None))
    empty = tuple(PrincipalRow(f"p{number}", 0) for number in range(count))
    assert sentence(targets=(target("eu", principals=lists + empty),)) == (Severity.LOOK, text)


def test_who_is_partly_known_is_told_unless_it_is_told_what_is_not_known() -> None:
    states = {State.PARTLY_KNOWN: 2}
    assert sentence(states=states) == (Severity.UNKNOWN, "not all is known of 2 runners")
    told = sentence(states=states, unsure=1)
    assert told == (Severity.UNKNOWN, "whether work waits is not known of 1 runner")


def test_a_fleet_of_nobody_is_not_called_well() -> None:
    assert sentence(runners=0) == (Severity.UNKNOWN, "no runner is known")


def test_a_fleet_that_is_well_says_what_that_rests_on() -> None:
    text = "nobody waits for work, and nothing is wrong: 10 runners of 1 server"
    assert sentence() == (Severity.GOOD, text)
