"""How the lines of one row are written.

What is to be said of a subject is read first, and written then: equal states make equal lines, so
whoever keeps lines need write only those whose state changed. `plain_writer` can write any row but
a histogram; the other writers give the same lines of rows of one shape in a fraction of the time,
which a test holds them to.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeAlias, TypeVar

from electric_agents_exporter.metrics.family import (
    Each,
    Family,
    Kind,
    LabelValues,
    OneOf,
    SomeOf,
    Value,
)

Subject = TypeVar("Subject")
State = TypeVar("State")

Template: TypeAlias = tuple[bytes, ...]
"""Lines without a subject's own labels: the parts before, between and after where they belong.

One line has one such place, so there is one part more than lines.
"""

_MARK: Final = "{\0"  # where a subject's own labels belong; in no line of ours
_EXACT_INTEGERS: Final = 1e15
_SMALL: Final[Mapping[float, str]] = {whole: str(whole) for whole in range(256)}
_MOST_STATES: Final = 512

_Samples: TypeAlias = tuple[tuple[LabelValues, float], ...]


@dataclass(frozen=True, slots=True)
class Writer(Generic[Subject, State]):
    """Writes the lines of one row.

    Attributes:
        read: gives all that the lines of a subject say beside its own labels; nothing is to be
            said where that is None.
        write: writes the lines, given the subject's own labels as `{a="x",b="y"` with the brace
            left open, or as nothing where it has none.
        template: gives the lines of a state as they are for all subjects; None where there are
            too many states for that to be worth while.
    """

    read: Callable[[Subject], State | None]
    write: Callable[[str, State], str]
    template: Callable[[State], Template] | None = None

    def lines(self, common: str, subject: Subject) -> str:
        """Write the lines of a subject."""
        state = self.read(subject)
        return "" if state is None else self.write(common, state)


AnyWriter: TypeAlias = Writer[Subject, Any]


def fastest_writer(row: Family[Subject], *, created: bool) -> AnyWriter[Subject]:
    """Choose the writer of a row; `created` says that counters tell when they began."""
    if row.kind is Kind.HISTOGRAM:
        return _histogram_writer(row)
    if created and row.created is not None:
        return _created_writer(row, row.created)
    samples = row.samples
    if isinstance(samples, Value):
        return _value_writer(row, samples)
    if isinstance(samples, OneOf | SomeOf):
        return _enum_writer(row, samples)
    if isinstance(samples, Each):
        return _each_writer(row, samples)
    return plain_writer(row)


def plain_writer(row: Family[Subject]) -> Writer[Subject, _Samples]:
    """Write any row but a histogram."""

    def write(common: str, samples: _Samples) -> str:
        return "".join(
            f"{row.name}{_closed(common, row.labels, values)} {number(value)}\n"
            for values, value in samples
        )

    return Writer(lambda subject: tuple(row.samples(subject)), write)


def _value_writer(row: Family[Subject], samples: Value[Subject]) -> Writer[Subject, float]:
    name = row.name

    def write(common: str, value: float) -> str:
        return f"{name}{common}}} {number(value)}\n" if common else f"{name} {number(value)}\n"

    return Writer(samples.read, write)


def _enum_writer(
    row: Family[Subject], samples: OneOf[Subject] | SomeOf[Subject]
) -> Writer[Subject, object]:
    """Write rows whose lines are the same for all subjects in one of a few states."""
    words = tuple(samples.words)
    kept: dict[object, Template] = {}

    def write(common: str, state: object) -> str:
        chosen = state if isinstance(state, frozenset) else (state,)
        return "".join(
            f"{row.name}{_closed(common, row.labels, (word.value,))} {int(word in chosen)}\n"
            for word in words
        )

    def template(state: object) -> Template:
        parts = kept.get(state)
        if parts is None:
            parts = tuple(write(_MARK, state).encode().split(_MARK.encode()))
            if len(kept) < _MOST_STATES:
                kept[state] = parts
        return parts

    return Writer(samples.read, write, template)


def _each_writer(
    row: Family[Subject], samples: Each[Subject]
) -> Writer[Subject, tuple[float | None, ...]]:
    name = row.name
    tails = [f',{row.labels[0]}="{word.value}"}} ' for word in samples.words]

    def write(common: str, numbers: tuple[float | None, ...]) -> str:
        return "".join(
            f"{name}{common}{tail}{number(value)}\n"
            for tail, value in zip(tails, numbers, strict=True)
            if value is not None
        )

    return Writer(samples.read, write)


def _created_writer(
    row: Family[Subject], created: Callable[[Subject], float | None]
) -> Writer[Subject, tuple[_Samples, float | None]]:
    """Write counters as OpenMetrics wants them, each beside the moment that it began."""
    plain = plain_writer(row)

    def write(common: str, state: tuple[_Samples, float | None]) -> str:
        samples, began = state
        if began is None:
            return plain.write(common, samples)
        moment = number(began)
        text = ""
        for values, value in samples:
            labels = _closed(common, row.labels, values)
            text += f"{row.name}{labels} {number(value)}\n{row.family}_created{labels} {moment}\n"
        return text

    return Writer(lambda subject: (tuple(row.samples(subject)), created(subject)), write)


def _histogram_writer(row: Family[Subject]) -> Writer[Subject, _Samples]:
    """Write buckets, count and sum; the sample of an empty `le` is the sum."""

    def each(common: str, samples: _Samples) -> Iterator[str]:
        count = 0.0
        for (le, *rest), value in samples:
            labels = _closed(common, row.labels, rest)
            if le:
                count = value
                yield f'{row.name}_bucket{labels[:-1]},le="{le}"}} {number(value)}\n'
            else:
                yield f"{row.name}_count{labels} {number(count)}\n"
                yield f"{row.name}_sum{labels} {number(value)}\n"

    return Writer(
        lambda subject: tuple(row.samples(subject)),
        lambda common, samples: "".join(each(common, samples)),
    )


def open_labels(**labels: str) -> str:
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
