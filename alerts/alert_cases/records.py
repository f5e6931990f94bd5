"""Cases of the recording rules, for what the alerts' cases do not show."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from alert_cases.input_series import (
    RUNNER,
    SERVER,
    TENANT,
    Fleet,
    Runner,
    of_tenant,
    scraped,
    scraped_shards,
    target,
    without_events,
)
from alert_cases.promtool import Case, InputSeries, Query, Sample, TestFile, selector
from alert_cases.rule_cases import JOB
from alert_cases.signals import DAY, HOUR, MINUTE, Signal, rising, switching

_WHEN: Final = 10 * MINUTE
_UP: Final = "instance:electric_agents_exporter_up:bool"
_TIME: Final = "server:electric_agents_server_time:seconds"
_ENABLED: Final = "server_runner:electric_agents_runner_enabled:info"
_GONE: Final = "server_runner:electric_agents_runner_gone:bool"
_LEAKED: Final = "server_runner:electric_agents_runner_leaked_claims:median"
_STATE: Final = "server_runner:electric_agents_runner_state:rank"
STATES: Final = {
    "gone with work": 8,
    "gone": 7,
    "unhealthy": 6,
    "degraded": 5,
    "no report": 4,
    "unknown": 3,
    "away": 2,
    "disabled": 1,
    "healthy": 0,
}
"""What a runner's state is recorded as."""
_BEYOND: Final = "server_runner:electric_agents_runner_leaked_claims:sum"
_ERRORS: Final = "server:electric_agents_runners_claim_errors:rate5m"
_ATTEMPTS: Final = "server:electric_agents_runners_claim_attempts:rate5m"
_RATIOS: Final = tuple(
    f"server:electric_agents_runners_{bad}:ratio_{window}"
    for window in ("5m", "30m", "1h", "2h", "6h", "1d", "3d", "30d")
    for bad in ("unavailable", "claim_errors")
)


def _case(name: str, series: InputSeries, *queries: Query) -> Case:
    return Case(name=f"records / {name}", input_series=scraped(series), queries=queries)


def _gives(record: str, *values: float, **labels: str) -> Query:
    """Expect one series of a record for a target, or none."""
    who = selector(record, job=JOB, server=SERVER, **labels)
    return Query(record, _WHEN, tuple(Sample(who, value) for value in values))


def _of_runner(record: str, *values: float, **labels: str) -> Query:
    return _gives(record, *values, runner_id=RUNNER, **labels)


def _rates(record: str, value: float) -> Query:
    who = selector("", job=JOB, server=SERVER)
    return Query(f"round({record}, 0.001)", _WHEN, (Sample(who, value),))


def _exporters() -> Iterator[Case]:
    up, build = selector("up", job="watchers"), selector("electric_agents_exporter_build_info")
    elsewhere = scraped({build: 1.0}, job="watchers")
    node = scraped({selector("up", job="node"): 1.0})
    beside = scraped({up: 1.0}, "n:9100")
    silent = scraped({selector("up"): 0.0})
    mute = Sample(selector(_UP, job=JOB, instance="a:9464", pod="a"), 0.0)
    yield _case(
        "exporters: one of the job that never answered is one", silent, Query(_UP, _WHEN, (mute,))
    )
    found = Sample(selector(_UP, job="watchers", instance="a:9464", pod="a"), 1.0)
    yield _case(
        "exporters: one under another job is known by its metrics; others of it are none",
        {up: 1, **elsewhere, **node, **beside},
        Query(_UP, _WHEN, (found,)),
    )


def _blind() -> Iterator[Case]:
    """Check when the end of an exporter leaves something without any."""
    blind = "job:electric_agents_exporter_blind:bool"
    up = selector("up")
    gone = {name: switching(1, MINUTE, None) for name in target()}
    yield _case(
        "blind: once for an exporter, whatever it polled",
        {up: switching(1, MINUTE, 0), **gone, selector("electric_agents_server_up", server="b"): 1},
        Query(blind, _WHEN, (Sample(selector(blind, job=JOB), 1.0),)),
    )
    yield _case(
        "blind: not by a target that was taken out of the settings",
        {up: 1, **gone},
        Query(blind, _WHEN),
    )
    other = {**target(), up: 1, selector("electric_agents_exporter_build_info"): 1}
    yield _case(
        "blind: though an exporter of another job polls a server of that name",
        {
            up: switching(1, MINUTE, 0),
            **gone,
            **scraped({up: 1}, "b:9464"),
            **scraped(other, "c:9464", job="watchers"),
        },
        Query(blind, _WHEN, (Sample(selector(blind, job=JOB), 1.0),)),
    )
    yield _case(
        "blind: not by a target that was taken out, though an exporter of another job is down",
        {
            up: 1,
            **gone,
            **scraped({**other, up: switching(1, MINUTE, 0)}, "b:9464", job="watchers"),
            **scraped(other, "c:9464", job="watchers"),
        },
        Query(blind, _WHEN),
    )


