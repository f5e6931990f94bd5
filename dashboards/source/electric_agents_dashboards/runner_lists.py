"""Runners one by one: the worst of a fleet, and those that somebody waits for."""

import json
from dataclasses import replace
from typing import Final

from grafana_foundation_sdk.models import dashboard

from electric_agents_dashboards import sight, skeleton, states
from electric_agents_dashboards.panels import (
    PanelSpec,
    Query,
    bars_panel,
    data_link,
    timeline_panel,
)
from electric_agents_dashboards.query_builder import (
    BY_RUNNER,
    BY_SERVER,
    ON_RUNNER,
    ON_SERVER,
    SERVER,
    QueryBuilder,
)
from electric_agents_dashboards.tables import Column, table_panel
from electric_agents_dashboards.theme import (
    BAD,
    DISABLED,
    TEXT,
    WARNING,
    MappedValue,
    Thresholds,
    above,
    below,
    value_mappings,
)

TABLE: Final = "Runners"
FOR_WHOM: Final = "Who waits, and for whom"
LISTED: Final = 50
"""Rows of the table of runners."""
WAITING: Final = 20
"""Rows of the table of those that somebody waits for."""
_MORE: Final = "1e9"
"""More than any age: of those whose work is as bad, those come first who have waited longest."""
DRAWN: Final = 15
"""Rows of the timeline of runners."""
_ORDER: Final = "after"
"""The label by which lanes are put in order: it stands before all others by its name."""
_LAST: Final = 20
"""More than any state's code, so that the worst comes first; what is left has two digits."""
POINTS: Final = 60
"""How often the timeline looks: the state of a whole fleet is not cheap to tell."""
NOBODY: Final = "no exporter, or no server polled yet"
_NEVER: Final = MappedValue(-1, "never", TEXT)
_NO_CLAIMS: Final = MappedValue(-1, "no claims", TEXT)
_NO_LEASE: Final = MappedValue(-(10**12), "no lease", TEXT)
"""No lease ended so long ago."""

_VARIABLE: Final = "chosen_by"
_CHOICE: Final = "chosen"
_CUT: Final = "cut"
"""Labels that `chosen` makes: what a link sets and to what, and what it is made of."""
_MADE_FOR_LINKS: Final = (_VARIABLE, _CHOICE, _CUT)
_LOST: Final = r"\\[nrt]"
_SPECIAL: Final = r"\\^$|?*+()\[\]{}"
_SPECIALS: Final = 8
"""How many special characters of an id are replaced; one with more is chosen on the board."""
_KEPT: Final = "${datasource:queryparam}&${job:queryparam}&${__url_time_range}"


def runner_link(labels: str) -> dashboard.DashboardLink:
    """Lead to a runner, keeping the time; `labels` is Grafana's word for those of a value.

    Queries of panels with such links are made by `chosen`.
    """
    chosen = "&".join(
        f"var-{variable}=${{{labels}.{label}:percentencode}}"
        for variable, label in (
            ("cluster", "cluster"),
            ("server", "server"),
            ("tenant", "tenant"),
            (f"${{{labels}.{_VARIABLE}}}", _CHOICE),
        )
    )
    url = f"/d/{skeleton.UID}runner?{chosen}&{_KEPT}{sight.LAST_OF_ADDRESS}"
    return data_link("What happened to this runner", url)


