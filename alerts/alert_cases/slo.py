"""Cases of the alerts on the objectives.

Of `total` runners (or wakes) three are bad: just over a burn's factor, as two would be just under
it. The long window counts once there are data for half of it: only then an alert can fire.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from alert_cases.input_series import (
    SERVER,
    Fleet,
    labelled,
    of_tenant,
    scraped,
    scraped_shards,
    target,
)
from alert_cases.promtool import Case, InputSeries, Query, Sample, TestFile, selector
from alert_cases.rule_cases import JOB, ExpectedAlert, RuleCases, of_server
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
        total: how many runners, or wakes, there are.
        step: of scrapes and evaluations.
        recorded: whether wakes are given as records: counting them for days takes too long.
    """

    window: str
    long: float
    short: float
    pending: float
    severity: str
    total: int
    step: float
    recorded: bool = False

    @property
    def counts(self) -> float:
        """From when on the long window counts."""
        return self.long / 2


BURNS: Final = (
    Burn("1h", HOUR, 5 * MINUTE, 2 * MINUTE, "critical", 16, 30),
    Burn("6h", 6 * HOUR, 30 * MINUTE, 15 * MINUTE, "warning", 40, 90),
    Burn("1d", DAY, 2 * HOUR, HOUR, "warning", 80, 15 * MINUTE, recorded=True),
    Burn("3d", 3 * DAY, 6 * HOUR, 3 * HOUR, "warning", 240, 30 * MINUTE, recorded=True),
)

_WINDOWS: Final = ("5m", "30m", "1h", "2h", "6h", "1d", "3d", "30d")
"""Those of the records of what went wrong."""

_THREE: Final = 3.0
_TWO: Final = 2.0
_WAKES: Final = 5.0
"""How many wakes there are within the long window for each bad one of a fleet."""

SeriesOf = Callable[[Signal], InputSeries]
"""Gives the series with which so many of a burn's total are bad."""


def _alert(objective: str, burn: Burn) -> ExpectedAlert:
    return of_server(
        f"WorkBudgetBurn ({objective} {burn.window})",
        burn.severity,
        layer="slo",
        dashboard="slo",
        objective=objective,
        window=burn.window,
    )


@dataclass(frozen=True)
class Objective:
    """An objective's alert.

    Attributes:
        name: the objective's.
        series: gives the series with so many bad ones.
        guards: its own guards.
        recorded: whether the series are records.
        begun: since when anything is counted.
        lag: how much later a rate shows a change.
    """

    name: str
    series: SeriesOf
    guards: dict[str, tuple[str, InputSeries]]
    recorded: bool = False
    begun: float = 0.0
    lag: float = 0.0

    def cases(self, burn: Burn) -> RuleCases:
        """Give the cases of one of its burns."""
        return RuleCases(
            rule=f"WorkBudgetBurn ({self.name} {burn.window})",
            series=self.series(_THREE),
            fires=burn.counts + burn.pending + self.begun,
            alerts=(_alert(self.name, burn),),
            hold=None,
            step=burn.step,
            recorded=self.recorded,
            one_is_enough=self.name == "work",
            gaps=burn.window == "1h",
            late=4 * burn.step,
            guards=self.guards,
            silent={"slow: it burns, but not so fast": self.series(_TWO)},
        )


def _of_both(objective: Objective, burn: Burn) -> Iterator[Case]:
    """Give the cases that both objectives have."""
    bad = objective.series
    late = burn.counts + burn.short + burn.pending + objective.lag
    cases = objective.cases(burn)
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


def _work(burn: Burn) -> Iterator[Case]:
    def waiting(condition: str, kind: str = "server", admin: str = "enabled") -> SeriesOf:
        return lambda bad: {
            **target(),
            **Fleet(
                online=burn.total, kind=kind, admin=admin, conditions={condition: bad}
            ).series(),
        }

    objective = Objective("work", waiting("work_unheard"), {})
    yield from _of_both(objective, burn)
    cases = objective.cases(burn)
    yield cases.with_series(waiting("work_abandoned")(_THREE)).firing(
        "abandoned: it is in hands that are gone"
    )
    both = {
        **waiting("work_abandoned")(_TWO),
        **{
            name: signal
            for name, signal in waiting("work_unheard")(_TWO).items()
            if 'condition="work_unheard"' in name
        },
    }
    yield cases.silence("overlap: both hold of two runners", both)
    yield cases.silence("kinds: it waits for laptops", waiting("work_unheard", "local")(_THREE))
    yield cases.silence("gone: its lease is over, and nobody waits", waiting("lapsed")(_THREE))
    half = Fleet(online=burn.total / 2, conditions={"work_unheard": _THREE / 2}).series()
    one = {**target(), **half}
    yield cases.with_series(scraped_shards(one, one)).firing("shards: they are added up")
    most = Fleet(online=burn.total / 2, conditions={"work_unheard": _TWO / 2}).series()
    slow = {**one, **most}
    yield cases.silence("shards, slow: they are added up", scraped_shards(slow, slow))
    calm = {**target(), **Fleet(online=9 * burn.total).series()}
    tenants = {**calm, **of_tenant(cases.series)}
    of_one = replace(cases.alerts[0], labels={**cases.alerts[0].labels, "tenant": "acme"})
    yield cases.with_series(tenants, of_one).firing("tenants: each has its own budget")


