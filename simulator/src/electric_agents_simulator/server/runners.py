"""The routes of runners: register, list, get, heartbeat, enable, disable, health.

Source: `runners-router.ts`. Every route but register and list first looks the runner up (404)
and then asks whether the caller owns it (403).
"""

from datetime import datetime
from typing import Final

from starlette.responses import Response

from electric_agents_exporter.contract.health import HealthInputs, derive_health, derive_liveness
from electric_agents_exporter.contract.principals import Principal, PrincipalError, parse_url
from electric_agents_exporter.contract.vocabulary import AdminStatus
from electric_agents_simulator import values
from electric_agents_simulator.server import bodies
from electric_agents_simulator.server.dates import parse_date
from electric_agents_simulator.server.diagnostics import sanitise
from electric_agents_simulator.server.http import ApiError, Call, json_answer
from electric_agents_simulator.server.system import System
from electric_agents_simulator.storage.records import (
    Claim,
    Heartbeat,
    LastHeartbeat,
    Registration,
    Runner,
)
from electric_agents_simulator.values import Json

_DEFAULT_LEASE_MS: Final = 30_000
_PROFILE_KEYS: Final = ("name", "label", "remote", "description")  # in the order of a jsonb


async def register(system: System, call: Call) -> Response:
    """`POST /_electric/runners`: create a runner, or overwrite one of the same id."""
    body = bodies.read_object(call.body, bodies.REGISTRATION)
    owner = call.principal
    if body.get("owner_principal") == "":
        raise ApiError(
            400,
            "INVALID_REQUEST",
            "owner_principal is required when no authenticated principal is present",
        )
    if "owner_principal" in body:
        owner = _same_as_caller(call, body["owner_principal"])
    profiles = body.get("sandbox_profiles")
    wanted = Registration(
        id=body["id"],
        owner_principal=owner.url,
        label=body["label"],
        kind=body.get("kind", "local"),
        admin_status=AdminStatus(body.get("admin_status", AdminStatus.ENABLED)),
        wake_stream=body.get("wake_stream"),
        sandbox_profiles=None if profiles is None else [_profile(profile) for profile in profiles],
    )
    runner = system.registry.register(wanted, system.now())
    system.streams.ensure(runner.wake_stream)
    return json_answer(runner_body(runner), 201)


async def list_own(system: System, call: Call) -> Response:
    """`GET /_electric/runners`: the caller's own runners, newest first, all of them."""
    wanted = call.query("owner_principal")
    if wanted:
        _same_as_caller(call, wanted)
    runners = system.registry.runners_of(call.principal.url)
    return json_answer([runner_body(runner) for runner in runners])


async def get(system: System, call: Call) -> Response:
    """`GET /_electric/runners/:id`: one runner."""
    return json_answer(runner_body(find_own(system, call)))


async def heartbeat(system: System, call: Call) -> Response:
    """`POST /_electric/runners/:id/heartbeat`: renews the lease, of a disabled runner too."""
    body = bodies.read_object(call.body, bodies.HEARTBEAT)
    runner = find_own(system, call)
    now = system.now()
    received = Heartbeat(
        runner_id=runner.id,
        owner_principal=runner.owner_principal,
        seen_at=now,
        lease_expires_at=_lease_end(body, now),
        wake_stream_offset=body.get("wake_stream_offset", body.get("wakeStreamOffset")),
        diagnostics=sanitise(body.get("diagnostics")),
    )
    system.registry.record_heartbeats([received])
    said = {"wake_stream_offset": received.wake_stream_offset, "diagnostics": received.diagnostics}
    return json_answer(
        runner_body(runner)
        | {
            "last_seen_at": values.to_text(now),
            "liveness_lease_expires_at": values.to_text(received.lease_expires_at),
        }
        | {name: value for name, value in said.items() if value is not None}
    )


async def enable(system: System, call: Call) -> Response:
    """`POST /_electric/runners/:id/enable`."""
    return _set_admin_status(system, call, AdminStatus.ENABLED)


async def disable(system: System, call: Call) -> Response:
    """`POST /_electric/runners/:id/disable`."""
    return _set_admin_status(system, call, AdminStatus.DISABLED)


async def health(system: System, call: Call) -> Response:
    """`GET /_electric/runners/:id/health`: the health report."""
    return json_answer(health_report(system, find_own(system, call)))


def find_own(
    system: System, call: Call, words: str = "Runner access requires the authenticated owner"
) -> Runner:
    """Find the runner of the path.

    Raises:
        ApiError: 404 there is none, 403 it is another's.
    """
    runner = system.registry.runner(call.param("id"))
    if runner is None:
        raise ApiError(404, "NOT_FOUND", "Runner not found")
    if runner.owner_principal != call.principal.url:
        raise ApiError(403, "UNAUTHORIZED", words)
    return runner


