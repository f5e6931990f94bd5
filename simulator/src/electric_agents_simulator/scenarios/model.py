"""What a scenario is made of: roles of runners, and a timeline of actions. Data, no behaviour.

Times are seconds since the scenario began, on its own clock.
"""

from dataclasses import dataclass, field

from electric_agents_simulator.runner.runner import HeartbeatTiming
from electric_agents_simulator.server.faults import DatabaseState, Fault
from electric_agents_simulator.values import Json

MONITOR = "service:monitor"
"""The principal that an exporter would use; it owns the runners unless a role says otherwise."""

ALL_KINDS = ("server", "cloud-worker", "local", "ci", "sandbox")


@dataclass(frozen=True)
class Workload:
    """What a working runner has to do."""

    entities: int = 2
    """How many entities it works for; 0 is none."""
    every_seconds: float = 15.0
    """The mean time between two messages to the same runner."""
    seconds: tuple[float, float] = (1.0, 5.0)
    """The shortest and the longest piece of work."""


@dataclass(frozen=True)
class ScriptedHeartbeats:
    """What a scripted runner says, also what no real runner could say.

    A time in `diagnostics` may be written relative, such as `-40s`: `last_heartbeat_at` is relative
    to each heartbeat, all others to the runner's start.
    """

    diagnostics: Json | None = None
    """None sends none."""
    every_seconds: float | None = 5.0
    """None: one heartbeat, and no more."""
    lease_ms: float = 90_000
    lease_until: str | None = None
    """A fixed end of the lease; it is used instead of `lease_ms`."""


@dataclass(frozen=True)
class NoHeartbeats:
    """The runner registers, and is never heard of again."""


@dataclass(frozen=True)
class Role:
    """Some runners that are alike."""

    name: str
    """The beginning of their ids."""
    count: int | None = 1
    """None: all runners that the other roles leave over."""
    kinds: tuple[str, ...] = ("server",)
    """Given out in turn."""
    owners: tuple[str, ...] = (MONITOR,)
    """Given out in turn."""
    behaviour: Workload | ScriptedHeartbeats | NoHeartbeats = field(default_factory=Workload)
    timing: HeartbeatTiming = field(default_factory=HeartbeatTiming)
    skew_seconds: float = 0.0
    """How far their clock is ahead of the server's."""
    same_id: bool = False
    """All of them use one id."""
    starts_at_once: bool = True
    """Whether they run from the beginning; otherwise an action starts them."""
    ids: tuple[str, ...] = ()
    """Ids of their own, instead of the name and a number."""


@dataclass(frozen=True)
class Start:
    """Runners start: they register, and heartbeat."""

    role: str
    share: float = 1.0
    """Of those that do not run."""
    apart_seconds: float = 0.0


@dataclass(frozen=True)
class Stop:
    """Runners stop gracefully: their heartbeats end at once, work in hand goes on to its end."""

    role: str
    share: float = 1.0
    apart_seconds: float = 0.0


@dataclass(frozen=True)
class Kill:
    """Runners die, whatever they are doing."""

    role: str
    share: float = 1.0


@dataclass(frozen=True)
class Restart:
    """Runners stop and start again, one after the other; a graceful stop waits for the work."""

    role: str
    graceful: bool = True
    apart_seconds: float = 0.0


@dataclass(frozen=True)
class Disable:
    """An operator disables runners."""

    role: str


@dataclass(frozen=True)
class Enable:
    """An operator enables runners."""

    role: str


@dataclass(frozen=True)
class ChangeOwner:
    """Runners are deployed anew with another principal, which then owns them."""

    role: str
    owner: str


@dataclass(frozen=True)
class GiveWork:
    """Every entity of a role gets a message at once."""

    role: str


@dataclass(frozen=True)
class Signal:
    """Every entity of a role gets a signal, such as SIGSTOP."""

    role: str
    signal: str


@dataclass(frozen=True)
class AddFault:
    """A fault is switched on; with a role, one for each of its runners."""

    fault: Fault
    role: str | None = None


@dataclass(frozen=True)
class ClearFaults:
    """All faults but the database's are switched off."""


@dataclass(frozen=True)
class SetDatabase:
    """The server's database fails or is mended."""

    state: DatabaseState


@dataclass(frozen=True)
class ServerDown:
    """The server stops: connections are reset, and then refused."""


@dataclass(frozen=True)
class ServerUp:
    """The server starts again, without its subscriptions and claim tokens."""


Action = (
    Start
    | Stop
    | Kill
    | Restart
    | Disable
    | Enable
    | ChangeOwner
    | GiveWork
    | Signal
    | AddFault
    | ClearFaults
    | SetDatabase
    | ServerDown
    | ServerUp
)


@dataclass(frozen=True)
class TimelineEvent:
    """An action, and when it is taken."""

    at: float
    action: Action
    every_seconds: float | None = None
    """Take it again and again, for ever, so many seconds apart."""


@dataclass(frozen=True)
class Scenario:
    """Some runners, and what happens to them."""

    name: str
    title: str
    description: str
    """What happens."""
    watch: str
    """What a health report, a metric or an alert should make of it."""
    roles: tuple[Role, ...]
    timeline: tuple[TimelineEvent, ...] = ()

    @property
    def principals(self) -> tuple[str, ...]:
        """The owners that a monitor must poll to see every runner; the first is the monitor."""
        owners = [owner for role in self.roles for owner in role.owners]
        return tuple(dict.fromkeys([MONITOR, *owners]))

    @property
    def seconds(self) -> float:
        """When the last event of the timeline comes."""
        return max((event.at for event in self.timeline), default=0.0)
