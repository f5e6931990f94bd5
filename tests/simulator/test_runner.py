"""The pull-wake runner against a server on a socket, in a time that runs fifty times as fast."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx
import pytest

from electric_agents_exporter.contract.vocabulary import ClientStatus
from electric_agents_simulator.clock import Clock, RunningClock, SkewedClock, sleep
from electric_agents_simulator.runner.api import AgentsApi
from electric_agents_simulator.runner.runner import HeartbeatTiming, PullWakeRunner
from electric_agents_simulator.server.faults import DatabaseState, Fault, FaultKind
from electric_agents_simulator.server.serving import SimulatedServer
from electric_agents_simulator.testing import Caller, runner_path, until

SPEED = 50.0
Health = dict[str, Any]


@dataclass
class Bench:
    """A server, one registered runner with one agent, and a view of its health."""

    server: SimulatedServer
    clock: Clock
    caller: Caller
    api: AgentsApi
    work_seconds: float = 5.0

    def runner(self, clock: Clock | None = None) -> PullWakeRunner:
        async def work(_notification: dict[str, Any]) -> None:
            await sleep(self.clock, self.work_seconds)

        return PullWakeRunner(
            self.api,
            "busy",
            work,
            clock or self.clock,
            timing=HeartbeatTiming(heartbeat_seconds=10.0),
        )

    async def send(self) -> None:
        await self.caller.send("/task/one")

    async def health(self) -> Health:
        return await self.caller.health("busy")

    async def until(self, holds: Callable[[Health], bool]) -> Health:
        seen: Health = {}

        async def look() -> bool:
            seen.update(await self.health())
            return holds(seen)

        await until(look)
        return seen

    async def unheard(self) -> list[dict[str, Any]]:
        """Read, as a monitor does, the wakes behind the offset that the runner told last."""
        offset = (await self.health())["runner"]["wake_stream_offset"] or "-1"
        response = await self.caller.get(f"/runners/busy/wake?offset={offset}")
        events: list[dict[str, Any]] = response.json()
        return events

    def fault(self, kind: FaultKind, route: str, **more: Any) -> None:  # noqa: ANN401  (a fault's fields)
        self.server.system.faults.add(Fault(kind, route=route, **more))


@pytest.fixture
def speed() -> float:
    return SPEED


@pytest.fixture
async def bench(speed: float) -> AsyncIterator[Bench]:
    clock = RunningClock(speed, asyncio.get_running_loop().time)
    async with SimulatedServer(clock) as server, httpx.AsyncClient(trust_env=False) as client:
        caller = Caller(client, "service:monitor", server.url)
        await caller.register("busy")
        await caller.spawn("busy", "/task/one")
        yield Bench(server, clock, caller, AgentsApi(client, server.url, "service:monitor"))


@pytest.fixture
async def run(bench: Bench) -> AsyncIterator[Callable[..., PullWakeRunner]]:
    started: list[PullWakeRunner] = []

    def start(clock: Clock | None = None) -> PullWakeRunner:
        runner = bench.runner(clock)
        runner.start()
        started.append(runner)
        return runner

    yield start
    for runner in started:
        await runner.kill()


Run = Callable[..., PullWakeRunner]


def connected(health: Health) -> bool:
    return bool(health["client"] and health["client"]["stream_connected"])


async def quiet(bench: Bench, seconds: float) -> None:
    await sleep(bench.clock, seconds)


@pytest.mark.parametrize("speed", [5.0])
async def test_its_first_heartbeat_says_that_nothing_works_yet(bench: Bench, run: Run) -> None:
    run()
    health = await bench.until(lambda health: health["client"] is not None)
    assert health["client"] == {
        "status": "connecting",
        "stream_connected": False,
        "last_heartbeat_ok": False,
        "last_claim_result": None,
        "started_at": health["client"]["started_at"],
        "stream_connected_since": None,
        "last_error": None,
        "last_error_at": None,
        "last_heartbeat_at": None,
        "last_claim_at": None,
        "last_dispatch_at": None,
        "reconnect_count": 0,
        "events_received": 0,
        "claims_succeeded": 0,
        "claims_skipped": 0,
        "claims_failed": 0,
    }
    assert (await bench.until(connected))["health"] == {"status": "healthy", "issues": []}


async def test_a_message_is_claimed_worked_on_and_released(bench: Bench, run: Run) -> None:
    run()
    await bench.send()
    busy = await bench.until(lambda health: health["claims"]["active_count"] == 1)
    assert busy["dispatch"]["entities_with_active_claim"] == 1
    done = await bench.until(
        lambda health: (
            health["claims"]["active_count"] == 0 and health["client"]["claims_succeeded"] == 1
        )
    )
    assert done["client"]["events_received"] == 1
    assert done["client"]["last_claim_result"] == "claimed"


@pytest.mark.parametrize("speed", [10.0])  # so that a busy machine looks while it is worked on
async def test_a_claim_that_is_worked_on_for_long_is_kept_alive(bench: Bench, run: Run) -> None:
    bench.work_seconds = 45.0
    run()
    await bench.send()
    alive = await bench.until(
        lambda health: (
            health["claims"]["active_count"] == 1
            and health["claims"]["active"][0]["last_heartbeat_at"] is not None
        )
    )
    claim = alive["claims"]["active"][0]
    assert claim["last_heartbeat_at"] > claim["claimed_at"]
    await bench.until(lambda health: health["claims"]["active_count"] == 0)


async def test_an_event_for_a_stream_at_work_is_skipped_and_taken_up_later(
    bench: Bench, run: Run
) -> None:
    runner = run()
    await bench.send()
    await bench.until(lambda health: health["claims"]["active_count"] == 1)
    bench.server.system.subscriptions.forget()  # so that the stream wakes again while it is busy
    await bench.send()
    await until(lambda: _holds(runner.diagnostics["claims_skipped"] == 1))
    await until(lambda: _holds(runner.diagnostics["claims_succeeded"] == 2))


async def _has_reconnected(runner: PullWakeRunner, count: int) -> bool:
    return bool(runner.diagnostics["reconnect_count"] >= count)


async def _holds(condition: bool) -> bool:  # noqa: FBT001  (the condition itself)
    return condition


async def test_a_killed_runner_leaves_its_claim_and_its_last_diagnostics(
    bench: Bench, run: Run
) -> None:
    bench.work_seconds = 1_000.0
    runner = run()
    await bench.send()
    await bench.until(lambda health: health["claims"]["active_count"] == 1 and connected(health))
    await runner.kill()
    expired = await bench.until(lambda health: health["runner"]["liveness_status"] == "expired")
    assert expired["client"]["status"] == "streaming"
    assert expired["claims"]["active_count"] == 1
    run()
    leaked = await bench.until(lambda health: health["claims"]["active_count"] == 2)
    assert leaked["dispatch"]["entities_with_active_claim"] == 1


@pytest.mark.parametrize("speed", [20.0])  # a claim is lost where the machine stalls for a lease
async def test_a_stopped_runner_drains(bench: Bench, run: Run) -> None:
    """Its heartbeats end at once; the handler and the claim's heartbeats go on, to the release."""
    bench.work_seconds = 70.0
    runner = run()
    await bench.send()
    await bench.until(lambda health: health["claims"]["active_count"] == 1 and connected(health))
    stopping = asyncio.create_task(runner.stop())
    draining = await bench.until(
        lambda health: (
            health["runner"]["liveness_status"] == "expired"
            and health["claims"]["active_count"] == 1
            and (health["claims"]["active"][0]["last_heartbeat_at"] or "")
            > health["runner"]["lease_expires_at"]
        )
    )
    assert draining["client"]["status"] == "streaming"
    await bench.until(lambda health: health["claims"]["active_count"] == 0)
    await stopping
    assert runner.status is ClientStatus.STOPPED
    assert len(await bench.caller.wakes("busy")) == 1


