"""Runs an exporter as a service: polls, serves, reloads, and ends."""

import asyncio
import contextlib
import gc
import logging
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import uvicorn
from typing_extensions import override

from electric_agents_exporter import logs
from electric_agents_exporter.app import Exporter
from electric_agents_exporter.fleet.clock import Clock
from electric_agents_exporter.scheduler import PollScheduler
from electric_agents_exporter.settings.faults import Fault, SettingsFault
from electric_agents_exporter.settings.file_watch import LOOK_SECONDS, FileWatch
from electric_agents_exporter.settings.model import Settings
from electric_agents_exporter.settings.web import WebSettings
from electric_agents_exporter.sockets import BACKLOG, Listening
from electric_agents_exporter.status.steps import Links
from electric_agents_exporter.systemd import Notifier
from electric_agents_exporter.web.access import Access, AccessError, AccessKeeper, Rate
from electric_agents_exporter.web.connections import Connections, Limits
from electric_agents_exporter.web.handshake import Pace, protocol
from electric_agents_exporter.web.routes import Served, create_app

log = logging.getLogger(__name__)

_KEEP_ALIVE_SECONDS: Final = 75  # longer than a scrape interval, so that Prometheus reconnects less
_GRACE_SECONDS: Final = 1
_RELOAD_SECONDS: Final = 10.0
_LOOK_UPS: Final = 256  # at once; a thread is only made for one that finds all others busy
_SWITCH_SECONDS: Final = 0.0001
_LOOKS_UNTIL_TRIED_AGAIN: Final = 15
_CLOSING_SECONDS: Final = 0.3


