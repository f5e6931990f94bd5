"""Crowds: members without connection or task of their own, second by second."""

from collections.abc import Iterator
from random import Random

import pytest

from electric_agents_simulator.clock import ManualClock
from electric_agents_simulator.fleet.crowd import Crowd, CrowdMember
from electric_agents_simulator.fleet.members import Identity
from electric_agents_simulator.runner.runner import Pace
from electric_agents_simulator.scenarios.model import Workload
from electric_agents_simulator.server.faults import DatabaseState, Fault, FaultKind
from electric_agents_simulator.server.system import System
from electric_agents_simulator.testing import Caller
from electric_agents_simulator.values import Json


class Crew:
    """Forty members of a crowd, and the seconds that pass for them."""

    def __init__(self, system: System, clock: ManualClock) -> None:
        work = Workload(entities=1, every_seconds=10.0, seconds=(3.0, 6.0))
        self.crowd = Crowd(system, work, 40, Random(1))  # noqa: S311  (a crowd, no secret)
        self._clock = clock
        pace = Pace(heartbeat_seconds=10.0)
        self.members = [
            CrowdMember(self.crowd, Identity(f"c-{n}", "service:monitor", "server"), pace, clock)
            for n in range(40)
        ]

    async def start(self) -> None:
        for member in self.members:
            await member.start()
        self.crowd.tick()

    def pass_seconds(self, seconds: int) -> None:
        for _ in range(seconds):
            self._clock.advance(1.0)
            self.crowd.tick()


@pytest.fixture
def crew(system: System, clock: ManualClock) -> Iterator[Crew]:
    yield Crew(system, clock)
    system.registry.close()


async def reports(caller: Caller) -> list[Json]:
    return [await caller.health(runner["id"]) for runner in await caller.runners()]


async def test_a_crowd_heartbeats_and_works(crew: Crew, caller: Caller) -> None:
    await crew.start()
    crew.pass_seconds(60)
    seen = await reports(caller)
    assert len(seen) == 40
    assert all(report["health"] == {"status": "healthy", "issues": []} for report in seen)
    assert sum(report["client"]["claims_succeeded"] for report in seen) > 60
    assert 0 < sum(report["claims"]["active_count"] for report in seen) < 40


async def test_its_first_heartbeat_is_as_pessimistic_as_a_real_ones(
    crew: Crew, caller: Caller
) -> None:
    await crew.start()
    first = (await reports(caller))[0]
    assert first["health"]["issues"] == [
        "Client reports stream disconnected",
        "Client reports last heartbeat failed",
    ]


async def test_the_dead_leave_their_claims_and_the_stopped_do_not(
    crew: Crew, caller: Caller
) -> None:
    await crew.start()
    crew.pass_seconds(60)
    for member in crew.members[:20]:
        await member.kill()
    for member in crew.members[20:]:
        await member.stop()
    crew.pass_seconds(60)
    seen = {report["runner"]["id"]: report for report in await reports(caller)}
    assert {report["runner"]["liveness_status"] for report in seen.values()} == {"expired"}
    assert sum(seen[f"c-{n}"]["claims"]["active_count"] for n in range(20)) > 0
    assert sum(seen[f"c-{n}"]["claims"]["active_count"] for n in range(20, 40)) == 0


async def test_an_outage_leaves_reconnects_behind(crew: Crew, caller: Caller) -> None:
    await crew.start()
    crew.pass_seconds(30)
    crew.crowd.system.faults.set_database(DatabaseState.DOWN)
    crew.pass_seconds(55)
    crew.crowd.system.faults.set_database(DatabaseState.UP)
    crew.pass_seconds(15)
    for report in await reports(caller):
        assert report["client"]["stream_connected"]
        assert report["client"]["reconnect_count"] > 5


async def test_a_fault_on_claims_makes_them_fail(crew: Crew, caller: Caller) -> None:
    crew.crowd.system.faults.add(Fault(FaultKind.STATUS, route="claim-write", share=0.4))
    await crew.start()
    crew.pass_seconds(120)
    clients = [report["client"] for report in await reports(caller)]
    failed = sum(client["claims_failed"] for client in clients)
    succeeded = sum(client["claims_succeeded"] for client in clients)
    assert 0.3 < failed / (failed + succeeded) < 0.5


async def test_starting_again_begins_all_counts_anew(crew: Crew, caller: Caller) -> None:
    await crew.start()
    crew.pass_seconds(60)
    await crew.members[0].kill()
    await crew.members[0].start()
    crew.pass_seconds(3)
    assert (await caller.health("c-0"))["client"]["claims_succeeded"] <= 1
