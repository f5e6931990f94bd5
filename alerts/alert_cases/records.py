"""Cases of the recording rules, for what the alerts' cases do not show."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from alert_cases.input_series import (
    BESIDE,
    HERE,
    OF_EXPORTERS,
    RUNNER,
    SERVER,
    TENANT,
    Fleet,
    Runner,
    beside_replaced,
    ended,
    labelled,
    of_tenant,
    relabelled,
    scraped,
    scraped_shards,
    target,
    with_condition,
    without_events,
)
from alert_cases.promtool import Case, InputSeries, Query, Sample, TestFile, selector
from alert_cases.rule_cases import ELSEWHERE, JOB
from alert_cases.signals import MINUTE, Signal, rising, switching
from electric_agents_exporter.conditions import Condition

STATES: Final = {
    "work waits": 8,
    "gone": 7,
    "stands still": 6,
    "degraded": 5,
    "not known": 4,
    "away": 2,
    "disabled": 1,
    "well": 0,
}
"""What a runner's state is recorded as."""

_WHEN: Final = 10 * MINUTE
_TIME: Final = "server:electric_agents_server_time:seconds"
_HELD: Final = "server_runner:electric_agents_runner_condition:held"
_COUNTS: Final = "server_kind:electric_agents_runners_with_condition:sum"
_SHOWN: Final = "server:electric_agents_runners_shown:count"
_ENABLED: Final = "server_runner:electric_agents_runner_enabled:info"
_TWICE: Final = "server_runner:electric_agents_runner_seen_twice:bool"
_WATCHED: Final = "server:electric_agents_runners_watched:sum"
_UNKNOWN: Final = "server:electric_agents_runners_unknown:sum"
_EXPECTED: Final = "server:electric_agents_runners_expected:sum"
_AVAILABLE: Final = "server:electric_agents_runners_available:sum"
_WAITING: Final = "server:electric_agents_runners_work_waiting:sum"
_STATE: Final = "server_runner:electric_agents_runner_state:rank"
_ERRORS_OF_ONE: Final = "server_runner:electric_agents_runner_claim_errors:increase"
_FAILING: Final = "server:electric_agents_runners_failing_claims:count"
_ERRORS: Final = "server:electric_agents_runners_claim_errors:increase"
_LEAKED: Final = "server_runner:electric_agents_runner_leaked_claims:median"
_SUPERSEDED: Final = "server:electric_agents_runners_superseded_claims:max"
_BEYOND: Final = "server_runner:electric_agents_runner_leaked_claims:sum"


def _case(name: str, series: InputSeries, *queries: Query) -> Case:
    return Case(name=f"records / {name}", input_series=scraped(series), queries=queries)


def _two(one: InputSeries, other: InputSeries) -> InputSeries:
    """Give what two exporters expose."""
    return {**scraped(one), **scraped(other, "b:9464")}


def _replaced(was: InputSeries, now: InputSeries) -> InputSeries:
    """Give what two exporters exposed, and then another one that takes their place."""
    old, new = ({**target(), **series} for series in (was, now))
    return {
        **ended(_two(old, old), _WHEN),
        **{name: switching(None, _WHEN, signal) for name, signal in scraped(new, "c:9464").items()},
    }


def _gives(record: str, *values: float, **labels: str) -> Query:
    """Expect one series of a record for a target, or none."""
    known = {"job": JOB, "server": SERVER}
    return _all(record, *((value, known | labels) for value in values))


def _all(record: str, *samples: tuple[float, dict[str, str]]) -> Query:
    """Expect every series of a record."""
    name = record.partition("{")[0]
    return Query(
        record, _WHEN, tuple(Sample(selector(name, **who), value) for value, who in samples)
    )


def _later(query: Query, by: float = MINUTE) -> Query:
    """Expect the same of a later time."""
    return replace(query, seconds=_WHEN + by)


def _beside_replaced(
    name: str, record: str, value: float, series: InputSeries, **labels: str
) -> Iterator[Case]:
    """Another exporter took the place of one that told of it: that is no matter of others."""
    for other in BESIDE:
        (label,) = other
        who = {"job": JOB, "server": SERVER, "runner_id": RUNNER, **HERE, **labels}
        who |= {key: new for key, new in other.items() if key not in OF_EXPORTERS}
        told = Sample(selector(record, **who), value)
        yield Case(
            name=f"records / {name}, replaced {label}: another {label} goes on telling of it",
            input_series=beside_replaced(series, Runner().series(), _WHEN - MINUTE, **other),
            queries=(Query(f"{record} == {value}", _WHEN, (told,)),),
        )


