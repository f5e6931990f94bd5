"""Answers of a server that runs fast, asked for in real time."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from email.utils import parsedate_to_datetime

import httpx

from electric_agents_simulator.clock import ManualClock, RunningClock, SkewedClock, sleep
from electric_agents_simulator.server.faults import Fault, FaultKind
from electric_agents_simulator.server.system import make_system
from electric_agents_simulator.storage.registry import IN_MEMORY, Registry, open_engine
from electric_agents_simulator.testing import Caller, in_memory, runner_path
from electric_agents_simulator.values import from_text

SPEED = 1_000.0
HEALTH = runner_path("one", "health")
REAL = {"simulator-time": "real"}


@asynccontextmanager
async def monitor(clock: RunningClock | ManualClock, *faults: Fault) -> AsyncIterator[Caller]:
    with closing(Registry(open_engine(IN_MEMORY))) as registry:
        system = make_system(clock, registry)
        for fault in faults:
            system.faults.add(fault)
        async with in_memory(system, "service:monitor") as caller:
            yield caller


async def ask(caller: Caller) -> httpx.Response:
    return await caller.ask("GET", HEALTH, None, REAL)


async def test_moments_are_those_of_the_real_world_and_spans_as_short_as_they_were() -> None:
    clock = RunningClock(SPEED)
    async with monitor(clock) as caller:
        await sleep(clock, 600.0)
        began = time.time()
        await caller.register("one")
        await caller.heartbeat("one", lease_ms=90_000, diagnostics={"started_at": "nonsense"})
        answer = await ask(caller)
        runner = answer.json()["runner"]

        assert began - 0.1 <= from_text(runner["last_seen_at"]).timestamp() <= time.time() + 0.1
        assert abs(parsedate_to_datetime(answer.headers["date"]).timestamp() - time.time()) < 2
        assert 0 <= runner["lease_remaining_ms"] <= 90
        lease = from_text(runner["lease_expires_at"]) - from_text(runner["last_seen_at"])
        assert abs(lease.total_seconds() - 0.09) < 0.005

        plain = (await caller.health("one"))["runner"]
        assert from_text(plain["last_seen_at"]).timestamp() > time.time() + 300


async def test_the_moment_of_a_wake_is_a_real_one_too() -> None:
    clock = RunningClock(SPEED)
    async with monitor(clock) as caller:
        await sleep(clock, 600.0)
        await caller.register("one")
        await caller.spawn("one", "/task/a")
        await caller.send("/task/a")
        answer = await caller.ask("GET", "/runners/one/wake?offset=-1", None, REAL)
        assert abs(answer.json()[0]["ts"] / 1000 - time.time()) < 2


async def test_what_is_no_json_is_left_as_it_is() -> None:
    fault = Fault(FaultKind.NOT_JSON, route="health")
    async with monitor(RunningClock(SPEED), fault) as caller:
        await caller.register("one")
        assert (await ask(caller)).text == "<html>upstream is sad</html>"


async def test_a_clock_that_a_test_moves_is_taken_for_real() -> None:
    async with monitor(ManualClock()) as caller:
        await caller.register("one")
        await caller.heartbeat("one", lease_ms=90_000, diagnostics={"status": "streaming"})
        assert (await ask(caller)).json() == await caller.health("one")


def test_a_skewed_clock_knows_the_real_time_of_its_wrong_moments() -> None:
    clock = RunningClock(SPEED)
    skewed = SkewedClock(clock, -7_200.0)
    assert abs(skewed.real(skewed.now()) - time.time()) < 0.1
    assert skewed.real_second == 1 / SPEED
