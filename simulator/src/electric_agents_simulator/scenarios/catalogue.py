"""The scenarios. Each has a few roles and a timeline of some minutes.

"Where the status misleads" is a list in the contract; its items are named as (1), (2) ...
"""

from typing import Any, Final

from electric_agents_simulator.runner.runner import HeartbeatTiming
from electric_agents_simulator.scenarios.model import (
    ALL_KINDS,
    MONITOR,
    AddFault,
    ChangeOwner,
    ClearFaults,
    Disable,
    Enable,
    GiveWork,
    Kill,
    NoHeartbeats,
    Restart,
    Role,
    Scenario,
    ScriptedHeartbeats,
    ServerDown,
    ServerUp,
    SetDatabase,
    Signal,
    Start,
    Stop,
    TimelineEvent,
    Workload,
)
from electric_agents_simulator.server.faults import DatabaseState, Fault, FaultKind

_BRISK: Final = Workload(entities=2, every_seconds=3.0, seconds=(0.5, 2.0))
_STEADY: Final = Workload(entities=2, every_seconds=10.0, seconds=(1.0, 4.0))
_LONG: Final = Workload(entities=2, every_seconds=2.0, seconds=(120.0, 240.0))
_IDLE: Final = Workload(entities=0)
_ON_DEMAND: Final = Workload(entities=2, every_seconds=1e6, seconds=(1.0, 4.0))
"""Work only where an action gives it."""
_SILENCE: Final = Fault(FaultKind.SILENCE, route="wake")
_OFTEN: Final = HeartbeatTiming(heartbeat_seconds=10.0)
_STREAMING: Final[dict[str, Any]] = {
    "status": "streaming",
    "stream_connected": True,
    "last_heartbeat_ok": True,
    "last_claim_result": None,
    "started_at": "-600s",
    "stream_connected_since": "-20s",
    "last_error": None,
    "last_error_at": None,
    "last_heartbeat_at": "-5s",
    "last_claim_at": None,
    "last_dispatch_at": None,
    "reconnect_count": 0,
    "events_received": 0,
    "claims_succeeded": 0,
    "claims_skipped": 0,
    "claims_failed": 0,
}


def all_scenarios() -> tuple[Scenario, ...]:
    """Give all scenarios, the default first."""
    return (_demo(), *_ordinary(), *_runner_troubles(), *_server_troubles(), *_oddities())


def _fleet(behaviour: Workload = _STEADY) -> Role:
    return Role("fleet", None, kinds=("server", "cloud-worker"), behaviour=behaviour, timing=_OFTEN)


def _demo() -> Scenario:
    return Scenario(
        name="demo",
        title="A bit of everything",
        description="A working fleet of all five kinds and three owners, with one runner in each "
        "of the states that a health report knows. One runner dies at work and stays away. A "
        "proxy cuts the wake stream of another, whose heartbeats go on; a third dies at work "
        "every five minutes.",
        watch="Within ten seconds healthy, degraded and unhealthy runners, and claims. Within a "
        "minute and a half the work of `killed-0` is abandoned, and messages have waited for a "
        "minute for `cut-off-0`; the server calls both healthy. Superseded claims of the crashing "
        "runner.",
        roles=(
            Role("worker", 2, kinds=("server", "cloud-worker"), behaviour=_BRISK),
            Role("maintenance", behaviour=_IDLE),
            Role(
                "laptop",
                kinds=("local",),
                behaviour=ScriptedHeartbeats(_STREAMING, every_seconds=None, lease_ms=1_000),
            ),
            Role("cut-off", behaviour=Workload(3, 4.0, (0.5, 2.0))),
            Role("deaf", kinds=("sandbox",), behaviour=_IDLE, starts_at_once=False),
            Role("newcomer", kinds=("ci",), behaviour=NoHeartbeats()),
            Role("crashing", kinds=("cloud-worker",), behaviour=Workload(2, 2.0, (20.0, 40.0))),
            Role("killed", behaviour=Workload(2, 2.0, (20.0, 40.0))),
            Role("flappy", behaviour=ScriptedHeartbeats(_STREAMING | {"reconnect_count": 7})),
            Role("mute", kinds=("ci",), behaviour=ScriptedHeartbeats(diagnostics=None)),
            Role(
                "fleet",
                None,
                kinds=ALL_KINDS,
                owners=("user:alice", "service:batch", MONITOR),
                behaviour=_BRISK,
            ),
        ),
        timeline=(
            TimelineEvent(0.0, AddFault(Fault(FaultKind.HANG, route="wake"), role="deaf")),
            TimelineEvent(0.1, Start("deaf")),
            TimelineEvent(1.0, Disable("maintenance")),
            TimelineEvent(8.0, Kill("killed")),
            TimelineEvent(8.0, Restart("crashing", graceful=False), every_seconds=300.0),
            TimelineEvent(12.0, AddFault(_SILENCE, role="cut-off")),
        ),
    )


