"""Each condition where it is true and where it nearly is, and what holds of any judgement."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from electric_agents_exporter.conditions import (
    NOT_KNOWN,
    Ages,
    Condition,
    Conditions,
    Gap,
    Thresholds,
    judge,
    silence,
)
from electric_agents_exporter.contract.reading import read_health
from electric_agents_exporter.contract.report import Claims, Client, Dispatch, Report
from electric_agents_exporter.contract.vocabulary import AdminStatus, LivenessStatus

SAMPLES = Path(__file__).parents[1] / "contract" / "samples"
SEEN = 1_000.0
WELL = Report(
    "r",
    admin_status=AdminStatus.ENABLED,
    liveness=LivenessStatus.ONLINE,
    last_seen_at=SEEN,
    lease_expires_at=SEEN + 90,
    client=Client(stream_connected=True),
    claims=Claims(active_count=0, superseded=0),
    dispatch=Dispatch(entities_with_active_claim=0),
)
WORKING = replace(WELL, claims=Claims(1, 0), dispatch=Dispatch(entities_with_active_claim=1))
NO_CLAIM_KNOWN = replace(WELL, claims=Claims(), dispatch=Dispatch())
HEARD_ALL = Ages(heartbeat=10, unheard=0, waiting=0)


def judged(
    report: Report,
    ages: Ages = HEARD_ALL,
    *,
    refused: bool | None = False,
    gaps: Sequence[Gap] = (),
    thresholds: Thresholds | None = None,
) -> Conditions:
    return judge(report, ages, refused=refused, gaps=gaps, thresholds=thresholds or Thresholds())


def holds(condition: Condition, report: Report, ages: Ages = HEARD_ALL) -> bool | None:
    """Tell whether a condition holds, None where it is not known."""
    conditions = judged(report, ages)
    return condition in conditions.holds if condition in conditions.known else None


def disabled(report: Report) -> Report:
    return replace(report, admin_status=AdminStatus.DISABLED, liveness=LivenessStatus.OFFLINE)


def expired(report: Report) -> Report:
    return replace(report, liveness=LivenessStatus.EXPIRED)


def only_disabled(report: Report) -> Report:
    """Disable a runner whose liveness does not tell of it."""
    return replace(report, admin_status=AdminStatus.DISABLED)


def test_of_a_runner_that_is_well_everything_is_known_and_nothing_holds() -> None:
    conditions = judged(WELL)
    assert conditions.holds == frozenset()
    assert conditions.known == frozenset(Condition)


def test_without_a_report_nothing_is_known_but_that() -> None:
    assert NOT_KNOWN.holds == NOT_KNOWN.known == {Condition.UNKNOWN}


# --- work that waits ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "report, waiting, held",
    [
        (WELL, 61, True),
        (WELL, 60, False),
        (WELL, 0, False),
        (WELL, None, None),
        (expired(WELL), 61, True),
        (disabled(WELL), 61, False),
        (replace(WELL, admin_status=None), 61, None),
    ],
)
def test_work_waits_where_an_enabled_runner_has_not_heard_a_wake_for_a_minute(
    report: Report, waiting: float | None, *, held: bool | None
) -> None:
    ages = Ages(heartbeat=10, unheard=waiting, waiting=waiting)
    assert holds(Condition.WORK_UNHEARD, report, ages) is held


def test_a_wake_of_an_entity_at_rest_is_unheard_and_nobody_waits() -> None:
    ages = Ages(heartbeat=10, unheard=900, waiting=0)
    assert holds(Condition.WORK_UNHEARD, WELL, ages) is False


# --- work that is abandoned -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "ages, held",
    [
        (Ages(heartbeat=60, newest_claim=60), True),
        (Ages(heartbeat=59, newest_claim=300), False),
        (Ages(heartbeat=300, newest_claim=59), False),
        (Ages(heartbeat=60), True),
        (Ages(newest_claim=60), True),
        (Ages(), None),
    ],
)
def test_work_is_abandoned_when_neither_runner_nor_claims_gave_a_sign_of_life_for_a_minute(
    ages: Ages, *, held: bool | None
) -> None:
    assert holds(Condition.WORK_ABANDONED, WORKING, ages) is held


@pytest.mark.parametrize(
    "report, held",
    [
        (WELL, False),
        (disabled(WORKING), False),
        (replace(WORKING, dispatch=Dispatch()), None),
        (replace(WORKING, admin_status=AdminStatus.UNKNOWN), None),
    ],
)
def test_only_an_enabled_runner_that_works_abandons_work(
    report: Report, *, held: bool | None
) -> None:
    ages = Ages(heartbeat=900, newest_claim=900)
    assert holds(Condition.WORK_ABANDONED, report, ages) is held


@pytest.mark.parametrize("age, held", [(2399, False), (2400, True)])
def test_in_a_slow_world_two_thirds_of_the_lease_may_pass_in_silence(
    age: float, *, held: bool
) -> None:
    slow = replace(WORKING, lease_expires_at=SEEN + 3600)
    assert holds(Condition.WORK_ABANDONED, slow, Ages(heartbeat=age)) is held


@pytest.mark.parametrize("lease, held", [(86_400, False), (86_401, True)])
def test_a_lease_of_a_day_is_the_longest_that_asks_for_patience(
    lease: float, *, held: bool
) -> None:
    report = replace(WORKING, lease_expires_at=SEEN + lease)
    assert holds(Condition.WORK_ABANDONED, report, Ages(heartbeat=60)) is held


def test_a_lease_until_the_end_of_the_century_makes_nobody_immortal() -> None:
    immortal = replace(WORKING, lease_expires_at=4_070_908_800.0)
    assert holds(Condition.WORK_ABANDONED, immortal, Ages(heartbeat=60)) is True


# --- work that was refused ------------------------------------------------------------------------


@pytest.mark.parametrize("refused", [True, False, None])
def test_work_is_refused_as_far_as_that_is_known(*, refused: bool | None) -> None:
    conditions = judged(WELL, refused=refused)
    assert (Condition.WORK_REFUSED in conditions.holds) is (refused is True)
    assert (Condition.WORK_REFUSED in conditions.known) is (refused is not None)


# --- deaf -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "report, ages, held",
    [
        (WELL, Ages(heartbeat=5, unheard=16), True),
        (WELL, Ages(heartbeat=5, unheard=15), False),
        (WELL, Ages(heartbeat=70, unheard=75), False),
        (WELL, Ages(heartbeat=5), None),
        (WELL, Ages(unheard=100), None),
        (replace(WELL, client=Client(stream_connected=False)), HEARD_ALL, True),
        (replace(WELL, client=None), HEARD_ALL, False),
        (expired(replace(WELL, client=Client(stream_connected=False))), HEARD_ALL, False),
        (expired(WELL), Ages(heartbeat=5, unheard=100), False),
        (disabled(WELL), Ages(heartbeat=5, unheard=100), False),
        (only_disabled(WELL), Ages(heartbeat=5, unheard=100), False),
        (only_disabled(replace(WELL, client=Client(stream_connected=False))), HEARD_ALL, False),
        (only_disabled(WELL), Ages(), False),
        (expired(WELL), Ages(), False),
    ],
)
def test_a_runner_is_deaf_that_sends_heartbeats_and_does_not_hear(
    report: Report, ages: Ages, *, held: bool | None
) -> None:
    assert holds(Condition.DEAF, report, ages) is held


# --- lapsed, draining, stuck, disabled ------------------------------------------------------------


@pytest.mark.parametrize(
    "report, held",
    [
        (expired(WELL), True),
        (WELL, False),
        (disabled(WELL), False),
        (replace(WELL, liveness=LivenessStatus.OFFLINE), False),
        (replace(WELL, liveness=None), None),
        (replace(WELL, liveness=LivenessStatus.UNKNOWN), None),
        (only_disabled(expired(WELL)), False),
        (replace(expired(WELL), admin_status=None), None),
    ],
)
def test_a_runner_has_lapsed_whose_lease_is_over(report: Report, *, held: bool | None) -> None:
    assert holds(Condition.LAPSED, report) is held


@pytest.mark.parametrize(
    "report, ages, held",
    [
        (expired(WORKING), Ages(heartbeat=200, newest_claim=10), True),
        (expired(WORKING), Ages(heartbeat=200, newest_claim=60), False),
        (WORKING, Ages(heartbeat=80, newest_claim=10), False),
        (expired(WELL), Ages(heartbeat=200), False),
        (expired(NO_CLAIM_KNOWN), Ages(heartbeat=200), None),
        (NO_CLAIM_KNOWN, HEARD_ALL, False),
    ],
)
def test_a_runner_drains_whose_lease_is_over_and_whose_claims_live(
    report: Report, ages: Ages, *, held: bool | None
) -> None:
    assert holds(Condition.DRAINING, report, ages) is held


@pytest.mark.parametrize(
    "report, ages, held",
    [
        (WORKING, Ages(heartbeat=5, oldest_claim=300), True),
        (WORKING, Ages(heartbeat=5, oldest_claim=299), False),
        (expired(WORKING), Ages(heartbeat=200, oldest_claim=900), False),
        (WELL, HEARD_ALL, False),
        (NO_CLAIM_KNOWN, HEARD_ALL, None),
        (expired(NO_CLAIM_KNOWN), Ages(heartbeat=200), False),
        (replace(NO_CLAIM_KNOWN, claims=Claims(0)), HEARD_ALL, False),
        (replace(NO_CLAIM_KNOWN, claims=Claims(1)), HEARD_ALL, None),
        (replace(NO_CLAIM_KNOWN, dispatch=Dispatch(0)), HEARD_ALL, False),
        (replace(NO_CLAIM_KNOWN, dispatch=Dispatch(1)), HEARD_ALL, None),
    ],
)
def test_a_claim_is_stuck_that_gives_no_sign_of_life_while_its_runner_does(
    report: Report, ages: Ages, *, held: bool | None
) -> None:
    assert holds(Condition.CLAIM_STUCK, report, ages) is held


@pytest.mark.parametrize(
    "status, held",
    [
        (AdminStatus.DISABLED, True),
        (AdminStatus.ENABLED, False),
        (AdminStatus.UNKNOWN, None),
        (None, None),
    ],
)
def test_a_runner_is_disabled_where_its_operator_says_so(
    status: AdminStatus | None, *, held: bool | None
) -> None:
    assert holds(Condition.DISABLED, replace(WELL, admin_status=status)) is held


# --- a server that could hear nobody --------------------------------------------------------------


@pytest.mark.parametrize(
    "age, gaps, counted",
    [
        (100, [], 100),
        (100, [Gap(80, 20)], 40),
        (100, [Gap(80, -30)], 20),
        (10, [Gap(80, 20)], 10),
        (50, [Gap(float("inf"), -60)], 0),
        (100, [Gap(90, 70), Gap(60, 50)], 70),
        (None, [Gap(80, 20)], None),
    ],
)
def test_silence_is_what_the_server_could_have_heard(
    age: float | None, gaps: list[Gap], counted: float | None
) -> None:
    assert silence(age, gaps) == counted


def test_nobodys_silence_counts_while_the_server_could_hear_nobody() -> None:
    late = Ages(heartbeat=120, newest_claim=120, oldest_claim=400, unheard=90, waiting=90)
    outage = [Gap(115, -30)]
    lapsed = expired(WORKING)
    assert judged(lapsed, late).holds >= {
        Condition.WORK_ABANDONED,
        Condition.WORK_UNHEARD,
        Condition.LAPSED,
    }
    assert judged(lapsed, late, gaps=outage).holds == frozenset()


@pytest.mark.parametrize("age, held", [(130, False), (131, True)])
def test_a_lease_is_over_once_silence_outlasts_it_and_no_sooner(age: float, *, held: bool) -> None:
    conditions = judged(expired(WELL), Ages(heartbeat=age), gaps=[Gap(80, 40)])
    assert (Condition.LAPSED in conditions.holds) is held


def test_who_was_silent_before_the_outage_stays_so() -> None:
    dead = Ages(heartbeat=400, newest_claim=400, unheard=0, waiting=0)
    conditions = judged(expired(WORKING), dead, gaps=[Gap(100, -30)])
    assert conditions.holds == {Condition.WORK_ABANDONED, Condition.LAPSED}


# --- any judgement --------------------------------------------------------------------------------

AGE = st.none() | st.floats(0, 1e9)
COUNT = st.none() | st.floats(0, 100)
REPORTS = st.builds(
    Report,
    st.just("r"),
    admin_status=st.none() | st.sampled_from(AdminStatus),
    liveness=st.none() | st.sampled_from(LivenessStatus),
    last_seen_at=AGE,
    lease_expires_at=AGE,
    client=st.none() | st.builds(Client, stream_connected=st.none() | st.booleans()),
    claims=st.builds(Claims, active_count=COUNT),
    dispatch=st.builds(Dispatch, entities_with_active_claim=COUNT),
)
AGES = st.builds(Ages, heartbeat=AGE, newest_claim=AGE, oldest_claim=AGE, unheard=AGE, waiting=AGE)
GAPS = st.lists(
    st.builds(lambda a, b: Gap(a + b, a), st.floats(-60, 1e6), st.floats(0, 1e6)), max_size=1
)


@given(REPORTS, AGES, st.none() | st.booleans(), GAPS)
def test_what_holds_is_known_and_no_report_is_unknown(
    report: Report,
    ages: Ages,
    refused: bool | None,  # noqa: FBT001
    gaps: list[Gap],
) -> None:
    conditions = judged(report, ages, refused=refused, gaps=gaps)
    assert conditions.holds <= conditions.known
    assert Condition.UNKNOWN in conditions.known - conditions.holds


@given(REPORTS, AGES, GAPS)
def test_to_learn_of_wakes_never_turns_a_judgement(
    report: Report, ages: Ages, gaps: list[Gap]
) -> None:
    full = judged(report, ages, gaps=gaps)
    for unknown in ("unheard", "waiting"):
        less = judged(report, replace(ages, **{unknown: None}), gaps=gaps)
        both = less.known & full.known
        assert less.holds & both == full.holds & both


@given(REPORTS, AGES, GAPS)
def test_an_outage_makes_nobody_more_silent(report: Report, ages: Ages, gaps: list[Gap]) -> None:
    quiet = {Condition.WORK_UNHEARD, Condition.WORK_ABANDONED, Condition.CLAIM_STUCK}
    with_gaps = judged(report, ages, gaps=gaps).holds & quiet
    assert with_gaps <= judged(report, ages).holds


@given(REPORTS, AGES)
def test_a_disabled_runner_has_no_condition_but_that_and_refused_work(
    report: Report, ages: Ages
) -> None:
    allowed = {Condition.DISABLED, Condition.WORK_REFUSED}
    assert judged(disabled(report), ages).holds <= allowed


@given(REPORTS, AGES)
def test_equal_judgements_are_one_object(report: Report, ages: Ages) -> None:
    assert judged(report, ages) is judged(report, ages)


# --- the captured samples -------------------------------------------------------------------------

CAPTURED = {
    "health-active-claim": set(),
    "health-disabled": {"disabled"},
    "health-healthy": set(),
    "health-heartbeat-failed": set(),
    "health-leaked-claims": set(),
    "health-lease-expired": {"lapsed"},
    "health-never-heartbeat": set(),
    "health-no-diagnostics": set(),
    "health-reconnects": set(),
    "health-stream-disconnected": {"deaf"},
    "health-three-issues": {"deaf"},
}


def test_every_captured_sample_is_judged_here() -> None:
    assert set(CAPTURED) == {path.stem for path in SAMPLES.glob("health-*.json")}


@pytest.mark.parametrize("name", CAPTURED)
def test_a_captured_sample_is_judged_by_what_is_true_of_it(name: str) -> None:
    answer = read_health(json.dumps(json.loads((SAMPLES / f"{name}.json").read_text())).encode())
    report, now = answer.report, answer.server_time
    if now is None:
        now = (report.lease_expires_at or report.created_at or 0.0) + 40
    ages = Ages(
        heartbeat=None if report.last_seen_at is None else now - report.last_seen_at,
        unheard=0,
        waiting=0,
    )
    assert {condition.value for condition in judged(report, ages).holds} == CAPTURED[name]
