"""Cases of the alerts on the exporter itself, and on servers that no exporter watches."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from alert_cases.input_series import SERVER, ended, of_shard, of_tenant, relabelled, scraped
from alert_cases.promtool import Case, Check, InputSeries, Query, Sample, TestFile, selector
from alert_cases.rule_cases import STEP, ExpectedAlert, RuleCases, of_exporter
from alert_cases.signals import HOUR, MINUTE, Signal, at, rising, switching

_RULES: Final = ("exporter",)
_FOREVER: Final = float("inf")
_ENDS: Final = 10 * MINUTE
"""When exporters die, or leave Prometheus's targets."""

_PREFIX: Final = "electric_agents_exporter_"
_BUILD: Final = selector(f"{_PREFIX}build_info", version="1.0.0")
_READ: Final = selector(f"{_PREFIX}config_last_reload_success_timestamp_seconds")
_STARTED: Final = selector("process_start_time_seconds")


def _watched(server: str = SERVER, signal: Signal = 1) -> InputSeries:
    return {selector("electric_agents_server_up", server=server): signal}


def _runners(*names: str) -> InputSeries:
    """Give what an exporter exposes of each runner that its server lists."""
    family = "electric_agents_runner_poll_success"
    return {selector(family, server=SERVER, runner_id=name): 1 for name in names}


@dataclass(frozen=True)
class _Exporter:
    """One exporter as it is scraped.

    Attributes:
        letter: what its instance, pod and node are called after.
        exposes: what it watches, and what it tells of it.
        begins: when it starts, and reads its settings.
        dies: from when on it cannot be scraped.
        leaves: from when on Prometheus does not know it any more.
        read: when it read its settings, where that is not at its start.
        labels: those of its scrapes.
    """

    letter: str = "a"
    exposes: InputSeries = field(default_factory=_watched)
    begins: float = 0.0
    dies: float = _FOREVER
    leaves: float = _FOREVER
    read: Signal | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    def series(self) -> InputSeries:
        """Give its series."""
        read = self.begins if self.read is None else self.read
        exposed: InputSeries = {_BUILD: 1, _READ: read, **self.exposes}
        found: dict[str, Signal] = {selector("up"): self._up}
        found |= {name: self._while_it_lives(signal) for name, signal in exposed.items()}
        return scraped(found, f"{self.letter}:9464", **self.labels)

    def _up(self, now: float) -> float | None:
        return float(now < self.dies) if self.begins <= now < self.leaves else None

    def _while_it_lives(self, signal: Signal) -> Signal:
        end = min(self.dies, self.leaves)
        return lambda now: at(signal, now) if self.begins <= now < end else None


def _all(*exporters: _Exporter) -> InputSeries:
    found: dict[str, Signal] = {}
    for exporter in exporters:
        found |= exporter.series()
    return found


def _with_failed_scrapes(
    series: InputSeries, every: float = 8 * STEP, first: float = STEP
) -> InputSeries:
    """Give the same series, of which a scrape fails every so many seconds: then it seems down."""

    def failed(name: str, signal: Signal) -> Signal:
        gap = 0.0 if name.startswith("up{") else None
        return lambda now: gap if now % every == first else at(signal, now)

    return {name: failed(name, signal) for name, signal in series.items()}


_DEAD: Final = _Exporter(dies=_ENDS)
_OTHER: Final = _Exporter("b")
_OTHERS: Final = {
    "cluster": replace(_DEAD, labels={"cluster": "eu-2"}),
    "namespace": replace(_DEAD, labels={"namespace": "others"}),
    "job": replace(_DEAD, labels={"job": "watchers"}),
    "instance": replace(_DEAD, letter="b"),
}
"""Exporters that die, each of which differs from the one of the cases in this label."""


