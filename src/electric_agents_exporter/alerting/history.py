"""What alerts need to know of the past: numbers of a while, and what was last known to hold."""

import math
import statistics
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Final, Generic, NamedTuple, TypeVar

import msgspec

from electric_agents_exporter.conditions import Condition
from electric_agents_exporter.contract.report import Client
from electric_agents_exporter.contract.vocabulary import ClaimOutcome
from electric_agents_exporter.fleet.aggregate import Aggregate
from electric_agents_exporter.fleet.reasons import Operation, Reason, Skip
from electric_agents_exporter.fleet.snapshot import RunnerState, TargetSnapshot

Value = TypeVar("Value")

_NO_CLIENT: Final = Client()
_REFUSALS: Final = (Reason.UNAUTHORIZED, Reason.FORBIDDEN)
_LATE: Final = (Skip.OVERRUN, Skip.MISFIRE)
_SPARSE: Final = 3.5  # intervals: about a minute, as polls are not to the second
_LESS_SPARSE: Final = 1.5
_MOMENTS: Final = 50


class Spans(NamedTuple):
    """For how long things must be remembered, in seconds.

    Attributes:
        interval: how often there is something new.
        memory: what is not seen any more counts still.
        window: counters, and lists.
        often: counters that move with a runner's work.
        median: leaked claims, as many are taken the median of.
        leaks: how many claims had leaked once.
    """

    interval: float
    memory: float
    window: float
    often: float
    median: float
    leaks: float


class Window(Generic[Value]):
    """Values of the last so many seconds, no closer to each other than `spacing`, oldest first."""

    def __init__(self, seconds: float, spacing: float = 0.0) -> None:
        self._seconds = seconds
        self._spacing = spacing
        self._kept: deque[tuple[float, Value]] = deque()

    def add(self, monotonic: float, value: Value) -> None:
        """Keep a value, unless one was kept just before, and drop what is too old."""
        kept = self._kept
        if not kept or monotonic - kept[-1][0] >= self._spacing:
            kept.append((monotonic, value))
        while kept and monotonic - kept[0][0] > self._seconds:
            kept.popleft()

    def since(self, monotonic: float) -> Iterator[Value]:
        """Give the values from a moment on."""
        return (value for at, value in self._kept if at >= monotonic)

    def oldest(self, monotonic: float) -> tuple[float, Value] | None:
        """Give the oldest value from a moment on, and when that was."""
        return next((kept for kept in self._kept if kept[0] >= monotonic), None)

    def before(self, monotonic: float, gap: float) -> Value | None:
        """Give the newest value of the `gap` seconds before a moment."""
        kept = [value for at, value in self._kept if monotonic - gap <= at <= monotonic]
        return kept[-1] if kept else None


class Seldom(NamedTuple):
    """Counters of a runner that seldom move; None where one is not known."""

    reconnects: float | None
    claim_errors: float | None
    health_changes: int
    client_restarts: int
    identity_conflicts: int


class Often(NamedTuple):
    """Counters of a runner that move with its work; None where one is not known."""

    events: float | None
    no_work: float | None


class Numbers(msgspec.Struct, frozen=True):
    """What was counted of one target until an evaluation."""

    success: Mapping[Operation, bool]
    errors: Mapping[Reason, int]
    refused: int
    late: int
    claimed: float


