from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from electric_agents_exporter.conditions import NOT_KNOWN, Condition, Gap, Thresholds
from electric_agents_exporter.contract.report import (
    Claims,
    Client,
    Dispatch,
    ListedRunner,
    Report,
)
from electric_agents_exporter.contract.vocabulary import (
    AdminStatus,
    HealthStatus,
    LivenessStatus,
    RunnerKind,
)
from electric_agents_exporter.contract.wakes import START, Wake, WakeReading
from electric_agents_exporter.fleet.changes import EventCounts
from electric_agents_exporter.fleet.heard import WakeQuestion
from electric_agents_exporter.fleet.policy import RETIRE_AFTER, Policy
from electric_agents_exporter.fleet.reasons import Operation
from electric_agents_exporter.fleet.runner_record import AT_ONCE, Moment, RunnerRecord
from electric_agents_exporter.fleet.snapshot import Observation, RunnerState, WakeLag

ALICE, BOB = "user:alice", "user:bob"
SERVER_NOW = 1_795_346_133.0
NOW = 5_000.0
HOUR, WEEK = 3_600.0, 7 * 86_400.0
STALE_AFTER = 60.0
PATH, OWNER = "/runners/a/wakes", "/principal/user%3Aalice"
LISTED = ListedRunner("a", owner_principal=OWNER, wake_stream=PATH, updated_at=1.0)
IDLE = Claims(active_count=0, superseded=0)
HEALTHY, DEGRADED = HealthStatus.HEALTHY, HealthStatus.DEGRADED

WAKES = (Operation.LIST, Operation.HEALTH, Operation.WAKES)
POLICY = Policy("t", stale_after=STALE_AFTER, operations=WAKES)
JOINED = Policy("t", stale_after=STALE_AFTER, operations=WAKES, database=True)


def moment(monotonic: float = 0.0, *gaps: Gap) -> Moment:
    """Give a moment on clocks that go alike."""
    return Moment(NOW + monotonic, monotonic, SERVER_NOW + monotonic, gaps)


def without_servers_time(monotonic: float = 0.0) -> Moment:
    return Moment(NOW + monotonic, monotonic, None)


def offset(position: int) -> str:
    return f"{0:016}_{position:016}"


def wake(entity: str, ago: float | None, generation: int | None = 1) -> Wake:
    """Give a wake that was written so many seconds before the server's first moment."""
    return Wake(f"agents/{entity}/main", None if ago is None else SERVER_NOW - ago, generation)


@pytest.fixture
def record() -> RunnerRecord:
    return RunnerRecord(LISTED, ALICE)


def report(
    record: RunnerRecord,
    policy: Policy = POLICY,
    at: Moment | None = None,
    **said: Any,  # noqa: ANN401
) -> None:
    record.report(Report("a", **said), at or moment(), policy)


def hears(
    record: RunnerRecord, heard: str | None, at: float = 0.0, policy: Policy = POLICY
) -> None:
    """Let an enabled runner report that it heard so far, just now."""
    report(
        record,
        policy,
        moment(at),
        admin_status=AdminStatus.ENABLED,
        liveness=LivenessStatus.ONLINE,
        last_seen_at=SERVER_NOW + at,
        wake_stream_offset=heard,
    )


def read(
    record: RunnerRecord,
    reading: WakeReading | None,
    at: float = 0.0,
    *,
    policy: Policy = POLICY,
    unanswered: bool | None = None,
) -> None:
    record.read_wakes(reading, moment(at), policy, unanswered=unanswered)


def behind(heard: int, *wakes: Wake, at_rest: frozenset[str] = frozenset()) -> WakeReading:
    return WakeReading(offset(heard), offset(99), wakes, at_rest=at_rest)


def told(record: RunnerRecord, condition: Condition) -> bool | None:
    """Tell whether a condition holds; None where that is not known."""
    judged = record.state.conditions
    return condition in judged.holds if condition in judged.known else None


# --- reports --------------------------------------------------------------------------------------


def test_a_runner_that_was_never_asked_is_not_known(record: RunnerRecord) -> None:
    assert record.state == RunnerState(record.state.listed, ALICE)
    assert record.state.conditions == NOT_KNOWN
    assert record.asked_at == AT_ONCE


