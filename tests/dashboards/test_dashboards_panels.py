"""What every dashboard and panel must have: Grafana's dashboard linter, restated, and more.

Left out of its rules: `template-instance` and `target-instance` on all dashboards but the
exporter's, as they tell of fleets, and replicas of an exporter are aggregated away.
"""

import re
from collections.abc import Iterator
from itertools import combinations
from typing import Any
from urllib.parse import parse_qs, urlsplit

import promql_parser as parser
import pytest
import yaml
from grafana_foundation_sdk.models.dashboard import Panel

from alert_values import Duration
from alert_values import load as load_values
from checks import every_panel
from electric_agents_dashboards import output, sight, states, theme
from electric_agents_exporter import conditions
from electric_agents_exporter.conditions import Condition
from electric_agents_exporter.contract.vocabulary import (
    ClaimResult,
    ClientStatus,
    HealthStatus,
    Issue,
    LivenessStatus,
)
from made_dashboards import BUILT_IN, FOLDER, NAMES, load, panels, variables

COLUMNS = 24
DRAWN_EVERYWHERE = {"stat", "timeseries", "table", "bargauge", "state-timeline"}
GRAFANA_FILLS = {*BUILT_IN, "__url_time_range", "__all_variables", "__data", "__field"}
each_dashboard = pytest.mark.parametrize("name", NAMES)


@each_dashboard
def test_a_dashboard_has_the_settings_that_all_have(name: str) -> None:
    board = load(name)
    assert board["uid"] == f"electric-agents-{name}"
    assert board["tags"] == ["electric-agents"]
    assert board["timezone"] == "browser"
    assert board["editable"] is False
    assert board["refresh"] == "30s"
    assert board["graphTooltip"] == 1
    assert board["schemaVersion"] == 39
    assert board["description"].endswith("?")
    assert "id" not in board
    assert "__inputs" not in board


@each_dashboard
def test_a_dashboard_leads_to_the_others_for_the_same_time_and_choice(name: str) -> None:
    (link,) = load(name)["links"]
    assert link["type"] == "dashboards"
    assert link["tags"] == ["electric-agents"]
    assert link["keepTime"] is True
    assert link["includeVars"] is True


@each_dashboard
def test_links_and_annotations_are_not_hidden_in_a_menu(name: str) -> None:
    board = load(name)
    assert all("placement" not in shown for shown in board["links"] + board["annotations"]["list"])


@each_dashboard
def test_variables_are_called_as_on_every_dashboard_and_in_alerts(name: str) -> None:
    expected = {
        "fleet": ["datasource", "job", "cluster", "server", "tenant"],
        "runner": ["datasource", "job", "cluster", "server", "tenant", "like", "runner"],
        "slo": ["datasource", "job", "cluster", "server", "tenant"],
        "exporter": ["datasource", "job", "cluster", "instance", "server", "tenant"],
        "wall": ["datasource", "job", "cluster", "server", "tenant"],
    }
    assert [v["name"] for v in load(name)["templating"]["list"]] == expected[name]