def _ordinary() -> tuple[Scenario, ...]:
    return (
        Scenario(
            name="healthy-day",
            title="Nothing happens",
            description="A fleet works.",
            watch="All healthy, claims flowing, no claim for long; nothing may alert.",
            roles=(_fleet(),),
        ),
        Scenario(
            name="maintenance",
            title="Runners are disabled, and enabled again",
            description="An operator disables two runners for a minute and a half. They go on "
            "heart-beating; claims are refused with 409, and nothing repeats those wakes: the "
            "agents concerned wait until their runner is restarted.",
            watch="Unhealthy with `Runner is disabled` (2): planned, so nobody must be paged. "
            "Their failed claims rise, as a refusal for being disabled counts as a failure.",
            roles=(Role("patient", 2, behaviour=_BRISK, timing=_OFTEN), _fleet()),
            timeline=(
                TimelineEvent(20.0, Disable("patient")),
                TimelineEvent(110.0, Enable("patient")),
            ),
        ),
        Scenario(
            name="rolling-restart",
            title="A deployment, one runner after the other",
            description="Each runner stops gracefully and starts again, five seconds apart.",
            watch="A degraded blip of two seconds at every start (3), counts that begin anew (9), "
            "no leaked claim.",
            roles=(_fleet(),),
            timeline=(TimelineEvent(15.0, Restart("fleet", apart_seconds=5.0)),),
        ),
        Scenario(
            name="grow-and-shrink",
            title="The fleet grows and shrinks",
            description="Half as many again start after half a minute; a minute later they stop "
            "for good.",
            watch="Listed runners never get fewer: nothing deletes one. The stopped ones expire "
            "and stay listed for ever, until an exporter calls them retired.",
            roles=(
                Role(
                    "reserve", 4, kinds=("cloud-worker",), behaviour=_STEADY, starts_at_once=False
                ),
                _fleet(),
            ),
            timeline=(
                TimelineEvent(30.0, Start("reserve", share=0.5)),
                TimelineEvent(45.0, Start("reserve")),
                TimelineEvent(90.0, Stop("reserve")),
            ),
        ),
        Scenario(
            name="night",
            title="Laptops are closed, jobs end",
            description="In the evening the local, ci and sandbox runners vanish, most of them "
            "idle, one in the middle of its work; the servers stay.",
            watch="Expired leases that are no news (14), but for the work left behind.",
            roles=(
                Role("laptop", 2, kinds=("local",), behaviour=_IDLE, timing=_OFTEN),
                Role("job", 2, kinds=("ci", "sandbox"), behaviour=_IDLE, timing=_OFTEN),
                Role("night-owl", kinds=("local",), behaviour=_LONG, timing=_OFTEN),
                _fleet(),
            ),
            timeline=(
                TimelineEvent(30.0, Kill("laptop")),
                TimelineEvent(32.0, Stop("job")),
                TimelineEvent(35.0, Kill("night-owl")),
            ),
        ),
    )


