"""How the lines of one row are written.

`plain_lines` can write any row; the other writers give the same lines of rows of one shape in a
fraction of the time, which a test holds them to.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, Generic, TypeAlias, TypeVar

from electric_agents_exporter.metrics.spec import Each, Kind, OneOf, Row, Value

Subject = TypeVar("Subject")
Lines: TypeAlias = Callable[[str, Subject], str]
"""Writes the lines of a subject, whose own labels are given as `{a="x",b="y"` with the brace left
open, or as nothing where it has none."""

MARK: Final = b"{\0"
"""What stands in a template for a subject's own labels, and in no line of ours."""

_EXACT_INTEGERS: Final = 1e15
_SMALL: Final[Mapping[float, str]] = {whole: str(whole) for whole in range(256)}
_MOST_STATES: Final = 512


def fastest_lines(row: Row[Subject], *, created: bool) -> Lines[Subject]:
    """Choose the writer of a row; `created` says that counters tell when they began."""
    if row.kind is Kind.HISTOGRAM:
        return _histogram_lines(row)
    if created and row.created is not None:
        return _created_lines(row, row.created)
    samples = row.samples
    if isinstance(samples, Value):
        return _value_lines(row, samples)
    if isinstance(samples, OneOf):
        return EnumLines(row, samples.read)
    if isinstance(samples, Each):
        return _flag_lines(row, samples) if row.kind is Kind.GAUGE else _each_lines(row, samples)
    return plain_lines(row)


def plain_lines(row: Row[Subject]) -> Lines[Subject]:
    """Write any row but a histogram."""

    def lines(common: str, subject: Subject) -> str:
        return "".join(
            f"{row.name}{_closed(common, row.labels, values)} {number(value)}\n"
            for values, value in row.samples(subject)
        )

    return lines


def _value_lines(row: Row[Subject], samples: Value[Subject]) -> Lines[Subject]:
    name, read = row.name, samples.read

    def lines(common: str, subject: Subject) -> str:
        value = read(subject)
        if value is None:
            return ""
        return f"{name}{common}}} {number(value)}\n" if common else f"{name} {number(value)}\n"

    return lines


class EnumLines(Generic[Subject]):
    """Writes rows whose lines are the same for all subjects in one of a few states.

    The lines of a state are written once, as a template with a mark in place of a subject's own
    labels, which whoever keeps lines of many subjects can keep in their stead.
    """

    def __init__(self, row: Row[Subject], read: Callable[[Subject], object]) -> None:
        self._plain = plain_lines(row)
        self._read = read
        self._templates: dict[object, bytes] = {None: b""}

    def __call__(self, common: str, subject: Subject) -> str:
        """Write the lines of a subject."""
        return self.template(subject).replace(MARK, common.encode()).decode()

    def template(self, subject: Subject) -> bytes:
        """Give the template of a subject's state; nothing where the state is not known."""
        state = self._read(subject)
        template = self._templates.get(state)
        if template is None:
            template = self._plain(MARK.decode(), subject).encode()
            if len(self._templates) < _MOST_STATES:
                self._templates[state] = template
        return template


def _flag_lines(row: Row[Subject], samples: Each[Subject]) -> Lines[Subject]:
    """Write gauges of 0 and 1, of which there are few combinations."""
    read = samples.read

    def state(subject: Subject) -> tuple[float | None, ...] | None:
        numbers = read(subject)
        return None if numbers is None else tuple(numbers)

    return EnumLines(row, state)


def _each_lines(row: Row[Subject], samples: Each[Subject]) -> Lines[Subject]:
    name, read = row.name, samples.read
    tails = [f',{row.labels[0]}="{word.value}"}} ' for word in samples.words]

    def lines(common: str, subject: Subject) -> str:
        return "".join(
            f"{name}{common}{tail}{number(value)}\n"
            for tail, value in zip(tails, read(subject) or (), strict=False)
            if value is not None
        )

    return lines


def _created_lines(row: Row[Subject], created: Callable[[Subject], float | None]) -> Lines[Subject]:
    """Write counters as OpenMetrics wants them, each beside the moment that it began."""
    plain = plain_lines(row)

    def lines(common: str, subject: Subject) -> str:
        began = created(subject)
        if began is None:
            return plain(common, subject)
        moment = number(began)
        text = ""
        for values, value in row.samples(subject):
            labels = _closed(common, row.labels, values)
            text += f"{row.name}{labels} {number(value)}\n{row.family}_created{labels} {moment}\n"
        return text

    return lines


def _histogram_lines(row: Row[Subject]) -> Lines[Subject]:
    """Write buckets, count and sum; the sample of an empty `le` is the sum."""

    def each(common: str, subject: Subject) -> Iterator[str]:
        count = 0.0
        for (le, *rest), value in row.samples(subject):
            labels = _closed(common, row.labels, rest)
            if le:
                count = value
                yield f'{row.name}_bucket{labels[:-1]},le="{le}"}} {number(value)}\n'
            else:
                yield f"{row.name}_count{labels} {number(count)}\n"
                yield f"{row.name}_sum{labels} {number(value)}\n"

    return lambda common, subject: "".join(each(common, subject))


def own_labels(**labels: str) -> str:
    """Write the labels that all lines of a subject share, the brace left open."""
    return "{" + _pairs(tuple(labels), tuple(labels.values()))


def _closed(common: str, names: Sequence[str], values: Sequence[str]) -> str:
    pairs = _pairs(names, values)
    if common:
        return f"{common},{pairs}}}" if pairs else f"{common}}}"
    return f"{{{pairs}}}" if pairs else ""


def _pairs(names: Sequence[str], values: Sequence[str]) -> str:
    return ",".join(
        [f'{name}="{_escape(value)}"' for name, value in zip(names, values, strict=True)]
    )


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def number(value: float) -> str:
    """Write a number as short as it is exact: whole ones without a fraction."""
    small = _SMALL.get(value)
    if small is not None:
        return small
    if -_EXACT_INTEGERS < value < _EXACT_INTEGERS:
        whole = int(value)
        return str(whole) if whole == value else repr(float(value))
    # A sum of what servers send can pass all bounds.
    return "+Inf" if value == math.inf else repr(float(value))