def _enabled_beside_replaced() -> Iterator[Case]:
    enabled, disabled = Runner().series(), Runner(conditions={"disabled": 1}).series()
    for other in BESIDE:
        (label,) = other
        if label in OF_EXPORTERS:
            found = beside_replaced(disabled, enabled, _WHEN - MINUTE, **other)
            query = Query(_ENABLED, _WHEN)
        else:
            who = {"job": JOB, "server": SERVER, "runner_id": RUNNER, **HERE, **other}
            found = beside_replaced(enabled, disabled, _WHEN - MINUTE, **other)
            query = Query(_ENABLED, _WHEN, (Sample(selector(_ENABLED, **who, kind="server"), 1),))
        yield Case(
            name=f"records / enabled, replaced {label}: another {label} goes on telling of it",
            input_series=found,
            queries=(query,),
        )


def _of_runner(record: str, *values: float, **labels: str) -> Query:
    return _gives(record, *values, runner_id=RUNNER, **labels)


def _holds(condition: str, *values: float, **labels: str) -> Query:
    """Expect a condition to hold of a runner, of a fleet, or of none."""
    known = {"job": JOB, "server": SERVER, "kind": "server", "condition": condition}
    record = f'{_HELD}{{condition="{condition}"}}'
    return _all(record, *((value, known | labels) for value in values))


def _apart(series: InputSeries, other: InputSeries) -> InputSeries:
    """Give a target without series of its runners, among others like it that have some."""
    here = {"cluster": "eu-1", "namespace": "agents"}
    found = dict(scraped(labelled(series, **here)))
    for elsewhere in ELSEWHERE:
        found |= relabelled(scraped(labelled(other, **here), "b:9464"), **{**here, **elsewhere})
    return found


def _conditions() -> Iterator[Case]:
    """Check how each condition is taken from its runners, from replicas, and from a fleet."""
    here = {"cluster": "eu-1", "namespace": "agents"}
    for condition in (
        Condition.WORK_ABANDONED,
        Condition.WORK_UNHEARD,
        Condition.WORK_REFUSED,
        Condition.CLAIM_STUCK,
        Condition.UNKNOWN,
        Condition.DEAF,
        Condition.LAPSED,
        Condition.DRAINING,
    ):
        one = {"runner_id": RUNNER}
        holds = Runner(conditions={condition: 1}).series()
        well = Runner().series()
        of_two = () if condition is Condition.UNKNOWN else (1,)
        two = "known to one" if condition is Condition.UNKNOWN else "seen by one"
        yield _case(f"{condition}: it holds", holds, _holds(condition, 1, **one))
        yield _case(f"{condition}: it does not hold", well, _holds(condition))
        yield _case(
            f"{condition}, two: {two}", _two(holds, well), _holds(condition, *of_two, **one)
        )
        last = ended(_two(holds, well), _WHEN)
        yield _case(
            f"{condition}, gap: {two}, and no scrape works now",
            last,
            _later(_holds(condition, *of_two, **one)),
            _later(_holds(condition), 6 * MINUTE),
        )
        yield _case(
            f"{condition}, new: another exporter takes its place, and it holds no more",
            _replaced(holds, well),
            _later(_holds(condition)),
        )
        if condition is not Condition.UNKNOWN:
            yield from _beside_replaced(
                condition, _HELD, 1, holds, condition=condition, kind="server"
            )
        counted = Fleet(conditions={condition: 2}).series()
        yield _case(f"{condition}, fleet: how many", counted, _holds(condition, 2))
        yield _case(
            f"{condition}, fleet, guard per-runner: its runners have series, which say the same",
            {**counted, **well},
            _holds(condition),
        )
        yield _case(
            f"{condition}, fleet, apart: series of other targets' runners say nothing of it",
            _apart(counted, {**Fleet().series(), **well}),
            _holds(condition, 2, **here),
        )


