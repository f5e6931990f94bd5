"""The route of entity types: anybody may add one, and its grants say who may change and spawn it.

Source: `entity-types-router.ts`, `permissions.ts`.
"""

from typing import Final

from starlette.responses import Response

from electric_agents_exporter.contract.principals import Principal
from electric_agents_simulator import values
from electric_agents_simulator.server import bodies
from electric_agents_simulator.server.http import ApiError, Call, json_answer
from electric_agents_simulator.server.system import System
from electric_agents_simulator.storage.records import EntityType
from electric_agents_simulator.values import Json

_SYSTEM_PRINCIPALS: Final = frozenset({"framework", "auth-sync", "dev-local"})
_BUILT_IN_TYPE: Final = "principal"
_SCHEMAS: Final = ("creation_schema", "inbox_schemas", "state_schemas")


async def register(system: System, call: Call) -> Response:
    """`POST /_electric/entity-types`: add a type of entity, or change it."""
    body = bodies.read_object(call.body, bodies.ENTITY_TYPE)
    name = body.get("name", "")
    before = system.registry.entity_type(name)
    _check_manage(call.principal, name, before)
    _check_names(body)
    now = system.now()
    given = body.get("permission_grants", [])
    granted = before.permission_grants if before else []
    wanted = EntityType(
        name=name,
        description=body["description"],
        definition=_definition(body),
        permission_grants=granted + [grant for grant in given if grant not in granted],
        revision=before.revision + 1 if before else 1,
        created_at=before.created_at if before else now,
        updated_at=now,
    )
    system.registry.put_entity_type(wanted)
    return json_answer(_body(wanted), 201)


def may(caller: Principal, permission: str, entity_type: EntityType) -> bool:
    """Tell whether a caller may `spawn` entities of a type, or `manage` it."""
    if is_built_in(caller):
        return True
    names = {"principal": caller.url, "principal_kind": caller.kind}
    return any(
        grant["permission"] in {permission, "manage"}
        and names.get(grant["subject_kind"]) == grant["subject_value"]
        for grant in entity_type.permission_grants
    )


def is_built_in(principal: Principal) -> bool:
    """Tell whether a principal is one of the server's own, which may do everything."""
    return principal.kind == "system" and principal.id in _SYSTEM_PRINCIPALS


def _check_manage(caller: Principal, name: str, before: EntityType | None) -> None:
    if before is None and name != _BUILT_IN_TYPE:
        return
    if not (may(caller, "manage", before) if before else is_built_in(caller)):
        raise ApiError(401, "UNAUTHORIZED", f"Principal is not allowed to manage {name}")


def _check_names(body: Json) -> None:
    name = body.get("name", "")
    problem = None
    if not name:
        problem = "Missing required field: name"
    elif name == _BUILT_IN_TYPE:
        problem = f'Entity type "{name}" is built in and cannot be registered or updated'
    elif name.startswith("_"):
        problem = 'Entity type names starting with "_" are reserved'
    elif not body.get("description"):
        problem = "Missing required field: description"
    if problem:
        raise ApiError(400, "INVALID_REQUEST", problem)


def _definition(body: Json) -> Json:
    definition = {schema: body.get(schema) for schema in _SCHEMAS}
    if "default_dispatch_policy" in body:
        definition["default_dispatch_policy"] = body["default_dispatch_policy"]
    return definition


def _body(entity_type: EntityType) -> Json:
    return {
        "name": entity_type.name,
        "description": entity_type.description,
        **entity_type.definition,
        "revision": entity_type.revision,
        "created_at": values.to_text(entity_type.created_at),
        "updated_at": values.to_text(entity_type.updated_at),
    }
