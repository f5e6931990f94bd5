"""The plain path: prometheus_client's own families, filled from the same table and snapshot.

What the fragments are held to by the tests, and measured against by the benchmarks.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)

from electric_agents_exporter.fleet.snapshot import FleetSnapshot
from electric_agents_exporter.metrics.family import Family, Kind
from electric_agents_exporter.metrics.process_families import ProcessState, ProcessSubject
from electric_agents_exporter.metrics.runner_families import PollSubject, report_subject
from electric_agents_exporter.metrics.table import Table
from electric_agents_exporter.metrics.target_families import target_subject

Subjects = Sequence[tuple[Mapping[str, str], Any]]
"""What families are asked of, each with the labels of its own."""


def plainly(table: Table, snapshot: FleetSnapshot, own: ProcessState) -> Iterable[Metric]:
    """Give every family of a snapshot."""
    yield from _families(table.process, [({}, ProcessSubject(own, snapshot.drift))])
    targets = [
        (
            _labels(server=target.name, tenant=target.tenant, shard=target.shard),
            target_subject(target, snapshot.monotonic),
        )
        for target in snapshot.targets
    ]
    yield from _families(table.target, targets)
    everyone = [
        (
            _labels(server=target.name, tenant=target.tenant, runner_id=runner.listed.id),
            runner,
            runner.fresh(snapshot.monotonic, target.stale_after),
        )
        for target in snapshot.targets
        for runner in target.runners
    ]
    for of_report in table.per_report:
        shown = [
            (labels, report_subject(runner, fresh=fresh))
            for labels, runner, fresh in everyone
            if fresh or of_report.keep_when_stale
        ]
        yield from _families([of_report], shown)
    for of_poll in (*table.per_poll, *table.per_scrape):
        subjects = [
            (labels, PollSubject(runner, snapshot.monotonic, fresh))
            for labels, runner, fresh in everyone
            if fresh or of_poll.keep_when_stale
        ]
        yield from _families([of_poll], subjects)


def _labels(**labels: object) -> dict[str, str]:
    return {name: str(value) for name, value in labels.items() if value is not None}


def _families(families: Iterable[Family[Any]], subjects: Subjects) -> Iterable[Metric]:
    """Fill families; prometheus_client's have the same labels throughout, so one for each set."""
    by_names: dict[tuple[str, ...], list[tuple[Mapping[str, str], Any]]] = {}
    for labels, subject in subjects:
        by_names.setdefault(tuple(labels), []).append((labels, subject))
    for family in families:
        for names, some in by_names.items():
            metric = _metric(family, [*names, *family.labels])
            for labels, subject in some:
                _fill(metric, family, labels, subject)
            yield metric


def _metric(family: Family[Any], labels: list[str]) -> Metric:
    if family.kind is Kind.COUNTER:
        return CounterMetricFamily(family.name, family.help, labels=labels)
    if family.kind is Kind.INFO:
        return InfoMetricFamily(family.base_name, family.help)
    if family.kind is Kind.HISTOGRAM:
        return HistogramMetricFamily(family.name, family.help, labels=labels)
    return GaugeMetricFamily(family.name, family.help, labels=labels)


def _fill(metric: Any, family: Family[Any], labels: Mapping[str, str], subject: Any) -> None:  # noqa: ANN401
    common = list(labels.values())
    if family.kind is Kind.HISTOGRAM:
        buckets: dict[tuple[str, ...], list[tuple[str, float]]] = {}
        for (le, *rest), number in family.samples(subject):
            key = (*common, *rest)
            if le:
                buckets.setdefault(key, []).append((le, number))
            else:
                metric.add_metric(key, buckets[key], number)
        return
    for values, number in family.samples(subject):
        if family.kind is Kind.INFO:
            pairs = zip(family.labels, values, strict=True)
            metric.add_metric([], {**labels, **dict(pairs)})
        elif family.kind is Kind.COUNTER:
            created = family.created(subject) if family.created else None
            metric.add_metric([*common, *values], number, created=created)
        else:
            metric.add_metric([*common, *values], number)
