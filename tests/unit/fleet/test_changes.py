from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from electric_agents_exporter.contract.report import Client, Report
from electric_agents_exporter.contract.vocabulary import HealthStatus, LivenessStatus
from electric_agents_exporter.fleet.changes import (
    ChangeDetector,
    Changes,
    CounterGrowth,
    EventCounts,
)

HEALTHY, DEGRADED, UNHEALTHY = (
    HealthStatus.HEALTHY,
    HealthStatus.DEGRADED,
    HealthStatus.UNHEALTHY,
)

NEVER_SEEN = Report("r", liveness=LivenessStatus.OFFLINE, health=DEGRADED)


def leased(seen: float | None, lease: float | None, liveness: LivenessStatus) -> Report:
    return Report("r", last_seen_at=seen, lease_expires_at=lease, liveness=liveness)


def online(seen: float | None, lease: float | None = None) -> Report:
    if lease is None and seen is not None:
        lease = seen + 90
    return leased(seen, lease, LivenessStatus.ONLINE)


def expired(seen: float | None, lease: float | None) -> Report:
    return leased(seen, lease, LivenessStatus.EXPIRED)


def verdict(health: HealthStatus | None) -> Report:
    return Report("r", health=health)


def working(start: float | None, *, seen: float = 1000, **counters: float | None) -> Report:
    return Report(
        "r",
        last_seen_at=seen,
        client_present=True,
        client=msgspec.structs.replace(Client(started_at=start), **counters),
    )


def follow(first: Report, *reports: Report) -> list[Changes]:
    history = ChangeDetector(first)
    return [history.follow(report) for report in reports]


def lapses(first: Report, *reports: Report) -> list[int]:
    return [changes.counts.lease_lapses for changes in follow(first, *reports)]


def claimed(first: Report, *reports: Report) -> list[float]:
    return [changes.growth.claimed for changes in follow(first, *reports)]


# --- verdicts -------------------------------------------------------------------------------------


def test_a_change_of_verdict_is_counted_with_both_ends() -> None:
    degraded, same, recovered = follow(
        verdict(HEALTHY), verdict(DEGRADED), verdict(DEGRADED), verdict(HEALTHY)
    )
    assert degraded == Changes(EventCounts(health_changes=1), CounterGrowth(), (HEALTHY, DEGRADED))
    assert same == Changes()
    assert recovered.transition == (DEGRADED, HEALTHY)


def test_a_verdict_that_cannot_be_read_once_hides_no_change() -> None:
    unread, changed = follow(verdict(HEALTHY), verdict(None), verdict(UNHEALTHY))
    assert unread == Changes()
    assert changed.transition == (HEALTHY, UNHEALTHY)
    assert [c.transition for c in follow(verdict(HEALTHY), verdict(None), verdict(HEALTHY))] == [
        None,
        None,
    ]


def test_the_first_verdict_is_no_change_even_if_it_comes_late() -> None:
    assert follow(verdict(None), verdict(DEGRADED)) == [Changes()]


# --- lease lapses ---------------------------------------------------------------------------------


def test_a_renewed_lease_never_lapsed() -> None:
    assert lapses(online(0), online(30), online(60), online(90), online(180)) == [0, 0, 0, 0]


def test_a_lapse_is_counted_once_while_it_lasts_and_not_when_it_ends() -> None:
    assert lapses(
        online(0), expired(0, 90), expired(0, 90), online(500), online(530), expired(530, 620)
    ) == [1, 0, 0, 0, 1]


def test_a_gap_that_began_and_ended_between_two_polls_is_counted() -> None:
    assert lapses(online(0), online(91), online(120)) == [1, 0]


def test_a_heartbeat_at_the_end_of_the_lease_leaves_no_gap() -> None:
    assert lapses(online(0), online(90)) == [0]


def test_a_gap_and_a_lapse_that_is_still_open_are_two() -> None:
    assert lapses(online(0), expired(100, 190)) == [2]


def test_a_lease_that_was_outlived_and_stands_still_lapsed_once() -> None:
    assert lapses(online(0, 90), expired(100, 90)) == [1]


def test_an_expired_runner_that_came_back_and_lapsed_again_unseen_is_counted_again() -> None:
    assert lapses(expired(0, 90), expired(200, 290)) == [1]


def test_a_lapse_at_first_sight_counts_nothing_then_or_later() -> None:
    assert lapses(expired(0, 90), expired(0, 90), online(200)) == [0, 0]


def test_a_runner_that_never_had_a_lease_gets_its_first_without_a_lapse() -> None:
    assert lapses(NEVER_SEEN, online(50), online(80)) == [0, 0]


def test_a_disabled_runner_lapses_no_lease() -> None:
    off = leased(0, 90, LivenessStatus.OFFLINE)
    assert lapses(online(0), off, off, online(500)) == [0, 0, 0]


