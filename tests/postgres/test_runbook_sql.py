"""The statements of the alerts' runbooks, on the tables that they are for."""

import re
import time
from pathlib import Path
from typing import Final

import pytest
from tests.postgres.conftest import Database

RUNBOOKS: Final = Path(__file__).parents[2] / "alerts/runbooks"
HOUR: Final = 3_600


def statements(name: str) -> list[str]:
    text = (RUNBOOKS / f"{name}.md").read_text()
    return re.findall(r"^```sql\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def active(database: Database) -> set[str]:
    found = database.execute("SELECT consumer_id FROM consumer_claims WHERE status = 'active'")
    return {consumer for (consumer,) in found}


@pytest.mark.parametrize(
    "name, number",
    [
        (path.stem, number)
        for path in sorted(RUNBOOKS.iterdir())
        for number in range(len(statements(path.stem)))
    ],
)
def test_a_statement_of_a_runbook_can_be_pasted(name: str, number: int, database: Database) -> None:
    database.execute(statements(name)[number])


def test_clearing_up_ends_what_leaked_and_nothing_else(database: Database) -> None:
    now = time.time()
    database.claim("leaked", "RUNNER", at=now - 3 * HOUR, heartbeat=now - 2 * HOUR)
    database.claim("leaked-unheard", "RUNNER", at=now - 2 * HOUR)
    database.claim("dispatched-by", "RUNNER", at=now - 2 * HOUR)
    database.claim("young", "RUNNER", at=now - 2 * HOUR, heartbeat=now - 60)
    database.claim("newest", "RUNNER", at=now - 1.5 * HOUR)
    database.claim("alone", "RUNNER", stream="/task/2/main", at=now - 9 * HOUR)
    database.claim("another's", "other", at=now - 9 * HOUR)
    database.claim("tenant's", "RUNNER", at=now - 9 * HOUR, tenant="acme")
    database.dispatch("/task/1", "RUNNER", active="dispatched-by")
    everything = active(database)

    _, update = statements("ClaimsLeaking")
    database.execute(update)

    assert everything - active(database) == {"leaked", "leaked-unheard"}


def test_what_dead_runners_hold_is_listed_and_what_is_alive_is_not(database: Database) -> None:
    now = time.time()
    for runner_id, lease in (("dead", now - 60), ("alive", now + 60)):
        database.add_runner(runner_id)
        database.heartbeat(runner_id, lease=lease)
        database.claim(f"of-{runner_id}", runner_id)
    (select,) = statements("WorkAbandoned")
    assert [row[0] for row in database.execute(select)] == ["dead"]


def test_a_principal_with_a_typing_error_stands_out(database: Database) -> None:
    database.add_runner("one", owner="/principal/service%3Amonitr")
    database.add_runner("two", owner="/principal/service%3Amonitr")
    database.add_runner("three", owner="/principal/service%3Amonitor")
    (select,) = statements("RunnersVanished")
    assert [row[:2] for row in database.execute(select)] == [
        ("/principal/service%3Amonitr", 2),
        ("/principal/service%3Amonitor", 1),
    ]