async def test_a_runner_that_is_killed_while_it_drains_leaves_its_claim(
    bench: Bench, run: Run
) -> None:
    bench.work_seconds = 1_000.0
    runner = run()
    await bench.send()
    await bench.until(lambda health: health["claims"]["active_count"] == 1)
    stopping = asyncio.create_task(runner.stop())
    await until(lambda: _holds(runner.status is ClientStatus.STOPPING))
    await runner.kill()
    await stopping
    assert (await bench.health())["claims"]["active_count"] == 1


async def test_a_rejected_claim_heartbeat_loses_the_result_of_the_run(
    bench: Bench, run: Run
) -> None:
    bench.work_seconds = 25.0
    runner = run()
    await bench.send()
    await bench.until(lambda health: health["claims"]["active_count"] == 1)
    bench.fault(FaultKind.STATUS, "callback", share=0.5)  # one of the two heartbeats
    await until(lambda: _holds(runner.diagnostics["claims_succeeded"] == 2))


async def test_stopping_does_not_wait_for_a_claim_that_hangs(bench: Bench, run: Run) -> None:
    bench.fault(FaultKind.HANG, "claim")
    runner = run()
    await bench.send()
    await until(lambda: _holds(runner.diagnostics["last_claim_at"] is not None))
    async with asyncio.timeout(1.0):
        await runner.stop()