def test_a_report_shows_with_when_it_came(record: RunnerRecord) -> None:
    report(
        record,
        at=moment(42.0),
        last_seen_at=SERVER_NOW + 32,
        claims=Claims(newest_heartbeat_at=SERVER_NOW + 38),
    )
    state = record.state
    assert state.report is not None
    assert state.report.last_seen_at == SERVER_NOW + 32
    assert state.observation == Observation(42.0, heartbeat_age=10.0, sign_of_life_age=4.0)
    assert state.poll_success is True
    assert state.last_success_at == NOW + 42
    assert record.asked_at == 42.0


def test_the_first_report_changes_nothing_and_the_next_tells_what_did(record: RunnerRecord) -> None:
    assert record.report(Report("a", health=HEALTHY), moment(), POLICY) is None
    changes = record.report(Report("a", health=DEGRADED), moment(), POLICY)
    assert changes is not None
    assert changes.transition == (HEALTHY, DEGRADED)
    assert record.state.counts == EventCounts(health_changes=1)
    report(record, health=HEALTHY)
    assert record.state.counts == EventCounts(health_changes=2)


def test_what_happened_to_a_runner_is_summed_from_report_to_report(record: RunnerRecord) -> None:
    """Each time its lease lapses as its process starts anew, and then the old one reports."""
    report(record, health=HEALTHY, client=Client(started_at=0.0))
    for turn in (1.0, 2.0):
        report(
            record,
            health=DEGRADED,
            liveness=LivenessStatus.EXPIRED,
            lease_expires_at=SERVER_NOW + turn,
            client=Client(started_at=turn),
        )
        report(record, health=HEALTHY, client=Client(started_at=0.0))
    assert record.state.counts == EventCounts(
        health_changes=4, lease_lapses=2, client_restarts=2, client_identity_conflicts=2
    )


def test_what_is_the_same_stays_the_same_object(record: RunnerRecord) -> None:
    hears(record, offset(5), at=0.0)
    read(record, behind(5))
    before = record.state
    report(
        record,
        at=moment(15.0),
        admin_status=AdminStatus.ENABLED,
        liveness=LivenessStatus.ONLINE,
        last_seen_at=SERVER_NOW,
        wake_stream_offset=offset(5),
    )
    read(record, behind(5), at=15.0)
    record.relist(msgspec.structs.replace(LISTED), ALICE)
    record.fail(30.0, gone=False)
    after = record.state
    assert after.observation != before.observation
    assert after.report is before.report
    assert after.counts is before.counts
    assert after.listed is before.listed
    assert after.conditions is before.conditions
    hears(record, offset(5), at=45.0)
    assert record.state.report is not before.report


def test_a_failed_call_keeps_what_is_known_and_says_that_it_failed(record: RunnerRecord) -> None:
    hears(record, offset(5))
    read(record, behind(5))
    before = record.state
    record.fail(15.0, gone=False)
    assert record.state == msgspec.structs.replace(before, poll_success=False)
    assert record.asked_at == 15.0


def test_a_runner_that_the_server_knows_no_more_loses_what_is_known_at_once(
    record: RunnerRecord,
) -> None:
    hears(record, offset(5))
    read(record, behind(5))
    record.fail(15.0, gone=True)
    state = record.state
    assert (state.report, state.observation, state.lag) == (None, None, None)
    assert state.conditions == NOT_KNOWN
    assert state.poll_success is False
    assert state.last_success_at == NOW


def test_a_runner_that_was_gone_and_is_back_is_at_first_sight(record: RunnerRecord) -> None:
    report(record, health=HEALTHY)
    record.fail(15.0, gone=True)
    assert record.report(Report("a", health=DEGRADED), moment(30.0), POLICY) is None
    assert record.state.counts == EventCounts()


def test_of_a_runner_that_was_gone_and_is_back_nothing_is_remembered(record: RunnerRecord) -> None:
    for failed in (0, 1):
        report(
            record,
            client=Client(started_at=1.0, claims_failed=failed),
            wake_stream_offset=offset(9),
        )
    read(record, behind(9), policy=JOINED, unanswered=True)
    record.fail(15.0, gone=True)
    assert record.state.wake_read_success is None
    client = Client(started_at=1.0, claims_failed=1)
    report(record, JOINED, moment(30.0), client=client, wake_stream_offset=offset(2))
    assert told(record, Condition.WORK_REFUSED) is False
    question = record.question(moment(30.0), JOINED, ())
    assert question is not None
    assert (question.offset, question.tail) == (offset(2), None)


