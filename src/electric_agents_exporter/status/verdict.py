"""What is wrong, in a sentence: work first, then who cannot be watched, then what is not known."""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from electric_agents_exporter.status.ages import plural, spell_duration
from electric_agents_exporter.status.states import MEANINGS, Severity, State, weight
from electric_agents_exporter.status.targets import DOWN, NOT_POLLED, PARTLY, UP
from electric_agents_exporter.status.view import Statement, TargetRow, Verdict

_LONGEST_REASON: Final = 160
_MOST_NAMED: Final = 3


class Fleetwide(NamedTuple):
    """What the verdict rests on.

    Attributes:
        targets: all targets.
        few: targets with fewer runners than are expected: name, how many, how many are expected.
        states: how many runners each state holds of.
        runners: how many are watched.
        waiting: how many entities wait for work.
        oldest: for how long the oldest of them waits; None where that is not known.
        unsure: of how many runners it is not known whether work waits, though they report.
    """

    targets: tuple[TargetRow, ...]
    few: tuple[tuple[str, int, int], ...]
    states: Mapping[State, int]
    runners: int
    waiting: int
    oldest: float | None
    unsure: int


def judge_fleet(fleet: Fleetwide) -> Verdict:
    """Say what is wrong, the worst first; where nothing is, what that rests on."""
    found = [*_work(fleet), *_servers(fleet), *_runners(fleet), *_unknown(fleet)]
    if not found:
        found = [_all_well(fleet)]
    found.sort(key=lambda each: -weight(each.severity))
    text = "; ".join(each.text for each in found)
    return Verdict(found[0].severity, text, tuple(found))


def _work(fleet: Fleetwide) -> Iterator[Statement]:
    if fleet.states.get(State.WORK_UNHEARD, 0):
        oldest = "" if fleet.oldest is None else f", oldest {spell_duration(fleet.oldest)}"
        who = plural(fleet.waiting, "entity waits", "entities wait")
        yield Statement(Severity.BAD, f"{who} for work{oldest}")
    dead = fleet.states.get(State.WORK_ABANDONED, 0)
    if dead:
        who = plural(dead, "runner works and gives", "runners work and give")
        yield Statement(Severity.BAD, f"{who} no sign of life")


def _servers(fleet: Fleetwide) -> Iterator[Statement]:
    down = [each for each in fleet.targets if each.state == DOWN]
    if down:
        why = "; ".join(f"{_name(each)}{_reason(each)}" for each in down[:_MOST_NAMED])
        more = f" and {len(down) - _MOST_NAMED} more" if len(down) > _MOST_NAMED else ""
        yield Statement(Severity.BAD, f"{plural(len(down), 'server')} down: {why}{more}")
    partly = [each for each in fleet.targets if each.state == PARTLY]
    if partly:
        why = "; ".join(f"{_name(each)}{_reason(each)}" for each in partly[:_MOST_NAMED])
        what = plural(len(partly), "server is", "servers are")
        yield Statement(Severity.LOOK, f"{what} not polled in full: {why}")
    empty = [
        f"{row.principal} of {_name(each)}"
        for each in fleet.targets
        if each.state in {UP, PARTLY}
        for row in each.principals
        if row.listed == 0
    ]
    if empty:
        named = ", ".join(empty[:_MOST_NAMED])
        more = f" and {len(empty) - _MOST_NAMED} more" if len(empty) > _MOST_NAMED else ""
        yield Statement(Severity.LOOK, f"0 runners listed for {named}{more}")
    for name, listed, expected in fleet.few:
        text = f"{name} lists {plural(listed, 'runner')}, and {expected:,} or more are expected"
        yield Statement(Severity.LOOK, text)
    waiting = [each for each in fleet.targets if each.state == NOT_POLLED]
    if waiting:
        text = f"{plural(len(waiting), 'server')} not polled yet"
        yield Statement(Severity.UNKNOWN, text)


def _name(target: TargetRow) -> str:
    return target.name if target.tenant is None else f"{target.name}, tenant {target.tenant}"


def _reason(target: TargetRow) -> str:
    return f": {target.reasons[0][:_LONGEST_REASON]}" if target.reasons else ""


_COUNTED: Final[Mapping[State, tuple[str, str]]] = {
    State.WORK_REFUSED: ("runner had a claim fail", "runners had a claim fail"),
    State.CLAIM_STUCK: ("runner has a claim stuck", "runners have a claim stuck"),
    State.DEAF: ("runner is deaf", "runners are deaf"),
    State.LAPSED: ("runner is gone", "runners are gone"),
}


def _runners(fleet: Fleetwide) -> Iterator[Statement]:
    for state, (one, many) in _COUNTED.items():
        count = fleet.states.get(state, 0)
        if count:
            yield Statement(MEANINGS[state].severity, plural(count, one, many))


def _unknown(fleet: Fleetwide) -> Iterator[Statement]:
    unknown = fleet.states.get(State.UNKNOWN, 0)
    if unknown:
        yield Statement(
            Severity.UNKNOWN, f"{unknown:,} of {plural(fleet.runners, 'runner')} unknown"
        )
    if fleet.unsure:
        text = f"whether work waits is not known of {plural(fleet.unsure, 'runner')}"
        yield Statement(Severity.UNKNOWN, text)
    partly = fleet.states.get(State.PARTLY_KNOWN, 0)
    if partly and not fleet.unsure:
        yield Statement(Severity.UNKNOWN, f"not all is known of {plural(partly, 'runner')}")


def _all_well(fleet: Fleetwide) -> Statement:
    if not fleet.targets:
        return Statement(Severity.UNKNOWN, "servers are polled only when Prometheus probes them")
    if not fleet.runners:
        return Statement(Severity.UNKNOWN, "no runner is known")
    watched = plural(fleet.runners, "runner")
    servers = plural(len(fleet.targets), "server")
    return Statement(
        Severity.GOOD, f"nobody waits for work, and nothing is wrong: {watched} of {servers}"
    )
