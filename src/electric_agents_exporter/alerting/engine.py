"""Evaluates every alert on what is judged, after each poll, and keeps what becomes of it."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Final, Generic, TypeVar

from msgspec.structs import replace

from electric_agents_exporter.alerting.alert import Alert, Identity
from electric_agents_exporter.alerting.annotations import Wording
from electric_agents_exporter.alerting.definition import PREFIX, Definition, Definitions
from electric_agents_exporter.alerting.evidence import Evidence, Finding, Whom
from electric_agents_exporter.alerting.exporter_alerts import EXPORTER_ALERTS, MANY_ALERTS, Itself
from electric_agents_exporter.alerting.facts import Facts, RunnerFamilies
from electric_agents_exporter.alerting.gathering import Gathering
from electric_agents_exporter.alerting.history import Window
from electric_agents_exporter.alerting.runner_alerts import RUNNER_ALERTS
from electric_agents_exporter.alerting.server_alerts import (
    FLEET_ALERTS,
    SERVER_ALERTS,
    Verdict,
    Whole,
    judge_target,
)
from electric_agents_exporter.alerting.states import AlertStates, Found, Moment
from electric_agents_exporter.fleet.clock import Clock
from electric_agents_exporter.fleet.fleet import Fleet
from electric_agents_exporter.fleet.reasons import Reason

_ITSELF: Final = ""  # no target has this name
_LATELY: Final = 300.0
_WATCHDOG_HELD: Final = 4  # intervals
_PART_ALERTS: Final = {**RUNNER_ALERTS, **FLEET_ALERTS}

Subject = TypeVar("Subject")


@dataclass(frozen=True, slots=True)
class Options:
    """How alerts are made.

    Attributes:
        definitions: the alerts that there are.
        labels: what all alerts carry beside their own labels.
        per_runner: whether an alert names each runner, as the rules do where runners have series.
        owner_label: whether an alert may name a runner's owner, who may be a person.
    """

    definitions: Definitions
    labels: Mapping[str, str] = field(default_factory=dict)
    per_runner: bool = True
    owner_label: bool = False


@dataclass(frozen=True, slots=True)
class OwnState:
    """What the exporter knows of itself.

    Attributes:
        reloaded: whether the settings were last read without fault.
        configured_at: when they were last read so, in seconds since the epoch.
        drift: values that were not as the contract says, by field.
    """

    reloaded: bool
    configured_at: float
    drift: Mapping[str, int]


class _Row(Generic[Subject]):
    """An alert that is evaluated: its definition, how it is found, and whom it is for."""

    def __init__(
        self,
        definition: Definition,
        find: Callable[[Definition, Subject], Iterable[Finding]],
        definitions: Definitions,
    ) -> None:
        self.definition = definition
        self.wording = Wording(definition)
        self._find = find
        self._whom = Whom(definition, definitions)

    def findings(self, subject: Subject) -> Iterator[Finding]:
        """Find what it holds of."""
        return self._whom.among(self._find(self.definition, subject))


class _Rows:
    """Every definition that is evaluated, by what it is evaluated on."""

    def __init__(self, definitions: Definitions) -> None:
        self.parts: list[_Row[Evidence]] = []
        self.whole: list[_Row[Whole]] = []
        self.itself: list[_Row[Itself]] = []
        for definition in definitions.alerts:
            name = definition.alert.removeprefix(PREFIX)
            many = definition.labels.get("servers") == "many"
            if many:
                self.itself.append(_Row(definition, MANY_ALERTS[name], definitions))
                continue
            if name in _PART_ALERTS:
                self.parts.append(_Row(definition, _PART_ALERTS[name], definitions))
            if name in SERVER_ALERTS:
                self.whole.append(_Row(definition, SERVER_ALERTS[name], definitions))
            if name in EXPORTER_ALERTS:
                held = _held(definition, definitions) if name == "Watchdog" else definition
                self.itself.append(_Row(held, EXPORTER_ALERTS[name], definitions))


def _held(watchdog: Definition, definitions: Definitions) -> Definition:
    """Hold the Watchdog for a minute: who waits for it is not to hear of a host that slept."""
    return replace(watchdog, hold=_WATCHDOG_HELD * definitions.interval)


class Engine:
    """Every alert of one exporter.

    `own` tells how the exporter itself is, and `known` what Alertmanager knew when it started, with
    its `startsAt`: what is found of that goes on.
    """

    def __init__(
        self,
        fleet: Fleet,
        clock: Clock,
        options: Options,
        own: Callable[[], OwnState],
        known: Callable[[], Mapping[Identity, float]],
    ) -> None:
        self._fleet = fleet
        self._clock = clock
        self._own = own
        self._known = known
        self._states = AlertStates()
        self._verdicts: dict[str, Verdict] = {}
        self._use(options)

    def configure(self, options: Options) -> None:
        """Follow new options. What fires goes on where it is called the same."""
        if options != self._options:
            self._use(options)

    def _use(self, options: Options) -> None:
        self._options = options
        self._rows = _Rows(options.definitions)
        self._families = RunnerFamilies(owner_label=options.owner_label)
        self._gathering = Gathering(options.definitions)
        self._drift: Window[Mapping[str, int]] = Window(
            options.definitions.number("ContractDrift", "window")
        )
        self._refused_within = options.definitions.number("CredentialsRejected", "window")

    def alerts(self) -> list[Alert]:
        """Give every alert that is pending, fires, or was resolved lately."""
        return list(self._states.alerts())

    def evaluate_target(self, name: str) -> bool:
        """Evaluate the alerts on one target, once it was polled.

        Returns:
            Whether an alert began to fire, or was resolved.
        """
        target = self._fleet.targets.get(name)
        if target is None or not target.polled:
            return False
        moment = self._moment()
        parts = self._gathering.look(target, moment, self._own().configured_at)
        whole = Whole(parts, judge_target(parts, self._refused_within))
        self._verdicts[name] = whole.verdict
        self._states.adopt(self._known())
        return self._states.follow(name, self._found_of_target(whole, moment), moment)

    def evaluate_itself(self) -> bool:
        """Evaluate the alerts on this exporter and on many servers; let go of targets that went.

        Returns:
            Whether an alert began to fire, or was resolved.
        """
        moment, own = self._moment(), self._own()
        self._states.adopt(self._known())
        gone = (self._gathering.targets | self._states.subjects()) - {_ITSELF, *self._fleet.targets}
        self._gathering.forget(gone)
        self._verdicts = {
            name: verdict for name, verdict in self._verdicts.items() if name not in gone
        }
        self._drift.add(moment.monotonic, dict(own.drift))
        itself = Itself(
            monotonic=moment.monotonic,
            verdicts=self._verdicts,
            reloaded=own.reloaded,
            stands_still=self._fleet.stillness(),
            since_tick=self._fleet.since_tick(),
            drift=own.drift,
            drift_before=self._drift,
        )
        found = [each for row in self._rows.itself for each in self._found(row, itself, moment)]
        changed = self._states.follow(_ITSELF, found, moment)
        return self._states.forget(gone, moment) or changed

    def _moment(self) -> Moment:
        return Moment(self._clock.time(), self._clock.monotonic())

    def _found_of_target(self, whole: Whole, moment: Moment) -> Iterator[Found]:
        failing = cache(partial(_failing, whole))
        for part in whole.parts:
            for row in self._rows.parts:
                yield from self._found(row, part, moment, failing)
        for each in self._rows.whole:
            yield from self._found(each, whole, moment, failing)

    def _found(
        self,
        row: _Row[Subject],
        subject: Subject,
        moment: Moment,
        failing: Callable[[], Mapping[Reason, float]] = dict,
    ) -> Iterator[Found]:
        findings = row.findings(subject)
        for finding in findings if self._options.per_runner else _by_kind(findings):
            labels = {
                "job": self._options.definitions.job,
                **self._options.labels,
                **finding.labels,
            }
            facts = Facts(
                time=moment.time,
                monotonic=moment.monotonic,
                families=self._families,
                target=finding.part.snapshot if finding.part else None,
                runner=finding.runner,
                servers=finding.servers,
                failing=failing(),
            )
            yield Found(
                row.definition,
                row.wording.labels(labels, finding.value, facts),
                partial(row.wording.annotations, labels, finding.value, facts),
            )


def _failing(whole: Whole) -> Mapping[Reason, float]:
    """Count the requests to a server that failed lately, by why."""
    grown: Counter[Reason] = Counter()
    for part in whole.parts:
        numbers = list(part.history.numbers.since(part.monotonic - _LATELY))
        if numbers:
            for reason, count in numbers[-1].errors.items():
                grown[reason] += count - min(each.errors.get(reason, 0) for each in numbers)
    return grown


def _by_kind(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Count the runners of a kind that a condition holds of, in place of naming each."""
    counts: Counter[tuple[tuple[str, str], ...]] = Counter()
    parts = {}
    for finding in findings:
        if "condition" not in finding.labels:
            yield finding
            continue
        labels = tuple(item for item in finding.labels.items() if item[0] != "runner_id")
        counts[labels] += 1
        parts[labels] = finding.part
    for labels, count in counts.items():
        yield Finding(dict(labels), count, part=parts[labels])
