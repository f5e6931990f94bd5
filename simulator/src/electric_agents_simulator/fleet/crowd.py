"""Many runners at once, in bulk: no connection and no task of their own.

A member of a crowd keeps the same diagnostics as a real runner and is subject to the same
database, but it heartbeats and claims straight into the registry, all that is due together. Its
claim is one row, used again and again, so that a crowd needs no more memory the longer it works.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from random import Random
from typing import Final

from electric_agents_simulator.clock import Clock, sleep
from electric_agents_simulator.fleet.members import Identity
from electric_agents_simulator.runner.diagnostics import Diagnostics
from electric_agents_simulator.runner.runner import FIRST_BACKOFF_SECONDS, Pace
from electric_agents_simulator.scenarios.model import Workload
from electric_agents_simulator.server.faults import DatabaseState
from electric_agents_simulator.server.system import System
from electric_agents_simulator.storage.records import Claim, Heartbeat, Registration
from electric_agents_simulator.wakes.subscriptions import LEASE_SECONDS

_TICK_SECONDS: Final = 1.0
_CONNECTING_SECONDS: Final = 0.1
_BUSIEST_CLAIMS_PER_SECOND: Final = 10.0
_REFUSED: Final = "Pull-wake runner heartbeat failed: 500"
"""What a runner of a crowd says of a heartbeat that the server could not take."""


@dataclass(order=True)
class _Due:
    at: float
    number: int
    act: Callable[[], None] = field(compare=False)


class Crowd:
    """The members' common clockwork: each tick does what is due, in a few statements.

    Invariant: what is in `_due` belongs to members that run, or is ignored when its time comes.
    """

    def __init__(self, system: System, workload: Workload, size: int, random: Random) -> None:
        self.system = system
        self.random = random
        self.seconds_of_work = workload.seconds
        self.seconds_between = max(workload.every_seconds, size / _BUSIEST_CLAIMS_PER_SECOND)
        self.works = workload.entities > 0
        self._due: list[_Due] = []
        self._count = 0
        self._heartbeats: list[CrowdMember] = []
        self._claims: list[Claim] = []
        self._releases: list[tuple[str, int]] = []

    @property
    def database_is_up(self) -> bool:
        """Whether the server can take anything at all now."""
        faults = self.system.faults
        return faults.database is DatabaseState.UP and not self.system.stopping.is_set()

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """Do something in so many seconds."""
        self._count += 1
        at = self.system.clock.now() + seconds
        heapq.heappush(self._due, _Due(at, self._count, act))

    def heartbeat(self, member: "CrowdMember") -> None:
        """Send a member's heartbeat with the others of this tick."""
        self._heartbeats.append(member)

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
        while self._due and self._due[0].at <= now:
            heapq.heappop(self._due).act()
        registry, moment = self.system.registry, self.system.now()
        if self.database_is_up:
            registry.release_claims(self._releases, moment)
            registry.open_claims(self._claims)
            registry.record_heartbeats([member.sign(moment) for member in self._heartbeats])
            self._releases, self._claims = [], []
        for member in self._heartbeats:
            member.heartbeat_went(well=self.database_is_up)
        self._heartbeats = []

    def is_hit(self, route: str, member: "CrowdMember") -> bool:
        """Tell whether a fault befalls a request of a member; any kind of it counts as failure."""
        return self.system.faults.hitting(route, member.identity.id) is not None


