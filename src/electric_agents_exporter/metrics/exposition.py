"""From a snapshot to the bytes of an exposition."""

import time
from collections.abc import Collection, Iterator
from dataclasses import replace
from itertools import chain
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

from electric_agents_exporter.fleet.snapshot import FleetSnapshot, TargetSnapshot
from electric_agents_exporter.metrics.formats import Format
from electric_agents_exporter.metrics.fragments import RunnerFragments, RunnerPart
from electric_agents_exporter.metrics.lines import FamilyWriter, Part, open_labels, part
from electric_agents_exporter.metrics.probe_families import ProbeOutcome
from electric_agents_exporter.metrics.process_families import (
    OF_EVERY_PROGRAM,
    ProcessState,
    ProcessSubject,
)
from electric_agents_exporter.metrics.table import Table
from electric_agents_exporter.metrics.target_families import TargetSubject, target_subject

_NO_PROCESS: Final = ProcessState("", "")
"""Stands for what no family reads where those of this process are left out."""


class Exposer:
    """Makes expositions. Not safe for two threads at once: one builder at a time is enough."""

    def __init__(self, table: Table, process: ProcessState, registry: CollectorRegistry) -> None:
        self._process = process
        self._registry = registry
        self._hidden = frozenset(OF_EVERY_PROGRAM) - table.of_every_program
        self._table = table
        self._formats: dict[Format, _Writers] = {}

    def expose(
        self, snapshot: FleetSnapshot, fmt: Format, names: Collection[str] = ()
    ) -> Iterator[bytes]:
        """Write a snapshot, a piece at a time, so that no more than a piece need be held.

        `names` restricts it to the families with these names, if any. What a full exposition came
        to is noted once its last part was taken.
        """
        began = time.perf_counter()
        size = samples = 0
        for writer, pieces, series in self._writers(fmt).families(snapshot, self._process):
            if series and (not names or not writer.sample_names.isdisjoint(names)):
                samples += series
                for piece in chain((writer.head,), pieces):
                    size += len(piece)
                    yield piece
        end = self._process_part(fmt, names)
        yield end
        if not names:
            self._process.exposition_bytes = size + len(end)
            self._process.exposition_series = samples
            self._process.exposition_seconds = time.perf_counter() - began

    def _writers(self, fmt: Format) -> "_Writers":
        """Give the writers of a format; one that nobody asks for costs nothing."""
        if fmt not in self._formats:
            self._formats[fmt] = _Writers(self._table, fmt)
        return self._formats[fmt]

    def _process_part(self, fmt: Format, names: Collection[str]) -> bytes:
        """Write what prometheus_client knows of this process, with the end mark if there is one."""
        shown = set(names or OF_EVERY_PROGRAM) - self._hidden
        all_of_it = not names and not self._hidden
        registry = self._registry if all_of_it else self._registry.restricted_registry(shown)
        if fmt is Format.TEXT:
            return generate_latest(registry)
        part: bytes = openmetrics.generate_latest(registry)  # type: ignore[no-untyped-call]
        return part


class ProbeExposer:
    """Makes expositions of single targets in one format. Not safe for two threads at once."""

    def __init__(self, table: Table, fmt: Format) -> None:
        self._probe = [FamilyWriter(family, fmt) for family in table.probe]
        self._writers = _Writers(replace(table, process=()), fmt)
        self._end = b"# EOF\n" if fmt is Format.OPENMETRICS else b""

    def expose(self, snapshot: FleetSnapshot, outcome: ProbeOutcome) -> Iterator[bytes]:
        """Write what a probe came to, then the snapshot of its target, a piece at a time."""
        for writer in self._probe:
            yield writer.head + writer.lines("", outcome).encode()
        for of_target, pieces, series in self._writers.families(snapshot, _NO_PROCESS):
            if series:
                yield of_target.head
                yield from pieces
        yield self._end


class _Writers:
    """Everything that is written in one format, in the order of the table."""

    def __init__(self, table: Table, fmt: Format) -> None:
        self._process = [FamilyWriter(family, fmt) for family in table.process]
        self._target = [FamilyWriter(family, fmt) for family in table.target]
        self._runners = RunnerFragments(table, fmt)

    def families(
        self, snapshot: FleetSnapshot, process: ProcessState
    ) -> Iterator["Part[ProcessSubject] | Part[TargetSubject] | RunnerPart"]:
        """Give every family, its lines in pieces, and how many samples these are."""
        of_process = ProcessSubject(process, snapshot.drift)
        for writer in self._process:
            yield part(writer, [writer.lines("", of_process)])
        targets = [
            (target_labels(target), target_subject(target, snapshot.monotonic))
            for target in snapshot.targets
        ]
        for of_target in self._target:
            lines = [of_target.lines(common, subject) for common, subject in targets]
            yield part(of_target, lines)
        yield from self._runners.families(snapshot)


def target_labels(target: TargetSnapshot) -> str:
    """Write the labels of a target's own series, the brace left open."""
    shard = None if target.shard is None else str(target.shard)
    return open_labels(server=target.name, tenant=target.tenant, shard=shard)
