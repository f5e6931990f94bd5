"""The table of servers: which is down and why, how old its data is, and what it has."""

from typing import Final

from grafana_foundation_sdk.models import dashboard

from electric_agents_dashboards import sight, tiles
from electric_agents_dashboards.panels import PanelSpec, data_link
from electric_agents_dashboards.query_builder import BY_SERVER, ON_SERVER, QueryBuilder
from electric_agents_dashboards.tables import Column, table_panel
from electric_agents_dashboards.theme import (
    BAD,
    GOOD,
    SECONDS,
    UNKNOWN,
    MappedValue,
    Thresholds,
    above,
    value_mappings,
)

TITLE: Final = "Servers"
_DOWN: Final = MappedValue(2, "down", BAD)
_NOT_ALL_KNOWN: Final = MappedValue(1, "not all known", UNKNOWN)
_UP: Final = MappedValue(0, "up", GOOD)


def servers_table(promql: QueryBuilder, uid_of_exporter: str) -> dashboard.Panel:
    """List the servers, those that are down first."""

    def total(metric: str, *matchers: str) -> str:
        return f"sum {BY_SERVER} ({promql.deduplicate(metric, *matchers)})"

    last = promql.deduplicate("electric_agents_server_last_poll_success_timestamp_seconds")
    condition = "electric_agents_runners_with_condition"
    waiting = total(condition, 'condition="work_unheard"')
    oldest = promql.deduplicate("electric_agents_runners_wake_oldest_unheard_age_seconds")
    there = promql.select("server:electric_agents_runners_available:sum")
    up = sight.up(promql)
    state = "\nor ".join(
        (
            f"{_DOWN.code} + ({up} == 0)",
            f"{_NOT_ALL_KNOWN.code} * {sight.blind(promql)}",
            f"{_UP.code} * ({up})",
        )
    )
    detail = data_link(
        "How it is polled",
        f"/d/{uid_of_exporter}?var-server=${{__data.fields.server:percentencode}}"
        "&${datasource:queryparam}&${job:queryparam}&${cluster:queryparam}&${__url_time_range}"
        f"{sight.LAST_OF_ADDRESS}",
    )
    return table_panel(
        PanelSpec(
            title=TITLE,
            description="Which server is it, and why? Of one that is down nothing is known but "
            "since when. not all known: a tenth of its runners or more have no fresh report.",
            no_value="no exporter, or no server polled yet",
            unit="none",
        ),
        Column(
            title="State",
            query=state,
            width=110,
            mappings=value_mappings(_DOWN, _NOT_ALL_KNOWN, _UP),
            filled=True,
        ),
        Column(title="Server", label="server", links=(detail,)),
        Column(title="Tenant", label="tenant"),
        Column(title="Cluster", label="cluster"),
        Column(
            title="Reason",
            label="reason",
            query=f"{tiles.reasons(promql)} and {ON_SERVER} ({up} == 0)",
            width=100,
            no_value="",
        ),
        Column(
            title="Data age",
            query=f"max {BY_SERVER} (time() - {last})",
            width=82,
            unit=SECONDS,
            decimals=0,
            no_value="never any",
        ),
        Column(
            title="Listed",
            query=total("electric_agents_server_runners_listed"),
            width=82,
            unit="none",
            no_value="not known",
        ),
        Column(
            title="Available",
            query=f"sum {BY_SERVER} ({there}) and {ON_SERVER} ({up} == 1)",
            width=82,
            unit="none",
            no_value="not known",
        ),
        Column(
            title="Expected",
            query=tiles.expected(promql),
            width=82,
            unit="none",
            no_value="not known",
        ),
        Column(
            title="Not known",
            query=sight.unknown(promql),
            width=85,
            unit="none",
            thresholds=above((1, UNKNOWN)),
            no_value="not known",
        ),
        Column(
            title="Work waits",
            query=waiting,
            width=88,
            unit="none",
            thresholds=above((1, BAD)),
            no_value="not known",
        ),
        Column(
            title="Oldest wake",
            query=f"max {BY_SERVER} ({oldest})",
            width=95,
            unit="s",
            thresholds=Thresholds(GOOD, ((tiles.WAITS_FROM, BAD),)),
            no_value="not known",
        ),
        sort_by="State",
    )
