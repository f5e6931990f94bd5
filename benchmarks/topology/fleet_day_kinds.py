"""Kinds of ordinary days: what people do with runners when nothing is wrong.

No message is wanted of any of it, as no work waits and none is lost, with these exceptions, which
the alert table of the rules makes on purpose: a laptop that is closed at work for more than ten
minutes leaves that work lying, one that somebody writes to while it is closed lets a message wait,
and a replica that is down leaves the other one alone. They are tickets, and are counted apart.

What is not played: a runner at work that is out of reach for a minute or more, as nothing tells it
from a death within the time to the page; and servers that all finish their work for minutes at the
same time, as nobody takes new work then.
"""

from collections.abc import Callable, Mapping
from math import inf
from typing import Final, NamedTuple

from topology.case import TICKET, Want
from topology.fleet_day import EVENING, LASTS, MORNING, UNBORN, Diary, Draft


class Lain(NamedTuple):
    """An alert on work that lies, and how long after the lid is closed it comes."""

    alert: str
    after: float


ABANDONED: Final = Lain("WorkAbandoned", 60 + 600 + 60 + 30)
"""A minute of silence, ten of `for`, and one that a group waits."""
UNHEARD: Final = Lain("WorkUnheard", 60 + 720 + 60 + 30)
GROUP: Final = 300.0
"""How long a message may wait for the one before it."""


def ordinary(day: Draft) -> None:
    """Let servers, a laptop and a cloud-worker work as on any day."""
    mixed(day, servers=day.chance.randint(2, 4))


def mixed(day: Draft, servers: int = 2) -> None:
    """Add some of each kind that just work."""
    for diary in day.several(servers, "server", "server"):
        diary.works_until(LASTS, 0.5)
    day.runner("worker-x", day.chance.choice(("cloud-worker", "sandbox"))).works_until(LASTS)
    if day.chance.random() < 0.5:
        day.runner("desk", "local").works_until(LASTS, 0.1)


def laptops(day: Draft) -> None:
    """Close and open laptops: idle, at work, over lunch, and for the night."""
    mixed(day)
    for diary in day.several(day.chance.randint(2, 4), "laptop", "local"):
        while diary.now < EVENING - 600:
            diary.works_until(diary.now + day.chance.uniform(600, 2400), 0.2)
            if diary.now < MORNING:
                continue
            if day.chance.random() < 0.25:
                _close_at_work(day, diary)
            else:
                _close_idle(day, diary)
        if day.chance.random() < 0.6:
            diary.notes(away=True)
        else:
            diary.works_until(LASTS, 0.2)


def _closed_for(day: Draft) -> float:
    """Give for how long a lid stays closed: seconds, a coffee, a meeting, lunch."""
    low, high = day.chance.choice(((5, 60), (60, 300), (300, 900), (900, 3600)))
    return day.chance.uniform(low, high)


def _close_idle(day: Draft, diary: Diary) -> None:
    began, lasts = diary.now, _closed_for(day)
    if lasts < 600 or day.chance.random() > 0.1:
        diary.leaves(lasts)
        return
    diary.notes(away=True)
    diary.waits(lasts / 4)
    written = diary.now
    diary.notes(unheard=1)
    diary.waits(lasts * 3 / 4)
    diary.notes(away=False)
    diary.waits(3)
    diary.notes(unheard=0)
    day.story.append(f"{diary.name} is closed at {began:.0f}, and written to at {written:.0f}")
    _may_or_must(day, diary, UNHEARD, written, lasts * 3 / 4)


def _close_at_work(day: Draft, diary: Diary) -> None:
    diary.takes_work()
    diary.waits(day.chance.uniform(120, 900))
    began, lasts = diary.now, _closed_for(day)
    diary.leaves(lasts)
    diary.waits(day.chance.uniform(30, 600))
    diary.notes(entities=0, claimed=0.0, events=0.0)
    day.story.append(f"{diary.name} is closed at work at {began:.0f} for {lasts:.0f} s")
    _may_or_must(day, diary, ABANDONED, began, lasts)


