"""Incidents that happen on one day in ten, with what is wanted of them and by when.

Times are from the fault, or from the last sign of life: what a condition waits for, the `for` of
the alert table, two scrapes or polls, an evaluation, and the wait of Alertmanager's group.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from topology.case import PAGE, TICKET, Want, may
from topology.fleet_day import EVENING, LASTS, Diary, Draft

DEATH: Final = 150.0
WRITTEN: Final = 60 + 30 + 60 + 15 + 15
LEASE: Final = 90.0


class Told(NamedTuple):
    """A message: a page or a ticket, its alert, and why it is wanted."""

    sort: str
    alert: str
    why: str


def _want(day: Draft, told: Told, began: float, after: float, victim: Diary | None = None) -> None:
    labels = {"runner_id": victim.name} if victim else {}
    alerts = frozenset({told.alert})
    want = Want(told.sort, alerts, began + after + day.slack, began, labels)
    day.wants(want, told.alert, told.why, began)
    day.story.append(f"incident: {told.alert} at {began:.0f}")


def _bears(day: Draft, alert: str, since: float, why: str, victim: Diary) -> None:
    """Bear with a ticket that is true."""
    want = may(TICKET, alert, since=since, runner_id=victim.name)
    day.wants(want, alert, why, since)


def _victim(day: Draft, at: float, kind: str = "server") -> Diary:
    """Give a runner that rests until then."""
    victim = day.runner("victim", kind)
    victim.now = at
    return victim


def _last_sign(victim: Diary, number: int, moment: float) -> float:
    """Give when a runner was last heard of, by its heartbeats and its claims."""
    runner = victim.runner(number)
    life = [life for life in runner.lives if life.since < moment][-1]
    claim = life.works_since + (moment - life.works_since) // 30 * 30
    return max(runner.last_heartbeat(moment), claim)


def _dies_at_work(day: Draft, moment: float, kind: str) -> Diary:
    victim = _victim(day, moment - day.chance.uniform(200, 900), kind)
    victim.takes_work()
    victim.now = moment
    victim.dies()
    return victim


def death_at_work(day: Draft, moment: float) -> None:
    """Kill a server's runner at work."""
    victim = _dies_at_work(day, moment, "server")
    last = _last_sign(victim, len(day.diaries) - 1, moment)
    why = "a claim never ends by itself: its work is abandoned"
    _want(day, Told(PAGE, "WorkAbandoned", why), last, DEATH, victim)
    victim.now = moment + day.chance.uniform(900, 1800)
    victim.starts()


def job_dies(day: Draft, moment: float) -> None:
    """Kill a runner at work that comes and goes."""
    victim = _dies_at_work(day, moment, day.chance.choice(("cloud-worker", "ci", "sandbox")))
    last = _last_sign(victim, len(day.diaries) - 1, moment)
    why = "its work is lost, and the kind comes and goes: a ticket after ten minutes"
    _want(day, Told(TICKET, "WorkAbandoned", why), last, 60 + 600 + 60 + 45, victim)


def written_to_dead(day: Draft, moment: float) -> None:
    """Write to a server's runner that is gone."""
    victim = _victim(day, moment - day.chance.uniform(60, 800))
    dead = victim.now
    victim.dies()
    victim.now = moment
    victim.notes(unheard=day.chance.randint(1, 64))
    _want(
        day, Told(PAGE, "WorkUnheard", "a message waits, and nobody hears"), moment, WRITTEN, victim
    )
    _bears(day, "RunnerUnhealthy", dead, "it is gone", victim)


def deaf(day: Draft, moment: float) -> None:
    """Write to a runner that sends heartbeats and hears nothing."""
    victim = _victim(day, moment)
    victim.notes(unheard=1)
    victim.waits(120)
    victim.notes(unheard=64)
    _want(
        day, Told(PAGE, "WorkUnheard", "messages wait, and nobody hears"), moment, WRITTEN, victim
    )