def chosen(expr: str) -> str:
    """Give runners' series two labels more: by which variable a link chooses each, and its value.

    That is the runner's id, but for ids in which a backslash stands before an `n`, `r` or `t`.
    Grafana takes those two out of every link from 13.2 on, for it sanitises addresses with
    `@braintree/sanitize-url` 7.1.2. There it is a pattern of the id: a dot in the place of each
    character that means something to a pattern.
    """
    pattern = _replaced(expr, _CUT, "$1", "runner_id", f"((?s).*{_LOST}.*)")
    for _ in range(_SPECIALS):
        pattern = _replaced(pattern, _CUT, "$1.$2", _CUT, f"(?s)(.*)[{_SPECIAL}](.*)")
    by_id = _replaced(pattern, _CHOICE, "$1", "runner_id", "((?s).*)")
    by_id = _replaced(by_id, _VARIABLE, "runner", "runner_id", "(?s).*")
    left = f"([^{_SPECIAL}]+)"
    by_pattern = _replaced(by_id, _CHOICE, "$1", _CUT, left)
    return _replaced(by_pattern, _VARIABLE, skeleton.LIKE.name, _CUT, left)


def _replaced(expr: str, label: str, by: str, source: str, pattern: str) -> str:
    words = ", ".join(json.dumps(each) for each in (label, by, source, pattern))
    return f"label_replace({expr}, {words})"


ROW_LINK: Final = runner_link("__data.fields")
SERIES_LINK: Final = runner_link("__field.labels")


def of_the_worst(promql: QueryBuilder) -> str:
    """Give the worst runners, and each server of which there is nothing to list, with why."""
    return f"topk({LISTED}, {states.state(promql)} or {unlisted(promql)})"


def unlisted(promql: QueryBuilder, of_runners: QueryBuilder | None = None) -> str:
    """Give the code of why there are no rows of a server's runners, for each such server.

    Args:
        promql: for what the variables choose.
        of_runners: for what is looked up of each runner, where once is to be enough.
    """
    each = of_runners or promql
    up = sight.up(promql)
    exported = f"max {BY_SERVER} ({promql.deduplicate('electric_agents_server_runners_exported')})"
    polled = f"group {BY_SERVER} ({each.select('electric_agents_runner_poll_success')})"
    ranked = f"group {BY_SERVER} ({each.select(states.RANK)})"
    with_some = f"group {BY_SERVER} ({exported} > 0)"
    return "\nor ".join(
        (
            f"{states.SERVER_DOWN.code} + ({up} == 0)",
            f"({states.NO_RULES.code} * {polled} unless {ON_SERVER} {ranked})",
            f"({states.SERIES_OFF.code} * {with_some} unless {ON_SERVER} {polled})",
            f"{states.NO_RUNNERS.code} * group {BY_SERVER} ({exported} == 0)",
        )
    )


