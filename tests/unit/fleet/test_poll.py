import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest
from tests.conftest import FakeClock

from electric_agents_exporter.conditions import Condition, Gap, Thresholds
from electric_agents_exporter.contract.claims import ClaimNews, EndedClaim, StartedClaim
from electric_agents_exporter.contract.reading import HealthAnswer, ListAnswer
from electric_agents_exporter.contract.report import Dispatch, ListedRunner, Report
from electric_agents_exporter.contract.vocabulary import AdminStatus, ClaimStatus, RunnerKind
from electric_agents_exporter.contract.wakes import Wake, WakeReading
from electric_agents_exporter.fleet.heard import WakeQuestion
from electric_agents_exporter.fleet.policy import Policy
from electric_agents_exporter.fleet.poll import Poll, PollResult
from electric_agents_exporter.fleet.reasons import SERVER_FAILS, Operation, Reason, Skip
from electric_agents_exporter.fleet.snapshot import (
    FullScan,
    PollFault,
    RunnerState,
    TargetSnapshot,
    WakeLag,
)
from electric_agents_exporter.fleet.target import Target

ALICE, BOB = "user:alice", "user:bob"
SERVER_AHEAD = 1_795_346_000.0
STREAM = "agents/one/main"
SCAN = FullScan(5.0, 0.5)

POLICY = Policy(
    "t",
    (ALICE,),
    operations=(Operation.LIST, Operation.HEALTH, Operation.WAKES, Operation.SERVER),
)
JOINED = replace(POLICY, database=True)

MakeTarget = Callable[[Policy], Target]


@pytest.fixture
def make_target(clock: FakeClock) -> MakeTarget:
    return lambda policy: Target(policy, clock, Counter())


@pytest.fixture
def target(make_target: MakeTarget) -> Target:
    return make_target(POLICY)


def names(count: int) -> list[str]:
    return [f"r{n}" for n in range(count)]


def listing(*ids: str) -> ListAnswer:
    runners = (ListedRunner(name, kind=RunnerKind.CI, wake_stream=f"/{name}") for name in ids)
    return ListAnswer(tuple(runners), ())


def answer(target: Target, runner_id: str, heard: str | None = "0_5") -> HealthAnswer:
    """Give the report of a runner that was seen just now, and heard its stream so far."""
    now = target.clock.monotonic() + SERVER_AHEAD
    report = Report(
        runner_id,
        admin_status=AdminStatus.ENABLED,
        last_seen_at=now,
        wake_stream_offset=heard,
    )
    return HealthAnswer(report, now, ())


def begin(target: Target, *ids: str, server: Reason | None = None) -> Poll:
    """Begin a poll in which the server answered so, and listed these."""
    poll = Poll(target)
    poll.requested(Operation.SERVER, 0.01, server)
    poll.listed(ALICE, listing(*ids))
    poll.due()
    return poll


def ask(
    target: Target,
    count: int,
    failing: Iterable[Reason] = (),
    *,
    unasked: int = 0,
    server: Reason | None = None,
) -> PollResult:
    """Poll a target of so many runners; some fail, some are not asked, the others report."""
    poll = begin(target, *names(count), server=server)
    asked = names(count)[: count - unasked]
    for runner_id, reason in zip(asked, failing, strict=False):
        poll.failed(runner_id, reason)
    for runner_id in asked[len(tuple(failing)) :]:
        poll.reported(answer(target, runner_id), target.clock.monotonic())
    return poll.end(complete=not unasked)


def ask_without_list(target: Target, reason: Reason) -> PollResult:
    """Poll a target that gives no list for this reason, nor is asked whether it lives."""
    poll = Poll(target)
    for principal in target.policy.principals:
        poll.listed(principal, reason)
    poll.due()
    return poll.end(complete=False)


def take(target: Target) -> TargetSnapshot:
    return target.snapshot(target.clock.monotonic())


def state_of(target: Target, runner_id: str) -> RunnerState:
    (state,) = [state for state in take(target).runners if state.listed.id == runner_id]
    return state


def success(target: Target, operation: Operation) -> bool:
    return take(target).poll_success[operation]


def texts(result: PollResult) -> list[str]:
    return [fault.text for fault in result.faults]


# --- what a poll came to --------------------------------------------------------------------------


def test_a_good_poll_has_no_fault(target: Target) -> None:
    assert ask(target, 3) == PollResult(succeeded=True, got_list=True, faults=())
    assert take(target).poll_success == dict.fromkeys(Operation, True)


