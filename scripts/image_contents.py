"""Say what an image holds on top of its base, and how much; with --write in docs/deployment.md.

Standard library only: it is run before anything is set up.
"""

import argparse
import csv
import re
import sys
from dataclasses import dataclass
from email import message_from_string
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs/deployment.md"
BEGIN: Final = "<!-- image: begin -->"
END: Final = "<!-- image: end -->"
PLACE: Final = "opt/exporter"
"""Where the Dockerfile puts all that is on top of the base."""

_SMALL: Final = 400_000
"""Bytes. What is smaller is counted together."""

_MEGABYTE: Final = 1e6


@dataclass(frozen=True)
class Package:
    """A distribution in the image, and how many bytes its files have, compiled ones too."""

    name: str
    version: str
    summary: str
    size: int


def main() -> int:
    """Print the table, or write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, help="the image's file system")
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.relative_to(ROOT)}")
    options = parser.parse_args()
    place = options.root / PLACE
    text = table(packages(place), size(place))
    if options.write:
        before, _, rest = PAGE.read_text().partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{rest.partition(END)[2]}")
    print(text)
    return 0


def size(path: Path) -> int:
    """Give how many bytes the files in a folder have."""
    files = path.rglob("*")
    return sum(each.lstat().st_size for each in files if each.is_file() and not each.is_symlink())


def packages(place: Path) -> list[Package]:
    """Find the distributions of a virtual environment, the largest first."""
    (site,) = place.glob("lib/python*/site-packages")
    found = []
    for folder in site.glob("*.dist-info"):
        told = message_from_string((folder / "METADATA").read_text())
        owned = {site / row[0] for row in csv.reader((folder / "RECORD").read_text().splitlines())}
        owned |= {compiled for path in owned for compiled in _compiled(path)}
        sizes = [path.lstat().st_size for path in owned if path.is_file()]
        found.append(Package(told["Name"], told["Version"], told["Summary"] or "", sum(sizes)))
    return sorted(found, key=lambda each: -each.size)


def _compiled(path: Path) -> list[Path]:
    if path.suffix != ".py":
        return []
    return [*(path.parent / "__pycache__").glob(f"{path.stem}.*.pyc")]


def table(found: list[Package], together: int) -> str:
    """Write what is there as Markdown."""
    large = [each for each in found if each.size >= _SMALL]
    small = sorted(each.name for each in found if each.size < _SMALL)
    rest = together - sum(each.size for each in large)
    rows = [
        f"| {each.name} | {each.version} | {each.size / _MEGABYTE:.1f} | {_plain(each.summary)} |"
        for each in large
    ]
    return "\n".join(
        [
            f"{together / _MEGABYTE:.0f} MB on top of the base, in {len(found)} packages:",
            "",
            "| package | version | MB | what it calls itself |",
            "|---|---|---|---|",
            *rows,
            f"| {len(small)} more |  | {rest / _MEGABYTE:.1f} | {', '.join(small)} |",
            "",
        ]
    )


def _plain(summary: str) -> str:
    return re.sub(r"[|<>`]", "", summary).strip()


if __name__ == "__main__":
    sys.exit(main())
