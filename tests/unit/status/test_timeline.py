"""A runner's last hour, made of what changed."""

import pytest

from electric_agents_exporter.conditions import NOT_KNOWN, Condition, Conditions
from electric_agents_exporter.contract.report import ListedRunner, Report
from electric_agents_exporter.contract.vocabulary import RunnerKind
from electric_agents_exporter.fleet.reasons import Reason
from electric_agents_exporter.fleet.snapshot import Change, Note, Observation, Past, RunnerState
from electric_agents_exporter.status.states import State
from electric_agents_exporter.status.timeline import Moment, events, spans, told_in_words

NOW = Moment(time=1_795_348_800.0, monotonic=10_000.0)  # 2026-11-22T12:00:00Z
HOUR = 3600.0
STALE_AFTER = 60.0
KNOWN = frozenset(Condition) - {Condition.UNKNOWN}
FINE = Conditions(frozenset(), KNOWN)
DEAF = Conditions(frozenset({Condition.DEAF}), KNOWN)


def runner(conditions: Conditions = FINE, reported_ago: float = 5.0) -> RunnerState:
    return RunnerState(
        ListedRunner("a", kind=RunnerKind.SERVER),
        "user:alice",
        report=Report("a"),
        observation=Observation(NOW.monotonic - reported_ago, 0.0, 0.0),
        conditions=conditions,
        poll_success=True,
    )


def past(*changes: Change, begins_ago: float = HOUR) -> Past:
    return Past(NOW.time - begins_ago, changes)


def change(ago: float, before: Conditions | None, after: Conditions) -> Change:
    return Change(NOW.time - ago, before, after)


def told(
    state: RunnerState, known: Past, current: State = State.FINE
) -> list[tuple[float, float, State | None]]:
    """Give the parts as how long ago each began and ended."""
    made = spans(state, known, NOW, STALE_AFTER, current)
    return [(NOW.time - each.begins, NOW.time - each.ends, each.state) for each in made]


def test_without_a_change_all_of_it_is_as_it_is_now() -> None:
    assert told(runner(), past()) == [(HOUR, 0, State.FINE)]


def test_what_was_before_this_exporter_looked_is_not_known() -> None:
    assert told(runner(), past(begins_ago=600)) == [(HOUR, 600, None), (600, 0, State.FINE)]


def test_each_change_begins_a_part() -> None:
    known = past(change(1000, FINE, DEAF), change(400, DEAF, FINE))
    assert told(runner(), known) == [
        (HOUR, 1000, State.FINE),
        (1000, 400, State.DEAF),
        (400, 0, State.FINE),
    ]


def test_parts_of_one_state_are_one() -> None:
    known = past(change(1000, FINE, FINE))
    assert told(runner(), known) == [(HOUR, 0, State.FINE)]


def test_the_first_report_begins_what_is_known() -> None:
    known = past(change(300, None, DEAF), begins_ago=300)
    state = runner(DEAF)
    assert told(state, known, State.DEAF) == [(HOUR, 300, None), (300, 0, State.DEAF)]


def test_what_began_just_now_has_begun() -> None:
    known = past(change(0, None, DEAF), begins_ago=0)
    assert told(runner(DEAF), known, State.DEAF)[-1] == (0, 0, State.DEAF)


def test_once_the_last_report_is_stale_nothing_is_known_until_now() -> None:
    state = runner(reported_ago=500)
    assert told(state, past(), State.UNKNOWN) == [
        (HOUR, 440, State.FINE),
        (440, 0, State.UNKNOWN),
    ]


def test_while_nothing_was_known_that_is_a_part_too() -> None:
    known = past(change(900, FINE, NOT_KNOWN), change(300, NOT_KNOWN, FINE))
    assert told(runner(), known) == [
        (HOUR, 900, State.FINE),
        (900, 300, State.UNKNOWN),
        (300, 0, State.FINE),
    ]


def test_a_timeline_is_told_in_words_too() -> None:
    known = past(change(600, None, FINE), change(300, FINE, DEAF), begins_ago=600)
    made = spans(runner(DEAF), known, NOW, STALE_AFTER, State.DEAF)
    assert told_in_words(made) == "not watched until 11:50, fine until 11:55, deaf now"


@pytest.mark.parametrize(
    "each, text",
    [
        (change(1, None, FINE), "first seen: fine"),
        (change(1, FINE, DEAF), "now deaf; no longer fine"),
        (
            Change(NOW.time, FINE, FINE, None, (Note.RESTARTED, Note.CLAIM_FAILED)),
            "its process started anew; a claim failed",
        ),
        (
            Change(NOW.time, FINE, FINE, Reason.TIMEOUT),
            "its report could not be had: timeout",
        ),
    ],
)
def test_events_say_what_changed(each: Change, text: str) -> None:
    assert [event.text for event in events(runner(), past(each))] == [text]


def test_a_report_that_came_back_is_an_event() -> None:
    failed = Change(NOW.time - 9, FINE, FINE, Reason.TIMEOUT)
    told_events = events(runner(), past(failed, Change(NOW.time, FINE, FINE)))
    assert told_events[0].text == "its report could be had again"


def test_what_only_got_better_known_is_no_event() -> None:
    less = Conditions(frozenset({Condition.DEAF}), frozenset({Condition.DEAF}))
    assert events(runner(), past(change(5, less, DEAF))) == ()
