"""The exporter as a process, as operators have it serve, scraped by a real Prometheus."""

import base64
import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import bcrypt
import pytest
import yaml

from certificates import Pair, serial
from loopback import free_port
from programs import program
from waiting import PATIENCE, end, until

pytestmark = pytest.mark.timeout(600)

EXPORTER = [sys.executable, "-m", "electric_agents_exporter"]
PASSWORD = "wonderland"  # noqa: S105
HASH = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(10)).decode()
# Nobody is there: what is served of it is what counts here.
TARGET = {"name": "production", "url": "http://127.0.0.1:1", "principals": ["service:monitor"]}
RELOADED = "electric_agents_exporter_config_last_reload_successful"


class Exporter:
    """An exporter process, and what it is asked."""

    def __init__(self, folder: Path, environ: Mapping[str, str], command: list[str]) -> None:
        self._log = folder / "log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, **environ}
            )
        until(lambda: "msg=serving" in self.log or self.process.poll() is not None, "serving")
        assert self.process.poll() is None, self.log

    @property
    def log(self) -> str:
        return self._log.read_text()

    def stop(self) -> str:
        end(self.process)
        assert self.process.returncode == 0, self.log
        return self.log


Start = Callable[..., Exporter]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts an exporter on settings given as a mapping, and perhaps within another command."""
    running: list[Exporter] = []

    def make(
        *options: str,
        environ: Mapping[str, str] | None = None,
        within: tuple[str, ...] = (),
        **settings: object,
    ) -> Exporter:
        config = tmp_path / "config.yaml"
        config.write_text(json.dumps({"targets": [TARGET], **settings}))
        command = [*within, *EXPORTER, "run", "--config", str(config), *options]
        running.append(Exporter(tmp_path, environ or {}, command))
        return running[-1]

    yield make
    for exporter in running:
        if exporter.process.poll() is None:
            exporter.process.kill()
        exporter.process.wait()


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path)


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a command of the exporter."""
    return subprocess.run(
        [*EXPORTER, *arguments], capture_output=True, text=True, check=False, timeout=PATIENCE
    )


