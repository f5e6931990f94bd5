"""What the recording rules give, where the alerts' stories do not show it."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from alert_cases.promtool import (
    DAY,
    HOUR,
    MINUTE,
    Case,
    Query,
    Sample,
    Signal,
    TestFile,
    World,
    rising,
    series,
    turning,
)
from alert_cases.stories import JOB, unseen
from alert_cases.worlds import RUNNER, SERVER, Fleet, Runner, scraped, target

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


def _case(name: str, world: World, *queries: Query) -> Case:
    return Case(name=f"records / {name}", world=scraped(world), queries=queries)


def _gives(record: str, *values: float) -> Query:
    """Tell that a record has one series for a target, or none."""
    who = series(record, job=JOB, server=SERVER)
    return Query(record, _WHEN, tuple(Sample(who, value) for value in values))


def _of_runner(record: str, *values: float, **labels: str) -> Query:
    who = series(record, job=JOB, server=SERVER, runner_id=RUNNER, **labels)
    return Query(record, _WHEN, tuple(Sample(who, value) for value in values))


def _rates(record: str, value: float) -> Query:
    who = series("", job=JOB, server=SERVER)
    return Query(f"round({record}, 0.001)", _WHEN, (Sample(who, value),))


def _exporters() -> Iterator[Case]:
    up, build = series("up", job="watchers"), series("electric_agents_exporter_build_info")
    elsewhere = scraped({build: 1.0}, job="watchers")
    node = scraped({series("up", job="node"): 1.0}, "n:9100")
    silent = scraped({series("up"): 0.0})
    mute = Sample(series(_UP, job=JOB, instance="a:9464", pod="a"), 0.0)
    yield _case(
        "exporters: one of the job that never answered is one", silent, Query(_UP, _WHEN, (mute,))
    )
    found = Sample(series(_UP, job="watchers", instance="a:9464", pod="a"), 1.0)
    yield _case(
        "exporters: one under another job is known by what it serves, a node is none",
        {up: 1, **elsewhere, **node},
        Query(_UP, _WHEN, (found,)),
    )


def _blind() -> Iterator[Case]:
    """Tell when an exporter's end is the end of sight."""
    blind = "job:electric_agents_exporter_blind:bool"
    up = series("up")
    gone = {name: turning(1, MINUTE, None) for name in target()}
    yield _case(
        "blind: once for an exporter, whatever it polled",
        {up: turning(1, MINUTE, 0), **gone, series("electric_agents_server_up", server="b"): 1},
        Query(blind, _WHEN, (Sample(series(blind, job=JOB), 1.0),)),
    )
    yield _case(
        "blind: nobody is by a target that was taken out of the settings",
        {up: 1, **gone},
        Query(blind, _WHEN),
    )


def _memory() -> Iterator[Case]:
    """Tell how long an exporter is remembered, in large steps."""
    up, build = series("up", job="watchers"), series("electric_agents_exporter_build_info")
    elsewhere = scraped({build: 1.0}, job="watchers")
    lost = Sample(series(_UP, job="watchers", instance="a:9464", pod="a"), 0.0)
    dies = {up: turning(1, HOUR, 0), **{name: turning(1, HOUR, None) for name in elsewhere}}
    yield Case(
        "records / exporters: one that is down is remembered for a day",
        scraped(dies),
        queries=(Query(_UP, DAY, (lost,)), Query(_UP, DAY + HOUR)),
    )


def _times() -> Iterator[Case]:
    yield _case("time: the server's clock is ahead", target(clock_offset=7), _gives(_TIME, 607))
    yield _case("time: nothing is known of it", target(clock_offset=None), _gives(_TIME, 600))
    two = {**scraped(target(clock_offset=5)), **scraped(target(clock_offset=7), "b:9464")}
    yield _case("time: the largest of what two exporters measure", two, _gives(_TIME, 607))
    down = target(0, clock_offset=None)
    yield _case("time: the server is down, and time goes on", down, _gives(_TIME, 600))


