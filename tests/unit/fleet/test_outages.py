import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from electric_agents_exporter.conditions import Gap
from electric_agents_exporter.fleet.outages import Outages

RECOVERY = 60.0


def gaps(outages: Outages, now: float) -> list[tuple[float, float]]:
    """Give the outages as moments of our clock."""
    return [(now - gap.began, now - gap.ended) for gap in outages.gaps(now, RECOVERY)]


def test_a_server_that_always_served_had_no_outage() -> None:
    outages = Outages()
    outages.served(0.0, RECOVERY)
    outages.served(15.0, RECOVERY)
    assert not outages.any
    assert outages.gaps(20.0, RECOVERY) == ()


def test_an_outage_began_when_the_server_last_served_and_lasts_until_it_has_recovered() -> None:
    outages = Outages()
    outages.served(100.0, RECOVERY)
    outages.failed(115.0)
    outages.failed(130.0)
    was_open = outages.open
    outages.served(145.0, RECOVERY)
    assert (was_open, outages.open) == (True, False)
    assert outages.any
    assert gaps(outages, 500.0) == [(100.0, 205.0)]


def test_an_outage_that_is_open_lasts_for_as_long_as_recovery_would_from_now() -> None:
    outages = Outages()
    outages.served(100.0, RECOVERY)
    outages.failed(130.0)
    assert outages.any
    assert outages.gaps(130.0, RECOVERY) == (Gap(began=30.0, ended=-RECOVERY),)
    assert outages.gaps(170.0, RECOVERY) == (Gap(began=70.0, ended=-RECOVERY),)


def test_a_server_that_has_just_served_again_is_still_recovering() -> None:
    outages = Outages()
    outages.served(100.0, RECOVERY)
    outages.failed(115.0)
    outages.served(145.0, RECOVERY)
    assert outages.gaps(150.0, RECOVERY) == (Gap(began=50.0, ended=-55.0),)
    assert outages.gaps(210.0, RECOVERY) == (Gap(began=110.0, ended=5.0),)


def test_before_the_first_success_nobody_was_ever_heard() -> None:
    outages = Outages()
    outages.failed(130.0)
    assert outages.gaps(130.0, RECOVERY) == (Gap(began=math.inf, ended=-RECOVERY),)
    outages.served(145.0, RECOVERY)
    assert gaps(outages, 500.0) == [(-math.inf, 205.0)]


def test_an_outage_within_the_recovery_of_another_is_the_same() -> None:
    outages = Outages()
    outages.served(100.0, RECOVERY)
    outages.failed(115.0)
    outages.served(145.0, RECOVERY)
    outages.failed(160.0)
    assert gaps(outages, 170.0) == [(100.0, 230.0)]
    outages.served(175.0, RECOVERY)
    assert gaps(outages, 500.0) == [(100.0, 235.0)]


def lists_fail_but_one_in_four(outages: Outages, heard: list[list[float]]) -> None:
    """Let the server serve every 60 s; `heard` is how long ago each was heard at each time."""
    for turn, ages in enumerate(heard):
        at = 60.0 * turn
        if turn:
            for passed in (45, 30, 15):
                outages.failed(at - passed)
        outages.served(at, RECOVERY, [at - age for age in ages])


def test_an_outage_that_follows_another_takes_its_place_if_half_were_heard_between() -> None:
    outages = Outages()
    lists_fail_but_one_in_four(outages, [[], [3, 14, 16, 40]])
    assert gaps(outages, 400.0) == [(0.0, 120.0)]
    lists_fail_but_one_in_four(outages, [[3, 5, 7, 8], [3, 14, 16, 40], [2, 5, 20, 100]])
    assert gaps(outages, 400.0) == [(60.0, 180.0)]


def test_an_outage_is_the_same_as_the_next_where_fewer_were_heard_between() -> None:
    outages = Outages()
    lists_fail_but_one_in_four(outages, [[3, 5, 7, 8], [3, 14, 15, 30, 40], [2, 5, 8, 11]])
    assert gaps(outages, 400.0) == [(0.0, 180.0)]


