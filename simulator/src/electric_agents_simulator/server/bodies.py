"""Reading request bodies: JSON whatever the content type says, checked against a small schema.

The schemas are JSON Schema and the messages those of the validator (ajv) that the server uses,
in its order: what is missing first, then what is wrong, of each place.
"""

import json
import math
import re
from collections.abc import Iterator
from typing import Any, Final

from electric_agents_simulator.server.http import ApiError
from electric_agents_simulator.values import Json

_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_STRING: Final[Json] = {"type": "string"}
_NUMBER: Final[Json] = {"type": "number"}


def _one_of(*words: str) -> Json:
    return {"anyOf": [{"const": word, "type": "string"} for word in words]}


REGISTRATION: Final[Json] = {
    "type": "object",
    "required": ["id", "label"],
    "properties": {
        "id": _STRING,
        "owner_principal": _STRING,
        "label": _STRING,
        "kind": _one_of("local", "cloud-worker", "sandbox", "ci", "server"),
        "admin_status": _one_of("enabled", "disabled"),
        "wake_stream": _STRING,
        "sandbox_profiles": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "label"],
                "properties": {
                    "name": _STRING,
                    "label": _STRING,
                    "description": _STRING,
                    "remote": {"type": "boolean"},
                },
            },
        },
    },
}

HEARTBEAT: Final[Json] = {
    "type": "object",
    "properties": {
        "lease_ms": _NUMBER,
        "wake_stream_offset": _STRING,
        "wakeStreamOffset": _STRING,
        "liveness_lease_expires_at": _STRING,
        "diagnostics": {"type": "object"},
    },
}

CLAIM: Final[Json] = {
    "type": "object",
    "properties": {
        "subscription_id": _STRING,
        "stream": _STRING,
        "generation": _NUMBER,
        "ts": {"anyOf": [_STRING, _NUMBER]},
    },
}

WAKE_CALLBACK: Final[Json] = {
    "type": "object",
    "properties": {
        "epoch": _NUMBER,
        "generation": _NUMBER,
        "wakeId": _STRING,
        "wake_id": _STRING,
        "acks": {"type": "array", "items": {"type": "object"}},
        "done": {"type": "boolean"},
    },
}

_POLICY: Final[Json] = {
    "type": "object",
    "required": ["targets"],
    "additionalProperties": False,
    "properties": {
        "targets": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["type", "runnerId"],
                "properties": {"type": _one_of("runner"), "runnerId": _STRING},
            },
        }
    },
}

ENTITY_TYPE: Final[Json] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "name": _STRING,
        "description": _STRING,
        "creation_schema": {"type": "object"},
        "inbox_schemas": {"type": "object"},
        "state_schemas": {"type": "object"},
        "slash_commands": {"type": "array"},
        "serve_endpoint": _STRING,
        "default_dispatch_policy": _POLICY,
        "externally_writable_collections": {"type": "object"},
        "permission_grants": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["subject_kind", "subject_value", "permission"],
                "properties": {
                    "subject_kind": _one_of("principal", "principal_kind"),
                    "subject_value": _STRING,
                    "permission": _one_of("spawn", "manage"),
                },
            },
        },
    },
}

SPAWN: Final[Json] = {
    "type": "object",
    "properties": {
        "args": {"type": "object"},
        "tags": {"type": "object", "values": _STRING},
        "initialMessage": {},
        "dispatch_policy": _POLICY,
    },
}

SEND: Final[Json] = {
    "type": "object",
    "properties": {
        "key": _STRING,
        "type": _STRING,
        "mode": _one_of("immediate", "queued", "paused", "steer"),
        "position": _STRING,
        "from": _STRING,
        "from_principal": _STRING,
    },
}

SIGNAL: Final[Json] = {
    "type": "object",
    "required": ["signal"],
    "properties": {
        "signal": _one_of("SIGINT", "SIGHUP", "SIGTERM", "SIGKILL", "SIGSTOP", "SIGCONT", "SIGUSR"),
    },
}


def read_object(body: bytes, schema: Json, *, junk_is_blank: bool = False) -> Json:
    """Parse a body and check it; blank is `{}`.

    Raises:
        ApiError: 400, it is no JSON or does not match.
    """
    text = body.decode(errors="replace")
    try:
        value = _parse(text) if text.strip() else {}
    except (ValueError, RecursionError) as error:
        if junk_is_blank:
            return {}
        raise ApiError(400, "INVALID_REQUEST", "Invalid JSON body") from error
    if _SURROGATE.search(text):
        value = _without_lone_surrogates(value)
    violations = list(_violations(schema, value, ""))
    if violations:
        raise ApiError(400, "INVALID_REQUEST", "Request body does not match API schema", violations)
    return dict(value)


def _without_lone_surrogates(value: object) -> Any:  # noqa: ANN401  (any JSON)
    """Put U+FFFD in their place, as everything does that writes UTF-8 for JavaScript."""
    text = json.dumps(value, ensure_ascii=False)
    return json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


def _parse(text: str) -> Any:  # noqa: ANN401  (any JSON)
    return json.loads(text, parse_constant=_refuse, parse_int=_integer)


def _integer(digits: str) -> float:
    """Read an integer; one that no double holds is infinite, as in JavaScript."""
    return int(digits) if math.isfinite(float(digits)) else float(digits)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _violations(schema: Json, value: Any, path: str) -> Iterator[Json]:  # noqa: ANN401  (any JSON)
    if not schema:
        return
    if "anyOf" in schema:
        branches = [list(_violations(branch, value, path)) for branch in schema["anyOf"]]
        if all(branches):
            for violations in branches:
                yield from violations
            yield _violation(path, "must match a schema in anyOf")
        return
    wanted = schema["type"]
    if not _is(wanted, value):
        yield _violation(path, f"must be {wanted}")
    if "const" in schema and value != schema["const"]:
        yield _violation(path, "must be equal to constant")
    if wanted == "object" and isinstance(value, dict):
        yield from _object_violations(schema, value, path)
    if wanted == "array" and isinstance(value, list):
        yield from _array_violations(schema, value, path)


def _array_violations(schema: Json, value: list[Any], path: str) -> Iterator[Json]:
    if len(value) < schema.get("minItems", 0):
        yield _violation(path, f"must NOT have fewer than {schema['minItems']} items")
    for position, item in enumerate(value):
        yield from _violations(schema.get("items", {}), item, f"{path}/{position}")


def _object_violations(schema: Json, value: Json, path: str) -> Iterator[Json]:
    for name in schema.get("required", ()):
        if name not in value:
            yield _violation(path, f"must have required property '{name}'")
    if schema.get("additionalProperties") is False:
        for _ in set(value) - set(schema["properties"]):
            yield _violation(path, "must NOT have additional properties")
    for name, inner in schema.get("properties", {}).items():
        if name in value:
            yield from _violations(inner, value[name], f"{path}/{name}")
    for name, item in value.items() if "values" in schema else ():
        yield from _violations(schema["values"], item, f"{path}/{name}")


def _violation(path: str, message: str) -> Json:
    return {"path": path or "/", "message": message}


def _is(wanted: str, value: object) -> bool:
    match wanted:
        case "string":
            return isinstance(value, str)
        case "number":
            if isinstance(value, bool) or not isinstance(value, int | float):
                return False
            return math.isfinite(value)
        case "boolean":
            return isinstance(value, bool)
        case "array":
            return isinstance(value, list)
        case _:
            return isinstance(value, dict)
