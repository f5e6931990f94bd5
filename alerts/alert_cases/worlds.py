"""What the exporter says in a world: a target, its runners, and the exporter itself.

Enums are told in full, with their zeros, as the exporter tells them: rules that forget to compare
with 1 see more than they should.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from alert_cases.promtool import Signal, World, at, series
from electric_agents_exporter.contract.vocabulary import (
    AdminStatus,
    HealthStatus,
    Issue,
    LivenessStatus,
    RunnerKind,
)

SERVER = "prod"
RUNNER = "builder-1"


@dataclass(frozen=True)
class Runner:
    """One runner; `more` are further families by name and labels, without the prefix.

    `at_work` is how many agents it works for. What is None is not told: neither health nor issues
    are, unless a story is about them.
    """

    id: str = RUNNER
    kind: str = "server"
    enabled: Signal = 1
    liveness: str = "online"
    heartbeat_age: Signal = 12
    health: str | None = None
    issues: Mapping[str, Signal] | None = None
    at_work: Signal | None = None
    more: World = field(default_factory=dict)

    def world(self) -> World:
        """Give its series."""
        prefix = "electric_agents_runner_"
        who = {"server": SERVER, "runner_id": self.id}
        told: dict[str, Signal] = {
            series(f"{prefix}info", **who, kind=self.kind, label="Builder"): 1,
            series(f"{prefix}admin_enabled", **who): self.enabled,
            series(f"{prefix}heartbeat_age_seconds", **who): self.heartbeat_age,
        }
        for word in LivenessStatus:
            key = series(f"{prefix}liveness_status", **who, status=word)
            told[key] = float(word == self.liveness)
        for status in HealthStatus if self.health else ():
            key = series(f"{prefix}health_status", **who, status=status)
            told[key] = float(status == self.health)
        for issue in Issue if self.issues is not None else ():
            key = series(f"{prefix}health_issue", **who, issue=issue)
            told[key] = (self.issues or {}).get(issue, 0.0)
        if self.at_work is not None:
            told[series(f"{prefix}entities_with_active_claim", **who)] = self.at_work
        for name, signal in self.more.items():
            told[_with(f"{prefix}{name}", who)] = signal
        return told


@dataclass(frozen=True)
class Fleet:
    """How many runners of a target are in which state, as the aggregates tell it."""

    online: Signal = 0
    expired: Signal = 0
    kind: str = "server"
    admin: str = "enabled"

    def world(self) -> World:
        """Give its series, those of the other kinds and states with them."""
        told: dict[str, Signal] = {}
        for kind in sorted({self.kind, RunnerKind.SERVER, RunnerKind.LOCAL}):
            for admin in (AdminStatus.ENABLED, AdminStatus.DISABLED):
                for liveness, health, count in (
                    (LivenessStatus.ONLINE, HealthStatus.HEALTHY, self.online),
                    (LivenessStatus.ONLINE, HealthStatus.DEGRADED, 0.0),
                    (LivenessStatus.EXPIRED, HealthStatus.UNHEALTHY, self.expired),
                ):
                    name = series(
                        "electric_agents_runners",
                        server=SERVER,
                        kind=kind,
                        admin_status=admin,
                        liveness_status=liveness,
                        health_status=health,
                    )
                    told[name] = count if (kind, admin) == (self.kind, self.admin) else 0.0
        return told


def target(up: Signal = 1, *, clock_offset: Signal | None = 0, **more: Signal) -> World:
    """Give the series of a target that every story has; `more` by name, without the prefix."""
    told: dict[str, Signal] = {series("electric_agents_server_up", server=SERVER): up}
    if clock_offset is not None:
        told[series("electric_agents_server_clock_offset_seconds", server=SERVER)] = clock_offset
    return told | {
        series(f"electric_agents_server_{name}", server=SERVER): signal
        for name, signal in more.items()
    }


def polls(*, lists: Signal = 1, health: Signal = 1) -> World:
    """Give how a target's last poll went."""
    return {
        series("electric_agents_server_poll_success", server=SERVER, endpoint=endpoint): signal
        for endpoint, signal in (("list", lists), ("health", health))
    }


def labelled(world: World, **labels: str) -> World:
    """Give the same world with further labels on every series."""
    return {_with(name, labels): signal for name, signal in world.items()}


def scraped(world: World, instance: str = "a:9464", **labels: str) -> World:
    """Give a world as one exporter's scrape tells it; a job that is named already stays."""
    return {
        _with(
            name, {"job": "electric-agents", "instance": instance, "pod": instance[0]} | labels
        ): signal
        for name, signal in world.items()
    }


def moved(signal: Signal, by: float) -> Signal:
    """Give the same signal, so much later."""
    return lambda now: at(signal, max(now - by, 0.0))


def _with(name: str, labels: Mapping[str, str]) -> str:
    """Add labels to a series that lacks them."""
    family, _, rest = name.removesuffix("}").partition("{")
    has = {part.split("=")[0] for part in rest.split(",") if part}
    added = [f'{key}="{value}"' for key, value in labels.items() if key not in has]
    return f"{family}{{{','.join([*([rest] if rest else []), *added])}}}"
