"""From a snapshot to the bytes of an exposition."""

import time
from collections.abc import Collection, Iterator
from itertools import chain

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

from electric_agents_exporter.fleet.aggregate import aggregate
from electric_agents_exporter.fleet.snapshot import FleetSnapshot
from electric_agents_exporter.metrics.family_writer import FamilyWriter, Part, part
from electric_agents_exporter.metrics.formats import Format
from electric_agents_exporter.metrics.fragments import RunnerFragments, RunnerPart
from electric_agents_exporter.metrics.lines import open_labels
from electric_agents_exporter.metrics.process_families import ProcessState, ProcessSubject
from electric_agents_exporter.metrics.table import Table
from electric_agents_exporter.metrics.target_families import TargetSubject


class Exposer:
    """Makes expositions. Not safe for two threads at once: one builder at a time is enough."""

    def __init__(self, table: Table, own: ProcessState, registry: CollectorRegistry) -> None:
        self._process = own
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
        for family, pieces, series in self._formats[fmt].families(snapshot, self._process):
            if series and (not names or not family.sample_names.isdisjoint(names)):
                samples += series
                for piece in chain((family.head,), pieces):
                    size += len(piece)
                    yield piece
        end = self._process_part(fmt, names)
        yield end
        if not names:
            self._process.exposition_bytes = size + len(end)
            self._process.exposition_series = samples
            self._process.exposition_seconds = time.perf_counter() - began

    def _process_part(self, fmt: Format, names: Collection[str]) -> bytes:
        """Write what prometheus_client knows of this process, with the end mark if there is one."""
        registry = self._registry.restricted_registry(names) if names else self._registry
        if fmt is Format.TEXT:
            return generate_latest(registry)
        part: bytes = openmetrics.generate_latest(registry)  # type: ignore[no-untyped-call]
        return part


class _Writers:
    """Everything that is written in one format, in the order of the table."""

    def __init__(self, table: Table, fmt: Format) -> None:
        self._process = [FamilyWriter(row, fmt) for row in table.process]
        self._target = [FamilyWriter(row, fmt) for row in table.target]
        self._runners = RunnerFragments(table, fmt)

    def families(
        self, snapshot: FleetSnapshot, own: ProcessState
    ) -> Iterator["Part[ProcessSubject] | Part[TargetSubject] | RunnerPart"]:
        """Give every family, its lines in pieces, and how many samples these are."""
        process = ProcessSubject(own, snapshot.drift)
        for of_process in self._process:
            yield part(of_process, [of_process.writer.lines("", process)])
        targets = [
            (
                open_labels(server=target.name),
                TargetSubject(
                    target, aggregate(target, snapshot.monotonic) if target.listed else None
                ),
            )
            for target in snapshot.targets
        ]
        for of_target in self._target:
            lines = [of_target.writer.lines(common, subject) for common, subject in targets]
            yield part(of_target, lines)
        yield from self._runners.families(snapshot)
