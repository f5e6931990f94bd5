import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import msgspec
import pytest
from tests.conftest import FakeClock

from electric_agents_exporter.contract.reading import HealthAnswer, ListAnswer
from electric_agents_exporter.contract.report import Claims, Client, ListedRunner, Report
from electric_agents_exporter.contract.vocabulary import (
    ClaimOutcome,
    HealthStatus,
    LivenessStatus,
    RunnerKind,
)
from electric_agents_exporter.fleet.policy import Policy
from electric_agents_exporter.fleet.poll import Poll
from electric_agents_exporter.fleet.reasons import Operation, Reason, Skip
from electric_agents_exporter.fleet.selection import Selection, Shard
from electric_agents_exporter.fleet.snapshot import RunnerState, TargetSnapshot
from electric_agents_exporter.fleet.target import Target

ALICE, BOB = "user:alice", "user:bob"
STALE_AFTER = 60.0
SERVER_TIME = 1_795_346_000.0

MakeTarget = Callable[..., Target]


@pytest.fixture
def drift() -> Counter[str]:
    return Counter()


@pytest.fixture
def make_target(clock: FakeClock, drift: Counter[str]) -> MakeTarget:
    def make(*principals: str, stale_after: float = STALE_AFTER) -> Target:
        policy = Policy("t", principals or (ALICE,), stale_after=stale_after, expected_min=3)
        return Target(policy, clock, drift)

    return make


@pytest.fixture
def target(make_target: MakeTarget) -> Target:
    return make_target()


def listing(*ids: str, kind: RunnerKind | None = None, drift: Iterable[str] = ()) -> ListAnswer:
    return ListAnswer(tuple(ListedRunner(name, kind=kind) for name in ids), tuple(drift))


def answer(
    runner_id: str, server_time: float | None = SERVER_TIME, *, seen_ago: float = 10.0
) -> HealthAnswer:
    seen = (server_time or SERVER_TIME) - seen_ago
    report = Report(runner_id, last_seen_at=seen, lease_expires_at=seen + 90)
    return HealthAnswer(report, server_time, ())


def report_of(report: Report) -> HealthAnswer:
    return HealthAnswer(report, None, ())


def poll(
    target: Target,
    clock: FakeClock,
    *ids: str,
    failing: Sequence[str] = (),
    reason: Reason = Reason.TIMEOUT,
) -> bool:
    """Poll a target of one principal, and say how that went; all report but the failing."""
    poll = Poll(target)
    poll.listed(ALICE, listing(*ids))
    for due in poll.due():
        if due.runner_id in failing:
            poll.failed(due.runner_id, reason)
        else:
            poll.reported(answer(due.runner_id), clock.monotonic())
    return poll.end().succeeded


def fail_poll(target: Target) -> bool:
    """Poll a target that gives no list; with nobody to ask after, the sweep is complete."""
    poll = Poll(target)
    poll.listed(ALICE, Reason.TIMEOUT)
    poll.due()
    return poll.end().succeeded


def fresh(snapshot: TargetSnapshot, clock: FakeClock) -> list[str]:
    return [
        state.listed.id
        for state in snapshot.runners
        if state.fresh(clock.monotonic(), snapshot.stale_after)
    ]


def state_of(snapshot: TargetSnapshot, runner_id: str) -> RunnerState:
    (state,) = [state for state in snapshot.runners if state.listed.id == runner_id]
    return state


def take(target: Target, clock: FakeClock) -> TargetSnapshot:
    return target.snapshot(clock.monotonic())


# --- a target as a whole --------------------------------------------------------------------------


def test_a_target_that_was_never_polled_is_down_and_knows_nothing(
    target: Target, clock: FakeClock
) -> None:
    snapshot = take(target, clock)
    assert not snapshot.up
    assert not target.polled
    assert snapshot.poll_success == {Operation.LIST: False, Operation.HEALTH: False}
    assert snapshot.last_poll_at is None
    assert snapshot.last_success_at is None
    assert snapshot.last_duration is None
    assert snapshot.clock_offset is None
    assert snapshot.credential_changed_at is None
    assert snapshot.listed == {}
    assert snapshot.runners == ()


