"""Stories of the alerts about the exporter itself."""

from collections.abc import Iterator
from typing import Final

from alert_cases.promtool import HOUR, MINUTE, Case, TestFile, World, series, turning, until
from alert_cases.stories import STEP, Story, of_exporter
from alert_cases.worlds import scraped, target

_RULES: Final = ("records", "exporter")
_DIES: Final = 10 * MINUTE
_PREFIX: Final = "electric_agents_exporter_"
_BUILD: Final = series(f"{_PREFIX}build_info", version="1.0.0")
_SHARD: Final = series("electric_agents_server_runners_suppressed", server="prod", reason="shard")
_OTHER_TARGET: Final = {series("electric_agents_server_up", server="lab"): 1.0}


def _exporter(letter: str, *, dies: bool, says: World | None = None, job: str = "") -> World:
    """Give the scrapes of one exporter; one that dies says nothing from then on."""
    told: World = {_BUILD: 1, **(target() if says is None else says)}
    up = {series("up"): turning(1, _DIES, 0 if dies else 1)}
    world = up | dict(until(told, _DIES) if dies else told)
    return scraped(world, f"{letter}:9464", **({"job": job} if job else {}))


def _down() -> Iterator[Case]:
    fires = _DIES + 5 * MINUTE
    page, ticket = (
        of_exporter(f"ExporterDown ({severity})", severity) for severity in ("critical", "warning")
    )
    alone = _exporter("a", dies=True)
    one_of_two = {**alone, **_exporter("b", dies=False)}
    both = {**alone, **_exporter("b", dies=True)}
    critical = Story(
        rule="ExporterDown (critical)",
        world=alone,
        fires=fires,
        fired=(page,),
        hold=0,
        guards={"replica": ("another exporter still sees what this one saw", one_of_two)},
        others={"replica": (ticket,)},
        silent={"up: it answers": _exporter("a", dies=False)},
        replicas=False,
        one=False,
    )
    yield from critical.cases()
    two = of_exporter("ExporterDown (critical) of two", "critical")
    yield critical.told(both, two).turn("replicas: two that are down give one alert")
    shards: World = {**target(), _SHARD: 40}
    for part, world in {
        "target: no other exporter polls what it polled": {
            **alone,
            **_exporter("b", dies=False, says=_OTHER_TARGET),
        },
        "shard: the other one sees other runners of the same server": {
            **_exporter("a", dies=True, says=shards),
            **_exporter("b", dies=False, says=shards),
        },
    }.items():
        yield critical.told(world, page).turn(part)
    never = {series("up"): turning(1, _DIES, 0)}
    yield critical.told(never).turn("never: it has answered nothing since it is known")
    elsewhere = of_exporter("ExporterDown (critical) of a job", "critical", job="watchers")
    renamed = _exporter("a", dies=True, job="watchers")
    yield critical.told(renamed, elsewhere).turn("job: it is known by what it served")
    whole = critical.told(_exporter("a", dies=True, says={**target(), **_OTHER_TARGET}), page)
    yield whole.turn("targets: one exporter of two targets gives one alert")

    warning = Story(
        rule="ExporterDown (warning)",
        world=one_of_two,
        fires=fires,
        fired=(ticket,),
        hold=0,
        guards={"blind": ("that is a page", both)},
        others={"blind": (two,)},
        replicas=False,
        one=False,
    )
    yield from warning.cases()
    filters: World = {**target(), _SHARD: 0, _SHARD.replace("shard", "filter"): 40}
    filtered = {
        **_exporter("a", dies=True, says=filters),
        **_exporter("b", dies=False, says=filters),
    }
    shard = scraped({**_OTHER_TARGET, _SHARD.replace("prod", "lab"): 40}, "c:9464")
    beside = {**one_of_two, **shard, series("up", instance="c:9464", pod="c"): 1}
    most = {**both, **_exporter("c", dies=False)}
    all_but_one = of_exporter("ExporterDown (warning) of two", "warning")
    yield warning.told(most, all_but_one).turn("replicas: two that are down give one alert")
    yield warning.told(beside).turn("shards: those of an exporter that is up are seen")
    yield warning.told(filtered).turn("filter: what is left out by both is no shard")


def _absent() -> Iterator[Case]:
    fires = 15 * MINUTE
    node: World = {series("up", job="node"): 1}
    exporter: World = {series("up"): 0}
    other = {_BUILD: 1.0}
    story = Story(
        rule="ExporterAbsent",
        world=node,
        life={**node, series("up"): turning(None, fires + STEP, 1)},
        fires=fires,
        fired=(of_exporter("ExporterAbsent", "critical"),),
        hold=0,
        guards={
            "other-job": (
                "the exporter runs under a job of another name",
                {**node, **scraped(other, job="watchers")},
            )
        },
        silent={"down: that is another alert": {**node, **exporter}},
        replicas=False,
        one=False,
    )
    yield from story.cases()


def _reload() -> Iterator[Case]:
    family = series(f"{_PREFIX}config_last_reload_successful")
    story = Story(
        rule="ConfigReloadFailed",
        world={family: 0},
        fires=10 * MINUTE,
        fired=(of_exporter("ConfigReloadFailed", "warning"),),
        hold=0,
        silent={"read: the settings are without fault": {family: 1}},
    )
    yield from story.cases()
    one = {**scraped({family: 0}, "a:9464"), **scraped({family: 1}, "b:9464")}
    yield story.told(one, *story.fired).turn("one: the other replica has read them")


def _drift() -> Iterator[Case]:
    family = series(f"{_PREFIX}unrecognized_values_total", field="runner.kind")
    drifting = turning(0, 10 * MINUTE, 4)
    story = Story(
        rule="ContractDrift",
        world={family: drifting},
        fires=20 * MINUTE,
        fired=(of_exporter("ContractDrift", "warning", field="runner.kind"),),
        hold=None,
        silent={"old: what was counted before is no news": {family: 4}},
    )
    yield from story.cases()
    end = 10 * MINUTE + HOUR
    yield story.silence("over: an hour after the last such value", {family: drifting}, at=end)


def _watchdog() -> Iterator[Case]:
    story = Story(
        rule="Watchdog",
        world={},
        fires=0,
        fired=(of_exporter("Watchdog", "none", job=None),),
    )
    yield story.turn("fires: always, as there is nothing that it waits for")


def files() -> Iterator[TestFile]:
    """Give the files of tests."""
    for name, cases in {
        "ExporterDown": _down,
        "ExporterAbsent": _absent,
        "ConfigReloadFailed": _reload,
        "ContractDrift": _drift,
        "Watchdog": _watchdog,
    }.items():
        yield TestFile(name, _RULES, tuple(cases()))