@each_dashboard
def test_the_first_variable_is_the_datasource_and_all_others_ask_it(name: str) -> None:
    first, *others = load(name)["templating"]["list"]
    assert (first["type"], first["query"], first["label"]) == (
        "datasource",
        "prometheus",
        "Data source",
    )
    for variable in others:
        assert variable["description"]
        assert variable["label"]
        if variable["type"] == "textbox":
            # What a link alone sets.
            assert (variable["query"], variable["hide"]) == (".+", 2)
            continue
        assert variable["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert variable["refresh"] == 2, "a longer time range may know more values"
        if name == "runner" and variable["name"] != "job":
            # Of two servers with a runner of one id it is one's.
            assert not variable["multi"]
        else:
            assert variable["multi"]
            assert variable["includeAll"]
            # Hardly any series has a tenant, or a cluster.
            rare = variable["name"] in {"tenant", "cluster"}
            assert variable["allValue"] == (".*" if rare else ".+")
            assert variable["current"] == {
                "selected": True,
                "text": ["All"],
                "value": ["$__all"],
            }


@each_dashboard
def test_everything_asks_the_chosen_datasource(name: str) -> None:
    board = load(name)
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    for panel in panels(board):
        assert panel["datasource"] == chosen
        assert all(target["datasource"] == chosen for target in panel["targets"])
    for annotation in board["annotations"]["list"]:
        assert annotation["datasource"] == chosen
        assert annotation["target"]["datasource"] == chosen


@each_dashboard
def test_only_variables_that_exist_are_used(name: str) -> None:
    board = load(name)
    known = {variable["name"] for variable in board["templating"]["list"]} | GRAFANA_FILLS
    assert variables(str(board)) - {"__all"} <= known


@each_dashboard
def test_firing_alerts_and_restarts_are_marked(name: str) -> None:
    marks = {mark["name"]: mark for mark in load(name)["annotations"]["list"]}
    assert set(marks) == {"Firing alerts", "Runner restarts"}
    assert all(mark["enable"] and mark["titleFormat"] for mark in marks.values())
    assert 'alertstate="firing"' in marks["Firing alerts"]["target"]["expr"]
    assert 'severity!~"info|none"' in marks["Firing alerts"]["target"]["expr"]
    assert "client_restarts_total" in marks["Runner restarts"]["target"]["expr"]


@each_dashboard
def test_panels_have_ids_of_their_own_and_do_not_overlap(name: str) -> None:
    everything = load(name)["panels"]
    ids = [panel["id"] for panel in everything]
    assert len(set(ids)) == len(ids)
    titles = [panel["title"] for panel in everything if panel["type"] == "row"]
    assert len(set(titles)) == len(titles)
    for panel in everything:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= COLUMNS
    for one, other in combinations([panel["gridPos"] for panel in everything], 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        apart = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or apart, (one, other)


@every_panel
def test_a_panel_answers_a_question(panel: dict[str, Any]) -> Iterator[str]:
    if "?" not in panel["description"]:
        yield "its description asks no question"
    if len(panel["description"]) <= len(panel["title"]) + 20:
        yield "its description says no more than its title: say what to conclude"


@every_panel
def test_a_panel_is_of_a_kind_that_every_grafana_draws(panel: dict[str, Any]) -> Iterator[str]:
    if panel["type"] not in DRAWN_EVERYWHERE:
        yield f"of type {panel['type']}, which tools/dashboard-render does not draw"
    if not panel["options"]:
        yield "it leaves its options to Grafana"


@every_panel
def test_a_panel_has_a_unit_or_words_and_a_word_for_no_data(
    panel: dict[str, Any],
) -> Iterator[str]:
    defaults = panel["fieldConfig"]["defaults"]
    if not (defaults.get("unit") or defaults["mappings"]):
        yield "it has neither a unit nor mappings"
    if not defaults.get("noValue"):
        yield "no_value does not say what no data means"


@every_panel
def test_a_panels_queries_have_names_and_are_made_once(panel: dict[str, Any]) -> Iterator[str]:
    targets = panel["targets"]
    if len({target["refId"] for target in targets} - {""}) != len(targets) or not targets:
        yield "its queries have no refId of their own"
    # A tile with a line behind its number shows all of the line.
    at_the_end = panel["type"] in {"stat", "table", "bargauge"} and "timeFrom" not in panel
    for target in targets:
        if (target["instant"], target["range"]) != (at_the_end, not at_the_end):
            yield f"{target['refId']}: a {panel['type']} shows {'the end' if at_the_end else 'all'}"
        if panel["type"] == "table" and target["format"] != "table":
            yield f"{target['refId']}: a table's query has the format table"
        if panel["type"] != "table" and not target.get("legendFormat"):
            yield f"{target['refId']}: its series have no name: give the query a legend"


@every_panel
def test_overrides_by_name_are_of_a_series_that_can_be_there(
    panel: dict[str, Any],
) -> Iterator[str]:
    legends = {target.get("legendFormat", "") for target in panel["targets"]}
    open_ended = any("{{" in legend for legend in legends)
    fields = set()
    for change in panel.get("transformations", []):
        fields |= set(change["options"].get("renameByName", {}))
    made = "".join(target["expr"] for target in panel["targets"])
    fields |= {label for label in MADE_FOR_LINKS if f'"{label}"' in made}
    for override in panel["fieldConfig"]["overrides"]:
        name = override["matcher"]["options"]
        named = override["matcher"]["id"] == "byName"
        if named and not open_ended and name not in legends | fields:
            yield f"an override is of {name}, which no query is called"


MADE_FOR_LINKS = ("chosen", "chosen_by", "cut")


def thresholds(panel: dict[str, Any]) -> Iterator[dict[str, Any]]:
    config = panel["fieldConfig"]
    yield config["defaults"]["thresholds"]
    for override in config["overrides"]:
        for prop in override["properties"]:
            if prop["id"] == "thresholds":
                yield prop["value"]


def numbers_of_alerts() -> set[float]:
    """Give every number that an alert compares with, and what is left of 1 without it."""
    values = load_values()
    of_alerts = [number for name in values.alerts for number in values.alert(name).values()]
    plain = {number for number in of_alerts if isinstance(number, float | int)}
    return {
        *plain,
        *(1 - number for number in plain),
        *(promise.objective for promise in (values.slo.work, values.slo.dispatch)),
        *(burn.factor for burn in values.slo.burns),
    }


THRESHOLD_NUMBERS = numbers_of_alerts() | {
    *(0, 1),
    *(conditions.Thresholds().stuck_after, conditions.Thresholds().unheard_after),
    1 - sight.BLIND_FROM,
}
"""And from when on the exporter itself judges, and the dashboards that enough is seen."""


@every_panel
def test_thresholds_are_those_of_the_alerts_or_between_none_and_any(
    panel: dict[str, Any],
) -> Iterator[str]:
    for config in thresholds(panel):
        first, *steps = config["steps"]
        if first["value"] is not None:
            yield "its first colour is not of everything"
        for step in steps:
            if step["value"] not in THRESHOLD_NUMBERS:
                yield f"a threshold is {step['value']}: take a number of alerts/values.yaml"
            if step["color"] == first["color"]:
                yield f"its colour does not change at {step['value']}"


THRESHOLDS = (
    ("alerts.RunnerUnhealthy.for", "runner", "Heartbeat"),
    ("alerts.RunnerUnhealthy.for", "fleet", "Longest without a heartbeat"),
    ("alerts.ReconnectStorm.reconnects", "runner", "Reconnects within 15m"),
    ("alerts.ClaimFailuresHigh.ratio", "runner", "Claims that succeed, 15m"),
    ("alerts.ClaimFailuresHigh.ratio", "fleet", "Claims that succeed, 15m"),
    ("alerts.ExporterDataStale.intervals", "exporter", "Age of the data"),
    ("alerts.ClockSkew.seconds", "exporter", "Clock offset"),
    ("slo.work.objective", "slo", "Work, 30d"),
    ("slo.dispatch.objective", "slo", "Dispatch, 30d"),
)


@pytest.mark.parametrize("override", dict.fromkeys(override for override, _, _ in THRESHOLDS))
def test_a_threshold_follows_the_alerts_values(override: str) -> None:
    text = "500ms" if override.endswith(".for") else "0.5"
    changed = output.dashboards(load_values(overrides={override: text}))
    for _, name, title in (each for each in THRESHOLDS if each[0] == override):
        config, *_ = (
            panel.field_config
            for panel in changed[name].panels or []
            if isinstance(panel, Panel) and panel.title == title
        )
        assert config is not None
        assert config.defaults.thresholds is not None
        assert 0.5 in [step.value for step in config.defaults.thresholds.steps], title


def test_windows_follow_the_alerts_values() -> None:
    values = load_values(overrides={"alerts.ReconnectStorm.window": "17m"})
    text = output.files(values)["runner.json"]
    assert "Reconnects within 17m" in text
    assert "[17m]" in text
    assert Duration(17 * 60) == values.number("ReconnectStorm", "window")


def mapped(panel: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give every word that a number of a panel is shown as, with its colour."""
    config = panel["fieldConfig"]
    found = [config["defaults"]["mappings"]]
    for override in config["overrides"]:
        found += [prop["value"] for prop in override["properties"] if prop["id"] == "mappings"]
    for mappings in found:
        for mapping in mappings:
            if mapping["type"] == "value":
                yield from mapping["options"].values()


NO_NEWS = {"disabled": theme.DISABLED, "away": theme.AWAY, "offline": theme.AWAY}


@every_panel
def test_what_is_disabled_or_away_is_never_red(panel: dict[str, Any]) -> Iterator[str]:
    for word in mapped(panel):
        if not word["text"]:
            yield "a number is mapped to no text"
        color = NO_NEWS.get(word["text"], word["color"])
        if word["color"] != color:
            yield f"{word['text']} is on purpose or no news: its colour is {color} everywhere"


@every_panel
def test_a_tile_without_a_value_does_not_look_well(panel: dict[str, Any]) -> Iterator[str]:
    """A server that is down has no runners, and "not known" in green would be a lie."""
    if panel["type"] != "stat" or panel["options"]["textMode"] == "name":
        return
    defaults = panel["fieldConfig"]["defaults"]
    special = [each["options"] for each in defaults["mappings"] if each["type"] == "special"]
    result = {"text": defaults["noValue"], "color": theme.DISABLED, "index": 99}
    if special != [{"match": "null", "result": result}]:
        yield "without a value it has the colour of 0: make it with stat_panel"


def goods(panel: dict[str, Any]) -> bool:
    """Tell whether a panel can be green."""
    words = any(word["color"] == theme.GOOD for word in mapped(panel))
    steps = (step for config in thresholds(panel) for step in config["steps"])
    return words or any(step["color"] == theme.GOOD for step in steps)


@every_panel
def test_a_tile_is_green_only_where_enough_is_seen(panel: dict[str, Any]) -> Iterator[str]:
    """Of a runner by itself nothing is shown where nothing is known; there is no share of it."""
    own = any("${runner:raw}" in target["expr"] for target in panel["targets"])
    if panel["type"] != "stat" or own or not goods(panel):
        return
    first, *_ = panel["targets"]
    if " and on () (group(" not in first["expr"].replace("\n", " ").replace("(>= ", ""):
        yield "it is good whatever is seen: make its query with sight.judged or sight.seen"
    optional = panel["fieldConfig"]["defaults"]["noValue"] == "not measured"
    if "vector(-9)" not in first["expr"] and not optional:
        yield "where nothing is seen it has no answer: end its query with sight.unseen"
    said = {word["text"] for word in mapped(panel)}
    if missing := {word.text for word in sight.UNSEEN} - said:
        yield f"it has no words for {missing}"


@every_panel
def test_what_is_not_seen_is_never_green(panel: dict[str, Any]) -> Iterator[str]:
    unseen = {word.text for word in (*sight.UNSEEN, *states.UNLISTED)}
    for word in mapped(panel):
        if word["text"] in unseen and word["color"] == theme.GOOD:
            yield f"{word['text']} is green"


def luminance(color: str) -> float:
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_good_warning_and_bad_differ_in_lightness_and_not_in_hue_alone() -> None:
    for one, other in combinations([theme.GOOD, theme.WARNING, theme.BAD], 2):
        darker, lighter = sorted([luminance(one), luminance(other)])
        assert (lighter + 0.05) / (darker + 0.05) > 1.5, (one, other)


def test_every_word_of_the_contract_has_a_code_of_its_own() -> None:
    for known, vocabulary in (
        (states.HEALTH, HealthStatus),
        (states.LIVENESS, LivenessStatus),
        (states.CLIENT, ClientStatus),
        (states.CLAIM, ClaimResult),
        (states.ISSUES, Issue),
    ):
        assert {word.text for word in known} == {w.value for w in vocabulary}
        assert len({word.code for word in known}) == len(known)
    assert len({word.code for word in states.STATES}) == len(states.STATES)
    assert set(states.CONDITIONS) == {condition.value for condition in Condition}


def leads_to(url: str) -> tuple[str, dict[str, list[str]]]:
    """Give a link's dashboard, by its short name, and its parameters."""
    parts = urlsplit(url)
    match = re.fullmatch(r"/d/electric-agents-(\w+)", parts.path)
    assert match, url
    assert match[1] in NAMES
    return match[1], parse_qs(parts.query, keep_blank_values=True)


def urls(value: Any) -> Iterator[str]:  # noqa: ANN401
    if isinstance(value, dict):
        yield from (value["url"] for _ in [0] if str(value.get("url", "")).startswith("/d/"))
        for child in value.values():
            yield from urls(child)
    if isinstance(value, list):
        for child in value:
            yield from urls(child)


@every_panel
def test_a_link_from_a_value_leads_where_there_is_something_and_keeps_the_time(
    panel: dict[str, Any],
) -> Iterator[str]:
    for url in urls(panel):
        target, parameters = leads_to(url)
        if "${__url_time_range}" not in url:
            yield f"{url} forgets the time"
        if "viewPanel" in parameters:
            alone = {str(each["id"]): each["type"] for each in panels(load(target))}
            if alone.get(parameters["viewPanel"][0]) not in {"table", "state-timeline"}:
                yield f"{url} leads to no list"
            continue
        if "${datasource:queryparam}" not in url:
            yield f"{url} forgets the data source"
        # What cannot be decoded is not decoded by Grafana 13.2, which would do so once too often.
        if not url.endswith("&_=%"):
            yield f"{url} does not end as an address with free text must: sight.LAST_OF_ADDRESS"
        for name, (value,) in parameters.items():
            if name.startswith("var-") and ":percentencode}" not in value:
                yield f"{url}: {name} is not encoded"


def linked(name: str, target: str) -> set[str]:
    """Give the panels of a dashboard that lead to another one."""
    return {
        panel["title"]
        for panel in panels(load(name))
        if any(leads_to(url)[0] == target and "viewPanel" not in url for url in urls(panel))
    }


def test_lists_of_runners_lead_to_the_runner_and_those_of_servers_to_their_polling() -> None:
    assert linked("fleet", "runner") == {
        "Runners",
        "Who waits, and for whom",
        "States of the worst runners",
        "Longest without a heartbeat",
    }
    assert linked("fleet", "exporter") == {"Servers"}


def test_every_tile_that_judges_leads_to_its_list() -> None:
    for name in ("fleet", "slo", "wall"):
        for panel in panels(load(name)):
            if panel["type"] == "stat" and goods(panel):
                assert any("viewPanel" in url for url in urls(panel)), (name, panel["title"])


def landings() -> Iterator[tuple[str, str]]:
    """Give every alert's links to dashboards, both of one that depends on a label."""
    for file in (FOLDER.parent / "alerts" / "rules").glob("*.yaml"):
        for group in yaml.safe_load(file.read_text())["groups"]:
            for rule in group["rules"]:
                if "alert" in rule:
                    url = rule["annotations"]["dashboard_url"]
                    choice = re.compile(r"\{\{ if .*?\}\}(.*)\{\{ else \}\}(.*)\{\{ end \}\}")
                    for branch in (r"\1", r"\2") if choice.search(url) else ("",):
                        chosen = choice.sub(branch, url)
                        yield rule["alert"], re.sub(r"\{\{.*?\}\}", "X", chosen)


def test_every_alert_lands_on_a_dashboard_that_is_there_with_variables_that_it_has() -> None:
    landed = set()
    for alert, url in landings():
        parts = urlsplit(url)
        name = parts.path.removeprefix("/d/electric-agents-")
        assert name in NAMES, alert
        known = {f"var-{variable['name']}" for variable in load(name)["templating"]["list"]}
        assert set(parse_qs(parts.query)) <= known | {"from", "to"}, alert
        landed.add(name)
    assert landed == set(NAMES) - {"wall"}


def test_the_worst_comes_first_on_the_fleet() -> None:
    titles = [panel["title"] for panel in panels(load("fleet"))]
    order = [
        "Work waits",
        "Oldest wake",
        "Abandoned",
        "Refused",
        "Listed",
        "Available",
        "Not known",
        "Servers down",
        "Data age",
        "Who waits, and for whom",
        "Firing alerts",
        "Servers",
        "Runners",
    ]
    assert sorted(order, key=titles.index) == order
    assert titles[0] == "Work waits"
    (table,) = [panel for panel in panels(load("fleet")) if panel["title"] == "Runners"]
    assert table["options"]["sortBy"] == [{"displayName": "State", "desc": True}]
    worst = max(states.STATES, key=lambda word: word.code)
    assert worst is states.WORK_WAITS


def test_the_wall_has_four_numbers_and_one_timeline() -> None:
    kinds = [panel["type"] for panel in panels(load("wall"))]
    assert kinds == ["stat"] * 4 + ["state-timeline"]


@each_dashboard
def test_no_two_places_of_a_dashboard_ask_under_one_name(name: str) -> None:
    shown = [f"{panel['title']} {panel['gridPos']}" for panel in panels(load(name))]
    assert len(set(shown)) == len(shown)


def branches(node: Any) -> Iterator[Any]:  # noqa: ANN401  (the parser has no types)
    """Give what stands between the `or`s of an expression."""
    if isinstance(node, parser.BinaryExpr) and str(node.op) == "or":
        yield from branches(node.lhs)
        yield from branches(node.rhs)
    else:
        yield node


def recorded_states() -> Iterator[int]:
    """Give every number that a runner's state is recorded as."""
    for file in (FOLDER.parent / "alerts" / "rules").glob("*.yaml"):
        for group in yaml.safe_load(file.read_text())["groups"]:
            for rule in group["rules"]:
                if rule.get("record") == states.RANK:
                    for branch in branches(parser.parse(rule["expr"])):
                        yield int(branch.lhs.val)


def test_every_state_that_is_recorded_has_words_and_none_else() -> None:
    assert {word.code for word in states.STATES} == set(recorded_states())
