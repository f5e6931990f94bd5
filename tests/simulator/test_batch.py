"""Runners in a batch: no connection and no task of their own, second by second."""

from collections.abc import Iterator
from random import Random

import pytest

from electric_agents_simulator.clock import ManualClock
from electric_agents_simulator.runner.runner import HeartbeatTiming
from electric_agents_simulator.scenarios.model import Workload
from electric_agents_simulator.server.faults import DatabaseState, Fault, FaultKind
from electric_agents_simulator.server.system import System
from electric_agents_simulator.simulated_runners.base import Identity
from electric_agents_simulator.simulated_runners.batch import BatchRunner, RunnerBatch
from electric_agents_simulator.testing import Caller
from electric_agents_simulator.values import Json


class Forty:
    """Forty runners of one batch, and the seconds that pass for them."""

    def __init__(self, system: System, clock: ManualClock) -> None:
        work = Workload(entities=1, every_seconds=10.0, seconds=(3.0, 6.0))
        self.batch = RunnerBatch(system, work, 40, Random(1))  # noqa: S311  (no secret)
        self._clock = clock
        timing = HeartbeatTiming(heartbeat_seconds=10.0)
        self.runners = [
            BatchRunner(self.batch, Identity(f"c-{n}", "service:monitor", "server"), timing, clock)
            for n in range(40)
        ]

    async def start(self) -> None:
        for runner in self.runners:
            await runner.start()
        self.batch.tick()

    def pass_seconds(self, seconds: int) -> None:
        for _ in range(seconds):
            self._clock.advance(1.0)
            self.batch.tick()


@pytest.fixture
def forty(system: System, clock: ManualClock) -> Iterator[Forty]:
    yield Forty(system, clock)
    system.registry.close()


async def reports(caller: Caller) -> list[Json]:
    return [await caller.health(runner["id"]) for runner in await caller.runners()]


async def test_runners_of_a_batch_heartbeat_and_work(forty: Forty, caller: Caller) -> None:
    await forty.start()
    forty.pass_seconds(60)
    seen = await reports(caller)
    assert len(seen) == 40
    assert all(report["health"] == {"status": "healthy", "issues": []} for report in seen)
    assert sum(report["client"]["claims_succeeded"] for report in seen) > 60
    assert 0 < sum(report["claims"]["active_count"] for report in seen) < 40


async def test_the_first_heartbeat_says_what_a_real_runners_says(
    forty: Forty, caller: Caller
) -> None:
    await forty.start()
    first = (await reports(caller))[0]
    assert first["health"]["issues"] == [
        "Client reports stream disconnected",
        "Client reports last heartbeat failed",
    ]


async def test_their_wake_streams_exist_and_are_empty(forty: Forty, caller: Caller) -> None:
    await forty.start()
    forty.pass_seconds(30)
    assert await caller.wakes("c-0") == []


async def test_killed_runners_leave_their_claims_and_stopped_ones_do_not(
    forty: Forty, caller: Caller
) -> None:
    await forty.start()
    forty.pass_seconds(60)
    for runner in forty.runners[:20]:
        await runner.kill()
    for runner in forty.runners[20:]:
        await runner.stop()
    forty.pass_seconds(60)
    seen = {report["runner"]["id"]: report for report in await reports(caller)}
    assert {report["runner"]["liveness_status"] for report in seen.values()} == {"expired"}
    assert sum(seen[f"c-{n}"]["claims"]["active_count"] for n in range(20)) > 0
    assert sum(seen[f"c-{n}"]["claims"]["active_count"] for n in range(20, 40)) == 0


async def test_an_outage_leaves_reconnects_behind(forty: Forty, caller: Caller) -> None:
    await forty.start()
    forty.pass_seconds(30)
    forty.batch.system.faults.set_database(DatabaseState.DOWN)
    forty.pass_seconds(55)
    forty.batch.system.faults.set_database(DatabaseState.UP)
    forty.pass_seconds(15)
    for report in await reports(caller):
        assert report["client"]["stream_connected"]
        assert report["client"]["reconnect_count"] > 5


async def test_a_fault_on_claims_makes_them_fail(forty: Forty, caller: Caller) -> None:
    forty.batch.system.faults.add(Fault(FaultKind.STATUS, route="claim-write", share=0.4))
    await forty.start()
    forty.pass_seconds(120)
    clients = [report["client"] for report in await reports(caller)]
    failed = sum(client["claims_failed"] for client in clients)
    succeeded = sum(client["claims_succeeded"] for client in clients)
    assert 0.3 < failed / (failed + succeeded) < 0.5


async def test_starting_again_sets_all_counts_to_zero_and_heartbeats_on_change(
    forty: Forty, caller: Caller
) -> None:
    await forty.start()
    await forty.runners[0].kill()
    await forty.runners[0].start()
    forty.pass_seconds(4)
    client = (await caller.health("c-0"))["client"]
    assert client["stream_connected"]
    assert client["claims_succeeded"] <= 1
