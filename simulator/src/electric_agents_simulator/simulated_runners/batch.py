"""Many runners in one loop, without a connection or a task of their own.

They keep the same diagnostics as a real runner and suffer from the same database. But they
heartbeat and claim straight into the registry, all that is due together. Each of them uses one
claim row again and again, and no wake stream, so that they need no more memory the longer they
work.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from random import Random
from typing import Final

from electric_agents_simulator.clock import Clock, sleep
from electric_agents_simulator.runner.diagnostics import Diagnostics
from electric_agents_simulator.runner.runner import FIRST_BACKOFF_SECONDS, HeartbeatTiming
from electric_agents_simulator.scenarios.model import Workload
from electric_agents_simulator.server.faults import DatabaseState
from electric_agents_simulator.server.system import System
from electric_agents_simulator.simulated_runners.base import ENTITY_TYPE, Identity
from electric_agents_simulator.storage.records import Claim, Heartbeat, Registration
from electric_agents_simulator.wakes.subscriptions import LEASE_SECONDS

_TICK_SECONDS: Final = 1.0
_CONNECTING_SECONDS: Final = 0.1
_MOST_CLAIMS_PER_SECOND: Final = 10.0
_HEARTBEAT_ERROR: Final = "Pull-wake runner heartbeat failed: 500"


@dataclass(order=True)
class _Scheduled:
    at: float
    number: int
    callback: Callable[[], None] = field(compare=False)


class RunnerBatch:
    """The loop of many runners: each tick does what is due, in a few statements.

    Invariant: what is scheduled belongs to runners that run, or does nothing when its time comes.
    """

    def __init__(self, system: System, workload: Workload, size: int, random: Random) -> None:
        self.system = system
        self.random = random
        self.seconds_of_work = workload.seconds
        self.seconds_between = max(workload.every_seconds, size / _MOST_CLAIMS_PER_SECOND)
        self.works = workload.entities > 0
        self._schedule: list[_Scheduled] = []
        self._count = 0
        self._heartbeats: list[BatchRunner] = []
        self._claims: list[Claim] = []
        self._releases: list[tuple[str, int]] = []

    @property
    def database_is_up(self) -> bool:
        """Whether the server can store anything now."""
        faults = self.system.faults
        return faults.database is DatabaseState.UP and not self.system.stopping.is_set()

    def call_later(self, seconds: float, callback: Callable[[], None]) -> None:
        """Call back with the first tick after so many seconds."""
        self._count += 1
        at = self.system.clock.now() + seconds
        heapq.heappush(self._schedule, _Scheduled(at, self._count, callback))

    def heartbeat(self, runner: "BatchRunner") -> None:
        """Send a runner's heartbeat with the others of this tick."""
        self._heartbeats.append(runner)

    def claim(self, claim: Claim) -> None:
        """Open a claim with the others of this tick."""
        self._claims.append(claim)

    def release(self, key: tuple[str, int]) -> None:
        """Release a claim with the others of this tick."""
        self._releases.append(key)

    async def run(self) -> None:
        """Tick for ever."""
        while True:
            self.tick()
            await sleep(self.system.clock, _TICK_SECONDS)

    def tick(self) -> None:
        """Do all that is due by now."""
        now = self.system.clock.now()
        while self._schedule and self._schedule[0].at <= now:
            heapq.heappop(self._schedule).callback()
        registry, moment = self.system.registry, self.system.now()
        if self.database_is_up:
            registry.release_claims(self._releases, moment)
            registry.open_claims(self._claims)
            registry.record_heartbeats([runner.heartbeat(moment) for runner in self._heartbeats])
            self._releases, self._claims = [], []
        for runner in self._heartbeats:
            runner.heartbeat_ended(well=self.database_is_up)
        self._heartbeats = []

    def has_fault(self, route: str, runner: "BatchRunner") -> bool:
        """Tell whether a fault hits a request of a runner; any kind of fault is a failure here."""
        return self.system.faults.match(route, runner.identity.id) is not None


