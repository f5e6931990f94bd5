"""Every command in process: what it prints, where, and its exit code."""

import http.server
import json
import os
import re
import threading
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from electric_agents_exporter.cli import main
from electric_agents_exporter.settings.model import ENV_PREFIX

NAME = "electric-agents-exporter"
SAMPLES = Path(__file__).parents[2] / "contract" / "samples"
SECRET = "hunter2"  # noqa: S105
CREDENTIALS = "holds credentials; use bearer_token_file or header_files instead"
URL_EXPECTED = "expected http://HOST[:PORT][/PATH] or https://HOST[:PORT][/PATH]"
ADDRESS_EXPECTED = "expected HOST:PORT, such as 127.0.0.1:10437, [::1]:10437 or :10437"
PRINCIPAL = ["--principal", "service:monitor"]

Capture = pytest.CaptureFixture[str]


class Server(http.server.ThreadingHTTPServer):
    """Answers a list of one runner, its report and its wakes, all with `status`."""

    daemon_threads = True

    def __init__(self) -> None:
        self.status = 200
        self.headers: list[dict[str, str]] = []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    @property
    def url(self) -> str:
        return f"http://{self.address}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
        report = json.loads((SAMPLES / "health-healthy.json").read_text())
        runner = json.loads((SAMPLES / "runner.json").read_text())
        listed = [{**runner, "id": report["runner"]["id"]}]
        body = json.dumps(report if self.path.endswith("/health") else listed).encode()
        self.send_response(self.server.status)
        if "?offset=" in self.path:
            body = b"[]"
            self.send_header("Stream-Next-Offset", report["runner"]["wake_stream_offset"])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in os.environ:
        if variable.startswith(ENV_PREFIX) or variable.lower().endswith("_proxy"):
            monkeypatch.delenv(variable)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def exit_code(*arguments: str) -> int:
    """Run a command whose parser may end it."""
    try:
        return main(list(arguments))
    except SystemExit as end:
        return int(end.code or 0)


def test_version(capsys: Capture) -> None:
    assert exit_code("--version") == 0
    assert capsys.readouterr().out == f"{NAME} {version(NAME)}\n"


def test_help_names_every_command(capsys: Capture) -> None:
    assert exit_code("--help") == 0
    text = capsys.readouterr().out
    for command in ("run", "demo", "probe", "check-config", "metrics", "status", "healthcheck"):
        assert f"\n    {command}" in text
        assert exit_code(command, "--help") == 0
        assert f"{NAME} {command}" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["run"], ["--listen", "127.0.0.1:0"]])
def test_run_is_the_default_and_needs_a_target(arguments: list[str], capsys: Capture) -> None:
    assert exit_code(*arguments) == 2
    assert capsys.readouterr().err == (
        f"{NAME}: targets: no target: set targets in a file, or {ENV_PREFIX}URL and "
        f"{ENV_PREFIX}PRINCIPAL in the environment\n"
    )


@pytest.mark.parametrize(
    "arguments, told",
    [
        (["--listn", "x"], "--listn: unknown option (did you mean '--listen'?)"),
        (["--bearer-token", SECRET], "--bearer-token: unknown option"),
        (["run", f"--bearer-token={SECRET}"], "--bearer-token: unknown option"),
        (["--prinicpal", SECRET], "--prinicpal: unknown option (did you mean '--principal'?)"),
        (["probe", SECRET], "command line: holds a word too many; the command comes first"),
        (["--url", f"http://me:{SECRET}@a", *PRINCIPAL], f"--url: {CREDENTIALS}"),
        (["--url", "", *PRINCIPAL], f"--url: {URL_EXPECTED}"),
        (["--url", "http://a"], "--principal: is missing"),
        (["--listen", "x", "--url", "http://a", *PRINCIPAL], f"--listen: {ADDRESS_EXPECTED}"),
        (["healthcheck", "--listen", "x"], f"--listen: {ADDRESS_EXPECTED}"),
        (["status", "--url", "x"], "--url: expected http://HOST[:PORT] or https://HOST[:PORT]"),
    ],
)
def test_a_fault_on_the_command_line(arguments: list[str], told: str, capsys: Capture) -> None:
    assert exit_code(*arguments) == 2
    captured = capsys.readouterr()
    assert captured.err == f"{NAME}: {told}\n"
    assert captured.out == ""


@pytest.mark.parametrize(
    "arguments", [["chek-config"], ["check-config"], ["metrics", "--format", "xml"]]
)
def test_what_the_parser_refuses(arguments: list[str], capsys: Capture) -> None:
    assert exit_code(*arguments) == 2
    assert "error: " in capsys.readouterr().err