def test_a_snapshot_carries_what_the_settings_say(target: Target, clock: FakeClock) -> None:
    target.credential_changed_at = 7.0
    snapshot = take(target, clock)
    assert (snapshot.name, snapshot.interval, snapshot.stale_after) == ("t", 15.0, STALE_AFTER)
    assert snapshot.expected_min == 3
    assert snapshot.credential_changed_at == 7.0
    assert target.policy.name == "t"


@pytest.mark.parametrize(
    "shard, told", [(Shard(), None), (Shard(0, 1), None), (Shard(0, 2), 0), (Shard(3, 4), 3)]
)
def test_a_snapshot_tells_the_shard_of_a_fleet_that_is_divided(
    clock: FakeClock, shard: Shard, told: int | None
) -> None:
    policy = Policy("t", (ALICE,), selection=Selection(shard=shard))
    assert take(Target(policy, clock, Counter()), clock).shard == told


def test_a_target_that_is_no_tenants_says_so(target: Target, clock: FakeClock) -> None:
    assert take(target, clock).tenant is None


def test_a_good_poll_brings_everything_up(target: Target, clock: FakeClock) -> None:
    assert poll(target, clock, "a", "b")
    snapshot = take(target, clock)
    assert snapshot.up
    assert target.polled
    assert snapshot.poll_success == {Operation.LIST: True, Operation.HEALTH: True}
    assert snapshot.last_poll_at == snapshot.last_success_at == clock.time()
    assert snapshot.listed == {ALICE: 2}
    assert fresh(snapshot, clock) == ["a", "b"]


def test_an_empty_fleet_is_a_success(target: Target, clock: FakeClock) -> None:
    assert poll(target, clock)
    snapshot = take(target, clock)
    assert snapshot.up
    assert snapshot.listed == {ALICE: 0}


def test_a_failed_list_is_down_at_once_and_never_an_empty_fleet(
    target: Target, clock: FakeClock
) -> None:
    poll(target, clock, "a")
    succeeded_at = clock.time()
    clock.advance(15)
    assert not fail_poll(target)
    snapshot = take(target, clock)
    assert not snapshot.up
    assert snapshot.poll_success == {Operation.LIST: False, Operation.HEALTH: False}
    assert snapshot.last_poll_at == clock.time()
    assert snapshot.last_success_at == succeeded_at
    assert snapshot.listed == {ALICE: 1}
    assert fresh(snapshot, clock) == ["a"]
    assert snapshot.fleet.removed == 0


def test_a_poll_that_never_got_as_far_as_its_lists_is_a_failure(
    target: Target, clock: FakeClock
) -> None:
    poll(target, clock, "a")
    result = Poll(target).end(complete=False)
    assert not result.got_list
    assert not result.succeeded
    assert not take(target, clock).up


def test_up_goes_with_the_list_however_the_runners_fare(target: Target, clock: FakeClock) -> None:
    assert not poll(target, clock, "a", "b", failing=["a", "b"])
    snapshot = take(target, clock)
    assert snapshot.up
    assert snapshot.poll_success == {Operation.LIST: True, Operation.HEALTH: False}
    assert snapshot.last_success_at is None


def test_one_bad_runner_does_not_fail_the_poll(target: Target, clock: FakeClock) -> None:
    assert poll(target, clock, "a", "b", failing=["b"])
    assert take(target, clock).poll_success == {Operation.LIST: True, Operation.HEALTH: True}


def test_a_sweep_that_was_cut_short_is_no_success(target: Target, clock: FakeClock) -> None:
    cut = Poll(target)
    cut.listed(ALICE, listing("a", "b"))
    cut.due()
    cut.reported(answer("a"), clock.monotonic())
    result = cut.end(complete=False)
    assert result.got_list
    assert not result.succeeded
    snapshot = take(target, clock)
    assert snapshot.up
    assert snapshot.poll_success == {Operation.LIST: True, Operation.HEALTH: False}
    assert fresh(snapshot, clock) == ["a"]


