"""What a person does with the dashboards: looks, filters, clicks, and sees what fires."""

import json
import re
import time
from pathlib import Path
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
from playwright.sync_api import Browser, Error, Locator, expect

from dashboard_render.page import DashboardPage, open_page
from dashboard_render.serving import serve
from observed_fleet import JOB, ObservedFleet
from situations import BLIND, ODD, ODD_IDS
from waiting import until

pytestmark = pytest.mark.timeout(600)

RECENT = {"from": "now-5m", "to": "now", "var-job": JOB}
DASHBOARDS = ("exporter", "fleet", "runner", "slo", "wall")
ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "dashboards").glob("*.json"))
GREEN = "rgb(47, 158, 119)"


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
    with open_page(browser, served, width=1024) as page:
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
    assert all("runner_id=`deaf-0`" in expr for expr in asked)
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


def colors(tile: Locator) -> set[str]:
    """Give every background that is drawn in a panel."""
    all_of_it = "all => all.map(each => getComputedStyle(each).backgroundColor)"
    return set(tile.locator("div").evaluate_all(all_of_it))


def tiles(name: str) -> list[str]:
    board = json.loads((ROOT / "dashboards" / f"{name}.json").read_text())
    return [panel["title"] for panel in board["panels"] if panel["type"] == "stat"]


@pytest.mark.parametrize("name", ["fleet", "slo", "wall", "exporter"])
@pytest.mark.parametrize("job", [*BLIND, "nobody"])
def test_no_tile_is_green_where_half_of_a_fleet_or_its_server_cannot_be_seen(
    page: DashboardPage, job: str, name: str
) -> None:
    page.open(f"electric-agents-{name}", {**RECENT, "var-job": job})
    green = [title for title in tiles(name) if GREEN in colors(panel(page, title))]
    assert green == []


def test_a_tile_says_why_it_cannot_tell(page: DashboardPage) -> None:
    for job, words in (
        (BLIND[0], "not all known"),
        (BLIND[1], "server down"),
        ("nobody", "no exporter"),
    ):
        page.open("electric-agents-fleet", {**RECENT, "var-job": job})
        expect(panel(page, "Work waits")).to_contain_text(words)
    expect(panel(page, "Runners")).to_contain_text("no exporter, or no server polled yet")


def test_a_tile_is_green_where_a_whole_fleet_is_seen_and_well(page: DashboardPage) -> None:
    page.open("electric-agents-fleet", {**RECENT, "var-server": "staging"})
    assert GREEN in colors(panel(page, "Work waits"))
    assert GREEN in colors(panel(page, "Abandoned"))


def test_a_runner_without_a_report_is_not_known_in_every_column(page: DashboardPage) -> None:
    def unknown() -> list[list[str]]:
        page.open("electric-agents-fleet", {**RECENT, "var-job": BLIND[0]})
        # As they stand, seen or not: a row may be below the window.
        rows = panel(page, "Runners").get_by_role("row").all()
        cells = [row.get_by_role("gridcell").all_text_contents() for row in rows]
        return [row for row in cells if row and row[0] == "not known"]

    # What rules record of it comes an evaluation later.
    until(lambda: len(unknown()) > 1, "rows of what is not known")
    for _, server, _, *others in unknown():
        assert server == "hazy"
        assert len(others) >= 8
        assert set(others) == {"not known"}


def test_without_rules_the_words_are_other_ones(browser: Browser, fleet: ObservedFleet) -> None:
    with (
        serve(FILES, fleet.without_rules(), "1s") as url,
        open_page(browser, url) as page,
    ):
        until(lambda: "rules not loaded" in drawn(page), "a page of what was scraped")
        assert GREEN not in colors(panel(page, "Available"))
        expect(panel(page, "Runners")).to_contain_text("rules not loaded")


def drawn(page: DashboardPage) -> str:
    """Open the page of the fleet with odd ids, and give what a tile of it says."""
    page.open("electric-agents-fleet", {**RECENT, "var-job": ODD})
    return panel(page, "Available").inner_text()


def test_a_tile_leads_to_the_list_of_what_it_counts(page: DashboardPage) -> None:
    page.open("electric-agents-fleet", RECENT)
    panel(page, "Servers down").get_by_role("link").first.click()
    page.page.wait_for_url("**viewPanel=**")
    page.settle()
    expect(panel(page, "Servers")).to_contain_text("unauthorized")
    expect(panel(page, "Work waits")).to_have_count(0)


# Of the odd ids some that are odd in different ways: each costs a page.
FOLLOWED = ("a&b", "a%26b", "C:\\runners\\new", "tail\\", "two\nlines", 'say "hi"')


def test_an_id_may_be_anything_in_a_link_from_a_list_of_runners(page: DashboardPage) -> None:
    board = json.loads((ROOT / "dashboards" / "fleet.json").read_text())
    (table,) = (str(each["id"]) for each in board["panels"] if each["title"] == "Runners")
    page.open("electric-agents-fleet", {**RECENT, "var-job": ODD, "viewPanel": table})
    # A server that is down for a moment has a row too, of no runner.
    links = panel(page, "Runners").get_by_role("link").filter(has_not_text=re.compile(r"^-$"))
    expect(links).to_have_count(len(ODD_IDS))
    addresses = {link.text_content(): link.get_attribute("href") or "" for link in links.all()}
    assert set(addresses) == set(ODD_IDS)
    for runner, address in addresses.items():
        chosen = parse_qs(urlsplit(address).query)
        if "var-like" in chosen:
            (pattern,) = chosen["var-like"]
            assert [each for each in ODD_IDS if re.fullmatch(pattern, each)] == [runner]
            assert "var-runner" not in chosen
        else:
            assert chosen["var-runner"] == [runner]
    for runner in FOLLOWED:
        page.page.goto(urljoin(page.page.url, addresses[runner]))
        page.settle()
        assert parameters(page)["var-runner"] == [runner]
        (state,) = {query.samples for query in page.queries() if query.panel == "State"}
        assert state == 1, runner
        expect(panel(page, "State")).to_contain_text("no fault")


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
