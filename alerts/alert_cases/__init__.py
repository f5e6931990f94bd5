"""The test cases of the rules: for each rule input series with which it fires.

A guard's case has the same input series with one thing changed. Tests write the cases out for
`promtool test rules`, into build/alert-tests. The exact words of each alert are in
messages/.
"""

from alert_cases import claims, exporter, fleet, records, runner, server, slo, work
from alert_cases.promtool import TestFile


def test_files() -> tuple[TestFile, ...]:
    """Give every file of test cases."""
    return (
        *records.files(),
        *exporter.files(),
        *server.files(),
        *work.files(),
        *runner.files(),
        *claims.files(),
        *fleet.files(),
        *slo.files(),
    )
