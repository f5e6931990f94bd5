"""When calls are made, on a loop whose clock stands still while there is something to do."""

import asyncio
from itertools import pairwise

import httpx
import pytest

from electric_agents_exporter.fleet.fleet import Fleet
from electric_agents_exporter.fleet.policy import Policy
from electric_agents_exporter.fleet.poll import Poll
from electric_agents_exporter.fleet.reasons import Operation
from electric_agents_exporter.sources.http import HttpOptions, HttpServer, HttpSource, Pacer
from skipping_loop import LoopClock, run_skipping

INTERVAL = 15.0


async def moments_of_calls(runners: int, *, paced: bool, seconds_each: float = 0.0) -> list[float]:
    """Poll a fleet whose reports take so long; gives when each was asked for."""
    moments = []
    loop = asyncio.get_running_loop()

    async def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == "/_electric/runners":
            return httpx.Response(200, json=[{"id": f"r{number}"} for number in range(runners)])
        if path.startswith("/_electric/runners/"):
            moments.append(loop.time())
            await asyncio.sleep(seconds_each)
        return httpx.Response(200, json={"runner": {"id": path.split("/")[-2]}})

    clock = LoopClock(0.0)
    fleet = Fleet(clock)
    operations = (Operation.LIST, Operation.HEALTH, Operation.SERVER)
    fleet.configure([Policy("production", ("service:monitor",), operations=operations)])
    options = HttpOptions("http://agents.test", ("service:monitor",), interval=INTERVAL)
    server = HttpServer(options, clock, lambda _: httpx.MockTransport(answer))
    poll = Poll(fleet.targets["production"])
    complete = await HttpSource(server, wakes=False).poll(poll, paced=paced)
    assert poll.end(complete=complete).succeeded
    assert len(moments) == runners
    return moments


@pytest.mark.parametrize("runners", [300, 3000])
def test_the_calls_of_a_paced_poll_are_spread_evenly_over_half_the_interval(runners: int) -> None:
    moments = run_skipping(moments_of_calls(runners, paced=True))
    gaps = [after - before for before, after in pairwise(moments)]
    assert gaps == pytest.approx([INTERVAL / 2 / runners] * (runners - 1))


def test_a_few_calls_are_made_at_most_a_twentieth_of_a_second_apart() -> None:
    moments = run_skipping(moments_of_calls(20, paced=True))
    gaps = [after - before for before, after in pairwise(moments)]
    assert gaps == pytest.approx([0.05] * 19)


def test_a_poll_that_is_not_paced_is_as_fast_as_its_concurrency_allows() -> None:
    moments = run_skipping(moments_of_calls(20, paced=False, seconds_each=1.0))
    assert moments == [0.0] * 10 + [1.0] * 10


def test_turns_that_were_missed_are_not_made_up_for() -> None:
    async def take_turns() -> list[float]:
        pacer, loop = Pacer(1.0), asyncio.get_running_loop()
        taken = []
        for pause in (0.0, 0.0, 10.5, 0.0, 0.4):
            await asyncio.sleep(pause)
            await pacer.turn()
            taken.append(loop.time())
        return taken

    assert run_skipping(take_turns()) == pytest.approx([0.0, 1.0, 11.5, 12.5, 13.5])


def test_of_several_who_wait_each_has_a_turn_of_its_own() -> None:
    async def take_turns() -> list[float]:
        pacer, loop = Pacer(1.0), asyncio.get_running_loop()
        taken = []

        async def turn() -> None:
            await pacer.turn()
            taken.append(loop.time())

        await asyncio.gather(*(turn() for _ in range(4)))
        return taken

    assert run_skipping(take_turns()) == pytest.approx([0.0, 1.0, 2.0, 3.0])
