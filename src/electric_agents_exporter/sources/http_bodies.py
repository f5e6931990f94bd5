"""Bodies of answers, unpacked no further than anybody wants to read them.

A few kilobytes of gzip can hold gigabytes, and more so gzip of gzip. So one coding is taken, that
which was asked for, and is unpacked a bounded piece at a time.
"""

import zlib
from collections.abc import AsyncIterable, AsyncIterator
from io import BytesIO
from typing import Final, NamedTuple, cast

import httpx

from electric_agents_exporter.fleet.reasons import Reason

_PLAIN: Final = frozenset({"", "identity"})
_GZIPPED: Final = frozenset({"gzip", "x-gzip"})
_PIECE: Final = 256 << 10
_GZIP_WINDOW: Final = 31  # zlib's word for the format of gzip


class Body(NamedTuple):
    """A body, or the first part of one that is longer."""

    content: bytes
    cut: bool


async def read_body(response: httpx.Response, most: int, *, part: bool = False) -> Body | Reason:
    """Read so many bytes of a body at most; gives why where it is no use.

    With `part`, the first part of a longer one is enough.
    """
    coding = response.headers.get("content-encoding", "").strip().lower()
    if coding not in _PLAIN | _GZIPPED:
        return Reason.NOT_JSON
    held = BytesIO()  # it gives what it holds without a copy
    try:
        async for piece in _pieces(response, unpacks=coding in _GZIPPED):
            held.write(piece)
            if held.tell() > most:
                held.truncate(most)
                return Body(held.getvalue(), cut=True) if part else Reason.TOO_LARGE
    except zlib.error:
        return Reason.NOT_JSON
    return Body(held.getvalue(), cut=False)


async def _pieces(response: httpx.Response, *, unpacks: bool) -> AsyncIterator[bytes]:
    """Give a body in pieces, without httpx's own unpacking, of which a piece has no bound."""
    chunks = cast("AsyncIterable[bytes]", response.stream)  # an asynchronous transport made it
    unpacker = zlib.decompressobj(_GZIP_WINDOW)
    async for chunk in chunks:
        if not unpacks:
            yield chunk
            continue
        packed = chunk
        while packed:
            yield unpacker.decompress(packed, _PIECE)
            packed = unpacker.unconsumed_tail
