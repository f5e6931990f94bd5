"""How expositions are sent: compressed where that is taken, and a part at a time."""

import asyncio
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import StreamingResponse

from electric_agents_exporter.metrics.formats import Format
from electric_agents_exporter.metrics.scrape import CHUNK_BYTES, Body


class Turns:
    """Lets bodies be sent a part at a time: of all that are under way, one part a turn of the loop.

    Nothing else gives the loop a turn while a socket takes all that it is given, as one on the same
    machine may; and a turn with a part of each of many bodies is a long one.
    """

    def __init__(self) -> None:
        self._one = asyncio.Lock()

    async def each(self, chunks: Body) -> AsyncIterator[bytes | memoryview]:
        """Give the chunks one by one."""
        given = 0
        for chunk in chunks:
            yield chunk
            given += len(chunk)
            if given >= CHUNK_BYTES:
                given = 0
                async with self._one:
                    await asyncio.sleep(0)


def exposition(body: Body, fmt: Format, turns: Turns, *, gzip: bool) -> StreamingResponse:
    """Make the answer that an exposition is."""
    headers = {
        "content-type": fmt.value,
        "content-length": str(sum(map(len, body))),
        "vary": "accept, accept-encoding",
    }
    if gzip:
        headers["content-encoding"] = "gzip"
    return StreamingResponse(turns.each(body), headers=headers)


def takes_gzip(request: Request) -> bool:
    """Tell whether a client takes gzip: what is said of it by name counts more than of any."""
    taken = {}
    for clause in request.headers.get("accept-encoding", "").lower().split(","):
        coding, _, quality = clause.partition(";")
        taken[coding.strip()] = quality.replace(" ", "") not in {
            "q=0",
            "q=0.0",
            "q=0.00",
            "q=0.000",
        }
    return taken.get("gzip", taken.get("*", False))
