"""Cases of the alerts on all runners of a target together."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from alert_cases.input_series import (
    SERVER,
    Fleet,
    Runner,
    ended,
    of_tenant,
    scraped,
    scraped_shards,
    target,
    with_condition,
    without_scrape,
)
from alert_cases.promtool import Case, InputSeries, TestFile, selector
from alert_cases.rule_cases import STEP, ExpectedAlert, RuleCases, of_server
from alert_cases.signals import MINUTE, Signal, switching

_RULES: Final = ("work", "records", "fleet")
_EXPECTED: Final = selector("electric_agents_server_expected_runners", server=SERVER)


def _exposed(*fleets: Fleet, runners: Sequence[Runner] = ()) -> InputSeries:
    """Give a target with runners of some kinds, and the series of single ones."""
    found: dict[str, Signal] = dict(target())
    for fleet in fleets:
        found |= {name: signal for name, signal in fleet.series().items() if signal != 0.0}
    for fleet in fleets:
        found |= {name: 0.0 for name in fleet.series() if name not in found}
    for runner in runners:
        found |= runner.series()
    return found


def _gone(count: int, **conditions: Signal) -> Fleet:
    return Fleet(expired=count, conditions={"lapsed": count, **conditions})


def _unknown(count: int) -> InputSeries:
    """Give runners of whom nothing is known but that they are listed."""
    found: dict[str, Signal] = {}
    for number in range(count):
        found |= Runner(id=f"u{number}").not_known()
    return found


def _without_runners(series: InputSeries) -> InputSeries:
    """Give what an exporter exposes with `per_runner` off."""
    return {name: signal for name, signal in series.items() if "runner_id=" not in name}


def _unavailable() -> Iterator[Case]:
    fires = 2 * MINUTE
    lapsed = [Runner(id=name, conditions={"lapsed": 1}) for name in ("b1", "b2", "b3")]
    alert = of_server("FleetUnavailable", "critical", layer="fleet")
    series = _exposed(_gone(3), runners=lapsed)
    again = fires + STEP
    well = Fleet(
        online=switching(0, again, 3),
        expired=switching(3, again, 0),
        conditions={"lapsed": switching(3, again, 0)},
    )
    gone = RuleCases(
        rule="FleetUnavailable",
        series=series,
        fires=fires,
        hold=5 * MINUTE,
        alerts=(alert,),
        well=_exposed(well),
        guards={
            "some": (
                "at least one is there",
                {**series, **Fleet(online=1, expired=3, conditions={"lapsed": 3}).series()},
            ),
            "blind": ("of most nothing is known", {**series, **_unknown(4)}),
            "told": (
                "the work alerts name most of them",
                {**series, **_gone(3, work_unheard=2).series()},
            ),
        },
        apart=("some", "blind", "told"),
        silent={
            "idle: there is no runner": _exposed(Fleet()),
            "single: it is one runner": _exposed(_gone(1)),
            "well: they are there": _exposed(Fleet(online=3)),
            "laptops: transient runners are gone": _exposed(
                Fleet(expired=3, kind="local", conditions={"lapsed": 3})
            ),
            "disabled: maintenance pages nobody": _exposed(Fleet(expired=3, admin="disabled")),
        },
    )
    yield from gone.cases()
    nameless = replace(alert, message="FleetUnavailable of two")
    of_two = gone.with_series(_exposed(_gone(2)), nameless)
    yield of_two.firing("two: there are two")
    deaf = Fleet(online=2, conditions={"deaf": 2})
    yield of_two.with_series(_exposed(deaf)).firing("deaf: they live, and do not hear")
    mixed = Fleet(online=1, expired=1, conditions={"deaf": 1, "lapsed": 1})
    yield of_two.with_series(_exposed(mixed)).firing("mixed: one is gone, one does not hear")
    laptop = Runner(id="laptop", kind="local", conditions={"lapsed": 1})
    laptops = Fleet(online=2, expired=1, kind="local", conditions={"lapsed": 1})
    yield gone.with_series(_exposed(_gone(3), laptops, runners=[*lapsed, laptop])).firing(
        "kinds: laptops are there, and one that is not is none of these"
    )
    many = [Runner(id=f"b{number}", conditions={"lapsed": 1}) for number in range(1, 10)]
    of_many = replace(alert, message="FleetUnavailable of nine")
    yield gone.with_series(_exposed(_gone(9), runners=many), of_many).firing(
        "many: nine are gone, and eight are named"
    )
    yield gone.with_series({**series, **_unknown(3)}).firing(
        "guard blind, half: of no more than these nothing is known"
    )
    laptops_unknown = {
        **series,
        **{
            name.replace('kind="server"', 'kind="local"'): signal
            for name, signal in _unknown(9).items()
        },
    }
    yield gone.with_series(laptops_unknown).firing("guard blind, kinds: those are laptops")
    off = _without_runners(series)
    nobody = replace(alert, message="FleetUnavailable without names")
    yield gone.with_series(off, nobody).firing("per-runner: the runners have no series")
    yield gone.silence(
        "guard blind, per-runner: of most nothing is known",
        {**off, **_gone(3, unknown=4).series()},
    )
    yield gone.with_series({**series, **_gone(3, work_unheard=1).series()}).firing(
        "guard told, few: the work alerts name one of three"
    )
    yield gone.silence(
        "guard told, half: the work alerts name two of four",
        _exposed(_gone(4, work_abandoned=2)),
    )
    yield gone.silence(
        "shards: one of another shard is there",
        scraped_shards(_exposed(_gone(2)), _exposed(Fleet(online=1))),
    )
    yield gone.with_series(scraped_shards(_exposed(_gone(1)), _exposed(_gone(1))), nameless).firing(
        "shards, gone: one of each is"
    )
    blind = {**scraped(series), **scraped({**target(0), **_unknown(3)}, "b:9464")}
    yield gone.with_series(blind).firing("blind: another exporter knows nothing")


def _too_few() -> Iterator[Case]:
    fires = 5 * MINUTE
    again = fires + STEP

    def exposed(*fleets: Fleet, least: Signal = 3) -> InputSeries:
        return {**_exposed(*fleets), _EXPECTED: least}

    alert = of_server("TooFewRunners", "critical", layer="fleet")
    two = exposed(Fleet(online=2))
    few = RuleCases(
        rule="TooFewRunners",
        series=two,
        fires=fires,
        hold=3 * MINUTE,
        alerts=(alert,),
        well=exposed(Fleet(online=switching(2, again, 3))),
        of_a_tenant=False,
        silent={
            "enough: as many are there as should be": exposed(Fleet(online=3)),
            "kinds: each counts": exposed(Fleet(online=2), Fleet(online=1, kind="local")),
            "unknown: one of whom nothing is known may be there": {**two, **_unknown(1)},
            "stuck: a claim of one is, and that one is there": exposed(
                Fleet(online=3, conditions={"claim_stuck": 1})
            ),
            "not set: nothing is expected": _exposed(Fleet(online=2)),
        },
    )
    yield from few.cases()
    yield few.with_series(exposed(Fleet(online=2, expired=3))).firing(
        "gone: those whose lease is over do not count"
    )
    yield few.with_series(
        exposed(Fleet(online=2), Fleet(online=3, kind="local", admin="disabled"))
    ).firing("disabled: they do not count")
    yield few.with_series(exposed(Fleet(online=3, conditions={"deaf": 1}))).firing(
        "deaf: one does not hear"
    )
    of_none = few.with_series(
        {name: signal for name, signal in exposed(Fleet()).items() if "condition=" not in name}
        | {with_condition("unknown"): 0},
        replace(alert, message="TooFewRunners of none"),
    )
    yield of_none.firing("none: the list is empty")
    not_told = {name: signal for name, signal in two.items() if 'condition="deaf"' not in name}
    yield few.with_series(not_told).firing("wakes: nobody knows who hears")
    yield few.silence(
        "wakes, unknown: nobody knows who hears, and one of whom nothing is known may be there",
        {**not_told, **_unknown(1)},
    )
    shards = scraped_shards(exposed(Fleet(online=1)), exposed(Fleet(online=1)))
    yield few.with_series(shards).firing("shards: they are added up")
    yield few.with_series(ended(shards, fires - MINUTE)).firing(
        "shards, gap: they are added up, and no scrape works now"
    )
    yield few.silence(
        "shards, enough: they are added up",
        scraped_shards(exposed(Fleet(online=1)), exposed(Fleet(online=2))),
    )
    tenants = {
        **exposed(Fleet()),
        **of_tenant(exposed(Fleet(online=1))),
        **of_tenant(exposed(Fleet(online=1)), "zeta"),
    }
    yield few.with_series(tenants).firing("tenants: they are added up, and are one alert")
    each = {name: signal for name, signal in tenants.items() if "tenant=" in name}
    yield few.with_series(ended(each, fires - MINUTE)).firing(
        "tenants, gap: they are added up, and no scrape works now"
    )
    unheard = {name: signal for name, signal in each.items() if 'condition="deaf"' not in name}
    yield few.with_series(unheard).firing("tenants, wakes: nobody knows who hears")
    yield few.silence(
        "tenants, enough: they are added up",
        {**tenants, **of_tenant(exposed(Fleet(online=2)), "zeta")},
    )
    deaf = {**tenants, **of_tenant(exposed(Fleet(online=3, conditions={"deaf": 2})), "zeta")}
    yield few.with_series(deaf).firing("tenants, deaf: two of one do not hear")
    yield few.silence(
        "tenants, unknown: one of whom nothing is known may be there",
        {**tenants, **of_tenant(_unknown(1))},
    )
    other = {**scraped(two), **scraped(exposed(Fleet(online=3)), "b:9464")}
    yield few.silence("one: another exporter sees enough", other)
    yield from _too_few_to_another(few, exposed(Fleet(online=2)), exposed(Fleet(online=3)))
    blind = {**scraped(two), **scraped({**target(0), **_unknown(3), _EXPECTED: 3}, "b:9464")}
    known = {**blind, **scraped({**Runner(id="u0").series(), **Runner(id="u1").series()})}
    known |= scraped({**Runner(id="u2").series()})
    yield few.with_series(known).firing("blind: another exporter knows nothing of them")


def _too_few_to_another(few: RuleCases, two: InputSeries, three: InputSeries) -> Iterator[Case]:
    """Check exporters of which one is gone that saw, or expected, more."""
    leaves = MINUTE
    sees, saw = scraped(two), ended(scraped(three, "b:9464"), leaves)
    yield few.with_series({**sees, **saw}, fires=leaves + few.fires).firing(
        "one, gone: the exporter that saw enough is gone"
    )
    yield few.silence(
        "one, gap: a scrape fails soon after, and the word of the one that is gone counts",
        {**without_scrape(sees, 2 * leaves), **saw},
        at=leaves + few.fires,
    )
    expects = {**two, _EXPECTED: 2.0}
    for part, before, now in (
        ("one", scraped(two), scraped(expects, "b:9464")),
        ("shard", scraped_shards(two, {_EXPECTED: 3.0}), scraped_shards(expects, {_EXPECTED: 2.0})),
        ("tenant", scraped(of_tenant(two)), scraped(of_tenant(expects), "b:9464")),
    ):
        renewed = {
            name.replace('instance="', 'instance="new-'): switching(None, leaves, signal)
            for name, signal in now.items()
        }
        yield few.silence(
            f"expected, {part}: another exporter takes its place, whose settings expect fewer",
            {**ended(before, leaves), **renewed},
            at=leaves + few.fires,
        )


def _of_which(unknown: int, known: int) -> InputSeries:
    """Give runners of some of whom nothing is known."""
    found: dict[str, Signal] = {**target(), **_unknown(unknown)}
    for number in range(known):
        found |= Runner(id=f"k{number}").series()
    return found


def _not_known() -> Iterator[Case]:
    half, tenth, one = (
        of_server(f"RunnersUnknown ({share})", severity, layer="fleet", share=share)
        for share, severity in (("half", "critical"), ("tenth", "warning"), ("one", "warning"))
    )
    fires = 5 * MINUTE
    of_half = RuleCases(
        rule="RunnersUnknown (half)",
        series=_of_which(2, 2),
        fires=fires,
        alerts=(half, tenth),
        hold=0,
        one_is_enough=False,
        silent={
            "few: one of eleven": _of_which(1, 10),
            "none: all are known": _of_which(0, 4),
            "idle: there is no runner": _exposed(Fleet()),
        },
    )
    yield from of_half.cases()
    yield of_half.silence("nearly: two of five", _of_which(2, 3), (_two_fifths(),))
    shards = {
        **scraped(_of_which(0, 2)),
        **scraped({**target(), **_unknown(2)}, "b:9464"),
    }
    yield of_half.with_series(shards).firing("shards: one knows nothing of its own")
    known = {**scraped(_of_which(4, 0)), **scraped(_of_known(4), "b:9464")}
    yield of_half.silence("one: another exporter knows them", known)
    of_all = tuple(
        replace(alert, message=f"RunnersUnknown ({share}) of all")
        for share, alert in (("half", half), ("tenth", tenth))
    )
    of_two = selector(
        "electric_agents_runners",
        server=SERVER,
        kind="server",
        admin_status="enabled",
        liveness_status="unknown",
        health_status="unknown",
    )
    counted = _exposed(Fleet(online=2, conditions={"unknown": 2}))
    yield of_half.with_series({**counted, of_two: 2}).firing(
        "per-runner: the runners have no series"
    )
    blind = {**scraped({**target(0), with_condition("unknown"): 4})}
    yield of_half.with_series(blind, *of_all).firing("list: it is old, and nothing is known")
    yield of_half.silence(
        "per-runner, one: another exporter knows them",
        {**blind, **scraped(_exposed(Fleet(online=4)), "b:9464")},
    )

    of_tenth = replace(
        of_half,
        rule="RunnersUnknown (tenth)",
        series=_of_which(2, 18),
        alerts=(replace(tenth, message="RunnersUnknown (tenth) exactly"),),
        silent={"few: one of eleven": _of_which(1, 10)},
    )
    yield from of_tenth.cases()

    of_one = replace(
        of_half,
        rule="RunnersUnknown (one)",
        series=_of_which(1, 10),
        fires=30 * MINUTE,
        alerts=(one,),
        silent={"none: all are known": _of_which(0, 11)},
    )
    yield from of_one.cases()
    in_turn = {
        name: _one_at_a_time(number) if 'condition="unknown"' in name else signal
        for number in range(2)
        for name, signal in Runner(id=f"k{number}").series().items()
    }
    yield of_one.with_series({**_of_which(0, 12), **in_turn}).firing(
        "turns: now of one, now of another"
    )


def _one_at_a_time(number: int) -> Signal:
    return lambda now: float(int(now // (5 * MINUTE)) % 2 == number)


def _of_known(count: int) -> InputSeries:
    """Give the same runners as seen by an exporter that knows them."""
    found: dict[str, Signal] = dict(target())
    for number in range(count):
        found |= Runner(id=f"u{number}").series()
    return found


def _two_fifths() -> ExpectedAlert:
    return of_server(
        "RunnersUnknown (tenth) of two fifths", "warning", layer="fleet", share="tenth"
    )


def files() -> Iterator[TestFile]:
    """Give the files of test cases."""
    yield TestFile("FleetUnavailable", _RULES, tuple(_unavailable()))
    yield TestFile("TooFewRunners", _RULES, tuple(_too_few()))
    yield TestFile("RunnersUnknown", _RULES, tuple(_not_known()))
