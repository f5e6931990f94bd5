"""`make fire-drill`: a test page through a real Alertmanager, and what is said if none arrives."""

import base64
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from tests.alertmanager.conftest import ROOT

from alertmanagers import Webhook, faster
from loopback import free_port
from waiting import until

PASSWORD = "pass word"  # noqa: S105  (of this test)
HASHED = "$2b$04$abcdefghijklmnopqrstuuFcV8WPKEefLKdOWfX8pW1yTVya21P7a"
Start = Callable[..., str]


def drill(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run it as the Makefile does."""
    clean = {key: value for key, value in os.environ.items() if key != "ALERTMANAGER"}
    return subprocess.run(
        [sys.executable, ROOT / "scripts/fire_drill.py", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**clean, "PYTHONPATH": str(ROOT / "alerts"), **environment},
    )


def refused(done: "subprocess.CompletedProcess[str]") -> str:
    """Give the one line that says why; nothing else is printed."""
    assert done.returncode == 1, done
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("fire drill: ")
    return line.removeprefix("fire drill: ")


def changed(config: Path, **settings: object) -> Path:
    config.write_text(yaml.safe_dump(yaml.safe_load(config.read_text()) | settings))
    return config


def test_a_drill_arrives_as_one_page_that_says_what_it_is_and_ends_by_itself(
    start: Start, webhook: Webhook, tmp_path: Path
) -> None:
    address = start(faster(webhook, tmp_path))
    done = drill(f"--alertmanager=http://{address}", "--label=team=agents", "--minutes=3")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(
        f"http://{address} took ElectricAgentsFireDrill and sends it to: pager\n"
    )
    until(lambda: webhook.of("pager"), "the page")
    (page,) = webhook.of("pager")
    (alert,) = page["alerts"]
    assert alert["labels"].pop("drill") > "2026"
    assert alert["labels"] == {
        "alertname": "ElectricAgentsFireDrill",
        "layer": "drill",
        "service": "electric-agents",
        "severity": "critical",
        "team": "agents",
    }
    assert "drill" in alert["annotations"]["summary"]
    assert "drill" in alert["annotations"]["resolved"]
    assert f"ends at {done.stdout.partition('ends at ')[2][:5]} UTC" in done.stdout
    assert alert["annotations"]["runbook_url"].endswith("/Watchdog.md")
    assert alert["annotations"]["dashboard_url"].startswith("https://")


def test_two_drills_are_two_pages(start: Start, webhook: Webhook, tmp_path: Path) -> None:
    address = start(faster(webhook, tmp_path))
    assert drill(f"--alertmanager=http://{address}").returncode == 0
    until(lambda: len(webhook.of("pager")) == 1, "the first")
    assert drill(f"--alertmanager=http://{address}").returncode == 0
    until(lambda: len(webhook.of("pager")) == 2, "the second")


def test_a_ticket_can_be_drilled_and_a_severity_that_is_sent_to_nobody_is_a_fault(
    start: Start, webhook: Webhook, tmp_path: Path
) -> None:
    config = faster(webhook, tmp_path)
    receivers = yaml.safe_load(config.read_text())["receivers"]
    kept = [one if one["name"] != "nowhere" else {"name": "nowhere"} for one in receivers]
    address = start(changed(config, receivers=kept))
    done = drill(f"--alertmanager=http://{address}", "--severity=warning")
    assert "sends it to: tickets\n" in done.stdout
    told = refused(drill(f"--alertmanager=http://{address}", "--severity=info"))
    assert told == f"http://{address} routes it to nowhere, which sends nothing"


def test_values_of_ones_own_give_labels_and_links(
    start: Start, webhook: Webhook, tmp_path: Path
) -> None:
    values = yaml.safe_load((ROOT / "alerts/values.yaml").read_text())
    values["labels"] = {"team": "agents"}
    values["links"]["runbooks"] = "https://wiki.internal/runbooks"
    own = tmp_path / "values.yaml"
    own.write_text(yaml.safe_dump(values))
    address = start(faster(webhook, tmp_path))
    done = drill(f"--values={own}", ALERTMANAGER=f"http://{address}/")
    assert done.returncode == 0, done.stderr
    until(lambda: webhook.of("pager"), "the page")
    (alert,) = webhook.of("pager")[0]["alerts"]
    assert alert["labels"]["team"] == "agents"
    assert alert["annotations"]["runbook_url"] == "https://wiki.internal/runbooks/Watchdog.md"


def test_a_silence_that_would_mute_it_is_a_fault(
    start: Start, webhook: Webhook, tmp_path: Path, amtool: Callable[..., str]
) -> None:
    address = start(faster(webhook, tmp_path))
    silence = amtool(
        "silence", "add", f"--alertmanager.url=http://{address}", "--duration=1h", "--comment=all",
        "service=electric-agents",
    ).strip()  # fmt: skip
    told = refused(drill(f"--alertmanager=http://{address}"))
    assert told == f"http://{address} took it, and silence {silence} mutes it"


def test_whoever_is_not_there_is_named_and_the_others_are_asked_all_the_same(
    start: Start, webhook: Webhook, tmp_path: Path
) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    address = start(faster(webhook, tmp_path))
    done = drill(f"--alertmanager={nobody}", f"--alertmanager=http://{address}")
    assert done.returncode == 1
    assert done.stderr == (
        f"fire drill: {nobody} cannot be reached: [Errno 111] Connection refused\n"
    )
    assert "sends it to: pager" in done.stdout


def test_basic_authentication_is_read_from_a_file(
    start: Start, webhook: Webhook, tmp_path: Path
) -> None:
    web = tmp_path / "web.yml"
    web.write_text(yaml.safe_dump({"basic_auth_users": {"oncall": HASHED}}))
    address = start(faster(webhook, tmp_path), f"--web.config.file={web}")
    url = f"--alertmanager=http://{address}"
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    right.write_text(f"{PASSWORD}\n")
    wrong.write_text("other")

    assert refused(drill(url)) == f"http://{address} refuses the credentials (401)"
    told = refused(drill(url, "--user=oncall", f"--password-file={wrong}"))
    assert told == f"http://{address} refuses the credentials (401)"
    done = drill(url, "--user=oncall", f"--password-file={right}")
    assert done.returncode == 0, done.stderr
    assert PASSWORD not in done.stdout
    missing = refused(drill(url, "--user=oncall", f"--password-file={tmp_path / 'none'}"))
    assert missing == f"{tmp_path / 'none'}: No such file or directory"


@contextmanager
def front(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """Something that answers where an Alertmanager is thought to be."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            answer(self)

        def do_GET(self) -> None:
            answer(self)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def reply(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    handler.rfile.read(int(handler.headers.get("content-length", 0)))
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("content-length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def test_a_bearer_token_is_read_from_a_file_and_a_path_prefix_is_kept(
    start: Start, webhook: Webhook, tmp_path: Path
) -> None:
    address = start(faster(webhook, tmp_path))
    token = tmp_path / "token"
    token.write_text("secret\n")

    def proxy(handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("content-length", 0)))
        del handler.headers["content-length"]
        if handler.headers["authorization"] != "Bearer secret":
            reply(handler, 403, b"no")
        elif not handler.path.startswith("/alerting/"):
            reply(handler, 404, b"no such page")
        else:
            behind = HTTPConnection(address, timeout=10)
            path = handler.path.removeprefix("/alerting")
            behind.request(handler.command, path, body, {"content-type": "application/json"})
            got = behind.getresponse()
            reply(handler, got.status, got.read())
            behind.close()

    with front(proxy) as url:
        assert refused(drill(f"--alertmanager={url}")) == f"{url} refuses the credentials (403)"
        told = refused(drill(f"--alertmanager={url}", f"--bearer-token-file={token}"))
        assert told.startswith(f"{url} has no /api/v2 (404): ")
        done = drill(f"--alertmanager={url}/alerting", f"--bearer-token-file={token}")
        assert done.returncode == 0, done.stderr
        assert "secret" not in done.stdout


@pytest.mark.parametrize(
    "status, body, told",
    [
        (500, b"out of\norder", "answers 500: out of order"),
        (503, b"", "answers 503"),
        (200, b"<html>", "does not answer as Alertmanager does: no JSON"),
        (200, b'{"status": "success"}', "does not answer as Alertmanager does"),
        (200, b'[{"status": {"state": "active"}}]', "does not answer as Alertmanager does"),
    ],
)
def test_what_is_no_alertmanager_is_told_in_one_line(status: int, body: bytes, told: str) -> None:
    with front(lambda handler: reply(handler, status, body)) as url:
        assert refused(drill(f"--alertmanager={url}")) == f"{url} {told}"


def test_credentials_are_not_taken_along_to_another_address(tmp_path: Path) -> None:
    asked: list[str] = []

    def note(handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler.path)
        reply(handler, 200, b"[]")

    token = tmp_path / "token"
    token.write_text("secret")
    with (
        front(note) as other,
        front(lambda handler: reply(handler, 302, b"", location=other)) as url,
    ):
        told = refused(drill(f"--alertmanager={url}", f"--bearer-token-file={token}"))
    assert told == f"{url} redirects to {other}: give that address"
    assert asked == []


@pytest.mark.parametrize(
    "arguments, told",
    [
        ([], "say where it is: --alertmanager=URL"),
        (["--alertmanager=alertmanager:9093"], "is no URL such as http://alertmanager:9093"),
        (["--alertmanager=http://u:p@host"], "credentials are given as files, not in the URL"),
        (["--alertmanager=http://host", "--user=a"], "--user and --password-file go together"),
        (["--alertmanager=http://host", "--minutes=0"], "between 1 and 60"),
        (["--alertmanager=http://host", "--label=team"], "is no label such as cluster=eu-1"),
    ],
)
def test_a_wrong_use_is_told_before_anything_is_sent(arguments: list[str], told: str) -> None:
    done = drill(*arguments)
    assert done.returncode == 2
    assert told in done.stderr
    assert base64.b64encode(b"u:p").decode() not in done.stderr