def test_a_list_that_can_be_read_in_part_is_told_and_removes_nobody(target: Target) -> None:
    ask(target, 3)
    poll = Poll(target)
    whole = listing(names(3)[0])
    poll.listed(ALICE, ListAnswer(whole.runners, ("list.id", "list.id"), unreadable=2))
    poll.due()
    assert f"2 of 3 items of the list for {ALICE} cannot be read" in texts(poll.end())
    assert take(target).listed[ALICE] == 3
    assert take(target).fleet.removed == 0
    assert target.drift["list.id"] == 2


@pytest.mark.parametrize(
    "count, failing, tolerated",
    [
        (0, 0, True),
        # A single runner is told by its own series, unless it is all there is.
        (1, 1, False),
        (2, 1, True),
        (2, 2, False),
        (10, 1, True),
        (10, 2, False),
        # Of more, under a tenth.
        (20, 2, False),
        (21, 2, True),
        (100, 9, True),
        (100, 10, False),
    ],
)
def test_a_poll_succeeds_though_a_single_runner_or_under_a_tenth_do_not_answer(
    target: Target,
    count: int,
    failing: int,
    tolerated: bool,  # noqa: FBT001
) -> None:
    result = ask(target, count, [Reason.TIMEOUT] * failing)
    assert result.succeeded is tolerated
    assert success(target, Operation.HEALTH) is tolerated
    assert (take(target).last_success_at is not None) is tolerated
    assert success(target, Operation.LIST)
    assert len(result.faults) == bool(failing)


def test_how_many_runners_did_not_answer_is_told_with_their_reasons(target: Target) -> None:
    result = ask(target, 20, [Reason.TIMEOUT] * 12)
    text = "12 of 20 runners did not answer (timeout 12)"
    assert result.faults == (PollFault("runners did not answer", text),)
    mixed = [Reason.RESET, Reason.TIMEOUT, Reason.TIMEOUT, Reason.SCHEMA, Reason.TIMEOUT]
    assert texts(ask(target, 20, mixed)) == [
        "5 of 20 runners did not answer (timeout 3, reset 1, schema 1)"
    ]


def test_a_fault_is_of_the_same_kind_whatever_its_numbers(target: Target) -> None:
    first, second = ask(target, 20, [Reason.TIMEOUT] * 12), ask(target, 20, [Reason.RESET])
    assert [fault.kind for fault in first.faults] == [fault.kind for fault in second.faults]


def test_a_fault_is_of_a_kind_that_has_no_numbers(target: Target) -> None:
    results = (
        ask(target, 3, unasked=2),
        ask(target, 1, server=Reason.TIMEOUT),
        begin(target).end(complete=False),
        read_wakes(target, 3, [Reason.TIMEOUT]),
    )
    assert [[fault.kind for fault in result.faults] for result in results] == [
        ["runners were not asked"],
        ["the server does not answer (timeout)"],
        ["the poll was cut short"],
        ["wake streams were not read"],
    ]


def test_a_runner_that_the_server_does_not_know_has_been_answered_for(target: Target) -> None:
    assert ask(target, 2, [Reason.NOT_FOUND] * 2) == PollResult(
        succeeded=True, got_list=True, faults=()
    )


def test_a_sweep_that_was_cut_short_tells_how_many_were_not_asked(target: Target) -> None:
    result = ask(target, 20, [Reason.TIMEOUT] * 3, unasked=5)
    assert not result.succeeded
    assert texts(result) == [
        "3 of 20 runners did not answer (timeout 3)",
        "5 of 20 runners were not asked",
    ]


def test_each_list_that_was_not_got_is_told_with_its_reason(make_target: MakeTarget) -> None:
    target = make_target(replace(POLICY, principals=(ALICE, BOB)))
    poll = Poll(target)
    poll.requested(Operation.SERVER, 0.01, None)
    poll.listed(BOB, Reason.UNAUTHORIZED)
    poll.listed(ALICE, listing("a"))
    poll.due()
    poll.reported(answer(target, "a"), target.clock.monotonic())
    text = "no list for user:bob (unauthorized)"
    assert poll.end() == PollResult(succeeded=False, got_list=True, faults=(PollFault(text, text),))
    assert not success(target, Operation.LIST)
    assert success(target, Operation.HEALTH)
    assert take(target).last_success_at is None


def test_a_poll_that_was_cut_short_before_anything_was_told_says_so(target: Target) -> None:
    text = "no list for user:alice (not asked)"
    assert Poll(target).end(complete=False) == PollResult(
        succeeded=False, got_list=False, faults=(PollFault(text, text),)
    )
    assert take(target).poll_success == dict.fromkeys(Operation, False)


