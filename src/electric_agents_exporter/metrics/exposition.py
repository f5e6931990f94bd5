"""From a snapshot to the bytes of an exposition.

A runner's lines are rendered once for as long as its facts are the same object, kept as one
fragment per family, and joined at every scrape; only what moves with time is written anew.
"""

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Final, Generic, TypeVar

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

from electric_agents_exporter.fleet.aggregate import aggregate
from electric_agents_exporter.fleet.events import EventCounts
from electric_agents_exporter.fleet.snapshot import Facts, FleetSnapshot, RunnerView
from electric_agents_exporter.metrics.own import OwnState, OwnSubject
from electric_agents_exporter.metrics.runner_rows import (
    MovingSubject,
    RunnerSubject,
)
from electric_agents_exporter.metrics.spec import Kind, LabelValues, Row
from electric_agents_exporter.metrics.table import Table
from electric_agents_exporter.metrics.target_rows import TargetSubject

Subject = TypeVar("Subject")

_EXACT_INTEGERS: Final = 1e15


class Format(StrEnum):
    """The two formats of an exposition; the value is its content type."""

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class Exposition(msgspec.Struct, frozen=True):
    """The bytes of an exposition, a part per family, and how many samples they hold."""

    parts: Sequence[bytes]
    series: int
    seconds: float

    @property
    def size(self) -> int:
        """Bytes, before compression."""
        return sum(map(len, self.parts))


class Exposer:
    """Makes expositions. Not safe for two threads at once: one builder at a time is enough.

    Invariant: `_fragments` holds nothing of a runner that was not in the last full snapshot.
    """

    def __init__(self, table: Table, own: OwnState, registry: CollectorRegistry) -> None:
        self._own = own
        self._registry = registry
        self._runner = [_Writer(row) for row in table.runner]
        self._moving = [_Writer(row) for row in table.moving]
        self._target = [_Writer(row) for row in table.target]
        self._process = [_Writer(row) for row in table.own]
        self._fragments: dict[tuple[str, str], _Fragments] = {}

    def expose(
        self, snapshot: FleetSnapshot, fmt: Format, names: Collection[str] = ()
    ) -> Exposition:
        """Write a snapshot; `names` restricts it to the families with these names, if any."""
        began = time.perf_counter()
        wanted = _Wanted(names)
        parts: list[bytes] = []
        series = 0
        for part, count in (
            *self._own_parts(snapshot, fmt, wanted),
            *self._target_parts(snapshot, fmt, wanted),
            *self._runner_parts(snapshot, fmt, wanted),
        ):
            parts.append(part)
            series += count
        parts.append(self._process_part(fmt, names))
        seconds = time.perf_counter() - began
        exposition = Exposition(parts, series, seconds)
        if not names:
            self._own.exposition_bytes = exposition.size
            self._own.exposition_series = series
            self._own.exposition_seconds = seconds
        return exposition

    def _own_parts(
        self, snapshot: FleetSnapshot, fmt: Format, wanted: "_Wanted"
    ) -> Iterator[tuple[bytes, int]]:
        subject = OwnSubject(self._own, snapshot.drift)
        for writer in filter(wanted, self._process):
            yield writer.part(fmt, [writer.lines("", subject, fmt)])

    def _target_parts(
        self, snapshot: FleetSnapshot, fmt: Format, wanted: "_Wanted"
    ) -> Iterator[tuple[bytes, int]]:
        subjects = [
            (
                _labels(server=target.name),
                TargetSubject(
                    target, aggregate(target, snapshot.monotonic) if target.listed else None
                ),
            )
            for target in snapshot.targets
        ]
        for writer in filter(wanted, self._target):
            yield writer.part(
                fmt, [writer.lines(common, subject, fmt) for common, subject in subjects]
            )

    def _runner_parts(
        self, snapshot: FleetSnapshot, fmt: Format, wanted: "_Wanted"
    ) -> Iterator[tuple[bytes, int]]:
        if not self._runner and not self._moving:
            return
        runners = self._render(snapshot)
        everyone = [fragments for fragments, _ in runners]
        fresh = [fragments for fragments, subject in runners if subject.fresh]
        for index, writer in enumerate(self._runner):
            if wanted(writer):
                chosen = everyone if writer.row.lasting else fresh
                if fmt is Format.TEXT:
                    yield writer.part(fmt, [fragments.text[index] for fragments in chosen])
                else:
                    yield writer.part(fmt, [fragments.openmetrics[index] for fragments in chosen])
        for moving in filter(wanted, self._moving):
            lasting = moving.row.lasting
            yield moving.part(
                fmt,
                [
                    moving.lines(fragments.common, subject, fmt)
                    for fragments, subject in runners
                    if lasting or subject.fresh
                ],
            )

    def _render(self, snapshot: FleetSnapshot) -> list[tuple["_Fragments", MovingSubject]]:
        """Give every runner's fragments, rendering those of the runners that changed."""
        kept: dict[tuple[str, str], _Fragments] = {}
        runners = []
        for target in snapshot.targets:
            for view in target.runners:
                key = (target.name, view.runner.id)
                fragments = self._fragments.get(key)
                if (
                    fragments is None
                    or fragments.facts is not view.facts
                    or fragments.counts is not view.counts
                ):
                    fragments = self._render_runner(target.name, view)
                kept[key] = fragments
                fresh = view.facts is not None and view.fresh(
                    snapshot.monotonic, target.stale_after
                )
                runners.append((fragments, MovingSubject(view, snapshot.monotonic, fresh)))
        self._fragments = kept
        return runners

    def _render_runner(self, server: str, view: RunnerView) -> "_Fragments":
        common = _labels(server=server, runner_id=view.runner.id)
        subject = RunnerSubject(view)
        writers = [
            writer if view.facts is not None or writer.row.lasting else None
            for writer in self._runner
        ]
        text = tuple(
            writer.lines(common, subject, Format.TEXT) if writer else b"" for writer in writers
        )
        return _Fragments(
            common=common,
            facts=view.facts,
            counts=view.counts,
            text=text,
            openmetrics=tuple(
                writer.lines(common, subject, Format.OPENMETRICS)
                if writer and writer.row.created
                else plain
                for writer, plain in zip(writers, text, strict=True)
            ),
        )

    def _process_part(self, fmt: Format, names: Collection[str]) -> bytes:
        """Write what prometheus_client knows of this process, with the end mark if there is one."""
        registry = self._registry.restricted_registry(names) if names else self._registry
        if fmt is Format.TEXT:
            return generate_latest(registry)
        part: bytes = openmetrics.generate_latest(registry)  # type: ignore[no-untyped-call]
        return part


