"""Why alerts that exporters send themselves are not always those of the rules."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from topology.differences import RULES, Difference
from topology.model import World


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
)

TIMES: Final[Mapping[str, str]] = {
    "server-down-20m-one-stays-away": "While a server gives no list, polls are left out, so that "
    "its return is seen up to three intervals later, whoever evaluates the alerts. In the bench's "
    "series no poll is left out.",
    "server-often-away": "The same: who is asked less often fails less often.",
    "claims-leak": "What had leaked a day ago is remembered by the half hour, so that memory stays "
    "small.",
}
"""Cases in which both paths have the same alerts, at other times, and why."""
