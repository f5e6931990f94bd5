"""Whatever a server's head holds: a poll ends, and what failed is counted by its reason."""

import asyncio
from collections.abc import Mapping

from hypothesis import example, given
from hypothesis import strategies as st
from tests.unit.sources.conftest import Exchange, Request, ScriptedServer

from electric_agents_exporter.fleet.clock import SystemClock
from electric_agents_exporter.fleet.policy import Policy
from electric_agents_exporter.fleet.reasons import Operation
from electric_agents_exporter.sources.http import HttpOptions

BODY = b'[{"id": "a"}]'
NAMES = (
    "Date",
    "Content-Type",
    "Content-Encoding",
    "Content-Length",
    "Transfer-Encoding",
    "Connection",
    "Keep-Alive",
    "Set-Cookie",
    "Location",
    "Stream-Next-Offset",
    "Upgrade",
    "X",
)
ODD_VALUES = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [
            b"Mon, 01 Jan 2020 99999999999999999999:00:00 GMT",
            b"Mon, 01 Jan 99999 00:00:00 GMT",
            b"Mon, 01 Jan 0000 00:00:00 +9999",
            b"gzip, gzip",
            b"-1",
            b"99999999999999999999",
            b"chunked, chunked",
            b"caf\xe9",
            b"\x00",
        ]
    ),
)
HEADERS = st.lists(st.tuples(st.sampled_from(NAMES), ODD_VALUES), max_size=4)


async def polled(head: bytes) -> Mapping[Operation, tuple[int, int]]:
    """Poll a server whose every answer begins so; gives the requests and errors by operation."""

    async def answer(request: Request) -> None:
        request.writer.write(head + BODY)
        request.writer.close()

    server = ScriptedServer()
    server.answer = answer
    await server.start()
    options = HttpOptions(server.url, ("service:monitor",), timeout=2.0)
    policy = Policy("production", options.principals, operations=tuple(Operation))
    exchange = Exchange(options, SystemClock(), policy, wakes=True)
    try:
        await exchange.result()
    finally:
        await exchange.source.aclose()
        await server.stop()
    requests = exchange.seen.requests
    return {
        operation: (
            count,
            sum(n for (of, _), n in requests.errors.items() if of is operation),
        )
        for operation, count in requests.requests.items()
    }


@given(HEADERS, st.sampled_from([b"OK", b"", b"caf\xe9", b"\xff\xfe", b"O" * 100]))
@example([("Date", b"Mon, 01 Jan 2020 99999999999999999999:00:00 GMT")], b"OK")
@example([], b"caf\xe9")
def test_no_header_and_no_reason_phrase_can_end_a_poll_by_a_bug(
    headers: list[tuple[str, bytes]], phrase: bytes
) -> None:
    lines = [b"HTTP/1.1 200 " + phrase]
    lines += [name.encode() + b": " + value for name, value in headers]
    counts = asyncio.run(polled(b"\r\n".join([*lines, b"", b""])))
    for operation in (Operation.SERVER, Operation.LIST):
        requests, errors = counts[operation]
        assert requests == 1
        assert errors <= 1


@given(st.binary(max_size=200))
@example(b"SSH-2.0-OpenSSH_9.2\r\n")
@example(b"HTTP/1.1 99999999999999999999 OK\r\n\r\n")
@example(b"HTTP/9.9 200 OK\r\n\r\n")
def test_what_is_no_http_at_all_is_a_failed_request(head: bytes) -> None:
    counts = asyncio.run(polled(head))
    assert counts[Operation.LIST][0] == 1
