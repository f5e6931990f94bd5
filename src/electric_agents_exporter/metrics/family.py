"""What a row of the metric table is made of."""

from collections.abc import Callable, Iterable
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
    CLAIMS_HISTORY = "claims_history"
    FLEET = "fleet"


@dataclass(frozen=True, slots=True)
class Family(Generic[Subject]):
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
        per_scrape: moves with time alone, so that it is written anew at every scrape.
        keep_when_stale: shown for as long as the runner is listed, however old its last report.
        created: when its counters began, seconds since the epoch (OpenMetrics `_created`).
    """

    name: str
    kind: Kind
    help: str
    samples: Callable[[Subject], Samples] = field(repr=False)
    labels: tuple[str, ...] = ()
    source: tuple[str, ...] = ()
    group: Group = Group.FLEET
    per_scrape: bool = False
    keep_when_stale: bool = False
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


@dataclass(frozen=True, slots=True)
class Value(Generic[Subject]):
    """The samples of a row without labels: one number, or none where it is not known."""

    read: Callable[[Subject], float | None]

    def __call__(self, subject: Subject) -> Samples:
        """Give the samples."""
        number = self.read(subject)
        return () if number is None else (((), number),)


@dataclass(frozen=True, slots=True)
class OneOf(Generic[Subject]):
    """The samples of an enum: a sample per word, exactly one of them 1, or none at all."""

    words: type[StrEnum]
    read: Callable[[Subject], StrEnum | None]

    def __call__(self, subject: Subject) -> Samples:
        """Give the samples."""
        current = self.read(subject)
        if current is None:
            return ()
        return tuple(((word.value,), float(word is current)) for word in self.words)


@dataclass(frozen=True, slots=True)
class SomeOf(Generic[Subject]):
    """The samples of a set of flags: a sample per word, 1 if it is in the set, or none at all."""

    words: type[StrEnum]
    read: Callable[[Subject], frozenset[StrEnum] | None]

    def __call__(self, subject: Subject) -> Samples:
        """Give the samples."""
        current = self.read(subject)
        if current is None:
            return ()
        return tuple(((word.value,), float(word in current)) for word in self.words)


@dataclass(frozen=True, slots=True)
class Each(Generic[Subject]):
    """The samples of a row with a number for each word, in the words' order."""

    words: type[StrEnum]
    read: Callable[[Subject], tuple[float | None, ...]]

    def __call__(self, subject: Subject) -> Samples:
        """Give the samples."""
        return tuple(
            ((word.value,), number)
            for word, number in zip(self.words, self.read(subject), strict=True)
            if number is not None
        )


def value(read: Callable[[Subject], float | None]) -> Callable[[Subject], Samples]:
    """Make samples of one number; None gives no sample."""
    return Value(read)


def one_of(
    words: type[StrEnum], read: Callable[[Subject], StrEnum | None]
) -> Callable[[Subject], Samples]:
    """Make an enum: a sample per word, exactly one of them 1; None gives no sample."""
    return OneOf(words, read)


def some_of(
    words: type[StrEnum], read: Callable[[Subject], frozenset[StrEnum] | None]
) -> Callable[[Subject], Samples]:
    """Make flags: a sample per word, 1 for those in the set; None gives no sample."""
    return SomeOf(words, read)


def each(
    words: type[StrEnum], read: Callable[[Subject], tuple[float | None, ...]]
) -> Callable[[Subject], Samples]:
    """Make a sample per word, of a number each, in the same order; None gives no sample."""
    return Each(words, read)
