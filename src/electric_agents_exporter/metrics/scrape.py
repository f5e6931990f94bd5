"""Scrapes: one builder at a time, off the event loop, and the same body for the same state."""

import asyncio
import weakref
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import msgspec
from isal import isal_zlib
from typing_extensions import override

from electric_agents_exporter.fleet.clock import Clock
from electric_agents_exporter.fleet.fleet import Fleet
from electric_agents_exporter.metrics.exposition import Exposer
from electric_agents_exporter.metrics.formats import Format

_GZIP_WINDOW: Final = 31
_KEPT_SECONDS: Final = 1.0

CHUNK_BYTES: Final = 128 * 1024
"""The most that is sent at once: so much does not stall the loop."""


class Body(list[bytes | memoryview]):
    """An exposition in pieces of at most `CHUNK_BYTES`."""

    @override
    def __repr__(self) -> str:
        # asyncio writes results into the repr of its tasks, and so into what is logged of them.
        return f"<{len(self)} pieces of an exposition>"


class _Kept(msgspec.Struct, frozen=True):
    """A body that was made, of what state and when; a plain one only while somebody sends it."""

    of: tuple[object, ...]
    monotonic: float
    body: Callable[[], Body | None]


class Scraper:
    """Makes expositions of a fleet, one after the other, and no more than there need be.

    All who came before a body was begun are given it. A later one is given it while nothing has
    changed and it is under a second old, which is as far as a heartbeat's age may lag: several
    scrapers cost little more than one.
    """

    def __init__(self, fleet: Fleet, exposer: Exposer, clock: Clock) -> None:
        self._fleet = fleet
        self._exposer = exposer
        self._clock = clock
        self._turn = asyncio.Lock()
        # Always the same thread: memory that one has freed is the next scrape's again.
        self._builder = ThreadPoolExecutor(max_workers=1, thread_name_prefix="exposition")
        self._kept: dict[tuple[Format, bool], _Kept] = {}

    def replace_exposer(self, exposer: Exposer) -> None:
        """Write with another table from the next scrape on."""
        self._exposer = exposer
        self._kept.clear()

    async def scrape(
        self, fmt: Format, names: frozenset[str] = frozenset(), *, gzip: bool = False
    ) -> Body:
        """Give the exposition of this moment, in chunks that do not stall a socket."""
        came = self._clock.monotonic()
        async with self._turn:
            exposer, state, now = self._exposer, self._fleet.version, self._clock.monotonic()
            if not names:
                known = self._fit(self._kept.get((fmt, gzip)), came, now, state)
                if known is not None:
                    return known
                # Let go of the old body before the new one is made: either may be large.
                self._kept.pop((fmt, gzip), None)
            snapshot, body = self._fleet.snapshot(), Body()
            handed = [body]

            def build() -> None:
                parts = exposer.expose(snapshot, fmt, names)
                handed.pop().extend(compress(parts) if gzip else cut(parts))

            # It is filled there and not returned: a future and its result outlive their use until
            # garbage is collected. Nor does `build` hold it once it is filled: the thread wakes us
            # with `build` still in its hand, and lets go when it gets to run again.
            await asyncio.get_running_loop().run_in_executor(self._builder, build)
            if not names and exposer is self._exposer:
                kept = (lambda: body) if gzip else weakref.ref(body)
                self._kept[fmt, gzip] = _Kept(state, now, kept)
            return body

    def _fit(
        self, kept: _Kept | None, came: float, now: float, state: tuple[object, ...]
    ) -> Body | None:
        """Give the body that was kept, if it is right for a scrape that came at this time."""
        if kept is None:
            return None
        unchanged = kept.of == state and now - kept.monotonic < _KEPT_SECONDS
        return kept.body() if unchanged or came < kept.monotonic else None


def cut(parts: Iterable[bytes]) -> Iterator[memoryview]:
    """Cut the parts into pieces, without a copy."""
    for part in parts:
        view = memoryview(part)
        for start in range(0, len(part), CHUNK_BYTES):
            yield view[start : start + CHUNK_BYTES]


def compress(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Compress the parts with gzip."""
    compressor = isal_zlib.compressobj(level=1, wbits=_GZIP_WINDOW)
    for piece in cut(parts):
        packed = compressor.compress(piece)
        if packed:
            yield packed
    yield compressor.flush()
