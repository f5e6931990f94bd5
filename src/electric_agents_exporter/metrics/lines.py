"""How the lines of one family are written.

What is to be said of a subject is read first, and written then: equal states make equal lines, so
whoever keeps lines need write only those whose state changed. `plain_writer` can write any family
but a histogram; the other writers give the same lines of families of one shape in a fraction of the
time, which a test holds them to.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeAlias, TypeVar

from electric_agents_exporter.metrics.family import (
    Each,
    Family,
    Kind,
    Known,
    LabelValues,
    OneOf,
    SomeOf,
    Value,
)
from electric_agents_exporter.metrics.formats import Format

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
    """Writes the lines of one family.

    Attributes:
        read: gives what the lines of a subject depend on, except for the subject's own labels.
            A subject of which it gives None has no lines.
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


def fastest_writer(family: Family[Subject], *, created: bool) -> AnyWriter[Subject]:
    """Choose the writer of a family; `created` says that counters tell when they began."""
    if family.kind is Kind.HISTOGRAM:
        return _histogram_writer(family)
    if created and family.created is not None:
        return _created_writer(family, family.created)
    samples = family.samples
    if isinstance(samples, Value):
        return _value_writer(family, samples)
    if isinstance(samples, OneOf | SomeOf | Known):
        return _shared_writer(family, samples)
    if isinstance(samples, Each):
        return _each_writer(family, samples)
    return plain_writer(family)


def plain_writer(family: Family[Subject]) -> Writer[Subject, _Samples]:
    """Write any family but a histogram."""

    def write(common: str, samples: _Samples) -> str:
        return "".join(
            f"{family.name}{_closed(common, family.labels, values)} {number(value)}\n"
            for values, value in samples
        )

    return Writer(lambda subject: tuple(family.samples(subject)), write)


def _value_writer(family: Family[Subject], samples: Value[Subject]) -> Writer[Subject, float]:
    name = family.name

    def write(common: str, value: float) -> str:
        return f"{name}{common}}} {number(value)}\n" if common else f"{name} {number(value)}\n"

    return Writer(samples.read, write)


def _shared_writer(
    family: Family[Subject], samples: OneOf[Subject] | SomeOf[Subject] | Known[Subject, Any]
) -> Writer[Subject, Any]:
    """Write families whose lines are the same for all subjects in one of a few states."""
    kept: dict[object, Template] = {}

    def write(common: str, state: Any) -> str:  # noqa: ANN401  (each shape has its own)
        return "".join(
            f"{family.name}{_closed(common, family.labels, values)} {number(value)}\n"
            for values, value in samples.samples_of(state)
        )

    def template(state: Any) -> Template:  # noqa: ANN401
        parts = kept.get(state)
        if parts is None:
            parts = tuple(write(_MARK, state).encode().split(_MARK.encode()))
            if len(kept) < _MOST_STATES:
                kept[state] = parts
        return parts

    return Writer(samples.read, write, template)


def _each_writer(
    family: Family[Subject], samples: Each[Subject]
) -> Writer[Subject, tuple[float | None, ...]]:
    name = family.name
    tails = [f',{family.labels[0]}="{word.value}"}} ' for word in samples.words]

    def write(common: str, numbers: tuple[float | None, ...]) -> str:
        return "".join(
            f"{name}{common}{tail}{number(value)}\n"
            for tail, value in zip(tails, numbers, strict=True)
            if value is not None
        )

    return Writer(samples.read, write)


def _created_writer(
    family: Family[Subject], created: Callable[[Subject], float | None]
) -> Writer[Subject, tuple[_Samples, float | None]]:
    """Write counters as OpenMetrics wants them, each beside the moment that it began."""
    plain = plain_writer(family)

    def write(common: str, state: tuple[_Samples, float | None]) -> str:
        samples, began = state
        if began is None:
            return plain.write(common, samples)
        moment = number(began)
        text = ""
        for values, value in samples:
            labels = _closed(common, family.labels, values)
            text += f"{family.name}{labels} {number(value)}\n"
            text += f"{family.base_name}_created{labels} {moment}\n"
        return text

    return Writer(lambda subject: (tuple(family.samples(subject)), created(subject)), write)


def _histogram_writer(family: Family[Subject]) -> Writer[Subject, _Samples]:
    """Write buckets, count and sum; the sample of an empty `le` is the sum."""

    def each(common: str, samples: _Samples) -> Iterator[str]:
        count = 0.0
        for (le, *rest), value in samples:
            labels = _closed(common, family.labels, rest)
            if le:
                count = value
                yield f'{family.name}_bucket{labels[:-1]},le="{le}"}} {number(value)}\n'
            else:
                yield f"{family.name}_count{labels} {number(count)}\n"
                yield f"{family.name}_sum{labels} {number(value)}\n"

    return Writer(
        lambda subject: tuple(family.samples(subject)),
        lambda common, samples: "".join(each(common, samples)),
    )


def open_labels(**labels: str | None) -> str:
    """Write the labels that all lines of a subject share, the brace left open; None is left out."""
    given = {name: value for name, value in labels.items() if value is not None}
    return "{" + _pairs(tuple(given), tuple(given.values()))


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
    if value % 1:
        # A sum of what servers send can pass all bounds.
        return "+Inf" if value == math.inf else repr(value)
    small = _SMALL.get(value)
    if small is not None:
        return small
    if -_EXACT_INTEGERS < value < _EXACT_INTEGERS:
        return str(int(value))
    return repr(float(value))


class FamilyWriter(Generic[Subject]):
    """One family in one format: its head, and how its lines are written (see `Writer`)."""

    def __init__(self, family: Family[Subject], fmt: Format) -> None:
        self.family = family
        suffixes = ("_bucket", "_sum", "_count") if family.kind is Kind.HISTOGRAM else ("",)
        self.sample_names = frozenset(family.name + suffix for suffix in suffixes) | {family.name}
        self.head = _head(family, fmt).encode()
        writer = fastest_writer(family, created=fmt is Format.OPENMETRICS)
        self.read, self.write, self.template = writer.read, writer.write, writer.template
        self.lines = writer.lines


Part: TypeAlias = tuple[FamilyWriter[Subject], Iterable[bytes], int]
"""A family, its lines in pieces, and how many samples these are."""


def part(family: FamilyWriter[Subject], lines: Sequence[str]) -> Part[Subject]:
    """Make a part of the lines of a few subjects."""
    text = "".join(lines)
    return family, (text.encode(),), text.count("\n")


def _head(family: Family[Subject], fmt: Format) -> str:
    if fmt is Format.OPENMETRICS:
        name = family.base_name
        unit = f"# UNIT {name} {family.unit}\n" if family.unit else ""
        return f"# HELP {name} {family.help}\n# TYPE {name} {family.kind}\n{unit}"
    kind = Kind.GAUGE if family.kind is Kind.INFO else family.kind
    return f"# HELP {family.name} {family.help}\n# TYPE {family.name} {kind}\n"