def runners_table(promql: QueryBuilder) -> dashboard.Panel:
    """List the worst runners with all that is known of each."""
    worst = f"topk({LISTED}, {states.state(promql)})"
    known = f"({worst} != {states.NOT_KNOWN.code})"

    def of_each(how: str, expr: str) -> str:
        # Few are left before they are put together, which is what costs.
        return f"{how} ({expr}\nand {ON_RUNNER} {worst})"

    highest = f"max {BY_RUNNER}"
    age = promql.select("electric_agents_runner_heartbeat_age_seconds")
    lease = promql.select("electric_agents_runner_lease_expires_timestamp_seconds")
    seen = promql.select("electric_agents_runner_last_seen_timestamp_seconds")
    window = promql.window("ClaimFailuresHigh")
    claims = "electric_agents_runner_claims_total"
    counted = f"and {ON_RUNNER} {known}"
    claimed = of_each(f"sum {BY_RUNNER}", promql.increase(claims, window, 'outcome="claimed"'))
    tried = of_each(f"sum {BY_RUNNER}", promql.increase(claims, window, 'outcome=~"claimed|error"'))
    storm = promql.window("ReconnectStorm")
    number = promql.values.number
    return table_panel(
        PanelSpec(
            title=TABLE,
            description=f"Who is not well, and why? The {LISTED} worst of the fleet; a click on "
            f"an id shows its history. Success is of its claims, within {window} as its reconnects "
            f"are. {states.STATES_EXPLAINED}",
            no_value=NOBODY,
            unit="none",
        ),
        Column(
            title="State",
            query=chosen(of_the_worst(promql)),
            width=120,
            mappings=value_mappings(*states.STATES, *states.UNLISTED),
            filled=True,
        ),
        Column(title="Server", label="server", width=95),
        Column(title="Tenant", label="tenant"),
        Column(title="Cluster", label="cluster"),
        Column(title="Runner", label="runner_id", links=(ROW_LINK,)),
        Column(title="Label", label="label", no_value="not known"),
        Column(
            title="Kind",
            label="kind",
            query=of_each(
                f"group by ({SERVER}, runner_id, kind, label)",
                promql.select("electric_agents_runner_info"),
            ),
            width=100,
            no_value="not known",
        ),
        Column(
            title="Issue",
            query=f"{of_each(highest, f'({states.issue(promql)})')}\nor 0 * {known}",
            width=130,
            mappings=value_mappings(*states.ISSUES, states.NO_ISSUE),
            no_value="not known",
        ),
        Column(
            title="Heartbeat",
            query=f"{of_each(highest, age)}\nor {_NEVER.code} * group {BY_RUNNER} {known}",
            width=85,
            unit="s",
            thresholds=above((number("RunnerUnhealthy", "for"), BAD)),
            mappings=value_mappings(_NEVER),
            no_value="not known",
        ),
        Column(
            title="Lease left",
            query=f"{of_each(highest, f'{lease} - {seen} - {age}')}\n"
            f"or {_NO_LEASE.code} * group {BY_RUNNER} {known}",
            width=85,
            unit="s",
            thresholds=below(0),
            mappings=value_mappings(_NO_LEASE),
            no_value="not known",
        ),
        Column(
            title="Claims",
            query=of_each(highest, promql.select("electric_agents_runner_active_claims")),
            width=80,
            unit="none",
            no_value="not known",
        ),
        Column(
            title="Success",
            query=f"({claimed} / ({tried} > 0) {counted})\n"
            f"or {_NO_CLAIMS.code} * group {BY_RUNNER} {known}",
            width=80,
            unit="percentunit",
            decimals=0,
            thresholds=below(1 - number("ClaimFailuresHigh", "ratio"), WARNING),
            mappings=value_mappings(_NO_CLAIMS),
            no_value="not known",
        ),
        Column(
            title="Reconnects",
            query=of_each(
                highest, promql.increase("electric_agents_runner_reconnects_total", storm)
            )
            + f" {counted}",
            width=95,
            unit="none",
            decimals=0,
            thresholds=above((number("ReconnectStorm", "reconnects"), WARNING)),
            no_value="not known",
        ),
        sort_by="State",
        hidden=_MADE_FOR_LINKS,
    )


