"""The state that a runner is shown in: what the judge holds of it, ordered and in words.

Nothing is judged here. A closed laptop and a dead server are told apart by their kind, as the alert
rules do, and what is not known is a state of its own.
"""

from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from typing import Final, NamedTuple

from electric_agents_exporter.conditions import NOT_KNOWN, Condition, Conditions
from electric_agents_exporter.contract.vocabulary import HealthStatus, LivenessStatus, RunnerKind
from electric_agents_exporter.fleet.snapshot import RunnerState


class Severity(StrEnum):
    """How much something matters, the least first."""

    GOOD = "good"
    QUIET = "quiet"
    UNKNOWN = "unknown"
    LOOK = "look"
    BAD = "bad"


class State(StrEnum):
    """What a runner is shown as, the worst first."""

    WORK_ABANDONED = "work_abandoned"
    WORK_UNHEARD = "work_unheard"
    WORK_REFUSED = "work_refused"
    CLAIM_STUCK = "claim_stuck"
    DEAF = "deaf"
    UNKNOWN = "unknown"
    LAPSED = "lapsed"
    PARTLY_KNOWN = "partly_known"
    DRAINING = "draining"
    NEVER_SEEN = "never_seen"
    GONE = "gone"
    FINE = "fine"
    DISABLED = "disabled"


class Meaning(NamedTuple):
    """How a state is shown: how much it matters, in a word or two, and in a sentence."""

    severity: Severity
    name: str
    sentence: str


MEANINGS: Final[Mapping[State, Meaning]] = {
    State.WORK_ABANDONED: Meaning(
        Severity.BAD, "work abandoned", "works, and gives no sign of life"
    ),
    State.WORK_UNHEARD: Meaning(Severity.BAD, "work waits", "work waits for it"),
    State.WORK_REFUSED: Meaning(
        Severity.LOOK, "work refused", "a claim failed: its entity stands still"
    ),
    State.CLAIM_STUCK: Meaning(Severity.LOOK, "claim stuck", "a claim gives no sign of life"),
    State.DEAF: Meaning(Severity.LOOK, "deaf", "does not hear its wakes"),
    State.UNKNOWN: Meaning(Severity.UNKNOWN, "unknown", "no fresh report"),
    State.LAPSED: Meaning(Severity.LOOK, "lapsed", "its lease is over"),
    State.PARTLY_KNOWN: Meaning(
        Severity.UNKNOWN, "partly known", "nothing is known to be wrong, but not all is known"
    ),
    State.DRAINING: Meaning(Severity.QUIET, "draining", "was stopped, and finishes its work"),
    State.NEVER_SEEN: Meaning(
        Severity.QUIET, "never seen", "registered, and never sent a heartbeat"
    ),
    State.GONE: Meaning(
        Severity.QUIET, "gone", "its lease is over, as is usual for runners that come and go"
    ),
    State.FINE: Meaning(Severity.GOOD, "fine", "nothing is wrong"),
    State.DISABLED: Meaning(Severity.QUIET, "disabled", "its operator disabled it"),
}

WORST_FIRST: Final = tuple(State)
_RANKS: Final[Mapping[State, int]] = {state: rank for rank, state in enumerate(State)}
_SEVERITIES: Final[Mapping[Severity, int]] = {each: rank for rank, each in enumerate(Severity)}

LASTING: Final = frozenset({RunnerKind.SERVER, RunnerKind.UNKNOWN})
"""Kinds whose death is news: `lasting_kinds` of the alert rules, and who is of no known kind."""

NEEDED: Final[Mapping[Condition, str]] = {
    Condition.WORK_ABANDONED: "whether its work is in dead hands",
    Condition.WORK_UNHEARD: "whether work waits for it",
    Condition.WORK_REFUSED: "whether a claim failed",
    Condition.CLAIM_STUCK: "whether its claims live",
    Condition.DEAF: "whether it hears",
    Condition.LAPSED: "whether its lease runs",
}
"""What must be known of a runner before it is called fine, in words for where it is not."""


_TOLD_BY_WAKES: Final = frozenset({Condition.WORK_UNHEARD, Condition.DEAF})


class Shown(NamedTuple):
    """A runner's state, all states that hold of it (the worst first), and what is not known."""

    state: State
    holds: tuple[State, ...]
    not_known: tuple[Condition, ...]


def rank(state: State) -> int:
    """Give a number that is lower the worse a state is."""
    return _RANKS[state]


def weight(severity: Severity) -> int:
    """Give a number that is higher the more something matters."""
    return _SEVERITIES[severity]


