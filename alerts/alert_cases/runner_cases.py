"""The test cases of a rule on one runner, whose guards differ in the runner alone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from alert_cases.input_series import (
    BESIDE,
    HERE,
    OF_EXPORTERS,
    Fleet,
    Runner,
    beside_replaced,
    scraped,
    target,
)
from alert_cases.promtool import Case, Check, InputSeries
from alert_cases.rule_cases import MEMORY, STEP, ExpectedAlert, RuleCases, of_runner, of_server
from alert_cases.signals import MINUTE, Signal, switching
from electric_agents_exporter.conditions import Condition

DISABLED: Final = "maintenance raises nothing"


def exposed(*runners: Runner, more: InputSeries | None = None) -> InputSeries:
    """Give the series of a target with some runners."""
    found = dict(target())
    for runner in runners:
        found |= runner.series()
    return found | dict(more or {})


@dataclass(frozen=True)
class RunnerCases:
    """The cases of a rule on a runner, whose guards and silent cases differ in the runner alone.

    The attributes are those of `RuleCases`, and:

    Attributes:
        runner: the one that raises it.
        again: the same, which is well from the step after it has fired.
        beside: guards that another runner beside it is.
        severity: that of a lasting runner.
        transient: that of another one; None where another rule, or none, tells of it.
        condition: the condition that it is on, if it is on one.
        message: the key of its words, where it is not the rule's id.
    """

    rule: str
    runner: Runner
    fires: float
    again: Runner | None = None
    guards: Mapping[str, tuple[str, Runner]] = field(default_factory=dict)
    beside: Mapping[str, tuple[str, Runner]] = field(default_factory=dict)
    silent: Mapping[str, Runner] = field(default_factory=dict)
    others: Mapping[str, tuple[ExpectedAlert, ...]] = field(default_factory=dict)
    apart: tuple[str, ...] = ()
    either: tuple[str, ...] = ()
    severity: str = "warning"
    transient: str | None = "info"
    condition: str | None = None
    message: str = ""
    hold: float = 3 * MINUTE
    memory: float = MEMORY
    over: float = 0.0
    late: float = 0.0
    step: float = STEP

    def alert(self, kind: str = "", severity: str = "") -> ExpectedAlert:
        """Give what it raises."""
        return of_runner(
            self.message or self.rule,
            severity or self.severity,
            kind=kind or self.runner.kind,
            condition=self.condition,
        )

    def of_rule(self) -> RuleCases:
        """Give them with the series of the whole target."""
        guards = {name: (why, exposed(other)) for name, (why, other) in self.guards.items()}
        guards |= {
            name: (why, exposed(self.runner, other)) for name, (why, other) in self.beside.items()
        }
        return RuleCases(
            rule=self.rule,
            series=exposed(self.runner),
            fires=self.fires,
            hold=self.hold,
            memory=self.memory,
            over=self.over,
            late=self.late,
            step=self.step,
            well=None if self.again is None else exposed(self.again),
            alerts=(self.alert(),),
            guards=guards,
            silent={name: exposed(other) for name, other in self.silent.items()},
            others=self.others,
            apart=self.apart,
            either=self.either,
        )

    def cases(self) -> Iterator[Case]:
        """Give the cases that the attributes describe."""
        cases = self.of_rule()
        yield from cases.cases()
        blind = {**scraped(exposed(self.runner)), **scraped(self.runner.not_known(), "b:9464")}
        yield cases.with_series(blind).firing("blind: another exporter knows nothing of it")
        if self.again is not None and self.condition is None and not self.over:
            yield from self._beside_replaced()
        if self.transient is not None:
            sandbox = replace(self.runner, kind="sandbox")
            yield cases.with_series(exposed(sandbox), self.alert("sandbox", self.transient)).firing(
                f"kind: of a sandbox it is {self.transient}"
            )

    def _beside_replaced(self) -> Iterator[Case]:
        """Another exporter took the place of one that told of it: that is no matter of others."""
        well = exposed(replace(self.runner, issues={}))
        for other in BESIDE:
            (label,) = other
            labels = HERE | {key: value for key, value in other.items() if key not in OF_EXPORTERS}
            alert = self.alert().at(self.rule, self.fires, **labels)
            yield Case(
                name=f"{self.rule} / replaced {label}: another {label} goes on telling of it",
                input_series=beside_replaced(exposed(self.runner), well, self.fires / 2, **other),
                checks=(Check(f"ElectricAgents{self.rule}", self.fires, (alert,)),),
            )


@dataclass(frozen=True)
class ConditionCases:
    """The cases of a rule on a condition: of a runner, and of a fleet without series of runners.

    The attributes are those of `RunnerCases`, whose runner is given without the condition.
    `labelled` tells whether the alert names the condition.
    """

    rule: str
    condition: str
    runner: Runner
    fires: float
    severity: str = "warning"
    transient: str | None = "info"
    hold: float = 3 * MINUTE
    guards: Mapping[str, tuple[str, Runner]] = field(default_factory=dict)
    silent: Mapping[str, Runner] = field(default_factory=dict)
    others: Mapping[str, tuple[ExpectedAlert, ...]] = field(default_factory=dict)
    labelled: bool = True

    def of_runner(self) -> RunnerCases:
        """Give the cases of one runner."""
        return RunnerCases(
            self.rule,
            self.holding(1),
            self.fires,
            again=self.holding(switching(1, self.fires + STEP, 0)),
            severity=self.severity,
            transient=self.transient,
            condition=self.condition if self.labelled else None,
            hold=self.hold,
            guards=self.guards,
            silent={
                "other: another condition holds of it": self.holding(
                    0, **{_other(self.condition): 1}
                ),
                "disabled: maintenance raises nothing": self.holding(0, disabled=1),
                **self.silent,
            },
            others=self.others,
        )

    def of_fleet(self) -> RuleCases:
        """Give the cases of a fleet whose runners have no series of their own."""
        conditions = {self.condition: 2.0, _other(self.condition): 1.0}
        labels = {"condition": self.condition} if self.labelled else {}
        kind = self.runner.kind
        return RuleCases(
            rule=self.rule,
            series={**target(), **Fleet(kind=kind, conditions=conditions).series()},
            fires=self.fires,
            alerts=(
                of_server(
                    f"{self.rule} of a fleet", self.severity, layer="runner", kind=kind, **labels
                ),
            ),
        )

    def cases(self) -> Iterator[Case]:
        """Give the cases that the attributes describe."""
        yield from self.of_runner().cases()
        yield self.of_fleet().firing("fleet: where runners have no series, it tells how many")

    def holding(self, holds: Signal, **others: Signal) -> Runner:
        """Give the runner, of which the condition holds, and others."""
        conditions = {self.condition: holds, **others}
        return replace(self.runner, conditions={**self.runner.conditions, **conditions})


def _other(condition: str) -> str:
    return Condition.DEAF if condition != Condition.DEAF else Condition.CLAIM_STUCK
