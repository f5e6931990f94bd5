"""What fires on one of two paths alone, or at another time: sent by exporters, or by the rules."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final

from topology.model import World
from topology.player import Firing, Labels
from topology.verdict import PREFIX, span

DIRECT: Final = "direct"
RULES: Final = "rules"

_EVALUATIONS: Final = 2


@dataclass(frozen=True)
class Difference:
    """An alert that fired on one path alone."""

    path: str
    firing: Firing

    @property
    def labels(self) -> Labels:
        """Which alert it is."""
        return self.firing.labels

    @property
    def alert(self) -> str:
        """What it is called, without its prefix."""
        return self.labels["alertname"].removeprefix(PREFIX)

    def __str__(self) -> str:
        hidden = {"alertname", "service", "layer", "job"}
        labels = ", ".join(
            f"{name}={value}" for name, value in self.labels.items() if name not in hidden
        )
        end = "" if self.firing.end is None else span(self.firing.end)
        return f"{self.path} alone: {self.alert}({labels}) {span(self.firing.begin)} to {end}"


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


def leeway(world: World, evaluation: float) -> float:
    """Give how far apart both paths may be: two evaluations, a poll, a scrape, and all gaps."""
    polls = [target.interval for one in world.exporters for target in one.targets]
    gaps = sum(end - begin for begin, end in world.prometheus_down)
    return _EVALUATIONS * evaluation + max(polls) + world.scrapes.interval + gaps


def apart(
    direct: Sequence[Firing], rules: Sequence[Firing], world: World, evaluation: float
) -> Iterator[str]:
    """Tell what fires on both paths, and begins or ends far from each other."""
    most = leeway(world, evaluation)
    for one in direct:
        same = [each for each in rules if _meet(one, each, _EVALUATIONS * evaluation)]
        if not same:
            continue
        other = min(same, key=lambda each: abs(each.begin - one.begin))
        begins = one.begin - other.begin
        ends = min(_end(one), world.lasts) - min(_end(other), world.lasts)
        alert = one.labels["alertname"].removeprefix(PREFIX)
        if abs(begins) > most:
            yield f"{alert} begins {begins:+.0f} s from the rules'"
        if abs(ends) > most:
            yield f"{alert} ends {ends:+.0f} s from the rules'"
