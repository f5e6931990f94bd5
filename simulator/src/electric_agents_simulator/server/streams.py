"""The routes of streams: read all at once, by long poll or as server-sent events; append; delete.

Any caller may do all of that to a wake stream, as on the real server, which forwards to its streams
server without looking at the principal. An entity's stream is read by who may read the entity, and
appended to with the write token of its claim.
"""

import re
from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Final

import msgspec
from starlette.responses import Response

from electric_agents_simulator.server.entities import check_access
from electric_agents_simulator.server.http import (
    ApiError,
    Call,
    answer,
    event_stream,
    text_answer,
)
from electric_agents_simulator.server.system import System
from electric_agents_simulator.storage.records import Entity
from electric_agents_simulator.values import Json
from electric_agents_simulator.wakes.streams import (
    BEFORE_FIRST,
    NOW,
    ClosedStreamError,
    Stream,
    offset_of,
    position_of,
)

LONG_POLL_SECONDS: Final = 30.0
"""How long a reader is kept waiting before it is told that there is nothing."""

_OFFSET: Final = re.compile(r"-1|now|\d+_\d+", re.ASCII)
_LIVE: Final = {"sse": "SSE", "long-poll": "Long-poll"}
_CURSOR_EPOCH: Final = 1_728_432_000  # 9 October 2024, by the streams protocol
_CURSOR_SECONDS: Final = 20
_JSON: Final = "application/json"


async def read(system: System, call: Call) -> Response:
    """`GET /ANY/STREAM?offset=...[&live=long-poll|sse]`: its messages behind an offset."""
    stream = _readable(system, call)
    if stream is None:
        return _not_found()
    offsets, live = call.queries("offset"), call.query("live")
    problem = _problem_of(offsets, live)
    if problem is not None:
        return text_answer(problem, 400)
    offset = offsets[0] if offsets else BEFORE_FIRST
    start = stream.tail if offset == NOW else offset
    if live == "sse":
        return event_stream(_events(system, call, stream, position_of(start)))
    if live == "long-poll":
        return await _long_poll(system, call, stream, offset)
    if offset == NOW:
        return answer(b"[]", headers=_headers(stream, stream.tail) | {"cache-control": "no-store"})
    return _messages(call, stream, start, {})


async def describe(system: System, call: Call) -> Response:
    """`HEAD /ANY/STREAM`: where it ends."""
    stream = _readable(system, call)
    if stream is None:
        return _not_found()
    headers = {
        "content-type": _JSON,
        "cache-control": "no-store",
        "stream-next-offset": stream.tail,
        "etag": _etag(call, BEFORE_FIRST, stream, stream.tail),
    }
    return answer(headers=headers | _closed_header(stream))


async def append(system: System, call: Call) -> Response:
    """`POST /ANY/STREAM`: add a JSON value, or the values of an array, as one message."""
    content_type = call.headers.get("content-type", "")
    if _entity_of(system, call) and call.claim_token != system.write_tokens.get(call.path):
        raise ApiError(401, "UNAUTHORIZED", "Invalid write token")
    if not call.body:
        return text_answer("Empty body", 400)
    if not content_type:
        return text_answer("Content-Type header is required", 400)
    if system.streams.get(call.path) is None:
        return _not_found()
    if content_type.lower().partition(";")[0].strip() != _JSON:
        return text_answer("Content-type mismatch", 409)
    try:
        values = _values_of(call.body)
    except ValueError as error:
        return text_answer(str(error), 400)
    return _append(system, call, values)


def _values_of(body: bytes) -> list[object]:
    try:
        value = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise ValueError("Invalid JSON") from error
    if value == []:
        raise ValueError("Empty arrays are not allowed")
    return value if isinstance(value, list) else [value]


def _append(system: System, call: Call, values: list[object]) -> Response:
    try:
        offset = system.subscriptions.append(call.path, *values)
    except ClosedStreamError:
        tail = system.streams.tail(call.path)
        headers = {"stream-closed": "true", "stream-next-offset": tail}
        return answer(b"Stream is closed", 409, {"content-type": "text/plain"} | headers)
    return answer(status=204, headers={"stream-next-offset": offset})


