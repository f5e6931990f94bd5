"""Faults of runners, of lists, and of the exporter's own."""

from typing import Final

from topology.case import (
    JOB,
    LEASE,
    PAGE,
    TICKET,
    Case,
    T,
    case,
    idler,
    may,
    page,
    ticket,
    watched,
    working,
)
from topology.cases.lives import UNBORN, one
from topology.model import HOUR, Exporter, Runner, Scrapes, Server, Target, World, at, fleet

SERVER_: Final = "electric_agents_server_"


def _play(server: Server, lasts: float = T + 3600, **fields: object) -> World:
    return watched(Target(server, **fields), lasts=lasts)  # type: ignore[arg-type]


def restarting(times: int, apart: float = 210.0) -> Server:
    """Give a runner that restarts some times, off the beat of everything."""
    return one(*(at(T + 3.7 + n * apart, starts=n + 1) for n in range(times)))


def flapping() -> Server:
    """Give a runner that is away and back every two minutes."""
    changes = []
    for number in range(20):
        moment = T + number * 240
        changes += [at(moment, alive=False), at(moment + 125, alive=True)]
    return one(*changes, lease=60.0)


def leaking() -> World:
    """Give claims that leak, and stay for more than a day."""
    server = one(at(T, leaked=3))
    exporter = Exporter(JOB, (Target(server, interval=60),))
    return World((exporter,), T + 27 * HOUR, Scrapes(60, 1, 0), evaluation=60, pace=60)


def vanishing(count: int, *, of: int = 12) -> Server:
    """Give a fleet of which some leave the list at once."""
    stay, go = working(of - count), fleet(count, "gone", at(T + HOUR, listed=False, alive=False))
    return Server((*stay, *go))


def burning(share: int) -> Server:
    """Give a fleet of which some let work wait, again and again, for hours."""
    changes = []
    for number in range(40):
        moment = T + number * 360
        changes += [at(moment, unheard=1), at(moment + 300, unheard=0)]
    return Server((*working(10 - share), *fleet(share, "slow", *changes)))


def claiming(claimed: float, late: float, lasts: float) -> World:
    """Give a fleet that is read by both sources, and claims some of its wakes late."""
    changes = (at(-100, entities=1, claimed=claimed), at(T, late=late))
    target = Target(Server(fleet(6, "worker", *changes)), postgres=True)
    return watched(target, lasts=lasts)


def exporter(gauges: dict[str, tuple[tuple[float, float], ...]], **fields: object) -> World:
    """Give an exporter of which some gauges are otherwise."""
    found = Exporter(JOB, (Target(Server(working())),), gauges=gauges, **fields)  # type: ignore[arg-type]
    return World((found,), T + HOUR)


OVERRUNS: Final = {
    (f"{SERVER_}polls_skipped_total", (("reason", "overrun"),)): (((T, T + HOUR), 2.0),)
}
VANISHED_BY: Final = T + HOUR + 600 + 120

