"""Who can be on a stage: a real pull-wake runner with its work, or a puppet."""

import asyncio
import contextlib
from dataclasses import dataclass
from random import Random
from typing import Protocol

import httpx

from electric_agents_exporter.contract.principals import parse
from electric_agents_simulator import values
from electric_agents_simulator.clock import Clock, sleep
from electric_agents_simulator.runner.api import AgentsApi, ApiFailure
from electric_agents_simulator.runner.runner import Pace, PullWakeRunner
from electric_agents_simulator.scenarios.model import Puppet, Workload
from electric_agents_simulator.values import Json

ENTITY_TYPE = "task"
"""The type of the agents that simulated runners work for."""

_RETRY_SECONDS = 2.0
_LOST = (ApiFailure, httpx.TransportError)


@dataclass(frozen=True)
class Identity:
    """Who a runner is."""

    id: str
    owner: str
    kind: str

    @property
    def owner_url(self) -> str:
        """Who it belongs to, as a server writes it."""
        return parse(self.owner).url

    def registration(self) -> Json:
        """What it says when it registers."""
        return {"id": self.id, "label": f"Runner {self.id}", "kind": self.kind}


class Member(Protocol):
    """A runner that can be started and ended, again and again."""

    @property
    def identity(self) -> Identity:
        """Who it is."""

    @property
    def running(self) -> bool:
        """Whether it has been started and not ended since."""

    async def start(self) -> None:
        """Register and begin."""

    async def stop(self) -> None:
        """End gracefully."""

    async def kill(self) -> None:
        """End at once, without a word."""

    async def hurry(self) -> None:
        """Give it work now, as much as it has agents."""

    async def signal(self, signal: str) -> None:
        """Signal each of its agents."""

    async def close(self) -> None:
        """End it and all that goes with it, for good."""


class RealMember:
    """A pull-wake runner, the agents it works for, and messages to them."""

    def __init__(  # noqa: PLR0913  (what makes a member, each with one meaning)
        self,
        api: AgentsApi,
        identity: Identity,
        workload: Workload,
        pace: Pace,
        *,
        clock: Clock,
        runner_clock: Clock,
        random: Random,
    ) -> None:
        self.identity = identity
        self._api = api
        self._workload = workload
        self._pace = pace
        self._clock = clock
        self._runner_clock = runner_clock
        self._random = random
        self._runner: PullWakeRunner | None = None
        self._messages: asyncio.Task[None] | None = None
        self._entities: list[str] = []

    @property
    def running(self) -> bool:
        """Whether it has been started and not ended since."""
        return self._runner is not None

    async def start(self) -> None:
        """Register as a new process does, and run."""
        await self._register()
        self._runner = PullWakeRunner(
            self._api,
            self.identity.id,
            self._handle,
            self._runner_clock,
            pace=self._pace,
        )
        self._runner.start()
        if self._messages is None and self._workload.entities:
            self._messages = asyncio.create_task(self._keep_busy())

    async def stop(self) -> None:
        """End gracefully; its agents go on getting messages."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.stop()

    async def kill(self) -> None:
        """Die."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.kill()

    async def hurry(self) -> None:
        """Send a message to each of its agents."""
        for entity in self._entities:
            with contextlib.suppress(*_LOST):
                await self._api.send(ENTITY_TYPE, entity, "hurry")

    async def signal(self, signal: str) -> None:
        """Signal each of its agents."""
        for entity in self._entities:
            with contextlib.suppress(*_LOST):
                await self._api.signal(ENTITY_TYPE, entity, signal)

    async def close(self) -> None:
        """Die, and let its agents rest too."""
        await self.kill()
        if self._messages is not None:
            self._messages.cancel()
            await asyncio.wait([self._messages])

    async def _register(self) -> None:
        while True:
            try:
                await self._api.register(self.identity.registration())
            except _LOST:
                await sleep(self._clock, _RETRY_SECONDS)
            else:
                return

    async def _keep_busy(self) -> None:
        names = [f"{self.identity.id}-{n}" for n in range(self._workload.entities)]
        for name in names:
            with contextlib.suppress(*_LOST):
                await self._api.spawn(ENTITY_TYPE, name, self.identity.id)
                self._entities.append(name)
        while True:
            await sleep(self._clock, self._random.expovariate(1 / self._workload.every_seconds))
            with contextlib.suppress(*_LOST):
                await self._api.send(ENTITY_TYPE, self._random.choice(names), "work")

    async def _handle(self, _notification: Json) -> None:
        await sleep(self._clock, self._random.uniform(*self._workload.seconds))


class PuppetMember:
    """Something that registers, and heartbeats what it is told to, if at all."""

    def __init__(
        self, api: AgentsApi, identity: Identity, puppet: Puppet | None, clock: Clock
    ) -> None:
        self.identity = identity
        self._api = api
        self._puppet = puppet
        self._clock = clock
        self._beating: asyncio.Task[None] | None = None
        self._began = clock.now()
        self.running = False

    async def start(self) -> None:
        """Register, and begin to heartbeat."""
        await self._api.register(self.identity.registration())
        self.running = True
        self._began = self._clock.now()
        if self._puppet is not None:
            self._beating = asyncio.create_task(self._beat(self._puppet))

    async def stop(self) -> None:
        """Heartbeat no more."""
        self.running = False
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.wait([self._beating])

    async def kill(self) -> None:
        """Heartbeat no more."""
        await self.stop()

    async def hurry(self) -> None:
        """Do nothing: a puppet does not work."""

    async def signal(self, signal: str) -> None:
        """Do nothing: a puppet has no agents."""

    async def close(self) -> None:
        """Heartbeat no more."""
        await self.stop()

    async def _beat(self, puppet: Puppet) -> None:
        while True:
            with contextlib.suppress(*_LOST):
                await self._api.heartbeat(self.identity.id, self._heartbeat(puppet))
            if puppet.every_seconds is None:
                return
            await sleep(self._clock, puppet.every_seconds)

    def _heartbeat(self, puppet: Puppet) -> Json:
        body: Json = {"lease_ms": puppet.lease_ms, "wake_stream_offset": "-1"}
        if puppet.lease_until is not None:
            body["liveness_lease_expires_at"] = puppet.lease_until
        if puppet.says is not None:
            body["diagnostics"] = {key: self._word(key, word) for key, word in puppet.says.items()}
        return body

    def _word(self, key: str, word: object) -> object:
        if isinstance(word, str) and word[:1] in "+-" and word.endswith("s"):
            # A process starts once, and heartbeats again and again.
            reference = self._clock.now() if key == "last_heartbeat_at" else self._began
            return values.to_text(values.from_seconds(reference + float(word[:-1])))
        return word
