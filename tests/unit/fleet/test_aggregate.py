from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import FakeClock

from electric_agents_exporter.contract.report import Claims, ListedRunner, Report
from electric_agents_exporter.contract.vocabulary import (
    AdminStatus,
    HealthStatus,
    Issue,
    LivenessStatus,
    RunnerKind,
)
from electric_agents_exporter.fleet.aggregate import Aggregate, State, aggregate
from electric_agents_exporter.fleet.changes import EventCounts
from electric_agents_exporter.fleet.policy import Policy
from electric_agents_exporter.fleet.snapshot import Facts, Observation, RunnerState, TargetSnapshot
from electric_agents_exporter.fleet.target import Target

NOW = 1_000.0
STALE_AFTER = 60.0
ALICE, BOB = "user:alice", "user:bob"

Sum = Callable[..., Aggregate]


@pytest.fixture(scope="module")
def empty() -> TargetSnapshot:
    """Give the snapshot of a target that knows of nobody."""
    target = Target(Policy("t", stale_after=STALE_AFTER), [ALICE], FakeClock(), Counter())
    return target.snapshot(NOW)


@pytest.fixture(scope="module")
def summed(empty: TargetSnapshot) -> Sum:
    def sum_up(*views: RunnerState, listed: tuple[str, ...] = (ALICE, BOB)) -> Aggregate:
        fields = {name: getattr(empty, name) for name in empty.__struct_fields__}
        fields |= {"runners": views, "listed": dict.fromkeys(listed, 9)}
        return aggregate(TargetSnapshot(**fields), NOW)

    return sum_up


def view(
    report: Report | None,
    *,
    age: float = 0.0,
    kind: RunnerKind | None = RunnerKind.CI,
    admin: AdminStatus | None = AdminStatus.ENABLED,
    principal: str = ALICE,
) -> RunnerState:
    runner = ListedRunner("r", kind=kind, admin_status=admin)
    return RunnerState(
        runner=runner,
        principal=principal,
        facts=None if report is None else Facts(runner, report, EventCounts()),
        observation=None if report is None else Observation(NOW - age, None),
        poll_success=None,
        last_success_at=None,
        counts=EventCounts(),
    )


def working(liveness: LivenessStatus | None, active: float | None, superseded: int = 0) -> Report:
    return Report("r", liveness=liveness, claims=Claims(active, superseded))


ENABLED, DISABLED = AdminStatus.ENABLED, AdminStatus.DISABLED
ONLINE, EXPIRED = LivenessStatus.ONLINE, LivenessStatus.EXPIRED
HEALTHY = Report(
    "r", admin_status=ENABLED, liveness=ONLINE, health=HealthStatus.HEALTHY, issues=frozenset()
)
UNKNOWN = (LivenessStatus.UNKNOWN, HealthStatus.UNKNOWN)


def test_nobody_sums_to_nothing(summed: Sum) -> None:
    assert summed() == Aggregate({}, {}, 0, 0, 0, 0)


def test_runners_are_counted_by_their_state(summed: Sum) -> None:
    fleet = summed(view(HEALTHY), view(HEALTHY), view(HEALTHY, kind=RunnerKind.SERVER))
    assert fleet.states == {
        State(RunnerKind.CI, ENABLED, ONLINE, HealthStatus.HEALTHY): 2,
        State(RunnerKind.SERVER, ENABLED, ONLINE, HealthStatus.HEALTHY): 1,
    }
    assert fleet.exported == 3


def test_a_report_goes_before_the_list_where_they_differ(summed: Sum) -> None:
    fleet = summed(view(HEALTHY, admin=DISABLED))
    assert set(fleet.states) == {State(RunnerKind.CI, ENABLED, ONLINE, HealthStatus.HEALTHY)}


