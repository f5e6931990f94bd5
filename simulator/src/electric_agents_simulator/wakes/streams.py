"""Durable streams of JSON: append, read from an offset, wait for more, close, delete.

Only what runners and monitors see of a durable-streams server. An offset is the count of bytes of
its file store: a message takes its JSON, a comma, a length of four bytes and a line feed.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, Protocol
from urllib.parse import quote

import msgspec

from electric_agents_simulator.clock import Clock, settled_within

BEFORE_FIRST: Final = "-1"
"""The offset from which everything is read."""

NOW: Final = "now"
"""The offset from which only what is new is read."""

_FRAMING_BYTES: Final = 6
_IN_URLS: Final = "!$%&'()*+,/:;=@[]^|~\\"
_LOST_IN_URLS: Final = str.maketrans("", "", "\t\r\n")
_MARKS_A_STATE_EVENT: Final = ("operation", "control")


class ClosedStreamError(Exception):
    """Nothing can be appended to a stream that was closed."""


class Message(NamedTuple):
    """One append."""

    end: int
    """Where it ends: how many bytes the stream has with it."""
    json: bytes
    """Its values as readers get them, with commas between."""

    @property
    def offset(self) -> str:
        """The offset behind it."""
        return offset_of(self.end)


class StoredStream(NamedTuple):
    """A stream as a store keeps it."""

    path: str
    closed: bool
    messages: list[Message]


class StreamStore(Protocol):
    """Keeps streams beyond the life of the process."""

    def load(self) -> Iterable[StoredStream]:
        """Read all streams."""

    def create(self, path: str) -> None:
        """Add an empty stream."""

    def append(self, path: str, message: Message) -> None:
        """Add a message."""

    def close(self, path: str) -> None:
        """Mark a stream as closed."""

    def delete(self, path: str) -> None:
        """Remove a stream and its messages."""


def offset_of(end: int) -> str:
    """Write an offset."""
    return f"{0:016d}_{end:016d}"


def position_of(offset: str) -> int:
    """Read an offset; `-1` is the beginning."""
    return int(offset.partition("_")[2] or 0)


class Stream:
    """An append-only list of messages."""

    def __init__(self, messages: Sequence[Message] = (), *, closed: bool = False) -> None:
        self._messages = list(messages)
        self._waiting: set[asyncio.Future[None]] = set()
        self.closed = closed
        self.deleted = False

    @property
    def tail(self) -> str:
        """The offset behind the last message."""
        return offset_of(self._end)

    @property
    def _end(self) -> int:
        return self._messages[-1].end if self._messages else 0

    def append(self, values: Sequence[object]) -> Message:
        """Add values as one message, and let all who wait look again.

        Raises:
            ClosedStreamError: the stream is closed.
        """
        if self.closed:
            raise ClosedStreamError
        size = len(b",".join(msgspec.json.encode(value) for value in values))
        end = self._end + size + _FRAMING_BYTES
        shown = (_with_offset(value, offset_of(end)) for value in values)
        message = Message(end, b",".join(msgspec.json.encode(value) for value in shown))
        self._messages.append(message)
        self.release_waiting()
        return message

    def after(self, offset: str) -> list[Message]:
        """Read all messages behind an offset."""
        position = position_of(offset)
        return self._messages[bisect_right(self._messages, position, key=lambda m: m.end) :]

    async def wait(self, clock: Clock, seconds: float) -> bool:
        """Wait for a message or the stream's end; False when neither came in time."""
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

    def __init__(self, store: StreamStore | None = None) -> None:
        self._store = store
        self._streams: dict[str, Stream] = {}
        for stored in store.load() if store else ():
            self._streams[stored.path] = Stream(stored.messages, closed=stored.closed)

    def ensure(self, path: str) -> Stream:
        """Create a stream if there is none."""
        key = _key(path)
        if key not in self._streams:
            self._streams[key] = Stream()
            if self._store:
                self._store.create(key)
        return self._streams[key]

    def get(self, path: str) -> Stream | None:
        """Find a stream."""
        return self._streams.get(_key(path))

    def append(self, path: str, *values: object) -> str:
        """Append values to a stream, which must exist, as one message; give the offset behind it.

        Raises:
            ClosedStreamError: the stream is closed.
        """
        key = _key(path)
        message = self._streams[key].append(values)
        if self._store:
            self._store.append(key, message)
        return message.offset

    def close(self, path: str) -> None:
        """Let nothing be appended to a stream any more."""
        key = _key(path)
        self._streams[key].closed = True
        self._streams[key].release_waiting()
        if self._store:
            self._store.close(key)

    def delete(self, path: str) -> bool:
        """Remove a stream; False when there is none."""
        key = _key(path)
        stream = self._streams.pop(key, None)
        if stream is None:
            return False
        stream.deleted = True
        stream.release_waiting()
        if self._store:
            self._store.delete(key)
        return True

    def tail(self, path: str) -> str:
        """Give the offset at which a stream ends; that of an empty one when there is none."""
        stream = self.get(path)
        return stream.tail if stream else offset_of(0)

    def release_waiting(self) -> None:
        """Let all who wait anywhere look again: the server stops."""
        for stream in self._streams.values():
            stream.release_waiting()


def _with_offset(value: object, offset: str) -> object:
    """Give an event of an entity's state the offset that readers find in it."""
    headers = value.get("headers") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(headers, dict):
        return value
    if not any(isinstance(headers.get(mark), str) for mark in _MARKS_A_STATE_EVENT):
        return value
    return value | {"headers": headers | {"offset": offset}}


def _key(path: str) -> str:
    return quote(path.translate(_LOST_IN_URLS), safe=_IN_URLS).replace("\\", "/").strip("/")
