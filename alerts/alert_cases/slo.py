"""Cases of the alerts on the objectives.

Of `total` runners (or claims) three are bad: just over a burn's factor, as two would be just under
it. The long window counts once there are data for half of it: only then an alert can fire.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from alert_cases.input_series import SERVER, Fleet, target
from alert_cases.promtool import Case, InputSeries, TestFile, selector
from alert_cases.rule_cases import ExpectedAlert, RuleCases, of_server
from alert_cases.signals import DAY, HOUR, MINUTE, Signal, at, switching


@dataclass(frozen=True)
class Burn:
    """A pair of windows, and a fleet in which three bad ones of `total` are just too many.

    Attributes:
        window: the long window's name.
        long: the long window in seconds.
        short: the short window in seconds.
        pending: the rule's `for`.
        severity: of the alert.
        total: how many runners, or claims, there are.
        alone: of so many, one is at least as large a share as three are of `total`.
        step: of scrapes and evaluations.
        recorded: whether the series are records of claims: counting claims for days takes too long.
    """

    window: str
    long: float
    short: float
    pending: float
    severity: str
    total: int
    alone: int
    step: float
    recorded: bool = False

    @property
    def counts(self) -> float:
        """From when on the long window counts."""
        return self.long / 2


BURNS: Final = (
    Burn("1h", HOUR, 5 * MINUTE, 2 * MINUTE, "critical", 16, 5, 30),
    Burn("6h", 6 * HOUR, 30 * MINUTE, 15 * MINUTE, "critical", 40, 13, 3 * MINUTE),
    Burn("1d", DAY, 2 * HOUR, HOUR, "warning", 80, 26, 15 * MINUTE, recorded=True),
    Burn("3d", 3 * DAY, 6 * HOUR, 3 * HOUR, "warning", 240, 80, 30 * MINUTE, recorded=True),
)

_THREE: Final = 3.0
_TWO: Final = 2.0

SeriesOf = Callable[[Signal], InputSeries]
"""Gives the series with which so many of a burn's total are bad."""


def _alert(name: str, burn: Burn) -> ExpectedAlert:
    return of_server(
        f"{name} ({burn.window})", burn.severity, layer="slo", dashboard="slo", window=burn.window
    )


@dataclass(frozen=True)
class Objective:
    """An objective's alert.

    Attributes:
        alert: its name.
        series: gives the series with so many bad ones.
        guards: its own guards.
        recorded: whether the series are records.
        begun: since when anything is counted.
        lag: how much later a rate shows a change.
    """

    alert: str
    series: SeriesOf
    guards: dict[str, tuple[str, InputSeries]]
    recorded: bool = False
    begun: float = 0.0
    lag: float = 0.0


def _rule_cases(objective: Objective, burn: Burn) -> RuleCases:
    return RuleCases(
        rule=f"{objective.alert} ({burn.window})",
        series=objective.series(_THREE),
        fires=burn.counts + burn.pending + objective.begun,
        alerts=(_alert(objective.alert, burn),),
        hold=None,
        step=burn.step,
        recorded=objective.recorded,
        one_is_enough=not objective.recorded,
        guards=objective.guards,
        silent={"slow: it burns, but not so fast": objective.series(_TWO)},
    )


def _of_both(objective: Objective, burn: Burn) -> Iterator[Case]:
    """Give the cases that both objectives have."""
    bad = objective.series
    late = burn.counts + burn.short + burn.pending + objective.lag
    cases = _rule_cases(objective, burn)
    yield from cases.cases()
    yield cases.silence(
        "guard over: the short window no longer burns",
        bad(switching(_THREE, burn.counts, _TWO)),
        at=late,
    )
    yield cases.silence(
        "blip: the short window burns, and the long one does not",
        bad(switching(_TWO, burn.counts, _THREE)),
        at=late,
    )
    yield cases.silence(
        "guard cold-start: there are no data yet for half of the long window",
        bad(_THREE),
        at=burn.counts - burn.step,
    )


def _availability(burn: Burn) -> Iterator[Case]:
    def away(total: float) -> SeriesOf:
        return lambda bad: {
            **target(),
            **Fleet(
                online=lambda now: total - (at(bad, now) or 0.0), expired=bad, kind="cloud-worker"
            ).series(),
        }

    one, two = away(burn.alone)(1.0), away(2 * burn.alone)(2.0)
    guards = {"one-runner": ("the death of one runner raises its own alert", one)}
    objective = Objective("AvailabilityBudgetBurn", away(burn.total), guards)
    yield from _of_both(objective, burn)
    of_two = replace(
        _alert(objective.alert, burn), message=f"{objective.alert} ({burn.window}) of two"
    )
    yield (
        _rule_cases(objective, burn)
        .with_series(two, of_two)
        .firing("two: the death of two runners is enough")
    )


def _claims(burn: Burn) -> Iterator[Case]:
    """Three parts of five errors each: fifteen errors within the long window."""

    def failing(each: float) -> SeriesOf:
        series_of = _records if burn.recorded else _counters
        return lambda bad: series_of(
            lambda now: each * (at(bad, now) or 0.0) / burn.long,
            each * burn.total / burn.long,
            burn,
        )

    guards = {"few": ("a handful of errors proves nothing", failing(2.5)(_THREE))}
    begun = 0.0 if burn.recorded else burn.step
    lag = 0.0 if burn.recorded else 3 * MINUTE
    objective = Objective("ClaimBudgetBurn", failing(5.0), guards, burn.recorded, begun, lag)
    yield from _of_both(objective, burn)


def _records(errors: Callable[[float], float], attempts: float, _: Burn) -> InputSeries:
    prefix = "server:electric_agents_runners_claim_"
    return {
        selector(f"{prefix}errors:rate5m", server=SERVER): errors,
        selector(f"{prefix}attempts:rate5m", server=SERVER): attempts,
    }


def _counters(errors: Callable[[float], float], attempts: float, burn: Burn) -> InputSeries:
    def counted(rate: Callable[[float], float]) -> Signal:
        return lambda now: sum(
            rate(step * burn.step) * burn.step for step in range(round(now / burn.step))
        )

    by_outcome = {
        "error": counted(errors),
        "claimed": counted(lambda now: attempts - errors(now)),
        "no_work": counted(lambda _: 9 * attempts),
    }
    return {
        **target(),
        **{
            selector(
                "electric_agents_runners_claims_total",
                server=SERVER,
                kind="server",
                outcome=outcome,
            ): signal
            for outcome, signal in by_outcome.items()
        },
    }


def files() -> Iterator[TestFile]:
    """Give the files of test cases: one for each pair of windows, as their steps differ."""
    for burn in BURNS:
        for alert, cases in (("Availability", _availability), ("Claim", _claims)):
            rules = ("slo",) if cases is _claims and burn.recorded else ("records", "slo")
            yield TestFile(f"{alert}BudgetBurn-{burn.window}", rules, tuple(cases(burn)), burn.step)