def _memory() -> Iterator[Case]:
    """Check how long an exporter is remembered, in large steps."""
    up, build = selector("up", job="watchers"), selector("electric_agents_exporter_build_info")
    elsewhere = scraped({build: 1.0}, job="watchers")
    lost = Sample(selector(_UP, job="watchers", instance="a:9464", pod="a"), 0.0)
    dies = {up: switching(1, HOUR, 0), **{name: switching(1, HOUR, None) for name in elsewhere}}
    yield Case(
        "records / exporters: one that is down is remembered for a day",
        scraped(dies),
        queries=(Query(_UP, DAY, (lost,)), Query(_UP, DAY + HOUR)),
    )


def _times() -> Iterator[Case]:
    ahead = target(clock_offset=7)
    yield _case("time: the server's clock is ahead", ahead, _gives(_TIME, 607))
    yield _case("time: nothing is known of it", target(clock_offset=None), _gives(_TIME, 600))
    two = {**scraped(target(clock_offset=5)), **scraped(ahead, "b:9464")}
    yield _case("time: the larger of what two exporters measure", two, _gives(_TIME, 607))
    shards = scraped_shards(target(clock_offset=5), ahead)
    yield _case("time: the larger of what two shards measure", shards, _gives(_TIME, 607))
    unknown = scraped_shards(target(clock_offset=None), target(clock_offset=None))
    yield _case("time: nothing is known by any shard", unknown, _gives(_TIME, 600))
    yield _case("time: of a tenant", of_tenant(ahead), _gives(_TIME, 607, tenant=TENANT))
    down = target(0, clock_offset=None)
    yield _case("time: the server is down, and time goes on", down, _gives(_TIME, 600))


def _enabled() -> Iterator[Case]:
    for kind, lifecycle in {
        "server": "lasting",
        "cloud-worker": "lasting",
        "local": "transient",
        "ci": "transient",
        "sandbox": "transient",
        "unknown": "transient",
    }.items():
        yield _case(
            f"enabled: a runner of kind {kind} is {lifecycle}",
            Runner(kind=kind).series(),
            _of_runner(_ENABLED, 1, kind=kind, lifecycle=lifecycle),
        )
    owned = {
        name.replace('label="Builder"', 'label="Builder",owner_principal="u"'): signal
        for name, signal in Runner().series().items()
    }
    yield _case(
        "enabled: whatever its owner and label",
        owned,
        _of_runner(_ENABLED, 1, kind="server", lifecycle="lasting"),
    )
    yield _case("enabled: not a disabled one", Runner(enabled=0).series(), _of_runner(_ENABLED))
    seen = scraped(Runner(kind="server").series(), "a:9464")
    otherwise = scraped(Runner(kind="local").series(), "b:9464")
    yield _case(
        "enabled: once, though two exporters see two kinds for a moment",
        {**seen, **otherwise},
        Query(f"count({_ENABLED})", _WHEN, (Sample("{}", 1.0),)),
    )
    unlike_kind = {
        name.replace('label="Builder"', 'label="B",owner_principal="u"'): signal
        for name, signal in Runner(kind="local").series().items()
    }
    yield _case(
        "enabled: once, though two exporters see two of everything for a moment",
        {**seen, **scraped(unlike_kind, "b:9464")},
        Query(f"count({_ENABLED})", _WHEN, (Sample("{}", 1.0),)),
    )
    unlike = {
        name.replace('"Builder"', '"Builder 2"').replace("}", ',owner_principal="u"}'): signal
        for name, signal in Runner().series().items()
        if "info" in name
    }
    yield _case(
        "enabled: once, though two exporters see two labels for a moment",
        {**scraped(Runner().series(), "a:9464"), **scraped(unlike, "b:9464")},
        _of_runner(_ENABLED, 1, kind="server", lifecycle="lasting"),
    )


