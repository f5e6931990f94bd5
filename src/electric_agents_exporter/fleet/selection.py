"""Which of the listed runners a target's policy keeps."""

import re
import zlib
from dataclasses import dataclass, field

from electric_agents_exporter.contract.report import ListedRunner
from electric_agents_exporter.contract.vocabulary import RunnerKind
from electric_agents_exporter.fleet.reasons import Suppression


@dataclass(frozen=True, slots=True)
class Selector:
    """Tests of a runner; each is optional. Patterns match the whole value."""

    kinds: frozenset[RunnerKind] | None = None
    id: re.Pattern[str] | None = None
    label: re.Pattern[str] | None = None
    owner: re.Pattern[str] | None = None

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
                verdicts.append(pattern.fullmatch(value or "") is not None)
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
