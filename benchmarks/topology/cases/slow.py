"""Slow worlds: rare heartbeats, scrapes and polls; few series."""

from functools import partial
from typing import Final

from topology.case import (
    DEATH,
    TICKET,
    Case,
    T,
    case,
    death,
    may,
    page,
    victim,
    watched,
    working,
)
from topology.model import HOUR, MINUTE, Runner, Scrapes, Server, Target, World, at
from topology.observing import BEFORE

RARE: Final = {"heartbeat": 20 * MINUTE, "lease": HOUR}


def rare(dies: float | None) -> Server:
    """Give runners with a heartbeat every 20 minutes; one may die at work."""
    runners = working(4, **RARE)
    if dies is None:
        return Server(runners)
    changes = (at(-BEFORE, entities=1), at(dies, alive=False))
    return Server((*runners, Runner("victim", changes=changes, heartbeat=20 * MINUTE, lease=HOUR)))


VICTIM: Final = victim()
DYING: Final = Server((*working(5), VICTIM))
WELL: Final = Server(working(6))


def scraped(server: Server, apart: float, lasts: float) -> World:
    """Give a world that is scraped rarely; the target is polled as usual."""
    every = round(apart / 5)
    return watched(Target(server), lasts=lasts, world={"scrapes": Scrapes(5, every, 1)})


def polled(server: Server, apart: float, lasts: float = T + 2400, **fields: object) -> World:
    """Give a target that is polled at other intervals, or in other ways."""
    return watched(Target(server, interval=apart, **fields), lasts=lasts)  # type: ignore[arg-type]


PATIENCE: Final = 2 / 3 * HOUR
LONG: Final = T + 2 * HOUR
GROUPS: Final = frozenset({"client", "claims", "derived", "wakes"})

CASES: Final[tuple[Case, ...]] = (
    case(
        "heartbeats-20m-quiet",
        "runners heartbeat every 20 minutes, with a lease of an hour, and work",
        "nothing is wrong",
        lambda: watched(Target(rare(None)), lasts=T + 3 * HOUR),
    ),
    case(
        "heartbeats-20m-death",
        "one of them dies at work",
        "its claims are silent for two thirds of its lease: then nobody does that work; until then "
        "it counts as online, and a claim of it that gives no sign of life may be a ticket",
        lambda: watched(Target(rare(T)), lasts=T + 2 * HOUR),
        page("WorkAbandoned", since=T + 1800, by=T + PATIENCE + 120, runner_id="victim"),
        may(TICKET, "ClaimStuck", most=1, runner_id="victim"),
    ),
    case(
        "scrapes-60s-death",
        "Prometheus scrapes once a minute; a runner dies at work",
        "the page may come a scrape later",
        partial(scraped, DYING, 60, T + 2400),
        death(VICTIM, 60),
    ),
    case(
        "scrapes-60s-quiet",
        "Prometheus scrapes once a minute",
        "nothing is wrong",
        partial(scraped, WELL, 60, LONG),
    ),
    case(
        "scrapes-120s-death",
        "Prometheus scrapes every two minutes; a runner dies at work",
        "the page may come a scrape later",
        partial(scraped, DYING, 120, T + 2400),
        death(VICTIM, 120),
    ),
    case(
        "scrapes-120s-quiet",
        "Prometheus scrapes every two minutes",
        "nothing is wrong",
        partial(scraped, WELL, 120, LONG),
    ),
    case(
        "polls-45s-death",
        "the target is polled every 45 s; a runner dies at work",
        "the page may come a poll later",
        partial(polled, DYING, 45),
        death(VICTIM, 45),
    ),
    case(
        "polls-45s-quiet",
        "the target is polled every 45 s",
        "nothing is wrong",
        partial(polled, WELL, 45, LONG),
    ),
    case(
        "polls-120s-quiet",
        "the target is polled every two minutes",
        "nothing is wrong",
        partial(polled, WELL, 120, LONG),
    ),
    case(
        "per-runner-off-death",
        "no runner has series of its own; one dies at work",
        "the fleet's families tell it; without names nobody knows that who is gone is who is dead "
        "at work, so that may be a ticket besides",
        partial(polled, DYING, 15, per_runner=False),
        page("WorkAbandoned", by=VICTIM.last_heartbeat(T) + DEATH),
        may(TICKET, "RunnerUnhealthy", most=1),
    ),
    case(
        "per-runner-off-quiet",
        "no runner has series of its own",
        "nothing is wrong",
        partial(polled, WELL, 15, LONG, per_runner=False),
    ),
    case(
        "groups-off-death",
        "all groups but the core are switched off; a runner dies at work",
        "the condition is of the core",
        partial(polled, DYING, 15, without=GROUPS),
        death(VICTIM),
    ),
    case(
        "groups-off-quiet",
        "all groups but the core are switched off",
        "nothing is wrong",
        partial(polled, WELL, 15, LONG, without=GROUPS),
    ),
    case(
        "wakes-off-death",
        "wakes are not read; a runner dies at work",
        "its work is abandoned all the same",
        partial(polled, DYING, 15, wakes=False),
        death(VICTIM),
    ),
)