def test_the_kind_of_a_runner_is_as_listed() -> None:
    assert RunnerRecord(ListedRunner("a", kind=RunnerKind.CI), ALICE).kind is RunnerKind.CI
    assert RunnerRecord(ListedRunner("a"), ALICE).kind is RunnerKind.UNKNOWN


def test_a_newer_list_replaces_what_is_listed_and_who_lists_it(record: RunnerRecord) -> None:
    report(record)
    before = record.state
    listed = ListedRunner("a", label="new", updated_at=1.0)
    record.relist(listed, BOB)
    assert record.state == msgspec.structs.replace(before, listed=listed, principal=BOB)
    assert record.asked_at == 0.0


def test_a_runner_can_change_hands_and_nothing_else(record: RunnerRecord) -> None:
    record.relist(LISTED, BOB)
    assert record.state == RunnerState(LISTED, BOB)


def test_a_runner_that_registers_anew_is_asked_after_at_once(record: RunnerRecord) -> None:
    report(record)
    record.relist(ListedRunner("a", updated_at=2.0), ALICE)
    assert record.asked_at == AT_ONCE


# --- signs of life and judgement ------------------------------------------------------------------


@pytest.mark.parametrize(
    "said, heartbeat, sign_of_life",
    [
        ({}, None, None),
        ({"last_seen_at": SERVER_NOW - 7}, 7.0, 7.0),
        ({"last_seen_at": SERVER_NOW + 7}, 0.0, 0.0),
        ({"claims": Claims(newest_heartbeat_at=SERVER_NOW - 5)}, None, 5.0),
        (
            {
                "last_seen_at": SERVER_NOW - 300,
                "claims": Claims(
                    oldest_heartbeat_at=SERVER_NOW - 400, newest_heartbeat_at=SERVER_NOW - 5
                ),
            },
            300.0,
            5.0,
        ),
    ],
)
def test_the_newest_sign_of_life_is_the_runners_or_its_claims(
    record: RunnerRecord,
    said: Mapping[str, Any],
    heartbeat: float | None,
    sign_of_life: float | None,
) -> None:
    report(record, **said)
    assert record.state.observation == Observation(0.0, heartbeat, sign_of_life)


def test_ages_that_the_servers_clock_does_not_tell_are_not_guessed(record: RunnerRecord) -> None:
    report(record, at=without_servers_time(), last_seen_at=SERVER_NOW)
    assert record.state.observation == Observation(0.0, None, None)


def abandoned(record: RunnerRecord, policy: Policy = POLICY, *gaps: Gap) -> bool | None:
    """Tell it of a runner that works and gave no sign of life for 100 s."""
    report(
        record,
        policy,
        moment(0.0, *gaps),
        admin_status=AdminStatus.ENABLED,
        last_seen_at=SERVER_NOW - 100,
        dispatch=Dispatch(entities_with_active_claim=1),
    )
    return told(record, Condition.WORK_ABANDONED)


def test_a_report_is_judged_as_it_comes(record: RunnerRecord) -> None:
    assert abandoned(record) is True


def test_the_judges_thresholds_are_those_of_the_settings(record: RunnerRecord) -> None:
    patient = replace(POLICY, thresholds=Thresholds(abandoned_after=101.0))
    assert abandoned(record, patient) is False


def test_nobody_is_silent_while_the_server_could_not_hear(record: RunnerRecord) -> None:
    assert abandoned(record, POLICY, Gap(began=90.0, ended=20.0)) is False


def test_a_report_that_cannot_be_judged_in_part_says_what_is_not_known(
    record: RunnerRecord,
) -> None:
    report(record, admin_status=AdminStatus.DISABLED)
    assert told(record, Condition.DISABLED) is True
    assert told(record, Condition.UNKNOWN) is False
    assert told(record, Condition.LAPSED) is False
    report(record, admin_status=AdminStatus.ENABLED)
    assert told(record, Condition.LAPSED) is None


# --- wakes ----------------------------------------------------------------------------------------


def test_nothing_is_known_of_wakes_before_they_are_read(record: RunnerRecord) -> None:
    hears(record, offset(5))
    assert record.state.lag is None
    assert record.state.wake_read_success is None
    assert told(record, Condition.WORK_UNHEARD) is None


def test_a_runner_that_heard_all_is_caught_up(record: RunnerRecord) -> None:
    hears(record, offset(5))
    read(record, WakeReading(offset(5), offset(5)), at=1.0)
    assert record.state.lag == WakeLag(1.0, unheard=0, oldest_age=0.0)
    assert record.state.wake_read_success is True
    assert told(record, Condition.WORK_UNHEARD) is False


