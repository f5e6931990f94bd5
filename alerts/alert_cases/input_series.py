"""What an exporter exposes in a test case: a target, its runners, and the exporter itself.

Enums come in full, with their zeros, as the exporter exposes them: a rule that forgets to compare
with 1 sees more than it should.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from alert_cases.promtool import InputSeries, selector
from alert_cases.signals import DAY, Signal, at, ending, failing, missing, switching
from electric_agents_exporter.conditions import Condition
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
LABEL = "Builder"


HERE: Final = {"cluster": "eu-1", "namespace": "agents"}
BESIDE: Final = (
    {"cluster": "eu-2"},
    {"namespace": "others"},
    {"job": "watchers"},
    {"server": "staging"},
    {"instance": "z:9464"},
    {"pod": "z"},
    {"node": "node-z"},
)
"""Each makes an exporter, or a target of it, another one."""
OF_EXPORTERS: Final = frozenset({"instance", "pod", "node"})
"""Labels of which no record and no alert has one."""


@dataclass(frozen=True)
class Runner:
    """One runner; `more` are further families by name and labels, without the prefix.

    Families whose field is None are left out: health, issues, work and wakes are only there where a
    case is about them.

    Attributes:
        conditions: those that hold, or that change; the others are 0.
        last_seen: its last heartbeat, which its age follows.
        at_work: for how many agents it works.
        silent: how long neither it nor its claims have given a sign of life.
        unheard: how many wakes it has not heard.
        waits: how long the oldest of them has waited.
    """

    id: str = RUNNER
    kind: str = "server"
    label: str = LABEL
    conditions: Mapping[str, Signal] = field(default_factory=dict)
    last_seen: Signal = lambda now: now - 12
    registered: Signal = -DAY
    health: str | None = None
    issues: Mapping[str, Signal] | None = None
    at_work: Signal | None = None
    silent: Signal | None = None
    unheard: Signal | None = None
    waits: Signal | None = None
    more: InputSeries = field(default_factory=dict)

    def series(self) -> InputSeries:
        """Give its series, of whom everything is known."""
        prefix = "electric_agents_runner_"
        who = {"server": SERVER, "runner_id": self.id}
        found: dict[str, Signal] = {
            **self._listed(),
            selector(f"{prefix}poll_success", **who): 1,
            selector(f"{prefix}last_seen_timestamp_seconds", **who): self.last_seen,
            selector(f"{prefix}heartbeat_age_seconds", **who): _since(self.last_seen),
        }
        for condition in Condition:
            key = selector(f"{prefix}condition", **who, kind=self.kind, condition=condition)
            found[key] = self.conditions.get(condition, 0.0)
        for health in HealthStatus if self.health else ():
            key = selector(f"{prefix}health_status", **who, status=health)
            found[key] = float(health == self.health)
        for issue in Issue if self.issues is not None else ():
            key = selector(f"{prefix}health_issue", **who, issue=issue)
            found[key] = (self.issues or {}).get(issue, 0.0)
        for name, signal in {
            "entities_with_active_claim": self.at_work,
            "sign_of_life_age_seconds": self.silent,
            "wakes_unheard": self.unheard,
            "wake_oldest_unheard_age_seconds": self.waits,
            **self.more,
        }.items():
            if signal is not None:
                found[_with(f"{prefix}{name}", who)] = signal
        return found

    def not_known(self) -> InputSeries:
        """Give its series, of whom nothing is known but that it is listed."""
        prefix = "electric_agents_runner_"
        who = {"server": SERVER, "runner_id": self.id}
        unknown = selector(f"{prefix}condition", **who, kind=self.kind, condition=Condition.UNKNOWN)
        return {**self._listed(), selector(f"{prefix}poll_success", **who): 0, unknown: 1}

    def _listed(self) -> dict[str, Signal]:
        prefix = "electric_agents_runner_"
        who = {"server": SERVER, "runner_id": self.id}
        return {
            selector(f"{prefix}info", **who, kind=self.kind, label=self.label): 1,
            selector(f"{prefix}registered_timestamp_seconds", **who): self.registered,
        }


@dataclass(frozen=True)
class Fleet:
    """How many runners of a target are in which state, as the fleet's families count them.

    `conditions` are those that hold of some; all runners are of one kind.
    """

    online: Signal = 0
    expired: Signal = 0
    kind: str = "server"
    admin: str = "enabled"
    conditions: Mapping[str, Signal] = field(default_factory=dict)

    def series(self) -> InputSeries:
        """Give its series, and those of other kinds and states, which are 0."""
        kinds = sorted({self.kind, RunnerKind.SERVER, RunnerKind.LOCAL})
        found: dict[str, Signal] = {}
        for kind in kinds:
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
            for condition in Condition:
                count = self.conditions.get(condition, 0.0) if kind == self.kind else 0.0
                found[with_condition(condition, kind)] = count
        return found


def with_condition(condition: str, kind: str = "server") -> str:
    """Give the series of how many runners a condition holds of."""
    family = "electric_agents_runners_with_condition"
    return selector(family, server=SERVER, kind=kind, condition=condition)


def target(up: Signal = 1, *, clock_offset: Signal | None = 0, **more: Signal) -> InputSeries:
    """Give the series that every target has; `more` by name, without the prefix."""
    found: dict[str, Signal] = {selector("electric_agents_server_up", server=SERVER): up}
    if clock_offset is not None:
        found[selector("electric_agents_server_clock_offset_seconds", server=SERVER)] = clock_offset
    return found | {
        selector(f"electric_agents_server_{name}", server=SERVER): signal
        for name, signal in more.items()
    }


def polls(*, lists: Signal = 1, health: Signal = 1, **more: Signal) -> InputSeries:
    """Give how a target's last poll went; `more` are further operations, such as `server`."""
    return {
        selector("electric_agents_server_poll_success", server=SERVER, operation=name): signal
        for name, signal in {"list": lists, "health": health, **more}.items()
    }


