"""What a row of the metric table is made of."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Generic, TypeAlias, TypeVar

PREFIX: Final = "electric_agents_"

LabelValues: TypeAlias = tuple[str, ...]
Samples: TypeAlias = Iterable[tuple[LabelValues, float]]
Subject = TypeVar("Subject")


class Kind(StrEnum):
    """The type of a family, in OpenMetrics' words."""

    GAUGE = "gauge"
    COUNTER = "counter"
    INFO = "info"
    HISTOGRAM = "histogram"


class Group(StrEnum):
    """What an operator can switch off together; `FLEET` cannot be."""

    CORE = "core"
    CLIENT = "client"
    CLAIMS = "claims"
    DERIVED = "derived"
    FLEET = "fleet"


@dataclass(frozen=True, slots=True)
class Row(Generic[Subject]):
    """One metric family.

    Attributes:
        name: the full name that series carry (a histogram's without `_bucket`, `_sum`, `_count`).
        kind: its type.
        help: one sentence, with units and source; no backslash, quote or line break.
        labels: its labels, in order, beyond those of its subject (`server`, `runner_id`).
        source: the fields of the server's answers that it is made of, as `health.status`.
        samples: gives its samples of one subject; nothing where the value is not known. The label
            values belong to `labels`; a histogram's first one is `le`, or empty for its sum.
        group: what it is switched off with.
        lasting: shown for as long as the runner is listed, however old its last report.
        created: when its counters began, seconds since the epoch (OpenMetrics `_created`).
    """

    name: str
    kind: Kind
    help: str
    samples: Callable[[Subject], Samples] = field(repr=False)
    labels: tuple[str, ...] = ()
    source: tuple[str, ...] = ()
    group: Group = Group.FLEET
    lasting: bool = False
    created: Callable[[Subject], float | None] | None = field(default=None, repr=False)

    @property
    def family(self) -> str:
        """The name of the family in OpenMetrics, without the suffix that its samples carry."""
        if self.kind is Kind.COUNTER:
            return self.name.removesuffix("_total")
        return self.name.removesuffix("_info") if self.kind is Kind.INFO else self.name

    @property
    def unit(self) -> str:
        """The unit, which its name ends with; empty where it has none."""
        return next((unit for unit in _UNITS if self.family.endswith(f"_{unit}")), "")


_UNITS: Final = ("seconds", "bytes")


def value(read: Callable[[Subject], float | None]) -> Callable[[Subject], Samples]:
    """Make samples of one number; None gives no sample."""

    def samples(subject: Subject) -> Samples:
        number = read(subject)
        return () if number is None else (((), number),)

    return samples


def one_of(
    words: Iterable[StrEnum], read: Callable[[Subject], StrEnum | None]
) -> Callable[[Subject], Samples]:
    """Make an enum: a sample per word, exactly one of them 1; None gives no sample."""
    known = tuple(words)
    rendered = {
        current: tuple(((word.value,), float(word is current)) for word in known)
        for current in known
    }

    def samples(subject: Subject) -> Samples:
        current = read(subject)
        return () if current is None else rendered[current]

    return samples


def each(
    words: Iterable[StrEnum], read: Callable[[Subject], Sequence[float | None] | None]
) -> Callable[[Subject], Samples]:
    """Make a sample per word, of a number each, in the same order; None gives no sample."""
    labels = tuple((word.value,) for word in words)

    def samples(subject: Subject) -> Samples:
        numbers = read(subject)
        if numbers is None:
            return ()
        return tuple(
            (label, number)
            for label, number in zip(labels, numbers, strict=True)
            if number is not None
        )

    return samples
