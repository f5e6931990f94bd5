"""Single requests over HTTP, each with a deadline that nothing can stretch."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import aiohttp
import httpx

from electric_agents_exporter.fleet.reasons import Reason
from electric_agents_exporter.sources.http_bodies import read_body
from electric_agents_exporter.sources.http_reasons import (
    ODD,
    reason_of_error,
    reason_of_status,
    words_of_error,
)
from electric_agents_exporter.sources.http_transport import Transport


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked, and how much of the answer's body is taken, in bytes.

    With `part`, the first part of a longer body is enough; without it that is a failure. Headers
    and content stay out of `repr`: they may hold secrets.
    """

    method: str
    url: str
    headers: httpx.Headers | Mapping[str, str] = field(repr=False)
    most: int
    part: bool = False
    content: bytes | None = field(default=None, repr=False)


class Response(NamedTuple):
    """A good response: its body, perhaps the first part alone, and its headers."""

    body: bytes
    headers: httpx.Headers
    cut: bool = False


class Outcome(NamedTuple):
    """What came of a request.

    `response` is a good one, or why there is none; `words` say more of that where anybody does.
    """

    response: Response | Reason
    status: int | None
    words: str


async def exchange(
    transport: Transport,
    request: Request,
    timeout: float,  # noqa: ASYNC109
) -> Outcome:
    """Make one request, which may take so many seconds in all."""
    try:
        async with asyncio.timeout(timeout):
            status, response = await _exchange(transport, request)
    except (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError, *ODD) as error:
        return Outcome(reason_of_error(error), None, words_of_error(error))
    words = f"HTTP {status}" if isinstance(response, Reason) else ""
    return Outcome(response, status, words)


async def _exchange(transport: Transport, request: Request) -> tuple[int, Response | Reason]:
    """Give the status and what was answered, or why that is no use."""
    sent = httpx.Request(
        request.method, request.url, headers=request.headers, content=request.content
    )
    response = await transport.handle_async_request(sent)
    try:
        reason = reason_of_status(response.status_code)
        if reason is not None:
            return response.status_code, reason
        body = await read_body(response, request.most, part=request.part)
        if isinstance(body, Reason):
            return response.status_code, body
        return response.status_code, Response(body.content, response.headers, body.cut)
    finally:
        await response.aclose()
