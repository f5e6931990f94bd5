"""What a fault makes of an answer. Resets and truncation need a real socket."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from electric_agents_simulator.clock import Clock, sleep
from electric_agents_simulator.server.faults import Fault, FaultKind
from electric_agents_simulator.server.http import ApiError, answer, error_answer, json_answer

TRANSPORT: Final = "electric_agents_simulator.transport"
"""The ASGI extension that holds the connection's transport."""

_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
_CHUNK_BYTES: Final = 256 * 1024
_CODES: Final = {401: "UNAUTHORIZED", 403: "UNAUTHORIZED", 404: "NOT_FOUND"}


async def apply_fault(  # noqa: PLR0911  (one return for each kind of fault)
    fault: Fault, clock: Clock, request: Request, respond: Callable[[], Awaitable[Response]]
) -> Response:
    """Answer a request that a fault hits."""
    match fault.kind:
        case FaultKind.LATENCY:
            await sleep(clock, fault.seconds)
            return await respond()
        case FaultKind.HANG | FaultKind.SILENCE:
            while (await request.receive())["type"] != "http.disconnect":
                pass
            return answer()
        case FaultKind.RESET:
            return _Reset(request.scope)
        case FaultKind.STATUS:
            code = _CODES.get(fault.status, "INTERNAL_SERVER_ERROR")
            return error_answer(ApiError(fault.status, code, "Simulated fault"))
        case FaultKind.TRUNCATED:
            return _Truncated(await respond())
        case FaultKind.WRONG_JSON:
            return json_answer({"runner": {"id": 7}, "health": []})
        case FaultKind.NOT_JSON:
            return answer(b"<html>upstream is sad</html>", 200, {"content-type": "text/html"})
        case FaultKind.HUGE:
            headers = {"content-type": "application/json; charset=utf-8"}
            return StreamingResponse(_huge(fault.bytes), headers=headers)


async def _huge(size: int) -> AsyncIterator[bytes]:
    yield b'["'
    for sent in range(0, size, _CHUNK_BYTES):
        yield b"x" * min(_CHUNK_BYTES, size - sent)
    yield b'"]'


class _Reset(Response):
    """No answer: the connection is cut so that the caller sees a reset."""

    def __init__(self, scope: Scope) -> None:
        super().__init__()
        self._transport: asyncio.Transport = scope["extensions"][TRANSPORT]

    @override
    async def __call__(self, _scope: Scope, _receive: Receive, _send: Send) -> None:
        connection = self._transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._transport.abort()


class _Truncated(Response):
    """The first half of another answer, without its end."""

    def __init__(self, whole: Response) -> None:
        super().__init__()
        self._whole = whole

    @override
    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        body = bytes(self._whole.body)
        await send(
            {
                "type": "http.response.start",
                "status": self._whole.status_code,
                "headers": self._whole.raw_headers,
            }
        )
        half = body[: len(body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