def labelled(series: InputSeries, **labels: str) -> InputSeries:
    """Add labels to every series; one that has such a label keeps its own."""
    return {_with(name, labels): signal for name, signal in series.items()}


def relabelled(series: InputSeries, **labels: str) -> InputSeries:
    """Set labels of every series, those of a target on the series of targets alone."""
    found: dict[str, Signal] = {}
    for name, signal in series.items():
        family, _, rest = name.removesuffix("}").partition("{")
        has = dict(part.split("=", 1) for part in rest.split(",") if part)
        of_target = "server" in has
        has |= {
            key: f'"{value}"'
            for key, value in labels.items()
            if of_target or key not in {"server", "tenant"}
        }
        found[f"{family}{{{','.join(f'{key}={value}' for key, value in has.items())}}}"] = signal
    return found


def of_tenant(series: InputSeries, tenant: str = TENANT) -> InputSeries:
    """Make the series of a target those of one of its tenants."""
    return relabelled(series, tenant=tenant)


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
    letter = instance[0]
    common = {
        "job": "electric-agents",
        "instance": instance,
        "pod": letter,
        "node": f"node-{letter}",
    }
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


def beside_replaced(
    series: InputSeries, well: InputSeries, when: float, **other: str
) -> InputSeries:
    """Give an exporter whose place another one took, to which all is well; and one beside it.

    That one differs from the first in one label, and goes on saying what that one said.
    """
    was = scraped(labelled({**target(), **series}, **HERE))
    new = scraped(labelled({**target(), **well}, **HERE), "c:9464")
    return {
        **ended(was, when),
        **{name: switching(None, when, signal) for name, signal in new.items()},
        **relabelled(was, **other),
    }


def without_scrape(series: InputSeries, when: float) -> InputSeries:
    """Give the same series, of which the scrape at one time sees nothing."""
    return {name: missing(signal, when) for name, signal in series.items()}


def with_gaps(series: InputSeries, scrape: float) -> InputSeries:
    """Give the same series, of which one scrape in eight sees nothing."""
    return {name: failing(signal, scrape) for name, signal in series.items()}


def without_events(series: InputSeries) -> InputSeries:
    """Give what another exporter exposes that has seen nothing happen to the same runners."""
    return {
        name: signal if "info{" in name or "_seconds" in name or "poll_success" in name else 0.0
        for name, signal in series.items()
    }


def _since(moment: Signal) -> Signal:
    """Give how long ago a moment is."""

    def age(now: float) -> float | None:
        value = at(moment, now)
        return None if value is None else now - value

    return age


def _with(name: str, labels: Mapping[str, str]) -> str:
    """Add labels to a series that lacks them."""
    family, _, rest = name.removesuffix("}").partition("{")
    has = {part.split("=")[0] for part in rest.split(",") if part}
    added = [f'{key}="{value}"' for key, value in labels.items() if key not in has]
    return f"{family}{{{','.join([*([rest] if rest else []), *added])}}}"
