"""What the settings say of how one target is watched."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from electric_agents_exporter.conditions import Thresholds
from electric_agents_exporter.contract.report import MAX_LISTED
from electric_agents_exporter.contract.vocabulary import RunnerKind
from electric_agents_exporter.fleet.reasons import Operation
from electric_agents_exporter.fleet.selection import Selection

_MINUTE: Final = 60.0
_SEVERAL: Final = 3
_WEEK: Final = 7 * 86_400.0
_QUARTER_HOUR: Final = 900.0

RETIRE_AFTER: Final[Mapping[RunnerKind, float]] = {
    RunnerKind.LOCAL: _WEEK,
    RunnerKind.CLOUD_WORKER: _QUARTER_HOUR,
    RunnerKind.SANDBOX: _QUARTER_HOUR,
    RunnerKind.CI: _QUARTER_HOUR,
    RunnerKind.SERVER: _WEEK,
    RunnerKind.UNKNOWN: _WEEK,
}
"""Seconds after which a runner that was not seen is retired: pools scale in, servers come back."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How one target is watched. Durations are in seconds.

    Attributes:
        name: the target's name, its `server` label.
        principals: whose lists are got, as configured.
        interval: how often it is polled.
        stale_after: how old a report may be before it is dropped.
        retire_after: how long a runner of each kind must not have been seen to be retired.
        max_runners: the most runners that are watched.
        max_listed: the most runners that a list may hold; one with more is refused.
        expected_min: the least number of runners that is expected, if any is.
        selection: which of the listed runners are watched.
        thresholds: when time makes a condition true.
        operations: what is asked of it.
        database: lists, reports and claims come from the server's database.
        scheduled: it is polled every interval, and not only when somebody probes it.
    """

    name: str
    principals: tuple[str, ...] = ()
    interval: float = 15.0
    stale_after: float = 60.0
    retire_after: Mapping[RunnerKind, float] = field(default_factory=lambda: RETIRE_AFTER)
    max_runners: int = 10_000
    max_listed: int = MAX_LISTED
    expected_min: int | None = None
    selection: Selection = field(default_factory=Selection)
    thresholds: Thresholds = field(default_factory=Thresholds)
    operations: tuple[Operation, ...] = (Operation.LIST, Operation.HEALTH)
    database: bool = False
    scheduled: bool = True

    @property
    def patience(self) -> float:
        """How long nothing may be heard of its polls before they are held to have stopped.

        A poll is cut short once it is as old as what is stale, and the next one is due soon after.
        """
        return max(_MINUTE, self.stale_after) + _SEVERAL * self.interval

    @property
    def joined(self) -> bool:
        """Whether both wakes and the claims that answer them are read."""
        return self.database and Operation.WAKES in self.operations
