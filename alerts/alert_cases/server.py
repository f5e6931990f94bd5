"""Cases of the alerts on a target."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from alert_cases.input_series import (
    SERVER,
    TENANT,
    ended,
    labelled,
    of_tenant,
    polls,
    relabelled,
    scraped,
    scraped_shards,
    target,
    without_scrape,
)
from alert_cases.promtool import Alert, Case, Check, InputSeries, TestFile, selector
from alert_cases.rule_cases import MEMORY, STEP, ExpectedAlert, RuleCases, of_server
from alert_cases.signals import HOUR, MINUTE, Signal, rising, switching

_RULES: Final = ("exporter", "server")
_PREFIX: Final = "electric_agents_server_"
_TICK: Final = selector("electric_agents_exporter_scheduler_last_tick_timestamp_seconds")
_READ: Final = selector("electric_agents_exporter_config_last_reload_success_timestamp_seconds")


def _of(family: str, **labels: str) -> str:
    return selector(f"{_PREFIX}{family}", server=SERVER, **labels)


def _errors(reason: str, signal: Signal, operation: str = "list") -> InputSeries:
    return {_of("request_errors_total", operation=operation, reason=reason): signal}


def _everybody(signal: Signal = 3) -> InputSeries:
    """Give how many runners a database lists."""
    return {_of("runners_listed", principal="all"): signal}


def _named(series: InputSeries, server: str) -> InputSeries:
    return relabelled(series, server=server)


def _runners(*names: str) -> InputSeries:
    family = "electric_agents_runner_poll_success"
    return {selector(family, server=SERVER, runner_id=name): 1 for name in names}


_UP: Final = {**target(1), **polls(server=1)}
_DOWN: Final = {**target(0), **polls(lists=0, health=0, server=0), **_errors("connect", rising(1))}
"""A server that is asked over HTTP and does not answer."""

_READABLE: Final = {**target(1), **polls(), **_everybody()}
_UNREADABLE: Final = {**target(0), **polls(lists=0, health=0), **_errors("timeout", rising(1))}
"""A database that cannot be read, and never could."""


@dataclass(frozen=True)
class _OfMany(ExpectedAlert):
    """An alert on many servers at once, which leads to those of its job."""

    def at(self, name: str, seconds: float, **more: str) -> Alert:
        """Give it in full."""
        alert = super().at(name, seconds, **more)
        link = alert.annotations["dashboard_url"].replace("var-server=", f"var-job={self.job}")
        return replace(alert, annotations={**alert.annotations, "dashboard_url": link})


def _of_many(message: str) -> _OfMany:
    labels = {"severity": "critical", "layer": "server", "servers": "many"}
    return _OfMany(message, labels, "fleet")


def _many(alert: str, bad: InputSeries, well: InputSeries, single: RuleCases) -> Iterator[Case]:
    """Check that three servers that are at least half of all are one alert beside their own.

    `single` are the cases of the rule on one server.
    """
    names = [f"s{number}" for number in range(6)]
    severities = {known.labels["severity"] for known in single.alerts}
    many = _of_many(f"{alert} of many")

    def exposed(failing: int, healthy: int, scrape: Mapping[str, str] | None = None) -> InputSeries:
        found: dict[str, Signal] = {}
        for number, name in enumerate(names[: failing + healthy]):
            found |= _named(bad if number < failing else well, name)
        return labelled(found, **scrape or {})

    def singles(count: int) -> tuple[ExpectedAlert, ...]:
        return tuple(
            replace(known, labels={**known.labels, "server": name})
            for name in names[:count]
            for known in single.alerts
        )

    own = "many critical" if len(severities) > 1 else "many"
    cases = replace(
        single,
        rule=f"{alert} ({own})",
        series=exposed(3, 3),
        alerts=(many, *singles(3)),
        hold=2 * (single.hold or 0),
        well=None,
        guards={},
        others={"few: two of two": singles(2), "share: three of seven": ()},
        silent={"few: two of two": exposed(2, 0)},
        one_is_enough=False,
        replicas=False,
    )
    # Each server's own alert ends before that of many.
    hold, memory = cases.hold or 0.0, cases.memory
    end = cases.fires + memory + hold
    (first, *rest) = cases.cases()
    yield replace(
        first,
        queries=tuple(
            replace(query, samples=(many.sample(alert),)) if query.seconds < end else query
            for query in first.queries
        ),
    )
    yield from rest
    names.append("s6")
    yield cases.silence("share: three of seven", exposed(3, 4), singles(3))
    jobs = {
        **scraped(exposed(2, 0)),
        **scraped(labelled(_named(bad, "s2"), job="watchers"), "b:9464"),
    }
    apart = replace(singles(3)[-1], job="watchers") if len(severities) == 1 else None
    if apart is not None:
        yield cases.silence("jobs: each counts for itself", jobs, (*singles(2), apart))
    both = {**scraped(exposed(3, 0)), **scraped(exposed(3, 0), "b:9464")}
    yield cases.with_series(both, many, *singles(3)).firing("replicas: two see the same three")


def _without_new(cases: RuleCases) -> Iterator[Case]:
    """Give its cases but that of another exporter: the last word of the old one counts on."""
    yield from (case for case in cases.cases() if " / new: " not in case.name)


def _unreachable() -> Iterator[Case]:
    down = RuleCases(
        rule="ServerUnreachable",
        series=_DOWN,
        fires=5 * MINUTE,
        alerts=(of_server("ServerUnreachable", "critical"),),
        hold=3 * MINUTE,
        well={
            **_DOWN,
            **target(switching(0, 5 * MINUTE + STEP, 1)),
            **polls(lists=0, health=0, server=switching(0, 5 * MINUTE + STEP, 1)),
        },
        silent={
            "up: it answers": _UP,
            "flaps: one list in four comes": {
                **_UP,
                **target(lambda now: float(now % MINUTE == 0)),
            },
            "database: that of a server that answers cannot be read": {
                **target(0),
                **polls(lists=0, health=0, server=1),
                **_everybody(switching(3, MINUTE, None)),
            },
            "database, only: nothing but a database is asked": _UNREADABLE,
            "refused: it answers, and refuses": {
                **_DOWN,
                **_errors("unauthorized", rising(1)),
            },
            "refused, forbidden: it answers, and refuses": {
                **_DOWN,
                **_errors("forbidden", rising(1), "health"),
            },
        },
        of_a_tenant=False,
        one_is_enough=False,
    )
    yield from down.cases()
    one = {**scraped(_DOWN, "a:9464"), **scraped(_UP, "b:9464")}
    yield down.silence("one: another exporter reaches it", one)
    yield down.with_series(scraped_shards(_DOWN, _DOWN)).firing(
        "shards: all that cannot reach it give one alert"
    )
    yield down.silence("shard: another shard reaches it", scraped_shards(_DOWN, _UP))
    listed = {**target(0), **polls(lists=0, health=0, server=1)}
    no_reason = of_server("ServerUnreachable without a reason", "critical")
    yield down.with_series(listed, no_reason).firing(
        "list: it says that it is well, and gives none"
    )
    asleep = {**target(1), **polls(server=0)}
    yield down.with_series(asleep, no_reason).firing("server: its list comes, and it says nothing")
    both = {**target(0), **polls(server=0), **_everybody()}
    yield down.with_series(both, no_reason).firing(
        "database, server: its database can be read, and it does not answer"
    )
    yield down.with_series({**_DOWN, **_everybody(switching(3, MINUTE, None))}).firing(
        "database, both: neither answers"
    )
    yield from _unreachable_of_one_name(down)
    yield from _many("ServerUnreachable", _DOWN, _UP, replace(down, well=None, silent={}))


def _unreachable_of_one_name(down: RuleCases) -> Iterator[Case]:
    """Check exporters of one job whose targets have one name, and tenants."""
    up_while = {**_UP, **_runners("r1")}
    falls = 5 * MINUTE
    fell = switching(1, falls, 0)
    falling = {
        **target(fell),
        **polls(lists=fell, health=fell, server=fell),
        **_runners("r2"),
        **_errors("connect", rising(1)),
    }
    later = falls + 5 * MINUTE
    names = {**scraped(up_while), **scraped(falling, "b:9464")}
    yield down.with_series(names, fires=later).firing(
        "name: another exporter's target of that name is another server"
    )
    same = {**scraped(up_while), **scraped({**falling, **_runners("r1")}, "b:9464")}
    yield down.silence("name, replica: both see a runner", same, at=later)
    jobs = {**scraped(up_while), **scraped(falling, "b:9464", job="watchers")}
    of_job = replace(down.alerts[0], job="watchers")
    yield down.with_series(jobs, of_job, fires=later).firing("jobs: each has its own view")
    tenants = {
        **_UP,
        **of_tenant({**_UP, **_runners("r1")}, "acme"),
        **of_tenant({**target(0), **_runners("r2")}, "zeta"),
    }
    yield down.silence("name, tenants: one of them is gone", tenants)


def _unreadable() -> Iterator[Case]:
    bad = of_server("DatabaseUnreachable", "critical")
    down = RuleCases(
        rule="DatabaseUnreachable",
        series=_UNREADABLE,
        fires=5 * MINUTE,
        alerts=(bad,),
        hold=3 * MINUTE,
        well={
            **_UNREADABLE,
            **target(switching(0, 5 * MINUTE + STEP, 1)),
            **polls(lists=switching(0, 5 * MINUTE + STEP, 1), health=0),
        },
        silent={
            "up: it can be read": _READABLE,
            "server: it is no database": _DOWN,
            "refused: it answers, and refuses": {**_UNREADABLE, **_errors("forbidden", rising(1))},
            "health: it lists, and fails at reports": {**_READABLE, **polls(health=0)},
        },
        of_a_tenant=False,
        one_is_enough=False,
    )
    yield from down.cases()
    one = {**scraped(_UNREADABLE), **scraped(_READABLE, "b:9464")}
    yield down.silence("one: another exporter reads it", one)
    yield down.silence("shard: another shard reads it", scraped_shards(_UNREADABLE, _READABLE))
    yield down.with_series(scraped_shards(_UNREADABLE, _UNREADABLE)).firing(
        "shards: all that cannot read it give one alert"
    )
    tenants = dict(_UNREADABLE)
    for number in range(20):
        tenants |= of_tenant({**target(0), **polls(lists=0, health=0)}, f"tenant-{number}")
    yield down.with_series(tenants).firing("tenants: twenty of one database are one alert")
    yield from _many(
        "DatabaseUnreachable", _UNREADABLE, _READABLE, replace(down, well=None, silent={})
    )


def _unreadable_for_long() -> Iterator[Case]:
    """Check a database beside a server that answers: it is known for one for a week."""
    falls = 30 * MINUTE
    end = falls + 3 * HOUR
    fell = switching(1, falls, 0)
    series = {
        **target(fell),
        **polls(lists=fell, health=fell, server=1),
        **_everybody(switching(3, falls + MINUTE, None)),
        **_errors("timeout", switching(0, falls, 3)),
    }
    bad = of_server("DatabaseUnreachable without a reason", "critical")
    for alert, part, alerts in (
        ("DatabaseUnreachable", "long: it is the same three hours later", (bad,)),
        ("ServerUnreachable", "database, long: the server answers, three hours later", ()),
    ):
        checked = tuple(each.at(alert, end) for each in alerts)
        yield Case(
            f"{alert} / {part}",
            scraped(series),
            (Check(f"ElectricAgents{alert}", end, checked),),
        )


def _credentials() -> Iterator[Case]:
    def exposed(
        *,
        reason: str = "unauthorized",
        errors: Signal,
        operation: str = "list",
        up: Signal = 0,
    ) -> InputSeries:
        return {
            **target(up),
            **polls(lists=up, health=up, server=1),
            **_errors(reason, errors, operation),
        }

    page = of_server("CredentialsRejected (critical)", "critical")
    ticket = of_server("CredentialsRejected (warning)", "warning")
    each_minute = rising(1, MINUTE)
    rejected = exposed(errors=each_minute)
    accepted = exposed(errors=0, up=1)
    fires = 6 * MINUTE
    critical = RuleCases(
        rule="CredentialsRejected (critical)",
        series=rejected,
        fires=fires,
        alerts=(page, ticket),
        hold=6 * MINUTE,
        memory=4.5 * MINUTE - STEP,
        late=2 * STEP,
        of_a_tenant=False,
        one_is_enough=False,
        silent={
            "once: one rejected request is no longer in the window": exposed(
                errors=switching(0, MINUTE, 1)
            ),
            "old: what was refused before is not new": exposed(errors=4),
            "other: a server that fails rejects nobody": exposed(
                reason="server_error", errors=each_minute
            ),
        },
    )
    yield from critical.cases()
    forbidden = exposed(reason="forbidden", errors=each_minute)
    yield critical.with_series(forbidden).firing("forbidden: 403 is as bad as 401")
    grant = {**_UNREADABLE, **_errors("forbidden", each_minute)}
    yield critical.with_series(grant).firing("grant: a database lacks one")
    yield critical.with_series(exposed(errors=rising(1, 4 * MINUTE)), fires=9 * MINUTE).firing(
        "rare: a target that fails is polled every four minutes"
    )
    one = {**scraped(accepted), **scraped(rejected, "b:9464")}
    yield critical.silence("one: another exporter is accepted", one, (ticket,))
    yield critical.with_series(scraped_shards(rejected, rejected)).firing(
        "shards: they are one alert"
    )
    yield critical.silence(
        "shard: another shard is accepted", scraped_shards(rejected, accepted), (ticket,)
    )
    tenants = {**rejected, **of_tenant(rejected), **of_tenant(rejected, "zeta")}
    yield critical.with_series(tenants).firing("tenants: those of one database are one alert")

    some = exposed(errors=each_minute, up=1)
    warning = replace(
        critical,
        rule="CredentialsRejected (warning)",
        series=some,
        alerts=(ticket,),
        well=exposed(errors=rising(1, MINUTE, until=fires), up=1),
        over=4.5 * MINUTE - STEP,
        silent={
            "once: one rejected request is no longer in the window": exposed(
                errors=switching(0, MINUTE, 1), up=1
            )
        },
    )
    yield from warning.cases()
    of_health = exposed(errors=each_minute, operation="health", up=1)
    yield warning.with_series(of_health).firing("health: lists come, and reports are refused")
    both = {**some, **_errors("unauthorized", each_minute, "health")}
    yield warning.with_series(both).firing("both: it is one alert")
    yield warning.with_series({**scraped(some), **scraped(accepted, "b:9464")}).firing(
        "one: what is refused to one exporter is told"
    )

    yield from _many("CredentialsRejected", rejected, accepted, replace(critical, silent={}))


def _stale() -> Iterator[Case]:
    last, interval = _of("last_poll_success_timestamp_seconds"), _of("poll_interval_seconds")

    def exposed(up: Signal = 1, *, success: Signal = 0, server: Signal = 1) -> InputSeries:
        return {
            **target(up),
            **polls(lists=up, health=0, server=server),
            _TICK: rising(STEP, STEP),
            last: success,
            interval: 20,
        }

    now = rising(STEP, STEP)
    fresh = {**exposed(success=now), **polls(server=1)}
    alert = of_server("ExporterDataStale", "warning", dashboard="exporter")
    # It is more than three intervals old after 75 s.
    fires = 75 + 2 * MINUTE
    stale = RuleCases(
        rule="ExporterDataStale",
        series=exposed(),
        fires=fires,
        alerts=(alert,),
        hold=5 * MINUTE,
        well=exposed(success=lambda at: at if at > fires else 0),
        late=STEP,
        guards={"unreachable": ("ServerUnreachable tells it", exposed(0, server=0))},
        silent={
            "slow: polls with a long interval": {**exposed(), interval: 120},
            "fresh: its polls succeed": fresh,
        },
        one_is_enough=False,
    )
    yield from _without_new(stale)
    mine = {name for name in exposed() if name != _TICK}
    gone = {
        name: _until(signal, MINUTE) if name in mine else signal for name, signal in fresh.items()
    }
    for minute in range(3, 7):
        yield stale.silence(
            f"guard removed, {minute}: it was taken out of the settings", gone, at=minute * MINUTE
        )
    yield stale.silence(
        "guard unreachable, server: its list comes, and it says nothing", exposed(1, server=0)
    )
    yield stale.silence(
        "guard unreachable, database: that cannot be read",
        {**exposed(0), **_everybody(switching(3, STEP, None))},
    )
    yield stale.silence(
        "guard unreachable, refused: one principal of two is refused",
        {**exposed(), **_errors("unauthorized", rising(1))},
    )
    yield stale.silence(
        "guard unreachable, shards: no shard can reach it",
        scraped_shards(exposed(0, server=0), exposed(0, server=0)),
    )
    yield stale.silence(
        "guard unreachable, tenant: the whole database cannot be read",
        {**exposed(0), **of_tenant(exposed(0))},
    )
    here = {"cluster": "eu-1", "namespace": "agents"}
    there = scraped(labelled(exposed(0, server=0), **here))
    own = tuple(replace(known, labels={**known.labels, **here}) for known in stale.alerts)
    for label in (*here, "job", "server"):
        other = relabelled(there, **{label: "others"})
        yield stale.with_series({**scraped(labelled(exposed(), **here)), **other}, *own).firing(
            f"guard unreachable, {label}: that of another {label} is"
        )
    blind = {**scraped(fresh), **scraped(exposed(0), "b:9464")}
    yield stale.with_series(blind).firing("one: a replica cannot reach it")
    twice = {**scraped(exposed()), **scraped(exposed(), job="again")}
    under_both = (alert, replace(alert, job="again"))
    yield stale.with_series(twice, *under_both).firing("jobs: each has its own alert")
    hanging = replace(alert, message="ExporterDataStale with a reason")
    yield stale.with_series(
        {**exposed(), **_errors("timeout", rising(1), "health")}, hanging
    ).firing("reason: reports hang")
    of_shard = replace(
        alert, message="ExporterDataStale of a shard", labels={**alert.labels, "shard": "0"}
    )
    yield stale.with_series(scraped_shards(exposed(0), fresh), of_shard).firing(
        "shard: one cannot reach the server, and another one can"
    )
    of_tenant_only = replace(alert, labels={**alert.labels, "tenant": TENANT})
    yield stale.with_series({**fresh, **of_tenant(exposed())}, of_tenant_only).firing(
        "tenant: the polls of one fail"
    )
    patient = {**scraped(exposed()), **scraped({**exposed(), interval: 120}, "b:9464")}
    yield stale.silence("patient: another exporter polls less often", patient)
    yield stale.silence(
        "patient, gap: another exporter polls less often, and no scrape works now",
        ended(patient, 2 * MINUTE),
        at=4.5 * MINUTE,
    )
    impatient = {**fresh, interval: 120}
    yield stale.with_series(
        {**scraped(exposed()), **ended(scraped(impatient, "b:9464"), MINUTE)}
    ).firing("patient, gone: another exporter polled less often, and is gone")
    yield from _not_scraped(stale, fresh)
    yield from _never_polled(stale, fresh, last)
    yield from _fails_now_and_then(stale, fresh)
    yield from _stands_still(stale, fresh)


def _not_scraped(stale: RuleCases, fresh: InputSeries) -> Iterator[Case]:
    """Check a scrape that fails while other exporters are scraped."""
    mine = without_scrape(scraped(stale.series), 2 * MINUTE)
    for label, other in {
        "instance": scraped(fresh, "b:9464", pod="a", node="node-a"),
        **{
            label: scraped(fresh, **{label: "others"})
            for label in ("cluster", "namespace", "job", "pod", "node")
        },
    }.items():
        yield stale.with_series({**mine, **other}).firing(
            f"guard removed, {label}: a scrape fails, and not that of another {label}"
        )


def _never_polled(stale: RuleCases, fresh: InputSeries, last: str) -> Iterator[Case]:
    """Check an exporter none of whose polls has succeeded, and one in place of another."""
    never = {name: signal for name, signal in stale.series.items() if name != last}
    begun = replace(stale, well=None).with_series(never, fires=2 * MINUTE)
    yield begun.firing("never: no poll has succeeded since the start")
    blind = {**scraped(fresh), **scraped({**never, **target(0)}, "b:9464")}
    yield begun.with_series(blind).firing("never, one: a replica has never reached it")
    gaps = replace(begun, series=never, silent={}, guards={}, apart=(), rule=stale.rule)
    for case in gaps.cases():
        if " / gaps" in case.name:
            yield replace(case, name=f"{stale.rule} / never, gaps: one scrape in eight fails")
    for label in ("cluster", "namespace", "job"):
        there = scraped(fresh, **{label: "others"})
        yield begun.with_series({**scraped(never), **there}).firing(
            f"never, {label}: one at that address, of another {label}, has succeeded"
        )
    renewed = 10 * MINUTE
    old = {name: _until(signal, renewed) for name, signal in fresh.items()}
    new = {name: _since(signal, renewed) for name, signal in fresh.items()}
    for minute in range(1, 8):
        yield stale.silence(
            f"replaced, {minute}: a pod at the address of the one before it",
            {**scraped(old), **scraped(new, pod="later")},
            at=renewed + minute * MINUTE,
        )
    for label, place in (
        ("instance", scraped(new, "b:9464", pod="a", node="node-a")),
        ("node", scraped(new, node="later")),
    ):
        yield stale.silence(
            f"replaced, {label}: a pod of the same name has another {label}",
            {**scraped(old), **place},
            at=renewed + 2 * MINUTE,
        )


def _until(signal: Signal, end: float) -> Signal:
    return lambda now: (signal(now) if callable(signal) else signal) if now < end else None


def _since(signal: Signal, begin: float) -> Signal:
    return lambda now: (signal(now) if callable(signal) else signal) if now >= begin else None


def _fails_now_and_then(stale: RuleCases, fresh: InputSeries) -> Iterator[Case]:
    """Check polls some of which fail, for half an hour."""
    later = 40 * MINUTE

    def one_in(number: int, *, fails: bool, every: float = STEP) -> Signal:
        """Give how polls went of which one in some fails, or one in some succeeds."""
        return lambda now: float((round(now / every) % number == 0) != fails)

    def with_polls(operation: str, signal: Signal) -> InputSeries:
        return {**fresh, _of("poll_success", operation=operation): signal}

    quarter = one_in(4, fails=True, every=MINUTE)
    cases = replace(stale, fires=later, well=None)
    for operation in ("list", "health", "wakes", "server"):
        yield cases.silence(
            f"now and then, {operation}: one poll in four fails",
            with_polls(operation, quarter),
            stale.alerts,
        )
    yield cases.silence(
        "now and then, few: one poll in eight fails",
        with_polls("health", one_in(8, fails=True, every=MINUTE)),
    )
    three_of_four = one_in(4, fails=False)
    flapping = {
        **fresh,
        **target(three_of_four),
        _of("poll_success", operation="list"): three_of_four,
    }
    yield cases.silence("now and then, lists: three of four fail", flapping, stale.alerts)
    for minute in (0.25, 0.5, 0.75, 5):
        yield cases.silence(
            f"now and then, lists, {minute:g}: three of four fail, {minute:g} minutes later",
            flapping,
            stale.alerts,
            at=later + minute * MINUTE,
        )
    yield cases.silence(
        "now and then, one: another replica's polls succeed",
        {**scraped(flapping), **scraped(fresh, "b:9464")},
        stale.alerts,
    )
    yield cases.silence(
        "outages: two within half an hour, of five minutes each",
        with_polls("list", lambda now: float(now % (15 * MINUTE) >= 5 * MINUTE)),
    )
    three = ((12, 15), (20, 23), (28, 60))
    yield cases.silence(
        "outages, three: the third within half an hour is seen to begin",
        with_polls(
            "health",
            lambda now: float(not any(begin <= now / MINUTE < end for begin, end in three)),
        ),
        stale.alerts,
        at=31 * MINUTE,
    )
    begins, ends = 10 * MINUTE, 18 * MINUTE
    down = lambda now: float(not begins <= now < ends)  # noqa: E731  (a signal)
    outage = {
        **fresh,
        **target(down),
        **polls(lists=down, health=down, server=down),
        _of("last_poll_success_timestamp_seconds"): lambda now: (
            begins if begins <= now < ends else now
        ),
    }
    for minute in (9, 12, 20, 29):
        yield cases.silence(
            f"outage, {minute}: one of eight minutes, {minute} minutes after it began",
            outage,
            at=begins + minute * MINUTE,
        )
    deaf = stale.with_series(with_polls("wakes", 0), fires=2 * MINUTE)
    yield deaf.firing("wakes: those of nearly all cannot be read")
    one = {**scraped(with_polls("wakes", 0)), **scraped(with_polls("wakes", 1), "b:9464")}
    yield deaf.with_series(one).firing("wakes, one: another replica reads them")
    yield deaf.with_series(without_scrape(one, MINUTE)).firing(
        "wakes, one, gap: another replica reads them, and a scrape of both fails"
    )
    yield deaf.silence(
        "wakes, new: another exporter takes its place, and reads them",
        {
            **ended(scraped(with_polls("wakes", 0)), MINUTE),
            **{
                name: _since(signal, MINUTE)
                for name, signal in scraped(with_polls("wakes", 1), "c:9464").items()
            },
        },
        at=2.5 * MINUTE,
    )
    yield deaf.silence("wakes, read: they are read", with_polls("wakes", 1))


def _stands_still(stale: RuleCases, fresh: InputSeries) -> Iterator[Case]:
    of_scheduler = replace(
        stale.alerts[0],
        message="ExporterDataStale of a scheduler",
        labels={"severity": "warning", "layer": "server"},
    )
    still = replace(stale, well=None).with_series(
        {_TICK: 300}, of_scheduler, fires=STEP + 2 * MINUTE
    )
    yield still.firing("scheduler: it stands still")
    moves = {**scraped({_TICK: 300.0}), **scraped({_TICK: rising(15, 15)}, "b:9464")}
    yield still.with_series(moves).firing("scheduler, one: that of another replica goes on")
    slow: InputSeries = {**fresh, _TICK: lambda now: now}
    for minute in range(20, 30):
        for scrape in (MINUTE, 2 * MINUTE, 2 * MINUTE + 1):
            yield still.silence(
                f"scheduler, slow, {scrape:g} at {minute}: it ticks, and scrapes are rare",
                slow,
                at=minute * MINUTE,
                scrape=scrape,
            )
    yield still.silence(
        "scheduler, rare: it stands still, and scrapes are two minutes apart",
        {_TICK: 300},
        (of_scheduler,),
        at=20 * MINUTE,
        scrape=2 * MINUTE,
    )
    yield still.silence(
        "scheduler, gone: what is not scraped any more does not stand still",
        {_TICK: lambda now: now if now < 10 * MINUTE else None},
        at=14.5 * MINUTE,
    )
    yield still.silence(
        "scheduler, moment: it stood still for four minutes",
        {_TICK: lambda now: now if not 10 * MINUTE < now < 14 * MINUTE else 10 * MINUTE},
        at=14 * MINUTE - STEP,
    )


def _vanished() -> Iterator[Case]:
    falls = 10 * MINUTE

    def exposed(**counts: Signal) -> InputSeries:
        return {
            **target(),
            **{_of("runners_listed", principal=name): count for name, count in counts.items()},
        }

    fewer = exposed(all=switching(9, falls, 4))
    alone = exposed(alice=switching(1, falls, 0))
    fires = falls + 10 * MINUTE
    page, ticket = (
        of_server("RunnersVanished (critical)", "critical", principal="all"),
        of_server("RunnersVanished (warning)", "warning", principal="alice"),
    )
    settings = "they came with other settings"
    vanished = RuleCases(
        rule="RunnersVanished (critical)",
        series=fewer,
        fires=fires,
        alerts=(page,),
        hold=0,
        well=exposed(all=lambda now: 4 if falls <= now <= fires else 9),
        guards={
            "single": ("the other rule tells of one runner", alone),
            "settings": (settings, {**fewer, _READ: falls}),
        },
        others={"single": (ticket,)},
        silent={
            "half: exactly half are left": exposed(all=switching(8, falls, 4)),
            "few: a third is gone": exposed(all=switching(9, falls, 6)),
            "principal: one is not asked for any more": exposed(
                alice=9, bob=switching(9, falls, None)
            ),
        },
        one_is_enough=False,
        late=2 * STEP,
    )
    yield from vanished.cases()
    yield vanished.with_series({**fewer, _READ: falls - HOUR}).firing(
        "guard settings, before: the exporter read its settings an hour before"
    )
    yield vanished.silence(
        "guard settings, gap: the exporter that read them cannot be scraped",
        {**fewer, _READ: switching(falls, fires - MINUTE, None)},
    )
    started = 30 * MINUTE
    later = {**exposed(all=switching(9, started, 4)), _READ: 0}
    yield vanished.with_series(later, fires=HOUR + 10 * MINUTE).firing(
        "guard settings, later: half an hour after they were read"
    )
    for label in ("cluster", "namespace", "job"):
        there = scraped({_READ: falls}, **{label: "others"})
        yield vanished.with_series({**scraped(fewer), **there}).firing(
            f"guard settings, {label}: those of an exporter of another {label}"
        )
    other = {**scraped(fewer), **scraped({_READ: falls}, "b:9464")}
    yield vanished.silence("guard settings, one: another exporter of the job read them", other)
    yield vanished.with_series(scraped_shards(fewer, fewer)).firing(
        "shards: each lists all runners, and they give one alert"
    )
    of_none = replace(page, message="RunnersVanished to none")
    yield vanished.with_series(exposed(all=switching(2, falls, 0)), of_none).firing(
        "none: an empty list is what a wrong principal sees"
    )
    of_bob = of_server("RunnersVanished of bob", "critical", principal="bob")
    bobs = exposed(alice=2, bob=switching(4, falls, 1))
    one_of_two = vanished.with_series(bobs, of_bob)
    yield one_of_two.firing("principal, shrunk: the list of one of several")
    refused = exposed(alice=switching(2, falls, None), bob=switching(4, falls, 1))
    yield one_of_two.with_series({**refused, **polls(lists=0)}).firing(
        "principal, refused: another one's list fails"
    )
    yield from _one_saw_more(vanished, exposed(all=9), exposed(all=4), falls)
    yield vanished.silence("hour: an hour after it is forgotten", fewer, at=falls + HOUR)
    yield vanished.silence(
        "hour, nearly: nearly an hour after it is not", fewer, (page,), at=falls + HOUR - MINUTE
    )

    single = replace(
        vanished,
        rule="RunnersVanished (warning)",
        series=alone,
        alerts=(ticket,),
        well=exposed(alice=lambda now: 0 if falls <= now <= fires else 1),
        guards={
            "many": ("the other rule tells of more than one", fewer),
            "settings": (settings, {**alone, _READ: falls}),
        },
        others={"many": (page,)},
        silent={"half: one of two is left": exposed(alice=switching(2, falls, 1))},
    )
    yield from single.cases()
    for label in ("cluster", "namespace", "job"):
        there = scraped({_READ: falls}, **{label: "others"})
        yield single.with_series({**scraped(alone), **there}).firing(
            f"guard settings, {label}: those of an exporter of another {label}"
        )
    yield single.with_series({**alone, _READ: falls - HOUR}).firing(
        "guard settings, before: the exporter read its settings an hour before"
    )
    yield single.silence(
        "guard settings, gap: the exporter that read them cannot be scraped",
        {**alone, _READ: switching(falls, fires - MINUTE, None)},
    )
    yield single.silence(
        "guard settings, one: another exporter of the job read them",
        {**scraped(alone), **scraped({_READ: falls}, "b:9464")},
    )
    yield single.with_series(scraped_shards(alone, alone)).firing(
        "shards: each lists all runners, and they give one alert"
    )
    of_alice = {**exposed(alice=switching(1, started, 0)), _READ: 0}
    yield single.with_series(of_alice, fires=HOUR + 10 * MINUTE).firing(
        "guard settings, later: half an hour after they were read"
    )
    yield from _one_saw_more(single, exposed(alice=1), exposed(alice=0), falls)
    yield single.silence("hour: an hour after it is forgotten", alone, at=falls + HOUR)


def _one_saw_more(
    cases: RuleCases, before: InputSeries, after: InputSeries, falls: float
) -> Iterator[Case]:
    """Check replicas of which one does not see that runners left, or shards without a scrape."""
    fewer, fires = cases.series, cases.fires
    here, there = scraped(fewer), scraped(before, "b:9464")
    yield cases.silence("one: another replica still sees them", {**here, **there})
    gone = {**here, **ended(there, falls)}
    yield cases.with_series(gone).firing("one, gone: the replica that still saw them is gone")
    yield cases.with_series(scraped_shards(fewer, ended(before, falls))).firing(
        "shard, gone: the shard that still saw them is gone"
    )
    yield cases.silence(
        "one, gap: a scrape fails soon after, and the word of the one that is gone counts",
        {**without_scrape(here, falls + 2 * MINUTE), **ended(there, falls)},
    )
    late = {name: _since(signal, falls) for name, signal in scraped(after, "b:9464").items()}
    yield cases.with_series({**here, **late}).firing("one, late: another replica never saw them")
    shards = ended(scraped_shards(fewer, fewer), fires - MINUTE)
    yield cases.with_series(shards).firing("shards, gap: no scrape works now")


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
        well=exposed(switching(12, 10 * MINUTE + STEP, 0), 3),
        silent={"meant: what a filter leaves out is meant": exposed(0, 12)},
    )
    yield from suppressed.cases()
    more = ended(exposed(12, 30), 9 * MINUTE)
    yield suppressed.with_series(more).firing("gap: a filter leaves out more, and no scrape works")
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
    # The third one is counted after six minutes.
    overruns = RuleCases(
        rule="PollOverrun",
        series=slow,
        fires=16 * MINUTE,
        alerts=(alert,),
        hold=0,
        memory=MEMORY,
        late=2 * STEP,
        silent={
            "backoff: a failing target is polled less often on purpose": exposed(
                backoffs=rising(1, 60)
            ),
        },
    )
    yield from overruns.cases()
    for minute in range(30, 40):
        yield overruns.silence(
            f"two, {minute}: two within ten minutes, between scrapes",
            exposed(overruns=rising(1, 4 * MINUTE + 59)),
            at=minute * MINUTE,
            scrape=17,
        )
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
        well=target(clock_offset=switching(45, 15 * MINUTE + STEP, 0)),
        of_a_tenant=False,
        one_is_enough=False,
        silent={
            "near: twenty seconds": target(clock_offset=20),
            "at most: thirty": target(clock_offset=30),
        },
    )
    yield from _without_new(skew)
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
        "DatabaseUnreachable": _unreadable,
        "CredentialsRejected": _credentials,
        "ExporterDataStale": _stale,
        "RunnersVanished": _vanished,
        "RunnersSuppressed": _suppressed,
        "PollOverrun": _overrun,
        "ClockSkew": _skew,
    }.items():
        yield TestFile(name, _RULES, tuple(cases()))
    yield TestFile("DatabaseUnreachable-long", _RULES, tuple(_unreadable_for_long()), MINUTE)
