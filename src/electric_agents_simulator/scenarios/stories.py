"""The stories. Each is short: a cast, and a timeline of minutes.

A number in brackets is that of the item of "Where the status misleads" in the contract.
"""

from electric_agents_simulator.scenarios.model import (
    ALL_KINDS,
    MONITOR,
    Cue,
    Disable,
    Puppet,
    Restart,
    Role,
    Scenario,
    Silent,
    Trouble,
    Workload,
)
from electric_agents_simulator.server.faults import Fault, FaultKind

_STREAMING = {
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
    return (_demo(),)


def _demo() -> Scenario:
    others = ("user:alice", "service:batch", MONITOR)
    brisk = Workload(entities=2, every_seconds=3.0, seconds=(0.5, 2.0))
    return Scenario(
        name="demo",
        title="A bit of everything",
        story="A working fleet of all five kinds and three owners, with one runner in each of the "
        "states that a health report knows, and one that dies at work every half minute.",
        watch="Healthy, degraded and unhealthy runners within ten seconds, claims flowing, "
        "superseded claims growing on the crashing runner.",
        cast=(
            Role("worker", 2, kinds=("server", "cloud-worker"), conduct=brisk),
            Role("maintenance", kinds=("server",), conduct=Workload(entities=0)),
            Role(
                "laptop",
                kinds=("local",),
                conduct=Puppet(says=_STREAMING, every_seconds=None, lease_ms=1_000),
            ),
            Role("deaf", kinds=("sandbox",), conduct=Workload(entities=0), on_stage=False),
            Role("newcomer", kinds=("ci",), conduct=Silent()),
            Role("crashing", kinds=("cloud-worker",), conduct=Workload(2, 2.0, (20.0, 40.0))),
            Role(
                "flappy",
                kinds=("server",),
                conduct=Puppet(says=_STREAMING | {"reconnect_count": 7}),
            ),
            Role("mute", kinds=("ci",), conduct=Puppet(says=None)),
            Role("fleet", None, kinds=ALL_KINDS, owners=others, conduct=brisk),
        ),
        timeline=(
            Cue(0.0, Trouble(Fault(FaultKind.HANG, route="wake"), role="deaf")),
            Cue(0.0, Restart("deaf", graceful=False)),
            Cue(1.0, Disable("maintenance")),
            Cue(8.0, Restart("crashing", graceful=False), every_seconds=30.0),
        ),
    )
