from collections import Counter
from collections.abc import Mapping
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.conftest import FakeClock

from electric_agents_exporter.conditions import NOT_KNOWN
from electric_agents_exporter.contract.reading import HealthAnswer, ListAnswer
from electric_agents_exporter.contract.report import Claims, Client, ListedRunner, Report
from electric_agents_exporter.contract.vocabulary import (
    AdminStatus,
    HealthStatus,
    LivenessStatus,
    RunnerKind,
)
from electric_agents_exporter.contract.wakes import Wake, WakeReading
from electric_agents_exporter.fleet.aggregate import aggregate
from electric_agents_exporter.fleet.changes import EventCounts
from electric_agents_exporter.fleet.heard import WakeQuestion
from electric_agents_exporter.fleet.inventory import DueRunner
from electric_agents_exporter.fleet.policy import Policy
from electric_agents_exporter.fleet.poll import Poll
from electric_agents_exporter.fleet.reasons import Operation, Reason, Suppression
from electric_agents_exporter.fleet.selection import Selection, Selector, Shard
from electric_agents_exporter.fleet.snapshot import FleetCounters, RunnerState, TargetSnapshot
from electric_agents_exporter.fleet.target import Target

OWNER = "user:alice"
STALE_AFTER = 60.0
RETIRE_AFTER = 3600.0
IDS = [f"r{n}" for n in range(8)]
SERVER_AHEAD = 777.0

selections = st.builds(
    Selection,
    exclude=st.builds(
        Selector, kinds=st.none() | st.frozensets(st.sampled_from(RunnerKind), max_size=2)
    ),
    shard=st.sampled_from([Shard(), Shard(0, 2), Shard(1, 2)]),
)
policies = st.builds(
    Policy,
    name=st.just("t"),
    principals=st.just((OWNER,)),
    stale_after=st.just(STALE_AFTER),
    retire_after=st.just(dict.fromkeys(RunnerKind, RETIRE_AFTER)),
    max_runners=st.sampled_from([1, 3, 100]),
    selection=selections,
    operations=st.sampled_from(
        [(Operation.LIST, Operation.HEALTH), (Operation.LIST, Operation.HEALTH, Operation.WAKES)]
    ),
)
listed_runners = st.builds(
    ListedRunner,
    id=st.sampled_from(IDS),
    label=st.sampled_from(["", "new"]),
    kind=st.none() | st.sampled_from([RunnerKind.CI, RunnerKind.SERVER]),
    admin_status=st.sampled_from(AdminStatus),
    wake_stream=st.none() | st.sampled_from(["/one", "/another"]),
    updated_at=st.sampled_from([1.0, 2.0]),
)
counts = st.none() | st.integers(0, 20)
clients = st.builds(
    Client,
    started_at=st.none() | st.sampled_from([10.0, 20.0, 30.0]),
    claims_succeeded=counts,
    claims_skipped=counts,
    claims_failed=counts,
    reconnect_count=counts,
    events_received=counts,
)


