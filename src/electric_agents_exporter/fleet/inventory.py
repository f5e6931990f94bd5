"""The runners of one target: who is listed, who is watched, who is retired.

Nothing deletes a runner upstream, so a list only grows. Runners that were not seen for long and
hold no work are *retired*: they stay counted, are asked after rarely, and have no series. Where
there are many of them most *rest*: of those only when they registered and were asked after is held.
"""

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from heapq import nlargest, nsmallest
from operator import attrgetter, itemgetter
from typing import Final, TypeAlias

import msgspec

from electric_agents_exporter.contract.report import ListedRunner
from electric_agents_exporter.fleet.policy import Policy
from electric_agents_exporter.fleet.reasons import Suppression
from electric_agents_exporter.fleet.runner_record import AT_ONCE, RunnerRecord
from electric_agents_exporter.fleet.snapshot import RunnerState

RETIRED_INTERVAL: Final = 600.0
"""Seconds within which every retired runner is asked after once."""


class DueRunner(msgspec.Struct, frozen=True):
    """A runner to ask after, and the principal (as configured) that may."""

    principal: str
    runner_id: str


class InventoryChange(msgspec.Struct, frozen=True):
    """How many runners a set of lists added to what was known, and how many are gone."""

    discovered: int
    removed: int


class _Resting(msgspec.Struct, frozen=True, gc=False):
    """A retired runner without a record; `asked_at` is our clock, as in a record."""

    updated_at: float | None
    asked_at: float


_Item: TypeAlias = ListedRunner | Suppression | _Resting
_List: TypeAlias = dict[str, _Item]
"""What a list says of each runner; of one that has no record only why it has none is kept."""


