"""The incidents, and the alerts that each should lead to, written down before they are played."""

from dataclasses import replace
from functools import partial
from typing import Any, Final

from electric_agents_simulator.runner.runner import HeartbeatTiming
from electric_agents_simulator.scenarios import find as scenario
from electric_agents_simulator.scenarios.model import (
    Action,
    AddFault,
    ChangeOwner,
    ClearFaults,
    Disable,
    Enable,
    Kill,
    Restart,
    Role,
    Scenario,
    ScriptedHeartbeats,
    ServerDown,
    ServerUp,
    Start,
    Stop,
    TimelineEvent,
    Workload,
)
from electric_agents_simulator.server.faults import Fault, FaultKind
from incidents.model import (
    PAGE,
    TICKET,
    Expected,
    Incident,
    StackAction,
    StackEvent,
    without,
)

MINUTE: Final = 60.0
LEASE: Final = 90.0
"""How long a runner at the usual pace lives on after its last heartbeat."""
QUICK_LEASE: Final = 30.0
"""The same of those that heartbeat every ten seconds."""
_START: Final = 120.0
"""How long exporter and Prometheus may take to start, in a fast scenario's seconds."""

_QUICK: Final = HeartbeatTiming(heartbeat_seconds=10.0)
_STEADY: Final = Workload(entities=2, every_seconds=30.0, seconds=(1.0, 4.0))
_BRISK: Final = Workload(entities=2, every_seconds=3.0, seconds=(0.5, 2.0))
_LONG: Final = Workload(entities=2, every_seconds=2.0, seconds=(120.0, 240.0))
_IDLE: Final = Workload(entities=0)
_WELL: Final[dict[str, Any]] = {
    "status": "streaming",
    "stream_connected": True,
    "last_heartbeat_ok": True,
    "last_heartbeat_at": "-5s",
    "started_at": "-600s",
    "reconnect_count": 0,
}


def _fleet(behaviour: Workload = _STEADY) -> Role:
    return Role("fleet", None, kinds=("server", "cloud-worker"), behaviour=behaviour)


def _beside_fleet(*roles: Role, actions: dict[float, Action | tuple[Action, ...]]) -> Scenario:
    """Give a scenario with some roles beside a fleet that works, and actions by their time."""
    events = [
        TimelineEvent(at, action)
        for at, those in actions.items()
        for action in (those if isinstance(those, tuple) else (those,))
    ]
    return Scenario("", "", "", "", (*roles, _fleet()), tuple(events))


def _with_usual_timing(name: str) -> Scenario:
    """Give a scenario whose runners heartbeat as by default.

    The scenarios' own heartbeats are quicker. Their leases are so short that one can expire while
    the machine is busy, when the scenario is played fast.
    """
    found = scenario(name)
    roles = (replace(role, timing=HeartbeatTiming()) for role in found.roles)
    return replace(found, roles=tuple(roles))


def _idle(busy: Scenario) -> Scenario:
    """Give a scenario whose fleet has nothing to do, so that it cannot leave work undone."""
    roles = (
        replace(role, behaviour=_IDLE) if role.name == "fleet" else role for role in busy.roles
    )
    return replace(busy, roles=tuple(roles))


def _timed(name: str, *ats: float) -> Scenario:
    """Give a scenario with its actions at other times."""
    found = scenario(name)
    events = (replace(event, at=at) for event, at in zip(found.timeline, ats, strict=True))
    return replace(found, timeline=tuple(events))


def catalogue() -> tuple[Incident, ...]:
    """Give all incidents: first those that must be silent."""
    return (
        *_ordinary_life(),
        *_passing_faults(),
        *_lost_runners(),
        *_faulty_runners(),
        *_work(),
        *_servers(),
        *_exporters(),
        *_budgets(),
    )


UNPLAYED: Final = frozenset(
    {"ContractDrift", "PollOverrun", "ClockSkew", "RunnerNeverHeartbeat", "Watchdog"}
)
"""Alerts that no incident leads to: their test cases alone prove them."""


def find(name: str) -> Incident:
    """Give an incident by its name.

    Raises:
        KeyError: there is none of that name.
    """
    return {incident.name: incident for incident in catalogue()}[name]


