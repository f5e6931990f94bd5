"""One polled target: its runners, its clock, its counters, and the poll in progress."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import replace
from itertools import permutations
from typing import Final

from electric_agents_exporter.contract.reading import HealthAnswer, ListAnswer
from electric_agents_exporter.contract.vocabulary import ClaimOutcome, HealthStatus, RunnerKind
from electric_agents_exporter.fleet.changes import Changes
from electric_agents_exporter.fleet.claim_tracker import ClaimTracker, EndedClaim
from electric_agents_exporter.fleet.clock import Clock, ServerClock
from electric_agents_exporter.fleet.ended_claims import History
from electric_agents_exporter.fleet.histogram import Observations
from electric_agents_exporter.fleet.inventory import Due, Inventory, Policy
from electric_agents_exporter.fleet.reasons import Operation, Reason, Skip
from electric_agents_exporter.fleet.snapshot import (
    FleetCounters,
    Observation,
    PollCounters,
    TargetSnapshot,
)

_BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_VERDICTS: Final = (HealthStatus.HEALTHY, HealthStatus.DEGRADED, HealthStatus.UNHEALTHY)


class _Requests:
    """Counts of the requests that were made of one target."""

    def __init__(self) -> None:
        self._requests = Counter(dict.fromkeys(Operation, 0))
        self._errors = Counter(
            {(operation, reason): 0 for operation in Operation for reason in Reason}
        )
        self._durations = {operation: Observations(_BOUNDS) for operation in Operation}
        self._skipped = Counter(dict.fromkeys(Skip, 0))

    def count(self, operation: Operation, seconds: float, reason: Reason | None) -> None:
        self._requests[operation] += 1
        self._durations[operation].observe(seconds)
        if reason is not None:
            self._errors[operation, reason] += 1

    def skip(self, reason: Skip, times: int) -> None:
        self._skipped[reason] += times

    def snapshot(self) -> PollCounters:
        return PollCounters(
            requests=dict(self._requests),
            errors=dict(self._errors),
            durations={operation: seen.snapshot() for operation, seen in self._durations.items()},
            skipped=dict(self._skipped),
        )


class _Totals:
    """What the runners of one target did since this exporter watches; never falls."""

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
        work = changes.work
        for outcome, growth in (
            (ClaimOutcome.CLAIMED, work.claimed),
            (ClaimOutcome.NO_WORK, work.no_work),
            (ClaimOutcome.ERROR, work.error),
        ):
            if growth:
                self._claims[kind, outcome] += growth
        if work.reconnects:
            self._reconnects[kind] += work.reconnects
        if work.events_received:
            self._events[kind] += work.events_received
        if changes.transition is not None:
            self._transitions[changes.transition] += 1
        self._lapses += changes.counts.lease_lapses
        self._restarts += changes.counts.client_restarts

    def snapshot(self) -> FleetCounters:
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


class _State:
    """What a target and its polls share; the target reads it, the poll in progress writes it."""

    def __init__(
        self, policy: Policy, principals: Collection[str], clock: Clock, drift: Counter[str]
    ) -> None:
        self.policy = policy
        self.principals = tuple(principals)
        self.clock = clock
        self.drift = drift
        self.inventory = Inventory(policy)
        self.server_clock = ServerClock()
        self.requests = _Requests()
        self.totals = _Totals()
        self.tracker: ClaimTracker | None = None
        self.history: History | None = None
        self.tenants: dict[str, Target] = {}
        self.listed_at: dict[str, float] = {}
        self.got_list = False
        self.poll_success = dict.fromkeys(Operation, False)
        self.last_poll_at: float | None = None
        self.last_success_at: float | None = None
        self.last_duration: float | None = None
        self.clock_offset: float | None = None
        self.version = 0


class Target:
    """Everything known of one target. Polls write to it, snapshots are taken from it."""

    def __init__(
        self, policy: Policy, principals: Collection[str], clock: Clock, drift: Counter[str]
    ) -> None:
        self.credential_changed_at: float | None = None
        """When the newest of its credential files changed, seconds since the epoch."""
        self._state = _State(policy, principals, clock, drift)

    @property
    def policy(self) -> Policy:
        """What the settings say of it."""
        return self._state.policy

    @property
    def polled(self) -> bool:
        """Whether a first poll has ended, well or badly."""
        return self._state.last_poll_at is not None

    @property
    def version(self) -> int:
        """Another number whenever something was learned or counted."""
        return self._state.version

    def adopt(self, policy: Policy, principals: Collection[str]) -> None:
        """Follow new settings and keep what is known."""
        state = self._state
        state.version += 1
        state.policy = policy
        state.principals = tuple(principals)
        state.listed_at = {name: at for name, at in state.listed_at.items() if name in principals}
        state.inventory.adopt(policy, principals)
        for tenant, target in state.tenants.items():
            target.adopt(_of_tenant(policy, tenant), principals)

    def skip(self, reason: Skip, times: int = 1) -> None:
        """Count polls that were due and did not happen."""
        self._state.requests.skip(reason, times)
        self._state.version += 1

    def begin_poll(self) -> "Poll":
        """Open a poll. At most one is open at a time: the scheduler sees to that."""
        return Poll(self._state)

    def snapshots(self, monotonic: float) -> Iterable[TargetSnapshot]:
        """Give the state at a moment, and that of every tenant if it is divided among tenants."""
        yield self.snapshot(monotonic)
        for target in self._state.tenants.values():
            yield target.snapshot(monotonic)

    def snapshot(self, monotonic: float) -> TargetSnapshot:
        """Give the state at a moment: nothing that is stale by then is called known."""
        state = self._state
        stale_after = state.policy.stale_after
        fresh = {name for name, at in state.listed_at.items() if monotonic - at <= stale_after}
        lists = state.inventory.listed()
        listed = {principal: count for principal, count in lists.items() if principal in fresh}
        return TargetSnapshot(
            name=state.policy.name,
            interval=state.policy.interval,
            stale_after=state.policy.stale_after,
            up=state.got_list and bool(fresh),
            poll_success=dict(state.poll_success),
            last_poll_at=state.last_poll_at,
            last_success_at=state.last_success_at,
            last_duration=state.last_duration,
            clock_offset=state.clock_offset,
            credential_changed_at=self.credential_changed_at,
            expected_min=state.policy.expected_min,
            listed=listed,
            suppressed=state.inventory.suppressed(),
            runners=state.inventory.views(),
            fleet=state.totals.snapshot(),
            polls=state.requests.snapshot(),
            history=state.history.snapshot() if state.history else None,
            sweep=state.tracker.sweep if state.tracker else None,
        )


class Poll:
    """One poll in progress: takes in what a source learns, as it learns it.

    Use: `listed` for every principal whose list was got, then `due`, then `reported` or `failed`
    for every runner that was due, in any order; `end` closes it. A source that knows several
    tenants tells them with `divide`, and each has a poll of its own.
    """

    def __init__(self, state: _State) -> None:
        self._state = state
        self._began = state.clock.monotonic()
        self._listed: set[str] = set()
        self._asked = 0
        self._answered = 0
        self._tenants: dict[str, Poll] = {}

    @property
    def claims(self) -> ClaimTracker:
        """What is known of a database's claims from one poll to the next."""
        if self._state.tracker is None:
            self._state.tracker = ClaimTracker()
        return self._state.tracker

    @property
    def got_list(self) -> bool:
        """Whether any list was got."""
        return bool(self._listed)

    def listed(self, principal: str, answer: ListAnswer) -> None:
        """Take in the list of one principal (as configured)."""
        if principal not in self._state.principals:
            return  # new settings came while it was asked for
        self._state.inventory.take(principal, answer.runners)
        self._state.listed_at[principal] = self._state.clock.monotonic()
        self._state.drift.update(answer.drift)
        self._listed.add(principal)

    def divide(self, tenants: Collection[str]) -> dict[str, "Poll"]:
        """Take in which tenants there are; each is a target of its own, called NAME/TENANT.

        Returns:
            A poll for each; they end with this one.
        """
        state = self._state
        state.inventory.adopt(state.policy, ())
        state.inventory.settle()
        for principal in state.principals:
            state.listed_at[principal] = state.clock.monotonic()
            self._listed.add(principal)
        for gone in state.tenants.keys() - set(tenants):
            del state.tenants[gone]
        for tenant in tenants:
            if tenant not in state.tenants:
                policy = _of_tenant(state.policy, tenant)
                state.tenants[tenant] = Target(policy, state.principals, state.clock, state.drift)
            self._tenants[tenant] = state.tenants[tenant].begin_poll()
        return self._tenants

    def claims_ended(self, claims: Iterable[EndedClaim]) -> None:
        """Count claims that ended; those of runners that are not watched are others' to count."""
        state = self._state
        if state.history is None:
            state.history = History()
        for claim in claims:
            if claim.runner_id is not None and state.inventory.watches(claim.runner_id):
                state.history.count(claim, state.inventory.kind_of(claim.runner_id))

    def due(self) -> list[Due]:
        """Let the lists take effect, and give the runners to ask after."""
        state = self._state
        change = state.inventory.settle()
        state.totals.discovered += change.discovered
        state.totals.removed += change.removed
        state.got_list = bool(self._listed)
        state.version += 1
        due = state.inventory.due(self._listed)
        self._asked = len(due)
        return due

    def observed_date(self, date: float, monotonic: float, within: float = 0.0) -> None:
        """Take in a `Date` header, seconds since the epoch.

        `monotonic` is our clock when the server wrote it, known within so many seconds.
        """
        self._state.server_clock.observe_date(date, monotonic, within)

    def reported(self, answer: HealthAnswer, monotonic: float, within: float = 0.0) -> None:
        """Take in a runner's report.

        `monotonic` is our clock when the server wrote it, known within so many seconds.
        """
        state, report = self._state, answer.report
        server_now = answer.server_time
        if server_now is None:
            server_now = state.server_clock.time_at(monotonic)
        else:
            state.server_clock.observe_exact(server_now, monotonic, within)
        age = None
        if server_now is not None and report.last_seen_at is not None:
            age = max(0.0, server_now - report.last_seen_at)
        if answer.drift:
            state.drift.update(answer.drift)
        self._answered += 1
        state.version += 1
        changes = state.inventory.report(
            report, Observation(monotonic, age), state.clock.time(), server_now
        )
        if changes is not None:
            state.totals.add(state.inventory.kind_of(report.runner_id), changes)

    def failed(self, runner_id: str, reason: Reason) -> None:
        """Note that the report of a runner could not be had."""
        gone = reason is Reason.NOT_FOUND
        self._state.version += 1
        self._state.inventory.fail(runner_id, self._state.clock.monotonic(), gone=gone)

    def requested(self, operation: Operation, seconds: float, reason: Reason | None) -> None:
        """Count a request, how long it took, and why it failed if it did."""
        self._state.requests.count(operation, seconds, reason)

    def end(self, *, complete: bool = True) -> bool:
        """Close the poll; `complete` is False where its sweep was cut short.

        Returns:
            Whether it succeeded: every list was got, the sweep reached its end, and at least one
            runner answered if any was asked. A single bad runner is told by its own series.
        """
        state = self._state
        self._end_tenants(complete=complete)
        if state.history is not None:
            state.history.see(state.inventory.views())
        state.got_list = bool(self._listed)
        lists = self._listed.issuperset(state.principals)
        sweep = complete and bool(self._listed) and (self._answered > 0 or not self._asked)
        state.poll_success = {Operation.LIST: lists, Operation.HEALTH: sweep}
        now, monotonic = state.clock.time(), state.clock.monotonic()
        state.last_poll_at = now
        state.last_duration = monotonic - self._began
        server_now = state.server_clock.time_at(monotonic)
        state.clock_offset = None if server_now is None else server_now - now
        if lists and sweep:
            state.last_success_at = now
        state.version += 1
        return lists and sweep

    def _end_tenants(self, *, complete: bool) -> None:
        """End the polls of the tenants; without a list, of all that are known."""
        tenants = self._state.tenants
        if self._listed and not self._tenants:
            tenants.clear()
        for tenant, target in tenants.items():
            poll = self._tenants.get(tenant) or target.begin_poll()
            poll.end(complete=complete)


def _of_tenant(policy: Policy, tenant: str) -> Policy:
    return replace(policy, name=f"{policy.name}/{tenant}")
