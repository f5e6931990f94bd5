"""Scrapes fail now and then: a `for` must not begin anew, and nothing may fire on a gap alone."""

import random
from collections.abc import Callable
from functools import partial
from typing import Final

from topology.case import (
    JOB,
    Case,
    T,
    case,
    death,
    page,
    ticket,
    watched,
    with_victim,
    working,
)
from topology.model import HOUR, Exporter, Server, Target, World

LONG: Final = T + 2 * HOUR


def every(number: int, of: int) -> Callable[[int], bool]:
    """Fail one scrape of so many."""
    return lambda scrape: scrape % of == number


def at_random(of: int, seed: int) -> Callable[[int], bool]:
    """Fail one scrape of so many, at random."""
    chance = random.Random(seed)  # noqa: S311  (no secret)
    fails = [chance.random() < 1 / of for _ in range(4000)]
    return lambda scrape: fails[scrape % len(fails)]


def killed(apart: float, first: float = 600, lasts: float = 20) -> tuple[tuple[float, float], ...]:
    """Kill the exporter every so often."""
    return tuple((first + n * apart, first + n * apart + lasts) for n in range(60))


SERVER, VICTIM = with_victim()
QUIET: Final = Server(working())


def dying(fault: Callable[[int], bool]) -> World:
    """Give a death while scrapes fail."""
    return watched(Target(SERVER), scrape_fault=fault)


def quiet(fault: Callable[[int], bool]) -> World:
    """Give two and a half quiet hours while scrapes fail."""
    return watched(Target(QUIET), scrape_fault=fault, lasts=LONG)


def restarted(begin: float, end: float, server: Server, lasts: float = T + 2400) -> World:
    """Give a world whose Prometheus is away for a while."""
    return World((Exporter(JOB, (Target(server),)),), lasts, prometheus_down=((begin, end),))


def oom(server: Server, apart: float, lasts: float) -> World:
    """Give an exporter that is killed again and again."""
    spans = tuple(one for one in killed(apart) if one[1] < lasts)
    return watched(Target(server), down=spans, lasts=lasts)


WHY_GAP: Final = "a failed scrape says nothing of runners; it may delay a page by a scrape, no more"
WHY_QUIET: Final = "nothing is wrong but now and then a scrape"

CASES: Final[tuple[Case, ...]] = (
    case(
        "scrapes-1-in-8-death",
        "every eighth scrape fails, and a runner dies at work",
        WHY_GAP,
        partial(dying, every(3, 8)),
        death(VICTIM, 15),
    ),
    case(
        "scrapes-random-1-in-8-death",
        "one scrape in eight fails, at random, and a runner dies at work",
        WHY_GAP,
        partial(dying, at_random(8, 7)),
        death(VICTIM, 30),
    ),
    case(
        "scrapes-1-in-20-death",
        "every twentieth scrape fails, and a runner dies at work",
        WHY_GAP,
        partial(dying, every(5, 20)),
        death(VICTIM, 15),
    ),
    case(
        "scrapes-1-in-8-quiet",
        "every eighth scrape fails for hours",
        WHY_QUIET,
        partial(quiet, every(0, 8)),
    ),
    case(
        "scrapes-random-1-in-8-quiet",
        "one scrape in eight fails at random, for hours",
        WHY_QUIET,
        partial(quiet, at_random(8, 1)),
    ),
    case(
        "scrapes-random-1-in-20-quiet",
        "one scrape in twenty fails at random, for hours",
        WHY_QUIET,
        partial(quiet, at_random(20, 2)),
    ),
    case(
        "exporter-killed-every-10m-quiet",
        "an exporter is killed for memory every ten minutes",
        "it forgets its counters each time, and somebody must raise its limit: a ticket within an "
        "hour, and nothing about runners",
        partial(oom, QUIET, 600, LONG),
        ticket("ExporterRestarting", since=1200, by=4800),
    ),
    case(
        "exporter-killed-every-10m-death",
        "the same, and a runner dies at work just before",
        "the death is known again at the first poll after the start",
        partial(oom, with_victim(dies=T - 60)[0], 600, T + 2400),
        ticket("ExporterRestarting", since=1200, by=4800),
        death(with_victim(dies=T - 60)[1], 60, T - 60),
    ),
    case(
        "exporter-killed-every-5m-quiet",
        "an exporter is killed for memory every five minutes",
        "the same, sooner",
        partial(oom, QUIET, 300, LONG),
        ticket("ExporterRestarting", since=1200, by=3600),
    ),
    case(
        "prometheus-restart-quiet",
        "Prometheus is restarted and scrapes nothing for two minutes",
        "what Prometheus did not ask for is no fault of anybody",
        partial(restarted, T, T + 120, QUIET),
    ),
    case(
        "prometheus-restart-death",
        "a runner dies at work half a minute before Prometheus is away for two minutes",
        "the page may come as much later as Prometheus was away",
        partial(restarted, T + 30, T + 150, SERVER),
        death(VICTIM, 120),
    ),
    case(
        "scrapes-gap-3m-quiet",
        "the network between Prometheus and the exporter is away for three minutes",
        "too short for anybody to act on",
        lambda: World((Exporter(JOB, (Target(QUIET),), unscraped=((T, T + 180),)),), T + 2400),
    ),
    case(
        "exporter-deployed-while-a-page-fires",
        "a runner died at work; then the exporter is deployed anew within 40 s",
        "the page is out; a second one for the same death, or its end, would be untrue",
        lambda: watched(Target(SERVER), down=((T + 1200, T + 1240),), lasts=T + 3600),
        death(VICTIM),
    ),
    case(
        "exporter-deployed-quiet",
        "the exporter is deployed anew within 40 s",
        "its counters begin anew, and nothing else happens",
        lambda: watched(Target(QUIET), down=((T, T + 40),), lasts=T + 3600),
    ),
    case(
        "exporter-down",
        "the only exporter is down for 20 minutes",
        "nobody is watched: a page, and nothing about what it would have seen",
        lambda: watched(Target(QUIET), down=((T, T + 1200),), lasts=T + 3600),
        page("ExporterDown", by=T + 300 + 90),
    ),
)
