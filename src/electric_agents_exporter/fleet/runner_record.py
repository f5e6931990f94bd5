"""What is remembered of one runner from poll to poll."""

import math
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from electric_agents_exporter.conditions import NOT_KNOWN, Ages, Gap, judge
from electric_agents_exporter.contract.report import ListedRunner, Report
from electric_agents_exporter.contract.vocabulary import RunnerKind
from electric_agents_exporter.contract.wakes import WakeReading
from electric_agents_exporter.fleet.changes import NO_EVENTS, ChangeDetector, Changes, EventCounts
from electric_agents_exporter.fleet.heard import HeardOffset, WakeQuestion, is_of
from electric_agents_exporter.fleet.policy import Policy
from electric_agents_exporter.fleet.snapshot import Observation, RunnerState, WakeLag

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

    Invariant: `state` says what everything else here comes to.
    """

    __slots__ = (
        "_changes",
        "_heard",
        "_offset",
        "_reading",
        "_reading_at",
        "_refused_at",
        "_unanswered",
        "asked_at",
        "retired",
        "state",
    )

    def __init__(self, listed: ListedRunner, principal: str) -> None:
        self.state = RunnerState(listed, principal)
        self.asked_at = AT_ONCE
        self.retired = False
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

    def relist(self, listed: ListedRunner, principal: str) -> None:
        """Take in what a newer list says."""
        before = self.state.listed
        if before == listed and self.state.principal == principal:
            return
        if before.updated_at != listed.updated_at:
            # A runner registers as it starts: a retired one that moved is asked after at once.
            self.asked_at = AT_ONCE
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
        before = self.state.report
        self._offset = self._heard.observe(
            self.state.listed.wake_stream, report.wake_stream_offset, moment.monotonic
        )
        ages = _ages_of(report, moment)
        self.asked_at = moment.monotonic
        self.state = replace(
            self.state,
            report=before if before == report else report,
            counts=self.state.counts if changes is None else _sum(self.state.counts, changes),
            observation=Observation(moment.monotonic, ages.heartbeat, ages.sign_of_life),
            poll_success=True,
            last_success_at=moment.time,
        )
        self._judge(report, ages, moment, policy)
        return changes

    def question(
        self, moment: Moment, policy: Policy, unanswered: tuple[str, ...]
    ) -> WakeQuestion | None:
        """Give what to ask of the runner's wake stream; None where its offset is none."""
        listed = self.state.listed
        if self._offset is None or listed.wake_stream is None:
            self._lose_wakes()
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
        if reading is None:
            self.state = replace(self.state, wake_read_success=False)
        else:
            self._reading, self._reading_at = reading, moment
            self.state = replace(self.state, wake_read_success=True)
        report = self.state.report
        if report is not None:
            self._judge(report, _ages_of(report, moment), moment, policy)

    def fail(self, monotonic: float, *, gone: bool) -> None:
        """Note that a call for it failed; `gone` says that the server knows it no more."""
        self.asked_at = monotonic
        self.state = replace(self.state, poll_success=False)
        if gone:
            self.state = replace(
                self.state, report=None, observation=None, lag=None, conditions=NOT_KNOWN
            )
            self._changes = self._reading = self._reading_at = None
            self.retired = False

    def _note_refusal(self, changes: Changes, moment: Moment) -> None:
        if changes.counts.client_restarts:
            self._refused_at = None
        if changes.growth.error:
            self._refused_at = moment.monotonic

    def _lose_wakes(self) -> None:
        self._reading = self._reading_at = None
        self.state = replace(self.state, wake_read_success=False, lag=None)

    def _judge(self, report: Report, ages: Ages, moment: Moment, policy: Policy) -> None:
        lag, waiting = self._lag(moment, policy)
        unheard = None if lag is None else lag.age_at(moment.monotonic)
        conditions = judge(
            report,
            replace(ages, unheard=unheard, waiting=waiting),
            refused=self._refused(report, moment, policy),
            gaps=moment.gaps,
            thresholds=policy.thresholds,
        )
        state = self.state
        if state.lag != lag or state.conditions is not conditions:
            self.state = replace(state, lag=lag, conditions=conditions)
        self.retired = self._retires(report, moment, policy, waiting)

    def _lag(self, moment: Moment, policy: Policy) -> tuple[WakeLag | None, float | None]:
        """Give how far it is behind, and how long the oldest wake waits whose entity can work."""
        reading, read_at = self._reading, self._reading_at
        if (
            reading is None
            or read_at is None
            or not is_of(reading, self._offset)
            or moment.monotonic - read_at.monotonic > policy.stale_after
        ):
            return None, None
        since = moment.monotonic - read_at.monotonic
        unheard = _oldest(reading, read_at)
        waiting = _oldest(reading, read_at, without=reading.at_rest)
        entities = len({wake.stream for wake in reading.wakes})
        lag = WakeLag(read_at.monotonic, entities, unheard)
        return lag, waiting + since if waiting else waiting

    def _refused(self, report: Report, moment: Moment, policy: Policy) -> bool | None:
        if policy.joined and self._unanswered is not None:
            return self._unanswered
        if self._refused_at is not None:
            return moment.monotonic - self._refused_at <= policy.thresholds.refused_for
        known = report.client is not None and report.client.claims_failed is not None
        return False if known else None

    def _retires(
        self, report: Report, moment: Moment, policy: Policy, waiting: float | None
    ) -> bool:
        if waiting:
            return False
        work = report.dispatch.entities_with_active_claim
        if work is None:
            work = report.claims.active_count
        if moment.server is None or work is None:
            # Where that is not known for once, who was retired stays so.
            return self.retired
        seen = report.created_at if report.last_seen_at is None else report.last_seen_at
        after = policy.retire_after[self.kind]
        return not work and seen is not None and moment.server - seen > after


def _ages_of(report: Report, moment: Moment) -> Ages:
    return Ages(
        heartbeat=moment.age_of(report.last_seen_at),
        newest_claim=moment.age_of(report.claims.newest_heartbeat_at),
        oldest_claim=moment.age_of(report.claims.oldest_heartbeat_at),
    )


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
