"""What the alerts on this exporter itself, and on many servers at once, find: rows of a table."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, TypeAlias

import msgspec

from electric_agents_exporter.alerting.definition import Definition
from electric_agents_exporter.alerting.evidence import Finding
from electric_agents_exporter.alerting.history import Window
from electric_agents_exporter.alerting.server_alerts import Verdict
from electric_agents_exporter.fleet.fleet import TICKS_LATE


class Itself(msgspec.Struct, frozen=True):
    """This exporter at a moment.

    Attributes:
        monotonic: when that is.
        verdicts: how each target as a whole is, by its name.
        reloaded: whether the settings were last read without fault.
        stands_still: what does not go on that should; empty where all does.
        since_tick: for how many seconds the scheduler has not ticked.
        drift: values that were not as the contract says, by field.
        drift_before: the same at moments before, and now.
    """

    monotonic: float
    verdicts: Mapping[str, Verdict]
    reloaded: bool
    stands_still: str
    since_tick: float
    drift: Mapping[str, int]
    drift_before: Window[Mapping[str, int]]


ExporterFinder: TypeAlias = Callable[[Definition, Itself], Iterable[Finding]]


def _watches(_: Definition, itself: Itself) -> Iterator[Finding]:
    """Find that polls go on: a dead man's switch."""
    if not itself.stands_still:
        yield Finding({}, 1.0)


def _stands_still(definition: Definition, itself: Itself) -> Iterator[Finding]:
    """Find a scheduler that has not ticked for long, or polls that stopped while it does."""
    ticks = itself.since_tick <= TICKS_LATE
    if itself.stands_still and (ticks or itself.since_tick >= float(definition.numbers["still"])):
        yield Finding({}, 1.0)


def _not_reloaded(_: Definition, itself: Itself) -> Iterator[Finding]:
    if not itself.reloaded:
        yield Finding({}, 0.0)


def _drifts(definition: Definition, itself: Itself) -> Iterator[Finding]:
    since = itself.monotonic - float(definition.numbers["window"])
    before = list(itself.drift_before.since(since))
    for field, count in itself.drift.items():
        # A field that was not there yet had no series: what it began with counts for nothing.
        grown = count - min(each[field] for each in before if field in each)
        if grown > 0:
            yield Finding({"field": field}, grown)


def _many(judged: Callable[[Verdict], bool]) -> ExporterFinder:
    """Find that one thing is true of many servers, and of a large share of all."""

    def find(definition: Definition, itself: Itself) -> Iterator[Finding]:
        names = [name for name, verdict in itself.verdicts.items() if judged(verdict)]
        share = float(definition.numbers["share"]) * len(itself.verdicts)
        if len(names) >= float(definition.numbers["many"]) and len(names) >= share:
            yield Finding({}, len(names), servers=tuple(sorted(names)))

    return find


EXPORTER_ALERTS: Final[Mapping[str, ExporterFinder]] = {
    "ConfigReloadFailed": _not_reloaded,
    "ContractDrift": _drifts,
    "ExporterDataStale": _stands_still,
    "Watchdog": _watches,
}
"""Alerts on this exporter."""

MANY_ALERTS: Final[Mapping[str, ExporterFinder]] = {
    "ServerUnreachable": _many(lambda verdict: verdict.unreachable),
    "DatabaseUnreachable": _many(lambda verdict: verdict.database_unreachable),
    "CredentialsRejected": _many(lambda verdict: verdict.locked_out),
}
"""Alerts on many servers at once, those that are labelled so."""
