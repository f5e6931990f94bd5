"""The stories. Each is short: a cast, and a timeline of a few minutes.

"Where the status misleads" is a list in the contract; its items are named as (1), (2) ...
"""

from typing import Any, Final

from electric_agents_simulator.runner.runner import Pace
from electric_agents_simulator.scenarios.model import (
    ALL_KINDS,
    MONITOR,
    Busy,
    Calm,
    Cue,
    Database,
    Disable,
    Enable,
    Kill,
    Move,
    Puppet,
    Restart,
    Role,
    Scenario,
    ServerDown,
    ServerUp,
    Signal,
    Silent,
    Start,
    Stop,
    Trouble,
    Workload,
)
from electric_agents_simulator.server.faults import DatabaseState, Fault, FaultKind

_BRISK: Final = Workload(entities=2, every_seconds=3.0, seconds=(0.5, 2.0))
_STEADY: Final = Workload(entities=2, every_seconds=10.0, seconds=(1.0, 4.0))
_LONG: Final = Workload(entities=2, every_seconds=2.0, seconds=(120.0, 240.0))
_IDLE: Final = Workload(entities=0)
_OFTEN: Final = Pace(heartbeat_seconds=10.0)
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


def stories() -> tuple[Scenario, ...]:
    """Give all scenarios, the default first."""
    return (_demo(), *_ordinary(), *_runner_troubles(), *_server_troubles(), *_oddities())


def _fleet(conduct: Workload = _STEADY) -> Role:
    return Role("fleet", None, kinds=("server", "cloud-worker"), conduct=conduct, pace=_OFTEN)


def _demo() -> Scenario:
    return Scenario(
        name="demo",
        title="A bit of everything",
        story="A working fleet of all five kinds and three owners, with one runner in each of the "
        "states that a health report knows, and one that dies at work every five minutes.",
        watch="Healthy, degraded and unhealthy runners within ten seconds, claims flowing, "
        "superseded claims growing on the crashing runner.",
        cast=(
            Role("worker", 2, kinds=("server", "cloud-worker"), conduct=_BRISK),
            Role("maintenance", conduct=_IDLE),
            Role(
                "laptop",
                kinds=("local",),
                conduct=Puppet(_STREAMING, every_seconds=None, lease_ms=1_000),
            ),
            Role("deaf", kinds=("sandbox",), conduct=_IDLE, on_stage=False),
            Role("newcomer", kinds=("ci",), conduct=Silent()),
            Role("crashing", kinds=("cloud-worker",), conduct=Workload(2, 2.0, (20.0, 40.0))),
            Role("flappy", conduct=Puppet(_STREAMING | {"reconnect_count": 7})),
            Role("mute", kinds=("ci",), conduct=Puppet(says=None)),
            Role(
                "fleet",
                None,
                kinds=ALL_KINDS,
                owners=("user:alice", "service:batch", MONITOR),
                conduct=_BRISK,
            ),
        ),
        timeline=(
            Cue(0.0, Trouble(Fault(FaultKind.HANG, route="wake"), role="deaf")),
            Cue(0.1, Start("deaf")),
            Cue(1.0, Disable("maintenance")),
            Cue(8.0, Restart("crashing", graceful=False), every_seconds=300.0),
        ),
    )


