"""Cases of the alerts on a target."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from alert_cases.input_series import (
    SERVER,
    TENANT,
    of_tenant,
    polls,
    scraped,
    scraped_shards,
    target,
)
from alert_cases.promtool import Case, Check, InputSeries, TestFile, selector
from alert_cases.rule_cases import RuleCases, of_server
from alert_cases.signals import HOUR, MINUTE, Signal, rising, switching

_RULES: Final = ("records", "server")
_PREFIX: Final = "electric_agents_server_"
_TICK: Final = selector("electric_agents_exporter_scheduler_last_tick_timestamp_seconds")


def _of(family: str, **labels: str) -> str:
    return selector(f"{_PREFIX}{family}", server=SERVER, **labels)


def _unreachable() -> Iterator[Case]:
    down = RuleCases(
        rule="ServerUnreachable",
        series=target(0),
        fires=5 * MINUTE,
        alerts=(of_server("ServerUnreachable", "critical"),),
        hold=3 * MINUTE,
        silent={
            "up: it answers": target(1),
            "tenant: the polls of another tenant succeed": {**target(1), **of_tenant(target(0))},
        },
        of_a_tenant=False,
    )
    yield from down.cases()
    one = {**scraped(target(0), "a:9464"), **scraped(target(1), "b:9464")}
    yield down.silence("one: another exporter reaches it", one)
    yield down.with_series(scraped_shards(target(0), target(0))).firing(
        "shards: all that cannot reach it give one alert"
    )
    yield down.silence("shard: another shard reaches it", scraped_shards(target(0), target(1)))


def _credentials() -> Iterator[Case]:
    def exposed(
        *,
        reason: str = "unauthorized",
        errors: Signal,
        operation: str = "list",
        lists: Signal = 0,
        health: Signal = 0,
    ) -> InputSeries:
        counted = _of("request_errors_total", operation=operation, reason=reason)
        return {**target(0), counted: errors, **polls(lists=lists, health=health)}

    rejected = exposed(errors=rising(1, 60))
    accepted = exposed(errors=0, lists=1, health=1)
    cases = RuleCases(
        rule="CredentialsRejected",
        series=rejected,
        fires=6 * MINUTE,
        alerts=(of_server("CredentialsRejected", "critical"),),
        of_a_tenant=False,
        apart=("recovered",),
        guards={
            "recovered": (
                "the newest poll was answered",
                exposed(errors=rising(1, 60), lists=1, health=1),
            )
        },
        silent={
            "once: one rejected request is no longer in the window": exposed(
                errors=switching(0, 30, 1)
            ),
            "other: a server that fails rejects nobody": exposed(
                reason="server_error", errors=rising(1, 60)
            ),
            "operation: the lists are answered again, and reports fail for another reason": exposed(
                errors=rising(1, 60), lists=1
            ),
        },
    )
    yield from cases.cases()
    forbidden = exposed(reason="forbidden", errors=rising(1, 60))
    yield cases.with_series(forbidden).firing("forbidden: 403 is as bad as 401")
    yield cases.silence(
        "one: another exporter is accepted", {**scraped(accepted), **scraped(rejected, "b:9464")}
    )
    of_health = exposed(errors=rising(1, 60), operation="health", lists=1)
    yield cases.with_series(of_health).firing("health: the lists come and the reports are refused")
    shards = scraped_shards(rejected, accepted, rejected)
    of_two = of_server("CredentialsRejected of two shards", "critical")
    yield cases.with_series(shards, of_two).firing(
        "shards: the requests of all that are refused are added up"
    )


def _stale() -> Iterator[Case]:
    last, interval = _of("last_poll_success_timestamp_seconds"), _of("poll_interval_seconds")
    errors = _of("request_errors_total", operation="health", reason="unauthorized")

    def exposed(up: Signal = 1) -> InputSeries:
        return {**target(up), _TICK: rising(30), last: 0, interval: 20, errors: 0}

    alert = of_server("ExporterDataStale", "warning", dashboard="exporter")
    stale = RuleCases(
        rule="ExporterDataStale",
        series=exposed(),
        fires=3.5 * MINUTE,
        alerts=(alert,),
        apart=("server-down", "credentials"),
        hold=10 * MINUTE,
        guards={
            "server-down": ("ServerUnreachable fires", exposed(0)),
            "credentials": ("CredentialsRejected fires", {**exposed(), errors: rising(1, 60)}),
        },
        silent={"slow: polls with a long interval": {**exposed(), interval: 120}},
    )
    yield from stale.cases()
    forbidden = errors.replace("unauthorized", "forbidden")
    yield stale.silence(
        "guard credentials: CredentialsRejected fires for 403 too",
        {**exposed(), forbidden: rising(1, 60)},
    )
    yield stale.silence(
        "guard credentials, tenant: requests are counted for the whole database",
        {**of_tenant(exposed()), errors: rising(1, 60)},
    )
    yield stale.silence(
        "guard server-down, shards: no shard can reach it",
        scraped_shards(exposed(0), exposed(0)),
    )
    yield stale.silence(
        "guard server-down, tenant: the polls of all tenants fail", of_tenant(exposed(0))
    )
    twice = {**scraped(exposed()), **scraped(exposed(), job="again")}
    under_both = (alert, replace(alert, job="again"))
    yield stale.with_series(twice, *under_both).firing(
        "jobs: an exporter that is scraped under two jobs gives an alert of each"
    )
    failing = errors.replace("unauthorized", "timeout")
    yield stale.with_series({**exposed(), failing: rising(1, 60)}).firing("errors: reports hang")
    yield from _never_polled(stale, last)

    fresh = {**exposed(), last: rising(30)}
    of_shard = replace(
        alert, message="ExporterDataStale of a shard", labels={**alert.labels, "shard": "0"}
    )
    yield stale.with_series(scraped_shards(exposed(0), fresh), of_shard).firing(
        "shard: one cannot reach the server, and another one can"
    )
    of_tenant_only = replace(alert, labels={**alert.labels, "tenant": TENANT})
    yield stale.with_series({**fresh, **of_tenant(exposed(0))}, of_tenant_only).firing(
        "tenant: the polls of one fail"
    )
    of_scheduler = replace(
        alert,
        message="ExporterDataStale of a scheduler",
        labels={"severity": "warning", "layer": "server"},
    )
    stands_still = stale.with_series({_TICK: 300}, of_scheduler, fires=2 * MINUTE)
    yield stands_still.firing("scheduler: it stands still")
    moves = {**scraped({_TICK: 300.0}), **scraped({_TICK: rising(30)}, "b:9464")}
    yield stands_still.with_series(moves).firing("scheduler, one: that of another replica goes on")
    patient = {**scraped(exposed()), **scraped({**exposed(), interval: 120}, "b:9464")}
    yield stale.silence("patient: another exporter polls less often", patient)
    one = {**scraped(fresh, "a:9464"), **scraped(exposed(), "b:9464")}
    yield stale.silence("one: another replica has newer data", one)


def _never_polled(stale: RuleCases, last: str) -> Iterator[Case]:
    never = {name: signal for name, signal in stale.series.items() if name != last}
    begun = stale.with_series(never, fires=2 * MINUTE)
    yield begun.firing("never: no poll has succeeded since the start")
    why = "a poll has succeeded since the start, and its age decides"
    succeeded = {**never, last: rising(30)}
    yield begun.silence(f"guard succeeded: {why}", succeeded)
    yield replace(begun, guards={"succeeded": (why, succeeded)}).another_cluster("succeeded")


def _vanished() -> Iterator[Case]:
    listed = _of("runners_listed", principal="all")
    alice, bob = (_of("runners_listed", principal=name) for name in ("alice", "bob"))
    falls = 10 * MINUTE

    def exposed(*, lists: Signal = 1, **counts: Signal) -> InputSeries:
        names = {"all": listed, "alice": alice, "bob": bob, "least": _of("expected_runners")}
        return {
            **target(),
            **polls(lists=lists),
            **{names[name]: signal for name, signal in counts.items()},
        }

    fewer = exposed(all=switching(9, falls, 4))
    vanished = RuleCases(
        rule="RunnersVanished",
        series=fewer,
        fires=falls + 10 * MINUTE,
        alerts=(of_server("RunnersVanished", "critical"),),
        apart=("list-failed",),
        hold=0,
        guards={
            "list-failed": (
                "a list that did not come is not an empty list",
                exposed(all=switching(9, falls, 4), lists=switching(1, falls, 0)),
            )
        },
        silent={
            "half: exactly half are left": exposed(all=switching(8, falls, 4)),
            "few: a third is gone": exposed(all=switching(9, falls, 6)),
        },
    )
    yield from vanished.cases()
    yield vanished.with_series(scraped_shards(fewer, fewer)).firing(
        "shards: each lists all runners, and they give one alert"
    )
    yield vanished.with_series(
        exposed(all=switching(2, falls, 0)), of_server("RunnersVanished to none", "critical")
    ).firing("none: an empty list is what a wrong principal sees")
    too_few = exposed(all=switching(4, falls, 3), least=4)
    under_expected = vanished.with_series(
        too_few, of_server("RunnersVanished under expected", "critical")
    )
    yield under_expected.firing("expected: fewer are listed than the settings expect")
    yield under_expected.one_saw_it("expected, one")
    yield under_expected.with_series(scraped_shards(too_few, too_few)).firing(
        "expected, shards: they give one alert"
    )
    enough = exposed(all=4, least=4)
    yield vanished.silence("enough: as many are listed as the settings expect", enough)
    of_bob = of_server("RunnersVanished of bob", "critical", principal="bob")
    bobs = exposed(alice=2, bob=switching(4, falls, 1))
    one_of_two = vanished.with_series(bobs, of_bob)
    yield one_of_two.firing("principal: the list of one of several has shrunk")
    yield one_of_two.one_saw_it("principal, one")
    yield one_of_two.with_series(scraped_shards(bobs, bobs)).firing(
        "principal, shards: they give one alert"
    )
    yield vanished.silence(
        "principals: half of bob's are left", exposed(alice=6, bob=switching(4, falls, 2))
    )
    both = exposed(alice=switching(6, falls, 2), bob=switching(3, falls, 1))
    yield vanished.with_series(both, of_server("RunnersVanished of both", "critical")).firing(
        "guard whole: the whole target has vanished, and one alert is enough"
    )


def _forgotten() -> Iterator[Case]:
    """Check how long a fall is remembered, in large steps."""
    yield Case(
        "RunnersVanished / memory: six hours later it is forgotten",
        scraped(
            {
                **polls(),
                _of("runners_listed", principal="all"): switching(9, HOUR, 4),
            }
        ),
        checks=(Check("ElectricAgentsRunnersVanished", 7 * HOUR + 5 * MINUTE),),
    )


def _suppressed() -> Iterator[Case]:
    def exposed(limit: Signal, filtered: Signal) -> InputSeries:
        return {
            **target(),
            _of("runners_suppressed", reason="limit"): limit,
            _of("runners_suppressed", reason="filter"): filtered,
        }

    suppressed = RuleCases(
        rule="RunnersSuppressed",
        series=exposed(12, 3),
        fires=10 * MINUTE,
        alerts=(of_server("RunnersSuppressed", "warning", dashboard="exporter"),),
        hold=0,
        silent={"meant: what a filter leaves out is meant": exposed(0, 12)},
    )
    yield from suppressed.cases()
    yield suppressed.with_series(scraped_shards(exposed(5, 3), exposed(7, 3))).firing(
        "shards: their numbers are added up"
    )


def _overrun() -> Iterator[Case]:
    overrun, misfire, backoff = (
        _of("polls_skipped_total", reason=reason) for reason in ("overrun", "misfire", "backoff")
    )

    def exposed(overruns: Signal = 0, misfires: Signal = 0, backoffs: Signal = 0) -> InputSeries:
        return {**target(), overrun: overruns, misfire: misfires, backoff: backoffs}

    alert = of_server("PollOverrun", "warning", dashboard="exporter")
    slow = exposed(overruns=rising(1, 120))
    overruns = RuleCases(
        rule="PollOverrun",
        series=slow,
        fires=16 * MINUTE,
        alerts=(alert,),
        hold=None,
        silent={
            "few: a poll is skipped now and then": exposed(overruns=rising(1, 300)),
            "backoff: a failing target is polled less often on purpose": exposed(
                backoffs=rising(1, 60)
            ),
        },
    )
    yield from overruns.cases()
    both = exposed(overruns=rising(1, 240), misfires=rising(1, 240))
    of_both = replace(alert, message="PollOverrun of both kinds")
    yield overruns.with_series(both, of_both, fires=18 * MINUTE).firing(
        "misfire: both kinds are added up"
    )
    of_shard = replace(
        alert, message="PollOverrun of a shard", labels={**alert.labels, "shard": "1"}
    )
    yield overruns.with_series(scraped_shards(exposed(), slow), of_shard).firing(
        "shard: the alert names the one whose polls take too long"
    )


def _skew() -> Iterator[Case]:
    skew = RuleCases(
        rule="ClockSkew",
        series=target(clock_offset=45),
        fires=15 * MINUTE,
        alerts=(of_server("ClockSkew", "warning", dashboard="exporter"),),
        hold=0,
        of_a_tenant=False,
        silent={
            "near: twenty seconds": target(clock_offset=20),
            "at most: thirty": target(clock_offset=30),
        },
    )
    yield from skew.cases()
    yield skew.with_series(target(clock_offset=-45)).firing("behind: the server's clock is late")
    ahead, right = target(clock_offset=-45), target(clock_offset=0)
    one = {**scraped(right, "a:9464"), **scraped(ahead, "b:9464")}
    yield skew.with_series(one).firing("one: the clock of one exporter of two is ahead")
    yield skew.with_series(scraped_shards(right, ahead, ahead)).firing(
        "shards: however many are ahead, they give one alert"
    )


def files() -> Iterator[TestFile]:
    """Give the files of test cases."""
    for name, cases in {
        "ServerUnreachable": _unreachable,
        "CredentialsRejected": _credentials,
        "ExporterDataStale": _stale,
        "RunnersVanished": _vanished,
        "RunnersSuppressed": _suppressed,
        "PollOverrun": _overrun,
        "ClockSkew": _skew,
    }.items():
        yield TestFile(name, _RULES, tuple(cases()))
    yield TestFile("RunnersVanished-memory", _RULES, tuple(_forgotten()), 5 * MINUTE)
