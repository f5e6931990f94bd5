"""Cases of the alerts on one runner, but for its claims."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from alert_cases.input_series import Runner, scraped, target, without_events
from alert_cases.promtool import Case, InputSeries, TestFile
from alert_cases.rule_cases import ExpectedAlert, RuleCases, of_runner
from alert_cases.signals import MINUTE, rising, switching

RULES: Final = ("records", "runner")

_DISABLED: Final = "maintenance pages nobody"
_TRANSIENT: Final = "a laptop may sleep"
_FROZEN: Final = "a dead runner keeps its last diagnostics"
_DUPLICATE: Final = "counts of two processes that report in turn look like growth"


def exposed(runner: Runner, more: InputSeries | None = None) -> InputSeries:
    """Give the series of a target with one runner."""
    return {**target(), **runner.series(), **(more or {})}


@dataclass(frozen=True)
class RunnerCases:
    """The cases of a rule on a runner, whose guards and silent cases differ in the runner alone.

    The attributes are those of `RuleCases`. `severity` is that of a lasting runner, `transient`
    that of another one; None where it raises nothing.
    """

    rule: str
    runner: Runner
    fires: float
    guards: Mapping[str, tuple[str, Runner]] = field(default_factory=dict)
    silent: Mapping[str, Runner] = field(default_factory=dict)
    others: Mapping[str, tuple[ExpectedAlert, ...]] = field(default_factory=dict)
    either: tuple[str, ...] = ()
    severity: str = "warning"
    transient: str | None = "info"
    hold: float = 6 * MINUTE

    def of_rule(self) -> RuleCases:
        """Give them with the series of the whole target."""
        guards = {**self.guards, "disabled": (_DISABLED, replace(self.runner, enabled=0))}
        if self.transient is None:
            guards["transient"] = (_TRANSIENT, replace(self.runner, kind="local"))
        return RuleCases(
            rule=self.rule,
            series=exposed(self.runner),
            fires=self.fires,
            hold=self.hold,
            alerts=(of_runner(self.rule, self.severity),),
            guards={name: (why, exposed(other)) for name, (why, other) in guards.items()},
            silent={name: exposed(other) for name, other in self.silent.items()},
            others=self.others,
            either=self.either,
        )

    def cases(self) -> Iterator[Case]:
        """Give the cases that the attributes describe."""
        yield from self.of_rule().cases()
        if self.transient is not None:
            yield of_sandbox(self.of_rule(), self.runner, self.transient)


def of_sandbox(cases: RuleCases, runner: Runner, severity: str) -> Case:
    """Give one case: the runner is a transient one."""
    (lasting,) = cases.alerts
    alert = of_runner(lasting.message, severity, kind="sandbox", lifecycle="transient")
    return cases.with_series(exposed(replace(runner, kind="sandbox")), alert).firing(
        f"lifecycle: of a sandbox it is {severity}"
    )


def _unhealthy() -> Iterator[Case]:
    gone = Runner(liveness="expired", health="unhealthy", heartbeat_age=rising(30, start=95))
    at_work = replace(gone, at_work=3)
    idle = replace(gone, at_work=0)
    page = of_runner("RunnerUnhealthy (critical)", "critical")
    ticket = of_runner("RunnerUnhealthy (warning)", "warning")
    yield from RunnerCases(
        "RunnerUnhealthy (critical)",
        at_work,
        2 * MINUTE,
        severity="critical",
        transient=None,
        hold=8 * MINUTE,
        guards={"idle": ("without work in hand it is a ticket", idle)},
        others={"idle": (ticket,)},
        silent={"degraded: a degraded runner is not gone": replace(at_work, health="degraded")},
    ).cases()
    yield from RunnerCases(
        "RunnerUnhealthy (warning)",
        idle,
        2 * MINUTE,
        transient=None,
        hold=8 * MINUTE,
        guards={"at-work": ("with work in hand it is a page", at_work)},
        others={"at-work": (page,)},
        silent={"degraded: a degraded runner is not gone": replace(idle, health="degraded")},
        either=("at-work",),
    ).cases()


def _lease_expired() -> Iterator[Case]:
    gone = Runner(liveness="expired", heartbeat_age=rising(30, start=95))
    yield from RunnerCases(
        "RunnerLeaseExpired",
        gone,
        2 * MINUTE,
        transient=None,
        silent={
            "online: its lease runs": replace(gone, liveness="online", heartbeat_age=95),
            "offline: without any heartbeat it is another alert": replace(
                gone, liveness="offline", heartbeat_age=5000
            ),
        },
    ).cases()
    mute = Runner(liveness="online", heartbeat_age=rising(30, start=30))
    yield RuleCases(
        rule="RunnerLeaseExpired",
        series=exposed(mute),
        fires=12 * MINUTE,
        alerts=(of_runner("RunnerLeaseExpired by silence", "warning"),),
    ).firing("silence: a lease until the year 2099 is no sign of life")


def _deaf() -> Iterator[Case]:
    deaf = Runner(issues={"stream_disconnected": 1})
    yield from RunnerCases(
        "RunnerDeaf",
        deaf,
        5 * MINUTE,
        guards={"frozen": (_FROZEN, replace(deaf, liveness="expired"))},
        silent={
            "connected: its stream is connected": replace(deaf, issues={"heartbeat_failed": 1})
        },
    ).cases()


def _degraded() -> Iterator[Case]:
    faulty = Runner(issues={"heartbeat_failed": 1})
    of_others = ("disabled", "lease_expired", "never_heartbeat", "stream_disconnected")
    yield from RunnerCases(
        "RunnerDegraded",
        faulty,
        10 * MINUTE,
        guards={"frozen": (_FROZEN, replace(faulty, liveness="expired"))},
        silent={
            "reconnects_high: the server names it until the process restarts": replace(
                faulty, issues={"reconnects_high": 1}
            ),
            **{
                f"{issue}: another alert fires": replace(faulty, issues={issue: 1})
                for issue in of_others
            },
        },
    ).cases()


def _reconnects() -> Iterator[Case]:
    reconnects = "reconnects_total"
    conflicts = "client_identity_conflicts_total"
    stormy = Runner(more={reconnects: rising(1, 60), conflicts: 0})
    yield from RunnerCases(
        "ReconnectStorm",
        stormy,
        11 * MINUTE,
        guards={
            "over": (
                "an outage makes every runner reconnect, and has ended",
                replace(stormy, more={reconnects: rising(1, 60, until=8 * MINUTE), conflicts: 0}),
            ),
            "duplicate": (
                _DUPLICATE,
                replace(stormy, more={reconnects: rising(1, 60), conflicts: rising(1, 120)}),
            ),
        },
        silent={
            "few: a reconnect every three minutes is no storm": replace(
                stormy, more={reconnects: rising(1, 180), conflicts: 0}
            )
        },
        either=("duplicate",),
    ).cases()


def _restarts() -> Iterator[Case]:
    restarts = "client_restarts_total"
    crashing = Runner(more={restarts: rising(1, 300)})
    yield from RunnerCases(
        "RunnerRestarting",
        crashing,
        25 * MINUTE,
        silent={
            "few: three starts in half an hour are a deployment": replace(
                crashing, more={restarts: rising(1, 300, until=15 * MINUTE)}
            )
        },
    ).cases()


def _flapping() -> Iterator[Case]:
    changes, restarts = "health_changes_total", "client_restarts_total"
    conflicts = "client_identity_conflicts_total"
    calm: InputSeries = {restarts: 0, conflicts: 0}
    flapping = Runner(more={changes: rising(1, 150), **calm})
    yield from RunnerCases(
        "RunnerFlapping",
        flapping,
        27.5 * MINUTE,
        guards={
            "restarting": (
                "every start is two changes, and RunnerRestarting fires",
                replace(flapping, more={changes: rising(1, 150), **calm, restarts: rising(1, 300)}),
            ),
            "duplicate": (
                "DuplicateRunnerId fires",
                replace(
                    flapping, more={changes: rising(1, 150), **calm, conflicts: rising(1, 300)}
                ),
            ),
        },
        silent={
            "few: a change every five minutes": replace(
                flapping, more={changes: rising(1, 300), **calm}
            )
        },
        either=("restarting", "duplicate"),
    ).cases()
    restarted = replace(
        flapping, more={changes: rising(1, 150), **calm, restarts: switching(0, 15 * MINUTE, 2)}
    )
    yield RuleCases(
        rule="RunnerFlapping",
        series=exposed(restarted),
        fires=27.5 * MINUTE,
        alerts=(of_runner("RunnerFlapping", "warning"),),
    ).firing("restarts: two starts do not explain so many changes")


def _duplicate() -> Iterator[Case]:
    conflicts = "client_identity_conflicts_total"
    twice = Runner(more={conflicts: rising(1, 120)})
    yield from RunnerCases(
        "DuplicateRunnerId",
        twice,
        4 * MINUTE,
        transient="warning",
        silent={
            "once: a clock that was set back moves the start back once": replace(
                twice, more={conflicts: switching(0, 120, 1)}
            )
        },
    ).cases()


def _spinning() -> Iterator[Case]:
    def spins(
        idle: float, busy: float, *, events: float = 80, conflicts: float | None = None
    ) -> Runner:
        """Give a runner with so many wakes, and claims without and with work, in 30 s."""
        return Runner(
            more={
                "events_received_total": rising(events),
                'claims_total{outcome="no_work"}': rising(idle),
                'claims_total{outcome="claimed"}': rising(busy),
                "client_identity_conflicts_total": rising(1, conflicts) if conflicts else 0,
            }
        )

    busy = spins(72, 8)
    cases = RunnerCases(
        "RunnerSpinning",
        spins(79, 1),
        14 * MINUTE,
        guards={
            "busy": ("it gets work when it is woken", busy),
            "duplicate": (_DUPLICATE, spins(79, 1, conflicts=120)),
        },
        silent={
            "working: it gets work at nearly every wake": spins(1, 79),
            "slow: a wake or two per second": spins(48, 0, events=48),
        },
        either=("duplicate",),
    )
    yield from cases.cases()
    both = {**scraped(exposed(busy)), **scraped(without_events(exposed(busy)), "b:9464")}
    yield cases.of_rule().silence("guard busy, one: another exporter has not seen the work", both)


def _never_heartbeat() -> Iterator[Case]:
    registered = "registered_timestamp_seconds"
    awaited = Runner(
        liveness="offline", issues={"never_heartbeat": 1}, more={registered: -30 * MINUTE}
    )
    yield from RunnerCases(
        "RunnerNeverHeartbeat",
        awaited,
        30.5 * MINUTE,
        severity="info",
        guards={
            "young": (
                "it was registered a moment ago",
                replace(awaited, more={registered: -16 * MINUTE}),
            )
        },
        silent={
            "online: it sent one": replace(
                awaited, liveness="online", issues={"no_diagnostics": 1}
            ),
        },
    ).cases()


def files() -> Iterator[TestFile]:
    """Give the files of test cases."""
    for name, cases in {
        "RunnerUnhealthy": _unhealthy,
        "RunnerLeaseExpired": _lease_expired,
        "RunnerDeaf": _deaf,
        "RunnerDegraded": _degraded,
        "ReconnectStorm": _reconnects,
        "RunnerRestarting": _restarts,
        "RunnerFlapping": _flapping,
        "DuplicateRunnerId": _duplicate,
        "RunnerSpinning": _spinning,
        "RunnerNeverHeartbeat": _never_heartbeat,
    }.items():
        yield TestFile(name, RULES, tuple(cases()))
