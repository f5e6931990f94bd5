"""Let an exporter read a database with a million claims, and say what that took.

`make claims` starts PostgreSQL and an exporter of its own for each table of claims, and waits until
some polls have ended; `ARGS="NAME..."` reads some, `ARGS=--write` writes docs/reliability.md.
Exit 1 where memory or the time of a poll went beyond its bound.
"""

import argparse
import contextlib
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple
from urllib.request import urlopen

import psycopg

from postgres_cluster import Cluster, postgres_programs
from waiting import until

_ROOT: Final = Path(__file__).parents[2]
_PAGE: Final = _ROOT / "docs/reliability.md"
_BEGIN: Final = "<!-- claims: begin -->"
_END: Final = "<!-- claims: end -->"
_RUNNERS: Final = 1_000
_MILLION: Final = 1_000_000
_POLLS: Final = 4
_INTERVAL: Final = 10
_TIMEOUT: Final = 5
_GRACE: Final = 1.0
"""Seconds after its timeout by which a poll has ended: a database is given that long to say so."""
_MOST_MEMORY: Final = 150
_FLEET: Final = """
INSERT INTO runners (id, owner_principal, label, kind, wake_stream)
SELECT 'runner-' || n, '/principal/user%%3Aowner', 'Runner ' || n, 'server', 'w' || n
  FROM generate_series(1, %(runners)s) AS n;
INSERT INTO runner_runtime_diagnostics (runner_id, last_seen_at, liveness_lease_expires_at)
SELECT 'runner-' || n, now(), now() + interval '1 day' FROM generate_series(1, %(runners)s) AS n;
INSERT INTO entity_dispatch_state (entity_url, active_runner_id, active_consumer_id)
SELECT '/task/' || n, 'runner-' || n, 'c' FROM generate_series(1, %(runners)s) AS n;
INSERT INTO consumer_claims (consumer_id, epoch, entity_url, stream_path, runner_id, status,
  claimed_at, lease_expires_at, updated_at)
SELECT 'w_' || md5(n::text), 1, '/task/' || md5(n::text), '/task/' || md5(n::text) || '/main',
       'runner-' || (1 + n %% %(runners)s), %(status)s, at, at + interval '30 s', at
  FROM generate_series(1, %(claims)s) AS n,
       LATERAL (SELECT now() - %(age)s::interval - n * interval '1 ms' AS at) AS moment
"""


class Table(NamedTuple):
    """What stands in `consumer_claims`: how many claims, which, and since when."""

    name: str
    what: str
    claims: int
    status: str
    age: str


TABLES: Final = (
    Table("ordinary", "2,000 claims are active", 2_000, "active", "0 s"),
    Table("active", "a million claims are active, all of them new", _MILLION, "active", "0 s"),
    Table("leaked", "a million claims of last month are active", _MILLION, "active", "30 days"),
    Table("finished", "a million claims are finished", _MILLION, "released", "30 days"),
    Table("ending", "a million leases end within minutes", _MILLION, "released", "-1 hour"),
)


class Outcome(NamedTuple):
    """What reading came to: the longest poll in seconds, the peak in MB, and what was counted."""

    table: Table
    polls: tuple[float, ...]
    peak: int
    resident: int
    errors: str

    @property
    def is_held(self) -> bool:
        """Whether every bound was kept."""
        return self.peak < _MOST_MEMORY and max(self.polls) <= _TIMEOUT + _GRACE