def test_an_outage_is_the_same_as_the_next_where_nobody_was_heard_between() -> None:
    outages = Outages()
    lists_fail_but_one_in_four(outages, [[3], [], [2]])
    assert gaps(outages, 400.0) == [(0.0, 180.0)]


def test_who_was_silent_before_an_outage_is_not_missed_after_it() -> None:
    outages = Outages()
    lists_fail_but_one_in_four(outages, [[], [8, 75, 200, 300], [8]])
    assert gaps(outages, 400.0) == [(60.0, 180.0)]


def test_an_open_outage_that_follows_another_takes_its_place_too() -> None:
    outages = Outages()
    lists_fail_but_one_in_four(outages, [[], [8], [8]])
    outages.failed(135.0)
    assert gaps(outages, 135.0) == [(120.0, 195.0)]


def test_outages_that_are_far_apart_are_two() -> None:
    outages = Outages()
    for began in (100.0, 1_000.0):
        outages.served(began, RECOVERY)
        outages.failed(began + 15)
        outages.served(began + 45, RECOVERY)
    assert gaps(outages, 2_000.0) == [(100.0, 205.0), (1_000.0, 1_105.0)]


def test_an_open_outage_far_from_the_last_is_another() -> None:
    outages = Outages()
    outages.served(100.0, RECOVERY)
    outages.failed(115.0)
    outages.served(145.0, RECOVERY)
    outages.served(1_000.0, RECOVERY)
    outages.failed(1_015.0)
    assert gaps(outages, 1_030.0) == [(100.0, 205.0), (1_000.0, 1_090.0)]


def test_an_outage_that_begins_as_another_ends_is_the_same() -> None:
    outages = Outages()
    outages.served(100.0, 0.0)
    outages.failed(115.0)
    outages.served(145.0, 0.0)
    outages.failed(160.0)
    assert outages.gaps(160.0, 0.0) == (Gap(60.0, 0.0),)
    outages.served(175.0, 0.0)
    assert outages.gaps(200.0, 0.0) == (Gap(100.0, 25.0),)


def test_so_many_outages_are_remembered_and_the_eldest_is_forgotten() -> None:
    outages = Outages()
    for turn in range(40):
        outages.served(1_000.0 * turn, RECOVERY)
        outages.failed(1_000.0 * turn + 15)
        outages.served(1_000.0 * turn + 45, RECOVERY)
    remembered = gaps(outages, 50_000.0)
    assert len(remembered) == 16
    assert remembered[-1] == (39_000.0, 39_105.0)


ages = st.lists(st.sampled_from([0.0, 0.5, 5.0, 15.0, 40.0, 200.0]), max_size=5)
polls = st.lists(
    st.tuples(
        st.booleans(),
        st.sampled_from([1.0, 15.0, 61.0, 500.0]),
        st.sampled_from([0, 60, 600]),
        ages,
    ),
    max_size=30,
)


@given(polls)
def test_outages_never_overlap_and_only_the_last_reaches_into_what_is_to_come(
    polled: list[tuple[bool, float, float, list[float]]],
) -> None:
    outages, now = Outages(), 0.0
    for served, passed, recovery, ages in polled:
        now += passed
        if served:
            outages.served(now, recovery, [now - age for age in ages])
        else:
            outages.failed(now)
        seen = outages.gaps(now, recovery)
        assert bool(seen) == outages.any
        assert all(gap.began > gap.ended for gap in seen)
        assert all(earlier.ended > later.began for earlier, later in pairwise(seen))
        assert all(gap.ended > 0 for gap in seen[:-1])


@given(polls)
def test_whenever_a_poll_found_the_server_down_it_was_in_an_outage(
    polled: list[tuple[bool, float, float, list[float]]],
) -> None:
    outages, now = Outages(), 0.0
    down: list[float] = []
    for served, passed, _, _ in polled:
        now += passed
        if served:
            outages.served(now, RECOVERY)
        else:
            outages.failed(now)
            down.append(now)
    spans = gaps(outages, now)
    assert all(any(began < at < ended for began, ended in spans) for at in down)
