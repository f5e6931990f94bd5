"""From a snapshot to the bytes of an exposition.

A runner's lines are rendered when its facts are another object than before, kept as one fragment
per family, and joined at every scrape; only what moves with time is written anew.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import chain
from typing import Any, Final, Generic, TypeVar

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from typing_extensions import override

from electric_agents_exporter.fleet.aggregate import aggregate
from electric_agents_exporter.fleet.events import EventCounts
from electric_agents_exporter.fleet.snapshot import Facts, FleetSnapshot, RunnerView
from electric_agents_exporter.metrics.lines import Template, fastest_writer, own_labels
from electric_agents_exporter.metrics.own import OwnState, OwnSubject
from electric_agents_exporter.metrics.runner_rows import (
    MovingSubject,
    RunnerSubject,
    runner_subject,
)
from electric_agents_exporter.metrics.spec import Kind, OneOf, Row, SomeOf, Value
from electric_agents_exporter.metrics.table import Table
from electric_agents_exporter.metrics.target_rows import TargetSubject

Subject = TypeVar("Subject")
Entry = TypeVar("Entry")

_LINES_AT_ONCE: Final = 2048


class Format(StrEnum):
    """The two formats of an exposition; the value is its content type."""

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class Exposer:
    """Makes expositions. Not safe for two threads at once: one builder at a time is enough."""

    def __init__(self, table: Table, own: OwnState, registry: CollectorRegistry) -> None:
        self._own = own
        self._registry = registry
        self._formats = {fmt: _Writers(table, fmt) for fmt in Format}

    def expose(
        self, snapshot: FleetSnapshot, fmt: Format, names: Collection[str] = ()
    ) -> Iterator[bytes]:
        """Write a snapshot, a piece at a time, so that no more than a piece need be held.

        `names` restricts it to the families with these names, if any. What a full exposition came
        to is noted once its last part was taken.
        """
        began = time.perf_counter()
        size = samples = 0
        for family, pieces, series in self._formats[fmt].families(snapshot, self._own):
            if series and (not names or not family.sample_names.isdisjoint(names)):
                samples += series
                for piece in chain((family.head,), pieces):
                    size += len(piece)
                    yield piece
        end = self._process_part(fmt, names)
        yield end
        if not names:
            self._own.exposition_bytes = size + len(end)
            self._own.exposition_series = samples
            self._own.exposition_seconds = time.perf_counter() - began

    def _process_part(self, fmt: Format, names: Collection[str]) -> bytes:
        """Write what prometheus_client knows of this process, with the end mark if there is one."""
        registry = self._registry.restricted_registry(names) if names else self._registry
        if fmt is Format.TEXT:
            return generate_latest(registry)
        part: bytes = openmetrics.generate_latest(registry)  # type: ignore[no-untyped-call]
        return part


class _Family(Generic[Subject]):
    """One row in one format: its head, and how its lines are written."""

    def __init__(self, row: Row[Subject], fmt: Format) -> None:
        self.row = row
        suffixes = ("_bucket", "_sum", "_count") if row.kind is Kind.HISTOGRAM else ("",)
        self.sample_names = frozenset(row.name + suffix for suffix in suffixes) | {row.name}
        self.head = _head(row, fmt).encode()
        self.writer = fastest_writer(row, created=fmt is Format.OPENMETRICS)


_Part = tuple[_Family[Subject], Iterable[bytes], int]


class _Writers:
    """Everything that is written in one format, in the order of the table."""

    def __init__(self, table: Table, fmt: Format) -> None:
        self._own = [_Family(row, fmt) for row in table.own]
        self._target = [_Family(row, fmt) for row in table.target]
        self._runners = _Runners(table, fmt)

    def families(
        self, snapshot: FleetSnapshot, own: OwnState
    ) -> Iterator["_Part[OwnSubject] | _Part[TargetSubject] | _RunnerPart"]:
        """Give every family, its lines in pieces, and how many samples these are."""
        process = OwnSubject(own, snapshot.drift)
        for of_process in self._own:
            yield _part(of_process, [of_process.writer.lines("", process)])
        targets = [
            (
                own_labels(server=target.name),
                TargetSubject(
                    target, aggregate(target, snapshot.monotonic) if target.listed else None
                ),
            )
            for target in snapshot.targets
        ]
        for of_target in self._target:
            lines = [of_target.writer.lines(common, subject) for common, subject in targets]
            yield _part(of_target, lines)
        yield from self._runners.families(snapshot)


def _part(family: _Family[Subject], lines: Sequence[str]) -> _Part[Subject]:
    text = "".join(lines)
    return family, (text.encode(),), text.count("\n")


_RunnerPart = _Part[RunnerSubject] | _Part[MovingSubject]


class _Column(ABC, Generic[Subject, Entry]):
    """What is kept of every runner for one family, by slot. `series` counts the lines of all.

    Invariant: an entry says what the state beside it says; nothing where that is None.
    """

    _NOTHING: Entry

    def __init__(self, family: _Family[Subject]) -> None:
        self.family = family
        self.lasting = family.row.lasting
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

    def part(self, commons: Sequence[bytes]) -> _Part[Subject]:
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

    def __init__(self, family: _Family[Subject], template: Callable[[object], Template]) -> None:
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


def _column(family: _Family[Subject]) -> _Column[Subject, Any]:
    template = family.writer.template
    return _OwnLines(family) if template is None else _SharedLines(family, template)


class _Columns(Generic[Subject]):
    """A column per family, a slot per runner."""

    def __init__(self, families: Sequence[_Family[Subject]]) -> None:
        self._columns = [_column(family) for family in families]
        self._reads = [(column, column.read, column.states) for column in self._columns]

    def grow(self) -> None:
        """Make room for one runner more."""
        for column in self._columns:
            column.grow()

    def write(self, slot: int, common: str, subject: Subject, *, fresh: bool) -> None:
        """Render what changed of a runner; without a fresh report there are but lines that last."""
        for column, read, states in self._reads:
            state = read(subject) if fresh or column.lasting else None
            if state != states[slot]:
                column.put(slot, common, state)

    def clear(self, slot: int) -> None:
        """Forget the runner of a slot."""
        for column in self._columns:
            column.put(slot, "", None)

    def parts(self, commons: Sequence[bytes]) -> Iterator[_Part[Subject]]:
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


class _Runners:
    """The lines of every runner: what its report says, what polling it came to, what ticks.

    Invariant: a slot that no runner of the last snapshot has holds nothing in any column.
    """

    def __init__(self, table: Table, fmt: Format) -> None:
        self._any = bool(table.runner or table.moving)
        self._told = _Columns([_Family(row, fmt) for row in table.runner])
        self._polled = _Columns([_Family(row, fmt) for row in table.moving if not row.ticking])
        self._ticking = [_Family(row, fmt) for row in table.moving if row.ticking]
        self._rendered: dict[tuple[str, str], _Rendered] = {}
        self._commons: list[bytes] = []
        self._free: list[int] = []
        self._turn = 0

    def families(self, snapshot: FleetSnapshot) -> Iterator[_RunnerPart]:
        """Give every family, its lines in pieces, and how many samples these are."""
        if not self._any:
            return
        fresh = self._follow(snapshot)
        yield from self._told.parts(self._commons)
        yield from self._polled.parts(self._commons)
        for family in self._ticking:
            yield _part(family, [family.writer.lines(common, subject) for common, subject in fresh])

    def _follow(self, snapshot: FleetSnapshot) -> list[tuple[str, MovingSubject]]:
        """Render what changed, and forget the runners that are gone.

        Returns:
            The labels of every runner whose report is fresh, and what its ticking rows read.
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
                sighting = view.sighting
                fresh = (
                    view.facts is not None
                    and sighting is not None
                    and monotonic - sighting.monotonic <= stale_after
                )
                if rendered.view is not view or rendered.fresh is not fresh:
                    self._render(rendered, view, monotonic, fresh=fresh)
                if fresh:
                    shown.append((rendered.common, MovingSubject(view, monotonic, fresh)))
        if known < len(self._rendered):
            self._drop_gone()
        return shown

    def _take_slot(self, server: str, runner_id: str) -> _Rendered:
        common = own_labels(server=server, runner_id=runner_id)
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
        self._polled.write(slot, common, MovingSubject(view, monotonic, fresh), fresh=fresh)
        rendered.view, rendered.fresh = view, fresh
        rendered.facts, rendered.counts = view.facts, view.counts

    def _drop_gone(self) -> None:
        for key, rendered in list(self._rendered.items()):
            if rendered.turn != self._turn:
                self._told.clear(rendered.slot)
                self._polled.clear(rendered.slot)
                self._free.append(rendered.slot)
                del self._rendered[key]


