"""Targets and runners as they stand in a snapshot, made by hand: what was never polled."""

from collections.abc import Mapping

from msgspec.structs import replace

from electric_agents_exporter.conditions import Condition, Conditions
from electric_agents_exporter.contract.report import (
    Claims,
    Client,
    Dispatch,
    ListedRunner,
    Report,
)
from electric_agents_exporter.contract.vocabulary import AdminStatus, Issue, RunnerKind
from electric_agents_exporter.fleet.reasons import Operation, Reason
from electric_agents_exporter.fleet.snapshot import (
    FleetCounters,
    Observation,
    RequestCounters,
    RunnerState,
    TargetSnapshot,
    WakeLag,
)

MONOTONIC = 5_000.0
"""When snapshots are looked at, on the exporter's clock."""

STALE_AFTER = 60.0

_EVERYTHING = frozenset(Condition) - {Condition.UNKNOWN}


def judged_runner(  # noqa: PLR0913  (what is known of a runner)
    runner_id: str = "builder-1",
    *,
    kind: RunnerKind = RunnerKind.SERVER,
    label: str = "Builder",
    owner: str | None = None,
    holds: frozenset[Condition] = frozenset(),
    issues: frozenset[Issue] = frozenset(),
    at_work: float | None = None,
    ages: tuple[float | None, float | None] = (None, None),
    lag: tuple[int, float | None] | None = None,
    age: float = 0.0,
) -> RunnerState:
    """Make a runner with a report that is `age` seconds old.

    `ages` are those of its heartbeat and of its sign of life by then, `lag` how many entities it
    has not heard and how long the oldest waits.
    """
    then = MONOTONIC - age
    return RunnerState(
        listed=ListedRunner(runner_id, owner_principal=owner, label=label, kind=kind),
        principal="all",
        report=Report(
            runner_id,
            admin_status=AdminStatus.ENABLED,
            issues=issues,
            client_present=True,
            client=Client(),
            claims=Claims(),
            dispatch=Dispatch(entities_with_active_claim=at_work),
        ),
        observation=Observation(then, *ages),
        lag=None if lag is None else WakeLag(then, *lag),
        conditions=Conditions(holds, _EVERYTHING),
        poll_success=True,
    )


def unreported(runner: RunnerState) -> RunnerState:
    """Make it one of whom there was no report yet."""
    return replace(runner, report=None, observation=None, lag=None)


def judged_target(
    *runners: RunnerState,
    name: str = "prod",
    tenant: str | None = None,
    shard: int | None = None,
    errors: Mapping[tuple[Operation, Reason], int] | None = None,
) -> TargetSnapshot:
    """Make a target with these runners."""
    return TargetSnapshot(
        name=name,
        tenant=tenant,
        shard=shard,
        interval=15.0,
        stale_after=STALE_AFTER,
        up=True,
        poll_success={},
        last_poll_at=None,
        last_success_at=None,
        last_duration=None,
        clock_offset=None,
        credential_changed_at=None,
        certificate_ends_at=None,
        expected_min=None,
        listed={"all": len(runners)},
        suppressed={},
        runners=runners,
        fleet=FleetCounters({}, {}, {}, {}, 0, 0, 0, 0),
        requests=RequestCounters({}, dict(errors or {}), {}, {}),
    )
