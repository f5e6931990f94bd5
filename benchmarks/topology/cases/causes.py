"""One cause, one page; and a server that was away is no news about runners."""

from functools import partial
from typing import Final

from topology.case import DEATH, GONE, LEASE, Case, T, case, page, ticket, watched, working
from topology.cases.places import fleet_named
from topology.model import (
    Outage,
    Runner,
    Server,
    Target,
    World,
    at,
    fleet,
)

DYING: Final = Runner("victim", changes=(at(300, entities=1), at(T, alive=False)))
LOST: Final = Runner("lost", changes=(at(300, entities=1), at(T + 600, alive=False)))


def away(lasts: float, reason: str = "connect", count: int = 6) -> Server:
    """Give a server that is away for a while, its runners at work."""
    return Server(working(count), (Outage(T, T + lasts, reason),))


def behind_one_network() -> World:
    """Give twenty targets that all cannot be reached at once."""
    targets = [
        Target(
            Server(fleet_named(f"s{number}", 2), (Outage(T, T + 1800),)),
            f"server-{number}",
            phase=number * 0.7,
        )
        for number in range(20)
    ]
    return watched(*targets, lasts=T + 3600)


def tenants(outage: tuple[Outage, ...], dying: bool = False) -> World:  # noqa: FBT001, FBT002
    """Give twenty tenants of one database, and the target that they are of."""
    found = [Target(Server((), outage), "database", url=False, postgres=True, wakes=False)]
    for number in range(20):
        runners = fleet_named(f"t{number}", 2)
        if dying and number == 7:
            runners = (
                *runners,
                Runner("victim", changes=(at(300, entities=1), at(T, alive=False))),
            )
        found.append(
            Target(
                Server(runners, outage),
                "database",
                tenant=f"tenant-{number}",
                url=False,
                postgres=True,
                wakes=False,
            )
        )
    return watched(*found, lasts=T + 3600)


def two_sources(server: Server, lasts: float = T + 2400) -> World:
    """Give one server that is watched over HTTP and by its database, as two targets."""
    return watched(
        Target(server, "agents"),
        Target(server, "agents-database", url=False, postgres=True, wakes=False, phase=4),
        lasts=lasts,
    )


def both(server: Server, **fields: object) -> World:
    """Give one target that reads reports from the database and asks the server how it is."""
    return watched(Target(server, postgres=True, **fields), lasts=T + 3600)  # type: ignore[arg-type]


def dies_at_once(*, at_work: bool, count: int = 6) -> Server:
    """Give a fleet that dies while its server answers."""
    return Server(fleet(count, "worker", at(300, entities=int(at_work)), at(T, alive=False)))


def often_away() -> Server:
    """Give a server that is away for 40 s every three minutes."""
    outages = tuple(Outage(T + n * 180, T + n * 180 + 40) for n in range(15))
    return Server(working(6), outages)


WITH_DYING: Final = Server((*working(6), DYING))
DEAD_BY: Final = DYING.last_heartbeat(T) + DEATH

