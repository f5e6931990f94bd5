"""What was delivered, compared with what was expected: pure, no I/O, no clock.

All times are the scenario's seconds since the end of the lead-in.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from incidents.model import PAGE, TICKET, Expected, Incident

PREFIX: Final = "ElectricAgents"
RECEIVERS: Final = {PAGE: "pager", TICKET: "tickets"}
NAIVE_RECEIVERS: Final = {PAGE: "naive-pager", TICKET: "naive-tickets"}


@dataclass(frozen=True)
class Notification:
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
    def label(self) -> str:
        """What it is about, in short."""
        return f"{self.alert} {self.runner}" if self.runner else self.alert


@dataclass(frozen=True)
class Outcome:
    """What came of one expected alert.

    Attributes:
        expected: which one.
        fired_after: from the fault to the alert's firing; None where it never was delivered.
        delivered_after: from the fault to the delivery.
        allowed: the longest that firing may take.
        resolved_after: from the repair to the notification that it is resolved; None without a
            repair, or without such a notification.
        silent_for: from the runner's last sign of life to the delivery; None where that does not
            matter, or is not known.
    """

    expected: Expected
    fired_after: float | None
    delivered_after: float | None
    allowed: float
    resolved_after: float | None
    silent_for: float | None = None

    @property
    def missed(self) -> bool:
        """Whether it was never delivered."""
        return self.delivered_after is None

    @property
    def late(self) -> bool:
        """Whether it fired later than it may, or was delivered after its deadline."""
        if self.fired_after is None:
            return False
        within = self.expected.within
        overdue = within is not None and (self.silent_for is None or self.silent_for > within)
        return overdue or self.fired_after > self.allowed


@dataclass(frozen=True)
class Result:
    """How an incident went: with our rules, and with the naive ones beside them.

    `speed` is how many times as fast as in reality it was played.
    """

    incident: Incident
    speed: float
    outcomes: tuple[Outcome, ...]
    false_pages: tuple[str, ...]
    false_tickets: tuple[str, ...]
    naive_caught: tuple[bool, ...]
    naive_false_pages: tuple[str, ...]
    naive_false_tickets: tuple[str, ...]

    @property
    def good(self) -> bool:
        """Whether all that was expected was delivered in time, and nothing else."""
        wrong = any(outcome.missed or outcome.late for outcome in self.outcomes)
        return not (wrong or self.false_pages or self.false_tickets)


def compare(  # noqa: PLR0913  (what is compared, each with one meaning)
    incident: Incident,
    notifications: Sequence[Notification],
    delays: Sequence[float],
    signs_of_life: Mapping[str, float],
    *,
    hold: float,
    speed: float,
) -> Result:
    """Compare what was delivered with what was expected.

    Args:
        incident: what was played.
        notifications: everything that was delivered.
        delays: how long each expected alert may take to fire once the server's answers show it.
        signs_of_life: when each runner that has a deadline last gave one before its fault.
        hold: how long after a repair an alert may go on firing.
        speed: how many times as fast as in reality it was played.
    """
    outcomes = tuple(
        _outcome(expected, notifications, expected.shows_after + delay, signs_of_life)
        for expected, delay in zip(incident.expected, delays, strict=True)
    )
    return Result(
        incident=incident,
        speed=speed,
        outcomes=outcomes,
        false_pages=_false(incident, notifications, PAGE, hold),
        false_tickets=_false(incident, notifications, TICKET, hold),
        naive_caught=tuple(
            _naively_caught(expected, notifications) for expected in incident.expected
        ),
        naive_false_pages=_naively_false(incident, notifications, PAGE),
        naive_false_tickets=_naively_false(incident, notifications, TICKET),
    )


def _matches(expected: Expected, notification: Notification) -> bool:
    return (
        notification.receiver == RECEIVERS[expected.severity]
        and notification.alert == expected.alert
        and expected.runner in {None, notification.runner}
    )


def _outcome(
    expected: Expected,
    notifications: Iterable[Notification],
    allowed: float,
    signs_of_life: Mapping[str, float],
) -> Outcome:
    mine = [notification for notification in notifications if _matches(expected, notification)]
    fired = [
        notification
        for notification in mine
        if notification.firing and notification.started >= expected.since
    ]
    first = min(fired, key=lambda notification: notification.at, default=None)
    resolved = [
        notification.at - expected.until
        for notification in mine
        if expected.until is not None
        and not notification.firing
        and notification.at >= expected.until
    ]
    sign = signs_of_life.get(expected.runner or "")
    return Outcome(
        expected=expected,
        fired_after=None if first is None else first.started - expected.since,
        delivered_after=None if first is None else first.at - expected.since,
        allowed=allowed,
        resolved_after=max(resolved, default=None),
        silent_for=None if first is None or sign is None else first.at - sign,
    )


def _false(
    incident: Incident, notifications: Iterable[Notification], severity: str, hold: float
) -> tuple[str, ...]:
    """Give what should not have been sent: another alert, or one before its time or after."""

    def due(notification: Notification) -> bool:
        return any(
            _matches(expected, notification)
            and notification.started >= expected.since
            and (expected.until is None or notification.started <= expected.until + hold)
            for expected in incident.expected
        )

    return _distinct(
        notification.label
        for notification in notifications
        if notification.firing
        and notification.receiver == RECEIVERS[severity]
        and not due(notification)
        and not (severity == TICKET and notification.alert in incident.may)
    )


def _naively_concerns(expected: Expected, notification: Notification) -> bool:
    return notification.started >= expected.since and expected.runner in {None, notification.runner}


def _naively_caught(expected: Expected, notifications: Iterable[Notification]) -> bool:
    """Tell whether the naive rules sent anything about it, at least as severe."""
    enough = {NAIVE_RECEIVERS[PAGE]} if expected.severity == PAGE else {*NAIVE_RECEIVERS.values()}
    return any(
        notification.firing
        and notification.receiver in enough
        and _naively_concerns(expected, notification)
        for notification in notifications
    )


def _naively_false(
    incident: Incident, notifications: Iterable[Notification], severity: str
) -> tuple[str, ...]:
    """Give what the naive rules sent that was not expected, or was expected to be less severe."""
    return _distinct(
        notification.alert
        for notification in notifications
        if notification.firing
        and notification.receiver == NAIVE_RECEIVERS[severity]
        and not any(
            _naively_concerns(expected, notification)
            and (severity == TICKET or expected.severity == PAGE)
            for expected in incident.expected
        )
    )


def _distinct(labels: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(labels))
