"""What an exporter knows of its targets: its polls, and what stays of them until they are stale.

A runner's series are those of its last report until that is `stale_after` old. A list that fails is
no empty list. All is lost when the process starts anew.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil, inf
from typing import Final

from electric_agents_exporter.conditions import Gap
from electric_agents_exporter.fleet.outages import Outages
from electric_agents_exporter.fleet.reasons import SERVER_FAILS
from topology.judged import THRESHOLDS, Marks, Seen, marks, seen
from topology.model import Exporter, Life, Runner, Target
from topology.steps import Span, tidied, within

LAG: Final = 1.0
"""How long a poll takes until its results are seen."""
BEFORE: Final = 900.0
"""How long before a world begins an exporter watches it."""
_TOLERATED: Final = 0.1
_SERVER_FAILS: Final = frozenset(reason.value for reason in SERVER_FAILS)


@dataclass
class RunnerView:
    """One runner as it is known, in steps.

    Attributes:
        runner: the runner.
        listed: whether the newest good list names it.
        seen: what its fresh report says; None where there is none.
        success: whether the last call for it succeeded.
        marks: of each good report that was asked for singly: when what moves began.
    """

    runner: Runner
    listed: list[tuple[float, bool]] = field(default_factory=list)
    seen: list[tuple[float, Seen | None]] = field(default_factory=list)
    success: list[tuple[float, bool]] = field(default_factory=list)


@dataclass
class TargetView:
    """One target as it is known, in steps; `known` is whether any list is fresh."""

    target: Target
    runners: list[RunnerView]
    configured: list[tuple[float, bool]] = field(default_factory=list)
    up: list[tuple[float, float]] = field(default_factory=list)
    known: list[tuple[float, bool]] = field(default_factory=list)
    success: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    last_success: list[tuple[float, Span | None]] = field(default_factory=list)
    fresh: dict[str, list[tuple[float, bool]]] = field(default_factory=dict)
    errors: dict[tuple[str, str], list[tuple[float, float]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Poll:
    """One poll: its time, why lists failed by principal, which runners' calls failed."""

    at: float
    lists: dict[str, str | None]
    gaps: tuple[Gap, ...]
    regular: bool
    silent: bool
    number: int


def lifetimes(exporter: Exporter, lasts: float) -> list[Span]:
    """Give when the process runs, from its start to its end."""
    begins = [-BEFORE, *(end for _, end in exporter.down)]
    ends = [*(begin for begin, _ in exporter.down), lasts]
    return [(begin, end) for begin, end in zip(begins, ends, strict=True) if begin < end]


def views(exporter: Exporter, lasts: float) -> list[TargetView]:
    """Give all that it knows, over all its lives."""
    return [_view(target, lifetimes(exporter, lasts)) for target in exporter.targets]


def _view(target: Target, lives: Sequence[Span]) -> TargetView:
    view = TargetView(target, [RunnerView(runner) for runner in target.watched()])
    windows = {one.runner.id: _unsettled(one.runner, target) for one in view.runners}
    for begin, end in lives:
        first = max(begin, target.configured[0])
        last = min(end, target.configured[1])
        if first >= last:
            continue
        polls = list(_polls(target, first, last, windows.values()))
        _follow_target(view, polls, first, last)
        for runner in view.runners:
            _follow(runner, target, polls, windows[runner.runner.id], last)
        _forget(view, last)
    return view


def _forget(view: TargetView, moment: float) -> None:
    """End all, as the process does or the configuration."""
    view.configured.append((moment, False))
    view.known.append((moment, False))
    view.last_success.append((moment, None))
    for steps in view.fresh.values():
        steps.append((moment, False))
    for one in view.runners:
        one.listed.append((moment, False))
        one.seen.append((moment, None))
        one.success.append((moment, False))


# Polls


def _unsettled(runner: Runner, target: Target) -> list[Span]:
    """Give when what is said of a runner may change from poll to poll."""
    settling = (
        max(min(runner.lease, 86_400.0), THRESHOLDS.stuck_after)
        + 2 * runner.heartbeat
        + 2 * THRESHOLDS.recovery
        + 2 * target.interval
    )
    moments = [life.since for life in runner.lives if life.since > -inf]
    for outage in target.server.outages:
        moments += [outage.begin, outage.end]
    return _merged((moment, moment + settling) for moment in sorted(moments))