def _ordinary_life() -> tuple[Incident, ...]:
    jobs = Role("job", 4, kinds=("ci", "sandbox"), behaviour=_STEADY)
    return (
        Incident("quiet-day", "a fleet works", scenario("healthy-day"), lasts=40 * MINUTE),
        Incident(
            "idle-hour",
            "nobody has work for an hour",
            Scenario("", "", "", "", (_fleet(_IDLE),)),
            lasts=65 * MINUTE,
        ),
        Incident(
            "evening",
            "laptops are closed and jobs end, all of them idle",
            without(scenario("night"), "night-owl"),
            lasts=30 * MINUTE,
        ),
        Incident(
            "ci-jobs",
            "runners of kind ci and sandbox come and go",
            replace(
                _beside_fleet(jobs, actions={}),
                timeline=(
                    TimelineEvent(60, Stop("job"), every_seconds=240),
                    TimelineEvent(180, Start("job"), every_seconds=240),
                ),
            ),
            lasts=40 * MINUTE,
            runners=10,
        ),
        Incident(
            "long-dead",
            "servers that died long ago are still listed when an exporter starts",
            _beside_fleet(
                Role(
                    "old",
                    4,
                    behaviour=ScriptedHeartbeats(_WELL, every_seconds=None, lease_ms=1_000),
                ),
                actions={},
            ),
            lasts=20 * MINUTE,
            runners=10,
            # They died longer ago than retire_after, as if it were a month.
            exporter_after=300,
            target={"retire_after": 240},
        ),
        Incident(
            "maintenance",
            "runners are disabled for a while, at work or stopped, and enabled again",
            _beside_fleet(
                Role("patient", 2, behaviour=_STEADY),
                Role("absent", 2, behaviour=_IDLE),
                actions={
                    20: (Disable("patient"), Disable("absent")),
                    60: Stop("absent"),
                    1500: Enable("patient"),
                    1510: Start("absent"),
                },
            ),
            lasts=45 * MINUTE,
            runners=10,
        ),
        Incident(
            "rolling-restart",
            "a deployment restarts one runner after the other",
            scenario("rolling-restart"),
            lasts=20 * MINUTE,
        ),
        Incident(
            "replayed-stream",
            "a busy runner restarts and replays its whole wake stream",
            _beside_fleet(
                Role("replayer", behaviour=_BRISK, timing=_QUICK),
                actions={1500: Restart("replayer")},
            ),
            lasts=45 * MINUTE,
        ),
        Incident(
            "new-runners",
            "runners start, each degraded for its first two seconds",
            _beside_fleet(
                Role("newcomer", 4, behaviour=_STEADY, starts_at_once=False),
                actions={10: Start("newcomer", apart_seconds=5)},
            ),
            lasts=20 * MINUTE,
            runners=10,
        ),
        Incident(
            "shrinking-fleet",
            "half of the fleet is disabled and then stopped for good",
            _beside_fleet(
                Role("spare", 5, kinds=("cloud-worker",), behaviour=_IDLE),
                actions={60: Disable("spare"), 80: Stop("spare")},
            ),
            lasts=30 * MINUTE,
            runners=10,
        ),
        Incident(
            "rush",
            "everybody gets work at once, again and again",
            _with_usual_timing("rush"),
            lasts=20 * MINUTE,
        ),
    )


def _passing_faults() -> tuple[Incident, ...]:
    failed_poll = Fault(FaultKind.STATUS, route="list", status=500)
    return (
        Incident(
            "database-outage",
            "the database is away for 55 seconds; afterwards all are degraded for good, and well",
            _idle(_with_usual_timing("database-outage")),
            lasts=45 * MINUTE,
        ),
        Incident(
            "frozen-database",
            "the database does not answer for a minute",
            _with_usual_timing("frozen-database"),
            lasts=25 * MINUTE,
        ),
        Incident(
            "slow-server",
            "for three minutes health reports are slow, hang, fail, and lie in turn",
            _with_usual_timing("slow-server"),
            lasts=25 * MINUTE,
        ),
        Incident(
            "one-failed-poll",
            "one poll fails",
            _beside_fleet(actions={60: AddFault(failed_poll), 74: ClearFaults()}),
            lasts=15 * MINUTE,
        ),
        Incident(
            "exporter-restart",
            "the exporter is restarted",
            _beside_fleet(actions={}),
            lasts=25 * MINUTE,
            stack_events=(
                StackEvent(60, StackAction.EXPORTER_STOPS),
                StackEvent(90, StackAction.EXPORTER_STARTS),
            ),
        ),
    )


