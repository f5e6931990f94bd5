"""Everything that an incident needs, as real processes on loopback.

The simulator, exporters, Prometheus, Alertmanager, and a webhook that Alertmanager delivers to. All
of it runs `speed` times as fast as in reality: the simulator's clock is faster, and intervals and
the durations in the rules are shorter.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, Self
from urllib.error import URLError
from urllib.parse import urlencode

import jinja2
import yaml

from alert_definitions import written
from alert_rules import HERE as ALERTS
from alert_rules import render
from alert_values import Duration, Values, hastened, load
from electric_agents_exporter.conditions import Thresholds
from electric_agents_exporter.contract.vocabulary import RunnerKind
from electric_agents_exporter.fleet.policy import RETIRE_AFTER
from incidents.model import Incident, StackAction
from incidents.pace import Pace, PaceLostError
from incidents.webhook import Webhook
from loopback import free_port
from waiting import until

INTERVAL: Final = 15.0
"""How often the exporter polls, and Prometheus scrapes and evaluates: the scenario's seconds."""

_NAIVE: Final = Path(__file__).with_name("naive.yaml")
_RECEIVERS: Final = {"critical": "naive-pager", "warning": "naive-tickets"}
_LOOKBACK: Final = 300.0
_RESEND: Final = 60.0
_SETTLING: Final = 150.0
"""How long exporters and Prometheus may take to start: the scenario's seconds."""
_BROKEN: Final = "targets: [{nome: fleet}]\n"


