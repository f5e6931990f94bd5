"""Cases of the alerts on the exporter itself."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from alert_cases.input_series import ended, of_shard, of_tenant, scraped, target
from alert_cases.promtool import Case, InputSeries, TestFile, selector
from alert_cases.rule_cases import STEP, RuleCases, of_exporter
from alert_cases.signals import HOUR, MINUTE, switching

_RULES: Final = ("records", "exporter")
_DIES: Final = 10 * MINUTE
_PREFIX: Final = "electric_agents_exporter_"
_BUILD: Final = selector(f"{_PREFIX}build_info", version="1.0.0")
_OTHER_TARGET: Final = {selector("electric_agents_server_up", server="lab"): 1.0}


def _exporter(
    letter: str, *, dies: bool, exposes: InputSeries | None = None, job: str = ""
) -> InputSeries:
    """Give the scrapes of one exporter; one that dies exposes nothing from then on."""
    exposed: InputSeries = {_BUILD: 1, **(target() if exposes is None else exposes)}
    up = {selector("up"): switching(1, _DIES, 0 if dies else 1)}
    series = up | dict(ended(exposed, _DIES) if dies else exposed)
    return scraped(series, f"{letter}:9464", **({"job": job} if job else {}))


def _down() -> Iterator[Case]:
    fires = _DIES + 5 * MINUTE
    page, ticket = (
        of_exporter(f"ExporterDown ({severity})", severity) for severity in ("critical", "warning")
    )
    alone = _exporter("a", dies=True)
    one_of_two = {**alone, **_exporter("b", dies=False)}
    both = {**alone, **_exporter("b", dies=True)}
    critical = RuleCases(
        rule="ExporterDown (critical)",
        series=alone,
        fires=fires,
        alerts=(page,),
        hold=0,
        guards={"replica": ("another exporter still polls what this one polled", one_of_two)},
        others={"replica": (ticket,)},
        silent={"up: it answers": _exporter("a", dies=False)},
        replicas=False,
        one_is_enough=False,
    )
    yield from critical.cases()
    two = of_exporter("ExporterDown (critical) of two", "critical")
    yield critical.with_series(both, two).firing("replicas: two that are down give one alert")
    shards = [of_shard(target(), number) for number in range(2)]
    tenants = [of_tenant(target(), name) for name in ("acme", "zeta")]
    for part, (own, other) in {
        "target: no other exporter polls what it polled": (target(), _OTHER_TARGET),
        "shard: the other one polls another shard of the same server": shards,
        "tenant: the other one reads another tenant of the same database": tenants,
    }.items():
        dead = _exporter("a", dies=True, exposes=own)
        alive = _exporter("b", dies=False, exposes=other)
        yield critical.with_series({**dead, **alive}, page).firing(part)
    never = {selector("up"): switching(1, _DIES, 0)}
    yield critical.with_series(never).firing("never: it has never answered")
    elsewhere = of_exporter("ExporterDown (critical) of a job", "critical", job="watchers")
    renamed = _exporter("a", dies=True, job="watchers")
    yield critical.with_series(renamed, elsewhere).firing(
        "job: one under another job is known by the metrics that it exposed"
    )
    whole = _exporter("a", dies=True, exposes={**target(), **_OTHER_TARGET})
    yield critical.with_series(whole, page).firing(
        "targets: one exporter of two targets gives one alert"
    )

    jobs = {**one_of_two, **_exporter("c", dies=True, job="watchers")}
    own_job = critical.with_series(jobs, elsewhere, ticket)
    yield own_job.firing("jobs: each job counts for itself")
    yield replace(own_job, rule="ExporterDown (warning)").firing("jobs: each job counts for itself")

    warning = RuleCases(
        rule="ExporterDown (warning)",
        series=one_of_two,
        fires=fires,
        alerts=(ticket,),
        hold=0,
        guards={"blind": ("the other rule pages", both)},
        others={"blind": (two,)},
        replicas=False,
        one_is_enough=False,
    )
    yield from warning.cases()
    most = {**both, **_exporter("c", dies=False)}
    all_but_one = of_exporter("ExporterDown (warning) of two", "warning")
    yield warning.with_series(most, all_but_one).firing(
        "replicas: two that are down give one alert"
    )
    same_shard = {
        **_exporter("a", dies=True, exposes=shards[0]),
        **_exporter("b", dies=False, exposes=shards[0]),
        **_exporter("c", dies=False, exposes=shards[1]),
    }
    yield warning.with_series(same_shard).firing("shard: another replica polls the same shard")


def _absent() -> Iterator[Case]:
    fires = 15 * MINUTE
    node: InputSeries = {selector("up", job="node"): 1}
    exporter: InputSeries = {selector("up"): 0}
    other = {_BUILD: 1.0}
    yield from RuleCases(
        rule="ExporterAbsent",
        series=node,
        until_end={**node, selector("up"): switching(None, fires + STEP, 1)},
        fires=fires,
        alerts=(of_exporter("ExporterAbsent", "critical"),),
        hold=0,
        guards={
            "other-job": (
                "the exporter runs under a job of another name",
                {**node, **scraped(other, job="watchers")},
            )
        },
        silent={"down: that is another alert": {**node, **exporter}},
        replicas=False,
        one_is_enough=False,
    ).cases()


def _reload() -> Iterator[Case]:
    family = selector(f"{_PREFIX}config_last_reload_successful")
    failed = RuleCases(
        rule="ConfigReloadFailed",
        series={family: 0},
        fires=10 * MINUTE,
        alerts=(of_exporter("ConfigReloadFailed", "warning"),),
        hold=0,
        silent={"reloaded: the settings have no fault": {family: 1}},
    )
    yield from failed.cases()
    one = {**scraped({family: 0}, "a:9464"), **scraped({family: 1}, "b:9464")}
    yield failed.with_series(one).firing("one: the other replica has reloaded them")


def _drift() -> Iterator[Case]:
    family = selector(f"{_PREFIX}unrecognized_values_total", field="runner.kind")
    drifting = switching(0, 10 * MINUTE, 4)
    drift = RuleCases(
        rule="ContractDrift",
        series={family: drifting},
        fires=20 * MINUTE,
        alerts=(of_exporter("ContractDrift", "warning", field="runner.kind"),),
        hold=None,
        silent={"old: what was counted before is not new": {family: 4}},
    )
    yield from drift.cases()
    end = 10 * MINUTE + HOUR
    yield drift.silence("over: an hour after the last such value", {family: drifting}, at=end)


def _watchdog() -> Iterator[Case]:
    yield RuleCases(
        rule="Watchdog",
        series={},
        fires=0,
        alerts=(of_exporter("Watchdog", "none", job=None),),
    ).firing("fires: always, as it depends on nothing")


def files() -> Iterator[TestFile]:
    """Give the files of test cases."""
    for name, cases in {
        "ExporterDown": _down,
        "ExporterAbsent": _absent,
        "ConfigReloadFailed": _reload,
        "ContractDrift": _drift,
        "Watchdog": _watchdog,
    }.items():
        yield TestFile(name, _RULES, tuple(cases()))
