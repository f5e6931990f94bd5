"""The test cases of one rule: where it fires, and what must differ for it to be silent."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Final
from urllib.parse import quote_plus

import yaml

from alert_cases.input_series import (
    RUNNER,
    SERVER,
    TENANT,
    ended,
    labelled,
    of_tenant,
    relabelled,
    scraped,
    with_gaps,
    without_events,
)
from alert_cases.promtool import Alert, Case, Check, InputSeries, Query, Sample, selector
from alert_cases.signals import HOUR, MINUTE, Signal, switching

MESSAGES: Final = Path(__file__).with_name("messages")
JOB: Final = "electric-agents"
STEP: Final = 15.0
MEMORY: Final = 5 * MINUTE
"""How long the last samples count where a rule reads them through `seen`."""

_GRAFANA: Final = "https://grafana.example.com/d/electric-agents"
_RUNBOOKS: Final = "https://runbooks.example.com/electric-agents-exporter/alerts/runbooks"
_REPLICAS: Final = ("a:9464", "b:9464")
_TARGET_LABELS: Final = {
    "cluster": "eu-1",
    "namespace": "agents",
    "container": "exporter",
    "endpoint": "metrics",
}
_OFF_THE_BEAT: Final = 2.0
"""By how much scrapes are rarer than evaluations where they are to fall between them."""
ELSEWHERE: Final = (
    {"cluster": "eu-2"},
    {"namespace": "others"},
    {"job": "watchers"},
    {"tenant": TENANT},
    {"server": "staging"},
)
"""Each makes a target another one."""


@dataclass(frozen=True)
class ExpectedAlert:
    """An alert that a case expects.

    Attributes:
        message: the key of its words in messages/.
        labels: those beside `service` and `job`.
        dashboard: which one it links to.
        job: None for an alert that has none.
    """

    message: str
    labels: Mapping[str, str]
    dashboard: str
    job: str | None = JOB

    def all_labels(self, **more: str) -> dict[str, str]:
        """Give every label that it has, with `more`."""
        job = {"job": self.job} if self.job else {}
        return dict(sorted({**self.labels, **job, **more, "service": JOB}.items()))

    def sample(self, name: str, **more: str) -> Sample:
        """Give the series that says that it fires."""
        labels = {"alertname": f"ElectricAgents{name}", "alertstate": "firing"}
        return Sample(selector("ALERTS", **labels, **self.all_labels(**more)), 1)

    def at(self, name: str, seconds: float, **more: str) -> Alert:
        """Give it in full, as it is when it was last true at a time, with `more` labels.

        Raises:
            LookupError: no file has words for it.
        """
        labels = self.all_labels(**more)
        words = _messages().get(self.message)
        if words is None:
            raise LookupError(
                f"{MESSAGES}: write the words of {self.message!r} as a person gets them"
            )
        tenant = labels.get("tenant")
        server = labels.get("server", "")
        server = f"{server}/{tenant}" if tenant else server
        return Alert(
            labels=labels,
            annotations={
                "summary": words["summary"],
                "resolved": words["resolved"],
                "description": words["description"].format(kind=labels.get("kind"), server=server),
                "runbook_url": f"{_RUNBOOKS}/{name}.md",
                "dashboard_url": _link(self.dashboard, labels, seconds),
            },
        )


@dataclass(frozen=True)
class RuleCases:
    """The test cases of one rule.

    Attributes:
        rule: the rule's id: its alert's name, with what tells it from others of that name.
        series: what an exporter exposes when it fires.
        fires: when it first fires.
        alerts: what it fires.
        hold: how long it is kept firing when it has ended; None where it ends by its windows.
        memory: how long it is still true when every series is gone.
        well: what an exporter exposes that is well from the step after it first fires, where
            series say so.
        over: how long it is still true then, where it counts over a window.
        late: how much later it may first fire where scrapes fall between evaluations and one in
            eight fails.
        guards: why each guard is there, and series with which it alone keeps the rule silent.
        others: the alerts of the same name that fire all the same in a guard's or a silent case.
        silent: further series with which the rule is silent.
        until_end: series with which it also ends, where it does not end by all series being gone.
        step: of scrapes and evaluations.
        recorded: whether the series are records, which have no labels of replicas.
        replicas: whether two exporters that expose the same are one alert.
        one_is_enough: whether it fires though another exporter has seen nothing happen.
        gaps: whether it fires as early where one scrape in eight fails.
        of_a_tenant: whether the alert is one of a single tenant, where there are tenants.
        clusters: whether a target of the same name in another cluster has an alert of its own.
        apart: the guards of which other targets take no notice.
        either: the guards that hold where only one exporter of two knows of them.
    """

    rule: str
    series: InputSeries
    fires: float
    alerts: tuple[ExpectedAlert, ...]
    hold: float | None = 3 * MINUTE
    memory: float = MEMORY
    well: InputSeries | None = None
    over: float = 0.0
    late: float = 0.0
    guards: Mapping[str, tuple[str, InputSeries]] = field(default_factory=dict)
    others: Mapping[str, tuple[ExpectedAlert, ...]] = field(default_factory=dict)
    silent: Mapping[str, InputSeries] = field(default_factory=dict)
    until_end: InputSeries | None = None
    step: float = STEP
    recorded: bool = False
    replicas: bool = True
    one_is_enough: bool = True
    gaps: bool = True
    of_a_tenant: bool = True
    clusters: bool = True
    apart: tuple[str, ...] = ()
    either: tuple[str, ...] = ()

    @property
    def alert(self) -> str:
        """The alert's name, without the prefix."""
        return self.rule.split(" ")[0]

    def cases(self) -> Iterator[Case]:
        """Give the cases that the attributes describe."""
        yield self._from_before_to_the_end()
        if self.well is not None:
            yield self._well_again(self.well)
            if self.replicas and not self.over:
                yield self._other_exporter(self.well)
        yield from self._silences()
        if self.gaps:
            yield self._failed_scrapes()
        if self.replicas:
            yield self._two_replicas()
        if self.one_is_enough:
            yield self.one_saw_it()
        if self.clusters:
            yield self._two_clusters()

    def _silences(self) -> Iterator[Case]:
        for name, (why, series) in self.guards.items():
            yield self.silence(f"guard {name}: {why}", series, self.others.get(name, ()))
        for name, series in self.silent.items():
            yield self.silence(name, series, self.others.get(name, ()))
        for name in self.apart:
            yield self.other_targets(name)
        for name in self.either:
            why, series = self.guards[name]
            yield self.silence(
                f"guard {name}, one: {why}, and it is enough that one exporter of two knows it",
                {**scraped(self.series), **scraped(series, _REPLICAS[1])},
                self.others.get(name, ()),
            )

    def with_series(
        self, series: InputSeries, *alerts: ExpectedAlert, fires: float | None = None
    ) -> "RuleCases":
        """Give the same with other series; alerts and time as well, if they are given."""
        when = self.fires if fires is None else fires
        return replace(self, series=series, alerts=alerts or self.alerts, fires=when)

    def firing(self, part: str) -> Case:
        """Give one case: it fires, and not one step earlier."""
        before = (self._check(self.fires - self.step),) if self.fires else ()
        return Case(
            name=f"{self.rule} / {part}",
            input_series=self._as_seen(self.series),
            checks=(*before, self._check(self.fires, self.alerts)),
        )

    def silence(
        self,
        part: str,
        series: InputSeries,
        others: tuple[ExpectedAlert, ...] = (),
        *,
        at: float | None = None,
        scrape: float | None = None,
    ) -> Case:
        """Give one case: with these series it is silent when it would fire, or at another time."""
        return Case(
            name=f"{self.rule} / {part}",
            input_series=self._as_seen(series),
            checks=(self._check(self.fires if at is None else at, others),),
            scrape=scrape,
        )

    def never(self, part: str, series: InputSeries, until: float) -> Case:
        """Give one case: with these series it never fires, though scrapes are off the beat."""
        query = self._fires_at(until, ())
        whole = f"last_over_time({query.expression}[{until:.0f}s])"
        return Case(
            name=f"{self.rule} / {part}",
            input_series=self._as_seen(series),
            queries=(replace(query, expression=whole),),
            scrape=self.step + _OFF_THE_BEAT,
        )

    def at_some_time(self, part: str, series: InputSeries, until: float) -> Case:
        """Give one case: with these series it fires by then, though scrapes are off the beat."""
        return replace(self.never(part, series, until), queries=(self._fires_at(until),))

    def other_targets(self, guard: str) -> Case:
        """Give one case: a guard holds for its own target only, and for none that is like it."""
        _, guarded = self.guards[guard]
        here = {"cluster": "eu-1", "namespace": "agents"}
        series = dict(scraped(labelled(self.series, **here)))
        alerts = [alert.at(self.alert, self.fires, **here) for alert in self.alerts]
        for elsewhere in ELSEWHERE:
            there = {**here, **elsewhere}
            series |= relabelled(scraped(labelled(guarded, **here), _REPLICAS[1]), **there)
            alerts += [
                alert.at(self.alert, self.fires, **there) for alert in self.others.get(guard, ())
            ]
        return Case(
            name=f"{self.rule} / guard {guard}, apart: it holds for its own target only",
            input_series=series,
            checks=(Check(f"ElectricAgents{self.alert}", self.fires, tuple(alerts)),),
        )

    def one_saw_it(self, part: str = "one") -> Case:
        """Give one case: another exporter has seen nothing happen, and the rule fires."""
        both = {**scraped(self.series), **scraped(without_events(self.series), _REPLICAS[1])}
        return self.with_series(both).firing(f"{part}: what one exporter of two sees is enough")

    def _from_before_to_the_end(self) -> Case:
        """Check it before it fires, when it does, and at its end, when all series are gone."""
        checks = [self._check(self.fires, self.alerts)]
        if self.fires:
            checks.insert(0, self._check(self.fires - self.step))
        queries: list[Query] = []
        if self.hold is not None:
            # The last sample, which is of when it fires, may or may not count at its memory's end.
            end = self.fires + self.memory + self.hold
            queries = [self._fires_at(end - self.step), self._fires_at(end + self.step, ())]
            if self.memory + self.hold < 2 * self.step:
                queries = [self._fires_at(self.fires + 2 * self.step, ())]
        return Case(
            name=f"{self.rule} / before, fires{_ends(self.hold)}: after {_span(self.fires)}",
            input_series=self._as_seen(
                self.until_end or ended(self.series, self.fires + self.step)
            ),
            checks=tuple(checks),
            queries=tuple(queries),
        )

    def _well_again(self, series: InputSeries) -> Case:
        """It is well from the step after it fired: then it is held, and ends."""
        end = self.fires + self.step + self.over + (self.hold or 0.0)
        # The sample at the edge of a window may or may not count.
        edge = self.step if self.over else 0.0
        return Case(
            name=f"{self.rule} / well: what is well again ends it after the hold alone",
            input_series=self._as_seen(series),
            queries=(self._fires_at(end - edge - self.step), self._fires_at(end + edge, ())),
        )

    def _other_exporter(self, series: InputSeries) -> Case:
        """Its exporter is gone when it is well, as another one says that takes its place."""
        new = self.fires + self.step
        after = {
            name: switching(None, new, signal) for name, signal in scraped(series, "c:9464").items()
        }
        end = new + (self.hold or 0.0)
        return Case(
            name=f"{self.rule} / new: another exporter takes the place of the one that told of it",
            input_series={**ended(self._as_seen(self.series), new), **after},
            queries=(self._fires_at(end - self.step), self._fires_at(end, ())),
        )

    def _failed_scrapes(self) -> Case:
        """Scrapes fall between evaluations, and one in eight fails: it fires as if none did."""
        scrape = self.step + _OFF_THE_BEAT
        when = self.fires + self.late
        before = (self._fires_at(self.fires - self.step, ()),) if self.fires else ()
        series = dict(self._as_seen(self.series))
        if self.replicas and self.one_is_enough:
            series |= scraped(without_events(self.series), _REPLICAS[1])
        return Case(
            name=f"{self.rule} / gaps: one scrape in eight fails, and it is no later",
            input_series=with_gaps(series, scrape),
            queries=(*before, self._fires_at(when), self._fires_at(when + 8 * scrape)),
            scrape=scrape,
        )

    def _two_replicas(self) -> Case:
        """Two exporters expose the same, with further labels: one alert, which keeps those."""
        labels = _TARGET_LABELS
        series = of_tenant(labelled(self.series, **labels))
        if self.of_a_tenant and any("server" in alert.labels for alert in self.alerts):
            labels = {**labels, "tenant": TENANT}
        both = [scraped(series, instance) for instance in _REPLICAS]
        alerts = tuple(alert.at(self.alert, self.fires, **labels) for alert in self.alerts)
        return Case(
            name=f"{self.rule} / replicas: two exporters give one alert, with the target's labels",
            input_series=self._as_seen(series) if self.recorded else {**both[0], **both[1]},
            checks=(Check(f"ElectricAgents{self.alert}", self.fires, alerts),),
        )

    def _two_clusters(self) -> Case:
        """Two clusters have a target of one name, in one Prometheus: each has its own alert."""
        clusters = ("eu-1", "eu-2")
        series: dict[str, Signal] = {}
        for cluster in clusters:
            series |= self._as_seen(labelled(self.series, cluster=cluster))
        return Case(
            name=f"{self.rule} / clusters: each of two of one name has its own",
            input_series=series,
            checks=(
                Check(
                    f"ElectricAgents{self.alert}",
                    self.fires,
                    tuple(
                        alert.at(self.alert, self.fires, cluster=cluster)
                        for cluster in clusters
                        for alert in self.alerts
                    ),
                ),
            ),
        )

    def _as_seen(self, series: InputSeries) -> InputSeries:
        return labelled(series, job=JOB) if self.recorded else scraped(series)

    def _check(self, seconds: float, alerts: tuple[ExpectedAlert, ...] = ()) -> Check:
        expected = tuple(alert.at(self.alert, seconds) for alert in alerts)
        return Check(f"ElectricAgents{self.alert}", seconds, expected)

    def _fires_at(self, seconds: float, alerts: tuple[ExpectedAlert, ...] | None = None) -> Query:
        """Expect which alerts fire, whatever they say."""
        whole = selector("ALERTS", alertname=f"ElectricAgents{self.alert}", alertstate="firing")
        expected = self.alerts if alerts is None else alerts
        on_the_beat = math.ceil(seconds / self.step) * self.step
        return Query(whole, on_the_beat, tuple(alert.sample(self.alert) for alert in expected))


