"""The status page as a person sees it: in Chromium, wide and narrow, dark and light."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import bcrypt
import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Locator, Page, expect
from tests.conftest import FakeClock

from ailing_fleet import HOSTILE, NOON, SHOWN, AilingFleet
from electric_agents_exporter.alerting.alert import Alert, AlertState
from electric_agents_exporter.status.steps import Links
from electric_agents_exporter.web.access import Access
from electric_agents_exporter.web.names import visible
from electric_agents_exporter.web.routes import Served
from status_server import LiveFleet, StatusServer
from waiting import until

pytestmark = pytest.mark.timeout(600)

PHONE, DESK = 390, 1440
LINKS = Links(grafana="https://grafana.test", runbooks="https://books.test")
RUNNER = "/runner?" + urlencode({"target": "production", "id": "unheard"})
PAGES = ("/", RUNNER, "/runner?id=nobody", "/?target=hostile", "/?target=dead&per_page=200")


def alerts() -> list[Alert]:
    labels = {"alertname": "ElectricAgentsWorkUnheard", "severity": "critical", "server": "eu"}
    said = {"summary": "Work waits", "runbook_url": "https://books.test/x"}
    return [
        Alert(labels, said, AlertState.FIRING, NOON - 200, NOON - 100),
        Alert({**labels, "server": "us"}, said, AlertState.PENDING, NOON - 50),
    ]


@pytest.fixture
def ailing() -> AilingFleet:
    return AilingFleet(FakeClock(wall=NOON))


@pytest.fixture
def server(ailing: AilingFleet) -> Iterator[StatusServer]:
    with StatusServer(ailing.fleet, ailing.clock, LINKS, alerts) as serving:
        yield serving


def opened(browser: Browser, **options: Any) -> tuple[Page, list[str]]:  # noqa: ANN401
    """Open a page, and note what goes wrong on it."""
    page = browser.new_context(**options).new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))

    def refuse(dialog: Dialog) -> None:
        faults.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", refuse)

    def note(message: ConsoleMessage) -> None:
        # That an answer is a 404 is no fault of the page.
        if message.type == "error" and "404" not in message.text:
            faults.append(message.text)

    page.on("console", note)
    return page, faults


@pytest.fixture
def page(browser: Browser, server: StatusServer) -> Iterator[Page]:  # noqa: ARG001  (ends later)
    # Closed before the server ends: what it still asks for is answered.
    page, faults = opened(browser, viewport={"width": DESK, "height": 900})
    yield page
    page.context.close()
    assert faults == []


def row(page: Page, runner_id: str) -> Locator:
    link = page.get_by_role("link", name=runner_id, exact=True)
    return page.locator("#rows tbody").get_by_role("row").filter(has=link)


def rows(page: Page) -> list[str]:
    return page.locator("#rows tbody th a").all_inner_texts()


@pytest.mark.parametrize("runner_id, state", SHOWN.items())
def test_each_condition_has_its_row(
    runner_id: str, state: str, page: Page, server: StatusServer
) -> None:
    page.goto(f"{server.url}/?target=production")
    expect(row(page, runner_id)).to_have_count(1)
    expect(row(page, runner_id).get_by_role("cell").first).to_contain_text(state)


def test_the_worst_stand_first_and_the_disabled_last(page: Page, server: StatusServer) -> None:
    page.goto(f"{server.url}/?target=production")
    assert rows(page) == list(SHOWN)


def test_filters_work_in_place_and_stand_in_the_address(page: Page, server: StatusServer) -> None:
    page.goto(server.url)
    page.evaluate("window.stayed = true")
    page.get_by_role("combobox", name="Condition").select_option("deaf")
    page.wait_for_url("**/?condition=deaf")
    expect(page.locator("#rows tbody tr")).to_have_count(2)
    page.get_by_role("combobox", name="Kind").select_option("sandbox")
    expect(page.locator("#rows tbody tr")).to_have_count(1)
    page.get_by_role("combobox", name="Kind").select_option("")
    page.get_by_role("combobox", name="Condition").select_option("")
    page.get_by_role("searchbox", name="Id or label").fill("abandon")
    expect(row(page, "abandoned")).to_have_count(1)
    expect(page.locator("#rows tbody tr")).to_have_count(1)
    page.get_by_role("searchbox", name="Id or label").fill("")
    page.get_by_role("combobox", name="Target").select_option("partly")
    expect(page.locator("#rows tbody tr")).to_have_count(1)
    assert page.evaluate("window.stayed")


def test_a_count_leads_to_those_that_it_counts(page: Page, server: StatusServer) -> None:
    page.goto(server.url)
    page.locator("#states").get_by_role("link", name="2 deaf").click()
    page.wait_for_url("**/?condition=deaf#runners")
    assert rows(page) == ["unheard", "deaf"]
    expect(page.get_by_role("combobox", name="Condition")).to_have_value("deaf")


def test_a_click_on_a_head_sorts_and_another_turns_the_order(
    page: Page, server: StatusServer
) -> None:
    page.goto(f"{server.url}/?target=production")
    page.get_by_role("link", name="Runner", exact=True).click()
    page.wait_for_url("**sort=runner**")
    assert rows(page) == sorted(SHOWN)
    head = page.locator("#rows").get_by_role("columnheader", name="Runner")
    expect(head).to_have_attribute("aria-sort", "ascending")
    head.get_by_role("link").click()
    page.wait_for_url("**order=reverse**")
    assert rows(page) == sorted(SHOWN, reverse=True)


def test_pages_can_be_turned(page: Page, server: StatusServer) -> None:
    page.goto(f"{server.url}/?target=dead")
    seen = set(rows(page))
    page.get_by_role("link", name="Next").click()
    page.wait_for_url("**page=2**")
    assert len(seen | set(rows(page))) == 100


def test_it_works_without_javascript(browser: Browser, server: StatusServer) -> None:
    page, _ = opened(browser, java_script_enabled=False)
    page.goto(server.url)
    page.get_by_role("combobox", name="Condition").select_option("work_refused")
    page.get_by_role("button", name="Show").click()
    assert rows(page) == ["refused"]
    page.get_by_role("link", name="refused", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("refused")
    page.context.close()


@pytest.mark.parametrize("runner_id", HOSTILE)
def test_an_odd_name_is_text_and_leads_to_its_own_page(
    runner_id: str, page: Page, server: StatusServer
) -> None:
    page.goto(f"{server.url}/?target=hostile")
    place = sorted(HOSTILE).index(runner_id)
    page.locator("#rows tbody th a").nth(place).click()
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_have_text(visible(runner_id) or "(empty)")
    assert page.locator("script").count() == 1
    expect(page.locator("#polls")).to_contain_text("it reported")


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("width", [PHONE, DESK])
@pytest.mark.parametrize("path", PAGES)
def test_nothing_keeps_anybody_from_using_it(
    path: str, width: int, theme: str, browser: Browser, server: StatusServer
) -> None:
    viewport = {"width": width, "height": 900}
    page, faults = opened(browser, viewport=viewport, color_scheme=theme)
    page.goto(server.url + path)
    found = Axe().run(page)
    told = [
        (each["id"], [node["html"][:200] for node in each["nodes"][:3]])
        for each in found.response["violations"]
    ]
    page.context.close()
    assert told == []
    assert faults == []


@pytest.mark.parametrize("path", PAGES)
def test_on_a_phone_nothing_is_cut_off_and_no_id_breaks_within_a_word(
    path: str, browser: Browser, server: StatusServer
) -> None:
    page, _ = opened(browser, viewport={"width": PHONE, "height": 844})
    page.goto(server.url + path)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE
    cut = page.evaluate(
        """() => [...document.querySelectorAll("main *")].filter((each) => {
          const box = each.getBoundingClientRect();
          return box.width && box.height && !each.closest("thead") &&
            (box.right > innerWidth + 1 || box.left < -1);
        }).map((each) => each.outerHTML.slice(0, 120))"""
    )
    assert cut == []
    broken = page.evaluate(
        """() => [...document.querySelectorAll("bdi")].flatMap((name) => {
          const broken = [];
          const walk = document.createTreeWalker(name, NodeFilter.SHOW_TEXT);
          for (let text = walk.nextNode(); text; text = walk.nextNode()) {
            if (text.parentElement.closest(".long, code")) continue;
            for (const word of text.data.matchAll(/[\\p{L}\\p{N}]+/gu)) {
              const range = document.createRange();
              range.setStart(text, word.index);
              range.setEnd(text, word.index + word[0].length);
              if (new Set([...range.getClientRects()].map((box) => Math.round(box.top))).size > 1)
                broken.push(word[0]);
            }
          }
          return broken;
        })"""
    )
    page.context.close()
    assert broken == []


def test_it_can_be_used_with_keys_alone_and_keeps_the_focus_when_it_is_renewed(
    page: Page, server: StatusServer, ailing: AilingFleet
) -> None:
    page.goto(f"{server.url}/?target=production")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the content")).to_be_focused()
    link = page.get_by_role("link", name="stuck", exact=True)
    link.focus()
    page.evaluate("window.row = document.activeElement")
    clock = ailing.clock
    assert isinstance(clock, FakeClock)
    server.do(lambda: clock.advance(5))
    expect(row(page, "stuck")).to_contain_text(re.compile("1[56] s ago"))
    assert not page.evaluate("window.row.isConnected")
    expect(link).to_be_focused()


def test_an_exporter_that_is_lost_reads_as_lost_until_it_is_back(
    browser: Browser, server: StatusServer
) -> None:
    # What cannot be loaded is told on the console too.
    page, _ = opened(browser)
    page.goto(server.url)
    lost = page.locator("#lost")
    expect(lost).to_be_hidden()
    server.stop()
    expect(lost).to_contain_text("This exporter does not answer. What is shown is from")
    assert page.locator("main").evaluate("each => getComputedStyle(each).filter") == "grayscale(1)"
    # What was green is not any more, but it is still there to be read.
    expect(page.locator("#verdict")).to_contain_text("1 entity waits for work")
    server.restart()
    expect(lost).to_be_hidden()
    assert page.locator("main").evaluate("each => getComputedStyle(each).filter") == "none"
    page.context.close()


def test_a_runner_that_is_listed_no_more_is_not_shown_as_if_it_were(
    browser: Browser, server: StatusServer, ailing: AilingFleet
) -> None:
    page, _ = opened(browser)
    page.goto(server.url + RUNNER)
    server.do(lambda: ailing.fleet.configure([]))
    expect(page.locator("#lost")).to_contain_text("This runner is not watched any more.")
    page.context.close()


def test_what_is_not_fresh_is_greyed_out(page: Page, server: StatusServer) -> None:
    page.goto(f"{server.url}/?target=production")
    expect(row(page, "silent")).to_have_class(re.compile("stale"))
    expect(row(page, "fine")).not_to_have_class(re.compile("stale"))
    expect(page.locator("#targets tr.stale")).to_have_count(1)


def test_a_runner_that_dies_is_seen_without_a_load_and_scroll_and_filter_stay(
    browser: Browser, tmp_path: Path
) -> None:
    page, faults = opened(browser, viewport={"width": DESK, "height": 400})
    with LiveFleet(tmp_path, "killed-idle", 12, speed=10.0) as live:
        until(lambda: _answers(f"{live.url}/-/ready"), "the first poll")
        page.goto(f"{live.url}/?kind=server")
        page.evaluate("window.stayed = true; window.scrollTo(0, 150)")
        expect(row(page, "absent-0")).to_contain_text("work waits")
        assert page.evaluate("[window.stayed, window.scrollY]") == [True, 150]
        assert page.url.endswith("/?kind=server")
        expect(page.get_by_role("combobox", name="Kind")).to_have_value("server")
        live.exporter.terminate()
        expect(page.locator("#lost")).to_be_visible()
        page.context.close()
    assert [fault for fault in faults if "ERR_CONNECTION" not in fault] == []


def test_it_works_below_a_path_and_behind_a_password(browser: Browser, ailing: AilingFleet) -> None:
    """It renews itself, and every link leads on, without asking for the password again."""
    users = {"alice": bcrypt.hashpw(b"wonderland", bcrypt.gensalt(4))}
    known = {"username": "alice", "password": "wonderland"}
    page, faults = opened(browser, viewport={"width": DESK, "height": 900}, http_credentials=known)

    def change(served: Served) -> Served:
        access = Access(users=users)
        return replace(served, route_prefix="/tools/exporter", access=lambda: access)

    with StatusServer(ailing.fleet, ailing.clock, LINKS, change=change) as server:
        page.goto(server.url)
        page.wait_for_url("**/tools/exporter/")
        page.evaluate("window.stayed = true")
        page.get_by_role("combobox", name="Condition").select_option("deaf")
        page.wait_for_url("**/tools/exporter/?condition=deaf")
        expect(page.locator("#rows tbody tr")).to_have_count(2)
        assert page.evaluate("window.stayed")
        page.get_by_role("link", name="unheard", exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text("unheard")
        page.get_by_role("link", name="All runners").click()
        page.wait_for_url("**/tools/exporter/")
        for name in ("Metrics", "JSON", "Ready"):
            with page.expect_response("**/tools/exporter/**") as answer:
                page.get_by_role("link", name=name, exact=True).click()
            assert answer.value.status in {200, 503}, name
            page.go_back()
        page.context.close()
    assert [fault for fault in faults if "503" not in fault] == []


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).is_success
    except httpx.HTTPError:
        return False