CASES: Final[tuple[Case, ...]] = (
    case(
        "twenty-servers-one-network",
        "the exporter loses the network to all of its twenty servers",
        "one cause, one page: twenty would hide it",
        behind_one_network,
        page("ServerUnreachable", by=T + 300 + 120),
    ),
    case(
        "twenty-tenants-database-down",
        "the database of twenty tenants cannot be read",
        "one cause, one page, and no twenty more",
        partial(tenants, (Outage(T, T + 1800, "database"),)),
        page("DatabaseUnreachable", by=T + 300 + 120),
    ),
    case(
        "twenty-tenants-death",
        "a runner of one of twenty tenants dies at work",
        "one page that names the tenant",
        partial(tenants, (), dying=True),
        page("WorkAbandoned", by=DEAD_BY, tenant="tenant-7", runner_id="victim"),
    ),
    case(
        "two-sources-death",
        "one server is watched over HTTP and by its database as two targets; a runner dies",
        "two who see one death tell it once",
        partial(two_sources, WITH_DYING),
        page("WorkAbandoned", by=DEAD_BY, runner_id="victim"),
    ),
    case(
        "two-sources-quiet",
        "the same, and all is well",
        "nothing is wrong",
        partial(two_sources, Server(working()), T + 5400),
    ),
    case(
        "both-sources-database-down",
        "a target reads its database, which is away, and asks the server, which answers",
        "nobody is watched: one page that does not blame the server",
        partial(
            both,
            Server(working(), (Outage(T, T + 1800, "database"),)),
        ),
        page("DatabaseUnreachable", by=T + 300 + 120),
    ),
    case(
        "both-sources-server-down",
        "a target reads its database, and the server does not answer",
        "the server is down: one page on it",
        lambda: both(
            Server(working(), (Outage(T, T + 1800, ""),)),
            silent=((T, T + 1800),),
            list_fault=None,
        ),
        page("ServerUnreachable", by=T + 300 + 120),
    ),
    case(
        "server-down-3m",
        "a server is down for three minutes while all work",
        "too short for anybody to act on; that all look silent when it answers again is no news",
        lambda: watched(Target(away(180)), lasts=T + 2400),
    ),
    case(
        "server-down-20m",
        "a server is down for twenty minutes while all work",
        "one page about the server, none about runners, and none in the minute after",
        lambda: watched(Target(away(1200)), lasts=T + 4200),
        page("ServerUnreachable", by=T + 300 + 90),
    ),
    case(
        "server-frozen-2m",
        "a server answers nobody for two minutes, its database is frozen",
        "too short for anybody to act on",
        lambda: watched(Target(away(120, "timeout")), lasts=T + 2400),
    ),
    case(
        "server-frozen-10m",
        "a server answers nobody for ten minutes, its database is frozen",
        "one page about the server, none about runners, and none in the minute after",
        lambda: watched(Target(away(600, "timeout")), lasts=T + 3600),
        page("ServerUnreachable", by=T + 300 + 90),
    ),
    case(
        "server-down-20m-slow-heartbeats",
        "the same of a server whose runners heartbeat every minute",
        "the last of them is heard a minute after the server's return",
        lambda: watched(
            Target(
                Server(working(6, heartbeat=60.0, lease=180.0), (Outage(T, T + 1200),)),
            ),
            lasts=T + 4200,
        ),
        page("ServerUnreachable", by=T + 300 + 90),
    ),
    case(
        "server-down-20m-one-stays-away",
        "a server is down for twenty minutes, and one runner at work died meanwhile",
        "a page about the server, and one about the runner when its silence counts again",
        lambda: watched(
            Target(
                Server(
                    (
                        *working(),
                        Runner("lost", changes=(at(300, entities=1), at(T + 600, alive=False))),
                    ),
                    (Outage(T, T + 1200),),
                )
            ),
            lasts=T + 4200,
        ),
        page("ServerUnreachable", by=T + 300 + 90),
        # Silence counts again a minute after the next good poll, which is a poll's interval away.
        page("WorkAbandoned", since=T + 1260, by=T + 1260 + 15 + DEATH + 15, runner_id="lost"),
    ),
    case(
        "server-restarts",
        "a server is restarted within half a minute",
        "a deployment, no more",
        lambda: watched(Target(away(30)), lasts=T + 2400),
    ),
    case(
        "server-often-away",
        "a server is away for 40 s every three minutes",
        "nobody is to be woken; that polls fail so often is a ticket within the hour",
        lambda: watched(Target(often_away()), lasts=T + 3600),
        ticket("ExporterDataStale", by=T + 3000),
    ),
    case(
        "fleet-dies-at-work",
        "all six runners die at once at work while the server answers",
        "a page for the deaths, and perhaps one that none is left",
        lambda: watched(Target(dies_at_once(at_work=True))),
        page("WorkAbandoned", "FleetUnavailable", by=T + DEATH + 15, most=2),
    ),
    case(
        "fleet-dies-idle",
        "all six runners die at once without work while the server answers",
        "no work can be done any more: a page",
        lambda: watched(Target(dies_at_once(at_work=False))),
        page("FleetUnavailable", by=T + LEASE + 120 + 75),
    ),
    case(
        "fleet-dies-idle-and-comes-back",
        "all runners are gone for two minutes in a deployment",
        "a deployment, no more",
        lambda: watched(
            Target(Server(fleet(6, "worker", at(T, alive=False), at(T + 120, alive=True))))
        ),
    ),
    case(
        "half-the-fleet-dies-idle",
        "three of six runners die at once without work",
        "three are left and nothing waits: tickets",
        lambda: watched(
            Target(
                Server((*fleet(3, "gone", at(T, alive=False)), *working(3))),
            )
        ),
        ticket("RunnerUnhealthy", by=T + GONE, most=2),
    ),
)
