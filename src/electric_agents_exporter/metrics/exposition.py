"""From a snapshot to the bytes of an exposition.

A runner's lines are rendered when its facts are another object than before, kept as one fragment
per family, and joined at every scrape; only what moves with time is written anew.
"""

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Final, Generic, TypeVar

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

from electric_agents_exporter.fleet.aggregate import aggregate
from electric_agents_exporter.fleet.events import EventCounts
from electric_agents_exporter.fleet.snapshot import Facts, FleetSnapshot, RunnerView
from electric_agents_exporter.metrics.lines import fastest_lines, own_labels
from electric_agents_exporter.metrics.own import OwnState, OwnSubject
from electric_agents_exporter.metrics.runner_rows import (
    MovingSubject,
    RunnerSubject,
    runner_subject,
)
from electric_agents_exporter.metrics.spec import Kind, Row
from electric_agents_exporter.metrics.table import Table
from electric_agents_exporter.metrics.target_rows import TargetSubject

Subject = TypeVar("Subject")


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
        """Write a snapshot, a part at a time, so that no more than a family need be held.

        `names` restricts it to the families with these names, if any. What a full exposition came
        to is noted once its last part was taken.
        """
        began = time.perf_counter()
        size = samples = 0
        for family, lines, series in self._formats[fmt].families(snapshot, self._own):
            if series and (not names or not family.sample_names.isdisjoint(names)):
                size += len(family.head) + len(lines)
                samples += series
                yield family.head
                yield lines
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
        self.lines = fastest_lines(row, created=fmt is Format.OPENMETRICS)


_Part = tuple[_Family[Subject], bytes, int]


class _Writers:
    """Everything that is written in one format, in the order of the table."""

    def __init__(self, table: Table, fmt: Format) -> None:
        self._own = [_Family(row, fmt) for row in table.own]
        self._target = [_Family(row, fmt) for row in table.target]
        self._moving = [_Family(row, fmt) for row in table.moving]
        self._runners = _Runners([_Family(row, fmt) for row in table.runner])

    def families(
        self, snapshot: FleetSnapshot, own: OwnState
    ) -> Iterator[
        "_Part[OwnSubject] | _Part[TargetSubject] | _Part[RunnerSubject] | _Part[MovingSubject]"
    ]:
        """Give every family, its lines, and how many samples these are."""
        process = OwnSubject(own, snapshot.drift)
        for of_process in self._own:
            yield _part(of_process, [of_process.lines("", process)])
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
            yield _part(
                of_target, [of_target.lines(common, subject) for common, subject in targets]
            )
        if self._moving or self._runners.families:
            moving = self._runners.follow(snapshot)
            yield from self._runners.parts()
            for family in self._moving:
                lines, lasting = family.lines, family.row.lasting
                yield _part(
                    family,
                    [
                        lines(common, subject)
                        for common, subject in moving
                        if lasting or subject.fresh
                    ],
                )


def _part(family: _Family[Subject], lines: Sequence[str]) -> _Part[Subject]:
    text = "".join(lines)
    return family, text.encode(), text.count("\n")


class _Rendered:
    """Where a runner's fragments stand, and what they were rendered from."""

    __slots__ = ("common", "counts", "facts", "fresh", "slot", "turn")

    def __init__(self, common: str, slot: int) -> None:
        self.common = common
        self.slot = slot
        self.facts: Facts | None = None
        self.counts: EventCounts | None = None
        self.fresh = False
        self.turn = 0


class _Runners:
    """The fragments of every runner: a column per family, a slot per runner.

    Invariant: a slot that no runner of the last snapshot has holds nothing in any column.
    """

    def __init__(self, families: Sequence[_Family[RunnerSubject]]) -> None:
        self.families = families
        self._columns: list[list[bytes]] = [[] for _ in families]
        self._series: list[int] = [0 for _ in families]
        self._rendered: dict[tuple[str, str], _Rendered] = {}
        self._free: list[int] = []
        self._turn = 0

    def follow(self, snapshot: FleetSnapshot) -> list[tuple[str, MovingSubject]]:
        """Render the runners that changed, and forget those that are gone.

        Returns:
            Every runner's labels, and what its moving rows read.
        """
        self._turn += 1
        moving = []
        monotonic = snapshot.monotonic
        for target in snapshot.targets:
            name, stale_after = target.name, target.stale_after
            for view in target.runners:
                rendered = self._rendered.get((name, view.runner.id))
                if rendered is None:
                    rendered = self._take_slot(name, view.runner.id)
                fresh = view.facts is not None and view.fresh(monotonic, stale_after)
                if (
                    rendered.facts is not view.facts
                    or rendered.counts is not view.counts
                    or rendered.fresh is not fresh
                ):
                    self._render(rendered, view, fresh=fresh)
                rendered.turn = self._turn
                moving.append((rendered.common, MovingSubject(view, monotonic, fresh)))
        if len(moving) < len(self._rendered):
            self._drop_gone()
        return moving

    def parts(self) -> Iterator[_Part[RunnerSubject]]:
        """Give every family, its lines, and how many samples these are."""
        for family, column, series in zip(self.families, self._columns, self._series, strict=True):
            yield family, b"".join(column), series

    def _take_slot(self, server: str, runner_id: str) -> _Rendered:
        if self._free:
            slot = self._free.pop()
        else:
            slot = len(self._rendered)
            for column in self._columns:
                column.append(b"")
        rendered = _Rendered(own_labels(server=server, runner_id=runner_id), slot)
        self._rendered[server, runner_id] = rendered
        return rendered

    def _render(self, rendered: _Rendered, view: RunnerView, *, fresh: bool) -> None:
        subject, common, slot = runner_subject(view), rendered.common, rendered.slot
        for index, (family, column) in enumerate(zip(self.families, self._columns, strict=True)):
            shown = fresh or family.row.lasting
            fragment = family.lines(common, subject).encode() if shown else b""
            if fragment != column[slot]:
                self._series[index] += fragment.count(b"\n") - column[slot].count(b"\n")
                column[slot] = fragment
        rendered.facts, rendered.counts, rendered.fresh = view.facts, view.counts, fresh

    def _drop_gone(self) -> None:
        for key, rendered in list(self._rendered.items()):
            if rendered.turn != self._turn:
                for index, column in enumerate(self._columns):
                    self._series[index] -= column[rendered.slot].count(b"\n")
                    column[rendered.slot] = b""
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