def ask(
    port: int, path: str, context: ssl.SSLContext | None = None, password: str = ""
) -> tuple[int, str]:
    """Ask for a path; status 0 where nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    if context is not None:
        connection = http.client.HTTPSConnection(
            "127.0.0.1", port, timeout=PATIENCE, context=context
        )
    told = base64.b64encode(f"alice:{password}".encode()).decode()
    try:
        connection.request("GET", path, headers={"authorization": f"Basic {told}"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except OSError:
        return 0, ""
    finally:
        connection.close()


class Prometheus:
    """A real Prometheus, and what it knows."""

    def __init__(self, folder: Path, jobs: list[dict[str, Any]]) -> None:
        config = folder / "prometheus.yml"
        times = {"scrape_interval": "1s", "scrape_timeout": "1s"}
        config.write_text(yaml.safe_dump({"global": times, "scrape_configs": jobs}))
        self._port = free_port()
        self.process = subprocess.Popen(
            [
                program("prometheus"),
                f"--config.file={config}",
                f"--storage.tsdb.path={folder / 'tsdb'}",
                f"--web.listen-address=127.0.0.1:{self._port}",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def values(self, expression: str) -> dict[str, float]:
        """Give the values of an expression by job."""
        status, body = ask(self._port, f"/api/v1/query?query={quote(expression)}")
        found = json.loads(body)["data"]["result"] if status == 200 else []
        return {each["metric"]["job"]: float(each["value"][1]) for each in found}


@pytest.fixture
def scrape(tmp_path: Path) -> Iterator[Callable[..., Prometheus]]:
    """Starts a Prometheus that scrapes one port, each job in another way."""
    running: list[Prometheus] = []

    def begin(port: int, **jobs: dict[str, Any]) -> Prometheus:
        to = {"static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
        named = [{"job_name": name, **to, **job} for name, job in jobs.items()]
        running.append(Prometheus(tmp_path, named))
        return running[-1]

    yield begin
    for prometheus in running:
        prometheus.process.terminate()
        prometheus.process.wait()


def shown(port: int) -> str:
    """Give the serial number of the certificate that whoever connects now is shown."""
    with contextlib.suppress(OSError):
        return serial(ssl.get_server_certificate(("127.0.0.1", port)))
    return ""


def test_prometheus_scrapes_by_mutual_tls_with_a_password_and_nobody_else_does(
    tmp_path: Path, start: Start, pair: Pair, scrape: Callable[..., Prometheus]
) -> None:
    own = pair.authority.issue_cert("prometheus.example.com")
    own.private_key_pem.write_to_path(str(tmp_path / "client.key"))
    own.cert_chain_pems[0].write_to_path(str(tmp_path / "client.crt"))
    (tmp_path / "password").write_text(PASSWORD)
    port = free_port()
    start(
        listen=f"127.0.0.1:{port}",
        web={
            "tls": {
                "cert_file": str(pair.cert),
                "key_file": str(pair.key),
                "client_ca_file": str(pair.ca),
                "client_auth_type": "RequireAndVerifyClientCert",
                "client_allowed_sans": ["prometheus.example.com"],
            },
            "basic_auth_users": {"alice": HASH},
            "route_prefix": "/exporter",
        },
    )
    trusting = {"ca_file": str(pair.ca)}
    certified = {
        **trusting,
        "cert_file": str(tmp_path / "client.crt"),
        "key_file": str(tmp_path / "client.key"),
    }
    known = {"username": "alice", "password_file": str(tmp_path / "password")}
    https = {"scheme": "https", "metrics_path": "/exporter/metrics"}
    prometheus = scrape(
        port,
        all={**https, "tls_config": certified, "basic_auth": known},
        without_certificate={**https, "tls_config": trusting, "basic_auth": known},
        without_password={**https, "tls_config": certified},
        wrong_password={
            **https,
            "tls_config": certified,
            "basic_auth": {"username": "alice", "password": "x"},
        },
        in_the_clear={"metrics_path": "/exporter/metrics", "basic_auth": known},
        elsewhere={**https, "metrics_path": "/metrics", "tls_config": certified}
        | {"basic_auth": known},
    )
    until(lambda: len(prometheus.values("count_over_time(up[1m]) > 2")) == 6, "scraped by all")
    assert prometheus.values("max_over_time(up[1m])") == {
        "all": 1.0,
        "without_certificate": 0.0,
        "without_password": 0.0,
        "wrong_password": 0.0,
        "in_the_clear": 0.0,
        "elsewhere": 0.0,
    }


class Scraper:
    """Scrapes without a pause until the block ends, each time over a new connection.

    It waits for as long as a busy machine needs, which a Prometheus does not.
    """

    def __init__(
        self, port: int, context: ssl.SSLContext | None = None, password: str = ""
    ) -> None:
        self.statuses: list[int] = []
        self._over = threading.Event()

        def scrape() -> None:
            while not self._over.is_set():
                self.statuses.append(ask(port, "/metrics", context, password)[0])

        self._thread = threading.Thread(target=scrape)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def goes_on(self, scrapes: int) -> None:
        """Wait until it has scraped so many times more."""
        enough = len(self.statuses) + scrapes
        until(lambda: len(self.statuses) >= enough, "scrapes")


def test_prometheus_finds_and_probes_targets_below_a_path_by_tls_with_a_password(
    tmp_path: Path, start: Start, pair: Pair, scrape: Callable[..., Prometheus]
) -> None:
    """And goes on where the settings' file is watched and gets another target and another hash."""
    port = free_port()

    def settings(password: str, *names: str) -> dict[str, object]:
        hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()
        return {
            "listen": f"127.0.0.1:{port}",
            "targets": [{**TARGET, "name": name, "scheduled": False} for name in names],
            "web": {
                "tls": {"cert_file": str(pair.cert), "key_file": str(pair.key)},
                "basic_auth_users": {"alice": hashed},
                "route_prefix": "/exporter",
            },
        }

    (tmp_path / "password").write_text(PASSWORD)
    exporter = start("--watch-config", **settings(PASSWORD, "production", "staging"))
    known = {"username": "alice", "password_file": str(tmp_path / "password")}
    trusting = {"tls_config": {"ca_file": str(pair.ca)}}
    # Neither the path nor TLS is said here of the scrapes: that is told by what names the targets.
    named = {
        **trusting,
        "honor_labels": True,
        "static_configs": [],
        "http_sd_configs": [
            {
                "url": f"https://127.0.0.1:{port}/exporter/sd",
                "refresh_interval": "1s",
                "basic_auth": known,
                **trusting,
            }
        ],
    }
    prometheus = scrape(port, known={**named, "basic_auth": known}, stranger=named)
    probed = "count by (job) (max_over_time(electric_agents_probe_success[1m]))"
    until(lambda: prometheus.values(probed) == {"known": 2.0}, "each is probed, by who is known")
    let_in = "sum by (job) (max_over_time(up[1m]))"
    until(lambda: prometheus.values(let_in) == {"known": 2.0, "stranger": 0.0}, "nobody else is")
    context = pair.client()
    explained = "/exporter/probe?target=staging&debug=true"
    assert ask(port, explained, context, PASSWORD)[0] == 200
    assert ask(port, explained, context, "wrong")[0] == 401
    assert ask(port, "/probe?target=staging", context, PASSWORD)[0] == 404

    fresh = tmp_path / "config.new"
    fresh.write_text(json.dumps(settings("new", "production", "staging", "another")))
    fresh.rename(tmp_path / "config.yaml")
    until(lambda: ask(port, "/exporter/sd", context, "new")[0] == 200, "the new password")
    assert ask(port, "/exporter/sd", context, PASSWORD)[0] == 401
    (tmp_path / "password").write_text("new")
    until(lambda: prometheus.values(probed) == {"known": 3.0}, "the new target is probed")
    assert "settings reloaded" in exporter.stop()