def _gone() -> Iterator[Case]:
    for name, runner, values in (
        ("online: it is there", Runner(), ()),
        ("expired: its lease has expired", Runner(liveness="expired"), (1,)),
        ("silent: its lease runs, and no heartbeat comes", Runner(heartbeat_age=601), (1,)),
        (
            "offline: it never sent a heartbeat, and is not gone",
            Runner(liveness="offline", heartbeat_age=601),
            (),
        ),
    ):
        yield _case(f"gone, {name}", runner.series(), _of_runner(_GONE, *values))
    unknown = scraped(Runner(liveness="unknown", heartbeat_age=700).series(), "b:9464")
    yield _case(
        "gone, one: another exporter has no newer report",
        {**scraped(Runner(heartbeat_age=601).series(), "a:9464"), **unknown},
        _of_runner(_GONE, 1),
    )
    fresher = scraped(Runner(heartbeat_age=9).series(), "b:9464")
    yield _case(
        "gone, replica: another exporter has a newer heartbeat",
        {**scraped(Runner(heartbeat_age=601).series(), "a:9464"), **fresher},
        _of_runner(_GONE),
    )


def _states() -> Iterator[Case]:
    polled, failed = {"poll_success": 1.0}, {"poll_success": 0.0}
    gone = Runner(liveness="expired", health="unhealthy", more=polled)
    for name, runner in (
        ("gone with work", replace(gone, at_work=1)),
        ("gone", replace(gone, at_work=0)),
        ("unhealthy", Runner(health="unhealthy", more=polled)),
        ("degraded", Runner(health="degraded", at_work=1, more=polled)),
        ("no report", Runner(more=failed)),
        ("unknown", Runner(health="unknown", more=polled)),
        ("away", replace(gone, kind="local", at_work=0)),
        ("disabled", replace(gone, enabled=0, at_work=1)),
        ("healthy", Runner(health="healthy", more=polled)),
    ):
        state = f"state, {name}: the first branch that matches decides"
        yield _case(state, runner.series(), _of_runner(_STATE, STATES[name]))
    silent = Runner(more=polled).series()
    yield _case("state, nothing else: it answered", silent, _of_runner(_STATE, STATES["healthy"]))
    well = Runner(health="healthy", more=polled)
    for what, one, other, name in (
        ("report: one has none", Runner(more=failed), well, "healthy"),
        ("enabled: one takes it for disabled", replace(well, enabled=0), well, "healthy"),
        (
            "work: one has not seen it",
            replace(gone, at_work=0),
            replace(gone, at_work=1),
            "gone with work",
        ),
        ("unhealthy: one has not seen it", replace(well, health="unhealthy"), well, "unhealthy"),
        ("degraded: one has not seen it", replace(well, health="degraded"), well, "degraded"),
        ("unknown: to one", replace(well, health="unknown"), well, "unknown"),
    ):
        both = {**scraped(one.series(), "a:9464"), **scraped(other.series(), "b:9464")}
        yield _case(f"state, two, {what}", both, _of_runner(_STATE, STATES[name]))


def _fleets() -> Iterator[Case]:
    words = ("expected", "available", "unavailable")
    names = [f"server:electric_agents_runners_{word}:sum" for word in words]

    def counts(*numbers: float, **labels: str) -> list[Query]:
        return [
            _gives(record, count, **labels) for record, count in zip(names, numbers, strict=True)
        ]

    for name, fleet, numbers in (
        ("server: they are meant to stay", Fleet(online=5, expired=2), (7, 5, 2)),
        ("cloud-worker: so are these", Fleet(5, 2, kind="cloud-worker"), (7, 5, 2)),
        ("local: laptops are not expected", Fleet(5, 2, kind="local"), (0, 0, 0)),
        ("disabled: maintenance is not expected to run", Fleet(5, 2, admin="disabled"), (0, 0, 0)),
    ):
        yield _case(f"fleet, {name}", fleet.series(), *counts(*numbers))
    two = {**scraped(Fleet(5, 0).series()), **scraped(Fleet(4, 1).series(), "b:9464")}
    yield _case("fleet, two: the larger of each number, while they differ", two, *counts(6, 5, 1))
    shards = scraped_shards(Fleet(5, 2).series(), Fleet(4, 1).series())
    yield _case("fleet, shards: they are added up", shards, *counts(12, 9, 3))
    tenant = of_tenant(Fleet(5, 2).series())
    yield _case("fleet, tenant: each has its own", tenant, *counts(7, 5, 2, tenant=TENANT))
    never = {
        name.replace("expired", "offline").replace("unhealthy", "degraded"): count
        for name, count in Fleet(expired=2).series().items()
    }
    yield _case(
        "fleet, never: who never sent a heartbeat is not expected",
        {**never, **Fleet().series()},
        *counts(0, 0, 0),
    )


