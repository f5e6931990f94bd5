"""The exporter as it runs: a real Prometheus scrapes it and evaluates all of our rules.

Meanwhile every report of the fleet changes every few seconds, and runners come and go.
"""

import json
import shutil
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

_INTERVAL = 15
_RULES = Path(__file__).parents[1] / "alerts" / "rules"


def measure(count: int, seconds: int) -> Iterator[Comparison]:
    """Scrape a fleet of so many runners for so many seconds; nothing without Prometheus."""
    binary = shutil.which("prometheus")
    if binary is None:
        return
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(canned_server(count, "churn"))
        exporter_port, prometheus_port = free_port(), free_port()
        exporter = _start(stack, _exporter(folder, exporter_port, url, count))
        prometheus = _start(stack, _prometheus(folder, binary, exporter_port, prometheus_port))
        began = time.monotonic()
        time.sleep(seconds)
        asked = f"http://127.0.0.1:{prometheus_port}/api/v1/query?query="
        yield from _report(asked, f"{count:,} runners", time.monotonic() - began)
        yield limit(
            f"resident after {seconds} s under Prometheus, {count:,} runners",
            resident_megabytes(exporter.pid),
            goal=200,
            unit="MB",
        )
        cpu = _cpu_seconds(exporter.pid) / (time.monotonic() - began)
        yield limit(f"CPU under Prometheus, {count:,} runners", cpu, goal=None, unit="cores")
        theirs = _cpu_seconds(prometheus.pid) / (time.monotonic() - began)
        yield limit(f"CPU of Prometheus, {count:,} runners", theirs, goal=None, unit="cores")
        yield limit(
            f"resident in Prometheus, {count:,} runners",
            resident_megabytes(prometheus.pid),
            goal=None,
            unit="MB",
        )


def _report(asked: str, size: str, seconds: float) -> Iterator[Comparison]:
    window, ours = f"[{int(seconds)}s]", '{job="electric-agents-exporter"}'
    expected = int(seconds / _INTERVAL)
    took, groups = f"scrape_duration_seconds{ours}{window}", "prometheus_rule_group"
    good = f"(sum(sum_over_time(up{ours}{window})) or vector(0))"
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
            f"max_over_time(scrape_samples_scraped{ours}{window})",
            None,
            "samples",
        ),
        (
            "evaluations of rules that were missed",
            f"sum({groups}_iterations_missed_total)",
            0,
            "evaluations",
        ),
        (
            "evaluation of one group of rules, worst",
            f"max(max_over_time({groups}_last_duration_seconds{window}))",
            None,
            "s",
        ),
    ):
        yield limit(f"{name}, {size}", _ask(asked, query), goal=goal, unit=unit)


def _exporter(folder: Path, port: int, url: str, count: int) -> list[str]:
    target = {"name": "canned", "url": url, "principals": [PRINCIPAL], "max_runners": count}
    config = folder / "exporter.yaml"
    config.write_text(json.dumps({"listen": f"127.0.0.1:{port}", "targets": [target]}))
    return [sys.executable, "-m", "electric_agents_exporter", "run", "--config", str(config)]


def _prometheus(folder: Path, binary: str, scraped: int, port: int) -> list[str]:
    config = folder / "prometheus.yaml"
    config.write_text(
        f"global: {{scrape_interval: {_INTERVAL}s, evaluation_interval: {_INTERVAL}s}}\n"
        f"rule_files: ['{_RULES}/*.yaml']\n"
        "scrape_configs:\n"
        "- job_name: electric-agents-exporter\n"
        f"  static_configs: [{{targets: ['127.0.0.1:{scraped}']}}]\n"
        "- job_name: prometheus\n"
        f"  static_configs: [{{targets: ['127.0.0.1:{port}']}}]\n"
    )
    return [
        binary,
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]


def _start(stack: ExitStack, command: list[str]) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    stack.callback(process.wait)
    stack.callback(process.terminate)
    return process


def _ask(asked: str, query: str) -> float:
    with urllib.request.urlopen(asked + urllib.parse.quote(query), timeout=30) as answer:  # noqa: S310
        result: list[Any] = json.load(answer)["data"]["result"]
    return float(result[0]["value"][1]) if result else 0.0


def _cpu_seconds(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) / 100
