"""Polls fail now and then: blindness is told, deaths are told from what is seen."""

from functools import partial
from typing import Final

from topology.case import (
    GONE,
    TICKET,
    Case,
    T,
    case,
    death,
    idler,
    may,
    page,
    ticket,
    victim,
    watched,
    working,
)
from topology.model import (
    HOUR,
    PRINCIPAL,
    HealthFault,
    ListFault,
    Server,
    Target,
    World,
    at,
    fleet,
)

LONG: Final = T + 1.5 * HOUR


def lists_fail(failing: int, of: int, since: float = T) -> ListFault:
    """Fail so many lists of so many."""

    def fault(_: str, poll: int, moment: float) -> str | None:
        return "timeout" if moment >= since and poll % of < failing else None

    return fault


def calls_fail(*runners: str, since: float = T, until: float = 1e9, one_in: int = 1) -> HealthFault:
    """Fail the calls for some runners."""
    names = frozenset(runners)

    def fault(runner: str, poll: int, moment: float) -> bool:
        return runner in names and since <= moment < until and poll % one_in == 0

    return fault


TEN: Final = Server(working(10))
DYING: Final = victim()
NINE_AND_VICTIM: Final = Server((*working(9), DYING))
VICTIM_LATER: Final = victim(T + 1200)
NINE_AND_LATER: Final = Server((*working(9), VICTIM_LATER))
WORKERS: Final = tuple(f"worker-{number}" for number in range(10))


def _world(server: Server, **faults: object) -> World:
    return watched(Target(server, **faults), lasts=LONG)  # type: ignore[arg-type]


WHY_STALE: Final = (
    "what is shown is older than it should be: a ticket, within three quarters of an hour"
)


def _two_principals() -> World:
    others = fleet(4, "other", at(-100, entities=1), principal="service:other")

    def fault(principal: str, _: int, moment: float) -> str | None:
        return "unauthorized" if moment >= T and principal == "service:other" else None

    target = Target(
        Server((*working(4), *others)),
        principals=(PRINCIPAL, "service:other"),
        list_fault=fault,
    )
    return watched(target, lasts=LONG)


CASES: Final[tuple[Case, ...]] = (
    case(
        "lists-3-of-4-fail-quiet",
        "three lists of four fail, for long",
        WHY_STALE,
        partial(_world, TEN, list_fault=lists_fail(3, 4)),
        ticket("ExporterDataStale", by=T + 45 * 60),
    ),
    case(
        "lists-3-of-4-fail-death",
        "three lists of four fail, and a runner dies at work",
        "the second list without a sign of life, a minute after the first, shows the death",
        partial(_world, NINE_AND_LATER, list_fault=lists_fail(3, 4)),
        ticket("ExporterDataStale", by=T + 45 * 60),
        death(VICTIM_LATER, 120, T + 1200),
    ),
    case(
        "lists-1-of-4-fail-quiet",
        "one list in four fails, for long",
        WHY_STALE,
        partial(_world, TEN, list_fault=lists_fail(1, 4)),
        ticket("ExporterDataStale", by=T + 45 * 60),
    ),
    case(
        "lists-fail-2m",
        "all lists fail for two minutes",
        "too short for anybody to act on",
        lambda: _world(TEN, list_fault=lambda _, __, at: "timeout" if T <= at < T + 120 else None),
    ),
    case(
        "health-of-1-fails",
        "the calls for one runner of ten fail for ever",
        "one runner is not watched: a ticket, not at once",
        partial(_world, TEN, health_fault=calls_fail("worker-3")),
        ticket("RunnersUnknown", by=T + 45 * 60),
    ),
    case(
        "health-of-1-fails-now-and-then",
        "every third call for one runner fails",
        "what is known of it is never stale",
        partial(_world, TEN, health_fault=calls_fail("worker-3", one_in=3)),
    ),
    case(
        "health-of-40-percent-fails",
        "the calls for four runners of ten fail for ever",
        "a share of the fleet is not watched: a ticket",
        partial(_world, TEN, health_fault=calls_fail(*WORKERS[:4])),
        ticket("RunnersUnknown", by=T + 60 + 300 + 120),
        may(TICKET, "ExporterDataStale"),
    ),
    case(
        "health-of-40-percent-fails-death",
        "the same, and another runner dies at work",
        "a death is told from what is seen",
        partial(_world, NINE_AND_LATER, health_fault=calls_fail(*WORKERS[:4])),
        ticket("RunnersUnknown", by=T + 60 + 300 + 120),
        may(TICKET, "ExporterDataStale"),
        death(VICTIM_LATER, 0, T + 1200),
    ),
    case(
        "health-of-90-percent-fails",
        "the calls for nine runners of ten fail for ever",
        "nearly nobody is watched: a page that says so, and nothing is claimed of the nine",
        partial(_world, TEN, health_fault=calls_fail(*WORKERS[:9])),
        page("RunnersUnknown", by=T + 60 + 300 + 90),
        may(TICKET, "ExporterDataStale"),
    ),
    case(
        "health-of-90-percent-fails-death",
        "the same, and the tenth dies at work",
        "its death is seen: two causes, two pages",
        partial(_world, NINE_AND_LATER, health_fault=calls_fail(*WORKERS[:9])),
        page("RunnersUnknown", by=T + 60 + 300 + 90),
        may(TICKET, "ExporterDataStale"),
        death(VICTIM_LATER, 0, T + 1200),
    ),
    case(
        "health-of-90-percent-fails-idle-death",
        "the same, and the tenth dies without any work",
        "one runner is gone, of the others nothing is known: not that none takes work",
        lambda: _world(
            Server((*working(9), idler(T + 1200))), health_fault=calls_fail(*WORKERS[:9])
        ),
        page("RunnersUnknown", by=T + 60 + 300 + 90),
        may(TICKET, "ExporterDataStale"),
        ticket("RunnerUnhealthy", since=T + 1200, by=T + 1200 + GONE, runner_id="idler"),
    ),
    case(
        "health-of-all-fails",
        "the list is good, and all calls for runners fail for ever",
        "nobody is watched: a page; whether the server or the exporter is to blame is not known",
        partial(_world, TEN, health_fault=calls_fail(*WORKERS)),
        page("RunnersUnknown", by=T + 60 + 300 + 90),
        may(TICKET, "ExporterDataStale"),
    ),
    case(
        "health-of-all-fails-2m",
        "all calls for runners fail for two minutes",
        "too short for anybody to act on",
        partial(_world, TEN, health_fault=calls_fail(*WORKERS, until=T + 120)),
    ),
    case(
        "lists-blip-every-10m",
        "a list fails every ten minutes",
        "what is known is never stale",
        partial(_world, TEN, list_fault=lists_fail(1, 40)),
    ),
    case(
        "one-principal-of-two-fails",
        "the list of one principal of two is refused for ever",
        "half of the runners are not watched, which is a page whatever the cause; a ticket on the "
        "credentials names it",
        _two_principals,
        page("RunnersUnknown", by=T + 60 + 300 + 90),
        ticket("CredentialsRejected", by=T + 300 + 180),
        may(TICKET, "ExporterDataStale", "RunnersUnknown"),
    ),
    case(
        "credentials-rejected",
        "the server refuses the exporter's credentials",
        "nobody is watched: a page that names the cause, and one is enough",
        lambda: _world(TEN, list_fault=lambda _, __, at: "unauthorized" if at >= T else None),
        page("CredentialsRejected", by=T + 300 + 120),
    ),
)
