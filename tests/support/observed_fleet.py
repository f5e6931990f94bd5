"""Simulated fleets, exporters that poll them, and a real Prometheus that scrapes these."""

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
JOB = "electric-agents"


@dataclass(frozen=True)
class Story:
    """A target's name, and what its fleet plays, how many times as fast as it would be.

    A fleet of no runners is a server without any. Targets of one `job` have one exporter; each has
    a name of its own.
    """

    server: str
    scenario: str
    runners: int
    speed: float = 1.0
    job: str = JOB


class ObservedFleet:
    """All of it runs while the block does; `prometheus` and `simulators` are URLs.

    What the programs complain of is in the file `log` of the folder.
    """

    def __init__(  # noqa: PLR0913  (all but two have defaults)
        self,
        folder: Path,
        stories: Iterable[Story],
        *,
        rules: Sequence[Path] = (),
        poll_seconds: int = 2,
        target: Mapping[str, object] | None = None,
        settings: Mapping[str, object] | None = None,
        replicas: int = 1,
        alertmanager: str = "",
        settings_of: Mapping[str, Mapping[str, object]] | None = None,
    ) -> None:
        """Set it up.

        Args:
            folder: for files and logs.
            stories: a target each.
            rules: files that Prometheus loads.
            poll_seconds: how often exporters poll, and Prometheus scrapes.
            target: more settings of each target.
            settings: more settings of the exporter.
            replicas: how many exporters poll the same.
            alertmanager: the host and port that Prometheus sends alerts to.
            settings_of: more settings of the exporter of a job.
        """
        self.simulators: dict[str, str] = {}
        self.prometheus = f"http://127.0.0.1:{free_port()}"
        self._folder = folder
        self._stories = tuple(stories)
        self._rules = rules
        self.exporters: dict[str, list[str]] = {}
        self._settings_of = settings_of or {}
        self._playing: dict[str, subprocess.Popen[str]] = {}
        self.config = folder / "exporter.yaml"
        self._seconds = poll_seconds
        self._target = dict(target or {})
        self._settings = dict(settings or {})
        self._replicas = replicas
        self._alertmanager = alertmanager
        self._running = ExitStack()

    def __enter__(self) -> Self:
        try:
            targets: dict[str, list[dict[str, object]]] = {}
            for story in self._stories:
                targets.setdefault(story.job, []).append(self._play(story))
            self.exporters = {
                job: [self._export(job, some, each) for each in range(self._replicas)]
                for job, some in targets.items()
            }
            self._scrape(self.prometheus, self._rules)
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

    def without_rules(self) -> str:
        """Let another Prometheus scrape the same, which has no rules; gives its URL."""
        url = f"http://127.0.0.1:{free_port()}"
        self._scrape(url, ())
        return url

    def end(self, server: str) -> None:
        """End a server, and its runners with it."""
        _end(self._playing[server])

    def trouble(self, server: str, fault: Mapping[str, object] | None) -> None:
        """Switch a fault on at a simulator's switchboard, or with None all of them off."""
        request = urllib.request.Request(  # noqa: S310
            f"{self.simulators[server]}/_simulator/faults",
            data=json.dumps(fault).encode() if fault else None,
            method="POST" if fault else "DELETE",
        )
        urllib.request.urlopen(request, timeout=10).close()  # noqa: S310

    def _play(self, story: Story) -> dict[str, object]:
        fleet = ("--runners", str(story.runners), "--scenario", story.scenario)
        simulator = self._start(
            *(sys.executable, "-m", "electric_agents_simulator"),
            *(("demo", *fleet, "--speed", str(story.speed)) if story.runners else ("serve",)),
            *("--listen", "127.0.0.1:0"),
            stdout=subprocess.PIPE,
        )
        self._playing[story.server] = simulator
        line = simulator.stdout.readline() if simulator.stdout else ""
        if not line.startswith(_READY):
            raise RuntimeError(f"the simulator does not start: {line}")
        url = line.removeprefix(_READY).strip()
        self.simulators[story.server] = url
        principals = scenarios.principals(story.scenario)
        target: dict[str, object] = {"name": story.server, "url": url, "principals": principals}
        # A caller that lives in real time is told real times.
        return target if story.speed == 1 else {**target, "headers": {"simulator-time": "real"}}

    def _export(self, job: str, targets: list[dict[str, object]], replica: int) -> str:
        address = f"127.0.0.1:{free_port()}"
        first = job == JOB and not replica
        config = self.config if first else self.config.with_stem(f"exporter-{job}-{replica}")
        timing = {
            "interval": f"{self._seconds}s",
            "timeout": f"{self._seconds / 2}s",
            **self._target,
        }
        # JSON is YAML.
        config.write_text(
            json.dumps(
                {
                    "listen": address,
                    "targets": [{**timing, **each} for each in targets],
                    **self._settings,
                    **self._settings_of.get(job, {}),
                }
            )
        )
        exporter = (sys.executable, "-m", "electric_agents_exporter", "run", "--config")
        self._start(*exporter, str(config))
        return address

    def _scrape(self, url: str, rules: Sequence[Path]) -> None:
        name = "prometheus" if url == self.prometheus else f"prometheus-{url.rpartition(':')[2]}"
        config = self._folder / f"{name}.yml"
        every = f"{self._seconds}s"
        jobs = [
            {"job_name": job, "static_configs": [{"targets": addresses}]}
            for job, addresses in self.exporters.items()
        ]
        paces = ("scrape_interval", "scrape_timeout", "evaluation_interval")
        settings = {
            "global": dict.fromkeys(paces, every),
            "rule_files": [str(path.resolve()) for path in rules],
            "scrape_configs": jobs,
        }
        if self._alertmanager:
            told = {"static_configs": [{"targets": [self._alertmanager]}]}
            settings["alerting"] = {"alertmanagers": [told]}
        config.write_text(json.dumps(settings))
        binary = shutil.which("prometheus")
        if binary is None:
            raise FileNotFoundError("prometheus is missing: run `make tools`")
        self._start(
            binary,
            f"--config.file={config}",
            f"--storage.tsdb.path={self._folder / name}",
            f"--web.listen-address={url.removeprefix('http://')}",
            "--web.enable-lifecycle",
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
