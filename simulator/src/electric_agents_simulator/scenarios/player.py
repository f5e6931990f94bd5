"""Plays a scenario on a server: makes its runners, and takes its actions in their time."""

import asyncio
import dataclasses
import itertools
import math
from collections.abc import AsyncGenerator, Coroutine, Iterable
from contextlib import asynccontextmanager
from random import Random
from typing import Final

import httpx
import msgspec

from electric_agents_simulator.clock import Clock, SkewedClock, sleep
from electric_agents_simulator.runner.api import AgentsApi
from electric_agents_simulator.scenarios import model
from electric_agents_simulator.scenarios.model import (
    Action,
    Role,
    Scenario,
    TimelineEvent,
    Workload,
)
from electric_agents_simulator.server.serving import SimulatedServer
from electric_agents_simulator.simulated_runners.base import ENTITY_TYPE, Identity, SimulatedRunner
from electric_agents_simulator.simulated_runners.batch import BatchRunner, RunnerBatch
from electric_agents_simulator.simulated_runners.scripted import ScriptedRunner
from electric_agents_simulator.simulated_runners.working import WorkingRunner

MOST_WORKING_RUNNERS: Final = 100
"""A role with more runners than that is a batch."""

_STARTS_IN_A_ROW: Final = 50
"""After so many starts other tasks get their turn."""