def _counts() -> Iterator[Case]:
    deaf, unknown = (
        f'{_COUNTS}{{condition="deaf",kind="server"}}',
        f'{_COUNTS}{{condition="unknown",kind="server"}}',
    )

    def counted(deaf: Signal, unknown: Signal) -> InputSeries:
        return Fleet(conditions={"deaf": deaf, "unknown": unknown}).series()

    def both(first: float, second: float, **labels: str) -> tuple[Query, Query]:
        return (
            _gives(deaf, first, kind="server", condition="deaf", **labels),
            _gives(unknown, second, kind="server", condition="unknown", **labels),
        )

    yield _case("counts: as they are", counted(3, 2), *both(3, 2))
    two = _two(counted(1, 2), counted(3, 1))
    yield _case("counts, two: what one saw is true, what one knows is known", two, *both(3, 1))
    yield _case(
        "counts, gap: what was last seen stands",
        ended(two, _WHEN),
        *map(_later, both(3, 1)),
    )
    yield _case(
        "counts, new: another exporter takes their place",
        _replaced(counted(3, 0), counted(1, 1)),
        *map(_later, both(1, 1)),
    )
    shards = scraped_shards(counted(1, 2), counted(3, 4))
    yield _case("counts, shards: they are added up", shards, *both(4, 6))
    yield _case(
        "counts, tenant: each has its own", of_tenant(counted(1, 2)), *both(1, 2, tenant=TENANT)
    )


def _shown() -> Iterator[Case]:
    several = {
        **Runner().series(),
        **Runner(id="b", kind="local", conditions={"unknown": 1}).series(),
        **Runner(id="c").not_known(),
    }
    yield _case("shown: of every kind, known or not", several, _gives(_SHOWN, 3))
    yield _case(
        "shown, two: two exporters show the same", _two(several, several), _gives(_SHOWN, 3)
    )
    yield _case(
        "shown, gap: what was last seen stands",
        ended(scraped(several), _WHEN),
        _later(_gives(_SHOWN, 3)),
    )
    other = scraped(Runner(id="d").series(), "b:9464")
    yield _case(
        "shown, two others: exporters that show different ones",
        {**scraped(several), **other},
        _gives(_SHOWN, 4),
    )


def _enabled() -> Iterator[Case]:
    for kind in ("server", "local"):
        yield _case(
            f"enabled: a {kind} runner",
            Runner(kind=kind).series(),
            _of_runner(_ENABLED, 1, kind=kind),
        )
    disabled = Runner(conditions={"disabled": 1}).series()
    yield _case("enabled: not a disabled one", disabled, _of_runner(_ENABLED))
    enabled = Runner().series()
    both = _two(enabled, disabled)
    yield _case("enabled, two: disabled, as one of two exporters knows", both, _of_runner(_ENABLED))
    gone = ended(both, _WHEN)
    yield _case("enabled, gap, two: so it was", gone, _later(_of_runner(_ENABLED)))
    gap = ended(scraped(enabled), _WHEN)
    yield _case(
        "enabled, gap: what was last seen stands",
        gap,
        _later(_of_runner(_ENABLED, 1, kind="server")),
    )
    yield _case(
        "enabled, new: another exporter takes their place",
        _replaced(disabled, enabled),
        _later(_of_runner(_ENABLED, 1, kind="server")),
    )
    yield from _enabled_beside_replaced()
    kinds = _two(Runner(kind="server").series(), Runner(kind="local").series())
    once = Query(f"count({_ENABLED})", _WHEN, (Sample("{}", 1.0),))
    yield _case("enabled, two kinds: once, though two exporters see two for a moment", kinds, once)


