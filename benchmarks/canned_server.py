"""An agents-server that answers from memory as fast as Python can: the other end of a poll.

Run as a program: prints its port, then serves until it is killed.
"""

import asyncio
import sys
from typing import cast
from urllib.parse import unquote

from fleets import health_bodies, list_body

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


def _answer(body: bytes) -> bytes:
    return _HEAD % len(body) + body


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


async def main(count: int) -> None:
    """Serve a fleet of so many runners on loopback."""
    answers = {b"/_electric/runners": _answer(list_body(count))}
    for name, body in health_bodies(count).items():
        answers[f"/_electric/runners/{name}/health".encode()] = _answer(body)
    server = await asyncio.get_running_loop().create_server(
        lambda: CannedProtocol(answers), "127.0.0.1", 0
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
