"""What is kept of every runner: its lines of each family, written again only where they change.

A runner's lines are kept as one fragment per family, in a column per family with a slot per runner,
and joined at every scrape; only what moves with time is written anew.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Generic, TypeAlias, TypeVar

from typing_extensions import override

from electric_agents_exporter.fleet.snapshot import FleetSnapshot, RunnerState
from electric_agents_exporter.metrics.family import OneOf, SomeOf, Value
from electric_agents_exporter.metrics.formats import Format
from electric_agents_exporter.metrics.lines import FamilyWriter, Part, Template, open_labels, part
from electric_agents_exporter.metrics.runner_families import (
    PollSubject,
    ReportSubject,
    report_subject,
)
from electric_agents_exporter.metrics.table import Table

Subject = TypeVar("Subject")
Entry = TypeVar("Entry")

_LINES_AT_ONCE: Final = 2048

RunnerPart: TypeAlias = Part[ReportSubject] | Part[PollSubject]


class _Column(ABC, Generic[Subject, Entry]):
    """What is kept of every runner for one family, by slot. `series` counts the lines of all.

    Invariant: an entry says what the state beside it says; nothing where that is None.
    """

    _NOTHING: Entry

    def __init__(self, writer: FamilyWriter[Subject]) -> None:
        self.writer = writer
        self.keep_when_stale = writer.family.keep_when_stale
        self.read = writer.read
        self.states: list[object] = []
        self.series = 0
        # An entry of these families has as many lines as any other, if it has any.
        self._varying = not isinstance(writer.family.samples, Value | OneOf | SomeOf)
        self._entries: list[Entry] = []

    def grow(self) -> None:
        """Make room for one runner more."""
        self.states.append(None)
        self._entries.append(self._NOTHING)

    def put(self, slot: int, common: str, state: object) -> None:
        """Keep what another state comes to."""
        before = self._entries[slot]
        entry = self._NOTHING if state is None else self._entry(common, state)
        if self._varying or not entry or not before:
            self.series += self._lines_of(entry) - self._lines_of(before)
        self._entries[slot], self.states[slot] = entry, state

    def part(self, commons: Sequence[bytes]) -> Part[Subject]:
        """Give the family, its lines in pieces, and how many samples these are."""
        return self.writer, self._pieces(commons), self.series

    def _pieces(self, commons: Sequence[bytes]) -> Iterator[bytes]:
        """Join the lines, some thousand at a time: not a call a line, nor megabytes in one block.

        Freed blocks of megabytes would stay with the allocator, for the most part unused.
        """
        runners = len(self._entries)
        at_once = max(1, runners * _LINES_AT_ONCE // self.series)
        for start in range(0, runners, at_once):
            some = slice(start, start + at_once)
            yield self._joined(self._entries[some], commons[some])

    @abstractmethod
    def _entry(self, common: str, state: object) -> Entry:
        """Render a state."""

    @abstractmethod
    def _lines_of(self, entry: Entry) -> int:
        """Count the lines of an entry."""

    @abstractmethod
    def _joined(self, entries: Sequence[Entry], commons: Sequence[bytes]) -> bytes:
        """Give the lines of some runners; `commons` are their own labels."""


class _OwnLines(_Column[Subject, bytes]):
    """A column of which every runner has lines of its own."""

    _NOTHING = b""

    @override
    def _entry(self, common: str, state: object) -> bytes:
        return self.writer.write(common, state).encode()

    @override
    def _lines_of(self, entry: bytes) -> int:
        return entry.count(b"\n")

    @override
    def _joined(self, entries: Sequence[bytes], commons: Sequence[bytes]) -> bytes:
        return b"".join(entries)


class _SharedLines(_Column[Subject, Template]):
    """A column of an enum, of which all runners in one state share a template.

    Enums make half of all lines, and would make half of all that is kept.
    """

    _NOTHING = ()

    def __init__(
        self, writer: FamilyWriter[Subject], template: Callable[[object], Template]
    ) -> None:
        super().__init__(writer)
        self._template = template

    @override
    def _entry(self, common: str, state: object) -> Template:
        return self._template(state)

    @override
    def _lines_of(self, entry: Template) -> int:
        return max(0, len(entry) - 1)

    @override
    def _joined(self, entries: Sequence[Template], commons: Sequence[bytes]) -> bytes:
        return b"".join(map(bytes.join, commons, entries))


def _column(writer: FamilyWriter[Subject]) -> _Column[Subject, Any]:
    template = writer.template
    return _OwnLines(writer) if template is None else _SharedLines(writer, template)


class _Columns(Generic[Subject]):
    """A column per family, a slot per runner."""

    def __init__(self, writers: Sequence[FamilyWriter[Subject]]) -> None:
        self._columns = [_column(writer) for writer in writers]
        self._reads = [(column, column.read, column.states) for column in self._columns]

    def grow(self) -> None:
        """Make room for one runner more."""
        for column in self._columns:
            column.grow()

    def write(self, slot: int, common: str, subject: Subject, *, fresh: bool) -> None:
        """Render what changed of a runner; without a fresh report, what is kept when stale."""
        for column, read, states in self._reads:
            state = read(subject) if fresh or column.keep_when_stale else None
            if state != states[slot]:
                column.put(slot, common, state)

    def clear(self, slot: int) -> None:
        """Forget the runner of a slot."""
        for column in self._columns:
            column.put(slot, "", None)

    def parts(self, commons: Sequence[bytes]) -> Iterator[Part[Subject]]:
        """Give every family; `commons` are the runners' own labels by slot."""
        for column in self._columns:
            yield column.part(commons)