class Stack:
    """The processes of one incident, while the context lasts. `seconds` are the scenario's.

    `direct`: exporters send their own alerts, and Prometheus has no rules.
    """

    def __init__(
        self,
        incident: Incident,
        speed: float,
        folder: Path,
        abandoned: threading.Event,
        *,
        direct: bool = False,
    ) -> None:
        self._direct = direct
        self._incident = incident
        self._speed = speed
        self._folder = folder
        self._abandoned = abandoned
        self._closing = ExitStack()
        self._began = 0.0
        self._pace = Pace(INTERVAL / speed)
        self._asked: list[str] = []
        self._exporters: list[subprocess.Popen[bytes]] = []
        self._ports: list[int] = []
        self.webhook = Webhook()
        self.prometheus = ""

    @property
    def now(self) -> float:
        """The scenario's seconds since the end of the lead-in."""
        return self.scenario_time(time.time())

    def scenario_time(self, moment: float) -> float:
        """Give the scenario's seconds at a real moment."""
        return (moment - self._began) * self._speed - self._incident.lead_in

    def wait_until(self, seconds: float) -> None:
        """Sleep until a time of the scenario, and watch that the machine keeps pace.

        Raises:
            KeyboardInterrupt: the incident was abandoned.
            PaceLostError: it does not keep pace.
        """
        while (now := self.now) < seconds:
            due = min(seconds, now + INTERVAL)
            if self._abandoned.wait((due - now) / self._speed):
                raise KeyboardInterrupt
            self._pace.check(self._asked)

    def __enter__(self) -> Self:
        with ExitStack() as closing:
            closing.enter_context(self.webhook)
            self._closing = closing
            self._alertmanager = self._start_alertmanager()
            url = self._start_simulator()
            self._ports = [free_port() for _ in range(self._incident.replicas)]
            self._write_settings(url)
            self.prometheus = self._start_prometheus()
            self._asked = [f"{url}/_simulator/faults", f"{self.prometheus}/api/v1/query?query=1"]
            if self._incident.exporter_after:
                self.wait_until(self._incident.exporter_after - self._incident.lead_in)
            self._start_exporters()
            self._wait_for_exporters()
            self._closing = closing.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def last_sign_of_life(self, runner: str, before: float) -> float:
        """Give when a runner last gave a sign of life, as it was seen at a time of the scenario.

        Raises:
            PaceLostError: nothing was seen of it then.
        """
        age = f'electric_agents_runner_sign_of_life_age_seconds{{runner_id="{runner}"}}'
        moment = self._began + (before + self._incident.lead_in) / self._speed
        asked = urlencode({"query": f"max(timestamp({age}) - {age})", "time": moment})
        with urllib.request.urlopen(f"{self.prometheus}/api/v1/query?{asked}", timeout=60) as got:  # noqa: S310  (loopback)
            found = json.load(got)["data"]["result"]
        if not found:
            raise PaceLostError(f"no sign of life of {runner} was seen")
        return self.scenario_time(float(found[0]["value"][1]))

    def take(self, action: StackAction) -> None:
        """Do something to exporters or Prometheus."""
        match action:
            case StackAction.EXPORTER_STOPS:
                for exporter in self._exporters:
                    _end(exporter)
            case StackAction.ONE_REPLICA_STOPS:
                _end(self._exporters[0])
            case StackAction.EXPORTER_STARTS:
                self._start_exporters()
            case StackAction.CONFIG_BREAKS:
                self._settings(0).rename(self._folder / "good.yaml")
                self._settings(0).write_text(_BROKEN)
                self._exporters[0].send_signal(signal.SIGHUP)
            case StackAction.CONFIG_MENDS:
                (self._folder / "good.yaml").rename(self._settings(0))
                self._exporters[0].send_signal(signal.SIGHUP)
            case StackAction.SCRAPE_JOB_GOES:
                self._prometheus_settings.write_text(self._prometheus_yaml(jobs=()))
                self._prometheus_process.send_signal(signal.SIGHUP)

    # The parts

    def _start(self, name: str, command: list[str]) -> "subprocess.Popen[bytes]":
        log = self._closing.enter_context((self._folder / f"{name}.log").open("ab"))
        process = subprocess.Popen(command, stdout=log, stderr=log)
        self._closing.callback(_end, process)
        return process

    def _start_simulator(self) -> str:
        program = "from incidents.play import main; main()"
        command = [sys.executable, "-c", program, self._incident.name, str(self._speed)]
        log = self._closing.enter_context((self._folder / "simulator.log").open("wb"))
        # It finds the incidents where this process does.
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=environment)
        assert process.stdout is not None  # noqa: S101  (it is a pipe)
        self._closing.callback(process.stdout.close)
        self._closing.callback(_end, process)
        url = process.stdout.readline().decode().strip()
        self._began = time.time()
        if not url:
            raise RuntimeError(f"the simulator did not start: {self._folder}/simulator.log")
        return url

    def _settings(self, replica: int) -> Path:
        return self._folder / f"exporter-{replica}.yaml"

    def _write_settings(self, url: str) -> None:
        wanted = dict(self._incident.target or {})
        retire_after = wanted.pop("retire_after", None)
        retired = {str(kind): retire_after or usual for kind, usual in RETIRE_AFTER.items()}
        for replica, port in enumerate(self._ports):
            target = {
                "name": "fleet",
                "url": url,
                "principals": list(self._incident.scenario.principals),
                "headers": {"simulator-time": "real"},
                "interval": self._span(INTERVAL),
                "timeout": self._span(INTERVAL * 0.9),
                "stale_after": self._span(60),
                "retire_after": {
                    kind: self._span(after)
                    for kind, after in retired.items()
                    if kind != RunnerKind.UNKNOWN
                },
                "conditions": {
                    name: self._span(after) for name, after in asdict(Thresholds()).items()
                },
                **wanted,
            }
            settings: dict[str, object] = {"listen": f"127.0.0.1:{port}", "targets": [target]}
            if self._direct:
                settings["alertmanager"] = self._own_alerts()
            self._settings(replica).write_text(json.dumps(settings))

    def _own_alerts(self) -> dict[str, object]:
        definitions = self._folder / "definitions.json"
        definitions.write_text(written(self._values()))
        return {
            "urls": [f"http://{self._alertmanager}"],
            "definitions": str(definitions),
            "resend_interval": self._span(_RESEND),
            "timeout": self._span(_RESEND),
        }

    def _values(self) -> Values:
        return hastened(load(), self._speed, self._speed * self._incident.slo_speed)

    def _start_exporters(self) -> None:
        self._exporters = [
            self._start(
                f"exporter-{replica}",
                [
                    sys.executable,
                    "-m",
                    "electric_agents_exporter",
                    "run",
                    "--config",
                    str(self._settings(replica)),
                ],
            )
            for replica in range(self._incident.replicas)
        ]

    def _wait_for_exporters(self) -> None:
        asked = [f"http://127.0.0.1:{port}/-/healthy" for port in self._ports]
        until(lambda: all(map(_answers, asked)), "an exporter")
        if self.now > self._incident.exporter_after - self._incident.lead_in + _SETTLING:
            raise PaceLostError("it took long to start")
        self._asked += asked

    def _start_prometheus(self) -> str:
        rules = self._folder / "rules"
        rules.mkdir()
        if not self._direct:
            for name, text in render(self._values(), load()).items():
                (rules / name).write_text(text)
            (rules / "naive.yaml").write_text(_naive(60 / self._speed))
        port = free_port()
        self._prometheus_settings = self._folder / "prometheus.yml"
        jobs = tuple(f"127.0.0.1:{port}" for port in self._ports)
        self._prometheus_settings.write_text(self._prometheus_yaml(jobs))
        self._prometheus_process = self._start(
            "prometheus",
            [
                _program("prometheus"),
                f"--config.file={self._prometheus_settings}",
                f"--storage.tsdb.path={self._folder / 'tsdb'}",
                f"--web.listen-address=127.0.0.1:{port}",
                f"--query.lookback-delta={self._span(_LOOKBACK)}",
                f"--rules.alert.resend-delay={self._span(_RESEND)}",
            ],
        )
        url = f"http://127.0.0.1:{port}"
        until(lambda: _answers(f"{url}/-/ready"), "Prometheus")
        return url

    def _prometheus_yaml(self, jobs: tuple[str, ...]) -> str:
        span = self._span(INTERVAL)
        settings: dict[str, Any] = {
            "global": {
                "scrape_interval": span,
                "scrape_timeout": span,
                "evaluation_interval": span,
            },
            "rule_files": [str(self._folder / "rules" / "*.yaml")],
            "alerting": {
                "alertmanagers": [{"static_configs": [{"targets": [self._alertmanager]}]}]
            },
        }
        if jobs:
            settings["scrape_configs"] = [
                {"job_name": "electric-agents", "static_configs": [{"targets": list(jobs)}]}
            ]
        return yaml.safe_dump(settings)

    def _start_alertmanager(self) -> str:
        settings = self._folder / "alertmanager.yml"
        settings.write_text(alertmanager_settings(self.webhook.url, self._speed))
        port = free_port()
        self._start(
            "alertmanager",
            [
                _program("prometheus-alertmanager", "alertmanager"),
                f"--config.file={settings}",
                f"--storage.path={self._folder / 'alertmanager'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--cluster.listen-address=",
            ],
        )
        until(lambda: _answers(f"http://127.0.0.1:{port}/-/ready"), "Alertmanager")
        return f"127.0.0.1:{port}"

    def _span(self, seconds: float) -> str:
        return str(Duration(seconds / self._speed))