def _runner_troubles() -> tuple[Scenario, ...]:
    return (
        Scenario(
            name="killed-at-work",
            title="A runner dies with work in its hands",
            description="A runner is killed in the middle of its claims, and starts again two "
            "minutes later; it claims the same work anew, and the old claims stay.",
            watch="It says streaming, connected, ok for ever (4) while its lease runs out; active "
            "claims of an expired runner are orphaned, and after the restart superseded: a "
            "healthy runner with leaked claims (6).",
            roles=(Role("victim", behaviour=_LONG, timing=_OFTEN), _fleet()),
            timeline=(TimelineEvent(30.0, Kill("victim")), TimelineEvent(150.0, Start("victim"))),
        ),
        Scenario(
            name="deaf",
            title="A runner never connects to its wake stream",
            description="A runner's stream connection hangs from its start on, as those of old "
            "releases may. After three minutes the network is mended, and it is restarted.",
            watch="A live lease and heartbeats without fault, but not connected (8). It never "
            "hears an event: its messages wait on its wake stream.",
            roles=(
                Role("deaf", behaviour=_STEADY, timing=_OFTEN, starts_at_once=False),
                _fleet(),
            ),
            timeline=(
                TimelineEvent(5.0, AddFault(Fault(FaultKind.HANG, route="wake"), role="deaf")),
                TimelineEvent(6.0, Start("deaf")),
                TimelineEvent(180.0, ClearFaults()),
                TimelineEvent(181.0, Restart("deaf")),
            ),
        ),
        Scenario(
            name="cut-off",
            title="A proxy cuts a runner's wake stream, and its messages wait",
            description="Nothing comes through the wake stream of a runner from the twentieth "
            "second on, for four minutes, though the connection stays. Its heartbeats pass.",
            watch="Online, healthy, `stream_connected` throughout: only the tail of its wake "
            "stream tells. The distance to the offset that the runner told grows without bound, "
            "one event for each of its agents, the oldest as old as the cut.",
            roles=(Role("cut-off", behaviour=_STEADY, timing=_OFTEN), _fleet()),
            timeline=(
                TimelineEvent(20.0, AddFault(_SILENCE, role="cut-off")),
                TimelineEvent(260.0, ClearFaults()),
            ),
        ),
        Scenario(
            name="drain",
            title="A runner is stopped, and finishes its work",
            description="A runner is stopped in the middle of long work. Its heartbeats end at "
            "once; its handlers go on for minutes, and so do the heartbeats of their claims. Then "
            "the claims are released, and the process ends.",
            watch="An expired lease beside claims that give signs of life every ten seconds: no "
            "death, and nobody must be paged (14). Afterwards it holds no claim.",
            roles=(Role("draining", behaviour=_LONG, timing=_OFTEN), _fleet()),
            timeline=(TimelineEvent(20.0, Stop("draining")),),
        ),
        Scenario(
            name="killed-idle",
            title="An idle runner dies, and then gets messages",
            description="A runner without work is killed. Ten seconds later its agents get "
            "messages; after four minutes it is started again.",
            watch="No claim, so no orphan, and healthy until its lease runs out: only the events "
            "on its wake stream tell that somebody waits.",
            roles=(Role("absent", behaviour=_ON_DEMAND, timing=_OFTEN), _fleet()),
            timeline=(
                TimelineEvent(20.0, Kill("absent")),
                TimelineEvent(30.0, GiveWork("absent")),
                TimelineEvent(260.0, Start("absent")),
            ),
        ),
        Scenario(
            name="refused-wakes",
            title="Messages come while their runner is disabled",
            description="An operator disables a runner, its agents get messages, and it is enabled "
            "again. Each claim was refused with 409, and no later message makes a new wake. After "
            "four minutes the runner is restarted: it reads its wake stream from the beginning, "
            "and works.",
            watch="Enabled, healthy, streaming, caught up with its wake stream - and its agents "
            "stand still (15). `claims_failed` has risen, and `last_claim_result` is `error`.",
            roles=(Role("refusing", behaviour=_ON_DEMAND, timing=_OFTEN), _fleet()),
            timeline=(
                TimelineEvent(20.0, Disable("refusing")),
                TimelineEvent(25.0, GiveWork("refusing")),
                TimelineEvent(40.0, Enable("refusing")),
                TimelineEvent(60.0, GiveWork("refusing"), every_seconds=30.0),
                TimelineEvent(260.0, Restart("refusing")),
            ),
        ),
        Scenario(
            name="crash-loop",
            title="A runner that crashes every twenty seconds",
            description="It starts, replays its wake stream from the beginning, takes up work, "
            "and dies.",
            watch="`started_at` moves on again and again and counts fall to 0; every replay "
            "inflates events and skipped claims at once (9); claims leak with every crash (6).",
            roles=(
                Role("looper", behaviour=Workload(3, 3.0, (20.0, 60.0)), timing=_OFTEN),
                _fleet(),
            ),
            timeline=(TimelineEvent(20.0, Restart("looper", graceful=False), every_seconds=20.0),),
        ),
        Scenario(
            name="duplicate-id",
            title="Two processes, one id",
            description="A second process is started with the id of a running one; after five "
            "minutes it is stopped.",
            watch="`started_at` alternates and counts flip-flop with every heartbeat (11).",
            roles=(
                Role("twin", behaviour=_STEADY, timing=_OFTEN),
                Role(
                    "double", behaviour=_IDLE, timing=_OFTEN, ids=("twin-0",), starts_at_once=False
                ),
                _fleet(),
            ),
            timeline=(TimelineEvent(24.0, Start("double")), TimelineEvent(320.0, Stop("double"))),
        ),
        Scenario(
            name="clock-skew",
            title="Runners whose clocks are wrong",
            description="One runner's clock is two hours ahead, another's a day behind; a third "
            "says that its lease lasts until the year 2099, and dies.",
            watch="Times of `client` are absurd beside those of `runner`, which are right; the "
            "dead one is online for ever (10).",
            roles=(
                Role("ahead", behaviour=_STEADY, timing=_OFTEN, skew_seconds=7_200.0),
                Role("behind", behaviour=_STEADY, timing=_OFTEN, skew_seconds=-86_400.0),
                Role(
                    "immortal",
                    behaviour=ScriptedHeartbeats(
                        _STREAMING, every_seconds=None, lease_until="2099-01-01T00:00:00.000Z"
                    ),
                ),
                _fleet(),
            ),
        ),
        Scenario(
            name="claim-failures",
            title="Four claims in ten fail",
            description="For four minutes the server answers 40 % of all claims with 500, because "
            "it cannot write them down. Nobody works then, and half a minute later the wake is "
            "repeated.",
            watch="Failed claims beside succeeded ones; all runners healthy throughout.",
            roles=(_fleet(_BRISK),),
            timeline=(
                TimelineEvent(
                    20.0, AddFault(Fault(FaultKind.STATUS, route="claim-write", share=0.4))
                ),
                TimelineEvent(260.0, ClearFaults()),
            ),
        ),
        Scenario(
            name="reconnects",
            title="A proxy cuts one runner's stream, again and again",
            description="Every connection of one runner to its wake stream is reset, for three "
            "minutes.",
            watch="The reconnect count climbs with growing pauses and stays (1): `degraded` for "
            "good, long after all is well.",
            roles=(Role("flappy", behaviour=_IDLE, timing=_OFTEN, starts_at_once=False), _fleet()),
            timeline=(
                TimelineEvent(5.0, AddFault(Fault(FaultKind.RESET, route="wake"), role="flappy")),
                TimelineEvent(6.0, Start("flappy")),
                TimelineEvent(190.0, ClearFaults()),
            ),
        ),
        Scenario(
            name="paused-agent",
            title="An agent is paused, and its runner spins",
            description="An operator pauses the agents of one runner, which have work waiting. "
            "The server wakes the runner, tells it that there is nothing to do, and wakes it "
            "again, 24 times a second, until they may go on.",
            watch="Healthy, no claim and no issue, but events race, and skipped claims twice as "
            "fast (17); outstanding wakes and pending work are said to be 0 (7).",
            roles=(
                # A message would let the agents go on.
                Role("spinning", behaviour=Workload(entities=1, every_seconds=1e6), timing=_OFTEN),
                _fleet(),
            ),
            timeline=(
                TimelineEvent(20.0, Signal("spinning", "SIGSTOP")),
                TimelineEvent(140.0, Signal("spinning", "SIGCONT")),
            ),
        ),
    )