def test_a_lapse_is_not_counted_again_after_a_runner_was_disabled_in_between() -> None:
    off = leased(0, 90, LivenessStatus.OFFLINE)
    assert lapses(online(0), expired(0, 90), off, expired(0, 90)) == [1, 0, 0]


def test_a_lease_that_cannot_be_read_is_no_lapse_of_its_own() -> None:
    assert lapses(online(0), expired(0, 90), expired(0, None), expired(0, 90)) == [1, 0, 0]
    assert lapses(online(0), expired(0, None), expired(0, 90)) == [0, 1]
    assert lapses(online(0), leased(None, None, LivenessStatus.ONLINE), online(30)) == [0, 0]


def test_a_runners_lease_until_2099_never_lapses() -> None:
    assert lapses(online(0, 4e9), online(86_400, 4e9), online(10 * 86_400, 4e9)) == [0, 0]


# --- restarts and conflicts -----------------------------------------------------------------------


def starts(*moments: float | None) -> list[tuple[int, int]]:
    first, *rest = (working(moment) for moment in moments)
    return [
        (c.counts.client_restarts, c.counts.client_identity_conflicts) for c in follow(first, *rest)
    ]


def test_a_start_that_moves_on_is_a_restart() -> None:
    assert starts(100, 100, 200, 200, 300) == [(0, 0), (1, 0), (0, 0), (1, 0)]


def test_two_processes_of_one_id_conflict_each_time_the_start_moves_back() -> None:
    assert starts(100, 200, 100, 200, 100, 200) == [(1, 0), (0, 1), (0, 0), (0, 1), (0, 0)]


def test_one_of_two_processes_that_restarts_is_a_restart_again() -> None:
    assert starts(100, 200, 100, 300, 200, 300) == [(1, 0), (0, 1), (1, 0), (0, 1), (0, 0)]


def test_a_clock_set_back_at_a_restart_reads_as_a_conflict_and_nothing_more() -> None:
    assert starts(200, 100, 100) == [(0, 1), (0, 0)]


def test_a_start_that_cannot_be_read_once_hides_neither_restart_nor_conflict() -> None:
    assert starts(100, None, 100) == [(0, 0), (0, 0)]
    assert starts(100, None, 200) == [(0, 0), (1, 0)]
    assert starts(100, 200, None, 100) == [(1, 0), (0, 0), (0, 1)]


def test_the_first_start_that_is_known_is_no_restart_and_the_next_one_is() -> None:
    assert starts(None, 100, 200) == [(0, 0), (1, 0)]
    assert [c.counts for c in follow(NEVER_SEEN, working(100))] == [EventCounts()]


# --- growth of counters ---------------------------------------------------------------------------

COUNTERS = (
    "claims_succeeded",
    "claims_skipped",
    "claims_failed",
    "reconnect_count",
    "events_received",
)


def test_every_counter_grows_by_its_own_difference() -> None:
    before = working(
        100,
        claims_succeeded=1,
        claims_skipped=2,
        claims_failed=3,
        reconnect_count=4,
        events_received=5,
    )
    after = working(
        100,
        claims_succeeded=11,
        claims_skipped=22,
        claims_failed=33,
        reconnect_count=44,
        events_received=55.5,
    )
    assert [c.growth for c in follow(before, after)] == [CounterGrowth(10, 20, 30, 40, 50.5)]


def test_the_first_sight_of_a_busy_runner_counts_nothing() -> None:
    assert claimed(working(100, claims_succeeded=50), working(100, claims_succeeded=50)) == [0]


def test_a_new_start_counts_from_zero() -> None:
    assert claimed(working(100, claims_succeeded=50), working(200, claims_succeeded=3)) == [3]


def test_a_counter_that_fell_without_a_new_start_counts_nothing_and_goes_on_from_there() -> None:
    assert claimed(
        working(100, claims_succeeded=50),
        working(100, claims_succeeded=3),
        working(100, claims_succeeded=5),
    ) == [0, 2]


def test_two_processes_of_one_id_are_each_measured_against_themselves() -> None:
    assert claimed(
        working(100, claims_succeeded=50),
        working(200, claims_succeeded=1),
        working(100, claims_succeeded=52),
        working(200, claims_succeeded=4),
        working(100, claims_succeeded=52),
        working(200, claims_succeeded=4),
    ) == [1, 2, 3, 0, 0]


def test_an_older_process_that_shows_up_later_is_at_first_sight() -> None:
    assert claimed(
        working(200, claims_succeeded=1),
        working(100, claims_succeeded=50),
        working(100, claims_succeeded=51),
    ) == [0, 1]


def test_the_same_report_again_counts_nothing() -> None:
    report = working(100, claims_succeeded=5)
    assert follow(report, report, report) == [Changes(), Changes()]


@pytest.mark.parametrize("name", COUNTERS)
def test_a_counter_that_is_missing_once_loses_nothing(name: str) -> None:
    said: list[dict[str, Any]] = [{name: count} for count in (50, None, 55)]
    reports = [working(100, **counter) for counter in said]
    assert [sum(msgspec.structs.astuple(c.growth)) for c in follow(*reports)] == [0, 5]


