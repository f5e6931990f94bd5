"""How `healthcheck` and `status` reach an exporter, and what they tell to whom."""

import base64
import http.server
import json
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from typing_extensions import override

from certificates import Pair
from electric_agents_exporter.cli import main
from electric_agents_exporter.settings.model import ENV_PREFIX

NAME = "electric-agents-exporter"
PASSWORD = "hunter2"  # noqa: S105
Capture = pytest.CaptureFixture[str]


class Exporter(http.server.HTTPServer):
    """Answers what it is asked for with `status`, and remembers that."""

    def __init__(self, address: str | tuple[str, int], context: ssl.SSLContext | None) -> None:
        self.status = 200
        self.asked: list[tuple[str, str | None]] = []
        self.listen = f"unix:{address}"
        self.address_family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        super().__init__(address, _Handler)  # type: ignore[arg-type]
        if not isinstance(address, str):
            self.listen = f"127.0.0.1:{self.server_address[1]}"
        if context is not None:
            self.socket = context.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )

    @override
    def server_bind(self) -> None:
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a handshake that the client breaks off is what is tested."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Exporter

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers["authorization"]))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in os.environ:
        if variable.startswith(ENV_PREFIX) or variable.lower().endswith("_proxy"):
            monkeypatch.delenv(variable)


