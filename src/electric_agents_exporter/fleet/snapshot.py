"""One consistent, immutable state of everything known: what metrics, pages and alerts read."""

from collections.abc import Mapping

import msgspec

from electric_agents_exporter.contract.report import ListedRunner, Report
from electric_agents_exporter.contract.vocabulary import (
    ClaimOutcome,
    ClaimStatus,
    HealthStatus,
    RunnerKind,
)
from electric_agents_exporter.fleet.changes import EventCounts
from electric_agents_exporter.fleet.reasons import Operation, Reason, Skip, Suppression


class Facts(msgspec.Struct, frozen=True, gc=False):
    """What a runner's series say, apart from time.

    The same object stands in every snapshot for as long as nothing in it changes, so that whatever
    is rendered from it can be kept by identity.
    """

    runner: ListedRunner
    report: Report
    counts: EventCounts


class Observation(msgspec.Struct, frozen=True, gc=False):
    """When a runner's last good report arrived, and how old its heartbeat was by then.

    `monotonic` is this exporter's clock; `heartbeat_age` is in seconds on the server's clock
    alone, None where it cannot be told.
    """

    monotonic: float
    heartbeat_age: float | None


class RunnerView(msgspec.Struct, frozen=True, gc=False):
    """One runner that has series of its own.

    `principal` is who listed it, as configured. `poll_success` tells how the last call for it went,
    None before the first; `last_success_at` is when one last went well, seconds since the epoch.
    """

    runner: ListedRunner
    principal: str
    facts: Facts | None
    observation: Observation | None
    poll_success: bool | None
    last_success_at: float | None
    counts: EventCounts

    def fresh(self, monotonic: float, stale_after: float) -> bool:
        """Tell whether the last report is young enough to be shown."""
        return (
            self.observation is not None and monotonic - self.observation.monotonic <= stale_after
        )


class Histogram(msgspec.Struct, frozen=True, gc=False):
    """Cumulative counts of observations by upper bound (`+Inf` last), and their sum."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    sum: float


class FleetCounters(msgspec.Struct, frozen=True, gc=False):
    """Counters that this exporter keeps for one target; they outlive every runner."""

    claims: Mapping[tuple[RunnerKind, ClaimOutcome], float]
    reconnects: Mapping[RunnerKind, float]
    events_received: Mapping[RunnerKind, float]
    transitions: Mapping[tuple[HealthStatus, HealthStatus], int]
    lease_lapses: int
    client_restarts: int
    discovered: int
    removed: int


class PollCounters(msgspec.Struct, frozen=True, gc=False):
    """What polling one target came to."""

    requests: Mapping[Operation, int]
    errors: Mapping[tuple[Operation, Reason], int]
    durations: Mapping[Operation, Histogram]
    skipped: Mapping[Skip, int]


class EndedClaimCounts(msgspec.Struct, frozen=True, gc=False):
    """What only a database tells: claims that ended while this exporter watched, and owners."""

    ended: Mapping[ClaimStatus, int]
    durations: Mapping[RunnerKind, Histogram]
    owners: Mapping[str, int]


class FullScan(msgspec.Struct, frozen=True, gc=False):
    """When a database was last searched for every active claim, and how long that took.

    `at` is seconds since the epoch on this exporter's clock, None before the first one that came
    to its end; `seconds` is that of the last try.
    """

    at: float | None
    seconds: float | None


class TargetSnapshot(msgspec.Struct, frozen=True, gc=False):
    """One target. Every `*_at` is seconds since the epoch on this exporter's clock.

    `listed` counts runners by principal as configured, and holds only lists that are not stale:
    without any, nothing is known of the target's fleet.
    """

    name: str
    interval: float
    stale_after: float
    up: bool
    poll_success: Mapping[Operation, bool]
    last_poll_at: float | None
    last_success_at: float | None
    last_duration: float | None
    clock_offset: float | None
    credential_changed_at: float | None
    expected_min: int | None
    listed: Mapping[str, int]
    suppressed: Mapping[Suppression, int]
    runners: tuple[RunnerView, ...]
    fleet: FleetCounters
    polls: PollCounters
    history: EndedClaimCounts | None = None
    sweep: FullScan | None = None


class FleetSnapshot(msgspec.Struct, frozen=True, gc=False):
    """Everything known at one moment, given on both clocks of this exporter."""

    time: float
    monotonic: float
    targets: tuple[TargetSnapshot, ...]
    drift: Mapping[str, int]
