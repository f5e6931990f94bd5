"""What is told of runners: which of them fit a query, in its order, and each as a row."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from msgspec.structs import replace

from electric_agents_exporter.contract.vocabulary import RunnerKind
from electric_agents_exporter.fleet.snapshot import (
    FleetSnapshot,
    Past,
    RunnerState,
    TargetSnapshot,
)
from electric_agents_exporter.status.ages import plural, spell_duration
from electric_agents_exporter.status.query import Query, Sort
from electric_agents_exporter.status.states import (
    MEANINGS,
    NEEDED,
    Shown,
    State,
    being_read,
    judged,
    kind_of,
    never_seen,
    rank,
    shown_as,
    what_the_server_says,
)
from electric_agents_exporter.status.timeline import Moment, spans
from electric_agents_exporter.status.view import RunnerPage, RunnerRow


class Seen(NamedTuple):
    """A runner of a target, and how it is shown."""

    runner: RunnerState
    target: TargetSnapshot
    shown: Shown


def every_of(target: TargetSnapshot, monotonic: float) -> Iterator[Seen]:
    """See how each runner of a target is shown."""
    # A judgement is the same object for all that it is true of, and looked up by what it is.
    known: dict[tuple[int, RunnerKind | None, bool, bool], Shown] = {}
    for runner in target.runners:
        conditions = judged(runner, monotonic, target.stale_after)
        unborn = never_seen(runner)
        reading = being_read(runner, monotonic, target.interval)
        key = (id(conditions), runner.listed.kind, unborn, reading)
        shown = known.get(key)
        if shown is None:
            kind = kind_of(runner)
            shown = known[key] = shown_as(conditions, kind, unborn=unborn, reading=reading)
        yield Seen(runner, target, shown)


def look_at(runner: RunnerState, target: TargetSnapshot, monotonic: float) -> Seen:
    """See how one runner is shown."""
    shown = shown_as(
        judged(runner, monotonic, target.stale_after),
        kind_of(runner),
        unborn=never_seen(runner),
        reading=being_read(runner, monotonic, target.interval),
    )
    return Seen(runner, target, shown)


def count_states(seen: Iterable[Seen]) -> Counter[State]:
    """Count the runners that each state holds of."""
    counts: Counter[State] = Counter()
    for holds, count in Counter(each.shown.holds for each in seen).items():
        for state in holds:
            counts[state] += count
    return counts


def page_of(seen: Sequence[Seen], query: Query, snapshot: FleetSnapshot) -> RunnerPage:
    """Give the page of runners that is asked for; the last one where there are not so many."""
    fitting = [each for each in seen if _fits(each, query)]
    key = _KEYS[query.sort]
    fitting.sort(
        key=lambda each: (*key(each, snapshot.monotonic), each.runner.listed.id, each.target.name)
    )
    if query.reverse:
        fitting.reverse()
    pages = max(1, math.ceil(len(fitting) / query.per_page))
    page = min(query.page, pages)
    chosen = fitting[(page - 1) * query.per_page : page * query.per_page]
    rows = tuple(runner_row(each, snapshot) for each in chosen)
    return RunnerPage(len(fitting), page, pages, query.per_page, rows)


def _fits(each: Seen, query: Query) -> bool:
    listed = each.runner.listed
    if query.condition is not None and query.condition not in each.shown.holds:
        return False
    if query.target is None:
        # A server that is down is one line, and not one for each runner of which nothing is known.
        if not each.target.up and each.shown.state is State.UNKNOWN and not query.text:
            return False
    elif query.target != each.target.name:
        return False
    if query.kind is not None and query.kind is not kind_of(each.runner):
        return False
    if not query.text:
        return True
    text = query.text.casefold()
    return text in listed.id.casefold() or text in (listed.label or "").casefold()


Key = tuple[float | str, ...]


def _by_state(each: Seen, monotonic: float) -> Key:
    return rank(each.shown.state), -(_oldest_wake(each.runner, monotonic) or 0.0)


def _by_heartbeat(each: Seen, monotonic: float) -> Key:
    age = _age(each, monotonic)
    return (math.inf if age is None else -age,)


def _by_waiting(each: Seen, monotonic: float) -> Key:
    del monotonic
    lag = each.runner.lag if _known(each) else None
    return (math.inf if lag is None else -lag.unheard,)


def _by_claims(each: Seen, monotonic: float) -> Key:
    del monotonic
    claims = _claims(each)
    return (math.inf if claims is None else -claims,)


def _by_reconnects(each: Seen, monotonic: float) -> Key:
    del monotonic
    count = _reconnects(each)
    return (math.inf if count is None else -count,)


_KEYS: Final[Mapping[Sort, Callable[[Seen, float], Key]]] = {
    Sort.STATE: _by_state,
    Sort.RUNNER: lambda each, _: (each.runner.listed.id,),
    Sort.TARGET: lambda each, _: (each.target.name, each.target.tenant or ""),
    Sort.KIND: lambda each, _: (kind_of(each.runner).value,),
    Sort.HEARTBEAT: _by_heartbeat,
    Sort.WAITING: _by_waiting,
    Sort.CLAIMS: _by_claims,
    Sort.RECONNECTS: _by_reconnects,
}


def _known(each: Seen) -> bool:
    return each.shown.state is not State.UNKNOWN


def _age(each: Seen, monotonic: float) -> float | None:
    seen = each.runner.observation
    if not _known(each) or seen is None or seen.heartbeat_age is None:
        return None
    return seen.heartbeat_age + monotonic - seen.monotonic


def _claims(each: Seen) -> float | None:
    report = each.runner.report
    return report.claims.active_count if report is not None and _known(each) else None


def _reconnects(each: Seen) -> float | None:
    report = each.runner.report
    if report is None or report.client is None or not _known(each):
        return None
    return report.client.reconnect_count


def _oldest_wake(runner: RunnerState, monotonic: float) -> float | None:
    return None if runner.lag is None else runner.lag.age_at(monotonic)


def runner_row(each: Seen, snapshot: FleetSnapshot) -> RunnerRow:
    """Tell of a runner: nothing of a report that is not fresh."""
    runner, target, shown = each
    known = _known(each)
    report = runner.report if known else None
    seen = runner.observation if known else None
    lag = runner.lag if known else None
    health = report.health if report else None
    alive = None
    if seen is not None and seen.sign_of_life_age is not None:
        alive = seen.sign_of_life_age + snapshot.monotonic - seen.monotonic
    return RunnerRow(
        target=target.name,
        tenant=target.tenant,
        id=runner.listed.id,
        label=runner.listed.label,
        kind=kind_of(runner),
        state=shown.state,
        severity=MEANINGS[shown.state].severity,
        states=shown.holds,
        not_known=shown.not_known,
        why="; ".join(_why(each, state, snapshot.monotonic) for state in shown.holds),
        server_says=health,
        hides=what_the_server_says(shown.state, health),
        since=None,
        since_before=False,
        heartbeat_age=_age(each, snapshot.monotonic),
        sign_of_life_age=alive,
        never_heartbeat=report is not None and never_seen(runner),
        wakes_waiting=None if lag is None else lag.unheard,
        oldest_wake_age=None if lag is None else lag.age_at(snapshot.monotonic),
        claims=_claims(each),
        reconnects=_reconnects(each),
    )


def _why(each: Seen, state: State, monotonic: float) -> str:
    """Say what is wrong by the numbers that it rests on."""
    runner, sentence = each.runner, MEANINGS[state].sentence
    if state is State.WORK_UNHEARD and runner.lag is not None:
        age = runner.lag.age_at(monotonic)
        oldest = "" if age is None else f", the oldest for {spell_duration(age)}"
        return f"{sentence}: {plural(runner.lag.unheard, 'entity', 'entities')}{oldest}"
    if state is State.WORK_ABANDONED and runner.observation is not None:
        silent = runner.observation.sign_of_life_age
        if silent is not None:
            now = silent + monotonic - runner.observation.monotonic
            return f"{sentence} for {spell_duration(now)}"
    if state is State.UNKNOWN:
        return f"{sentence}{_last_report(each, monotonic)}"
    if state is State.PARTLY_KNOWN:
        unknown = "; ".join(NEEDED[condition] for condition in each.shown.not_known)
        return f"{sentence}: {unknown}"
    return sentence


def _last_report(each: Seen, monotonic: float) -> str:
    seen = each.runner.observation
    if seen is not None:
        return f": the last one was {spell_duration(monotonic - seen.monotonic)} ago"
    if each.runner.poll_success is False:
        return ": it could not be had"
    return "" if each.target.up else ": its server does not answer"


def with_past(
    row: RunnerRow, runner: RunnerState, target: TargetSnapshot, past: Past, snapshot: FleetSnapshot
) -> RunnerRow:
    """Add to a runner since when it is as it is, and its last hour."""
    now = Moment(snapshot.time, snapshot.monotonic)
    timeline = spans(runner, past, now, target.stale_after, row.state)
    last = timeline[-1] if timeline else None
    if last is None:
        return row
    before = last.begins <= past.begins and not (past.changes and past.changes[0].before is None)
    why, failure = row.why, past.changes[-1].failure if past.changes else None
    if row.state is State.UNKNOWN and failure is not None:
        why = f"{why} ({failure.value})"
    return replace(row, why=why, since=last.begins, since_before=before, timeline=timeline)
