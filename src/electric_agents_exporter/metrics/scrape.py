"""Scrapes: one builder at a time, off the event loop, and the same body for the same state."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeAlias

import msgspec
from isal import isal_zlib

from electric_agents_exporter.fleet.clock import Clock
from electric_agents_exporter.fleet.fleet import Fleet
from electric_agents_exporter.metrics.exposition import Exposer, Format

_GZIP_WINDOW: Final = 31
_CHUNK: Final = 256 * 1024
_KEPT_SECONDS: Final = 1.0

Chunks: TypeAlias = Sequence[bytes | memoryview]
"""A body in pieces that are small enough to be sent one at a time without stalling the loop."""


class _Kept(msgspec.Struct, frozen=True):
    """A body that was made, of what state, and when."""

    of: tuple[object, ...]
    monotonic: float
    chunks: Chunks


class Scraper:
    """Makes expositions of a fleet, as many as are asked for, one after the other.

    A compressed body, which is small, is served again while nothing has changed and it is under a
    second old, which is as far as a heartbeat's age may lag: several scrapers cost little more
    than one.
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
    ) -> Chunks:
        """Give the exposition of this moment, in chunks that do not stall a socket."""
        async with self._turn:
            exposer, state, now = self._exposer, self._fleet.version, self._clock.monotonic()
            kept = self._kept.get((fmt, gzip))
            if kept and not names and kept.of == state and now - kept.monotonic < _KEPT_SECONDS:
                return kept.chunks
            # Let go of the old body before the new one is made: either may be large.
            del kept
            self._kept.pop((fmt, gzip), None)
            snapshot = self._fleet.snapshot()

            def build() -> Chunks:
                parts = exposer.expose(snapshot, fmt, names)
                return list(_compress(parts) if gzip else _cut(parts))

            loop = asyncio.get_running_loop()
            chunks = await loop.run_in_executor(self._builder, build)
            if not names and gzip and exposer is self._exposer:
                self._kept[fmt, gzip] = _Kept(state, now, chunks)
            return chunks


def _cut(parts: Iterable[bytes]) -> Iterator[memoryview]:
    """Cut the parts into pieces, without a copy."""
    for part in parts:
        view = memoryview(part)
        for start in range(0, len(part), _CHUNK):
            yield view[start : start + _CHUNK]


def _compress(parts: Iterable[bytes]) -> Iterator[bytes]:
    compressor = isal_zlib.compressobj(level=1, wbits=_GZIP_WINDOW)
    for piece in _cut(parts):
        packed = compressor.compress(piece)
        if packed:
            yield packed
    yield compressor.flush()