def test_a_runner_that_heard_nothing_of_an_empty_stream_is_caught_up(record: RunnerRecord) -> None:
    hears(record, START)
    read(record, WakeReading(START, offset(0)))
    hears(record, offset(0), at=15.0)
    assert record.state.lag == WakeLag(0.0, unheard=0, oldest_age=0.0)
    assert told(record, Condition.WORK_UNHEARD) is False


def test_a_runner_is_behind_by_entities_and_by_the_oldest_wake(record: RunnerRecord) -> None:
    hears(record, offset(5))
    read(record, behind(5, wake("one", 30), wake("two", 90), wake("one", 10)), at=2.0)
    assert record.state.lag == WakeLag(2.0, unheard=2, oldest_age=92.0)
    assert told(record, Condition.WORK_UNHEARD) is True


def test_the_oldest_unheard_wake_grows_older_from_report_to_report(record: RunnerRecord) -> None:
    hears(record, offset(5), at=10.0)
    read(record, behind(5, wake("one", 30)), at=10.0)
    assert told(record, Condition.WORK_UNHEARD) is False
    hears(record, offset(5), at=30.0)
    assert told(record, Condition.WORK_UNHEARD) is False
    hears(record, offset(5), at=29.0)
    assert told(record, Condition.WORK_UNHEARD) is False
    hears(record, offset(5), at=31.0)
    lag = record.state.lag
    assert lag is not None
    assert lag.age_at(31.0) == 61.0
    assert told(record, Condition.WORK_UNHEARD) is True
    assert told(record, Condition.DEAF) is True


def test_a_wake_of_an_entity_at_rest_is_unheard_and_nobodys_work(record: RunnerRecord) -> None:
    hears(record, offset(5))
    at_rest = frozenset({wake("stopped", 0).stream})
    read(record, behind(5, wake("stopped", 900), at_rest=at_rest))
    assert record.state.lag == WakeLag(0.0, unheard=1, oldest_age=900.0)
    assert told(record, Condition.WORK_UNHEARD) is False


def test_beside_an_entity_at_rest_another_waits(record: RunnerRecord) -> None:
    hears(record, offset(5))
    at_rest = frozenset({wake("stopped", 0).stream})
    read(record, behind(5, wake("stopped", 900), wake("awake", 61), at_rest=at_rest))
    assert told(record, Condition.WORK_UNHEARD) is True


def test_where_the_reading_is_cut_off_somebody_may_wait_behind_entities_at_rest(
    record: RunnerRecord,
) -> None:
    hears(record, offset(5))
    stopped = wake("stopped", 900)
    at_rest = frozenset({stopped.stream})
    read(record, WakeReading(offset(5), offset(9), (stopped,), at_rest=at_rest, whole=False))
    assert told(record, Condition.WORK_UNHEARD) is None
    both = (stopped, wake("awake", 61))
    read(record, WakeReading(offset(5), offset(9), both, at_rest=at_rest, whole=False))
    assert told(record, Condition.WORK_UNHEARD) is True


def test_wakes_whose_time_cannot_be_read_are_of_no_known_age(record: RunnerRecord) -> None:
    hears(record, offset(5))
    read(record, behind(5, wake("one", None)))
    assert record.state.lag == WakeLag(0.0, unheard=1, oldest_age=None)
    assert told(record, Condition.WORK_UNHEARD) is None
    read(record, behind(5, wake("one", None), wake("two", 61)))
    assert record.state.lag == WakeLag(0.0, unheard=2, oldest_age=61.0)
    assert told(record, Condition.WORK_UNHEARD) is True


def test_wakes_are_of_no_known_age_without_the_servers_time(record: RunnerRecord) -> None:
    hears(record, offset(5))
    reading = behind(5, wake("one", 90))
    record.read_wakes(reading, without_servers_time(), POLICY, unanswered=None)
    assert record.state.lag == WakeLag(0.0, unheard=1, oldest_age=None)
    assert told(record, Condition.WORK_UNHEARD) is None


def test_a_new_offset_outdates_what_was_read(record: RunnerRecord) -> None:
    hears(record, offset(5))
    read(record, behind(5, wake("one", 90)))
    hears(record, offset(6), at=15.0)
    assert record.state.lag is None
    assert told(record, Condition.WORK_UNHEARD) is None
    read(record, WakeReading(offset(6), offset(6)), at=15.0)
    assert told(record, Condition.WORK_UNHEARD) is False