def alertmanager_settings(webhook: str, speed: float) -> str:
    """Give the shipped configuration, made faster, with every receiver a webhook of its own name.

    Alerts of the naive rules get receivers of their own.
    """
    text = (ALERTS / "alertmanager" / "alertmanager.yml").read_text()
    settings: dict[str, Any] = yaml.safe_load(text)
    names = [receiver["name"] for receiver in settings["receivers"]]
    settings["receivers"] = [
        {"name": name, "webhook_configs": [{"url": f"{webhook}/{name}", "send_resolved": True}]}
        for name in (*names, *_RECEIVERS.values())
    ]
    settings.pop("templates", None)
    settings["global"] = {"resolve_timeout": str(Duration(_LOOKBACK / speed))}
    naive = [
        {
            "receiver": receiver,
            "matchers": ['service="naive"', f'severity="{severity}"'],
            "group_by": ["alertname", "server"],
            "group_wait": "30s",
            "group_interval": "5m",
            "repeat_interval": "4h",
        }
        for severity, receiver in _RECEIVERS.items()
    ]
    settings["route"]["routes"] = [*naive, *settings["route"].get("routes", [])]
    _shorten(settings["route"], speed)
    return yaml.safe_dump(settings)


def _shorten(route: dict[str, Any], speed: float) -> None:
    for key in ("group_wait", "group_interval", "repeat_interval"):
        if key in route:
            route[key] = str(Duration.parse(route[key]) / speed)
    for child in route.get("routes", []):
        _shorten(child, speed)


def _naive(minute: float) -> str:
    environment = jinja2.Environment(
        variable_start_string="<<",
        variable_end_string=">>",
        autoescape=False,  # noqa: S701
    )
    return environment.from_string(_NAIVE.read_text()).render(
        minutes={count: str(Duration(minute * count)) for count in (2, 5, 10)}
    )


def _program(*names: str) -> str:
    for name in names:
        if path := shutil.which(name):
            return path
    raise RuntimeError(f"{names[0]} is missing: run `make tools`")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:  # noqa: S310  (loopback)
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