def _twice() -> Iterator[Case]:
    """Check which runners are those of a database that is another target."""
    mine = {**target(), **Runner(last_seen=-50).series()}
    listed = selector("electric_agents_server_runners_listed", server=SERVER, principal="all")
    database = relabelled({**mine, listed: 1}, server="prod-db")
    both = {**mine, **database}
    yield _case("twice: it is its database's", both, _of_runner(_TWICE, -50))
    yield _case("twice, two: so two exporters see", _two(both, both), _of_runner(_TWICE, -50))
    gap = ended(scraped(both), _WHEN)
    yield _case("twice, gap: so it was", gap, _later(_of_runner(_TWICE, -50)))
    others = {
        "another heartbeat": relabelled(
            {**target(), **Runner(last_seen=-51).series(), listed: 1}, server="prod-db"
        ),
        "another id": relabelled(
            {**target(), **Runner(id="b", last_seen=-50).series(), listed: 1}, server="prod-db"
        ),
        "no database": relabelled(mine, server="staging"),
        "another cluster": relabelled(database, cluster="eu-2"),
        "another namespace": relabelled(database, namespace="others"),
    }
    for name, other in others.items():
        yield _case(f"twice, {name}: it is another one", {**mine, **other}, Query(_TWICE, _WHEN))
    elsewhere = scraped(relabelled(database, job="watchers"))
    yield _case(
        "twice, another job: it is another one",
        {**scraped(mine), **elsewhere},
        Query(_TWICE, _WHEN),
    )
    again = relabelled({**mine, listed: 1}, server="dev-db")
    yield _case("twice, thrice: two databases say so", {**both, **again}, _of_runner(_TWICE, -50))
    later = relabelled({**target(), **Runner(last_seen=-90).series(), listed: 1}, server="dev-db")
    yield _case(
        "twice, older: a database of before knows an older heartbeat",
        {**both, **later},
        _of_runner(_TWICE, -50),
    )
    staging = relabelled(mine, server="staging")
    yield _case(
        "twice, both: two targets over HTTP are each the database's",
        {**both, **staging},
        _all(
            _TWICE,
            *(
                (-50, {"job": JOB, "server": server, "runner_id": RUNNER})
                for server in (SERVER, "staging")
            ),
        ),
    )


def _watched() -> Iterator[Case]:
    shown = {**Runner().series(), **Runner(id="b", kind="local").not_known()}
    fleet = Fleet(online=3, expired=2, conditions={"unknown": 4}).series()
    for name, series, watched, unknown in (
        ("shown: where they have series", {**shown, **fleet}, 2, 1),
        ("known: none is unknown", {**Runner().series(), **Fleet(online=1).series()}, 1, 0),
        ("fleet: where they have none", fleet, 5, 4),
    ):
        yield _case(
            f"watched, {name}", series, _gives(_WATCHED, watched), _gives(_UNKNOWN, unknown)
        )
    counts = {name: signal for name, signal in fleet.items() if "with_condition" in name}
    yield _case(
        "watched, unknown: where none has a report",
        {**counts, with_condition("unknown", "local"): 3},
        _gives(_WATCHED, 7),
        _gives(_UNKNOWN, 7),
    )
    gap = ended(scraped(fleet), _WHEN)
    yield _case(
        "watched, gap: what was last seen stands",
        gap,
        _later(_gives(_WATCHED, 5)),
        _later(_gives(_UNKNOWN, 4)),
    )
    fewer = Fleet(online=2).series()
    yield _case("watched, two: the larger number", _two(fleet, fewer), _gives(_WATCHED, 5))
    yield _case(
        "watched, gap, two: the larger number",
        ended(_two(fleet, fewer), _WHEN),
        _later(_gives(_WATCHED, 5)),
    )
    new = {
        name: switching(None, _WHEN, signal) for name, signal in scraped(fewer, "c:9464").items()
    }
    yield _case(
        "watched, new: another exporter takes their place",
        {**ended(_two(fleet, fleet), _WHEN), **new},
        _later(_gives(_WATCHED, 2)),
        _later(_gives(_UNKNOWN, 0)),
    )
    disabled = Fleet(online=2, expired=1, kind="local", admin="disabled").series()
    yield _case("watched, disabled: of every kind and state", disabled, _gives(_WATCHED, 3))
    shards = scraped_shards(fleet, fewer)
    yield _case(
        "watched, shards: they are added up", shards, _gives(_WATCHED, 7), _gives(_UNKNOWN, 4)
    )


