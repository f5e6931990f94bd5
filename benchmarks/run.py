"""Measure everything, write build/bench.json, and with --write the table in docs/performance.md.

Every row has its counterpart in the same run; trust ratios, not seconds. `--small` proves in a
minute that all of it works, on fleets too small to say anything.
"""

import argparse
import importlib
import os
import platform
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from measure import Comparison

ROOT = Path(__file__).parents[1]
REPORT = ROOT / "build" / "bench.json"
PAGE = ROOT / "docs" / "performance.md"

PARTS = {
    # module: (fleet sizes, how often), in full and small
    "exposition": (((1_000, 15), (10_000, 7), (50_000, 3)), ((50, 1),)),
    "go_encoder": (((10_000, 7), (50_000, 3)), ((50, 1),)),
    "http_poll": (((1_000, 5), (10_000, 3), (50_000, 1)), ((50, 1),)),
    "postgres": (((1_000, 5), (10_000, 5), (50_000, 3)), ((50, 1),)),
    "serving": (((10_000, 15),), ((50, 1),)),
    "status_page": (((10_000, 15),), ((50, 2),)),
    "under_prometheus": (((10_000, 120),), ((50, 20),)),
}

SECTIONS = {
    "measured": [name for name in PARTS if name != "under_prometheus"],
    "rules": ["under_prometheus"],
}
"""Tables of the page, by the word in their marks: the parts that each is of."""


def main() -> int:
    """Measure; each part in a process of its own, so that none pays for another's memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="only prove that it works")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    parser.add_argument("--long", action="store_true", help="ten minutes under Prometheus")
    parser.add_argument("--only", choices=SECTIONS, help="one table of the page")
    parser.add_argument("--part", nargs=3, metavar=("MODULE", "RUNNERS", "TIMES"))
    options = parser.parse_args()
    if options.part:
        name, count, times = options.part
        rows = importlib.import_module(name).measure(int(count), int(times))
        sys.stdout.buffer.write(msgspec.json.encode(list(rows)))
        return 0
    sections = [options.only] if options.only else list(SECTIONS)
    found = {name: _measured(name, small=options.small, long=options.long) for name in sections}
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=2))
    print(f"written: {REPORT.relative_to(ROOT)}")
    if options.write:
        for name, comparisons in found.items():
            _write_section(name, comparisons)
    return 0


def _measured(section: str, *, small: bool, long: bool) -> list[Comparison]:
    comparisons: list[Comparison] = []
    for name in SECTIONS[section]:
        for count, times in PARTS[name][small]:
            longer = long and name == "under_prometheus"
            measured = _measure(name, count, 600 if longer else times)
            for row in measured:
                print(_line(row), flush=True)
            comparisons += measured
    return comparisons


def _measure(name: str, count: int, times: int) -> list[Comparison]:
    command = [sys.executable, __file__, "--part", name, str(count), str(times)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    return msgspec.json.decode(output, type=list[Comparison])


def _line(row: Comparison) -> str:
    theirs = "" if row.theirs is None else f"  theirs {row.theirs:.4g}  {_ratio(row)}"
    return f"{row.name}: {row.ours:.4g} {row.unit}{theirs}"


def _write_section(name: str, comparisons: Iterable[Comparison]) -> None:
    """Put a table between its marks of the page."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    lines = [
        f"Measured on {datetime.now(UTC):%Y-%m-%d}: {_machine()}.",
        "",
        "| what | ours | theirs | ratio | goal | against |",
        "|---|---|---|---|---|---|",
    ]
    lines += [_row(row) for row in comparisons]
    before, _, rest = PAGE.read_text().partition(begin)
    after = rest.partition(end)[2]
    PAGE.write_text("".join((before, begin, "\n", "\n".join(lines), "\n", end, after)))


def _row(row: Comparison) -> str:
    theirs = "" if row.theirs is None else f"{row.theirs:.4g} {row.unit}"
    ratio = "" if row.ratio is None else f"**{_ratio(row)}**"
    goal = ""
    if row.goal is not None:
        goal = f"{row.goal:g}x" if row.ratio is not None else f"{row.goal:g} {row.unit}"
        goal += " ✓" if row.met else " ✗"
    return (
        f"| {row.name} | {row.ours:.4g} {row.unit} | {theirs} | {ratio} | {goal} | {row.against} |"
    )


def _ratio(row: Comparison) -> str:
    return "" if row.ratio is None else f"{row.ratio:.{1 if row.ratio >= 1 else 2}f}x"


def _machine() -> str:
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return (
        f"{os.cpu_count()} cores of {cpu}, {platform.system()}, Python {platform.python_version()}"
    )


if __name__ == "__main__":
    sys.exit(main())
