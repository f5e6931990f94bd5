"""Stories of the alerts on the objectives.

Of `total` runners (or claims) three are bad: just over a burn's factor, as two would be just under
it. The long window counts from half its length on, which is when such a world first fires.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from alert_cases.promtool import (
    DAY,
    HOUR,
    MINUTE,
    Case,
    Signal,
    TestFile,
    World,
    at,
    series,
    turning,
)
from alert_cases.stories import Fired, Story, of_server
from alert_cases.worlds import SERVER, Fleet, target


@dataclass(frozen=True)
class Burn:
    """A pair of windows, and a fleet in which three of so many are just too many."""

    window: str
    long: float
    short: float
    pending: float
    severity: str
    total: int
    alone: int
    """Of so many one is as large a share as three are of `total`, or larger."""
    step: float
    recorded: bool = False
    """Whether claims are told as their records: counting them for days takes too long."""

    @property
    def counts(self) -> float:
        """When the long window is long enough to be believed."""
        return self.long / 2


BURNS: Final = (
    Burn("1h", HOUR, 5 * MINUTE, 2 * MINUTE, "critical", 16, 5, 30),
    Burn("6h", 6 * HOUR, 30 * MINUTE, 15 * MINUTE, "critical", 40, 13, 3 * MINUTE),
    Burn("1d", DAY, 2 * HOUR, HOUR, "warning", 80, 26, 15 * MINUTE, recorded=True),
    Burn("3d", 3 * DAY, 6 * HOUR, 3 * HOUR, "warning", 240, 80, 30 * MINUTE, recorded=True),
)

_THREE: Final = 3.0
_TWO: Final = 2.0

WorldOf = Callable[[Signal], World]
"""The world in which so many of a burn's total are bad."""


def _fired(alert: str, burn: Burn) -> Fired:
    return of_server(
        f"{alert} ({burn.window})", burn.severity, layer="slo", board="slo", window=burn.window
    )


@dataclass(frozen=True)
class Objective:
    """An objective's alert, its own guard, and what is bad of it; `begun`: counted since then."""

    alert: str
    bad: WorldOf
    guards: dict[str, tuple[str, World]]
    recorded: bool = False
    begun: float = 0.0
    lag: float = 0.0
    """How much later a rate shows a turn."""


def _story(objective: Objective, burn: Burn) -> Story:
    return Story(
        rule=f"{objective.alert} ({burn.window})",
        world=objective.bad(_THREE),
        fires=burn.counts + burn.pending + objective.begun,
        fired=(_fired(objective.alert, burn),),
        hold=None,
        step=burn.step,
        recorded=objective.recorded,
        one=not objective.recorded,
        guards=objective.guards,
        silent={"slow: it burns, but not so fast": objective.bad(_TWO)},
    )


def _burns(objective: Objective, burn: Burn) -> Iterator[Case]:
    """Tell what both objectives have in common."""
    bad = objective.bad
    late = burn.counts + burn.short + burn.pending + objective.lag
    story = _story(objective, burn)
    yield from story.cases()
    yield story.silence(
        "guard over: it still goes on", bad(turning(_THREE, burn.counts, _TWO)), at=late
    )
    yield story.silence(
        "blip: the short window alone is no burn", bad(turning(_TWO, burn.counts, _THREE)), at=late
    )
    yield story.silence(
        "guard cold-start: a young exporter's long window is no longer than its short one",
        bad(_THREE),
        at=burn.counts - burn.step,
    )


def _availability(burn: Burn) -> Iterator[Case]:
    def away(total: float) -> WorldOf:
        return lambda bad: {
            **target(),
            **Fleet(
                online=lambda now: total - (at(bad, now) or 0.0), expired=bad, kind="cloud-worker"
            ).world(),
        }

    one, two = away(burn.alone)(1.0), away(2 * burn.alone)(2.0)
    guards = {"one-runner": ("the death of one is told by its own alert", one)}
    objective = Objective("AvailabilityBudgetBurn", away(burn.total), guards)
    yield from _burns(objective, burn)
    fired = replace(
        _fired(objective.alert, burn), message=f"{objective.alert} ({burn.window}) of two"
    )
    yield _story(objective, burn).told(two, fired).turn("two: the death of two is no longer one")


def _claims(burn: Burn) -> Iterator[Case]:
    """Tell of fifteen errors within the long window: three parts of five."""

    def failing(each: float) -> WorldOf:
        tell = _records if burn.recorded else _counters
        return lambda bad: tell(
            lambda now: each * (at(bad, now) or 0.0) / burn.long,
            each * burn.total / burn.long,
            burn,
        )

    guards = {"few": ("a handful of errors is no trend", failing(2.5)(_THREE))}
    begun = 0.0 if burn.recorded else burn.step
    lag = 0.0 if burn.recorded else 3 * MINUTE
    objective = Objective("ClaimBudgetBurn", failing(5.0), guards, burn.recorded, begun, lag)
    yield from _burns(objective, burn)


def _records(errors: Callable[[float], float], attempts: float, _: Burn) -> World:
    prefix = "server:electric_agents_runners_claim_"
    return {
        series(f"{prefix}errors:rate5m", server=SERVER): errors,
        series(f"{prefix}attempts:rate5m", server=SERVER): attempts,
    }


def _counters(errors: Callable[[float], float], attempts: float, burn: Burn) -> World:
    def counted(rate: Callable[[float], float]) -> Signal:
        return lambda now: sum(
            rate(step * burn.step) * burn.step for step in range(round(now / burn.step))
        )

    told = {
        "error": counted(errors),
        "claimed": counted(lambda now: attempts - errors(now)),
        "no_work": counted(lambda _: 9 * attempts),
    }
    return {
        **target(),
        **{
            series(
                "electric_agents_runners_claims_total",
                server=SERVER,
                kind="server",
                outcome=outcome,
            ): signal
            for outcome, signal in told.items()
        },
    }


def files() -> Iterator[TestFile]:
    """Give the files of tests: one for each pair of windows, as their steps differ."""
    for burn in BURNS:
        for alert, cases in (("Availability", _availability), ("Claim", _claims)):
            rules = ("slo",) if cases is _claims and burn.recorded else ("records", "slo")
            yield TestFile(f"{alert}BudgetBurn-{burn.window}", rules, tuple(cases(burn)), burn.step)