def judged(runner: RunnerState, monotonic: float, stale_after: float) -> Conditions:
    """Give what holds of a runner now: without a fresh report nothing but that."""
    return runner.conditions if runner.fresh(monotonic, stale_after) else NOT_KNOWN


def kind_of(runner: RunnerState) -> RunnerKind:
    """Give what a runner is for."""
    return runner.listed.kind or RunnerKind.UNKNOWN


def never_seen(runner: RunnerState) -> bool:
    """Tell whether a runner is known to have never sent a heartbeat."""
    report = runner.report
    return (
        report is not None
        and report.liveness is LivenessStatus.OFFLINE
        and report.last_seen_at is None
    )


def being_read(runner: RunnerState, monotonic: float, interval: float) -> bool:
    """Tell whether a runner has heard more since its wakes were read, which are read again now.

    Reports come before wakes in a poll. Who has just heard something is no more in doubt than at
    the last poll.
    """
    seen = runner.observation
    return (
        runner.wake_read_success is True
        and runner.lag is None
        and seen is not None
        and monotonic - seen.monotonic <= interval
    )


def shown_as(
    conditions: Conditions, kind: RunnerKind, *, unborn: bool = False, reading: bool = False
) -> Shown:
    """Give the state that a runner of a kind is shown in.

    `unborn` is one that was never seen; of one that `reading` is true of, what its wakes tell is
    known in a moment.
    """
    return _shown(conditions, kind in LASTING, unborn, reading)


@cache
def _shown(conditions: Conditions, lasting: bool, unborn: bool, reading: bool) -> Shown:  # noqa: FBT001  (cached)
    if Condition.UNKNOWN in conditions.holds:
        return Shown(State.UNKNOWN, (State.UNKNOWN,), ())
    holds = {State(each.value) for each in conditions.holds}
    if State.LAPSED in holds and State.DRAINING in holds:
        holds.discard(State.LAPSED)  # its claims live
    if State.LAPSED in holds and not lasting:
        holds ^= {State.LAPSED, State.GONE}
    soon_known = _TOLD_BY_WAKES if reading else frozenset()
    not_known = tuple(
        each for each in NEEDED if each not in conditions.known and each not in soon_known
    )
    if unborn and not holds:
        holds.add(State.NEVER_SEEN)
    elif not holds:
        holds.add(State.PARTLY_KNOWN if not_known else State.FINE)
    ordered = tuple(sorted(holds, key=rank))
    return Shown(ordered[0], ordered, not_known)


_HIDES: Final[Mapping[tuple[State, HealthStatus], str]] = {
    (State.WORK_ABANDONED, HealthStatus.HEALTHY): "as it does until the lease of the last "
    "heartbeat is over",
    (State.WORK_ABANDONED, HealthStatus.UNHEALTHY): "as of any runner whose lease is over; not "
    "that work is in its hands",
    (State.WORK_UNHEARD, HealthStatus.HEALTHY): "as heartbeats pass; it does not look at wakes",
    (State.WORK_UNHEARD, HealthStatus.UNHEALTHY): "and not that somebody waits",
    (State.WORK_REFUSED, HealthStatus.HEALTHY): "though that wake is never repeated",
    (State.CLAIM_STUCK, HealthStatus.HEALTHY): "as heartbeats pass; it does not look at claims",
    (State.DEAF, HealthStatus.HEALTHY): "as heartbeats pass; it does not look at wakes",
    (State.DRAINING, HealthStatus.UNHEALTHY): "like of a death, though its claims give signs of "
    "life",
    (State.DISABLED, HealthStatus.UNHEALTHY): "by design, of whoever is disabled",
    (State.GONE, HealthStatus.UNHEALTHY): "for ever, though nobody waits",
    (State.LAPSED, HealthStatus.UNHEALTHY): "for ever, and its diagnostics stay as they were at "
    "the last heartbeat",
    (State.FINE, HealthStatus.DEGRADED): "which may be of long ago: reconnects count until its "
    "process starts anew, and every start reads so for two seconds",
    (State.FINE, HealthStatus.UNHEALTHY): "though nothing that is judged here is wrong",
    (State.NEVER_SEEN, HealthStatus.DEGRADED): "as of any runner without a heartbeat",
}


def what_the_server_says(state: State, health: HealthStatus | None) -> str:
    """Say what the server's verdict on a runner in a state is worth; nothing where it adds none."""
    if health is None:
        return ""
    more = _HIDES.get((state, health))
    return f"The server says {health.value}, {more}." if more else ""
