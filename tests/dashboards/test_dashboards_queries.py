"""Every query against what there is to ask for: the metric table, the records, Prometheus."""

from collections.abc import Iterator
from typing import Any, Final

import promql_parser as parser
import pytest
import yaml

from alert_values import Duration
from alert_values import load as load_values
from checks import every_query
from electric_agents_dashboards import sight
from electric_agents_exporter.conditions import Condition
from electric_agents_exporter.metrics.family import Each, Kind, OneOf, SomeOf
from electric_agents_exporter.metrics.reference import all_families
from made_dashboards import BUILT_IN, FOLDER, NAMES, BoardQuery, interpolated, queries
from promql import CHOSEN, Selection, children, labels, parsed, selections

QUERIES: Final = [query for name in NAMES for query in queries(name)]
VALUES: Final = load_values()
SCRAPED: Final = {"job", "cluster", *VALUES.replica_labels}
ADDED: Final = {"tenant", "shard"}
"""Beside `server`: where a database has several tenants, and where the exporter has shards."""
ALERT: Final = {
    *("alertname", "alertstate", "severity", "layer", "window"),
    *("server", "tenant", "runner_id", "kind"),
}
MADE: Final = {"after", "alert", "of", "chosen", "chosen_by", "cut"}
"""Labels that queries make of others."""
RECORDED: Final = {"job", "instance", "server", "runner_id", "kind"}
OTHERS: Final = {
    # Prometheus's own.
    "ALERTS": ALERT,
    "ALERTS_FOR_STATE": ALERT,
    "up": set(),
    "scrape_duration_seconds": set(),
    # Every Python program's.
    "process_cpu_seconds_total": set(),
    "process_resident_memory_bytes": set(),
    "process_start_time_seconds": set(),
}
COUNTED: Final = {"rate", "increase"}
ALERT_WINDOWS: Final = {
    f"{number:g}"
    for name in VALUES.alerts
    for number in VALUES.alert(name).values()
    if isinstance(number, Duration)
}
RATE_WINDOW: Final = BUILT_IN["__rate_interval"].removesuffix("s")
RECORD_WINDOWS: Final = {RATE_WINDOW, *(f"{window:g}" for window in VALUES.slo.windows)}
"""What a record is looked back over: a step of a graph, or as long as an objective does."""
PROOFS: Final = {
    "electric_agents_exporter_build_info",
    "electric_agents_server_up",
    "electric_agents_runners_with_condition",
    "ALERTS",
}
"""Where one of these is, what would be counted by others of its source is known not to be."""
PER_RUNNER: Final = "electric_agents_runner_"
LEFT_OUT: Final = {
    **dict.fromkeys(
        ("electric_agents_probe_success", "electric_agents_probe_duration_seconds"),
        "of single probes, for who probes: server_up, server_poll_success and "
        "server_last_poll_duration_seconds tell the same of every target",
    ),
    "electric_agents_exporter_config_last_reload_success_timestamp_seconds": "since when the "
    "settings are as they are, not whether that is well",
    "electric_agents_runner_client_diagnostics_present": "the issue no_diagnostics says it",
    "electric_agents_runner_client_last_heartbeat_timestamp_seconds": "by the runner's clock; its "
    "age by the server's is shown",
    "electric_agents_runners_by_owner_kind": "for questions of one's own: who owns the runners",
    "electric_agents_server_last_poll_timestamp_seconds": "the last success is shown, and what "
    "failed since",
}
"""Metrics that no dashboard shows, and why."""


def known() -> Iterator[tuple[str, set[str], Kind]]:
    """Give every metric that can be asked for, with its labels and kind."""
    for _, subject, family in all_families():
        all_labels = {*subject, *family.labels, *(ADDED if subject else ())}
        if family.kind is Kind.HISTOGRAM:
            for ending in ("_bucket", "_sum", "_count"):
                yield family.name + ending, all_labels | {"le"}, Kind.COUNTER
        else:
            yield family.name, all_labels, family.kind
    for name, names in OTHERS.items():
        yield name, names, Kind.COUNTER if name.endswith("_total") else Kind.GAUGE
    for file in (FOLDER.parent / "alerts" / "rules").glob("*.yaml"):
        for group in yaml.safe_load(file.read_text())["groups"]:
            for rule in group["rules"]:
                if "record" in rule:
                    yield rule["record"], RECORDED | ADDED, Kind.GAUGE


KNOWN: Final = {name: (names, kind) for name, names, kind in known()}
EVERY_LABEL: Final = (SCRAPED | MADE).union(*(names for names, _ in KNOWN.values()))
WORDS: Final = {
    (family.name, family.labels[0]): {word.value for word in family.samples.words}
    for _, _, family in all_families()
    if isinstance(family.samples, (OneOf, SomeOf, Each))
} | {
    (f"electric_agents_{whose}_condition", "condition"): {each.value for each in Condition}
    for whose in ("runner", "runners_with")
}