def test_a_reading_that_fails_keeps_the_last_one_while_the_offset_stays(
    record: RunnerRecord,
) -> None:
    hears(record, offset(5))
    read(record, behind(5, wake("one", 90)))
    lag = record.state.lag
    hears(record, offset(5), at=15.0)
    read(record, None, at=15.0)
    assert record.state.lag == lag
    assert record.state.wake_read_success is False
    assert told(record, Condition.WORK_UNHEARD) is True
    read(record, behind(5, wake("one", 90)), at=16.0)
    assert record.state.wake_read_success is True


def test_a_reading_that_fails_after_the_offset_moved_leaves_nothing_known(
    record: RunnerRecord,
) -> None:
    hears(record, offset(5))
    read(record, WakeReading(offset(5), offset(5)))
    hears(record, offset(6), at=15.0)
    read(record, None, at=15.0)
    assert record.state.lag is None
    assert told(record, Condition.WORK_UNHEARD) is None


@pytest.mark.parametrize("age, known", [(STALE_AFTER, True), (STALE_AFTER + 0.001, False)])
def test_a_stale_reading_is_dropped(
    record: RunnerRecord,
    age: float,
    known: bool,  # noqa: FBT001
) -> None:
    hears(record, offset(5), at=10.0)
    read(record, WakeReading(offset(5), offset(5)), at=10.0)
    hears(record, offset(5), at=10.0 + age)
    assert (record.state.lag is not None) is known
    assert told(record, Condition.WORK_UNHEARD) is (False if known else None)


@pytest.mark.parametrize("rubbish", [None, "", "-2", "latest", "5_", "1_2_3"])
def test_a_runner_whose_offset_is_none_is_of_no_known_lag(
    record: RunnerRecord, rubbish: str | None
) -> None:
    hears(record, rubbish)
    assert record.question(moment(), POLICY, ()) is None
    assert record.state.lag is None
    assert record.state.wake_read_success is False
    assert told(record, Condition.WORK_UNHEARD) is None


def test_a_runner_without_a_wake_stream_has_none_to_be_asked_of() -> None:
    record = RunnerRecord(ListedRunner("a"), ALICE)
    hears(record, offset(5))
    assert record.question(moment(), POLICY, ()) is None
    assert record.state.wake_read_success is False


def test_what_is_read_after_the_server_knows_the_runner_no_more_judges_nothing(
    record: RunnerRecord,
) -> None:
    hears(record, offset(5))
    record.fail(1.0, gone=True)
    read(record, behind(5, wake("one", 90)), at=2.0)
    assert (record.state.report, record.state.lag) == (None, None)
    assert record.state.conditions == NOT_KNOWN


def test_what_was_read_of_one_stream_says_nothing_of_another(record: RunnerRecord) -> None:
    hears(record, offset(5))
    read(record, behind(5, wake("one", 90)))
    record.relist(ListedRunner("a", wake_stream="/elsewhere", updated_at=2.0), ALICE)
    hears(record, offset(5), at=15.0)
    assert record.state.lag is None
    assert told(record, Condition.WORK_UNHEARD) is None
    question = record.question(moment(15.0), POLICY, ())
    assert question is not None
    assert (question.path, question.tail) == ("/elsewhere", None)


def test_a_new_label_outdates_nothing_that_was_read(record: RunnerRecord) -> None:
    hears(record, offset(5))
    read(record, behind(5))
    record.relist(msgspec.structs.replace(LISTED, label="new"), ALICE)
    hears(record, offset(5), at=15.0)
    assert record.state.lag is not None


def test_wakes_that_are_read_no_more_are_not_known_from_the_next_report_on(
    record: RunnerRecord,
) -> None:
    hears(record, offset(5))
    read(record, behind(5))
    hears(record, offset(5), at=15.0, policy=Policy("t"))
    assert record.state.lag is None
    assert record.state.wake_read_success is None
    assert told(record, Condition.WORK_UNHEARD) is None


# --- what to ask of a wake stream -----------------------------------------------------------------


def test_a_question_says_whose_stream_it_is_and_how_far_it_was_heard(record: RunnerRecord) -> None:
    hears(record, offset(5))
    assert record.question(moment(10.0), POLICY, ("agents/one/main",)) == WakeQuestion(
        runner_id="a",
        owner=OWNER,
        path=PATH,
        offset=offset(5),
        tail=None,
        server_ahead=SERVER_NOW,
        waiting_before=SERVER_NOW + 10 - 60,
        unanswered=("agents/one/main",),
        follow=False,
    )