def _head(row: Row[Subject], fmt: Format) -> str:
    if fmt is Format.OPENMETRICS:
        unit = f"# UNIT {row.family} {row.unit}\n" if row.unit else ""
        return f"# HELP {row.family} {row.help}\n# TYPE {row.family} {row.kind}\n{unit}"
    kind = Kind.GAUGE if row.kind is Kind.INFO else row.kind
    return f"# HELP {row.name} {row.help}\n# TYPE {row.name} {kind}\n"


def accepted(accept: str) -> Format:
    """Choose a format by an Accept header: OpenMetrics where it is liked at least as well."""
    best = {Format.TEXT: 0.0, Format.OPENMETRICS: 0.0}
    for clause in accept.split(","):
        media, *parameters = (part.strip().lower() for part in clause.split(";"))
        options = dict(p.split("=", 1) for p in parameters if "=" in p)
        fmt = _BY_MEDIA.get((media, options.get("version", "")))
        if fmt is not None:
            best[fmt] = max(best[fmt], _quality(options.get("q", "1")))
    liked = best[Format.OPENMETRICS] >= best[Format.TEXT] and best[Format.OPENMETRICS] > 0
    return Format.OPENMETRICS if liked else Format.TEXT


_BY_MEDIA: Final[Mapping[tuple[str, str], Format]] = {
    ("application/openmetrics-text", "1.0.0"): Format.OPENMETRICS,
    ("application/openmetrics-text", ""): Format.OPENMETRICS,
    ("text/plain", "0.0.4"): Format.TEXT,
    ("text/plain", ""): Format.TEXT,
    ("text/*", ""): Format.TEXT,
    ("*/*", ""): Format.TEXT,
}


def _quality(text: str) -> float:
    try:
        return min(1.0, max(0.0, float(text)))
    except ValueError:
        return 0.0