class History:
    """The past of one target, or of one tenant of it.

    For 10,000 runners that all work it takes some 30 MB: counters that do not move are kept once,
    those that seldom move one value a minute.

    Attributes:
        moved: the runners of which a counter moved that seldom does, as far back as is remembered.
    """

    def __init__(self, spans: Spans) -> None:
        self._spans = spans
        sparse = _SPARSE * spans.interval
        self.numbers: Window[Numbers] = Window(spans.window)
        self.listed: Window[Mapping[str, int]] = Window(spans.window, sparse)
        self.often: Window[Mapping[str, Often]] = Window(spans.often, _LESS_SPARSE * spans.interval)
        self.newest_often: Mapping[str, Often] = {}
        self._seldom: Window[Mapping[str, Seldom]] = Window(spans.window, sparse)
        self._newest_seldom: Mapping[str, Seldom] = {}
        self.moved: Collection[str] = ()
        self._leaking: Window[Mapping[str, float]] = Window(spans.median, sparse)
        self._leaked: Window[Mapping[str, float]] = Window(spans.leaks, spans.leaks / _MOMENTS)
        self._began: float | None = None
        self._sums: tuple[float, Aggregate] | None = None
        self._held: dict[str, dict[Condition, float]] = {}

    def take(self, snapshot: TargetSnapshot, sums: Aggregate | None, monotonic: float) -> None:
        """Take in what is known at a moment."""
        if self._began is None:
            self._began = monotonic
        runners = snapshot.runners
        seldom, often = self._newest_seldom, self.newest_often
        self._newest_seldom = {
            runner.listed.id: _same(_seldom(runner), seldom.get(runner.listed.id))
            for runner in runners
        }
        self.newest_often = {
            runner.listed.id: _same(_often(runner), often.get(runner.listed.id))
            for runner in runners
        }
        self._seldom.add(monotonic, self._newest_seldom)
        self.moved = self._moved()
        self.often.add(monotonic, self.newest_often)
        self.numbers.add(monotonic, _numbers(snapshot))
        self.listed.add(monotonic, snapshot.listed)
        self._leaking.add(monotonic, dict(_leaks(runners)))
        if monotonic - self._began >= self._spans.median:
            self._leaked.add(monotonic, self.leaked(monotonic))
        if sums is not None:
            self._sums = (monotonic, sums)
        self._held = {
            runner_id: held
            for runner_id, held in self._held.items()
            if runner_id in self._newest_seldom
        }

    def _moved(self) -> Collection[str]:
        """Find the runners of which a counter moved that seldom does: what is kept is not one."""
        oldest = self._seldom.oldest(-math.inf)
        before = oldest[1] if oldest else {}
        return {
            runner_id
            for runner_id, counters in self._newest_seldom.items()
            if before.get(runner_id) is not counters
        }

    def sums(self, monotonic: float) -> Aggregate | None:
        """Give the newest sums over the runners, if they are not too old."""
        if self._sums is None or monotonic - self._sums[0] > self._spans.memory:
            return None
        return self._sums[1]

    def leaked(self, monotonic: float) -> Mapping[str, float]:
        """Count, by runner, the active claims that nobody works on, where there are some.

        The two numbers of a report may be of different moments, so the median of many is taken.
        """
        many = list(self._leaking.since(monotonic - self._spans.median))
        names = {runner_id for each in many for runner_id in each}
        medians = {
            runner_id: statistics.median(each.get(runner_id, 0.0) for each in many)
            for runner_id in names
        }
        return {runner_id: median for runner_id, median in medians.items() if median}

    def leaked_before(self, monotonic: float, gap: float) -> Mapping[str, float] | None:
        """Give what had leaked at a moment, or when that was first told; None before that.

        Without the past nobody can say which leaks are new: those that were found first are not.
        """
        then = self._leaked.before(monotonic, gap)
        if then is not None:
            return then
        first = self._leaked.oldest(-math.inf)
        return None if first is None else first[1]

    def holds(
        self, runner: RunnerState, stale_after: float, monotonic: float
    ) -> frozenset[Condition]:
        """Tell what holds of a runner, or held when that could last be told, not long ago."""
        seen = runner.observation
        age = None if seen is None else monotonic - seen.monotonic
        if age is None or age > stale_after + self._spans.memory:
            self._held.pop(runner.listed.id, None)
            return _UNKNOWN
        judged = runner.conditions
        held = self._held.get(runner.listed.id)
        if not held and not judged.holds:
            return judged.holds if age <= stale_after else _UNKNOWN
        held = {
            condition: at
            for condition, at in (held or {}).items()
            if condition not in judged.known and monotonic - at <= self._spans.memory
        }
        held |= dict.fromkeys(judged.holds, monotonic if age <= stale_after else monotonic - age)
        if held:
            self._held[runner.listed.id] = held
        else:
            self._held.pop(runner.listed.id, None)
        holds = frozenset(held)
        return holds if age <= stale_after else holds | _UNKNOWN

    def grown(
        self,
        runner_id: str,
        read: Callable[[Seldom], float | None],
        since: float,
        above: float,
    ) -> float:
        """Tell how much a runner's counter grew since a moment; 0 where not above a number.

        As the rules count it: what it is now less the least that it was.
        """
        newest = self._newest_seldom.get(runner_id)
        now = None if newest is None else read(newest)
        if now is None or now <= above:
            return 0.0
        least = now
        for counters in self._seldom.since(since):
            then = counters.get(runner_id)
            value = None if then is None else read(then)
            if value is not None and value < least:
                least = value
        return now - least


_UNKNOWN: Final = frozenset({Condition.UNKNOWN})


def _same(new: Value, old: Value | None) -> Value:
    return old if old is not None and old == new else new


def _seldom(runner: RunnerState) -> Seldom:
    client = (runner.report.client if runner.report else None) or _NO_CLIENT
    counts = runner.counts
    return Seldom(
        client.reconnect_count,
        client.claims_failed,
        counts.health_changes,
        counts.client_restarts,
        counts.client_identity_conflicts,
    )


def _often(runner: RunnerState) -> Often:
    client = (runner.report.client if runner.report else None) or _NO_CLIENT
    return Often(client.events_received, client.claims_skipped)


def _leaks(runners: Iterable[RunnerState]) -> Iterator[tuple[str, float]]:
    for runner in runners:
        report = runner.report
        active = report.claims.active_count if report else None
        entities = report.dispatch.entities_with_active_claim if report else None
        if active is not None and entities is not None and active != entities:
            yield runner.listed.id, active - entities


def _numbers(snapshot: TargetSnapshot) -> Numbers:
    errors: dict[Reason, int] = {}
    for (_, reason), count in snapshot.requests.errors.items():
        if count:  # most never happened, and an hour of these is kept of each tenant
            errors[reason] = errors.get(reason, 0) + count
    return Numbers(
        success=snapshot.poll_success,
        errors=errors,
        refused=sum(errors.get(reason, 0) for reason in _REFUSALS),
        late=sum(snapshot.requests.skipped.get(skip, 0) for skip in _LATE),
        claimed=sum(
            count
            for (_, outcome), count in snapshot.fleet.claims.items()
            if outcome is ClaimOutcome.CLAIMED
        ),
    )
