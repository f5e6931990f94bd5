"""The routes of entities, as far as they make work for runners: type, spawn, get, send, signal.

Source: `entity-types-router.ts`, `entities-router.ts`. Of the permissions only the plainest are
kept: whoever spawned an entity may read, write and signal it, and a type may be spawned by whom
its grants name, or by the built-in system principals.
"""

import secrets
from hashlib import sha256
from typing import Final
from uuid import uuid4

from sqlalchemy.exc import IntegrityError
from starlette.responses import Response

from electric_agents_exporter.contract.principals import Principal
from electric_agents_simulator import values
from electric_agents_simulator.server import bodies
from electric_agents_simulator.server.http import ApiError, Call, json_answer
from electric_agents_simulator.server.system import System
from electric_agents_simulator.storage.records import Entity, EntityType
from electric_agents_simulator.values import Json

_BUILT_IN: Final = frozenset({"framework", "auth-sync", "dev-local"})
_SIGNALLED: Final = {
    "SIGSTOP": "paused",
    "SIGCONT": "idle",
    "SIGTERM": "stopped",
    "SIGKILL": "stopped",
}


async def add_type(system: System, call: Call) -> Response:
    """`POST /_electric/entity-types`: make a type of entity known."""
    body = bodies.read_object(call.body, bodies.ENTITY_TYPE)
    for required in ("name", "description"):
        if not body.get(required):
            raise ApiError(400, "INVALID_REQUEST", f"Missing required field: {required}")
    wanted = EntityType(
        name=body["name"],
        description=body["description"],
        permission_grants=body.get("permission_grants", []),
        created_at=system.now(),
    )
    system.registry.add_entity_type(wanted)
    created = values.to_text(wanted.created_at)
    return json_answer(
        {
            "name": wanted.name,
            "description": wanted.description,
            "creation_schema": None,
            "inbox_schemas": None,
            "state_schemas": None,
            "revision": 1,
            "created_at": created,
            "updated_at": created,
        },
        201,
    )


async def spawn(system: System, call: Call) -> Response:
    """`PUT /_electric/entities/:type/:id`: make an entity, and link it to the runner it names."""
    type_name, entity_id = call.param("type"), call.param("id")
    entity_type = system.registry.entity_type(type_name)
    if entity_type is None:
        raise ApiError(404, "UNKNOWN_ENTITY_TYPE", f'Entity type "{type_name}" not found')
    body = bodies.read_object(call.body, bodies.SPAWN)
    if not _may_spawn(entity_type, call.principal):
        raise ApiError(401, "UNAUTHORIZED", f"Principal is not allowed to spawn {type_name}")
    policy = body.get("dispatch_policy")
    _check_policy(system, call, policy)
    now = values.to_milliseconds(system.now())
    entity = Entity(
        url=f"/{type_name}/{entity_id}",
        type=type_name,
        status="idle",
        dispatch_policy=policy,
        tags=body.get("tags", {}),
        spawn_args=body.get("args", {}),
        created_by=call.principal.url,
        created_at=now,
        updated_at=now,
    )
    try:
        system.registry.add_entity(entity)
    except IntegrityError as error:
        raise ApiError(
            409, "DUPLICATE_URL", f'Entity already exists at URL "{entity.url}"'
        ) from error
    _open_main_stream(system, entity)
    _link(system, entity)
    if "initialMessage" in body:
        _deliver(system, entity, call.principal.url, body["initialMessage"], str(uuid4()))
    described = _entity_body(entity) | {"txid": 0}
    del described["spawn_args"]
    return json_answer(described, 201, {"x-write-token": str(uuid4())})


async def get(system: System, call: Call) -> Response:
    """`GET /_electric/entities/:type/:id`: one entity."""
    return json_answer(_entity_body(_find(system, call, "read")))


async def send(system: System, call: Call) -> Response:
    """`POST /_electric/entities/:type/:id/send`: a message for an entity, awake from then on."""
    entity = _find(system, call, "write")
    body = bodies.read_object(call.body, bodies.SEND)
    transaction = str(uuid4())
    if entity.status == "paused":
        system.registry.set_entity_status(entity.url, "idle", values.to_milliseconds(system.now()))
    _link(system, entity)  # a restarted server knows of no subscription until now
    _deliver(system, entity, call.principal.url, body.get("payload"), transaction)
    return json_answer({"txid": transaction})


