"""One consistent, immutable state of everything known: what metrics, pages and alerts read."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

import msgspec

from electric_agents_exporter.conditions import NOT_KNOWN, Conditions
from electric_agents_exporter.contract.claims import ActiveClaim
from electric_agents_exporter.contract.report import ListedRunner, Report
from electric_agents_exporter.contract.vocabulary import (
    ClaimOutcome,
    ClaimStatus,
    HealthStatus,
    RunnerKind,
)
from electric_agents_exporter.contract.wakes import Wake
from electric_agents_exporter.fleet.changes import EventCounts
from electric_agents_exporter.fleet.reasons import Operation, Reason, Skip, Suppression


class Observation(msgspec.Struct, frozen=True, gc=False):
    """When a runner's last good report was written, and how old its signs of life were by then.

    `monotonic` is this exporter's clock; the ages are in seconds on the server's clock alone, None
    where they cannot be told.
    """

    monotonic: float
    heartbeat_age: float | None
    sign_of_life_age: float | None


class WakeLag(msgspec.Struct, frozen=True, gc=False):
    """How far a runner was behind its wake stream when that was last read.

    `unheard` counts the entities whose wakes it has not heard; `oldest_age` is that of the oldest
    of these in seconds on the server's clock, 0 where there is none, None where it cannot be told.
    """

    monotonic: float
    unheard: int
    oldest_age: float | None

    def age_at(self, monotonic: float) -> float | None:
        """Give the age at a later moment: it grows until the runner hears."""
        if self.oldest_age is None or not self.unheard:
            return self.oldest_age
        return self.oldest_age + monotonic - self.monotonic


class RunnerState(msgspec.Struct, frozen=True, gc=False):
    """One runner that has series of its own.

    Whatever does not change stays the same object from state to state, so that what is rendered
    from it can be kept by identity.

    Attributes:
        listed: what its list says of it.
        principal: who listed it, as configured.
        report: its last good report; None before the first, or once the server knows it no more.
        counts: what happened to it between polls.
        observation: when the report was made.
        lag: how far it is behind its wake stream; None where that is not known.
        conditions: what was judged of it with its last report.
        poll_success: how the last call for it went; None before the first.
        wake_read_success: how the last reading of its wakes went; None where they are not read.
        last_success_at: when a call last went well, seconds since the epoch.
    """

    listed: ListedRunner
    principal: str
    report: Report | None = None
    counts: EventCounts = EventCounts()
    observation: Observation | None = None
    lag: WakeLag | None = None
    conditions: Conditions = NOT_KNOWN
    poll_success: bool | None = None
    wake_read_success: bool | None = None
    last_success_at: float | None = None

    def fresh(self, monotonic: float, stale_after: float) -> bool:
        """Tell whether the last report is young enough to be shown."""
        seen = self.observation
        return seen is not None and monotonic - seen.monotonic <= stale_after


class PollFault(NamedTuple):
    """Something that went wrong with a poll: of which kind, and in a few words with its numbers."""

    kind: str
    text: str


class EndedPoll(msgspec.Struct, frozen=True, gc=False):
    """A poll that ended: when, how long it took in seconds, and of what kinds its faults were."""

    at: float
    seconds: float
    faults: tuple[str, ...]


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


class RequestCounters(msgspec.Struct, frozen=True, gc=False):
    """What was asked of one target, and what came of it."""

    requests: Mapping[Operation, int]
    errors: Mapping[tuple[Operation, Reason], int]
    durations: Mapping[Operation, Histogram]
    skipped: Mapping[Skip, int]


class ClaimCounters(msgspec.Struct, frozen=True, gc=False):
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
    """One target, or one tenant of it. Every `*_at` is this exporter's clock, since the epoch.

    `principals` are those of the settings. `listed` counts runners by principal, and holds only
    lists that are not stale: without any, nothing is known of the target's fleet. `faults` are
    those of the last poll, and `same_since` is when the first poll ended that came to what the last
    one came to. `claims`, `full_scan` and `dispatch` are None where nothing tells them.
    """

    name: str
    tenant: str | None
    shard: int | None
    interval: float
    stale_after: float
    up: bool
    poll_success: Mapping[Operation, bool]
    last_poll_at: float | None
    last_success_at: float | None
    last_duration: float | None
    clock_offset: float | None
    credential_changed_at: float | None
    certificate_ends_at: float | None
    expected_min: int | None
    listed: Mapping[str, int]
    suppressed: Mapping[Suppression, int]
    runners: tuple[RunnerState, ...]
    fleet: FleetCounters
    requests: RequestCounters
    claims: ClaimCounters | None = None
    full_scan: FullScan | None = None
    dispatch: Mapping[RunnerKind, Histogram] | None = None
    principals: tuple[str, ...] = ()
    faults: tuple[PollFault, ...] = ()
    same_since: float | None = None


class Note(StrEnum):
    """Something that happened to a runner between two reports."""

    RESTARTED = "restarted"
    LEASE_LAPSED = "lease_lapsed"
    TWO_PROCESSES = "two_processes"
    RECONNECTED = "reconnected"
    CLAIM_FAILED = "claim_failed"


class Change(msgspec.Struct, frozen=True, gc=False):
    """One change of a runner.

    Attributes:
        at: when this exporter saw it, seconds since the epoch.
        before: what was judged of the runner until then; None at its first report.
        after: what is judged of it from then on.
        failure: why its report cannot be had from then on; None where it can.
        notes: what happened besides.
    """

    at: float
    before: Conditions | None
    after: Conditions
    failure: Reason | None = None
    notes: tuple[Note, ...] = ()


class Past(msgspec.Struct, frozen=True):
    """What is known of a runner's past: nothing from before `begins`, since the epoch."""

    begins: float
    changes: tuple[Change, ...]


class RunnerDetail(msgspec.Struct, frozen=True):
    """All that is known of one runner at a moment.

    Attributes:
        state: what every output reads of it.
        retired: whether it was not seen for long and has no work.
        claims: some of its active claims, those claimed last; None where they are not named.
        wakes: some of those that it has not heard; None where that is not known.
        wakes_whole: whether these are all of them.
        at_rest: the streams of entities among these that nobody waits for.
        past: its last hour.
        polls: the last ones of its target.
    """

    state: RunnerState
    retired: bool
    claims: tuple[ActiveClaim, ...] | None
    wakes: tuple[Wake, ...] | None
    wakes_whole: bool
    at_rest: frozenset[str]
    past: Past
    polls: tuple[EndedPoll, ...]


class FleetSnapshot(msgspec.Struct, frozen=True, gc=False):
    """Everything known at one moment, given on both clocks of this exporter."""

    time: float
    monotonic: float
    targets: tuple[TargetSnapshot, ...]
    drift: Mapping[str, int]