def _ordinary() -> tuple[Scenario, ...]:
    return (
        Scenario(
            name="healthy-day",
            title="Nothing happens",
            story="A fleet works.",
            watch="All healthy, claims flowing, no claim for long; nothing may alert.",
            cast=(_fleet(),),
        ),
        Scenario(
            name="maintenance",
            title="Runners are disabled, and enabled again",
            story="An operator disables two runners for a minute and a half. They go on "
            "heart-beating; claims are refused with 409, and nothing repeats those wakes: the "
            "agents concerned wait until their runner is restarted.",
            watch="Unhealthy with `Runner is disabled` (2): planned, so nobody must be paged. "
            "Their failed claims rise, as a refusal for being disabled counts as a failure.",
            cast=(Role("patient", 2, conduct=_BRISK, pace=_OFTEN), _fleet()),
            timeline=(Cue(20.0, Disable("patient")), Cue(110.0, Enable("patient"))),
        ),
        Scenario(
            name="rolling-restart",
            title="A deployment, one runner after the other",
            story="Each runner stops gracefully and starts again, five seconds apart.",
            watch="A degraded blip of two seconds at every start (3), counts that begin anew (9), "
            "no leaked claim.",
            cast=(_fleet(),),
            timeline=(Cue(15.0, Restart("fleet", apart_seconds=5.0)),),
        ),
        Scenario(
            name="grow-and-shrink",
            title="The fleet grows and shrinks",
            story="Half as many again start after half a minute; a minute later they stop for "
            "good.",
            watch="Listed runners never get fewer: nothing deletes one. The stopped ones expire "
            "and stay listed for ever, until an exporter calls them retired.",
            cast=(
                Role("reserve", 4, kinds=("cloud-worker",), conduct=_STEADY, on_stage=False),
                _fleet(),
            ),
            timeline=(
                Cue(30.0, Start("reserve", share=0.5)),
                Cue(45.0, Start("reserve")),
                Cue(90.0, Stop("reserve")),
            ),
        ),
        Scenario(
            name="night",
            title="Laptops are closed, jobs end",
            story="In the evening the local, ci and sandbox runners vanish, most of them idle, one "
            "in the middle of its work; the servers stay.",
            watch="Expired leases that are no news (14), but for the work left behind.",
            cast=(
                Role("laptop", 2, kinds=("local",), conduct=_IDLE, pace=_OFTEN),
                Role("job", 2, kinds=("ci", "sandbox"), conduct=_IDLE, pace=_OFTEN),
                Role("night-owl", kinds=("local",), conduct=_LONG, pace=_OFTEN),
                _fleet(),
            ),
            timeline=(
                Cue(30.0, Kill("laptop")),
                Cue(32.0, Stop("job")),
                Cue(35.0, Kill("night-owl")),
            ),
        ),
    )


