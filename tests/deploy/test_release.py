"""What `make release` left in dist/."""

import hashlib
import json
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from programs import ROOT
from release_tools import tool

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

DIST = ROOT / "dist"
PROJECTS = {"electric-agents-exporter": "runtime", "electric-agents-simulator": "demo"}
VALIDATE = """
import sys
from pathlib import Path
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
print(JsonStrictValidator(SchemaVersion.V1_6).validate_str(Path(sys.argv[1]).read_text()))
"""


@pytest.fixture(scope="module", autouse=True)
def sums() -> dict[str, str]:
    """Give the sum of each file, by name."""
    listed = DIST / "SHA256SUMS"
    if not listed.exists():
        pytest.skip("nothing was released: run `make release`")
    return {name: told for told, name in (line.split() for line in listed.read_text().splitlines())}


def of(project: str, ending: str) -> Path:
    names = {project, project.replace("-", "_")}
    found = [path for name in names for path in DIST.glob(f"{name}-[0-9]*{ending}")]
    (path,) = found
    return path


def test_sums_are_of_the_files_and_of_all_of_them(sums: dict[str, str]) -> None:
    files = {path.name: path for path in DIST.iterdir() if path.name != "SHA256SUMS"}
    assert sums == {
        name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()
    }
    assert len(sums) == 2 * len(["wheel", "sdist", "bill"]) + len(["changes"])


def test_what_changed_is_told_in_the_changelogs_words() -> None:
    (path,) = DIST.glob("CHANGES-*.md")
    assert path.read_text().strip() in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("project", PROJECTS)
def test_a_bill_of_materials_names_what_is_locked_with_its_hashes(project: str) -> None:
    bill = json.loads(of(project, ".cdx.json").read_text())
    assert bill["metadata"]["component"]["name"] == project
    text = (ROOT / f"requirements/{PROJECTS[project]}.txt").read_text()
    locked = set(re.findall(r"^([\w.-]+)(?:\[[\w,]+\])?==([\w.]+)", text, re.MULTILINE))
    assert {(each["name"], each["version"]) for each in bill["components"]} == locked
    assert all(each["externalReferences"][0]["hashes"] for each in bill["components"])


@pytest.mark.parametrize("project", PROJECTS)
def test_a_bill_of_materials_is_what_cyclonedx_says_it_should_be(project: str) -> None:
    command = [tool("python"), "-c", VALIDATE, str(of(project, ".cdx.json"))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "None\n"), done.stderr


@pytest.mark.parametrize("project", PROJECTS)
def test_the_sdist_gives_the_very_wheel(project: str, tmp_path: Path) -> None:
    sdist = of(project, ".tar.gz")
    with tarfile.open(sdist) as tar:
        tar.extractall(tmp_path, filter="data")
        moment = max(member.mtime for member in tar.getmembers())
    (source,) = tmp_path.iterdir()
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")],
        cwd=source,
        env={"SOURCE_DATE_EPOCH": str(int(moment))},
        check=True,
        capture_output=True,
    )
    wheel = of(project, ".whl")
    assert (tmp_path / "dist" / wheel.name).read_bytes() == wheel.read_bytes()


@pytest.mark.parametrize("project", PROJECTS)
def test_the_sdist_holds_sources_and_what_is_told_of_them_and_nothing_else(project: str) -> None:
    with tarfile.open(of(project, ".tar.gz")) as tar:
        names = {Path(*Path(name).parts[1:]) for name in tar.getnames()}
    beside = {str(name) for name in names if name.parts[0] != "src"}
    known = {"CHANGELOG.md", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml", ".gitignore"}
    assert {"LICENSE", "PKG-INFO", "README.md", "pyproject.toml"} <= beside <= known
