"""Scrapes: one builder at a time, off the event loop."""

import asyncio

from isal import isal_zlib

from electric_agents_exporter.fleet.fleet import Fleet
from electric_agents_exporter.metrics.exposition import Exposer, Exposition, Format

_GZIP_WINDOW = 31
_CHUNK = 256 * 1024


class Scraper:
    """Makes expositions of a fleet, as many as are asked for, one after the other."""

    def __init__(self, fleet: Fleet, exposer: Exposer) -> None:
        self.exposer = exposer
        self._fleet = fleet
        self._turn = asyncio.Lock()

    async def scrape(
        self, fmt: Format, names: frozenset[str] = frozenset(), *, gzip: bool = False
    ) -> list[bytes]:
        """Give the exposition of this moment, in chunks that do not stall a socket."""
        async with self._turn:
            snapshot = self._fleet.snapshot()

            def build() -> list[bytes]:
                exposition = self.exposer.expose(snapshot, fmt, names)
                return list(_compress(exposition) if gzip else _chunks(exposition))

            return await asyncio.to_thread(build)


def _chunks(exposition: Exposition) -> list[bytes]:
    chunks: list[bytes] = []
    gathered = bytearray()
    for part in exposition.parts:
        gathered += part
        while len(gathered) >= _CHUNK:
            chunks.append(bytes(gathered[:_CHUNK]))
            del gathered[:_CHUNK]
    chunks.append(bytes(gathered))
    return chunks


def _compress(exposition: Exposition) -> list[bytes]:
    compressor = isal_zlib.compressobj(level=1, wbits=_GZIP_WINDOW)
    chunks = [compressor.compress(part) for part in exposition.parts]
    chunks.append(compressor.flush())
    return [chunk for chunk in chunks if chunk]