def test_a_poll_that_was_cut_short_after_everybody_reported_says_so(target: Target) -> None:
    poll = begin(target, "a")
    poll.reported(answer(target, "a"), target.clock.monotonic())
    result = poll.end(complete=False)
    assert (result.succeeded, texts(result)) == (False, ["the poll was cut short"])


# --- the server -----------------------------------------------------------------------------------


def test_a_server_that_does_not_answer_is_told_beside_what_does(target: Target) -> None:
    result = ask(target, 2, server=Reason.CONNECT)
    assert result.succeeded
    assert texts(result) == ["the server does not answer (connect)"]
    assert take(target).poll_success == {
        Operation.LIST: True,
        Operation.HEALTH: True,
        Operation.WAKES: True,
        Operation.SERVER: False,
    }


def test_a_list_over_http_is_a_sign_that_the_server_lives_and_a_databases_is_none(
    make_target: MakeTarget,
) -> None:
    over_http, of_database = make_target(POLICY), make_target(JOINED)
    for target in (over_http, of_database):
        ask(target, 2, server=Reason.CONNECT)
    assert take(over_http).up
    assert not take(of_database).up


@pytest.mark.parametrize("reason", Reason)
def test_a_server_that_refuses_the_question_whether_it_lives_does(
    target: Target, reason: Reason
) -> None:
    result = ask(target, 2, server=reason)
    # Of what we could not ask ourselves nothing is known.
    alive = reason not in SERVER_FAILS | {Reason.OTHER}
    assert success(target, Operation.SERVER) is alive
    assert bool(result.faults) is not alive


def test_a_server_that_was_not_asked_is_not_known_to_live(target: Target) -> None:
    ask(target, 2)
    assert success(target, Operation.SERVER)
    ask_without_list(target, Reason.OTHER)
    assert not success(target, Operation.SERVER)


def test_a_target_whose_server_is_never_asked_is_up_by_its_list(make_target: MakeTarget) -> None:
    target = make_target(Policy("t", (ALICE,)))
    poll = Poll(target)
    poll.listed(ALICE, listing())
    poll.due()
    poll.end()
    assert take(target).up
    assert take(target).poll_success == {Operation.LIST: True, Operation.HEALTH: True}


def test_what_new_settings_ask_no_more_is_no_more_told_of(target: Target) -> None:
    ask(target, 2, server=Reason.TIMEOUT)
    target.adopt(Policy("t", (ALICE,)))
    assert take(target).poll_success == {Operation.LIST: True, Operation.HEALTH: True}
    target.adopt(POLICY)
    assert not success(target, Operation.SERVER)


# --- outages --------------------------------------------------------------------------------------


def gaps_of(target: Target) -> tuple[Gap, ...]:
    return tuple(target.moment(target.clock.monotonic(), None).gaps)


def outage(clock: FakeClock, target: Target, poll: Callable[[], PollResult]) -> bool:
    """Tell whether a poll between good ones was an outage, told 30 s after it."""
    ask(target, 3)
    clock.advance(15)
    poll()
    clock.advance(15)
    ask(target, 3)
    clock.advance(30)
    recovery = target.policy.thresholds.recovery
    gaps = gaps_of(target)
    assert gaps in {(), (Gap(began=60.0, ended=30.0 - recovery),)}
    return bool(gaps)


@pytest.mark.parametrize("reason", Reason)
def test_a_poll_without_a_list_is_an_outage_if_the_server_or_its_database_failed(
    target: Target, clock: FakeClock, reason: Reason
) -> None:
    failed = outage(clock, target, lambda: ask_without_list(target, reason))
    assert failed is (reason in SERVER_FAILS)


@pytest.mark.parametrize(
    "reasons, failed",
    [
        ([Reason.TIMEOUT, Reason.SERVER_ERROR, Reason.RESET], True),
        # Where most answer, the server could hear them; and so it could where it heard who answers.
        ([Reason.TIMEOUT], False),
        ([Reason.TIMEOUT, Reason.TIMEOUT], False),
        ([Reason.TIMEOUT, Reason.UNAUTHORIZED], False),
        ([Reason.UNAUTHORIZED] * 3, False),
        ([Reason.SCHEMA] * 3, False),
    ],
)
def test_runners_that_do_not_answer_are_an_outage_where_the_server_fails_for_most(
    target: Target,
    clock: FakeClock,
    reasons: list[Reason],
    failed: bool,  # noqa: FBT001
) -> None:
    assert outage(clock, target, lambda: ask(target, 3, reasons)) is failed


