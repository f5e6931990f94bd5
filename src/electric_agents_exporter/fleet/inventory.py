"""The runners of one target: who is listed, who is watched, who is retired, what each last said.

Nothing deletes a runner upstream, so a list only grows. Runners that were not seen for long and
hold no work are *retired*: they stay counted, are asked after rarely, and have no series.
"""

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final

import msgspec

from electric_agents_exporter.contract.report import ListedRunner, Report
from electric_agents_exporter.contract.vocabulary import RunnerKind
from electric_agents_exporter.fleet.changes import ChangeDetector, Changes, EventCounts
from electric_agents_exporter.fleet.reasons import Suppression
from electric_agents_exporter.fleet.selection import Selection
from electric_agents_exporter.fleet.snapshot import Facts, Observation, RunnerView

RETIRED_INTERVAL: Final = 600.0
"""Seconds within which every retired runner is asked after once."""

_AT_ONCE: Final = -math.inf


@dataclass(frozen=True, slots=True)
class Policy:
    """What the settings say of one target. Durations are in seconds."""

    name: str
    interval: float = 15.0
    stale_after: float = 60.0
    retire_after: float = 7 * 86_400.0
    max_runners: int = 10_000
    expected_min: int | None = None
    selection: Selection = field(default_factory=Selection)


class Due(msgspec.Struct, frozen=True):
    """A runner to ask after, and the principal (as configured) that may."""

    principal: str
    runner_id: str


class InventoryChange(msgspec.Struct, frozen=True):
    """How many runners a set of lists added to what was known, and how many are gone."""

    discovered: int
    removed: int


class _Record:
    """One runner that is watched or retired."""

    __slots__ = (
        "asked_at",
        "counts",
        "facts",
        "history",
        "last_success_at",
        "observation",
        "poll_success",
        "principal",
        "retired",
        "runner",
        "view",
    )

    def __init__(self, runner: ListedRunner, principal: str) -> None:
        self.runner = runner
        self.principal = principal
        self.facts: Facts | None = None
        self.history: ChangeDetector | None = None
        self.observation: Observation | None = None
        self.counts = EventCounts()
        self.poll_success: bool | None = None
        self.last_success_at: float | None = None
        self.asked_at = _AT_ONCE
        self.retired = False
        self.refresh()

    def refresh(self) -> None:
        """Make the immutable view anew, keeping the facts where nothing in them changed.

        What is listed is replaced only by what differs, so that identity tells; counts change with
        reports alone.
        """
        facts = self.facts
        if facts is not None and facts.runner is not self.runner:
            self.facts = Facts(self.runner, facts.report, self.counts)
        self.view = RunnerView(
            runner=self.runner,
            principal=self.principal,
            facts=self.facts,
            observation=self.observation,
            poll_success=self.poll_success,
            last_success_at=self.last_success_at,
            counts=self.counts,
        )


