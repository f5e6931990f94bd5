"""Wires everything together, runs it, and stops it."""

import asyncio
import contextlib
import logging
import platform
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator, Mapping
from importlib.metadata import version
from typing import Final

import uvicorn
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from typing_extensions import override

from electric_agents_exporter import logs
from electric_agents_exporter.contract.vocabulary import RunnerKind
from electric_agents_exporter.fleet.clock import Clock, SystemClock
from electric_agents_exporter.fleet.fleet import Fleet
from electric_agents_exporter.fleet.roster import Policy
from electric_agents_exporter.fleet.selection import Selection, Selector, Shard
from electric_agents_exporter.metrics.exposition import Exposer
from electric_agents_exporter.metrics.own import OwnState
from electric_agents_exporter.metrics.scrape import Scraper
from electric_agents_exporter.metrics.spec import Group
from electric_agents_exporter.metrics.table import build_table
from electric_agents_exporter.scheduler import PollScheduler, TargetPoller
from electric_agents_exporter.settings.faults import Fault, SettingsFault
from electric_agents_exporter.settings.model import (
    SelectorSettings,
    Settings,
    ShardSettings,
    TargetSettings,
)
from electric_agents_exporter.settings.values import split_address
from electric_agents_exporter.sources.credentials import Credentials
from electric_agents_exporter.sources.http import HttpOptions, HttpSource, Tls
from electric_agents_exporter.web.routes import Served, create_app

log = logging.getLogger(__name__)

DISTRIBUTION: Final = "electric-agents-exporter"
_KEEP_ALIVE_SECONDS: Final = 75  # longer than a scrape interval, so that Prometheus reconnects less
_GRACE_SECONDS: Final = 1
_CLOSING_SECONDS: Final = 0.3


class Exporter:
    """The exporter as one object: what it polls follows `configure`."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self.fleet = Fleet(self.clock)
        self.own = OwnState(version(DISTRIBUTION), platform.python_version())
        self._registry = process_registry()
        self.scraper = Scraper(self.fleet, self._exposer(settings), self.clock)
        self.pollers: dict[str, TargetPoller] = {}
        self._settings = settings
        self._configure_targets(settings, {})
        self.own.reloaded_at = self.clock.time()

    def configure(self, settings: Settings) -> None:
        """Follow new settings; targets that keep their name keep what is known of them."""
        before = {target.name: target for target in self._settings.targets}
        self._settings = settings
        self.scraper.replace_exposer(self._exposer(settings))
        self._configure_targets(settings, before)
        self.own.reloaded_at = self.clock.time()

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
        self.own.ticked_at = self.clock.time()

    def _exposer(self, settings: Settings) -> Exposer:
        table = build_table(
            frozenset(Group(name) for name in settings.metrics.groups),
            per_runner=settings.metrics.per_runner,
            owner_label=settings.metrics.owner_label,
        )
        return Exposer(table, self.own, self._registry)

    def _configure_targets(self, settings: Settings, before: Mapping[str, TargetSettings]) -> None:
        self.fleet.configure(
            {policy(target, settings.shard): target.principals for target in settings.targets}
        )
        pollers: dict[str, TargetPoller] = {}
        for target in settings.targets:
            poller = self.pollers.get(target.name)
            source = HttpSource(http_options(target), self.clock)
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


def http_options(target: TargetSettings) -> HttpOptions:
    """Translate what the settings say of asking a target."""
    return HttpOptions(
        url=target.url,
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


def process_registry() -> CollectorRegistry:
    """Make the registry of what prometheus_client knows of this process."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return registry


class _Server(uvicorn.Server):
    """A server that leaves signals to us: it would end the process by the signal, not with 0."""

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(address: str) -> socket.socket:
    """Open the listening socket, before anything else runs.

    Raises:
        OSError: the address cannot be had.
    """
    host, port = split_address(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server(
        (host, port), family=family, dualstack_ipv6=host == "::", backlog=128
    )


async def serve(
    settings: Settings,
    sock: socket.socket,
    reread: Callable[[], Settings],
    *,
    on_serving: Callable[[], None] = lambda: None,
) -> None:
    """Poll and serve until SIGTERM or SIGINT; SIGHUP reads the settings again.

    Args:
        settings: what to begin with.
        sock: where to serve; closed at the end.
        reread: gives the settings anew, or raises SettingsFault.
        on_serving: called once requests are answered.
    """
    exporter = Exporter(settings)
    scheduler = PollScheduler(exporter.tick)
    current = settings
    loop = asyncio.get_running_loop()
    turn = asyncio.Lock()
    background: set[asyncio.Task[object]] = set()

    def keep(work: Coroutine[object, object, object]) -> None:
        task = loop.create_task(work)
        background.add(task)
        task.add_done_callback(background.discard)

    async def reload() -> str:
        nonlocal current
        # One at a time: of two that overlap, the one that read older settings could end last.
        async with turn:
            try:
                fresh = await asyncio.to_thread(reread)
                _refuse_changes(current, fresh)
            except SettingsFault as fault:
                exporter.own.reload_succeeded = False
                log.error(  # noqa: TRY400  (the faults say it all)
                    "settings not reloaded, the old ones stay", extra={"faults": str(fault)}
                )
                return str(fault)
            gone = exporter.pollers.keys() - _names(fresh)
            for poller in [exporter.pollers[name] for name in gone]:
                # A poll that hangs must not hold up the reload.
                keep(poller.aclose())
            exporter.configure(fresh)
            scheduler.configure(exporter.intervals())
            logs.configure(fresh.log.level, fresh.log.format)
            current = fresh
            exporter.own.reload_succeeded = True
            log.info("settings reloaded", extra={"targets": len(fresh.targets)})
            return ""

    served = Served(
        fleet=exporter.fleet,
        scraper=exporter.scraper,
        own=exporter.own,
        clock=exporter.clock,
        max_concurrent_scrapes=settings.web.max_concurrent_scrapes,
        reload=reload if settings.web.enable_reload else None,
    )
    server = _Server(
        uvicorn.Config(
            create_app(served),
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
    )
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, lambda: keep(reload()))
    scheduler.start()
    scheduler.configure(exporter.intervals())
    serving = loop.create_task(server.serve(sockets=[sock]))
    log.info("serving", extra={"address": _spell_address(sock), "targets": len(settings.targets)})
    on_serving()
    stopped = loop.create_task(stop.wait())
    await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    scheduler.stop()
    # A scrape that our own end cuts off is no error, and deserves no traceback.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    server.should_exit = True
    await serving
    await exporter.aclose()
    if background:
        await asyncio.wait(background, timeout=_CLOSING_SECONDS)
    log.info("stopped")


def _spell_address(sock: socket.socket) -> str:
    host, port, *_ = sock.getsockname()
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _names(settings: Settings) -> set[str]:
    return {target.name for target in settings.targets}


def _refuse_changes(current: Settings, fresh: Settings) -> None:
    """Refuse what only a restart can change.

    Raises:
        SettingsFault: `listen` or `web` is not what it was.
    """
    faults = [
        Fault(name, "cannot change while running; restart the exporter")
        for name in ("listen", "web")
        if getattr(current, name) != getattr(fresh, name)
    ]
    if faults:
        raise SettingsFault(faults)