async def test_a_database_outage_leaves_reconnects_behind_for_good(bench: Bench, run: Run) -> None:
    run()
    await bench.until(connected)
    bench.server.system.faults.set_database(DatabaseState.DOWN)
    await quiet(bench, 55.0)
    bench.server.system.faults.set_database(DatabaseState.UP)
    after = await bench.until(
        lambda health: (
            connected(health)
            and health["client"]["last_heartbeat_ok"]
            and health["client"]["last_error"] is not None
        )
    )
    count = after["client"]["reconnect_count"]
    assert count > 5
    assert after["health"] == {
        "status": "degraded",
        "issues": [f"Client has reconnected {count} times"],
    }


async def test_it_reconnects_after_one_two_four_and_so_on_up_to_thirty_seconds(
    bench: Bench, run: Run
) -> None:
    bench.fault(FaultKind.RESET, "wake")
    runner = run()
    begun = bench.clock.now()
    for count, seconds in ((6, 31.0), (7, 61.0), (8, 91.0)):
        await until(partial(_has_reconnected, runner, count))
        assert seconds <= bench.clock.now() - begun < seconds + 25.0


async def test_a_hung_wake_stream_leaves_it_alive_but_deaf(bench: Bench, run: Run) -> None:
    bench.fault(FaultKind.HANG, "wake")
    run()
    await bench.send()
    await quiet(bench, 100.0)
    health = await bench.health()
    assert health["runner"]["liveness_status"] == "online"
    assert health["client"]["status"] == "connecting"
    assert health["health"]["issues"] == ["Client reports stream disconnected"]
    assert health["client"]["events_received"] == 0


async def test_a_wake_stream_that_falls_silent_leaves_it_connected_and_deaf(
    bench: Bench, run: Run
) -> None:
    """As behind a proxy that lost its way: it heartbeats, says streaming, and hears nothing."""
    runner = run()
    await bench.send()
    told = await bench.until(
        lambda health: (
            connected(health)
            and health["client"]["claims_succeeded"] == 1
            and health["runner"]["wake_stream_offset"] != "-1"
            and health["claims"]["active_count"] == 0
        )
    )
    bench.fault(FaultKind.SILENCE, "wake", runner="busy")
    await bench.send()
    seen = told["runner"]["last_seen_at"]
    deaf = await bench.until(lambda health: health["runner"]["last_seen_at"] > seen)
    deaf = await bench.until(
        lambda health: health["runner"]["last_seen_at"] > deaf["runner"]["last_seen_at"]
    )
    assert deaf["health"] == {"status": "healthy", "issues": []}
    assert deaf["client"]["stream_connected"]
    assert deaf["client"]["events_received"] == 1
    assert deaf["runner"]["wake_stream_offset"] == told["runner"]["wake_stream_offset"]
    assert len(await bench.unheard()) == 1
    bench.server.system.faults.clear()
    await until(lambda: _holds(runner.diagnostics["claims_succeeded"] == 2))


async def test_a_new_connection_to_a_silent_wake_stream_hears_nothing_either(
    bench: Bench, run: Run
) -> None:
    bench.fault(FaultKind.SILENCE, "wake", runner="busy")
    runner = run()
    await bench.send()
    health = await bench.until(connected)
    assert health["runner"]["wake_stream_offset"] == "-1"
    await quiet(bench, 30.0)
    assert runner.diagnostics["events_received"] == 0


async def test_a_monitor_reads_the_tail_of_a_stream_that_is_silent_for_its_runner(
    bench: Bench,
) -> None:
    bench.fault(FaultKind.SILENCE, "wake", runner="busy")
    bench.fault(FaultKind.HANG, "wake", runner="busy")
    await bench.send()
    assert len(await bench.unheard()) == 1


