"""Real fleets under a real Prometheus: simulated servers, exporters, and the rules, hastened.

Each fleet is a scrape job, so that one Prometheus has them all.
"""

import itertools
import json
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec

import alert_rules
from alert_values import Duration, hastened, load
from electric_agents_simulator import scenarios
from loopback import free_port

PLAIN: Final = "electric-agents"
SINGLE: Final = "single"
AGGREGATED: Final = "aggregated"
DOWN: Final = "down"
SERVERS: Final = {PLAIN: "demo", SINGLE: "single", AGGREGATED: "whole", DOWN: "lost"}
"""The server of each job."""
HASTE: Final = 30.0
MEMORY: Final = 60.0
"""How long rules remember the last samples, in seconds."""
LOST: Final = 'lost "runner" / 100%'
"""A runner that is meant to stay and is gone, with an id that is hard to quote."""
RESTARTED: Final = "restarted"
"""A runner that restarts when it is told to."""
EARLIER: Final = "2026-01-01T00:00:00.000Z"
LATER: Final = "2026-01-02T00:00:00.000Z"


@dataclass(frozen=True)
class Prometheus:
    """One that runs, and how to ask it."""

    url: str

    def ask(self, path: str, **parameters: str) -> dict[str, Any]:
        """Give its whole answer, also where it is an error."""
        request = urllib.request.Request(  # noqa: S310  (loopback)
            f"{self.url}/api/v1/{path}?{urlencode(parameters)}"
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as got:  # noqa: S310
                answer: dict[str, Any] = json.load(got)
        except urllib.error.HTTPError as error:
            answer = json.load(error)
        return answer

    def has(self, expr: str) -> bool:
        """Tell whether a query has values now."""
        try:
            return bool(self.ask("query", query=expr).get("data", {}).get("result"))
        except (OSError, ValueError):
            return False  # it is still starting


@dataclass(frozen=True)
class Watched:
    """All fleets, and the Prometheus that watches them."""

    prometheus: Prometheus
    demo: str

    def lose(self) -> None:
        """Let a runner's lease end at once; long after any other came, so that none replaced it."""
        _script_runner(self.demo, LOST, 0.001, EARLIER)

    def restart(self) -> None:
        """Let a runner of the demo restart."""
        _script_runner(self.demo, RESTARTED, 3600, LATER)


def until(holds: Callable[[], bool], what: str, seconds: float = 240.0) -> None:
    """Wait until something holds; fail by name if it does not in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.1)


@contextmanager
def programs() -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Give what starts a program; all of them end with the block, at once."""
    started: list[subprocess.Popen[str]] = []

    def start(*command: str) -> "subprocess.Popen[str]":
        started.append(
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        )
        return started[-1]

    try:
        yield start
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.communicate(timeout=20)


@contextmanager
def prometheus(folder: Path, jobs: dict[str, list[int]], *, rules: bool) -> Iterator[Prometheus]:
    """Run a Prometheus that scrapes ports by job."""
    binary = shutil.which("prometheus")
    assert binary is not None
    folder.mkdir()
    scraped = [
        {"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{p}" for p in ports]}]}
        for job, ports in jobs.items()
    ]
    for name, text in (_rules() if rules else {}).items():
        (folder / f"rules-{name}").write_text(text)
    configuration = {
        "global": {"scrape_interval": "2s", "scrape_timeout": "2s", "evaluation_interval": "2s"},
        "rule_files": [str(folder / "rules-*")],
        "scrape_configs": scraped,
    }
    (folder / "prometheus.yml").write_text(json.dumps(configuration))  # JSON is YAML
    port = free_port()
    with programs() as start:
        start(
            binary,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{port}",
        )
        running = Prometheus(f"http://127.0.0.1:{port}")
        until(lambda: running.has("vector(1)"), "Prometheus answers")
        yield running


def _rules() -> dict[str, str]:
    """Give the rules in a hurry, but with memory enough for a machine that is busy."""
    values = load()
    fast = msgspec.structs.replace(hastened(values, HASTE, HASTE), memory=Duration(MEMORY))
    # All runners are registered within moments here, so that each would be another's replacement.
    fast.alerts["RunnerUnhealthy"]["replaced"] = "1s"
    return alert_rules.render(fast, values)


@contextmanager
def fleets(folder: Path) -> Iterator[Watched]:
    """Run every kind of fleet, and a Prometheus that watches them all."""
    with programs() as start:
        demo = _simulator(start, "demo", 30)
        single = _simulator(start, "healthy-day", 1)
        _script_runner(demo, RESTARTED, 3600, EARLIER)
        _script_runner(demo, LOST, 3600, EARLIER)
        nowhere = f"http://127.0.0.1:{free_port()}"
        numbers = itertools.count()

        def exporter(name: str, url: str, scenario: str = "demo", **more: object) -> int:
            port = free_port()
            target = {
                "name": name,
                "url": url,
                "interval": "2s",
                "timeout": "1900ms",
                "conditions": {"unheard_after": "15s"},
            }
            principals = list(scenarios.principals(scenario))
            settings = {
                "listen": f"127.0.0.1:{port}",
                "targets": [target | {"principals": principals}],
                **more,
            }
            file = folder / f"exporter-{next(numbers)}.yaml"
            file.write_text(json.dumps(settings))
            start(sys.executable, "-m", "electric_agents_exporter", "run", "--config", str(file))
            return port

        jobs = {
            PLAIN: [exporter("demo", demo), exporter("demo", demo)],
            SINGLE: [exporter("single", single, "healthy-day")],
            AGGREGATED: [exporter("whole", demo, metrics={"per_runner": False})],
            DOWN: [exporter("lost", nowhere)],
        }
        with prometheus(folder / "prometheus", jobs, rules=True) as watching:
            yield Watched(watching, demo)


def _simulator(start: Callable[..., "subprocess.Popen[str]"], scenario: str, runners: int) -> str:
    """Start a simulated server with a fleet, and give its URL."""
    command = [sys.executable, "-m", "electric_agents_simulator", "demo", "--scenario", scenario]
    process = start(*command, "--runners", str(runners), "--listen", "127.0.0.1:0")
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("simulator ready on "), line
    return line.removeprefix("simulator ready on ").strip()


def _script_runner(server: str, runner: str, lease: float, started: str) -> None:
    """Register a runner, and send one heartbeat of it, with a lease of so many seconds."""
    headers = {"electric-principal": "service:monitor", "content-type": "application/json"}
    diagnostics = {
        "status": "streaming",
        "stream_connected": True,
        "last_heartbeat_ok": True,
        "started_at": started,
    }
    beat = {"lease_ms": lease * 1000, "diagnostics": diagnostics}
    path = f"{server}/_electric/runners"
    for url, body in (
        (path, {"id": runner, "label": runner, "kind": "server"}),
        (f"{path}/{quote(runner, safe='')}/heartbeat", beat),
    ):
        request = urllib.request.Request(url, json.dumps(body).encode(), headers)  # noqa: S310
        urllib.request.urlopen(request, timeout=30).close()  # noqa: S310
