"""What is remembered of a runner's last hour, and what of a target's last polls."""

from collections import Counter

import pytest
from tests.conftest import FakeClock

from electric_agents_exporter.conditions import Condition
from electric_agents_exporter.contract.claims import ActiveClaim
from electric_agents_exporter.contract.reading import HealthAnswer, ListAnswer
from electric_agents_exporter.contract.report import Client, ListedRunner, Report
from electric_agents_exporter.contract.vocabulary import AdminStatus, LivenessStatus
from electric_agents_exporter.contract.wakes import Wake, WakeReading
from electric_agents_exporter.fleet.fleet import Fleet
from electric_agents_exporter.fleet.history import MOST_CHANGES, MOST_CHANGES_OF_ALL, History
from electric_agents_exporter.fleet.policy import Policy
from electric_agents_exporter.fleet.poll import Poll
from electric_agents_exporter.fleet.reasons import Operation, Reason
from electric_agents_exporter.fleet.snapshot import Note, RunnerState
from electric_agents_exporter.fleet.target import Target

ALICE = "user:alice"
CLAIM = ActiveClaim("/task/1", "/task/1/main", 1.0, None)


@pytest.fixture
def target(clock: FakeClock) -> Target:
    return Target(Policy("eu", (ALICE,), operations=tuple(Operation)), clock, Counter())


def online(*, connected: bool = True, started_at: float = 1.0, failed: float = 0.0) -> Report:
    client = Client(stream_connected=connected, started_at=started_at, claims_failed=failed)
    return Report(
        "a",
        admin_status=AdminStatus.ENABLED,
        liveness=LivenessStatus.ONLINE,
        client=client,
        wake_stream_offset="0_5",
    )


def poll(target: Target, report: Report | Reason, *, reading: WakeReading | None = None) -> None:
    begun = Poll(target)
    begun.requested(Operation.SERVER, 0.01, None)
    begun.listed(ALICE, ListAnswer((ListedRunner("a", wake_stream="/a"),), ()))
    begun.due()
    if isinstance(report, Reason):
        begun.failed("a", report)
    else:
        answer = HealthAnswer(report, None, (), (CLAIM,))
        begun.reported(answer, target.clock.monotonic())
    for question in begun.wake_questions():
        begun.wakes_read(question, reading or WakeReading(question.offset, "0_5"))
    begun.end()


def said(target: Target) -> list[tuple[float, set[Condition], Reason | None, tuple[Note, ...]]]:
    """What is told of its past: seconds ago, what holds since, why it failed, and notes."""
    now = target.clock.time()
    return [
        (now - each.at, set(each.after.holds), each.failure, each.notes)
        for each in target.history.past("a", now).changes
    ]


def test_only_what_changes_is_remembered(target: Target, clock: FakeClock) -> None:
    for connected in (True, True, False, False, True):
        poll(target, online(connected=connected))
        clock.advance(15)
    assert said(target) == [
        (75, set(), None, ()),
        (45, {Condition.DEAF}, None, ()),
        (15, set(), None, ()),
    ]


def test_a_change_says_what_held_before_it_and_the_first_that_nothing_was_known(
    target: Target, clock: FakeClock
) -> None:
    poll(target, online(connected=False))
    clock.advance(15)
    poll(target, online())
    first, second = target.history.past("a", clock.time()).changes
    assert first.before is None
    assert second.before is first.after


def test_a_report_that_cannot_be_had_is_remembered_once_with_why(
    target: Target, clock: FakeClock
) -> None:
    for outcome in (online(), Reason.TIMEOUT, Reason.TIMEOUT, online()):
        poll(target, outcome)
        clock.advance(10)
    assert said(target) == [
        (40, set(), None, ()),
        (30, set(), Reason.TIMEOUT, ()),
        (10, set(), None, ()),
    ]


def test_while_no_report_came_for_long_nothing_was_known(target: Target, clock: FakeClock) -> None:
    poll(target, online())
    clock.advance(100)
    poll(target, online())
    assert said(target) == [
        (100, set(), None, ()),
        # A report is good for a minute.
        (40, {Condition.UNKNOWN}, None, ()),
        (0, set(), None, ()),
    ]


def test_what_happened_between_two_reports_is_noted(target: Target, clock: FakeClock) -> None:
    poll(target, online())
    clock.advance(15)
    poll(target, online(started_at=2.0, failed=1.0))
    ((_, _, _, notes),) = said(target)[1:]
    assert notes == (Note.RESTARTED, Note.CLAIM_FAILED)


def test_what_a_wake_stream_tells_changes_a_runner_too(target: Target, clock: FakeClock) -> None:
    target.server_clock.observe_date(clock.time(), clock.monotonic())
    poll(target, online())
    clock.advance(200)
    wake = Wake("task/1/main", clock.time() - 120, 1)
    poll(target, online(), reading=WakeReading("0_5", "0_9", (wake,)))
    assert [holds for _, holds, _, _ in said(target)][-1] == {Condition.WORK_UNHEARD}


