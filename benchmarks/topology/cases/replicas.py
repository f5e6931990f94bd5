"""Replicas and shards: one alert, a ticket for lost redundancy, and no shard goes unseen."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Final

from topology.case import (
    DEATH,
    GONE,
    PAGE,
    Case,
    T,
    Want,
    case,
    death,
    idler,
    may,
    page,
    ticket,
    victim,
    with_victim,
    working,
)
from topology.cases.scrapes import at_random
from topology.model import (
    DAY,
    Exporter,
    Runner,
    Scrapes,
    Server,
    Target,
    World,
    at,
    fleet,
)

SERVER, VICTIM = with_victim()
QUIET: Final = Server(working())


def instance(number: int) -> Mapping[str, str]:
    """Give the labels of a replica that has another instance."""
    return {"job": "electric-agents", "instance": f"exporter-{number}:9464"}


def pod(number: int) -> Mapping[str, str]:
    """Give the labels of a replica that is another pod."""
    return {**instance(number), "pod": f"exporter-{number}", "namespace": "agents"}


def replicas(
    server: Server,
    count: int = 2,
    labels: Callable[[int], Mapping[str, str]] = instance,
    lasts: float = T + 2400,
    **second: object,
) -> World:
    """Give replicas out of phase; `second` is what differs in the second one."""
    exporters = [
        Exporter(labels(number), (Target(server, phase=number * 5.0),), first=number % 3)
        for number in range(count)
    ]
    exporters[1] = replace(exporters[1], **second)  # type: ignore[arg-type]
    return World(tuple(exporters), lasts)


def blind(server: Server, reason: str, lasts: float = T + 3600) -> World:
    """Give two replicas, the second of which gets no list any more."""
    target = Target(server, phase=5, list_fault=lambda _, __, at: reason if at >= T else None)
    return replicas(server, lasts=lasts, targets=(target,))


def for_days(server: Server) -> World:
    """Give two replicas, one of which is down for three days."""
    first = Exporter(instance(0), (Target(server, interval=60),))
    second = Exporter(instance(1), (Target(server, interval=60),), down=((T, 1e9),))
    return World((first, second), T + 3 * DAY, Scrapes(60, 1, 0), evaluation=60, pace=60)


def shards(server: Server, lasts: float = T + 2400, **second: object) -> World:
    """Give three shards; `second` is what differs in the second one."""
    exporters = [
        Exporter(instance(number), (Target(server, shard=(number, 3), phase=number * 4.0),))
        for number in range(3)
    ]
    exporters[1] = replace(exporters[1], **second)  # type: ignore[arg-type]
    return World(tuple(exporters), lasts)


def in_shard(number: int) -> tuple[Server, Runner]:
    """Give a fleet of nine, one of which dies at work that is a shard's."""
    dying = victim()
    others = working(8)
    return Server((*others[:number], dying, *others[number:])), dying


def _shard_case(number: int) -> Case:
    server, dying = in_shard(number)
    return case(
        f"shards-death-in-{number}",
        f"a runner dies at work that shard {number} of three watches",
        "each shard's runners are as good as any",
        partial(shards, server),
        death(dying),
    )


def all_die(count: int, *, at_work: bool) -> tuple[Runner, ...]:
    """Give runners that die at once."""
    return fleet(count, "worker", at(300, entities=int(at_work)), at(T, alive=False))


def redundancy(*alerts: str, by: float, lasts: float) -> Want:
    """Want a ticket on lost redundancy for as long as it lasts."""
    return replace(ticket(*alerts, by=by), lasts=lasts)


ONE_PAGE: Final = "two who see one death tell it once"