def _down() -> Iterator[Case]:
    fires = _ENDS + 5 * MINUTE
    page = of_exporter("ExporterDown (critical)", "critical", server=SERVER)
    ticket = of_exporter("ExporterDown (warning)", "warning")
    critical = RuleCases(
        rule="ExporterDown (critical)",
        series=_DEAD.series(),
        fires=fires,
        alerts=(page, ticket),
        hold=0,
        memory=0,
        silent={
            "up: it answers": _Exporter().series(),
            "failed: one scrape in eight fails": _with_failed_scrapes(_Exporter().series()),
            "moment: it is back after four minutes": _all(
                _DEAD, _Exporter("a", begins=_ENDS + 4 * MINUTE)
            ),
            "setting: it answers, and its settings lost its only server": _Exporter(
                exposes=_watched(signal=switching(1, _ENDS, None))
            ).series(),
        },
        replicas=False,
        one_is_enough=False,
        gaps=False,
    )
    yield from critical.cases()
    yield critical.with_series(_with_failed_scrapes(_DEAD.series())).firing(
        "failed, dies: one whose scrapes failed now and then is not noticed later"
    )
    two = of_exporter("ExporterDown (warning) of two", "warning")
    both = _all(_DEAD, replace(_OTHER, dies=_ENDS))
    yield critical.with_series(both, page, two).firing("replicas: both are down, one alert")
    first = replace(_OTHER, dies=_ENDS - 2 * MINUTE)
    yield critical.silence(
        "replicas, turns: the last one to die says since when", _all(_DEAD, first), (page, two)
    )
    yield critical.silence("replica: another one watches", _all(_DEAD, _OTHER), (ticket,))
    elsewhere = replace(_OTHER, labels={"job": "watchers"})
    yield critical.silence(
        "replica, job: one of another job watches", _all(_DEAD, elsewhere), (ticket,)
    )
    yield from _down_of_many(critical, page, ticket)
    yield from _down_of_one_name(critical, page, ticket)
    yield from _down_after_changes(critical, page, ticket)

    warning = replace(critical, rule="ExporterDown (warning)")
    yield from warning.cases()
    yield warning.with_series(both, page, two).firing("replicas: two that are down are one alert")
    never = {selector("up"): switching(1, _ENDS, 0)}
    yield warning.with_series(scraped(never), ticket).firing(
        "never: one that has never answered is known by its job"
    )
    others = scraped(never, job="node")
    yield warning.silence("other: what is down is no exporter", others)
    pods = {"job": "pods"}
    for label, other in _OTHERS.items():
        down = scraped(
            {selector("up"): switching(1, _ENDS, 0)},
            f"{other.letter}:9464",
            **{**pods, **other.labels},
        )
        yield warning.silence(
            f"other, {label}: what is down has another {label} than the exporter",
            {**replace(_Exporter(), labels=pods).series(), **down},
        )
    in_job = replace(_DEAD, labels={"job": "watchers"})
    of_job = (
        of_exporter("ExporterDown (critical) of a job", "critical", "watchers", server=SERVER),
        of_exporter("ExporterDown (warning) of a job", "warning", "watchers"),
    )
    for cases in (critical, warning):
        yield cases.with_series(in_job.series(), *of_job).firing(
            "job: one under another job is known by what it exposed"
        )


def _down_of_many(
    critical: RuleCases, page: ExpectedAlert, ticket: ExpectedAlert
) -> Iterator[Case]:
    """Check exporters of shards, tenants, and several servers."""
    shards = [of_shard(_watched(), number) for number in range(2)]
    of_shard_0 = of_exporter(
        "ExporterDown (critical) of a shard", "critical", server=SERVER, shard="0"
    )
    lost = _all(replace(_DEAD, exposes=shards[0]), replace(_OTHER, exposes=shards[1]))
    yield critical.with_series(lost, of_shard_0, ticket).firing(
        "shard: the other one watches another shard of the server"
    )
    third = _Exporter("c", exposes=shards[0])
    yield critical.silence(
        "shard, replica: another one watches the same shard",
        {**lost, **third.series()},
        (ticket,),
    )
    tenants = dict(_watched())
    for number in range(20):
        tenants |= of_tenant(_watched(), f"tenant-{number}")
    yield critical.with_series(replace(_DEAD, exposes=tenants).series()).firing(
        "tenants: one database of twenty tenants is one alert"
    )
    lab = of_exporter("ExporterDown (critical)", "critical", server="lab")
    of_two = replace(_DEAD, exposes={**_watched(), **_watched("lab")})
    yield critical.with_series(of_two.series(), page, lab, ticket).firing(
        "servers: each that it watched is told"
    )
    yield critical.with_series(
        _all(of_two, replace(_OTHER, exposes=_watched("lab"))), page, ticket
    ).firing("servers, replica: another one watches one of them")
    here, there = {"namespace": "agents"}, {"namespace": "others"}
    spaces = (replace(_DEAD, labels=here), replace(_OTHER, labels=there))
    of_here = (
        replace(page, labels={**page.labels, **here}),
        replace(ticket, labels={**ticket.labels, **here}),
    )
    yield critical.with_series(_all(*spaces), *of_here).firing(
        "namespace: one of another namespace watches a server of the same name"
    )
    clusters = (
        replace(_DEAD, labels={"cluster": "eu-1"}),
        replace(_Exporter("a"), labels={"cluster": "eu-2"}),
    )
    of_cluster = tuple(
        replace(alert, labels={**alert.labels, "cluster": "eu-1"}) for alert in (page, ticket)
    )
    yield critical.with_series(_all(*clusters), *of_cluster).firing(
        "cluster: one of another cluster, at the same address, watches a server of the same name"
    )
    gone = _Exporter(leaves=_ENDS)
    for label, other in _OTHERS.items():
        yield critical.silence(
            f"other, {label}: what is down has another {label} than one that is a target no more",
            _all(gone, replace(other, exposes=_watched("lab"))),
            _of_other(other, lab, ticket),
        )


