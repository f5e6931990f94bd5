"""The exporter as a process: against a server that fails, under a real Prometheus, as the demo."""

import contextlib
import http.client
import http.server
import itertools
import json
import os
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest
from prometheus_client.parser import text_string_to_metric_families

from loopback import free_port
from waiting import PATIENCE, end, unhindered, until

pytestmark = pytest.mark.timeout(600)

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "tests" / "contract" / "samples"
EXPORTER = [sys.executable, "-m", "electric_agents_exporter"]


class MisbehavingServer(http.server.ThreadingHTTPServer):
    """Serves three captured reports over real sockets, well or in the way that `mode` says."""

    daemon_threads = True

    def __init__(self) -> None:
        self.mode = "well"
        self.reports = {}
        for name in ("healthy", "heartbeat-failed", "lease-expired"):
            report = json.loads((SAMPLES / f"health-{name}.json").read_text())
            self.reports[report["runner"]["id"]] = report
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: MisbehavingServer

    def do_GET(self) -> None:
        mode = self.server.mode
        if mode == "hang":
            while self.server.mode == "hang":
                time.sleep(0.01)
            self.close_connection = True
        elif mode == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())
            self.close_connection = True
        elif mode.isdigit():
            self._send(int(mode), b'{"error":{"code":"X","message":"x"}}')
        elif mode == "html":
            self._send(200, b"<html><script>alert(1)</script></html>")
        elif mode == "rubbish":
            self._send(200, b'[{"id": "runner-healthy-0", "label": ')
        else:
            self._send(200, json.dumps(self._answer()).encode())

    def _answer(self) -> object:
        parts = self.path.split("?")[0].split("/")
        if len(parts) > 3:
            return self.server.reports[unquote(parts[3])]
        base = json.loads((SAMPLES / "runner.json").read_text())
        return [{**base, "id": runner_id} for runner_id in self.server.reports]

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[MisbehavingServer]:
    with MisbehavingServer() as made:
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        yield made
        made.mode = "well"
        made.shutdown()
        thread.join()


def fetch(url: str, **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(url, headers=headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as got:  # noqa: S310
            return got.status, got.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except (OSError, http.client.HTTPException):
        return 0, ""


class RunningExporter:
    """An exporter process and what its `/metrics` says."""

    def __init__(
        self, arguments: list[str], port: int, environment: Mapping[str, str] | None = None
    ) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            [*EXPORTER, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **(environment or {})},
        )

    def series(self) -> dict[str, float]:
        """Every sample, by its name and labels as written."""
        status, text = fetch(f"{self.url}/metrics")
        assert status == 200
        return {
            f"{sample.name}{json.dumps(sample.labels, sort_keys=True)}": sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float | None:
        series = self.series()
        return next(
            (
                value
                for key, value in series.items()
                if key.startswith(f"{name}{{")
                and labels.items() <= json.loads(key.removeprefix(name)).items()
            ),
            None,
        )

    def list_errors(self, reason: str) -> float:
        """How often the list was asked for in vain, for this reason."""
        errors = self.value(
            "electric_agents_server_request_errors_total", operation="list", reason=reason
        )
        assert errors is not None
        return errors

    def has_more_errors(self, reason: str, before: float) -> bool:
        return self.list_errors(reason) > before

    def ready(self) -> bool:
        return fetch(f"{self.url}/-/ready")[0] == 200

    def stop(self, number: int = signal.SIGTERM) -> tuple[float, str]:
        """End it well; give in how many seconds, others' work not counted, and all it printed."""
        seconds = end(self.process, number)
        output, _ = self.process.communicate()
        assert self.process.returncode == 0, output
        return seconds, output


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., RunningExporter]]:
    """Starts an exporter on settings given as a mapping."""
    running: list[RunningExporter] = []

    def make(environment: Mapping[str, str] | None = None, **settings: object) -> RunningExporter:
        port = free_port()
        config = tmp_path / "config.yaml"
        # JSON is YAML.
        config.write_text(json.dumps({"listen": f"127.0.0.1:{port}", **settings}))
        running.append(RunningExporter(["run", "--config", str(config)], port, environment))
        return running[-1]

    yield make
    for exporter in running:
        if exporter.process.poll() is None:
            exporter.process.kill()
            exporter.process.communicate()


def target(server: MisbehavingServer, **more: object) -> dict[str, object]:
    return {
        "name": "production",
        "url": server.url,
        "principals": ["service:monitor"],
        "interval": "250ms",
        "timeout": "200ms",
        "stale_after": "1s",
        **more,
    }


REASONS = {
    "hang": "timeout",
    "reset": "reset",
    "500": "server_error",
    "401": "unauthorized",
    "html": "not_json",
    "rubbish": "not_json",
}


