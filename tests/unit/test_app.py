"""The wiring: an exporter as one object, made of settings."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import FakeClock

from electric_agents_exporter.app import Exporter
from electric_agents_exporter.contract.reading import read_list
from electric_agents_exporter.fleet.poll import Poll
from electric_agents_exporter.fleet.reasons import Skip
from electric_agents_exporter.metrics.formats import Format
from electric_agents_exporter.settings.loading import load
from electric_agents_exporter.settings.model import Settings

LOADED = """
import json, sys
from electric_agents_exporter.app import Exporter
from electric_agents_exporter.settings import loading
Exporter(loading.load(None, {"targets": [json.loads(sys.argv[1])]}, {}))
print(*sorted({"aiohttp", "psycopg"} & sys.modules.keys()))
"""


@pytest.mark.parametrize(
    "target, client",
    [
        ({"url": "http://127.0.0.1:1", "principals": ["service:monitor"]}, "aiohttp"),
        ({"postgres": "postgresql://db/agents"}, "psycopg"),
    ],
)
def test_only_the_client_that_a_target_needs_is_loaded(
    target: dict[str, object], client: str
) -> None:
    command = [sys.executable, "-c", LOADED, json.dumps({"name": "one", **target})]
    loaded = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert loaded.split() == [client]


def target(name: str, **more: object) -> dict[str, object]:
    """Describe a target that nobody serves."""
    return {"name": name, "url": "http://127.0.0.1:1", "principals": ["service:monitor"], **more}


def settings(*targets: dict[str, object], **more: Any) -> Settings:  # noqa: ANN401
    return load(None, {"targets": list(targets), **more}, {})


async def scraped(exporter: Exporter) -> str:
    return b"".join(await exporter.scraper.scrape(Format.TEXT)).decode()


async def test_a_target_that_stays_keeps_its_poller_and_what_is_known_of_it(
    clock: FakeClock,
) -> None:
    exporter = Exporter(settings(target("one"), target("two")), clock)
    poller, known = exporter.pollers["one"], exporter.fleet.targets["one"]
    exporter.configure(settings(target("one", interval="20s"), target("three")))
    assert exporter.pollers["one"] is poller
    assert exporter.fleet.targets["one"] is known
    assert set(exporter.fleet.targets) == set(exporter.pollers) == {"one", "three"}
    assert exporter.intervals() == {
        "one": (poller, 20.0),
        "three": (exporter.pollers["three"], 15.0),
    }


async def test_a_target_whose_settings_change_is_asked_as_they_say_from_the_next_poll_on(
    clock: FakeClock, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("secret")
    exporter = Exporter(settings(target("one")), clock)
    poller, known = exporter.pollers["one"], exporter.fleet.targets["one"]
    changed_at = []
    for more in ({}, {"bearer_token_file": str(token)}):
        exporter.configure(settings(target("one", **more)))
        await poller.poll(paced=False)
        changed_at.append(known.credential_changed_at)
    assert changed_at == [None, token.stat().st_mtime]
    await exporter.aclose()


@pytest.mark.parametrize("more, misfires", [({}, 3), ({"timeout": "2s"}, 0)])
async def test_settings_that_change_nothing_of_a_target_leave_its_polls_alone(
    more: dict[str, object], misfires: int, clock: FakeClock
) -> None:
    exporter = Exporter(settings(target("one")), clock)
    await exporter.pollers["one"].tick()
    # A target that is asked in another way begins anew, and has missed nothing.
    exporter.configure(settings(target("one", **more), target("two")))
    clock.advance(60)
    await exporter.pollers["one"].tick()
    skipped = exporter.fleet.targets["one"].snapshot(0).requests.skipped
    assert skipped[Skip.MISFIRE] == misfires
    await exporter.aclose()


async def test_metrics_are_thinned_out_as_the_newest_settings_say(clock: FakeClock) -> None:
    exporter = Exporter(settings(target("one")), clock)
    poll = Poll(exporter.fleet.targets["one"])
    poll.listed("service:monitor", read_list(b'[{"id": "a"}]'))
    poll.due()
    poll.end()
    assert "electric_agents_runner_condition{" in await scraped(exporter)
    exporter.configure(settings(target("one"), metrics={"per_runner": False}))
    assert "electric_agents_runner_condition{" not in await scraped(exporter)


async def test_an_exposition_tells_of_this_process_too(clock: FakeClock) -> None:
    exposition = await scraped(Exporter(settings(target("one")), clock))
    assert "\nprocess_cpu_seconds_total " in exposition
    assert "\npython_info{" in exposition
    assert "\nelectric_agents_exporter_build_info{" in exposition


async def test_when_the_scheduler_ticked_and_settings_were_read_is_noted(clock: FakeClock) -> None:
    exporter = Exporter(settings(target("one")), clock)
    assert (exporter.process.reloaded_at, exporter.process.ticked_at) == (clock.time(), None)
    clock.advance(7)
    exporter.tick()
    assert exporter.process.ticked_at == clock.time()
    clock.advance(7)
    exporter.configure(settings(target("one")))
    assert exporter.process.reloaded_at == clock.time()


SENDING = {"urls": ["http://127.0.0.1:1"]}


def told(exporter: Exporter) -> set[str]:
    assert exporter.alerts is not None
    return {alert.labels["alertname"] for alert in exporter.alerts.alerts()}


async def test_alerts_are_evaluated_after_every_tick_once_they_are_wanted(clock: FakeClock) -> None:
    exporter = Exporter(settings(target("one"), alertmanager=SENDING), clock)
    exporter.fleet.targets["one"].clock_offset = 60.0
    poll = Poll(exporter.fleet.targets["one"])
    poll.end()
    exporter.fleet.targets["one"].clock_offset = 60.0
    exporter.pollers["one"].overrun()
    assert "ElectricAgentsClockSkew" in told(exporter)


async def test_alerts_come_and_go_with_the_settings(clock: FakeClock) -> None:
    exporter = Exporter(settings(target("one")), clock)
    exporter.start()
    seen = [exporter.alerts]
    for given in (SENDING, {**SENDING, "labels": {"cluster": "eu"}}, None):
        wanted = {} if given is None else {"alertmanager": given}
        exporter.configure(settings(target("one"), **wanted))
        seen.append(exporter.alerts)
    before, first, second, after = seen
    assert (before, after) == (None, None)
    assert first is second
    assert first is not None
    await exporter.aclose()


async def test_what_the_settings_say_of_alerts_arrives_where_they_are_made(
    clock: FakeClock,
) -> None:
    async with asyncio.timeout(10):
        given = {**SENDING, "labels": {"cluster": "eu"}}
        exporter = Exporter(settings(target("one"), alertmanager=given), clock)
        exporter.start()
        while not told(exporter):
            await asyncio.sleep(0)
        await exporter.aclose()
    assert exporter.alerts is not None
    assert {alert.labels["cluster"] for alert in exporter.alerts.alerts()} == {"eu"}
