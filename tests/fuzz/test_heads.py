"""Whatever stands before a server's answer: a poll ends in time, and what failed is counted."""

import asyncio
import gzip

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.sources.test_odd_headers import BODY, HEADERS, polled

from damage import damaged, lines_moved
from electric_agents_exporter.fleet.reasons import Operation
from fuzzing import for_seconds
from unhindered_loop import run_unhindered

LONGEST = 8.0
"""Seconds. A request may take two; the server and the lists are asked beside each other."""

DATE = b"Date: Mon, 23 Nov 2026 12:00:00 GMT\r\n"
PACKED = gzip.compress(BODY)
HEADS = [
    b"HTTP/1.1 200 OK\r\n" + DATE + b"Content-Length: %d\r\n\r\n" % len(BODY),
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nd\r\n[]           \r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(PACKED)
    + PACKED,
    b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nSet-Cookie: a=b; Max-Age=9; Path=/\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 301 Moved Permanently\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\n\r\n",
]
PARTS = [
    *(
        b"\r\n",
        b"\n",
        b"\r",
        b"\0",
        b" ",
        b"\t",
        b":",
        b";",
        b",",
        b"\xff",
        b"\xe9",
        b"=",
        b'"',
        b"\r\n ",
    ),
    *(
        b"HTTP/1.1 ",
        b"HTTP/9.9 ",
        b"ICY 200",
        b" 000 ",
        b" 999 ",
        b" 99999999999999999999 ",
        b" -1 ",
        b" 2O0 ",
    ),
    *(
        b"Content-Length: -1\r\n",
        b"Content-Length: 1e3\r\n",
        b"Content-Length: 99999999999999999999\r\n",
    ),
    *(b"Content-Length: 0x5\r\n", b"Content-Length: 5, 5\r\n", b"Content-Length: \xc2\xb2\r\n"),
    *(
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"ffffffffffffffff\r\n",
    ),
    *(
        b"Content-Encoding: gzip, gzip\r\n",
        b"Content-Encoding: br\r\n",
        b"Content-Type: text/x; charset=x\r\n",
    ),
    *(
        b"Date: Mon, 01 Jan 99999 00:00:00 GMT\r\n",
        b"Date: x\r\n",
        b"Date: Mon, 1 Jan 2020 0:0:0 +99999999\r\n",
    ),
    *(
        b"Connection: upgrade\r\nUpgrade: x\r\n",
        b"Set-Cookie: \x00=;;=\r\n",
        b"Location: //[\r\n",
        b"x" * 9000,
    ),
    *(
        b"Keep-Alive: timeout=1e99\r\n",
        b"Stream-Next-Offset: \xff\r\n",
        b"\x1f\x8b\x08\x00",
        b"X: y\r\n" * 200,
    ),
]
with_headers = st.tuples(HEADERS, st.sampled_from([b"OK", b"", b"\xff"])).map(
    lambda drawn: b"\r\n".join(
        [b"HTTP/1.1 200 " + drawn[1], *(b"%s: %s" % (n.encode(), v) for n, v in drawn[0]), b"", b""]
    )
)


async def poll_ends(head: bytes) -> None:
    async with asyncio.timeout(LONGEST):
        counts = await polled(head)
    for operation in (Operation.SERVER, Operation.LIST):
        requests, errors = counts[operation]
        assert requests == 1
        assert errors <= 1


@for_seconds
@given(head=st.one_of(damaged(HEADS, PARTS), lines_moved(HEADS, PARTS), with_headers))
def test_a_poll_ends_whatever_stands_before_an_answer(head: bytes) -> None:
    run_unhindered(poll_ends(head))
