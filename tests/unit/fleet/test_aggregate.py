from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import FakeClock

from electric_agents_exporter.conditions import Condition, Conditions
from electric_agents_exporter.contract.report import Claims, ListedRunner, Report
from electric_agents_exporter.contract.vocabulary import (
    AdminStatus,
    HealthStatus,
    Issue,
    LivenessStatus,
    RunnerKind,
)
from electric_agents_exporter.fleet.aggregate import (
    Aggregate,
    StateLabels,
    aggregate,
    unknown_by_kind,
)
from electric_agents_exporter.fleet.policy import Policy
from electric_agents_exporter.fleet.snapshot import (
    Observation,
    RunnerState,
    TargetSnapshot,
    WakeLag,
)
from electric_agents_exporter.fleet.target import Target

NOW = 1_000.0
STALE_AFTER = 60.0
ALICE, BOB = "user:alice", "user:bob"

Snapshot = Callable[..., TargetSnapshot]
Sum = Callable[..., Aggregate]


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    target = Target(Policy("t", (ALICE, BOB), stale_after=STALE_AFTER), FakeClock(), Counter())
    empty = target.snapshot(NOW)

    def of(*runners: RunnerState, listed: tuple[str, ...] = (ALICE, BOB)) -> TargetSnapshot:
        return msgspec.structs.replace(empty, runners=runners, listed=dict.fromkeys(listed, 9))

    return of


@pytest.fixture(scope="module")
def summed(snapshot: Snapshot) -> Sum:
    def sum_up(*runners: RunnerState, listed: tuple[str, ...] = (ALICE, BOB)) -> Aggregate:
        total = aggregate(snapshot(*runners, listed=listed), NOW)
        assert total is not None
        return total

    return sum_up


def runner(
    report: Report | None,
    *,
    age: float = 0.0,
    kind: RunnerKind | None = RunnerKind.CI,
    admin: AdminStatus | None = AdminStatus.ENABLED,
    **known: Any,  # noqa: ANN401
) -> RunnerState:
    """Give a runner of which the last report is so old, and of whom more can be known."""
    state = RunnerState(ListedRunner("r", kind=kind, admin_status=admin), ALICE)
    if report is not None:
        seen = Observation(NOW - age, None, None)
        state = msgspec.structs.replace(state, report=report, observation=seen, conditions=judged())
    return msgspec.structs.replace(state, **known)


def judged(*holds: Condition, unknown: Condition | None = None) -> Conditions:
    return Conditions(frozenset(holds), frozenset(Condition) - {unknown})


def working(active: float | None, superseded: int | None = None) -> Report:
    return Report("r", claims=Claims(active, superseded))


ENABLED, DISABLED = AdminStatus.ENABLED, AdminStatus.DISABLED
ONLINE, EXPIRED = LivenessStatus.ONLINE, LivenessStatus.EXPIRED
HEALTHY = Report(
    "r", admin_status=ENABLED, liveness=ONLINE, health=HealthStatus.HEALTHY, issues=frozenset()
)
UNKNOWN = (LivenessStatus.UNKNOWN, HealthStatus.UNKNOWN)


# --- states and issues ----------------------------------------------------------------------------


def test_of_nobody_there_are_no_sums(summed: Sum) -> None:
    assert summed() == Aggregate(
        states={},
        issues=None,
        conditions={},
        active_claims=None,
        superseded_claims=None,
        orphaned_claims=None,
        wakes_unheard=None,
        oldest_unheard_age=None,
        exported=0,
    )


def test_without_any_list_that_is_not_stale_nothing_is_summed(snapshot: Snapshot) -> None:
    assert aggregate(snapshot(runner(HEALTHY), listed=()), NOW) is None


def test_runners_are_counted_by_their_state(summed: Sum) -> None:
    fleet = summed(runner(HEALTHY), runner(HEALTHY), runner(HEALTHY, kind=RunnerKind.SERVER))
    assert fleet.states == {
        StateLabels(RunnerKind.CI, ENABLED, ONLINE, HealthStatus.HEALTHY): 2,
        StateLabels(RunnerKind.SERVER, ENABLED, ONLINE, HealthStatus.HEALTHY): 1,
    }
    assert fleet.exported == 3