def test_a_question_says_where_the_stream_ended_when_it_was_last_read(record: RunnerRecord) -> None:
    hears(record, offset(5))
    read(record, behind(5, wake("one", 90)))
    hears(record, offset(7), at=15.0)
    question = record.question(moment(15.0), POLICY, ())
    assert question is not None
    assert (question.offset, question.tail) == (offset(7), offset(99))


def test_how_long_a_wake_may_wait_is_as_the_settings_say(record: RunnerRecord) -> None:
    hears(record, offset(5))
    policy = replace(POLICY, thresholds=Thresholds(unheard_after=7.0))
    question = record.question(moment(10.0), policy, ())
    assert question is not None
    assert question.waiting_before == SERVER_NOW + 3


def test_without_the_servers_time_no_wake_is_asked_to_wait_too_long(record: RunnerRecord) -> None:
    hears(record, offset(5))
    question = record.question(without_servers_time(), POLICY, ())
    assert question is not None
    assert (question.server_ahead, question.waiting_before) == (None, None)


def test_every_wake_is_followed_where_claims_are_read_too(record: RunnerRecord) -> None:
    hears(record, offset(5))
    question = record.question(moment(), JOINED, ())
    assert question is not None
    assert question.follow


def test_a_stream_that_was_heard_to_its_end_is_asked_for_at_every_second_poll(
    record: RunnerRecord,
) -> None:
    hears(record, offset(99), 100.0)
    read(record, behind(99), 100.0)
    for at, asked in ((115.0, False), (122.4, False), (122.5, True), (130.0, True)):
        hears(record, offset(99), at)
        assert (record.question(moment(at), POLICY, ()) is not None) is asked


def test_a_quiet_stream_is_asked_for_before_a_wake_could_wait_too_long(
    record: RunnerRecord,
) -> None:
    hears(record, offset(99))
    read(record, behind(99))
    hears(record, offset(99), 15.0)
    policy = replace(POLICY, thresholds=Thresholds(unheard_after=30.0))
    assert record.question(moment(15.0), policy, ()) is not None


@pytest.mark.parametrize(
    "heard, wakes, unanswered",
    [
        (offset(99), (wake("one", 1),), ()),
        (offset(100), (), ()),
        (offset(99), (), ("agents/one/main",)),
    ],
)
def test_a_stream_is_asked_for_at_once_where_something_waits_moved_or_stands_unanswered(
    heard: str, wakes: tuple[Wake, ...], unanswered: tuple[str, ...], record: RunnerRecord
) -> None:
    hears(record, offset(99))
    read(record, behind(99, *wakes))
    hears(record, heard, 15.0)
    assert record.question(moment(15.0), POLICY, unanswered) is not None


def test_a_stream_is_asked_for_at_once_while_work_is_refused(record: RunnerRecord) -> None:
    hears(record, offset(99), policy=JOINED)
    read(record, behind(99), policy=JOINED, unanswered=True)
    hears(record, offset(99), 15.0, policy=JOINED)
    assert record.question(moment(15.0), JOINED, ()) is not None


def test_the_furthest_of_two_processes_offsets_is_asked_for(record: RunnerRecord) -> None:
    hears(record, offset(7))
    hears(record, offset(5), at=15.0)
    question = record.question(moment(15.0), POLICY, ())
    assert question is not None
    assert question.offset == offset(7)


# --- wakes that were refused ----------------------------------------------------------------------


def counts(record: RunnerRecord, failed: float | None, at: float = 0.0, start: float = 1.0) -> None:
    """Let a runner report how many claims of the process that started then have failed."""
    client = Client(started_at=start, claims_failed=failed)
    report(record, at=moment(at), client=client, client_present=True)


def refused(record: RunnerRecord) -> bool | None:
    return told(record, Condition.WORK_REFUSED)


def test_claims_that_failed_before_first_sight_refuse_nothing(record: RunnerRecord) -> None:
    counts(record, 7)
    assert refused(record) is False


def test_whether_work_is_refused_is_not_known_of_a_runner_that_does_not_count(
    record: RunnerRecord,
) -> None:
    report(record)
    assert refused(record) is None
    counts(record, None)
    assert refused(record) is None