def test_an_exporter_survives_every_failure_of_its_server_and_recovers_by_itself(
    server: MisbehavingServer, start: Callable[..., RunningExporter]
) -> None:
    exporter = start(targets=[target(server)])
    up = "electric_agents_server_up"
    until(exporter.ready, "ready")
    until(lambda: exporter.value(up) == 1, "up")
    for mode, reason in REASONS.items():
        before = exporter.list_errors(reason)
        server.mode = mode

        def stale() -> bool:
            # The list may be younger than the reports, and is dropped by its own age.
            dropped = ("runner_health_status", "server_runners_listed")
            left = [key for key in exporter.series() if any(name in key for name in dropped)]
            return exporter.value(up) == 0 and not left

        until(stale, f"{mode}: what is stale is dropped")
        until(partial(exporter.has_more_errors, reason, before), f"{mode}: counted as {reason}")
        during = exporter.series()
        assert fetch(f"{exporter.url}/-/healthy")[0] == 200
        assert exporter.value("electric_agents_server_last_poll_success_timestamp_seconds")
        poll_success = [v for key, v in during.items() if "runner_poll_success" in key]
        assert poll_success == [0, 0, 0]

        server.mode = "well"
        until(lambda: exporter.value(up) == 1, f"{mode}: up again")
        until(
            lambda: bool(exporter.value("electric_agents_runner_poll_success")),
            f"{mode}: runners again",
        )
    _, output = exporter.stop()
    assert "Traceback" not in output
    assert "script" not in output


def test_the_heartbeat_age_is_right_though_the_clocks_are_a_day_apart(
    server: MisbehavingServer, start: Callable[..., RunningExporter]
) -> None:
    # The captured reports say when their lease ends and what was left of it, a day or more ago.
    exporter = start(targets=[target(server)])
    until(exporter.ready, "ready")
    name = "electric_agents_runner_heartbeat_age_seconds"
    ages: list[float] = []

    def told() -> bool:
        age = exporter.value(name, runner_id="runner-healthy-0")
        ages.extend([] if age is None else [age])
        return bool(ages)

    until(told, "the age")
    assert 4.109 <= ages[0] < 10