Serve = Callable[..., Exporter]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serves at an address, with TLS where it is said how."""
    made: list[tuple[Exporter, threading.Thread]] = []

    def begin(
        address: str | tuple[str, int] = ("127.0.0.1", 0), context: ssl.SSLContext | None = None
    ) -> Exporter:
        exporter = Exporter(address, context)
        thread = threading.Thread(target=exporter.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        made.append((exporter, thread))
        return exporter

    yield begin
    for exporter, thread in made:
        exporter.shutdown()
        thread.join()
        exporter.server_close()


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path)


@pytest.fixture
def password(tmp_path: Path) -> Path:
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    return file


def config_of(folder: Path, exporter: Exporter, **web: object) -> str:
    file = folder / "config.yaml"
    file.write_text(json.dumps({"listen": exporter.listen, "web": web}))
    return str(file)


def test_a_socket_in_the_file_system_is_asked(tmp_path: Path, serve: Serve) -> None:
    exporter = serve(str(tmp_path / "exporter.sock"))
    assert main(["healthcheck", "--config", config_of(tmp_path, exporter)]) == 0
    assert main(["healthcheck", "--listen", f"unix:{tmp_path}/exporter.sock"]) == 0
    assert main(["healthcheck", "--listen", f"unix:{tmp_path}/gone.sock"]) == 1


def test_what_stands_before_every_path_is_known_from_the_settings(
    tmp_path: Path, serve: Serve
) -> None:
    exporter = serve()
    config = config_of(tmp_path, exporter, route_prefix="exporter/")
    assert main(["healthcheck", "--config", config]) == 0
    main(["status", "--config", config])
    asked = [path.partition("?")[0] for path, _ in exporter.asked]
    assert asked == ["/exporter/-/healthy", "/exporter/api/v1/fleet"]


def test_a_url_can_hold_what_stands_before_every_path(serve: Serve) -> None:
    exporter = serve()
    main(["status", "--url", f"http://{exporter.listen}/exporter/"])
    assert exporter.asked[0][0].startswith("/exporter/api/v1/fleet?")


@pytest.mark.parametrize("by_toolkit", [False, True])
def test_by_tls_the_certificate_that_the_settings_name_is_known_whatever_its_names(
    tmp_path: Path,
    serve: Serve,
    pair: Pair,
    by_toolkit: bool,  # noqa: FBT001
) -> None:
    exporter = serve(context=pair.server())
    web: dict[str, object] = {"tls": {"cert_file": str(pair.cert), "key_file": str(pair.key)}}
    if by_toolkit:
        file = tmp_path / "web.yml"
        file.write_text("tls_server_config: {cert_file: server.crt, key_file: server.key}")
        web = {"config_file": str(file)}
    config = config_of(tmp_path, exporter, **web)
    assert main(["healthcheck", "--config", config]) == 0
    exporter.status = 503
    assert main(["healthcheck", "--config", config]) == 1


def test_a_flag_names_the_file_of_exporter_toolkit(
    tmp_path: Path, serve: Serve, pair: Pair
) -> None:
    exporter = serve(context=pair.server())
    file = tmp_path / "web.yml"
    file.write_text("tls_server_config: {cert_file: server.crt, key_file: server.key}")
    config = config_of(tmp_path, exporter)
    assert main(["healthcheck", "--config", config]) == 1
    assert main(["healthcheck", "--config", config, "--web.config.file", str(file)]) == 0


@pytest.mark.parametrize("by_option", [False, True])
def test_a_password_is_told_to_who_asks_for_it(
    tmp_path: Path,
    serve: Serve,
    password: Path,
    by_option: bool,  # noqa: FBT001
) -> None:
    exporter = serve()
    client = {"username": "prometheus", "password_file": str(password)}
    config = config_of(tmp_path, exporter, **({} if by_option else {"client": client}))
    options = ["--username", "prometheus", "--password-file", str(password)] if by_option else []
    assert main(["healthcheck", "--config", config, *options]) == 0
    told = base64.b64encode(f"prometheus:{PASSWORD}".encode()).decode()
    assert exporter.asked == [("/-/healthy", f"Basic {told}")]


def test_a_password_is_told_to_nobody_who_shows_another_certificate(
    tmp_path: Path, serve: Serve, pair: Pair, password: Path, capsys: Capture
) -> None:
    exporter = serve(context=pair.server())
    pair.renew()
    tls = {"cert_file": str(pair.cert), "key_file": str(pair.key)}
    client = {"username": "prometheus", "password_file": str(password)}
    without = config_of(tmp_path, exporter, tls=tls)
    # Who is told nothing may be anybody.
    assert main(["healthcheck", "--config", without]) == 0
    assert main(["healthcheck", "--config", config_of(tmp_path, exporter, tls=tls, client=client)])
    told = capsys.readouterr().err
    assert told == f"{NAME}: not healthy: it shows another certificate than the settings name\n"
    assert [authorization for _, authorization in exporter.asked] == [None]


def test_a_certificate_is_shown_to_who_asks_for_one(
    tmp_path: Path, serve: Serve, pair: Pair
) -> None:
    context = pair.server()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(pair.ca)
    exporter = serve(context=context)
    own = pair.authority.issue_cert("prometheus")
    own.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "own.pem"))
    tls = {"cert_file": str(pair.cert), "key_file": str(pair.key)}
    assert main(["healthcheck", "--config", config_of(tmp_path, exporter, tls=tls)]) == 1
    client = {"cert_file": str(tmp_path / "own.pem")}
    config = config_of(tmp_path, exporter, tls=tls, client=client)
    assert main(["healthcheck", "--config", config]) == 0


def test_elsewhere_a_certificate_is_verified_as_it_is_anywhere(
    serve: Serve, pair: Pair, tmp_path: Path, capsys: Capture
) -> None:
    exporter = serve(context=pair.server())
    url = ["status", "--url", f"https://{exporter.listen}"]
    assert main(url) == 1
    assert "TLS: certificate verify failed" in capsys.readouterr().err
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.crt"))
    assert main([*url, "--ca-file", str(tmp_path / "other.crt")]) == 1
    assert "TLS: certificate verify failed" in capsys.readouterr().err
    assert exporter.asked == []
    main([*url, "--ca-file", str(pair.ca)])
    assert len(exporter.asked) == 1


def test_who_is_not_let_in_is_told_what_is_missing(
    serve: Serve, tmp_path: Path, capsys: Capture
) -> None:
    exporter = serve()
    exporter.status = 401
    config = config_of(tmp_path, exporter)
    assert main(["healthcheck", "--config", config]) == 1
    assert "it asks for a name and a password: see web.client" in capsys.readouterr().err
    assert main(["status", "--config", config]) == 1
    assert "give --username and --password-file" in capsys.readouterr().err


def test_what_is_wrong_with_files_is_told_and_no_secret(
    serve: Serve, tmp_path: Path, capsys: Capture
) -> None:
    config = config_of(tmp_path, serve())
    options = ["--username", "a", "--password-file", str(tmp_path / "gone")]
    assert main(["healthcheck", "--config", config, *options]) == 1
    assert capsys.readouterr().err == f"{NAME}: not healthy: No such file or directory\n"
