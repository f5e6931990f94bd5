"""What a case is: a world, and what a sensible on-call wants to be sent of it, and why."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Final

from topology.model import Exporter, Runner, Server, Target, World, at, fleet

PAGE: Final = "page"
TICKET: Final = "ticket"

T: Final = 1800.0
"""When things happen: half an hour of ordinary life goes before."""
JOB: Final = {"job": "electric-agents", "instance": "exporter-0:9464"}
LEASE: Final = 90.0
DEATH: Final = 150.0
"""From the last heartbeat of who dies at work to the page, at most."""
GONE: Final = LEASE + 8 * 60 + 120
"""From the death of who has no work to the ticket on it, at most: a host's reboot is none."""
PATIENCE: Final = 12 * 60.0
"""How much later work that is lost with a kind that comes and goes is told: lids open again."""


@dataclass(frozen=True)
class Want:
    """A message that must come, or may.

    Attributes:
        sort: a page or a ticket.
        alerts: the alerts that tell it, without their prefix: any of them.
        since, by: when the first message may come at the earliest, and at the latest.
        labels: what the alert's labels must be, of those that are given.
        most: how many messages there may be.
        lasts: until when it must not be called resolved.
        must: whether it has to come at all.
    """

    sort: str
    alerts: frozenset[str]
    by: float
    since: float = T
    labels: Mapping[str, str] | None = None
    most: int = 1
    lasts: float = -inf
    must: bool = True


@dataclass(frozen=True)
class Case:
    """One case.

    Attributes:
        name: of it.
        what: what happens.
        why: why these messages are wanted and no others.
        worlds: what each Prometheus watches; one Alertmanager gets it all.
        wants: all messages that may come.
    """

    name: str
    what: str
    why: str
    worlds: Callable[[], tuple[World, ...]]
    wants: tuple[Want, ...] = ()


def page(*alerts: str, by: float, since: float = T, most: int = 1, **labels: str) -> Want:
    """Want a page."""
    return Want(PAGE, frozenset(alerts), by, since, labels, most)


def ticket(*alerts: str, by: float, since: float = T, most: int = 1, **labels: str) -> Want:
    """Want a ticket."""
    return Want(TICKET, frozenset(alerts), by, since, labels, most)


def may(sort: str, *alerts: str, most: int = 99, since: float = T, **labels: str) -> Want:
    """Bear with a message."""
    return Want(sort, frozenset(alerts), inf, since, labels, most, must=False)


def case(name: str, what: str, why: str, world: Callable[[], World], *wants: Want) -> Case:
    """Give a case of one Prometheus."""
    return Case(name, what, why, lambda: (world(),), wants)


def watched(
    *targets: Target,
    lasts: float = T + 2400,
    labels: Mapping[str, str] | None = None,
    scrape_fault: Callable[[int], bool] | None = None,
    down: tuple[tuple[float, float], ...] = (),
    world: Mapping[str, object] | None = None,
) -> World:
    """Give a world with one exporter that polls some targets."""
    exporter = Exporter(labels or JOB, targets, scrape_fault=scrape_fault, down=down)
    return World((exporter,), lasts, **(world or {}))  # type: ignore[arg-type]


def working(count: int = 6, **fields: object) -> tuple[Runner, ...]:
    """Give runners that last and work all the time."""
    changes = (at(-100, entities=1, claimed=2.0, events=2.0),)
    return fleet(count, "worker", *changes, **fields)


def victim(dies: float = T, kind: str = "server", name: str = "victim", **fields: object) -> Runner:
    """Give a runner that dies at work."""
    changes = (at(300, entities=2), at(dies, alive=False))
    return Runner(name, kind, changes, label=name.title(), **fields)  # type: ignore[arg-type]


def idler(dies: float = T, kind: str = "server", name: str = "idler") -> Runner:
    """Give a runner that dies without any work."""
    return Runner(name, kind, (at(dies, alive=False),), label=name.title())


def last(runner: Runner, moment: float = T) -> float:
    """Give when a runner sent its last heartbeat before a moment."""
    return runner.last_heartbeat(moment)


def death(runner: Runner, gap: float = 0.0, moment: float = T, **labels: str) -> Want:
    """Want the page of a death at work: two minutes and a half after the last heartbeat."""
    by = last(runner, moment) + DEATH + gap
    who = {**labels, "runner_id": runner.id}
    return Want(PAGE, frozenset({"WorkAbandoned"}), by, moment, who)


def with_victim(count: int = 6, **fields: object) -> tuple[Server, Runner]:
    """Give a server with a fleet at work, one of which dies at `T`."""
    dying = victim(**fields)  # type: ignore[arg-type]
    return Server((*working(count), dying)), dying
