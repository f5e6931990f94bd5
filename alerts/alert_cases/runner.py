"""Cases of the alerts on the causes that lie with one runner."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from alert_cases.input_series import Fleet, Runner, scraped, target, without_events
from alert_cases.promtool import Case, Query, Sample, TestFile
from alert_cases.runner_cases import DISABLED, ConditionCases, RunnerCases, exposed
from alert_cases.signals import MINUTE, Signal, rising, switching
from alert_cases.work import watched_twice

_FROZEN: Final = "a dead runner keeps its last diagnostics"


def _unhealthy() -> Iterator[Case]:
    gone = Runner(last_seen=-95)
    cases = ConditionCases(
        "RunnerUnhealthy",
        "lapsed",
        gone,
        8 * MINUTE,
        transient=None,
        silent={"kind: a laptop may sleep": replace(gone, kind="local", conditions={"lapsed": 1})},
    )
    before, after = -95 - 15 * MINUTE, -95 - 15 * MINUTE + 1
    other = Runner(id="builder-2", registered=after)
    runner = replace(
        cases.of_runner(),
        guards={
            "draining": (
                "it was stopped, and finishes its work",
                cases.holding(1, draining=1),
            )
        },
        beside={"replaced": ("another one was registered shortly before it ended", other)},
        apart=("draining", "replaced"),
        either=("draining",),
    )
    yield from runner.cases()
    yield from watched_twice(cases, apart=False)
    fleet = cases.of_fleet()
    yield fleet.firing("fleet: where runners have no series, it tells how many")
    one, two = (
        {**target(), **Fleet(conditions={"lapsed": 2, "draining": draining}).series()}
        for draining in (1, 2)
    )
    yield fleet.with_series(one).firing("fleet, one: one of two finishes its work")
    yield fleet.silence("fleet, two: all of them finish their work", two)
    older = exposed(cases.holding(1), replace(other, registered=before))
    yield (
        runner.of_rule().with_series(older).firing("older: one that was there before replaces none")
    )
    job = exposed(cases.holding(1), replace(other, kind="ci"))
    yield runner.of_rule().with_series(job).firing("job: one that comes and goes replaces none")


def _degraded() -> Iterator[Case]:
    faulty = Runner(issues={"heartbeat_failed": 1})
    of_others = ("disabled", "lease_expired", "never_heartbeat", "stream_disconnected")
    cases = RunnerCases(
        "RunnerDegraded",
        faulty,
        10 * MINUTE,
        again=replace(faulty, issues={"heartbeat_failed": switching(1, 10 * MINUTE + 15, 0)}),
        guards={
            "frozen": (_FROZEN, replace(faulty, conditions={"lapsed": 1})),
            "disabled": (DISABLED, replace(faulty, conditions={"disabled": 1})),
        },
        silent={
            "reconnects_high: the server names it until the process restarts": replace(
                faulty, issues={"reconnects_high": 1}
            ),
            **{
                f"{issue}: another alert fires": replace(faulty, issues={issue: 1})
                for issue in of_others
            },
        },
        apart=("frozen", "disabled"),
        either=("frozen",),
    )
    yield from cases.cases()
    yield from _two_kinds(cases)
    two = replace(faulty, issues={"heartbeat_failed": 1, "no_diagnostics": 1})
    alert = replace(cases.alert(), message="RunnerDegraded by two issues")
    yield cases.of_rule().with_series(exposed(two), alert).firing("two: it names both issues")
    deaf = replace(faulty, conditions={"deaf": 1})
    yield cases.of_rule().with_series(exposed(deaf)).firing("deaf: it lives, and is heard")


def _deaf() -> Iterator[Case]:
    yield from ConditionCases("RunnerDeaf", "deaf", Runner(), 5 * MINUTE).cases()


def _counting(rule: str, counter: str, every: float, fires: float, over: float) -> RunnerCases:
    """Give the cases of a rule on a counter that rises by one every so many seconds."""

    def counts(signal: Signal) -> Runner:
        return Runner(more={counter: signal})

    counting = counts(rising(1, every))
    return RunnerCases(
        rule,
        counting,
        fires,
        again=counts(rising(1, every, until=fires)),
        over=over,
        late=MINUTE,
        guards={"disabled": (DISABLED, replace(counting, conditions={"disabled": 1}))},
        apart=("disabled",),
    )


def _at_the_threshold(
    cases: RunnerCases, counter: str, few: float, more: float, until: float
) -> Iterator[Case]:
    """Check a counter that grows by just the threshold in its window, and by one more."""
    rule = cases.of_rule()
    for name, every, case in (("few", few, rule.never), ("more", more, rule.at_some_time)):
        series = exposed(replace(cases.runner, more={counter: rising(1, every)}))
        yield case(f"{name}: once in {every:g} seconds", series, until)


def _two_kinds(cases: RunnerCases) -> Iterator[Case]:
    """Two exporters see two kinds of it for a moment: still it is one alert."""
    local = replace(cases.runner, kind="local")
    both = {**scraped(exposed(cases.runner)), **scraped(exposed(local), "b:9464")}
    name = f"ElectricAgents{cases.rule}"
    case = cases.of_rule().with_series(both).firing("kinds: two exporters see two kinds of it")
    count = f'count(ALERTS{{alertname="{name}",alertstate="firing"}})'
    yield replace(case, checks=(), queries=(Query(count, cases.fires, (Sample("{}", 1),)),))


def _reconnects() -> Iterator[Case]:
    counter = "reconnects_total"
    cases = replace(_counting("ReconnectStorm", counter, 60, 11 * MINUTE, over=285), memory=285)
    ended = rising(1, 60, until=6 * MINUTE)
    guard = ("an outage makes every runner reconnect, and has ended", Runner(more={counter: ended}))
    yield from replace(cases, guards={**cases.guards, "over": guard}, apart=("disabled",)).cases()
    yield from _at_the_threshold(cases, counter, 180, 140, 40 * MINUTE)
    yield from _two_kinds(cases)


def _restarts() -> Iterator[Case]:
    counter = "client_restarts_total"
    cases = _counting("RunnerRestarting", counter, 300, 25 * MINUTE, over=885)
    yield from cases.cases()
    yield from _at_the_threshold(cases, counter, 600, 440, 75 * MINUTE)
    yield from _two_kinds(cases)


def _flapping() -> Iterator[Case]:
    counter = "health_changes_total"
    cases = _counting("RunnerFlapping", counter, 150, 27.5 * MINUTE, over=885)
    yield from cases.cases()
    yield from _at_the_threshold(cases, counter, 300, 250, 75 * MINUTE)
    yield from _two_kinds(cases)


def _duplicate() -> Iterator[Case]:
    counter = "client_identity_conflicts_total"
    cases = replace(
        _counting("DuplicateRunnerId", counter, 120, 4 * MINUTE, over=765),
        transient="warning",
        hold=6 * MINUTE,
    )
    yield from cases.cases()
    yield from _at_the_threshold(cases, counter, 920, 440, 40 * MINUTE)
    yield from _two_kinds(cases)


def _spinning() -> Iterator[Case]:
    def spins(idle: float, busy: float, events: float = 80) -> Runner:
        """Give a runner with so many wakes, and claims without and with work, in 30 s."""
        return Runner(
            more={
                "events_received_total": rising(events),
                'claims_total{outcome="no_work"}': rising(idle),
                'claims_total{outcome="claimed"}': rising(busy),
            }
        )

    busy = spins(72, 8)
    cases = RunnerCases(
        "RunnerSpinning",
        spins(79, 1),
        14 * MINUTE,
        memory=90,
        late=MINUTE,
        guards={
            "busy": ("it gets work when it is woken", busy),
            "disabled": (DISABLED, replace(spins(79, 1), conditions={"disabled": 1})),
        },
        silent={
            "working: it gets work at nearly every wake": spins(1, 79),
            "slow: a wake or two per second": spins(48, 0, events=48),
        },
        apart=("disabled",),
    )
    yield from cases.cases()
    yield from _two_kinds(cases)
    both = {**scraped(exposed(busy)), **scraped(without_events(exposed(busy)), "b:9464")}
    yield cases.of_rule().silence("guard busy, one: another exporter has not seen the work", both)


def _never_heartbeat() -> Iterator[Case]:
    awaited = Runner(issues={"never_heartbeat": 1})
    cases = RunnerCases(
        "RunnerNeverHeartbeat",
        awaited,
        30 * MINUTE,
        again=replace(awaited, issues={"never_heartbeat": switching(1, 30 * MINUTE + 15, 0)}),
        severity="info",
        guards={"disabled": (DISABLED, replace(awaited, conditions={"disabled": 1}))},
        silent={"online: it sent one": replace(awaited, issues={"no_diagnostics": 1})},
        apart=("disabled",),
    )
    yield from cases.cases()
    yield from _two_kinds(cases)


def files() -> Iterator[TestFile]:
    """Give the files of test cases."""
    for name, cases in {
        "RunnerUnhealthy": _unhealthy,
        "RunnerDegraded": _degraded,
        "RunnerDeaf": _deaf,
        "ReconnectStorm": _reconnects,
        "RunnerRestarting": _restarts,
        "RunnerFlapping": _flapping,
        "DuplicateRunnerId": _duplicate,
        "RunnerSpinning": _spinning,
        "RunnerNeverHeartbeat": _never_heartbeat,
    }.items():
        reads = ("server", "work", "records", "runner")
        yield TestFile(name, reads if name == "RunnerUnhealthy" else reads[1:], tuple(cases()))
