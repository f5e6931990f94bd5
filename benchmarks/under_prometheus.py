"""The exporter as it runs: a real Prometheus scrapes it and evaluates all of our rules.

Meanwhile every report of the fleet changes every few seconds, and runners come and go. After that a
second Prometheus scrapes the same, and evaluates the first edition's rules: both at once would be
more than two processors bear, and neither would show what it costs.
"""

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from fleets import PRINCIPAL
from http_poll import canned_server
from loopback import free_port
from measure import Comparison, limit, resident_megabytes
from waiting import until

_INTERVAL = 15
_RULES = Path(__file__).parents[1] / "alerts" / "rules"
_FIRST_EDITION = Path(__file__).parent / "topology" / "first_edition" / "rules"
_GROUPS = "prometheus_rule_group"
_FAILURES = "prometheus_rule_evaluation_failures_total"


def measure(count: int, seconds: int) -> Iterator[Comparison]:
    """Scrape a fleet of so many runners for so many seconds; nothing without Prometheus."""
    binary = shutil.which("prometheus")
    if binary is None:
        return
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(canned_server(count, "churn"))
        exporter_port = free_port()
        exporter = start(stack, exporter_command(folder, exporter_port, url, count))
        size = f"{count:,} runners"
        for rules, which, goal in (
            (_RULES, "", 1.0),
            (_FIRST_EDITION, ", first edition's rules", None),
        ):
            with ExitStack() as one:
                place = folder / rules.parent.name
                prometheus = Evaluating(one, place, binary, exporter_port, rules)
                began, used = time.monotonic(), _cpu_seconds(exporter.pid)
                time.sleep(seconds)
                passed = time.monotonic() - began
                if rules == _RULES:
                    yield from _report(prometheus, size, passed)
                    yield limit(
                        f"resident after {seconds} s under Prometheus, {size}",
                        resident_megabytes(exporter.pid),
                        goal=200,
                        unit="MB",
                    )
                    cpu = (_cpu_seconds(exporter.pid) - used) / passed
                    yield limit(f"CPU under Prometheus, {size}", cpu, goal=None, unit="cores")
                yield from _cost(prometheus, f"{size}{which}", passed, goal)


class Evaluating:
    """A Prometheus that scrapes the exporter and evaluates some rules."""

    def __init__(
        self, stack: ExitStack, folder: Path, binary: str, scraped: int, rules: Path
    ) -> None:
        port = free_port()
        folder.mkdir(exist_ok=True)
        self._config = folder / "prometheus.yaml"
        self._process = start(stack, _prometheus(self._config, binary, scraped, port, rules))
        self._url = f"http://127.0.0.1:{port}/api/v1/"

    def fetch(self, path: str) -> list[Any]:
        """Give the result of a call of Prometheus's API."""
        with urllib.request.urlopen(self._url + path, timeout=600) as answer:  # noqa: S310
            result: list[Any] = json.load(answer)["data"]["result"]
        return result

    def rest(self) -> None:
        """Scrape and evaluate no more: from now on it only answers."""
        self._config.write_text("{}")
        self._process.send_signal(signal.SIGHUP)
        until(lambda: not self._targets(), "no targets", seconds=120)

    def _targets(self) -> list[Any]:
        with urllib.request.urlopen(self._url + "targets?state=active", timeout=60) as answer:  # noqa: S310
            active: list[Any] = json.load(answer)["data"]["activeTargets"]
        return active

    def ask(self, query: str) -> float:
        """Give what a query gives; 0 where it gives nothing."""
        result = self.fetch(f"query?query={urllib.parse.quote(query)}")
        return float(result[0]["value"][1]) if result else 0.0

    @property
    def cpu_seconds(self) -> float:
        """How much it has used so far."""
        return _cpu_seconds(self._process.pid)

    @property
    def megabytes(self) -> float:
        """How much memory it holds."""
        return resident_megabytes(self._process.pid)


def _report(ours: Evaluating, size: str, seconds: float) -> Iterator[Comparison]:
    window, exporter = f"[{int(seconds)}s]", '{job="electric-agents-exporter"}'
    expected = int(seconds / _INTERVAL)
    took = f"scrape_duration_seconds{exporter}{window}"
    good = f"(sum(sum_over_time(up{exporter}{window})) or vector(0))"
    for name, query, goal, unit in (
        (
            f"scrapes of Prometheus that failed or never came, of {expected}",
            f"clamp_min({expected} - {good}, 0)",
            0,
            "scrapes",
        ),
        ("scrape_duration_seconds, middle", f"quantile_over_time(0.5, {took})", None, "s"),
        ("scrape_duration_seconds, worst", f"max_over_time({took})", None, "s"),
        (
            "scrape_samples_scraped, most",
            f"max_over_time(scrape_samples_scraped{exporter}{window})",
            None,
            "samples",
        ),
        (
            "evaluations of rules that were missed or failed",
            f"sum({_GROUPS}_iterations_missed_total) + sum({_FAILURES})",
            0,
            "evaluations",
        ),
    ):
        yield limit(f"{name}, {size}", ours.ask(query), goal=goal, unit=unit)


def _cost(one: Evaluating, of: str, seconds: float, goal: float | None) -> Iterator[Comparison]:
    """Give what rules cost the Prometheus that evaluates them."""
    window = f"[{int(seconds)}s]"
    took = f"{_GROUPS}_last_duration_seconds{window}"
    for name, query, unit in (
        ("evaluation of one group, middle", f"max(quantile_over_time(0.5, {took}))", "s"),
        ("evaluation of one group, worst", f"max(max_over_time({took}))", "s"),
        ("series in Prometheus", "prometheus_tsdb_head_series", "series"),
    ):
        wanted = goal if name.endswith("middle") else None
        yield limit(f"{name}, {of}", one.ask(query), goal=wanted, unit=unit)
    cpu = one.cpu_seconds / seconds
    yield limit(f"CPU of Prometheus, {of}", cpu, goal=None, unit="cores")
    yield limit(f"resident in Prometheus, {of}", one.megabytes, goal=None, unit="MB")


def exporter_command(folder: Path, port: int, url: str, count: int) -> list[str]:
    """Give the command of an exporter that polls a canned server, at a port."""
    target = {"name": "canned", "url": url, "principals": [PRINCIPAL], "max_runners": count}
    config = folder / "exporter.yaml"
    config.write_text(json.dumps({"listen": f"127.0.0.1:{port}", "targets": [target]}))
    return [sys.executable, "-m", "electric_agents_exporter", "run", "--config", str(config)]


def _prometheus(config: Path, binary: str, scraped: int, port: int, rules: Path) -> list[str]:
    config.write_text(
        f"global: {{scrape_interval: {_INTERVAL}s, evaluation_interval: {_INTERVAL}s}}\n"
        f"rule_files: ['{rules}/*.yaml']\n"
        "scrape_configs:\n"
        "- job_name: electric-agents-exporter\n"
        f"  static_configs: [{{targets: ['127.0.0.1:{scraped}']}}]\n"
        "- job_name: prometheus\n"
        f"  static_configs: [{{targets: ['127.0.0.1:{port}']}}]\n"
    )
    return [
        binary,
        f"--config.file={config}",
        f"--storage.tsdb.path={config.parent / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]


def start(stack: ExitStack, command: list[str]) -> "subprocess.Popen[bytes]":
    """Start a program that ends with the stack."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    stack.callback(process.wait)
    stack.callback(process.terminate)
    return process


def _cpu_seconds(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) / 100