def _server_troubles() -> tuple[Scenario, ...]:
    return (
        Scenario(
            name="database-outage",
            title="The database is away for 55 seconds",
            description="Every request that needs it is answered with 500, heartbeats as well; "
            "each runner resets its stream with every lost one.",
            watch="`/_electric/health` says ok throughout. Afterwards every runner that was there "
            "is degraded for having reconnected, until it is restarted (1, 12).",
            roles=(_fleet(),),
            timeline=(
                TimelineEvent(30.0, SetDatabase(DatabaseState.DOWN)),
                TimelineEvent(85.0, SetDatabase(DatabaseState.UP)),
            ),
        ),
        Scenario(
            name="frozen-database",
            title="The database does not answer",
            description="For a minute nothing that needs it is answered at all; then everything "
            "is.",
            watch="Polls time out, `/_electric/health` says ok (12); leases run out.",
            roles=(_fleet(),),
            timeline=(
                TimelineEvent(30.0, SetDatabase(DatabaseState.FROZEN)),
                TimelineEvent(90.0, SetDatabase(DatabaseState.UP)),
            ),
        ),
        Scenario(
            name="slow-server",
            title="A server that is slow, hangs, fails and lies",
            description="Half a minute each: health reports take three seconds; every fifth is "
            "never answered; every third is 503; connections are reset; answers are cut short; "
            "answers are not JSON.",
            watch="Each trouble under its own reason, and never a runner that is taken for dead.",
            roles=(_fleet(),),
            timeline=(
                TimelineEvent(
                    20.0, AddFault(Fault(FaultKind.LATENCY, route="health", seconds=3.0))
                ),
                TimelineEvent(50.0, ClearFaults()),
                TimelineEvent(50.0, AddFault(Fault(FaultKind.HANG, route="health", share=0.2))),
                TimelineEvent(80.0, ClearFaults()),
                TimelineEvent(80.0, AddFault(Fault(FaultKind.STATUS, route="health", share=0.34))),
                TimelineEvent(110.0, ClearFaults()),
                TimelineEvent(110.0, AddFault(Fault(FaultKind.RESET, route="health", share=0.5))),
                TimelineEvent(140.0, ClearFaults()),
                TimelineEvent(
                    140.0, AddFault(Fault(FaultKind.TRUNCATED, route="health", share=0.5))
                ),
                TimelineEvent(170.0, ClearFaults()),
                TimelineEvent(170.0, AddFault(Fault(FaultKind.NOT_JSON, route="list"))),
                TimelineEvent(200.0, ClearFaults()),
            ),
        ),
        Scenario(
            name="server-restart",
            title="The server restarts",
            description="The server goes down at once, and is up again after 33 seconds, without "
            "its subscriptions and claim tokens: what was being worked on leaks.",
            watch="Connections reset, then refused; runners read expired until their next "
            "heartbeat (12).",
            roles=(
                Role("long", behaviour=_LONG, timing=_OFTEN),
                _fleet(),
            ),
            timeline=(TimelineEvent(30.0, ServerDown()), TimelineEvent(63.0, ServerUp())),
        ),
        Scenario(
            name="mass-expiry",
            title="All runners are gone at once",
            description="The whole fleet dies with work in its hands, and comes back three "
            "minutes later.",
            watch="One cause, so one page: expired leases and orphaned claims all over, and "
            "nothing available; after the return, superseded claims.",
            roles=(_fleet(Workload(2, 2.0, (30.0, 60.0))),),
            timeline=(TimelineEvent(30.0, Kill("fleet")), TimelineEvent(210.0, Start("fleet"))),
        ),
        Scenario(
            name="wrong-principal",
            title="A deployment with a typing error in its principal",
            description="The fleet is deployed anew as `service:monitr`. Registering moves each "
            "runner to that owner; after two minutes the error is mended.",
            watch="The monitor's list is empty, with status 200: blindness looks like an empty "
            "fleet.",
            roles=(_fleet(),),
            timeline=(
                TimelineEvent(30.0, ChangeOwner("fleet", "service:monitr")),
                TimelineEvent(150.0, ChangeOwner("fleet", MONITOR)),
            ),
        ),
        Scenario(
            name="rush",
            title="Everybody gets work at once",
            description="Every half minute all agents get a message at the same moment.",
            watch="Active claims jump and fall; list and health answer more slowly meanwhile (13).",
            roles=(_fleet(),),
            timeline=(TimelineEvent(15.0, GiveWork("fleet"), every_seconds=30.0),),
        ),
    )


