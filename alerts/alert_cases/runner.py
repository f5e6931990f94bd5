"""Stories of the alerts about one runner, but for its claims."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from alert_cases.promtool import MINUTE, Case, TestFile, World, rising, turning
from alert_cases.stories import Fired, Story, of_runner, unseen
from alert_cases.worlds import Runner, scraped, target

RULES: Final = ("records", "runner")

_DISABLED: Final = "maintenance pages nobody"
_TRANSIENT: Final = "a laptop that sleeps is no news"


def world(runner: Runner, more: World | None = None) -> World:
    """Give the series of a target with one runner."""
    return {**target(), **runner.world(), **(more or {})}


@dataclass(frozen=True)
class RunnerStory:
    """A story of a runner, with guards and silent worlds that differ in the runner alone.

    What it raises for a runner of a kind that comes and goes has the severity `sandbox`; None: it
    is no news.
    """

    rule: str
    runner: Runner
    fires: float
    guards: Mapping[str, tuple[str, Runner]] = field(default_factory=dict)
    silent: Mapping[str, Runner] = field(default_factory=dict)
    others: Mapping[str, tuple[Fired, ...]] = field(default_factory=dict)
    either: tuple[str, ...] = ()
    severity: str = "warning"
    hold: float = 6 * MINUTE
    sandbox: str | None = "info"

    def story(self) -> Story:
        """Give the story with its worlds."""
        guards = {**self.guards, "disabled": (_DISABLED, replace(self.runner, enabled=0))}
        if self.sandbox is None:
            guards["transient"] = (_TRANSIENT, replace(self.runner, kind="local"))
        return Story(
            rule=self.rule,
            world=world(self.runner),
            fires=self.fires,
            hold=self.hold,
            fired=(of_runner(self.rule, self.severity),),
            guards={name: (why, world(other)) for name, (why, other) in guards.items()},
            silent={name: world(other) for name, other in self.silent.items()},
            others=self.others,
            either=self.either,
        )

    def cases(self) -> Iterator[Case]:
        """Give what promtool is to see."""
        yield from self.story().cases()
        if self.sandbox is not None:
            yield of_sandbox(self.story(), self.runner, self.sandbox)


def of_sandbox(story: Story, runner: Runner, severity: str) -> Case:
    """Tell the same story of a runner that may go."""
    (fired,) = story.fired
    sandbox = of_runner(fired.message, severity, kind="sandbox", tenure="transient")
    told = story.told(world(replace(runner, kind="sandbox")), sandbox)
    return told.turn(f"tenure: of a sandbox it is {severity}")


def _unhealthy() -> Iterator[Case]:
    gone = Runner(liveness="expired", health="unhealthy", heartbeat_age=rising(30, start=95))
    at_work = replace(gone, at_work=3)
    idle = replace(gone, at_work=0)
    page = of_runner("RunnerUnhealthy (critical)", "critical")
    ticket = of_runner("RunnerUnhealthy (warning)", "warning")
    degraded = {"degraded: a degraded runner is not gone": replace(at_work, health="degraded")}
    yield from RunnerStory(
        "RunnerUnhealthy (critical)",
        at_work,
        2 * MINUTE,
        severity="critical",
        hold=8 * MINUTE,
        sandbox=None,
        guards={"idle": ("without work in hand it is a ticket", idle)},
        others={"idle": (ticket,)},
        silent=degraded,
    ).cases()
    yield from RunnerStory(
        "RunnerUnhealthy (warning)",
        idle,
        2 * MINUTE,
        hold=8 * MINUTE,
        sandbox=None,
        guards={"at-work": ("with work in hand it is a page", at_work)},
        others={"at-work": (page,)},
        silent={"degraded: a degraded runner is not gone": replace(idle, health="degraded")},
        either=("at-work",),
    ).cases()


def _lease_expired() -> Iterator[Case]:
    gone = Runner(liveness="expired", heartbeat_age=rising(30, start=95))
    yield from RunnerStory(
        "RunnerLeaseExpired",
        gone,
        2 * MINUTE,
        sandbox=None,
        silent={
            "online: its lease runs": replace(gone, liveness="online", heartbeat_age=95),
            "offline: never heard of is another alert": replace(
                gone, liveness="offline", heartbeat_age=5000
            ),
        },
    ).cases()
    mute = Runner(liveness="online", heartbeat_age=rising(30, start=30))
    silent = Story(
        rule="RunnerLeaseExpired",
        world=world(mute),
        fires=12 * MINUTE,
        fired=(of_runner("RunnerLeaseExpired by silence", "warning"),),
    )
    yield silent.turn("silence: a lease until the year 2099 is no sign of life")


def _deaf() -> Iterator[Case]:
    deaf = Runner(issues={"stream_disconnected": 1})
    yield from RunnerStory(
        "RunnerDeaf",
        deaf,
        5 * MINUTE,
        guards={
            "frozen": (
                "a dead runner goes on saying what it last said",
                replace(deaf, liveness="expired"),
            )
        },
        silent={"hears: its stream is connected": replace(deaf, issues={"heartbeat_failed": 1})},
    ).cases()


def _degraded() -> Iterator[Case]:
    faulty = Runner(issues={"heartbeat_failed": 1})
    of_others = ("disabled", "lease_expired", "never_heartbeat", "stream_disconnected")
    yield from RunnerStory(
        "RunnerDegraded",
        faulty,
        10 * MINUTE,
        guards={
            "frozen": (
                "a dead runner goes on saying what it last said",
                replace(faulty, liveness="expired"),
            )
        },
        silent={
            "reconnects: that word stays until the process restarts": replace(
                faulty, issues={"reconnects_high": 1}
            ),
            **{
                f"{issue}: another alert tells it": replace(faulty, issues={issue: 1})
                for issue in of_others
            },
        },
    ).cases()


def _reconnects() -> Iterator[Case]:
    reconnects = "reconnects_total"
    conflicts = "client_identity_conflicts_total"
    stormy = Runner(more={reconnects: rising(1, 60), conflicts: 0})
    yield from RunnerStory(
        "ReconnectStorm",
        stormy,
        11 * MINUTE,
        guards={
            "over": (
                "an outage makes every runner reconnect, and then it is over",
                replace(stormy, more={reconnects: rising(1, 60, until=8 * MINUTE), conflicts: 0}),
            ),
            "duplicate": (
                "two processes' counts in turn look like growth",
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
    yield from RunnerStory(
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
    calm: World = {restarts: 0, conflicts: 0}
    flapping = Runner(more={changes: rising(1, 150), **calm})
    yield from RunnerStory(
        "RunnerFlapping",
        flapping,
        27.5 * MINUTE,
        guards={
            "restarting": (
                "every start is two changes, and RunnerRestarting tells it",
                replace(flapping, more={changes: rising(1, 150), **calm, restarts: rising(1, 300)}),
            ),
            "duplicate": (
                "DuplicateRunnerId tells it",
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
        flapping, more={changes: rising(1, 150), **calm, restarts: turning(0, 15 * MINUTE, 2)}
    )
    yield Story(
        rule="RunnerFlapping",
        world=world(restarted),
        fires=27.5 * MINUTE,
        fired=(of_runner("RunnerFlapping", "warning"),),
    ).turn("restarts: two starts do not explain so many changes")


def _duplicate() -> Iterator[Case]:
    conflicts = "client_identity_conflicts_total"
    twice = Runner(more={conflicts: rising(1, 120)})
    yield from RunnerStory(
        "DuplicateRunnerId",
        twice,
        4 * MINUTE,
        silent={
            "once: a clock that was set back moves the start back once": replace(
                twice, more={conflicts: turning(0, 120, 1)}
            )
        },
        sandbox="warning",
    ).cases()


def _spinning() -> Iterator[Case]:
    events, conflicts = "events_received_total", "client_identity_conflicts_total"
    no_work = 'claims_total{outcome="no_work"}'
    claimed = 'claims_total{outcome="claimed"}'
    calm: World = {conflicts: 0}
    spinning = Runner(more={events: rising(80), no_work: rising(79), claimed: rising(1), **calm})
    told = RunnerStory(
        "RunnerSpinning",
        spinning,
        14 * MINUTE,
        guards={
            "busy": (
                "it works on what it is woken for",
                replace(
                    spinning,
                    more={events: rising(80), no_work: rising(72), claimed: rising(8), **calm},
                ),
            ),
            "duplicate": (
                "two processes' counts in turn look like growth",
                replace(
                    spinning,
                    more={
                        events: rising(80),
                        no_work: rising(79),
                        claimed: rising(1),
                        conflicts: rising(1, 120),
                    },
                ),
            ),
        },
        silent={
            "working: it gets what it is woken for": replace(
                spinning,
                more={events: rising(80), no_work: rising(1), claimed: rising(79), **calm},
            ),
            "slow: a wake or two a second": replace(
                spinning,
                more={events: rising(48), no_work: rising(48), claimed: 0, **calm},
            ),
        },
        either=("duplicate",),
    )
    yield from told.cases()
    story = told.story()
    _, busy = story.guards["busy"]
    both = {**scraped(busy), **scraped(unseen(busy), "b:9464")}
    yield story.silence("guard busy, one: another exporter has not seen the work", both)


def _never_heartbeat() -> Iterator[Case]:
    registered = "registered_timestamp_seconds"
    awaited = Runner(
        liveness="offline", issues={"never_heartbeat": 1}, more={registered: -30 * MINUTE}
    )
    yield from RunnerStory(
        "RunnerNeverHeartbeat",
        awaited,
        30.5 * MINUTE,
        guards={
            "young": (
                "it has just been registered",
                replace(awaited, more={registered: -16 * MINUTE}),
            )
        },
        silent={
            "heard: it sent one": replace(awaited, liveness="online", issues={"no_diagnostics": 1}),
        },
        severity="info",
    ).cases()


def files() -> Iterator[TestFile]:
    """Give the files of tests."""
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