def _enabled() -> Iterator[Case]:
    for kind, tenure in {
        "server": "permanent",
        "cloud-worker": "permanent",
        "local": "transient",
        "ci": "transient",
        "sandbox": "transient",
        "unknown": "transient",
    }.items():
        yield _case(
            f"enabled: a runner of kind {kind} is {tenure}",
            Runner(kind=kind).world(),
            _of_runner(_ENABLED, 1, kind=kind, tenure=tenure),
        )
    owned = {
        name.replace('label="Builder"', 'label="Builder",owner_principal="u"'): signal
        for name, signal in Runner().world().items()
    }
    yield _case(
        "enabled: whoever owns it and whatever it is called",
        owned,
        _of_runner(_ENABLED, 1, kind="server", tenure="permanent"),
    )
    yield _case("enabled: not a disabled one", Runner(enabled=0).world(), _of_runner(_ENABLED))
    seen = scraped(Runner(kind="server").world(), "a:9464")
    otherwise = scraped(Runner(kind="local").world(), "b:9464")
    yield _case(
        "enabled: once, though two exporters see two kinds for a moment",
        {**seen, **otherwise},
        Query(f"count({_ENABLED})", _WHEN, (Sample("{}", 1.0),)),
    )
    unlike_kind = {
        name.replace('label="Builder"', 'label="B",owner_principal="u"'): signal
        for name, signal in Runner(kind="local").world().items()
    }
    yield _case(
        "enabled: once, though two exporters see two of everything for a moment",
        {**seen, **scraped(unlike_kind, "b:9464")},
        Query(f"count({_ENABLED})", _WHEN, (Sample("{}", 1.0),)),
    )
    unlike = {
        name.replace('"Builder"', '"Builder 2"').replace("}", ',owner_principal="u"}'): signal
        for name, signal in Runner().world().items()
        if "info" in name
    }
    yield _case(
        "enabled: once, though two exporters see two labels for a moment",
        {**scraped(Runner().world(), "a:9464"), **scraped(unlike, "b:9464")},
        _of_runner(_ENABLED, 1, kind="server", tenure="permanent"),
    )


