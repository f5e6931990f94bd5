"""Every query against what there is to ask for: the metric table, the records, Prometheus."""

from collections.abc import Iterator
from typing import Any, Final

import promql_parser as parser
import pytest
import yaml

from alert_values import load as load_values
from electric_agents_exporter.metrics.family import Each, Kind, OneOf
from electric_agents_exporter.metrics.reference import rows
from made_dashboards import BUILT_IN, FOLDER, NAMES, Asked, asked, filled, load, panels
from promql import CHOSEN, Selection, labels, parsed, selections

QUERIES: Final = [asked_one for name in NAMES for asked_one in asked(name)]
SCRAPED: Final = {"job", "instance", "pod"}
ALERT: Final = {"alertname", "alertstate", "severity", "server", "runner_id", "kind", "window"}
RECORDED: Final = {"job", "instance", "server", "runner_id", "kind", "tenure"}
OTHERS: Final = {
    # Prometheus's own.
    "ALERTS": ALERT,
    "ALERTS_FOR_STATE": ALERT,
    "scrape_duration_seconds": set(),
    # Every Python program's.
    "process_cpu_seconds_total": set(),
    "process_resident_memory_bytes": set(),
    "process_start_time_seconds": set(),
}
COUNTED: Final = {"rate", "increase"}
PER_RUNNER: Final = "electric_agents_runner_"

every_query = pytest.mark.parametrize("query", QUERIES, ids=str)


def known() -> Iterator[tuple[str, set[str], Kind]]:
    """Give every metric that can be asked for, with its labels and kind."""
    for _, subject, row in rows():
        all_labels = {*subject, *row.labels}
        if row.kind is Kind.HISTOGRAM:
            for ending in ("_bucket", "_sum", "_count"):
                yield row.name + ending, all_labels | {"le"}, Kind.COUNTER
        else:
            yield row.name, all_labels, row.kind
    for name, names in OTHERS.items():
        yield name, names, Kind.COUNTER if name.endswith("_total") else Kind.GAUGE
    for file in (FOLDER.parent / "alerts" / "rules").glob("*.yaml"):
        for group in yaml.safe_load(file.read_text())["groups"]:
            for rule in group["rules"]:
                if "record" in rule:
                    yield rule["record"], RECORDED, Kind.GAUGE


KNOWN: Final = {name: (names, kind) for name, names, kind in known()}
WORDS: Final = {
    (row.name, row.labels[0]): {word.value for word in row.samples.words}
    for _, _, row in rows()
    if isinstance(row.samples, (OneOf, Each))
}


def selected(query: Asked) -> list[Selection]:
    return list(selections(parsed(query.expr)))


@every_query
def test_a_query_parses_and_asks_for_what_there_is(query: Asked) -> None:
    for selection in selected(query):
        assert selection.name in KNOWN, selection.name


@every_query
def test_a_query_uses_labels_that_there_are(query: Asked) -> None:
    everything = SCRAPED.union(*(names for names, _ in KNOWN.values()))
    assert set(labels(parsed(query.expr))) <= everything
    for selection in selected(query):
        names, _ = KNOWN[selection.name]
        assert {label for label, _, _ in selection.matchers} <= names | SCRAPED


@every_query
def test_a_query_looks_for_words_that_the_contract_has(query: Asked) -> None:
    for selection in selected(query):
        for label, _, value in selection.matchers:
            words = WORDS.get((selection.name, label))
            assert words is None or set(value.split("|")) <= words, (selection.name, label, value)


@every_query
def test_counters_are_counted_and_gauges_are_not(query: Asked) -> None:
    for selection in selected(query):
        _, kind = KNOWN[selection.name]
        counted = selection.function in COUNTED
        if query.label:
            continue  # the values of a label are no numbers
        assert counted == (kind is Kind.COUNTER), selection.name


@every_query
def test_a_window_is_grafanas_or_an_alerts(query: Asked) -> None:
    values = load_values()
    windows = {f"{number:g}" for name in values.alerts for number in values.alert(name).values()}
    grafanas = BUILT_IN["__rate_interval"].removesuffix("s")
    for selection in selected(query):
        if selection.window:
            rate = selection.function == "rate"
            assert selection.window in ({grafanas} if rate else windows), selection.name


