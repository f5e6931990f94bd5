"""The plain path: prometheus_client's own families, filled from the same table and snapshot.

What the fragments are held to by the tests, and measured against by the benchmarks.
"""

from collections.abc import Iterable
from typing import Any

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)

from electric_agents_exporter.fleet.aggregate import aggregate
from electric_agents_exporter.fleet.snapshot import FleetSnapshot
from electric_agents_exporter.metrics.family import Family, Kind
from electric_agents_exporter.metrics.process_families import ProcessState, ProcessSubject
from electric_agents_exporter.metrics.runner_families import PollSubject, runner_subject
from electric_agents_exporter.metrics.table import Table
from electric_agents_exporter.metrics.target_families import TargetSubject


def plainly(table: Table, snapshot: FleetSnapshot, own: ProcessState) -> Iterable[Metric]:
    """Give every family of a snapshot."""
    yield from _families(table.process, [({}, ProcessSubject(own, snapshot.drift))])
    targets = [
        (
            {"server": target.name},
            TargetSubject(target, aggregate(target, snapshot.monotonic) if target.listed else None),
        )
        for target in snapshot.targets
    ]
    yield from _families(table.target, targets)
    everyone = [
        (
            {"server": target.name, "runner_id": view.listed.id},
            view,
            view.facts is not None and view.fresh(snapshot.monotonic, target.stale_after),
        )
        for target in snapshot.targets
        for view in target.runners
    ]
    for row in table.per_report:
        shown = [
            (labels, runner_subject(v))
            for labels, v, fresh in everyone
            if fresh or row.keep_when_stale
        ]
        yield from _families([row], shown)
    for moving in table.per_poll:
        subjects = [
            (labels, PollSubject(view, snapshot.monotonic, fresh))
            for labels, view, fresh in everyone
            if fresh or moving.keep_when_stale
        ]
        yield from _families([moving], subjects)


def _families(
    rows: Iterable[Family[Any]], subjects: list[tuple[dict[str, str], Any]]
) -> Iterable[Metric]:
    for row in rows:
        labels = [*(subjects[0][0] if subjects else ()), *row.labels]
        family = _family(row, labels)
        for common, subject in subjects:
            _fill(family, row, list(common.values()), subject)
        yield family


def _family(row: Family[Any], labels: list[str]) -> Metric:
    if row.kind is Kind.COUNTER:
        return CounterMetricFamily(row.name, row.help, labels=labels)
    if row.kind is Kind.INFO:
        return InfoMetricFamily(row.family, row.help)
    if row.kind is Kind.HISTOGRAM:
        return HistogramMetricFamily(row.name, row.help, labels=labels)
    return GaugeMetricFamily(row.name, row.help, labels=labels)


def _fill(family: Any, row: Family[Any], common: list[str], subject: Any) -> None:  # noqa: ANN401
    if row.kind is Kind.HISTOGRAM:
        buckets: dict[tuple[str, ...], list[tuple[str, float]]] = {}
        for (le, *rest), number in row.samples(subject):
            key = (*common, *rest)
            if le:
                buckets.setdefault(key, []).append((le, number))
            else:
                family.add_metric(key, buckets[key], number)
        return
    for values, number in row.samples(subject):
        if row.kind is Kind.INFO:
            names = ["server", "runner_id"][: len(common)] + list(row.labels)
            family.add_metric([], dict(zip(names, [*common, *values], strict=True)))
        elif row.kind is Kind.COUNTER:
            created = row.created(subject) if row.created else None
            family.add_metric([*common, *values], number, created=created)
        else:
            family.add_metric([*common, *values], number)