def _of_other(other: _Exporter, *alerts: ExpectedAlert) -> tuple[ExpectedAlert, ...]:
    """Give alerts as they are of an exporter with other labels."""
    labels = dict(other.labels)
    job = labels.pop("job", "")
    found = [replace(alert, labels={**alert.labels, **labels}) for alert in alerts]
    if job:
        found = [replace(a, message=f"{a.message} of a job", job=job) for a in found]
    return tuple(found)


def _down_of_one_name(
    critical: RuleCases, page: ExpectedAlert, ticket: ExpectedAlert
) -> Iterator[Case]:
    """Check exporters of one job whose targets have one name."""

    def pair(mine: InputSeries, others: InputSeries, job: str = "") -> InputSeries:
        labels = {"job": job} if job else {}
        return _all(
            replace(_DEAD, exposes={**_watched(), **mine}),
            replace(_OTHER, exposes={**_watched(), **others}, labels=labels),
        )

    yield critical.with_series(pair(_runners("r1", "r2"), _runners("r3")), page, ticket).firing(
        "name: another exporter's target of that name is another server"
    )
    yield critical.silence(
        "name, replica: both see the same runners",
        pair(_runners("r1", "r2"), _runners("r1", "r2")),
        (ticket,),
    )
    yield critical.silence(
        "name, most: a replica that one principal is refused to sees fewer",
        pair(_runners("r1", "r2"), _runners("r1")),
        (ticket,),
    )
    yield critical.silence(
        "name, job: one exporter of each job is no pair",
        pair(_runners("r1"), _runners("r2"), "watchers"),
        (ticket,),
    )
    for label, value in (("cluster", "eu-2"), ("namespace", "others"), ("server", "lab")):
        two_servers = [
            replace(_OTHER, letter=letter, exposes={**_watched(), **_runners(f"r{letter}")})
            for letter in "cd"
        ]
        yield critical.silence(
            f"name, {label}: two servers have one name in another {label}",
            {
                **_all(_DEAD, _OTHER),
                **relabelled(_all(*two_servers), **{label: value}),
            },
            (ticket,),
        )
    shards = [{**of_shard(_watched(), n), **_runners(f"r{n}")} for n in range(2)]
    replicas = [replace(_OTHER, letter=letter, exposes=shards[0]) for letter in "bc"]
    yield critical.silence(
        "name, shards: each sees runners of its own, and they are of one server",
        _all(
            replace(_DEAD, exposes=shards[0]),
            *replicas,
            *(replace(_OTHER, letter=letter, exposes=shards[1]) for letter in "de"),
        ),
        (ticket,),
    )
    tenants = {
        **_watched(),
        **of_tenant({**_watched(), **_runners("r1")}, "acme"),
        **of_tenant({**_watched(), **_runners("r2")}, "zeta"),
    }
    yield critical.silence(
        "name, tenants: the tenants of one exporter are no exporters",
        _all(
            replace(_DEAD, exposes=tenants),
            replace(_OTHER, exposes=tenants, labels={"job": "watchers"}),
        ),
        (ticket,),
    )


