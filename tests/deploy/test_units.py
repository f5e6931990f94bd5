"""The units of systemd: how much is taken away from the service, and that it can do without."""

import configparser
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from electric_agents_exporter.cli import build_parser
from programs import ROOT

FOLDER = ROOT / "deploy/systemd"
SERVICE = FOLDER / "electric-agents-exporter.service"
SOCKET = FOLDER / "electric-agents-exporter.socket"
EXPORTER = "/opt/electric-agents-exporter/bin/electric-agents-exporter"
EXPOSURE = 20
"""In tenths: below 2 of 10."""

# prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN) is the kernel's own MemoryDenyWriteExecute.
REFUSE_NEW_CODE = """
import ctypes, os, sys
if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0): sys.exit("not this kernel")
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""

IMPORT_ALL = """
import importlib, pkgutil, electric_agents_exporter as exporter
for each in pkgutil.walk_packages(exporter.__path__, exporter.__name__ + "."):
    importlib.import_module(each.name)
print("well")
"""


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is missing: Debian's package 'systemd' has it")
    # One that was unpacked and not installed looks for its libraries where it would have been.
    unpacked = Path(program).parents[1]
    folders = [*unpacked.glob("lib/*-linux-gnu/systemd"), *unpacked.glob("lib/*-linux-gnu")]
    environment = os.environ | {"LD_LIBRARY_PATH": ":".join(map(str, folders))}
    return subprocess.run(
        [program, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment if unpacked != Path("/usr") else None,
    )


def settings(unit: Path) -> configparser.ConfigParser:
    """Read a unit; of settings that stand twice the last."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their case
    parser.read(unit)
    return parser


def test_the_service_is_exposed_by_less_than_2_of_10() -> None:
    done = analyze("security", "--offline=true", f"--threshold={EXPOSURE - 1}", str(SERVICE))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("unit", [SERVICE, SOCKET], ids=lambda unit: unit.suffix)
def test_systemd_understands_the_units(unit: Path, tmp_path: Path) -> None:
    for path in (SERVICE, SOCKET):
        (tmp_path / path.name).write_text(path.read_text().replace(EXPORTER, "/bin/true"))
    done = analyze("verify", "--man=no", "--recursive-errors=no", str(tmp_path / unit.name))
    assert (done.returncode, done.stderr) == (0, "")


def test_what_it_starts_are_commands_of_the_exporter() -> None:
    service = settings(SERVICE)["Service"]
    for name, command in {"ExecStart": "run", "ExecStartPre": "check-config"}.items():
        program, *arguments = shlex.split(service[name])
        assert program == EXPORTER
        assert arguments[0] == command
        assert str(build_parser().parse_args(arguments).config).startswith("/etc/")


def test_the_socket_is_where_the_exporter_serves_by_default() -> None:
    assert settings(SOCKET)["Socket"]["ListenStream"] == "[::]:10437"
    assert SOCKET.stem == SERVICE.stem


def test_secrets_are_where_the_drop_in_says() -> None:
    drop_in = FOLDER / "credentials.conf"
    name = settings(drop_in)["Service"]["LoadCredential"].partition(":")[0]
    assert f"/run/credentials/{SERVICE.name}/{name}" in drop_in.read_text()


def test_the_exporter_and_all_that_it_needs_make_no_code_while_they_run() -> None:
    loaded = ["-c", REFUSE_NEW_CODE, "-c", IMPORT_ALL]
    done = subprocess.run([sys.executable, *loaded], capture_output=True, text=True, check=False)
    if "not this kernel" in done.stderr:
        pytest.skip("this kernel cannot refuse memory that is written and run (6.3 can)")
    assert done.stdout == "well\n", done.stderr
    probe = ["-m", "electric_agents_exporter", "probe"]
    asked = ["--url", "http://127.0.0.1:1", "--principal", "service:monitor"]
    command = [sys.executable, "-c", REFUSE_NEW_CODE, *probe, *asked]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert 'electric_agents_server_up{server="default"} 0' in done.stdout