class ScenarioPlayer:
    """Plays one scenario, once, on a server that listens.

    Invariant: every runner and task that it made ends with `play`.
    """

    def __init__(
        self, server: SimulatedServer, scenario: Scenario, runners: int, seed: int, clock: Clock
    ) -> None:
        self._server = server
        self._scenario = scenario
        self._clock = clock
        self._random = Random(seed)  # noqa: S311  (a simulation, no secret)
        self._client = httpx.AsyncClient(
            limits=httpx.Limits(max_connections=None, keepalive_expiry=4), trust_env=False
        )
        self._roles: dict[str, Role] = {}
        self._runners: dict[str, list[SimulatedRunner]] = {}
        self._batches: dict[str, RunnerBatch] = {}
        self._unassigned = runners
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def play(self) -> AsyncGenerator["ScenarioPlayer"]:
        """Play while the context lasts; it begins when the first runners have started."""
        await self._api(model.MONITOR).add_entity_type(ENTITY_TYPE)
        for role in self._scenario.roles:
            self._add_role(role)
        async with asyncio.TaskGroup() as group:
            for batch in self._batches.values():
                self._run(group, batch.run())
            for role in self._roles.values():
                if role.starts_at_once:
                    await self._start(self._runners[role.name])
            for event in self._scenario.timeline:
                self._run(group, self._follow(group, event))
            try:
                yield self
            finally:
                for task in self._tasks:
                    task.cancel()
                await asyncio.gather(*(runner.close() for runner in self._all_runners()))
                await self._client.aclose()

    def _run(self, group: asyncio.TaskGroup, coroutine: Coroutine[None, None, None]) -> None:
        task = group.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # Runners

    def _add_role(self, role: Role) -> None:
        count = self._unassigned if role.count is None else min(role.count, self._unassigned)
        self._unassigned -= count
        self._roles[role.name] = role
        if isinstance(role.behaviour, Workload) and count > MOST_WORKING_RUNNERS:
            batch = RunnerBatch(self._server.system, role.behaviour, count, self._random)
            self._batches[role.name] = batch
        identities = [self._identity(role, number) for number in range(count)]
        self._runners[role.name] = [self._make(role, identity) for identity in identities]

    def _identity(self, role: Role, number: int) -> Identity:
        runner_id = role.name if role.same_id else f"{role.name}-{number}"
        if role.ids:
            runner_id = role.ids[number]
        return Identity(
            id=runner_id,
            owner=role.owners[number % len(role.owners)],
            kind=role.kinds[number % len(role.kinds)],
        )

    def _make(self, role: Role, identity: Identity) -> SimulatedRunner:
        if role.name in self._batches:
            batch = self._batches[role.name]
            return BatchRunner(batch, identity, role.timing, self._runner_clock(role))
        api = self._api(identity.owner)
        match role.behaviour:
            case Workload() as workload:
                return WorkingRunner(
                    api,
                    identity,
                    workload,
                    role.timing,
                    clock=self._clock,
                    runner_clock=self._runner_clock(role),
                    random=Random(self._random.random()),  # noqa: S311  (a simulation, no secret)
                )
            case model.ScriptedHeartbeats() as script:
                return ScriptedRunner(api, identity, script, self._runner_clock(role))
            case model.NoHeartbeats():
                return ScriptedRunner(api, identity, None, self._clock)

    def _runner_clock(self, role: Role) -> Clock:
        return SkewedClock(self._clock, role.skew_seconds) if role.skew_seconds else self._clock

    def _api(self, owner: str) -> AgentsApi:
        return AgentsApi(self._client, self._server.url, owner)

    def _all_runners(self) -> Iterable[SimulatedRunner]:
        return itertools.chain.from_iterable(self._runners.values())

    # Actions

    async def _follow(self, group: asyncio.TaskGroup, event: TimelineEvent) -> None:
        await sleep(self._clock, event.at)
        await self._take(group, event.action)
        while event.every_seconds is not None:
            await sleep(self._clock, event.every_seconds)
            await self._take(group, event.action)

    async def _take(self, group: asyncio.TaskGroup, action: Action) -> None:
        match action:
            case model.Start() | model.Kill() | model.Restart():
                await self._start_or_end(action)
            case model.Stop(role, share, apart):
                for runner in _share_of(_running(self._runners[role]), share):
                    self._run(group, runner.stop())
                    await self._pause(apart)
            case model.GiveWork(role):
                for runner in self._runners[role]:
                    await runner.give_work()
            case model.Signal(role, signal):
                for runner in self._runners[role]:
                    await runner.signal(signal)
            case _:
                await self._change_server(action)

    async def _start_or_end(self, action: model.Start | model.Kill | model.Restart) -> None:
        runners = self._runners[action.role]
        match action:
            case model.Start(_, share, apart):
                idle = [runner for runner in runners if not runner.running]
                await self._start(_share_of(idle, share), apart)
            case model.Kill(_, share):
                for runner in _share_of(_running(runners), share):
                    await runner.kill()
            case model.Restart(_, graceful, apart):
                for runner in runners:
                    await (runner.stop() if graceful else runner.kill())
                    await runner.start()
                    await self._pause(apart)

    async def _change_server(self, action: Action) -> None:
        """Take an action of an operator, or make something fail."""
        faults = self._server.system.faults
        match action:
            case model.Disable(role) | model.Enable(role):
                await self._set_enabled(role, enabled=isinstance(action, model.Enable))
            case model.ChangeOwner(role, owner):
                await self._change_owner(role, owner)
            case model.AddFault(fault, None):
                faults.add(fault)
            case model.AddFault(fault, str(role)):
                for runner in self._runners[role]:
                    faults.add(msgspec.structs.replace(fault, runner=runner.identity.id))
            case model.ClearFaults():
                faults.clear()
            case model.SetDatabase(state):
                faults.set_database(state)
            case model.ServerDown():
                await self._server.stop()
            case model.ServerUp():
                self._server.system.subscriptions.forget()
                await self._server.start()

    async def _start(self, runners: list[SimulatedRunner], apart_seconds: float = 0.0) -> None:
        for number, runner in enumerate(runners, start=1):
            await runner.start()
            await self._pause(apart_seconds)
            if number % _STARTS_IN_A_ROW == 0:
                await asyncio.sleep(0)

    async def _pause(self, seconds: float) -> None:
        if seconds:
            await sleep(self._clock, seconds)

    async def _set_enabled(self, role: str, *, enabled: bool) -> None:
        for runner in self._runners[role]:
            api = self._api(runner.identity.owner)
            await api.set_enabled(runner.identity.id, enabled=enabled)

    async def _change_owner(self, role: str, owner: str) -> None:
        """Deploy a role anew, with the same ids, under another principal."""
        before = self._runners[role]
        for runner in before:
            await runner.close()
        identities = [dataclasses.replace(runner.identity, owner=owner) for runner in before]
        self._runners[role] = [self._make(self._roles[role], identity) for identity in identities]
        await self._start(self._runners[role])


def _running(runners: list[SimulatedRunner]) -> list[SimulatedRunner]:
    return [runner for runner in runners if runner.running]


def _share_of(runners: list[SimulatedRunner], share: float) -> list[SimulatedRunner]:
    return runners[: math.ceil(len(runners) * share)]
