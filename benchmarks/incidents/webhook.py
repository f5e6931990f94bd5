"""A webhook for Alertmanager that remembers every notification, and when it came."""

import http.server
import json
import threading
import time
from dataclasses import dataclass
from typing import Any, Self

from typing_extensions import override


@dataclass(frozen=True)
class Delivery:
    """One notification, as it came."""

    at: float
    receiver: str
    payload: dict[str, Any]


class Webhook(http.server.ThreadingHTTPServer):
    """Listens on loopback for as long as the context lasts."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.deliveries: list[Delivery] = []
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """Where to deliver to; the rest of the path is the receiver's name."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    @override
    def __enter__(self) -> Self:
        self._thread.start()
        return self

    @override
    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        delivery = Delivery(time.time(), self.path.strip("/"), json.loads(body))
        self.server.deliveries.append(delivery)
        self.send_response(200)
        self.end_headers()

    @override
    def log_message(self, *_: object) -> None:
        pass