def of_runner(
    message: str, severity: str, *, kind: str = "server", condition: str | None = None
) -> ExpectedAlert:
    """Expect an alert on the runner of the cases, of a condition of it where it is one."""
    who = {"server": SERVER, "runner_id": RUNNER, "kind": kind}
    of = {"condition": condition} if condition else {}
    return ExpectedAlert(message, {"severity": severity, "layer": "runner", **who, **of}, "runner")


def of_server(
    message: str,
    severity: str,
    *,
    layer: str = "server",
    dashboard: str = "fleet",
    **labels: str,
) -> ExpectedAlert:
    """Expect an alert on the target of the cases."""
    known = {"severity": severity, "layer": layer, "server": SERVER}
    return ExpectedAlert(message, known | labels, dashboard)


def of_exporter(message: str, severity: str, job: str | None = JOB, **labels: str) -> ExpectedAlert:
    """Expect an alert on an exporter."""
    known = {"severity": severity, "layer": "exporter"}
    return ExpectedAlert(message, known | labels, "exporter", job)


@cache
def _messages() -> Mapping[str, Mapping[str, str]]:
    loaded: dict[str, dict[str, str]] = {}
    for path in sorted(MESSAGES.glob("*.yaml")):
        loaded |= yaml.safe_load(path.read_text()) or {}
    return loaded


def _link(dashboard: str, labels: Mapping[str, str], seconds: float) -> str:
    server = f"var-server={quote_plus(labels.get('server', ''))}"
    runner = f"var-runner={quote_plus(labels.get('runner_id', ''))}"
    job = f"var-job={quote_plus(labels.get('job', JOB))}"
    since = f"from={(seconds - 3600) * 1000:.0f}&to=now"
    query = {
        "runner": f"{server}&{runner}&{since}",
        "fleet": f"{server}&{since}",
        "slo": server,
        "exporter": f"{job}&{since}",
    }[dashboard]
    return f"{_GRAFANA}-{dashboard}?{query}"


def _span(seconds: float) -> str:
    for size, unit in ((HOUR, "hours"), (MINUTE, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} seconds"


def _ends(hold: float | None) -> str:
    if hold is None:
        return ""
    return ", ends" if not hold else f", held for {_span(hold)}, ends"
