"""Plays worlds as exporters do that send alerts themselves: no rules, and no Prometheus.

Each exporter is real from its poll to its alerts: a fleet, pollers that leave polls out as they do,
and the engine. Only the clock, the servers behind and the wire to Alertmanager are the model's. A
process that starts anew knows what Alertmanager knows by then.
"""

import asyncio
import heapq
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from math import inf
from typing import Final

from electric_agents_exporter.alerting.alert import Alert, AlertState, Identity
from electric_agents_exporter.alerting.definition import Definitions, load
from electric_agents_exporter.alerting.engine import Engine, Options, OwnState
from electric_agents_exporter.alerting.sender import LIVES, Terms
from electric_agents_exporter.alerting.sent import Sent as Told
from electric_agents_exporter.fleet.fleet import Fleet
from electric_agents_exporter.fleet.policy import Policy
from electric_agents_exporter.fleet.reasons import Operation, Skip
from electric_agents_exporter.fleet.selection import Selection, Shard
from electric_agents_exporter.scheduler import TargetPoller
from electric_agents_exporter.sources.source import EVERYONE
from topology.alertmanager import Sent
from topology.answers import ModelSource, gauge
from topology.model import Exporter, Target, World
from topology.observing import LAG, lifetimes
from topology.player import Firing
from topology.series import EXPORTER, SERVER
from topology.steps import Span
from topology.target_series import grown

_RESEND: Final = Terms().resend_interval
LASTS: Final = LIVES * _RESEND
"""For how long what was sent is believed where nothing more comes."""
REPLICA_LABELS: Final = frozenset({"instance", "pod", "node"})
"""What tells replicas apart, and is on no alert."""

_EVERY: Final = 15.0
_MODELLED: Final = {
    f"{SERVER}clock_offset_seconds",
    f"{SERVER}runners_suppressed",
    # An exporter that stands still succeeds no more.
    f"{SERVER}last_poll_success_timestamp_seconds",
}
_OVERRUN: Final = (f"{SERVER}polls_skipped_total", (("reason", "overrun"),))
_TICK: Final = f"{EXPORTER}scheduler_last_tick_timestamp_seconds"
_RELOADED: Final = f"{EXPORTER}config_last_reload_successful"
_WATCHDOG: Final = "ElectricAgentsWatchdog"


@dataclass(frozen=True)
class Direct:
    """What became of one world: what fired at any exporter, what was sent, and bad texts.

    `firing` is the union over exporters; what a dead one sent last is believed for a while.
    """

    firing: tuple[Firing, ...]
    sent: tuple[Sent, ...]
    bad: tuple[str, ...] = ()


class _Clock:
    """The time of a world, which goes on when it is told to."""

    def __init__(self) -> None:
        self.now = -inf

    def time(self) -> float:
        """Give it as seconds since the epoch."""
        return self.now

    def monotonic(self) -> float:
        """Give it as seconds of a steady clock."""
        return self.now

    def awake(self) -> float:
        """Give it as seconds in which no machine slept."""
        return self.now


class _Events:
    """What happens when; of two things at one moment the first that was told happens first."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Callable[[], Awaitable[None] | None]]] = []
        self._numbers = count()

    def add(self, moment: float, act: Callable[[], Awaitable[None] | None]) -> None:
        """Let something happen at a moment; what it gives is awaited."""
        heapq.heappush(self._heap, (moment, next(self._numbers), act))

    def __iter__(self) -> Iterator[tuple[float, Callable[[], Awaitable[None] | None]]]:
        while self._heap:
            moment, _, act = heapq.heappop(self._heap)
            yield moment, act


class _Outbox:
    """What the processes of a world send, and what Alertmanager knows of it."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.spans: dict[Identity, list[Span]] = defaultdict(list)
        self.bad: set[str] = set()
        self._known: dict[Identity, Sent] = {}

    def known(self, moment: float) -> dict[Identity, Sent]:
        """Give what Alertmanager knows to fire at a moment."""
        return {name: sent for name, sent in self._known.items() if sent.ends > moment}

    def send(self, moment: float, alert: Alert) -> None:
        """Send an alert."""
        starts = alert.active_at if alert.fired_at is None else alert.fired_at
        ends = moment + LASTS if alert.resolved_at is None else alert.resolved_at
        labels = tuple(sorted(alert.labels.items()))
        sent = Sent(moment, labels, starts, ends)
        self.sent.append(sent)
        self._known[alert.identity] = sent
        self.bad.update(text for text in alert.annotations.values() if "<error" in text)