def _oddities() -> tuple[Scenario, ...]:
    return (
        Scenario(
            name="odd-diagnostics",
            title="Heartbeats that say little, or nonsense",
            description="One runner sends no diagnostics, one a single word, one only what the "
            "server drops, one fractions and astronomic numbers, one an error text of 200 kB; one "
            "never sends a heartbeat at all.",
            watch="A single word reads as healthy, and what is invalid keeps the old diagnostics "
            "(5). Fields may be missing.",
            roles=(
                Role("mute", behaviour=ScriptedHeartbeats(diagnostics=None)),
                Role("terse", behaviour=ScriptedHeartbeats({"status": "connecting"})),
                Role(
                    "garbled",
                    behaviour=ScriptedHeartbeats({"status": "fine", "reconnect_count": -1}),
                ),
                Role(
                    "astronomic",
                    behaviour=ScriptedHeartbeats(
                        _STREAMING
                        | {"reconnect_count": 2.5, "events_received": 1e21, "claims_skipped": 1e300}
                    ),
                ),
                Role(
                    "verbose",
                    behaviour=ScriptedHeartbeats(_STREAMING | {"last_error": "x" * 200_000}),
                ),
                Role("silent", behaviour=NoHeartbeats()),
                _fleet(),
            ),
        ),
        Scenario(
            name="odd-names",
            title="Ids that are hard to write down",
            description="Runners whose ids hold slashes, spaces, per cent signs, quotes, a line "
            "feed and an emoji, one of 300 characters, and one called `..`.",
            watch="Each has its own report but `..`, whose health is the server's own. Those with "
            "a slash or a per cent sign heartbeat and never hear a wake.",
            roles=(
                Role(
                    "odd",
                    9,
                    ids=(
                        "a/b",
                        "with space",
                        "100%",
                        'say "hi"',
                        "two\nlines",
                        "grüße-🚀",
                        "q?x#y",
                        "l" * 300,
                        "..",
                    ),
                    behaviour=ScriptedHeartbeats(_STREAMING),
                ),
                Role("lost", behaviour=_IDLE, timing=_OFTEN, ids=("lost/100%",)),
                _fleet(),
            ),
        ),
    )
