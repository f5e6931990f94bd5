"""Cases of the alerts on work that waits or is lost."""

from collections.abc import Iterator
from typing import Final

from alert_cases.input_series import Runner
from alert_cases.promtool import Case, TestFile
from alert_cases.runner_cases import RULES, ConditionCases
from alert_cases.signals import MINUTE

_ALIVE: Final = Runner(at_work=1, silent=4, unheard=0, waits=0)


def _abandoned() -> Iterator[Case]:
    gone = Runner(last_seen=-70, at_work=3, silent=lambda now: 70 + now)
    yield from ConditionCases(
        "WorkAbandoned (critical)", "work_abandoned", gone, 30, "critical", hold=5 * MINUTE
    ).cases()


def files() -> Iterator[TestFile]:
    """Give the files of test cases."""
    for name, cases in {
        "WorkAbandoned": _abandoned,
    }.items():
        yield TestFile(name, RULES, tuple(cases()))
