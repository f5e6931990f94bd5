"""What is not seen, said as such: a panel that judges is never well while it is blind.

A judging query always has an answer. Where the answer would be good and too little is seen to say
so, it is one of the codes below 0, each with a word and a colour of its own. What is seen to be bad
is bad however little else is seen.
"""

from typing import Final

from electric_agents_dashboards.query_builder import BY_SERVER, QueryBuilder
from electric_agents_dashboards.theme import DISABLED, UNKNOWN, MappedValue

BLIND_FROM: Final = 0.1
"""From which share of runners without a fresh report on nothing is called good."""

NOT_ALL_KNOWN: Final = MappedValue(-1, "not all known", UNKNOWN)
SERVER_DOWN: Final = MappedValue(-2, "server down", UNKNOWN)
NO_DATA_YET: Final = MappedValue(-3, "no data yet", UNKNOWN)
NO_RULES: Final = MappedValue(-4, "rules not loaded", UNKNOWN)
NO_RUNNERS: Final = MappedValue(-5, "no runners", DISABLED)
NO_EXPORTER: Final = MappedValue(-9, "no exporter", UNKNOWN)
LAST_OF_ADDRESS: Final = "&_=%"
"""Ends an address that holds somebody's free text. From 13.2 on Grafana decodes an address before
it is followed, and an `&` in a runner's id would end the id; what cannot be decoded is left
alone."""
UNSEEN: Final = (
    NOT_ALL_KNOWN,
    SERVER_DOWN,
    NO_DATA_YET,
    NO_RULES,
    NO_RUNNERS,
    NO_EXPORTER,
)
"""Why a number is not there, for `value_mappings`."""


def up(promql: QueryBuilder) -> str:
    """Give 1 or 0 for every server; one that a shard cannot reach is down."""
    return f"min {BY_SERVER} ({promql.deduplicate('electric_agents_server_up')})"


def watched(promql: QueryBuilder) -> str:
    """Count the runners of each server that are watched, whatever is known of them."""
    return f"sum {BY_SERVER} ({promql.deduplicate('electric_agents_server_runners_exported')})"


def unknown(promql: QueryBuilder) -> str:
    """Count each server's runners of which no replica has a fresh report."""
    metric, condition = "electric_agents_runners_with_condition", 'condition="unknown"'
    return f"sum {BY_SERVER} ({promql.agreed(metric, condition)})"


def blind(promql: QueryBuilder) -> str:
    """Give a value for every server of whose runners too many are unknown."""
    return f"group {BY_SERVER} ({unknown(promql)} >= {BLIND_FROM} * {watched(promql)} > 0)"


def seen(promql: QueryBuilder) -> str:
    """Give a value where enough is seen to call something good: all servers, and most runners."""
    few = f"(sum({unknown(promql)}) < {BLIND_FROM} * sum({watched(promql)}))"
    return f"(group({few}) and on () (min({up(promql)}) == 1))"


def judged(promql: QueryBuilder, expr: str, *, record: bool = False) -> str:
    """Make a count of what is bad a query that always says something.

    Args:
        promql: for what the variables choose.
        expr: one value without labels; more is worse, and 0 is good.
        record: whether it is made of what the rules record.
    """
    return "\nor ".join(
        (f"({expr}) > 0", f"({expr}) and on () {seen(promql)}", unseen(promql, record=record))
    )


def unseen(promql: QueryBuilder, *, record: bool = False) -> str:
    """Give the code of why there is no answer."""
    exporter = promql.exporters("electric_agents_exporter_build_info")
    all_up = f"min({up(promql)}) == 1"
    reasons = [
        f"{NO_RUNNERS.code} * group(sum({watched(promql)}) == 0 and on () ({all_up}))",
        f"{SERVER_DOWN.code} * group({up(promql)} == 0)",
        f"{NO_RULES.code} * group({seen(promql)})" if record else "",
        f"{NOT_ALL_KNOWN.code} * group({up(promql)})",
        f"{NO_DATA_YET.code} * group({exporter})",
        f"vector({NO_EXPORTER.code})",
    ]
    return "\nor ".join(filter(None, reasons))
