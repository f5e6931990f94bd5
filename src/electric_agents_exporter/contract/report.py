"""What a server said of one runner, reduced to what is worth keeping.

`None` always means "not known": the server said null, left the field out or wrote rubbish. Times
are seconds since the epoch. Fields of `Client` are on the runner's clock, the others on the
server's. Nothing here holds free text but ids, labels and principals: error texts are unbounded.
"""

from typing import Final

import msgspec

from electric_agents_exporter.contract.vocabulary import (
    AdminStatus,
    ClaimResult,
    ClientStatus,
    HealthStatus,
    Issue,
    LivenessStatus,
    RunnerKind,
)

MAX_ID_LENGTH: Final = 1024
"""Characters of the longest runner id that we keep: an id stands in some sixty series."""


MAX_LISTED: Final = 75_000
"""The most runners of one list that we hold where no more are meant to be watched."""


MAX_STREAM_LENGTH: Final = 4096
"""Characters of the longest path of a wake stream, and of the longest offset, that we keep."""


NO_ISSUES: Final[frozenset[Issue]] = frozenset()
"""The issues of nearly every runner; one object for all of them."""


class ListedRunner(msgspec.Struct, frozen=True, gc=False):
    """One item of `GET /_electric/runners`; `wake_stream` is the path of the runner's wakes."""

    id: str
    owner_principal: str | None = None
    label: str | None = None
    kind: RunnerKind | None = None
    admin_status: AdminStatus | None = None
    wake_stream: str | None = None
    created_at: float | None = None
    updated_at: float | None = None


class Client(msgspec.Struct, frozen=True, gc=False):
    """The diagnostics that a runner sends of itself with a heartbeat (`client`)."""

    status: ClientStatus | None = None
    started_at: float | None = None
    stream_connected: bool | None = None
    stream_connected_since: float | None = None
    last_error_at: float | None = None
    last_heartbeat_at: float | None = None
    last_heartbeat_ok: bool | None = None
    last_claim_at: float | None = None
    last_claim_result: ClaimResult | None = None
    last_dispatch_at: float | None = None
    reconnect_count: float | None = None
    events_received: float | None = None
    claims_succeeded: float | None = None
    claims_skipped: float | None = None
    claims_failed: float | None = None


class Claims(msgspec.Struct, frozen=True, gc=False):
    """The claims that the server holds for active (`claims`).

    Rows are never removed after a crash, so `superseded` counts those for whose stream a newer
    claim is active, which are leaked for certain; `oldest_heartbeat_at` is the oldest sign of life
    of the claims that can be alive: the newest of each stream, and of these no more than there are
    entities that the runner works on. `newest_heartbeat_at` is the newest sign of life of any.
    """

    active_count: float | None = None
    superseded: int | None = None
    oldest_heartbeat_at: float | None = None
    newest_heartbeat_at: float | None = None


class Dispatch(msgspec.Struct, frozen=True, gc=False):
    """How many entities wait for or run on the runner (`dispatch`)."""

    entities_with_active_claim: float | None = None
    entities_with_outstanding_wake: float | None = None
    entities_with_pending_work: float | None = None


class Report(msgspec.Struct, frozen=True, gc=False):
    """One health report. Two reports are equal when nothing worth exporting differs.

    `wake_stream_offset` is how far the runner says to have heard its wake stream: text that nobody
    checked.
    """

    runner_id: str
    admin_status: AdminStatus | None = None
    liveness: LivenessStatus | None = None
    health: HealthStatus | None = None
    issues: frozenset[Issue] | None = None
    created_at: float | None = None
    last_seen_at: float | None = None
    lease_expires_at: float | None = None
    client_present: bool | None = None
    client: Client | None = None
    claims: Claims = Claims()
    dispatch: Dispatch = Dispatch()
    wake_stream_offset: str | None = None
