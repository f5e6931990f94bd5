"""The command line as processes: signals, reloads, and secrets that change while it runs."""

import contextlib
import http.client
import http.server
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from waiting import PATIENCE, end, until

pytestmark = pytest.mark.timeout(600)

SAMPLES = Path(__file__).parents[1] / "contract" / "samples"
EXPORTER = [sys.executable, "-m", "electric_agents_exporter"]
PREFIX = "ELECTRIC_AGENTS_EXPORTER_"
SECRET = "hunter2"  # noqa: S105
QUICK = {"interval": "200ms", "timeout": "150ms"}
PATIENT: dict[str, Any] = {"interval": "30s", "timeout": "30s"}
UP = 'electric_agents_server_up{server="%s"}'
RELOADED = "electric_agents_exporter_config_last_reload_successful"


class AgentsServer(http.server.ThreadingHTTPServer):
    """Serves the captured report of a healthy runner, as so many runners; `hang` answers never."""

    daemon_threads = True

    def __init__(self) -> None:
        self.runners = ["runner-healthy-0"]
        self.authorizations: list[str | None] = []
        self.let_go = threading.Event()
        self.let_go.set()
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: AgentsServer

    def do_GET(self) -> None:
        self.server.authorizations.append(self.headers["authorization"])
        self.server.let_go.wait()
        body = json.dumps(self._answer()).encode()
        with contextlib.suppress(OSError):
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def _answer(self) -> object:
        parts = self.path.split("?")[0].split("/")
        if parts[-2:] == ["_electric", "health"]:
            return {"status": "ok"}
        if len(parts) > 3:
            report = json.loads((SAMPLES / "health-healthy.json").read_text())
            report["runner"]["id"] = unquote(parts[3])
            return report
        runner = json.loads((SAMPLES / "runner.json").read_text())
        return [{**runner, "id": runner_id} for runner_id in self.server.runners]

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@contextlib.contextmanager
def serving(*, hang: bool) -> Iterator[AgentsServer]:
    with AgentsServer() as made:
        if hang:
            made.let_go.clear()
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.let_go.set()
        made.shutdown()
        thread.join()


@pytest.fixture
def server() -> Iterator[AgentsServer]:
    with serving(hang=False) as made:
        yield made


@pytest.fixture
def hanging() -> Iterator[AgentsServer]:
    with serving(hang=True) as made:
        yield made