def _fleets() -> Iterator[Case]:
    names = (_EXPECTED, _AVAILABLE, _WAITING)

    def counts(*numbers: float, **labels: str) -> list[Query]:
        return [
            _gives(record, number, **labels) for record, number in zip(names, numbers, strict=True)
        ]

    bad = {"lapsed": 2.0, "deaf": 1.0, "work_unheard": 2.0, "work_abandoned": 1.0, "unknown": 5.0}
    for name, fleet, numbers in (
        ("server: they are meant to stay", Fleet(5, 2, conditions=bad), (7, 4, 2)),
        ("abandoned: more than unheard", Fleet(5, 2, conditions={"work_abandoned": 2}), (7, 7, 2)),
        ("local: laptops are not expected", Fleet(5, 2, kind="local", conditions=bad), (0, 0, 0)),
        ("disabled: maintenance is not expected to run", Fleet(5, 2, admin="disabled"), (0, 0, 0)),
        ("few: never less than none", Fleet(1, 1, conditions=bad), (2, 0, 2)),
    ):
        yield _case(f"fleet, {name}", fleet.series(), *counts(*numbers))
    laptops = Fleet(3, 2, kind="local", conditions={"lapsed": 2.0, "work_unheard": 1.0}).series()
    both = {name: laptops.get(name) or signal for name, signal in Fleet(5).series().items()}
    yield _case("fleet, kinds: laptops that are gone are none of these", both, *counts(5, 5, 0))
    two = _two(Fleet(5, 0).series(), Fleet(4, 1, conditions={"lapsed": 1}).series())
    yield _case("fleet, two: the larger of each number, while they differ", two, *counts(6, 5, 0))
    yield _case(
        "fleet, gap: what was last seen stands",
        ended(two, _WHEN),
        *map(_later, counts(6, 5, 0)),
    )
    new = {
        name: switching(None, _WHEN, signal)
        for name, signal in scraped(Fleet(2, 0).series(), "c:9464").items()
    }
    before = ended(_two(Fleet(5, 0).series(), Fleet(5, 0).series()), _WHEN)
    yield _case(
        "fleet, new: another exporter takes their place",
        {**before, **new},
        *map(_later, counts(2, 2, 0)),
    )
    shards = scraped_shards(
        Fleet(5, 2, conditions=bad).series(), Fleet(4, 1, conditions={"lapsed": 1}).series()
    )
    yield _case("fleet, shards: they are added up", shards, *counts(12, 8, 2))
    tenant = of_tenant(Fleet(5, 2, conditions=bad).series())
    yield _case("fleet, tenant: each has its own", tenant, *counts(7, 4, 2, tenant=TENANT))
    never = {
        name.replace("expired", "offline").replace("unhealthy", "degraded"): count
        for name, count in Fleet(expired=2).series().items()
    }
    yield _case(
        "fleet, never: who never sent a heartbeat is not expected",
        {**never, **Fleet().series()},
        *counts(0, 0, 0),
    )


