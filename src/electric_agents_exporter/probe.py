"""Poll every target once and print the exposition: the exporter without its server."""

import asyncio
import logging
from typing import BinaryIO

from electric_agents_exporter.app import Exporter
from electric_agents_exporter.metrics.formats import Format
from electric_agents_exporter.settings.model import Settings

log = logging.getLogger(__name__)


def run(settings: Settings, out: BinaryIO) -> int:
    """Poll and print.

    Returns:
        0 when every target answered, 1 when one did not.
    """
    return asyncio.run(_run(settings, out))


async def _run(settings: Settings, out: BinaryIO) -> int:
    # Whoever probes here wants to see them all.
    targets = [target.model_copy(update={"scheduled": True}) for target in settings.targets]
    exporter = Exporter(settings.model_copy(update={"targets": targets}))
    polls = (poller.poll(paced=False) for poller in exporter.pollers.values())
    results = await asyncio.gather(*polls)
    for name, result in zip(exporter.pollers, results, strict=True):
        log.debug("polled", extra={"target": name, "in_full": result.succeeded})
    out.writelines(await exporter.scraper.scrape(Format.TEXT))
    out.flush()
    await exporter.aclose()
    return 0 if all(result.succeeded for result in results) else 1
