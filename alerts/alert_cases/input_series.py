"""What an exporter exposes in a test case: a target, its runners, and the exporter itself.

Enums come in full, with their zeros, as the exporter exposes them: a rule that forgets to compare
with 1 sees more than it should.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from alert_cases.promtool import InputSeries, selector
from alert_cases.signals import Signal, ending
from electric_agents_exporter.contract.vocabulary import (
    AdminStatus,
    HealthStatus,
    Issue,
    LivenessStatus,
    RunnerKind,
)

SERVER = "prod"
TENANT = "acme"
RUNNER = "builder-1"


@dataclass(frozen=True)
class Runner:
    """One runner; `more` are further families by name and labels, without the prefix.

    `at_work` is how many agents it works for. Families whose field is None are left out: health and
    issues are only there where a case is about them.
    """

    id: str = RUNNER
    kind: str = "server"
    enabled: Signal = 1
    liveness: str = "online"
    heartbeat_age: Signal = 12
    health: str | None = None
    issues: Mapping[str, Signal] | None = None
    at_work: Signal | None = None
    more: InputSeries = field(default_factory=dict)

    def series(self) -> InputSeries:
        """Give its series."""
        prefix = "electric_agents_runner_"
        who = {"server": SERVER, "runner_id": self.id}
        found: dict[str, Signal] = {
            selector(f"{prefix}info", **who, kind=self.kind, label="Builder"): 1,
            selector(f"{prefix}admin_enabled", **who): self.enabled,
            selector(f"{prefix}heartbeat_age_seconds", **who): self.heartbeat_age,
        }
        for liveness in LivenessStatus:
            key = selector(f"{prefix}liveness_status", **who, status=liveness)
            found[key] = float(liveness == self.liveness)
        for health in HealthStatus if self.health else ():
            key = selector(f"{prefix}health_status", **who, status=health)
            found[key] = float(health == self.health)
        for issue in Issue if self.issues is not None else ():
            key = selector(f"{prefix}health_issue", **who, issue=issue)
            found[key] = (self.issues or {}).get(issue, 0.0)
        if self.at_work is not None:
            found[selector(f"{prefix}entities_with_active_claim", **who)] = self.at_work
        for name, signal in self.more.items():
            found[_with(f"{prefix}{name}", who)] = signal
        return found


@dataclass(frozen=True)
class Fleet:
    """How many runners of a target are in which state, as the fleet's families count them."""

    online: Signal = 0
    expired: Signal = 0
    kind: str = "server"
    admin: str = "enabled"

    def series(self) -> InputSeries:
        """Give its series, and those of other kinds and states, which are 0."""
        found: dict[str, Signal] = {}
        for kind in sorted({self.kind, RunnerKind.SERVER, RunnerKind.LOCAL}):
            for admin in (AdminStatus.ENABLED, AdminStatus.DISABLED):
                for liveness, health, count in (
                    (LivenessStatus.ONLINE, HealthStatus.HEALTHY, self.online),
                    (LivenessStatus.ONLINE, HealthStatus.DEGRADED, 0.0),
                    (LivenessStatus.EXPIRED, HealthStatus.UNHEALTHY, self.expired),
                ):
                    name = selector(
                        "electric_agents_runners",
                        server=SERVER,
                        kind=kind,
                        admin_status=admin,
                        liveness_status=liveness,
                        health_status=health,
                    )
                    found[name] = count if (kind, admin) == (self.kind, self.admin) else 0.0
        return found


def target(up: Signal = 1, *, clock_offset: Signal | None = 0, **more: Signal) -> InputSeries:
    """Give the series that every target has; `more` by name, without the prefix."""
    found: dict[str, Signal] = {selector("electric_agents_server_up", server=SERVER): up}
    if clock_offset is not None:
        found[selector("electric_agents_server_clock_offset_seconds", server=SERVER)] = clock_offset
    return found | {
        selector(f"electric_agents_server_{name}", server=SERVER): signal
        for name, signal in more.items()
    }


def polls(*, lists: Signal = 1, health: Signal = 1) -> InputSeries:
    """Give how a target's last poll went."""
    return {
        selector("electric_agents_server_poll_success", server=SERVER, operation=name): signal
        for name, signal in (("list", lists), ("health", health))
    }


def labelled(series: InputSeries, **labels: str) -> InputSeries:
    """Add labels to every series; one that has such a label keeps its own."""
    return {_with(name, labels): signal for name, signal in series.items()}


def of_tenant(series: InputSeries, tenant: str = TENANT) -> InputSeries:
    """Make the series of a target those of one of its tenants."""
    return {
        _with(name, {"tenant": tenant}) if 'server="' in name else name: signal
        for name, signal in series.items()
    }


def of_shard(series: InputSeries, number: int) -> InputSeries:
    """Make the series those of a sharded exporter; its single runners' carry no shard."""
    return {
        _with(name, {"shard": f"{number}"})
        if 'server="' in name and "runner_id=" not in name
        else name: signal
        for name, signal in series.items()
    }


def scraped(series: InputSeries, instance: str = "a:9464", **labels: str) -> InputSeries:
    """Add the labels of a scrape of one exporter."""
    common = {"job": "electric-agents", "instance": instance, "pod": instance[0]}
    return labelled(series, **common | labels)


def scraped_shards(*shards: InputSeries) -> InputSeries:
    """Give the scrapes of a sharded exporter, shard by shard."""
    return {
        name: signal
        for number, (letter, series) in enumerate(zip("abc", shards, strict=False))
        for name, signal in scraped(of_shard(series, number), f"{letter}:9464").items()
    }


def ended(series: InputSeries, end: float) -> InputSeries:
    """Give the same series, all of which are gone from a time on."""
    return {name: ending(signal, end) for name, signal in series.items()}


def without_events(series: InputSeries) -> InputSeries:
    """Give what another exporter exposes that has seen nothing happen to the same runners."""
    return {
        name: signal if "info{" in name or "_seconds" in name else 0.0
        for name, signal in series.items()
    }


def _with(name: str, labels: Mapping[str, str]) -> str:
    """Add labels to a series that lacks them."""
    family, _, rest = name.removesuffix("}").partition("{")
    has = {part.split("=")[0] for part in rest.split(",") if part}
    added = [f'{key}="{value}"' for key, value in labels.items() if key not in has]
    return f"{family}{{{','.join([*([rest] if rest else []), *added])}}}"
