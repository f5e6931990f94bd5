"""What the metric table is made of: families, and the shapes of their samples."""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Generic, TypeAlias, TypeVar

PREFIX: Final = "electric_agents_"

LabelValues: TypeAlias = tuple[str, ...]
Samples: TypeAlias = Iterable[tuple[LabelValues, float]]
Subject = TypeVar("Subject")
State = TypeVar("State", bound=Hashable)


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
    WAKES = "wakes"
    CLAIMS_HISTORY = "claims_history"
    FLEET = "fleet"


@dataclass(frozen=True, slots=True)
class Family(Generic[Subject]):
    """One metric family: a row of the metric table.

    Attributes:
        name: the full name that series carry (a histogram's without `_bucket`, `_sum`, `_count`).
        kind: its type.
        help: one sentence, with units and source; no backslash, quote or line break.
        labels: its labels, in order, beyond those of its subject (`server`, `runner_id`).
        source: what it is made of: fields of the server's answers, as `health.status`, or of what
            this exporter keeps, as `target.last_poll_at`.
        samples: gives its samples of one subject; nothing where the value is not known. The label
            values belong to `labels`; a histogram's first one is `le`, or empty for its sum.
        group: what it is switched off with.
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
    keep_when_stale: bool = False
    created: Callable[[Subject], float | None] | None = field(default=None, repr=False)

    @property
    def base_name(self) -> str:
        """The name of the family in OpenMetrics, without the suffix that its samples carry."""
        if self.kind is Kind.COUNTER:
            return self.name.removesuffix("_total")
        return self.name.removesuffix("_info") if self.kind is Kind.INFO else self.name

    @property
    def unit(self) -> str:
        """The unit, which its name ends with; empty where it has none."""
        return next((unit for unit in _UNITS if self.base_name.endswith(f"_{unit}")), "")


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
        state = self.read(subject)
        return () if state is None else self.samples_of(state)

    def samples_of(self, state: StrEnum) -> Samples:
        """Give the samples of a word."""
        return tuple(((word.value,), float(word is state)) for word in self.words)


@dataclass(frozen=True, slots=True)
class SomeOf(Generic[Subject]):
    """The samples of a set of flags: a sample per word, 1 if it is in the set, or none at all."""

    words: type[StrEnum]
    read: Callable[[Subject], frozenset[StrEnum] | None]

    def __call__(self, subject: Subject) -> Samples:
        """Give the samples."""
        state = self.read(subject)
        return () if state is None else self.samples_of(state)

    def samples_of(self, state: frozenset[StrEnum]) -> Samples:
        """Give the samples of a set."""
        return tuple(((word.value,), float(word in state)) for word in self.words)


@dataclass(frozen=True, slots=True)
class Known(Generic[Subject, State]):
    """The samples of a state of which some is not known, and has no sample."""

    read: Callable[[Subject], State | None]
    samples: Callable[[State], Samples]

    def __call__(self, subject: Subject) -> Samples:
        """Give the samples."""
        state = self.read(subject)
        return () if state is None else self.samples_of(state)

    def samples_of(self, state: State) -> Samples:
        """Give the samples of a state."""
        return self.samples(state)


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