@pytest.mark.parametrize("ago, failed", [([20, 25], False), ([20, 40], True), ([40, 40], True)])
def test_who_answers_while_most_reports_fail_tells_whether_the_server_hears_anybody(
    target: Target,
    clock: FakeClock,
    ago: list[float],
    failed: bool,  # noqa: FBT001
) -> None:
    def poll() -> PollResult:
        ids = names(5)
        poll = begin(target, *ids)
        for runner_id in ids[2:]:
            poll.failed(runner_id, Reason.TIMEOUT)
        for runner_id, seconds in zip(ids, ago, strict=False):
            now = clock.monotonic() + SERVER_AHEAD
            report = Report(runner_id, admin_status=AdminStatus.ENABLED, last_seen_at=now - seconds)
            poll.reported(HealthAnswer(report, now, ()), clock.monotonic())
        return poll.end(complete=True)

    assert outage(clock, target, poll) is failed


@pytest.mark.parametrize("minutes, failed", [(1, True), (3, False)])
def test_a_server_that_went_on_hearing_while_most_reports_fail_is_believed_to_go_on(
    target: Target,
    clock: FakeClock,
    minutes: int,
    failed: bool,  # noqa: FBT001
) -> None:
    def poll(silent_for: float) -> None:
        ids = names(5)
        poll = begin(target, *ids)
        for runner_id in ids[1:]:
            poll.failed(runner_id, Reason.TIMEOUT)
        now = clock.monotonic() + SERVER_AHEAD
        report = Report(ids[0], admin_status=AdminStatus.ENABLED, last_seen_at=now - silent_for)
        poll.reported(HealthAnswer(report, now, ()), clock.monotonic())
        poll.end(complete=True)
        clock.advance(15)

    ask(target, 5)
    for _ in range(4 * minutes):
        poll(silent_for=10)
    for silent_for in (25, 40, 55):
        poll(silent_for=silent_for)
    assert target.outages.open is failed


@pytest.mark.parametrize("reason", Reason)
def test_a_server_that_does_not_answer_is_an_outage_whatever_its_database_tells(
    target: Target, clock: FakeClock, reason: Reason
) -> None:
    failed = outage(clock, target, lambda: ask(target, 3, server=reason))
    assert failed is (reason in SERVER_FAILS)


def test_one_list_that_was_got_shows_that_the_server_serves(
    make_target: MakeTarget, clock: FakeClock
) -> None:
    target = make_target(replace(POLICY, principals=(ALICE, BOB)))

    def poll() -> PollResult:
        poll = begin(target, "r0")
        poll.listed(BOB, Reason.TIMEOUT)
        poll.reported(answer(target, "r0"), clock.monotonic())
        return poll.end()

    assert not outage(clock, target, poll)


def test_before_the_first_good_poll_nobody_was_heard(target: Target) -> None:
    ask_without_list(target, Reason.CONNECT)
    assert gaps_of(target) == (Gap(began=math.inf, ended=-60.0),)


def test_how_long_a_server_recovers_is_as_the_settings_say(make_target: MakeTarget) -> None:
    target = make_target(replace(POLICY, thresholds=Thresholds(recovery=10.0)))
    ask_without_list(target, Reason.CONNECT)
    assert gaps_of(target) == (Gap(began=math.inf, ended=-10.0),)


def abandoned(target: Target, silent_for: float) -> bool:
    """Tell whether a runner is judged to have abandoned its work after so long a silence."""
    poll = begin(target, "r0")
    now = target.clock.monotonic() + SERVER_AHEAD
    report = Report(
        "r0",
        admin_status=AdminStatus.ENABLED,
        last_seen_at=now - silent_for,
        dispatch=Dispatch(entities_with_active_claim=1),
    )
    poll.reported(HealthAnswer(report, now, ()), target.clock.monotonic())
    poll.end()
    return Condition.WORK_ABANDONED in state_of(target, "r0").conditions.holds


def test_silence_while_the_server_served_is_held_against_a_runner(
    target: Target, clock: FakeClock
) -> None:
    for _ in range(10):
        ask(target, 1)
        clock.advance(15)
    assert abandoned(target, silent_for=150)


def test_nobodys_silence_counts_in_an_outage_and_until_the_server_has_recovered(
    target: Target, clock: FakeClock
) -> None:
    ask(target, 1)
    for _ in range(9):
        clock.advance(15)
        ask_without_list(target, Reason.TIMEOUT)
    clock.advance(15)
    assert not abandoned(target, silent_for=150)
    clock.advance(60)
    assert not abandoned(target, silent_for=210)
    clock.advance(60)
    assert abandoned(target, silent_for=270)


