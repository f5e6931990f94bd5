"""The routes of entities, as far as they make work for runners.

Source: `entities-router.ts`, `entity-manager.ts`. Of the permissions only the plainest are kept:
whoever spawned an entity may read, write, signal and delete it, and so may the built-in system
principals.
"""

import secrets
from hashlib import sha256
from typing import Final
from uuid import uuid4

from sqlalchemy.exc import IntegrityError
from starlette.responses import Response

from electric_agents_simulator import values
from electric_agents_simulator.server import bodies
from electric_agents_simulator.server.entity_types import is_built_in, may
from electric_agents_simulator.server.http import ApiError, Call, answer, json_answer
from electric_agents_simulator.server.signals import SERVER, Handling, handle
from electric_agents_simulator.server.system import System
from electric_agents_simulator.storage.records import ENDED, Entity, EntityStatus
from electric_agents_simulator.values import Json

_WAITING_MODES: Final = frozenset({"queued", "paused"})
"""A message of these waits in the entity's queue."""
_NO_MORE_WRITES: Final = ENDED | {EntityStatus.STOPPING}
_KILLED_BY_DELETE: Final[Json] = {"signal": "SIGKILL", "reason": "Legacy kill command"}


async def spawn(system: System, call: Call) -> Response:
    """`PUT /_electric/entities/:type/:id`: make an entity, and link it to the runner it names."""
    type_name, entity_id = call.params["type"], call.params["id"]
    entity_type = system.registry.entity_type(type_name)
    if entity_type is None:
        raise _unknown_type(type_name)
    body = bodies.read_object(call.body, bodies.SPAWN)
    if not may(call.principal, "spawn", entity_type):
        raise ApiError(401, "UNAUTHORIZED", f"Principal is not allowed to spawn {type_name}")
    default = entity_type.definition.get("default_dispatch_policy")
    policy = body.get("dispatch_policy", default)
    _check_policy(system, call, policy)
    now = values.to_milliseconds(system.now())
    entity = Entity(
        url=f"/{type_name}/{entity_id}",
        type=type_name,
        status=EntityStatus.IDLE,
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
        sent = {"payload": body["initialMessage"]}
        _deliver(system, entity, call.principal.url, sent)
    described = _entity_body(entity)
    if "args" not in body:
        del described["spawn_args"]
    described["txid"] = next(system.transactions)
    return json_answer(described, 201, {"x-write-token": str(uuid4())})


async def get(system: System, call: Call) -> Response:
    """`GET /_electric/entities/:type/:id`: one entity."""
    return json_answer(_entity_body(_accessible(system, call, "read")))


async def head(system: System, call: Call) -> Response:
    """`HEAD /_electric/entities/:type/:id`: whether there is such an entity."""
    _accessible(system, call, "read")
    return answer()


async def send(system: System, call: Call) -> Response:
    """`POST /_electric/entities/:type/:id/send`: a message for an entity, awake from then on."""
    entity = _existing(system, call)
    body = bodies.read_object(call.body, bodies.SEND)
    check_access(call, entity, "write")
    _check_sender(call, body)
    _link(system, entity)  # a restarted server knows of no subscription until now
    if entity.status in _NO_MORE_WRITES:
        raise ApiError(409, "NOT_RUNNING", "Entity is not accepting writes")
    if "payload" not in body:
        raise ApiError(400, "INVALID_REQUEST", "Missing required field: payload")
    if entity.status is EntityStatus.PAUSED and body.get("mode") != "paused":
        _set_status(system, entity, EntityStatus.IDLE)
    by_send = {"from_principal": call.principal.url}
    return json_answer({"txid": _deliver(system, entity, call.principal.url, body, by_send)})


async def signal(system: System, call: Call) -> Response:
    """`POST /_electric/entities/:type/:id/signal`: pause, resume, stop or kill an entity.

    The signal is an event of the entity as well. So a paused entity has pending work that cannot
    be done, and its runner claims in vain, again and again: on the real server too.
    """
    entity = _existing(system, call)
    body = bodies.read_object(call.body, bodies.SIGNAL)
    check_access(call, entity, "signal")
    return json_answer(_signal(system, entity, body))


async def delete(system: System, call: Call) -> Response:
    """`DELETE /_electric/entities/:type/:id`: kill an entity."""
    entity = _accessible(system, call, "delete")
    _unlink(system, entity)
    return json_answer({"txid": _signal(system, entity, _KILLED_BY_DELETE)["txid"]})


def _signal(system: System, entity: Entity, body: Json) -> Json:
    """Change an entity's status as a signal wants it, and append the event of that."""
    if entity.status in ENDED:
        raise ApiError(409, "INVALID_SIGNAL", f"Cannot signal a {entity.status} entity")
    now = system.now()
    transaction = next(system.transactions)
    handling = handle(body["signal"], entity.status)
    _set_status(system, entity, handling.status)
    system.subscriptions.append(
        entity.main_stream, _signal_event(body, entity, handling, values.to_text(now), transaction)
    )
    if handling.status in ENDED:
        system.streams.close(entity.main_stream)
        _unlink(system, entity)
    return {
        "url": entity.url,
        "signal": body["signal"],
        "previous_state": entity.status,
        "new_state": handling.status,
        "created_at": values.to_milliseconds(now),
        "txid": transaction,
    }


def _signal_event(
    body: Json, entity: Entity, handling: Handling, now: str, transaction: int
) -> Json:
    value: Json = {
        "signal": body["signal"],
        "status": "handled" if handling.handled else "unhandled",
        "sender": SERVER,
        "timestamp": now,
    }
    value |= {name: body[name] for name in ("reason", "payload") if name in body}
    if handling.handled:
        value |= {
            "handled_at": now,
            "handled_by": SERVER,
            "outcome": handling.outcome,
            "previous_state": entity.status,
            "new_state": handling.status,
        }
    return {
        "type": "signal",
        "key": f"sig-{_milliseconds(now)}-{secrets.token_hex(4)}",
        "value": value,
        "headers": {"operation": "insert", "timestamp": now, "txid": str(transaction)},
    }


def _milliseconds(moment: str) -> int:
    return values.to_milliseconds(values.from_text(moment))


def _set_status(system: System, entity: Entity, status: EntityStatus) -> None:
    system.registry.set_entity_status(entity.url, status, values.to_milliseconds(system.now()))


def _link(system: System, entity: Entity) -> None:
    """Subscribe the runner of an entity's dispatch policy, if any, to the entity's messages."""
    runner_id = _runner_of(entity.dispatch_policy)
    runner = None if runner_id is None else system.registry.runner(runner_id)
    if runner is not None:
        system.streams.ensure(entity.main_stream)
        system.streams.ensure(runner.wake_stream)
        system.subscriptions.link(
            _subscription(runner.id, entity), entity.main_stream, runner.wake_stream
        )


def _unlink(system: System, entity: Entity) -> None:
    runner_id = _runner_of(entity.dispatch_policy)
    if runner_id is not None:
        system.subscriptions.unlink(_subscription(runner_id, entity), entity.main_stream)


def _subscription(runner_id: str, entity: Entity) -> str:
    return f"runner:{runner_id}:{sha256(entity.url.encode()).hexdigest()[:16]}"


def _deliver(
    system: System, entity: Entity, sender: str, sent: Json, more: Json | None = None
) -> str:
    """Append a message to an entity's stream; give its transaction."""
    now = system.now()
    moment, milliseconds = values.to_text(now), values.to_milliseconds(now)
    transaction = str(uuid4())
    mode = sent.get("mode", "immediate")
    value = {
        "from": sender,
        "payload": sent["payload"],
        "timestamp": moment,
        "mode": mode,
        "status": "pending" if mode in _WAITING_MODES else "processed",
        **(more or {}),
    }
    if sent.get("type"):
        value["message_type"] = sent["type"]
    if sent.get("position"):
        value["position"] = sent["position"]
    if mode in _WAITING_MODES:
        value.setdefault("position", f"{milliseconds:016d}:a0")
    else:
        value["processed_at"] = moment
    key = f"msg-in-{milliseconds}-{secrets.token_hex(3)}"
    system.subscriptions.append(
        entity.main_stream,
        {
            "type": "inbox",
            "key": sent.get("key", key),
            "value": value,
            "headers": {"txid": transaction, "operation": "insert"},
        },
    )
    return transaction


def _open_main_stream(system: System, entity: Entity) -> None:
    system.streams.ensure(entity.main_stream)
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


def _accessible(system: System, call: Call, permission: str) -> Entity:
    entity = _existing(system, call)
    check_access(call, entity, permission)
    return entity


def _existing(system: System, call: Call) -> Entity:
    type_name, entity_id = call.params["type"], call.params["id"]
    url = f"/{type_name}/{entity_id}"  # escapes stay as they are written
    entity = system.registry.entity(url)
    if entity is None:
        if system.registry.entity_type(type_name) is None:
            raise _unknown_type(type_name)
        raise ApiError(404, "NOT_FOUND", f"Entity not found at {url}")
    return entity


def _unknown_type(name: str) -> ApiError:
    return ApiError(404, "UNKNOWN_ENTITY_TYPE", f'Entity type "{name}" not found')


def check_access(call: Call, entity: Entity, permission: str) -> None:
    """Let the caller do something with an entity.

    Raises:
        ApiError: 401, it is another's.
    """
    if entity.created_by != call.principal.url and not is_built_in(call.principal):
        raise ApiError(
            401, "UNAUTHORIZED", f"Principal is not allowed to {permission} {entity.url}"
        )


def _check_sender(call: Call, body: Json) -> None:
    for name in ("from", "from_principal"):
        if body.get(name, call.principal.url) != call.principal.url:
            raise ApiError(400, "INVALID_REQUEST", f"Request {name} must match Electric-Principal")


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
    return None if policy is None else str(policy["targets"][0]["runnerId"])


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