class Exporter:
    """An exporter process: what it serves and what it logs."""

    def __init__(self, log: Path, arguments: list[str], variables: dict[str, str]) -> None:
        self._log = log
        environ = {name: value for name, value in os.environ.items() if not _is_ours(name)}
        environ |= {PREFIX + name: value for name, value in variables.items()}
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [*EXPORTER, *arguments], stdout=file, stderr=subprocess.STDOUT, env=environ
            )

    def wait_until_it_serves(self) -> None:
        until(lambda: "msg=serving" in self.log or self.process.poll() is not None, "serving")
        found = re.search(r"msg=serving address=(\S+)", self.log)
        assert found, self.log
        self.address = found[1]

    @property
    def log(self) -> str:
        return self._log.read_text()

    def fetch(self, path: str, method: str = "GET") -> tuple[int, str]:
        request = urllib.request.Request(f"http://{self.address}{path}", method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as response:  # noqa: S310
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def value(self, series: str) -> float | None:
        """Give the value of a series as written, None if it is absent."""
        status, text = self.fetch("/metrics")
        assert status == 200
        found = re.search(rf"^{re.escape(series)} (\S+)$", text, re.MULTILINE)
        return float(found[1]) if found else None

    def count(self, words: str) -> int:
        """Tell how often the log says something."""
        return self.log.count(words)

    def says(self, words: str, *, more_than: int) -> bool:
        return self.count(words) > more_than

    def end(self, number: int = signal.SIGTERM) -> float:
        """Send a signal, and tell in how many seconds it ended well, others' work not counted."""
        seconds = end(self.process, number)
        assert self.process.returncode == 0, self.log
        return seconds


def _is_ours(variable: str) -> bool:
    return variable.startswith(PREFIX) or variable.lower().endswith("_proxy")


Start = Callable[..., Exporter]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts exporters."""
    running: list[Exporter] = []

    def run(*arguments: str, **variables: str) -> Exporter:
        log = tmp_path / f"log-{len(running)}"
        running.append(Exporter(log, list(arguments), variables))
        running[-1].wait_until_it_serves()
        return running[-1]

    yield run
    for exporter in running:
        if exporter.process.poll() is None:
            exporter.process.kill()
            exporter.process.wait()
        assert "Traceback" not in exporter.log
        assert SECRET not in exporter.log


class Config:
    """A file of settings that a test changes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.options = ("--config", str(path))

    def write(self, *targets: dict[str, Any], **settings: Any) -> None:  # noqa: ANN401
        # JSON is YAML.
        made = {"listen": "127.0.0.1:0", "targets": targets, **settings}
        self.path.write_text(json.dumps(made))


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(tmp_path / "config.yaml")


def target(server: AgentsServer, name: str = "a", **more: object) -> dict[str, Any]:
    return {"name": name, "url": server.url, "principals": ["service:monitor"], **QUICK, **more}


def test_run_by_flags(server: AgentsServer, start: Start) -> None:
    exporter = start(
        "--url", server.url, "--principal", "service:monitor", "--listen", "127.0.0.1:0"
    )
    until(lambda: exporter.value(UP % "default") == 1, "up")
    assert exporter.end(signal.SIGINT) < 2


def test_run_by_environment(server: AgentsServer, start: Start) -> None:
    exporter = start(
        "run", URL=server.url, PRINCIPAL="service:monitor", NAME="b", LISTEN="127.0.0.1:0",
        BEARER_TOKEN=SECRET,
    )  # fmt: skip
    until(lambda: exporter.value(UP % "b") == 1, "up")
    assert server.authorizations[-1] == f"Bearer {SECRET}"
    for path in ("/metrics", "/", "/-/ready", "/-/healthy"):
        assert SECRET not in exporter.fetch(path)[1]
    assert SECRET not in Path(f"/proc/{exporter.process.pid}/cmdline").read_text()
    assert exporter.end() < 2


@pytest.mark.parametrize("command", [["metrics"], ["metrics", "--format", "json"]])
def test_who_reads_only_the_beginning_gets_no_traceback(command: list[str]) -> None:
    with subprocess.Popen(
        [*EXPORTER, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


@pytest.mark.parametrize(
    "output, why", [(">&-", "Bad file descriptor"), (">/dev/full", "No space left on device")]
)
def test_output_that_cannot_be_written_is_told_in_one_line(output: str, why: str) -> None:
    command = f'"{sys.executable}" -m electric_agents_exporter metrics {output}'
    ended = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr == f"electric-agents-exporter: cannot write: {why}\n"


def test_check_config_as_a_process(config: Config) -> None:
    config.path.write_text("targets:\n  - {url: http://a, principals: [service:monitor], x: 1}\n")
    told = subprocess.run(
        [*EXPORTER, "check-config", *config.options], capture_output=True, text=True, check=False
    )
    assert told.returncode == 2
    assert told.stderr == (
        f"electric-agents-exporter: {config.path}:2: targets[0].x: unknown setting\n"
    )


def test_it_ends_in_time_though_polls_hang(
    hanging: AgentsServer, start: Start, config: Config
) -> None:
    config.write(target(hanging, **PATIENT))
    exporter = start(*config.options)
    until(lambda: hanging.authorizations, "a poll hangs")
    assert exporter.end() < 2


def test_a_reload_from_a_pipe_fails_at_once(
    server: AgentsServer, start: Start, config: Config
) -> None:
    config.write(target(server))
    exporter = start(*config.options)
    until(lambda: exporter.value(UP % "a") == 1, "up")
    config.path.unlink()
    os.mkfifo(config.path)
    exporter.process.send_signal(signal.SIGHUP)
    until(lambda: "is no regular file" in exporter.log, "refused")
    assert exporter.value(RELOADED) == 0


def test_a_reload_that_is_asked_for_while_it_starts_is_done_when_it_has(
    server: AgentsServer, config: Config
) -> None:
    config.write(target(server))
    with _starting(config) as process:
        process.send_signal(signal.SIGHUP)
        assert process.stderr is not None
        told = iter(process.stderr.readline, b"")
        assert any(b"settings reloaded" in line for line in told)
        process.terminate()
        assert b"stopped" in process.stderr.read()
    assert process.returncode == 0


def test_a_log_that_nobody_reads_any_more_is_not_the_exit_code(
    server: AgentsServer, config: Config
) -> None:
    config.write(target(server))
    with _starting(config) as process:
        assert process.stderr is not None
        assert any(b"serving" in line for line in iter(process.stderr.readline, b""))
        process.stderr.close()
        process.terminate()
    assert process.returncode == 0


def test_it_can_be_ended_while_it_starts_also_as_the_first_process_of_a_container(
    server: AgentsServer, config: Config
) -> None:
    config.write(target(server))
    with _starting(config) as process:
        process.terminate()
    # The kernel ends no first process by a signal that it does not handle.
    assert process.returncode != -signal.SIGTERM


def _starting(config: Config) -> "subprocess.Popen[bytes]":
    """Start one, and wait for its first instructions: the interpreter comes before them."""
    process = subprocess.Popen([*EXPORTER, *config.options], stderr=subprocess.PIPE)
    until(lambda: _blocks_sighup(process.pid), "the first instructions")
    return process


def _blocks_sighup(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    (mask,) = re.findall(r"^SigBlk:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return bool(int(mask, 16) & 1 << (signal.SIGHUP - 1))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_in_time_though_a_scrape_is_not_read(
    number: int, server: AgentsServer, start: Start, config: Config
) -> None:
    server.runners = [f"runner-{n}" for n in range(800)]
    config.write(target(server, concurrency=30, **PATIENT), web={"max_concurrent_scrapes": 1})
    exporter = start(*config.options)
    until(lambda: exporter.fetch("/-/ready")[0] == 200, "ready")
    host, port = exporter.address.split(":")
    with socket.socket() as scrape:
        scrape.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        scrape.connect((host, int(port)))
        scrape.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda: exporter.fetch("/metrics")[0] == 503, "the scrape holds the only place")
        assert exporter.end(number) < 2


def test_a_reload_takes_effect_or_keeps_everything(
    server: AgentsServer, hanging: AgentsServer, start: Start, config: Config
) -> None:
    config.write(target(server), target(hanging, "b", **PATIENT))
    exporter = start(*config.options)
    until(lambda: exporter.value(UP % "a") == 1, "up")
    until(lambda: hanging.authorizations, "a poll hangs")
    assert exporter.value(UP % "b") == 0

    # The poll of the removed target goes on hanging, and holds up nothing.
    config.write(target(server), target(server, "c", interval="300ms"), log={"format": "json"})
    exporter.process.send_signal(signal.SIGHUP)
    until(lambda: '"msg": "settings reloaded"' in exporter.log, "reloaded")
    until(lambda: exporter.value(UP % "c") == 1, "the new target is up")
    until(lambda: exporter.value(UP % "a") == 1, "the old one still is")
    assert 'server="b"' not in exporter.fetch("/metrics")[1]
    assert exporter.value(RELOADED) == 1

    good = config.path.read_text()
    for bad in (
        good.replace("300ms", "fast"),
        good.replace("300ms", f"{SECRET}ms"),
        good + "}",
        good.replace("127.0.0.1:0", "127.0.0.1:1"),
    ):
        before = exporter.count("settings not reloaded")
        config.path.write_text(bad)
        exporter.process.send_signal(signal.SIGHUP)
        until(partial(exporter.says, "settings not reloaded", more_than=before), "refused")
        assert exporter.value(RELOADED) == 0
        until(lambda: exporter.value(UP % "c") == 1, "it is still polled")
    assert "config.yaml:1: targets[1].interval: expected a duration" in exporter.log
    assert "listen: cannot change while running; restart the exporter" in exporter.log

    config.path.write_text(good)
    exporter.process.send_signal(signal.SIGHUP)
    until(lambda: exporter.value(RELOADED) == 1, "recovered")
    assert exporter.end() < 2


def test_an_interval_changes_by_a_reload(
    server: AgentsServer, start: Start, config: Config
) -> None:
    requests = 'electric_agents_server_requests_total{server="a",operation="list"}'
    config.write(target(server, interval="60s", stale_after="120s"))
    exporter = start(*config.options)
    until(lambda: exporter.value(UP % "a") == 1, "up")
    config.write(target(server))
    exporter.process.send_signal(signal.SIGHUP)
    before = exporter.value(requests)
    assert before is not None
    until(lambda: (exporter.value(requests) or 0) >= before + 4, "polled often")


def test_a_reload_over_http_must_be_enabled(
    server: AgentsServer, start: Start, config: Config
) -> None:
    config.write(target(server))
    assert start(*config.options).fetch("/-/reload", "POST")[0] == 404

    config.write(target(server), web={"enable_reload": True})
    exporter = start(*config.options)
    assert exporter.fetch("/-/reload")[0] == 405
    assert exporter.fetch("/-/reload", "POST") == (200, "reloaded\n")
    config.write(target(server, intervall="1s"), web={"enable_reload": True})
    assert exporter.fetch("/-/reload", "POST") == (
        500,
        f"{config.path}:1: targets[0].intervall: unknown setting (did you mean 'interval'?)\n",
    )
    assert exporter.value(RELOADED) == 0


def test_a_secret_may_change_vanish_and_come_back(
    server: AgentsServer, start: Start, config: Config, tmp_path: Path
) -> None:
    changed = 'electric_agents_server_credential_last_change_timestamp_seconds{server="a"}'
    failed = (
        'electric_agents_server_request_errors_total{server="a",operation="list",reason="other"}'
    )
    token = tmp_path / "token"
    token.write_text(f"{SECRET}-1\n")
    os.utime(token, (1_700_000_000, 1_700_000_000))
    config.write(target(server, bearer_token_file=str(token)))
    exporter = start(*config.options)
    until(lambda: exporter.value(UP % "a") == 1, "up")
    assert set(server.authorizations) == {f"Bearer {SECRET}-1"}
    assert exporter.value(changed) == 1_700_000_000

    token.write_text(f"{SECRET}-2")
    os.utime(token, (1_700_000_100, 1_700_000_100))
    until(lambda: server.authorizations[-1] == f"Bearer {SECRET}-2", "the new one is sent")
    until(lambda: exporter.value(changed) == 1_700_000_100, "its time moves")

    token.unlink()
    until(lambda: (exporter.value(failed) or 0) >= 2, "counted")
    assert exporter.fetch("/-/healthy")[0] == 200
    assert exporter.count("credentials, TLS files or proxy cannot be used") == 1
    assert f'error="{token}: No such file or directory"' in exporter.log

    # A reload while it is away refuses, by name, what could not work.
    exporter.process.send_signal(signal.SIGHUP)
    until(lambda: exporter.value(RELOADED) == 0, "refused")
    assert "bearer_token_file: cannot be read: No such file or directory" in exporter.log

    token.write_text(f"{SECRET}-3")
    until(lambda: server.authorizations[-1] == f"Bearer {SECRET}-3", "the newest is sent")
    until(lambda: exporter.value(UP % "a") == 1, "up again")
    assert exporter.end() < 2


def test_a_port_in_use_as_a_process(server: AgentsServer) -> None:
    address = server.url.removeprefix("http://")
    told = subprocess.run(
        [*EXPORTER, "--url", "http://a", "--principal", "service:x", "--listen", address],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 1
    assert told.stderr == (
        f"electric-agents-exporter: cannot listen on {address}: Address already in use\n"
    )