def abandoned_while_lists_fail(target: Target, clock: FakeClock, others: int) -> bool:
    """Tell whether a death at work is told where one list in four comes, within three minutes.

    `others` of three other runners are heard all the while.
    """
    ask(target, 4)
    died = clock.monotonic()
    for _ in range(3):
        for _ in range(3):
            clock.advance(15)
            ask_without_list(target, Reason.TIMEOUT)
        clock.advance(15)
        now = clock.monotonic()
        poll = begin(target, *names(4))
        for number, runner_id in enumerate(names(4)):
            report = Report(
                runner_id,
                admin_status=AdminStatus.ENABLED,
                last_seen_at=SERVER_AHEAD + (now - 6 if number < others else died),
                dispatch=Dispatch(entities_with_active_claim=1),
            )
            poll.reported(HealthAnswer(report, now + SERVER_AHEAD, ()), now)
        poll.end()
    return Condition.WORK_ABANDONED in state_of(target, "r3").conditions.holds


def test_a_death_is_told_while_lists_fail_if_the_server_heard_others_whenever_it_answered(
    target: Target, clock: FakeClock
) -> None:
    assert abandoned_while_lists_fail(target, clock, others=3)


def test_nobodys_silence_counts_while_lists_fail_and_nobody_else_was_heard_either(
    target: Target, clock: FakeClock
) -> None:
    assert not abandoned_while_lists_fail(target, clock, others=0)


# --- wakes ----------------------------------------------------------------------------------------


def ask_one(target: Target, heard: str | None = "0_5") -> tuple[Poll, list[WakeQuestion]]:
    """Ask after one runner, and give what is to be asked of its wakes."""
    poll = begin(target, "r0")
    poll.reported(answer(target, "r0", heard), target.clock.monotonic())
    return poll, poll.wake_questions()


def caught_up(question: WakeQuestion) -> WakeReading:
    return WakeReading(question.offset, question.offset)


def test_a_report_is_followed_by_a_question_about_its_wakes_once(target: Target) -> None:
    poll, questions = ask_one(target)
    assert [(one.runner_id, one.path, one.offset) for one in questions] == [("r0", "/r0", "0_5")]
    assert questions[0].unanswered == ()
    assert poll.wake_questions() == []


@pytest.mark.parametrize("heard", [None, "rubbish"])
def test_of_a_runner_that_tells_no_offset_nothing_is_asked(
    target: Target, heard: str | None
) -> None:
    assert ask_one(target, heard)[1] == []


def test_nothing_is_asked_of_wakes_where_they_are_not_to_be_read(make_target: MakeTarget) -> None:
    target = make_target(
        replace(POLICY, operations=(Operation.LIST, Operation.HEALTH, Operation.SERVER))
    )
    poll, questions = ask_one(target)
    assert questions == []
    poll.end()
    assert state_of(target, "r0").wake_read_success is None


def test_nothing_is_asked_of_wakes_of_a_runner_that_did_not_report(target: Target) -> None:
    poll = begin(target, "r0", "r1")
    poll.failed("r0", Reason.TIMEOUT)
    poll.reported(answer(target, "stranger"), target.clock.monotonic())
    assert poll.wake_questions() == []


def test_wakes_that_were_read_are_as_old_as_the_servers_clock_tells_by_then(
    target: Target, clock: FakeClock
) -> None:
    poll, (question,) = ask_one(target)
    written = clock.monotonic() + SERVER_AHEAD - 50
    clock.advance(20)
    wake = Wake(STREAM, written, 1)
    poll.wakes_read(question, WakeReading(question.offset, "0_9", (wake,)))
    assert state_of(target, "r0").lag == WakeLag(clock.monotonic(), unheard=1, oldest_age=70.0)
    assert Condition.WORK_UNHEARD in state_of(target, "r0").conditions.holds


def test_wakes_are_read_of_a_server_whose_time_nobody_told(target: Target) -> None:
    poll = begin(target, "r0")
    report = Report("r0", wake_stream_offset="0_5")
    poll.reported(HealthAnswer(report, None, ()), target.clock.monotonic())
    (question,) = poll.wake_questions()
    wake = Wake(STREAM, SERVER_AHEAD, 1)
    poll.wakes_read(question, WakeReading(question.offset, "0_9", (wake,)))
    now = target.clock.monotonic()
    assert state_of(target, "r0").lag == WakeLag(now, unheard=1, oldest_age=None)


def test_wakes_of_a_runner_that_is_gone_by_then_are_let_go(target: Target) -> None:
    poll, (question,) = ask_one(target)
    target.inventory.clear()
    poll.wakes_read(question, caught_up(question))
    assert take(target).runners == ()


