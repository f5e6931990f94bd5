"""A real pull-wake runner, the entities that it works for, and messages to them."""

import asyncio
import contextlib
from random import Random

from electric_agents_simulator.clock import Clock, sleep
from electric_agents_simulator.runner.api import LOST_REQUEST, AgentsApi
from electric_agents_simulator.runner.runner import HeartbeatTiming, PullWakeRunner
from electric_agents_simulator.scenarios.model import Workload
from electric_agents_simulator.simulated_runners.base import ENTITY_TYPE, Identity
from electric_agents_simulator.values import Json

_RETRY_SECONDS = 2.0


class WorkingRunner:
    """Runs a `PullWakeRunner`; each start is a new process of the same runner.

    Its entities are made at the first start. They go on getting messages, whether it runs or not.
    """

    def __init__(  # noqa: PLR0913  (what makes a runner, each with one meaning)
        self,
        api: AgentsApi,
        identity: Identity,
        workload: Workload,
        timing: HeartbeatTiming,
        *,
        clock: Clock,
        runner_clock: Clock,
        random: Random,
    ) -> None:
        self.identity = identity
        self._api = api
        self._workload = workload
        self._timing = timing
        self._clock = clock
        self._runner_clock = runner_clock
        self._random = random
        self._process: PullWakeRunner | None = None
        self._stopping: set[PullWakeRunner] = set()
        self._messages: asyncio.Task[None] | None = None
        self._entities: list[str] = []

    @property
    def running(self) -> bool:
        """Whether it was started and not ended since."""
        return self._process is not None

    async def start(self) -> None:
        """Register as a new process does, and run."""
        await self._register()
        self._process = PullWakeRunner(
            self._api, self.identity.id, self._handle, self._runner_clock, timing=self._timing
        )
        self._process.start()
        if self._messages is None and self._workload.entities:
            self._messages = asyncio.create_task(self._send_messages())

    async def stop(self) -> None:
        """End gracefully; returns when the work in hand has ended."""
        if self._process is not None:
            process, self._process = self._process, None
            self._stopping.add(process)
            await process.stop()
            self._stopping.discard(process)

    async def kill(self) -> None:
        """End at once; what is claimed stays claimed."""
        if self._process is not None:
            process, self._process = self._process, None
            await process.kill()

    async def give_work(self) -> None:
        """Send a message to each of its entities."""
        for entity in self._entities:
            with contextlib.suppress(*LOST_REQUEST):
                await self._api.send(ENTITY_TYPE, entity, "extra work")

    async def signal(self, signal: str) -> None:
        """Signal each of its entities."""
        for entity in self._entities:
            with contextlib.suppress(*LOST_REQUEST):
                await self._api.signal(ENTITY_TYPE, entity, signal)

    async def close(self) -> None:
        """Kill it, and what has been stopped and still works, and send no more messages."""
        await self.kill()
        for process in list(self._stopping):
            await process.kill()
        if self._messages is not None:
            self._messages.cancel()
            await asyncio.wait([self._messages])

    async def _register(self) -> None:
        while True:
            try:
                await self._api.register(self.identity.registration())
            except LOST_REQUEST:
                await sleep(self._clock, _RETRY_SECONDS)
            else:
                return

    async def _send_messages(self) -> None:
        names = [f"{self.identity.id}-{n}" for n in range(self._workload.entities)]
        for name in names:
            with contextlib.suppress(*LOST_REQUEST):
                await self._api.spawn(ENTITY_TYPE, name, self.identity.id)
                self._entities.append(name)
        while True:
            await sleep(self._clock, self._random.expovariate(1 / self._workload.every_seconds))
            with contextlib.suppress(*LOST_REQUEST):
                await self._api.send(ENTITY_TYPE, self._random.choice(names), "work")

    async def _handle(self, _notification: Json) -> None:
        await sleep(self._clock, self._random.uniform(*self._workload.seconds))