async def delete(system: System, call: Call) -> Response:
    """`DELETE /ANY/STREAM`: it is not found from then on."""
    if not system.streams.delete(call.path):
        return _not_found()
    system.subscriptions.on_delete(call.path)
    return answer(status=204)


def _readable(system: System, call: Call) -> Stream | None:
    entity = _entity_of(system, call)
    if entity is not None:
        check_access(call, entity, "read")
    return system.streams.get(call.path)


def _entity_of(system: System, call: Call) -> Entity | None:
    """Find the entity whose main stream is asked for."""
    url = call.path.removesuffix("/main")
    return None if url == call.path else system.registry.entity(url)


def _not_found() -> Response:
    return text_answer("Stream not found", 404)


def _problem_of(offsets: list[str], live: str | None) -> str | None:
    if not offsets:
        return f"{_LIVE[live]} requires offset parameter" if live in _LIVE else None
    if offsets[0] == "":
        return "Empty offset parameter"
    if len(offsets) > 1:
        return "Multiple offset parameters not allowed"
    return None if _OFFSET.fullmatch(offsets[0]) else "Invalid offset format"


async def _long_poll(system: System, call: Call, stream: Stream, offset: str) -> Response:
    start = stream.tail if offset == NOW else offset
    if start == stream.tail and not stream.closed:
        await stream.wait(system.clock, LONG_POLL_SECONDS)
        await system.faults.wake_stream_flows(call.runner_id)
    headers = {"stream-cursor": _next_cursor(system.clock.now(), call.query("cursor"))}
    if start != stream.tail:
        return _messages(call, stream, start, headers)
    headers |= {"stream-next-offset": start, "stream-up-to-date": "true"}
    return answer(status=204, headers=headers | _closed_header(stream))


def _messages(call: Call, stream: Stream, start: str, more: dict[str, str]) -> Response:
    messages = stream.after(start)
    end = messages[-1].offset if messages else stream.tail
    etag = _etag(call, call.query("offset") or BEFORE_FIRST, stream, end)
    if call.headers.get("if-none-match") == etag:
        return answer(status=304, headers={"etag": etag})
    body = b"[" + b",".join(message.json for message in messages) + b"]"
    return answer(body, headers=_headers(stream, end) | {"etag": etag} | more)


def _headers(stream: Stream, end: str) -> dict[str, str]:
    headers = {"content-type": _JSON, "stream-next-offset": end, "stream-up-to-date": "true"}
    return headers | _closed_header(stream)


def _closed_header(stream: Stream) -> dict[str, str]:
    return {"stream-closed": "true"} if stream.closed else {}


def _etag(call: Call, start: str, stream: Stream, end: str) -> str:
    path = b64encode(f"/v1/stream{call.path}".encode()).decode()
    return f'"{path}:{start}:{end}{":c" if stream.closed else ""}"'


async def _events(system: System, call: Call, stream: Stream, position: int) -> AsyncIterator[str]:
    while not (system.stopping.is_set() or stream.deleted):
        await system.faults.wake_stream_flows(call.runner_id)
        messages = stream.after(offset_of(position))
        for message in messages:
            yield f"event: data\ndata:[{message.json.decode()}]\n\n"
        end = messages[-1].offset if messages else stream.tail
        control = msgspec.json.encode(_control(system, call, stream, end)).decode()
        yield f"event: control\ndata:{control}\n\n"
        if stream.closed:
            return
        position = position_of(end)
        if not stream.after(end):
            await stream.wait(system.clock, LONG_POLL_SECONDS)


def _control(system: System, call: Call, stream: Stream, end: str) -> Json:
    if stream.closed:
        return {"streamNextOffset": end, "streamClosed": True}
    cursor = _next_cursor(system.clock.now(), call.query("cursor"))
    return {"streamNextOffset": end, "streamCursor": cursor, "upToDate": True}


def _next_cursor(now: float, cursor: str | None) -> str:
    """Give the number of the present 20 s interval, or one that is beyond what the reader has."""
    interval = int(now - _CURSOR_EPOCH) // _CURSOR_SECONDS
    if cursor and cursor.isdecimal() and int(cursor) >= interval:
        return str(int(cursor) + 1)
    return str(interval)