def _states() -> Iterator[Case]:
    def of(kind: str = "server", health: str = "healthy", **conditions: Signal) -> InputSeries:
        return Runner(kind=kind, health=health, conditions=conditions).series()

    unknown = Runner().not_known()
    for name, why, series in (
        ("work waits", "abandoned", of(work_abandoned=1, lapsed=1, disabled=0)),
        ("work waits", "unheard", of(work_unheard=1, deaf=1, health="degraded")),
        ("work waits", "of a laptop", of("local", work_unheard=1, lapsed=1)),
        ("gone", "lapsed", of(lapsed=1, claim_stuck=1, health="degraded")),
        ("away", "a laptop that lapsed", of("local", lapsed=1, work_refused=1)),
        ("stands still", "deaf", of(deaf=1, health="degraded")),
        ("stands still", "stuck", of(claim_stuck=1)),
        ("stands still", "refused", of(work_refused=1)),
        ("degraded", "it says so", of(health="degraded")),
        ("not known", "nothing is known", unknown),
        ("disabled", "whatever else holds", of(disabled=1, work_abandoned=1, lapsed=1)),
        ("well", "nothing of these", of(draining=1)),
        ("well", "unhealthy by the server alone", of(health="unhealthy")),
    ):
        yield _case(
            f"state, {name}, {why}: the first branch that matches decides",
            series,
            _of_runner(_STATE, STATES[name]),
        )
    well = of()
    for what, one, other, name in (
        ("known: one knows it", unknown, well, "well"),
        ("disabled: one takes it for disabled", of(disabled=1), well, "disabled"),
        ("waits: one has not seen it", of(work_unheard=1), well, "work waits"),
        ("degraded: one has not seen it", of(health="degraded"), well, "degraded"),
        ("kinds: they see two kinds", of(lapsed=1), of("local", lapsed=1), "gone"),
        ("kinds, well: they see two kinds", well, of("local"), "well"),
        (
            "kinds, disabled: they see two kinds",
            of(disabled=1),
            of("local", disabled=1),
            "disabled",
        ),
        (
            "kinds, waits: they see two kinds",
            of(work_unheard=1),
            of("local", work_unheard=1),
            "work waits",
        ),
        ("kinds, deaf: they see two kinds", of(deaf=1), of("local", deaf=1), "stands still"),
        ("kinds, unknown: they see two kinds", of(unknown=1), of("local", unknown=1), "not known"),
        ("kinds, away: they see two kinds", of("ci", lapsed=1), of("local", lapsed=1), "away"),
    ):
        yield _case(f"state, two, {what}", _two(one, other), _of_runner(_STATE, STATES[name]))
        yield _case(
            f"state, two, gap, {what}, and no scrape works now",
            ended(_two(one, other), _WHEN),
            _later(_of_runner(_STATE, STATES[name])),
        )
    for before, was in (
        ("disabled", of(disabled=1)),
        ("degraded", of(health="degraded")),
        ("unknown", unknown),
    ):
        yield _case(
            f"state, new, {before}: another exporter takes their place, to which it is well",
            _replaced(was, well),
            _later(_of_runner(_STATE, STATES["well"])),
        )
    for name, series in (
        ("disabled", of(disabled=1)),
        ("degraded", of(health="degraded")),
    ):
        yield from _beside_replaced(f"state, {name}", _STATE, STATES[name], series)
    yield _case(
        "state, fleet: where runners have no series, there is none",
        Fleet(2, conditions={"lapsed": 1, "work_unheard": 1, "unknown": 1, "deaf": 1}).series(),
        Query(_STATE, _WHEN),
    )


def _times() -> Iterator[Case]:
    ahead = target(clock_offset=7)
    yield _case("time: the server's clock is ahead", ahead, _gives(_TIME, 607))
    yield _case("time: nothing is known of it", target(clock_offset=None), _gives(_TIME, 600))
    two = _two(target(clock_offset=5), ahead)
    yield _case("time: the larger of what two exporters measure", two, _gives(_TIME, 607))
    gap = ended(two, _WHEN)
    yield _case("time, gap: so it is while no scrape works", gap, _later(_gives(_TIME, 667)))
    yield _case(
        "time, new: another exporter takes their place",
        _replaced(ahead, target(clock_offset=5)),
        _later(_gives(_TIME, 665)),
    )
    shards = scraped_shards(target(clock_offset=5), ahead)
    yield _case("time: the larger of what two shards measure", shards, _gives(_TIME, 607))
    unknown = scraped_shards(target(clock_offset=None), target(clock_offset=None))
    yield _case("time: nothing is known by any shard", unknown, _gives(_TIME, 600))
    blind = ended(unknown, _WHEN)
    yield _case("time, gap: nothing is known by any shard", blind, _later(_gives(_TIME, 660)))
    yield _case("time: of a tenant", of_tenant(ahead), _gives(_TIME, 607, tenant=TENANT))
    down = target(0, clock_offset=None)
    yield _case("time: the server is down, and time goes on", down, _gives(_TIME, 600))