@every_query
def test_a_query_keeps_to_the_chosen_job_and_exporter(query: Asked) -> None:
    """Or to alerts of no job, as few of them have; the watchdog is everybody's."""
    for selection in selected(query):
        matchers = {label: value for label, _, value in selection.matchers}
        if selection.name.startswith("ALERTS"):
            watchdog = matchers["alertname"] == "ElectricAgentsWatchdog"
            assert watchdog or matchers["job"] == CHOSEN["job"] + "|"
            continue
        if query.place == "variable job":
            continue
        assert matchers.get("job") == CHOSEN["job"]
        if query.board == "exporter" and query.place != "variable instance":
            recorded_once = ":" in selection.name and "instance:" not in selection.name
            named = query.place == "variable server"
            assert recorded_once or named or matchers.get("instance") == CHOSEN["instance"]


@every_query
def test_two_replicas_say_a_thing_once(query: Asked) -> None:
    """But on the exporter's dashboard, which tells of each replica."""
    if query.board == "exporter" or query.label:
        return
    for selection in selected(query):
        if ":" in selection.name or selection.name.startswith("ALERTS"):
            continue  # recorded and alerted on without the replica
        aggregations = [a for a in selection.aggregations if str(a.op) != "topk"]
        assert aggregations, selection.name
        innermost = aggregations[0]
        assert str(innermost.op) in {"max", "min", "group"}, selection.name
        names = set(innermost.modifier.labels)
        without = innermost.modifier.type == parser.AggModifierType.Without
        assert names == {"instance", "pod"} if without else not names & SCRAPED - {"job"}


@every_query
def test_the_runners_of_a_fleet_are_told_one_by_one_of_the_worst_alone(query: Asked) -> None:
    """Not on the runner's dashboard, which is of one; a variable's values are listed in full."""
    asks = any(selection.name.startswith(PER_RUNNER) for selection in selected(query))
    if query.board == "runner" or query.label or not asks:
        return
    assert limited(parsed(query.expr)), query.expr


def limited(node: Any) -> bool:  # noqa: ANN401  (the parser has no types)
    """Tell whether an expression has no more series than a top of some rows."""
    if isinstance(node, parser.AggregateExpr):
        return str(node.op) in {"topk", "bottomk"} or limited(node.expr)
    if isinstance(node, parser.ParenExpr):
        return limited(node.expr)
    if isinstance(node, parser.Call):
        return any(limited(argument) for argument in node.args)
    if not isinstance(node, parser.BinaryExpr):
        return False
    return limited(node.rhs) if str(node.op) == "and" else limited(node.lhs)


@pytest.mark.parametrize("name", NAMES)
def test_a_legend_names_labels_that_there_are(name: str) -> None:
    everything = SCRAPED.union(*(names for names, _ in KNOWN.values()))
    for panel in panels(load(name)):
        for target in panel["targets"]:
            for part in target.get("legendFormat", "").split("{{")[1:]:
                assert part.partition("}}")[0] in everything


def test_every_metric_of_the_exporters_own_is_on_a_dashboard_or_left_out_with_a_reason() -> None:
    shown = {selection.name for query in QUERIES for selection in selected(query)}
    left_out = {
        "electric_agents_exporter_config_last_reload_success_timestamp_seconds": "since when the "
        "settings are as they are, not whether that is well",
    }
    own = {row.name for title, _, row in rows() if title == "This process"}
    assert own - shown == set(left_out)


def test_a_runners_id_can_be_anything() -> None:
    """But for a backslash and a line break, which Grafana's quoting does not know."""
    odd = 'a "quoted" .* $id / 100%'
    for query in asked("runner"):
        expr = filled(query.expr, {**BUILT_IN, **CHOSEN, "runner": odd})
        for selection in selections(parser.parse(expr)):
            values = {value for label, _, value in selection.matchers if label == "runner_id"}
            assert values <= {odd, ""}
