"""Everything known of one polled target."""

from collections import Counter, deque
from collections.abc import Iterable
from typing import Final

from electric_agents_exporter.conditions import Gap
from electric_agents_exporter.fleet.clock import Clock, ServerClock
from electric_agents_exporter.fleet.counters import ClaimTotals, FleetTotals, RequestCounts
from electric_agents_exporter.fleet.dispatch import DispatchTracker
from electric_agents_exporter.fleet.history import History
from electric_agents_exporter.fleet.inventory import Inventory
from electric_agents_exporter.fleet.outages import Outages
from electric_agents_exporter.fleet.policy import Policy
from electric_agents_exporter.fleet.reasons import Operation, Skip
from electric_agents_exporter.fleet.runner_record import Moment
from electric_agents_exporter.fleet.snapshot import (
    EndedPoll,
    FullScan,
    PollFault,
    RunnerDetail,
    TargetSnapshot,
)

_POLLS_REMEMBERED: Final = 12
_MOST_FAULTS: Final = 8
_LONGEST_FAULT: Final = 500


class Target:
    """One target, or one tenant of it: what a `Poll` writes to and snapshots are taken from.

    What is known of its runners, its server's clock and its counters is kept by an object each;
    what the last polls came to stands here. `version` is another number whenever anything changed;
    `attended_at` is when a poll last began or ended, or was left out on purpose.
    """

    def __init__(
        self, policy: Policy, clock: Clock, drift: Counter[str], tenant: str | None = None
    ) -> None:
        self.policy = policy
        self.clock = clock
        self.drift = drift
        self.tenant = tenant
        self.version = 0
        self.inventory = Inventory(policy)
        self.server_clock = ServerClock()
        self.outages = Outages()
        self.requests = RequestCounts(policy.operations)
        self.totals = FleetTotals()
        self.claims: ClaimTotals | None = None
        self.full_scan: FullScan | None = None
        self.dispatch = DispatchTracker() if policy.joined else None
        self.tenants: dict[str, Target] = {}
        self.history = History(clock.time())
        self.faults: tuple[PollFault, ...] = ()
        self.same_since: float | None = None
        self.polls: deque[EndedPoll] = deque(maxlen=_POLLS_REMEMBERED)
        self.attended_at = clock.monotonic()
        self.listed_at: dict[str, float] = {}
        self.hears_since: float | None = None
        self.got_list = False
        self.poll_success = dict.fromkeys(policy.operations, False)
        self.last_poll_at: float | None = None
        self.last_success_at: float | None = None
        self.last_duration: float | None = None
        self.clock_offset: float | None = None
        self.credential_changed_at: float | None = None
        self.certificate_ends_at: float | None = None

    @property
    def polled(self) -> bool:
        """Whether a first poll has ended, well or badly."""
        return self.last_poll_at is not None

    @property
    def _server_answers(self) -> bool:
        """Whether the server answers: a list that came over HTTP says so, a database's does not."""
        return not self.policy.database or self.poll_success.get(Operation.SERVER, True)

    def adopt(self, policy: Policy) -> None:
        """Follow new settings and keep what is known."""
        self.version += 1
        self.attend()
        self.policy = policy
        self.listed_at = {
            name: at for name, at in self.listed_at.items() if name in policy.principals
        }
        self.inventory.adopt(policy)
        self.requests.expect(policy.operations)
        self.poll_success = {
            operation: self.poll_success.get(operation, False) for operation in policy.operations
        }
        if not policy.joined:
            self.dispatch = None
        elif self.dispatch is None:
            self.dispatch = DispatchTracker()
        for tenant in self.tenants.values():
            tenant.adopt(policy)

    def attend(self) -> None:
        """Note that its polls go on."""
        self.attended_at = self.clock.monotonic()

    def ended(self, at: float, faults: tuple[PollFault, ...]) -> None:
        """Take in what a poll came to, once all else that it told is taken in."""
        kept = [PollFault(each.kind, each.text[:_LONGEST_FAULT]) for each in faults[:_MOST_FAULTS]]
        if len(faults) > _MOST_FAULTS:
            more = f"and {len(faults) - _MOST_FAULTS} more"
            kept.append(PollFault(more, more))
        before = {each.kind for each in self.faults}
        if self.same_since is None or before != {each.kind for each in kept}:
            self.same_since = at
        self.faults = tuple(kept)
        self.history.forget(at)
        kinds = tuple(each.kind[:_LONGEST_FAULT] for each in kept)
        self.polls.append(EndedPoll(at, self.last_duration or 0.0, kinds))

    def detail(self, runner_id: str) -> RunnerDetail | None:
        """Give all that is known of one of its runners; None for one that is not remembered."""
        record = self.inventory.record(runner_id)
        if record is None:
            return None
        reading = record.waiting
        return RunnerDetail(
            state=record.state,
            retired=record.retired,
            claims=record.claims,
            wakes=None if reading is None else reading.wakes,
            wakes_whole=reading is None or reading.whole,
            at_rest=frozenset() if reading is None else reading.at_rest,
            past=self.history.past(runner_id, self.clock.time()),
            polls=tuple(self.polls),
        )

    def skip(self, reason: Skip, times: int = 1) -> None:
        """Count polls that were due and did not happen."""
        self.requests.skip(reason, times)
        self.version += 1

    def tenant_target(self, tenant: str) -> "Target":
        """Give what is known of one of its tenants."""
        if tenant not in self.tenants:
            self.tenants[tenant] = Target(self.policy, self.clock, self.drift, tenant)
        return self.tenants[tenant]

    def moment(self, monotonic: float, server: float | None) -> Moment:
        """Give a moment with all that the silence of somebody has to be held against."""
        gaps: tuple[Gap, ...] = ()
        if self.outages.any:
            gaps = self.outages.gaps(monotonic, self.policy.thresholds.recovery)
        return Moment(self.clock.time(), monotonic, server, gaps)

    def snapshots(self, monotonic: float) -> Iterable[TargetSnapshot]:
        """Give the state at a moment, and that of every tenant if it is divided among tenants."""
        yield self.snapshot(monotonic)
        for tenant in self.tenants.values():
            yield tenant.snapshot(monotonic)

    def snapshot(self, monotonic: float) -> TargetSnapshot:
        """Give the state at a moment: nothing that is stale by then is called known."""
        policy = self.policy
        fresh = {
            name for name, at in self.listed_at.items() if monotonic - at <= policy.stale_after
        }
        runners = self.inventory.states()
        shard = policy.selection.shard
        up = self.got_list and bool(fresh) and self._server_answers
        return TargetSnapshot(
            name=policy.name,
            tenant=self.tenant,
            shard=shard.index if shard.count > 1 else None,
            interval=policy.interval,
            stale_after=policy.stale_after,
            up=up,
            poll_success=dict(self.poll_success),
            last_poll_at=self.last_poll_at,
            last_success_at=self.last_success_at,
            last_duration=self.last_duration,
            clock_offset=self.clock_offset,
            credential_changed_at=self.credential_changed_at,
            certificate_ends_at=self.certificate_ends_at if up else None,
            expected_min=policy.expected_min,
            principals=policy.principals,
            listed={
                principal: count
                for principal, count in self.inventory.listed().items()
                if principal in fresh
            },
            suppressed=self.inventory.suppressed(),
            runners=runners,
            fleet=self.totals.snapshot(),
            requests=self.requests.snapshot(),
            claims=self.claims.snapshot(runners) if self.claims else None,
            full_scan=self.full_scan,
            dispatch=self.dispatch.snapshot() if self.dispatch else None,
            faults=self.faults,
            same_since=self.same_since,
        )
