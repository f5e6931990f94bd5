"""The routes of work: claim a wake, and call back about it.

Source: `claimWake` in `runners-router.ts`, `wakeCallback` in `internal-router.ts`.
"""

import secrets
from datetime import timedelta
from typing import Final
from urllib.parse import quote

from starlette.responses import Response

from electric_agents_exporter.contract.principals import PrincipalError, parse_url
from electric_agents_exporter.contract.vocabulary import AdminStatus
from electric_agents_simulator import values
from electric_agents_simulator.clock import sleep
from electric_agents_simulator.server import bodies
from electric_agents_simulator.server.http import ApiError, Call, answer, json_answer
from electric_agents_simulator.server.runners import find_own
from electric_agents_simulator.server.system import System
from electric_agents_simulator.storage.records import (
    Callback,
    Claim,
    Entity,
    EntityStatus,
    Runner,
)
from electric_agents_simulator.values import Json
from electric_agents_simulator.wakes.subscriptions import LEASE_SECONDS, Ack, Grant, Refusal

_NOT_RUNNABLE: Final = frozenset({EntityStatus.STOPPED, EntityStatus.PAUSED})
_EXPECTED: Final = frozenset({"NO_PENDING_WORK", "ALREADY_CLAIMED"})
_URL_SAFE: Final = "!*'()"

RELEASE_SECONDS: Final = 0.012
"""How long a server takes to give back the wake of an entity that is stopped or paused."""


async def claim(system: System, call: Call) -> Response:
    """`POST /_electric/runners/:id/claim`: take a wake.

    200 with what to do (or `{"done":true}`: the entity is stopped or paused), 204 there is no such
    subscription, 409 somebody has it or there is nothing to do.
    """
    body = bodies.read_object(call.body, bodies.CLAIM)
    runner = find_own(system, call, "Runner claim requires the authenticated owner")
    if runner.admin_status is not AdminStatus.ENABLED:
        raise ApiError(409, "NOT_RUNNING", "Runner is disabled")
    subscription_id = _subscription_of(runner, body)
    try:
        grant = system.subscriptions.claim(subscription_id, runner.id)
    except Refusal as refusal:
        raise ApiError(refusal.status, refusal.code, refusal.message) from refusal
    if grant is None:
        return answer(status=204)
    if system.faults.match("claim-write", runner.id):
        raise ApiError(500, "INTERNAL_SERVER_ERROR", "Internal server error")
    return json_answer(await _open_claim(system, call, runner, subscription_id, grant))


async def call_back(system: System, call: Call) -> Response:
    """`POST /_electric/wake-callbacks/:consumerId`: confirm, keep alive or finish a claim.

    Only the claim token counts here, not the principal.
    """
    consumer_id = call.param("id")
    callback = system.registry.callback(consumer_id)
    if callback is None:
        raise ApiError(404, "WAKE_CALLBACK_NOT_FOUND", "Unknown wake-callback consumer")
    said_to_be_json = "application/json" in call.headers.get("content-type", "").lower()
    body = bodies.read_object(call.body, bodies.WAKE_CALLBACK, junk_is_blank=not said_to_be_json)
    done = body.get("done") is True
    confirms = not {"wakeId", "wake_id"}.isdisjoint(body)
    if confirms and not done:
        return json_answer({"ok": True, "writeToken": _write_token(system, callback)})
    epoch = body.get("generation", body.get("epoch"))
    next_wake = _acknowledge(system, call, callback, consumer_id, body)
    if epoch is not None:
        _settle(system, (consumer_id, int(epoch)), done=done)
    write_token = {"writeToken": _write_token(system, callback)} if confirms else {}
    return json_answer({"ok": True, "next_wake": next_wake, **write_token})


def _write_token(system: System, callback: Callback) -> str:
    token = secrets.token_hex(16)
    system.write_tokens[callback.primary_stream] = token
    return token


def _subscription_of(runner: Runner, body: Json) -> str:
    expected = f"runner:{runner.id}"
    subscription_id = str(body.get("subscription_id", expected))
    if subscription_id != expected and not subscription_id.startswith(f"{expected}:"):
        raise ApiError(400, "INVALID_REQUEST", "Wake event subscription_id does not match runner")
    return subscription_id


