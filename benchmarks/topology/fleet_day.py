"""What an ordinary day of a fleet is made of: lives of runners, and who watches them.

A day is shortened to its waking hours, two and a half of them, in which all happens that happens on
it. The rules look back over an hour at most, but for budgets of six hours and more and for leaks of
a day; so hours without any event add nothing but time, and events that lie close together are
harder on the rules than events that lie far apart. What happens by chance at any time, as a scrape
that fails, is as much more frequent instead.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from topology.case import Want
from topology.model import Change, Exporter, Outage, Runner, Server, State, Target, at
from topology.steps import Span

MORNING: Final = 1500.0
"""From when on something happens; before that all work as they did yesterday."""
EVENING: Final = 6300.0
"""Until when something happens."""
LASTS: Final = 8400.0
SERVER: Final = "production"
UNBORN: Final = State(listed=False, alive=False)


@dataclass(frozen=True)
class Wish:
    """A message that a sensible on-call wants.

    Attributes:
        want: the message.
        what: what happened, in a word.
        why: why it is wanted.
        began: when it could have been known: the last sign of life, or the fault.
        incident: whether it is a fault of the fleet, and not of somebody's habits.
    """

    want: Want
    what: str
    why: str
    began: float
    incident: bool = True


@dataclass(frozen=True)
class Day:
    """One day of one fleet: what is watched, what is wanted, and what happened, for its reader."""

    kind: str
    name: str
    exporters: tuple[Exporter, ...]
    wishes: tuple[Wish, ...]
    story: tuple[str, ...]


class Diary:
    """The life of one runner, written from its morning on."""

    def __init__(self, chance: Random, name: str, kind: str, first: State | None = None) -> None:
        """Begin with who is there since yesterday, or with another state."""
        self.chance = chance
        self.name = name
        self.kind = kind
        self.now = 0.0
        self._first = first or State()
        self._changes: list[Change] = []

    def notes(self, **fields: Any) -> None:  # noqa: ANN401  (fields of `State`)
        """Note what changes now."""
        self._changes.append(at(self.now, **fields))

    def waits(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds

    def works_until(self, moment: float, share: float = 0.4) -> None:
        """Let work come and go; at the end there is none."""
        while True:
            rests = self.chance.expovariate(share / (900 * (1 - share)))
            lasts = max(20.0, self.chance.expovariate(1 / 900))
            if self.now + rests + 120 > moment:
                break
            self.now += rests
            self._hears_late()
            self._works(min(lasts, moment - 1 - self.now))
        self.now = max(self.now, moment)

    def _hears_late(self) -> None:
        """Hear a wake after some seconds, now and then."""
        if self.chance.random() < 0.3:
            self.notes(unheard=1)
            self.waits(self.chance.uniform(2, 40))
            self.notes(unheard=0)

    def _works(self, seconds: float) -> None:
        failed = 1.0 if self.chance.random() < 0.04 else 0.0
        skipped = 2.0 if self.chance.random() < 0.2 else 0.0
        self.notes(entities=self.chance.choice((1, 1, 2)), claimed=1.0, events=2.0, skipped=skipped)
        if failed and seconds > 90:
            self.waits(1)
            self.notes(failed=failed)
            self.waits(62)
            self.notes(failed=0.0)
            seconds -= 63
        self.waits(seconds)
        self.notes(entities=0, claimed=0.0, events=0.0, skipped=0.0)

    def takes_work(self) -> None:
        """Begin with work that does not end by itself."""
        self.notes(entities=1, claimed=1.0, events=2.0)

    def drains(self, seconds: float) -> None:
        """Be told to stop at work: no heartbeat any more, and the work is finished."""
        self.notes(alive=False, claims_live=True, entities=1, claimed=0.0)
        self.waits(seconds)
        self.notes(entities=0, claims_live=None, events=0.0)

    def stops(self, drain: float = 0.0) -> None:
        """Be told to stop, at work for so long yet or idle."""
        if drain:
            self.drains(drain)
        else:
            self.notes(alive=False, entities=0, claimed=0.0, events=0.0)

    def dies(self) -> None:
        """Be killed: what it works on is not finished."""
        self.notes(alive=False, claimed=0.0, events=0.0)

    def starts(self) -> None:
        """Start as a new process, registered if it was not."""
        self.notes(listed=True, alive=True, entities=0, unheard=0, leaked=0)

    def leaves(self, seconds: float) -> None:
        """Be out of reach for a while, as a machine that sleeps or a network that is cut."""
        self.notes(away=True)
        self.waits(seconds)
        self.notes(away=False)

    def runner(self, number: int) -> Runner:
        """Give the runner that lived so."""
        return Runner(
            self.name,
            self.kind,
            tuple(self._changes),
            label=self.name.title(),
            phase=(number * 7.3) % 30,
            first=self._first,
        )


@dataclass
class Draft:
    """A day that is being made up.

    Attributes:
        restarts: when the Prometheus that watches is away.
        slack: how much later than rules and intervals tell a message may come: a failed scrape or
            two, and evaluations and scrapes that are further apart than 15 s.
    """

    chance: Random
    slack: float
    restarts: tuple[Span, ...] = ()
    diaries: list[Diary] = field(default_factory=list)
    outages: list[Outage] = field(default_factory=list)
    replicas: int = 1
    downs: dict[int, list[Span]] = field(default_factory=dict)
    wishes: list[Wish] = field(default_factory=list)
    story: list[str] = field(default_factory=list)

    def runner(self, name: str, kind: str, first: State | None = None) -> Diary:
        """Add a runner, whose life is to be written."""
        diary = Diary(self.chance, name, kind, first)
        self.diaries.append(diary)
        return diary

    def several(self, count: int, prefix: str, kind: str) -> list[Diary]:
        """Add some of one kind."""
        return [self.runner(f"{prefix}-{number}", kind) for number in range(count)]

    def moment(self, until: float = EVENING) -> float:
        """Give a moment of the day."""
        return self.chance.uniform(MORNING, until)

    def goes_down(self, replica: int, begin: float, lasts: float) -> None:
        """Take an exporter away for a while, if it is there then."""
        spans = self.downs.setdefault(replica, [])
        if all(begin > end + 60 or begin + lasts + 60 < start for start, end in spans):
            spans.append((begin, begin + lasts))
            spans.sort()
            self.story.append(f"exporter {replica} is down at {begin:.0f} for {lasts:.0f} s")

    def breaks(self, begin: float, lasts: float, reason: str = "connect") -> None:
        """Take the server away for a while, if it is there then."""
        if all(begin > one.end + 180 or begin + lasts + 180 < one.begin for one in self.outages):
            self.outages.append(Outage(begin, begin + lasts, reason))
            self.story.append(f"server is away ({reason}) at {begin:.0f} for {lasts:.0f} s")

    def quiet(self, before: float, after: float, until: float = EVENING) -> float | None:
        """Find a moment around which all is watched, and the server there."""
        spans = [span for some in self.downs.values() for span in some]
        spans += [(one.begin, one.end + 180) for one in self.outages]
        for _ in range(200):
            moment = self.moment(until)
            if all(
                end < moment - before or begin > moment + after
                for begin, end in (*spans, *self.restarts)
            ):
                return moment
        return None

    def wants(
        self, want: Want, what: str, why: str, began: float, *, incident: bool = True
    ) -> None:
        """Note what a sensible on-call wants."""
        self.wishes.append(Wish(want, what, why, began, incident))

    def done(self, kind: str, name: str, labels: dict[str, str], scrapes: float) -> Day:
        """Give the day, watched by who watches."""
        runners = tuple(diary.runner(number) for number, diary in enumerate(self.diaries))
        server = Server(runners, tuple(self.outages))
        exporters = tuple(
            Exporter(
                {**labels, "instance": f"{name}-{replica}:9464"},
                (Target(server, SERVER, phase=self.chance.uniform(0, 15)),),
                down=tuple(self.downs.get(replica, ())),
                scrape_fault=_fails(self.chance, scrapes),
            )
            for replica in range(self.replicas)
        )
        return Day(kind, name, exporters, tuple(self.wishes), tuple(self.story))


def _fails(chance: Random, scrapes: float) -> Callable[[int], bool]:
    """Let one scrape in twenty fail, and on every third fleet one in ten."""
    share = chance.choice((0.05, 0.05, 0.1))
    fails: Sequence[bool] = [chance.random() < share for _ in range(int(LASTS / scrapes) + 2)]
    return fails.__getitem__