def test_an_old_list_is_stale_though_no_poll_has_failed_since(
    target: Target, clock: FakeClock
) -> None:
    poll(target, clock, "a")
    clock.advance(STALE_AFTER)
    snapshot = take(target, clock)
    assert snapshot.up
    assert fresh(snapshot, clock) == ["a"]
    clock.advance(0.001)
    snapshot = take(target, clock)
    assert not snapshot.up
    assert snapshot.listed == {}
    assert fresh(snapshot, clock) == []
    assert snapshot.poll_success[Operation.LIST]


def test_how_long_a_poll_took_is_measured_by_the_clock_that_is_never_set(
    target: Target, clock: FakeClock
) -> None:
    slow = Poll(target)
    clock.advance(4.5)
    clock.wall -= 3600
    slow.listed(ALICE, listing())
    slow.due()
    slow.end()
    assert take(target, clock).last_duration == 4.5


def test_staleness_does_not_depend_on_the_wall_clock(target: Target, clock: FakeClock) -> None:
    poll(target, clock, "a")
    clock.wall += 1e9
    assert fresh(take(target, clock), clock) == ["a"]
    clock.wall -= 2e9
    clock.uptime += STALE_AFTER + 1
    snapshot = take(target, clock)
    assert not snapshot.up
    assert fresh(snapshot, clock) == []


# --- several principals ---------------------------------------------------------------------------


def test_each_principals_list_grows_stale_by_itself(
    make_target: MakeTarget, clock: FakeClock
) -> None:
    target = make_target(ALICE, BOB)

    def poll_with(lists: dict[str, ListAnswer | Reason]) -> bool:
        poll = Poll(target)
        for principal, runners in lists.items():
            poll.listed(principal, runners)
        for due in poll.due():
            poll.reported(answer(due.runner_id), clock.monotonic())
        return poll.end().succeeded

    assert poll_with({ALICE: listing("a"), BOB: listing("b")})
    for _ in range(5):
        clock.advance(15)
        assert not poll_with({ALICE: Reason.TIMEOUT, BOB: listing("b")})
    snapshot = take(target, clock)
    assert snapshot.up
    assert snapshot.poll_success == {Operation.LIST: False, Operation.HEALTH: True}
    assert snapshot.listed == {BOB: 1}
    assert fresh(snapshot, clock) == ["b"]
    assert poll_with({ALICE: listing("a"), BOB: listing("b")})
    snapshot = take(target, clock)
    assert snapshot.listed == {ALICE: 1, BOB: 1}
    assert (snapshot.fleet.removed, snapshot.fleet.discovered) == (0, 0)


def test_a_principal_that_new_settings_drop_in_the_middle_of_a_poll_is_dropped(
    make_target: MakeTarget, clock: FakeClock
) -> None:
    target = make_target(ALICE, BOB)
    poll = Poll(target)
    poll.listed(BOB, listing("b"))
    target.adopt(Policy("t", (ALICE,)))
    poll.listed(ALICE, listing("a"))
    assert [due.runner_id for due in poll.due()] == ["a"]
    poll.reported(answer("a"), clock.monotonic())
    assert poll.end().succeeded
    snapshot = take(target, clock)
    assert snapshot.listed == {ALICE: 1}
    assert fresh(snapshot, clock) == ["a"]


def test_a_list_that_arrives_after_new_settings_dropped_its_principal_is_ignored(
    make_target: MakeTarget, clock: FakeClock
) -> None:
    target = make_target(ALICE, BOB)
    poll = Poll(target)
    poll.listed(ALICE, listing("a"))
    target.adopt(Policy("t", (ALICE,)))
    poll.listed(BOB, listing("b"))
    assert [due.runner_id for due in poll.due()] == ["a"]
    poll.reported(answer("a"), clock.monotonic())
    poll.end()
    snapshot = take(target, clock)
    assert snapshot.listed == {ALICE: 1}
    assert [state.listed.id for state in snapshot.runners] == ["a"]


def test_new_settings_keep_what_is_known(make_target: MakeTarget, clock: FakeClock) -> None:
    target = make_target(ALICE)
    poll(target, clock, "a")
    target.adopt(Policy("t", (ALICE, BOB), interval=5.0, stale_after=90.0))
    snapshot = take(target, clock)
    assert (snapshot.interval, snapshot.stale_after) == (5.0, 90.0)
    assert snapshot.up
    assert fresh(snapshot, clock) == ["a"]
    assert snapshot.last_success_at == clock.time()