def selected(query: BoardQuery) -> list[Selection]:
    """Give a query's selectors of what is known; one test tells of the others."""
    return [each for each in selections(parsed(query.expr)) if each.name in KNOWN]


@every_query
def test_a_query_parses_and_asks_for_what_there_is(query: BoardQuery) -> Iterator[str]:
    for selection in selections(parsed(query.expr)):
        if selection.name not in KNOWN:
            yield f"{selection.name} is no metric (docs/metrics.md) and no record (alerts/rules)"


@every_query
def test_a_query_uses_labels_that_there_are(query: BoardQuery) -> Iterator[str]:
    for label in set(labels(parsed(query.expr))) - EVERY_LABEL:
        yield f"no series has a label {label}"
    for selection in selected(query):
        names, _ = KNOWN[selection.name]
        for label in {label for label, _, _ in selection.matchers} - names - SCRAPED:
            yield f"{selection.name} has no label {label}"


@every_query
def test_a_query_looks_for_words_that_the_contract_has(query: BoardQuery) -> Iterator[str]:
    for selection in selected(query):
        for label, _, value in selection.matchers:
            words = WORDS.get((selection.name, label))
            if words is not None:
                for word in set(value.split("|")) - words:
                    yield f"{selection.name}: {label} is never {word}"


@every_query
def test_counters_are_counted_and_gauges_are_not(query: BoardQuery) -> Iterator[str]:
    if query.label:
        return  # the values of a label are no numbers
    for selection in selected(query):
        _, kind = KNOWN[selection.name]
        counted = selection.function in COUNTED
        if kind is Kind.COUNTER and not counted:
            yield f"{selection.name} is a counter: take promql.rate or promql.increase of it"
        if kind is not Kind.COUNTER and counted:
            yield f"{selection.name} is a {kind}: only a counter has a rate or an increase"


@every_query
def test_a_window_is_grafanas_or_an_alerts(query: BoardQuery) -> Iterator[str]:
    for selection in selected(query):
        windows = {RATE_WINDOW} if selection.function == "rate" else ALERT_WINDOWS
        if ":" in selection.name:
            windows = RECORD_WINDOWS
        if selection.window and selection.window not in windows:
            yield (
                f"{selection.name} over {selection.window} s: a rate is over "
                "$__rate_interval, an increase over a window of alerts/values.yaml"
            )


@every_query
def test_a_query_keeps_to_the_chosen_job_and_exporter(query: BoardQuery) -> Iterator[str]:
    """Or to alerts of no job, as few of them have; the watchdog is everybody's."""
    for selection in selected(query):
        matchers = {label: value for label, _, value in selection.matchers}
        if selection.name.startswith("ALERTS"):
            watchdog = matchers["alertname"] == "ElectricAgentsWatchdog"
            if not watchdog and matchers.get("job") != CHOSEN["job"] + "|":
                yield 'alerts are matched by job=~"$job|"'
        elif query.place != "variable job":
            yield from outside(query, selection, matchers)


def outside(query: BoardQuery, selection: Selection, matchers: dict[str, str]) -> Iterator[str]:
    if matchers.get("cluster") != CHOSEN["cluster"] and query.place != "variable cluster":
        yield f"{selection.name} is not of the chosen cluster: begin with promql.select"
    if matchers.get("job") != CHOSEN["job"]:
        yield f"{selection.name} is not of the chosen job: begin with promql.select"
    if query.board == "exporter" and query.place != "variable instance":
        recorded_once = ":" in selection.name and "instance:" not in selection.name
        named = query.place in {"variable server", "variable tenant", "variable cluster"}
        chosen = matchers.get("instance") == CHOSEN["instance"]
        if not (recorded_once or named or chosen):
            yield f"{selection.name} is not of the chosen exporter: begin with promql.select"


@every_query
def test_two_replicas_say_a_thing_once(query: BoardQuery) -> Iterator[str]:
    """But on the exporter's dashboard, which tells of each replica."""
    if query.board == "exporter" or query.label:
        return
    for selection in selected(query):
        if ":" in selection.name or selection.name.startswith("ALERTS"):
            continue  # recorded and alerted on without the replica
        if not said_once(selection):
            yield f"{selection.name} of two replicas counts twice: take promql.deduplicate of it"


def said_once(selection: Selection) -> bool:
    """Tell whether the innermost aggregation leaves nothing that tells replicas apart."""
    aggregations = [each for each in selection.aggregations if str(each.op) != "topk"]
    if not aggregations or str(aggregations[0].op) not in {"max", "min", "group"}:
        return False
    modifier = aggregations[0].modifier
    if modifier is None:
        return True  # it is one
    names = set(modifier.labels)
    if modifier.type == parser.AggModifierType.Without:
        return names == set(VALUES.replica_labels)
    return not names & SCRAPED - {"job", "cluster"}


