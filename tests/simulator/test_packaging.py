"""Two distributions: an exporter in production holds neither the simulator nor what it needs."""

import re
import subprocess
import sys
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def built(project: Path, folder: Path) -> zipfile.ZipFile:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=project, check=True, capture_output=True)
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def packages(wheel: zipfile.ZipFile) -> set[str]:
    folders = {Path(name).parts[0] for name in wheel.namelist()}
    return {folder for folder in folders if not folder.endswith(".dist-info")}


def metadata(wheel: zipfile.ZipFile) -> Message:
    return message_from_bytes(
        wheel.read(next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")))
    )


def locked(name: str) -> set[str]:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    return set(re.findall(r"^([\w.-]+)", text, re.MULTILINE))


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    return built(ROOT, tmp_path_factory.mktemp("exporter"))


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    return built(ROOT / "simulator", tmp_path_factory.mktemp("simulator"))


def test_each_wheel_holds_its_own_package_alone(
    exporter: zipfile.ZipFile, simulator: zipfile.ZipFile
) -> None:
    assert packages(exporter) == {"electric_agents_exporter"}
    assert packages(simulator) == {"electric_agents_simulator"}


def test_the_exporter_asks_for_the_simulator_in_the_extra_demo_alone(
    exporter: zipfile.ZipFile,
) -> None:
    asked = metadata(exporter).get_all("Requires-Dist", [])
    assert [text for text in asked if re.match("electric|sqlalchemy", text)] == [
        "electric-agents-simulator; extra == 'demo'"
    ]


def test_both_distributions_have_one_version(
    exporter: zipfile.ZipFile, simulator: zipfile.ZipFile
) -> None:
    assert metadata(simulator)["Version"] == metadata(exporter)["Version"]


def test_the_locked_requirements_of_the_image_lack_what_only_the_demo_needs() -> None:
    assert "sqlalchemy" not in locked("runtime")
    assert locked("demo") == locked("runtime") | {"sqlalchemy"}


def test_the_demo_without_the_simulator_says_in_one_line_what_is_missing() -> None:
    program = (
        "import sys; sys.modules['electric_agents_simulator'] = None;"
        "from electric_agents_exporter.cli import main; sys.exit(main(['demo']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == (
        "demo: electric_agents_simulator is missing; install electric-agents-exporter[demo]\n"
    )