def test_a_counter_that_is_seen_late_is_at_first_sight_unless_its_process_began_in_sight() -> None:
    late = working(100, claims_succeeded=50)
    assert claimed(working(100), late) == [0]
    assert claimed(working(50), working(100), late) == [0, 50]


def test_a_start_that_cannot_be_read_is_taken_for_the_last_one() -> None:
    assert claimed(
        working(100, claims_succeeded=10),
        working(None, claims_succeeded=12),
        working(None, claims_succeeded=14),
        working(100, claims_succeeded=15),
    ) == [2, 2, 1]


def test_a_runner_whose_start_is_never_told_still_counts() -> None:
    assert claimed(
        working(None, claims_succeeded=10),
        working(None, claims_succeeded=12),
        working(None, claims_succeeded=3),
        working(None, claims_succeeded=4),
    ) == [2, 0, 1]


def test_a_runner_that_begins_in_sight_counts_from_zero() -> None:
    assert claimed(NEVER_SEEN, working(100, claims_succeeded=2)) == [2]


def test_a_runner_that_begins_to_tell_of_itself_is_at_first_sight() -> None:
    silent = Report("r", last_seen_at=1000, client_present=False)
    assert claimed(
        silent, working(100, claims_succeeded=50), working(100, claims_succeeded=51)
    ) == [0, 1]


def test_diagnostics_that_vanish_and_return_lose_nothing() -> None:
    silent = Report("r", last_seen_at=1000)
    assert claimed(
        working(100, claims_succeeded=5), silent, silent, working(100, claims_succeeded=7)
    ) == [0, 0, 2]


def test_four_processes_of_one_id_are_all_remembered() -> None:
    moments = (100, 200, 300, 400)
    reports = [working(start, claims_succeeded=turn) for turn in (1, 9) for start in moments]
    assert claimed(*reports) == [1, 1, 1, 8, 8, 8, 8]


def test_what_is_remembered_of_starts_is_bounded_and_the_eldest_is_forgotten() -> None:
    """Of five processes in turns none is remembered, so all but the newest are at first sight."""
    moments = (100, 200, 300, 400, 500)
    reports = [working(start, claims_succeeded=turn) for turn in (1, 9) for start in moments]
    assert claimed(working(50), *reports) == [1, 1, 1, 1, 1, 0, 0, 0, 0, 0]


counters = st.none() | st.integers(0, 100)
some_clients = st.builds(
    Client,
    started_at=st.none() | st.integers(0, 3),
    claims_succeeded=counters,
    claims_skipped=counters,
    claims_failed=counters,
    reconnect_count=counters,
    events_received=counters,
)
some_reports = st.builds(
    Report,
    runner_id=st.just("r"),
    liveness=st.none() | st.sampled_from(LivenessStatus),
    health=st.none() | st.sampled_from(HealthStatus),
    last_seen_at=st.none() | st.integers(0, 5),
    lease_expires_at=st.none() | st.integers(0, 5),
    client=st.none() | some_clients,
)


@given(st.lists(some_reports, min_size=2, max_size=12))
def test_whatever_is_reported_nothing_that_is_counted_ever_falls(reports: list[Report]) -> None:
    for changes in follow(*reports):
        assert min(msgspec.structs.astuple(changes.counts)) >= 0
        assert max(msgspec.structs.astuple(changes.counts)) <= 2
        assert min(msgspec.structs.astuple(changes.growth)) >= 0


@given(st.lists(some_reports, min_size=1, max_size=6))
def test_a_report_that_is_repeated_changes_nothing(reports: list[Report]) -> None:
    once = follow(reports[0], *reports[1:])
    twice = follow(reports[0], *(again for report in reports for again in (report, report)))
    assert twice[0] == twice[1] == Changes()
    assert twice[2::2] == once
    assert all(change == Changes() for change in twice[3::2])


@given(st.lists(st.integers(0, 50), min_size=2, max_size=10))
def test_all_that_one_process_did_is_counted_however_often_it_is_asked(growth: list[int]) -> None:
    totals = [sum(growth[: turn + 1]) for turn in range(len(growth))]
    counted = claimed(*(working(100, claims_succeeded=total) for total in totals))
    assert counted == [after - before for before, after in pairwise(totals)]


@pytest.mark.parametrize("count", [2.5, 1e15])
def test_odd_numbers_are_counted_as_they_are(count: float) -> None:
    assert claimed(working(100, claims_succeeded=0), working(100, claims_succeeded=count)) == [
        count
    ]


def test_growth_that_no_process_can_count_to_is_not_believed() -> None:
    incredible = working(1, claims_succeeded=1e300)
    assert claimed(working(1, claims_succeeded=5), incredible) == [0]
    assert claimed(working(1, claims_succeeded=5), working(2, claims_succeeded=1e300)) == [0]
