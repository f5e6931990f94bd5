"""What was delivered on a day of a fleet, held against what is wanted of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from topology.alertmanager import Delivery, Notified
from topology.case import PAGE
from topology.fleet_day import Day, Wish
from topology.verdict import Message, called, messages, names, span


@dataclass
class DayVerdict:
    """How a day went.

    Attributes:
        day: the day.
        false_pages, false_tickets: how many messages tell something that nobody wants.
        false: each of them, in words.
        true_tickets: how many tell of work that lay, and of a replica that was alone, by which.
        incidents: how many had to be told; missed: those that were not, or late.
        pages: after how long each page came that had to.
    """

    day: Day
    false_pages: int = 0
    false_tickets: int = 0
    false: list[str] = field(default_factory=list)
    true_tickets: dict[str, int] = field(default_factory=dict)
    incidents: int = 0
    missed: list[str] = field(default_factory=list)
    pages: list[float] = field(default_factory=list)


def day_verdict(day: Day, delivered: Sequence[Delivery]) -> DayVerdict:
    """Tell how a day went."""
    verdict = DayVerdict(day)
    came: dict[int, list[Message]] = {number: [] for number in range(len(day.wishes))}
    for message in messages(delivered):
        _sort(day, message, came, verdict)
    for number, wish in enumerate(day.wishes):
        _hold(wish, came[number], verdict)
    return verdict


def _sort(day: Day, message: Message, came: dict[int, list[Message]], verdict: DayVerdict) -> None:
    wrong = []
    for alert in message.fresh:
        fitting = [n for n, wish in enumerate(day.wishes) if fits(wish, message, alert)]
        if not fitting:
            wrong.append(called(alert))
            continue
        # Of several, as where a laptop is closed twice, the last one that began.
        came[max(fitting, key=lambda n: day.wishes[n].began)].append(message)
    if not wrong:
        return
    verdict.false.append(f"{span(message.at)} {message.sort} {', '.join(wrong)}")
    if message.sort == PAGE:
        verdict.false_pages += 1
    else:
        verdict.false_tickets += 1


def fits(wish: Wish, message: Message, alert: Notified) -> bool:
    """Tell whether an alert is one that is wanted, or borne with."""
    want = wish.want
    return (
        want.sort == message.sort
        and message.at >= want.since
        and bool(names(alert) & want.alerts)
        and all(
            alert.labels.get(label, value) == value for label, value in (want.labels or {}).items()
        )
    )


def _hold(wish: Wish, came: Sequence[Message], verdict: DayVerdict) -> None:
    want = wish.want
    if came and not wish.incident:
        verdict.true_tickets[wish.what] = verdict.true_tickets.get(wish.what, 0) + 1
    if not want.must:
        return
    what = f"{verdict.day.name} {want.sort} {' or '.join(sorted(want.alerts))}"
    verdict.incidents += wish.incident
    if not came:
        verdict.missed.append(f"missed {what} of {span(wish.began)}")
        return
    if came[0].at > want.by:
        verdict.missed.append(f"late {what}: {span(came[0].at)}, wanted by {span(want.by)}")
    if want.sort == PAGE:
        verdict.pages.append(came[0].at - wish.began)