class TargetOverTime(RuleBasedStateMachine):
    """One target of one principal: lists come and go, runners report, fail, retire; time passes.

    Where wakes are read, they wait, are heard, or cannot be read.
    """

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.target = Target(Policy("t", (OWNER,)), self.clock, Counter())
        self.poll: Poll | None = None
        self.got_list = False
        self.pending: list[DueRunner] = []
        self.questions: list[WakeQuestion] = []
        # What must hold is checked against these.
        self.listed: set[str] = set()
        self.listed_at: float | None = None
        self.polled_with_list = False
        self.answers: dict[str, tuple[Report, float]] = {}
        self.before: FleetCounters | None = None
        self.own_counts: dict[str, EventCounts] = {}
        self.states: dict[str, RunnerState] = {}
        self.kept: list[tuple[TargetSnapshot, str]] = []

    @initialize(policy=policies)
    def begin(self, policy: Policy) -> None:
        self.target.adopt(policy)

    # --- what happens ---

    @rule(seconds=st.sampled_from([0.0, 1.0, 15.0, 59.0, 61.0, 700.0, 4000.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(seconds=st.floats(-1e6, 1e6))
    def our_wall_clock_is_set(self, seconds: float) -> None:
        self.clock.wall += seconds

    @precondition(lambda self: self.poll is None)
    @rule(runners=st.none() | st.lists(listed_runners, unique_by=lambda runner: runner.id))
    def a_poll_begins(self, runners: list[ListedRunner] | None) -> None:
        self.poll = Poll(self.target)
        self.got_list = runners is not None
        if runners is not None:
            self.poll.listed(OWNER, ListAnswer(tuple(runners), ()))
            self.listed = {runner.id for runner in runners}
            self.listed_at = self.clock.monotonic()
            for runner_id in self.answers.keys() - self.listed:
                self.answers.pop(runner_id)
        else:
            self.poll.listed(OWNER, Reason.TIMEOUT)
        self.pending = self.poll.due()
        assert {due.runner_id for due in self.pending} <= (
            self.listed if runners is not None else set()
        )
        # The limit may have let go of somebody, who is a stranger if ever taken again.
        watched = self.target.snapshot(self.clock.monotonic()).runners
        kept = {state.listed.id for state in watched} | {due.runner_id for due in self.pending}
        if runners is not None:
            for runner_id in set(self.own_counts) - kept:
                self.own_counts.pop(runner_id)

    @precondition(lambda self: self.pending)
    @rule(
        data=st.data(),
        seen_ago=st.none() | st.sampled_from([0.0, 30.0, 2 * RETIRE_AFTER]),
        leased=st.booleans(),
        active=st.sampled_from([None, 0, 0, 2]),
        health=st.none() | st.sampled_from(HealthStatus),
        liveness=st.none() | st.sampled_from(LivenessStatus),
        client=st.none() | clients,
        offset=st.sampled_from([None, "rubbish", "-1", "0_0", "0_5", "0_9"]),
    )
    def a_runner_reports(self, data: st.DataObject, **said: Any) -> None:  # noqa: ANN401
        assert self.poll is not None
        due = self.pending.pop(data.draw(st.integers(0, len(self.pending) - 1)))
        now = self.clock.monotonic()
        server_now = now + SERVER_AHEAD
        report = Report(
            due.runner_id,
            health=said["health"],
            liveness=said["liveness"],
            last_seen_at=None if said["seen_ago"] is None else server_now - said["seen_ago"],
            lease_expires_at=server_now + 90 if said["leased"] else None,
            client=said["client"],
            claims=Claims(active_count=said["active"], superseded=0),
            wake_stream_offset=said["offset"],
        )
        answer = HealthAnswer(report, server_now if said["leased"] else None, ())
        self.poll.reported(answer, now)
        self.questions += self.poll.wake_questions()
        self.answers[due.runner_id] = (report, now)

    @precondition(lambda self: self.pending)
    @rule(data=st.data())
    def a_runner_says_the_same_again(self, data: st.DataObject) -> None:
        assert self.poll is not None
        due = self.pending.pop(data.draw(st.integers(0, len(self.pending) - 1)))
        report, _ = self.answers.get(due.runner_id, (Report(due.runner_id), 0.0))
        self.poll.reported(HealthAnswer(report, None, ()), self.clock.monotonic())
        self.questions += self.poll.wake_questions()
        self.answers[due.runner_id] = (report, self.clock.monotonic())

    @precondition(lambda self: self.pending)
    @rule(data=st.data(), reason=st.sampled_from(Reason))
    def a_call_fails(self, data: st.DataObject, reason: Reason) -> None:
        assert self.poll is not None
        due = self.pending.pop(data.draw(st.integers(0, len(self.pending) - 1)))
        self.poll.failed(due.runner_id, reason)
        if reason is Reason.NOT_FOUND:
            self.answers.pop(due.runner_id, None)

    @precondition(lambda self: self.questions)
    @rule(
        data=st.data(),
        ago=st.lists(st.none() | st.sampled_from([0.0, 61.0, 900.0]), max_size=3),
        failure=st.none() | st.sampled_from([Reason.TIMEOUT, Reason.NOT_FOUND, Reason.SCHEMA]),
    )
    def a_wake_stream_is_read(
        self, data: st.DataObject, ago: list[float | None], failure: Reason | None
    ) -> None:
        assert self.poll is not None
        question = self.questions.pop(data.draw(st.integers(0, len(self.questions) - 1)))
        server_now = self.clock.monotonic() + SERVER_AHEAD
        wakes = tuple(
            Wake(f"e{n}/main", None if each is None else server_now - each, 1)
            for n, each in enumerate(ago)
        )
        reading = WakeReading(question.offset, "0_9", wakes)
        self.poll.wakes_read(question, reading if failure is None else failure)

    @precondition(lambda self: self.poll is not None)
    @rule()
    def the_poll_ends(self) -> None:
        assert self.poll is not None
        complete = not self.pending
        result = self.poll.end(complete=complete)
        assert result.got_list == self.got_list
        assert not result.succeeded or (self.got_list and complete)
        assert result.succeeded or result.faults
        self.polled_with_list = self.got_list
        self.poll, self.pending, self.questions = None, [], []

    @precondition(lambda self: self.poll is None)
    @rule(policy=policies)
    def the_settings_change(self, policy: Policy) -> None:
        self.target.adopt(policy)

    @rule()
    def a_snapshot_is_kept(self) -> None:
        snapshot = self.target.snapshot(self.clock.monotonic())
        self.kept = [*self.kept[-2:], (snapshot, repr(snapshot))]

    # --- what always holds ---

    @invariant()
    def nothing_stale_is_shown(self) -> None:
        now = self.clock.monotonic()
        snapshot = self.target.snapshot(now)
        for state in snapshot.runners:
            assert state.listed.id in self.listed
            if state.fresh(now, STALE_AFTER):
                report, at = self.answers[state.listed.id]
                assert now - at <= STALE_AFTER
                assert state.report == report
            elif state.listed.id in self.answers and state.observation is not None:
                assert now - self.answers[state.listed.id][1] > STALE_AFTER

    @invariant()
    def who_has_a_report_is_judged_and_nobody_else(self) -> None:
        for state in self.target.snapshot(self.clock.monotonic()).runners:
            assert (state.report is None) == (state.conditions is NOT_KNOWN)
            assert state.conditions.holds <= state.conditions.known

    @invariant()
    def a_lag_is_of_an_offset_that_is_one_and_no_staler_than_a_report(self) -> None:
        for state in self.target.snapshot(self.clock.monotonic()).runners:
            if state.lag is not None:
                assert state.observation is not None
                assert state.observation.monotonic - state.lag.monotonic <= STALE_AFTER
                assert state.wake_read_success is not None

    @invariant()
    def a_list_counts_until_it_is_stale_and_up_goes_with_the_newest(self) -> None:
        now = self.clock.monotonic()
        snapshot = self.target.snapshot(now)
        current = self.listed_at is not None and now - self.listed_at <= STALE_AFTER
        assert snapshot.listed == ({OWNER: len(self.listed)} if current else {})
        newest_has_list = self.got_list if self.poll is not None else self.polled_with_list
        assert snapshot.up == (current and newest_has_list)

    @invariant()
    def everybody_listed_is_shown_or_suppressed_for_one_reason(self) -> None:
        snapshot = self.target.snapshot(self.clock.monotonic())
        assert set(snapshot.suppressed) == set(Suppression)
        assert len(snapshot.runners) + sum(snapshot.suppressed.values()) == len(self.listed)
        assert len({state.listed.id for state in snapshot.runners}) == len(snapshot.runners)

    @invariant()
    def the_sum_over_states_is_what_is_exported(self) -> None:
        snapshot = self.target.snapshot(self.clock.monotonic())
        total = aggregate(snapshot, self.clock.monotonic())
        assert (total is None) == (not snapshot.listed)
        if total is not None:
            assert sum(total.states.values()) == total.exported == len(snapshot.runners)

    @invariant()
    def counters_of_the_fleet_never_fall(self) -> None:
        fleet = self.target.snapshot(self.clock.monotonic()).fleet
        if self.before is not None:
            for name in fleet.__struct_fields__:
                new, old = getattr(fleet, name), getattr(self.before, name)
                if isinstance(new, Mapping):
                    assert all(new[key] >= value >= 0 for key, value in old.items())
                else:
                    assert new >= old >= 0
        self.before = fleet

    @invariant()
    def counters_of_a_runner_never_fall_while_it_is_watched(self) -> None:
        for state in self.target.snapshot(self.clock.monotonic()).runners:
            old = self.own_counts.get(state.listed.id, EventCounts())
            for name in old.__struct_fields__:
                assert getattr(state.counts, name) >= getattr(old, name)
            self.own_counts[state.listed.id] = state.counts

    @invariant()
    def whatever_does_not_change_stays_the_same_object(self) -> None:
        states = self.target.snapshot(self.clock.monotonic()).runners
        for state in states:
            before = self.states.get(state.listed.id)
            if before is not None:
                for name in ("listed", "report", "counts", "conditions"):
                    new, old = getattr(state, name), getattr(before, name)
                    assert new is old or new != old
        self.states = {state.listed.id: state for state in states}

    @invariant()
    def what_was_given_out_is_as_it_was(self) -> None:
        for snapshot, written in self.kept:
            assert repr(snapshot) == written


TestTargetOverTime = TargetOverTime.TestCase
TestTargetOverTime.settings = settings(stateful_step_count=40)
