"""Probes: single targets polled when Prometheus asks, and shown alone.

A probe is a poll by the target's own poller, so what is counted goes on from poll to poll whoever
asked for it, and one target is never asked twice at once.
"""

from collections.abc import Mapping
from time import monotonic

from electric_agents_exporter import logs
from electric_agents_exporter.fleet.fleet import Fleet
from electric_agents_exporter.fleet.trace import Trace
from electric_agents_exporter.metrics.formats import Format
from electric_agents_exporter.metrics.probe_families import ProbeOutcome
from electric_agents_exporter.metrics.probe_scrape import ProbeScraper
from electric_agents_exporter.metrics.scrape import Body
from electric_agents_exporter.metrics.table import Table
from electric_agents_exporter.scheduler import Probed, TargetPoller, TooManyProbesError
from electric_agents_exporter.settings.shown import shown
from electric_agents_exporter.settings.targets import TargetSettings
from electric_agents_exporter.web.probe_routes import BusyError


class Prober:
    """Probes the targets that it was last configured with."""

    def __init__(self, fleet: Fleet, table: Table) -> None:
        self._fleet = fleet
        self._scraper = ProbeScraper(fleet, table)
        self._pollers: Mapping[str, TargetPoller] = {}
        self._targets: Mapping[str, TargetSettings] = {}

    def configure(
        self,
        pollers: Mapping[str, TargetPoller],
        targets: Mapping[str, TargetSettings],
        table: Table,
    ) -> None:
        """Follow new settings: who is polled by what, how they were written, what is shown."""
        self._pollers = pollers
        self._targets = targets
        self._scraper.replace_table(table)

    def names(self) -> list[str]:
        """Give the names of the targets, in the settings' order."""
        return list(self._targets)

    async def scrape(
        self, target: str, seconds: float | None, fmt: Format, *, gzip: bool = False
    ) -> Body:
        """Poll a target now, within so many seconds, and give the exposition of it alone.

        Raises:
            BusyError: as many wait for it as may.
        """
        probed, outcome = await self._probe(target, seconds, traced=False)
        return await self._scraper.scrape(target, outcome, fmt, of=probed, gzip=gzip)

    async def explain(self, target: str, seconds: float | None) -> str:
        """Poll a target now, and tell what was asked, what came of it, and how it is configured.

        Raises:
            BusyError: as many wait for it as may.
        """
        settings = self._targets[target]
        probed, outcome = await self._probe(target, seconds, traced=True)
        lines = "\n".join(_lines(target, probed, outcome))
        metrics = b"".join(
            await self._scraper.scrape(target, outcome, Format.TEXT, of=probed)
        ).decode()
        return (
            f"Logs for the probe:\n{lines}\n\n\n\n"
            f"Metrics that would have been returned:\n{metrics}\n\n\n"
            f"Target configuration:\n{shown(settings)}"
        )

    async def _probe(
        self, target: str, seconds: float | None, *, traced: bool
    ) -> tuple[Probed | None, ProbeOutcome]:
        # Who only wants to see waits for as long as reports are fresh.
        longest = self._fleet.targets[target].policy.stale_after
        began = monotonic()
        try:
            probed = await self._pollers[target].probe(
                longest if seconds is None else min(seconds, longest), traced=traced
            )
        except TooManyProbesError:
            raise BusyError from None
        succeeded = probed is not None and probed.result.succeeded
        return probed, ProbeOutcome(succeeded, monotonic() - began)


def _lines(target: str, probed: Probed | None, outcome: ProbeOutcome) -> list[str]:
    """Write what happened in a probe, as the log would."""
    lines = [] if probed is None or probed.trace is None else _asked(target, probed.trace)
    faults = [] if probed is None else [fault.text for fault in probed.result.faults]
    if probed is None:
        faults.append("it was not over in time")
    fields = {
        "target": target,
        "success": str(outcome.succeeded).lower(),
        "seconds": f"{outcome.seconds:.3f}",
        "why": "; ".join(faults) or "none",
    }
    lines.append(logs.line("info" if outcome.succeeded else "error", "probe ended", fields))
    return lines


def _asked(target: str, trace: Trace) -> list[str]:
    lines = [
        logs.line("debug", "asked", {"target": target, **asked.fields}, asked.at)
        for asked in trace.asked
    ]
    if trace.more:
        lines.append(logs.line("debug", "and more requests", {"requests": str(trace.more)}))
    return lines