def test_a_good_config(tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("targets: [{url: http://a, principals: [service:monitor]}]")
    assert exit_code("check-config", "--config", str(file)) == 0
    assert capsys.readouterr().out == f"{file}: good, 1 target(s)\n"


def test_a_bad_config_gets_a_line_for_every_fault(tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(
        "targets:\n  - url: http://a\n    principals: [service:monitor]\n    intervall: 1s\n"
        "log: {level: loud}\n"
    )
    assert exit_code("check-config", "--config", str(file)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        f"{NAME}: {file}:4: targets[0].intervall: unknown setting (did you mean 'interval'?)\n"
        f"{NAME}: {file}:5: log.level: expected 'debug', 'info', 'warning' or 'error'\n"
    )


def test_the_file_may_be_named_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv(f"{ENV_PREFIX}CONFIG", str(tmp_path / "nowhere.yaml"))
    assert exit_code("run") == 2
    assert "nowhere.yaml: cannot be read: No such file or directory" in capsys.readouterr().err


def test_the_metric_reference(capsys: Capture) -> None:
    assert exit_code("metrics") == 0
    assert capsys.readouterr().out.startswith("# Metrics\n")
    assert exit_code("metrics", "--format", "json") == 0
    names = [family["name"] for family in json.loads(capsys.readouterr().out)]
    assert "electric_agents_runner_info" in names


def samples(text: str) -> dict[str, float]:
    families = text_string_to_metric_families(text)
    return {sample.name: sample.value for family in families for sample in family.samples}


def test_probe_prints_what_it_got(server: Server, capsys: Capture) -> None:
    assert exit_code("probe", "--url", server.url, *PRINCIPAL) == 0
    captured = capsys.readouterr()
    got = samples(captured.out)
    assert got["electric_agents_server_up"] == 1
    assert got["electric_agents_runner_poll_success"] == 1
    assert captured.err == ""
    assert [headers["electric-principal"] for headers in server.headers] == ["service:monitor"] * 4


def test_probe_fails_where_a_server_does(server: Server, capsys: Capture) -> None:
    server.status = 500
    assert exit_code("probe", "--url", server.url, *PRINCIPAL) == 1
    captured = capsys.readouterr()
    assert samples(captured.out)["electric_agents_server_up"] == 0
    assert "no list for service:monitor (server_error: HTTP 500)" in captured.err


@pytest.mark.parametrize("status", [200, 401])
def test_probe_debug_tells_every_request_and_no_secret(
    status: int,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: Capture,
) -> None:
    token = tmp_path / "token"
    token.write_text(f"{SECRET}-of-file\n")
    server.status = status
    variables = {
        "URL": server.url + "/t/acme/v1",
        "PRINCIPAL": "service:monitor",
        "BEARER_TOKEN_FILE": str(token),
        "HEADERS__X_KEY": f"{SECRET}-of-header",
    }
    for name, value in variables.items():
        monkeypatch.setenv(ENV_PREFIX + name, value)
    assert exit_code("probe", "--debug") == int(status != 200)
    assert server.headers[0]["authorization"] == f"Bearer {SECRET}-of-file"
    assert server.headers[0]["x-key"] == f"{SECRET}-of-header"
    captured = capsys.readouterr()
    reason = "none" if status == 200 else "unauthorized"
    error = "none" if status == 200 else '"HTTP 401"'
    asked = [line for line in captured.err.splitlines() if "msg=asked" in line]
    paths = {"server": "health", "list": "runners"}
    if status == 200:
        paths["health"] = "runners/runner-healthy-0/health"
    for operation, path in paths.items():
        (line,) = [line for line in asked if f"operation={operation} " in line]
        assert re.search(
            rf" level=debug logger=exporter.sources.http_requests msg=asked operation={operation} "
            rf"path=/t/acme/v1/_electric/{path} principal=service:monitor seconds=\d+\.\d{{3}} "
            rf"status={status} reason={reason} error={error}$",
            line,
        )
    assert len(asked) == len(paths) + (status == 200)
    assert f"msg=polled target=default in_full={status == 200}" in captured.err
    assert SECRET not in captured.err + captured.out


def test_probe_debug_tells_why_nothing_answered(capsys: Capture) -> None:
    assert exit_code("probe", "--debug", "--url", "http://127.0.0.1:1", *PRINCIPAL) == 1
    assert "status=none reason=connect" in capsys.readouterr().err


def test_healthcheck(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert exit_code("healthcheck", "--listen", server.address) == 0
    server.status = 503
    assert exit_code("healthcheck", "--listen", server.address) == 1
    assert exit_code("healthcheck", "--listen", "127.0.0.1:1") == 1
    server.status = 200
    file = tmp_path / "config.yaml"
    # What has become wrong since, a running exporter does not mind; nor must its health.
    file.write_text(f"listen: {server.address}\ntargets: wrong\n")
    assert exit_code("healthcheck", "--config", str(file)) == 0
    file.write_text(f"listen: ':{server.address.rpartition(':')[2]}'\n")
    assert exit_code("healthcheck", "--config", str(file)) == 0
    monkeypatch.setenv(f"{ENV_PREFIX}LISTEN", "127.0.0.1:1")
    assert exit_code("healthcheck", "--config", str(file)) == 1


def test_a_port_in_use(server: Server, capsys: Capture) -> None:
    arguments = ["--url", "http://a", *PRINCIPAL, "--listen", server.address]
    assert exit_code("run", *arguments) == 1
    assert capsys.readouterr().err == (
        f"{NAME}: cannot listen on {server.address}: Address already in use\n"
    )


def test_what_is_watched_is_a_file(capsys: Capture) -> None:
    assert exit_code("run", "--url", "http://127.0.0.1:1", *PRINCIPAL, "--watch-config") == 2
    assert capsys.readouterr().err == (
        f"{NAME}: --watch-config: needs a file to watch: --config FILE\n"
    )
