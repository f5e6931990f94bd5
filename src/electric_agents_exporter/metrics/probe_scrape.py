"""Expositions of single targets, for who probes them."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from electric_agents_exporter.fleet.fleet import Fleet
from electric_agents_exporter.metrics.exposition import ProbeExposer
from electric_agents_exporter.metrics.formats import Format
from electric_agents_exporter.metrics.probe_families import ProbeOutcome
from electric_agents_exporter.metrics.scrape import Body, compress, cut
from electric_agents_exporter.metrics.table import Table


class ProbeScraper:
    """Makes expositions of one target each, one after the other.

    What was rendered of a target that is probed is kept for its next probe, as that of the whole
    fleet is for `/metrics`; of targets that nobody probes nothing is.
    """

    def __init__(self, fleet: Fleet, table: Table) -> None:
        self._fleet = fleet
        self._table = table
        self._exposers: dict[tuple[str, Format], ProbeExposer] = {}
        # They are never used by two threads at once.
        self._builder = ThreadPoolExecutor(max_workers=1, thread_name_prefix="probe")

    def replace_table(self, table: Table) -> None:
        """Write other families from the next probe on, and forget what was kept."""
        self._table = table
        self._exposers.clear()

    async def scrape(
        self, target: str, outcome: ProbeOutcome, fmt: Format, *, gzip: bool = False
    ) -> Body:
        """Give what is known of a target now, after what a probe of it came to.

        Of one that new settings took away meanwhile that is nothing more.
        """
        snapshot = self._fleet.snapshot(target)
        exposer = self._exposers.get((target, fmt))
        if exposer is None:
            exposer = self._exposers[target, fmt] = ProbeExposer(self._table, fmt)

        def build() -> Body:
            parts = exposer.expose(snapshot, outcome)
            return Body(compress(parts) if gzip else cut(parts))

        return await asyncio.get_running_loop().run_in_executor(self._builder, build)