def refused(day: Draft, moment: float) -> None:
    """Refuse a claim; its wake is not repeated."""
    victim = _victim(day, moment, day.chance.choice(("server", "cloud-worker", "local")))
    victim.notes(refused=True, failed=1.0)
    victim.waits(61)
    victim.notes(failed=0.0)
    why = "that agent stands still until its runner restarts"
    _want(day, Told(TICKET, "WorkRefused", why), moment, 120 + 60 + 45, victim)


def stuck(day: Draft, moment: float) -> None:
    """Let a live runner hold a claim that it does not work on."""
    victim = _victim(day, moment - 300)
    victim.takes_work()
    victim.now = moment
    victim.notes(stuck=True)
    why = "that agent stands still"
    _want(day, Told(TICKET, "ClaimStuck", why), moment, 300 + 300 + 60 + 45, victim)


def server_outage(day: Draft, moment: float) -> None:
    """Take the server away for ten to twenty minutes."""
    day.breaks(moment, day.chance.uniform(600, 1200))
    why = "nobody can work or be watched: one page, and none of its runners"
    _want(day, Told(PAGE, "ServerUnreachable", why), moment, 300 + 75)


def idle_death(day: Draft, moment: float) -> None:
    """Kill a server's runner that has no work, for good."""
    victim = _victim(day, moment)
    victim.dies()
    last = _last_sign(victim, len(day.diaries) - 1, moment)
    why = "it is meant to last; nobody waits for it"
    _want(day, Told(TICKET, "RunnerUnhealthy", why), last, LEASE + 480 + 60 + 45, victim)


def exporter_lost(day: Draft, moment: float) -> None:
    """Take all exporters away for longer than a restart."""
    lasts = day.chance.uniform(480, 1200)
    for replica in range(day.replicas):
        day.goes_down(replica, moment, lasts)
    _want(day, Told(PAGE, "ExporterDown", "nobody watches: work may wait unseen"), moment, 300 + 60)


def crash_loop(day: Draft, moment: float) -> None:
    """Let a server's runner crash and be started again, every two or three minutes."""
    victim = _victim(day, moment)
    for _ in range(12):
        victim.dies()
        victim.waits(day.chance.uniform(3, 20))
        victim.starts()
        victim.waits(day.chance.uniform(120, 180))
    why = "it restarts until somebody mends it"
    _want(day, Told(TICKET, "RunnerRestarting", why), moment, 4 * 200 + 300 + 60 + 60, victim)
    _bears(day, "RunnerFlapping", moment, "its health comes and goes", victim)


def fleet_gone(day: Draft, moment: float) -> None:
    """Kill all of a server's lasting runners at once, idle."""
    day.diaries = [diary for diary in day.diaries if diary.kind != "server"]
    for diary in day.several(day.chance.randint(2, 4), "server", "server"):
        diary.now = moment
        diary.dies()
    why = "nobody takes work, whoever writes next"
    _want(day, Told(PAGE, "FleetUnavailable", why), moment, LEASE + 120 + 75)
    want = may(TICKET, "RunnerUnhealthy", since=moment)
    day.wants(want, "RunnerUnhealthy", "they are gone", moment)


Incident = Callable[[Draft, float], None]

INCIDENTS: Final[Sequence[Incident]] = (
    death_at_work,
    death_at_work,
    death_at_work,
    job_dies,
    written_to_dead,
    deaf,
    refused,
    stuck,
    server_outage,
    server_outage,
    idle_death,
    exporter_lost,
    crash_loop,
    fleet_gone,
)
"""Some more often than others."""


def happens(day: Draft) -> bool:
    """Let an incident happen at a moment at which nothing else hides it; tell if there was one."""
    moment = day.quiet(1200, 1500, EVENING)
    if moment is None or moment + 1500 > LASTS:
        return False
    day.chance.choice(INCIDENTS)(day, moment)
    return True
