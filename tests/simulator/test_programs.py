"""The simulator as a program: what it prints, what it shows, how it ends."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from electric_agents_simulator import scenarios
from waiting import PATIENCE, end, unhindered, until

pytestmark = pytest.mark.timeout(600)

SIMULATOR = [sys.executable, "-m", "electric_agents_simulator"]
READY = "simulator ready on "


@contextmanager
def running(*arguments: str) -> Iterator[tuple["subprocess.Popen[str]", httpx.Client]]:
    command = [*SIMULATOR, *arguments, "--listen", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith(READY)
            url = line.removeprefix(READY).strip()
            headers = {"electric-principal": "service:monitor"}
            with httpx.Client(
                base_url=url, headers=headers, trust_env=False, timeout=PATIENCE
            ) as client:
                yield process, client
        finally:
            process.kill()


def reports(client: httpx.Client) -> list[dict[str, Any]]:
    runners = client.get("/_electric/runners").json()
    return [client.get(f"/_electric/runners/{runner['id']}/health").json() for runner in runners]


def listed(client: httpx.Client) -> int:
    headers = [{"electric-principal": owner} for owner in scenarios.principals("demo")]
    return sum(len(client.get("/_electric/runners", headers=who).json()) for who in headers)


def resident_megabytes(process: "subprocess.Popen[str]") -> float:
    status = Path(f"/proc/{process.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_begins_empty_and_ends_at_a_signal(number: signal.Signals) -> None:
    with running("serve") as (process, client):
        assert client.get("/_electric/runners").json() == []
        assert end(process, number) < 2
        assert process.returncode == 0


def test_serve_in_production_refuses_nobody_knows_whom() -> None:
    with running("serve", "--production") as (_, client):
        assert client.get("/_electric/runners").status_code == 200
        response = client.get("/_electric/runners", headers={"electric-principal": ""})
        assert response.status_code == 401


def test_serve_keeps_its_data_in_a_file(tmp_path: Path) -> None:
    for expected in (1, 2):
        with running("serve", "--database", f"sqlite:///{tmp_path / 'agents.db'}") as (_, client):
            client.post("/_electric/runners", json={"id": f"r{expected}", "label": "r"})
            assert len(client.get("/_electric/runners").json()) == expected


def test_the_demo_shows_every_status_within_ten_seconds_and_ends_within_two() -> None:
    begun = time.monotonic()
    with running("demo") as (process, client):

        def shows_all() -> bool:
            fleet = reports(client)
            seen = {report["health"]["status"] for report in fleet}
            worked = sum((report["client"] or {}).get("claims_succeeded", 0) for report in fleet)
            return len(seen) == 3 and worked > 2

        def clock() -> float:
            return unhindered(process.pid)

        until(shows_all, "every status", seconds=begun + 10 - clock(), clock=clock)
        kinds = {runner["kind"] for runner in client.get("/_electric/runners").json()}
        assert kinds == {"local", "cloud-worker", "sandbox", "ci", "server"}
        assert end(process) < 2
        assert process.returncode == 0


def test_a_thousand_runners_fit_in_150_megabytes() -> None:
    with running("demo", "--runners", "1000") as (process, client):
        until(lambda: listed(client) == 1000, "a thousand runners")
        assert resident_megabytes(process) < 150
        assert end(process) < 2
        assert process.returncode == 0


def test_one_runner_is_a_fleet_too() -> None:
    with running("demo", "--runners", "1", "--scenario", "healthy-day") as (_, client):
        assert len(client.get("/_electric/runners").json()) == 1


def test_scenarios_can_be_read_by_programs() -> None:
    command = [*SIMULATOR, "scenarios", "--format", "json"]
    described = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert [scenario["name"] for scenario in described][:2] == ["demo", "healthy-day"]
    assert described[0]["principals"] == list(scenarios.principals("demo"))


def test_what_cannot_be_is_refused_with_a_word() -> None:
    for arguments in (["demo", "--runners", "0"], ["serve", "--listen", "nowhere"]):
        done = subprocess.run([*SIMULATOR, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert "expected" in done.stderr