class _Slot:
    """Where a runner's fragments stand, and the state that they were rendered from."""

    __slots__ = ("common", "fresh", "number", "runner", "turn")

    def __init__(self, common: str, number: int) -> None:
        self.common = common
        self.number = number
        self.runner: RunnerState | None = None
        self.fresh = False
        self.turn = 0


class RunnerFragments:
    """The lines of every runner: what its report says, what polling it came to, what ticks.

    Invariant: a slot that no runner of the last snapshot has holds nothing in any column.
    """

    def __init__(self, table: Table, fmt: Format) -> None:
        self._any = bool(table.per_report or table.per_poll or table.per_scrape)
        self._reported = _Columns([FamilyWriter(family, fmt) for family in table.per_report])
        self._polled = _Columns([FamilyWriter(family, fmt) for family in table.per_poll])
        self._ticking = [FamilyWriter(family, fmt) for family in table.per_scrape]
        self._slots: dict[tuple[str, str | None, str], _Slot] = {}
        self._commons: list[bytes] = []
        self._free: list[int] = []
        self._turn = 0

    def families(self, snapshot: FleetSnapshot) -> Iterator[RunnerPart]:
        """Give every family, its lines in pieces, and how many samples these are."""
        if not self._any:
            return
        fresh = self._follow(snapshot)
        yield from self._reported.parts(self._commons)
        yield from self._polled.parts(self._commons)
        for writer in self._ticking:
            yield part(writer, [writer.lines(common, subject) for common, subject in fresh])

    def _follow(self, snapshot: FleetSnapshot) -> list[tuple[str, PollSubject]]:
        """Render what changed, and forget the runners that are gone.

        Returns:
            The labels of every runner whose report is fresh, and what its ticking families read.
        """
        self._turn += 1
        known = 0
        shown = []
        monotonic = snapshot.monotonic
        for target in snapshot.targets:
            name, tenant, stale_after = target.name, target.tenant, target.stale_after
            known += len(target.runners)
            for runner in target.runners:
                slot = self._slots.get((name, tenant, runner.listed.id))
                if slot is None:
                    slot = self._take_slot(name, tenant, runner.listed.id)
                slot.turn = self._turn
                # RunnerState.fresh without the call: this runs for every runner at every scrape.
                seen = runner.observation
                fresh = seen is not None and monotonic - seen.monotonic <= stale_after
                if slot.runner is not runner or slot.fresh is not fresh:
                    self._render(slot, runner, monotonic, fresh=fresh)
                if fresh:
                    shown.append((slot.common, PollSubject(runner, monotonic, fresh)))
        if known < len(self._slots):
            self._drop_gone()
        return shown

    def _take_slot(self, server: str, tenant: str | None, runner_id: str) -> _Slot:
        common = open_labels(server=server, tenant=tenant, runner_id=runner_id)
        if self._free:
            number = self._free.pop()
            self._commons[number] = common.encode()
        else:
            number = len(self._commons)
            self._commons.append(common.encode())
            self._reported.grow()
            self._polled.grow()
        slot = _Slot(common, number)
        self._slots[server, tenant, runner_id] = slot
        return slot

    def _render(self, slot: _Slot, runner: RunnerState, monotonic: float, *, fresh: bool) -> None:
        before = slot.runner
        if (
            before is None
            or before.report is not runner.report
            or before.listed is not runner.listed
            or before.counts is not runner.counts
            or before.conditions is not runner.conditions
            or slot.fresh is not fresh
        ):
            subject = report_subject(runner, fresh=fresh)
            self._reported.write(slot.number, slot.common, subject, fresh=fresh)
        subject_now = PollSubject(runner, monotonic, fresh)
        self._polled.write(slot.number, slot.common, subject_now, fresh=fresh)
        slot.runner, slot.fresh = runner, fresh

    def _drop_gone(self) -> None:
        for key, slot in list(self._slots.items()):
            if slot.turn != self._turn:
                self._reported.clear(slot.number)
                self._polled.clear(slot.number)
                self._free.append(slot.number)
                del self._slots[key]