def test_the_past_begins_with_the_first_report_or_an_hour_ago(
    target: Target, clock: FakeClock
) -> None:
    begun = clock.time()
    assert target.history.past("a", clock.time()).begins == begun
    clock.advance(100)
    poll(target, online())
    clock.advance(100)
    assert target.history.past("a", clock.time()).begins == begun + 100
    clock.advance(3600)
    poll(target, online(connected=False))
    past = target.history.past("a", clock.time())
    assert past.begins == clock.time() - 3600
    assert [each.after.holds for each in past.changes] == [{Condition.DEAF}]


def flips(past: History, runner_id: str, times: int, at: float) -> None:
    state = RunnerState(ListedRunner(runner_id), ALICE)
    for turn in range(times):
        past.failed(state, state, Reason.TIMEOUT, at + turn)


def test_of_one_that_changes_all_the_time_only_so_much_is_remembered() -> None:
    past = History(0.0)
    flips(past, "a", MOST_CHANGES + 5, 100.0)
    told = past.past("a", 200.0)
    assert len(told.changes) == MOST_CHANGES
    # What is cut off is not told as quiet.
    assert told.begins == 104.0
    assert past.past("b", 200.0).begins == 0.0


def test_of_all_together_only_so_much_is_remembered_and_the_oldest_goes() -> None:
    past = History(0.0)
    runners = MOST_CHANGES_OF_ALL // MOST_CHANGES + 1
    for number in range(runners):
        flips(past, f"r{number}", MOST_CHANGES, 1000.0 + number)
    kept = [past.past(f"r{number}", 3000.0) for number in range(runners)]
    assert sum(len(each.changes) for each in kept) < MOST_CHANGES_OF_ALL
    assert len({each.begins for each in kept}) == 1
    assert kept[0].begins > 1000.0
    assert len(kept[-1].changes) == MOST_CHANGES


def test_a_target_says_what_its_last_polls_came_to_and_since_when(
    target: Target, clock: FakeClock
) -> None:
    begun = clock.time()
    poll(target, online())
    clock.advance(15)
    for _ in range(2):
        failed = Poll(target)
        failed.requested(Operation.LIST, 0.01, Reason.CONNECT, "Connection refused")
        failed.listed(ALICE, Reason.CONNECT)
        failed.due()
        clock.advance(2)
        failed.end()
        clock.advance(13)
    snapshot = target.snapshot(clock.monotonic())
    assert [each.text for each in snapshot.faults][-1] == (
        "no list for user:alice (connect: Connection refused)"
    )
    assert snapshot.same_since == begun + 17
    told = target.detail("a")
    assert told is not None
    assert [(each.at - begun, each.seconds, bool(each.faults)) for each in told.polls] == [
        (0, 0, False),
        (17, 2, True),
        (32, 2, True),
    ]


def test_faults_beyond_what_people_read_are_counted_and_cut(clock: FakeClock) -> None:
    principals = tuple(f"user:{number}{'x' * 600}" for number in range(10))
    target = Target(Policy("eu", principals), clock, Counter())
    begun = Poll(target)
    begun.due()
    begun.end()
    faults = target.snapshot(clock.monotonic()).faults
    assert [len(each.text) for each in faults[:-1]] == [500] * 8
    assert faults[-1].text == "and 2 more"


def test_of_a_runner_its_claims_and_the_wakes_that_wait_are_named(clock: FakeClock) -> None:
    fleet = Fleet(clock)
    fleet.configure([Policy("eu", (ALICE,), operations=tuple(Operation))])
    target = fleet.targets["eu"]
    wake = Wake("task/1/main", 5.0, 1)
    part = WakeReading("0_5", "0_9", (wake,), at_rest=frozenset({"x"}), whole=False)
    poll(target, online(), reading=part)
    detail = fleet.detail("eu", None, "a")
    assert detail is not None
    assert (detail.claims, detail.wakes, detail.wakes_whole) == ((CLAIM,), (wake,), False)
    assert detail.at_rest == {"x"}
    assert not detail.retired


def test_nothing_is_told_of_who_is_not_known(clock: FakeClock) -> None:
    fleet = Fleet(clock)
    fleet.configure([Policy("eu", (ALICE,))])
    assert fleet.detail("eu", None, "a") is None
    assert fleet.detail("eu", "acme", "a") is None
    assert fleet.detail("us", None, "a") is None


def test_wakes_that_were_not_read_are_not_known(target: Target) -> None:
    poll(target, Reason.TIMEOUT)
    detail = target.detail("a")
    assert detail is not None
    assert (detail.claims, detail.wakes) == (None, None)