# --- one runner -----------------------------------------------------------------------------------


def test_an_operation_that_new_settings_bring_has_not_succeeded_yet(
    target: Target, clock: FakeClock
) -> None:
    watched = replace(target.policy, operations=(Operation.HEALTH,))
    target.adopt(watched)
    poll(target, clock, "a")
    target.adopt(replace(watched, operations=(Operation.HEALTH, Operation.WAKES)))
    succeeded = take(target, clock).poll_success
    assert succeeded == {Operation.HEALTH: True, Operation.WAKES: False}


def test_each_runners_report_grows_stale_by_itself(target: Target, clock: FakeClock) -> None:
    poll(target, clock, "a", "b")
    for _ in range(4):
        clock.advance(15)
        poll(target, clock, "a", "b", failing=["b"])
    assert fresh(take(target, clock), clock) == ["a", "b"]
    clock.advance(15)
    poll(target, clock, "a", "b", failing=["b"])
    snapshot = take(target, clock)
    assert fresh(snapshot, clock) == ["a"]
    assert state_of(snapshot, "b").poll_success is False
    assert state_of(snapshot, "b").last_success_at == clock.time() - 75


def test_a_report_is_as_old_as_when_the_server_wrote_it(target: Target, clock: FakeClock) -> None:
    written_at = clock.monotonic()
    poll = Poll(target)
    poll.listed(ALICE, listing("a"))
    poll.due()
    clock.advance(20)
    poll.reported(answer("a"), written_at)
    poll.end()
    clock.advance(STALE_AFTER - 20)
    assert fresh(take(target, clock), clock) == ["a"]
    clock.advance(1)
    assert fresh(take(target, clock), clock) == []


def test_a_runner_missing_from_a_good_list_goes_at_once(target: Target, clock: FakeClock) -> None:
    poll(target, clock, "a", "b")
    poll(target, clock, "b")
    snapshot = take(target, clock)
    assert [state.listed.id for state in snapshot.runners] == ["b"]
    assert snapshot.fleet.removed == 1


def test_a_runner_that_a_good_list_names_anew_is_discovered(
    target: Target, clock: FakeClock
) -> None:
    poll(target, clock, "a")
    poll(target, clock, "a", "b", "c")
    snapshot = take(target, clock)
    assert fresh(snapshot, clock) == ["a", "b", "c"]
    assert (snapshot.fleet.discovered, snapshot.fleet.removed) == (2, 0)


def test_up_goes_with_the_list_while_a_poll_is_in_progress(
    target: Target, clock: FakeClock
) -> None:
    fail_poll(target)
    begun = Poll(target)
    begun.listed(ALICE, listing("a"))
    begun.due()
    assert take(target, clock).up
    begun.end()


def test_a_404_drops_the_report_at_once_and_the_failure_stays_visible(
    target: Target, clock: FakeClock
) -> None:
    poll(target, clock, "a", "b")
    succeeded_at = clock.time()
    clock.advance(15)
    poll(target, clock, "a", "b", failing=["b"], reason=Reason.NOT_FOUND)
    snapshot = take(target, clock)
    gone = state_of(snapshot, "b")
    assert gone.report is None
    assert fresh(snapshot, clock) == ["a"]
    assert gone.poll_success is False
    assert gone.last_success_at == succeeded_at
    assert snapshot.listed == {ALICE: 2}


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.NOT_FOUND])
def test_any_other_failure_keeps_the_report_until_it_is_stale(
    target: Target, clock: FakeClock, reason: Reason
) -> None:
    poll(target, clock, "a", "b")
    before = state_of(take(target, clock), "b")
    clock.advance(15)
    poll(target, clock, "a", "b", failing=["b"], reason=reason)
    after = state_of(take(target, clock), "b")
    assert before.report is not None
    assert after.report is before.report
    assert after.poll_success is False


def test_a_report_that_does_not_change_keeps_its_identity_from_poll_to_poll(
    target: Target, clock: FakeClock
) -> None:
    poll(target, clock, "a")
    before = take(target, clock)
    clock.advance(15)
    poll(target, clock, "a")
    after = take(target, clock)
    assert state_of(before, "a").report is not None
    assert state_of(after, "a").report is state_of(before, "a").report
    assert state_of(after, "a").observation != state_of(before, "a").observation


