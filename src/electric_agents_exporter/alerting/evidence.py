"""What an evaluation looks at: what is known now, what was, and whom an alert is for."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

import msgspec

from electric_agents_exporter.alerting.definition import Definition, Definitions
from electric_agents_exporter.alerting.history import History
from electric_agents_exporter.conditions import Condition
from electric_agents_exporter.contract.vocabulary import RunnerKind
from electric_agents_exporter.fleet.aggregate import Aggregate
from electric_agents_exporter.fleet.selection import Pattern
from electric_agents_exporter.fleet.snapshot import RunnerState, TargetSnapshot

Labels: TypeAlias = dict[str, str]


class Finding(msgspec.Struct, frozen=True):
    """What an alert is found to hold of.

    Attributes:
        labels: what tells it from others of the same alert.
        value: its number.
        runner: the runner that it is on, if it is one.
        part: what it was found in: a target, or one tenant of it.
        servers: the servers that it is on, if these are many.
    """

    labels: Labels
    value: float
    runner: RunnerState | None = None
    part: "Evidence | None" = None
    servers: tuple[str, ...] = ()


class Seen(msgspec.Struct, frozen=True):
    """A runner as an evaluation sees it.

    Attributes:
        state: what is known of it.
        kind: what it is for.
        holds: the conditions that hold, or held when that could last be told.
        twice: whether another target, its server's database, tells of it too.
    """

    state: RunnerState
    kind: RunnerKind
    holds: frozenset[Condition]
    twice: bool


class Evidence(msgspec.Struct, frozen=True):
    """One target, or one tenant of it, at a moment.

    Attributes:
        snapshot: what is known of it.
        time: when that is, in seconds since the epoch.
        monotonic: the same on the clock that neither jumps nor sleeps.
        history: what was known before, this moment with it.
        runners: its runners, but for those that raise no alert.
        enabled: those of them that are known, or were lately, not to be disabled.
        sums: the newest sums over them, None where the list is too old for any.
        lasting: kinds of runner that are meant to stay.
        database: whether its runners are read from a database.
        configured_at: when the settings were last read, in seconds since the epoch.
    """

    snapshot: TargetSnapshot
    time: float
    monotonic: float
    history: History
    runners: tuple[Seen, ...]
    enabled: tuple[Seen, ...]
    sums: Aggregate | None
    lasting: frozenset[str]
    database: bool
    configured_at: float

    def labels(self, *, shard: bool = False) -> Labels:
        """Give the labels that tell it apart; `shard` only on what is about one exporter."""
        labels = {"server": self.snapshot.name}
        if self.snapshot.tenant is not None:
            labels["tenant"] = self.snapshot.tenant
        if shard and self.snapshot.shard is not None:
            labels["shard"] = str(self.snapshot.shard)
        return labels

    def of_runner(
        self, seen: Seen, value: float = 1.0, condition: Condition | None = None
    ) -> Finding:
        """Make a finding on one of its runners."""
        labels = self.labels() | {"runner_id": seen.state.listed.id, "kind": seen.kind.value}
        if condition is not None:
            labels["condition"] = condition.value
        return Finding(labels, value, seen.state, self)

    def of_target(self, value: float = 1.0, *, shard: bool = False, **more: str) -> Finding:
        """Make a finding on the target."""
        return Finding(self.labels(shard=shard) | more, value, part=self)

    def counted(self, condition: Condition) -> int:
        """Count the lasting runners that a condition holds of."""
        if self.sums is None:
            return 0
        return sum(
            count
            for (kind, holds), count in self.sums.conditions.items()
            if holds is condition and kind.value in self.lasting
        )


class Whom:
    """Whom an alert is for: its kinds of runner, and what overrides leave of it.

    Raises:
        ValueError: a pattern of the definition is none.
    """

    def __init__(self, definition: Definition, definitions: Definitions) -> None:
        self._lifecycle = definition.lifecycle
        self._lasting = frozenset(definitions.lasting_kinds)
        self._limits = [
            (limit.label, Pattern(limit.pattern), limit.matches) for limit in definition.limits
        ]

    def among(self, findings: Iterable[Finding]) -> Iterator[Finding]:
        """Give those of the findings that the alert is for."""
        return (finding for finding in findings if self._is_for(finding.labels))

    def _is_for(self, labels: Mapping[str, str]) -> bool:
        if self._lifecycle is not None:
            lasts = labels.get("kind", "") in self._lasting
            if lasts is not (self._lifecycle == "lasting"):
                return False
        return all(
            pattern.matches(labels.get(label, "")) is matches
            for label, pattern, matches in self._limits
        )
