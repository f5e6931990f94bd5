"""The routes of streams: read all at once, by long poll, or as server-sent events.

Any caller may read any stream, as on the real server, which forwards to its streams server
without looking at the principal.
"""

import re
from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Final

import msgspec
from starlette.responses import Response

from electric_agents_simulator.server.http import (
    Call,
    answer,
    event_stream,
    text_answer,
)
from electric_agents_simulator.server.system import System
from electric_agents_simulator.wakes.streams import BEFORE_FIRST, NOW, Stream

LONG_POLL_SECONDS: Final = 30.0
"""How long a reader is kept waiting before it is told that there is nothing."""

_OFFSET: Final = re.compile(r"-1|now|\d+_\d+")
_LIVE: Final = {"sse": "SSE", "long-poll": "Long-poll"}
_CURSOR_EPOCH: Final = 1_728_432_000  # 9 October 2024, by the streams protocol
_CURSOR_SECONDS: Final = 20


async def read(system: System, call: Call) -> Response:
    """`GET /ANY/STREAM?offset=...[&live=long-poll|sse]`: its messages after an offset."""
    stream = system.streams.get(call.path)
    if stream is None:
        return text_answer("Stream not found", 404)
    offset, live = call.query("offset"), call.query("live")
    problem = _problem_of(offset, live)
    if problem is not None:
        return text_answer(problem, 400)
    start = stream.tail if offset == NOW else offset or BEFORE_FIRST
    if live == "sse":
        return event_stream(_events(system, stream, start, call.query("cursor")))
    if live == "long-poll":
        return await _long_poll(system, call, stream, start)
    return _messages(call, stream, start, {})


async def describe(system: System, call: Call) -> Response:
    """`HEAD /ANY/STREAM`: where it ends."""
    stream = system.streams.get(call.path)
    if stream is None:
        return text_answer("Stream not found", 404)
    headers = {
        "content-type": "application/json",
        "cache-control": "no-store",
        "stream-next-offset": stream.tail,
        "etag": _etag(call, stream.tail),
    }
    return answer(headers=headers)


def _etag(call: Call, end: str) -> str:
    path = b64encode(f"/v1/stream{call.path}".encode()).decode()
    return f'"{path}:{call.query("offset") or BEFORE_FIRST}:{end}"'


def _problem_of(offset: str | None, live: str | None) -> str | None:
    if offset == "":
        return "Empty offset parameter"
    if offset is not None and not _OFFSET.fullmatch(offset):
        return "Invalid offset format"
    if offset is None and live in _LIVE:
        return f"{_LIVE[live]} requires offset parameter"
    return None


async def _long_poll(system: System, call: Call, stream: Stream, start: str) -> Response:
    if not stream.after(start):
        await stream.wait(system.clock, LONG_POLL_SECONDS)
    headers = {"stream-cursor": _next_cursor(system.clock.now(), call.query("cursor"))}
    if not stream.after(start):
        headers |= {"stream-next-offset": start, "stream-up-to-date": "true"}
        return answer(status=204, headers=headers)
    return _messages(call, stream, start, headers)


def _messages(call: Call, stream: Stream, offset: str, headers: dict[str, str]) -> Response:
    messages = stream.after(offset)
    body = b"[" + b",".join(message.json for message in messages) + b"]"
    end = messages[-1].offset if messages else stream.tail
    headers = headers | {
        "content-type": "application/json",
        "stream-next-offset": end,
        "stream-up-to-date": "true",
    }
    if call.query("offset") == NOW and "stream-cursor" not in headers:
        headers["cache-control"] = "no-store"
    else:
        headers["etag"] = _etag(call, end)
    return answer(body, headers=headers)


async def _events(
    system: System, stream: Stream, position: str, cursor: str | None
) -> AsyncIterator[str]:
    while not system.stopping.is_set():
        for message in stream.after(position):
            position = message.offset
            yield f"event: data\ndata:[{message.json.decode()}]\n\n"
        if position == BEFORE_FIRST:
            position = stream.tail
        control = {
            "streamNextOffset": position,
            "streamCursor": _next_cursor(system.clock.now(), cursor),
            "upToDate": True,
        }
        yield f"event: control\ndata:{msgspec.json.encode(control).decode()}\n\n"
        if not stream.after(position):
            await stream.wait(system.clock, LONG_POLL_SECONDS)


def _next_cursor(now: float, cursor: str | None) -> str:
    """Give the number of the present 20 s interval, or one that is beyond what the reader has."""
    interval = int(now - _CURSOR_EPOCH) // _CURSOR_SECONDS
    if cursor and cursor.isdecimal() and int(cursor) >= interval:
        return str(int(cursor) + 1)
    return str(interval)