def _down_after_changes(
    critical: RuleCases, page: ExpectedAlert, ticket: ExpectedAlert
) -> Iterator[Case]:
    """Check what an exporter watched before, and that it is told for long."""
    removed = switching(1, 5 * MINUTE, None)
    old = {**_watched(), **_watched("old", removed)}
    yield critical.silence(
        "removed: its settings lost a server before, and another one watches the rest",
        _all(replace(_DEAD, exposes=old), _OTHER),
        (ticket,),
    )
    before = _Exporter("a", exposes=_watched("old"), leaves=5 * MINUTE)
    after = replace(_DEAD, begins=5 * MINUTE, labels={"pod": "later"})
    yield critical.with_series(_all(before, after), page, ticket).firing(
        "removed, address: the one before it at its address watched another server"
    )
    yield critical.with_series(
        _all(replace(_OTHER, leaves=5 * MINUTE), _DEAD), page, ticket
    ).firing("replaced: the other one is no target any more")


def _for_long() -> Iterator[Case]:
    """Check it at scrapes a minute and two minutes apart, and for a day."""
    page = of_exporter("ExporterDown (critical) after a day", "critical", server=SERVER)
    ticket = of_exporter("ExporterDown (warning)", "warning")
    end = 26 * HOUR
    for rule in ("ExporterDown (critical)", "ExporterDown (warning)"):
        yield Case(
            f"{rule} / long: it is the same a day later",
            _DEAD.series(),
            (
                Check(
                    "ElectricAgentsExporterDown",
                    end,
                    tuple(alert.at("ExporterDown", end) for alert in (page, ticket)),
                ),
            ),
        )
    yield Case(
        "ExporterDown (critical) / slow: one of five scrapes fails, two minutes apart",
        _with_failed_scrapes(_Exporter().series(), 10 * MINUTE, 2 * MINUTE),
        tuple(Check("ElectricAgentsExporterDown", MINUTE * minute) for minute in range(20, 41)),
        scrape=2 * MINUTE,
    )


