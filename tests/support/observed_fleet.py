"""Simulated fleets, an exporter that polls them, and a real Prometheus that scrapes it."""

import json
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

from electric_agents_simulator import scenarios
from loopback import free_port
from waiting import until

_READY = "simulator ready on "


@dataclass(frozen=True)
class Story:
    """A target's name, and what its fleet plays."""

    server: str
    scenario: str
    runners: int


class ObservedFleet:
    """All of it runs while the block does; `prometheus` and `simulators` are URLs.

    What the programs complain of is in the file `log` of the folder.
    """

    def __init__(
        self,
        folder: Path,
        stories: Iterable[Story],
        *,
        rules: Sequence[Path] = (),
        poll_seconds: int = 2,
    ) -> None:
        self.simulators: dict[str, str] = {}
        self.prometheus = f"http://127.0.0.1:{free_port()}"
        self._folder = folder
        self._stories = tuple(stories)
        self._rules = rules
        self._seconds = poll_seconds
        self._running = ExitStack()

    def __enter__(self) -> Self:
        try:
            targets = [self._play(story) for story in self._stories]
            exporter = self._export(targets)
            self._scrape(exporter)
            until(lambda: bool(self.ask("electric_agents_server_up == 1")), "a fleet in Prometheus")
        except BaseException:
            self._running.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def ask(self, expression: str) -> list[dict[str, Any]]:
        """Ask Prometheus; nothing while it does not answer."""
        url = f"{self.prometheus}/api/v1/query?{urlencode({'query': expression})}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310
                result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
                return result
        except (OSError, urllib.error.HTTPError):
            return []

    def trouble(self, server: str, fault: Mapping[str, object] | None) -> None:
        """Switch a fault on at a simulator's switchboard, or with None all of them off."""
        request = urllib.request.Request(  # noqa: S310
            f"{self.simulators[server]}/_simulator/faults",
            data=json.dumps(fault).encode() if fault else None,
            method="POST" if fault else "DELETE",
        )
        urllib.request.urlopen(request, timeout=10).close()  # noqa: S310

    def _play(self, story: Story) -> dict[str, object]:
        simulator = self._start(
            *(sys.executable, "-m", "electric_agents_simulator", "demo", "--listen", "127.0.0.1:0"),
            *("--runners", str(story.runners), "--scenario", story.scenario),
            stdout=subprocess.PIPE,
        )
        line = simulator.stdout.readline() if simulator.stdout else ""
        if not line.startswith(_READY):
            raise RuntimeError(f"the simulator does not start: {line}")
        url = line.removeprefix(_READY).strip()
        self.simulators[story.server] = url
        principals = scenarios.principals(story.scenario)
        return {"name": story.server, "url": url, "principals": principals}

    def _export(self, targets: list[dict[str, object]]) -> str:
        address = f"127.0.0.1:{free_port()}"
        config = self._folder / "exporter.yaml"
        timing = {"interval": f"{self._seconds}s", "timeout": f"{self._seconds / 2}s"}
        # JSON is YAML.
        config.write_text(
            json.dumps({"listen": address, "targets": [{**timing, **each} for each in targets]})
        )
        exporter = (sys.executable, "-m", "electric_agents_exporter", "run", "--config")
        self._start(*exporter, str(config))
        return address

    def _scrape(self, exporter: str) -> None:
        config = self._folder / "prometheus.yml"
        every = f"{self._seconds}s"
        job = {"job_name": "electric-agents", "static_configs": [{"targets": [exporter]}]}
        paces = ("scrape_interval", "scrape_timeout", "evaluation_interval")
        settings = {
            "global": dict.fromkeys(paces, every),
            "rule_files": [str(path.resolve()) for path in self._rules],
            "scrape_configs": [job],
        }
        config.write_text(json.dumps(settings))
        binary = shutil.which("prometheus")
        if binary is None:
            raise FileNotFoundError("prometheus is missing: run `make tools`")
        self._start(
            binary,
            f"--config.file={config}",
            f"--storage.tsdb.path={self._folder / 'tsdb'}",
            f"--web.listen-address={self.prometheus.removeprefix('http://')}",
        )

    def _start(self, *command: str, stdout: int = subprocess.DEVNULL) -> "subprocess.Popen[str]":
        with (self._folder / "log").open("a") as log:
            process = subprocess.Popen(command, stdout=stdout, stderr=log, text=True)
        self._running.callback(_end, process)
        return process


def _end(process: "subprocess.Popen[str]") -> None:
    process.terminate()
    try:
        process.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