async def test_it_says_minus_one_until_it_has_heard_an_event(bench: Bench, run: Run) -> None:
    run()
    health = await bench.until(connected)
    assert health["runner"]["wake_stream_offset"] == "-1"
    await bench.send()
    await bench.until(lambda health: health["runner"]["wake_stream_offset"] != "-1")
    assert await bench.unheard() == []


@pytest.mark.parametrize("status", [500, 409])
async def test_a_claim_that_is_refused_counts_as_failed(
    status: int, bench: Bench, run: Run
) -> None:
    bench.fault(FaultKind.STATUS, "claim", status=status)
    runner = run()
    await bench.send()
    await until(lambda: _holds(runner.diagnostics["claims_failed"] == 1))
    assert runner.diagnostics["last_claim_result"] == "error"
    assert str(status) in runner.diagnostics["last_error"]


async def test_a_disabled_runner_heartbeats_on_and_fails_to_claim(bench: Bench, run: Run) -> None:
    runner = run()
    await bench.until(connected)
    await bench.caller.post(runner_path("busy", "disable"))
    await bench.send()
    await until(lambda: _holds(runner.diagnostics["claims_failed"] == 1))
    assert (await bench.health())["health"]["issues"] == ["Runner is disabled"]


async def test_a_wake_that_was_refused_while_disabled_is_never_repeated(
    bench: Bench, run: Run
) -> None:
    """Not when it is enabled, not by the next message: only a start from the beginning helps."""
    runner = run()
    await bench.until(connected)
    await bench.caller.post(runner_path("busy", "disable"))
    await bench.send()
    await until(lambda: _holds(runner.diagnostics["claims_failed"] == 1))
    await bench.caller.post(runner_path("busy", "enable"))
    await bench.send()
    await quiet(bench, 60.0)
    health = await bench.health()
    assert health["health"] == {"status": "healthy", "issues": []}
    assert health["client"]["last_claim_result"] == "error"
    assert runner.diagnostics["events_received"] == 1
    assert runner.diagnostics["claims_succeeded"] == 0
    assert await bench.unheard() == []
    await runner.kill()
    again = run()
    await until(lambda: _holds(again.diagnostics["claims_succeeded"] == 1))


@pytest.mark.parametrize("speed", [1.0])
async def test_a_paused_entity_with_pending_input_makes_it_claim_24_times_a_second(
    bench: Bench, run: Run
) -> None:
    runner = run()
    await until(lambda: _holds(runner.status is ClientStatus.STREAMING))
    await bench.caller.post("/_electric/entities/task/one/signal", {"signal": "SIGSTOP"})
    begun = bench.clock.now()
    await until(lambda: _holds(runner.diagnostics["events_received"] >= 20))
    # A busy machine makes it slower, nothing makes it faster.
    assert bench.clock.now() - begun >= 20 / 28
    seen = runner.diagnostics
    assert seen["claims_skipped"] > 1.5 * seen["events_received"]
    assert seen["claims_succeeded"] == seen["claims_failed"] == 0
    await bench.send()
    await until(lambda: _holds(runner.diagnostics["claims_succeeded"] == 1))


async def test_its_times_are_those_of_its_own_clock(bench: Bench, run: Run) -> None:
    run(SkewedClock(bench.clock, 3600.0))
    health = await bench.until(connected)
    assert health["client"]["stream_connected_since"] > health["runner"]["lease_expires_at"]


async def test_it_survives_a_restart_of_the_server(bench: Bench, run: Run) -> None:
    runner = run()
    await bench.until(connected)
    await bench.server.stop()
    await until(lambda: _holds(runner.status is ClientStatus.RECONNECTING))
    await bench.server.start()
    await until(lambda: _holds(runner.status is ClientStatus.STREAMING))
    await bench.send()
    await until(lambda: _holds(runner.diagnostics["claims_succeeded"] == 1))


async def test_starting_again_begins_all_counts_anew(bench: Bench, run: Run) -> None:
    runner = run()
    await bench.send()
    await until(lambda: _holds(runner.diagnostics["claims_succeeded"] == 1))
    await runner.stop()
    runner.start()
    assert runner.diagnostics["claims_succeeded"] == 0
    await until(lambda: _holds(runner.status is ClientStatus.STREAMING))
