"""When targets are polled."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise

import pytest
from tests.conftest import FakeClock
from typing_extensions import override

from electric_agents_exporter.contract.reading import read_health, read_list
from electric_agents_exporter.fleet.clock import Clock, SystemClock
from electric_agents_exporter.fleet.policy import Policy
from electric_agents_exporter.fleet.poll import Poll
from electric_agents_exporter.fleet.reasons import Reason, Skip
from electric_agents_exporter.fleet.target import Target
from electric_agents_exporter.scheduler import (
    Every,
    PollScheduler,
    Probed,
    TargetPoller,
    TooManyProbesError,
)
from electric_agents_exporter.sources.source import Source
from skipping_loop import LoopClock, run_skipping


class ScriptedSource:
    """Does what a test says when it is polled, and counts how often it was."""

    def __init__(self, act: Callable[[Poll], Awaitable[bool]]) -> None:
        self.act = act
        self.polls = 0
        self.running = 0
        self.most_running = 0
        self.closed = False
        self.took_over: object = None
        self.paced: list[bool] = []
        self.changed_at: float | None = None
        self.ends_at: float | None = None

    async def poll(self, poll: Poll, *, paced: bool) -> bool:
        self.paced.append(paced)
        self.polls += 1
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            return await self.act(poll)
        finally:
            self.running -= 1

    def take_over(self, before: Source) -> None:
        self.took_over = before

    def credential_changed_at(self) -> float | None:
        return self.changed_at

    def certificate_ends_at(self) -> float | None:
        return self.ends_at

    async def aclose(self) -> None:
        self.closed = True


def listed_only(poll: Poll) -> None:
    poll.listed("service:monitor", read_list(b"[]"))
    poll.due()


async def well(poll: Poll) -> bool:
    listed_only(poll)
    return True


async def badly(_: Poll) -> bool:
    return False


async def hang(_: Poll) -> bool:
    await asyncio.Event().wait()
    return True


def make(
    act: Callable[[Poll], Awaitable[bool]], clock: Clock, **policy: float
) -> tuple[TargetPoller, Target, ScriptedSource]:
    target = Target(
        Policy(
            "production",
            ("service:monitor",),
            **policy,  # type: ignore[arg-type]  # the fields in use are floats
        ),
        clock,
        Counter(),
    )
    source = ScriptedSource(act)
    return TargetPoller(target, source, clock), target, source


def skipped(target: Target) -> dict[Skip, int]:
    counts = target.snapshot(0).requests.skipped
    return {reason: count for reason, count in counts.items() if count}


def logged_of(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Give what was logged, each line with the target that it is about."""
    return [(record.getMessage(), vars(record)["target"]) for record in caplog.records]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_target_that_fails_is_left_alone_for_up_to_four_intervals() -> None:
    clock = FakeClock()
    poller, target, source = make(badly, clock)
    polled_at = []
    for tick in range(20):
        before = source.polls
        await poller.tick()
        if source.polls > before:
            polled_at.append(tick)
        clock.advance(15)
    assert polled_at == [0, 1, 3, 7, 11, 15, 19]
    assert skipped(target) == {Skip.BACKOFF: 13}


async def test_whoever_looks_after_ticks_is_told_of_those_without_a_poll_too() -> None:
    clock = FakeClock()
    _, target, source = make(badly, clock)
    told: list[int] = []
    poller = TargetPoller(target, source, clock, lambda: told.append(source.polls))
    for _ in range(4):
        await poller.tick()
    poller.overrun()
    assert told == [1, 2, 2, 3, 3]


async def test_a_target_that_recovers_is_polled_at_every_interval_again() -> None:
    clock = FakeClock()
    poller, _, source = make(badly, clock)
    for _ in range(8):
        await poller.tick()
        clock.advance(15)
    source.act = well
    source.polls = 0
    for _ in range(8):
        await poller.tick()
        clock.advance(15)
    assert source.polls >= 5


