"""From rows of a server's database to what its HTTP API would answer, field by field.

Times come as seconds since the epoch, cut to the millisecond as the server cuts them, or None.
What a runner sent of itself is foreign input here as it is over HTTP; see `reading`.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final, TypeVar

import msgspec

from electric_agents_exporter.contract.claims import ActiveClaim, ClaimTally
from electric_agents_exporter.contract.health import (
    HealthInputs,
    derive_issues,
    derive_liveness,
    health_status,
)
from electric_agents_exporter.contract.reading import (
    HealthAnswer,
    NotJsonError,
    clean_label,
    decode,
    read_client,
)
from electric_agents_exporter.contract.report import (
    MAX_ID_LENGTH,
    MAX_STREAM_LENGTH,
    NO_ISSUES,
    Claims,
    Client,
    Dispatch,
    ListedRunner,
    Report,
)
from electric_agents_exporter.contract.vocabulary import AdminStatus, ClaimStatus, RunnerKind

Word = TypeVar("Word", bound=StrEnum)

MAX_CLAIMS: Final = 50_000
"""The most claims of a database that are held: each costs a kilobyte while it is read."""

_NO_CLIENT: Final = Client()
_NO_DISPATCH: Final = Dispatch(0.0, 0.0, 0.0)
_TEXTS: Final = (
    "started_at",
    "stream_connected_since",
    "last_error",
    "last_error_at",
    "last_heartbeat_at",
    "last_claim_at",
    "last_dispatch_at",
)
"""Diagnostics that may hold any text or null, as far as the server cares."""


class RunnerRow(msgspec.Struct, frozen=True):
    """A row of `runners`."""

    tenant: str
    id: str
    owner_principal: str
    label: str
    kind: str
    admin_status: str
    wake_stream: str
    created_at: float | None
    updated_at: float | None


class DiagnosticsRow(msgspec.Struct, frozen=True):
    """A row of `runner_runtime_diagnostics`; `diagnostics` is JSON."""

    tenant: str
    runner_id: str
    last_seen_at: float | None
    lease_expires_at: float | None
    wake_stream_offset: str | None
    diagnostics: bytes | None


class ClaimRow(msgspec.Struct, frozen=True, gc=False):
    """A row of `consumer_claims`; `recent` tells whether its lease ends after the watermark."""

    tenant: str
    consumer_id: str
    epoch: int
    runner_id: str | None
    stream_path: str
    status: str
    claimed_at: float | None
    last_heartbeat_at: float | None
    ended_at: float | None
    recent: bool


class DispatchRow(msgspec.Struct, frozen=True):
    """Counts over the rows of `entity_dispatch_state` that name a runner as active."""

    tenant: str
    runner_id: str
    active: int
    outstanding: int
    pending: int


class Held(msgspec.Struct, frozen=True):
    """The active claims of a runner: what they amount to, and some of them; None if not known."""

    claims: Claims
    named: tuple[ActiveClaim, ...] | None


NOTHING_HELD: Final = Held(Claims(0.0, 0), ())
"""What a runner has that is known to have no claim."""

NOT_KNOWN: Final = Held(Claims(), None)
"""What a runner has of which nothing is known."""


class Holdings(msgspec.Struct, frozen=True):
    """What the runners of one tenant hold; `unheld` is what is known of one without a claim."""

    claims: Mapping[str, Held]
    unheld: Held
    dispatch: Mapping[str, Dispatch]


def read_runner(row: RunnerRow, drift: list[str]) -> ListedRunner | None:
    """Read what a list over HTTP would say of a runner; None for an id that is too long."""
    if len(row.id) > MAX_ID_LENGTH:
        drift.append("list.id")
        return None
    return ListedRunner(
        id=row.id,
        owner_principal=row.owner_principal,
        label=clean_label(row.label),
        kind=_word(row.kind, RunnerKind.UNKNOWN, "list.kind", drift),
        admin_status=_word(row.admin_status, AdminStatus.UNKNOWN, "list.admin_status", drift),
        wake_stream=_short(row.wake_stream, "list.wake_stream", drift),
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _short(text: str | None, name: str, drift: list[str]) -> str | None:
    """Keep a text as it stands; one that is too long is drift."""
    if text is None or len(text) <= MAX_STREAM_LENGTH:
        return text
    drift.append(name)
    return None


def _word(text: str, unknown: Word, name: str, drift: list[str]) -> Word:
    """Read a word of a closed set; one that is not in it is drift and reads as `unknown`."""
    member = type(unknown)._value2member_map_.get(text, unknown)
    if member is unknown:
        drift.append(name)
    return member  # type: ignore[return-value]  # the map is typed for any Enum


def read_report(
    runner: ListedRunner, row: DiagnosticsRow | None, holdings: Holdings, now: float
) -> HealthAnswer:
    """Derive the health report of a runner by the server's rules; `now` is the database's clock."""
    drift: list[str] = []
    held = holdings.claims.get(runner.id, holdings.unheld)
    admin_status = runner.admin_status or AdminStatus.UNKNOWN
    last_seen_at = lease_expires_at = offset = client = None
    if row is not None:
        last_seen_at, lease_expires_at = row.last_seen_at, row.lease_expires_at
        offset = _short(row.wake_stream_offset, "runner.wake_stream_offset", drift)
        client = _read_diagnostics(row.diagnostics, drift)
    liveness = derive_liveness(admin_status, lease_expires_at, now)
    said = client or _NO_CLIENT
    issues = derive_issues(
        HealthInputs(
            admin_status=admin_status,
            last_seen_at=last_seen_at,
            lease_expires_at=lease_expires_at,
            diagnostics_present=client is not None,
            stream_connected=said.stream_connected,
            last_heartbeat_ok=said.last_heartbeat_ok,
            reconnect_count=said.reconnect_count,
        ),
        liveness,
    )
    report = Report(
        runner_id=runner.id,
        admin_status=admin_status,
        liveness=liveness,
        health=health_status(issues),
        issues=frozenset(issues) if issues else NO_ISSUES,
        created_at=runner.created_at,
        last_seen_at=last_seen_at,
        lease_expires_at=lease_expires_at,
        client_present=client is not None,
        client=client,
        claims=held.claims,
        dispatch=holdings.dispatch.get(runner.id, _NO_DISPATCH),
        wake_stream_offset=offset,
    )
    return HealthAnswer(report, now, tuple(drift), held.named)


def _read_diagnostics(text: bytes | None, drift: list[str]) -> Client | None:
    """Read what the server would pass on as `client`: nothing where no field of it is valid."""
    if text is None:
        return None
    try:
        values = decode(text)
    except NotJsonError:
        values = None
    if not isinstance(values, dict):
        drift.append("client")
        return None
    client = read_client(values, drift)
    return client if client != _NO_CLIENT or _says_something(values) else None


def _says_something(values: Mapping[str, object]) -> bool:
    """Tell whether any of the fields that we keep nothing of is valid to the server."""
    texts = (values[name] for name in _TEXTS if name in values)
    return any(text is None or isinstance(text, str) for text in texts)


def tally_claims(
    rows: Iterable[ClaimRow],
    dispatch: Mapping[str, Mapping[str, Dispatch]],
    *,
    whole: bool = True,
) -> dict[str, dict[str, Held]]:
    """Add up active claims by tenant and runner; one that no runner holds is nobody's.

    `whole` is False where there are more active claims than these, with older signs of life.
    """
    tallies: dict[str, dict[str, ClaimTally]] = {}
    for row in rows:
        if row.status == ClaimStatus.ACTIVE and row.runner_id is not None:
            runners = tallies.setdefault(row.tenant, {})
            tally = runners.get(row.runner_id)
            if tally is None:
                tally = runners[row.runner_id] = ClaimTally()
            tally.add(row.stream_path, row.claimed_at, row.epoch, row.last_heartbeat_at)
    return {
        tenant: {
            runner_id: _held(tally, dispatch.get(tenant, {}).get(runner_id, _NO_DISPATCH), whole)
            for runner_id, tally in runners.items()
        }
        for tenant, runners in tallies.items()
    }


def _held(tally: ClaimTally, dispatch: Dispatch, whole: bool) -> Held:  # noqa: FBT001  (its own)
    entities = dispatch.entities_with_active_claim
    claims = tally.total(float(tally.count), entities) if whole else tally.newest(entities)
    return Held(claims, tally.named())


def read_dispatch(rows: Iterable[DispatchRow]) -> dict[str, dict[str, Dispatch]]:
    """Give the dispatch counts by tenant and runner."""
    counts: dict[str, dict[str, Dispatch]] = {}
    for row in rows:
        dispatch = Dispatch(float(row.active), float(row.outstanding), float(row.pending))
        counts.setdefault(row.tenant, {})[row.runner_id] = dispatch
    return counts