class _Fragments(msgspec.Struct, frozen=True):
    """One runner's lines, a fragment per row of the table, and what they were rendered from."""

    common: str
    facts: Facts | None
    counts: EventCounts
    text: tuple[bytes, ...]
    openmetrics: tuple[bytes, ...]


class _Wanted:
    """The `name[]` filter: passes writers whose family has one of the names, or all if none."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = frozenset(names)

    def __call__(self, writer: "_Writer[Subject]") -> bool:
        return not self._names or not self._names.isdisjoint(writer.sample_names)


class _Writer(Generic[Subject]):
    """Writes the lines of one row."""

    def __init__(self, row: Row[Subject]) -> None:
        self.row = row
        suffixes = ("_bucket", "_sum", "_count") if row.kind is Kind.HISTOGRAM else ("",)
        self.sample_names = frozenset(row.name + suffix for suffix in suffixes) | {row.name}
        # Kept only where the label values are few: an info's are free text.
        self._tails: dict[LabelValues, str] | None = {} if row.kind is not Kind.INFO else None
        self._heads = {fmt: self._head(fmt).encode() for fmt in Format}

    def part(self, fmt: Format, fragments: Sequence[bytes]) -> tuple[bytes, int]:
        """Give the whole family, and how many samples it has; nothing if it has none."""
        lines = b"".join(fragments)
        if not lines:
            return b"", 0
        return self._heads[fmt] + lines, lines.count(b"\n")

    def lines(self, common: str, subject: Subject, fmt: Format) -> bytes:
        """Give the lines of one subject, whose own labels are already written in `common`."""
        if self.row.kind is Kind.HISTOGRAM:
            return "".join(self._histogram(common, subject)).encode()
        name = self.row.name
        lines = []
        created = ""
        if fmt is Format.OPENMETRICS and self.row.created is not None:
            moment = self.row.created(subject)
            created = "" if moment is None else _number(moment)
        for values, number in self.row.samples(subject):
            labels = common + self._tail(values, common)
            lines.append(f"{name}{labels} {_number(number)}\n")
            if created:
                lines.append(f"{self.row.family}_created{labels} {created}\n")
        return "".join(lines).encode()

    def _histogram(self, common: str, subject: Subject) -> Iterator[str]:
        """Write buckets, count and sum; the sample of an empty `le` is the sum."""
        names = self.row.labels
        count = 0.0
        for (le, *rest), number in self.row.samples(subject):
            others = common + _pairs(names, rest, common)
            if le:
                count = number
                yield f'{self.row.name}_bucket{others},le="{le}"}} {_number(number)}\n'
            else:
                yield f"{self.row.name}_count{others}}} {_number(count)}\n"
                yield f"{self.row.name}_sum{others}}} {_number(number)}\n"

    def _tail(self, values: LabelValues, common: str) -> str:
        """Give the end of a label set, closed by a brace."""
        if not values:
            return "}" if common else ""
        if self._tails is None:
            return _pairs(self.row.labels, values, common) + "}"
        tail = self._tails.get(values)
        if tail is None:
            tail = self._tails[values] = _pairs(self.row.labels, values, common) + "}"
        return tail

    def _head(self, fmt: Format) -> str:
        row = self.row
        if fmt is Format.OPENMETRICS:
            unit = f"# UNIT {row.family} {row.unit}\n" if row.unit else ""
            return f"# HELP {row.family} {row.help}\n# TYPE {row.family} {row.kind}\n{unit}"
        kind = Kind.GAUGE if row.kind is Kind.INFO else row.kind
        return f"# HELP {row.name} {row.help}\n# TYPE {row.name} {kind}\n"


def _labels(**labels: str) -> str:
    """Write the labels that all of a subject's lines share, the brace left open."""
    return "{" + _pairs(tuple(labels), tuple(labels.values()), "")[1:]


def _pairs(names: Sequence[str], values: Sequence[str], common: str) -> str:
    pairs = ",".join(f'{n}="{_escape(v)}"' for n, v in zip(names, values, strict=True))
    return ("," if common else "{") + pairs


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    """Write a number as short as it is exact: whole ones without a fraction."""
    if -_EXACT_INTEGERS < value < _EXACT_INTEGERS and value == int(value):
        return str(int(value))
    return repr(float(value))


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