def _runner_troubles() -> tuple[Scenario, ...]:
    return (
        Scenario(
            name="killed-at-work",
            title="A runner dies with work in its hands",
            story="A runner is killed in the middle of its claims, and starts again two minutes "
            "later; it claims the same work anew, and the old claims stay.",
            watch="It says streaming, connected, ok for ever (4) while its lease runs out; active "
            "claims of an expired runner are orphaned, and after the restart superseded: a healthy "
            "runner with leaked claims (6).",
            cast=(Role("victim", conduct=_LONG, pace=_OFTEN), _fleet()),
            timeline=(Cue(30.0, Kill("victim")), Cue(150.0, Start("victim"))),
        ),
        Scenario(
            name="deaf",
            title="A runner hears no wake",
            story="A runner's stream connection hangs from its start on, as those of old releases "
            "may. After three minutes the network is mended, and it is restarted.",
            watch="A live lease and heartbeats without fault, but not connected (8), and no event "
            "ever; work for it piles up, visible nowhere (7).",
            cast=(
                Role("deaf", conduct=_STEADY, pace=_OFTEN, on_stage=False),
                _fleet(),
            ),
            timeline=(
                Cue(5.0, Trouble(Fault(FaultKind.HANG, route="wake"), role="deaf")),
                Cue(6.0, Start("deaf")),
                Cue(180.0, Calm()),
                Cue(181.0, Restart("deaf")),
            ),
        ),
        Scenario(
            name="crash-loop",
            title="A runner that crashes every twenty seconds",
            story="It starts, replays its wake stream from the beginning, takes up work, and dies.",
            watch="`started_at` moves on again and again and counts fall to nought; every replay "
            "inflates events and skipped claims at once (9); claims leak with every crash (6).",
            cast=(
                Role("looper", conduct=Workload(3, 3.0, (20.0, 60.0)), pace=_OFTEN),
                _fleet(),
            ),
            timeline=(Cue(20.0, Restart("looper", graceful=False), every_seconds=20.0),),
        ),
        Scenario(
            name="duplicate-id",
            title="Two processes, one id",
            story="A second process is started with the id of a running one; after five minutes "
            "it is stopped.",
            watch="`started_at` alternates and counts flip-flop with every heartbeat (11).",
            cast=(
                Role("twin", conduct=_STEADY, pace=_OFTEN),
                Role("double", conduct=_IDLE, pace=_OFTEN, ids=("twin-0",), on_stage=False),
                _fleet(),
            ),
            timeline=(Cue(24.0, Start("double")), Cue(320.0, Stop("double"))),
        ),
        Scenario(
            name="clock-skew",
            title="Runners whose clocks are wrong",
            story="One runner's clock is two hours ahead, another's a day behind; a third says "
            "that its lease lasts until the year 2099, and dies.",
            watch="Times of `client` are absurd beside those of `runner`, which are right; the "
            "dead one is online for ever (10).",
            cast=(
                Role("ahead", conduct=_STEADY, pace=_OFTEN, skew_seconds=7_200.0),
                Role("behind", conduct=_STEADY, pace=_OFTEN, skew_seconds=-86_400.0),
                Role(
                    "immortal",
                    conduct=Puppet(
                        _STREAMING, every_seconds=None, lease_until="2099-01-01T00:00:00.000Z"
                    ),
                ),
                _fleet(),
            ),
        ),
        Scenario(
            name="claim-failures",
            title="Four claims in ten fail",
            story="For four minutes the server answers 40 % of all claims with 500, because it "
            "cannot write them down. Nobody works then, and half a minute later the wake is "
            "repeated.",
            watch="Failed claims beside succeeded ones; all runners healthy throughout.",
            cast=(_fleet(_BRISK),),
            timeline=(
                Cue(20.0, Trouble(Fault(FaultKind.STATUS, route="claim-write", share=0.4))),
                Cue(260.0, Calm()),
            ),
        ),
        Scenario(
            name="reconnects",
            title="A proxy cuts one runner's stream, again and again",
            story="Every connection of one runner to its wake stream is reset, for three minutes.",
            watch="The reconnect count climbs with growing pauses and stays (1): `degraded` for "
            "good, long after all is well.",
            cast=(Role("flappy", conduct=_IDLE, pace=_OFTEN, on_stage=False), _fleet()),
            timeline=(
                Cue(5.0, Trouble(Fault(FaultKind.RESET, route="wake"), role="flappy")),
                Cue(6.0, Start("flappy")),
                Cue(190.0, Calm()),
            ),
        ),
        Scenario(
            name="paused-agent",
            title="An agent is paused, and its runner spins",
            story="An operator pauses the agents of one runner, which have work waiting. The "
            "server wakes the runner, tells it that there is nothing to do, and wakes it again, "
            "dozens of times a second, until they may go on.",
            watch="Healthy, no claim and no issue, but events and skipped claims race; outstanding "
            "wakes and pending work are said to be 0 (7).",
            cast=(
                # A message would wake the agents up.
                Role("spinning", conduct=Workload(entities=1, every_seconds=1e6), pace=_OFTEN),
                _fleet(),
            ),
            timeline=(
                # The real server takes that long for a claim; so it is what bounds the spin.
                Cue(0.0, Trouble(Fault(FaultKind.LATENCY, route="claim", seconds=0.035))),
                Cue(20.0, Signal("spinning", "SIGSTOP")),
                Cue(140.0, Signal("spinning", "SIGCONT")),
            ),
        ),
    )