async def _open_claim(
    system: System, call: Call, runner: Runner, subscription_id: str, grant: Grant
) -> Json:
    """Make a granted wake the active claim of its entity, and tell the runner what to do."""
    primary = next((stream for stream in grant.streams if stream.has_pending), grant.streams[0])
    stream_path = f"/{primary.path}"
    entity = system.registry.entity(stream_path.removesuffix("/main"))
    if entity is None:
        raise ApiError(404, "NOT_FOUND", "Claim stream is not attached to an entity")
    if entity.status in _NOT_RUNNABLE:
        system.subscriptions.release(subscription_id)
        # The next wake is written before this is answered. So a paused entity makes its runner
        # claim 24 times a second: once in this time and in the 25 ms that the runner pauses.
        await sleep(system.clock, RELEASE_SECONDS)
        return {"done": True}
    now = system.now()
    system.registry.remember_callback(grant.wake_id, Callback(subscription_id, stream_path))
    system.registry.open_claims(
        [
            Claim(
                consumer_id=grant.wake_id,
                epoch=grant.generation,
                entity_url=entity.url,
                stream_path=stream_path,
                runner_id=runner.id,
                claimed_at=now,
                lease_expires_at=now + timedelta(seconds=LEASE_SECONDS),
            )
        ]
    )
    system.registry.set_entity_status(entity.url, EntityStatus.RUNNING, values.to_milliseconds(now))
    return _notification(call, entity, stream_path, grant)


def _notification(call: Call, entity: Entity, stream_path: str, grant: Grant) -> Json:
    return {
        "consumerId": grant.wake_id,
        "epoch": grant.generation,
        "wakeId": grant.wake_id,
        "streamPath": stream_path,
        "streams": [{"path": f"/{stream.path}", "offset": stream.tail} for stream in grant.streams],
        "callback": f"{call.base_url}/_electric/wake-callbacks/"
        + quote(grant.wake_id, safe=_URL_SAFE),
        "claimToken": grant.token,
        "triggerEvent": "message_received",
        "entity": {
            "type": entity.type,
            "status": entity.status,
            "url": entity.url,
            "streams": {"main": entity.main_stream},
            "tags": entity.tags,
            "spawnArgs": entity.spawn_args,
            "createdBy": entity.created_by,
        },
        "principal": _creator(entity),
    }


def _creator(entity: Entity) -> Json:
    try:
        principal = parse_url(entity.created_by)
    except PrincipalError:
        return {"url": entity.created_by, "key": None}
    return {
        "url": principal.url,
        "key": principal.key,
        "kind": principal.kind,
        "id": principal.id,
    }


def _acknowledge(
    system: System, call: Call, callback: Callback, consumer_id: str, body: Json
) -> bool:
    token = call.claim_token
    if not token:
        raise ApiError(401, "UNAUTHORIZED", "Missing claim token")
    try:
        return system.subscriptions.acknowledge(
            callback.subscription_id,
            token,
            wake_id=str(body.get("wakeId", body.get("wake_id", consumer_id))),
            generation=body.get("generation", body.get("epoch")),
            acks=[_ack(given) for given in body.get("acks", ())],
            done=body.get("done") is True,
        )
    except Refusal as refusal:
        raise ApiError(
            502,
            "WAKE_CALLBACK_FAILED",
            f"Subscription ack failed: {refusal.status} {refusal.body}",
        ) from refusal


def _ack(given: Json) -> Ack:
    path = given.get("path", given.get("stream", ""))
    return Ack(str(path).strip("/"), str(given.get("offset", "")))


def _settle(system: System, key: tuple[str, int], *, done: bool) -> None:
    """Store an accepted callback: a heartbeat of the claim, or its end."""
    now = system.now()
    if not done:
        system.registry.touch_claims([key], now)
        return
    for url in system.registry.release_claims([key], now):
        entity = system.registry.entity(url)
        stopping = entity is not None and entity.status is EntityStatus.STOPPING
        status = EntityStatus.STOPPED if stopping else EntityStatus.IDLE
        system.registry.set_entity_status(url, status, values.to_milliseconds(now))
