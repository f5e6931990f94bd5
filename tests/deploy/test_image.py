"""The images as `make image` built them: what is in them, and that they run as engines run them."""

import http.server
import json
import re
import shutil
import ssl
import subprocess
import sys
import threading
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from typing import IO

import pytest
from packaging.requirements import Requirement

from image import Image
from loopback import free_port
from programs import ROOT
from waiting import until

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

NOBODY = "65532:65532"
URL = "ELECTRIC_AGENTS_EXPORTER_URL"
PRINCIPAL = "ELECTRIC_AGENTS_EXPORTER_PRINCIPAL"
LISTEN = "ELECTRIC_AGENTS_EXPORTER_LISTEN"
PYTHON = {"python_version": "3.13", "python_full_version": "3.13.0"}


@pytest.fixture(scope="module")
def image() -> Image:
    return Image.built("exporter")


@pytest.fixture(scope="module")
def simulator() -> Image:
    return Image.built("simulator")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Run a simulated agents-server with five runners out here, and give its address."""
    options = ["--listen", "127.0.0.1:0", "--runners", "5", "--scenario", "healthy-day"]
    command = [sys.executable, "-m", "electric_agents_simulator", "demo", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        output: IO[str] | None = process.stdout
        assert output is not None
        yield output.readline().split()[-1]
        process.terminate()


def installed(image: Image) -> dict[str, str]:
    (site,) = (image.root / "opt/exporter/lib").glob("python*/site-packages")
    found = distributions(path=[str(site)])
    return {re.sub(r"[-_.]+", "-", each.name).lower(): each.version for each in found}


def locked() -> dict[str, str]:
    """Give what is locked for the Python of the image."""
    text = (ROOT / "requirements/runtime.txt").read_text()
    lines = re.findall(r"^([a-z].*?) \\$", text, re.MULTILINE)
    wanted = [Requirement(line) for line in lines]
    return {
        each.name: str(each.specifier).removeprefix("==")
        for each in wanted
        if each.marker is None or each.marker.evaluate(PYTHON)
    }


def test_it_holds_what_is_locked_and_the_exporter_and_nothing_else(image: Image) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert installed(image) == locked() | {project["name"]: project["version"]}


def test_nothing_in_it_builds_or_installs_and_neither_simulator_nor_sqlalchemy_is_there(
    image: Image,
) -> None:
    left = {path.name for path in (image.root / "opt").iterdir()}
    assert left == {"exporter"}
    programs = {path.name for path in (image.root / "opt/exporter/bin").iterdir()}
    assert {name for name in programs if name.startswith("pip")} == set()
    names = {path.name for path in image.root.glob("opt/exporter/lib/python*/site-packages/*")}
    assert names.isdisjoint({"sqlalchemy", "electric_agents_simulator", "pip", "hatchling"})
    assert not (image.root / "src").exists()


def test_it_says_what_it_is(image: Image) -> None:
    labels = image.settings["Labels"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    told = {name.removeprefix("org.opencontainers.image."): text for name, text in labels.items()}
    assert told["title"] == project["name"]
    assert told["description"] == project["description"]
    assert told["licenses"] == project["license"]
    assert told["version"] == project["version"]
    assert re.fullmatch("[0-9a-f]{40}", told["revision"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", told["created"])


def test_it_asks_for_no_user_with_a_name_one_port_and_a_health_check(image: Image) -> None:
    assert image.settings["User"] == NOBODY
    assert [*image.settings["ExposedPorts"]] == ["10437/tcp"]
    check = image.settings["Healthcheck"]["Test"]
    assert check == ["CMD", *image.settings["Entrypoint"], "healthcheck"]


def test_nobody_can_write_there_not_even_root(image: Image) -> None:
    write = image.start_program(
        *image.settings["Env"], "python", "-c", "open('/opt/x', 'w')", user="0:0"
    ).finish()
    assert "Read-only file system" in write.stderr


def test_it_says_its_version(image: Image) -> None:
    done = image.start("--version").finish()
    assert (done.returncode, done.stderr) == (0, "")
    labels = image.settings["Labels"]
    assert done.stdout.split() == [
        "electric-agents-exporter",
        labels["org.opencontainers.image.version"],
    ]


def test_probe_shows_the_runners_of_a_server(image: Image, server: str) -> None:
    done = image.start("probe", environment={URL: server, PRINCIPAL: "service:monitor"}).finish()
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("electric_agents_runner_info{") == 5


def test_run_serves_is_healthy_has_no_rights_and_ends_when_it_is_asked_to(
    image: Image, server: str
) -> None:
    port = free_port()
    here = {URL: server, PRINCIPAL: "service:monitor", LISTEN: f"127.0.0.1:{port}"}
    with image.start(environment=here) as contained:
        until(lambda: answers(f"http://127.0.0.1:{port}/-/ready"), "the exporter is ready")
        check = image.start("healthcheck", environment=here).finish()
        assert check.returncode == 0, check.stderr
        status = contained.status()
        assert set(status["Uid"]) == {"65532"}
        assert set(status["Gid"]) == {"65532"}
        assert {int(status[name][0], 16) for name in ("CapEff", "CapPrm", "CapAmb")} == {0}
        assert status["NSpid"][-1] == "1"
        fleet = json.loads(answers(f"http://127.0.0.1:{port}/api/v1/fleet"))
        assert fleet["runners"] == 5
        ended = contained.stop()
        assert ended.returncode == 0, ended.stderr


def test_the_health_check_fails_where_nothing_serves(image: Image) -> None:
    here = {LISTEN: f"127.0.0.1:{free_port()}"}
    assert image.start("healthcheck", environment=here).finish().returncode == 1


class NobodyThere(http.server.BaseHTTPRequestHandler):
    """An agents-server without runners."""

    def do_GET(self) -> None:
        body = b"[]"
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def openssl(folder: Path, command: str) -> None:
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl is missing: Debian's package 'openssl' has it")
    subprocess.run([program, *command.split()], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def plain_authority(tmp_path: Path) -> Path:
    """Make an authority as plain OpenSSL does, without what newer Pythons want."""
    (tmp_path / "ca.cnf").write_text(
        "[req]\ndistinguished_name=dn\nx509_extensions=v3\nprompt=no\n[dn]\nCN=private\n"
        "[v3]\nbasicConstraints=CA:TRUE\n"
    )
    (tmp_path / "ext").write_text("subjectAltName=IP:127.0.0.1\n")
    key = "-newkey rsa:2048 -nodes"
    openssl(tmp_path, f"req -x509 {key} -keyout ca.key -out ca.pem -days 30 -config ca.cnf")
    openssl(tmp_path, f"req {key} -keyout key.pem -out request.pem -subj /CN=x")
    signed = "x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -extfile ext"
    openssl(tmp_path, f"{signed} -out cert.pem -days 30")
    # Read in there by nobody.
    tmp_path.chmod(0o755)
    return tmp_path


def test_an_authority_that_plain_openssl_made_is_trusted_on_its_python_too(
    image: Image, plain_authority: Path
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(plain_authority / "cert.pem", plain_authority / "key.pem")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), NobodyThere) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        here = {
            URL: f"https://127.0.0.1:{server.server_port}",
            PRINCIPAL: "service:monitor",
            "ELECTRIC_AGENTS_EXPORTER_TLS__CA_FILE": "/mnt/ca.pem",
        }
        done = image.start("probe", environment=here, lent=plain_authority).finish()
        server.shutdown()
    assert 'poll_success{server="default",operation="list"} 1' in done.stdout, done.stderr


def test_the_simulator_serves_in_its_image_without_rights_and_the_exporter_sees_its_runners(
    image: Image, simulator: Image
) -> None:
    port = free_port()
    options = ("--listen", f"127.0.0.1:{port}", "--runners", "5", "--scenario", "healthy-day")
    with simulator.start("demo", *options) as contained:
        until(lambda: answers(f"http://127.0.0.1:{port}/_electric/health"), "the simulator serves")
        status = contained.status()
        assert set(status["Uid"]) == {"65532"}
        assert int(status["CapEff"][0], 16) == 0
        here = {URL: f"http://127.0.0.1:{port}", PRINCIPAL: "service:monitor"}
        done = image.start("probe", environment=here).finish()
        assert done.stdout.count("electric_agents_runner_info{") == 5, done.stderr
        assert contained.stop().returncode == 0


def answers(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  (loopback)
            return str(answer.read().decode())
    except (urllib.error.URLError, OSError):
        return ""
