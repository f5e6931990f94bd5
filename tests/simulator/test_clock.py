import asyncio

from electric_agents_simulator.clock import ManualClock, RunningClock, SkewedClock, sleep


async def test_a_running_clock_can_run_faster_than_real_time() -> None:
    clock = RunningClock(1000.0)
    begun, really = clock.now(), asyncio.get_running_loop().time()
    await sleep(clock, 60.0)
    assert clock.now() - begun >= 60.0
    assert asyncio.get_running_loop().time() - really < 10.0


def test_a_manual_clock_calls_each_at_its_own_moment_and_in_order() -> None:
    clock = ManualClock(100.0)
    seen: list[tuple[str, float]] = []
    clock.call_later(2.0, lambda: seen.append(("later", clock.now())))
    clock.call_later(1.0, lambda: seen.append(("sooner", clock.now())))
    clock.call_later(1.5, lambda: seen.append(("never", clock.now()))).cancel()
    clock.call_later(9.0, lambda: seen.append(("not yet", clock.now())))
    clock.advance(3.0)
    assert seen == [("sooner", 101.0), ("later", 102.0)]
    assert clock.now() == 103.0


def test_a_skewed_clock_is_wrong_about_now_alone() -> None:
    clock = ManualClock(100.0)
    skewed = SkewedClock(clock, -30.0)
    seen: list[float] = []
    skewed.call_later(5.0, lambda: seen.append(skewed.now()))
    clock.advance(5.0)
    assert seen == [75.0]