def _absent() -> Iterator[Case]:
    fires = _ENDS + 17 * MINUTE
    alert = of_exporter("ExporterAbsent", "critical", server=SERVER)
    lost = replace(_DEAD, dies=_FOREVER, leaves=_ENDS)
    back = _all(lost, replace(_OTHER, begins=fires + STEP))
    rollout = 10 * MINUTE
    other = replace(_OTHER, read=-HOUR)
    without = replace(other, exposes=_watched("lab"))
    target = "Prometheus has an exporter of it to scrape, and that is down"
    removed = "an exporter of the job reads settings in which it is not"
    absent = RuleCases(
        rule="ExporterAbsent",
        series=lost.series(),
        until_end=back,
        fires=fires,
        alerts=(alert,),
        hold=0,
        memory=0,
        guards={
            "target": (target, _DEAD.series()),
            "removed": (removed, _all(lost, replace(without, read=_ENDS + 2 * MINUTE))),
        },
        silent={
            "there: it answers": _Exporter().series(),
            "setting: it answers, and its settings lost the server": replace(
                lost, leaves=_FOREVER, exposes=_watched(signal=switching(1, _ENDS, None))
            ).series(),
            "replica: another one watches": _all(lost, _OTHER),
            "renamed: the job has another name": _all(
                lost, replace(_OTHER, begins=_ENDS + MINUTE, labels={"job": "watchers"})
            ),
            "moment: it is back after sixteen minutes": _all(
                lost, replace(_OTHER, begins=_ENDS + 16 * MINUTE)
            ),
        },
        of_a_tenant=False,
        one_is_enough=False,
    )
    yield from absent.cases()
    yield absent.silence(
        "guard target, replaced: the pod after it is down",
        _all(lost, replace(_OTHER, begins=_ENDS, dies=_ENDS + 5 * MINUTE)),
    )
    yield absent.silence(
        "guard target, renamed: that of the job after it is down",
        _all(
            lost,
            replace(_OTHER, begins=_ENDS, dies=_ENDS + 5 * MINUTE, labels={"job": "watchers"}),
        ),
    )
    seen = _ENDS - STEP
    yield absent.silence(
        "guard removed, rollout: the pod after it began shortly before the last sight of it",
        _all(lost, replace(without, read=seen - rollout + STEP)),
    )
    yield absent.with_series(_all(lost, replace(without, read=seen - rollout))).firing(
        "guard removed, before: the other one read its settings ten minutes before"
    )
    for label, value in (("cluster", "eu-2"), ("namespace", "others"), ("job", "watchers")):
        later = replace(without, read=_ENDS + 2 * MINUTE, labels={label: value})
        yield absent.with_series(_all(lost, later)).firing(
            f"guard removed, {label}: one of another {label} reads its settings"
        )
    for label, value in (("cluster", "eu-2"), ("namespace", "others")):
        for part, there in {
            f"{label}: one of another {label} watches a server of that name": _OTHER,
            f"guard target, {label}: one of another {label} is down": replace(_OTHER, dies=_ENDS),
        }.items():
            yield absent.with_series(_all(lost, replace(there, labels={label: value}))).firing(part)
    yield absent.silence(
        "replicas, turns: the last one to be lost says since when",
        _all(lost, replace(_OTHER, leaves=_ENDS - 2 * MINUTE)),
        (alert,),
    )
    yield absent.silence(
        "guard removed, two: of two others one read its settings since",
        _all(lost, without, replace(without, letter="c", read=_ENDS + 2 * MINUTE)),
    )
    replaced = _Exporter("b", begins=_ENDS - MINUTE, leaves=_ENDS + 20 * MINUTE)
    yield absent.silence(
        "guard removed, instance: what took the place of another one is lost in its turn",
        _all(lost, replaced, replace(without, letter="c", read=_ENDS - MINUTE)),
        (alert,),
        at=fires + 20 * MINUTE,
    )
    yield absent.with_series(
        _all(lost, replace(_OTHER, exposes=_watched("lab"), dies=_ENDS, read=-HOUR))
    ).firing("guard target, server: what is down watched another one")
    for label in ("cluster", "namespace", "job"):
        labels = _OTHERS[label].labels
        there = replace(_Exporter(), exposes=_watched("lab"), labels=labels)
        yield absent.with_series(_all(lost, there)).firing(
            f"guard target, {label}, address: at its address is one of another {label}"
        )
        settings = replace(without, read=_ENDS + 2 * MINUTE, labels=labels)
        yield absent.with_series(
            _all(lost, replace(there, exposes=_watched("old"), leaves=_ENDS), settings)
        ).firing(f"guard removed, {label}, address: settings of another {label} lost one there")
    yield absent.silence(
        "job: one of another job watches it",
        _all(lost, replace(_OTHER, labels={"job": "watchers"})),
    )
    shards = [of_shard(_watched(), number) for number in range(2)]
    of_shard_0 = of_exporter("ExporterAbsent of a shard", "critical", server=SERVER, shard="0")
    yield absent.with_series(
        _all(replace(lost, exposes=shards[0]), replace(other, exposes=shards[1])), of_shard_0
    ).firing("shard: that of one is lost, and another one watches the other")
    yield absent.silence(
        "guard target, shard: a replica of the shard is down",
        _all(replace(lost, exposes=shards[0]), replace(_OTHER, exposes=shards[0], dies=_ENDS)),
    )
    yield absent.with_series(
        _all(replace(lost, exposes=shards[0]), replace(_OTHER, exposes=shards[1], dies=_ENDS)),
        of_shard_0,
    ).firing("guard target, shards: that of another shard is down")
    old = {**_watched(), **_watched("old", switching(1, 5 * MINUTE, None))}
    yield absent.with_series(replace(lost, exposes=old).series()).firing(
        "removed: what its settings lost before is not told"
    )
    yield absent.silence(
        "renamed, removed: the job has another name, and its settings lost a server before",
        _all(
            replace(lost, exposes=old),
            replace(_OTHER, begins=_ENDS + MINUTE, labels={"job": "watchers"}),
        ),
    )
    lab = of_exporter("ExporterAbsent", "critical", server="lab")
    yield absent.with_series(
        replace(lost, exposes={**_watched(), **_watched("lab")}).series(), alert, lab
    ).firing("servers: each is told")
    yield absent.with_series(
        _all(
            replace(lost, exposes={**_watched(), **_runners("r1")}),
            replace(other, exposes={**_watched(), **_runners("r2")}),
        )
    ).firing("name: another exporter's target of that name is another server")