def test_a_certificate_is_renewed_while_it_serves_and_no_scrape_is_lost(
    start: Start, pair: Pair, scrape: Callable[..., Prometheus]
) -> None:
    port = free_port()
    exporter = start(
        listen=f"127.0.0.1:{port}",
        web={"tls": {"cert_file": str(pair.cert), "key_file": str(pair.key)}},
    )
    trusting = {"scheme": "https", "tls_config": {"ca_file": str(pair.ca)}}
    prometheus = scrape(port, exporter=trusting)
    until(lambda: prometheus.values("up == 1"), "scraped")
    kept = http.client.HTTPSConnection("127.0.0.1", port, context=pair.client())
    kept.request("GET", "/-/healthy")
    assert kept.getresponse().read() == b"healthy\n"
    with Scraper(port, pair.client()) as scraper:
        for _ in range(3):
            new = pair.renew()
            until(lambda new=new: shown(port) == new, "the new certificate")  # type: ignore[misc]
            scraper.goes_on(3)
    assert set(scraper.statuses) == {200}
    # Whoever was connected stays so.
    kept.request("GET", "/-/healthy")
    assert kept.getresponse().read() == b"healthy\n"
    kept.close()

    good = pair.key.read_bytes()
    pair.key.write_text("no key")
    reloaded = f"{RELOADED} == %d"
    until(lambda: prometheus.values(reloaded % 0), "a pair that is wrong is visible")
    assert shown(port) == new
    pair.key.write_bytes(good)
    until(lambda: prometheus.values(reloaded % 1), "and that it is good again")
    before = prometheus.values("sum_over_time(up[10m])")["exporter"]
    until(lambda: prometheus.values("sum_over_time(up[10m])")["exporter"] > before, "scraped on")
    log = exporter.stop()
    assert log.count('msg="certificates and users not read again, the old ones stay"') == 1
    assert log.count('msg="certificates and users are good again"') == 1
    assert "PRIVATE KEY" not in log