def _may_or_must(day: Draft, diary: Diary, lain: Lain, began: float, lasts: float) -> None:
    """Want a ticket of work that lies long enough; bear with one where it is on the edge."""
    if lasts < lain.after - 210:
        return
    by = began + lain.after + GROUP + day.slack
    must = lasts > lain.after + day.slack + 60 and by < LASTS
    want = Want(
        TICKET,
        frozenset({lain.alert}),
        by if must else inf,
        began,
        {"runner_id": diary.name},
        must=must,
    )
    why = "work lies there, or a message waits, and nobody else takes it"
    day.wants(want, "laptop", why, began, incident=False)


def same_ids(day: Draft) -> None:
    """Deploy once or twice under the same ids: one runner after the other, or all at once."""
    mixed(day, servers=0)
    moment = MORNING
    diaries = day.several(day.chance.randint(2, 5), "server", "server")
    for _ in range(day.chance.randint(1, 2)):
        moment = day.chance.uniform(moment, EVENING - 900)
        if day.chance.random() < 0.6:
            moment = _roll(day, diaries, moment)
        else:
            moment = _all_at_once(day, diaries, moment)
    for diary in diaries:
        diary.works_until(LASTS, 0.5)


def _roll(day: Draft, diaries: list[Diary], moment: float) -> float:
    day.story.append(f"rolling deployment at {moment:.0f}")
    for diary in diaries:
        diary.works_until(moment, 0.5)
        diary.stops(day.chance.choice((0.0, day.chance.uniform(5, 600))))
        diary.waits(day.chance.uniform(3, 60))
        diary.starts()
        moment = diary.now + day.chance.uniform(0, 30)
    return moment + 60


def _all_at_once(day: Draft, diaries: list[Diary], moment: float) -> float:
    day.story.append(f"deployment of all at once at {moment:.0f}")
    for diary in diaries:
        diary.works_until(moment + day.chance.uniform(0, 5), 0.5)
        diary.stops(day.chance.choice((0.0, day.chance.uniform(5, 60))))
        diary.waits(day.chance.uniform(3, 60))
        diary.starts()
    return max(diary.now for diary in diaries) + 60


def new_ids(day: Draft) -> None:
    """Deploy once with new ids: one runner after the other, or all new ones beside the old ones."""
    mixed(day, servers=1)
    kind = day.chance.choice(("server", "server", "cloud-worker"))
    generations(day, kind, 1, day.chance.randint(2, 4))


def generations(day: Draft, kind: str, deployments: int, count: int) -> None:
    """Deploy some times with new ids; the old ones stay registered for ever."""
    apart = day.chance.uniform(600, 740)
    first = day.moment(EVENING - deployments * apart)
    day.story.append(f"{deployments} deployments with new ids ({kind}) at {first:.0f}")
    blue_green = day.chance.random() < 0.5
    overlap = day.chance.uniform(30, 600 if deployments == 1 else 240)
    for number in range(count):
        for generation in range(deployments + 1):
            name = f"{kind}-{generation}-{number}"
            born = first + (generation - 1) * apart + (5 if blue_green else 40) * number
            diary = day.runner(name, kind, UNBORN if generation else None)
            if generation:
                diary.now = born
                diary.starts()
            if generation == deployments:
                diary.works_until(LASTS, 0.5)
                continue
            ends = first + generation * apart + (5 if blue_green else 40) * number
            diary.works_until(ends + overlap if blue_green else ends, 0.5)
            diary.stops(day.chance.choice((0.0, day.chance.uniform(5, 600))))


def thrice(day: Draft) -> None:
    """Deploy three times within 25 minutes, under the same ids or new ones."""
    mixed(day, servers=1)
    if day.chance.random() < 0.5:
        generations(day, day.chance.choice(("server", "cloud-worker")), 3, 2)
        return
    diaries = day.several(day.chance.randint(2, 4), "host", "server")
    moment = day.moment(EVENING - 1500)
    for number in range(3):
        deploy = moment + number * day.chance.uniform(600, 740)
        day.story.append(f"deployment at {deploy:.0f}")
        for diary in diaries:
            diary.works_until(deploy + day.chance.uniform(0, 30), 0.3)
            diary.stops(day.chance.choice((0.0, day.chance.uniform(5, 60))))
            diary.waits(day.chance.uniform(3, 60))
            diary.starts()
    for diary in diaries:
        diary.works_until(LASTS, 0.3)


