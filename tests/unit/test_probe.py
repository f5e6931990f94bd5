"""One poll of every target, printed: what it says and how it ends."""

import io
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from prometheus_client.parser import text_string_to_metric_families
from typing_extensions import override

from electric_agents_exporter import probe
from electric_agents_exporter.settings.loading import load


class Fleetless(BaseHTTPRequestHandler):
    """Answers as a server does that has no runners."""

    def do_GET(self) -> None:
        body = json.dumps({"status": "ok"} if self.path.endswith("/health") else []).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: object) -> None:
        del format, args


@pytest.fixture
def server() -> Iterator[str]:
    """The URL of a server that answers."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Fleetless) as made:
        thread = Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{made.server_port}"
        made.shutdown()
        thread.join()


def probed(**urls: str) -> tuple[int, dict[str, float]]:
    """Probe targets; gives how that ended, and which of them are told to be up."""
    targets = [
        {"name": name, "url": url, "principals": ["service:monitor"]} for name, url in urls.items()
    ]
    out = io.BytesIO()
    ended = probe.run(load(None, {"targets": targets}, {}), out)
    up = {
        sample.labels["server"]: sample.value
        for family in text_string_to_metric_families(out.getvalue().decode())
        for sample in family.samples
        if sample.name == "electric_agents_server_up"
    }
    return ended, up


def test_a_probe_of_targets_that_answer_prints_them_and_ends_well(server: str) -> None:
    assert probed(one=server, two=server) == (0, {"one": 1, "two": 1})


def test_one_target_that_does_not_answer_makes_a_probe_end_badly(server: str) -> None:
    nobody = "http://127.0.0.1:1"
    assert probed(one=server, two=nobody) == (1, {"one": 1, "two": 0})
    assert probed(one=nobody, two=server) == (1, {"one": 0, "two": 1})
