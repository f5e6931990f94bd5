"""Files for `promtool test rules`: what is in one, and how it is written.

A file is written as JSON, which is YAML to promtool. Signals are sampled at every step. One that
has no value any more ends with Prometheus's mark for that (`stale`), as a series that is no longer
scraped.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any, Final, TypeAlias

from alert_cases.signals import Signal, at

InputSeries: TypeAlias = Mapping[str, Signal]
"""Signals by their series, written as a selector."""

_RULES: Final = Path(__file__).parents[1] / "rules"
_GROUP: Final = re.compile(r"^  - name: (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Alert:
    """One firing alert, with everything that it carries."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]


@dataclass(frozen=True)
class Check:
    """All alerts of a name that fire at a time."""

    name: str
    seconds: float
    alerts: tuple[Alert, ...] = ()


@dataclass(frozen=True)
class Sample:
    """One sample that a query gives, its series written as a selector."""

    series: str
    value: float


@dataclass(frozen=True)
class Query:
    """All that a query gives at a time."""

    expression: str
    seconds: float
    samples: tuple[Sample, ...] = ()


@dataclass(frozen=True)
class Case:
    """A test case: input series, and what they must lead to.

    `scrape` is how often they are sampled, where that is not at every evaluation.
    """

    name: str
    input_series: InputSeries
    checks: tuple[Check, ...] = ()
    queries: tuple[Query, ...] = ()
    scrape: float | None = None

    @property
    def end(self) -> float:
        """When the last check or query is made."""
        moments: tuple[Check | Query, ...] = (*self.checks, *self.queries)
        return max(moment.seconds for moment in moments)


@dataclass(frozen=True)
class TestFile:
    """One file of cases; `rules` are the rule files' names, `step` is scrape and evaluation."""

    name: str
    rules: tuple[str, ...]
    cases: tuple[Case, ...]
    step: float = 15.0


def selector(name: str, **labels: str) -> str:
    """Write a series as a selector."""
    inner = ",".join(f"{key}={json.dumps(value)}" for key, value in sorted(labels.items()))
    return f"{name}{{{inner}}}"


def content(file: TestFile) -> dict[str, Any]:
    """Give what promtool is to read of a file."""
    return {
        "rule_files": [str(_RULES / f"{name}.yaml") for name in file.rules],
        "evaluation_interval": _duration(file.step),
        "group_eval_order": [group for name in file.rules for group in _groups(name)],
        "tests": [_case(case, file.step) for case in file.cases],
    }


@cache
def _groups(rules: str) -> tuple[str, ...]:
    """Give the groups of a rule file, in the order in which Prometheus is to evaluate them."""
    return tuple(_GROUP.findall((_RULES / f"{rules}.yaml").read_text()))


def _case(case: Case, step: float) -> dict[str, Any]:
    scrape = case.scrape or step
    times = [scrape * n for n in range(int(case.end / scrape) + 1)]
    return {
        "name": case.name,
        "interval": _duration(scrape),
        "input_series": [
            {"series": name, "values": _notation([at(signal, time) for time in times])}
            for name, signal in case.input_series.items()
        ],
        "alert_rule_test": [_check(check) for check in case.checks],
        "promql_expr_test": [_query(query) for query in case.queries],
    }


def _check(check: Check) -> dict[str, Any]:
    return {
        "alertname": check.name,
        "eval_time": _duration(check.seconds),
        "exp_alerts": [
            {"exp_labels": dict(alert.labels), "exp_annotations": dict(alert.annotations)}
            for alert in check.alerts
        ],
    }


def _query(query: Query) -> dict[str, Any]:
    return {
        "expr": query.expression,
        "eval_time": _duration(query.seconds),
        "exp_samples": [
            {"labels": sample.series, "value": sample.value} for sample in query.samples
        ],
    }


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "m"), (rest, "s"))
    return "".join(f"{number}{unit}" for number, unit in parts if number) or "0s"


def _notation(values: list[float | None]) -> str:
    """Write samples in promtool's short form: `1x20`, `0+2x20`, `_x5`, `stale`."""
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
