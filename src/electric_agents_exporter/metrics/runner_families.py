"""The families of one runner.

They are written anew as seldom as can be: most with a report that differs (`per_report`), some with
every poll, and three at every scrape, since they move with time alone. A family that is kept when
stale may also be asked for a runner that never reported: its report and diagnostics are empty then.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from electric_agents_exporter.conditions import NOT_KNOWN, Condition, Conditions
from electric_agents_exporter.contract.report import Client, ListedRunner, Report
from electric_agents_exporter.contract.vocabulary import (
    AdminStatus,
    ClaimOutcome,
    ClaimResult,
    ClientStatus,
    HealthStatus,
    Issue,
    LivenessStatus,
    RunnerKind,
)
from electric_agents_exporter.fleet.changes import EventCounts
from electric_agents_exporter.fleet.snapshot import RunnerState
from electric_agents_exporter.metrics.family import (
    PREFIX,
    Family,
    Group,
    Kind,
    Known,
    LabelValues,
    Samples,
    each,
    one_of,
    some_of,
    value,
)

_CACHED: Final = "As of the last heartbeat: a dead runner goes on saying it."
_NO_CLIENT: Final = Client()
_NO_REPORT: Final = Report("")


class ReportSubject(msgspec.Struct, frozen=True, gc=False):
    """What the families of one runner read that change with its reports.

    `client_now` are the diagnostics that describe now, empty unless the runner is online.
    """

    listed: ListedRunner
    report: Report
    client: Client
    client_now: Client
    counts: EventCounts
    conditions: Conditions


def report_subject(runner: RunnerState, *, fresh: bool) -> ReportSubject:
    """Give what the families read of a runner, whose report is fresh or is not."""
    report = runner.report or _NO_REPORT
    client = report.client or _NO_CLIENT
    return ReportSubject(
        listed=runner.listed,
        report=report,
        client=client,
        client_now=client if report.liveness is LivenessStatus.ONLINE else _NO_CLIENT,
        counts=runner.counts,
        conditions=runner.conditions if fresh else NOT_KNOWN,
    )


class PollSubject(msgspec.Struct, frozen=True, gc=False):
    """What the families of one runner read that change between its reports."""

    runner: RunnerState
    monotonic: float
    fresh: bool


ReportFamily = Family[ReportSubject]
PollFamily = Family[PollSubject]


def per_report_families(*, owner_label: bool = False) -> tuple[ReportFamily, ...]:
    """Give what changes with reports; `owner_label` adds the owner, who may be a person."""
    return (
        _info(owner=owner_label),
        *_core(),
        _condition(),
        *_client(),
        *_claims(),
        *_derived(),
    )


def per_poll_families() -> tuple[PollFamily, ...]:
    """Give what changes with every poll."""
    return (
        Family(
            name=f"{PREFIX}runner_poll_success",
            kind=Kind.GAUGE,
            help="1 if the last call for this runner succeeded and is not stale, else 0.",
            samples=value(_poll_success),
            source=("state.poll_success",),
            group=Group.CORE,
            keep_when_stale=True,
        ),
        Family(
            name=f"{PREFIX}runner_last_poll_success_timestamp_seconds",
            kind=Kind.GAUGE,
            help="When a call for this runner last succeeded, by this exporter's clock.",
            samples=value(lambda s: s.runner.last_success_at),
            source=("state.last_success_at",),
            group=Group.CORE,
            keep_when_stale=True,
        ),
        Family(
            name=f"{PREFIX}runner_wake_read_success",
            kind=Kind.GAUGE,
            help="1 if the runner's wake stream could last be read and its offset is one, else 0. "
            "Absent where wakes are not read.",
            samples=value(lambda s: s.runner.wake_read_success),
            source=("state.wake_read_success",),
            group=Group.WAKES,
        ),
        Family(
            name=f"{PREFIX}runner_wakes_unheard",
            kind=Kind.GAUGE,
            help="Entities whose wakes the runner has not heard: events on its wake stream behind "
            "the offset that it last told. Counted up to 256; absent where that is not known.",
            samples=value(lambda s: None if s.runner.lag is None else s.runner.lag.unheard),
            source=("runner.wake_stream_offset", "wakes.events"),
            group=Group.WAKES,
        ),
    )


def per_scrape_families() -> tuple[PollFamily, ...]:
    """Give what moves with time alone."""
    clocks = ("runner.lease_expires_at", "runner.lease_remaining_ms")
    return (
        Family(
            name=f"{PREFIX}runner_heartbeat_age_seconds",
            kind=Kind.GAUGE,
            help="How long ago the server got the last heartbeat: told on the server's clock "
            "alone, plus the time since the poll.",
            samples=value(_heartbeat_age),
            source=("runner.last_seen_at", *clocks),
            group=Group.CORE,
        ),
        Family(
            name=f"{PREFIX}runner_sign_of_life_age_seconds",
            kind=Kind.GAUGE,
            help="How long ago the newest sign of life was: the runner's heartbeat, or that of any "
            "of its active claims. Told as heartbeat_age is. Who drains sends none, and lives.",
            samples=value(_sign_of_life_age),
            source=("runner.last_seen_at", "claims.active", *clocks),
            group=Group.CORE,
        ),
        Family(
            name=f"{PREFIX}runner_wake_oldest_unheard_age_seconds",
            kind=Kind.GAUGE,
            help="How long the oldest wake waits that the runner has not heard, on the server's "
            "clock: somebody's message. 0 when it has heard all; absent where that is not known.",
            samples=value(_unheard_age),
            source=("runner.wake_stream_offset", "wakes.events", *clocks),
            group=Group.WAKES,
        ),
    )


def _heartbeat_age(subject: PollSubject) -> float | None:
    seen = subject.runner.observation
    if seen is None or seen.heartbeat_age is None:
        return None
    return round(seen.heartbeat_age + subject.monotonic - seen.monotonic, 3)


def _sign_of_life_age(subject: PollSubject) -> float | None:
    seen = subject.runner.observation
    if seen is None or seen.sign_of_life_age is None:
        return None
    return round(seen.sign_of_life_age + subject.monotonic - seen.monotonic, 3)


def _unheard_age(subject: PollSubject) -> float | None:
    lag = subject.runner.lag
    age = None if lag is None else lag.age_at(subject.monotonic)
    return None if age is None else round(age, 3)


def _poll_success(subject: PollSubject) -> float | None:
    success = subject.runner.poll_success
    return None if success is None else float(success and subject.fresh)


def _condition() -> ReportFamily:
    def judged(subject: ReportSubject) -> tuple[RunnerKind, Conditions]:
        return subject.listed.kind or RunnerKind.UNKNOWN, subject.conditions

    def samples(state: tuple[RunnerKind, Conditions]) -> Samples:
        kind, conditions = state
        return tuple(
            ((kind.value, condition.value), float(condition in conditions.holds))
            for condition in Condition
            if condition in conditions.known
        )

    return Family(
        name=f"{PREFIX}runner_condition",
        kind=Kind.GAUGE,
        help="What this exporter judges to be true of the runner: 1 for what holds. unknown: no "
        "fresh report, and nothing else is said; a condition that cannot be told is absent.",
        samples=Known(judged, samples),
        labels=("kind", "condition"),
        source=("list.kind", "state.conditions"),
        group=Group.CORE,
        keep_when_stale=True,
    )


def _gauge(
    name: str,
    source: str | tuple[str, ...],
    read: Callable[[ReportSubject], float | None],
    text: str,
    group: Group,
) -> ReportFamily:
    return Family(
        name=f"{PREFIX}runner_{name}",
        kind=Kind.GAUGE,
        help=text,
        samples=value(read),
        source=(source,) if isinstance(source, str) else source,
        group=group,
    )


def _info(*, owner: bool) -> ReportFamily:
    def samples(subject: ReportSubject) -> Samples:
        listed = subject.listed
        labels: LabelValues = (listed.label or "", listed.kind or RunnerKind.UNKNOWN)
        if owner:
            labels = (*labels, listed.owner_principal or "")
        return ((labels, 1.0),)

    return Family(
        name=f"{PREFIX}runner_info",
        kind=Kind.INFO,
        help="What the runner is: always 1, joined for its labels. Source: the list.",
        samples=samples,
        labels=("label", "kind", "owner_principal") if owner else ("label", "kind"),
        source=("list.label", "list.kind", *(("list.owner_principal",) if owner else ())),
        group=Group.CORE,
    )


def _core() -> tuple[ReportFamily, ...]:
    return (
        _gauge(
            "registered_timestamp_seconds",
            "runner.created_at",
            lambda s: s.report.created_at,
            "When the runner was first registered, by the server's database clock.",
            Group.CORE,
        ),
        _gauge(
            "admin_enabled",
            "runner.admin_status",
            lambda s: _enabled(s.report.admin_status),
            "1 if the operator lets the runner work, 0 if it is disabled.",
            Group.CORE,
        ),
        Family(
            name=f"{PREFIX}runner_liveness_status",
            kind=Kind.GAUGE,
            help="What the server concludes from the lease: 1 for the present status, else 0.",
            samples=one_of(LivenessStatus, lambda s: s.report.liveness),
            labels=("status",),
            source=("runner.liveness_status",),
            group=Group.CORE,
        ),
        Family(
            name=f"{PREFIX}runner_health_status",
            kind=Kind.GAUGE,
            help="The server's verdict: 1 for the present status, else 0. "
            "A disabled runner is unhealthy by design.",
            samples=one_of(HealthStatus, lambda s: s.report.health),
            labels=("status",),
            source=("health.status",),
            group=Group.CORE,
        ),
        Family(
            name=f"{PREFIX}runner_health_issue",
            kind=Kind.GAUGE,
            help="1 while the server names the issue. reconnects_high stays until the runner "
            "restarts; other is a text that this exporter does not know.",
            samples=some_of(Issue, lambda s: s.report.issues),
            labels=("issue",),
            source=("health.issues",),
            group=Group.CORE,
        ),
        _gauge(
            "last_seen_timestamp_seconds",
            "runner.last_seen_at",
            lambda s: s.report.last_seen_at,
            "When the server last got a heartbeat, by the server's clock.",
            Group.CORE,
        ),
        _gauge(
            "lease_expires_timestamp_seconds",
            "runner.lease_expires_at",
            lambda s: s.report.lease_expires_at,
            "When the lease ends, by the server's clock. Compare it with the time of the poll, "
            "not with time(): it is moved on between polls.",
            Group.CORE,
        ),
    )


def _client() -> tuple[ReportFamily, ...]:
    def moment(
        name: str, field: str, read: Callable[[ReportSubject], float | None], text: str
    ) -> ReportFamily:
        return _gauge(
            f"client_{name}_timestamp_seconds",
            f"client.{field}",
            read,
            f"{text}, by the runner's own clock. {_CACHED}",
            Group.CLIENT,
        )

    return (
        _gauge(
            "client_diagnostics_present",
            "client",
            lambda s: s.report.client_present,
            "1 if the runner has sent diagnostics of itself, else 0.",
            Group.CLIENT,
        ),
        Family(
            name=f"{PREFIX}runner_client_status",
            kind=Kind.GAUGE,
            help="The state of the runner's own machine: 1 for the present one, else 0. "
            "Shown only while the runner is online.",
            samples=one_of(ClientStatus, lambda s: s.client_now.status),
            labels=("status",),
            source=("client.status",),
            group=Group.CLIENT,
        ),
        moment("start", "started_at", lambda s: s.client.started_at, "When the runner started"),
        _gauge(
            "client_stream_connected",
            "client.stream_connected",
            lambda s: s.client_now.stream_connected,
            "1 if the runner's wake stream is connected, 0 if it is deaf to wakes. "
            "Shown only while the runner is online.",
            Group.CLIENT,
        ),
        _gauge(
            "client_stream_connected_since_timestamp_seconds",
            "client.stream_connected_since",
            lambda s: s.client_now.stream_connected_since,
            "Since when the wake stream is connected, by the runner's own clock. "
            "Shown only while the runner is online.",
            Group.CLIENT,
        ),
        _gauge(
            "client_last_heartbeat_ok",
            "client.last_heartbeat_ok",
            lambda s: s.client_now.last_heartbeat_ok,
            "1 if the runner's last heartbeat but one went well; every start says 0 for about two "
            "seconds. Shown only while the runner is online.",
            Group.CLIENT,
        ),
        moment(
            "last_error",
            "last_error_at",
            lambda s: s.client.last_error_at,
            "When the runner last had an error (its text is never exported)",
        ),
        moment(
            "last_heartbeat",
            "last_heartbeat_at",
            lambda s: s.client.last_heartbeat_at,
            "When the runner last sent a heartbeat that went well",
        ),
        moment(
            "last_claim",
            "last_claim_at",
            lambda s: s.client.last_claim_at,
            "When the runner last tried to claim a wake",
        ),
        moment(
            "last_dispatch",
            "last_dispatch_at",
            lambda s: s.client.last_dispatch_at,
            "When the runner last handed a wake to an agent",
        ),
        Family(
            name=f"{PREFIX}runner_client_last_claim_result",
            kind=Kind.GAUGE,
            help="How the last claim went: 1 for the present result, else 0; none while one is in "
            "flight or before the first. Shown only while the runner is online.",
            samples=one_of(ClaimResult, lambda s: s.client_now.last_claim_result),
            labels=("result",),
            source=("client.last_claim_result",),
            group=Group.CLIENT,
        ),
        _counter(
            "reconnects_total",
            "client.reconnect_count",
            lambda s: s.client.reconnect_count,
            "Reconnects of the wake stream after an error, since the runner started.",
            Group.CLIENT,
        ),
        _counter(
            "events_received_total",
            "client.events_received",
            lambda s: s.client.events_received,
            "Wake events seen, since the runner started. A replayed stream inflates it.",
            Group.CLIENT,
        ),
    )


def _counter(
    name: str,
    source: str,
    read: Callable[[ReportSubject], float | None],
    text: str,
    group: Group,
) -> ReportFamily:
    return Family(
        name=f"{PREFIX}runner_{name}",
        kind=Kind.COUNTER,
        help=text,
        samples=value(read),
        source=(source,),
        group=group,
        created=lambda s: s.client.started_at,
    )


def _claims() -> tuple[ReportFamily, ...]:
    return (
        Family(
            name=f"{PREFIX}runner_claims_total",
            kind=Kind.COUNTER,
            help="Claims by how they ended, since the runner started. no_work is normal: another "
            "was faster, or the stream was busy; a replayed stream inflates it.",
            samples=each(
                ClaimOutcome,
                lambda s: (
                    s.client.claims_succeeded,
                    s.client.claims_skipped,
                    s.client.claims_failed,
                ),
            ),
            labels=("outcome",),
            source=("client.claims_succeeded", "client.claims_skipped", "client.claims_failed"),
            group=Group.CLAIMS,
            created=lambda s: s.client.started_at,
        ),
        _gauge(
            "active_claims",
            "claims.active_count",
            lambda s: s.report.claims.active_count,
            "Claims that the server holds for active. Those of a crash stay for ever.",
            Group.CLAIMS,
        ),
        _gauge(
            "superseded_claims",
            "claims.active",
            lambda s: s.report.claims.superseded,
            "Active claims for whose stream a newer one is active: leaked for certain.",
            Group.CLAIMS,
        ),
        _gauge(
            "oldest_claim_heartbeat_timestamp_seconds",
            ("claims.active", "dispatch.entities_with_active_claim"),
            lambda s: s.report.claims.oldest_heartbeat_at,
            "The oldest sign of life (heartbeat, else claim) of the claims that can be alive, by "
            "the server's clock: the newest of each stream, as many as there are entities worked "
            "on. Absent without any.",
            Group.CLAIMS,
        ),
        _gauge(
            "entities_with_active_claim",
            "dispatch.entities_with_active_claim",
            lambda s: s.report.dispatch.entities_with_active_claim,
            "Entities that the runner works on.",
            Group.CLAIMS,
        ),
        _gauge(
            "entities_with_outstanding_wake",
            "dispatch.entities_with_outstanding_wake",
            lambda s: s.report.dispatch.entities_with_outstanding_wake,
            "Entities with a wake that nobody has claimed. Always 0 on current servers.",
            Group.CLAIMS,
        ),
        _gauge(
            "entities_with_pending_work",
            "dispatch.entities_with_pending_work",
            lambda s: s.report.dispatch.entities_with_pending_work,
            "Entities with work that waits. Always 0 on current servers.",
            Group.CLAIMS,
        ),
    )


def _derived() -> tuple[ReportFamily, ...]:
    def event(name: str, read: Callable[[ReportSubject], float], text: str) -> ReportFamily:
        return Family(
            name=f"{PREFIX}runner_{name}_total",
            kind=Kind.COUNTER,
            help=f"{text} Counted by this exporter between polls, from 0.",
            samples=value(read),
            source=(f"state.counts.{name}",),
            group=Group.DERIVED,
            keep_when_stale=True,
        )

    return (
        event(
            "health_changes",
            lambda s: s.counts.health_changes,
            "Changes of the server's verdict.",
        ),
        event(
            "lease_lapses",
            lambda s: s.counts.lease_lapses,
            "Times that the lease ran out, those between two polls with them.",
        ),
        event(
            "client_restarts",
            lambda s: s.counts.client_restarts,
            "Starts of the runner's process (its started_at moved on).",
        ),
        event(
            "client_identity_conflicts",
            lambda s: s.counts.client_identity_conflicts,
            "Times that started_at moved back: two processes share one runner id.",
        ),
    )


def _enabled(status: AdminStatus | None) -> float | None:
    known = status is not None and status is not AdminStatus.UNKNOWN
    return float(status is AdminStatus.ENABLED) if known else None