async def test_a_first_failure_is_no_reason_to_wait_however_often_it_went_well() -> None:
    poller, target, source = make(well, FakeClock())
    for _ in range(3):
        await poller.tick()
    source.act = badly
    await poller.tick()
    await poller.tick()
    assert source.polls == 5
    assert skipped(target) == {}


async def test_only_the_first_poll_of_a_target_is_as_fast_as_can_be() -> None:
    poller, _, source = make(well, FakeClock())
    for _ in range(3):
        await poller.tick()
    assert source.paced == [False, True, True]


async def test_when_a_credential_changed_is_told_after_each_poll() -> None:
    poller, target, source = make(well, FakeClock())
    for changed_at in (1_000.0, 2_000.0, None):
        source.changed_at = changed_at
        await poller.poll(paced=False)
        assert target.credential_changed_at == changed_at


async def test_until_when_a_certificate_is_valid_is_told_while_the_server_is_up() -> None:
    poller, target, source = make(well, FakeClock())
    source.ends_at = 3_000.0
    await poller.poll(paced=False)
    assert target.snapshot(0.0).certificate_ends_at == 3_000.0
    source.act = badly
    await poller.poll(paced=False)
    assert target.snapshot(0.0).certificate_ends_at is None


async def test_a_bug_in_a_source_fails_the_poll_and_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def bug(poll: Poll) -> bool:
        listed_only(poll)
        raise RuntimeError("a bug")

    poller, target, source = make(bug, FakeClock())
    assert not (await poller.poll(paced=False)).succeeded
    assert target.polled
    assert ("poll failed by a bug", "production") in logged_of(caplog)
    source.act = well
    assert (await poller.poll(paced=False)).succeeded