CASES: Final[tuple[Case, ...]] = (
    case(
        "work-refused",
        "a claim of a runner fails, and its wake stands without an answer",
        "its entity stands still until the runner restarts: a ticket",
        lambda: _play(one(at(T, refused=True), at(T + 1800, refused=False))),
        ticket("WorkRefused", by=T + 120 + 120, runner_id="one"),
    ),
    case(
        "claim-stuck",
        "a runner that is online holds a claim without any sign of life",
        "an agent stands still: a ticket",
        lambda: _play(one(at(300, entities=1), at(T, stuck=True))),
        ticket("ClaimStuck", by=T + 300 + 300 + 120, runner_id="one"),
    ),
    case(
        "claims-leak",
        "a runner holds claims that nobody works on, and goes on holding them",
        "somebody must clear them up: one ticket when they have stayed for an hour, not one a day",
        leaking,
        ticket("ClaimsLeaking", since=T + HOUR, by=T + 1.5 * HOUR, runner_id="one"),
    ),
    case(
        "deaf-and-written-to",
        "a runner that is online does not hear a message",
        "somebody waits: a page, and not a ticket for the same besides",
        lambda: _play(one(at(T, unheard=1))),
        page("WorkUnheard", by=T + 60 + 60 + 60, runner_id="one"),
    ),
    case(
        "deaf",
        "a runner says that its wake stream is disconnected, and nothing waits",
        "the next message will not be heard: a ticket",
        lambda: _play(one(at(T, connected=False))),
        ticket("RunnerDeaf", by=T + 300 + 180, runner_id="one"),
        may(TICKET, "RunnerDegraded", most=1),
    ),
    case(
        "deaf-for-a-minute",
        "a runner loses its wake stream for a minute",
        "it mends itself",
        lambda: _play(one(at(T, connected=False), at(T + 60, connected=True))),
    ),
    case(
        "degraded",
        "a runner says that its heartbeats fail now and then, for long",
        "somebody should look: a ticket",
        lambda: _play(one(at(T, issues=("heartbeat_failed",)))),
        ticket("RunnerDegraded", by=T + 600 + 180, runner_id="one"),
    ),
    case(
        "reconnects-high",
        "a runner is degraded by a count of reconnects that never falls again",
        "that it reconnected once upon a time is no news",
        lambda: _play(one(at(T, issues=("reconnects_high",)))),
    ),
    case(
        "reconnect-storm",
        "a runner reconnects twice a minute for half an hour",
        "somebody should look: a ticket",
        lambda: _play(one(at(T, reconnects=2.0), at(T + 1800, reconnects=0.0))),
        ticket("ReconnectStorm", by=T + 1200, runner_id="one"),
    ),
    case(
        "never-heartbeat",
        "a runner is registered and never sends a heartbeat",
        "perhaps somebody forgot to start it: a ticket at most",
        lambda: _play(
            Server((*working(5), Runner("new", changes=(at(T, listed=True),), first=UNBORN)))
        ),
        may(TICKET, "RunnerNeverHeartbeat", most=1, runner_id="new"),
    ),
    case(
        "flapping",
        "a runner is away and back every four minutes for more than an hour",
        "somebody should look: a ticket, and not one each time",
        lambda: _play(flapping(), T + 5400),
        ticket("RunnerFlapping", "RunnerRestarting", by=T + 2700, runner_id="one", most=2),
    ),
    case(
        "restarts-3",
        "a runner restarts three times within half an hour, off the beat",
        "three are not more than three",
        lambda: _play(restarting(3)),
    ),
    case(
        "restarts-4",
        "a runner restarts four times within half an hour, off the beat",
        "four are more than three: a ticket",
        lambda: _play(restarting(4)),
        ticket("RunnerRestarting", by=T + 3 * 210 + 600, runner_id="one"),
    ),
    case(
        "duplicate-id",
        "a second process runs under the id of a running one",
        "both take the other's work: a ticket",
        lambda: _play(one(*(at(T + n * 90, conflicts=n + 1, starts=n + 1) for n in range(20)))),
        ticket("DuplicateRunnerId", by=T + 900, runner_id="one"),
        may(TICKET, "RunnerRestarting", most=1),
    ),
    case(
        "vanished",
        "ten of twelve runners are on the list no more",
        "a principal is misspelt, or a database restored: a page",
        lambda: _play(vanishing(10), T + 2 * HOUR),
        page("RunnersVanished", since=T + HOUR, by=VANISHED_BY),
    ),
    case(
        "vanished-one",
        "one runner of twelve is on the list no more",
        "it was deleted, by somebody who knows",
        lambda: _play(vanishing(1), T + 2 * HOUR),
        may(TICKET, "RunnersVanished", most=1),
    ),
    case(
        "too-few-runners",
        "six runners are expected, and two of six die without work",
        "the settings say that this is a page; that each of them is gone is a ticket",
        lambda: _play(
            Server((*working(4), idler(name="idler-0"), idler(name="idler-1"))), expected_min=6
        ),
        page("TooFewRunners", by=T + LEASE + 300 + 120),
        may(TICKET, "RunnerUnhealthy", most=2),
    ),
    case(
        "enough-runners",
        "six runners are expected, and there are six",
        "nothing is wrong",
        lambda: _play(Server(working(6)), T + 2 * HOUR, expected_min=6),
    ),
    case(
        "burn",
        "for four hours three runners of ten let work wait for five minutes of six",
        "pages on the work that waits, and one on the budget at most: not both the fast and the "
        "slower burn",
        lambda: _play(burning(3), T + 5 * HOUR),
        page("WorkUnheard", by=T + 60 + 60 + 60, most=60),
        may(PAGE, "WorkBudgetBurn", most=1),
        may(TICKET, "WorkBudgetBurn", most=1),
    ),
    case(
        "dispatch-late",
        "a third of all wakes is claimed more than half a minute late, for hours",
        "nobody waits for long, and everybody waits: a page on the budget, once",
        lambda: claiming(2.0, 0.67, T + 2 * HOUR),
        page("WorkBudgetBurn", by=T + 2400, objective="dispatch"),
    ),
    case(
        "dispatch-few-late",
        "a fleet with little to do claims a fifth of its wakes late: six in an hour",
        "a handful proves nothing",
        lambda: claiming(0.1, 0.0167, T + HOUR + 1800),
    ),
    case(
        "contract-drift",
        "the server says things that the exporter does not know",
        "the exporter is older than the server: a ticket",
        lambda: exporter({}, drift=(((T, T + HOUR), 1.0),)),
        ticket("ContractDrift", by=T + 900),
    ),
    case(
        "clock-skew",
        "the clocks of a server and of the exporter differ by two minutes",
        "a host without NTP: a ticket",
        lambda: _play(
            Server(working()), gauges={f"{SERVER_}clock_offset_seconds": ((0, 0.0), (T, 120.0))}
        ),
        ticket("ClockSkew", by=T + 900 + 180),
    ),
    case(
        "reload-failed",
        "the exporter refuses its new settings",
        "a restart would fail: a ticket",
        lambda: exporter(
            {"electric_agents_exporter_config_last_reload_successful": ((0, 1.0), (T, 0.0))}
        ),
        ticket("ConfigReloadFailed", by=T + 600 + 180),
    ),
    case(
        "runners-suppressed",
        "there are more runners than max_runners",
        "some are not watched: a ticket",
        lambda: _play(
            Server(working()), gauges={f"{SERVER_}runners_suppressed": ((0, 0.0), (T, 5.0))}
        ),
        ticket("RunnersSuppressed", by=T + 600 + 180),
    ),
    case(
        "polls-overrun",
        "polls take longer than their interval, again and again",
        "what is shown is older than it should be: a ticket",
        lambda: _play(Server(working()), T + HOUR + 600, counters=OVERRUNS),
        ticket("PollOverrun", by=T + 1500),
    ),
    case(
        "exporter-stands-still",
        "the exporter's scheduler stands still, and it goes on telling what it knew",
        "nobody is watched although all looks well: a ticket at least",
        lambda: World(
            (
                Exporter(
                    JOB,
                    (
                        Target(
                            Server(working()),
                            list_fault=None,
                            gauges={
                                f"{SERVER_}last_poll_success_timestamp_seconds": (
                                    *((float(n), float(n)) for n in range(0, int(T), 15)),
                                )
                            },
                        ),
                    ),
                    gauges={
                        "electric_agents_exporter_scheduler_last_tick_timestamp_seconds": (
                            *((float(n), float(n)) for n in range(0, int(T), 5)),
                        )
                    },
                ),
            ),
            T + HOUR,
        ),
        ticket("ExporterDataStale", by=T + 600),
    ),
)