def _gone() -> Iterator[Case]:
    for name, runner, values in (
        ("online: it is there", Runner(), ()),
        ("expired: its lease has run out", Runner(liveness="expired"), (1,)),
        ("silent: its lease runs, and nothing comes", Runner(heartbeat_age=601), (1,)),
        ("offline: never heard of is not gone", Runner(liveness="offline", heartbeat_age=601), ()),
    ):
        yield _case(f"gone, {name}", runner.world(), _of_runner(_GONE, *values))
    unknown = scraped(Runner(liveness="unknown", heartbeat_age=700).world(), "b:9464")
    yield _case(
        "gone, one: another exporter has no newer report",
        {**scraped(Runner(heartbeat_age=601).world(), "a:9464"), **unknown},
        _of_runner(_GONE, 1),
    )
    fresher = scraped(Runner(heartbeat_age=9).world(), "b:9464")
    yield _case(
        "gone, replica: another exporter has a newer heartbeat",
        {**scraped(Runner(heartbeat_age=601).world(), "a:9464"), **fresher},
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
        state = f"state, {name}: of all that holds the first that is looked for"
        yield _case(state, runner.world(), _of_runner(_STATE, STATES[name]))
    silent = Runner(more=polled).world()
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
        both = {**scraped(one.world(), "a:9464"), **scraped(other.world(), "b:9464")}
        yield _case(f"state, two, {what}", both, _of_runner(_STATE, STATES[name]))


def _fleets() -> Iterator[Case]:
    words = ("expected", "available", "unavailable")
    names = [f"server:electric_agents_runners_{word}:sum" for word in words]
    for name, fleet, counts in (
        ("server: they are meant to stay", Fleet(online=5, expired=2), (7, 5, 2)),
        ("cloud-worker: so are these", Fleet(5, 2, kind="cloud-worker"), (7, 5, 2)),
        ("local: laptops are not expected", Fleet(5, 2, kind="local"), (0, 0, 0)),
        ("disabled: maintenance is not expected to run", Fleet(5, 2, admin="disabled"), (0, 0, 0)),
    ):
        looks = [_gives(record, count) for record, count in zip(names, counts, strict=True)]
        yield _case(f"fleet, {name}", fleet.world(), *looks)
    two = {**scraped(Fleet(5, 0).world()), **scraped(Fleet(4, 1).world(), "b:9464")}
    looks = [_gives(record, count) for record, count in zip(names, (6, 5, 1), strict=True)]
    yield _case("fleet, two: both are believed, for the moment that they differ", two, *looks)
    never = {
        name.replace("expired", "offline").replace("unhealthy", "degraded"): count
        for name, count in Fleet(expired=2).world().items()
    }
    looks = [_gives(record, 0) for record in names]
    yield _case(
        "fleet, never: who never came is not expected", {**never, **Fleet().world()}, *looks
    )


def _sums(error: Signal = 0, claimed: Signal = 0, kind: str = "server") -> World:
    family = "electric_agents_runners_claims_total"
    told = {"error": error, "claimed": claimed, "no_work": rising(300)}
    return {
        series(family, server=SERVER, kind=kind, outcome=outcome): signal
        for outcome, signal in told.items()
    }


def _claims() -> Iterator[Case]:
    def own(error: Signal, enabled: Signal = 1, name: str = RUNNER) -> World:
        claims: World = {
            'claims_total{outcome="error"}': error,
            'claims_total{outcome="claimed"}': rising(5),
        }
        return Runner(id=name, enabled=enabled, more=claims).world()

    both = {**_sums(rising(6), rising(3)), **_sums(rising(3), rising(3), kind="local")}
    yield _case(
        "claims: errors and attempts a second, over all kinds",
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
        {**scraped(planned), **scraped(unseen(planned), "b:9464")},
        _rates(_ERRORS, 0.2),
    )
    yield _case(
        "claims: not planned while one exporter takes the runner for enabled",
        {**scraped(planned), **scraped({**planned, **own(rising(3))}, "b:9464")},
        _rates(_ERRORS, 0.3),
    )
    yield _case(
        "claims: refused until a moment ago",
        {**both, **own(rising(3), enabled=turning(0, 9 * MINUTE, 1))},
        _rates(_ERRORS, 0.2),
    )
    yield _case(
        "claims: never less than none, though the sum lags behind",
        {**_sums(rising(3)), **own(rising(6), enabled=0)},
        _rates(_ERRORS, 0),
    )


def _leaked() -> Iterator[Case]:
    def holding(claims: Signal, agents: Signal) -> World:
        return Runner(at_work=agents, more={"active_claims": claims}).world()

    for name, claims, agents, leaked in (
        ("none: it works on what it holds", 3, 3, 0),
        ("some: it holds more than it works on", 3, 1, 2),
        ("since: for most of the window", turning(1, 200, 3), 1, 2),
        (
            "moments: a report whose numbers are of two moments",
            lambda now: 1 + (now == _WHEN),
            1,
            0,
        ),
    ):
        yield _case(f"leaked, {name}", holding(claims, agents), _of_runner(_LEAKED, leaked))
    both = {**scraped(holding(3, 1), "a:9464"), **scraped(holding(1, 0), "b:9464")}
    looks = (_of_runner(record, 2) for record in (_LEAKED, _BEYOND))
    yield _case("leaked, two: another exporter asked before", both, *looks)


def _idle() -> Iterator[Case]:
    looks = [Query(ratio, _WHEN) for ratio in _RATIOS]
    idle = {**Fleet().world(), **_sums()}
    yield _case("ratios: an idle fleet is neither perfect nor broken", idle, *looks)
    perfect = {**Fleet(online=4).world(), **_sums(claimed=rising(1))}
    looks = [_gives(ratio, 0) for ratio in _RATIOS]
    yield _case("ratios: a fleet at work without fault", perfect, *looks)
    halved = {**Fleet(online=4, expired=4).world(), **_sums(rising(1), rising(1))}
    looks = [_gives(ratio, 0.5) for ratio in _RATIOS]
    yield _case("ratios: half of everything goes wrong", halved, *looks)


def files() -> Iterator[TestFile]:
    """Give the files of tests."""
    for name, rules, cases in (
        ("records-exporters", ("records",), (*_exporters(), *_blind())),
        ("records-server", ("records",), (*_times(), *_fleets())),
        ("records-runners", ("records",), (*_enabled(), *_gone(), *_states())),
        ("records-claims", ("records", "slo"), (*_leaked(), *_claims(), *_idle())),
    ):
        yield TestFile(name, rules, tuple(cases))
    yield TestFile("records-memory", ("records",), tuple(_memory()), 5 * MINUTE)
