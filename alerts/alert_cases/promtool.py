"""Test files as promtool reads them: what is in one, and how it is written.

A world is a set of series, each a signal over time. The writer samples them; a signal that gives
nothing any more ends with Prometheus' mark for it (`stale`), as a series that is no longer scraped.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Final, TypeAlias

MINUTE: Final = 60.0
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

Signal: TypeAlias = float | Callable[[float], float | None]
"""A value for all time, or what it is after so many seconds: None while there is none."""

World: TypeAlias = Mapping[str, Signal]
"""Signals by their series, written as a selector; without the labels that a scrape adds."""

_TITLE: Final = "# Made of alerts/alert_cases by `make generate`; do not edit.\n"
_GROUPS: Final = {
    "records": ("electric-agents-records",),
    "exporter": ("electric-agents-exporter",),
    "server": ("electric-agents-server",),
    "runner": ("electric-agents-runner", "electric-agents-claims"),
    "fleet": ("electric-agents-fleet",),
    "slo": ("electric-agents-slo-fast", "electric-agents-slo-slow", "electric-agents-slo-alerts"),
}


@dataclass(frozen=True)
class Alert:
    """One alert that is to fire, with everything that it carries."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]


@dataclass(frozen=True)
class Check:
    """The alerts of a name that fire at a time, all of them."""

    name: str
    seconds: float
    alerts: tuple[Alert, ...] = ()


@dataclass(frozen=True)
class Sample:
    """One sample that a query is to give, its series written as a selector."""

    series: str
    value: float


@dataclass(frozen=True)
class Query:
    """What a query gives at a time, all of it."""

    expression: str
    seconds: float
    samples: tuple[Sample, ...] = ()


@dataclass(frozen=True)
class Case:
    """A world, and what is to be seen in it."""

    name: str
    world: World
    checks: tuple[Check, ...] = ()
    queries: tuple[Query, ...] = ()

    @property
    def end(self) -> float:
        """When the last look is taken."""
        looks: tuple[Check | Query, ...] = (*self.checks, *self.queries)
        return max(look.seconds for look in looks)


@dataclass(frozen=True)
class TestFile:
    """One file of cases; `rules` are the rule files' names, `step` is scrape and evaluation."""

    name: str
    rules: tuple[str, ...]
    cases: tuple[Case, ...]
    step: float = 30.0


def series(name: str, **labels: str) -> str:
    """Write a series as a selector."""
    inner = ",".join(f"{key}={json.dumps(value)}" for key, value in sorted(labels.items()))
    return f"{name}{{{inner}}}"


def rising(
    by: float, every: float = 30.0, *, start: float = 0.0, until: float = float("inf")
) -> Signal:
    """A counter that grows `by` so much `every` so many seconds, until it stops."""
    return lambda now: start + by * (min(now, until) // every)


def turning(before: float | None, at: float, after: float | None) -> Signal:
    """One value, and from a time on another; None is none."""
    return lambda now: before if now < at else after


def until(world: World, end: float) -> World:
    """Give the same world, whose series are all gone from a time on."""
    return {name: _until(signal, end) for name, signal in world.items()}


def _until(signal: Signal, end: float) -> Signal:
    return lambda now: at(signal, now) if now < end else None


def at(signal: Signal, now: float) -> float | None:
    """Give a signal's value at a time."""
    return signal(now) if callable(signal) else signal


def duration(seconds: float) -> str:
    """Write a time as promtool reads it."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "m"), (rest, "s"))
    return "".join(f"{number}{unit}" for number, unit in parts if number) or "0s"


def render(file: TestFile) -> str:
    """Write a file of tests."""
    return _TITLE + "\n".join(_file(file)) + "\n"


def _file(file: TestFile) -> Iterator[str]:
    yield "rule_files:"
    yield from (f"  - ../rules/{name}.yaml" for name in file.rules)
    yield f"evaluation_interval: {duration(file.step)}"
    yield "group_eval_order:"
    yield from (f"  - {group}" for name in file.rules for group in _GROUPS[name])
    yield "tests:"
    for case in file.cases:
        yield from _case(case, file.step)


def _case(case: Case, step: float) -> Iterator[str]:
    yield f"  - name: {_text(case.name)}"
    yield f"    interval: {duration(step)}"
    yield "    input_series:" + (" []" if not case.world else "")
    for name, signal in case.world.items():
        values = _notation([at(signal, step * n) for n in range(round(case.end / step) + 1)])
        yield f"      - {{series: {_quoted(name)}, values: {_quoted(values)}}}"
    if case.checks:
        yield "    alert_rule_test:"
        for check in case.checks:
            yield from _check(check)
    if case.queries:
        yield "    promql_expr_test:"
        for query in case.queries:
            yield from _query(query)


def _check(check: Check) -> Iterator[str]:
    yield f"      - alertname: {check.name}"
    yield f"        eval_time: {duration(check.seconds)}"
    yield "        exp_alerts:" + (" []" if not check.alerts else "")
    for alert in check.alerts:
        labels = ", ".join(f"{key}: {_text(value)}" for key, value in alert.labels.items())
        yield f"          - exp_labels: {{{labels}}}"
        yield "            exp_annotations:"
        for key, value in alert.annotations.items():
            yield f"              {key}: {_text(value)}"


def _query(query: Query) -> Iterator[str]:
    yield f"      - expr: {_text(query.expression)}"
    yield f"        eval_time: {duration(query.seconds)}"
    yield "        exp_samples:" + (" []" if not query.samples else "")
    for sample in query.samples:
        yield f"          - {{labels: {_quoted(sample.series)}, value: {sample.value!r}}}"


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _notation(values: list[float | None]) -> str:
    """Write samples in promtool's short way: `1x20`, `0+2x20`, `_x5`, `stale`."""
    parts: list[str] = []
    for missing, run in groupby(values, key=lambda value: value is None):
        numbers = [value for value in run if value is not None or missing]
        if not missing:
            parts.extend(_runs([value for value in numbers if value is not None]))
            continue
        if parts:
            parts.append("stale")
        length = len(numbers) - (1 if parts else 0)
        if length:
            parts.append(f"_x{length}")
    while parts[-1].startswith("_"):
        parts.pop()
    return " ".join(parts)


def _runs(numbers: list[float]) -> Iterator[str]:
    """Write each stretch of numbers that are equally far apart."""
    first = 0
    while first < len(numbers):
        last = first
        step = 0.0
        if first + 1 < len(numbers):
            step = numbers[first + 1] - numbers[first]
            last = first + 1
            while last + 1 < len(numbers) and numbers[last + 1] - numbers[last] == step:
                last += 1
        if step and last == first + 1:
            last, step = first, 0.0
        yield _run(numbers[first], step, last - first)
        first = last + 1


def _run(start: float, step: float, times: int) -> str:
    if not times:
        return f"{start:.10g}"
    return f"{start:.10g}{step:+.10g}x{times}" if step else f"{start:.10g}x{times}"