class Inventory:
    """The runners of one target.

    Invariant: every record's runner is in the newest good list of some principal and passes the
    selection; once `settle` has run, at most `max_runners` of them are not retired, and as many
    are, beside those whose turn it is. Of those without a record hardly more is held than their
    ids.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._lists: dict[str, _List] = {}
        self._pending: dict[str, _List] = {}
        self._records: dict[str, RunnerRecord] = {}
        self._resting = 0
        self._turn: dict[str, float] = {}
        self._suppressed: Mapping[Suppression, int] = dict.fromkeys(Suppression, 0)

    def adopt(self, policy: Policy) -> None:
        """Follow a new policy; lists of principals that are no longer polled are forgotten."""
        self._policy = policy
        for lists in (self._lists, self._pending):
            for name in lists.keys() - set(policy.principals):
                del lists[name]

    def clear(self) -> None:
        """Forget every list, and so every runner."""
        self._lists.clear()
        self._pending.clear()
        self.settle()

    def take(self, principal: str, runners: Sequence[ListedRunner], *, unreadable: int = 0) -> None:
        """Take in a good list. It takes effect with `settle`.

        Any runner that is missing may be one of its `unreadable` items, so while there are some
        nobody goes but who is not known to the server when asked after.
        """
        known = self._lists.get(principal, {})
        # What has not changed stays the same object: a long list is held once and not twice.
        taken: _List = {runner.id: self._item(known.get(runner.id), runner) for runner in runners}
        if unreadable:
            missing = (each for each in known.items() if each[0] not in taken)
            kept = [each for each in missing if not self._is_gone(each[0])]
            taken.update(kept[: max(0, self._policy.max_listed - len(taken))])
        self._pending[principal] = taken

    def _item(self, before: _Item | None, runner: ListedRunner) -> _Item:
        """Give what to keep of an item, by what was known of it before."""
        if before == runner:
            return before
        if isinstance(before, _Resting):
            if before.updated_at != runner.updated_at:
                self._turn[runner.id] = AT_ONCE  # it registered anew
            elif runner.id not in self._turn and self._policy.selection.rejects(runner) is None:
                return before
        return runner

    def _is_gone(self, runner_id: str) -> bool:
        record = self._records.get(runner_id)
        return record is not None and record.gone

    def settle(self) -> InventoryChange:
        """Let the lists of this poll take effect: runners come, go, and change their labels.

        A principal's first list discovers nothing: nobody knows since when its runners are there.
        """
        before = {runner_id for runners in self._lists.values() for runner_id in runners}
        known, fresh = set(self._lists), set(self._pending)
        self._lists |= self._pending
        self._pending = {}
        listed: dict[str, tuple[str, _Item]] = {}
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

    def _watch(self, listed: Mapping[str, tuple[str, _Item]]) -> None:
        suppressed = Counter(dict.fromkeys(Suppression, 0))
        chosen, resting = self._choose(listed, suppressed)
        # Those already watched stay: a limit that swaps runners would look like churn.
        chosen.sort(key=lambda choice: choice[1].id not in self._records)
        records: dict[str, RunnerRecord] = {}
        room = self._policy.max_runners
        for principal, runner in chosen:
            record = self._records.get(runner.id)
            if record is None and runner.id in self._turn:
                record = RunnerRecord(runner, principal)
                record.retired, record.asked_at = True, self._turn[runner.id]
            if record is None or not record.retired:
                if room <= 0:
                    suppressed[Suppression.LIMIT] += 1
                    self._lists[principal][runner.id] = Suppression.LIMIT
                    continue
                room -= 1
            if record is None:
                record = RunnerRecord(runner, principal)
            else:
                record.relist(runner, principal)
            records[runner.id] = record
        self._records = records
        self._suppressed = suppressed
        self._rest(resting)

    def _choose(
        self, listed: Mapping[str, tuple[str, _Item]], suppressed: Counter[Suppression]
    ) -> tuple[list[tuple[str, ListedRunner]], dict[str, dict[str, float]]]:
        """Tell runners that may have a record from those that rest, and count all others.

        Returns:
            The former with their principals; by principal when each of the latter was asked after.
        """
        chosen: list[tuple[str, ListedRunner]] = []
        resting: dict[str, dict[str, float]] = {principal: {} for principal in self._lists}
        put_to_rest = self._put_to_rest()
        for runner_id, (principal, item) in listed.items():
            kept = item
            if isinstance(item, ListedRunner):
                kept = self._lists[principal][runner_id] = self._kept(item, put_to_rest)
            if isinstance(kept, ListedRunner):
                chosen.append((principal, kept))
            elif isinstance(kept, _Resting):
                resting[principal][runner_id] = kept.asked_at
            else:
                suppressed[kept] += 1
        return chosen, resting

    def _kept(self, runner: ListedRunner, put_to_rest: Collection[str]) -> _Item:
        rejection = self._policy.selection.rejects(runner)
        if rejection is not None:
            return rejection
        if runner.id in put_to_rest:
            record = self._records[runner.id]
            if record.state.listed.updated_at == runner.updated_at:
                return _Resting(runner.updated_at, record.asked_at)
        return runner

    def _rest(self, resting: Mapping[str, Mapping[str, float]]) -> None:
        """Note who rests, and whose turn it is in the next poll: of each list a share."""
        self._resting = sum(map(len, resting.values()))
        self._turn = {}
        for mine in resting.values():
            self._turn |= nsmallest(self._share(len(mine)), mine.items(), key=itemgetter(1))

    def _put_to_rest(self) -> set[str]:
        """Give the retired that have records beyond their number, those that were asked last."""
        retired = [item for item in self._records.items() if item[1].retired]
        over = len(retired) - self._policy.max_runners
        latest = nlargest(over, retired, key=lambda item: item[1].asked_at) if over > 0 else ()
        return {runner_id for runner_id, _ in latest}

    @property
    def _retired(self) -> int:
        """How many of the retired have a record."""
        return sum(record.retired for record in self._records.values())

    def _share(self, retired: int) -> int:
        """Give how many of so many retired runners to ask after in one poll."""
        return math.ceil(retired * self._policy.interval / RETIRED_INTERVAL)

    def due(self, principals: Collection[str]) -> list[DueRunner]:
        """Give whom to ask after now, of those that the given principals may.

        Who was asked longest ago comes first, so that a sweep that is cut short starves nobody;
        a share of the retired comes last, with all those that have registered anew.
        """
        mine = [r for r in self._records.values() if r.state.principal in principals]
        mine.sort(key=attrgetter("asked_at"))
        watched = [record for record in mine if not record.retired]
        retired = [record for record in mine if record.retired]
        share = self._share(len(retired) + self._resting)
        anew = sum(record.asked_at == AT_ONCE for record in retired)
        asked = watched + retired[: max(share, anew)]
        return [DueRunner(record.state.principal, record.state.listed.id) for record in asked]

    def record(self, runner_id: str) -> RunnerRecord | None:
        """Give what is remembered of a runner; None for one that is not watched, or rests."""
        return self._records.get(runner_id)

    def states(self) -> tuple[RunnerState, ...]:
        """Give the runners that have series."""
        return tuple(record.state for record in self._records.values() if not record.retired)

    def listed(self) -> Mapping[str, int]:
        """Count the newest good list of every principal."""
        return {principal: len(runners) for principal, runners in self._lists.items()}

    def suppressed(self) -> Mapping[Suppression, int]:
        """Count the listed runners that have no series, by why."""
        return {**self._suppressed, Suppression.RETIRED: self._retired + self._resting}
