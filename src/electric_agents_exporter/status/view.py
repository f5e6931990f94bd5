"""What pages show and `/api/v1` answers, as data: the same judgement as everywhere else.

Every `*_at` and `since` is seconds since the epoch on this exporter's clock, every `*_age` and
`*_seconds` a number of seconds. None is what is not known.
"""

from collections.abc import Mapping

import msgspec

from electric_agents_exporter.conditions import Condition
from electric_agents_exporter.contract.vocabulary import (
    AdminStatus,
    ClientStatus,
    HealthStatus,
    Issue,
    LivenessStatus,
    RunnerKind,
)
from electric_agents_exporter.status.states import Severity, State


class Statement(msgspec.Struct, frozen=True):
    """One thing that is so, and how much it matters."""

    severity: Severity
    text: str


class Verdict(msgspec.Struct, frozen=True):
    """What is wrong, in a sentence of statements, the worst first, whose severity it has."""

    severity: Severity
    text: str
    statements: tuple[Statement, ...]


class PrincipalRow(msgspec.Struct, frozen=True):
    """Whose runners are listed, and how many there are; None where no list is fresh."""

    principal: str
    listed: int | None


class TargetRow(msgspec.Struct, frozen=True):
    """One target, or a tenant of it.

    Attributes:
        name: its name in the settings.
        tenant: the tenant, where the target is divided among tenants.
        state: `up`, `partly` (it answers, and not everything of it could be had), `down`, or
            `not polled yet`.
        severity: how much that matters.
        reasons: what went wrong with its last poll, in words.
        since: since when its polls come to that.
        last_success_at: when a poll last went well.
        last_poll_at: when the last poll ended.
        poll_seconds: how long that took.
        principals: whose runners are asked for.
        runners: how many runners have a state; None where no list is fresh.
        states: how many of them are shown in each state.
        retired: how many are retired; None where no list is fresh.
        left_out: how many are not watched on account of a filter, a limit or another shard.
        folded: how many of its runners have no row of their own, as it is down.
    """

    name: str
    tenant: str | None
    state: str
    severity: Severity
    reasons: tuple[str, ...]
    since: float | None
    last_success_at: float | None
    last_poll_at: float | None
    poll_seconds: float | None
    principals: tuple[PrincipalRow, ...]
    runners: int | None
    states: Mapping[State, int]
    retired: int | None
    left_out: int | None
    folded: int


class Span(msgspec.Struct, frozen=True):
    """A part of the last hour in which a runner was shown in one state; None is before that."""

    begins: float
    ends: float
    state: State | None


class RunnerRow(msgspec.Struct, frozen=True):
    """One runner.

    Attributes:
        target: the target that lists it.
        tenant: the tenant, where the target is divided among tenants.
        id: its id, any text.
        label: what people call it.
        kind: what it is for.
        state: the worst that holds of it.
        severity: how much that matters.
        states: all that holds of it, the worst first.
        not_known: which conditions cannot be told of it.
        why: that in words.
        server_says: the server's verdict on it.
        hides: what that verdict is worth.
        since: since when it is in this state.
        since_before: whether it was so before what is remembered begins, at `since`.
        heartbeat_age: how long ago its last heartbeat was.
        sign_of_life_age: the same of it or any of its claims.
        never_heartbeat: whether it is known to have never sent one.
        wakes_waiting: how many entities' wakes it has not heard.
        oldest_wake_age: how long the oldest of these waits.
        claims: how many claims the server holds for active.
        reconnects: how often its process connected anew.
        timeline: its last hour, where it is asked for.
    """

    target: str
    tenant: str | None
    id: str
    label: str | None
    kind: RunnerKind
    state: State
    severity: Severity
    states: tuple[State, ...]
    not_known: tuple[Condition, ...]
    why: str
    server_says: HealthStatus | None
    hides: str
    since: float | None
    since_before: bool
    heartbeat_age: float | None
    sign_of_life_age: float | None
    never_heartbeat: bool
    wakes_waiting: int | None
    oldest_wake_age: float | None
    claims: float | None
    reconnects: float | None
    timeline: tuple[Span, ...] = ()