def test_a_report_goes_before_the_list_where_they_differ(summed: Sum) -> None:
    fleet = summed(runner(HEALTHY, admin=DISABLED))
    assert set(fleet.states) == {StateLabels(RunnerKind.CI, ENABLED, ONLINE, HealthStatus.HEALTHY)}


@pytest.mark.parametrize("age, known", [(0.0, True), (STALE_AFTER, True), (60.001, False)])
def test_a_stale_runner_is_counted_as_unknown_under_what_its_list_says(
    summed: Sum,
    age: float,
    known: bool,  # noqa: FBT001
) -> None:
    fleet = summed(runner(HEALTHY, age=age, admin=DISABLED))
    healthy = StateLabels(RunnerKind.CI, ENABLED, ONLINE, HealthStatus.HEALTHY)
    assert set(fleet.states) == {
        healthy if known else StateLabels(RunnerKind.CI, DISABLED, *UNKNOWN)
    }
    assert fleet.exported == 1


def test_a_runner_that_never_reported_is_unknown(summed: Sum) -> None:
    fleet = summed(runner(None), runner(None, kind=None, admin=None))
    assert fleet.states == {
        StateLabels(RunnerKind.CI, ENABLED, *UNKNOWN): 1,
        StateLabels(RunnerKind.UNKNOWN, AdminStatus.UNKNOWN, *UNKNOWN): 1,
    }


def test_fields_that_were_not_read_are_unknown_each_for_itself(summed: Sum) -> None:
    fleet = summed(runner(Report("r", health=HealthStatus.DEGRADED)))
    assert set(fleet.states) == {
        StateLabels(
            RunnerKind.CI, AdminStatus.UNKNOWN, LivenessStatus.UNKNOWN, HealthStatus.DEGRADED
        )
    }
    assert fleet.issues is None
    assert (fleet.active_claims, fleet.superseded_claims, fleet.orphaned_claims) == (None,) * 3
    assert set(summed(runner(Report("r", admin_status=DISABLED))).states) == {
        StateLabels(RunnerKind.CI, DISABLED, *UNKNOWN)
    }


def test_issues_overlap(summed: Sum) -> None:
    both = frozenset({Issue.STREAM_DISCONNECTED, Issue.RECONNECTS_HIGH})
    one = frozenset({Issue.RECONNECTS_HIGH})
    fleet = summed(
        runner(Report("r", issues=both)), runner(Report("r", issues=one)), runner(HEALTHY)
    )
    assert fleet.issues == {Issue.STREAM_DISCONNECTED: 1, Issue.RECONNECTS_HIGH: 2}


def test_of_runners_without_an_issue_it_is_known_that_there_is_none(summed: Sum) -> None:
    assert summed(runner(HEALTHY), runner(None)).issues == {}


def test_runners_of_a_list_that_is_stale_are_not_counted_at_all(summed: Sum) -> None:
    fleet = summed(runner(HEALTHY), runner(HEALTHY, principal=BOB), listed=(BOB,))
    assert fleet.exported == 1
    assert sum(fleet.states.values()) == 1


# --- claims ---------------------------------------------------------------------------------------


def test_claims_are_summed_over_the_runners_whose_claims_are_known(summed: Sum) -> None:
    fleet = summed(
        runner(working(3, 1)), runner(working(2, 1)), runner(working(5)), runner(working(None))
    )
    assert (fleet.active_claims, fleet.superseded_claims) == (10, 2)


def test_claims_of_runners_whose_work_is_abandoned_are_orphaned(summed: Sum) -> None:
    fleet = summed(
        runner(working(3)),
        runner(working(2), conditions=judged(Condition.WORK_ABANDONED)),
        runner(working(4), conditions=judged(Condition.WORK_ABANDONED, Condition.LAPSED)),
        runner(working(5), conditions=judged(Condition.LAPSED, Condition.DRAINING)),
        runner(working(7), conditions=judged(unknown=Condition.WORK_ABANDONED)),
        runner(working(None), conditions=judged(Condition.WORK_ABANDONED)),
    )
    assert (fleet.active_claims, fleet.orphaned_claims) == (21, 6)


