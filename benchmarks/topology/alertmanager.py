"""What Alertmanager delivers of what fires, by its configuration: a simulation of version 0.25.

It knows routes with `continue`, grouping, the three intervals, inhibition and resolved
notifications, and Prometheus's way of sending: a firing alert again after more than a minute, a
resolved one for a quarter of an hour. It knows no silences, no time intervals, no clusters. A test
holds it to a real Alertmanager.
"""

import heapq
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from math import inf
from typing import Any, Final, NamedTuple

from topology.player import Firing, Labels, seconds
from topology.steps import Span, within

RESEND: Final = 60.0
_VALID: Final = 4.0
_RETENTION: Final = 900.0
_MATCHER: Final = re.compile(r'^\s*([a-zA-Z_:][\w:]*)\s*(=~|!~|!=|=)\s*"?((?:[^"\\]|\\.)*)"?\s*$')
_DEFAULTS: Final = {"group_wait": "30s", "group_interval": "5m", "repeat_interval": "4h"}
_SENDS_RESOLVED: Final = frozenset(
    {"webhook", "pagerduty", "opsgenie", "victorops", "pushover", "sns", "telegram", "webex"}
)


class Sent(NamedTuple):
    """One alert as Prometheus sends it at a time."""

    at: float
    labels: tuple[tuple[str, str], ...]
    starts: float
    ends: float


class Notified(NamedTuple):
    """One alert in a notification."""

    labels: Labels
    firing: bool
    starts: float


@dataclass(frozen=True)
class Delivery:
    """One notification, as a receiver gets it."""

    at: float
    receiver: str
    group: Labels
    alerts: tuple[Notified, ...]

    @property
    def firing(self) -> bool:
        """Whether anything in it fires; otherwise all of it is resolved."""
        return any(alert.firing for alert in self.alerts)


def deliveries(
    settings: Mapping[str, Any],
    firing: Iterable[Firing],
    until: float,
    *,
    evaluation: float = 15.0,
    down: Sequence[Span] = (),
) -> list[Delivery]:
    """Give all that is delivered until a time; `down` is when Prometheus sends nothing."""
    return sent_deliveries(settings, sending(firing, until, evaluation, down), until)


def sent_deliveries(
    settings: Mapping[str, Any], sent: Iterable[Sent], until: float, *, cleanup: float = 30.0
) -> list[Delivery]:
    """Give what is delivered of what is sent, of one Prometheus or of several.

    Groups without alerts are forgotten at every `cleanup`.
    """
    return list(_Alertmanager(settings, cleanup).run(sorted(sent), until))