def read_wakes(target: Target, count: int, failing: Iterable[Reason] = ()) -> PollResult:
    """Poll so many runners whose wake streams are read, but for the failing."""
    poll = begin(target, *names(count))
    for runner_id in names(count):
        poll.reported(answer(target, runner_id), target.clock.monotonic())
    questions = poll.wake_questions()
    for question, reason in zip(questions, failing, strict=False):
        poll.wakes_read(question, reason)
    for question in questions[len(tuple(failing)) :]:
        poll.wakes_read(question, caught_up(question))
    return poll.end()


@pytest.mark.parametrize("reason", Reason)
def test_wakes_that_cannot_be_read_never_fail_the_poll_nor_the_runner(
    target: Target, clock: FakeClock, reason: Reason
) -> None:
    assert not outage(clock, target, lambda: read_wakes(target, 3, [reason] * 3))
    result = read_wakes(target, 3, [reason] * 3)
    assert result.succeeded
    assert texts(result) == [f"3 of 3 wake streams were not read ({reason} 3)"]
    assert take(target).poll_success == {
        Operation.LIST: True,
        Operation.HEALTH: True,
        Operation.WAKES: False,
        Operation.SERVER: True,
    }
    assert take(target).last_success_at == clock.time()
    assert state_of(target, "r0").poll_success is True
    assert state_of(target, "r0").wake_read_success is False


def test_the_wakes_of_a_single_runner_that_cannot_be_read_are_told_by_its_own_series(
    target: Target,
) -> None:
    result = read_wakes(target, 3, [Reason.NOT_FOUND])
    assert success(target, Operation.WAKES)
    assert texts(result) == ["1 of 3 wake streams were not read (not_found 1)"]
    read_wakes(target, 3, [Reason.NOT_FOUND, Reason.TIMEOUT])
    assert not success(target, Operation.WAKES)


def test_wakes_of_a_target_that_nobody_could_be_asked_after_are_not_known_to_be_readable(
    target: Target,
) -> None:
    read_wakes(target, 1)
    assert success(target, Operation.WAKES)
    ask_without_list(target, Reason.TIMEOUT)
    assert not success(target, Operation.WAKES)
    read_wakes(target, 2)
    ask(target, 2, [Reason.TIMEOUT] * 2)
    assert not success(target, Operation.WAKES)
    read_wakes(target, 0)
    assert success(target, Operation.WAKES)


# --- wakes and the claims that answer them --------------------------------------------------------


def wake_up(
    target: Target, news: Iterable[Wake] = (), *claims: StartedClaim
) -> tuple[WakeQuestion, RunnerState]:
    """Poll one runner that heard all, with the claims and wakes that are new."""
    poll = begin(target, "r0")
    poll.claims_read(ClaimNews(started=claims), SCAN)
    poll.reported(answer(target, "r0"), target.clock.monotonic())
    (question,) = poll.wake_questions()
    poll.wakes_read(question, WakeReading(question.offset, "0_5", news=tuple(news)))
    poll.end()
    return question, state_of(target, "r0")


def test_how_long_dispatch_takes_is_told_where_wakes_and_claims_are_read(
    make_target: MakeTarget, target: Target
) -> None:
    assert take(target).dispatch is None
    joined = make_target(JOINED)
    wake_up(joined, [Wake(STREAM, 100.0, 1)], StartedClaim(STREAM, 1, 100.25))
    dispatch = take(joined).dispatch
    assert dispatch is not None
    assert (dispatch[RunnerKind.CI].counts[-1], dispatch[RunnerKind.CI].sum) == (1, 0.25)
    assert dispatch[RunnerKind.SERVER].counts[-1] == 0


def test_what_was_learned_of_dispatch_outlives_settings_that_leave_it_on(
    make_target: MakeTarget,
) -> None:
    target = make_target(JOINED)
    wake_up(target, [Wake(STREAM, 100.0, 1)], StartedClaim(STREAM, 1, 100.25))
    before = take(target).dispatch
    target.adopt(replace(JOINED, interval=5.0))
    assert take(target).dispatch == before
    target.adopt(POLICY)
    assert take(target).dispatch is None
    target.adopt(JOINED)
    assert take(target).dispatch is not None


def test_a_wake_that_was_heard_and_not_answered_is_asked_about_and_then_refused(
    make_target: MakeTarget, clock: FakeClock
) -> None:
    target = make_target(JOINED)
    question, state = wake_up(target, [Wake(STREAM, clock.monotonic() + SERVER_AHEAD, 1)])
    assert question.follow
    assert question.unanswered == ()
    assert Condition.WORK_REFUSED in state.conditions.known - state.conditions.holds
    clock.advance(61)
    question, state = wake_up(target)
    assert question.unanswered == (STREAM,)
    assert Condition.WORK_REFUSED in state.conditions.holds
    claimed = StartedClaim(STREAM, 2, clock.monotonic() + SERVER_AHEAD)
    question, state = wake_up(target, (), claimed)
    assert question.unanswered == ()
    assert Condition.WORK_REFUSED in state.conditions.known - state.conditions.holds