def _server_troubles() -> tuple[Scenario, ...]:
    return (
        Scenario(
            name="database-outage",
            title="The database is away for 55 seconds",
            story="Every request that needs it is answered with 500, heartbeats as well; each "
            "runner resets its stream with every lost one.",
            watch="`/_electric/health` says ok throughout. Afterwards every runner that was there "
            "is degraded for having reconnected, until it is restarted (1, 12).",
            cast=(_fleet(),),
            timeline=(
                Cue(30.0, Database(DatabaseState.DOWN)),
                Cue(85.0, Database(DatabaseState.UP)),
            ),
        ),
        Scenario(
            name="frozen-database",
            title="The database does not answer",
            story="For a minute nothing that needs it is answered at all; then everything is.",
            watch="Polls time out, `/_electric/health` says ok (12); leases run out.",
            cast=(_fleet(),),
            timeline=(
                Cue(30.0, Database(DatabaseState.FROZEN)),
                Cue(90.0, Database(DatabaseState.UP)),
            ),
        ),
        Scenario(
            name="slow-server",
            title="A server that is slow, hangs, fails and lies",
            story="Half a minute each: health reports take three seconds; every fifth is never "
            "answered; every third is 503; connections are reset; answers are cut short; answers "
            "are not JSON.",
            watch="Each trouble under its own reason, and never a runner that is taken for dead.",
            cast=(_fleet(),),
            timeline=(
                Cue(20.0, Trouble(Fault(FaultKind.LATENCY, route="health", seconds=3.0))),
                Cue(50.0, Calm()),
                Cue(50.0, Trouble(Fault(FaultKind.HANG, route="health", share=0.2))),
                Cue(80.0, Calm()),
                Cue(80.0, Trouble(Fault(FaultKind.STATUS, route="health", share=0.34))),
                Cue(110.0, Calm()),
                Cue(110.0, Trouble(Fault(FaultKind.RESET, route="health", share=0.5))),
                Cue(140.0, Calm()),
                Cue(140.0, Trouble(Fault(FaultKind.TRUNCATED, route="health", share=0.5))),
                Cue(170.0, Calm()),
                Cue(170.0, Trouble(Fault(FaultKind.NOT_JSON, route="list"))),
                Cue(200.0, Calm()),
            ),
        ),
        Scenario(
            name="server-restart",
            title="The server restarts",
            story="The server goes down at once, and is up again after 33 seconds, without its "
            "subscriptions and claim tokens: what was being worked on leaks.",
            watch="Connections reset, then refused; runners read expired until their next "
            "heartbeat (12).",
            cast=(
                Role("long", conduct=_LONG, pace=_OFTEN),
                _fleet(),
            ),
            timeline=(Cue(30.0, ServerDown()), Cue(63.0, ServerUp())),
        ),
        Scenario(
            name="mass-expiry",
            title="All runners are gone at once",
            story="The whole fleet dies with work in its hands, and comes back three minutes "
            "later.",
            watch="One cause, so one page: expired leases and orphaned claims all over, and "
            "nothing available; after the return, superseded claims.",
            cast=(_fleet(Workload(2, 2.0, (30.0, 60.0))),),
            timeline=(Cue(30.0, Kill("fleet")), Cue(210.0, Start("fleet"))),
        ),
        Scenario(
            name="wrong-principal",
            title="A deployment with a typing error in its principal",
            story="The fleet is deployed anew as `service:monitr`. Registering moves each runner "
            "to that owner; after two minutes the error is mended.",
            watch="The monitor's list is empty, with status 200: blindness looks like an empty "
            "fleet.",
            cast=(_fleet(),),
            timeline=(
                Cue(30.0, Move("fleet", "service:monitr")),
                Cue(150.0, Move("fleet", MONITOR)),
            ),
        ),
        Scenario(
            name="rush",
            title="Everybody gets work at once",
            story="Every half minute all agents get a message at the same moment.",
            watch="Active claims jump and fall; list and health answer more slowly meanwhile (13).",
            cast=(_fleet(),),
            timeline=(Cue(15.0, Busy("fleet"), every_seconds=30.0),),
        ),
    )


def _oddities() -> tuple[Scenario, ...]:
    return (
        Scenario(
            name="odd-diagnostics",
            title="Heartbeats that say little, or nonsense",
            story="One runner sends no diagnostics, one a single word, one only what the server "
            "drops, one fractions and astronomic numbers, one an error text of 200 kB; one never "
            "sends a heartbeat at all.",
            watch="A single word reads as healthy, and what is invalid keeps the old diagnostics "
            "(5). Fields may be missing.",
            cast=(
                Role("mute", conduct=Puppet(says=None)),
                Role("terse", conduct=Puppet({"status": "connecting"})),
                Role("garbled", conduct=Puppet({"status": "fine", "reconnect_count": -1})),
                Role(
                    "astronomic",
                    conduct=Puppet(
                        _STREAMING
                        | {"reconnect_count": 2.5, "events_received": 1e21, "claims_skipped": 1e300}
                    ),
                ),
                Role("verbose", conduct=Puppet(_STREAMING | {"last_error": "x" * 200_000})),
                Role("silent", conduct=Silent()),
                _fleet(),
            ),
        ),
        Scenario(
            name="odd-names",
            title="Ids that are hard to write down",
            story="Runners whose ids hold slashes, spaces, per cent signs, quotes, a line feed and "
            "an emoji, one of 300 characters, and one called `..`.",
            watch="Each has its own report but `..`, whose health is the server's own. Those with "
            "a slash or a per cent sign heartbeat and never hear a wake.",
            cast=(
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
                    conduct=Puppet(_STREAMING),
                ),
                Role("lost", conduct=_IDLE, pace=_OFTEN, ids=("lost/100%",)),
                _fleet(),
            ),
        ),
    )