def sending(
    firing: Iterable[Firing], until: float, evaluation: float, down: Sequence[Span] = ()
) -> Iterator[Sent]:
    """Give what Prometheus sends, as long as alerts fire and a while after."""
    valid = _VALID * max(RESEND, evaluation)
    # An evaluation that is exactly so much later is not later than that.
    again = (RESEND // evaluation + 1) * evaluation
    for alert in firing:
        labels = tuple(sorted(alert.labels.items()))
        end = inf if alert.end is None else alert.end
        moment = alert.begin
        while moment < min(end, until):
            if not within(down, moment):
                yield Sent(moment, labels, alert.begin, moment + valid)
            moment += again
        moment = end
        while moment < min(end + _RETENTION, until):
            if not within(down, moment):
                yield Sent(moment, labels, alert.begin, end)
            moment += again


class Matcher(NamedTuple):
    """What a label must be; one that is missing is empty."""

    label: str
    operation: str
    value: str

    def holds(self, labels: Labels) -> bool:
        """Tell whether it is so."""
        value = labels.get(self.label, "")
        if self.operation in {"=", "!="}:
            return (value == self.value) is (self.operation == "=")
        return bool(re.fullmatch(self.value, value)) is (self.operation == "=~")


def _matchers(written: Mapping[str, Any], prefix: str = "") -> tuple[Matcher, ...]:
    found = []
    for text in written.get(f"{prefix}matchers", ()):
        match = _MATCHER.match(text)
        if match is None:
            raise ValueError(f"not a matcher: {text}")
        value = re.sub(r"\\(.)", r"\1", match[3]) if match[2] in {"=", "!="} else match[3]
        found.append(Matcher(match[1], match[2], value.replace('\\"', '"')))
    found += [Matcher(label, "=", str(v)) for label, v in written.get(f"{prefix}match", {}).items()]
    found += [
        Matcher(label, "=~", str(v)) for label, v in written.get(f"{prefix}match_re", {}).items()
    ]
    return tuple(found)


@dataclass(frozen=True)
class Route:
    """One node of the tree, with all that it inherits."""

    number: int
    receiver: str
    matchers: tuple[Matcher, ...]
    goes_on: bool
    group_by: tuple[str, ...]
    wait: float
    interval: float
    repeat: float
    routes: "tuple[Route, ...]" = ()

    def matching(self, labels: Labels) -> "list[Route]":
        """Give the routes that an alert takes."""
        if not all(matcher.holds(labels) for matcher in self.matchers):
            return []
        found: list[Route] = []
        for child in self.routes:
            taken = child.matching(labels)
            found += taken
            if taken and not child.goes_on:
                break
        return found or [self]


def _route(
    written: Mapping[str, Any], inherited: Mapping[str, Any], numbers: Iterator[int]
) -> Route:
    own = {**inherited, **{key: value for key, value in written.items() if key in inherited}}
    return Route(
        number=next(numbers),
        receiver=own["receiver"],
        matchers=_matchers(written),
        goes_on=bool(written.get("continue", False)),
        group_by=tuple(own["group_by"]),
        wait=seconds(own["group_wait"]),
        interval=seconds(own["group_interval"]),
        repeat=seconds(own["repeat_interval"]),
        routes=tuple(_route(child, own, numbers) for child in written.get("routes", ())),
    )


def tree(settings: Mapping[str, Any]) -> Route:
    """Read the routes of a configuration."""
    return _route(settings["route"], {**_DEFAULTS, "receiver": "", "group_by": ()}, count())


@dataclass(frozen=True)
class Inhibition:
    """One rule: a source that fires mutes its targets where some labels are equal."""

    source: tuple[Matcher, ...]
    target: tuple[Matcher, ...]
    equal: tuple[str, ...]

    def is_source(self, labels: Labels) -> bool:
        """Tell whether an alert can mute."""
        return all(matcher.holds(labels) for matcher in self.source)

    def is_target(self, labels: Labels) -> bool:
        """Tell whether it can be muted."""
        return all(matcher.holds(labels) for matcher in self.target)

    def mutes(self, labels: Labels, sources: Iterable[Labels]) -> bool:
        """Tell whether any of what fires mutes an alert that can be muted."""
        both = self.is_source(labels)
        return any(
            self.is_source(one)
            and all(one.get(name, "") == labels.get(name, "") for name in self.equal)
            and not (both and self.is_target(one))
            for one in sources
        )


@dataclass
class _Alert:
    labels: Labels
    starts: float
    ends: float
    updated: float


@dataclass
class _Group:
    route: Route
    labels: Labels
    alerts: dict[tuple[tuple[str, str], ...], _Alert] = field(default_factory=dict)
    flushed: bool = False
    due: float = inf


@dataclass
class _Entry:
    """What was last notified of a group."""

    at: float
    firing: frozenset[Any]
    resolved: frozenset[Any]


class _Alertmanager:
    def __init__(self, settings: Mapping[str, Any], cleanup: float) -> None:
        self._cleanup = cleanup
        self._tree = tree(settings)
        self._rules = [
            Inhibition(_matchers(one, "source_"), _matchers(one, "target_"), tuple(one["equal"]))
            for one in ({"equal": [], **rule} for rule in settings.get("inhibit_rules", ()))
        ]
        self._resolves = {
            receiver["name"]: _sends_resolved(receiver) for receiver in settings["receivers"]
        }
        self._alerts: dict[tuple[tuple[str, str], ...], _Alert] = {}
        self._groups: dict[tuple[int, tuple[tuple[str, str], ...]], _Group] = {}
        self._log: dict[tuple[int, tuple[tuple[str, str], ...]], _Entry] = {}
        self._routes: dict[tuple[tuple[str, str], ...], list[Route]] = {}
        self._cleaned = 0.0

    def run(self, sent: Sequence[Sent], until: float) -> Iterator[Delivery]:
        timers: list[tuple[float, int, tuple[int, tuple[tuple[str, str], ...]]]] = []
        numbers = count()
        position = 0
        while True:
            now = min(
                sent[position].at if position < len(sent) else inf, timers[0][0] if timers else inf
            )
            if now > until or now == inf:
                return
            self._clean(now)
            if position < len(sent) and sent[position].at <= now:
                for key in self._take(sent[position]):
                    heapq.heappush(timers, (self._groups[key].due, next(numbers), key))
                position += 1
                continue
            due, _, key = heapq.heappop(timers)
            group = self._groups.get(key)
            if group is None or group.due != due:
                continue
            group.due = now + group.route.interval
            group.flushed = True
            heapq.heappush(timers, (group.due, next(numbers), key))
            yield from self._flush(key, group, now)

    def _take(self, sent: Sent) -> Iterator[tuple[int, tuple[tuple[str, str], ...]]]:
        """Take an alert in, and give the groups whose timers it sets."""
        labels = dict(sent.labels)
        known = self._alerts.get(sent.labels)
        starts = sent.starts
        if known is not None and known.ends > sent.starts:
            starts = min(starts, known.starts)
        alert = _Alert(labels, starts, sent.ends, sent.at)
        self._alerts[sent.labels] = alert
        if sent.labels not in self._routes:
            self._routes[sent.labels] = self._tree.matching(labels)
        for route in self._routes[sent.labels]:
            by = labels if route.group_by == ("...",) else route.group_by
            group_labels = {name: labels[name] for name in by if name in labels}
            key = (route.number, tuple(sorted(group_labels.items())))
            group = self._groups.get(key)
            if group is None:
                group = self._groups[key] = _Group(route, group_labels)
                group.due = sent.at + route.wait
                group.alerts[sent.labels] = alert
                if starts + route.wait < sent.at:
                    group.due = sent.at
                yield key
                continue
            group.alerts[sent.labels] = alert
            if not group.flushed and starts + route.wait < sent.at and group.due > sent.at:
                group.due = sent.at
                yield key

    def _clean(self, now: float) -> None:
        """Forget groups without alerts, as is done every half a minute."""
        while self._cleaned + self._cleanup <= now:
            self._cleaned += self._cleanup
            for key in [key for key, group in self._groups.items() if not group.alerts]:
                del self._groups[key]

    def _flush(
        self, key: tuple[int, tuple[tuple[str, str], ...]], group: _Group, now: float
    ) -> Iterator[Delivery]:
        resolved = {name for name, alert in group.alerts.items() if alert.ends <= now}
        sent = {name: alert for name, alert in group.alerts.items() if not self._muted(alert, now)}
        if sent:
            firing = frozenset(sent.keys() - resolved)
            done = frozenset(sent.keys() & resolved)
            resolves = self._resolves.get(group.route.receiver, True)
            if self._news(key, group.route, firing, done, now, resolves=resolves):
                told = [name for name in sent if resolves or name in firing]
                if firing or resolves:
                    yield Delivery(
                        at=now,
                        receiver=group.route.receiver,
                        group=group.labels,
                        alerts=tuple(
                            Notified(sent[name].labels, name in firing, sent[name].starts)
                            for name in sorted(told)
                        ),
                    )
                self._log[key] = _Entry(now, firing, done)
        for name in resolved:
            del group.alerts[name]

    def _news(  # noqa: PLR0913
        self,
        key: tuple[int, tuple[tuple[str, str], ...]],
        route: Route,
        firing: frozenset[Any],
        resolved: frozenset[Any],
        now: float,
        *,
        resolves: bool,
    ) -> bool:
        entry = self._log.get(key)
        if entry is None:
            return bool(firing)
        if not firing <= entry.firing:
            return True
        if not firing:
            return bool(entry.firing)
        if resolves and not resolved <= entry.resolved:
            return True
        return entry.at < now - route.repeat

    def _muted(self, alert: _Alert, now: float) -> bool:
        for rule in self._rules:
            if not rule.is_target(alert.labels):
                continue
            sources = (one.labels for one in self._alerts.values() if one.ends > now)
            if rule.mutes(alert.labels, sources):
                return True
        return False


def _sends_resolved(receiver: Mapping[str, Any]) -> bool:
    """Tell whether any of a receiver's kinds is told of what is over."""
    kinds = {
        kind.removesuffix("_configs"): one
        for kind, those in receiver.items()
        if kind.endswith("_configs")
        for one in those
    }
    return not kinds or any(
        one.get("send_resolved", kind in _SENDS_RESOLVED) for kind, one in kinds.items()
    )
