"""Which of the listed runners a target's policy keeps."""

import zlib
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

import re2

from electric_agents_exporter.contract.report import ListedRunner
from electric_agents_exporter.contract.vocabulary import RunnerKind
from electric_agents_exporter.fleet.reasons import Suppression

_OPTIONS: Final = re2.Options()
_OPTIONS.log_errors = False  # it would write the pattern to stderr


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression as Prometheus takes it: no text makes it take longer than its length.

    Raises:
        ValueError: the text is none; it says why, without the text.
    """

    text: str

    def __post_init__(self) -> None:
        """Find out whether it is one."""
        _compile(self.text)

    def matches(self, value: str) -> bool:
        """Tell whether the whole of a value matches."""
        return _compile(self.text).fullmatch(value) is not None

    def occurs_in(self, value: str) -> bool:
        """Tell whether some of a value matches."""
        return _compile(self.text).search(value) is not None


@cache
def _compile(text: str) -> Any:  # noqa: ANN401  (no types are published for it)
    try:
        return re2.compile(text, _OPTIONS)
    except re2.error as error:
        # `invalid perl operator: (?=`: after the colon it repeats what was written.
        (said,) = error.args
        raise ValueError(said.decode().partition(":")[0]) from None


@dataclass(frozen=True, slots=True)
class Selector:
    """Tests of a runner; each is optional. Patterns match the whole value."""

    kinds: frozenset[RunnerKind] | None = None
    id: Pattern | None = None
    label: Pattern | None = None
    owner: Pattern | None = None

    def verdicts(self, runner: ListedRunner) -> list[bool]:
        """Give the outcome of every test that was set."""
        verdicts = []
        if self.kinds is not None:
            verdicts.append((runner.kind or RunnerKind.UNKNOWN) in self.kinds)
        for pattern, value in (
            (self.id, runner.id),
            (self.label, runner.label),
            (self.owner, runner.owner_principal),
        ):
            if pattern is not None:
                verdicts.append(pattern.matches(value or ""))
        return verdicts


@dataclass(frozen=True, slots=True)
class Shard:
    """One of several exporters that divide a fleet among them by runner id."""

    index: int = 0
    count: int = 1

    def owns(self, runner_id: str) -> bool:
        """Tell whether a runner is this exporter's to watch."""
        return self.count == 1 or zlib.crc32(runner_id.encode()) % self.count == self.index


@dataclass(frozen=True, slots=True)
class Selection:
    """The policy: every test of `include` passes, none of `exclude`, and the shard owns it."""

    include: Selector = field(default_factory=Selector)
    exclude: Selector = field(default_factory=Selector)
    shard: Shard = field(default_factory=Shard)

    def rejects(self, runner: ListedRunner) -> Suppression | None:
        """Say why a runner is not kept; None where it is."""
        if not all(self.include.verdicts(runner)) or any(self.exclude.verdicts(runner)):
            return Suppression.FILTER
        if not self.shard.owns(runner.id):
            return Suppression.SHARD
        return None
