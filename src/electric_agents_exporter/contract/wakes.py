"""What a runner's wake stream says: offsets, and the wakes behind one.

A wake tells a runner that an entity has work. At most one wake of an entity is unclaimed, so what
is counted is entities. Anybody may write to a wake stream: all of it is foreign input, and what is
no wake is passed over.

Source: measured on agents-server 0.6.4 with embedded streams, and `durable-streams`' offsets.
"""

import json
import math
import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

import msgspec

from electric_agents_exporter.contract.reading import torn

START: Final = "-1"
"""The offset of a runner that has heard nothing of its stream."""

MAX_WAKES: Final = 256
"""The most wakes that are kept of one reading: more of them are counted no further."""

_OFFSET: Final = re.compile(r"([0-9]{1,32})_([0-9]{1,32})")
_MAX_ENTITY_STREAM_LENGTH: Final = 1024
_DECODER: Final = json.JSONDecoder()
_BETWEEN: Final = " \t\r\n,"


class Wake(msgspec.Struct, frozen=True, gc=False):
    """One wake event.

    `stream` is the entity's stream, with no slash before it; `at` is when it was written, seconds
    since the epoch on the server's clock, None where that cannot be read; `generation` is the epoch
    of the claim that will answer it.
    """

    stream: str
    at: float | None
    generation: int | None


class WakeReading(msgspec.Struct, frozen=True, gc=False):
    """What was read of a wake stream.

    `wakes` stand behind `offset`, and are all that do where the reading is `whole`; `news` stand
    behind the tail that was known before; `tail` is where the stream ends. `at_rest` are the
    streams of entities that nobody waits for: stopped, killed, paused, or not there.
    """

    offset: str
    tail: str
    wakes: tuple[Wake, ...] = ()
    news: tuple[Wake, ...] = ()
    at_rest: frozenset[str] = frozenset()
    whole: bool = True


def position(offset: str | None) -> tuple[int, int] | None:
    """Give where in a stream an offset stands, in order; None for a text that is no offset."""
    if offset is None:
        return None
    if offset == START:
        return (0, 0)
    match = _OFFSET.fullmatch(offset)
    return None if match is None else (int(match[1]), int(match[2]))


def read_wakes(body: bytes) -> tuple[Wake, ...]:
    """Read the first wakes of a JSON array, which may be cut off anywhere."""
    wakes = (wake for item in _items(body) if (wake := _wake(item)) is not None)
    return tuple(islice(wakes, MAX_WAKES))


def entity_url(stream: str) -> str:
    """Give the URL of the entity whose stream this is: the stream without its own name."""
    return "/" + stream.rpartition("/")[0]


def _items(body: bytes) -> Iterator[object]:
    """Decode the items of an array one by one, as far as it goes."""
    text = body.decode("utf-8", "replace").lstrip()
    if not text.startswith("["):
        return
    at = 1
    while True:
        while at < len(text) and text[at] in _BETWEEN:
            at += 1
        try:
            item, at = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            return
        yield item


def _wake(item: object) -> Wake | None:
    if not isinstance(item, dict) or item.get("type") != "wake":
        return None
    stream = item.get("stream")
    if not isinstance(stream, str) or len(stream) > _MAX_ENTITY_STREAM_LENGTH:
        return None
    name = stream.lstrip("/")
    if not name or torn(name):
        return None
    return Wake(name, _seconds(item.get("ts")), _whole(item.get("generation")))


def _seconds(milliseconds: object) -> float | None:
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int | float):
        return None
    try:
        seconds = milliseconds / 1000
    except OverflowError:
        return None
    return seconds if 0 <= seconds < math.inf else None


def _whole(number: object) -> int | None:
    return number if isinstance(number, int) and not isinstance(number, bool) else None
