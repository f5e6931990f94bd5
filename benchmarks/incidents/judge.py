"""What was delivered, held against what was expected: pure, no I/O, no clock.

All times are the story's seconds since the end of the lead-in.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from incidents.model import PAGE, TICKET, Expected, Incident

PREFIX: Final = "ElectricAgents"
RECEIVERS: Final = {PAGE: "pager", TICKET: "tickets"}
NAIVE_RECEIVERS: Final = {PAGE: "naive-pager", TICKET: "naive-tickets"}


@dataclass(frozen=True)
class Notice:
    """One alert of one notification.

    `started` is when the alert began to fire, `at` when the notification was delivered.
    """

    at: float
    receiver: str
    alert: str
    runner: str | None
    firing: bool
    started: float

    @property
    def words(self) -> str:
        """What it says, in short."""
        return f"{self.alert} {self.runner}" if self.runner else self.alert


@dataclass(frozen=True)
class Outcome:
    """What came of one expected alert.

    Attributes:
        expected: which one.
        fired_after: from the fault to the alert's firing; None where it never was delivered.
        delivered_after: from the fault to the delivery.
        allowed: the longest that firing may take.
        resolved_after: from the repair to the notification that it is over; None where there was
            no repair, or no such notification.
    """

    expected: Expected
    fired_after: float | None
    delivered_after: float | None
    allowed: float
    resolved_after: float | None

    @property
    def missed(self) -> bool:
        """Whether nobody was told."""
        return self.delivered_after is None

    @property
    def late(self) -> bool:
        """Whether it fired later than it may."""
        return self.fired_after is not None and self.fired_after > self.allowed


@dataclass(frozen=True)
class Verdict:
    """How an incident went: by our rules, and by the naive ones beside."""

    incident: Incident
    outcomes: tuple[Outcome, ...]
    false_pages: tuple[str, ...]
    false_tickets: tuple[str, ...]
    naive_caught: tuple[bool, ...]
    naive_false_pages: tuple[str, ...]
    naive_false_tickets: tuple[str, ...]

    @property
    def good(self) -> bool:
        """Whether all that was expected came, in time, and nothing else."""
        wrong = any(outcome.missed or outcome.late for outcome in self.outcomes)
        return not (wrong or self.false_pages or self.false_tickets)


def judge(
    incident: Incident, notices: Sequence[Notice], patience: Sequence[float], hold: float
) -> Verdict:
    """Hold what was delivered against what was expected.

    Args:
        incident: what was played.
        notices: everything that was delivered.
        patience: how long each expected alert may take to fire once its fault shows.
        hold: how long after a repair an alert may go on firing.
    """
    outcomes = tuple(
        _outcome(expected, notices, expected.shows_after + wait)
        for expected, wait in zip(incident.expected, patience, strict=True)
    )
    return Verdict(
        incident=incident,
        outcomes=outcomes,
        false_pages=_false(incident, notices, PAGE, hold),
        false_tickets=_false(incident, notices, TICKET, hold),
        naive_caught=tuple(_naively_caught(expected, notices) for expected in incident.expected),
        naive_false_pages=_naively_false(incident, notices, PAGE),
        naive_false_tickets=_naively_false(incident, notices, TICKET),
    )


def _matches(expected: Expected, notice: Notice) -> bool:
    return (
        notice.receiver == RECEIVERS[expected.severity]
        and notice.alert == expected.alert
        and expected.runner in {None, notice.runner}
    )


def _outcome(expected: Expected, notices: Iterable[Notice], allowed: float) -> Outcome:
    mine = [notice for notice in notices if _matches(expected, notice)]
    fired = [notice for notice in mine if notice.firing and notice.started >= expected.since]
    first = min(fired, key=lambda notice: notice.at, default=None)
    resolved = [
        notice.at - expected.until
        for notice in mine
        if expected.until is not None and not notice.firing and notice.at >= expected.until
    ]
    return Outcome(
        expected=expected,
        fired_after=None if first is None else first.started - expected.since,
        delivered_after=None if first is None else first.at - expected.since,
        allowed=allowed,
        resolved_after=max(resolved, default=None),
    )


def _false(
    incident: Incident, notices: Iterable[Notice], severity: str, hold: float
) -> tuple[str, ...]:
    """Give what nobody should have been told: of the wrong thing, before its time, or after."""

    def due(notice: Notice) -> bool:
        return any(
            _matches(expected, notice)
            and notice.started >= expected.since
            and (expected.until is None or notice.started <= expected.until + hold)
            for expected in incident.expected
        )

    return _distinct(
        notice.words
        for notice in notices
        if notice.firing
        and notice.receiver == RECEIVERS[severity]
        and not due(notice)
        and not (severity == TICKET and notice.alert in incident.may)
    )


def _naively_concerns(expected: Expected, notice: Notice) -> bool:
    return notice.started >= expected.since and expected.runner in {None, notice.runner}


def _naively_caught(expected: Expected, notices: Iterable[Notice]) -> bool:
    """Tell whether the naive rules said anything about it, and loudly enough."""
    loud = {NAIVE_RECEIVERS[PAGE]} if expected.severity == PAGE else set(NAIVE_RECEIVERS.values())
    return any(
        notice.firing and notice.receiver in loud and _naively_concerns(expected, notice)
        for notice in notices
    )


def _naively_false(incident: Incident, notices: Iterable[Notice], severity: str) -> tuple[str, ...]:
    """Give what was said of nothing that was expected, or louder than it was expected."""
    return _distinct(
        notice.alert
        for notice in notices
        if notice.firing
        and notice.receiver == NAIVE_RECEIVERS[severity]
        and not any(
            _naively_concerns(expected, notice)
            and (severity == TICKET or expected.severity == PAGE)
            for expected in incident.expected
        )
    )


def _distinct(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))