@pytest.mark.parametrize("after, holds", [(0.0, True), (HOUR, True), (HOUR + 0.001, False)])
def test_a_claim_that_failed_is_work_refused_for_an_hour(
    record: RunnerRecord,
    after: float,
    holds: bool,  # noqa: FBT001
) -> None:
    counts(record, 0)
    counts(record, 1, at=15.0)
    assert refused(record) is True
    counts(record, 1, at=15.0 + after)
    assert refused(record) is holds


def test_how_long_work_is_refused_is_as_the_settings_say(record: RunnerRecord) -> None:
    policy = replace(POLICY, thresholds=Thresholds(refused_for=10.0))
    for at, failed in ((0.0, 0), (1.0, 1), (12.0, 1)):
        client = Client(started_at=1.0, claims_failed=failed)
        report(record, policy, moment(at), client=client)
    assert refused(record) is False


def test_work_stays_refused_while_the_counter_cannot_be_read(record: RunnerRecord) -> None:
    counts(record, 0)
    counts(record, 1, at=15.0)
    report(record, at=moment(30.0))
    assert refused(record) is True


def test_a_process_that_starts_anew_refuses_nothing(record: RunnerRecord) -> None:
    counts(record, 0)
    counts(record, 1, at=15.0)
    counts(record, 0, at=30.0, start=2.0)
    assert refused(record) is False


def test_a_claim_that_failed_since_the_new_start_is_work_refused(record: RunnerRecord) -> None:
    counts(record, 0)
    counts(record, 1, at=30.0, start=2.0)
    assert refused(record) is True


def test_another_process_of_the_same_id_that_shows_up_again_cures_nothing(
    record: RunnerRecord,
) -> None:
    counts(record, 0, start=1.0)
    counts(record, 0, at=15.0, start=2.0)
    counts(record, 1, at=30.0, start=2.0)
    counts(record, 0, at=45.0, start=1.0)
    assert refused(record) is True


def test_where_claims_are_read_a_wake_without_an_answer_is_refused_until_it_has_one(
    record: RunnerRecord,
) -> None:
    hears(record, offset(5), policy=JOINED)
    for unanswered in (False, True, False):
        read(record, behind(5), policy=JOINED, unanswered=unanswered)
        assert refused(record) is unanswered


def test_where_claims_are_read_a_counter_says_less_than_they_do(record: RunnerRecord) -> None:
    counts(record, 0)
    counts(record, 1, at=15.0)
    read(record, behind(5), at=15.0, policy=JOINED, unanswered=False)
    assert refused(record) is False


def test_where_claims_are_read_but_no_wakes_yet_the_counter_says_it(record: RunnerRecord) -> None:
    for failed in (0, 1):
        report(record, JOINED, client=Client(started_at=1.0, claims_failed=failed))
    assert refused(record) is True


def test_what_claims_told_counts_no_more_once_they_are_not_read(record: RunnerRecord) -> None:
    hears(record, offset(5), policy=JOINED)
    read(record, behind(5), policy=JOINED, unanswered=True)
    counts(record, 0, at=15.0)
    assert refused(record) is False


def test_what_claims_told_counts_no_more_once_the_runner_tells_no_offset(
    record: RunnerRecord,
) -> None:
    hears(record, offset(5), policy=JOINED)
    read(record, behind(5), policy=JOINED, unanswered=True)
    for at in (200.0, 215.0):
        client = Client(started_at=1.0, claims_failed=0)
        report(record, JOINED, moment(at), client=client, wake_stream_offset="rubbish")
        record.question(moment(at), JOINED, ())
    assert refused(record) is False


# --- retirement -----------------------------------------------------------------------------------

LONG_AGO = SERVER_NOW - WEEK - 1


@pytest.mark.parametrize(
    "said, retired",
    [
        ({"last_seen_at": LONG_AGO, "claims": IDLE}, True),
        ({"last_seen_at": LONG_AGO + 1, "claims": IDLE}, False),
        # Never seen: since it was registered.
        ({"created_at": LONG_AGO, "claims": IDLE}, True),
        ({"created_at": LONG_AGO + 1, "claims": IDLE}, False),
        ({"created_at": 0.0, "last_seen_at": SERVER_NOW - 1, "claims": IDLE}, False),
        ({"claims": IDLE}, False),
        # Never with work, nor where that cannot be told.
        ({"last_seen_at": 0.0, "claims": Claims(active_count=1)}, False),
        ({"last_seen_at": 0.0}, False),
        ({"last_seen_at": 0.0, "dispatch": Dispatch(entities_with_active_claim=1)}, False),
        # Claims that leaked are nobody's work.
        (
            {
                "last_seen_at": LONG_AGO,
                "claims": Claims(active_count=3),
                "dispatch": Dispatch(entities_with_active_claim=0),
            },
            True,
        ),
    ],
)
def test_a_runner_retires_when_it_was_not_seen_for_long_and_has_no_work_in_hand(
    record: RunnerRecord,
    said: Mapping[str, Any],
    retired: bool,  # noqa: FBT001
) -> None:
    report(record, **said)
    assert record.retired is retired


