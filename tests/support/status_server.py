"""The status page served on loopback: of a fleet in this process, or by an exporter of its own."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import uvicorn
from prometheus_client import CollectorRegistry

from electric_agents_exporter.alerting.alert import Alert
from electric_agents_exporter.fleet.clock import Clock
from electric_agents_exporter.fleet.fleet import Fleet
from electric_agents_exporter.metrics.exposition import Exposer
from electric_agents_exporter.metrics.process_families import ProcessState
from electric_agents_exporter.metrics.scrape import Scraper
from electric_agents_exporter.metrics.table import build_table
from electric_agents_exporter.status.steps import Links
from electric_agents_exporter.web.routes import Served, create_app
from electric_agents_simulator import scenarios
from loopback import free_port
from waiting import end, until

_READY = "simulator ready on "


class StatusServer:
    """Serves the pages of a fleet while the block runs; `url` is where.

    `change` may have it served in another way.
    """

    def __init__(
        self,
        fleet: Fleet,
        clock: Clock,
        links: Links | None = None,
        alerts: Callable[[], Sequence[Alert] | None] = lambda: None,
        change: Callable[[Served], Served] = lambda served: served,
    ) -> None:
        own = ProcessState("1.2.3", "3.11.7", ticked_at=clock.time())
        scraper = Scraper(fleet, Exposer(build_table(), own, CollectorRegistry()), clock)
        served = change(
            Served(
                fleet,
                scraper,
                own,
                clock,
                max_concurrent_scrapes=4,
                reload=None,
                links=links or Links(),
                alerts=alerts,
            )
        )
        self._app = create_app(served)
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}{served.route_prefix}"
        self._loop = asyncio.new_event_loop()

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._loop.close()

    def restart(self) -> None:
        """Serve again after a stop."""
        self._start()

    def stop(self) -> None:
        """Serve no more."""
        self._server.should_exit = True
        self._thread.join()

    def do(self, change: Callable[[], None]) -> None:
        """Change the fleet where it is read."""
        done = threading.Event()

        def changed() -> None:
            change()
            done.set()

        self._loop.call_soon_threadsafe(changed)
        done.wait()

    def _start(self) -> None:
        config = uvicorn.Config(self._app, "127.0.0.1", self._port, log_config=None)
        self._server = uvicorn.Server(config)
        serving = self._server.serve()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(serving,))
        self._thread.start()
        until(lambda: self._server.started, "the pages")


class LiveFleet:
    """A simulated fleet, and an exporter that polls it every second; `url` is the exporter's."""

    def __init__(self, folder: Path, scenario: str, runners: int, speed: float) -> None:
        self._folder = folder
        self._scenario = scenario
        self._runners = runners
        self._speed = speed
        self._running = ExitStack()
        self.url = ""

    def __enter__(self) -> Self:
        simulator = self._run(
            *(sys.executable, "-m", "electric_agents_simulator", "demo", "--listen", "127.0.0.1:0"),
            *("--runners", str(self._runners), "--scenario", self._scenario),
            *("--speed", str(self._speed)),
        )
        line = simulator.stdout.readline() if simulator.stdout else ""
        target = {
            "name": "simulated",
            "url": line.removeprefix(_READY).strip(),
            "principals": scenarios.principals(self._scenario),
            "headers": {"simulator-time": "real"},
            "interval": "1s",
            "timeout": "1s",
            "conditions": {"unheard_after": "1s", "abandoned_after": "1s"},
        }
        address = f"127.0.0.1:{free_port()}"
        config = self._folder / "exporter.yaml"
        config.write_text(json.dumps({"listen": address, "targets": [target]}))
        command = ("-m", "electric_agents_exporter", "run", "--config", str(config))
        self.exporter = self._run(sys.executable, *command)
        self.url = f"http://{address}"
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def _run(self, *command: str) -> "subprocess.Popen[str]":
        with (self._folder / "log").open("a") as log:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        self._running.callback(process.communicate)
        self._running.callback(_end, process)
        return process


def _end(process: "subprocess.Popen[str]") -> None:
    if process.poll() is None:
        end(process)