def test_a_snapshot_is_not_changed_by_what_comes_after(target: Target, clock: FakeClock) -> None:
    def work(n: float, health: HealthStatus) -> HealthAnswer:
        client = Client(
            started_at=1.0,
            reconnect_count=n,
            events_received=n,
            claims_succeeded=n,
            claims_skipped=n,
            claims_failed=n,
        )
        return report_of(Report("w", client=client, health=health))

    poll(target, clock, "a", "b")
    told(target, clock, work(1, HealthStatus.HEALTHY), answer("a"))
    snapshot = take(target, clock)
    before = repr(snapshot)
    clock.advance(15)
    told(target, clock, work(9, HealthStatus.DEGRADED), answer("c"))
    poll(target, clock, "a", "c", "d", failing=["a"], reason=Reason.NOT_FOUND)
    busy = Poll(target)
    busy.requested(Operation.HEALTH, 0.1, Reason.TIMEOUT)
    target.skip(Skip.BACKOFF)
    fail_poll(target)
    assert repr(snapshot) == before
    after = take(target, clock)
    for field in ("fleet", "requests", "poll_success", "listed", "runners"):
        assert getattr(after, field) != getattr(snapshot, field)
    for field in ("claims", "reconnects", "events_received", "transitions", "removed"):
        assert getattr(after.fleet, field) != getattr(snapshot.fleet, field)


def test_a_snapshot_refuses_to_be_changed(target: Target, clock: FakeClock) -> None:
    poll(target, clock, "a")
    snapshot = take(target, clock)
    for frozen in (snapshot, snapshot.runners[0], snapshot.fleet, snapshot.requests):
        with pytest.raises(AttributeError):
            setattr(frozen, frozen.__struct_fields__[0], None)


# --- clocks ---------------------------------------------------------------------------------------


def age_of(target: Target, clock: FakeClock, runner_id: str) -> float | None:
    observation = state_of(take(target, clock), runner_id).observation
    assert observation is not None
    return observation.heartbeat_age


def told(target: Target, clock: FakeClock, *answers: HealthAnswer) -> None:
    poll = Poll(target)
    poll.listed(ALICE, listing(*(answer.report.runner_id for answer in answers)))
    poll.due()
    for each in answers:
        poll.reported(each, clock.monotonic())
    poll.end()


@pytest.mark.parametrize("wall", [0.0, 1_795_346_000.0, 4e9])
def test_a_heartbeats_age_is_told_on_the_servers_clock_whatever_ours_says(
    target: Target, clock: FakeClock, wall: float
) -> None:
    clock.wall = wall
    told(target, clock, answer("a", seen_ago=12.5))
    assert age_of(target, clock, "a") == 12.5
    assert take(target, clock).clock_offset == SERVER_TIME - wall


def test_a_lapsed_runners_age_is_told_by_what_the_others_told(
    target: Target, clock: FakeClock
) -> None:
    told(target, clock, answer("a"))
    clock.advance(100)
    lapsed = answer("b", None, seen_ago=0.0)
    told(target, clock, lapsed)
    assert age_of(target, clock, "b") == pytest.approx(100)


def test_a_lapsed_runners_age_is_told_by_the_date_if_nobody_has_a_lease(
    target: Target, clock: FakeClock
) -> None:
    poll = Poll(target)
    poll.listed(ALICE, listing("a"))
    poll.due()
    poll.observed_date(SERVER_TIME, clock.monotonic())
    poll.reported(answer("a", None, seen_ago=500.0), clock.monotonic())
    poll.end()
    assert age_of(target, clock, "a") == 500.5
    assert take(target, clock).clock_offset == SERVER_TIME + 0.5 - clock.time()


def test_a_date_that_came_slowly_counts_for_less_than_those_that_came_at_once(
    target: Target, clock: FakeClock
) -> None:
    poll = Poll(target)
    for within, late in [(0.01, 0.0)] * 7 + [(2.5, 2.5)] * 7:
        poll.observed_date(SERVER_TIME - late, clock.monotonic(), within)
    poll.end()
    assert take(target, clock).clock_offset == SERVER_TIME + 0.5 - clock.time()


