"""Tells at the end how many examples each target was tried with."""

from collections.abc import Iterator

import pytest


def _told(reporter: pytest.TerminalReporter) -> Iterator[str]:
    for outcome in ("passed", "failed"):
        for report in reporter.getreports(outcome):
            examples = dict(report.user_properties).get("examples")
            if examples is not None:
                yield f"{report.nodeid}: {examples:,} examples, {outcome}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write a line of each."""
    for line in _told(terminalreporter):
        terminalreporter.write_line(line)