@dataclass(frozen=True)
class _Stage:
    """What all processes of a world share."""

    world: World
    definitions: Definitions
    clock: _Clock = field(default_factory=_Clock)
    events: _Events = field(default_factory=_Events)
    outbox: _Outbox = field(default_factory=_Outbox)


class _Process:
    """One life of one exporter's process."""

    def __init__(self, stage: _Stage, exporter: Exporter, life: Span) -> None:
        self._world = stage.world
        self._exporter = exporter
        self._begin, self._end = life
        self._clock = clock = stage.clock
        self._events = stage.events
        self._outbox = stage.outbox
        self._fleet = Fleet(clock)
        self._still = _still_since(exporter)
        self._configured_at = self._begin
        self._known = stage.outbox.known(self._begin)
        labels = {
            name: value for name, value in exporter.labels.items() if name not in REPLICA_LABELS
        }
        self._engine = Engine(
            self._fleet,
            clock,
            Options(
                stage.definitions,
                labels={**stage.world.external, **labels},
                per_runner=all(target.per_runner for target in exporter.targets),
            ),
            self._own,
            self._known_yet,
        )
        self._pollers: dict[str, tuple[TargetPoller, ModelSource]] = {}
        self._told = Told()
        self._fires: dict[Identity, tuple[float, float]] = {}

    def start(self) -> None:
        """Begin to poll, and let all follow that comes of it."""
        self._configure()
        for edge in self._edges():
            if self._begin < edge < self._end:
                self._events.add(edge, self._reconfigure)
        for target in self._exporter.targets:
            if target.tenant is None:
                first = self._first(target)
                last = min(self._end, target.configured[1], self._still)
                self._events.add(first, partial(self._due, target, last))
        self._events.add(self._begin, self._look_at_itself)
        if self._end < self._world.lasts:
            self._events.add(self._end, self._die)

    # Settings

    def _edges(self) -> set[float]:
        return {
            edge
            for target in self._exporter.targets
            for span in (target.configured, *target.principal_configured.values())
            for edge in span
        }

    def _configured(self) -> list[Target]:
        now = self._clock.now
        return [
            one
            for one in self._exporter.targets
            if one.tenant is None and one.configured[0] <= now < one.configured[1]
        ]

    def _configure(self) -> None:
        self._fleet.configure([_policy(one, self._clock.now) for one in self._configured()])

    def _reconfigure(self) -> None:
        self._configured_at = self._clock.now
        self._configure()

    def _own(self) -> OwnState:
        now = self._clock.now
        drift = grown(self._exporter.drift)(now) or 0.0
        reloaded = gauge(self._exporter.gauges.get(_RELOADED, ()), now, 1.0)
        return OwnState(
            reloaded=bool(reloaded),
            configured_at=self._configured_at,
            drift={"client.status": int(drift)} if drift else {},
        )

    # Polls

    def _first(self, target: Target) -> float:
        begin = max(self._begin, target.configured[0])
        return begin + target.phase % target.interval

    async def _due(self, target: Target, last: float) -> None:
        """Poll a target if its poller does, evaluate when that has come in, and go on."""
        now = self._clock.now
        if now >= last:
            return
        self._events.add(now + target.interval, partial(self._due, target, last))
        if target.name not in self._pollers:
            tenants = [one for one in self._exporter.targets if one.name == target.name]
            source = ModelSource(target, tenants, now, self._clock)
            polled = self._fleet.targets[target.name]
            self._pollers[target.name] = TargetPoller(polled, source, self._clock), source
        poller, source = self._pollers[target.name]
        self._count_overruns(target)
        await poller.tick()
        if source.bug is not None:
            raise source.bug
        if now + LAG < min(self._end, target.configured[1]):
            self._events.add(now + LAG, partial(self._evaluate, target.name))

    def _count_overruns(self, target: Target) -> None:
        """Note polls that were due while one still ran, since the last one."""
        now = self._clock.now
        for rates in target.counters.values():
            read = grown(rates)
            before = read(max(self._begin, now - target.interval)) or 0.0
            late = int((read(now) or 0.0) - before)
            if late:
                self._fleet.targets[target.name].skip(Skip.OVERRUN, late)

    # Alerts

    def _evaluate(self, name: str) -> None:
        if self._engine.evaluate_target(name):
            self._flush()

    def _look_at_itself(self) -> None:
        now = self._clock.now
        if now >= self._end:
            return
        self._events.add(now + (self._world.pace or _EVERY), self._look_at_itself)
        if now < self._still:
            self._fleet.tick()
        self._engine.evaluate_itself()
        self._flush()

    def _known_yet(self) -> Mapping[Identity, float]:
        """Give what Alertmanager knew at the start and did not let end since."""
        now = self._clock.now
        return {name: sent.starts for name, sent in self._known.items() if sent.ends > now}

    def _flush(self) -> None:
        """Send what is new, what changed, and what is due to be sent again."""
        now = self._clock.now
        alerts = [
            alert
            for alert in self._engine.alerts()
            if alert.state is not AlertState.PENDING and alert.labels["alertname"] != _WATCHDOG
        ]
        due = self._told.due(alerts, now, _RESEND)
        for identity, alert in due:
            self._outbox.send(now, alert)
            if alert.state is AlertState.FIRING:
                first, _ = self._fires.get(identity, (now, now))
                self._fires[identity] = first, now
            elif identity in self._fires:
                first, _ = self._fires.pop(identity)
                self._outbox.spans[identity].append((first, now))
        self._told.told(due, now)

    def _die(self) -> None:
        for identity, (first, last) in self._fires.items():
            self._outbox.spans[identity].append((first, last + LASTS))
        self._fires.clear()

    def finish(self) -> None:
        """Note what fires still when the world ends."""
        for identity, (first, _) in self._fires.items():
            self._outbox.spans[identity].append((first, inf))


