"""What is kept of every runner: its lines of each family, written again only where they change.

A runner's lines are kept as one fragment per family, in a column per family with a slot per runner,
and joined at every scrape; only what moves with time is written anew.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Generic, TypeAlias, TypeVar

from typing_extensions import override

from electric_agents_exporter.fleet.changes import EventCounts
from electric_agents_exporter.fleet.snapshot import Facts, FleetSnapshot, RunnerView
from electric_agents_exporter.metrics.family import OneOf, SomeOf, Value
from electric_agents_exporter.metrics.family_writer import FamilyWriter, Part, part
from electric_agents_exporter.metrics.formats import Format
from electric_agents_exporter.metrics.lines import Template, open_labels
from electric_agents_exporter.metrics.runner_families import (
    PollSubject,
    RunnerSubject,
    runner_subject,
)
from electric_agents_exporter.metrics.table import Table

Subject = TypeVar("Subject")
Entry = TypeVar("Entry")

_LINES_AT_ONCE: Final = 2048

RunnerPart: TypeAlias = Part[RunnerSubject] | Part[PollSubject]


class _Column(ABC, Generic[Subject, Entry]):
    """What is kept of every runner for one family, by slot. `series` counts the lines of all.

    Invariant: an entry says what the state beside it says; nothing where that is None.
    """

    _NOTHING: Entry

    def __init__(self, family: FamilyWriter[Subject]) -> None:
        self.family = family
        self.keep_when_stale = family.row.keep_when_stale
        self.read = family.writer.read
        self.states: list[object] = []
        self.series = 0
        # An entry of these rows has as many lines as any other, if it has any.
        self._varying = not isinstance(family.row.samples, Value | OneOf | SomeOf)
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
        return self.family, self._pieces(commons), self.series

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
        return self.family.writer.write(common, state).encode()

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
        self, family: FamilyWriter[Subject], template: Callable[[object], Template]
    ) -> None:
        super().__init__(family)
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


def _column(family: FamilyWriter[Subject]) -> _Column[Subject, Any]:
    template = family.writer.template
    return _OwnLines(family) if template is None else _SharedLines(family, template)


class _Columns(Generic[Subject]):
    """A column per family, a slot per runner."""

    def __init__(self, families: Sequence[FamilyWriter[Subject]]) -> None:
        self._columns = [_column(family) for family in families]
        self._reads = [(column, column.read, column.states) for column in self._columns]

    def grow(self) -> None:
        """Make room for one runner more."""
        for column in self._columns:
            column.grow()

    def write(self, slot: int, common: str, subject: Subject, *, fresh: bool) -> None:
        """Render what changed of a runner; without a fresh report there are but lines that last."""
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


class _Rendered:
    """Where a runner's fragments stand, and what they were rendered from."""

    __slots__ = ("common", "counts", "facts", "fresh", "slot", "turn", "view")

    def __init__(self, common: str, slot: int) -> None:
        self.common = common
        self.slot = slot
        self.view: RunnerView | None = None
        self.facts: Facts | None = None
        self.counts: EventCounts | None = None
        self.fresh = False
        self.turn = 0


class RunnerFragments:
    """The lines of every runner: what its report says, what polling it came to, what ticks.

    Invariant: a slot that no runner of the last snapshot has holds nothing in any column.
    """

    def __init__(self, table: Table, fmt: Format) -> None:
        self._any = bool(table.runner or table.per_poll)
        self._told = _Columns([FamilyWriter(row, fmt) for row in table.runner])
        self._polled = _Columns(
            [FamilyWriter(row, fmt) for row in table.per_poll if not row.per_scrape]
        )
        self._ticking = [FamilyWriter(row, fmt) for row in table.per_poll if row.per_scrape]
        self._rendered: dict[tuple[str, str], _Rendered] = {}
        self._commons: list[bytes] = []
        self._free: list[int] = []
        self._turn = 0

    def families(self, snapshot: FleetSnapshot) -> Iterator[RunnerPart]:
        """Give every family, its lines in pieces, and how many samples these are."""
        if not self._any:
            return
        fresh = self._follow(snapshot)
        yield from self._told.parts(self._commons)
        yield from self._polled.parts(self._commons)
        for family in self._ticking:
            yield part(family, [family.writer.lines(common, subject) for common, subject in fresh])

    def _follow(self, snapshot: FleetSnapshot) -> list[tuple[str, PollSubject]]:
        """Render what changed, and forget the runners that are gone.

        Returns:
            The labels of every runner whose report is fresh, and what its per_scrape rows read.
        """
        self._turn += 1
        known = 0
        shown = []
        monotonic = snapshot.monotonic
        for target in snapshot.targets:
            name, stale_after = target.name, target.stale_after
            known += len(target.runners)
            for view in target.runners:
                rendered = self._rendered.get((name, view.runner.id))
                if rendered is None:
                    rendered = self._take_slot(name, view.runner.id)
                rendered.turn = self._turn
                # RunnerView.fresh without the call: this runs for every runner at every scrape.
                observation = view.observation
                fresh = (
                    view.facts is not None
                    and observation is not None
                    and monotonic - observation.monotonic <= stale_after
                )
                if rendered.view is not view or rendered.fresh is not fresh:
                    self._render(rendered, view, monotonic, fresh=fresh)
                if fresh:
                    shown.append((rendered.common, PollSubject(view, monotonic, fresh)))
        if known < len(self._rendered):
            self._drop_gone()
        return shown

    def _take_slot(self, server: str, runner_id: str) -> _Rendered:
        common = open_labels(server=server, runner_id=runner_id)
        if self._free:
            slot = self._free.pop()
            self._commons[slot] = common.encode()
        else:
            slot = len(self._commons)
            self._commons.append(common.encode())
            self._told.grow()
            self._polled.grow()
        rendered = _Rendered(common, slot)
        self._rendered[server, runner_id] = rendered
        return rendered

    def _render(
        self, rendered: _Rendered, view: RunnerView, monotonic: float, *, fresh: bool
    ) -> None:
        common, slot = rendered.common, rendered.slot
        if (
            rendered.view is None
            or rendered.facts is not view.facts
            or rendered.counts is not view.counts
            or rendered.fresh is not fresh
        ):
            self._told.write(slot, common, runner_subject(view), fresh=fresh)
        self._polled.write(slot, common, PollSubject(view, monotonic, fresh), fresh=fresh)
        rendered.view, rendered.fresh = view, fresh
        rendered.facts, rendered.counts = view.facts, view.counts

    def _drop_gone(self) -> None:
        for key, rendered in list(self._rendered.items()):
            if rendered.turn != self._turn:
                self._told.clear(rendered.slot)
                self._polled.clear(rendered.slot)
                self._free.append(rendered.slot)
                del self._rendered[key]
