"""Cases of the alerts on claims that fail, and on claims that leak."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from alert_cases.input_series import RUNNER, SERVER, Runner, scraped, scraped_shards, target
from alert_cases.promtool import Case, InputSeries, TestFile, selector
from alert_cases.rule_cases import STEP, ExpectedAlert, RuleCases, of_server
from alert_cases.runner_cases import DISABLED, exposed
from alert_cases.signals import DAY, HOUR, MINUTE, Signal, at, rising, switching

_STEP: Final = 2 * MINUTE
_LONG_STEP: Final = 20 * MINUTE
_ERRORS: Final = 'claims_total{outcome="error"}'
_PER_RUNNER: Final = "the runners have series, and each raises its own alert"


def _failures() -> Iterator[Case]:
    def failing(
        ada: Signal, bob: Signal | None, claimed: Signal, bob_holds: str = "", kind: str = "server"
    ) -> InputSeries:
        """Give a target with the errors of two runners, or of one, and with all their claims."""
        errors = (ada, bob or 0.0)
        runners = [
            Runner(id=name, kind=kind, conditions=conditions, more={_ERRORS: signal})
            for name, signal, conditions in (
                ("ada", ada, {}),
                ("bob", bob, {bob_holds: 1.0} if bob_holds else {}),
            )
            if signal is not None
        ]
        return exposed(*runners, more=claims(_sum_of(*errors), claimed, kind))

    fails, works = rising(1, 60), rising(4, 60)
    ended, seldom, rare = rising(1, 60, until=13 * MINUTE), rising(1, 420), rising(1, 470)
    cases = RuleCases(
        rule="ClaimFailuresHigh",
        series=failing(fails, fails, works),
        fires=13 * MINUTE,
        alerts=(of_server("ClaimFailuresHigh", "warning", layer="fleet"),),
        hold=5 * MINUTE,
        late=MINUTE,
        well=failing(ended, ended, works),
        over=285,
        guards={
            "few": ("a handful of errors proves nothing", failing(seldom, seldom, 0)),
            "one": ("one laptop's failing claims are its own", failing(rising(2, 60), None, works)),
        },
        silent={
            "share: one in four is not many": failing(fails, fails, rising(6, 60)),
            "disabled: the server refuses the claims of a disabled runner": failing(
                fails, rising(9, 60), works, "disabled"
            ),
        },
        apart=("one",),
    )
    yield from cases.cases()
    few, enough = failing(rare, rare, 0), failing(rising(1, 270), seldom, 0)
    yield cases.never("four: it takes five errors", few, 40 * MINUTE)
    yield cases.at_some_time("five: it takes no more", enough, 40 * MINUTE)
    whose = failing(fails, fails, works, kind="sandbox")
    yield cases.with_series(whose).firing("kind: laptops' claims fail like others'")
    of_fleet = {**target(), **claims(rising(2, 60), works)}
    fleet = cases.with_series(of_fleet)
    yield fleet.firing("fleet: where runners have no series, the server's errors count")
    shards = scraped_shards(
        {**target(), **claims(fails, rising(2, 60))}, {**target(), **claims(fails, rising(2, 60))}
    )
    yield fleet.with_series(shards).firing("fleet, shards: they are added up")
    kinds = {**of_fleet, **claims(0, 0, "local")}
    yield fleet.with_series(kinds).firing("fleet, kinds: they are added up")


def claims(error: Signal, claimed: Signal, kind: str = "server") -> InputSeries:
    """Give how many claims a fleet made, by what came of them; most find no work."""
    return {
        selector(
            "electric_agents_runners_claims_total", server=SERVER, kind=kind, outcome=outcome
        ): signal
        for outcome, signal in {
            "error": error,
            "claimed": claimed,
            "no_work": rising(300),
        }.items()
    }


def _sum_of(*signals: Signal) -> Signal:
    return lambda now: sum(at(signal, now) or 0.0 for signal in signals)


_LEAKS: Final = ExpectedAlert(
    "ClaimsLeaking",
    {"severity": "warning", "layer": "runner", "server": SERVER, "runner_id": RUNNER},
    "runner",
)


def _leaking() -> Iterator[Case]:
    leaks = switching(0, 6 * MINUTE, 2)
    # Half of the median's window passes first.
    fires = 10 * MINUTE + HOUR
    cases = RuleCases(
        rule="ClaimsLeaking",
        series=exposed(_leaky(leaks)),
        fires=fires,
        alerts=(_LEAKS,),
        hold=10 * MINUTE,
        one_is_enough=False,
        step=_STEP,
        late=3 * _STEP,
        well=exposed(_leaky(lambda now: 2.0 if 6 * MINUTE <= now < fires + _STEP else 0.0)),
        over=6 * MINUTE,
        guards={
            "disabled": (DISABLED, exposed(replace(_leaky(leaks), conditions={"disabled": 1}))),
            "per-runner": (_PER_RUNNER, exposed(_leaky(0), more=_superseded(leaks))),
        },
        silent={
            "work: what is worked on has not leaked": exposed(
                Runner(at_work=switching(1, HOUR, 4), more={"active_claims": switching(1, HOUR, 4)})
            ),
        },
        apart=("disabled",),
    )
    yield from cases.cases()
    sandbox = exposed(replace(_leaky(leaks), kind="sandbox"))
    yield cases.with_series(sandbox).firing("kind: a sandbox's claims leak like others'")

    fleet = replace(_of_fleet(leaks, 6 * MINUTE + HOUR), step=_STEP)
    yield fleet.firing("fleet: where runners have no series, the server's sum counts")
    yield replace(fleet, guards=cases.guards).other_targets("per-runner")
    behind = scraped({**target(), **_superseded(0)}, "b:9464")
    yield fleet.with_series({**scraped(fleet.series), **behind}).firing(
        "fleet, behind: an exporter that has not seen the leak hides nothing"
    )
    yield fleet.silence("fleet, unknown: without any fresh report there is no sum", target())


def _leaked_before() -> Iterator[Case]:
    """Check leaks of a day ago, in large steps."""
    # A day later, and when the first numbers have been silent for two hours.
    leak, when = DAY + 2 * HOUR, DAY + 3 * HOUR
    cases = RuleCases(
        rule="ClaimsLeaking", series={}, fires=when, alerts=(_LEAKS,), step=_LONG_STEP
    )
    why = "what leaked long ago was reported then, and stays in the server for ever"
    yield cases.silence(f"guard old: {why}", exposed(_leaky(2)))
    again = exposed(_leaky(switching(1, leak, 3)))
    yield cases.with_series(again).firing("again: what leaked since then is new")

    fleet = replace(_of_fleet(2, when), step=_LONG_STEP)
    yield fleet.silence(f"fleet, old: {why}", fleet.series)
    behind = scraped({**target(), **_superseded(0)}, "b:9464")
    both = {**scraped(fleet.series), **behind}
    yield fleet.silence("fleet, old, behind: one exporter of two knew it", both)

    def shards(*signals: Signal) -> RuleCases:
        return fleet.with_series(
            scraped_shards(*({**target(), **_superseded(signal)} for signal in signals))
        )

    anew = {**target(), **_superseded(switching(1, leak, 3))}
    yield fleet.with_series(anew).firing("fleet, again: what leaked since then is new")
    one_more, unknown = switching(4, leak, 5), switching(4, leak, None)
    yield shards(one_more, unknown, one_more).firing(
        "fleet, shards: new leaks are added up, and a shard without a number hides none"
    )
    yield shards(switching(4, leak, 6), switching(4, leak, 0), 4).firing(
        "fleet, cleared: what was cleared up in one shard hides nothing of another"
    )


def _leaky(leaked: Signal) -> Runner:
    """Give a runner that works for one agent, and holds so many claims beyond."""
    return Runner(at_work=1, more={"active_claims": lambda now: 1 + (at(leaked, now) or 0)})


def _superseded(signal: Signal) -> InputSeries:
    return {selector("electric_agents_runners_superseded_claims", server=SERVER): signal}


def _of_fleet(leaks: Signal, fires: float) -> RuleCases:
    """Give the cases of a target whose runners have no series of their own."""
    return RuleCases(
        rule="ClaimsLeaking",
        series={**target(), **_superseded(leaks)},
        fires=fires,
        alerts=(of_server("ClaimsLeaking of a fleet", "warning", layer="runner"),),
    )


def files() -> Iterator[TestFile]:
    """Give the files of test cases."""
    for name, cases, step in (
        ("ClaimFailuresHigh", _failures, STEP),
        ("ClaimsLeaking", _leaking, _STEP),
        ("ClaimsLeaking-memory", _leaked_before, _LONG_STEP),
    ):
        yield TestFile(name, ("work", "records", "claims"), tuple(cases()), step)