def test_no_claim_is_orphaned_only_where_it_is_known_whose_work_is_abandoned(summed: Sum) -> None:
    assert (
        summed(
            runner(working(7), conditions=judged(unknown=Condition.WORK_ABANDONED))
        ).orphaned_claims
        is None
    )
    assert summed(runner(working(7))).orphaned_claims == 0


def test_what_is_stale_holds_no_claim_and_has_no_issue(summed: Sum) -> None:
    old = Report("r", issues=frozenset({Issue.LEASE_EXPIRED}), claims=Claims(4, 2))
    fresh = Report("r", issues=frozenset({Issue.DISABLED}), claims=Claims(1, 0))
    stale = runner(old, age=STALE_AFTER + 1, conditions=judged(Condition.WORK_ABANDONED))
    fleet = summed(stale, runner(fresh))
    assert (fleet.active_claims, fleet.superseded_claims, fleet.orphaned_claims) == (1, 0, 0)
    assert fleet.issues == {Issue.DISABLED: 1}


def test_sums_over_no_fresh_report_at_all_are_not_known(summed: Sum) -> None:
    old = Report("r", issues=frozenset({Issue.LEASE_EXPIRED}), claims=Claims(4, 2))
    lag = WakeLag(NOW - 90, unheard=1, oldest_age=5.0)
    fleet = summed(runner(old, age=STALE_AFTER + 1, lag=lag), runner(None))
    assert (fleet.active_claims, fleet.superseded_claims, fleet.orphaned_claims) == (None,) * 3
    assert fleet.issues is None
    assert (fleet.wakes_unheard, fleet.oldest_unheard_age) == (None, None)


# --- wakes ----------------------------------------------------------------------------------------


def test_unheard_wakes_are_summed_and_the_oldest_is_as_old_as_it_is_now(summed: Sum) -> None:
    fleet = summed(
        runner(HEALTHY, lag=WakeLag(NOW - 10, unheard=2, oldest_age=50.0)),
        runner(HEALTHY, lag=WakeLag(NOW - 1, unheard=1, oldest_age=58.0)),
        runner(HEALTHY, lag=WakeLag(NOW - 30, unheard=0, oldest_age=0.0)),
        runner(HEALTHY),
    )
    assert (fleet.wakes_unheard, fleet.oldest_unheard_age) == (3, 60.0)


def test_where_all_is_heard_the_oldest_wake_is_of_age_zero(summed: Sum) -> None:
    fleet = summed(runner(HEALTHY, lag=WakeLag(NOW - 30, unheard=0, oldest_age=0.0)))
    assert (fleet.wakes_unheard, fleet.oldest_unheard_age) == (0, 0.0)


def test_wakes_of_no_known_age_are_counted_and_leave_the_age_unknown(summed: Sum) -> None:
    fleet = summed(runner(HEALTHY, lag=WakeLag(NOW, unheard=2, oldest_age=None)))
    assert (fleet.wakes_unheard, fleet.oldest_unheard_age) == (2, None)


def test_wakes_of_runners_that_are_not_known_are_not_known(summed: Sum) -> None:
    fleet = summed(runner(HEALTHY))
    assert (fleet.wakes_unheard, fleet.oldest_unheard_age) == (None, None)


# --- conditions -----------------------------------------------------------------------------------


def test_conditions_are_counted_by_kind_over_those_of_which_they_are_known(summed: Sum) -> None:
    fleet = summed(
        runner(HEALTHY, conditions=judged(Condition.DEAF)),
        runner(HEALTHY, conditions=judged(Condition.DEAF)),
        runner(HEALTHY, conditions=judged(Condition.DEAF, Condition.WORK_ABANDONED)),
        runner(HEALTHY, conditions=judged(unknown=Condition.WORK_ABANDONED)),
        runner(
            HEALTHY, kind=RunnerKind.SERVER, conditions=judged(unknown=Condition.WORK_ABANDONED)
        ),
    )
    assert fleet.conditions[RunnerKind.CI, Condition.DEAF] == 3
    assert fleet.conditions[RunnerKind.CI, Condition.WORK_ABANDONED] == 1
    assert fleet.conditions[RunnerKind.CI, Condition.LAPSED] == 0
    assert fleet.conditions[RunnerKind.SERVER, Condition.DEAF] == 0
    assert (RunnerKind.SERVER, Condition.WORK_ABANDONED) not in fleet.conditions