def _lost_runners() -> tuple[Incident, ...]:
    victim = Role("victim", behaviour=_LONG)
    death = _beside_fleet(victim, actions={30: Kill("victim"), 1200: Start("victim")})
    lost_at_work = Expected(
        "RunnerUnhealthy", PAGE, since=30, shows_after=LEASE, until=1200, runner="victim-0"
    )
    return (
        Incident(
            "death-at-work",
            "a runner dies with work in its hands",
            death,
            lasts=35 * MINUTE,
            expected=(lost_at_work,),
        ),
        Incident(
            "death-at-work-seen-twice",
            "the same, and two exporters watch",
            death,
            lasts=35 * MINUTE,
            expected=(lost_at_work,),
            replicas=2,
        ),
        Incident(
            "death-idle",
            "a runner dies that had nothing to do",
            _beside_fleet(
                Role("victim", behaviour=_IDLE), actions={30: Kill("victim"), 1200: Start("victim")}
            ),
            lasts=35 * MINUTE,
            expected=(
                Expected(
                    "RunnerUnhealthy",
                    TICKET,
                    since=30,
                    shows_after=LEASE,
                    until=1200,
                    runner="victim-0",
                ),
            ),
        ),
        Incident(
            "laptop-closed-at-work",
            "a laptop is closed while its runner works",
            _beside_fleet(
                Role("night-owl", kinds=("local",), behaviour=_LONG),
                actions={30: Kill("night-owl")},
            ),
            lasts=20 * MINUTE,
            expected=(
                Expected(
                    "OrphanedClaims", TICKET, since=30, shows_after=LEASE, runner="night-owl-0"
                ),
            ),
        ),
        Incident(
            "immortal",
            "a runner dies whose lease lasts until the year 2099; the clocks of two others are off",
            scenario("clock-skew"),
            lasts=20 * MINUTE,
            expected=(
                Expected(
                    "RunnerLeaseExpired",
                    TICKET,
                    since=-300,
                    shows_after=600,
                    runner="immortal-0",
                ),
            ),
        ),
        Incident(
            "fleet-gone",
            "all runners die at once, with work in their hands",
            _timed("mass-expiry", 30, 900),
            lasts=35 * MINUTE,
            expected=(
                Expected("FleetUnavailable", PAGE, since=30, shows_after=QUICK_LEASE, until=900),
            ),
        ),
    )


def _faulty_runners() -> tuple[Incident, ...]:
    lost_heartbeats = Fault(FaultKind.STATUS, route="heartbeat", share=0.67)
    no_heartbeat = Fault(FaultKind.STATUS, route="heartbeat")
    flapper = Role("flapper", behaviour=ScriptedHeartbeats(_WELL, lease_ms=15_000))
    return (
        Incident(
            "deaf",
            "a runner's wake stream hangs from its start on",
            _timed("deaf", 5, 6, 900, 901),
            lasts=30 * MINUTE,
            expected=(Expected("RunnerDeaf", TICKET, since=6, until=901, runner="deaf-0"),),
        ),
        Incident(
            "crash-loop",
            "a runner crashes every twenty seconds",
            scenario("crash-loop"),
            lasts=25 * MINUTE,
            expected=(
                Expected("RunnerRestarting", TICKET, since=20, shows_after=90, runner="looper-0"),
            ),
        ),
        Incident(
            "flapping",
            "every other minute the heartbeats of a runner are lost",
            replace(
                _beside_fleet(flapper, actions={}),
                timeline=(
                    TimelineEvent(0, AddFault(no_heartbeat, role="flapper"), every_seconds=120),
                    TimelineEvent(60, ClearFaults(), every_seconds=120),
                ),
            ),
            lasts=30 * MINUTE,
            expected=(
                Expected("RunnerFlapping", TICKET, since=0, shows_after=390, runner="flapper-0"),
            ),
        ),
        Incident(
            "reconnects",
            "two of three heartbeats of a runner are lost, and its stream is reset each time",
            _beside_fleet(
                Role("flappy", behaviour=_IDLE, timing=HeartbeatTiming(10.0, lease_seconds=90.0)),
                actions={5: AddFault(lost_heartbeats, role="flappy"), 905: ClearFaults()},
            ),
            lasts=30 * MINUTE,
            expected=(
                Expected(
                    "ReconnectStorm",
                    TICKET,
                    since=5,
                    shows_after=240,
                    until=905,
                    runner="flappy-0",
                ),
            ),
            # Its heartbeats fail, and it says so.
            may=("RunnerFlapping", "RunnerDegraded"),
        ),
        Incident(
            "duplicate-id",
            "a second process is started with the id of a running one",
            _timed("duplicate-id", 24, 900),
            lasts=35 * MINUTE,
            expected=(
                Expected(
                    "DuplicateRunnerId",
                    TICKET,
                    since=24,
                    # Until polls have drifted to where they meet both.
                    shows_after=180,
                    until=900,
                    runner="twin-0",
                ),
            ),
        ),
        Incident(
            "paused-agent",
            "an agent is paused that has work, and its runner spins",
            _timed("paused-agent", 20, 900),
            lasts=25 * MINUTE,
            lead_in=MINUTE,
            # It spins as fast as the machine can, however fast the scenario is played.
            slower=4,
            expected=(
                Expected(
                    "RunnerSpinning",
                    TICKET,
                    since=20,
                    # The rate of five minutes must have climbed to its threshold.
                    shows_after=200,
                    until=900,
                    runner="spinning-0",
                ),
            ),
        ),
        Incident(
            "odd-names",
            "runners with odd ids, one of which can never hear a wake",
            scenario("odd-names"),
            lasts=15 * MINUTE,
            runners=14,
            expected=(
                Expected("RunnerDeaf", TICKET, since=-300, shows_after=_START, runner="lost/100%"),
            ),
        ),
        Incident(
            "odd-diagnostics",
            "runners that say little of themselves, or nonsense",
            scenario("odd-diagnostics"),
            lasts=20 * MINUTE,
            runners=10,
            expected=(
                Expected("RunnerDegraded", TICKET, since=-300, shows_after=_START, runner="mute-0"),
                Expected(
                    "RunnerDegraded", TICKET, since=-300, shows_after=_START, runner="garbled-0"
                ),
            ),
        ),
    )