class AlertRow(msgspec.Struct, frozen=True):
    """An alert of this exporter that is pending or fires."""

    name: str
    severity: str
    state: str
    since: float
    summary: str
    labels: Mapping[str, str]
    runbook_url: str = ""
    dashboard_url: str = ""


class RunnerPage(msgspec.Struct, frozen=True):
    """Some runners: those of one page of all that fit the filters."""

    fitting: int
    page: int
    pages: int
    per_page: int
    rows: tuple[RunnerRow, ...]


class FleetStatus(msgspec.Struct, frozen=True):
    """Everything at a glance.

    Attributes:
        version: of this exporter.
        time: of this answer.
        verdict: what is wrong.
        states: how many runners are in each state; one of which two things hold counts for both.
        runners: how many runners are watched.
        targets: all targets.
        alerts: alerts of this exporter, a hundred at most; None where it sends none.
        more_alerts: how many there are beside.
        page: the runners that were asked for.
    """

    version: str
    time: float
    verdict: Verdict
    states: Mapping[State, int]
    runners: int
    targets: tuple[TargetRow, ...]
    alerts: tuple[AlertRow, ...] | None
    more_alerts: int
    page: RunnerPage


class PollRow(msgspec.Struct, frozen=True):
    """A poll of a runner's target, and what came of asking after the runner."""

    at: float
    seconds: float
    outcome: str


class EventRow(msgspec.Struct, frozen=True):
    """Something that changed."""

    at: float
    text: str


class ClaimRow(msgspec.Struct, frozen=True):
    """A claim that the server holds for active."""

    entity: str | None
    stream: str | None
    claimed_at: float | None
    claimed_age: float | None
    sign_of_life_age: float | None


class WakeRow(msgspec.Struct, frozen=True):
    """A wake that waits; nobody waits for the entity of one at rest."""

    stream: str
    entity: str
    age: float | None
    at_rest: bool


class Step(msgspec.Struct, frozen=True):
    """What to try next: in words, and as a command of a shell."""

    text: str
    command: str = ""


class RunnerFacts(msgspec.Struct, frozen=True):
    """What is told of a runner as it stands."""

    principal: str
    owner: str | None
    admin_status: AdminStatus | None
    liveness: LivenessStatus | None
    issues: tuple[Issue, ...] | None
    client_status: ClientStatus | None
    stream_connected: bool | None
    registered_at: float | None
    started_at: float | None
    lease_ends_at: float | None
    wake_stream: str | None
    claims_succeeded: float | None
    claims_skipped: float | None
    claims_failed: float | None
    superseded_claims: int | None
    works_on: float | None
    last_success_at: float | None
    answered: bool | None
    wakes_read: bool | None
    retired: bool


class RunnerStatus(msgspec.Struct, frozen=True):
    """Everything known of one runner.

    Attributes:
        version: of this exporter.
        time: of this answer.
        row: as among all runners.
        facts: what is told of it as it stands.
        target: the target that lists it.
        past_begins: from when on its past is known.
        events: what changed of it since, the newest first.
        polls: the last polls of its target, the newest first.
        claims: some of its active claims; None where they are not named.
        wakes: some of the wakes that wait for it; None where that is not known.
        wakes_whole: whether these are all.
        steps: what to try next.
        runbooks: links to what to do, by what they are about.
        board: a link to its dashboard.
    """

    version: str
    time: float
    row: RunnerRow
    facts: RunnerFacts
    target: TargetRow
    past_begins: float
    events: tuple[EventRow, ...]
    polls: tuple[PollRow, ...]
    claims: tuple[ClaimRow, ...] | None
    wakes: tuple[WakeRow, ...] | None
    wakes_whole: bool
    steps: tuple[Step, ...]
    runbooks: Mapping[str, str]
    board: str


class RunnerMatches(msgspec.Struct, frozen=True):
    """The runners of an id: several targets may have one each."""

    runners: tuple[RunnerStatus, ...]