def runner_body(runner: Runner) -> Json:
    """Write a runner as in the list."""
    return {
        "id": runner.id,
        "owner_principal": runner.owner_principal,
        "label": runner.label,
        "kind": runner.kind,
        "admin_status": runner.admin_status,
        "wake_stream": runner.wake_stream,
        "sandbox_profiles": runner.sandbox_profiles,
        "created_at": values.to_text(runner.created_at),
        "updated_at": values.to_text(runner.updated_at),
    }


def health_report(system: System, runner: Runner) -> Json:
    """Write the health report of a runner, as of now."""
    last = system.registry.last_heartbeat(runner.id)
    claims = system.registry.active_claims(runner.id)
    now = system.now()
    client = sanitise(last.diagnostics) if last else None
    inputs = _health_inputs(runner, last, client)
    status, issues = derive_health(inputs, now.timestamp())
    return {
        "runner": _runner_section(runner, last, now),
        "client": client,
        "claims": {"active_count": len(claims), "active": [_claim_body(claim) for claim in claims]},
        "dispatch": system.registry.dispatch_counts(runner.id),
        "health": {"status": status, "issues": issues},
    }


def _health_inputs(runner: Runner, last: LastHeartbeat | None, client: Json | None) -> HealthInputs:
    said = client or {}
    return HealthInputs(
        admin_status=runner.admin_status,
        last_seen_at=last.last_seen_at.timestamp() if last else None,
        lease_expires_at=last.lease_expires_at.timestamp() if last else None,
        diagnostics_present=client is not None,
        stream_connected=said.get("stream_connected"),
        last_heartbeat_ok=said.get("last_heartbeat_ok"),
        reconnect_count=said.get("reconnect_count"),
    )


def _runner_section(runner: Runner, last: LastHeartbeat | None, now: datetime) -> Json:
    lease = last.lease_expires_at if last else None
    left = values.to_milliseconds(lease) - values.to_milliseconds(now) if lease else None
    return {
        "id": runner.id,
        "admin_status": runner.admin_status,
        "liveness_status": derive_liveness(
            runner.admin_status, lease.timestamp() if lease else None, now.timestamp()
        ),
        "lease_expires_at": _text(lease),
        "lease_remaining_ms": left if left is None else max(0, left),
        "wake_stream": runner.wake_stream,
        "wake_stream_offset": last.wake_stream_offset if last else None,
        "last_seen_at": _text(last.last_seen_at if last else None),
        "created_at": values.to_text(runner.created_at),
    }


def _claim_body(claim: Claim) -> Json:
    return {
        "consumer_id": claim.consumer_id,
        "epoch": claim.epoch,
        "entity_url": claim.entity_url,
        "stream_path": claim.stream_path,
        "claimed_at": values.to_text(claim.claimed_at),
        "last_heartbeat_at": _text(claim.last_heartbeat_at),
        "lease_expires_at": _text(claim.lease_expires_at),
    }


def _text(moment: datetime | None) -> str | None:
    return values.to_text(moment) if moment else None


def _profile(given: Json) -> Json:
    return {key: given[key] for key in _PROFILE_KEYS if key in given}


def _lease_end(body: Json, now: datetime) -> datetime:
    """Give the lease's end: as said, or so many milliseconds from now.

    Raises:
        ValueError: it is no date.
        OverflowError: it is beyond all dates. The server answers both with 500.
    """
    if body.get("liveness_lease_expires_at"):
        return parse_date(body["liveness_lease_expires_at"])
    lease_ms = float(body.get("lease_ms", _DEFAULT_LEASE_MS))
    return values.from_milliseconds(values.to_milliseconds(now) + lease_ms)


def _same_as_caller(call: Call, text: str) -> Principal:
    """Read an owner's principal URL, which must be the caller's.

    Raises:
        ApiError: 400 it is none, 403 it is another's.
    """
    try:
        owner = parse_url(text)
    except PrincipalError as error:
        raise ApiError(
            400,
            "INVALID_REQUEST",
            "owner_principal must be a valid principal URL "
            f"(e.g. /principal/user%3Aalice), got: {text}",
        ) from error
    if owner.url != call.principal.url:
        raise ApiError(
            403, "UNAUTHORIZED", "owner_principal must match the authenticated principal"
        )
    return owner


def _set_admin_status(system: System, call: Call, status: AdminStatus) -> Response:
    runner = find_own(system, call)
    changed = system.registry.set_admin_status(runner.id, status, system.now())
    if changed is None:
        raise ApiError(404, "NOT_FOUND", "Runner not found")
    return json_answer(runner_body(changed))