def waiting_table(promql: QueryBuilder) -> dashboard.Panel:
    """List the runners that somebody waits for, the worst first."""

    def coded(name: str, word: MappedValue) -> str:
        true = promql.select("electric_agents_runner_condition", f'condition="{name}"')
        return f"{word.code} * group by ({SERVER}, runner_id, kind) ({true} == 1)"

    # Conditions are looked at once: of ten thousand runners they are most of what it costs.
    codes = " or ".join(coded(name, word) for name, word in states.WORK.items())
    age = promql.select("electric_agents_runner_wake_oldest_unheard_age_seconds")
    # A second more or less, for those of whom no wake is known: every runner with a condition has
    # this one.
    listed = promql.select("electric_agents_runner_condition", 'condition="unknown"')
    waited = f"(max {BY_RUNNER} ({age}) or max {BY_RUNNER} ({listed}))"
    who = f"topk({WAITING}, {_MORE} * ({codes}) + {ON_RUNNER} group_left () {waited})"
    wakes = promql.select("electric_agents_runner_wakes_unheard")
    sign = promql.select("electric_agents_runner_sign_of_life_age_seconds")

    def of_each(expr: str) -> str:
        return f"max {BY_RUNNER} ({expr}) and {ON_RUNNER} {who}"

    return table_panel(
        PanelSpec(
            title=FOR_WHOM,
            description="Whose work waits, since when, and in whose hands? waits: its runner has "
            "not heard of it. abandoned: its runner was at work and gives no sign of life. "
            "refused: a claim failed, and that wake is never repeated.",
            no_value="nobody that is known of; per-runner series may be off",
            unit="none",
        ),
        Column(
            title="Work",
            query=chosen(f"floor({who} / {_MORE})"),
            width=95,
            mappings=value_mappings(*states.WORK.values()),
            filled=True,
        ),
        Column(
            title="Since",
            query=of_each(f"{age} > 0"),
            width=75,
            unit="s",
            decimals=0,
            no_value="-",
        ),
        Column(title="Runner", label="runner_id", links=(ROW_LINK,)),
        Column(title="Server", label="server", width=95),
        Column(title="Kind", label="kind", width=100),
        Column(title="Tenant", label="tenant"),
        Column(title="Cluster", label="cluster"),
        Column(title="Wakes", query=of_each(wakes), width=70, unit="none", no_value="-"),
        Column(
            title="Sign of life",
            query=of_each(sign),
            width=95,
            unit="s",
            decimals=0,
            no_value="-",
        ),
        sort_by="Work",
        hidden=_MADE_FOR_LINKS,
    )


def timeline(promql: QueryBuilder) -> dashboard.Panel:
    """Show the states of the worst runners over time, the worst first."""
    at_the_end = replace(promql, modifier=" @ end()")
    # A step may be minutes long: the worst within it is shown, so that what comes and goes is seen.
    # It is never shorter than it takes to record anew.
    worst_of_step = f"max_over_time({promql.select(states.RANK)}[$__rate_interval])"
    state = f"max {BY_RUNNER} ({worst_of_step})"
    last = f"topk({DRAWN}, {states.state(at_the_end)})"
    # Series come in the order of their labels.
    order = f'count_values {BY_RUNNER} ("{_ORDER}", {_LAST} - {last})'
    lanes = chosen(f"{state}\n* {ON_RUNNER} group_left ({_ORDER}) {order}")

    return timeline_panel(
        PanelSpec(
            title="States of the worst runners",
            description="Since when is it so, and does it come and go? The runners that are worst "
            f"at the end of the time range, {DRAWN} at most, the worst first, and what was worst "
            f"within each of {POINTS} steps. {states.STATES_EXPLAINED}",
            no_value=NOBODY,
            mappings=value_mappings(*states.STATES, *states.UNLISTED),
            links=(SERIES_LINK,),
        ),
        Query(unlisted(promql, at_the_end), "{{server}} {{tenant}} {{cluster}}"),
        Query(lanes, "{{server}}: {{runner_id}} {{tenant}} {{cluster}}"),
        max_points=POINTS,
    )


def silent(promql: QueryBuilder) -> dashboard.Panel:
    """Show which runners that are meant to stay have been silent for longest."""
    age = promql.select("electric_agents_runner_heartbeat_age_seconds")
    enabled = promql.select(states.ENABLED, promql.lasting)
    longest = chosen(f"topk(5, min {BY_RUNNER} ({age}) and {ON_RUNNER} {enabled})")
    return bars_panel(
        PanelSpec(
            title="Longest without a heartbeat",
            description="Which of the runners that are meant to stay has been silent for longest? "
            "A heartbeat comes every 30 seconds; a click shows the runner's history.",
            no_value="none is known of, or per-runner series are off",
            unit="s",
            thresholds=Thresholds(
                DISABLED, ((promql.values.number("RunnerUnhealthy", "for"), BAD),)
            ),
            min_value=0,
            links=(SERIES_LINK,),
        ),
        Query(
            f"sort_desc({longest})",
            "{{server}}: {{runner_id}} {{tenant}} {{cluster}}",
        ),
        names_above=True,
    )
