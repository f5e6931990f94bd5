"""Everything known of one runner, made of a snapshot and of what is kept of it alone."""

from bisect import bisect_right
from collections.abc import Iterator
from operator import attrgetter
from typing import Final

from electric_agents_exporter.contract.report import Client, Report
from electric_agents_exporter.contract.wakes import entity_url
from electric_agents_exporter.fleet.snapshot import (
    EndedPoll,
    FleetSnapshot,
    RunnerDetail,
    RunnerState,
    TargetSnapshot,
)
from electric_agents_exporter.status.runners import (
    count_states,
    every_of,
    look_at,
    runner_row,
    with_past,
)
from electric_agents_exporter.status.states import State
from electric_agents_exporter.status.steps import Links, board_of, next_steps, runbooks_of
from electric_agents_exporter.status.targets import target_row
from electric_agents_exporter.status.timeline import events
from electric_agents_exporter.status.view import (
    ClaimRow,
    PollRow,
    RunnerFacts,
    RunnerStatus,
    TargetRow,
    WakeRow,
)

_MOST_EVENTS: Final = 60
_MOST_WAKES: Final = 100
_NO_CLIENT: Final = Client()


def runner_status(
    snapshot: FleetSnapshot,
    target: TargetSnapshot,
    detail: RunnerDetail,
    *,
    version: str,
    links: Links,
) -> RunnerStatus:
    """Tell of one runner of a target of the snapshot."""
    runner = detail.state
    seen = look_at(runner, target, snapshot.monotonic)
    row = with_past(runner_row(seen, snapshot), runner, target, detail.past, snapshot)
    fresh = runner.report if seen.shown.state is not State.UNKNOWN else None
    now = None if target.clock_offset is None else snapshot.time + target.clock_offset
    return RunnerStatus(
        version=version,
        time=snapshot.time,
        row=row,
        facts=_facts(runner, fresh, retired=detail.retired),
        target=_row_of(target, snapshot.monotonic),
        past_begins=detail.past.begins,
        events=events(runner, detail.past)[:_MOST_EVENTS],
        polls=tuple(_polls(detail)),
        claims=_claims(detail, now) if fresh is not None else None,
        wakes=_wakes(detail, now) if fresh is not None else None,
        wakes_whole=detail.wakes_whole and len(detail.wakes or ()) <= _MOST_WAKES,
        steps=next_steps(runner, seen.shown.state),
        runbooks=runbooks_of(seen.shown.holds, links),
        board=board_of(target.name, runner.listed.id, links),
    )


def _row_of(target: TargetSnapshot, monotonic: float) -> TargetRow:
    mine = list(every_of(target, monotonic))
    return target_row(target, count_states(mine), len(mine))


def _facts(runner: RunnerState, report: Report | None, *, retired: bool) -> RunnerFacts:
    """Give what is told of a runner; nothing of a report that is not fresh."""
    said = Report(runner.listed.id) if report is None else report
    client = said.client or _NO_CLIENT
    listed = runner.listed
    return RunnerFacts(
        principal=runner.principal,
        owner=listed.owner_principal,
        admin_status=said.admin_status or listed.admin_status,
        liveness=said.liveness,
        issues=None if said.issues is None else tuple(sorted(said.issues)),
        client_status=client.status,
        stream_connected=client.stream_connected,
        registered_at=listed.created_at,
        started_at=client.started_at,
        lease_ends_at=said.lease_expires_at,
        wake_stream=listed.wake_stream,
        claims_succeeded=client.claims_succeeded,
        claims_skipped=client.claims_skipped,
        claims_failed=client.claims_failed,
        superseded_claims=said.claims.superseded,
        works_on=said.dispatch.entities_with_active_claim,
        last_success_at=runner.last_success_at,
        answered=runner.poll_success,
        wakes_read=runner.wake_read_success,
        retired=retired,
    )


def _polls(detail: RunnerDetail) -> Iterator[PollRow]:
    """Say of each poll, the newest first, what came of asking after the runner."""
    for poll in reversed(detail.polls):
        yield PollRow(poll.at, poll.seconds, _outcome(poll, detail))


def _outcome(poll: EndedPoll, detail: RunnerDetail) -> str:
    """Tell from the changes, as only those are kept."""
    changes = detail.past.changes
    if any(fault.startswith("no list for") for fault in poll.faults):
        return "; ".join(poll.faults)
    before = bisect_right(changes, poll.at, key=attrgetter("at"))
    if before:
        failure = changes[before - 1].failure
        return "it reported" if failure is None else f"no report: {failure.value}"
    if changes or poll.at < detail.past.begins or detail.state.poll_success is None:
        return "not known"
    return "it reported" if detail.state.poll_success else "no report"


def _claims(detail: RunnerDetail, now: float | None) -> tuple[ClaimRow, ...] | None:
    if detail.claims is None:
        return None
    return tuple(
        ClaimRow(
            entity=claim.entity,
            stream=claim.stream,
            claimed_at=claim.claimed_at,
            claimed_age=_age(claim.claimed_at, now),
            sign_of_life_age=_age(
                claim.claimed_at if claim.heartbeat_at is None else claim.heartbeat_at, now
            ),
        )
        for claim in detail.claims
    )


def _wakes(detail: RunnerDetail, now: float | None) -> tuple[WakeRow, ...] | None:
    if detail.wakes is None:
        return None
    return tuple(
        WakeRow(
            stream=wake.stream,
            entity=entity_url(wake.stream),
            age=_age(wake.at, now),
            at_rest=wake.stream in detail.at_rest,
        )
        for wake in detail.wakes[:_MOST_WAKES]
    )


def _age(at: float | None, now: float | None) -> float | None:
    return None if at is None or now is None else max(0.0, now - at)
