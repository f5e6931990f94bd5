"""A real browser, and what it is shown.

Dashboards are drawn of a simulated fleet that the exporter and Prometheus observe.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import Browser, expect

from dashboard_render.browser import find_chromium, open_browser
from dashboard_render.build import is_built
from dashboard_render.page import DashboardPage, open_page
from dashboard_render.serving import serve
from observed_fleet import ObservedFleet, Story
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


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObservedFleet]:
    """Two servers with runners, and one that refuses our credentials."""
    _needed("Prometheus", shutil.which("prometheus"))
    copies = tmp_path_factory.mktemp("rules")
    rules = [_impatient(path, copies) for path in sorted((ROOT / "alerts/rules").glob("*.yaml"))]
    stories = (
        Story("production", "demo", 12),
        Story("staging", "healthy-day", 2),
        Story("refusing", "healthy-day", 1),
    )
    folder = tmp_path_factory.mktemp("fleet")
    with ObservedFleet(folder, stories, rules=rules, poll_seconds=1) as observed:
        observed.trouble("refusing", REFUSED)
        until(lambda: len(observed.ask("electric_agents_runner_info")) >= 14, "every runner")
        # A panel asks at a moment that is rounded down: there must have been something by then.
        until(lambda: bool(observed.ask("electric_agents_server_up offset 30s")), "a past")
        yield observed


@pytest.fixture(scope="module")
def served(fleet: ObservedFleet) -> Iterator[str]:
    _needed("the page (which needs npm)", is_built())
    with serve(DASHBOARDS, fleet.prometheus, "1s") as url:
        yield url


@pytest.fixture
def page(browser: Browser, served: str) -> Iterator[DashboardPage]:
    with open_page(browser, served) as opened:
        yield opened
        assert opened.faults == []
        assert [query for query in opened.queries() if query.error] == []
