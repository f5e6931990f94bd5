"""What the recording rules give, where the alerts' stories do not show it."""

from collections.abc import Iterator
from typing import Final

from alert_cases.promtool import (
    Query,
    Sample,
    TestFile,
    series,
)
from alert_cases.worlds import SERVER

_JOB: Final = "electric-agents"


def _query(expression: str, seconds: float, *samples: Sample) -> tuple[Query, ...]:
    return (Query(expression, seconds, samples),)


def _sample(name: str, value: float, **labels: str) -> Sample:
    return Sample(series(name, job=_JOB, server=SERVER, **labels), value)


def files() -> Iterator[TestFile]:
    """Give the files of tests."""
    yield TestFile("records", ("records", "slo"), ())
