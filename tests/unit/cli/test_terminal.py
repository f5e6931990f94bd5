"""The status in a terminal, as a running exporter says it."""

import http.server
import io
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from tests.conftest import FakeClock
from typing_extensions import override

from ailing_fleet import HOSTILE, NOON, AilingFleet
from electric_agents_exporter.cli import main
from electric_agents_exporter.status.fleet_status import fleet_status
from electric_agents_exporter.status.query import Query, read_query
from electric_agents_exporter.status.states import Severity, State
from electric_agents_exporter.status.view import FleetStatus
from electric_agents_exporter.terminal import EXIT_CODES, show

NAME = "electric-agents-exporter"


class Terminal(io.StringIO):
    """Takes what is written, as a terminal."""

    @override
    def isatty(self) -> bool:
        return True


class Exporter(http.server.HTTPServer):
    """Answers with a status, or another body."""

    def __init__(self) -> None:
        self.fleet = AilingFleet(FakeClock(wall=NOON)).fleet
        self.body: bytes | None = None
        self.status = 200
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    def told(self, query: Query) -> FleetStatus:
        return fleet_status(self.fleet.snapshot(), query, "1.2.3", None)


class Handler(http.server.BaseHTTPRequestHandler):
    server: Exporter

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        assert path == "/api/v1/fleet"
        asked = read_query(dict(each.split("=") for each in query.split("&")))
        body = self.server.body
        if body is None:
            body = msgspec.json.encode(self.server.told(asked))
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def exporter() -> Iterator[Exporter]:
    with Exporter() as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


Capture = pytest.CaptureFixture[str]


def test_without_a_terminal_lines_have_their_words_between_tabs(
    exporter: Exporter, capsys: Capture
) -> None:
    assert main(["status", "--url", f"http://{exporter.address}"]) == 5
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["bad", "1 entity waits for work, oldest 4 min"]
    targets = {line[1]: line[2:] for line in lines if line[0] == "target"}
    assert targets["dead"][:2] == ["down", "194 (194 unknown)"]
    assert targets["new"] == ["not polled yet", "unknown", ""]
    runners = [line for line in lines if line[0] == "runner"]
    assert [line[1] for line in runners[:3]] == ["abandoned", "unheard", "refused"]
    assert runners[1][3:] == [
        "work waits",
        "work waits for it: 1 entity, the oldest for 4 min; does not hear its wakes",
        "10 s ago",
        "1, oldest 4 min",
    ]
    # Who needs no look has no line.
    assert not {"fine", "off", "laptop", "newcomer"} & {line[1] for line in runners}


def test_in_a_terminal_the_same_stands_in_tables(exporter: Exporter) -> None:
    terminal = Terminal()
    assert show(exporter.told(Query()), terminal) == 5
    text = terminal.getvalue()
    for words in ("1 entity waits for work", "abandoned", "not polled yet", "218 runners: 1 work"):
        assert words in text


def test_where_it_serves_is_read_from_the_settings(
    exporter: Exporter, capsys: Capture, tmp_path: Path
) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text(f"listen: {exporter.address}\n")
    assert main(["status", "--config", str(config)]) == 5
    assert "1 entity waits" in capsys.readouterr().out


def test_only_so_many_runners_are_asked_for(exporter: Exporter, capsys: Capture) -> None:
    main(["status", "--url", f"http://{exporter.address}", "--runners", "2"])
    lines = capsys.readouterr().out.splitlines()
    assert len([line for line in lines if line.startswith("runner")]) == 2


@pytest.mark.parametrize(
    "body, status, told",
    [
        (b"{}", 200, "it answers with something else"),
        (b"<html>", 200, "it answers with something else"),
        (b"\xff", 200, "it answers with something else"),
        (b"", 404, "status 404"),
    ],
)
def test_an_exporter_that_gives_no_status_is_told_of(
    body: bytes, status: int, told: str, exporter: Exporter, capsys: Capture
) -> None:
    exporter.body, exporter.status = body, status
    assert main(["status", "--url", f"http://{exporter.address}"]) == 1
    assert capsys.readouterr().err == f"{NAME}: no status from the exporter: {told}\n"


def test_an_exporter_that_is_not_there_is_told_of(capsys: Capture) -> None:
    assert main(["status", "--url", "http://127.0.0.1:1"]) == 1
    told = capsys.readouterr().err
    assert told == f"{NAME}: no status from the exporter: Connection refused\n"


def test_no_name_writes_what_a_terminal_obeys(exporter: Exporter) -> None:
    asked = exporter.told(Query(target="hostile", per_page=100))
    rows = tuple(replace(row, id=f"{row.id}\x1b[2J", state=State.DEAF) for row in asked.page.rows)
    worse = replace(asked, page=replace(asked.page, rows=rows))
    outputs: list[io.StringIO] = [io.StringIO(), Terminal()]
    for output in outputs:
        show(worse, output)
        text = output.getvalue()
        assert "\x1b[2J" not in text
        assert "x1b[2J" in text
        assert not set("\u202e\x00\x07") & set(text)
    assert len(rows) == len(HOSTILE)


def test_the_exit_code_rises_with_how_bad_it_is() -> None:
    codes = [EXIT_CODES[severity] for severity in Severity]
    assert codes == sorted(codes)
    # 1 is no answer, and 2 a wrong command line.
    assert not {1, 2} & set(codes)
