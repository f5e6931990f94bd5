import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from electric_agents_exporter.fleet.clock import ServerClock, SystemClock

T = 1_795_346_133.0


def test_a_servers_time_is_not_known_until_it_is_told() -> None:
    assert ServerClock().time_at(0.0) is None


def test_a_servers_time_goes_on_from_what_was_told() -> None:
    clock = ServerClock()
    clock.observe_exact(T, 100.0)
    assert clock.time_at(100.0) == T
    assert clock.time_at(107.5) == T + 7.5
    assert clock.time_at(90.0) == T - 10


def test_a_date_is_taken_for_the_middle_of_its_second() -> None:
    clock = ServerClock()
    clock.observe_date(T, 100.0)
    assert clock.time_at(100.0) == T + 0.5


def test_dates_of_any_phase_tell_the_time_to_half_a_second() -> None:
    clock = ServerClock()
    for n in range(21):
        moment = T + n * 0.73
        clock.observe_date(float(int(moment)), moment - T)
    assert clock.time_at(50.0) == pytest.approx(T + 50, abs=0.5, rel=0)


def test_what_a_lease_tells_goes_before_any_date() -> None:
    clock = ServerClock()
    clock.observe_exact(T, 0.0)
    for n in range(50):
        clock.observe_date(T + 9.5 + n, float(n))
    assert clock.time_at(50.0) == T + 50


def test_what_leases_told_long_ago_gives_way_to_dates_and_is_better_than_nothing() -> None:
    clock = ServerClock()
    clock.observe_exact(T, 0.0)
    assert clock.time_at(301.0) == T + 301
    clock.observe_date(T + 309.5, 300.0)
    assert clock.time_at(300.0) == T + 300
    assert clock.time_at(301.0) == T + 311


def test_one_who_lies_about_the_time_misleads_nobody() -> None:
    clock = ServerClock()
    for n in range(30):
        clock.observe_exact(T + n, float(n))
        if n % 5 == 2:
            clock.observe_exact(4e9, float(n))
    assert clock.time_at(30.0) == T + 30


@pytest.mark.parametrize("by", [-28_800.0, 28_800.0, 30.0])
@pytest.mark.parametrize("tell", [ServerClock.observe_exact, ServerClock.observe_date])
def test_a_server_whose_clock_was_set_is_believed_once_three_answers_agree(
    tell: Callable[[ServerClock, float, float], None], by: float
) -> None:
    clock = ServerClock()
    for n in range(30):
        tell(clock, T + n, float(n))
    before = clock.time_at(40.0)
    assert before is not None
    for n in range(30, 33):
        assert clock.time_at(40.0) == before
        tell(clock, T + by + n, float(n))
    assert clock.time_at(40.0) == before + by


def test_dates_alone_tell_that_a_clock_was_set_where_every_lease_is_over_since() -> None:
    clock = ServerClock()
    for n in range(30):
        clock.observe_exact(T + n, float(n))
        clock.observe_date(T + n, float(n))
    for n in range(30, 33):
        clock.observe_date(T + 28_800 + n, float(n))
    assert clock.time_at(33.0) == T + 28_833.5


def test_leases_that_tell_of_a_set_clock_before_dates_do_stay_believed() -> None:
    clock = ServerClock()
    for n in range(30):
        clock.observe_exact(T + n, float(n))
        clock.observe_date(T + n, float(n))
    for n in range(30, 33):
        clock.observe_exact(T + 28_800.25 + n, float(n))
        clock.observe_date(T + 28_800 + n, float(n))
    assert clock.time_at(33.0) == T + 28_833.25


def test_odd_answers_that_do_not_agree_tell_of_no_set_clock() -> None:
    clock = ServerClock()
    for n in range(30):
        clock.observe_exact(T + n, float(n))
    for n in range(30, 33):
        clock.observe_exact(T + n + 1000.0 * n, float(n))
    assert clock.time_at(33.0) == T + 33


def test_slow_answers_tell_of_no_set_clock() -> None:
    clock = ServerClock()
    for n in range(7):
        clock.observe_exact(T + n, float(n), within=0.01)
    for n in range(7, 14):
        clock.observe_exact(T + n - 4.0, float(n), within=4.0)
    assert clock.time_at(14.0) == T + 14


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=40))
def test_the_time_told_lies_within_what_was_told(errors: list[float]) -> None:
    clock = ServerClock()
    for n, error in enumerate(errors):
        clock.observe_exact(T + n + error, float(n))
    told = clock.time_at(100.0)
    assert told is not None
    assert min(errors) - 1e-6 <= told - T - 100 <= max(errors) + 1e-6


def test_the_machines_own_clocks_are_seconds_that_pass() -> None:
    clock = SystemClock()
    assert clock.time() > 1_700_000_000
    assert clock.monotonic() <= clock.monotonic()


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="no clock here counts sleep")
def test_our_own_clock_goes_on_while_the_machine_sleeps() -> None:
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert before <= SystemClock().monotonic() <= time.clock_gettime(time.CLOCK_BOOTTIME)


def test_a_slow_answer_does_not_mislead_while_quick_ones_are_known() -> None:
    clock = ServerClock()
    for moment in range(7):
        clock.observe_exact(5_000.0 + moment, float(moment), within=0.01)
    for moment in range(7, 14):
        # Written as soon as asked for, but it took five seconds to come.
        clock.observe_exact(5_000.0 + moment - 2.5, float(moment), within=2.5)
    assert clock.time_at(20.0) == 5_020.0


def test_answers_that_came_at_once_long_ago_give_way_to_slower_ones() -> None:
    for observe in (ServerClock.observe_exact, ServerClock.observe_date):
        clock = ServerClock()
        for moment in range(7):
            observe(clock, 5_000.0 + moment, float(moment), within=0.01)
        before = clock.time_at(30.0)
        assert before is not None
        for moment in range(7, 28):
            observe(clock, 5_060.0 + moment, float(moment), within=0.5)
        assert clock.time_at(30.0) == before + 60.0