@pytest.mark.parametrize("age, known", [(0.0, True), (STALE_AFTER, True), (60.001, False)])
def test_a_stale_runner_is_counted_as_unknown_under_what_its_list_says(
    summed: Sum,
    age: float,
    known: bool,  # noqa: FBT001
) -> None:
    fleet = summed(view(HEALTHY, age=age, admin=DISABLED))
    if known:
        assert set(fleet.states) == {State(RunnerKind.CI, ENABLED, ONLINE, HealthStatus.HEALTHY)}
    else:
        assert set(fleet.states) == {State(RunnerKind.CI, DISABLED, *UNKNOWN)}
    assert fleet.exported == 1


def test_a_runner_that_never_reported_is_unknown(summed: Sum) -> None:
    fleet = summed(view(None), view(None, kind=None, admin=None))
    assert fleet.states == {
        State(RunnerKind.CI, ENABLED, *UNKNOWN): 1,
        State(RunnerKind.UNKNOWN, AdminStatus.UNKNOWN, *UNKNOWN): 1,
    }


def test_fields_that_were_not_read_are_unknown_each_for_itself(summed: Sum) -> None:
    fleet = summed(view(Report("r", health=HealthStatus.DEGRADED)))
    assert set(fleet.states) == {
        State(RunnerKind.CI, AdminStatus.UNKNOWN, LivenessStatus.UNKNOWN, HealthStatus.DEGRADED)
    }
    assert (fleet.issues, fleet.active_claims, fleet.superseded_claims) == ({}, 0, 0)


def test_issues_overlap(summed: Sum) -> None:
    both = frozenset({Issue.STREAM_DISCONNECTED, Issue.RECONNECTS_HIGH})
    one = frozenset({Issue.RECONNECTS_HIGH})
    fleet = summed(view(Report("r", issues=both)), view(Report("r", issues=one)), view(HEALTHY))
    assert fleet.issues == {Issue.STREAM_DISCONNECTED: 1, Issue.RECONNECTS_HIGH: 2}


def test_claims_of_runners_whose_lease_has_expired_are_orphaned(summed: Sum) -> None:
    fleet = summed(
        view(working(ONLINE, 3, 1)),
        view(working(EXPIRED, 2, 1)),
        view(working(LivenessStatus.OFFLINE, 5)),
        view(working(None, 7)),
        view(working(EXPIRED, None)),
    )
    assert (fleet.active_claims, fleet.superseded_claims, fleet.orphaned_claims) == (17, 2, 2)


def test_what_is_stale_holds_no_claim_and_has_no_issue(summed: Sum) -> None:
    old = Report(
        "r", liveness=EXPIRED, issues=frozenset({Issue.LEASE_EXPIRED}), claims=Claims(4, 2)
    )
    fleet = summed(view(old, age=STALE_AFTER + 1))
    assert (fleet.active_claims, fleet.superseded_claims, fleet.orphaned_claims) == (0, 0, 0)
    assert fleet.issues == {}


def test_runners_of_a_list_that_is_stale_are_not_counted_at_all(summed: Sum) -> None:
    fleet = summed(view(HEALTHY), view(HEALTHY, principal=BOB), listed=(BOB,))
    assert fleet.exported == 1
    assert sum(fleet.states.values()) == 1


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
views = st.builds(
    view,
    reports,
    age=st.floats(0, 2 * STALE_AFTER),
    kind=st.none() | st.sampled_from(RunnerKind),
    admin=st.none() | st.sampled_from(AdminStatus),
    principal=st.sampled_from([ALICE, BOB]),
)


@given(everyone=st.lists(views), listed=st.sets(st.sampled_from([ALICE, BOB])))
def test_states_sum_to_the_exported_and_parts_are_no_more_than_the_whole(
    summed: Sum, everyone: list[RunnerState], listed: set[str]
) -> None:
    fleet = summed(*everyone, listed=tuple(listed))
    assert sum(fleet.states.values()) == fleet.exported
    assert fleet.exported == sum(each.principal in listed for each in everyone)
    assert max(fleet.issues.values(), default=0) <= fleet.exported
    assert 0 <= fleet.orphaned_claims <= fleet.active_claims
