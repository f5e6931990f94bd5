"""What a scenario is made of: roles, and a timeline of what befalls them. Data, no behaviour.

Times are seconds into the story, on the story's clock.
"""

from dataclasses import dataclass, field

from electric_agents_simulator.runner.runner import Pace
from electric_agents_simulator.server.faults import DatabaseState, Fault
from electric_agents_simulator.values import Json

MONITOR = "service:monitor"
"""The principal that a monitoring exporter would use; it owns the runners unless told otherwise."""

ALL_KINDS = ("server", "cloud-worker", "local", "ci", "sandbox")


@dataclass(frozen=True)
class Workload:
    """The work that finds its way to a runner."""

    entities: int = 2
    """How many agents it works for; 0 is none."""
    every_seconds: float = 15.0
    """The mean time between two messages to the same runner."""
    seconds: tuple[float, float] = (1.0, 5.0)
    """The shortest and the longest piece of work."""


@dataclass(frozen=True)
class Puppet:
    """Heartbeats that say what they are told to, whatever a real runner could say.

    Times in `says` that begin with `-` or `+` and end with `s`, such as `-40s`, are written as
    moments: `last_heartbeat_at` relative to each heartbeat, all others to the puppet's start.
    """

    says: Json | None = None
    """The diagnostics; None sends none."""
    every_seconds: float | None = 5.0
    """None: one heartbeat, and then silence."""
    lease_ms: float = 90_000
    lease_until: str | None = None
    """A fixed end of the lease, which wins over `lease_ms`."""


@dataclass(frozen=True)
class Silent:
    """A runner that registers and is never heard of again."""


@dataclass(frozen=True)
class Role:
    """Some runners that are alike."""

    name: str
    """The beginning of their ids."""
    count: int | None = 1
    """None: all that the cast leaves over."""
    kinds: tuple[str, ...] = ("server",)
    """Given out in turn."""
    owners: tuple[str, ...] = (MONITOR,)
    """Given out in turn."""
    conduct: Workload | Puppet | Silent = field(default_factory=Workload)
    """A real pull-wake runner and its work, or something that only looks like one."""
    pace: Pace = field(default_factory=Pace)
    skew_seconds: float = 0.0
    """How far their clock is ahead of the server's."""
    same_id: bool = False
    """All of them use one id."""
    on_stage: bool = True
    """Started when the story begins; otherwise a step starts them."""
    ids: tuple[str, ...] = ()
    """Ids of their own, instead of the name and a number."""


@dataclass(frozen=True)
class Start:
    """Runners start: they register, and heartbeat."""

    role: str
    share: float = 1.0
    """Of those of the role that do not run."""
    apart_seconds: float = 0.0


@dataclass(frozen=True)
class Stop:
    """Runners stop gracefully."""

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
    """Runners stop and start again, one after the other."""

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
class Move:
    """Runners are deployed anew with another principal, and so change hands."""

    role: str
    owner: str


@dataclass(frozen=True)
class Busy:
    """Every runner of a role gets a message for each of its agents, at once."""

    role: str


@dataclass(frozen=True)
class Signal:
    """Every agent of a role gets a signal, such as SIGSTOP."""

    role: str
    signal: str


@dataclass(frozen=True)
class Trouble:
    """A fault on the wire is switched on; with a role, for each of its runners."""

    fault: Fault
    role: str | None = None


@dataclass(frozen=True)
class Calm:
    """All faults on the wire are switched off."""


@dataclass(frozen=True)
class Database:
    """The server's database breaks or is mended."""

    state: DatabaseState


@dataclass(frozen=True)
class ServerDown:
    """The server stops: connections are reset, and then refused."""


@dataclass(frozen=True)
class ServerUp:
    """The server starts again, without its subscriptions and tokens."""


Step = (
    Start
    | Stop
    | Kill
    | Restart
    | Disable
    | Enable
    | Move
    | Busy
    | Signal
    | Trouble
    | Calm
    | Database
    | ServerDown
    | ServerUp
)


@dataclass(frozen=True)
class Cue:
    """A step, and when."""

    at: float
    step: Step
    every_seconds: float | None = None
    """Again and again, for ever, so many seconds apart."""


@dataclass(frozen=True)
class Scenario:
    """A short story about a fleet."""

    name: str
    title: str
    story: str
    """What happens."""
    watch: str
    """What a health report, a metric or an alert should make of it."""
    cast: tuple[Role, ...]
    timeline: tuple[Cue, ...] = ()

    @property
    def principals(self) -> tuple[str, ...]:
        """The owners that a monitor must poll to see it all; the first is always the monitor."""
        owners = [owner for role in self.cast for owner in role.owners]
        return tuple(dict.fromkeys([MONITOR, *owners]))

    @property
    def length(self) -> float:
        """When the last step comes."""
        return max((cue.at for cue in self.timeline), default=0.0)
