"""Ordinary lives: pools, deployments, patch days, drains, laptops."""

from typing import Final

from topology.case import (
    DEATH,
    GONE,
    PATIENCE,
    TICKET,
    Case,
    T,
    case,
    idler,
    may,
    page,
    ticket,
    victim,
    watched,
    working,
)
from topology.model import HOUR, Change, Runner, Server, State, Target, World, at, fleet

UNBORN: Final = State(listed=False, alive=False)


def pool() -> Server:
    """Give a pool that shrinks from 40 to 4 and grows again."""
    core = fleet(4, "core", at(-100, entities=1), kind="cloud-worker")
    spare = tuple(
        Runner(
            f"spare-{number}",
            "cloud-worker",
            (at(T + number * 20, alive=False), at(T + 2 * HOUR + number * 10, alive=True)),
            phase=(number * 7.3) % 30,
        )
        for number in range(36)
    )
    return Server((*core, *spare))


def deployments(count: int, apart: float, *, same_ids: bool, kind: str) -> Server:
    """Give a fleet that is deployed anew some times, each time idle."""
    runners = []
    for number in range(6):
        if same_ids:
            changes: list[Change] = []
            for deployment in range(count):
                moment = T + deployment * apart + number * 10
                changes += [at(moment, alive=False), at(moment + 25, alive=True)]
            runners.append(Runner(f"worker-{number}", kind, tuple(changes)))
            continue
        for generation in range(count + 1):
            born = T + (generation - 1) * apart + number * 10
            dies = T + generation * apart + number * 10 + 30
            first = State() if generation == 0 else UNBORN
            comes = () if generation == 0 else (at(born, listed=True, alive=True),)
            goes = () if generation == count else (at(dies, alive=False),)
            runners.append(
                Runner(f"worker-{generation}-{number}", kind, (*comes, *goes), first=first)
            )
    return Server(tuple(runners))


def blue_green(overlap: float) -> Server:
    """Give servers that start beside the old ones, which are stopped a while later."""
    blue = fleet(4, "blue", at(T + overlap, alive=False))
    green = fleet(4, "green", at(T, listed=True, alive=True), first=UNBORN)
    return Server((*blue, *green))


def among_jobs() -> Server:
    """Give a server's runner that dies idle while jobs are registered all the time."""
    jobs = tuple(
        Runner(
            f"job-{number}",
            "ci",
            (
                at(number * 100, listed=True, alive=True),
                at(number * 100 + 5, entities=1),
                at(number * 100 + 90, alive=False, entities=0),
            ),
            first=UNBORN,
        )
        for number in range(40)
    )
    return Server((*working(5), idler(), *jobs))


def patch_day() -> Server:
    """Give servers that reboot one after the other for three to seven minutes, without work."""
    runners = []
    for number, away in enumerate((180, 240, 300, 360, 420, 200, 330, 415)):
        moment = T + number * 480
        changes = (
            at(-100, entities=1),
            at(moment - 60, entities=0),
            at(moment, alive=False),
            at(moment + away, alive=True, entities=1),
        )
        runners.append(Runner(f"host-{number}", "server", changes, phase=number * 3.1))
    return Server(tuple(runners))


def drain(kind: str = "server", lasts: float = 600, back: float = 60) -> Server:
    """Give a runner that is stopped, finishes its work for ten minutes, and comes back."""
    changes = (
        at(300, entities=2),
        at(T, alive=False, claims_live=True),
        at(T + lasts / 2, entities=1),
        at(T + lasts, entities=0, claims_live=None),
        at(T + lasts + back, alive=True, entities=1),
    )
    return Server((*working(5), Runner("drainer", kind, changes)))


def drain_fails() -> Server:
    """Give a runner that is stopped and killed before its work is finished."""
    changes = (
        at(300, entities=2),
        at(T, alive=False, claims_live=True),
        at(T + 300, claims_live=None),
    )
    return Server((*working(5), Runner("drainer", "server", changes)))


def laptops(*changes: Change, count: int = 3) -> Server:
    """Give laptops beside servers."""
    return Server((*working(4), *fleet(count, "laptop", *changes, kind="local")))