def _dispatch(burn: Burn) -> Iterator[Case]:
    """Three parts of five late wakes each: fifteen within the long window."""

    def late(each: float, kind: str = "server", bound: str = "30.0") -> SeriesOf:
        def of(bad: Signal) -> InputSeries:
            def late_a_second(now: float) -> float:
                return each * (at(bad, now) or 0.0) / burn.long

            every = each * burn.total / burn.long
            if burn.recorded:
                return _records(late_a_second, every)
            return _histogram(late_a_second, every, burn, kind, bound)

        return of

    few = {"few": ("a handful of late ones proves nothing", late(_WAKES / 2)(_THREE))}
    begun = 0.0 if burn.recorded else burn.step
    lag = 0.0 if burn.recorded else 5 * MINUTE
    objective = Objective("dispatch", late(_WAKES), few, burn.recorded, begun, lag)
    yield from _of_both(objective, burn)
    cases = objective.cases(burn)
    if burn.recorded:
        return
    yield cases.with_series(late(_WAKES, bound="30")(_THREE)).firing(
        "bound: a client of another kind writes it so"
    )
    half = {**late(_WAKES / 2)(_THREE), **late(_WAKES / 2, "local")(_THREE)}
    yield cases.with_series(half).firing("kinds: they are added up")
    seen = cases.series
    idle_too = {**scraped(seen), **scraped(dict.fromkeys(seen, 0.0), "b:9464")}
    yield cases.with_series(idle_too).firing("one: another exporter has seen nobody woken")
    shard = late(_WAKES / 2)(_THREE)
    yield cases.with_series(scraped_shards(shard, shard)).firing("shards: they are added up")
    idle = {
        name: signal if 'le="+Inf"' not in name and "_count" not in name else 0.0
        for name, signal in late(0)(_THREE).items()
    }
    yield cases.silence("idle: nobody is woken", idle)
    restarted = {
        name: _anew(signal, burn.counts) for name, signal in objective.series(_TWO).items()
    }
    yield cases.silence("restart: the exporter counts anew", restarted)


def _anew(signal: Signal, when: float) -> Signal:
    """Give the same counter, which begins at 0 once more."""

    def counted(now: float) -> float:
        before = at(signal, when) or 0.0
        return (at(signal, now) or 0.0) - (before if now >= when else 0.0)

    return counted


def _records(late: Callable[[float], float], every: float) -> InputSeries:
    prefix = "server:electric_agents_runners_"
    return {
        selector(f"{prefix}dispatched_late:rate5m", server=SERVER): late,
        selector(f"{prefix}dispatched:rate5m", server=SERVER): every,
    }


def _histogram(
    late: Callable[[float], float], every: float, burn: Burn, kind: str, bound: str
) -> InputSeries:
    """Give how many wakes were claimed how soon; half of those in time take under five seconds."""

    def counted(rate: Callable[[float], float]) -> Signal:
        sums = [0.0]

        def total(now: float) -> float:
            step = round(now / burn.step)
            while len(sums) <= step:
                sums.append(sums[-1] + rate(burn.step * (len(sums) - 1)) * burn.step)
            return sums[step]

        return total

    family = "electric_agents_runners_dispatch_seconds"
    in_time = counted(lambda now: every - late(now))
    who = {"server": SERVER, "kind": kind}
    return {
        **target(),
        **labelled(
            {
                selector(f"{family}_bucket", le="5.0"): counted(
                    lambda now: (every - late(now)) / 2
                ),
                selector(f"{family}_bucket", le=bound): in_time,
                selector(f"{family}_bucket", le="300.0"): counted(lambda _: every),
                selector(f"{family}_bucket", le="+Inf"): counted(lambda _: every),
                selector(f"{family}_count"): counted(lambda _: every),
            },
            **who,
        ),
    }


def _ratios() -> Iterator[Case]:
    """Check what went wrong in each window, of what there was."""
    prefix = "server:electric_agents_runners_"
    who = {"server": SERVER, "job": JOB}
    records = [
        f"{prefix}{wrong}:ratio_{window}"
        for wrong in ("work_waiting", "dispatched_late")
        for window in _WINDOWS
    ]

    def case(part: str, wrong: float, whole: float, *ratios: float) -> Case:
        return Case(
            f"records / {part}",
            {
                selector(f"{prefix}work_waiting:sum", **who): wrong,
                selector(f"{prefix}expected:sum", **who): whole,
                selector(f"{prefix}dispatched_late:rate5m", **who): wrong,
                selector(f"{prefix}dispatched:rate5m", **who): whole,
            },
            queries=tuple(
                Query(
                    record,
                    10 * MINUTE,
                    tuple(Sample(selector(record, **who), ratio) for ratio in ratios),
                )
                for record in records
            ),
        )

    yield case("ratios: one in four, in every window", 1, 4, 0.25)
    yield case("ratios, idle: there is none where there is nothing", 0, 0)


def files() -> Iterator[TestFile]:
    """Give the files of test cases: one for each pair of windows, as their steps differ."""
    yield TestFile("records-ratios", ("slo",), tuple(_ratios()))
    for burn in BURNS:
        for objective, cases in (("work", _work), ("dispatch", _dispatch)):
            alone = cases is _dispatch and burn.recorded
            rules = ("slo",) if alone else ("work", "records", "slo")
            yield TestFile(
                f"WorkBudgetBurn-{objective}-{burn.window}", rules, tuple(cases(burn)), burn.step
            )