class Service:
    """An exporter that polls and serves until SIGTERM or SIGINT; SIGHUP reads the settings again.

    `reread` gives the settings anew, or raises SettingsFault; it may take `patience` seconds. The
    clock is the machine's unless one is given. How we are is told to a notifier, if there is one. A
    service must be made on the running loop.

    Raises:
        SettingsFault: what protects the port cannot be read any more.
    """

    def __init__(
        self,
        settings: Settings,
        reread: Callable[[], Settings],
        patience: float = _RELOAD_SECONDS,
        clock: Clock | None = None,
        notifier: Notifier | None = None,
    ) -> None:
        self._settings = settings
        self._reread = reread
        self._patience = patience
        self._loop = asyncio.get_running_loop()
        # Names are looked up in threads, of which there are few by default: those of servers whose
        # names do not resolve, for half a minute each, would keep all others waiting.
        self._loop.set_default_executor(ThreadPoolExecutor(_LOOK_UPS, "look-up"))
        self._exporter = Exporter(settings, clock)
        self._scheduler = PollScheduler(self._exporter.tick, self._exporter.clock)
        self._access = AccessKeeper(_reader(settings.web), self._note_reload)
        self._settings_are_good = True
        self._notifier = notifier or Notifier({})
        self._reloading = asyncio.Lock()
        self._background: set[asyncio.Task[object]] = set()

    async def run(
        self,
        listening: Listening,
        *,
        on_serving: Callable[[], None] = lambda: None,
        limits: Limits | None = None,
        watch: FileWatch | None = None,
    ) -> None:
        """Serve on sockets, closed at the end; `on_serving` is called once they answer.

        `watch` knows the file of the settings, and is asked where these want that.
        """
        limits = limits or Limits()
        connections = Connections(limits)
        is_encrypted = self._access.current.tls is not None
        most = limits.encrypted_connections if is_encrypted else limits.connections
        server = _Server(
            uvicorn.Config(
                create_app(self.served()),
                # As many are taken in at once, before any of them is read.
                backlog=min(BACKLOG, most // 2),
                http=protocol(connections, lambda: self._access.current, Pace()),  # type: ignore[arg-type]  # called, as a class is
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=_GRACE_SECONDS,
            )
        )
        # Expositions are built in a thread: let the loop have its turn sooner than after 5 ms.
        sys.setswitchinterval(_SWITCH_SECONDS)
        # What stands by now stands for good: no need to look through it for garbage ever again.
        gc.collect()
        gc.freeze()
        # What clients do wrong is told by `connections`: not a line each, nor for each part of an
        # answer that is sent to one that was cut off.
        for name in ("uvicorn.error", "asyncio"):
            logging.getLogger(name).setLevel(logging.ERROR)
        stopped = self._loop.create_task(self._handle_signals().wait())
        self._loop.set_exception_handler(connections.handle_error)
        watching = [
            self._loop.create_task(each)
            for each in (connections.watch(), self._access.watch(), self._report_alive())
        ]
        if watch is not None and self._settings.watch_config:
            watching.append(self._loop.create_task(self._watch_files(watch)))
        self._exporter.start()
        self._scheduler.start()
        self._scheduler.configure(self._exporter.intervals())
        serving = self._loop.create_task(server.serve(sockets=list(listening.sockets)))
        log.info(
            "serving",
            extra={
                "address": ",".join(listening.addresses),
                "tls": is_encrypted,
                "targets": len(self._settings.targets),
            },
        )
        self._notifier.ready()
        on_serving()
        await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
        self._notifier.stopping()
        stopped.cancel()
        for task in watching:
            task.cancel()
        connections.end_beginnings()
        self._scheduler.stop()
        # A scrape that our own end cuts off is no error, and deserves no traceback.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        server.should_exit = True
        await serving
        listening.close()
        await self._exporter.aclose()
        if self._background:
            await asyncio.wait(self._background, timeout=_CLOSING_SECONDS)
        log.info("stopped")

    async def reload(self, known: str = "") -> str:
        """Read the settings again and follow them; the old ones stay where anything is wrong.

        Args:
            known: what was wrong the last time; the log need not say so again.

        Returns:
            What is wrong, or nothing.
        """
        # One at a time: of two that overlap, the one that read older settings could end last.
        async with self._reloading:
            self._notifier.reloading()
            try:
                fresh = await self._read_again()
                _refuse_changes(self._settings, fresh)
                await self._follow_access(fresh.web)
            except SettingsFault as fault:
                self._settings_are_good = False
                self._note_reload()
                if str(fault) != known:
                    log.error(  # noqa: TRY400  (the faults say it all)
                        "settings not reloaded, the old ones stay", extra={"faults": str(fault)}
                    )
                return str(fault)
            finally:
                self._notifier.ready()
            self._follow(fresh)
            log.info("settings reloaded", extra={"targets": len(fresh.targets)})
            return ""

    async def _follow_access(self, web: WebSettings) -> None:
        """Read what protects the port as fresh settings say.

        Raises:
            SettingsFault: it cannot be read, or only a restart may change it so.
        """
        try:
            await self._access.follow(_reader(web))
        except AccessError as error:
            raise SettingsFault([Fault("web", str(error))]) from None

    def _note_reload(self) -> None:
        """Show whether all settings were last read without fault, and what they name with them."""
        process = self._exporter.process
        process.reload_succeeded = self._settings_are_good and self._access.good

    async def _report_alive(self) -> None:
        """Tell systemd that we are alive, as long as the polls are."""
        while self._notifier.watchdog is not None:
            if not self._exporter.fleet.stillness():
                self._notifier.alive()
            await asyncio.sleep(self._notifier.watchdog / 3)

    async def _read_again(self) -> Settings:
        """Read the settings in a thread of its own: one that hangs holds up none after it.

        Raises:
            SettingsFault: something is wrong with them, or they could not be read in time.
        """
        thread = ThreadPoolExecutor(1, "reload")
        reading = self._loop.run_in_executor(thread, self._reread)
        thread.shutdown(wait=False)
        try:
            return await asyncio.wait_for(reading, self._patience)
        except TimeoutError:
            text = f"could not be read within {self._patience:g} s"
            raise SettingsFault([Fault("settings", text)]) from None

    async def _watch_files(self, watch: FileWatch) -> None:
        """Reload whenever a file of the settings has changed.

        What is wrong may be that another file is not there yet, as a secret that is mounted later:
        settings with faults are tried again, and the log says so when these are others.
        """
        config = watch.paths
        faults, looks = "", 0
        while True:
            watch.follow((*config, *self._settings.files))
            await asyncio.sleep(LOOK_SECONDS)
            looks += 1
            # In a thread: the file may be another machine's.
            if await asyncio.to_thread(watch.look):
                log.info("the settings' file has changed")
                faults, looks = await self.reload(), 0
            elif faults and looks >= _LOOKS_UNTIL_TRIED_AGAIN:
                faults, looks = await self.reload(faults), 0

    def _follow(self, fresh: Settings) -> None:
        gone = self._exporter.pollers.keys() - {target.name for target in fresh.targets}
        for poller in [self._exporter.pollers[name] for name in gone]:
            # A poll that hangs must not hold up the reload.
            self._keep(poller.aclose())
        self._exporter.configure(fresh)
        self._scheduler.configure(self._exporter.intervals())
        logs.configure(fresh.log.level, fresh.log.format, beside=True)
        self._settings = fresh
        self._settings_are_good = True
        self._note_reload()

    def served(self) -> Served:
        """Give what the routes answer from."""
        web = self._settings.web
        return Served(
            fleet=self._exporter.fleet,
            scraper=self._exporter.scraper,
            process=self._exporter.process,
            clock=self._exporter.clock,
            max_concurrent_scrapes=web.max_concurrent_scrapes,
            reload=self.reload if web.enable_reload else None,
            status_page=web.status_page,
            links=Links(grafana=web.grafana or "", runbooks=web.runbooks or ""),
            alerts=self._exporter.own_alerts,
            probes=self._exporter.prober,
            route_prefix=web.route_prefix or "",
            access=lambda: self._access.current,
        )

    def _handle_signals(self) -> asyncio.Event:
        """Take over the signals; what is returned is set by those that end us."""
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, stop.set)
        self._loop.add_signal_handler(signal.SIGHUP, lambda: self._keep(self.reload()))
        # One that came while we started has waited for this.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
        return stop

    def _keep(self, work: Coroutine[object, object, object]) -> None:
        """Run something beside everything else, and hold on to it until it ends."""
        task = self._loop.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


