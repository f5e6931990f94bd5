"""The counters of a target and of its runners: what grew, since who counts began to."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from math import ceil, floor, inf
from typing import Final

from topology.judged import Seen
from topology.model import Runner, Target
from topology.observing import BEFORE, LAG, RunnerView, TargetView
from topology.series import Made, Values
from topology.steps import Span, Steps, both, mapped, tidied

_OUTCOMES: Final = {"claimed": "claimed", "failed": "error", "skipped": "no_work"}
_DISPATCH: Final = {"1.0": False, "30.0": False, "60.0": True, "+Inf": True}
"""Bounds of the histogram of dispatch, and whether late ones are within."""
_RUNNER: Final = "electric_agents_runner_"
_FLEET: Final = "electric_agents_runners_"


class Growth:
    """How much something has grown by a moment, of rates a minute that hold from moments on."""

    def __init__(self, rates: Mapping[float, float]) -> None:
        """Take by how much the rate changes at which moments."""
        self._moments = [-BEFORE]
        self._rates = [0.0]
        self._sums = [0.0]
        for moment in sorted(rates):
            at = max(moment, -BEFORE)
            self._sums.append(self._sums[-1] + self._rates[-1] / 60 * (at - self._moments[-1]))
            self._moments.append(at)
            self._rates.append(self._rates[-1] + rates[moment])

    def at(self, moment: float) -> float:
        """Give how much it has grown."""
        place = bisect_right(self._moments, moment) - 1
        if place < 0:
            return 0.0
        return self._sums[place] + self._rates[place] / 60 * (moment - self._moments[place])


def rates(runner: Runner, name: str) -> dict[float, float]:
    """Tell when the rate of something that a runner counts changes, and by how much."""
    changes: dict[float, float] = defaultdict(float)
    before = 0.0
    for life in runner.lives:
        rate = float(getattr(life.state, name)) if life.state.heard and life.state.listed else 0.0
        if rate != before:
            changes[life.since] += rate - before
            before = rate
    return changes


def starts(runner: Runner) -> list[float]:
    """Give when its process began anew."""
    lives = runner.lives
    return [
        now.since
        for before, now in pairwise(lives)
        if now.state.alive and (now.state.starts > before.state.starts or not before.state.alive)
    ]


class Counters:
    """The counters of one target. `lives` are the exporter's: what it counts begins anew."""

    def __init__(self, view: TargetView, lives: Sequence[Span]) -> None:
        self._view = view
        self._lives = lives

    def _began(self, moment: float) -> float:
        begin = max((begin for begin, _ in self._lives if begin <= moment), default=-BEFORE)
        return max(begin, self._view.target.configured[0])

    def _poll(self, moment: float) -> float:
        target: Target = self._view.target
        first = self._began(moment) + target.phase % target.interval
        return first + (moment - LAG - first) // target.interval * target.interval

    def _there(self, moment: float) -> bool:
        begin, end = self._view.target.configured
        return begin <= moment < end

    def errors(self) -> dict[tuple[str, str], list[tuple[float, float | None]]]:
        """Give the errors of requests, by operation and reason; those that may come are 0."""
        found: dict[tuple[str, str], list[tuple[float, float | None]]] = {}
        for operation in ("list", "health"):
            for reason in ("timeout", "connect", "unauthorized", "forbidden", "server_error"):
                found[operation, reason] = []
        for key, counted in self._view.errors.items():
            found[key] = [(moment, count) for moment, count in counted]
        for steps in found.values():
            for begin, end in self._lives:
                configured = self._view.target.configured
                steps.append((max(begin, configured[0]), 0.0))
                if min(end, configured[1]) < inf:
                    steps.append((min(end, configured[1]), None))
            steps.sort(key=lambda step: step[0])
        return {key: tidied(steps) for key, steps in found.items()}

    def fleet(self) -> Made:
        """Give what all runners did, by kind, since the exporter watches."""
        kinds = {one.runner.kind for one in self._view.runners} or {"server"}
        for kind in sorted(kinds):
            mine = [one.runner for one in self._view.runners if one.runner.kind == kind]
            for name, outcome in _OUTCOMES.items():
                labels = {"kind": kind, "outcome": outcome}
                yield f"{_FLEET}claims_total", labels, self._grown(mine, name)
            yield f"{_FLEET}reconnects_total", {"kind": kind}, self._grown(mine, "reconnects")
            if self._view.target.url and self._view.target.postgres:
                yield from self._dispatched(kind, mine)
            yield f"{_FLEET}events_received_total", {"kind": kind}, self._grown(mine, "events")
        everybody = [one.runner for one in self._view.runners]
        yield f"{_FLEET}client_restarts_total", {}, self._restarts(everybody)
        yield f"{_FLEET}lease_lapses_total", {}, self._lapses()
        first, gone = self._listed(came=True), self._listed(came=False)
        yield f"{_FLEET}discovered_total", {}, first
        yield f"{_FLEET}removed_total", {}, gone

    def _dispatched(self, kind: str, runners: Sequence[Runner]) -> Made:
        """Give how long wakes waited until they were claimed, where both are read."""
        prompt, late = self._grown(runners, "prompt"), self._grown(runners, "late")
        every = _added(prompt, late)
        for bound, holds_late in _DISPATCH.items():
            labels = {"kind": kind, "le": bound}
            yield f"{_FLEET}dispatch_seconds_bucket", labels, every if holds_late else prompt
        yield f"{_FLEET}dispatch_seconds_count", {"kind": kind}, every

    def _grown(self, runners: Sequence[Runner], name: str) -> Values:
        changes: dict[float, float] = defaultdict(float)
        for runner in runners:
            for moment, change in rates(runner, name).items():
                changes[moment] += change
        if not changes:
            return self._counted(())
        growth = Growth(changes)

        def read(moment: float) -> float | None:
            if not self._there(moment):
                return None
            began = self._began(moment)
            return float(floor(growth.at(self._poll(moment))) - floor(growth.at(began)))

        return read

    def _counted(self, moments: Sequence[float]) -> Steps[float | None]:
        """Count moments as they are seen: at the first poll after each."""
        target = self._view.target
        steps: list[tuple[float, float | None]] = []
        for begin, end in self._lives:
            first, last = max(begin, target.configured[0]), min(end, target.configured[1])
            if first >= last:
                continue
            steps.append((first, 0.0))
            offset = first + target.phase % target.interval
            seen = [
                offset + ceil((m - offset) / target.interval) * target.interval for m in moments
            ]
            counted = sorted(s + LAG for m, s in zip(moments, seen, strict=True) if first < m)
            steps += [(at, n + 1.0) for n, at in enumerate(counted) if at < last]
            steps.append((last, None))
        return tidied(steps)

    def _restarts(self, runners: Sequence[Runner]) -> Steps[float | None]:
        return self._counted([moment for runner in runners for moment in starts(runner)])

    def _lapses(self) -> Steps[float | None]:
        return self._counted([moment for one in self._view.runners for moment in _lapses(one)])

    def _listed(self, *, came: bool) -> Steps[float | None]:
        return self._counted(
            [
                now[0]
                for one in self._view.runners
                for before, now in pairwise(one.listed)
                if before[1] != now[1] and now[1] is came
            ]
        )

    def of(self, view: RunnerView) -> Made:
        """Give the counters of one runner: its own, and what the exporter derives."""
        without = self._view.target.without
        begun = starts(view.runner)
        if "claims" not in without:
            for name, outcome in _OUTCOMES.items():
                labels = {"outcome": outcome}
                yield f"{_RUNNER}claims_total", labels, self._own(view, name, begun)
        if "client" not in without:
            yield f"{_RUNNER}reconnects_total", {}, self._own(view, "reconnects", begun)
            yield f"{_RUNNER}events_received_total", {}, self._own(view, "events", begun)
            yield f"{_RUNNER}client_start_timestamp_seconds", {}, self._started(view, begun)
        if "derived" in without:
            return
        yield f"{_RUNNER}client_restarts_total", {}, self._kept(view, begun)
        conflicts = [
            now.since
            for before, now in pairwise(view.runner.lives)
            for _ in range(now.state.conflicts - before.state.conflicts)
        ]
        yield f"{_RUNNER}client_identity_conflicts_total", {}, self._kept(view, conflicts)
        yield f"{_RUNNER}health_changes_total", {}, self._kept(view, _health_changes(view))
        yield f"{_RUNNER}lease_lapses_total", {}, self._kept(view, _lapses(view))

    def _own(self, view: RunnerView, name: str, begun: Sequence[float]) -> Values:
        changes = rates(view.runner, name)
        known = tidied((moment, now is not None) for moment, now in view.seen)
        if not changes:
            return mapped(known, lambda there: 0.0 if there else None)
        growth = Growth(changes)
        moments = [moment for moment, _ in known]

        def read(moment: float) -> float | None:
            place = bisect_right(moments, moment) - 1
            if place < 0 or not known[place][1]:
                return None
            poll = self._poll(moment)
            since = begun[bisect_right(begun, poll) - 1] if bisect_right(begun, poll) else -BEFORE
            return float(floor(growth.at(poll)) - floor(growth.at(since)))

        return read

    def _started(self, view: RunnerView, begun: Sequence[float]) -> Values:
        known = tidied((moment, now is not None) for moment, now in view.seen)
        starts_: list[tuple[float, float]] = [(-inf, -BEFORE), *((at + LAG, at) for at in begun)]
        return both(known, [(moment, value) for moment, value in starts_])

    def _kept(self, view: RunnerView, moments: Sequence[float]) -> Steps[float | None]:
        """Count what this exporter saw: it stays while the runner is listed."""
        return both(tidied(view.listed), self._counted(moments))


def _added(one: Values, other: Values) -> Values:
    """Add what grows."""
    if callable(one) and callable(other):
        first, second = one, other

        def read(moment: float) -> float | None:
            values = first(moment), second(moment)
            return None if values[0] is None or values[1] is None else values[0] + values[1]

        return read
    return one if callable(one) else other


def _health_changes(view: RunnerView) -> list[float]:
    return _changes(view, lambda before, now: before.health != now.health)


def _lapses(view: RunnerView) -> list[float]:
    return _changes(view, lambda before, now: before.liveness == "online" != now.liveness)


def _changes(view: RunnerView, differ: Callable[[Seen, Seen], bool]) -> list[float]:
    found = []
    last: Seen | None = None
    for moment, now in view.seen:
        if now is not None:
            if last is not None and differ(last, now):
                found.append(moment - LAG)
            last = now
    return found