@every_query
def test_the_runners_of_a_fleet_are_told_one_by_one_of_the_worst_alone(
    query: BoardQuery,
) -> Iterator[str]:
    """Not on the runner's dashboard, which is of one; a variable's values are listed in full."""
    asks = any(selection.name.startswith(PER_RUNNER) for selection in selected(query))
    one_runner = query.board == "runner" or query.label
    if asks and not one_runner and not limited(parsed(query.expr)):
        yield "10,000 runners would be 10,000 series: take a topk, or a family of the fleet"


def limited(node: Any) -> bool:  # noqa: ANN401  (the parser has no types)
    """Tell whether an expression has no more series than a top of some rows."""
    if isinstance(node, parser.AggregateExpr):
        few = str(node.op) in {"topk", "bottomk"} or not of_runners(node.modifier)
        return few or limited(node.expr)
    if isinstance(node, parser.ParenExpr):
        return limited(node.expr)
    if isinstance(node, parser.Call):
        return any(limited(argument) for argument in node.args)
    if not isinstance(node, parser.BinaryExpr):
        return False
    left, right = limited(node.lhs), limited(node.rhs)
    return {"or": left and right, "unless": left}.get(str(node.op), left or right)


def of_runners(modifier: Any) -> bool:  # noqa: ANN401  (the parser has no types)
    """Tell whether what is aggregated is still of single runners."""
    if modifier is None:
        return False
    without = modifier.type == parser.AggModifierType.Without
    return ("runner_id" in modifier.labels) is not without


@every_query
def test_what_is_not_known_is_not_made_a_zero(query: BoardQuery) -> Iterator[str]:
    """But where another series of the same source proves that there is nothing to count."""
    for fallback in fallbacks(parsed(query.expr)):
        names = {selection.name for selection in selections(fallback)}
        if fallback.prettify() == f"vector({sight.NO_EXPORTER.code})":
            continue  # that is its word for it
        if not names or (is_zero(fallback) and not names <= PROOFS):
            yield f"without a value it would say {fallback.prettify()}: leave it without one"


def fallbacks(node: Any) -> Iterator[Any]:  # noqa: ANN401  (the parser has no types)
    """Give what stands behind each `or` of an expression."""
    if isinstance(node, parser.BinaryExpr) and str(node.op) == "or":
        yield node.rhs
    for child in children(node):
        yield from fallbacks(child)


def is_zero(node: Any) -> bool:  # noqa: ANN401  (the parser has no types)
    """Tell whether an expression is 0 of whatever series there are."""
    if not isinstance(node, parser.BinaryExpr):
        return False
    picked = any(isinstance(each, parser.BinaryExpr) for each in below(node.rhs))
    return isinstance(node.lhs, parser.NumberLiteral) and node.lhs.val == 0 and not picked


def below(node: Any) -> Iterator[Any]:  # noqa: ANN401  (the parser has no types)
    """Give an expression and all that it is made of."""
    yield node
    for child in children(node):
        yield from below(child)


@every_query
def test_a_legend_names_labels_that_there_are(query: BoardQuery) -> Iterator[str]:
    for part in query.legend.split("{{")[1:]:
        label = part.partition("}}")[0]
        if label not in EVERY_LABEL:
            yield f"its legend names {label}, which no series has"


def test_every_exported_metric_is_on_a_dashboard_or_left_out_with_a_reason() -> None:
    shown = {selection.name for query in QUERIES for selection in selected(query)}
    for _, _, family in all_families():
        if family.kind is Kind.HISTOGRAM and f"{family.name}_bucket" in shown:
            shown.add(family.name)
    families = {family.name for _, _, family in all_families()}
    unseen = families - shown - set(LEFT_OUT)
    assert not unseen, f"on no dashboard: show them, or say in LEFT_OUT why not: {sorted(unseen)}"
    assert not set(LEFT_OUT) & shown, "it is shown: take it out of LEFT_OUT"
    assert set(LEFT_OUT) <= families, "no such metric"


ODD: Final = (
    'a "quoted" .* $id / 100%',
    "DESKTOP-7\\build",
    "C:\\runners\\new",
    "two\nlines",
    "it's",
    "a&b#c+d%26",
)


@pytest.mark.parametrize("odd", ODD)
def test_a_runners_id_can_be_anything(odd: str) -> None:
    """But for a backtick, which ends what stands between two. Prometheus itself is asked elsewhere:
    this parser takes some backslashes between backticks for more than that."""
    for query in queries("runner"):
        expr = interpolated(query.expr, {**BUILT_IN, **CHOSEN, "runner": odd})
        for selection in selections(parser.parse(expr)):
            values = {value for label, _, value in selection.matchers if label == "runner_id"}
            assert values <= {odd, "", CHOSEN["like"]}