def test_a_file_that_exporters_in_go_take_is_taken_as_they_take_it(
    tmp_path: Path, start: Start, pair: Pair, scrape: Callable[..., Prometheus]
) -> None:
    """The file is one for Prometheus itself too, and both give the same answers."""
    users = {"alice": HASH}
    headers = {"Strict-Transport-Security": "max-age=60", "X-Frame-Options": "sameorigin"}
    web = tmp_path / "web.yml"

    def write() -> None:
        content = {
            "tls_server_config": {"cert_file": "server.crt", "key_file": "server.key"},
            "http_server_config": {"http2": False, "headers": headers},
            "basic_auth_users": users,
        }
        fresh = web.with_suffix(".new")
        fresh.write_text(yaml.safe_dump(content))
        fresh.rename(web)

    write()
    checked = subprocess.run(
        [program("promtool"), "check", "web-config", str(web)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
    port, other = free_port(), free_port()
    exporter = start(f"--web.config.file={web}", listen=f"127.0.0.1:{port}")
    with subprocess.Popen(
        [
            program("prometheus"),
            f"--config.file={os.devnull}",
            f"--storage.tsdb.path={tmp_path / 'other'}",
            f"--web.listen-address=127.0.0.1:{other}",
            f"--web.config.file={web}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as reference:
        context = pair.client()
        until(lambda: ask(other, "/-/ready", context, PASSWORD)[0] == 200, "the other is ready")

        def both(path: str, password: str) -> set[tuple[int, str]]:
            """Give what each answers: the status, and the headers of the file."""
            told = base64.b64encode(f"alice:{password}".encode()).decode()
            answers = set()
            for each in (port, other):
                connection = http.client.HTTPSConnection("127.0.0.1", each, context=context)
                connection.request("GET", path, headers={"authorization": f"Basic {told}"})
                answer = connection.getresponse()
                found = {name: answer.headers[name] for name in headers}
                answers.add((answer.status, json.dumps(found)))
                connection.close()
            return answers

        assert both("/metrics", PASSWORD) == {(200, json.dumps(headers))}
        assert both("/metrics", "wrong") == {(401, json.dumps(headers))}
        assert both("/nowhere", PASSWORD) == {(404, json.dumps(headers))}
        assert both("/-/healthy", "wrong") == {(401, json.dumps(headers))}
        users["alice"] = bcrypt.hashpw(b"new", bcrypt.gensalt(4)).decode()
        write()
        until(lambda: ask(port, "/metrics", context, "new")[0] == 200, "the new password")
        assert both("/metrics", "new") == {(200, json.dumps(headers))}
        assert both("/metrics", PASSWORD) == {(401, json.dumps(headers))}
        reference.terminate()

    job = {"scheme": "https", "tls_config": {"ca_file": str(pair.ca)}}
    known = {"username": "alice", "password": "new"}
    prometheus = scrape(port, exporter={**job, "basic_auth": known})
    until(lambda: prometheus.values("up == 1"), "scraped")
    assert HASH not in exporter.stop()


def test_who_is_let_in_is_served_while_wrong_passwords_come_in_a_flood(
    start: Start, scrape: Callable[..., Prometheus]
) -> None:
    port = free_port()
    start(listen=f"127.0.0.1:{port}", web={"basic_auth_users": {"alice": HASH}})
    known = {"basic_auth": {"username": "alice", "password": PASSWORD}}
    prometheus = scrape(port, exporter=known)
    until(lambda: prometheus.values("up == 1"), "scraped")
    flood = [Scraper(port, password=f"wrong {number}") for number in range(8)]
    with contextlib.ExitStack() as running:
        for each in flood:
            running.enter_context(each)
        known_one = running.enter_context(Scraper(port, password=PASSWORD))
        before = prometheus.values("sum_over_time(up[10m])")["exporter"]
        known_one.goes_on(50)
        until(
            lambda: prometheus.values("sum_over_time(up[10m])")["exporter"] > before,
            "scraped on",
        )
        ticked = "electric_agents_exporter_scheduler_last_tick_timestamp_seconds"
        until(lambda: prometheus.values(f"timestamp({ticked}) - {ticked} < 5"), "polls go on")
    assert set(known_one.statuses) == {200}
    refused = [status for each in flood for status in each.statuses]
    assert set(refused) <= {401, 503}
    assert 401 in refused


def test_commands_reach_it_however_it_serves(tmp_path: Path, start: Start, pair: Pair) -> None:
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    path = tmp_path / "exporter.sock"
    config = str(tmp_path / "config.yaml")
    exporter = start(
        listen=f"unix:{path}",
        web={
            "tls": {"cert_file": str(pair.cert), "key_file": str(pair.key)},
            "basic_auth_users": {"alice": HASH},
            "client": {"username": "alice", "password_file": str(tmp_path / "password")},
            "route_prefix": "exporter",
        },
    )
    assert f"msg=serving address=unix:{path} tls=True targets=1" in exporter.log
    checked = run("healthcheck", "--config", config)
    assert (checked.returncode, checked.stderr) == (0, "")
    told = run("status", "--config", config)
    assert "production" in told.stdout, told.stderr
    (tmp_path / "password").write_text("wrong")
    checked = run("healthcheck", "--config", config)
    assert checked.returncode == 1
    assert "status 401" in checked.stderr
    exporter.stop()
    assert not path.exists()


def test_a_socket_that_was_left_behind_by_a_kill_is_taken_over(
    tmp_path: Path, start: Start
) -> None:
    path = tmp_path / "exporter.sock"
    exporter = start(listen=f"unix:{path}", web={"socket_mode": "0600"})
    os.kill(exporter.process.pid, signal.SIGKILL)
    exporter.process.wait()
    assert path.exists()
    exporter = start(listen=f"unix:{path}", web={"socket_mode": "0600"})
    assert run("healthcheck", "--listen", f"unix:{path}").returncode == 0
    second = run(
        "run", "--url", "http://127.0.0.1:1", "--principal", "user:a", "--listen", f"unix:{path}"
    )
    assert second.returncode == 1
    assert "Address already in use" in second.stderr
    assert run("healthcheck", "--listen", f"unix:{path}").returncode == 0


def test_systemd_passes_sockets_on_and_is_told_how_it_is(tmp_path: Path) -> None:
    """As in a unit of `Type=notify-reload` with `WatchdogSec` and a socket unit of two sockets."""
    shell = shutil.which("bash")
    assert shell is not None
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_UNIX) as unix,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
    ):
        unix.bind(str(tmp_path / "passed.sock"))
        unix.listen()
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(PATIENCE)
        for sock in (tcp, unix):
            sock.set_inheritable(True)
        # The process that is started is the one that is meant.
        script = f'exec 3<&{tcp.fileno()} 4<&{unix.fileno()}; LISTEN_PID=$$ exec "$@"'
        descriptors = (tcp.fileno(), unix.fileno())
        config = tmp_path / "config.yaml"
        config.write_text(json.dumps({"targets": [TARGET]}))
        with subprocess.Popen(
            [shell, "-c", script, "bash", *EXPORTER, "run", "--config", str(config)],
            env={
                **os.environ,
                "LISTEN_FDS": "2",
                "NOTIFY_SOCKET": str(tmp_path / "notify"),
                "WATCHDOG_USEC": "900000",
            },
            pass_fds=descriptors,
            stderr=subprocess.DEVNULL,
        ) as process:
            told = [manager.recv(4096).decode()]
            assert told == ["READY=1"]
            port = tcp.getsockname()[1]
            assert ask(port, "/-/healthy") == (200, "healthy\n")
            assert run("healthcheck", "--listen", f"unix:{tmp_path}/passed.sock").returncode == 0

            def hear(state: str) -> None:
                while not told[-1].startswith(state):
                    told.append(manager.recv(4096).decode())

            hear("WATCHDOG=1")
            process.send_signal(signal.SIGHUP)
            hear("RELOADING=1\nMONOTONIC_USEC=")
            hear("READY=1")
            process.send_signal(signal.SIGTERM)
            hear("STOPPING=1")
            process.wait()
        assert process.returncode == 0
        assert (tmp_path / "passed.sock").exists()