@dataclass(frozen=True)
class _Placed(Shard):
    """A shard as the model divides runners: by their places in the list."""

    mine: frozenset[str] = field(default_factory=frozenset)

    def owns(self, runner_id: str) -> bool:
        """Tell whether a runner is this exporter's to watch."""
        return runner_id in self.mine


def _policy(target: Target, moment: float) -> Policy:
    """Give how a target is watched, by its settings of a moment."""
    strange = target.gauges.keys() - _MODELLED or target.counters.keys() - {_OVERRUN}
    if strange:
        raise ValueError(f"{target.name}: {strange} is not modelled for alerts that are sent")
    operations = [Operation.LIST, Operation.HEALTH]
    if target.url:
        operations += [Operation.WAKES, Operation.SERVER] if target.wakes else [Operation.SERVER]
    index, number = target.shard or (0, 1)
    mine = frozenset(one.id for one in target.watched())
    limit = len(mine) if f"{SERVER}runners_suppressed" in target.gauges else 10_000
    return Policy(
        name=target.name,
        principals=(EVERYONE,) if target.postgres else tuple(target.principals_at(moment)),
        interval=target.interval,
        stale_after=target.staleness,
        max_runners=limit,
        expected_min=target.expected_min,
        selection=Selection(shard=_Placed(index, number, mine) if target.shard else Shard()),
        operations=tuple(operations),
        database=target.postgres,
    )


def _still_since(exporter: Exporter) -> float:
    """Give when an exporter's scheduler ticked last; never where it goes on."""
    ticks = exporter.gauges.get(_TICK)
    return inf if ticks is None else ticks[-1][0]


def play_directly(world: World) -> Direct:
    """Play a world, and give what its exporters sent."""
    return asyncio.run(_play(_Stage(world, load())))


async def _play(stage: _Stage) -> Direct:
    world, events, outbox = stage.world, stage.events, stage.outbox
    processes: list[_Process] = []

    def start(exporter: Exporter, life: Span) -> None:
        process = _Process(stage, exporter, life)
        processes.append(process)
        process.start()

    for exporter in world.exporters:
        for life in lifetimes(exporter, world.lasts):
            events.add(life[0], partial(start, exporter, life))
    for moment, act in events:
        if moment > world.lasts:
            break
        stage.clock.now = moment
        going_on = act()
        if going_on is not None:
            await going_on
    for process in processes:
        process.finish()
    return Direct(_union(outbox.spans, world.lasts), tuple(outbox.sent), tuple(sorted(outbox.bad)))


def _union(spans: Mapping[Identity, Iterable[Span]], lasts: float) -> tuple[Firing, ...]:
    """Give alerts with their beginnings and ends, of when any exporter sends them."""
    found = []
    for identity, mine in spans.items():
        labels = dict(sorted(identity))
        merged: list[Span] = []
        for begin, end in sorted(mine):
            if merged and begin <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((begin, end))
        found += [Firing(labels, begin, None if end > lasts else end) for begin, end in merged]
    return tuple(found)
