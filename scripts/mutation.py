"""Break a module in every way that mutmut knows, and list the breakages that no test notices.

A module is broken against the tests that see it at once, not against all: a mutant that only far
tests would notice is a gap in the near ones. What came of it stands in docs/testing.md.
"""

import argparse
import os
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

from mutmut.__main__ import cli
from mutmut.configuration import config

ROOT = Path(__file__).parents[1]
PACKAGE = Path("src") / "electric_agents_exporter"
BESIDE = ("src", "tests", "pyproject.toml")
"""What mutmut copies, or reads, from where it runs."""

NEAR = {
    "alerting/*": ["tests/unit/alerting"],
    "app.py": ["tests/unit/test_app.py", "tests/unit/test_settings_arrive.py"],
    "cli.py": ["tests/unit/cli"],
    "conditions.py": ["tests/unit/test_conditions.py"],
    "contract/wakes.py": ["tests/contract/test_wakes.py"],
    "contract/*": ["tests/contract"],
    "fleet/*": ["tests/unit/fleet"],
    "logs.py": ["tests/unit/cli"],
    "metrics/*": ["tests/unit/metrics"],
    "probe.py": ["tests/unit/test_probe.py"],
    "scheduler.py": ["tests/unit/test_scheduler.py"],
    "service.py": ["tests/unit/test_service.py"],
    "settings/*": [
        "tests/unit/settings",
        "tests/unit/test_settings_arrive.py",
        "--ignore=tests/unit/settings/test_settings_reference.py",
    ],
    "status/*": ["tests/unit/status"],
    "sources/credentials.py": [
        "tests/unit/settings/test_secret_files.py",
        "tests/unit/sources/test_password_command.py",
    ],
    "sources/no_proxy.py": ["tests/unit/sources/test_no_proxy.py"],
    "sources/password_command.py": ["tests/unit/sources/test_password_command.py"],
    "sources/wake_streams.py": ["tests/unit/sources/test_wake_streams.py"],
    "sources/*": ["tests/unit/sources"],
    "terminal.py": ["tests/unit/cli/test_terminal.py"],
    "web/access.py": ["tests/unit/web/test_access.py"],
    "web/guard.py": ["tests/unit/web/test_guard.py"],
    "web/passwords.py": ["tests/unit/web/test_guard.py"],
    "web/*": ["tests/unit/web"],
}
"""The tests of each part; the first that fits is meant."""


def tests_of(module: str) -> list[str]:
    """Give the tests that see a module; an error where nobody has named them."""
    for pattern, tests in NEAR.items():
        if fnmatch(module, pattern):
            return tests
    raise SystemExit(f"{module} is none of {', '.join(NEAR)}")


def work_in(folder: Path) -> None:
    """Go to a folder of the module's own: what mutmut remembers holds for one set of tests."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in BESIDE:
        link = folder / name
        if not link.is_symlink():
            link.symlink_to(ROOT / name)
    os.chdir(folder)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run mutmut over the modules that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("module", help="a path below the package: fleet/poll.py, contract/*")
    parser.add_argument("mutants", nargs="*", help="names or patterns of mutants; all, if none")
    parser.add_argument("--jobs", default="2")
    asked = parser.parse_args(arguments)
    work_in(ROOT / "build" / "mutation" / asked.module.replace("/", "-").replace("*", "all"))
    config().only_mutate = [str(PACKAGE / asked.module)]
    config().pytest_add_cli_args_test_selection = tests_of(asked.module)
    cli(["run", "--max-children", asked.jobs, *asked.mutants], standalone_mode=False)
    cli(["results"])


if __name__ == "__main__":
    main()