def test_a_report_that_came_slowly_tells_the_time_less_well_than_those_that_came_at_once(
    target: Target, clock: FakeClock
) -> None:
    poll = Poll(target)
    for within, late in [(0.01, 0.0)] * 7 + [(2.5, 2.5)] * 7:
        report = HealthAnswer(Report("a"), SERVER_TIME - late, ())
        poll.reported(report, clock.monotonic(), within)
    poll.end()
    assert take(target, clock).clock_offset == SERVER_TIME - clock.time()


def test_an_age_that_cannot_be_told_is_not_guessed(target: Target, clock: FakeClock) -> None:
    told(target, clock, answer("a", None))
    assert age_of(target, clock, "a") is None
    assert take(target, clock).clock_offset is None
    told(target, clock, HealthAnswer(Report("b"), SERVER_TIME, ()))
    assert age_of(target, clock, "b") is None


def test_a_heartbeat_from_the_future_is_of_age_zero(target: Target, clock: FakeClock) -> None:
    told(target, clock, answer("a", seen_ago=-0.4))
    assert age_of(target, clock, "a") == 0.0


def test_one_lying_runner_moves_neither_the_offset_nor_the_others_ages(
    target: Target, clock: FakeClock
) -> None:
    told(
        target,
        clock,
        answer("a"),
        answer("liar", 4e9),
        answer("b"),
        answer("lapsed", None, seen_ago=50.0),
    )
    assert take(target, clock).clock_offset == SERVER_TIME - clock.time()
    assert age_of(target, clock, "lapsed") == 50.0
    assert age_of(target, clock, "b") == 10.0


def test_the_offset_is_as_of_the_last_poll(target: Target, clock: FakeClock) -> None:
    told(target, clock, answer("a"))
    offset = take(target, clock).clock_offset
    clock.wall += 3600
    assert take(target, clock).clock_offset == offset
    fail_poll(target)
    assert offset is not None
    assert take(target, clock).clock_offset == offset - 3600


# --- counters -------------------------------------------------------------------------------------


def test_everything_that_is_counted_begins_at_zero(target: Target, clock: FakeClock) -> None:
    snapshot = take(target, clock)
    fleet, requests = snapshot.fleet, snapshot.requests
    assert fleet.claims == {(kind, how): 0 for kind in RunnerKind for how in ClaimOutcome}
    assert fleet.reconnects == fleet.events_received == dict.fromkeys(RunnerKind, 0)
    verdicts = [HealthStatus.HEALTHY, HealthStatus.DEGRADED, HealthStatus.UNHEALTHY]
    assert fleet.transitions == {(a, b): 0 for a in verdicts for b in verdicts if a is not b}
    assert fleet.lease_lapses == fleet.client_restarts == fleet.discovered == fleet.removed == 0
    operations = (Operation.LIST, Operation.HEALTH)
    assert requests.requests == dict.fromkeys(operations, 0)
    assert requests.errors == {(operation, why): 0 for operation in operations for why in Reason}
    assert requests.skipped == dict.fromkeys(Skip, 0)


def test_work_is_summed_by_the_kind_of_the_runner(target: Target, clock: FakeClock) -> None:
    def work(runner_id: str, n: float) -> HealthAnswer:
        client = Client(
            started_at=1.0,
            claims_succeeded=n,
            claims_skipped=2 * n,
            claims_failed=3 * n,
            reconnect_count=4 * n,
            events_received=5 * n,
        )
        return report_of(Report(runner_id, client=client, client_present=True))

    for n in (100.0, 101.0, 103.0):
        poll = Poll(target)
        runners = [ListedRunner("a", kind=RunnerKind.CI), ListedRunner("b", kind=RunnerKind.CI)]
        poll.listed(ALICE, ListAnswer((*runners, ListedRunner("c")), ()))
        for due in poll.due():
            poll.reported(work(due.runner_id, n), clock.monotonic())
        poll.end()
    fleet = take(target, clock).fleet
    assert [fleet.claims[RunnerKind.CI, outcome] for outcome in ClaimOutcome] == [6, 12, 18]
    assert fleet.reconnects[RunnerKind.CI] == 24
    assert fleet.events_received[RunnerKind.CI] == 30
    assert [fleet.claims[RunnerKind.UNKNOWN, outcome] for outcome in ClaimOutcome] == [3, 6, 9]
    assert sum(fleet.claims.values()) == 54


