"""Durable streams of JSON: append, read from an offset, wait for more.

Only what runners see of a durable-streams server. An offset is the count of bytes of its file
store: a message takes its JSON, a comma, a length of four bytes and a line feed.
"""

import asyncio
from collections.abc import Iterator
from typing import Final, NamedTuple
from urllib.parse import quote

import msgspec

from electric_agents_simulator.clock import Clock, settled_within

BEFORE_FIRST: Final = "-1"
"""The offset from which all is replayed."""

NOW: Final = "now"
"""The offset from which only what is new is read."""

_FRAMING_BYTES: Final = 6
_IN_URLS: Final = "!$%&'()*+,/:;=@[]^|~\\"
_LOST_IN_URLS: Final = str.maketrans("", "", "\t\r\n")


class Message(NamedTuple):
    """A JSON text in a stream, and the offset behind it."""

    offset: str
    json: bytes


class Stream:
    """An append-only list of messages; its last offset is its tail."""

    def __init__(self) -> None:
        self._messages: list[Message] = []
        self._waiting: set[asyncio.Future[None]] = set()
        self._size = 0

    @property
    def tail(self) -> str:
        """The offset behind the last message."""
        return f"{0:016d}_{self._size:016d}"

    def append(self, event: object) -> None:
        """Add a message, and let all who wait look again."""
        json = msgspec.json.encode(event)
        self._size += len(json) + _FRAMING_BYTES
        self._messages.append(Message(self.tail, json))
        self.release_waiting()

    def after(self, offset: str) -> list[Message]:
        """Read all messages after an offset (`-1`: all)."""
        return list(self._backwards_to(offset))[::-1]

    def _backwards_to(self, offset: str) -> Iterator[Message]:
        for message in reversed(self._messages):
            if message.offset <= offset:
                return
            yield message

    async def wait(self, clock: Clock, seconds: float) -> bool:
        """Wait for a message; False when none came in time."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            return await settled_within(clock, future, seconds)
        finally:
            self._waiting.discard(future)

    def release_waiting(self) -> None:
        """Let all who wait look again."""
        for future in self._waiting:
            if not future.done():
                future.set_result(None)


class Streams:
    """All streams of one server, by path.

    A path is what remains of it in a URL: escapes stay as they are written, and what a URL cannot
    hold is lost. So the wake stream of a runner called `a/b` or `100%` is not where its runner
    looks for it, on the real server too.
    """

    def __init__(self) -> None:
        self._streams: dict[str, Stream] = {}

    def ensure(self, path: str) -> Stream:
        """Create a stream if there is none."""
        return self._streams.setdefault(_key(path), Stream())

    def get(self, path: str) -> Stream | None:
        """Find a stream."""
        return self._streams.get(_key(path))

    def tail(self, path: str) -> str:
        """Tell where a stream ends; the zero offset when there is none."""
        stream = self.get(path)
        return stream.tail if stream else Stream().tail

    def release_waiting(self) -> None:
        """Let all who wait anywhere look again: the server stops."""
        for stream in self._streams.values():
            stream.release_waiting()


def _key(path: str) -> str:
    return quote(path.translate(_LOST_IN_URLS), safe=_IN_URLS).replace("\\", "/").strip("/")
