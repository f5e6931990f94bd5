"""What a person does with the dashboards: looks, filters, clicks, and sees what fires."""

import json
import re
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Error, Locator, expect

from dashboard_render.page import DashboardPage, open_page
from dashboard_render.serving import serve
from observed_fleet import ObservedFleet
from waiting import until

pytestmark = pytest.mark.timeout(600)

RECENT = {"from": "now-5m", "to": "now"}
DASHBOARDS = ("exporter", "fleet", "runner", "slo")
GREEN, GREY = "rgb(47, 158, 119)", "rgb(125, 143, 169)"


def parameters(page: DashboardPage) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.page.url).query)


def panel(page: DashboardPage, title: str) -> Locator:
    return page.page.get_by_role("region", name=title, exact=True)


def choose(page: DashboardPage, variable: str, value: str) -> None:
    page.page.get_by_label(variable, exact=True).click()
    page.page.get_by_role("option", name=value, exact=True).click()
    # A choice of several counts when it is left.
    page.page.keyboard.press("Tab")
    page.settle()


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboard_is_drawn_without_a_fault_on_a_narrow_screen(
    browser: Browser, served: str, name: str
) -> None:
    with open_page(browser, served, width=900) as page:
        page.open(f"electric-agents-{name}", {**RECENT, "theme": "light"})
        assert page.faults == []
        assert [query for query in page.queries() if query.error] == []
        assert any(query.samples for query in page.queries())


def test_a_click_on_a_row_of_the_fleet_leads_to_that_runner(page: DashboardPage) -> None:
    page.open("electric-agents-fleet", RECENT)
    panel(page, "Runners").get_by_role("link", name="deaf-0", exact=True).click()
    page.page.wait_for_url("**/d/electric-agents-runner?**")
    page.settle()
    assert parameters(page)["var-runner"] == ["deaf-0"]
    assert parameters(page)["var-server"] == ["production"]
    assert parameters(page)["from"] == ["now-5m"]
    asked = [query.expr for query in page.queries() if query.panel == "State"]
    assert asked
    assert all('runner_id="deaf-0"' in expr for expr in asked)
    expect(panel(page, "State")).to_contain_text("deaf or stuck")


def test_the_variables_filter_what_is_shown(page: DashboardPage) -> None:
    page.open("electric-agents-fleet", RECENT)
    rows = panel(page, "Runners").get_by_role("row")
    expect(rows.filter(has_text="staging")).to_have_count(2)
    expect(rows.filter(has_text="production")).not_to_have_count(0)
    choose(page, "Server", "staging")
    assert parameters(page)["var-server"] == ["staging"]
    expect(rows.filter(has_text="staging")).to_have_count(2)
    expect(rows.filter(has_text="production")).to_have_count(0)


def test_a_firing_alert_shows_as_an_annotation_that_can_be_switched_off(
    page: DashboardPage, fleet: ObservedFleet
) -> None:
    def shown() -> bool:
        # The annotations' query looks at whole minutes.
        minute = time.time() // 60 * 60
        firing = (
            'ALERTS{alertname="ElectricAgentsCredentialsRejected",severity="critical",'
            'alertstate="firing"}'
        )
        return bool(fleet.ask(f"{firing} @ {minute}"))

    until(shown, "an alert that fired when the minute began")
    page.open("electric-agents-fleet", RECENT)
    marks = panel(page, "Runners by state").get_by_test_id("annotation")
    # Its ticket, which tells of some credentials, fires beside the page on all of them.
    title = re.compile("ElectricAgentsCredentialsRejected.*critical on refusing", re.DOTALL)
    alert = marks.and_(page.page.get_by_title(title))
    expect(alert).to_have_count(1)
    page.page.get_by_role("switch", name="Firing alerts").click(force=True)
    expect(alert).to_have_count(0)


def test_what_is_not_known_is_grey_and_not_green(page: DashboardPage) -> None:
    page.open("electric-agents-fleet", {**RECENT, "var-server": "nobody"})
    tile = panel(page, "Orphaned claims")
    expect(tile).to_contain_text("not known")
    colors = tile.locator("div").evaluate_all(
        "all => all.map(each => getComputedStyle(each).backgroundColor)"
    )
    assert GREY in colors
    assert GREEN not in colors


def dashboard(**more: object) -> dict[str, object]:
    return {"uid": "odd", "title": "Odd", "time": RECENT, "panels": [], **more}


PLACE = {"x": 0, "y": 0, "w": 12, "h": 8}
UNKNOWN = {
    "panels of type pie": dashboard(
        panels=[{"id": 1, "type": "pie", "title": "Odd", "gridPos": PLACE}]
    ),
    "has 'repeat'": dashboard(
        panels=[{"id": 1, "type": "stat", "title": "Odd", "gridPos": PLACE, "repeat": "server"}]
    ),
    "of a kind not drawn here: adhoc": dashboard(
        templating={"list": [{"name": "odd", "type": "adhoc"}]}
    ),
}


@pytest.mark.parametrize("words", UNKNOWN)
def test_what_cannot_be_drawn_is_refused_and_not_left_out(
    browser: Browser, served: str, tmp_path: Path, words: str
) -> None:
    path = tmp_path / "odd.json"
    path.write_text(json.dumps(UNKNOWN[words]))
    with (
        serve([path], served, "1s") as url,
        open_page(browser, url) as page,
        pytest.raises(Error, match=words),
    ):
        page.open("odd")