def one(*changes: Change, name: str = "one", kind: str = "server", **fields: object) -> Server:
    """Give one runner with a life beside a fleet that works."""
    return Server((*working(5), Runner(name, kind, changes, **fields)))  # type: ignore[arg-type]


def _play(server: Server, lasts: float = T + 3600, **fields: object) -> World:
    return watched(Target(server, **fields), lasts=lasts)  # type: ignore[arg-type]


WHY_QUIET: Final = "no work waits, and none is lost"

CASES: Final[tuple[Case, ...]] = (
    case(
        "pool-40-to-4",
        "a pool of cloud-workers shrinks from 40 to 4 and grows again in two hours",
        WHY_QUIET,
        lambda: _play(pool(), T + 3 * HOUR),
    ),
    case(
        "deployments-3-in-25m",
        "a fleet of servers is deployed anew three times within 25 minutes, under the same ids",
        "somebody deploys; that is no crash loop",
        lambda: _play(deployments(3, 600, same_ids=True, kind="server")),
    ),
    case(
        "deployment-new-ids",
        "a fleet of cloud-workers is deployed anew, with new ids",
        WHY_QUIET,
        lambda: _play(deployments(1, 600, same_ids=False, kind="cloud-worker"), T + 2 * HOUR),
    ),
    case(
        "deployments-3-new-ids",
        "a fleet of cloud-workers is deployed anew three times within 25 minutes, with new ids",
        WHY_QUIET,
        lambda: _play(deployments(3, 600, same_ids=False, kind="cloud-worker"), T + 2 * HOUR),
    ),
    case(
        "deployment-blue-green",
        "servers are deployed with new ids, and the old ones are stopped twelve minutes later",
        WHY_QUIET,
        lambda: _play(blue_green(720), T + 2 * HOUR),
    ),
    case(
        "idle-death-among-jobs",
        "a server's runner dies without work, and runners of jobs are registered all the time",
        "no job takes its place: a ticket, as it is meant to last",
        lambda: _play(among_jobs()),
        ticket("RunnerUnhealthy", by=T + GONE, runner_id="idler"),
    ),
    case(
        "patch-day",
        "eight servers reboot one after the other for three to seven minutes, without work",
        WHY_QUIET,
        lambda: _play(patch_day(), T + 2 * HOUR),
    ),
    case(
        "drain-10m",
        "a runner is stopped, finishes its work for ten minutes and starts anew",
        "it renews no lease, and its claims give signs of life: nothing is abandoned",
        lambda: _play(drain()),
    ),
    case(
        "drain-10m-cloud-worker",
        "the same, of a cloud-worker that does not come back",
        "the same",
        lambda: _play(drain("cloud-worker", back=1e7)),
    ),
    case(
        "drain-killed",
        "a runner is stopped, and killed five minutes later before its work is finished",
        "then its work is abandoned",
        lambda: _play(drain_fails()),
        page("WorkAbandoned", since=T + 300, by=T + 300 + DEATH, runner_id="drainer"),
    ),
    case(
        "idle-death",
        "a server's runner dies without work and stays away",
        "nothing waits for it: a ticket, as it is meant to last, when no reboot lasts so long",
        lambda: _play(Server((*working(5), idler()))),
        ticket("RunnerUnhealthy", by=T + GONE, runner_id="idler"),
    ),
    case(
        "idle-death-cloud-worker",
        "a cloud-worker dies without work and stays away",
        WHY_QUIET,
        lambda: _play(Server((*working(5), idler(kind="cloud-worker")))),
    ),
    case(
        "death-at-work",
        "a server's runner dies at work",
        "its work is abandoned: a page within two minutes and a half of its last heartbeat",
        lambda: _play(Server((*working(5), victim()))),
        page("WorkAbandoned", by=victim().last_heartbeat(T) + DEATH, runner_id="victim"),
    ),
    case(
        "death-at-work-cloud-worker",
        "a cloud-worker dies at work",
        "the kind comes and goes, but its work is lost: a ticket, if it stays away",
        lambda: _play(Server((*working(5), victim(kind="cloud-worker")))),
        ticket("WorkAbandoned", by=T + DEATH + PATIENCE + 60, runner_id="victim"),
    ),
    case(
        "laptops-close-idle",
        "laptops are closed in the evening, without work",
        WHY_QUIET,
        lambda: _play(laptops(at(T, alive=False)), T + 2 * HOUR),
    ),
    case(
        "laptop-closes-at-work",
        "a laptop is closed while its runner works",
        "its work stands still until the morning: a ticket, if the lid stays closed",
        lambda: _play(laptops(at(300, entities=1), at(T, alive=False), count=1)),
        ticket("WorkAbandoned", by=T + DEATH + PATIENCE + 60, runner_id="laptop-0"),
    ),
    case(
        "laptop-written-to",
        "somebody writes to the agent of a laptop that is closed",
        "a message waits: a ticket",
        lambda: _play(laptops(at(600, alive=False), at(T, unheard=1), count=1)),
        ticket("WorkUnheard", by=T + 60 + PATIENCE + 150, runner_id="laptop-0"),
    ),
    case(
        "laptop-fails-claims",
        "the claims of one laptop fail again and again",
        "its entity stands still: a ticket about that laptop, and nothing about the fleet",
        lambda: _play(
            laptops(
                at(T, failed=2.0, refused=True), at(T + 2400, failed=0.0, refused=False), count=1
            )
        ),
        ticket("WorkRefused", by=T + 120 + 120, runner_id="laptop-0"),
    ),
    case(
        "dead-and-written-to",
        "a server's runner is gone, and then somebody writes to its agent",
        "a message waits that nobody hears: a page",
        lambda: _play(one(at(0, alive=False), at(T, unheard=3))),
        may(TICKET, "RunnerUnhealthy", since=0),
        page("WorkUnheard", by=T + 60 + 60 + 60, runner_id="one"),
    ),
    case(
        "disabled-with-work",
        "a runner is disabled while it works, finishes, and messages wait for it",
        "its operator did that on purpose",
        lambda: _play(
            one(
                at(300, entities=1),
                at(T, enabled=False),
                at(T + 300, entities=0, alive=False),
                at(T + 600, unheard=2),
            )
        ),
    ),
    case(
        "disabled-dead-at-work",
        "a runner is disabled and stopped with a claim that nobody gave back",
        "its operator did that on purpose",
        lambda: _play(one(at(300, entities=1), at(T, enabled=False), at(T + 60, alive=False))),
    ),
    case(
        "waiting-at-rest",
        "messages wait for entities that are paused, and their runner, online, does not hear them",
        "their operator paused them, so nobody waits; that the runner is deaf is a ticket all the "
        "same, as it will not hear the next one either",
        lambda: _play(one(at(T, unheard=2, at_rest=True))),
        ticket("RunnerDeaf", by=T + 300 + 180, runner_id="one"),
    ),
    case(
        "work-is-slow-to-be-heard",
        "again and again a message waits for forty seconds",
        "nobody waited long",
        lambda: _play(
            one(
                *(
                    change
                    for n in range(20)
                    for change in (at(T + n * 90, unheard=1), at(T + n * 90 + 40, unheard=0))
                )
            )
        ),
    ),
    case(
        "immortal-lease-death",
        "a runner whose lease lasts until the year 2099 dies at work",
        "a lease tells nothing then, its silence does",
        lambda: _play(one(at(300, entities=1), at(T, alive=False), lease=2.3e9, name="immortal")),
        page("WorkAbandoned", by=T + DEATH, runner_id="immortal"),
    ),
    case(
        "kind-changes",
        "a runner that works is registered anew as of another kind",
        "nothing is wrong, and no rule may fail",
        lambda: _play(
            Server(
                (
                    *working(5),
                    Runner("one", "local", (at(300, entities=1), at(T, listed=False, alive=False))),
                    Runner(
                        "one", "server", (at(T, listed=True, alive=True, entities=1),), first=UNBORN
                    ),
                )
            )
        ),
    ),
    case(
        "night",
        "at night nobody has work, and all laptops and jobs are gone",
        WHY_QUIET,
        lambda: _play(
            Server(
                (
                    *fleet(3, "server"),
                    *fleet(6, "laptop", at(T, alive=False), kind="local"),
                    *fleet(4, "job", at(T + 60, alive=False), kind="ci"),
                )
            ),
            T + 2 * HOUR,
        ),
    ),
)