def pool(day: Draft) -> None:
    """Shrink a pool from 40 to 4 and let it grow again, with the same ids or new ones."""
    for diary in day.several(4, "core", "cloud-worker"):
        diary.works_until(LASTS, 0.6)
    leaves = day.moment(MORNING + 900)
    back = leaves + day.chance.uniform(1800, 3000)
    new = day.chance.random() < 0.25
    day.story.append(f"pool shrinks at {leaves:.0f} and grows at {back:.0f}, new ids: {new}")
    for number in range(36):
        diary = day.runner(f"spare-{number}", "cloud-worker")
        diary.waits(leaves + number * day.chance.uniform(10, 25))
        diary.stops(day.chance.choice((0.0, 0.0, day.chance.uniform(20, 600))))
        if new and number < 12:
            diary = day.runner(f"fresh-{number}", "cloud-worker", UNBORN)
        if not new or number < 12:
            diary.now = max(diary.now + 30, back + number * day.chance.uniform(2, 10))
            diary.starts()


def patch_day(day: Draft) -> None:
    """Reboot servers one after the other, each for three to seven minutes when its work is done."""
    mixed(day, servers=0)
    moment = day.moment(MORNING + 900)
    day.story.append(f"patch day from {moment:.0f}")
    for diary in day.several(day.chance.randint(4, 6), "host", "server"):
        diary.works_until(moment, 0.5)
        diary.stops(day.chance.choice((0.0, day.chance.uniform(10, 300))))
        diary.waits(day.chance.uniform(180, 420))
        diary.starts()
        moment = diary.now + day.chance.uniform(-120, 120)
        diary.works_until(LASTS, 0.5)


def blips(day: Draft) -> None:
    """Cut runners off for seconds at work and for up to two minutes idle, again and again."""
    for kind, count in (("server", day.chance.randint(2, 4)), ("cloud-worker", 2)):
        for diary in day.several(count, kind, kind):
            while diary.now < EVENING:
                diary.works_until(diary.now + day.chance.uniform(400, 2400), 0.4)
                if day.chance.random() < 0.5:
                    diary.leaves(day.chance.uniform(3, 120))
                    continue
                diary.takes_work()
                diary.waits(day.chance.uniform(60, 300))
                diary.leaves(day.chance.uniform(3, 50))
                diary.waits(day.chance.uniform(60, 300))
                diary.notes(entities=0, claimed=0.0, events=0.0)
            diary.works_until(LASTS)


def outages(day: Draft) -> None:
    """Restart the server once or more, and freeze its database, all for minutes at most."""
    mixed(day, servers=day.chance.randint(2, 4))
    for _ in range(day.chance.randint(1, 3)):
        day.breaks(day.moment(), day.chance.uniform(20, 240))
    if day.chance.random() < 0.5:
        reason = day.chance.choice(("timeout", "server_error"))
        day.breaks(day.moment(), day.chance.uniform(10, 115), reason)


def exporters(day: Draft) -> None:
    """Restart exporters, let them be killed for memory, or take one of two away for a while."""
    mixed(day, servers=day.chance.randint(2, 3))
    which = day.chance.random()
    if which < 0.4:
        for _ in range(day.chance.randint(1, 3)):
            day.goes_down(0, day.moment(), day.chance.uniform(5, 120))
    elif which < 0.6:
        moment = day.moment(MORNING + 600)
        while moment < EVENING:
            day.goes_down(0, moment, day.chance.uniform(10, 30))
            moment += day.chance.uniform(900, 2400)
    else:
        day.replicas = 2
        for replica in (0, 1):
            day.goes_down(replica, day.moment(), day.chance.uniform(5, 150))
        if day.chance.random() < 0.4:
            _lose_replica(day)


