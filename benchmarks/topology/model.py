"""What there is to watch: servers and their runners, and who watches them.

Times are seconds from the beginning of a world. All of it is data: what an exporter sees of it is
told by `observing`, and what Prometheus gets by `exposition`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import inf
from typing import Any, Final

from topology.steps import Span, within

MINUTE: Final = 60.0
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

PRINCIPAL: Final = "service:runners"


@dataclass(frozen=True)
class State:
    """What is true of a runner from a moment on.

    Attributes:
        listed: it is registered, so that a list names it.
        alive: its process runs and sends heartbeats.
        away: its machine sleeps, or nothing of it reaches the server; its process is the same.
        enabled: its operator lets it work.
        entities: how many entities it works on.
        claims_live: its claims give signs of life; None where they do while it is alive. One that
            drains is not alive, and its claims are.
        stuck: a claim of it gives no sign of life from then on.
        leaked: active claims beyond those that it works on.
        unheard: entities whose wakes it has not heard, the eldest from then on.
        at_rest: their entities are stopped or paused, so nobody waits.
        refused: a wake that it heard stands without an answer.
        connected: its wake stream is.
        issues: further issues that the server names.
        starts: how often its process was started anew, in a moment that nobody noticed.
        conflicts: how often its start was seen to move back: two processes under one id.
        claimed, failed, skipped: claims a minute by how they end.
        late: how many of those that are claimed answer a wake of more than half a minute ago.
        reconnects, events: of its wake stream, a minute.
    """

    listed: bool = True
    alive: bool = True
    away: bool = False
    enabled: bool = True
    entities: int = 0
    claims_live: bool | None = None
    stuck: bool = False
    leaked: int = 0
    unheard: int = 0
    at_rest: bool = False
    refused: bool = False
    connected: bool = True
    issues: tuple[str, ...] = ()
    starts: int = 0
    conflicts: int = 0
    claimed: float = 0.0
    failed: float = 0.0
    skipped: float = 0.0
    late: float = 0.0
    reconnects: float = 0.0
    events: float = 0.0

    @property
    def prompt(self) -> float:
        """How many claims a minute answer a wake at once."""
        return self.claimed - self.late

    @property
    def heard(self) -> bool:
        """Whether the server gets its heartbeats."""
        return self.alive and not self.away

    @property
    def works(self) -> bool:
        """Whether its claims give signs of life."""
        live = self.heard if self.claims_live is None else self.claims_live
        return bool(live and self.entities)


@dataclass(frozen=True)
class Change:
    """Something that changes at a moment; the rest stays as it was."""

    at: float
    fields: Mapping[str, Any]


def at(moment: float, **fields: Any) -> Change:  # noqa: ANN401  (fields of `State`)
    """Give a change of a runner's state."""
    return Change(moment, fields)


@dataclass(frozen=True)
class Life:
    """What is true of a runner from a moment on, and since when some of it is."""

    since: float
    state: State
    alive_since: float
    dead_since: float
    works_since: float
    rests_since: float
    unheard_since: float
    stuck_since: float


@dataclass(frozen=True)
class Runner:
    """A runner and its life. `heartbeat` is how far its heartbeats are apart; `seed` their phase.

    `lease_until` is for a client that asked for a lease of any length.
    """

    id: str
    kind: str = "server"
    changes: tuple[Change, ...] = ()
    label: str | None = None
    principal: str = PRINCIPAL
    heartbeat: float = 30.0
    lease: float = 90.0
    phase: float = 0.0
    first: State = field(default_factory=State)

    @cached_property
    def lives(self) -> Sequence[Life]:
        """All that is true of it, in order."""
        begin = self.phase - 100 * max(self.heartbeat, 30.0)
        never = -inf
        alive, works = self.first.heard, self.first.works
        lives = [
            Life(
                since=-inf,
                state=self.first,
                alive_since=begin if alive else never,
                dead_since=inf if alive else never,
                works_since=begin if works else never,
                rests_since=inf if works else never,
                unheard_since=0.0,
                stuck_since=0.0,
            )
        ]
        for change in sorted(self.changes, key=lambda change: change.at):
            lives.append(_next(lives[-1], change))
        return lives

    def last_heartbeat(self, moment: float) -> float:
        """Give when it last sent one before a moment: by which a death is dated."""
        life = [life for life in self.lives if life.since <= moment][-1]
        return beat(life.alive_since, life.dead_since, self.heartbeat, moment)


def _next(before: Life, change: Change) -> Life:
    state, now = replace(before.state, **change.fields), change.at
    old = before.state
    restarted = state.starts > old.starts and state.heard and old.heard
    fresh = state.heard and (not old.heard or restarted)
    return Life(
        since=now,
        state=state,
        alive_since=now if fresh else before.alive_since,
        dead_since=inf if state.heard else (now if old.heard else before.dead_since),
        works_since=now if state.works and not old.works else before.works_since,
        rests_since=inf if state.works else (now if old.works else before.rests_since),
        unheard_since=now if state.unheard and not old.unheard else before.unheard_since,
        stuck_since=now if state.stuck and not old.stuck else before.stuck_since,
    )


