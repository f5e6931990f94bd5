"""Holds what exporters send themselves against what Prometheus makes of the same with the rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from topology.alertmanager import sent_deliveries
from topology.case import Case
from topology.differences import Difference, apart, differences
from topology.direct import Direct
from topology.model import World
from topology.page_times import Pace, pace
from topology.parity_reasons import REASONS, TIMES, Reason
from topology.player import Firing
from topology.verdict import Verdict, judged


class Part(NamedTuple):
    """One world of a case on both paths, and how often the rules were evaluated."""

    world: World
    direct: Direct
    rules: Sequence[Firing]
    evaluation: float


@dataclass(frozen=True)
class Compared:
    """One case on the direct path: how it went, and what it has that rules have not, or lacks.

    Attributes:
        verdict: what was delivered, held against what is wanted.
        explained: what differs, each with the reason.
        unexplained: what differs for no reason that is known, and texts that could not be made.
        pace: how long an ordinary death at work took to its page.
    """

    verdict: Verdict
    explained: tuple[tuple[Difference, Reason], ...]
    unexplained: tuple[str, ...]
    pace: Pace | None

    @property
    def same(self) -> bool:
        """Whether both paths have the same alerts by name and labels."""
        return not self.explained and not self.unexplained


def compare(case: Case, parts: Sequence[Part], settings: Mapping[str, Any]) -> Compared:
    """Hold the two paths of a case against each other."""
    sent = [one for part in parts for one in part.direct.sent]
    worlds = [part.world for part in parts]
    deliveries = sent_deliveries(settings, sent, max(world.lasts for world in worlds))
    verdict = judged(case, deliveries)
    explained: list[tuple[Difference, Reason]] = []
    unexplained = [text for part in parts for text in part.direct.bad]
    for part in parts:
        for one in differences(part.direct.firing, part.rules, part.evaluation):
            reason = next((each for each in REASONS if each.explains(part.world, one)), None)
            if reason is None:
                unexplained.append(str(one))
            else:
                explained.append((one, reason))
        if case.name not in TIMES:
            unexplained += apart(part.direct.firing, part.rules, part.world, part.evaluation)
    if not verdict.right and not explained and case.name not in TIMES:
        unexplained += verdict.faults
    return Compared(verdict, tuple(explained), tuple(unexplained), pace(case, worlds, deliveries))
