"""Wires everything together: from settings to a fleet, its sources and its metrics."""

import asyncio
import platform
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector

from electric_agents_exporter.fleet.clock import Clock, SystemClock
from electric_agents_exporter.fleet.fleet import Fleet
from electric_agents_exporter.fleet.selection import Shard
from electric_agents_exporter.metrics.exposition import Exposer
from electric_agents_exporter.metrics.family import Group
from electric_agents_exporter.metrics.process_families import ProcessState
from electric_agents_exporter.metrics.scrape import Scraper
from electric_agents_exporter.metrics.table import Table, build_table
from electric_agents_exporter.probing import Prober
from electric_agents_exporter.scheduler import TargetPoller
from electric_agents_exporter.settings.model import Settings
from electric_agents_exporter.settings.targets import TargetSettings

if TYPE_CHECKING:
    from electric_agents_exporter.alerting.alert import Alert
    from electric_agents_exporter.alerting.direct import DirectAlerts

DISTRIBUTION: Final = "electric-agents-exporter"


class Exporter:
    """The exporter as one object: what it polls follows `configure`."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self.fleet = Fleet(self.clock)
        self.process = ProcessState(version(DISTRIBUTION), platform.python_version())
        self._registry = process_registry()
        table = _table(settings)
        self.scraper = Scraper(self.fleet, self._exposer(table), self.clock)
        self.prober = Prober(self.fleet, table)
        self.pollers: dict[str, TargetPoller] = {}
        self.alerts: DirectAlerts | None = None
        self._started = False
        self._closing: set[asyncio.Task[None]] = set()
        self._settings = settings
        self._configure_targets(settings, {}, table)
        self.process.reloaded_at = self.clock.time()
        self._configure_alerts(settings)

    def configure(self, settings: Settings) -> None:
        """Follow new settings; targets that keep their name keep what is known of them."""
        before = {target.name: target for target in self._settings.targets}
        self._settings = settings
        table = _table(settings)
        self.scraper.replace_exposer(self._exposer(table))
        self._configure_targets(settings, before, table)
        self.process.reloaded_at = self.clock.time()
        self._configure_alerts(settings)

    def start(self) -> None:
        """Begin to send alerts, on the running loop; what is polled, and when, is a scheduler's."""
        self._started = True
        if self.alerts is not None:
            self.alerts.start()

    def intervals(self) -> dict[str, tuple[TargetPoller, float]]:
        """Give the poller of every target that is polled by schedule, with how often it is."""
        return {
            target.name: (self.pollers[target.name], target.interval)
            for target in self._settings.targets
            if target.scheduled
        }

    async def aclose(self) -> None:
        """Close every connection to the targets."""
        for poller in self.pollers.values():
            await poller.aclose()
        if self.alerts is not None:
            await self.alerts.aclose()
        await asyncio.gather(*self._closing)

    def tick(self) -> None:
        """Note that the scheduler is alive."""
        self.process.ticked_at = self.clock.time()
        self.fleet.tick()

    def own_alerts(self) -> "Sequence[Alert] | None":
        """Give the alerts that this exporter sends by itself; None where it sends none."""
        return None if self.alerts is None else self.alerts.alerts()

    def _exposer(self, table: Table) -> Exposer:
        return Exposer(table, self.process, self._registry)

    def _configure_targets(
        self, settings: Settings, before: Mapping[str, TargetSettings], table: Table
    ) -> None:
        shard = Shard(settings.shard.index, settings.shard.count)
        self.fleet.configure([target.policy(shard) for target in settings.targets])
        pollers: dict[str, TargetPoller] = {}
        for target in settings.targets:
            poller = self.pollers.get(target.name)
            if poller is None:
                target_state = self.fleet.targets[target.name]
                poller = TargetPoller(
                    target_state,
                    target.source(self.clock),
                    self.clock,
                    partial(self._ticked, target.name),
                )
            elif before.get(target.name) != target:
                poller.replace_source(target.source(self.clock))
            pollers[target.name] = poller
        self.pollers = pollers
        targets = {target.name: target for target in settings.targets}
        self.prober.configure(pollers, targets, table)

    def _ticked(self, target: str) -> None:
        if self.alerts is not None:
            self.alerts.ticked(target)

    def _configure_alerts(self, settings: Settings) -> None:
        given = settings.alertmanager
        if given is None:
            if self.alerts is not None and self._started:
                closing = asyncio.get_running_loop().create_task(self.alerts.aclose())
                self._closing.add(closing)
                closing.add_done_callback(self._closing.discard)
            self.alerts = None
            return
        # Templates and a client take megabytes, so they are loaded where something is sent.
        from electric_agents_exporter.alerting.definition import load  # noqa: PLC0415
        from electric_agents_exporter.alerting.direct import DirectAlerts  # noqa: PLC0415
        from electric_agents_exporter.alerting.engine import Options  # noqa: PLC0415

        options = Options(
            definitions=load(given.definitions),
            labels=given.labels,
            per_runner=settings.metrics.per_runner,
            owner_label=settings.metrics.owner_label,
        )
        delivery = given.delivery(settings.own_url())
        if self.alerts is not None:
            self.alerts.configure(options, delivery)
            return
        self.alerts = DirectAlerts(self.fleet, self.process, self.clock, options, delivery)
        if self._started:
            self.alerts.start()


def _table(settings: Settings) -> Table:
    """Give the families that the settings choose."""
    return build_table(
        frozenset(Group(name) for name in settings.metrics.groups),
        per_runner=settings.metrics.per_runner,
        owner_label=settings.metrics.owner_label,
        created=settings.metrics.created_series,
        choice=settings.metrics.choice(),
    )


def process_registry() -> CollectorRegistry:
    """Make the registry of what prometheus_client knows of this process."""
    # It must know what they are called, or nobody could ask for one by its name.
    registry = CollectorRegistry(auto_describe=True)
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return registry