def _merged(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for begin, end in sorted(spans):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged


def _polls(
    target: Target, first: float, last: float, windows: Iterable[Sequence[Span]]
) -> Iterator[Poll]:
    """Give the polls at which anything may change; between two regular ones all are alike."""
    outages = Outages()
    answered = False
    for number in _numbers(target, first, last, windows):
        moment = first + target.phase % target.interval + number * target.interval
        lists = lists_of(target, number, moment)
        failed = [reason for reason in lists.values() if reason is not None]
        silent = within(target.silent, moment)
        if silent or (failed and len(failed) == len(lists) and _SERVER_FAILS.intersection(failed)):
            outages.failed(moment)
        elif lists and len(failed) < len(lists):
            heard = _signs_of_life(target, lists, moment) if outages.open else ()
            outages.served(moment, THRESHOLDS.recovery, heard)
            answered = True
        gaps = outages.gaps(moment, THRESHOLDS.recovery) if outages.any and answered else ()
        yield Poll(moment, lists, gaps, not failed, silent, number)


def _signs_of_life(target: Target, lists: Mapping[str, str | None], moment: float) -> list[float]:
    """Give when the runners of the lists that were got gave their last sign of life."""
    signs = [
        mark_at(runner, target, moment).sign
        for runner in target.server.runners
        if lists.get(runner.principal, "gone") is None
    ]
    return [sign for sign in signs if sign is not None]


def _numbers(
    target: Target, first: float, last: float, windows: Iterable[Sequence[Span]]
) -> list[int]:
    """Give the numbers of the polls at which anything may change."""
    begin = first + target.phase % target.interval
    count = max(0, ceil((last - begin) / target.interval))
    spans = [span for some in windows for span in some]
    for configured in target.principal_configured.values():
        spans += [(edge, edge + 60.0) for edge in configured if abs(edge) < inf]
    spans += [(edge, edge + 180.0) for span in target.silent for edge in span]
    spans += [
        (edge, edge + 180.0) for one in target.server.outages for edge in (one.begin, one.end)
    ]
    if target.list_fault or target.health_fault:
        return list(range(count))
    numbers = {0} if count else set()
    for opens, closes in _merged(spans):
        low = max(0, ceil((opens - begin) / target.interval) - 1)
        high = min(count - 1, ceil((closes - begin) / target.interval) + 1)
        numbers.update(range(low, high + 1))
    return sorted(numbers)


def lists_of(target: Target, number: int, moment: float) -> dict[str, str | None]:
    """Tell of a poll why the list of each principal fails, by its number and time."""
    outage = next((one for one in target.server.outages if one.begin <= moment < one.end), None)
    if outage is not None and outage.reason:
        return dict.fromkeys(target.principals_at(moment), outage.reason)
    fault = target.list_fault
    return {
        principal: fault(principal, number, moment) if fault else None
        for principal in target.principals_at(moment)
    }


# What is known of a target


def _follow_target(view: TargetView, polls: Sequence[Poll], first: float, last: float) -> None:
    target = view.target
    view.configured.append((first, True))
    view.up.append((first, 0.0))
    counters: dict[tuple[str, str], float] = {}
    succeeded: float | None = None
    good: dict[str, float] = {}
    for position, poll in enumerate(polls):
        upto = polls[position + 1].number if position + 1 < len(polls) else None
        repeats = (upto or _count(target, first, last)) - poll.number
        moment = poll.at + LAG
        until = poll.at + (repeats - 1) * target.interval
        got = [name for name, reason in poll.lists.items() if reason is None]
        health = bool(got) and _tolerable(target, poll)
        for name in got:
            good[name] = until
            view.fresh.setdefault(name, []).append((moment, True))
        _expire(view, good, target, moment, until)
        view.up.append((moment, float(bool(got) and not poll.silent)))
        _note(view, "list", moment, ok=len(got) == len(poll.lists))
        _note(view, "health", moment, ok=health)
        if target.wakes and target.url:
            _note(view, "wakes", moment, ok=bool(got))
        if target.url:
            _note(view, "server", moment, ok=not poll.silent and not away(target, poll.at))
        if len(got) == len(poll.lists) and health:
            succeeded = until + LAG
            # While polls are alike, each succeeds: the time of the last one goes on with them.
            view.last_success.append((moment, (moment, target.interval)))
        elif succeeded is not None:
            view.last_success.append((moment, (succeeded, inf)))
        for reason in poll.lists.values():
            if reason is not None:
                key = ("list", reason)
                _count_errors(view, counters, key, poll.at, [1] * repeats)
        failing = _failing(target, poll)
        if failing:
            key = ("health", "timeout")
            _count_errors(view, counters, key, poll.at, [failing] * repeats)


def _count(target: Target, first: float, last: float) -> int:
    return max(0, ceil((last - first - target.phase % target.interval) / target.interval))


def away(target: Target, moment: float) -> bool:
    """Tell whether the server does not answer when it is asked how it is."""
    return any(
        one.begin <= moment < one.end and one.reason != "database" for one in target.server.outages
    )


def _expire(
    view: TargetView, good: dict[str, float], target: Target, moment: float, until: float
) -> None:
    """Note which lists are stale, and when they became so."""
    for name, at in list(good.items()):
        gone = name not in target.principals_at(until)
        if at + target.staleness < until or gone:
            view.fresh[name].append((moment if gone else max(moment, at + target.staleness), False))
            del good[name]
    fresh = bool(good)
    if not view.known or view.known[-1][1] != fresh:
        stale = [steps[-1][0] for steps in view.fresh.values() if not steps[-1][1]]
        view.known.append((moment if fresh else max([moment, *stale]), fresh))


def _note(view: TargetView, operation: str, moment: float, *, ok: bool) -> None:
    view.success.setdefault(operation, []).append((moment, float(ok)))


def _count_errors(
    view: TargetView,
    counters: dict[tuple[str, str], float],
    key: tuple[str, str],
    moment: float,
    failed: Sequence[int],
) -> None:
    """Count the errors of polls that follow each other."""
    steps = view.errors.setdefault(key, [])
    for number, errors in enumerate(failed):
        counters[key] = counters.get(key, 0.0) + errors
        steps.append((moment + number * view.target.interval + LAG, counters[key]))


def _failing(target: Target, poll: Poll) -> int:
    fault = target.health_fault
    if fault is None or not poll.regular:
        return 0
    return sum(fault(one.id, poll.number, poll.at) for one in target.watched())


def _tolerable(target: Target, poll: Poll) -> bool:
    watched, failed = len(target.watched()), _failing(target, poll)
    return not failed or (failed < watched and (failed <= 1 or failed < _TOLERATED * watched))


# What is known of a runner


def _follow(
    view: RunnerView, target: Target, polls: Sequence[Poll], windows: Sequence[Span], last: float
) -> None:
    runner, fault = view.runner, target.health_fault
    succeeded: float | None = None
    before: Seen | None = None
    settled = False
    for position, poll in enumerate(polls):
        moment = poll.at + LAG
        following = polls[position + 1].number if position + 1 < len(polls) else None
        until = (
            poll.at + (following - 1 - poll.number) * target.interval
            if following is not None
            else max(poll.at, last - target.interval)
        )
        life = life_at(runner, poll.at)
        reason = poll.lists.get(runner.principal, "gone")
        if reason == "gone":
            view.listed.append((moment, False))
            view.seen.append((moment, None))
            continue
        if reason is None:
            view.listed.append((moment, life.state.listed))
        failed = reason is not None or (
            fault is not None and fault(runner.id, poll.number, poll.at)
        )
        if not life.state.listed:
            succeeded, before, settled = None, None, False
            view.seen.append((moment, None))
            continue
        if reason is None:
            view.success.append((moment, not failed))
        if succeeded is not None and succeeded + target.staleness < until:
            view.seen.append((max(moment, succeeded + target.staleness), None))
        if failed:
            continue
        busy = within(windows, poll.at) or bool(poll.gaps)
        if busy or not settled or before is None:
            before = seen(
                runner, life, target.server, poll.at, gaps=poll.gaps, wakes=_wakes(target)
            )
        settled = not busy
        if view.seen and view.seen[-1][0] > moment:
            view.seen.pop()
        view.seen.append((moment, before))
        succeeded = until


def _wakes(target: Target) -> bool:
    return target.wakes and target.url


def life_at(runner: Runner, moment: float) -> Life:
    """Give what is true of it at a moment."""
    found = runner.lives[0]
    for life in runner.lives:
        if life.since > moment:
            break
        found = life
    return found


def mark_at(runner: Runner, target: Target, moment: float) -> Marks:
    """Give when what moves began, as a poll at a moment tells it."""
    return marks(runner, life_at(runner, moment), target.server, moment)


def settled_steps(view: RunnerView) -> list[tuple[float, Seen | None]]:
    """Give what is said of a runner where the newest good list names it."""
    return tidied(view.seen)
