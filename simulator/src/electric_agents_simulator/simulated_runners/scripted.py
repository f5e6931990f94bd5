"""A runner that is nothing but its heartbeats, and they say what they are told to."""

import asyncio
import contextlib

from electric_agents_simulator import values
from electric_agents_simulator.clock import Clock, sleep
from electric_agents_simulator.runner.api import LOST_REQUEST, AgentsApi
from electric_agents_simulator.scenarios.model import ScriptedHeartbeats
from electric_agents_simulator.simulated_runners.base import Identity
from electric_agents_simulator.values import Json


class ScriptedRunner:
    """Registers, and sends scripted heartbeats, if any; it has no entities and does no work."""

    def __init__(
        self, api: AgentsApi, identity: Identity, script: ScriptedHeartbeats | None, clock: Clock
    ) -> None:
        self.identity = identity
        self._api = api
        self._script = script
        self._clock = clock
        self._heartbeats: asyncio.Task[None] | None = None
        self._started_at = clock.now()
        self.running = False

    async def start(self) -> None:
        """Register, and begin to heartbeat."""
        await self._api.register(self.identity.registration())
        self.running = True
        self._started_at = self._clock.now()
        if self._script is not None:
            self._heartbeats = asyncio.create_task(self._heartbeat(self._script))

    async def stop(self) -> None:
        """Heartbeat no more."""
        self.running = False
        if self._heartbeats is not None:
            self._heartbeats.cancel()
            await asyncio.wait([self._heartbeats])

    async def kill(self) -> None:
        """Heartbeat no more."""
        await self.stop()

    async def give_work(self) -> None:
        """Do nothing: it does no work."""

    async def signal(self, signal: str) -> None:
        """Do nothing: it has no entities."""

    async def close(self) -> None:
        """Heartbeat no more."""
        await self.stop()

    async def _heartbeat(self, script: ScriptedHeartbeats) -> None:
        while True:
            with contextlib.suppress(*LOST_REQUEST):
                await self._api.heartbeat(self.identity.id, self._body(script))
            if script.every_seconds is None:
                return
            await sleep(self._clock, script.every_seconds)

    def _body(self, script: ScriptedHeartbeats) -> Json:
        body: Json = {"lease_ms": script.lease_ms, "wake_stream_offset": "-1"}
        if script.lease_until is not None:
            body["liveness_lease_expires_at"] = script.lease_until
        if script.diagnostics is not None:
            body["diagnostics"] = {
                name: self._value(name, value) for name, value in script.diagnostics.items()
            }
        return body

    def _value(self, name: str, value: object) -> object:
        if isinstance(value, str) and value[:1] in "+-" and value.endswith("s"):
            # A process starts once, and heartbeats again and again.
            reference = self._clock.now() if name == "last_heartbeat_at" else self._started_at
            return values.to_text(values.from_seconds(reference + float(value[:-1])))
        return value