def _restarting() -> Iterator[Case]:
    def starts(every: float, until: float = _FOREVER) -> InputSeries:
        return {_STARTED: rising(every, every, until=until), _BUILD: 1}

    # The fourth start is seen after 24 minutes, and the first is forgotten an hour after it.
    restarting = RuleCases(
        rule="ExporterRestarting",
        series=starts(6 * MINUTE),
        fires=29 * MINUTE,
        alerts=(of_exporter("ExporterRestarting", "warning"),),
        hold=10 * MINUTE,
        memory=37 * MINUTE - STEP,
        well=starts(6 * MINUTE, until=24 * MINUTE),
        over=37 * MINUTE - STEP,
        late=2 * STEP,
        silent={
            "three: three starts within an hour": starts(20 * MINUTE),
            "few: a deployment": starts(40 * MINUTE),
            "other: it is no exporter": {_STARTED: rising(360, 360)},
        },
        one_is_enough=False,
    )
    yield from restarting.cases()
    for moment in (65, 75, 85):
        yield restarting.silence(
            f"three, off the beat: three starts, {moment} minutes later",
            starts(20 * MINUTE + 5),
            at=moment * MINUTE,
            scrape=17,
        )
    steady = scraped({_STARTED: 0.0, _BUILD: 1.0}, "b:9464")
    yield restarting.with_series({**scraped(restarting.series), **steady}).firing(
        "one: another replica goes on"
    )
    node = scraped({_STARTED: rising(360, 360)}, "b:9464")
    yield restarting.silence(
        "other, instance: what starts anew has another address",
        {**scraped({_STARTED: 0.0, _BUILD: 1.0}), **node},
    )
    for label in ("cluster", "namespace", "job"):
        there = scraped({_STARTED: rising(360, 360)}, **{label: "others"})
        yield restarting.silence(
            f"other, {label}: what starts anew at that address is of another {label}",
            {**scraped({_STARTED: 0.0, _BUILD: 1.0}), **there},
        )


def _reload() -> Iterator[Case]:
    family = selector(f"{_PREFIX}config_last_reload_successful")
    failed = RuleCases(
        rule="ConfigReloadFailed",
        series={family: 0},
        fires=10 * MINUTE,
        alerts=(of_exporter("ConfigReloadFailed", "warning"),),
        hold=0,
        well={family: switching(0, 10 * MINUTE + STEP, 1)},
        silent={"reloaded: the settings have no fault": {family: 1}},
        one_is_enough=False,
    )
    yield from failed.cases()
    one = {**scraped({family: 0}, "a:9464"), **scraped({family: 1}, "b:9464")}
    yield failed.with_series(one).firing("one: the other replica has reloaded them")
    yield failed.with_series(ended(one, 10 * MINUTE)).firing(
        "one, gap: the other replica has reloaded them, and no scrape works now"
    )


def _drift() -> Iterator[Case]:
    family = selector(f"{_PREFIX}unrecognized_values_total", field="runner.kind")
    drifting = switching(0, 10 * MINUTE, 4)
    drift = RuleCases(
        rule="ContractDrift",
        series={family: drifting},
        fires=20 * MINUTE,
        alerts=(of_exporter("ContractDrift", "warning", field="runner.kind"),),
        hold=0,
        late=2 * STEP,
        silent={"old: what was counted before is not new": {family: 4}},
        one_is_enough=False,
    )
    yield from drift.cases()
    one = {**scraped({family: drifting}), **scraped({family: 0}, "b:9464")}
    yield drift.with_series(one).firing("one: the other replica has read no such value")
    for when, why, others in (
        (10 * MINUTE + HOUR, "over: an hour after the last such value", ()),
        (9 * MINUTE + HOUR, "hour: nearly an hour after the last such value", drift.alerts),
    ):
        yield drift.silence(why, {family: drifting}, others, at=when)


def _watchdog() -> Iterator[Case]:
    yield RuleCases(
        rule="Watchdog",
        series={},
        fires=0,
        alerts=(of_exporter("Watchdog", "none", job=None),),
    ).firing("fires: always, as it depends on nothing")


def _records() -> Iterator[Case]:
    record = "server:electric_agents_server_watched:bool"
    yield Case(
        "records / watched by: a server is one, whoever watches it, and whether it answers or not",
        _all(_Exporter(), replace(_OTHER, exposes=_watched(signal=0), labels={"job": "watchers"})),
        queries=(Query(record, MINUTE, (Sample(selector(record, server=SERVER), 1),)),),
    )


def files() -> Iterator[TestFile]:
    """Give the files of test cases."""
    for name, cases in {
        "ExporterDown": _down,
        "ExporterAbsent": _absent,
        "ExporterRestarting": _restarting,
        "ConfigReloadFailed": _reload,
        "ContractDrift": _drift,
        "Watchdog": _watchdog,
        "records-watched": _records,
    }.items():
        yield TestFile(name, _RULES, tuple(cases()))
    yield TestFile("ExporterDown-long", _RULES, tuple(_for_long()), MINUTE)
