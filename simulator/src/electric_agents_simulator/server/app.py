"""The server as an ASGI application: the principal, the route, the faults, the answer.

Order as in the real one: a production server refuses a caller without a principal before
anything else; OPTIONS is answered 204; then the routes.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import formatdate
from typing import Final

from sqlalchemy.exc import SQLAlchemyError
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from electric_agents_exporter.contract.principals import HEADER, Principal, PrincipalError, parse
from electric_agents_simulator.server import (
    claims,
    control,
    entities,
    entity_types,
    real_time,
    runners,
    streams,
)
from electric_agents_simulator.server.fault_injection import apply_fault
from electric_agents_simulator.server.faults import DatabaseState
from electric_agents_simulator.server.http import (
    ApiError,
    Call,
    answer,
    error_answer,
    json_answer,
    normalise_path,
)
from electric_agents_simulator.server.system import System

Handler = Callable[[System, Call], Awaitable[Response]]

_DEVELOPER: Final = Principal("system", "dev-local")
_CORS: Final = {
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "GET, POST, PUT, PATCH, DELETE, OPTIONS",
    "access-control-allow-headers": "content-type, authorization, electric-claim-token, "
    "electric-owner-entity, electric-principal, ngrok-skip-browser-warning",
    "access-control-expose-headers": "*",
}


@dataclass(frozen=True)
class Route:
    """A method and a path, and the function that answers."""

    name: str
    method: str
    path: re.Pattern[str]
    handler: Handler
    needs_database: bool = True


async def _server_health(_system: System, _call: Call) -> Response:
    return json_answer({"status": "ok"})


async def _agents_ui(_system: System, _call: Call) -> Response:
    return answer(status=302, headers={"location": "/__agent_ui/"})


def _route(
    name: str, method: str, path: str, handler: Handler, *, needs_database: bool = True
) -> Route:
    pattern = re.sub(r":(\w+)", r"(?P<\1>[^/]+)", path) + "/*"
    return Route(name, method, re.compile(pattern), handler, needs_database)


def _routes() -> tuple[Route, ...]:
    runner, entity = "/_electric/runners/:id", "/_electric/entities/:type/:id"
    stream = "/(?!_electric(/|$)).*"
    return (
        _route("server", "GET", "/_electric/health", _server_health, needs_database=False),
        _route("register", "POST", "/_electric/runners", runners.register),
        _route("list", "GET", "/_electric/runners", runners.list_own),
        _route("health", "GET", f"{runner}/health", runners.health),
        _route("get", "GET", runner, runners.get),
        _route("heartbeat", "POST", f"{runner}/heartbeat", runners.heartbeat),
        _route("enable", "POST", f"{runner}/enable", runners.enable),
        _route("disable", "POST", f"{runner}/disable", runners.disable),
        _route("claim", "POST", f"{runner}/claim", claims.claim),
        _route("callback", "POST", "/_electric/wake-callbacks/:id", claims.call_back),
        _route("entity-type", "POST", "/_electric/entity-types", entity_types.register),
        _route("spawn", "PUT", entity, entities.spawn),
        _route("entity", "GET", entity, entities.get),
        _route("entity", "HEAD", entity, entities.head),
        _route("kill", "DELETE", entity, entities.delete),
        _route("send", "POST", f"{entity}/send", entities.send),
        _route("signal", "POST", f"{entity}/signal", entities.signal),
        _route("ui", "GET", "", _agents_ui, needs_database=False),
        _route("wake", "GET", "/runners/:id/wake", streams.read, needs_database=False),
        _route("read", "HEAD", stream, streams.describe, needs_database=False),
        _route("read", "GET", stream, streams.read, needs_database=False),
        _route("append", "POST", stream, streams.append, needs_database=False),
        _route("delete", "DELETE", stream, streams.delete, needs_database=False),
    )


def create_app(system: System) -> ASGIApp:
    """Make the application of one server."""
    return _Application(system)


class _Application:
    def __init__(self, system: System) -> None:
        self._system = system
        self._routes = _routes()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        if request.url.path.startswith(control.PREFIX):
            response = await control.respond(self._system, request)
            await response(scope, receive, send)
            return
        if request.headers.get(real_time.HEADER) == "real":
            send = real_time.in_real_time(send, self._system.clock)
        principal = self._principal(request)
        if principal is None:
            refusal = ApiError(401, "UNAUTHORIZED", "Missing Electric-Principal")
            await error_answer(refusal)(scope, receive, self._stamped(send, {}))
            return
        await self._respond(request, principal, self._stamped(send, _CORS))

    def _principal(self, request: Request) -> Principal | None:
        """Read the header (two are joined by a comma); None where the caller is refused."""
        try:
            return parse(", ".join(request.headers.getlist(HEADER)).strip(" \t"))
        except PrincipalError:
            return None if self._system.production else _DEVELOPER

    async def _respond(self, request: Request, principal: Principal, send: Send) -> None:
        raw_path = request.scope.get("raw_path") or request.scope["path"].encode()
        path = normalise_path(raw_path.decode("latin-1"))
        route, params = self._find(request.method, path)
        call = Call(
            principal=principal,
            path=path,
            params=params,
            query_string=request.scope["query_string"].decode("latin-1"),
            headers=request.headers,
            body=await request.body(),
        )
        fault = self._system.faults.match(_operation(route, call), call.runner_id)

        async def respond() -> Response:
            return await self._answer(request.method, route, call)

        if fault is None:
            response = await respond()
        else:
            response = await apply_fault(fault, self._system.clock, request, respond)
        await response(request.scope, request.receive, send)

    async def _answer(self, method: str, route: Route | None, call: Call) -> Response:
        if method == "OPTIONS":
            return answer(status=204)
        if route is None:
            return answer(status=404)
        try:
            if route.needs_database:
                await self._reach_database()
            return await route.handler(self._system, call)
        except ApiError as error:
            return error_answer(error)
        except (ValueError, OverflowError, SQLAlchemyError):
            # The real server answers these with 500 too: a bad escape in the path, a date beyond
            # all dates, a wake stream that another runner has.
            return error_answer(ApiError(500, "INTERNAL_SERVER_ERROR", "Internal server error"))

    async def _reach_database(self) -> None:
        faults = self._system.faults
        while faults.database is DatabaseState.FROZEN:
            await faults.database_thawed()
        if faults.database is DatabaseState.DOWN:
            raise ApiError(500, "INTERNAL_SERVER_ERROR", "Internal server error")

    def _find(self, method: str, path: str) -> tuple[Route | None, dict[str, str]]:
        for route in self._routes:
            match = route.path.fullmatch(path) if route.method == method else None
            if match:
                return route, match.groupdict()
        return None, {}

    def _stamped(self, send: Send, headers: dict[str, str]) -> Send:
        """Add the headers of every answer: the server's time, how long it keeps a connection."""
        system = self._system

        async def send_stamped(message: Message) -> None:
            if message["type"] == "http.response.start":
                stamped = MutableHeaders(scope=message)
                stamped.update(headers)
                stamped["date"] = formatdate(system.clock.now(), usegmt=True)
                stamped["connection"] = "keep-alive"
                stamped["keep-alive"] = "timeout=5"
            await send(message)

        return send_stamped


def _operation(route: Route | None, call: Call) -> str:
    """Name what a request does; a wake stream's tail is read by monitors, `wake` by runners."""
    if route is None:
        return ""
    is_tail = route.name == "wake" and call.query("live") is None
    return "tail" if is_tail else route.name