def test_sigterm_ends_within_two_seconds_though_a_poll_hangs(
    server: MisbehavingServer, start: Callable[..., RunningExporter]
) -> None:
    exporter = start(targets=[target(server, interval="10s", timeout="9s", stale_after="60s")])
    until(lambda: fetch(f"{exporter.url}/-/healthy")[0] == 200, "healthy")
    server.mode = "hang"
    seconds, _ = exporter.stop()
    assert seconds < 2


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[Callable[[str, str], str]]:
    """Starts a real Prometheus that scrapes one place; gives its URL."""
    binary = shutil.which("prometheus")
    if binary is None:
        assert not os.environ.get("CI"), "prometheus is missing: run `make tools`"
        pytest.skip("prometheus is missing: run `make tools`")
    running = []

    def run(scraped: str, extra: str = "") -> str:
        port = free_port()
        config = tmp_path / "prometheus.yml"
        config.write_text(
            "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
            "scrape_configs:\n"
            f"- {{job_name: exporter, static_configs: [{{targets: ['{scraped}']}}]{extra}}}\n"
        )
        running.append(
            subprocess.Popen(
                [
                    str(binary),
                    f"--config.file={config}",
                    f"--storage.tsdb.path={tmp_path / 'tsdb'}",
                    f"--web.listen-address=127.0.0.1:{port}",
                ],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )
        return f"http://127.0.0.1:{port}"

    yield run
    for process in running:
        process.terminate()
        process.wait()


def query(prometheus: str, expression: str) -> list[dict[str, Any]]:
    status, body = fetch(f"{prometheus}/api/v1/query?query={quote(expression)}")
    if status != 200:
        return []
    result: list[dict[str, Any]] = json.loads(body)["data"]["result"]
    return result


def test_a_real_prometheus_takes_every_series(
    server: MisbehavingServer,
    start: Callable[..., RunningExporter],
    prometheus: Callable[[str], str],
) -> None:
    odd = 'odd "id"\\ with\nlines 🚀'
    server.reports[odd] = {
        **server.reports["runner-healthy-0"],
        "runner": {**server.reports["runner-healthy-0"]["runner"], "id": odd},
    }
    exporter = start(targets=[target(server, stale_after="60s")])
    until(exporter.ready, "ready")
    asked = prometheus(exporter.url.removeprefix("http://"))

    until(lambda: bool(query(asked, "up == 1")), "scraped")
    until(lambda: len(query(asked, "electric_agents_runner_info")) == 4, "every runner")
    ids = {result["metric"]["runner_id"] for result in query(asked, "electric_agents_runner_info")}
    assert ids == set(server.reports)

    def served() -> set[str]:
        names = {key.split("{")[0] for key in exporter.series()}
        return {name for name in names if name.startswith("electric_agents_")}

    def scraped() -> set[str]:
        every = query(asked, '{__name__=~"electric_agents_.+"}')
        names = {result["metric"]["__name__"] for result in every}
        # Only OpenMetrics, which Prometheus asks for, tells when a counter began.
        return {name for name in names if not name.endswith("_created")}

    def samples() -> int:
        return int(query(asked, "scrape_samples_scraped")[0]["value"][1])

    until(lambda: scraped() == served(), "every family")
    until(lambda: samples() >= len(exporter.series()), "every series")


def test_the_demo_shows_each_status_within_ten_seconds_of_its_line_and_ends_by_a_signal() -> None:
    port = free_port()
    demo = RunningExporter(["demo", "--listen", f"127.0.0.1:{port}"], port)
    try:
        assert demo.process.stdout is not None
        lines = list(itertools.islice(demo.process.stdout, 2))
        assert f"http://127.0.0.1:{port}/metrics" in lines[1]

        def shows_all() -> bool:
            shown = {
                json.loads(key.removeprefix("electric_agents_runners"))["health_status"]
                for key, value in demo.series().items()
                if key.startswith("electric_agents_runners{") and value
            }
            return {"healthy", "degraded", "unhealthy"} <= shown

        until(shows_all, "each status", seconds=10, clock=lambda: unhindered(demo.process.pid))
        until(lambda: (demo.value("electric_agents_runners_active_claims") or 0) > 0, "claims")
        _, output = demo.stop(signal.SIGINT)
        assert "Traceback" not in output
    finally:
        demo.process.kill()


def libfaketime() -> str:
    """Give the library that lets a process believe in another time of day."""
    name = "lib/*/faketime/libfaketimeMT.so.1"
    found = [*(ROOT / ".venv" / "tools" / "usr").glob(name), *Path("/usr").glob(name)]
    if not found:
        missing = "libfaketime is not here; scripts/tools fetches it"
        assert not os.environ.get("CI"), missing
        pytest.skip(missing)
    return str(found[0])


@pytest.mark.parametrize("by", ["-1h", "+30d"])
def test_a_wall_clock_that_is_set_stops_no_poll_and_spoils_no_age(
    server: MisbehavingServer,
    start: Callable[..., RunningExporter],
    tmp_path: Path,
    by: str,
) -> None:
    wall = tmp_path / "wall"
    wall.write_text("+0")
    exporter = start(
        {
            "LD_PRELOAD": libfaketime(),
            "FAKETIME_TIMESTAMP_FILE": str(wall),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        },
        targets=[target(server, interval="2s", timeout="2s", stale_after="60s", wakes=False)],
    )
    until(exporter.ready, "the first poll has ended")

    def polls() -> float:
        return exporter.value("electric_agents_server_requests_total", operation="list") or 0.0

    def ticked() -> float:
        return exporter.value("electric_agents_exporter_scheduler_last_tick_timestamp_seconds") or 0

    before, at, age = polls(), ticked(), "electric_agents_runner_heartbeat_age_seconds"
    old = exporter.value(age, runner_id="runner-healthy-0")
    wall.write_text(by)
    until(lambda: abs(ticked() - at) > 3000, "the wall clock is set")
    began = time.monotonic()
    until(lambda: polls() >= before + 4, "polls go on")
    assert time.monotonic() - began < PATIENCE / 2
    assert exporter.value("electric_agents_server_up") == 1
    new = exporter.value(age, runner_id="runner-healthy-0")
    assert old is not None and new is not None  # noqa: PT018
    assert abs(new - old) < PATIENCE
    assert fetch(f"{exporter.url}/-/healthy") == (200, "healthy\n")
    exporter.stop()


@contextlib.contextmanager
def few_files(most: int) -> Iterator[None]:
    """Let what is started meanwhile open so many files at most."""
    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, hard))


def test_connections_that_ask_nothing_stop_neither_polls_nor_scrapes(
    server: MisbehavingServer, start: Callable[..., RunningExporter]
) -> None:
    with few_files(256):
        exporter = start(targets=[target(server, interval="1s", timeout="1s", stale_after="60s")])
    until(exporter.ready, "the first poll has ended")
    host, port = exporter.url.removeprefix("http://").split(":")

    def polls() -> float:
        return exporter.value("electric_agents_server_requests_total", operation="list") or 0.0

    with contextlib.ExitStack() as held:
        for _ in range(300):
            held.enter_context(socket.create_connection((host, int(port))))
        before = polls()
        until(lambda: polls() >= before + 4, "polls go on")
        assert exporter.list_errors("connect") == 0
        assert exporter.value("electric_agents_server_up") == 1
    _, output = exporter.stop()
    assert output.count("there are too many") == 1