def test_a_wake_stays_refused_though_its_stream_cannot_be_read(
    make_target: MakeTarget, clock: FakeClock
) -> None:
    target = make_target(JOINED)
    wake_up(target, [Wake(STREAM, clock.monotonic() + SERVER_AHEAD, 1)])
    clock.advance(61)
    wake_up(target)
    poll, (question,) = ask_one(target)
    poll.wakes_read(question, Reason.TIMEOUT)
    poll.end()
    assert Condition.WORK_REFUSED in state_of(target, "r0").conditions.holds


def test_what_a_runner_left_unanswered_goes_with_it(
    make_target: MakeTarget, clock: FakeClock
) -> None:
    target = make_target(JOINED)
    wake_up(target, [Wake(STREAM, clock.monotonic() + SERVER_AHEAD, 1)])
    clock.advance(61)
    begin(target).end()
    question, _ = wake_up(target)
    assert question.unanswered == ()


# --- claims ---------------------------------------------------------------------------------------


def test_claims_that_ended_are_counted_for_the_runners_that_are_watched(target: Target) -> None:
    assert (take(target).claims, take(target).full_scan) == (None, None)
    poll = begin(target, "r0")
    ended = (
        EndedClaim("r0", ClaimStatus.RELEASED, 7.0),
        EndedClaim("r0", ClaimStatus.FAILED, None),
        EndedClaim("stranger", ClaimStatus.RELEASED, 9.0),
        EndedClaim("r0", ClaimStatus.RELEASED, 2.0),
    )
    poll.claims_read(ClaimNews(ended=ended), SCAN)
    claims = take(target).claims
    assert claims is not None
    assert {status: count for status, count in claims.ended.items() if count} == {
        ClaimStatus.RELEASED: 2,
        ClaimStatus.FAILED: 1,
    }
    assert claims.durations[RunnerKind.CI].sum == 9.0
    assert take(target).full_scan == SCAN


def test_the_runners_of_a_database_are_told_by_the_kinds_of_their_owners(target: Target) -> None:
    owners = ["/principal/user%3Aa", "/principal/user%3Ab", "/principal/service%3Ac", None, "/odd"]
    poll = Poll(target)
    runners = (ListedRunner(f"r{n}", owner_principal=owner) for n, owner in enumerate(owners))
    poll.listed(ALICE, ListAnswer(tuple(runners), ()))
    poll.due()
    poll.claims_read(ClaimNews(), SCAN)
    claims = take(target).claims
    assert claims is not None
    assert claims.owners == {"user": 2, "agent": 0, "service": 1, "system": 0, "unknown": 2}


def test_the_version_is_another_after_whatever_was_learned(target: Target) -> None:
    versions = [target.version]

    def learned() -> None:
        versions.append(target.version)

    poll = begin(target, "r0", "r1")
    learned()
    poll.reported(answer(target, "r0"), target.clock.monotonic())
    learned()
    poll.failed("r1", Reason.TIMEOUT)
    learned()
    (question,) = poll.wake_questions()
    poll.wakes_read(question, caught_up(question))
    learned()
    poll.end()
    learned()
    target.skip(Skip.OVERRUN)
    learned()
    target.adopt(JOINED)
    learned()
    begin(target)
    learned()
    assert len(set(versions)) == len(versions)


# --- tenants --------------------------------------------------------------------------------------

EVERYONE = "all"
STORED = Policy("t", (EVERYONE,))


@pytest.fixture
def divided(make_target: MakeTarget) -> Target:
    return make_target(STORED)


def ask_tenants(target: Target, *tenants: str, failing: int = 0) -> PollResult:
    """Poll three runners of each tenant, of which so many fail."""
    poll = Poll(target)
    for name, part in poll.tenants(tenants).items():
        part.listed(EVERYONE, listing(*(f"{name}-{n}" for n in range(3))))
        for turn, due in enumerate(part.due()):
            if turn < failing:
                part.failed(due.runner_id, Reason.DATABASE)
            else:
                part.reported(answer(target, due.runner_id), target.clock.monotonic())
    return poll.end(complete=not failing)


def parts(target: Target) -> dict[str | None, TargetSnapshot]:
    return {each.tenant: each for each in target.snapshots(target.clock.monotonic())}