@pytest.mark.parametrize("kind", RunnerKind)
def test_each_kind_retires_after_a_time_of_its_own(kind: RunnerKind) -> None:
    record = RunnerRecord(ListedRunner("a", kind=kind), ALICE)
    report(record, last_seen_at=SERVER_NOW - RETIRE_AFTER[kind], claims=IDLE)
    assert not record.retired
    report(record, last_seen_at=SERVER_NOW - RETIRE_AFTER[kind] - 1, claims=IDLE)
    assert record.retired


def test_how_soon_a_kind_retires_is_as_the_settings_say(record: RunnerRecord) -> None:
    policy = replace(POLICY, retire_after={RunnerKind.UNKNOWN: 10.0})
    report(record, policy, last_seen_at=SERVER_NOW - 11, claims=IDLE)
    assert record.retired


def test_without_the_servers_time_nobody_retires(record: RunnerRecord) -> None:
    report(record, at=without_servers_time(), last_seen_at=0.0, claims=IDLE)
    assert not record.retired


def retire(record: RunnerRecord) -> None:
    report(record, last_seen_at=LONG_AGO, claims=IDLE, wake_stream_offset=offset(5))
    assert record.retired


def test_who_is_retired_stays_so_where_for_once_it_cannot_be_told(record: RunnerRecord) -> None:
    retire(record)
    report(record, last_seen_at=LONG_AGO)
    assert record.retired
    report(record, at=without_servers_time(), last_seen_at=LONG_AGO, claims=IDLE)
    assert record.retired


def test_a_retired_runner_that_is_seen_again_comes_back(record: RunnerRecord) -> None:
    retire(record)
    report(record, last_seen_at=SERVER_NOW, claims=IDLE)
    assert not record.retired


def test_a_retired_runner_that_has_work_comes_back(record: RunnerRecord) -> None:
    retire(record)
    report(record, last_seen_at=LONG_AGO, claims=Claims(active_count=1))
    assert not record.retired


def test_nobody_is_retired_while_work_waits_for_it(record: RunnerRecord) -> None:
    retire(record)
    read(record, behind(5, wake("one", 1)))
    assert not record.retired
    read(record, WakeReading(offset(5), offset(5)))
    assert record.retired


def test_a_wake_of_an_entity_at_rest_keeps_nobody_from_retirement(record: RunnerRecord) -> None:
    retire(record)
    at_rest = frozenset({wake("stopped", 0).stream})
    read(record, behind(5, wake("stopped", 900), at_rest=at_rest))
    assert record.retired


def test_wakes_of_no_known_age_leave_it_to_be_seen_whether_work_waits(
    record: RunnerRecord,
) -> None:
    report(record, last_seen_at=SERVER_NOW, claims=IDLE, wake_stream_offset=offset(5))
    read(record, behind(5, wake("one", None)))
    report(record, last_seen_at=LONG_AGO, claims=IDLE, wake_stream_offset=offset(5))
    assert not record.retired


def test_wakes_of_no_known_age_bring_nobody_back_from_retirement(record: RunnerRecord) -> None:
    retire(record)
    read(record, behind(5, wake("one", None)))
    assert record.retired


def test_a_failed_call_brings_nobody_back_from_retirement(record: RunnerRecord) -> None:
    retire(record)
    record.fail(1.0, gone=False)
    assert record.retired


def test_a_retired_runner_that_the_server_knows_no_more_comes_back(record: RunnerRecord) -> None:
    retire(record)
    record.fail(1.0, gone=True)
    assert not record.retired


def test_what_a_runner_was_counted_for_outlasts_its_retirement(record: RunnerRecord) -> None:
    for health, seen in ((HEALTHY, SERVER_NOW), (DEGRADED, LONG_AGO), (HEALTHY, SERVER_NOW)):
        report(record, health=health, last_seen_at=seen, claims=IDLE)
        assert record.retired is (seen == LONG_AGO)
    assert record.state.counts == EventCounts(health_changes=2)
