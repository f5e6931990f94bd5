"""Bodies of answers, unpacked no further than anybody wants to read them.

A few kilobytes of gzip can hold gigabytes, and more so gzip of gzip. So one coding is taken, that
which was asked for, and is unpacked a bounded piece at a time.
"""

import zlib
from collections.abc import AsyncIterable
from typing import Final, NamedTuple, cast

import httpx

from electric_agents_exporter.fleet.reasons import Reason

_PLAIN: Final = frozenset({"", "identity"})
_GZIPPED: Final = frozenset({"gzip", "x-gzip"})
_GZIP_WINDOW: Final = 31  # zlib's word for the format of gzip


class Body(NamedTuple):
    """A body, or the first part of one that is longer."""

    content: bytes
    cut: bool


async def read_body(response: httpx.Response, most: int) -> Body | Reason:
    """Read so many bytes of a body at most; gives why where it cannot be unpacked."""
    coding = response.headers.get("content-encoding", "").strip().lower()
    if coding not in _PLAIN | _GZIPPED:
        return Reason.NOT_JSON
    unpacker = zlib.decompressobj(_GZIP_WINDOW) if coding in _GZIPPED else None
    body = bytearray()
    try:
        async for chunk in _packed(response):
            # To know that there is more, one byte of it is enough.
            room = most + 1 - len(body)
            body += unpacker.decompress(chunk, room) if unpacker else chunk[:room]
            if len(body) > most:
                return Body(bytes(body[:most]), cut=True)
    except zlib.error:
        return Reason.NOT_JSON
    return Body(bytes(body), cut=False)


def _packed(response: httpx.Response) -> AsyncIterable[bytes]:
    """Give a body as it came, without httpx's own unpacking, which has no bound."""
    return cast("AsyncIterable[bytes]", response.stream)  # an asynchronous transport made it
