"""Wires everything together: from settings to a fleet, its sources and its metrics."""

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Final

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector

from electric_agents_exporter.contract.vocabulary import RunnerKind
from electric_agents_exporter.fleet.clock import Clock, SystemClock
from electric_agents_exporter.fleet.fleet import Fleet
from electric_agents_exporter.fleet.inventory import Policy
from electric_agents_exporter.fleet.selection import Selection, Selector, Shard
from electric_agents_exporter.metrics.exposition import Exposer
from electric_agents_exporter.metrics.family import Group
from electric_agents_exporter.metrics.process_families import ProcessState
from electric_agents_exporter.metrics.scrape import Scraper
from electric_agents_exporter.metrics.table import build_table
from electric_agents_exporter.scheduler import TargetPoller
from electric_agents_exporter.settings.model import (
    SelectorSettings,
    Settings,
    ShardSettings,
    TargetSettings,
)
from electric_agents_exporter.sources.credentials import Credentials
from electric_agents_exporter.sources.source import EVERYONE, Source

DISTRIBUTION: Final = "electric-agents-exporter"


class Exporter:
    """The exporter as one object: what it polls follows `configure`."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self.fleet = Fleet(self.clock)
        self.process = ProcessState(version(DISTRIBUTION), platform.python_version())
        self._registry = process_registry()
        self.scraper = Scraper(self.fleet, self._exposer(settings), self.clock)
        self.pollers: dict[str, TargetPoller] = {}
        self._settings = settings
        self._configure_targets(settings, {})
        self.process.reloaded_at = self.clock.time()

    def configure(self, settings: Settings) -> None:
        """Follow new settings; targets that keep their name keep what is known of them."""
        before = {target.name: target for target in self._settings.targets}
        self._settings = settings
        self.scraper.replace_exposer(self._exposer(settings))
        self._configure_targets(settings, before)
        self.process.reloaded_at = self.clock.time()

    def intervals(self) -> dict[str, tuple[TargetPoller, float]]:
        """Give every poller by its target's name, with how often it polls."""
        return {
            target.name: (self.pollers[target.name], target.interval)
            for target in self._settings.targets
        }

    async def aclose(self) -> None:
        """Close every connection to the targets."""
        for poller in self.pollers.values():
            await poller.aclose()

    def tick(self) -> None:
        """Note that the scheduler is alive."""
        self.process.ticked_at = self.clock.time()

    def _exposer(self, settings: Settings) -> Exposer:
        table = build_table(
            frozenset(Group(name) for name in settings.metrics.groups),
            per_runner=settings.metrics.per_runner,
            owner_label=settings.metrics.owner_label,
        )
        return Exposer(table, self.process, self._registry)

    def _configure_targets(self, settings: Settings, before: Mapping[str, TargetSettings]) -> None:
        self.fleet.configure(
            {policy(target, settings.shard): principals_of(target) for target in settings.targets}
        )
        pollers: dict[str, TargetPoller] = {}
        for target in settings.targets:
            poller = self.pollers.get(target.name)
            source = make_source(target, self.clock)
            if poller is None:
                poller = TargetPoller(self.fleet.targets[target.name], source, self.clock)
            elif before.get(target.name) != target:
                poller.replace_source(source)
            pollers[target.name] = poller
        self.pollers = pollers


def policy(target: TargetSettings, shard: ShardSettings) -> Policy:
    """Translate what the settings say of a target's runners."""
    return Policy(
        name=target.name,
        interval=target.interval,
        stale_after=target.stale_seconds,
        retire_after=target.retire_after,
        max_runners=target.max_runners,
        expected_min=target.expected_runners.min if target.expected_runners else None,
        selection=Selection(
            include=_selector(target.include),
            exclude=_selector(target.exclude),
            shard=Shard(shard.index, shard.count),
        ),
    )


def _selector(settings: SelectorSettings) -> Selector:
    kinds = settings.kind
    return Selector(
        kinds=None if kinds is None else frozenset(RunnerKind(kind) for kind in kinds),
        id=settings.id,
        label=settings.label,
        owner=settings.owner,
    )


def principals_of(target: TargetSettings) -> Sequence[str]:
    """Give whose lists are got of a target: a database has one, of all owners."""
    return target.principals if target.postgres is None else (EVERYONE,)


def make_source(target: TargetSettings, clock: Clock) -> Source:
    """Make what a target is asked with.

    A client takes ten megabytes and more, so only those that are in use are loaded.
    """
    if target.postgres is not None:
        return _postgres_source(target, target.postgres, clock)
    return _http_source(target, clock)


def _postgres_source(target: TargetSettings, url: str, clock: Clock) -> Source:
    from electric_agents_exporter.sources.postgres import (  # noqa: PLC0415  (see make_source)
        PostgresOptions,
        PostgresSource,
    )

    options = PostgresOptions(
        url=url,
        password_file=target.password_file,
        ca_file=target.tls.ca_file,
        cert_file=target.tls.cert_file,
        key_file=target.tls.key_file,
        tenant=None if target.tenants == "all" else target.tenant,
        timeout=target.timeout,
    )
    return PostgresSource(options, clock)


def _http_source(target: TargetSettings, clock: Clock) -> Source:
    from electric_agents_exporter.sources.http import (  # noqa: PLC0415  (see make_source)
        HttpOptions,
        HttpSource,
    )
    from electric_agents_exporter.sources.http_transport import Tls  # noqa: PLC0415

    options = HttpOptions(
        url=target.url or "",
        principals=tuple(target.principals),
        credentials=Credentials(
            headers={name: value.get_secret_value() for name, value in target.headers.items()},
            header_files=target.header_files,
            bearer_token=target.bearer_token.get_secret_value() if target.bearer_token else None,
            bearer_token_file=target.bearer_token_file,
        ),
        tls=Tls(
            ca_file=target.tls.ca_file,
            cert_file=target.tls.cert_file,
            key_file=target.tls.key_file,
            insecure_skip_verify=target.tls.insecure_skip_verify,
        ),
        interval=target.interval,
        timeout=target.timeout,
        concurrency=target.concurrency,
    )
    return HttpSource(options, clock)


def process_registry() -> CollectorRegistry:
    """Make the registry of what prometheus_client knows of this process."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return registry