async def signal(system: System, call: Call) -> Response:
    """`POST /_electric/entities/:type/:id/signal`: pause, resume or stop an entity.

    The signal is a message as well. So a paused entity has pending work that cannot be done, and
    its runner claims in vain, again and again: on the real server too.
    """
    entity = _find(system, call, "signal")
    body = bodies.read_object(call.body, bodies.SIGNAL)
    now = values.to_milliseconds(system.now())
    state = _SIGNALLED.get(body["signal"], entity.status)
    system.registry.set_entity_status(entity.url, state, now)
    system.subscriptions.append(
        entity.main_stream,
        {
            "type": "signal",
            "key": f"signal-{now}-{secrets.token_hex(3)}",
            "value": {"signal": body["signal"], "from": call.principal.url, "timestamp": now},
            "headers": {"operation": "insert"},
        },
    )
    return json_answer(
        {
            "url": entity.url,
            "signal": body["signal"],
            "previous_state": entity.status,
            "new_state": state,
            "created_at": now,
            "txid": 0,
        }
    )


def _link(system: System, entity: Entity) -> None:
    """Subscribe the runner of an entity's dispatch policy, if any, to the entity's messages."""
    runner_id = _runner_of(entity.dispatch_policy)
    runner = None if runner_id is None else system.registry.runner(runner_id)
    if runner is not None:
        system.streams.ensure(runner.wake_stream)
        system.subscriptions.link(
            f"runner:{runner.id}:{_digest(entity.url)}", entity.main_stream, runner.wake_stream
        )


def _deliver(
    system: System, entity: Entity, sender: str, payload: object, transaction: str
) -> None:
    """Append a message to an entity's stream."""
    now = system.now()
    system.subscriptions.append(
        entity.main_stream,
        {
            "type": "inbox",
            "key": f"msg-in-{values.to_milliseconds(now)}-{secrets.token_hex(3)}",
            "value": {
                "from": sender,
                "payload": payload,
                "timestamp": values.to_text(now),
                "mode": "immediate",
                "status": "processed",
                "from_principal": sender,
                "processed_at": values.to_text(now),
            },
            "headers": {"txid": transaction, "operation": "insert"},
        },
    )


def _open_main_stream(system: System, entity: Entity) -> None:
    system.subscriptions.append(
        entity.main_stream,
        {
            "type": "entity_created",
            "key": "entity-created",
            "value": {
                "entity_type": entity.type,
                "timestamp": values.to_text(system.now()),
                "args": entity.spawn_args,
            },
            "headers": {"operation": "insert"},
        },
    )


def _find(system: System, call: Call, permission: str) -> Entity:
    url = f"/{call.param('type')}/{call.param('id')}"
    entity = system.registry.entity(url)
    if entity is None:
        raise ApiError(404, "NOT_FOUND", f"Entity not found at {url}")
    if entity.created_by != call.principal.url and not _is_built_in(call.principal):
        raise ApiError(401, "UNAUTHORIZED", f"Principal is not allowed to {permission} {url}")
    return entity


def _may_spawn(entity_type: EntityType, caller: Principal) -> bool:
    if _is_built_in(caller):
        return True
    names = {"principal": caller.url, "principal_kind": caller.kind}
    return any(
        grant["permission"] in {"spawn", "manage"}
        and names.get(grant["subject_kind"]) == grant["subject_value"]
        for grant in entity_type.permission_grants
    )


def _is_built_in(principal: Principal) -> bool:
    return principal.kind == "system" and principal.id in _BUILT_IN


def _check_policy(system: System, call: Call, policy: Json | None) -> None:
    """Refuse a policy that names no runner of the caller's own."""
    runner_id = _runner_of(policy)
    if runner_id is None:
        return
    runner = system.registry.runner(runner_id)
    if runner is None:
        raise ApiError(404, "NOT_FOUND", f'Runner "{runner_id}" not found')
    if runner.owner_principal != call.principal.url:
        raise ApiError(403, "UNAUTHORIZED", "Runner dispatch requires the authenticated owner")


def _runner_of(policy: Json | None) -> str | None:
    targets = (policy or {}).get("targets", ())
    return str(targets[0]["runnerId"]) if targets else None


def _entity_body(entity: Entity) -> Json:
    policy = {"dispatch_policy": entity.dispatch_policy} if entity.dispatch_policy else {}
    return {
        "url": entity.url,
        "type": entity.type,
        "status": entity.status,
        "streams": {"main": entity.main_stream},
        **policy,
        "tags": entity.tags,
        "spawn_args": entity.spawn_args,
        "created_by": entity.created_by,
        "created_at": entity.created_at,
        "updated_at": entity.updated_at,
    }


def _digest(url: str) -> str:
    return sha256(url.encode()).hexdigest()[:16]
