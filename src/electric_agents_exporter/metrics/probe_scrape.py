"""Expositions of single targets, for who probes them."""

import asyncio
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from electric_agents_exporter.fleet.fleet import Fleet
from electric_agents_exporter.metrics.exposition import ProbeExposer
from electric_agents_exporter.metrics.formats import Format
from electric_agents_exporter.metrics.probe_families import ProbeOutcome
from electric_agents_exporter.metrics.scrape import Body, compress, cut
from electric_agents_exporter.metrics.table import Table


class _Kept(NamedTuple):
    """A body, for as long as somebody sends it, and the probe that it was made of."""

    of: object
    body: Callable[[], Body | None]


class ProbeScraper:
    """Makes expositions of one target each, one after the other.

    What was rendered of a target that is probed is kept for its next probe, as that of the whole
    fleet is for `/metrics`; of targets that nobody probes nothing is. All who share a probe are
    given one body.
    """

    def __init__(self, fleet: Fleet, table: Table) -> None:
        self._fleet = fleet
        self._table = table
        self._exposers: dict[tuple[str, Format], ProbeExposer] = {}
        self._kept: dict[tuple[str, Format, bool], _Kept] = {}
        self._turn = asyncio.Lock()
        self._builder = ThreadPoolExecutor(max_workers=1, thread_name_prefix="probe")

    def replace_table(self, table: Table) -> None:
        """Write other families from the next probe on, and forget what was kept."""
        self._table = table
        self._exposers.clear()
        self._kept.clear()

    async def scrape(
        self, target: str, outcome: ProbeOutcome, fmt: Format, *, of: object, gzip: bool = False
    ) -> Body:
        """Give what is known of a target now, after what a probe of it came to.

        Of one that new settings took away meanwhile that is nothing more. `of` is the same object
        for all who share a probe; None for who waited in vain.
        """
        key = (target, fmt, gzip)
        async with self._turn:
            kept = self._kept.get(key)
            body = None if kept is None or of is None or kept.of is not of else kept.body()
            if body is None:
                body = await self._build(target, outcome, fmt, gzip=gzip)
                self._kept[key] = _Kept(of, weakref.ref(body))
            return body

    async def _build(self, target: str, outcome: ProbeOutcome, fmt: Format, *, gzip: bool) -> Body:
        snapshot = self._fleet.snapshot(target)
        exposer = self._exposers.get((target, fmt))
        if exposer is None:
            exposer = self._exposers[target, fmt] = ProbeExposer(self._table, fmt)

        def build() -> Body:
            parts = exposer.expose(snapshot, outcome)
            return Body(compress(parts) if gzip else cut(parts))

        return await asyncio.get_running_loop().run_in_executor(self._builder, build)