class Inventory:
    """The runners of one target.

    Invariant: every record's runner is in the newest good list of some principal and passes the
    selection; at most `max_runners` of them are not retired once `settle` has run.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._lists: dict[str, Mapping[str, ListedRunner]] = {}
        self._pending: dict[str, Mapping[str, ListedRunner]] = {}
        self._records: dict[str, _Record] = {}
        self._suppressed: Mapping[Suppression, int] = dict.fromkeys(Suppression, 0)

    def adopt(self, policy: Policy, principals: Collection[str]) -> None:
        """Follow a new policy; lists of principals that are no longer polled are forgotten."""
        self._policy = policy
        for lists in (self._lists, self._pending):
            for name in lists.keys() - set(principals):
                del lists[name]

    def take(self, principal: str, runners: Sequence[ListedRunner]) -> None:
        """Take in a good list. It takes effect with `settle`."""
        known = self._lists.get(principal, {})
        # What has not changed stays the same object: a long list is held once and not twice.
        self._pending[principal] = {
            runner.id: before if (before := known.get(runner.id)) == runner else runner
            for runner in runners
        }

    def settle(self) -> InventoryChange:
        """Let the lists of this poll take effect: runners come, go, and change their labels.

        A principal's first list discovers nothing: nobody knows since when its runners are there.
        """
        before = {runner_id for runners in self._lists.values() for runner_id in runners}
        known, fresh = set(self._lists), set(self._pending)
        self._lists |= self._pending
        self._pending = {}
        listed: dict[str, tuple[str, ListedRunner]] = {}
        # A runner has one owner: where an old list names it too, the new one is right.
        for principal in sorted(self._lists, key=lambda name: name not in fresh):
            for runner_id, runner in self._lists[principal].items():
                listed.setdefault(runner_id, (principal, runner))
        self._watch(listed)
        return InventoryChange(
            discovered=sum(
                runner_id not in before and principal in known
                for runner_id, (principal, _) in listed.items()
            ),
            removed=sum(runner_id not in listed for runner_id in before),
        )

    def _watch(self, listed: Mapping[str, tuple[str, ListedRunner]]) -> None:
        suppressed = Counter(dict.fromkeys(Suppression, 0))
        chosen: list[tuple[str, ListedRunner]] = []
        for principal, runner in listed.values():
            rejection = self._policy.selection.rejects(runner)
            if rejection is None:
                chosen.append((principal, runner))
            else:
                suppressed[rejection] += 1
        # Those already watched stay: a limit that swaps runners would look like churn.
        chosen.sort(key=lambda choice: choice[1].id not in self._records)
        records: dict[str, _Record] = {}
        room = self._policy.max_runners
        for principal, runner in chosen:
            record = self._records.get(runner.id)
            if record is None or not record.retired:
                if room <= 0:
                    suppressed[Suppression.LIMIT] += 1
                    continue
                room -= 1
            records[runner.id] = _relist(record, runner, principal)
        self._records = records
        self._suppressed = suppressed

    def due(self, principals: Collection[str]) -> list[Due]:
        """Give whom to ask after now, of those that the given principals may.

        Who was asked longest ago comes first, so that a sweep that is cut short starves nobody;
        a share of the retired comes last, with all those that have registered anew.
        """
        mine = [record for record in self._records.values() if record.principal in principals]
        mine.sort(key=attrgetter("asked_at"))
        watched = [record for record in mine if not record.retired]
        retired = [record for record in mine if record.retired]
        share = math.ceil(len(retired) * self._policy.interval / RETIRED_INTERVAL)
        anew = sum(record.asked_at == _AT_ONCE for record in retired)
        asked = watched + retired[: max(share, anew)]
        return [Due(record.principal, record.runner.id) for record in asked]

    def watches(self, runner_id: str) -> bool:
        """Tell whether a runner is watched, or retired."""
        return runner_id in self._records

    def kind_of(self, runner_id: str) -> RunnerKind:
        """Give what a runner is for, as listed."""
        record = self._records.get(runner_id)
        return (record.runner.kind if record else None) or RunnerKind.UNKNOWN

    def report(
        self, report: Report, observation: Observation, now: float, server_now: float | None
    ) -> Changes | None:
        """Take in a good report; `now` is our time, `server_now` the server's.

        Returns:
            What it changed; None for a runner that is not watched, or seen for the first time.
        """
        record = self._records.get(report.runner_id)
        if record is None:
            return None
        changes: Changes | None = None
        if record.history is None:
            record.history = ChangeDetector(report)
        else:
            changes = record.history.follow(report)
            record.counts = _add(record.counts, changes.counts)
        if record.facts is None or record.facts.report != report:
            record.facts = Facts(record.runner, report, record.counts)
        record.observation = observation
        record.poll_success = True
        record.last_success_at = now
        record.asked_at = observation.monotonic
        record.retired = self._retires(report, server_now, retired=record.retired)
        record.refresh()
        return changes

    def fail(self, runner_id: str, monotonic: float, *, gone: bool) -> None:
        """Note that a call for a runner failed; `gone` says that the server knows it no more."""
        record = self._records.get(runner_id)
        if record is None:
            return
        record.poll_success = False
        record.asked_at = monotonic
        if gone:
            record.facts = record.observation = record.history = None
            record.retired = False
        record.refresh()

    def views(self) -> tuple[RunnerView, ...]:
        """Give the runners that have series."""
        return tuple(record.view for record in self._records.values() if not record.retired)

    def listed(self) -> Mapping[str, int]:
        """Count the newest good list of every principal."""
        return {principal: len(runners) for principal, runners in self._lists.items()}

    def suppressed(self) -> Mapping[Suppression, int]:
        """Count the listed runners that have no series, by why."""
        retired = sum(record.retired for record in self._records.values())
        return {**self._suppressed, Suppression.RETIRED: retired}

    def _retires(self, report: Report, server_now: float | None, *, retired: bool) -> bool:
        if server_now is None or report.claims.active_count != 0:
            # Where the claims are not known for once, who was retired stays so.
            return retired and report.claims.active_count is None
        seen = report.created_at if report.last_seen_at is None else report.last_seen_at
        return seen is not None and server_now - seen > self._policy.retire_after


def _relist(record: _Record | None, runner: ListedRunner, principal: str) -> _Record:
    if record is None:
        return _Record(runner, principal)
    if record.runner != runner or record.principal != principal:
        if record.runner.updated_at != runner.updated_at:
            # A runner registers as it starts: a retired one that moved is asked after at once.
            record.asked_at = _AT_ONCE
        record.runner, record.principal = runner, principal
        record.refresh()
    return record


def _add(before: EventCounts, more: EventCounts) -> EventCounts:
    if more == _NO_EVENTS:
        return before
    return EventCounts(
        health_changes=before.health_changes + more.health_changes,
        lease_lapses=before.lease_lapses + more.lease_lapses,
        client_restarts=before.client_restarts + more.client_restarts,
        client_identity_conflicts=before.client_identity_conflicts + more.client_identity_conflicts,
    )


_NO_EVENTS: Final = EventCounts()
