"""Real Alertmanagers on loopback, with the shipped configuration, and whom they deliver to."""

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import yaml

from alert_values import Duration
from loopback import free_port
from waiting import until

CONFIG: Final = Path(__file__).parents[2] / "alerts/alertmanager/alertmanager.yml"
FASTER: Final = 60
"""A minute of the configuration is a second here."""


class Webhook:
    """Receives notifications; the path is the receiver's name."""

    def __init__(self) -> None:
        self.received: list[tuple[str, dict[str, Any]]] = []
        received = self.received

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                received.append((self.path.removeprefix("/"), json.loads(body)))
                self.send_response(200)
                self.end_headers()
                # As Slack does: newer Alertmanagers take anything else for a failure.
                self.wfile.write(b"ok")

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def of(self, receiver: str) -> list[dict[str, Any]]:
        """Give what one receiver got, oldest first."""
        return [body for name, body in self.received if name == receiver]

    def names(self) -> set[tuple[str, str]]:
        """Give every alert that came, with who got it."""
        return {
            (receiver, one["labels"]["alertname"].removeprefix("ElectricAgents"))
            for receiver, body in self.received
            for one in body["alerts"]
        }


@contextmanager
def alertmanager(
    binary: str, config: Path, storage: Path, *options: str, address: str = "", cluster: str = ""
) -> Iterator[str]:
    """Run an Alertmanager, and give its address when it is ready.

    It is at an address of its own unless one is given, and alone unless it listens to a cluster at
    another. 401 is ready too, and 400, as of one that wants TLS.
    """
    address = address or f"127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        [
            binary,
            f"--config.file={config}",
            f"--storage.path={storage}",
            f"--web.listen-address={address}",
            f"--cluster.listen-address={cluster}",
            *options,
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: ask(address, "/-/ready")[0] in {200, 400, 401}, "Alertmanager is ready", 30)
        yield address
    finally:
        process.terminate()
        process.wait(10)


def ask(address: str, path: str, body: object = None) -> tuple[int, bytes]:
    """Ask something on loopback; 0 where nobody is."""
    connection = HTTPConnection(address, timeout=5)
    try:
        if body is None:
            connection.request("GET", path)
        else:
            headers = {"content-type": "application/json"}
            connection.request("POST", path, json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except OSError:
        return 0, b""
    finally:
        connection.close()


def faster(webhook: Webhook, folder: Path) -> Path:
    """Write the shipped configuration, made faster, with each receiver a webhook of its name."""
    config = yaml.safe_load(CONFIG.read_text())
    shorten(config["route"])
    config["receivers"] = [
        {"name": one["name"], "webhook_configs": [{"url": f"{webhook.url}/{one['name']}"}]}
        for one in config["receivers"]
    ]
    config["templates"] = [str(CONFIG.with_name("electric-agents.tmpl"))]
    path = folder / "alertmanager.yml"
    path.write_text(yaml.safe_dump(config))
    return path


def shorten(route: dict[str, Any]) -> None:
    for key in ("group_wait", "group_interval", "repeat_interval"):
        if key in route:
            route[key] = str(Duration.parse(route[key]) / FASTER)
    for child in route.get("routes", ()):
        shorten(child)
