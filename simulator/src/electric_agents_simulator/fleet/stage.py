"""A scenario on a server: casts the roles, and takes the steps of the timeline in their time."""

import asyncio
import dataclasses
import itertools
import math
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from random import Random
from typing import Final

import httpx
import msgspec

from electric_agents_simulator.clock import Clock, SkewedClock, sleep
from electric_agents_simulator.fleet.crowd import Crowd, CrowdMember
from electric_agents_simulator.fleet.members import (
    ENTITY_TYPE,
    Identity,
    Member,
    PuppetMember,
    RealMember,
)
from electric_agents_simulator.runner.api import AgentsApi
from electric_agents_simulator.scenarios import model
from electric_agents_simulator.scenarios.model import Cue, Role, Scenario, Step, Workload
from electric_agents_simulator.server.serving import SimulatedServer

LARGEST_REAL_ROLE: Final = 100
"""Of a role with more members than that, all are a crowd."""

_POLITE_PAUSE: Final = 50
"""After so many starts others get a turn."""


class Stage:
    """Where one scenario is played, once, on a server that listens.

    Invariant: every member and task that it made ends with `play`.
    """

    def __init__(
        self, server: SimulatedServer, scenario: Scenario, runners: int, seed: int, clock: Clock
    ) -> None:
        self._server = server
        self._scenario = scenario
        self._clock = clock
        self._random = Random(seed)  # noqa: S311  (a story, no secret)
        self._client = httpx.AsyncClient(
            limits=httpx.Limits(max_connections=None, keepalive_expiry=4), trust_env=False
        )
        self._roles: dict[str, Role] = {}
        self._members: dict[str, list[Member]] = {}
        self._crowds: dict[str, Crowd] = {}
        self._left = runners

    @asynccontextmanager
    async def play(self) -> AsyncGenerator["Stage"]:
        """Play while the context lasts; it begins when the first runners have started."""
        await self._api(model.MONITOR).add_entity_type(ENTITY_TYPE)
        for role in self._scenario.cast:
            self._cast(role)
        async with asyncio.TaskGroup() as tasks:
            playing = [tasks.create_task(crowd.run()) for crowd in self._crowds.values()]
            for role in self._roles.values():
                if role.on_stage:
                    await self._start(self._members[role.name])
            playing += [tasks.create_task(self._follow(cue)) for cue in self._scenario.timeline]
            try:
                yield self
            finally:
                for task in playing:
                    task.cancel()
                await asyncio.gather(*(member.close() for member in self._all_members()))
                await self._client.aclose()

    # Casting

    def _cast(self, role: Role) -> None:
        count = self._left if role.count is None else min(role.count, self._left)
        self._left -= count
        self._roles[role.name] = role
        if isinstance(role.conduct, Workload) and count > LARGEST_REAL_ROLE:
            crowd = Crowd(self._server.system, role.conduct, count, self._random)
            self._crowds[role.name] = crowd
        identities = [self._identity(role, number) for number in range(count)]
        self._members[role.name] = [self._make(role, identity) for identity in identities]

    def _identity(self, role: Role, number: int) -> Identity:
        runner_id = role.name if role.same_id else f"{role.name}-{number}"
        if role.ids:
            runner_id = role.ids[number]
        return Identity(
            id=runner_id,
            owner=role.owners[number % len(role.owners)],
            kind=role.kinds[number % len(role.kinds)],
        )

    def _make(self, role: Role, identity: Identity) -> Member:
        if role.name in self._crowds:
            crowd = self._crowds[role.name]
            return CrowdMember(crowd, identity, role.pace, self._runner_clock(role))
        api = self._api(identity.owner)
        match role.conduct:
            case Workload() as workload:
                return RealMember(
                    api,
                    identity,
                    workload,
                    role.pace,
                    clock=self._clock,
                    runner_clock=self._runner_clock(role),
                    random=Random(self._random.random()),  # noqa: S311  (a story, no secret)
                )
            case model.Puppet() as puppet:
                return PuppetMember(api, identity, puppet, self._runner_clock(role))
            case model.Silent():
                return PuppetMember(api, identity, None, self._clock)

    def _runner_clock(self, role: Role) -> Clock:
        return SkewedClock(self._clock, role.skew_seconds) if role.skew_seconds else self._clock

    def _api(self, owner: str) -> AgentsApi:
        return AgentsApi(self._client, self._server.url, owner)

    def _all_members(self) -> Iterable[Member]:
        return itertools.chain.from_iterable(self._members.values())

    # Playing

    async def _follow(self, cue: Cue) -> None:
        await sleep(self._clock, cue.at)
        await self._take(cue.step)
        while cue.every_seconds is not None:
            await sleep(self._clock, cue.every_seconds)
            await self._take(cue.step)

    async def _take(self, step: Step) -> None:
        match step:
            case model.Start() | model.Stop() | model.Kill() | model.Restart():
                await self._lead(step)
            case model.Busy(role):
                for member in self._members[role]:
                    await member.hurry()
            case model.Signal(role, signal):
                for member in self._members[role]:
                    await member.signal(signal)
            case _:
                await self._operate(step)

    async def _lead(self, step: model.Start | model.Stop | model.Kill | model.Restart) -> None:
        """Take a step of the runners' own."""
        members = self._members[step.role]
        match step:
            case model.Start(_, share, apart):
                idle = [member for member in members if not member.running]
                await self._start(_share_of(idle, share), apart)
            case model.Stop(_, share, apart):
                for member in _share_of(_running(members), share):
                    await member.stop()
                    await self._pause(apart)
            case model.Kill(_, share):
                for member in _share_of(_running(members), share):
                    await member.kill()
            case model.Restart(_, graceful, apart):
                for member in members:
                    await (member.stop() if graceful else member.kill())
                    await member.start()
                    await self._pause(apart)

    async def _operate(self, step: Step) -> None:
        """Take a step of the operators', or of fate."""
        faults = self._server.system.faults
        match step:
            case model.Disable(role) | model.Enable(role):
                await self._administer(role, enabled=isinstance(step, model.Enable))
            case model.Move(role, owner):
                await self._move(role, owner)
            case model.Trouble(fault, None):
                faults.add(fault)
            case model.Trouble(fault, str(role)):
                for member in self._members[role]:
                    faults.add(msgspec.structs.replace(fault, runner=member.identity.id))
            case model.Calm():
                faults.clear()
            case model.Database(state):
                faults.set_database(state)
            case model.ServerDown():
                await self._server.stop()
            case model.ServerUp():
                self._server.system.subscriptions.forget()
                await self._server.start()

    async def _start(self, members: list[Member], apart_seconds: float = 0.0) -> None:
        for number, member in enumerate(members, start=1):
            await member.start()
            await self._pause(apart_seconds)
            if number % _POLITE_PAUSE == 0:
                await asyncio.sleep(0)

    async def _pause(self, seconds: float) -> None:
        if seconds:
            await sleep(self._clock, seconds)

    async def _administer(self, role: str, *, enabled: bool) -> None:
        for member in self._members[role]:
            api = self._api(member.identity.owner)
            await api.set_enabled(member.identity.id, enabled=enabled)

    async def _move(self, role: str, owner: str) -> None:
        """Deploy a role anew, with the same ids, under another principal."""
        before = self._members[role]
        for member in before:
            await member.close()
        identities = [dataclasses.replace(member.identity, owner=owner) for member in before]
        self._members[role] = [self._make(self._roles[role], identity) for identity in identities]
        await self._start(self._members[role])


def _running(members: list[Member]) -> list[Member]:
    return [member for member in members if member.running]


def _share_of(members: list[Member], share: float) -> list[Member]:
    return members[: math.ceil(len(members) * share)]
