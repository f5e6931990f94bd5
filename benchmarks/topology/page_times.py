"""How long it takes from a death at work to its page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from topology.alertmanager import Delivery
from topology.case import PAGE, Case, Want
from topology.judged import marks
from topology.model import Runner, Server, World
from topology.observing import life_at
from topology.steps import within
from topology.verdict import names

_INTERVAL: Final = 15.0
_USUAL: Final = 90.0
_LONGEST: Final = 86_400.0


@dataclass(frozen=True)
class Pace:
    """How long it took to the page on a death at work, in seconds.

    Attributes:
        death: from the death.
        sign: from the last sign of life before it: a heartbeat of its own, or of its claims.
        steady: whether it is polled every 15 s, polls succeed, and the exporter is there.
    """

    death: float
    sign: float
    steady: bool


def pace(case: Case, worlds: Sequence[World], deliveries: Sequence[Delivery]) -> Pace | None:
    """Give how long a death at work took to its page, where the case has an ordinary one.

    One that finishes its work is not dead yet, one in an outage nobody can tell, and a longer lease
    is waited for.
    """
    wants = [want for want in case.wants if _is_death(want)]
    dead = [one for want in wants for one in _dead(worlds, want) if _is_ordinary(one[0])]
    steady = all(map(_is_steady, worlds))
    for delivery in deliveries if dead else ():
        told = {
            alert.labels.get("runner_id")
            for alert in delivery.alerts
            if alert.firing and "WorkAbandoned" in names(alert)
        }
        for runner, server in dead:
            if delivery.receiver == "pager" and runner.id in told:
                life = life_at(runner, delivery.at)
                sign = marks(runner, life, server, delivery.at).sign
                if sign is not None:
                    return Pace(delivery.at - life.dead_since, delivery.at - sign, steady)
    return None


def _is_steady(world: World) -> bool:
    return not any(
        one.down or any(target.list_fault or target.interval > _INTERVAL for target in one.targets)
        for one in world.exporters
    )


def _is_death(want: Want) -> bool:
    return want.must and want.sort == PAGE and want.alerts == {"WorkAbandoned"}


def _dead(worlds: Sequence[World], want: Want) -> list[tuple[Runner, Server]]:
    name = (want.labels or {}).get("runner_id")
    return [
        (runner, target.server)
        for world in worlds
        for exporter in world.exporters
        for target in exporter.targets
        for runner in target.watched()
        if runner.id == name and not _is_missed(runner, target.server)
    ]


def _is_missed(runner: Runner, server: Server) -> bool:
    """Tell whether a runner dies while its server records nobody."""
    away = [(outage.begin, outage.end) for outage in server.outages]
    return any(within(away, life.dead_since) for life in runner.lives)


def _is_ordinary(runner: Runner) -> bool:
    drains = any(life.state.claims_live for life in runner.lives)
    return not drains and not _USUAL < runner.lease <= _LONGEST