def test_a_runner_without_a_fresh_report_is_unknown_and_nothing_else(summed: Sum) -> None:
    stale = runner(HEALTHY, age=STALE_AFTER + 1, conditions=judged(Condition.WORK_ABANDONED))
    fleet = summed(stale, runner(None), runner(None, kind=None))
    assert fleet.conditions == {
        (RunnerKind.CI, Condition.UNKNOWN): 2,
        (RunnerKind.UNKNOWN, Condition.UNKNOWN): 1,
    }


def test_how_many_are_unknown_is_told_without_any_list_too(snapshot: Snapshot) -> None:
    target = snapshot(
        runner(HEALTHY),
        runner(HEALTHY),
        runner(HEALTHY, age=STALE_AFTER + 1),
        runner(None, principal=BOB),
        runner(None, kind=None),
        listed=(),
    )
    assert unknown_by_kind(target, NOW) == {RunnerKind.CI: 2, RunnerKind.UNKNOWN: 1}


reports = st.none() | st.builds(
    Report,
    runner_id=st.just("r"),
    admin_status=st.none() | st.sampled_from(AdminStatus),
    liveness=st.none() | st.sampled_from(LivenessStatus),
    health=st.none() | st.sampled_from(HealthStatus),
    issues=st.none() | st.frozensets(st.sampled_from(Issue)),
    claims=st.builds(
        Claims,
        active_count=st.none() | st.integers(0, 9),
        superseded=st.none() | st.integers(0, 9),
    ),
)
conditions = st.frozensets(st.sampled_from(Condition)).flatmap(
    lambda known: st.builds(
        Conditions,
        st.frozensets(st.sampled_from(sorted(known))) if known else st.just(known),
        st.just(known),
    )
)
runners = st.builds(
    runner,
    reports,
    age=st.floats(0, 2 * STALE_AFTER),
    kind=st.none() | st.sampled_from(RunnerKind),
    admin=st.none() | st.sampled_from(AdminStatus),
    principal=st.sampled_from([ALICE, BOB]),
    lag=st.none() | st.builds(WakeLag, st.just(NOW), st.integers(0, 3), st.none() | st.just(5.0)),
    conditions=conditions,
)


@given(
    everyone=st.lists(runners),
    listed=st.lists(st.sampled_from([ALICE, BOB]), min_size=1, unique=True),
)
def test_states_sum_to_the_exported_and_parts_are_no_more_than_the_whole(
    summed: Sum, everyone: list[RunnerState], listed: list[str]
) -> None:
    fleet = summed(*everyone, listed=tuple(listed))
    assert sum(fleet.states.values()) == fleet.exported
    assert fleet.exported == sum(each.principal in listed for each in everyone)
    assert max((fleet.issues or {}).values(), default=0) <= fleet.exported
    assert 0 <= (fleet.orphaned_claims or 0) <= (fleet.active_claims or 0)
    for condition in Condition:
        held = sum(fleet.conditions.get((kind, condition), 0) for kind in RunnerKind)
        assert 0 <= held <= fleet.exported


@given(everyone=st.lists(runners))
def test_a_sum_is_known_exactly_where_it_is_of_a_fresh_report(
    summed: Sum, everyone: list[RunnerState]
) -> None:
    fleet = summed(*everyone)
    fresh = [each for each in everyone if each.report and each.fresh(NOW, STALE_AFTER)]
    reports = [each.report for each in fresh if each.report]
    assert (fleet.issues is None) == all(report.issues is None for report in reports)
    assert (fleet.active_claims is None) == all(
        report.claims.active_count is None for report in reports
    )
    assert (fleet.superseded_claims is None) == all(
        report.claims.superseded is None for report in reports
    )
    assert (fleet.wakes_unheard is None) == all(each.lag is None for each in fresh)