class BatchRunner:
    """One runner of a batch."""

    def __init__(
        self, batch: RunnerBatch, identity: Identity, timing: HeartbeatTiming, runner_clock: Clock
    ) -> None:
        self.identity = identity
        self._batch = batch
        self._timing = timing
        self._clock = runner_clock
        self._diagnostics = Diagnostics(runner_clock)
        self._starts = 0
        self._change_pending = False
        self._claim_key: tuple[str, int] | None = None
        self.running = False

    async def start(self) -> None:
        """Register, and begin to heartbeat and to work."""
        system = self._batch.system
        runner = system.registry.register(
            Registration(
                id=self.identity.id,
                owner_principal=self.identity.owner_url,
                label=f"Runner {self.identity.id}",
                kind=self.identity.kind,
            ),
            system.now(),
        )
        system.streams.ensure(runner.wake_stream)
        self._starts += 1
        self.running = True
        self._diagnostics = Diagnostics.of_a_start(self._clock)
        self._diagnostics.connecting()
        self._claim_key = None
        self._change_pending = False
        self._batch.heartbeat(self)
        self._call_later(_CONNECTING_SECONDS, self._connect)
        first = self._batch.random.uniform(1, self._timing.heartbeat_seconds)
        self._call_later(first, self._heartbeat_at_interval)
        if self._batch.works:
            self._wait_for_work()

    async def stop(self) -> None:
        """End, and give back what is claimed."""
        if self._claim_key is not None:
            self._batch.release(self._claim_key)
        await self.kill()

    async def kill(self) -> None:
        """End; what is claimed stays claimed."""
        self._starts += 1
        self.running = False

    async def give_work(self) -> None:
        """Begin to work at once."""
        if self.running and self._claim_key is None:
            self._begin_work()

    async def signal(self, signal: str) -> None:
        """Do nothing: the entities of a batch are only names."""

    async def close(self) -> None:
        """End."""
        await self.kill()

    def heartbeat(self, now: datetime) -> Heartbeat:
        """Write the heartbeat of this moment."""
        return Heartbeat(
            runner_id=self.identity.id,
            owner_principal=self.identity.owner_url,
            seen_at=now,
            lease_expires_at=now + timedelta(milliseconds=self._timing.lease_ms),
            wake_stream_offset="-1",
            diagnostics=self._diagnostics.report(),
        )

    def heartbeat_ended(self, *, well: bool) -> None:
        """Take note of how the heartbeat went, as a real runner does."""
        if well:
            self._diagnostics.heartbeat_answered()
            self._diagnostics.heartbeat_succeeded()
            return
        must_reset = self._diagnostics.heartbeat_failed(_HEARTBEAT_ERROR)
        if must_reset:
            self._diagnostics.disconnected(_HEARTBEAT_ERROR)
            self._call_later(FIRST_BACKOFF_SECONDS, self._connect)
        self._changed()

    def _connect(self) -> None:
        self._diagnostics.connected()
        self._changed()

    def _heartbeat_at_interval(self) -> None:
        self._batch.heartbeat(self)
        self._call_later(self._timing.heartbeat_seconds, self._heartbeat_at_interval)

    def _changed(self) -> None:
        if not self._change_pending:
            self._change_pending = True
            self._call_later(self._timing.throttle_seconds, self._heartbeat_on_change)

    def _heartbeat_on_change(self) -> None:
        self._change_pending = False
        self._batch.heartbeat(self)

    def _begin_work(self) -> None:
        batch = self._batch
        self._diagnostics.event_received()
        self._diagnostics.claim_started()
        if batch.has_fault("claim-write", self):
            self._diagnostics.claim_failed()
            self._changed()
            self._wait_for_work()
            return
        claim = self._new_claim()
        self._claim_key = (claim.consumer_id, claim.epoch)
        self._diagnostics.claim_succeeded()
        self._diagnostics.dispatched()
        batch.claim(claim)
        self._changed()
        self._call_later(batch.random.uniform(*batch.seconds_of_work), self._end_work)

    def _new_claim(self) -> Claim:
        entity = f"/{ENTITY_TYPE}/{self.identity.id}"
        now = self._batch.system.now()
        return Claim(
            consumer_id="w_" + sha256(self.identity.id.encode()).hexdigest()[:24],
            epoch=1,
            entity_url=entity,
            stream_path=f"{entity}/main",
            runner_id=self.identity.id,
            claimed_at=now,
            lease_expires_at=now + timedelta(seconds=LEASE_SECONDS),
        )

    def _end_work(self) -> None:
        if self._claim_key is not None:
            self._batch.release(self._claim_key)
            self._claim_key = None
        self._wait_for_work()

    def _wait_for_work(self) -> None:
        seconds = self._batch.random.expovariate(1 / self._batch.seconds_between)
        self._call_later(seconds, self._begin_work)

    def _call_later(self, seconds: float, callback: Callable[[], None]) -> None:
        """Call back in so many seconds, unless the runner has ended or started anew by then."""
        start = self._starts

        def call_if_same_start() -> None:
            if self._starts == start:
                callback()

        self._batch.call_later(seconds, call_if_same_start)