CASES: Final[tuple[Case, ...]] = (
    case(
        "replicas-death",
        "two replicas out of phase, other instances; a runner dies at work",
        ONE_PAGE,
        partial(replicas, SERVER),
        death(VICTIM),
    ),
    case(
        "replicas-pods-death",
        "two replicas, other pods; a runner dies at work",
        ONE_PAGE,
        partial(replicas, SERVER, 2, pod),
        death(VICTIM),
    ),
    case(
        "replicas-three-death",
        "three replicas out of phase; a runner dies at work",
        ONE_PAGE,
        partial(replicas, SERVER, 3),
        death(VICTIM),
    ),
    case(
        "replicas-quiet",
        "two replicas out of phase, and scrapes of one fail now and then",
        "nothing is wrong",
        partial(replicas, QUIET, 3, instance, T + 5400, scrape_fault=at_random(8, 3)),
    ),
    case(
        "replicas-one-blind",
        "one replica of two reaches the server no more",
        "the server is well, and watched by the other: a ticket that says what is lost, for as "
        "long as it lasts; no page",
        partial(blind, QUIET, "connect"),
        redundancy(
            "ServerUnreachable",
            "ExporterDataStale",
            "ExporterDown",
            "RunnersUnknown",
            by=T + 900,
            lasts=T + 3600,
        ),
    ),
    case(
        "replicas-one-blind-death",
        "the same, and a runner dies at work",
        "the other replica sees the death",
        partial(blind, SERVER, "connect"),
        ticket(
            "ServerUnreachable", "ExporterDataStale", "ExporterDown", "RunnersUnknown", by=T + 900
        ),
        death(VICTIM),
    ),
    case(
        "replicas-one-refused",
        "one replica of two is refused by the server",
        "the other sees all: a ticket on its credentials",
        partial(blind, QUIET, "unauthorized"),
        redundancy("CredentialsRejected", by=T + 900, lasts=T + 3600),
    ),
    case(
        "replicas-one-down",
        "one replica of two is down for an hour",
        "the other sees all: a ticket for as long as it lasts",
        partial(replicas, QUIET, 2, instance, T + 3600, down=((T, 1e9),)),
        redundancy("ExporterDown", by=T + 300 + 120, lasts=T + 3600),
    ),
    case(
        "replicas-one-down-death",
        "the same, and a runner dies at work",
        "the other sees the death",
        partial(replicas, SERVER, 2, instance, T + 3600, down=((T - 600, 1e9),)),
        ticket("ExporterDown", since=T - 600, by=T - 300 + 120),
        death(VICTIM),
    ),
    case(
        "replicas-one-down-3-days",
        "one replica of two is down for three days",
        "it is a ticket for as long as it lasts, not a page after a day",
        partial(for_days, Server(working(2))),
        redundancy("ExporterDown", by=T + 300 + 240, lasts=T + 3 * DAY),
    ),
    case(
        "replicas-both-down",
        "both replicas are down",
        "nobody watches: one page",
        lambda: World(
            tuple(
                Exporter(instance(number), (Target(QUIET),), down=((T, T + 1800),), first=number)
                for number in range(2)
            ),
            T + 2400,
        ),
        page("ExporterDown", by=T + 300 + 90),
    ),
    case(
        "replicas-one-late",
        "one replica polls every 45 s, and a runner dies at work",
        "the quicker one tells it, once",
        lambda: replicas(SERVER, targets=(Target(SERVER, interval=45, phase=20),)),
        death(VICTIM),
    ),
    case(
        "shards-quiet",
        "three shards, all well",
        "nothing is wrong",
        partial(shards, Server(working(9)), T + 5400),
    ),
    *(_shard_case(number) for number in range(3)),
    case(
        "shards-one-down",
        "the exporter of one shard of three is down",
        "a third of the runners is watched by nobody: a page",
        partial(shards, Server(working(9)), T + 3600, down=((T, T + 2400),)),
        page("ExporterDown", by=T + 300 + 90),
    ),
    case(
        "shards-one-blind",
        "one shard of three reaches the server no more",
        "a third of the runners is watched by nobody: more than a tenth is a ticket, half a page",
        lambda: shards(
            Server(working(9)),
            T + 3600,
            targets=(
                Target(
                    Server(working(9)),
                    shard=(1, 3),
                    list_fault=lambda _, __, at: "connect" if at >= T else None,
                ),
            ),
        ),
        ticket("ExporterDataStale", "RunnersUnknown", by=T + 600, most=2),
        may(PAGE, "ServerUnreachable", "RunnersUnknown", "ExporterDown", most=1),
    ),
    case(
        "shards-fleet-dies",
        "all runners of three shards die at once at work",
        "one cause: the deaths, and perhaps that none is left",
        partial(shards, Server(all_die(9, at_work=True))),
        page("FleetUnavailable", "WorkAbandoned", by=T + DEATH + 15, most=2),
    ),
    case(
        "shards-third-of-fleet-dies-idle",
        "the three runners of one shard die without work",
        "six of nine are there: tickets on the three, and not that none takes work",
        lambda: shards(
            Server(
                tuple(
                    idler(name=f"idler-{n}") if n % 3 == 1 else one
                    for n, one in enumerate(working(9))
                )
            )
        ),
        ticket("RunnerUnhealthy", by=T + GONE, most=2),
    ),
)