def main(arguments: Sequence[str]) -> int:
    """Read every table, tell, and give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--write", action="store_true", help="write docs/reliability.md")
    options = parser.parse_args(arguments)
    chosen = [one for one in TABLES if not options.names or one.name in options.names]
    outcomes = [_read(one) for one in chosen]
    if options.write:
        _write(outcomes)
    return int(not all(one.is_held for one in outcomes))


def _read(table: Table) -> Outcome:
    with _database(table) as url, _exporter(url) as (process, address):
        polls: dict[str, float] = {}

        def ended() -> bool:
            text = _scrape(address)
            at = _value(text, "server_last_poll_timestamp_seconds")
            if at:
                polls[at] = float(_value(text, "server_last_poll_duration_seconds"))
            return len(polls) >= _POLLS

        until(ended, "it polls", seconds=_POLLS * 60.0)
        status = Path(f"/proc/{process.pid}/status").read_text()
        peak, resident = (_memory(status, name) for name in ("VmHWM", "VmRSS"))
        outcome = Outcome(table, tuple(polls.values()), peak, resident, _errors(_scrape(address)))
    print(
        f"{'ok ' if outcome.is_held else 'BAD'} {table.name}: peak {peak} MB, then {resident} MB; "
        f"polls {', '.join(f'{one:.2f} s' for one in outcome.polls)}; {outcome.errors}",
        flush=True,
    )
    return outcome


@contextlib.contextmanager
def _database(table: Table) -> Iterator[str]:
    programs = postgres_programs()
    if programs is None:
        sys.exit("PostgreSQL is not here; scripts/tools fetches it")
    with tempfile.TemporaryDirectory() as folder:
        cluster = Cluster(folder, programs)
        cluster.start("shared_buffers=256MB", "max_wal_size=8GB", "synchronous_commit=off")
        try:
            with psycopg.connect(cluster.url(), autocommit=True) as connection:
                connection.execute((_ROOT / "tests/postgres/schema.sql").read_bytes())
                values = {**table._asdict(), "runners": _RUNNERS}
                for statement in (*_FLEET.split(";"), "VACUUM ANALYZE"):
                    psycopg.ClientCursor(connection).execute(statement.encode(), values)
            yield cluster.url()
        finally:
            cluster.stop("immediate")


@contextlib.contextmanager
def _exporter(url: str) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        config, log = Path(folder) / "config.yaml", Path(folder) / "log"
        config.write_text(
            f"listen: 127.0.0.1:0\ntargets: [{{name: db, postgres: '{url}', "
            f"interval: {_INTERVAL}s, timeout: {_TIMEOUT}s}}]\n"
        )
        command = [sys.executable, "-m", "electric_agents_exporter", "--config", str(config)]
        process = stack.enter_context(subprocess.Popen(command, stderr=log.open("wb")))
        stack.callback(process.terminate)
        until(lambda: "msg=serving" in log.read_text(), "it serves")
        (port,) = re.findall(r"address=127.0.0.1:(\d+)", log.read_text())
        yield process, f"http://127.0.0.1:{port}/metrics"


def _scrape(address: str) -> str:
    time.sleep(0.5)
    with urlopen(address, timeout=30) as answer:  # noqa: S310  (our own address)
        return str(answer.read().decode())


def _value(text: str, family: str) -> str:
    found = re.findall(rf"^electric_agents_{family}{{.*}} (\S+)$", text, re.MULTILINE)
    return str(found[0]) if found else ""


def _memory(status: str, name: str) -> int:
    return int(re.findall(rf"{name}:\s+(\d+)", status)[0]) // 1024


def _errors(text: str) -> str:
    errors = r'^electric_agents_server_request_errors_total{.*operation="(.*)",reason="(.*)"} (.*)$'
    counted = [one for one in re.findall(errors, text, re.MULTILINE) if float(one[2])]
    return ", ".join(f"{operation} `{reason}` {count}" for operation, reason, count in counted)


def _write(outcomes: Sequence[Outcome]) -> None:
    lines = [
        "| what stands there | first poll | longest later | peak | then | errors counted |",
        "|---|---|---|---|---|---|",
    ]
    for one in outcomes:
        first, later = one.polls[0], max(one.polls[1:])
        cells = (
            one.table.what,
            f"{first:.1f} s",
            f"{later:.1f} s",
            f"{one.peak} MB",
            f"{one.resident} MB",
            one.errors or "none",
        )
        lines.append(f"| {' | '.join(cells)} |")
    text = _PAGE.read_text()
    before, after = text[: text.index(_BEGIN)], text[text.index(_END) :]
    _PAGE.write_text(f"{before}{_BEGIN}\n\n" + "\n".join(lines) + f"\n\n{after}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
