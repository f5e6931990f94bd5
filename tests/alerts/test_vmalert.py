"""The rules before VictoriaMetrics: its rule engine takes them, and on it the alerts fire too.

`vmalert-tool` runs rules as vmalert does, over a storage of its own, and takes promtool's test
cases. Its port cannot be chosen, so that one runs at a time on a machine. vmalert sends what a
rule records to the storage on the side, so that the rules after it read it an evaluation later than
in Prometheus: what an alert does comes one later.

`make verify` tries the alerts on work, `make versions` all.
"""

import json
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

import alert_cases
from alert_cases import promtool
from alert_cases.promtool import Case, Check, Query, Sample, content, selector
from programs import Release, program
from rule_files import ALERTS
from waiting import until

pytestmark = pytest.mark.timeout(600)

RULES: Final = sorted((ALERTS / "rules").glob("*.yaml"))
LATER: Final = {"ClaimFailuresHigh": 2, "CredentialsRejected": 2, "DatabaseUnreachable": 2}
"""By how many evaluations, where that is not one: these read records of records."""
SOONER: Final = {
    "ExporterRestarting": "to its `changes` a first sample is a change: a restart fewer will do",
    "RunnerSpinning": "its `rate` is the whole one before the window is full",
}
"""What comes sooner on VictoriaMetrics, and why."""
_EXPONENT: Final = re.compile(r"[\d.]+e[-+]\d+")


def _whole_files() -> Iterator[promtool.TestFile]:
    """Give of every alert the case that has it from before it fires until it ends."""
    for file in alert_cases.test_files():
        cases = tuple(case for case in file.cases if "fires" in _parts(case))
        if cases:
            yield replace(file, cases=cases)


def _parts(case: Case) -> list[str]:
    return case.name.partition(" / ")[2].partition(":")[0].split(", ")


def _marks(file: promtool.TestFile) -> Iterator[pytest.MarkDecorator]:
    if file.rules[:2] != ("server", "work"):
        yield pytest.mark.long
    if file.name in SOONER:
        yield pytest.mark.xfail(reason=SOONER[file.name])


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_vmalert_takes_a_rule_file_as_it_is(path: Path) -> None:
    code, text = _run("vmalert", "-dryRun", f"-rule={path}")

    assert code == 0, text


def test_vmalert_would_refuse_a_rule_that_it_does_not_know(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text((ALERTS / "rules/work.yaml").read_text().replace("keep_firing_for", "hold"))

    code, text = _run("vmalert", "-dryRun", f"-rule={path}")

    assert code
    assert "hold" in text


@pytest.mark.parametrize(
    "file",
    [pytest.param(file, marks=tuple(_marks(file)), id=file.name) for file in _whole_files()],
)
def test_an_alert_comes_on_victoriametrics_an_evaluation_later_at_most(
    file: promtool.TestFile, tmp_path: Path
) -> None:
    late = LATER.get(file.name, 1) * file.step
    cases = tuple(_for_vmalert(case, late) for case in file.cases)
    path = tmp_path / f"{file.name}.json"
    path.write_text(json.dumps(_written(replace(file, cases=cases))))

    with _alone():
        code, text = _run("vmalert-tool", "unittest", f"--files={path}", TMPDIR=str(tmp_path))

    assert code == 0, text


@contextmanager
def _alone() -> Iterator[None]:
    """Hold a name that one process of a network can have, whatever root or folder it is in."""
    with socket.socket(socket.AF_UNIX) as held:
        until(partial(_has, held, "\0electric-agents-vmalert-tool"), "others are done", 500)
        yield


def _has(held: socket.socket, name: str) -> bool:
    with suppress(OSError):
        held.bind(name)
        return True
    return False


def _run(name: str, *arguments: str, **environment: str) -> tuple[int, str]:
    binary = program(name, Release.NEWER)
    done = subprocess.run(
        [binary, *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def _for_vmalert(case: Case, late: float) -> Case:
    """Ask the same of what fires, once it has begun so many seconds later."""
    return replace(case, checks=(), queries=tuple(_within(_firing(case), late)))


def _firing(case: Case) -> list[Query]:
    """Give every check and query of what fires as queries, in the order of time."""
    checks = (_query(check) for check in case.checks)
    return sorted((*checks, *case.queries), key=lambda query: query.seconds)


def _query(check: Check) -> Query:
    own = {"alertname": check.name, "alertstate": "firing"}
    samples = (Sample(selector("ALERTS", **own, **alert.labels), 1) for alert in check.alerts)
    return Query(selector("ALERTS", **own), check.seconds, tuple(samples))


def _within(queries: list[Query], late: float) -> Iterator[Query]:
    begun = False
    for query in queries:
        begun = begun or bool(query.samples)
        fires = query.expression
        if query.samples:
            fires = f"last_over_time({fires}[{late + 1:.0f}s])"
        yield Query(
            # vmalert names the group of an alert as well.
            f"max without (alertgroup) ({fires})",
            query.seconds + (late if begun else 0),
            tuple(Sample(one.series.removeprefix("ALERTS"), 1) for one in query.samples),
        )


def _written(file: promtool.TestFile) -> dict[str, Any]:
    """Give what vmalert-tool is to read of a file.

    It calls queries by another name, and takes an exponent for the step of a series.
    """
    given = content(file)
    for test in given["tests"]:
        test["metricsql_expr_test"] = test.pop("promql_expr_test")
        for series in test["input_series"]:
            series["values"] = _EXPONENT.sub(_decimal, series["values"])
    return given


def _decimal(found: re.Match[str]) -> str:
    return f"{float(found[0]):.15f}"