class _Server(uvicorn.Server):
    """A server that leaves signals to us: it would end the process by the signal, not with 0."""

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _refuse_changes(current: Settings, fresh: Settings) -> None:
    """Refuse what only a restart can change.

    Raises:
        SettingsFault: `listen`, `watch_config`, or what `web` says of serving, is not what it was.
    """
    faults = [
        Fault(name, "cannot change while running; restart the exporter")
        for name, before, after in (
            ("listen", current.listen, fresh.listen),
            ("watch_config", current.watch_config, fresh.watch_config),
            ("web", current.web.fixed(), fresh.web.fixed()),
        )
        if before != after
    ]
    if faults:
        raise SettingsFault(faults)


def _reader(web: WebSettings) -> Callable[[], Access]:
    """Give what reads how the port is protected."""

    def read() -> Access:
        try:
            config = web.config()
            tls = config.tls_server_config
            context = None if tls is None else tls.context()
        except (SettingsFault, ValueError, OSError) as error:
            raise AccessError(str(error)) from None
        sans = None if tls is None else tls.client_allowed_sans
        rate, headers = config.rate_limit, config.http_server_config.headers
        return Access(
            tls=context,
            allowed_sans=None if sans is None else frozenset(sans),
            users={
                name: secret.get_secret_value().encode()
                for name, secret in config.basic_auth_users.items()
            },
            headers={name.lower(): text for name, text in headers.items()},
            rate=Rate(rate.interval, rate.burst) if rate.interval else None,
            files=web.files(config),
        )

    return read
