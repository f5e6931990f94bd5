"""Pending, firing, resolved: what becomes of what is found, from one evaluation to the next.

As Prometheus does it: an alert waits for its `for`, is held for its `keep_firing_for` once it is
not found, and is told as resolved for a quarter of an hour. No clock and no I/O: moments are handed
in.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

import msgspec

from electric_agents_exporter.alerting.alert import Alert, AlertState, Identity
from electric_agents_exporter.alerting.definition import Definition

_MAY_BE_KNOWN_FOR: Final = 4 * 3600.0
"""For how long Alertmanager may tell what it knew: four of the longest resend intervals."""

RESOLVED_FOR: Final = 900.0
"""For how long a resolved alert is told, in seconds: as long as Prometheus tells it."""


class Moment(msgspec.Struct, frozen=True):
    """One moment: seconds since the epoch, and of the clock that neither jumps nor sleeps."""

    time: float
    monotonic: float


class Found(msgspec.Struct, frozen=True):
    """What an alert is found to hold of; `say` renders its annotations."""

    definition: Definition
    labels: Mapping[str, str]
    say: Callable[[], Mapping[str, str]]


class _Entry:
    """One alert."""

    __slots__ = ("active", "fired_at", "found", "lost_at", "resolved")

    def __init__(self, found: Found, active: Moment) -> None:
        self.found = found
        self.active = active
        self.fired_at: float | None = None
        self.lost_at: float | None = None
        self.resolved: Moment | None = None

    def keep_texts(self) -> None:
        """Keep what it said last, and nothing of what that was made of: a snapshot of a fleet."""
        texts = self.found.say()
        self.found = Found(self.found.definition, self.found.labels, lambda: texts)

    def alert(self) -> Alert:
        """Give it as it stands."""
        state = AlertState.PENDING if self.fired_at is None else AlertState.FIRING
        return Alert(
            labels=self.found.labels,
            annotations=self.found.say(),
            state=state if self.resolved is None else AlertState.RESOLVED,
            active_at=self.active.time,
            fired_at=self.fired_at,
            resolved_at=None if self.resolved is None else self.resolved.time,
        )


class AlertStates:
    """Every alert that is pending, firing, or was resolved lately, by what it is on.

    A subject is what is evaluated at once: a target, or the exporter itself. An evaluation of one
    subject says nothing of another's alerts.
    """

    def __init__(self) -> None:
        self._subjects: dict[str, dict[Identity, _Entry]] = {}
        self._known: Mapping[Identity, float] = {}
        self._adopted: set[Identity] = set()
        self._began: float | None = None

    def adopt(self, known: Mapping[Identity, float]) -> None:
        """Take over what Alertmanager knew before this process told it anything.

        `known` gives its `startsAt` of each. What is found of it fires at once, and since then; but
        only once. What fires here without that is not taken over later: an Alertmanager that
        answers late may tell what it was told by this process.
        """
        self._known = known

    def follow(self, subject: str, found: Iterable[Found], moment: Moment) -> bool:
        """Take in an evaluation of one subject.

        Returns:
            Whether an alert began to fire, or was resolved.
        """
        if self._began is None:
            self._began = moment.monotonic
        entries = self._subjects.setdefault(subject, {})
        seen: set[Identity] = set()
        changed = False
        for each in found:
            identity = frozenset(each.labels.items())
            if identity in seen:
                continue
            seen.add(identity)
            entry = entries.get(identity)
            if entry is None or entry.resolved is not None:
                entry = entries[identity] = _Entry(each, moment)
            else:
                entry.found, entry.lost_at = each, None
            if entry.fired_at is None:
                entry.fired_at = self._fires(entry, identity, moment)
                changed |= entry.fired_at is not None
        return self._lose(entries, seen, moment) or changed

    def _fires(self, entry: _Entry, identity: Identity, moment: Moment) -> float | None:
        """Tell since when a pending alert fires; None where it waits on."""
        since = self._known.get(identity)
        if since is not None and identity not in self._adopted:
            self._adopted.add(identity)
            return since
        if moment.monotonic - entry.active.monotonic < entry.found.definition.wait:
            return None
        if self._began is not None and moment.monotonic - self._began <= _MAY_BE_KNOWN_FOR:
            self._adopted.add(identity)
        return moment.time

    @staticmethod
    def _lose(entries: dict[Identity, _Entry], seen: set[Identity], moment: Moment) -> bool:
        """Let go of what was not found this time."""
        changed = False
        for identity in entries.keys() - seen:
            entry = entries[identity]
            if entry.resolved is not None:
                if moment.monotonic - entry.resolved.monotonic >= RESOLVED_FOR:
                    del entries[identity]
                continue
            if entry.fired_at is None:
                del entries[identity]
                continue
            if entry.lost_at is None:
                entry.lost_at = moment.monotonic
                entry.keep_texts()
            if moment.monotonic - entry.lost_at >= entry.found.definition.hold:
                entry.resolved = moment
                changed = True
        return changed

    def forget(self, subjects: Iterable[str], moment: Moment) -> bool:
        """Let go of subjects that are watched no more: what fires is resolved, without its hold.

        Returns:
            Whether an alert was resolved.
        """
        changed = False
        for subject in subjects:
            for entry in self._subjects.get(subject, {}).values():
                if entry.fired_at is not None and entry.resolved is None:
                    entry.keep_texts()
                    entry.resolved = moment
                    changed = True
            self.follow(subject, (), moment)
        return changed

    def subjects(self) -> frozenset[str]:
        """Give the subjects that have alerts."""
        return frozenset(name for name, entries in self._subjects.items() if entries)

    def alerts(self) -> Iterator[Alert]:
        """Give every alert as it stands."""
        for entries in self._subjects.values():
            for entry in entries.values():
                yield entry.alert()
