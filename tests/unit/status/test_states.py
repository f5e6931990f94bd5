"""The state that a runner is shown in, by what the judge holds of it."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from electric_agents_exporter.conditions import NOT_KNOWN, Condition, Conditions
from electric_agents_exporter.contract.vocabulary import HealthStatus, RunnerKind
from electric_agents_exporter.fleet.snapshot import WakeLag
from electric_agents_exporter.status.states import (
    MEANINGS,
    NEEDED,
    WORST_FIRST,
    Severity,
    State,
    being_read,
    shown_as,
    weight,
    what_the_server_says,
)
from judged_targets import MONOTONIC, judged_runner

ALL = frozenset(Condition) - {Condition.UNKNOWN}


def judged(*holds: Condition, without: tuple[Condition, ...] = ()) -> Conditions:
    return Conditions(frozenset(holds), ALL - set(without))


def state(*holds: Condition, kind: RunnerKind = RunnerKind.SERVER) -> State:
    return shown_as(judged(*holds), kind).state


def test_every_condition_is_a_state_and_every_state_has_words() -> None:
    assert {condition.value for condition in Condition} <= {each.value for each in State}
    assert set(MEANINGS) == set(State) == set(WORST_FIRST)


def test_the_worst_of_what_holds_is_shown_and_all_of_it_is_told() -> None:
    shown = shown_as(judged(Condition.LAPSED, Condition.WORK_ABANDONED), RunnerKind.SERVER)
    assert shown.state is State.WORK_ABANDONED
    assert shown.holds == (State.WORK_ABANDONED, State.LAPSED)


@pytest.mark.parametrize(
    "kind, expected",
    [
        (RunnerKind.SERVER, State.LAPSED),
        # What does not say what it is may be meant to stay.
        (RunnerKind.UNKNOWN, State.LAPSED),
        (RunnerKind.LOCAL, State.GONE),
        (RunnerKind.CI, State.GONE),
        (RunnerKind.SANDBOX, State.GONE),
        (RunnerKind.CLOUD_WORKER, State.GONE),
    ],
)
def test_a_closed_laptop_is_gone_and_a_dead_server_is_news(
    kind: RunnerKind, expected: State
) -> None:
    assert state(Condition.LAPSED, kind=kind) is expected


def test_a_laptop_that_is_gone_with_work_is_as_bad_as_any() -> None:
    laptop = shown_as(judged(Condition.LAPSED, Condition.WORK_UNHEARD), RunnerKind.LOCAL)
    assert laptop.holds == (State.WORK_UNHEARD, State.GONE)


def test_who_drains_is_not_called_lapsed() -> None:
    shown = shown_as(judged(Condition.LAPSED, Condition.DRAINING), RunnerKind.SERVER)
    assert shown.holds == (State.DRAINING,)


def test_unknown_is_a_state_of_its_own() -> None:
    shown = shown_as(NOT_KNOWN, RunnerKind.SERVER)
    assert (shown.state, shown.holds) == (State.UNKNOWN, (State.UNKNOWN,))
    assert MEANINGS[State.UNKNOWN].severity is Severity.UNKNOWN


@pytest.mark.parametrize("condition", NEEDED)
def test_nobody_is_fine_of_whom_something_that_matters_is_not_known(condition: Condition) -> None:
    shown = shown_as(judged(without=(condition,)), RunnerKind.SERVER)
    assert (shown.state, shown.not_known) == (State.PARTLY_KNOWN, (condition,))


def test_whose_wakes_are_just_being_read_is_not_in_doubt_by_that() -> None:
    conditions = judged(without=(Condition.WORK_UNHEARD, Condition.DEAF))
    assert shown_as(conditions, RunnerKind.SERVER, reading=True).state is State.FINE
    other = judged(without=(Condition.WORK_REFUSED,))
    assert shown_as(other, RunnerKind.SERVER, reading=True).state is State.PARTLY_KNOWN


def test_wakes_are_being_read_of_who_was_heard_within_the_interval_and_has_no_answer_yet() -> None:
    reading = replace(judged_runner(age=15.0), wake_read_success=True)
    assert being_read(reading, MONOTONIC, 15.0)
    assert not being_read(reading, MONOTONIC, 14.0)
    assert not being_read(replace(reading, wake_read_success=None), MONOTONIC, 15.0)
    assert not being_read(replace(reading, lag=WakeLag(MONOTONIC, 0, None)), MONOTONIC, 15.0)
    assert not being_read(replace(reading, observation=None), MONOTONIC, 15.0)


def test_who_never_sent_a_heartbeat_is_neither_fine_nor_a_trouble() -> None:
    shown = shown_as(judged(), RunnerKind.CI, unborn=True)
    assert (shown.state, MEANINGS[shown.state].severity) == (State.NEVER_SEEN, Severity.QUIET)


def test_the_disabled_and_the_gone_come_after_everything_that_needs_a_look() -> None:
    needs = [each for each in State if weight(MEANINGS[each].severity) >= weight(Severity.UNKNOWN)]
    assert list(State)[: len(needs)] == needs


@given(st.sets(st.sampled_from(sorted(ALL))), st.sets(st.sampled_from(sorted(ALL))))
def test_green_is_only_who_is_known_to_have_nothing_wrong(
    holds: set[Condition], known: set[Condition]
) -> None:
    conditions = Conditions(frozenset(holds), frozenset(holds | known))
    shown = shown_as(conditions, RunnerKind.SERVER)
    if MEANINGS[shown.state].severity is Severity.GOOD:
        assert not holds
        assert known >= NEEDED.keys()


def test_what_the_server_says_is_told_where_it_hides_something() -> None:
    said = what_the_server_says(State.WORK_UNHEARD, HealthStatus.HEALTHY)
    assert said == "The server says healthy, as heartbeats pass; it does not look at wakes."
    assert what_the_server_says(State.FINE, HealthStatus.HEALTHY) == ""
    for health in (None, HealthStatus.UNKNOWN):
        assert what_the_server_says(State.WORK_UNHEARD, health) == ""


def test_every_disabled_and_draining_runner_that_reads_unhealthy_is_explained() -> None:
    explained = product((State.DISABLED, State.DRAINING, State.GONE), (HealthStatus.UNHEALTHY,))
    assert all(what_the_server_says(*each) for each in explained)
