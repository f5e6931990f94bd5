"""A runner's last hour: in which state it was shown when, and since when it is in this one."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from electric_agents_exporter.conditions import Conditions
from electric_agents_exporter.fleet.history import PAST_SECONDS
from electric_agents_exporter.fleet.snapshot import Note, Past, RunnerState
from electric_agents_exporter.status.ages import clock_time
from electric_agents_exporter.status.states import (
    MEANINGS,
    State,
    kind_of,
    never_seen,
    shown_as,
)
from electric_agents_exporter.status.view import EventRow, Span

_NOTES: Final = {
    Note.RESTARTED: "its process started anew",
    Note.LEASE_LAPSED: "its lease ran out",
    Note.TWO_PROCESSES: "another process reported under its id",
    Note.RECONNECTED: "it connected anew",
    Note.CLAIM_FAILED: "a claim failed",
}


class Moment(NamedTuple):
    """Now, on both clocks of this exporter."""

    time: float
    monotonic: float


def spans(
    runner: RunnerState, past: Past, now: Moment, stale_after: float, current: State
) -> tuple[Span, ...]:
    """Give the last hour in parts, each of one state, up to the current one.

    The state of a part of which nothing is known is None. The current one may have begun just now.
    """
    made: list[Span] = []
    *before, last = _parts(runner, past, now, stale_after, current)
    for begins, ends, state in [*(each for each in before if each[0] < each[1]), last]:
        if made and made[-1].state is state:
            made[-1] = Span(made[-1].begins, ends, state)
        else:
            made.append(Span(begins, ends, state))
    return tuple(made)


def _parts(
    runner: RunnerState, past: Past, now: Moment, stale_after: float, current: State
) -> Iterator[tuple[float, float, State | None]]:
    def shown(conditions: Conditions) -> State:
        return shown_as(conditions, kind_of(runner), unborn=never_seen(runner)).state

    yield now.time - PAST_SECONDS, past.begins, None
    before = past.changes[0].before if past.changes else None
    at, state = past.begins, shown(runner.conditions if before is None else before)
    for change in past.changes:
        yield at, change.at, state
        at, state = change.at, shown(change.after)
    seen = runner.observation
    if seen is not None and not runner.fresh(now.monotonic, stale_after):
        good_until = now.time - (now.monotonic - seen.monotonic) + stale_after
        yield at, good_until, state
        at = max(at, good_until)
    yield at, now.time, current


def told_in_words(timeline: tuple[Span, ...]) -> str:
    """Say what a timeline shows."""
    parts = [
        f"{_name(each.state)} until {clock_time(each.ends)[:5]}"
        for each in timeline[:-1][-_MOST_TOLD:]
    ]
    parts += [f"{_name(each.state)} now" for each in timeline[-1:]]
    return ", ".join(parts)


_MOST_TOLD: Final = 8


def _name(state: State | None) -> str:
    return "not watched" if state is None else MEANINGS[state].name


def events(runner: RunnerState, past: Past) -> tuple[EventRow, ...]:
    """Say what changed, the newest first."""
    kind = kind_of(runner)
    rows: list[EventRow] = []
    failing = False
    for change in past.changes:
        parts = [_NOTES[note] for note in change.notes]
        if change.failure is not None:
            parts.append(f"its report could not be had: {change.failure.value}")
        elif failing:
            parts.append("its report could be had again")
        failing = change.failure is not None
        now = shown_as(change.after, kind)
        if change.before is None:
            parts.append(f"first seen: {MEANINGS[now.state].name}")
        else:
            before = shown_as(change.before, kind)
            begun = [MEANINGS[each].name for each in now.holds if each not in before.holds]
            over = [MEANINGS[each].name for each in before.holds if each not in now.holds]
            parts += [f"now {', '.join(begun)}"] if begun else []
            parts += [f"no longer {', '.join(over)}"] if over else []
        if parts:
            rows.append(EventRow(change.at, "; ".join(parts)))
    return tuple(reversed(rows))
