"""What is remembered of one runner from poll to poll."""

import math
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from electric_agents_exporter.conditions import NOT_KNOWN, Ages, Conditions, Gap, judge
from electric_agents_exporter.contract.claims import ActiveClaim
from electric_agents_exporter.contract.report import ListedRunner, Report
from electric_agents_exporter.contract.vocabulary import RunnerKind
from electric_agents_exporter.contract.wakes import WakeReading
from electric_agents_exporter.fleet.changes import NO_EVENTS, ChangeDetector, Changes, EventCounts
from electric_agents_exporter.fleet.heard import HeardOffset, WakeQuestion, is_of
from electric_agents_exporter.fleet.policy import Policy
from electric_agents_exporter.fleet.reasons import Operation
from electric_agents_exporter.fleet.snapshot import Observation, RunnerState, WakeLag

_QUIET_INTERVALS: Final = 1.5  # two, less what polls drift by

AT_ONCE: Final = -math.inf
"""When a runner was last asked after that is to be asked after before all others."""


class Moment(msgspec.Struct, frozen=True, gc=False):
    """One moment: on our two clocks and, where it is known, on the server's.

    `gaps` are the outages of the server before it.
    """

    time: float
    monotonic: float
    server: float | None
    gaps: Sequence[Gap] = ()

    def age_of(self, at: float | None) -> float | None:
        """Give how long ago something was on the server's clock."""
        return None if at is None or self.server is None else max(0.0, self.server - at)