def beat(since: float, until: float, every: float, moment: float) -> float:
    """Give the last of the beats `every` so many seconds, from a moment on until another."""
    if since == -inf:
        return -inf
    now = min(moment, until)
    beats = int((now - since) // every)
    last = since + beats * every
    return last if last < until else last - every


@dataclass(frozen=True)
class Outage:
    """A time in which a server records nothing, and why lists fail then; "" where they do not."""

    begin: float
    end: float
    reason: str = "connect"


@dataclass(frozen=True)
class Server:
    """An agents-server with its runners."""

    runners: tuple[Runner, ...] = ()
    outages: tuple[Outage, ...] = ()

    def heard(self, since: float, until: float, every: float, moment: float) -> float:
        """Give the last beat that it could record."""
        last = beat(since, until, every, moment)
        for outage in sorted(self.outages, key=lambda outage: -outage.begin):
            if outage.begin <= last < outage.end:
                last = beat(since, min(until, outage.begin), every, outage.begin)
        return last if last >= since else -inf


ListFault = Callable[[str, int, float], str | None]
"""Why the list of a principal fails at a poll, by its number and time; None where it does not."""

HealthFault = Callable[[str, int, float], bool]
"""Whether the call for a runner fails at a poll."""


@dataclass(frozen=True)
class Target:
    """A server, or a share of it, as an exporter is told to poll it.

    Attributes:
        url, postgres: what it is asked by: over HTTP, of its database, or both.
        configured: when it stands in the configuration.
        silent: when the server does not answer though its database is read.
        counters: further counters of it by family and labels: how much they grow a minute, in
            spans of time.
        gauges: further gauges of it by family, which take the place of what would be.
    """

    server: Server
    name: str = "production"
    tenant: str | None = None
    shard: tuple[int, int] | None = None
    principals: tuple[str, ...] = (PRINCIPAL,)
    interval: float = 15.0
    stale_after: float | None = None
    per_runner: bool = True
    url: bool = True
    postgres: bool = False
    wakes: bool = True
    without: frozenset[str] = frozenset()
    expected_min: int | None = None
    list_fault: ListFault | None = None
    health_fault: HealthFault | None = None
    configured: Span = (-inf, inf)
    principal_configured: Mapping[str, Span] = field(default_factory=dict)
    silent: tuple[Span, ...] = ()
    phase: float = 0.0
    counters: Mapping[tuple[str, tuple[tuple[str, str], ...]], Sequence[tuple[Span, float]]] = (
        field(default_factory=dict)
    )
    gauges: Mapping[str, Sequence[tuple[float, float]]] = field(default_factory=dict)

    @property
    def staleness(self) -> float:
        """How old a report may be before its series are dropped."""
        if self.stale_after is not None:
            return self.stale_after
        return min(299.0, max(60.0, 3 * self.interval))

    def watched(self) -> tuple[Runner, ...]:
        """Give the runners that are this target's."""
        mine = [one for one in self.server.runners if one.principal in self.principals]
        if self.shard is None:
            return tuple(mine)
        index, count = self.shard
        return tuple(one for number, one in enumerate(mine) if number % count == index)

    def principals_at(self, moment: float) -> list[str]:
        """Give the principals that are configured at a moment."""
        return [
            name
            for name in self.principals
            if within((self.principal_configured.get(name, (-inf, inf)),), moment)
        ]


@dataclass(frozen=True)
class Scrapes:
    """When Prometheus scrapes: `every` so many steps of a grid, the first one at `first`."""

    grid: float = 5.0
    every: int = 3
    first: int = 1

    @staticmethod
    def thrifty(seconds: float, every: int = 1) -> "Scrapes":
        """Give scrapes of about an interval of which every phase to the evaluations comes by.

        Long worlds are cheap with it: no step of the grid is without a sample.
        """
        return Scrapes(seconds * 1.006, every, 0)

    @property
    def interval(self) -> float:
        """How far they are apart."""
        return self.grid * self.every


@dataclass(frozen=True)
class Exporter:
    """A process that is scraped.

    Attributes:
        labels: what Prometheus adds: job, instance, and what a service discovery knows.
        down: when the process is not there; it begins anew after each.
        unscraped: when it runs and its scrapes fail.
        scrape_fault: which scrapes fail, by number.
        present: when Prometheus has it among its targets.
        first: which step of the grid its first scrape is on, if not as in its world.
        gauges: further gauges of it by family, which take the place of what would be.
        drift: unknown values a minute, in spans of time.
    """

    labels: Mapping[str, str]
    targets: tuple[Target, ...]
    down: tuple[Span, ...] = ()
    unscraped: tuple[Span, ...] = ()
    scrape_fault: Callable[[int], bool] | None = None
    present: Span = (-inf, inf)
    first: int | None = None
    gauges: Mapping[str, Sequence[tuple[float, float]]] = field(default_factory=dict)
    drift: Sequence[tuple[Span, float]] = ()


@dataclass(frozen=True)
class World:
    """All that one Prometheus watches.

    Attributes:
        prometheus_down: when Prometheus is not there, and scrapes nothing.
        external: its external labels.
        others: series of other things, by selector: their steps.
        pace: evaluate so far apart whatever rules say, so that a world of days can be played.
    """

    exporters: tuple[Exporter, ...]
    lasts: float
    scrapes: Scrapes = field(default_factory=Scrapes)
    evaluation: float = 15.0
    prometheus_down: tuple[Span, ...] = ()
    external: Mapping[str, str] = field(default_factory=dict)
    others: Mapping[str, Sequence[tuple[float, float]]] = field(default_factory=dict)
    pace: float | None = None


def fleet(
    count: int,
    prefix: str = "worker",
    *changes: Change,
    **fields: Any,  # noqa: ANN401
) -> tuple[Runner, ...]:
    """Give runners of one kind whose heartbeats are spread over time."""
    every = fields.get("heartbeat", 30.0)
    return tuple(
        Runner(
            f"{prefix}-{number}",
            changes=changes,
            phase=(number * 7.3) % every,
            **{"label": f"{prefix.title()} {number}", **fields},
        )
        for number in range(count)
    )