def _sums(error: Signal = 0, claimed: Signal = 0, kind: str = "server") -> InputSeries:
    family = "electric_agents_runners_claims_total"
    by_outcome = {"error": error, "claimed": claimed, "no_work": rising(300)}
    return {
        selector(family, server=SERVER, kind=kind, outcome=outcome): signal
        for outcome, signal in by_outcome.items()
    }


def _claims() -> Iterator[Case]:
    def own(error: Signal, enabled: Signal = 1, name: str = RUNNER) -> InputSeries:
        claims: InputSeries = {
            'claims_total{outcome="error"}': error,
            'claims_total{outcome="claimed"}': rising(5),
        }
        return Runner(id=name, enabled=enabled, more=claims).series()

    both = {**_sums(rising(6), rising(3)), **_sums(rising(3), rising(3), kind="local")}
    yield _case(
        "claims: errors and attempts per second, over all kinds",
        both,
        _rates(_ERRORS, 0.3),
        _rates(_ATTEMPTS, 0.5),
    )
    yield _case(
        "claims: those of a disabled runner are refused, and planned",
        {**both, **own(rising(3), enabled=0), **own(rising(3), name="b")},
        _rates(_ERRORS, 0.2),
        _rates(_ATTEMPTS, 0.4),
    )
    planned = {**both, **own(rising(3), enabled=0)}
    yield _case(
        "claims: of two exporters the one that saw more",
        {**scraped(planned), **scraped(without_events(planned), "b:9464")},
        _rates(_ERRORS, 0.2),
    )
    yield _case(
        "claims: shards are added up, though their runners carry no shard",
        scraped_shards(planned, both),
        _rates(_ERRORS, 0.5),
        _rates(_ATTEMPTS, 0.9),
    )
    yield _case(
        "claims: shards are added up where no runner has series",
        scraped_shards(both, both),
        _rates(_ERRORS, 0.6),
    )
    yield _case(
        "claims: not planned while one exporter takes the runner for enabled",
        {**scraped(planned), **scraped({**planned, **own(rising(3))}, "b:9464")},
        _rates(_ERRORS, 0.3),
    )
    yield _case(
        "claims: refused until a moment ago",
        {**both, **own(rising(3), enabled=switching(0, 9 * MINUTE, 1))},
        _rates(_ERRORS, 0.2),
    )
    yield _case(
        "claims: never less than none, though the sum is behind",
        {**_sums(rising(3)), **own(rising(6), enabled=0)},
        _rates(_ERRORS, 0),
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
    both = {**scraped(holding(3, 1), "a:9464"), **scraped(holding(1, 0), "b:9464")}
    queries = (_of_runner(record, 2) for record in (_LEAKED, _BEYOND))
    yield _case("leaked, two: another exporter asked before", both, *queries)


def _idle() -> Iterator[Case]:
    idle = {**Fleet().series(), **_sums()}
    yield _case(
        "ratios: an idle fleet is neither perfect nor broken",
        idle,
        *(Query(ratio, _WHEN) for ratio in _RATIOS),
    )
    perfect = {**Fleet(online=4).series(), **_sums(claimed=rising(1))}
    yield _case(
        "ratios: a fleet at work without fault", perfect, *(_gives(ratio, 0) for ratio in _RATIOS)
    )
    halved = {**Fleet(online=4, expired=4).series(), **_sums(rising(1), rising(1))}
    yield _case(
        "ratios: half of everything goes wrong", halved, *(_gives(ratio, 0.5) for ratio in _RATIOS)
    )


def files() -> Iterator[TestFile]:
    """Give the files of test cases."""
    for name, rules, cases in (
        ("records-exporters", ("records",), (*_exporters(), *_blind())),
        ("records-server", ("records",), (*_times(), *_fleets())),
        ("records-runners", ("records",), (*_enabled(), *_gone(), *_states())),
        ("records-claims", ("records", "slo"), (*_leaked(), *_claims(), *_idle())),
    ):
        yield TestFile(name, rules, tuple(cases))
    yield TestFile("records-memory", ("records",), tuple(_memory()), 5 * MINUTE)