def test_events_of_all_runners_are_summed_and_outlive_them(
    target: Target, clock: FakeClock
) -> None:
    before = Report(
        "a",
        health=HealthStatus.HEALTHY,
        liveness=LivenessStatus.ONLINE,
        lease_expires_at=90.0,
        last_seen_at=0.0,
        client=Client(started_at=1.0),
    )
    after = msgspec.structs.replace(
        before,
        health=HealthStatus.UNHEALTHY,
        liveness=LivenessStatus.EXPIRED,
        client=Client(started_at=2.0),
    )
    for each in (before, after):
        other = msgspec.structs.replace(each, runner_id="b")
        told(target, clock, report_of(each), report_of(other))
    told(target, clock)
    fleet = take(target, clock).fleet
    assert fleet.transitions[HealthStatus.HEALTHY, HealthStatus.UNHEALTHY] == 2
    assert sum(fleet.transitions.values()) == 2
    assert (fleet.lease_lapses, fleet.client_restarts) == (2, 2)
    assert (fleet.discovered, fleet.removed) == (0, 2)


def test_requests_are_counted_with_their_times_and_reasons(
    target: Target, clock: FakeClock
) -> None:
    poll = Poll(target)
    poll.requested(Operation.LIST, 0.005, None)
    poll.requested(Operation.HEALTH, 0.3, None)
    poll.requested(Operation.HEALTH, 5.0, Reason.TIMEOUT)
    poll.requested(Operation.HEALTH, 60.0, Reason.TIMEOUT)
    counted = take(target, clock).requests
    assert counted.requests == {Operation.LIST: 1, Operation.HEALTH: 3}
    assert {why: n for why, n in counted.errors.items() if n} == {
        (Operation.HEALTH, Reason.TIMEOUT): 2
    }
    health = counted.durations[Operation.HEALTH]
    by_bound = dict(zip(health.bounds, health.counts, strict=True))
    assert (by_bound[0.25], by_bound[0.5], by_bound[2.5], by_bound[5.0]) == (0, 1, 1, 2)
    assert (by_bound[10.0], by_bound[math.inf]) == (2, 3)
    assert health.sum == pytest.approx(65.3)
    assert counted.durations[Operation.LIST].counts == (1,) * len(health.bounds)


def test_polls_that_did_not_happen_are_counted_by_why(target: Target, clock: FakeClock) -> None:
    target.skip(Skip.BACKOFF)
    target.skip(Skip.MISFIRE, 3)
    target.skip(Skip.MISFIRE)
    assert take(target, clock).requests.skipped == {
        Skip.OVERRUN: 0,
        Skip.MISFIRE: 4,
        Skip.BACKOFF: 1,
    }


def test_drift_is_counted_by_field(target: Target, clock: FakeClock, drift: Counter[str]) -> None:
    poll = Poll(target)
    poll.listed(ALICE, listing("a", drift=["list.kind", "list.kind"]))
    poll.due()
    poll.reported(HealthAnswer(Report("a"), None, ("client.status",)), clock.monotonic())
    poll.end()
    assert drift == {"list.kind": 2, "client.status": 1}


def test_a_report_of_a_runner_that_went_meanwhile_is_let_go(
    target: Target, clock: FakeClock
) -> None:
    poll = Poll(target)
    poll.listed(ALICE, listing("a"))
    poll.due()
    poll.reported(answer("b"), clock.monotonic())
    poll.failed("c", Reason.NOT_FOUND)
    poll.end()
    assert [state.listed.id for state in take(target, clock).runners] == ["a"]


def test_claims_are_kept_as_reported(target: Target, clock: FakeClock) -> None:
    claims = Claims(active_count=3, superseded=2, oldest_heartbeat_at=5.0)
    told(target, clock, report_of(Report("a", claims=claims)))
    report = state_of(take(target, clock), "a").report
    assert report is not None
    assert report.claims == claims