class CrowdMember:
    """One of many."""

    def __init__(self, crowd: Crowd, identity: Identity, pace: Pace, runner_clock: Clock) -> None:
        self.identity = identity
        self._crowd = crowd
        self._pace = pace
        self._clock = runner_clock
        self._diagnostics = Diagnostics(runner_clock)
        self._life = 0
        self._soon = False
        self._claim_key: tuple[str, int] | None = None
        self.running = False

    async def start(self) -> None:
        """Register, and begin to heartbeat and to work."""
        self._crowd.system.registry.register(
            Registration(
                id=self.identity.id,
                owner_principal=self.identity.owner_url,
                label=f"Runner {self.identity.id}",
                kind=self.identity.kind,
            ),
            self._crowd.system.now(),
        )
        self._life += 1
        self.running = True
        self._diagnostics = Diagnostics.of_a_start(self._clock)
        self._diagnostics.connecting()
        self._claim_key = None
        self._crowd.heartbeat(self)
        self._in(_CONNECTING_SECONDS, self._connect)
        random = self._crowd.random
        self._in(random.uniform(1, self._pace.heartbeat_seconds), self._beat)
        if self._crowd.works:
            self._wait_for_work()

    async def stop(self) -> None:
        """End gracefully: what is claimed is given back."""
        if self._claim_key is not None:
            self._crowd.release(self._claim_key)
        await self.kill()

    async def kill(self) -> None:
        """End; what is claimed stays claimed."""
        self._life += 1
        self.running = False

    async def hurry(self) -> None:
        """Begin to work at once."""
        if self.running and self._claim_key is None:
            self._begin_work()

    async def signal(self, signal: str) -> None:
        """Do nothing: a crowd's agents are not there to be signalled."""

    async def close(self) -> None:
        """End."""
        await self.kill()

    def sign(self, now: datetime) -> Heartbeat:
        """Write the heartbeat of this moment."""
        return Heartbeat(
            runner_id=self.identity.id,
            owner_principal=self.identity.owner_url,
            seen_at=now,
            lease_expires_at=now + timedelta(milliseconds=self._pace.lease_ms),
            wake_stream_offset="-1",
            diagnostics=self._diagnostics.report(),
        )

    def heartbeat_went(self, *, well: bool) -> None:
        """Take note of how the heartbeat went, as a real runner does."""
        if well:
            self._diagnostics.heartbeat_answered()
            self._diagnostics.heartbeat_succeeded()
        else:
            reset = self._diagnostics.heartbeat_failed(_REFUSED)
            if reset:
                self._diagnostics.disconnected(_REFUSED)
                self._in(FIRST_BACKOFF_SECONDS, self._connect)
            self._changed()

    def _connect(self) -> None:
        self._diagnostics.connected()
        self._changed()

    def _beat(self) -> None:
        self._crowd.heartbeat(self)
        self._in(self._pace.heartbeat_seconds, self._beat)

    def _changed(self) -> None:
        if not self._soon:
            self._soon = True
            self._in(self._pace.throttle_seconds, self._beat_for_change)

    def _beat_for_change(self) -> None:
        self._soon = False
        self._crowd.heartbeat(self)

    def _begin_work(self) -> None:
        crowd = self._crowd
        entity = f"/task/{self.identity.id}"
        now = crowd.system.now()
        consumer = "w_" + sha256(self.identity.id.encode()).hexdigest()[:24]
        self._diagnostics.event_received()
        self._diagnostics.claim_started()
        if crowd.is_hit("claim-write", self):
            self._diagnostics.claim_failed()
            self._changed()
            self._wait_for_work()
            return
        self._claim_key = (consumer, 1)
        self._diagnostics.claim_succeeded()
        self._diagnostics.dispatched()
        crowd.claim(
            Claim(
                consumer_id=consumer,
                epoch=1,
                entity_url=entity,
                stream_path=f"{entity}/main",
                runner_id=self.identity.id,
                claimed_at=now,
                lease_expires_at=now + timedelta(seconds=LEASE_SECONDS),
            )
        )
        self._changed()
        self._in(crowd.random.uniform(*crowd.seconds_of_work), self._end_work)

    def _end_work(self) -> None:
        if self._claim_key is not None:
            self._crowd.release(self._claim_key)
            self._claim_key = None
        self._wait_for_work()

    def _wait_for_work(self) -> None:
        seconds = self._crowd.random.expovariate(1 / self._crowd.seconds_between)
        self._in(seconds, self._begin_work)

    def _in(self, seconds: float, act: Callable[[], None]) -> None:
        """Do something in so many seconds, unless this life is over by then."""
        life = self._life

        def act_if_alive() -> None:
            if self._life == life:
                act()

        self._crowd.later(seconds, act_if_alive)
