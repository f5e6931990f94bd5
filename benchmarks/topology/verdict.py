"""What was delivered, held against what was wanted."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from topology.alertmanager import Delivery, Notified
from topology.case import PAGE, TICKET, Case, Want

PREFIX: Final = "ElectricAgents"
_SORTS: Final = {"pager": PAGE, "tickets": TICKET}

SAME: Final[Mapping[str, frozenset[str]]] = {
    # The first edition's names.
    "OrphanedClaims": frozenset({"WorkAbandoned"}),
    "RunnerUnhealthy": frozenset({"WorkAbandoned", "RunnerUnhealthy"}),
    "RunnerLeaseExpired": frozenset({"RunnerUnhealthy"}),
    "AvailabilityBudgetBurn": frozenset({"WorkBudgetBurn"}),
    "ClaimBudgetBurn": frozenset({"WorkBudgetBurn"}),
    "ServerUnreachable": frozenset({"ServerUnreachable", "DatabaseUnreachable"}),
    # The naive ones.
    "NaiveExporterDown": frozenset({"ExporterDown", "ExporterAbsent"}),
    "NaiveServerDown": frozenset(
        {"ServerUnreachable", "DatabaseUnreachable", "CredentialsRejected"}
    ),
    "NaiveRunnerUnhealthy": frozenset({"WorkAbandoned", "RunnerUnhealthy", "FleetUnavailable"}),
    "NaiveRunnerDegraded": frozenset({"RunnerDegraded", "RunnerDeaf", "ReconnectStorm"}),
}
"""Alerts that other sets of rules call otherwise: what they may stand for.

Where the severities differ it is a page or a ticket, so `RunnerUnhealthy` as a page can only be the
death at work that the first edition called so.
"""


@dataclass(frozen=True)
class Message:
    """A notification that says something new: of what fires, or that something is over."""

    at: float
    sort: str
    fresh: tuple[Notified, ...]
    over: tuple[Notified, ...]


@dataclass
class Verdict:
    """How a case went; `faults` are what was wrong, in words."""

    case: Case
    delivered: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def right(self) -> bool:
        """Whether all that was wanted came, and nothing else."""
        return not self.faults


def messages(deliveries: Iterable[Delivery]) -> list[Message]:
    """Give what reaches a person, but for repetitions of what was said before."""
    said: dict[tuple[str, frozenset[tuple[str, str]]], frozenset[str]] = {}
    found = []
    for delivery in deliveries:
        sort = _SORTS.get(delivery.receiver)
        if sort is None:
            continue
        key = (delivery.receiver, frozenset(delivery.group.items()))
        before = said.get(key, frozenset())
        firing = {str(sorted(one.labels.items())): one for one in delivery.alerts if one.firing}
        over = tuple(one for one in delivery.alerts if not one.firing)
        said[key] = frozenset(firing)
        fresh = tuple(one for name, one in firing.items() if name not in before)
        if fresh or over:
            found.append(Message(delivery.at, sort, fresh, over))
    return found


def judged(case: Case, deliveries: Sequence[Delivery], error: str | None = None) -> Verdict:
    """Tell how a case went."""
    verdict = Verdict(case)
    if error:
        verdict.faults.append(f"a rule fails: {error.strip().splitlines()[-1][:300]}")
    told = messages(deliveries)
    came: dict[int, list[Message]] = {number: [] for number in range(len(case.wants))}
    for message in told:
        if message.fresh:
            verdict.delivered.append(_line(message))
        for number, alert in _claimed(case, message, verdict):
            if message not in came[number]:
                came[number].append(message)
            del alert
    for number, want in enumerate(case.wants):
        verdict.faults += _faults(want, came[number], told)
    return verdict


def _claimed(case: Case, message: Message, verdict: Verdict) -> list[tuple[int, Notified]]:
    found = []
    for alert in message.fresh:
        fitting = [n for n, want in enumerate(case.wants) if _fits(want, message, alert)]
        if fitting:
            found.append((fitting[0], alert))
        else:
            verdict.faults.append(f"false {message.sort} {called(alert)} at {span(message.at)}")
    return found


def _fits(want: Want, message: Message, alert: Notified) -> bool:
    return (
        want.sort == message.sort
        and message.at >= want.since
        and bool(names(alert) & want.alerts)
        and all(
            alert.labels.get(label, value) == value for label, value in (want.labels or {}).items()
        )
    )


def names(alert: Notified) -> frozenset[str]:
    """Give what an alert may stand for, without its prefix."""
    name = alert.labels["alertname"].removeprefix(PREFIX)
    return SAME.get(name, frozenset()) | {name}


def called(alert: Notified) -> str:
    """Name an alert, with who it is about."""
    name = alert.labels["alertname"].removeprefix(PREFIX)
    places = ("cluster", "namespace", "server", "tenant", "shard", "principal", "runner_id")
    where = "/".join(alert.labels[label] for label in places if label in alert.labels)
    return f"{name}({where})" if where else name


def _faults(want: Want, came: Sequence[Message], told: Sequence[Message]) -> list[str]:
    what = f"{want.sort} {' or '.join(sorted(want.alerts))}"
    if not came:
        return [f"missed {what}"] if want.must else []
    found = []
    if want.must and came[0].at > want.by:
        found.append(f"late {what}: {span(came[0].at)}, wanted by {span(want.by)}")
    if len(came) > want.most:
        found.append(f"{len(came)} messages of {what}, at most {want.most} wanted")
    early = [
        message.at
        for message in told
        if message.sort == want.sort
        and came[0].at < message.at < want.lasts
        and any(names(alert) & want.alerts for alert in message.over)
    ]
    if early:
        found.append(f"{what} called over at {span(early[0])}, before {span(want.lasts)}")
    return found


def _line(message: Message) -> str:
    shown = sorted({called(alert) for alert in message.fresh})
    more = f" and {len(shown) - 2} more" if len(shown) > 3 else ""
    return f"{span(message.at)} {message.sort} {', '.join(shown[: 2 if more else 3])}{more}"


def span(seconds: float) -> str:
    """Write a time in minutes and seconds."""
    if seconds == float("inf"):
        return "never"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m{rest:02}s" if hours else f"{minutes}m{rest:02}s"
