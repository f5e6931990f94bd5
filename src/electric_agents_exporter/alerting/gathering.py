"""Looks at targets for an evaluation, and remembers what later ones will need."""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from electric_agents_exporter.alerting.definition import Definitions
from electric_agents_exporter.alerting.evidence import Evidence, Seen
from electric_agents_exporter.alerting.history import History, Spans
from electric_agents_exporter.alerting.states import Moment
from electric_agents_exporter.conditions import Condition
from electric_agents_exporter.contract.vocabulary import RunnerKind
from electric_agents_exporter.fleet.aggregate import aggregate
from electric_agents_exporter.fleet.selection import Pattern
from electric_agents_exporter.fleet.snapshot import RunnerState, TargetSnapshot
from electric_agents_exporter.fleet.target import Target

_LEAKS: Final = "ClaimsLeaking"


class Gathering:
    """The past of every target, and what is seen of its runners.

    Raises:
        ValueError: a pattern of the definitions is none.
    """

    def __init__(self, definitions: Definitions) -> None:
        self._ignored = [Pattern(text) for text in definitions.ignored_runners]
        self._lasting = frozenset(definitions.lasting_kinds)
        self._spans = _spans(definitions)
        self._histories: dict[str, dict[str | None, History]] = {}
        self._heartbeats: dict[str, Mapping[str, float]] = {}

    @property
    def targets(self) -> frozenset[str]:
        """The targets that something is remembered of."""
        return frozenset(self._histories)

    def forget(self, names: Collection[str]) -> None:
        """Forget targets that are polled no more."""
        for name in names:
            self._histories.pop(name, None)
            self._heartbeats.pop(name, None)

    def look(self, target: Target, moment: Moment, configured_at: float) -> tuple[Evidence, ...]:
        """Look at a target, and at each of its tenants."""
        name, database = target.policy.name, target.policy.database
        before = self._histories.get(name, {})
        now: dict[str | None, History] = {}
        parts = []
        for snapshot in target.snapshots(moment.monotonic):
            history = now[snapshot.tenant] = before.get(snapshot.tenant) or History(self._spans)
            history.take(snapshot, aggregate(snapshot, moment.monotonic), moment.monotonic)
            runners = self._seen(snapshot, history, moment, database=database)
            lately = moment.monotonic - snapshot.stale_after - self._spans.memory
            parts.append(
                Evidence(
                    snapshot=snapshot,
                    time=moment.time,
                    monotonic=moment.monotonic,
                    history=history,
                    runners=runners,
                    enabled=tuple(each for each in runners if _is_enabled(each, lately)),
                    sums=history.sums(moment.monotonic),
                    lasting=self._lasting,
                    database=database,
                    configured_at=configured_at,
                )
            )
        self._histories[name] = now
        if database:
            self._heartbeats[name] = _heartbeats(parts)
        return tuple(parts)

    def _seen(
        self, snapshot: TargetSnapshot, history: History, moment: Moment, *, database: bool
    ) -> tuple[Seen, ...]:
        elsewhere = () if database else tuple(self._heartbeats.values())
        return tuple(
            Seen(
                state=runner,
                kind=runner.listed.kind or RunnerKind.UNKNOWN,
                holds=history.holds(runner, snapshot.stale_after, moment.monotonic),
                twice=bool(elsewhere) and _is_told_by(runner, elsewhere),
            )
            for runner in snapshot.runners
            if not self._ignores(runner)
        )

    def _ignores(self, runner: RunnerState) -> bool:
        return any(pattern.matches(runner.listed.label or "") for pattern in self._ignored)


def _is_enabled(seen: Seen, lately: float) -> bool:
    """Tell whether a runner is known not to be disabled, by a report since some moment."""
    observation = seen.state.observation
    return (
        observation is not None
        and observation.monotonic >= lately
        and Condition.DISABLED not in seen.holds
    )


def _heartbeats(parts: Iterable[Evidence]) -> Mapping[str, float]:
    """Give each runner's last heartbeat, seconds since the epoch on the server's clock."""
    return {
        runner.listed.id: runner.report.last_seen_at
        for part in parts
        for runner in part.snapshot.runners
        if runner.report is not None and runner.report.last_seen_at is not None
    }


def _is_told_by(runner: RunnerState, others: Iterable[Mapping[str, float]]) -> bool:
    """Tell whether a database tells of the same runner: its last heartbeat is the very same."""
    last = runner.report.last_seen_at if runner.report else None
    return last is not None and any(other.get(runner.listed.id) == last for other in others)


def _spans(definitions: Definitions) -> Spans:
    """Tell how much of the past the definitions ask for."""
    windows = [
        float(definition.numbers["window"])
        for definition in definitions.alerts
        if "window" in definition.numbers
    ]
    return Spans(
        interval=definitions.interval,
        memory=definitions.memory,
        window=max(windows, default=definitions.memory),
        often=definitions.number("RunnerSpinning", "window"),
        median=definitions.number(_LEAKS, "median"),
        leaks=definitions.number(_LEAKS, "ago") + definitions.number(_LEAKS, "gap"),
    )
