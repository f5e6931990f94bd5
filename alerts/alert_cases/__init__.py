"""The unit tests of the rules, told as stories: for each rule a world in which it fires.

A guard's case is the same world with one thing changed. `make generate` writes the stories out for
`promtool test rules` into alerts/tests; what an alert says word for word is in messages.yaml.
"""

from alert_cases import exporter, fleet, records, runner, runner_claims, server, slo
from alert_cases.promtool import TestFile, render

FOLDER = "tests"


def test_files() -> tuple[TestFile, ...]:
    """Give every file of tests."""
    return (
        *records.files(),
        *exporter.files(),
        *server.files(),
        *runner.files(),
        *runner_claims.files(),
        *fleet.files(),
        *slo.files(),
    )


def generated() -> dict[str, str]:
    """Give every file that is made here, by its path under `alerts/`."""
    return {f"{FOLDER}/{file.name}.yaml": render(file) for file in test_files()}