def _claims() -> Iterator[Case]:
    def own(error: Signal, name: str = RUNNER, **conditions: Signal) -> InputSeries:
        claims: InputSeries = {
            'claims_total{outcome="error"}': error,
            'claims_total{outcome="claimed"}': rising(5),
        }
        return Runner(id=name, conditions=conditions, more=claims).series()

    def fleet(error: Signal, kind: str = "server") -> InputSeries:
        family = "electric_agents_runners_claims_total"
        return {
            selector(family, server=SERVER, kind=kind, outcome=outcome): signal
            for outcome, signal in {"error": error, "claimed": rising(9)}.items()
        }

    fails = rising(1, 60)
    two = {**own(fails), **own(rising(2, 60), "b"), **own(0, "c"), **own(fails, "d", disabled=1)}
    yield _case(
        "claims: of enabled runners that fail",
        {**two, **fleet(rising(9))},
        _all(
            _ERRORS_OF_ONE,
            *(
                (errors, {"job": JOB, "server": SERVER, "runner_id": name})
                for name, errors in ((RUNNER, 10), ("b", 20))
            ),
        ),
        _gives(_FAILING, 2),
        _gives(_ERRORS, 30),
    )
    yield _case(
        "claims, two: of two exporters the one that saw more",
        _two(two, without_events(two)),
        _gives(_FAILING, 2),
        _gives(_ERRORS, 30),
    )
    yield _case(
        "claims, gap: what was last seen stands",
        ended(scraped(two), _WHEN),
        _later(_gives(_ERRORS, 27)),
    )
    calm = {**own(0), **own(fails, "d", disabled=1), **fleet(fails)}
    yield _case("claims, none: no enabled runner fails", calm, Query(_ERRORS, _WHEN))
    of_fleet = {**fleet(fails), **fleet(fails, "local")}
    yield _case(
        "claims, fleet: of every kind", of_fleet, _gives(_ERRORS, 20), Query(_FAILING, _WHEN)
    )
    yield _case(
        "claims, fleet, two: of two exporters the one that saw more",
        _two(of_fleet, without_events(of_fleet)),
        _gives(_ERRORS, 20),
    )
    shards = scraped_shards(of_fleet, of_fleet)
    yield _case("claims, fleet, shards: they are added up", shards, _gives(_ERRORS, 40))
    here = {"cluster": "eu-1", "namespace": "agents"}
    yield _case(
        "claims, fleet, apart: series of other targets' runners say nothing of it",
        _apart(of_fleet, own(0)),
        _gives(_ERRORS, 20, **here),
    )
    yield _case(
        "claims, window: those of a quarter of an hour",
        fleet(rising(1, 60)),
        _later(_gives(_ERRORS, 15), 30 * MINUTE),
    )


def _superseded() -> Iterator[Case]:
    def of(signal: Signal) -> InputSeries:
        return {selector("electric_agents_runners_superseded_claims", server=SERVER): signal}

    yield _case("superseded, two: the larger number", _two(of(1), of(3)), _gives(_SUPERSEDED, 3))
    gap = ended(_two(of(1), of(3)), _WHEN)
    yield _case("superseded, gap: what was last seen stands", gap, _later(_gives(_SUPERSEDED, 3)))
    yield _case(
        "superseded, new: another exporter takes their place",
        _replaced(of(9), of(2)),
        _later(_gives(_SUPERSEDED, 2)),
    )


def _leaked() -> Iterator[Case]:
    def holding(claims: Signal, agents: Signal) -> InputSeries:
        return Runner(at_work=agents, more={"active_claims": claims}).series()

    for name, claims, agents, leaked in (
        ("none: it works on what it holds", 3, 3, 0),
        ("some: it holds more than it works on", 3, 1, 2),
        ("since: for most of the window", switching(1, 200, 3), 1, 2),
        (
            "moments: a report whose numbers are of two moments",
            lambda now: 1 + (now == _WHEN),
            1,
            0,
        ),
    ):
        yield _case(f"leaked, {name}", holding(claims, agents), _of_runner(_LEAKED, leaked))
    both = _two(holding(3, 1), holding(1, 0))
    queries = (_of_runner(record, 2) for record in (_LEAKED, _BEYOND))
    yield _case("leaked, two: another exporter asked before", both, *queries)
    gap = ended(both, _WHEN)
    yield _case("leaked, gap: so it was", gap, _later(_of_runner(_LEAKED, 2)))
    yield _case(
        "leaked, new: another exporter takes their place",
        _replaced(holding(9, 3), holding(5, 1)),
        _later(_of_runner(_BEYOND, 4)),
    )


def files() -> Iterator[TestFile]:
    """Give the files of test cases."""
    for name, others, cases in (
        ("records-conditions", (), _conditions()),
        ("records-counts", (), (*_counts(), *_shown(), *_watched(), *_fleets())),
        ("records-runners", ("server",), (*_enabled(), *_twice())),
        ("records-states", (), _states()),
        ("records-server", (), _times()),
        ("records-claims", ("claims",), (*_claims(), *_superseded(), *_leaked())),
    ):
        yield TestFile(name, (*others, "work", "records"), tuple(cases), 30.0)
