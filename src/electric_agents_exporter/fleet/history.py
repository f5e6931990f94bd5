"""What the runners of one target went through of late: changes alone, for pages.

Bounded: an hour, so many changes of one runner, and so many of all together. Each change says what
held before it, so that whatever is let go of takes nothing from what is kept, and it is always
known from when on the past is told.
"""

from heapq import nlargest
from typing import Final

from msgspec.structs import replace

from electric_agents_exporter.conditions import NOT_KNOWN, Conditions
from electric_agents_exporter.fleet.changes import NO_EVENTS, Changes
from electric_agents_exporter.fleet.reasons import Reason
from electric_agents_exporter.fleet.snapshot import Change, Note, Past, RunnerState

PAST_SECONDS: Final = 3600.0
"""How far back the past is told."""

_FORGETS_EVERY: Final = 300.0

MOST_CHANGES: Final = 60
"""The most changes that are kept of one runner."""

MOST_CHANGES_OF_ALL: Final = 50_000
"""The most changes that are kept of all runners of a target, some five megabytes."""


class History:
    """The past of the runners of one target.

    Invariants: the changes of a runner stand in order; there are at most `MOST_CHANGES` of each and
    `MOST_CHANGES_OF_ALL` together; all changes since `_begins` are there, but for those of runners
    in `_cut`, of which they are there since then.
    """

    def __init__(self, begins: float) -> None:
        self._begins = begins
        self._changes: dict[str, list[Change]] = {}
        self._cut: dict[str, float] = {}
        self._count = 0

    def reported(
        self,
        before: RunnerState,
        after: RunnerState,
        changes: Changes | None,
        at: float,
        stale_after: float,
    ) -> None:
        """Take in what a report changed of a runner, which is good for `stale_after` seconds."""
        notes = () if changes is None else _notes(changes)
        known = None if before.report is None else before.conditions
        if known is not None:
            known = self._bridge(before, after, known, at, stale_after)
        came_back = before.poll_success is False
        if came_back or notes or known is not after.conditions:
            self._add(after.listed.id, Change(at, known, after.conditions, None, notes))

    def _bridge(
        self,
        before: RunnerState,
        after: RunnerState,
        known: Conditions,
        at: float,
        stale_after: float,
    ) -> Conditions:
        """Note that nothing was known of a runner for a while, if that is so.

        Returns:
            What was known of it just before its new report.
        """
        if before.observation is None or after.observation is None:
            return known
        unknown = after.observation.monotonic - before.observation.monotonic - stale_after
        if unknown <= 0:
            return known
        changes = self._changes.get(after.listed.id)
        began = max(at - unknown, changes[-1].at if changes else self._begins)
        self._add(after.listed.id, Change(began, known, NOT_KNOWN))
        return NOT_KNOWN

    def wakes_read(self, before: RunnerState, after: RunnerState, at: float, since: float) -> None:
        """Take in what a reading of wakes changed of a runner.

        One with the report before it, which cannot tell yet who waits, is one change: that is of a
        poll that began at `since`.
        """
        if before.conditions is after.conditions:
            return
        runner_id = after.listed.id
        changes = self._changes.get(runner_id)
        if not changes or changes[-1].at < since:
            self._add(runner_id, Change(at, before.conditions, after.conditions))
            return
        last = changes[-1] = replace(changes[-1], after=after.conditions)
        came_back = len(changes) > 1 and changes[-2].failure is not None
        if last.before is last.after and not (last.notes or came_back):
            changes.pop()
            self._count -= 1

    def failed(self, before: RunnerState, after: RunnerState, reason: Reason, at: float) -> None:
        """Take in that a runner's report could not be had."""
        changes = self._changes.get(after.listed.id)
        told = changes is not None and changes[-1].failure is reason
        if before.poll_success is False and told and before.conditions is after.conditions:
            return
        self._add(after.listed.id, Change(at, before.conditions, after.conditions, reason))

    def forget(self, now: float) -> None:
        """Let go of what is older than is told, now and then; nobody asks for runners that went."""
        if now - self._begins < PAST_SECONDS + _FORGETS_EVERY:
            return
        self._begins = now - PAST_SECONDS
        self._keep_since_beginning()

    def past(self, runner_id: str, now: float) -> Past:
        """Give what is known of a runner's last hour."""
        since = max(now - PAST_SECONDS, self._begins, self._cut.get(runner_id, 0.0))
        kept = tuple(each for each in self._changes.get(runner_id, ()) if each.at >= since)
        begins = kept[0].at if kept and kept[0].before is None else since
        return Past(begins, kept)

    def _add(self, runner_id: str, change: Change) -> None:
        changes = self._changes.setdefault(runner_id, [])
        changes.append(change)
        self._count += 1
        if len(changes) > MOST_CHANGES:
            self._cut[runner_id] = changes.pop(0).at
            self._count -= 1
        if self._count > MOST_CHANGES_OF_ALL:
            self._halve()

    def _halve(self) -> None:
        """Let go of the older half, so that this is seldom done."""
        moments = (change.at for changes in self._changes.values() for change in changes)
        self._begins = nlargest(MOST_CHANGES_OF_ALL // 2, moments)[-1]
        self._keep_since_beginning()

    def _keep_since_beginning(self) -> None:
        kept = {
            runner_id: [change for change in changes if change.at > self._begins]
            for runner_id, changes in self._changes.items()
        }
        self._changes = {runner_id: changes for runner_id, changes in kept.items() if changes}
        self._cut = {name: at for name, at in self._cut.items() if at > self._begins}
        self._count = sum(map(len, self._changes.values()))


def _notes(changes: Changes) -> tuple[Note, ...]:
    counts, growth = changes.counts, changes.growth
    if counts is NO_EVENTS and not (growth.reconnects or growth.error):
        return ()  # what nearly every report comes to
    happened = {
        Note.RESTARTED: counts.client_restarts,
        Note.LEASE_LAPSED: counts.lease_lapses,
        Note.TWO_PROCESSES: counts.client_identity_conflicts,
        Note.RECONNECTED: growth.reconnects,
        Note.CLAIM_FAILED: growth.error,
    }
    return tuple(note for note, times in happened.items() if times)