def _work() -> tuple[Incident, ...]:
    unwritten = Fault(FaultKind.STATUS, route="claim-write", share=0.4)
    return (
        Incident(
            "leaked-claims",
            "a runner crashes at work, is back at once, and claims anew",
            _beside_fleet(
                Role("victim", behaviour=_LONG), actions={30: Restart("victim", graceful=False)}
            ),
            lasts=75 * MINUTE,
            expected=(
                # It claims again within a minute; the median of ten minutes needs half of them.
                Expected("ClaimsLeaking", TICKET, since=30, shows_after=360, runner="victim-0"),
            ),
        ),
        Incident(
            "server-restart",
            "the server restarts and has forgotten its claim tokens: what was worked on leaks",
            _with_usual_timing("server-restart"),
            lasts=80 * MINUTE,
            expected=(
                Expected("ClaimsLeaking", TICKET, since=30, shows_after=600, runner="long-0"),
            ),
            # Whose last claim was forgotten stands still until its runner restarts.
            may=("ClaimStuck", "ClaimsLeaking"),
        ),
        Incident(
            "outage-at-work",
            "the database is away for 55 seconds while all work; some agents stand still after it",
            replace(
                _with_usual_timing("database-outage"),
                roles=(_fleet(replace(_STEADY, every_seconds=5.0)),),
            ),
            lasts=30 * MINUTE,
            expected=(Expected("ClaimStuck", TICKET, since=30, shows_after=900),),
        ),
        Incident(
            "stuck-claim",
            "a runner holds a claim and gives no sign of life for it",
            Scenario(
                "",
                "",
                "",
                "",
                (
                    Role("stuck", behaviour=Workload(1, 20.0, (9_000.0, 9_001.0))),
                    _fleet(_IDLE),
                ),
                (TimelineEvent(60, AddFault(Fault(FaultKind.STATUS, route="callback"))),),
            ),
            lasts=30 * MINUTE,
            expected=(Expected("ClaimStuck", TICKET, since=60, shows_after=900, runner="stuck-0"),),
        ),
        Incident(
            "claim-failures",
            "four claims in ten fail, for twenty minutes",
            replace(
                _with_usual_timing("claim-failures"),
                timeline=(
                    TimelineEvent(20, AddFault(unwritten)),
                    TimelineEvent(1300, ClearFaults()),
                ),
            ),
            lasts=28 * MINUTE,
            lead_in=60,
            expected=(
                Expected("ClaimFailuresHigh", TICKET, since=20, shows_after=450, until=1300),
            ),
        ),
    )


def _servers() -> tuple[Incident, ...]:
    rejected = tuple(
        AddFault(Fault(FaultKind.STATUS, route=route, status=401)) for route in ("list", "health")
    )
    return (
        Incident(
            "server-down",
            "the server is down for a quarter of an hour",
            _beside_fleet(actions={60: ServerDown(), 960: ServerUp()}),
            lasts=35 * MINUTE,
            expected=(Expected("ServerUnreachable", PAGE, since=60, until=960),),
        ),
        Incident(
            "credentials-rejected",
            "the server refuses the exporter's credentials",
            _beside_fleet(actions={60: rejected, 960: ClearFaults()}),
            lasts=30 * MINUTE,
            expected=(Expected("CredentialsRejected", PAGE, since=60, until=960),),
        ),
        Incident(
            "wrong-principal",
            "the fleet is deployed anew under a misspelt principal, and the list is empty",
            replace(
                _idle(scenario("wrong-principal")),
                timeline=(
                    TimelineEvent(30, ChangeOwner("fleet", "service:monitr")),
                    TimelineEvent(1500, ChangeOwner("fleet", "service:monitor")),
                ),
            ),
            lasts=40 * MINUTE,
            expected=(Expected("RunnersVanished", PAGE, since=30, until=1500),),
        ),
        Incident(
            "stale-data",
            "the server lists its runners, and never answers for one",
            _beside_fleet(
                actions={60: AddFault(Fault(FaultKind.HANG, route="health")), 960: ClearFaults()},
            ),
            lasts=30 * MINUTE,
            expected=(Expected("ExporterDataStale", TICKET, since=60, shows_after=45, until=960),),
        ),
    )