class RunnerRecord:
    """One runner that is watched or retired.

    Invariant: `state` says what everything else here comes to, but for `claims`: some of those that
    its last report named, None where that names none.
    """

    __slots__ = (
        "_changes",
        "_heard",
        "_offset",
        "_reading",
        "_reading_at",
        "_refused_at",
        "_unanswered",
        "_unknown",
        "asked_at",
        "claims",
        "retired",
        "state",
    )

    def __init__(self, listed: ListedRunner, principal: str) -> None:
        self.state = RunnerState(listed, principal)
        self.asked_at = AT_ONCE
        self.retired = False
        self.claims: tuple[ActiveClaim, ...] | None = None
        self._unknown = False
        self._changes: ChangeDetector | None = None
        self._heard = HeardOffset()
        self._offset: str | None = None
        self._reading: WakeReading | None = None
        self._reading_at: Moment | None = None
        self._refused_at: float | None = None
        self._unanswered: bool | None = None

    @property
    def kind(self) -> RunnerKind:
        """What the runner is for, as listed."""
        return self.state.listed.kind or RunnerKind.UNKNOWN

    @property
    def gone(self) -> bool:
        """Whether the server did not know it when it was last asked after."""
        return self._unknown and self.state.report is None

    @property
    def waiting(self) -> WakeReading | None:
        """What was last read of its wake stream; None where that says no more who waits."""
        return None if self.state.lag is None else self._reading

    def relist(self, listed: ListedRunner, principal: str) -> None:
        """Take in what a newer list says."""
        before = self.state.listed
        if before == listed and self.state.principal == principal:
            return
        if before.updated_at != listed.updated_at:
            # A runner registers as it starts: a retired one that moved is asked after at once.
            self.asked_at = AT_ONCE
        if before.wake_stream != listed.wake_stream:
            self._forget_wakes(success=None)
        self.state = replace(self.state, listed=listed, principal=principal)

    def report(self, report: Report, moment: Moment, policy: Policy) -> Changes | None:
        """Take in a good report; `moment` is when the server wrote it.

        Returns:
            What it changed; None at first sight.
        """
        changes = None
        if self._changes is None:
            self._changes = ChangeDetector(report)
        else:
            changes = self._changes.follow(report)
            self._note_refusal(changes, moment)
        if Operation.WAKES not in policy.operations and self.state.wake_read_success is not None:
            self._forget_wakes(success=None)
        before = self.state
        self._offset = self._heard.observe(
            before.listed.wake_stream, report.wake_stream_offset, moment.monotonic
        )
        self.asked_at = moment.monotonic
        lag = self._lag(moment, policy)
        ages, conditions = self._judge(report, lag, moment, policy)
        # Made whole and not by `replace`: this runs for every runner at every poll.
        self.state = RunnerState(
            listed=before.listed,
            principal=before.principal,
            report=before.report if before.report == report else report,
            counts=before.counts if changes is None else _sum(before.counts, changes),
            observation=Observation(moment.monotonic, ages.heartbeat, ages.sign_of_life),
            lag=lag,
            conditions=conditions,
            poll_success=True,
            wake_read_success=before.wake_read_success,
            last_success_at=moment.time,
        )
        return changes

    def question(
        self, moment: Moment, policy: Policy, unanswered: tuple[str, ...]
    ) -> WakeQuestion | None:
        """Give what to ask of the runner's wake stream; None where that is known, or cannot be."""
        listed = self.state.listed
        if self._offset is None or listed.wake_stream is None:
            self._forget_wakes(success=False)
            return None
        if not unanswered and not self._unanswered and self._heard_all_lately(moment, policy):
            return None
        ahead = before = None
        if moment.server is not None:
            ahead = moment.server - moment.monotonic
            before = moment.server - policy.thresholds.unheard_after
        return WakeQuestion(
            runner_id=listed.id,
            owner=listed.owner_principal,
            path=listed.wake_stream,
            offset=self._offset,
            tail=self._reading.tail if self._reading else None,
            server_ahead=ahead,
            waiting_before=before,
            unanswered=unanswered,
            follow=policy.joined,
        )

    def read_wakes(
        self,
        reading: WakeReading | None,
        moment: Moment,
        policy: Policy,
        *,
        unanswered: bool | None,
    ) -> None:
        """Take in what was read of its wake stream, or that it could not be read.

        `unanswered` tells whether a wake that it heard stands without an answer, None where claims
        are not read.
        """
        self._unanswered = unanswered
        if reading is not None:
            self._reading, self._reading_at = reading, moment
        before, lag, conditions = self.state, self._lag(moment, policy), self.state.conditions
        if before.report is not None:
            _, conditions = self._judge(before.report, lag, moment, policy)
        self.state = replace(
            before, lag=lag, conditions=conditions, wake_read_success=reading is not None
        )

    def fail(self, monotonic: float, *, gone: bool) -> None:
        """Note that a call for it failed; `gone` says that the server knows it no more."""
        self.asked_at = monotonic
        self._unknown = gone
        self.state = replace(self.state, poll_success=False)
        if gone:
            self._forget_wakes(success=None)
            self.state = replace(self.state, report=None, observation=None, conditions=NOT_KNOWN)
            self._heard = HeardOffset()
            self._offset = self._changes = self._refused_at = self.claims = None
            self.retired = False

    def _note_refusal(self, changes: Changes, moment: Moment) -> None:
        if changes.counts.client_restarts:
            self._refused_at = None
        if changes.growth.error:
            self._refused_at = moment.monotonic

    def _heard_all_lately(self, moment: Moment, policy: Policy) -> bool:
        """Tell whether the stream was read not long ago, and the runner had heard all of it.

        A wake must wait longer than that to matter, so a quiet stream is asked for at every second
        poll; who falls behind is asked for at every poll from then on.
        """
        reading, read_at = self._reading, self._reading_at
        if reading is None or read_at is None or reading.wakes or not is_of(reading, self._offset):
            return False
        lately = min(_QUIET_INTERVALS * policy.interval, policy.thresholds.unheard_after / 2)
        return moment.monotonic - read_at.monotonic < lately

    def _forget_wakes(self, *, success: bool | None) -> None:
        self._reading = self._reading_at = self._unanswered = None
        self.state = replace(self.state, wake_read_success=success, lag=None)

    def _judge(
        self, report: Report, lag: WakeLag | None, moment: Moment, policy: Policy
    ) -> tuple[Ages, Conditions]:
        """Judge a report as of a moment, and retire or call back the runner by it."""
        ages = Ages(
            heartbeat=moment.age_of(report.last_seen_at),
            newest_claim=moment.age_of(report.claims.newest_heartbeat_at),
            oldest_claim=moment.age_of(report.claims.oldest_heartbeat_at),
            unheard=None if lag is None else lag.age_at(moment.monotonic),
            waiting=None if lag is None else self._waiting(moment),
        )
        conditions = judge(
            report,
            ages,
            refused=self._refused(report, moment, policy),
            gaps=moment.gaps,
            thresholds=policy.thresholds,
        )
        # A lag without an age tells that work may wait; without a lag, nothing tells of any.
        waits = None if lag is not None and ages.waiting is None else bool(ages.waiting)
        self.retired = self._retires(report, moment, policy, waits=waits)
        return ages, conditions

    def _lag(self, moment: Moment, policy: Policy) -> WakeLag | None:
        """Give how far it is behind; None where the last reading does not say so any more."""
        reading, read_at = self._reading, self._reading_at
        if (
            reading is None
            or read_at is None
            or not is_of(reading, self._offset)
            or moment.monotonic - read_at.monotonic > policy.stale_after
        ):
            return None
        entities = len({wake.stream for wake in reading.wakes})
        return WakeLag(read_at.monotonic, entities, _oldest(reading, read_at))

    def _waiting(self, moment: Moment) -> float | None:
        """Give for how long the oldest wake waits whose entity can work, by the last reading."""
        reading, read_at = self._reading, self._reading_at
        if reading is None or read_at is None:
            return None
        waiting = _oldest(reading, read_at, without=reading.at_rest)
        if not waiting and not reading.whole:
            return None  # somebody may wait behind those that were read
        return waiting + moment.monotonic - read_at.monotonic if waiting else waiting

    def _refused(self, report: Report, moment: Moment, policy: Policy) -> bool | None:
        if policy.joined and self._unanswered is not None:
            return self._unanswered
        if self._refused_at is not None:
            return moment.monotonic - self._refused_at <= policy.thresholds.refused_for
        known = report.client is not None and report.client.claims_failed is not None
        return False if known else None

    def _retires(
        self, report: Report, moment: Moment, policy: Policy, *, waits: bool | None
    ) -> bool:
        if waits:
            return False
        work = report.dispatch.entities_with_active_claim
        if work is None:
            work = report.claims.active_count
        if moment.server is None or work is None or waits is None:
            # Not known this time: a retired runner stays retired, any other stays watched.
            return self.retired
        seen = report.created_at if report.last_seen_at is None else report.last_seen_at
        after = policy.retire_after[self.kind]
        return not work and seen is not None and moment.server - seen > after


def _oldest(
    reading: WakeReading, read_at: Moment, without: frozenset[str] = frozenset()
) -> float | None:
    """Give the age of the oldest wake; 0 where there is none, None where it cannot be told."""
    moments = [wake.at for wake in reading.wakes if wake.stream not in without]
    if not moments:
        return 0.0
    known = [at for at in moments if at is not None]
    return read_at.age_of(min(known)) if known else None


def _sum(before: EventCounts, changes: Changes) -> EventCounts:
    more = changes.counts
    if more == NO_EVENTS:
        return before
    return EventCounts(
        health_changes=before.health_changes + more.health_changes,
        lease_lapses=before.lease_lapses + more.lease_lapses,
        client_restarts=before.client_restarts + more.client_restarts,
        client_identity_conflicts=before.client_identity_conflicts + more.client_identity_conflicts,
    )