async def test_a_poll_is_cut_short_once_its_first_reports_would_be_stale(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def hang_over_reports(poll: Poll) -> bool:
        listed_only(poll)
        return await hang(poll)

    poller, target, _ = make(hang_over_reports, SystemClock(), stale_after=0.05)
    async with asyncio.timeout(5):
        assert not (await poller.poll(paced=False)).succeeded
    assert target.polled
    assert ("poll cut short", "production") in logged_of(caplog)


async def test_what_begins_to_fail_and_recovers_is_logged_once_each(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    poller, _, source = make(badly, FakeClock())
    for _ in range(3):
        await poller.poll(paced=False)
    source.act = well
    for _ in range(3):
        await poller.poll(paced=False)
    assert logged_of(caplog) == [
        ("target is not polled in full", "production"),
        ("target is polled in full again", "production"),
        ("0 runners listed for service:monitor", "production"),
    ]


async def test_since_when_a_target_fails_is_logged_and_after_how_long_it_ends(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    clock = FakeClock(1_700_000_000.0)
    poller, _, source = make(badly, clock)
    for act, passes in ((badly, 15.0), (well, 15.0), (badly, 3600.0), (badly, 15.0), (well, 0.0)):
        source.act = act
        await poller.poll(paced=False)
        clock.advance(passes)
    told = [
        (vars(record).get("last_success"), vars(record).get("after"))
        for record in caplog.records
        if "polled in full" in record.getMessage()
    ]
    assert told == [
        ("never", None),
        (None, "0:00:15"),
        ("2023-11-14T22:13:35Z", None),
        (None, "1:00:15"),
    ]


async def test_how_many_runners_did_not_answer_is_logged_and_not_at_every_poll(
    caplog: pytest.LogCaptureFixture,
) -> None:
    failing = 12

    async def act(poll: Poll) -> bool:
        items = b",".join(b'{"id": "%d"}' % number for number in range(20))
        poll.listed("service:monitor", read_list(b"[%s]" % items))
        for number, due in enumerate(poll.due()):
            if number < failing:
                poll.failed(due.runner_id, Reason.TIMEOUT)
            else:
                report = b'{"runner": {"id": "%s"}}' % due.runner_id.encode()
                poll.reported(read_health(report), 0.0)
        return True

    poller, _, _ = make(act, FakeClock())
    for still_failing in (12, 13, 0, 0, 20):
        failing = still_failing
        await poller.poll(paced=False)
    logged = [(r.getMessage(), vars(r).get("why")) for r in caplog.records if r.levelname != "INFO"]
    assert logged == [
        ("target is not polled in full", "12 of 20 runners did not answer (timeout 12)"),
        ("target is not polled in full", "20 of 20 runners did not answer (timeout 20)"),
    ]


async def test_a_list_that_is_empty_is_logged_when_it_becomes_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    listed = b"[]"

    async def act(poll: Poll) -> bool:
        poll.listed("service:monitor", read_list(listed))
        poll.due()
        return True

    poller, _, _ = make(act, FakeClock())
    for now_listed in (b"[]", b"[]", b'[{"id": "one"}]', b"[]"):
        listed = now_listed
        await poller.poll(paced=False)
    empty = [record for record in caplog.records if "0 runners listed" in record.getMessage()]
    assert [vars(record)["principal"] for record in empty] == ["service:monitor"] * 2


async def test_ticks_that_never_came_are_counted_as_misfires() -> None:
    clock = FakeClock()
    poller, target, _ = make(well, clock)
    await poller.tick()
    clock.advance(15 * 4)
    await poller.tick()
    assert skipped(target) == {Skip.MISFIRE: 3}


@pytest.mark.parametrize("late, missed", [(16.5, 0), (22.4, 0), (22.6, 1), (37.4, 1), (37.6, 2)])
async def test_a_tick_counts_as_missed_from_half_an_interval_on(late: float, missed: int) -> None:
    clock = FakeClock()
    poller, target, _ = make(well, clock)
    await poller.tick()
    clock.advance(late)
    await poller.tick()
    assert skipped(target).get(Skip.MISFIRE, 0) == missed


async def test_a_new_source_takes_over_between_polls_and_the_old_one_is_closed() -> None:
    poller, _, old = make(well, FakeClock())
    new = ScriptedSource(well)
    await poller.poll(paced=False)
    poller.replace_source(new)
    assert not old.closed
    await poller.poll(paced=False)
    assert (old.polls, old.closed, new.polls) == (1, True, 1)
    assert new.took_over is old


async def test_a_process_that_stood_still_is_late_by_one_poll_and_goes_on() -> None:
    ticks: list[None] = []
    within: list[object] = []

    async def act(poll: Poll) -> bool:
        within.append(asyncio.current_task())
        return await well(poll)

    running = PollScheduler(lambda: ticks.append(None), SystemClock())
    running.start()
    often, _, _ = make(act, SystemClock())
    rarely, _, once = make(well, SystemClock())
    running.configure({"often": (often, 0.4), "rarely": (rarely, 600)})
    # Nothing of it runs for longer than APScheduler by itself would let a job be late.
    time.sleep(1.3)  # noqa: ASYNC251
    await until(lambda: len(within) >= 2)
    await until(lambda: len(ticks) >= 2)
    await until(lambda: once.polls == 1)
    running.stop()
    # What was due meanwhile is one poll: polls that are made up for run in one task.
    assert len(set(within)) == len(within)


class Sleeper(LoopClock):
    """Goes with the loop, and on through every sleep of the machine."""

    def __init__(self) -> None:
        super().__init__(wall=1_795_346_133.0)
        self.slept = 0.0

    @override
    def monotonic(self) -> float:
        return super().monotonic() + self.slept


async def scheduled(
    clock: Sleeper, act: Callable[[], Awaitable[None]], **policy: float
) -> tuple[Target, ScriptedSource, list[float]]:
    """Poll every 15 s while something happens; gives the ticks too."""
    ticks: list[float] = []
    running = PollScheduler(lambda: ticks.append(clock.monotonic()), clock)
    running.start()
    poller, target, source = make(well, clock, **policy)
    running.configure({"production": (poller, 15.0)})
    await act()
    running.stop()
    return target, source, ticks


def test_polls_go_on_whatever_the_wall_clock_says() -> None:
    # The loop's hour passes in a moment, in which the machine's own clock all but stands.
    target, source, ticks = run_skipping(scheduled(Sleeper(), partial(asyncio.sleep, 3600)))
    assert 3600 / 16.5 - 1 <= source.polls <= 3600 / 15 + 1
    assert len(ticks) >= 3590
    assert skipped(target) == {}


@pytest.mark.parametrize("slept", [28_800.0, 10 * 365 * 86_400.0])
def test_a_sleep_however_long_costs_one_late_poll_and_nothing_to_make_up_for(slept: float) -> None:
    clock = Sleeper()

    async def sleep() -> None:
        await asyncio.sleep(20)
        clock.slept = slept
        await asyncio.sleep(2)

    began = time.process_time()
    target, source, ticks = run_skipping(scheduled(clock, sleep))
    assert source.polls == 3
    assert len(ticks) == pytest.approx(23, abs=2)
    assert skipped(target) == {}  # nobody was too busy
    assert time.process_time() - began < 1


async def test_a_target_is_attended_to_when_a_poll_begins_ends_or_is_left_out() -> None:
    clock = FakeClock()

    async def slowly(poll: Poll) -> bool:
        assert target.attended_at == clock.monotonic()
        clock.advance(10)
        return await badly(poll)

    poller, target, _ = make(slowly, clock)
    for _ in range(6):
        clock.advance(15)
        await poller.tick()
        assert target.attended_at == clock.monotonic()
    assert skipped(target)[Skip.BACKOFF] > 0


async def probed(poller: TargetPoller, seconds: float = 10.0, *, traced: bool = False) -> bool:
    """Tell whether a probe succeeded."""
    told = await poller.probe(seconds, traced=traced)
    return told is not None and told.result.succeeded


async def test_a_probe_polls_at_once_and_as_fast_as_can_be() -> None:
    poller, target, source = make(well, FakeClock())
    assert await probed(poller)
    assert (source.polls, source.paced, target.polled) == (1, [False], True)


async def test_a_probe_takes_the_place_of_the_polls_of_the_next_interval() -> None:
    clock = FakeClock()
    poller, target, source = make(badly, clock)
    for _ in range(4):
        assert not await probed(poller)
        clock.advance(7)
        await poller.tick()
        assert target.attended_at == clock.monotonic()
        clock.advance(7)
    assert source.polls == 4
    assert skipped(target) == {}
    clock.advance(1)
    await poller.tick()
    assert source.polls == 5
    assert skipped(target) == {}


def test_however_often_a_target_is_probed_it_is_polled_once_a_second_at_most() -> None:
    clock = LoopClock(wall=0.0)
    began: list[float] = []

    async def act(poll: Poll) -> bool:
        began.append(clock.monotonic())
        return await well(poll)

    async def probe_often() -> None:
        poller, _, _ = make(act, clock)
        for _ in range(5):
            assert await probed(poller)

    run_skipping(probe_often())
    assert all(after - before == pytest.approx(1.0) for before, after in pairwise(began))
    assert len(began) == 5


async def test_a_tick_that_waited_for_a_probe_polls_no_second_time() -> None:
    gate = asyncio.Event()

    async def wait(poll: Poll) -> bool:
        await gate.wait()
        return await well(poll)

    poller, _, source = make(wait, FakeClock())
    probe = asyncio.create_task(probed(poller))
    await asyncio.sleep(0)
    tick = asyncio.create_task(poller.tick())
    await asyncio.sleep(0)
    gate.set()
    assert await probe
    await tick
    assert source.polls == 1


async def test_all_who_probe_before_a_poll_begins_share_it_and_who_comes_later_has_the_next() -> (
    None
):
    gates = [asyncio.Event(), asyncio.Event(), asyncio.Event()]

    async def wait(poll: Poll) -> bool:
        await gates[source.polls - 1].wait()
        return await well(poll)

    poller, _, source = make(wait, FakeClock())
    scheduled = asyncio.create_task(poller.poll(paced=True))
    await until(lambda: source.polls == 1)
    first = [asyncio.create_task(probed(poller, traced=number == 1)) for number in range(3)]
    await asyncio.sleep(0.01)
    assert source.polls == 1
    gates[0].set()
    await until(lambda: source.polls == 2)
    later = asyncio.create_task(poller.probe(10.0))
    gates[1].set()
    assert await asyncio.gather(*first) == [True] * 3
    gates[2].set()
    told = await later
    assert told is not None
    assert told.trace is None
    assert (source.polls, source.most_running) == (3, 1)
    await scheduled


async def test_a_poll_under_way_hurries_for_who_probes() -> None:
    polls: list[Poll] = []

    async def wait(poll: Poll) -> bool:
        polls.append(poll)
        while len(polls) == 1 and not poll.hurried:
            await asyncio.sleep(0.001)
        return await well(poll)

    poller, _, _ = make(wait, FakeClock())
    scheduled = asyncio.create_task(poller.poll(paced=True))
    await until(lambda: bool(polls))
    assert not polls[0].hurried
    assert await probed(poller)
    await scheduled
    assert [poll.hurried for poll in polls] == [True, False]


def test_a_probe_that_is_not_over_in_time_is_cut_short_and_tells_what_is_known() -> None:
    async def list_and_hang(poll: Poll) -> bool:
        listed_only(poll)
        return await hang(poll)

    poller, target, _ = make(list_and_hang, FakeClock())

    async def probe() -> Probed | None:
        return await poller.probe(5.0)

    told = run_skipping(probe())
    assert told is not None
    assert not told.result.succeeded
    assert told.result.got_list
    assert target.snapshot(0).listed == {"service:monitor": 0}


async def test_who_waits_for_less_long_than_the_others_is_answered_in_time() -> None:
    gate = asyncio.Event()

    async def wait(poll: Poll) -> bool:
        await gate.wait()
        return await well(poll)

    poller, _, _ = make(wait, FakeClock())
    patient = asyncio.create_task(probed(poller, 60.0))
    assert await poller.probe(0.01) is None
    gate.set()
    assert await patient


async def test_so_many_wait_for_one_target_and_no_more() -> None:
    poller, _, source = make(hang, FakeClock())
    waiting = [asyncio.create_task(probed(poller, 60.0)) for _ in range(16)]
    await asyncio.sleep(0.01)
    with pytest.raises(TooManyProbesError):
        await poller.probe(60.0)
    closing = asyncio.create_task(poller.aclose())
    assert await asyncio.gather(*waiting) == [False] * 16
    await closing
    assert source.closed
    assert await poller.probe(60.0) is None


async def test_who_goes_takes_nothing_from_who_waits_for_the_same_probe() -> None:
    gate = asyncio.Event()

    async def wait(poll: Poll) -> bool:
        await gate.wait()
        return await well(poll)

    poller, _, _ = make(wait, FakeClock())
    going, staying = (asyncio.create_task(probed(poller)) for _ in range(2))
    await asyncio.sleep(0.01)
    going.cancel()
    await asyncio.sleep(0.01)
    gate.set()
    assert await staying
    assert going.cancelled()


async def test_a_trace_has_every_request_with_what_came_of_it_and_no_end() -> None:
    async def ask(poll: Poll) -> bool:
        for number in range(1501):
            poll.asked({"number": str(number)})
        return await well(poll)

    clock = FakeClock()
    poller, _, _ = make(ask, clock)
    told = await poller.probe(10.0, traced=True)
    assert told is not None
    assert told.trace is not None
    assert (len(told.trace.asked), told.trace.more) == (1000, 501)
    assert told.trace.asked[0] == (clock.time(), {"number": "0"})
    assert (await poller.probe(10.0)) == (told.result, None)


async def test_a_poll_that_still_runs_is_no_sign_that_polls_go_on() -> None:
    clock = FakeClock()
    poller, target, _ = make(hang, clock)
    polling = asyncio.create_task(poller.tick())
    await asyncio.sleep(0)
    before = target.attended_at
    clock.advance(15)
    poller.overrun()
    assert target.attended_at == before
    polling.cancel()
    await asyncio.wait({polling})


@pytest.fixture
async def scheduler() -> AsyncIterator[PollScheduler]:
    ticks: list[None] = []
    running = PollScheduler(lambda: ticks.append(None), SystemClock())
    running.start()
    yield running
    running.stop()
    assert ticks


async def test_polls_of_one_target_never_overlap_and_what_was_due_is_counted(
    scheduler: PollScheduler,
) -> None:
    poller, target, source = make(hang, SystemClock(), interval=0.05)
    scheduler.configure({"production": (poller, 0.05)})
    await until(lambda: skipped(target).get(Skip.OVERRUN, 0) >= 3)
    assert (source.polls, source.most_running) == (1, 1)


async def test_a_target_that_hangs_delays_no_others_polls(scheduler: PollScheduler) -> None:
    stuck, _, _ = make(hang, SystemClock())
    fine, _, source = make(well, SystemClock())
    scheduler.configure({"stuck": (stuck, 0.05), "fine": (fine, 0.05)})
    await until(lambda: source.polls >= 5)


async def test_targets_that_are_configured_away_are_polled_no_more(
    scheduler: PollScheduler,
) -> None:
    gone, _, source = make(well, SystemClock())
    kept, _, other = make(well, SystemClock())
    scheduler.configure({"gone": (gone, 0.05), "kept": (kept, 0.05)})
    await until(lambda: source.polls >= 1)
    scheduler.configure({"kept": (kept, 0.05)})
    await until(lambda: source.running == 0)
    before, other.polls = source.polls, 0
    await until(lambda: other.polls >= 3)
    assert source.polls == before


async def test_a_target_whose_interval_stays_is_not_polled_out_of_turn(
    scheduler: PollScheduler,
) -> None:
    kept, _, source = make(well, SystemClock())
    moved, _, other = make(well, SystemClock())
    scheduler.configure({"kept": (kept, 600), "moved": (moved, 600)})
    await until(lambda: source.polls == other.polls == 1)
    scheduler.configure({"kept": (kept, 600), "moved": (moved, 300)})
    await until(lambda: other.polls == 2)
    assert source.polls == 1


async def test_a_shorter_interval_makes_no_misfires_of_the_time_before() -> None:
    clock = FakeClock()
    poller, target, _ = make(well, clock)
    await poller.tick()
    target.adopt(Policy("production", ("service:monitor",), interval=1))
    poller.replace_source(ScriptedSource(well))
    clock.advance(15)
    await poller.tick()
    assert skipped(target) == {}


async def test_stopping_amid_a_poll_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    running = PollScheduler(lambda: None, SystemClock())
    running.start()
    poller, _, source = make(hang, SystemClock())
    running.configure({"production": (poller, 15)})
    await until(lambda: source.running == 1)
    running.stop()
    await until(lambda: source.running == 0)
    await poller.aclose()
    assert not caplog.records


def test_polls_drift_past_whatever_is_as_regular_as_they_are() -> None:
    trigger = Every(15.0, up_to_later=1.5)
    moment = datetime.now(UTC)
    moments = [moment]
    for _ in range(40):
        moment = trigger.get_next_fire_time(moment, moment)
        moments.append(moment)
    gaps = [(after - before).total_seconds() for before, after in pairwise(moments)]
    assert min(gaps) >= 15
    assert max(gaps) <= 16.5
    # Of the fifteen seconds that a heartbeat may come at, nearly all are met within ten minutes.
    assert len({int(at.timestamp() % 15) for at in moments}) > 10