def test_each_tenant_is_told_by_a_snapshot_of_its_own(divided: Target) -> None:
    assert ask_tenants(divided, "acme", "zoo").succeeded
    snapshots = parts(divided)
    assert list(snapshots) == [None, "acme", "zoo"]
    assert {each.name for each in snapshots.values()} == {"t"}
    assert [len(each.runners) for each in snapshots.values()] == [0, 3, 3]
    assert snapshots["acme"].listed == snapshots["zoo"].listed == {EVERYONE: 3}
    for each in snapshots.values():
        assert each.up
        assert each.poll_success == {Operation.LIST: True, Operation.HEALTH: True}


def test_a_target_of_tenants_has_no_runner_itself_though_it_had_before(divided: Target) -> None:
    poll = Poll(divided)
    poll.listed(EVERYONE, listing("a"))
    poll.due()
    poll.end()
    ask_tenants(divided, "acme")
    assert parts(divided)[None].listed == {}
    assert parts(divided)[None].runners == ()


def test_a_tenant_that_stays_is_no_stranger_and_one_that_goes_is_forgotten(
    divided: Target,
) -> None:
    ask_tenants(divided, "acme", "zoo")
    acme = divided.tenants["acme"]
    ask_tenants(divided, "acme", "new")
    assert list(parts(divided)) == [None, "acme", "new"]
    assert divided.tenants["acme"] is acme
    assert parts(divided)["acme"].fleet.discovered == 0
    ask_tenants(divided)
    assert list(parts(divided)) == [None]


def test_without_a_list_the_polls_of_all_tenants_have_failed(
    divided: Target, clock: FakeClock
) -> None:
    ask_tenants(divided, "acme", "zoo")
    clock.advance(15)
    assert not ask_without_list(divided, Reason.DATABASE).succeeded
    for snapshot in parts(divided).values():
        assert not snapshot.up
        assert snapshot.last_poll_at == clock.time()
    assert [len(each.runners) for each in parts(divided).values()] == [0, 3, 3]


def test_an_outage_of_the_database_is_one_of_every_tenant(
    divided: Target, clock: FakeClock
) -> None:
    ask_tenants(divided, "acme")
    clock.advance(15)
    ask_without_list(divided, Reason.DATABASE)
    clock.advance(15)
    ask_tenants(divided, "acme")
    assert gaps_of(divided) == gaps_of(divided.tenants["acme"]) == (Gap(30.0, -60.0),)


def test_what_went_wrong_with_tenants_is_told_of_all_together(divided: Target) -> None:
    result = ask_tenants(divided, "acme", "zoo", failing=2)
    assert not result.succeeded
    assert texts(result) == ["4 of 6 runners did not answer (database 4)"]
    assert all(not snapshot.poll_success[Operation.HEALTH] for snapshot in parts(divided).values())


def test_a_target_that_is_divided_no_more_has_no_tenants(divided: Target) -> None:
    ask_tenants(divided, "acme")
    poll = Poll(divided)
    poll.listed(EVERYONE, listing("a"))
    poll.due()
    poll.end()
    assert list(parts(divided)) == [None]


def test_new_settings_reach_every_tenant(divided: Target) -> None:
    ask_tenants(divided, "acme")
    divided.adopt(replace(STORED, interval=5.0))
    assert {each.interval for each in parts(divided).values()} == {5.0}


@pytest.mark.parametrize("counted", [28_800.0, 0.0], ids=["sleep counts", "sleep does not count"])
def test_after_a_suspend_an_age_is_right_from_the_first_poll(
    counted: float, clock: FakeClock
) -> None:
    target = Target(POLICY, clock, Counter())
    seen_at = clock.time()
    lease = Report("r", admin_status=AdminStatus.ENABLED, last_seen_at=seen_at)

    def poll(server_time: float | None) -> float | None:
        polling = begin(target, "r")
        # The server, the list and the report each say what time it is.
        for _ in range(3):
            polling.observed_date(math.floor(clock.time()), clock.monotonic())
        polling.reported(HealthAnswer(lease, server_time, ()), clock.monotonic())
        polling.end()
        (runner,) = target.inventory.states()
        return runner.observation.heartbeat_age if runner.observation else None

    for _ in range(3):
        assert poll(clock.time()) == pytest.approx(clock.time() - seen_at, abs=1)
        clock.advance(15)
    # The machine sleeps and the runner dies: its lease is over, and tells no time any more.
    clock.wall += 28_800
    clock.uptime += counted

    assert poll(None) == pytest.approx(clock.time() - seen_at, abs=1)