def _lose_replica(day: Draft) -> None:
    """Take one of two exporters away for longer."""
    began = day.quiet(300, 900)
    if began is None:
        return
    day.goes_down(1, began, day.chance.uniform(600, 900))
    by = began + 300 + 60 + 30 + GROUP + day.slack
    want = Want(TICKET, frozenset({"ExporterDown"}), by, began)
    day.wants(want, "replica", "the other one is alone", began, incident=False)


def maintenance(day: Draft) -> None:
    """Disable runners, stop and start them, write to them, and enable them again."""
    mixed(day)
    for diary in day.several(day.chance.randint(1, 2), "host", "server"):
        diary.works_until(day.moment(MORNING + 1200), 0.4)
        day.story.append(f"{diary.name} is disabled at {diary.now:.0f}")
        diary.notes(enabled=False)
        if day.chance.random() < 0.5:
            diary.stops(day.chance.choice((0.0, day.chance.uniform(20, 600))))
        diary.waits(day.chance.uniform(60, 600))
        if day.chance.random() < 0.5:
            diary.notes(unheard=2)
        diary.waits(day.chance.uniform(300, 1800))
        diary.notes(alive=True, claims_live=None, entities=0)
        diary.waits(20)
        diary.notes(enabled=True)
        diary.waits(day.chance.uniform(2, 15))
        diary.notes(unheard=0)
        diary.works_until(LASTS, 0.4)
    first = UNBORN
    for number in range(day.chance.randint(0, 2)):
        diary = day.runner(f"unused-{number}", "server", first)
        diary.now = day.moment()
        diary.notes(listed=True)


def jobs(day: Draft) -> None:
    """Run jobs of continuous integration and sandboxes, each a runner of its own."""
    mixed(day)
    for kind in ("ci", "sandbox"):
        for number in range(day.chance.randint(2, 4)):
            diary = day.runner(f"{kind}-{number}", kind, UNBORN)
            diary.now = day.moment()
            diary.starts()
            diary.waits(day.chance.uniform(2, 20))
            diary.takes_work()
            diary.waits(day.chance.uniform(60, 900))
            diary.notes(entities=0, claimed=0.0, events=0.0)
            diary.waits(day.chance.uniform(1, 30))
            diary.stops()


def disturbed(day: Draft) -> None:
    """Add what may come on any day: a restart of the server, of an exporter, a second exporter."""
    if day.chance.random() < 0.2:
        day.replicas = 2
    if day.chance.random() < 0.15:
        day.breaks(day.moment(), day.chance.uniform(20, 90))
    if day.chance.random() < 0.15:
        day.goes_down(0, day.moment(), day.chance.uniform(5, 60))


Kind = Callable[[Draft], None]

KINDS: Final[Mapping[str, tuple[Kind, int, str]]] = {
    "ordinary": (ordinary, 12, "all kinds work; wakes are heard late by seconds"),
    "laptops": (laptops, 14, "laptops are closed idle, at work, and for the night"),
    "same-ids": (same_ids, 10, "deployments under the same ids, rolling or all at once"),
    "new-ids": (new_ids, 10, "a deployment with new ids, rolling or blue-green"),
    "thrice": (thrice, 6, "three deployments within 25 minutes"),
    "pool": (pool, 4, "a pool goes from 40 to 4 and back"),
    "patch-day": (patch_day, 9, "servers reboot for three to seven minutes each"),
    "blips": (blips, 9, "networks are away for seconds, or two minutes for who is idle"),
    "outages": (outages, 9, "the server restarts (20 s to 4 min), its database freezes"),
    "exporters": (exporters, 9, "exporters restart, are killed, one of two is down"),
    "maintenance": (maintenance, 4, "runners are disabled for a while, or never started"),
    "jobs": (jobs, 4, "jobs and sandboxes come and go"),
}
"""Each kind with how many of a hundred days are of it, and in words."""
