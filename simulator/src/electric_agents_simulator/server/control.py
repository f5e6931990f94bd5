r"""The control routes: faults on and off over HTTP, for callers on loopback alone.

| call | does |
|---|---|
| `GET /_simulator/faults` | lists what is switched on |
| `POST /_simulator/faults` | switches a fault on; the body is a `Fault` |
| `DELETE /_simulator/faults` | switches all off |
| `PUT /_simulator/database` | `{"state": "up" \\| "down" \\| "frozen"}` |
| `POST /_simulator/restart` | forgets subscriptions and claim tokens, as a restarted server has |
"""

import ipaddress
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from electric_agents_simulator.server.faults import DatabaseState, Fault
from electric_agents_simulator.server.http import ApiError, answer, error_answer, json_answer
from electric_agents_simulator.server.system import System

PREFIX: Final = "/_simulator"
"""The paths of the control routes begin so."""


class _Database(msgspec.Struct):
    state: DatabaseState


async def respond(system: System, request: Request) -> Response:
    """Answer a request to a control route."""
    if not _is_local(request):
        return error_answer(ApiError(403, "UNAUTHORIZED", "Only for callers on loopback"))
    try:
        return _switch(system, request, await request.body())
    except msgspec.DecodeError as error:
        return error_answer(ApiError(400, "INVALID_REQUEST", str(error)))


def _switch(system: System, request: Request, body: bytes) -> Response:
    faults = system.faults
    match request.method, request.url.path.removeprefix(PREFIX).strip("/"):
        case "GET", "faults":
            return json_answer({"faults": faults.active, "database": faults.database})
        case "POST", "faults":
            faults.add(msgspec.json.decode(body, type=Fault))
        case "DELETE", "faults":
            faults.clear()
        case "PUT", "database":
            faults.set_database(msgspec.json.decode(body, type=_Database).state)
        case "POST", "restart":
            system.subscriptions.forget()
        case _:
            return answer(status=404)
    return answer(status=204)


def _is_local(request: Request) -> bool:
    return request.client is None or ipaddress.ip_address(request.client.host).is_loopback