def _exporters() -> tuple[Incident, ...]:
    incident = partial(Incident, scenario=_beside_fleet(actions={}))
    return (
        incident(
            "exporter-down",
            "the exporter is down for a quarter of an hour",
            lasts=25 * MINUTE,
            stack_events=(
                StackEvent(60, StackAction.EXPORTER_STOPS),
                StackEvent(960, StackAction.EXPORTER_STARTS),
            ),
            expected=(Expected("ExporterDown", PAGE, since=60, until=960),),
        ),
        incident(
            "replica-down",
            "one of two exporters is down",
            lasts=15 * MINUTE,
            replicas=2,
            stack_events=(StackEvent(60, StackAction.ONE_REPLICA_STOPS),),
            expected=(Expected("ExporterDown", TICKET, since=60),),
        ),
        incident(
            "scrape-job-lost",
            "the exporter's scrape job disappears from Prometheus",
            lasts=25 * MINUTE,
            stack_events=(StackEvent(60, StackAction.SCRAPE_JOB_GOES),),
            # Prometheus goes on seeing what it no longer scrapes for its five minutes of lookback.
            expected=(Expected("ExporterAbsent", PAGE, since=60, shows_after=300),),
        ),
        incident(
            "broken-configuration",
            "the exporter is told to reload a configuration with a fault",
            lasts=30 * MINUTE,
            stack_events=(
                StackEvent(60, StackAction.CONFIG_BREAKS),
                StackEvent(1200, StackAction.CONFIG_MENDS),
            ),
            expected=(Expected("ConfigReloadFailed", TICKET, since=60, until=1200),),
        ),
        incident(
            "too-many-runners",
            "there are more runners than max_runners",
            lasts=15 * MINUTE,
            target={"max_runners": 4},
            expected=(Expected("RunnersSuppressed", TICKET, since=-300, shows_after=_START),),
        ),
    )


def _budgets() -> tuple[Incident, ...]:
    lost = Role("lost", 2, behaviour=_IDLE)
    tickets = tuple(
        Expected("RunnerUnhealthy", TICKET, since=0, shows_after=LEASE, runner=f"lost-{number}")
        for number in range(2)
    )
    unwritten = Fault(FaultKind.STATUS, route="claim-write", share=0.4)
    return (
        Incident(
            "availability-burns-fast",
            "a third of the fleet is gone, for more than half an hour",
            _beside_fleet(lost, actions={0: Kill("lost")}),
            lasts=40 * MINUTE,
            lead_in=35 * MINUTE,
            expected=(
                Expected("AvailabilityBudgetBurn", PAGE, since=0, shows_after=28 * MINUTE),
                *tickets,
            ),
        ),
        Incident(
            "availability-burns-slowly",
            "two of forty runners are gone, for long",
            Scenario("", "", "", "", (lost, _fleet(_IDLE)), (TimelineEvent(0, Kill("lost")),)),
            lasts=45 * MINUTE,
            runners=40,
            lead_in=35 * MINUTE,
            slo_speed=24,
            expected=(
                # After the lease; and the ratio of a day is computed once a minute.
                Expected(
                    "AvailabilityBudgetBurn", TICKET, since=0, shows_after=37 * MINUTE + LEASE
                ),
                *tickets,
            ),
        ),
        Incident(
            "claims-burn-fast",
            "four claims in ten fail, for most of an hour",
            replace(
                _with_usual_timing("claim-failures"),
                timeline=(TimelineEvent(0, AddFault(unwritten)),),
            ),
            lasts=52 * MINUTE,
            lead_in=35 * MINUTE,
            expected=(
                # Who fails waits half a minute, so that a failing fleet claims less than before.
                Expected("ClaimBudgetBurn", PAGE, since=0, shows_after=42 * MINUTE),
                Expected("ClaimFailuresHigh", TICKET, since=0, shows_after=13 * MINUTE),
            ),
        ),
    )
