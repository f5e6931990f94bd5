"""Build what a release is made of, from what is committed, into dist/; nothing is uploaded.

The wheel and the sdist of both projects, each built twice, in two places, and refused where the
bytes differ; a bill of materials of each in CycloneDX, from the locked requirements; the section of
the changelog; and the sums of all of it. `make release` fetches the tools, and tries what came of
it.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
DIST: Final = ROOT / "dist"
TOOLS: Final = ROOT / ".venv/release/bin"
LOCKED: Final = {".": "runtime", "simulator": "demo"}
"""Each project's folder, and the file of requirements that is locked for it."""

_SECTION: Final = re.compile(r"^## \[([^]]+)\][^\n]*\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)


def main() -> int:
    """Build, and say what was built.

    Returns:
        The exit code: 1 where two builds differ.
    """
    version = tomllib.loads(_committed("pyproject.toml"))["project"]["version"]
    if _run("git", "status", "--porcelain"):
        print("release: what is not committed is left out", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        first, second = (_build(Path(folder) / place, version) for place in ("here", "there"))
        if differing := [name for name in first if first[name] != second.get(name)]:
            print(f"release: built twice, and not the same: {differing}", file=sys.stderr)
            return 1
    files = first | {f"CHANGES-{version}.md": changes(_committed("CHANGELOG.md"), version).encode()}
    shutil.rmtree(DIST, ignore_errors=True)
    DIST.mkdir()
    for name, content in files.items():
        (DIST / name).write_bytes(content)
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    listed = "".join(f"{sums[name]}  {name}\n" for name in sorted(sums))
    (DIST / "SHA256SUMS").write_text(listed)
    print(listed, end="")
    return 0


def changes(changelog: str, version: str) -> str:
    """Give what the changelog says of a version; before it is released, what will be said.

    Raises:
        SystemExit: it says nothing.
    """
    sections: dict[str, str] = dict(_SECTION.findall(changelog))
    if version not in sections:
        print(f"release: {version} is not in CHANGELOG.md yet: Unreleased is", file=sys.stderr)
    text = sections.get(version, sections.get("Unreleased", "")).strip()
    if not text:
        raise SystemExit(f"release: CHANGELOG.md says nothing of {version}")
    return f"{text}\n"


def _build(folder: Path, version: str) -> dict[str, bytes]:
    """Build everything in a folder, and give the files."""
    source, built = folder / "source", folder / "dist"
    folder.mkdir()
    _run("git", "archive", "--output", f"{folder}/source.tar", "HEAD")
    with tarfile.open(folder / "source.tar") as tar:
        tar.extractall(source, filter="data")
    for project, locked in LOCKED.items():
        _run(sys.executable, "-m", "hatchling", "build", "-d", str(built), of=source / project)
        told = tomllib.loads((source / project / "pyproject.toml").read_text())
        _write_bill(
            source, project, locked, built / f"{told['project']['name']}-{version}.cdx.json"
        )
    return {path.name: path.read_bytes() for path in sorted(built.iterdir())}


def _write_bill(source: Path, project: str, locked: str, bill: Path) -> None:
    options = ["--output-reproducible", "--output-format=JSON", f"--output-file={bill}"]
    about = ["--mc-type=application", f"--pyproject={source / project / 'pyproject.toml'}"]
    requirements = str(source / "requirements" / f"{locked}.txt")
    _run(str(TOOLS / "cyclonedx-py"), "requirements", *about, *options, requirements, of=source)


def _committed(name: str) -> str:
    return _run("git", "show", f"HEAD:{name}")


def _run(*command: str, of: Path = ROOT) -> str:
    # What is built carries the time of the commit, and no other.
    moment = {"SOURCE_DATE_EPOCH": _moment()} if of != ROOT else {}
    done = subprocess.run(
        command, cwd=of, capture_output=True, text=True, check=False, env=os.environ | moment
    )
    if done.returncode:
        raise SystemExit(f"release: {command[0]}: {done.stderr}")
    return done.stdout


def _moment() -> str:
    return _run("git", "log", "-1", "--format=%ct").strip()


if __name__ == "__main__":
    sys.exit(main())
