"""An agents-server that answers from memory as fast as Python can: the other end of a poll.

Run as a program: prints its port, then serves until it is killed. With `churn`, all reports change
every few seconds, and a hundredth of the fleet comes and goes.
"""

import asyncio
import itertools
import sys
from typing import cast
from urllib.parse import unquote

from fleets import health_bodies, list_body, wake_offset, wake_stream

_TURNS = 3
_TURN_SECONDS = 7.0
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


def _answer(body: bytes) -> bytes:
    return _HEAD % len(body) + body


def _tail() -> bytes:
    """Answer for a wake stream that its runner has heard to its end."""
    head, line_end, rest = _answer(b"[]").partition(b"\r\n")
    return head + line_end + f"Stream-Next-Offset: {wake_offset()}\r\n".encode() + rest


class CannedProtocol(asyncio.Protocol):
    """One connection: every request has a prepared answer."""

    def __init__(self, answers: dict[bytes, bytes]) -> None:
        self._answers = answers
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole."""
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            path = head.split(b" ", 2)[1].partition(b"?")[0]
            assert self._transport is not None  # noqa: S101
            self._transport.write(self._answers[unquote(path.decode()).encode()])


def _fleet(count: int, turn: int, *, churn: bool) -> dict[bytes, bytes]:
    """Prepare every answer of one turn."""
    missing = range(turn, count, 100) if churn else ()
    tail = _tail()
    answers = {
        b"/_electric/health": _answer(b'{"status":"ok"}'),
        b"/_electric/runners": _answer(list_body(count, without=missing)),
    }
    for name, body in health_bodies(count, turn).items():
        answers[f"/_electric/runners/{name}/health".encode()] = _answer(body)
        answers[wake_stream(name).encode()] = tail
    return answers


async def main(count: int, *, churn: bool) -> None:
    """Serve a fleet of so many runners on loopback."""
    turns = [_fleet(count, turn, churn=churn) for turn in range(_TURNS if churn else 1)]
    answers = dict(turns[0])
    server = await asyncio.get_running_loop().create_server(
        lambda: CannedProtocol(answers), "127.0.0.1", 0
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    for turn in itertools.count(1):
        await asyncio.sleep(_TURN_SECONDS)
        answers.update(turns[turn % len(turns)])


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), churn="churn" in sys.argv[2:]))
