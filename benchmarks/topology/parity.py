"""Holds what exporters send themselves against what Prometheus makes of the same with the rules."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Final, NamedTuple

from topology.alertmanager import Delivery, sent_deliveries
from topology.case import PAGE, Case, Want
from topology.direct import Direct
from topology.judged import marks
from topology.model import Runner, Server, World
from topology.observing import life_at
from topology.player import Firing, Labels
from topology.steps import within
from topology.verdict import PREFIX, Verdict, judged, names, span

DIRECT: Final = "direct"
RULES: Final = "rules"

_EVALUATIONS: Final = 2
_INTERVAL: Final = 15.0
_USUAL: Final = 90.0
_LONGEST: Final = 86_400.0


@dataclass(frozen=True)
class Difference:
    """An alert that fired on one path alone."""

    path: str
    firing: Firing

    @property
    def labels(self) -> Labels:
        """Which alert it is."""
        return self.firing.labels

    @property
    def alert(self) -> str:
        """What it is called, without its prefix."""
        return self.labels["alertname"].removeprefix(PREFIX)

    def __str__(self) -> str:
        hidden = {"alertname", "service", "layer", "job"}
        labels = ", ".join(
            f"{name}={value}" for name, value in self.labels.items() if name not in hidden
        )
        end = "" if self.firing.end is None else span(self.firing.end)
        return f"{self.path} alone: {self.alert}({labels}) {span(self.firing.begin)} to {end}"


def differences(
    direct: Sequence[Firing], rules: Sequence[Firing], evaluation: float
) -> Iterator[Difference]:
    """Give what fires on one path while the same does not on the other, or nearly then.

    Two evaluations make no difference: neither path knows when the other one looks.
    """
    slack = _EVALUATIONS * evaluation
    for one in direct:
        if not any(_meet(one, other, slack) for other in rules):
            yield Difference(DIRECT, one)
    for one in rules:
        if not any(_meet(one, other, slack) for other in direct):
            yield Difference(RULES, one)


def _meet(one: Firing, other: Firing, slack: float) -> bool:
    return (
        dict(one.labels) == dict(other.labels)
        and one.begin <= _end(other) + slack
        and other.begin <= _end(one) + slack
    )


def _end(firing: Firing) -> float:
    return inf if firing.end is None else firing.end


@dataclass(frozen=True)
class Reason:
    """Why the two paths differ, in words for readers, and of which differences that is true."""

    name: str
    text: str
    explains: Callable[[World, Difference], bool]


def _rules_alone(*alerts: str) -> Callable[[World, Difference], bool]:
    names_ = frozenset(alerts)
    return lambda _, one: one.path == RULES and one.alert in names_


def _watched_together(world: World, one: Difference) -> bool:
    """Tell whether several exporters watch the server that an alert is on, and it is on that."""
    watch = [
        exporter
        for exporter in world.exporters
        if any(target.name == one.labels.get("server") for target in exporter.targets)
    ]
    return len(watch) > 1 and one.alert in _OF_SERVERS


_OF_SERVERS: Final = frozenset(
    {
        "CredentialsRejected",
        "DatabaseUnreachable",
        "ExporterDataStale",
        "FleetUnavailable",
        "RunnersUnknown",
        "ServerUnreachable",
    }
)

_OF_SILENCE: Final = frozenset({"RunnerUnhealthy", "WorkAbandoned"})


def _calls_fail(world: World) -> bool:
    return any(target.health_fault for one in world.exporters for target in one.targets)


REASONS: Final = (
    Reason(
        "itself",
        "Nobody can say of himself that he is gone, or starts again and again. Let Prometheus "
        "scrape the exporter, or a dead man's switch wait for its `Watchdog`.",
        _rules_alone("ExporterDown", "ExporterAbsent", "ExporterRestarting"),
    ),
    Reason(
        "budget",
        "Budgets are sums over hours and days, which outlive no process: Prometheus keeps them.",
        _rules_alone("WorkBudgetBurn"),
    ),
    Reason(
        "each for itself",
        "Replicas and shards know nothing of each other. One that gets no list pages, though "
        "another gets it; a shard tells of its own runners what the rules tell of all.",
        _watched_together,
    ),
    Reason(
        "excused",
        "Where most calls for runners fail as they do while a server is away, an exporter excuses "
        "everybody's silence, whoever evaluates its alerts. The bench's series do not.",
        lambda world, one: _calls_fail(world) and one.path == RULES and one.alert in _OF_SILENCE,
    ),
)

WRONG: Final[Mapping[str, str]] = {
    "server-down-20m-one-stays-away": "While a server gives no list, polls are left out, so that "
    "its return is seen up to three intervals later, whoever evaluates the alerts. In the bench's "
    "series no poll is left out.",
}
"""Cases that come out otherwise than wanted though both paths have the same alerts, and why."""


@dataclass(frozen=True)
class Pace:
    """How long it took to the page on a death at work, in seconds.

    Attributes:
        death: from the death.
        sign: from the last sign of life before it: a heartbeat of its own, or of its claims.
        steady: whether it is polled every 15 s, polls succeed, and the exporter is there.
    """

    death: float
    sign: float
    steady: bool


class Part(NamedTuple):
    """One world of a case on both paths, and how often the rules were evaluated."""

    world: World
    direct: Direct
    rules: Sequence[Firing]
    evaluation: float


@dataclass(frozen=True)
class Compared:
    """One case on the direct path: how it went, and what it has that rules have not, or lacks.

    Attributes:
        verdict: what was delivered, held against what is wanted.
        explained: what differs, each with the reason.
        unexplained: what differs for no reason that is known, and texts that could not be made.
        pace: how long an ordinary death at work took to its page.
    """

    verdict: Verdict
    explained: tuple[tuple[Difference, Reason], ...]
    unexplained: tuple[str, ...]
    pace: Pace | None

    @property
    def same(self) -> bool:
        """Whether both paths have the same alerts by name and labels."""
        return not self.explained and not self.unexplained


def compare(case: Case, parts: Sequence[Part], settings: Mapping[str, Any]) -> Compared:
    """Hold the two paths of a case against each other."""
    sent = [one for part in parts for one in part.direct.sent]
    worlds = [part.world for part in parts]
    deliveries = sent_deliveries(settings, sent, max(world.lasts for world in worlds))
    verdict = judged(case, deliveries)
    explained: list[tuple[Difference, Reason]] = []
    unexplained = [text for part in parts for text in part.direct.bad]
    for part in parts:
        for one in differences(part.direct.firing, part.rules, part.evaluation):
            reason = next((each for each in REASONS if each.explains(part.world, one)), None)
            if reason is None:
                unexplained.append(str(one))
            else:
                explained.append((one, reason))
    if not verdict.right and not explained and case.name not in WRONG:
        unexplained += verdict.faults
    return Compared(verdict, tuple(explained), tuple(unexplained), pace(case, worlds, deliveries))


def pace(case: Case, worlds: Sequence[World], deliveries: Sequence[Delivery]) -> Pace | None:
    """Give how long a death at work took to its page, where the case has an ordinary one.

    One that finishes its work is not dead yet, one in an outage nobody can tell, and a longer lease
    is waited for.
    """
    wants = [want for want in case.wants if _is_death(want)]
    dead = [one for want in wants for one in _dead(worlds, want) if _is_ordinary(one[0])]
    steady = all(map(_is_steady, worlds))
    for delivery in deliveries if dead else ():
        told = {
            alert.labels.get("runner_id")
            for alert in delivery.alerts
            if alert.firing and "WorkAbandoned" in names(alert)
        }
        for runner, server in dead:
            if delivery.receiver == "pager" and runner.id in told:
                life = life_at(runner, delivery.at)
                sign = marks(runner, life, server, delivery.at).sign
                if sign is not None:
                    return Pace(delivery.at - life.dead_since, delivery.at - sign, steady)
    return None


def _is_steady(world: World) -> bool:
    return not any(
        one.down or any(target.list_fault or target.interval > _INTERVAL for target in one.targets)
        for one in world.exporters
    )


def _is_death(want: Want) -> bool:
    return want.must and want.sort == PAGE and want.alerts == {"WorkAbandoned"}


def _dead(worlds: Sequence[World], want: Want) -> list[tuple[Runner, Server]]:
    name = (want.labels or {}).get("runner_id")
    return [
        (runner, target.server)
        for world in worlds
        for exporter in world.exporters
        for target in exporter.targets
        for runner in target.watched()
        if runner.id == name and not _is_missed(runner, target.server)
    ]


def _is_missed(runner: Runner, server: Server) -> bool:
    """Tell whether a runner dies while its server records nobody."""
    away = [(outage.begin, outage.end) for outage in server.outages]
    return any(within(away, life.dead_since) for life in runner.lives)


def _is_ordinary(runner: Runner) -> bool:
    drains = any(life.state.claims_live for life in runner.lives)
    return not drains and not _USUAL < runner.lease <= _LONGEST
