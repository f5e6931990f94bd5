"""Evaluates every alert on what is judged, after each poll, and keeps what becomes of it."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Generic, Protocol, TypeVar

from electric_agents_exporter.alerting.alert import Alert, Identity
from electric_agents_exporter.alerting.definition import PREFIX, Definition, Definitions
from electric_agents_exporter.alerting.evidence import Evidence, Finding, Whom
from electric_agents_exporter.alerting.exporter_alerts import EXPORTER_ALERTS, MANY_ALERTS, Itself
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

_ITSELF: Final = ""  # no target has this name
_MINUTE: Final = 55.0  # evaluations are not to the second
_PART_ALERTS: Final = {**RUNNER_ALERTS, **FLEET_ALERTS}

Subject = TypeVar("Subject")


@dataclass(frozen=True, slots=True)
class Options:
    """Which alerts are evaluated, and how they are made.

    Attributes:
        definitions: the alerts that there are.
        names: those to evaluate, by their whole names; all where it is None.
        labels: what all alerts carry beside their own labels.
        per_runner: whether an alert names each runner, as the rules do where runners have series.
    """

    definitions: Definitions
    names: Collection[str] | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    per_runner: bool = True


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


class Speaker(Protocol):
    """Puts a finding into words."""

    def labels(self, definition: Definition, finding: Finding) -> Mapping[str, str]:
        """Give the labels that the definition adds."""
        ...

    def annotations(
        self, definition: Definition, finding: Finding, labels: Mapping[str, str]
    ) -> Mapping[str, str]:
        """Give what the alert says."""
        ...


class _Row(Generic[Subject]):
    """An alert that is evaluated: its definition, how it is found, and whom it is for."""

    def __init__(
        self,
        definition: Definition,
        find: Callable[[Definition, Subject], Iterable[Finding]],
        definitions: Definitions,
    ) -> None:
        self.definition = definition
        self._find = find
        self._whom = Whom(definition, definitions)

    def findings(self, subject: Subject) -> Iterator[Finding]:
        """Find what it holds of."""
        return self._whom.among(self._find(self.definition, subject))


class _Rows:
    """Every definition that is evaluated, by what it is evaluated on."""

    def __init__(self, options: Options) -> None:
        self.parts: list[_Row[Evidence]] = []
        self.whole: list[_Row[Whole]] = []
        self.itself: list[_Row[Itself]] = []
        definitions = options.definitions
        for definition in definitions.alerts:
            if options.names is not None and definition.alert not in options.names:
                continue
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
                self.itself.append(_Row(definition, EXPORTER_ALERTS[name], definitions))


class Engine:
    """Every alert of one exporter; `own` tells how the exporter itself is.

    Raises:
        ValueError: a pattern of the definitions is none.
    """

    def __init__(
        self,
        fleet: Fleet,
        clock: Clock,
        options: Options,
        speaker: Speaker,
        own: Callable[[], OwnState],
    ) -> None:
        self._fleet = fleet
        self._clock = clock
        self._options = options
        self._speaker = speaker
        self._own = own
        self._rows = _Rows(options)
        self._gathering = Gathering(options.definitions)
        self._states = AlertStates()
        self._verdicts: dict[str, Verdict] = {}
        self._drift: Window[Mapping[str, int]] = Window(self._gathering.window, _MINUTE)
        self._refused_within = options.definitions.number("CredentialsRejected", "window")

    def adopt(self, known: Mapping[Identity, float]) -> None:
        """Take over what Alertmanager knows, with its `startsAt`: it goes on where it holds."""
        self._states.adopt(known)

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
        return self._states.follow(name, self._found_of_target(whole), moment)

    def evaluate_itself(self) -> bool:
        """Evaluate the alerts on this exporter and on many servers; let go of targets that went.

        Returns:
            Whether an alert began to fire, or was resolved.
        """
        moment, own = self._moment(), self._own()
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
            drift=own.drift,
            drift_before=self._drift,
        )
        found = [
            each
            for row in self._rows.itself
            for each in self._found(row.definition, row.findings(itself))
        ]
        changed = self._states.follow(_ITSELF, found, moment)
        return self._states.forget(gone, moment) or changed

    def _moment(self) -> Moment:
        return Moment(self._clock.time(), self._clock.monotonic())

    def _found_of_target(self, whole: Whole) -> Iterator[Found]:
        for part in whole.parts:
            for row in self._rows.parts:
                yield from self._found(row.definition, row.findings(part))
        for each in self._rows.whole:
            yield from self._found(each.definition, each.findings(whole))

    def _found(self, definition: Definition, findings: Iterable[Finding]) -> Iterator[Found]:
        for finding in findings if self._options.per_runner else _by_kind(findings):
            labels = {
                name: text
                for name, text in (
                    ("job", self._options.definitions.job),
                    *self._options.labels.items(),
                    *finding.labels.items(),
                    *self._speaker.labels(definition, finding).items(),
                    ("alertname", definition.alert),
                )
                if text
            }
            say = partial(self._speaker.annotations, definition, finding, labels)
            yield Found(definition, labels, say)


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
