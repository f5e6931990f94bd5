"""What is counted of one target since this exporter watches it. Nothing here ever falls."""

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import permutations
from typing import Final

from electric_agents_exporter.contract.claims import EndedClaim
from electric_agents_exporter.contract.principals import KINDS, kind_of_owner
from electric_agents_exporter.contract.vocabulary import (
    ClaimOutcome,
    ClaimStatus,
    HealthStatus,
    RunnerKind,
)
from electric_agents_exporter.fleet.changes import Changes
from electric_agents_exporter.fleet.histogram import Observations
from electric_agents_exporter.fleet.reasons import Operation, Reason, Skip
from electric_agents_exporter.fleet.snapshot import (
    ClaimCounters,
    FleetCounters,
    RequestCounters,
    RunnerState,
)

_REQUEST_BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_CLAIM_BOUNDS: Final = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0)
_VERDICTS: Final = (HealthStatus.HEALTHY, HealthStatus.DEGRADED, HealthStatus.UNHEALTHY)
_UNKNOWN_OWNER: Final = "unknown"


class RequestCounts:
    """The requests that were made of one target."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._requests: dict[Operation, int] = {}
        self._errors: dict[tuple[Operation, Reason], int] = {}
        self._durations: dict[Operation, Observations] = {}
        self._skipped = Counter(dict.fromkeys(Skip, 0))
        self.expect(operations)

    def expect(self, operations: Iterable[Operation]) -> None:
        """Begin at 0 with what will be asked."""
        for operation in operations:
            if operation not in self._requests:
                self._requests[operation] = 0
                self._errors |= {(operation, reason): 0 for reason in Reason}
                self._durations[operation] = Observations(_REQUEST_BOUNDS)

    def count(self, operation: Operation, seconds: float, reason: Reason | None) -> None:
        """Count a request, how long it took, and why it failed if it did."""
        self._requests[operation] += 1
        self._durations[operation].observe(seconds)
        if reason is not None:
            self._errors[operation, reason] += 1

    def skip(self, reason: Skip, times: int) -> None:
        """Count polls that did not happen."""
        self._skipped[reason] += times

    def snapshot(self) -> RequestCounters:
        """Give the counts."""
        return RequestCounters(
            requests=dict(self._requests),
            errors=dict(self._errors),
            durations={operation: seen.snapshot() for operation, seen in self._durations.items()},
            skipped=dict(self._skipped),
        )


class FleetTotals:
    """What the runners of one target did."""

    def __init__(self) -> None:
        self._claims = {(kind, outcome): 0.0 for kind in RunnerKind for outcome in ClaimOutcome}
        self._reconnects = dict.fromkeys(RunnerKind, 0.0)
        self._events = dict.fromkeys(RunnerKind, 0.0)
        self._transitions = Counter(dict.fromkeys(permutations(_VERDICTS, 2), 0))
        self._lapses = 0
        self._restarts = 0
        self.discovered = 0
        self.removed = 0

    def add(self, kind: RunnerKind, changes: Changes) -> None:
        """Add what one report of a runner of this kind told."""
        growth = changes.growth
        for outcome, grown in (
            (ClaimOutcome.CLAIMED, growth.claimed),
            (ClaimOutcome.NO_WORK, growth.no_work),
            (ClaimOutcome.ERROR, growth.error),
        ):
            if grown:
                self._claims[kind, outcome] += grown
        if growth.reconnects:
            self._reconnects[kind] += growth.reconnects
        if growth.events_received:
            self._events[kind] += growth.events_received
        if changes.transition is not None:
            self._transitions[changes.transition] += 1
        self._lapses += changes.counts.lease_lapses
        self._restarts += changes.counts.client_restarts

    def snapshot(self) -> FleetCounters:
        """Give the counts."""
        return FleetCounters(
            claims=dict(self._claims),
            reconnects=dict(self._reconnects),
            events_received=dict(self._events),
            transitions=dict(self._transitions),
            lease_lapses=self._lapses,
            client_restarts=self._restarts,
            discovered=self.discovered,
            removed=self.removed,
        )


class ClaimTotals:
    """The claims of one target that ended."""

    def __init__(self) -> None:
        self._ended: dict[ClaimStatus, int] = dict.fromkeys(ClaimStatus, 0)
        del self._ended[ClaimStatus.ACTIVE]
        self._durations = {kind: Observations(_CLAIM_BOUNDS) for kind in RunnerKind}

    def count(self, claim: EndedClaim, kind: RunnerKind) -> None:
        """Count a claim that ended, of a runner of this kind."""
        self._ended[claim.status] += 1
        if claim.seconds is not None:
            self._durations[kind].observe(claim.seconds)

    def snapshot(self, runners: Iterable[RunnerState]) -> ClaimCounters:
        """Give the counts, and the owners of the runners that there are now."""
        return ClaimCounters(
            ended=dict(self._ended),
            durations={kind: seen.snapshot() for kind, seen in self._durations.items()},
            owners=_owners(runners),
        )


def _owners(runners: Iterable[RunnerState]) -> Mapping[str, int]:
    kinds = Counter(kind_of_owner(runner.listed.owner_principal or "") for runner in runners)
    owners = {kind: kinds[kind] for kind in KINDS}
    return owners | {_UNKNOWN_OWNER: kinds.total() - sum(owners.values())}
