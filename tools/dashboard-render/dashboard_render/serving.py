"""Serves the built page, the dashboards and a Prometheus from one address on loopback."""

import http.server
import json
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dashboard_render.build import BUILD

_PROMETHEUS_SECONDS = 30


class _Server(http.server.ThreadingHTTPServer):
    """What is served: files of the build, documents made here, and whatever Prometheus says."""

    daemon_threads = True
    # A page asks for everything at once.
    request_queue_size = 128

    def __init__(self, documents: dict[str, bytes], prometheus: str) -> None:
        self.documents = documents
        self.prometheus = prometheus
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a browser that went away, and all of anything else."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(http.server.SimpleHTTPRequestHandler):
    server: _Server

    def __init__(self, *args: Any, **named: Any) -> None:  # noqa: ANN401  (as socketserver calls it)
        super().__init__(*args, directory=str(BUILD), **named)

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path in self.server.documents:
            self._answer(200, self.server.documents[path])
        elif path.startswith("/prometheus/"):
            self._answer(*self._ask(self.path.removeprefix("/prometheus")))
        else:
            if path.startswith("/d/"):
                self.path = "/index.html"
            super().do_GET()

    def _ask(self, path: str) -> tuple[int, bytes]:
        url = self.server.prometheus + path
        try:
            with urllib.request.urlopen(url, timeout=_PROMETHEUS_SECONDS) as answer:  # noqa: S310
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except OSError as error:
            return 502, json.dumps({"status": "error", "error": str(error)}).encode()

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@contextmanager
def serve(dashboards: Iterable[Path], prometheus: str, scrape_interval: str) -> Iterator[str]:
    """Serve until the block ends; gives the URL, below which are `/d/UID`.

    `scrape_interval` is what a Grafana would be told in its data source.
    """
    documents = {
        "/dashboards.json": json.dumps([json.loads(path.read_text()) for path in dashboards]),
        "/settings.json": json.dumps({"scrapeInterval": scrape_interval}),
    }
    with _Server({path: text.encode() for path, text in documents.items()}, prometheus) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
