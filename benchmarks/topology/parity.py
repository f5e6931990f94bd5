"""Holds what exporters send themselves against what Prometheus makes of the same with the rules."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final

from topology.player import Firing
from topology.verdict import Verdict, span

DIRECT: Final = "direct"
RULES: Final = "rules"

_EVALUATIONS: Final = 2


@dataclass(frozen=True)
class Difference:
    """An alert that fired on one path alone."""

    path: str
    firing: Firing

    @property
    def alert(self) -> str:
        """Which alert it is, without its prefix."""
        return self.firing.labels["alertname"].removeprefix("ElectricAgents")

    def __str__(self) -> str:
        labels = ", ".join(
            f"{name}={value}"
            for name, value in self.firing.labels.items()
            if name not in {"alertname", "service", "layer", "job"}
        )
        end = "" if self.firing.end is None else span(self.firing.end)
        return f"{self.path} alone: {self.alert}({labels}) {span(self.firing.begin)} to {end}"


@dataclass(frozen=True)
class Compared:
    """One case on the direct path: how it went, and what only one path has."""

    verdict: Verdict
    differences: tuple[Difference, ...]
    bad: tuple[str, ...] = ()


def differences(
    direct: Sequence[Firing], rules: Sequence[Firing], evaluation: float
) -> Iterator[Difference]:
    """Give what fires on one path while the same does not on the other, or nearly then.

    Two evaluations make no difference: neither path knows when the other one looks.
    """
    slack = _EVALUATIONS * evaluation
    for one in direct:
        if not any(_meet(one, other, slack) for other in rules):
            yield Difference(DIRECT, one)
    for one in rules:
        if not any(_meet(one, other, slack) for other in direct):
            yield Difference(RULES, one)


def _meet(one: Firing, other: Firing, slack: float) -> bool:
    return (
        dict(one.labels) == dict(other.labels)
        and one.begin <= _end(other) + slack
        and other.begin <= _end(one) + slack
    )


def _end(firing: Firing) -> float:
    return inf if firing.end is None else firing.end
