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
    GiveWork,
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
_SETTLED: Final = 20 * MINUTE
"""A lead-in after which nobody was registered lately: such a one takes the place of who goes."""
LEASE: Final = 90.0
"""How long a runner at the usual pace lives on after its last heartbeat."""
STUCK: Final = 300.0
"""How long a claim of a runner that lives may give no sign of life."""
SILENCE: Final = 60.0
"""How long who works may give no sign of life, or a wake may wait to be heard."""
DEADLINE: Final = 150.0
"""Within so long after the last sign of life of a runner at work somebody is paged."""
SEEN: Final = 120.0
"""How long a server counts as watched after an exporter was last seen to."""
STALE: Final = 60.0
"""How old a report may be before nothing is known of its runner."""
_START: Final = 120.0
"""How long exporter and Prometheus may take to start, in a fast scenario's seconds."""

_QUICK: Final = HeartbeatTiming(heartbeat_seconds=10.0)
_STEADY: Final = Workload(entities=2, every_seconds=30.0, seconds=(1.0, 4.0))
_BRISK: Final = Workload(entities=2, every_seconds=3.0, seconds=(0.5, 2.0))
_LONG: Final = Workload(entities=2, every_seconds=2.0, seconds=(120.0, 240.0))
_IDLE: Final = Workload(entities=0)
_ON_DEMAND: Final = Workload(entities=2, every_seconds=1e7, seconds=(1.0, 4.0))
"""Work only where an action gives it."""
_NO_WAKES: Final = Fault(FaultKind.SILENCE, route="wake")
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
    {
        "ClockSkew",
        "ContractDrift",
        "DatabaseUnreachable",
        "PollOverrun",
        "RunnerNeverHeartbeat",
        "Watchdog",
    }
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
            # Messages came while they were disabled, and were dropped: those agents stand still
            # until their runner restarts, and nobody else tells.
            expected=tuple(
                Expected("WorkRefused", TICKET, since=20, shows_after=300, runner=f"patient-{n}")
                for n in range(2)
            ),
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
        # It has work in hand, and its claims say so: nobody must be called, then or when it ends.
        Incident(
            "drain",
            "a runner is stopped, ends its work within ten minutes, and is started again",
            _beside_fleet(
                Role("draining", behaviour=replace(_ON_DEMAND, seconds=(570.0, 600.0))),
                actions={0: GiveWork("draining"), 30: Stop("draining"), 690: Start("draining")},
            ),
            lasts=30 * MINUTE,
        ),
        # Nothing deletes a runner upstream, and pools shrink every evening.
        Incident(
            "pool-scaled-in",
            "a pool of idle cloud-workers shrinks from ten to two",
            _beside_fleet(
                Role("pool", 10, kinds=("cloud-worker",), behaviour=_IDLE),
                actions={60: Stop("pool", share=0.8)},
            ),
            lasts=40 * MINUTE,
            runners=14,
        ),
        # Runners of kind server too, whose place others took; no work waits for the old ones.
        Incident(
            "deployments",
            "three deployments within 25 minutes, each with new ids",
            _beside_fleet(
                *(
                    Role(
                        f"v{n}",
                        4,
                        kinds=("server", "cloud-worker"),
                        behaviour=_IDLE,
                        starts_at_once=n == 1,
                    )
                    for n in range(1, 5)
                ),
                actions={
                    60: Start("v2"),
                    90: Stop("v1"),
                    660: Start("v3"),
                    690: Stop("v2"),
                    1260: Start("v4"),
                    1290: Stop("v3"),
                },
            ),
            lasts=45 * MINUTE,
            runners=22,
        ),
        # Its lease says that it lives, for ever; but nobody waits for it.
        Incident(
            "immortal",
            "an idle runner dies whose lease lasts until 2099; the clocks of two others are off",
            scenario("clock-skew"),
            lasts=20 * MINUTE,
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
        "WorkAbandoned",
        PAGE,
        since=30,
        shows_after=SILENCE,
        until=1200,
        runner="victim-0",
        within=DEADLINE,
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
        # The lease says nothing: neither it nor its claims give a sign of life.
        Incident(
            "immortal-at-work",
            "the same, and its lease lasts for years",
            _beside_fleet(
                Role("victim", behaviour=_LONG, timing=HeartbeatTiming(lease_seconds=1e9)),
                actions={30: Kill("victim"), 1200: Start("victim")},
            ),
            lasts=35 * MINUTE,
            expected=(lost_at_work,),
        ),
        Incident(
            "death-idle",
            "a runner dies that had nothing to do",
            _beside_fleet(
                Role("victim", behaviour=_IDLE), actions={90: Kill("victim"), 1290: Start("victim")}
            ),
            lasts=35 * MINUTE,
            lead_in=_SETTLED,
            # No work waits: by day is soon enough.
            expected=(
                Expected(
                    "RunnerUnhealthy",
                    TICKET,
                    since=90,
                    shows_after=LEASE,
                    until=1290,
                    runner="victim-0",
                ),
            ),
        ),
        Incident(
            "death-then-written-to",
            "an idle runner dies, and then somebody writes to its agents",
            _beside_fleet(
                Role("victim", behaviour=_ON_DEMAND),
                actions={30: Kill("victim"), 60: GiveWork("victim"), 1200: Start("victim")},
            ),
            lasts=35 * MINUTE,
            # Somebody waits from the message on, whether the lease is over or not.
            expected=(
                Expected(
                    "WorkUnheard",
                    PAGE,
                    since=60,
                    shows_after=SILENCE,
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
            # Lids open again. It is its owner's work, and no reason to wake anybody.
            expected=(
                Expected(
                    "WorkAbandoned",
                    TICKET,
                    since=30,
                    shows_after=SILENCE,
                    runner="night-owl-0",
                    transient=True,
                ),
            ),
        ),
        Incident(
            "laptop-written-to",
            "somebody writes to the agents of a laptop that is closed",
            _beside_fleet(
                Role("laptop", kinds=("local",), behaviour=_ON_DEMAND),
                actions={30: Kill("laptop"), 60: GiveWork("laptop")},
            ),
            lasts=20 * MINUTE,
            expected=(
                Expected(
                    "WorkUnheard",
                    TICKET,
                    since=60,
                    shows_after=SILENCE,
                    runner="laptop-0",
                    transient=True,
                ),
            ),
        ),
        Incident(
            "fleet-gone-at-work",
            "all runners die at once, with work in their hands",
            _timed("mass-expiry", 30, 900),
            lasts=35 * MINUTE,
            # One page names those that are meant to stay; it needs no other about the fleet.
            expected=(
                Expected("WorkAbandoned", PAGE, since=30, shows_after=SILENCE, until=900),
                Expected(
                    "WorkAbandoned",
                    TICKET,
                    since=30,
                    shows_after=SILENCE,
                    until=900,
                    transient=True,
                ),
            ),
        ),
        Incident(
            "fleet-gone",
            "all runners die at once, and none of them had work",
            Scenario(
                "",
                "",
                "",
                "",
                (_fleet(_IDLE),),
                (TimelineEvent(30, Kill("fleet")), TimelineEvent(1200, Start("fleet"))),
            ),
            lasts=35 * MINUTE,
            # The next message would find nobody.
            expected=(Expected("FleetUnavailable", PAGE, since=30, shows_after=LEASE, until=1200),),
        ),
        Incident(
            "too-few-runners",
            "half of a pool stops, and the settings expect more",
            _beside_fleet(
                Role("pool", 4, kinds=("cloud-worker",), behaviour=_IDLE),
                actions={60: Stop("pool"), 1200: Start("pool")},
            ),
            lasts=30 * MINUTE,
            runners=8,
            target={"expected_runners": {"min": 6}},
            expected=(Expected("TooFewRunners", PAGE, since=60, shows_after=LEASE, until=1200),),
        ),
        # Servers that idle and are gone are tickets, however many; the budget is of work.
        Incident(
            "servers-gone-idle",
            "two of five servers are gone for good, and nobody writes to them",
            _beside_fleet(
                Role("lost", 2, behaviour=_IDLE),
                actions={60: Kill("lost")},
            ),
            lasts=40 * MINUTE,
            runners=8,
            lead_in=_SETTLED,
            expected=tuple(
                Expected(
                    "RunnerUnhealthy", TICKET, since=60, shows_after=LEASE, runner=f"lost-{number}"
                )
                for number in range(2)
            ),
        ),
    )


def _faulty_runners() -> tuple[Incident, ...]:
    lost_heartbeats = Fault(FaultKind.STATUS, route="heartbeat", share=0.67)
    no_heartbeat = Fault(FaultKind.STATUS, route="heartbeat")
    flapper = Role("flapper", behaviour=ScriptedHeartbeats(_WELL, lease_ms=15_000))
    return (
        # It would not hear a message, and there is none yet.
        Incident(
            "deaf",
            "the wake stream of an idle runner hangs from its start on",
            _beside_fleet(
                Role("deaf", behaviour=_IDLE, starts_at_once=False),
                actions={
                    5: AddFault(Fault(FaultKind.HANG, route="wake"), role="deaf"),
                    6: Start("deaf"),
                    900: ClearFaults(),
                    901: Restart("deaf"),
                },
            ),
            lasts=30 * MINUTE,
            expected=(Expected("RunnerDeaf", TICKET, since=6, until=901, runner="deaf-0"),),
        ),
        # The server calls it healthy throughout. Its own word and its heartbeats are good.
        Incident(
            "deaf-written-to",
            "nothing comes through the wake stream of a healthy runner, and messages pile up",
            _beside_fleet(
                Role("cut-off", behaviour=_STEADY),
                actions={20: AddFault(_NO_WAKES, role="cut-off"), 900: ClearFaults()},
            ),
            lasts=30 * MINUTE,
            # Messages come every half minute or so.
            expected=(
                Expected(
                    "WorkUnheard",
                    PAGE,
                    since=20,
                    shows_after=SILENCE + 120,
                    until=900,
                    runner="cut-off-0",
                ),
            ),
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
                    # Until polls have drifted to where they meet both, twice.
                    shows_after=300,
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
                # The wakes of three ids, with a slash or a per cent sign, can be read by nobody.
                Expected("ExporterDataStale", TICKET, since=-300, shows_after=_START),
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
            # Whose last claim was forgotten stands still until its runner restarts; and so does
            # one whose claim met a server that was down.
            may=("ClaimStuck", "ClaimsLeaking", "WorkRefused"),
        ),
        Incident(
            "outage-at-work",
            "the database is away for 55 seconds while all work; some agents stand still after it",
            replace(
                _with_usual_timing("database-outage"),
                roles=(_fleet(replace(_STEADY, every_seconds=5.0)),),
            ),
            lasts=30 * MINUTE,
            # The outage itself is no sign of anybody's.
            expected=(Expected("ClaimStuck", TICKET, since=30, shows_after=STUCK + 115),),
            # So do those whose claim it refused.
            may=("WorkRefused",),
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
            lasts=20 * MINUTE,
            expected=(
                Expected("ClaimStuck", TICKET, since=60, shows_after=STUCK, runner="stuck-0"),
            ),
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
            # Whose claims failed is told sooner than that it is the server's doing. That this
            # server repeats those wakes nobody can tell over HTTP.
            expected=(
                Expected("ClaimFailuresHigh", TICKET, since=20, shows_after=450, until=1300),
                Expected("WorkRefused", TICKET, since=20, shows_after=60),
            ),
        ),
        Incident(
            "refused-claims",
            "messages come while their runner is disabled for a moment, and are dropped",
            replace(
                scenario("refused-wakes"),
                timeline=(
                    TimelineEvent(20, Disable("refusing")),
                    TimelineEvent(25, GiveWork("refusing")),
                    TimelineEvent(40, Enable("refusing")),
                    TimelineEvent(60, GiveWork("refusing"), every_seconds=30),
                    TimelineEvent(1200, Restart("refusing")),
                ),
            ),
            lasts=30 * MINUTE,
            # It is healthy and hears, and its agents stand still until it restarts.
            expected=(
                Expected(
                    "WorkRefused",
                    TICKET,
                    since=25,
                    shows_after=20,
                    until=1200,
                    runner="refusing-0",
                ),
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
            # Itself it does not answer at once, whatever is still known of its runners.
            expected=(Expected("ServerUnreachable", PAGE, since=60, until=960),),
            # What it cut off stands still after it.
            may=("ClaimStuck", "WorkRefused"),
        ),
        Incident(
            "credentials-rejected",
            "the server refuses the exporter's credentials",
            _beside_fleet(actions={60: rejected, 960: ClearFaults()}),
            lasts=30 * MINUTE,
            expected=(
                Expected("CredentialsRejected", PAGE, since=60, shows_after=STALE, until=960),
            ),
        ),
        Incident(
            "half-unknown",
            "the server does not answer for half of the runners",
            _beside_fleet(
                Role("mute", 4, kinds=("server", "cloud-worker"), behaviour=_STEADY),
                actions={
                    60: AddFault(Fault(FaultKind.STATUS, route="health"), role="mute"),
                    1200: ClearFaults(),
                },
            ),
            lasts=35 * MINUTE,
            runners=8,
            # Blindness is a page once it lasts; that data are old is known sooner, and a ticket.
            expected=(
                Expected("RunnersUnknown", PAGE, since=60, shows_after=STALE, until=1200),
                Expected("ExporterDataStale", TICKET, since=60, shows_after=STALE, until=1200),
            ),
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
            # In the hour after an exporter read its settings these may be the reason.
            lead_in=65 * MINUTE,
            expected=(Expected("RunnersVanished", PAGE, since=30, until=1500),),
        ),
        Incident(
            "stale-data",
            "the server lists its runners, and never answers for one",
            _beside_fleet(
                actions={60: AddFault(Fault(FaultKind.HANG, route="health")), 960: ClearFaults()},
            ),
            lasts=30 * MINUTE,
            # A report that hangs for most of an interval may make its poll last longer than one.
            may=("PollOverrun",),
            # Nothing is known of anybody; that data are old is known sooner, and a ticket.
            expected=(
                Expected("RunnersUnknown", PAGE, since=60, shows_after=STALE, until=960),
                Expected("ExporterDataStale", TICKET, since=60, shows_after=STALE, until=960),
            ),
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
            expected=(Expected("ExporterDown", PAGE, since=60, shows_after=SEEN, until=960),),
        ),
        incident(
            "replica-down",
            "one of two exporters is down",
            lasts=15 * MINUTE,
            replicas=2,
            stack_events=(StackEvent(60, StackAction.ONE_REPLICA_STOPS),),
            # It waits as long as the page would, if there were no other.
            expected=(Expected("ExporterDown", TICKET, since=60, shows_after=SEEN),),
        ),
        incident(
            "exporter-restarting",
            "the exporter ends and starts again, every three minutes",
            lasts=30 * MINUTE,
            stack_events=tuple(
                event
                for at in range(60, 1000, 180)
                for event in (
                    StackEvent(at, StackAction.EXPORTER_STOPS),
                    StackEvent(at + 10, StackAction.EXPORTER_STARTS),
                )
            ),
            # The fourth start is one too many.
            expected=(Expected("ExporterRestarting", TICKET, since=60, shows_after=3 * 180 + 60),),
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
    def now_and_again(role: str | None, cut: float, every: float) -> tuple[TimelineEvent, ...]:
        """Cut wake streams off for a while, again and again; nobody waits for long."""
        return (
            TimelineEvent(0, AddFault(_NO_WAKES, role=role), every_seconds=every),
            TimelineEvent(cut, ClearFaults(), every_seconds=every),
        )

    return (
        # Each time is too short for a page of its own; together they are not.
        Incident(
            "budget-burns-fast",
            "every two minutes all work waits for a minute and a half, for an hour",
            replace(
                _beside_fleet(actions={}),
                roles=(_fleet(_BRISK),),
                timeline=now_and_again(None, 90, 120),
            ),
            lasts=60 * MINUTE,
            lead_in=35 * MINUTE,
            expected=(Expected("WorkBudgetBurn", PAGE, since=0, shows_after=50 * MINUTE),),
            # A handler that was cut short may leave its claim for ever.
            may=("ClaimsLeaking",),
        ),
        Incident(
            "budget-burns-slowly",
            "the same of two of five servers, for hours",
            replace(
                _beside_fleet(Role("cut-off", 2, behaviour=_BRISK), actions={}),
                timeline=now_and_again("cut-off", 90, 120),
            ),
            lasts=65 * MINUTE,
            runners=8,
            lead_in=35 * MINUTE,
            slo_speed=6,
            expected=(Expected("WorkBudgetBurn", TICKET, since=0, shows_after=55 * MINUTE),),
        ),
    )
