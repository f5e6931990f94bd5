"""A real browser, and what it is shown.

Dashboards are drawn of a simulated fleet that the exporter and Prometheus observe.
"""

import json
import os
import shutil
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml
from playwright.sync_api import Browser, expect

import situations
from dashboard_render.browser import find_chromium, open_browser
from dashboard_render.build import is_built
from dashboard_render.page import DashboardPage, open_page
from dashboard_render.serving import serve
from observed_fleet import JOB, ObservedFleet, Story
from waiting import PATIENCE, until

ROOT = Path(__file__).parents[2]
DASHBOARDS = sorted((ROOT / "dashboards").glob("*.json"))
expect.set_options(timeout=PATIENCE * 1000)
REFUSED = {"kind": "status", "status": 401, "route": "list"}


def _needed(what: str, found: object) -> None:
    if not found:
        missing = f"{what} is missing, so nothing is drawn: run `make tools render`"
        assert not os.environ.get("CI"), missing
        pytest.skip(missing)


@pytest.fixture(scope="module")
def chromium() -> Path:
    found = find_chromium()
    _needed("Chromium", found)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def browser(chromium: Path) -> Iterator[Browser]:
    with open_browser(chromium) as opened:
        yield opened


def _impatient(rules: Path, folder: Path) -> Path:
    """Copy alert rules that fire as soon as what they are about is so."""
    groups = yaml.safe_load(rules.read_text())
    for group in groups["groups"]:
        for rule in group["rules"]:
            rule.pop("for", None)
    copy = folder / rules.name
    copy.write_text(yaml.safe_dump(groups))
    return copy


def _has(observed: ObservedFleet, expression: str) -> bool:
    return bool(observed.ask(expression))


def _register(url: str, runner: str) -> None:
    """Register a runner, and let it send a heartbeat with a long lease."""
    headers = {"electric-principal": "service:monitor", "content-type": "application/json"}
    beat = {"lease_ms": 3_600_000, "diagnostics": {"status": "streaming"}}
    for path, body in (
        ("", {"id": runner, "label": runner, "kind": "server"}),
        (f"/{quote(runner, safe='')}/heartbeat", beat),
    ):
        request = urllib.request.Request(  # noqa: S310  (loopback)
            f"{url}/_electric/runners{path}", json.dumps(body).encode(), headers
        )
        urllib.request.urlopen(request, timeout=30).close()  # noqa: S310


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObservedFleet]:
    """Fleets of several jobs: an ordinary one, one with odd ids, and some that cannot be seen."""
    _needed("Prometheus", shutil.which("prometheus"))
    _needed("the page (which needs npm)", is_built())
    copies = tmp_path_factory.mktemp("rules")
    rules = [_impatient(path, copies) for path in sorted((ROOT / "alerts/rules").glob("*.yaml"))]
    stories = (
        Story("production", "demo", 12),
        Story("staging", "healthy-day", 2),
        Story("refusing", "healthy-day", 1),
        Story("odd", "healthy-day", 0, job=situations.ODD),
        *(story for name in situations.BLIND for story in situations.STORIES[name]),
    )
    folder = tmp_path_factory.mktemp("fleet")
    target = {"stale_after": "5s"}
    with ObservedFleet(folder, stories, rules=rules, poll_seconds=1, target=target) as observed:
        observed.trouble("refusing", REFUSED)
        for runner in situations.ODD_IDS:
            _register(observed.simulators["odd"], runner)
        info = f'electric_agents_runner_info{{job="{JOB}"}}'
        until(lambda: len(observed.ask(info)) >= 14, "every runner")
        odd = f'server_runner:electric_agents_runner_state:rank{{job="{situations.ODD}"}}'
        until(lambda: len(observed.ask(odd)) == len(situations.ODD_IDS), "every odd id")
        for name in situations.BLIND:
            listed = f'electric_agents_server_runners_exported{{job="{name}"}} > 0'
            until(partial(_has, observed, listed), f"{name}: runners")
            situations.begin(observed, name)
        for name in situations.BLIND:
            until(partial(situations.has_begun, observed, name), name)
        # A panel asks at a moment that is rounded down: there must have been something by then.
        until(lambda: bool(observed.ask("electric_agents_server_up offset 30s")), "a past")
        yield observed


@pytest.fixture(scope="module")
def served(fleet: ObservedFleet) -> Iterator[str]:
    with serve(DASHBOARDS, fleet.prometheus, "1s") as url:
        yield url


@pytest.fixture
def page(browser: Browser, served: str) -> Iterator[DashboardPage]:
    with open_page(browser, served) as opened:
        yield opened
        assert opened.faults == []
        assert [query for query in opened.queries() if query.error] == []
