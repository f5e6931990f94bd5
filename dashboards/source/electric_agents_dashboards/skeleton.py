"""What all dashboards have in common: variables, annotations, links and settings."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from grafana_foundation_sdk.models import dashboard, prometheus

from electric_agents_dashboards.layout import Section, place
from electric_agents_dashboards.panels import DATASOURCE
from electric_agents_dashboards.query_builder import ONE_RUNNER, ONE_SERVER, QueryBuilder
from electric_agents_dashboards.theme import BAD, NEUTRAL

TAG: Final = "electric-agents"
UID: Final = "electric-agents-"
SCHEMA_VERSION: Final = 39
"""Grafana 11.0's: the oldest that must take the dashboards. Newer ones bring them up to theirs."""
FIRING: Final = 'alertname=~"ElectricAgents.+", alertstate="firing", severity!~"info|none"'
"""Matchers of alerts that somebody is told of. `info` and the watchdog are not."""
ANY_JOB: Final = 'job=~"$job|"'
"""Matches alerts of the chosen jobs, and those that are of no job."""
ALERTS_OF_SERVERS: Final = (
    f'{ANY_JOB}, cluster=~"$cluster|", server=~"$server|", tenant=~"$tenant|"'
)
"""Matches alerts of the chosen servers, and those that are of no server: the exporter's own."""
ALERTS_OF_RUNNER: Final = f"{ANY_JOB}, {ONE_SERVER}, {ONE_RUNNER}"
"""Matches alerts of the chosen runner."""
ALERTS_OF_ITS_SERVER: Final = (
    f'{ANY_JOB}, cluster=~"|${{cluster}}", server=`${{server:raw}}`, tenant=~"|${{tenant}}", '
    'runner_id=""'
)
"""Matches alerts of the chosen runner's server as a whole."""

EVERY: Final = "60s"
"""How often annotations look; what lies no further apart is one mark."""


@dataclass(frozen=True)
class Variable:
    """A choice among the values of a label; of one, or of several and all.

    Attributes:
        name: what queries call it.
        label: what is shown beside it.
        values: the query for what can be chosen.
        description: what it chooses.
        single: one value at a time.
        every: the pattern of all values, which for a label that series may lack is `.*`.
    """

    name: str
    label: str
    values: str
    description: str
    single: bool = False
    every: str = ".+"

    def model(self) -> dashboard.VariableModel:
        """Give it in Grafana's form."""
        current = (
            None
            if self.single
            else dashboard.VariableOption(selected=True, text=["All"], value=["$__all"])
        )
        return dashboard.VariableModel(
            type_val=dashboard.VariableType.QUERY,
            name=self.name,
            label=self.label,
            description=self.description,
            datasource=DATASOURCE,
            query={
                "qryType": 1,
                "query": self.values,
                "refId": "PrometheusVariableQueryEditor-VariableQuery",
            },
            refresh=dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED,
            sort=dashboard.VariableSort.ALPHABETICAL_ASC,
            multi=not self.single,
            include_all=not self.single,
            all_value=None if self.single else self.every,
            current=current,
            options=[],
            regex="",
            hide=dashboard.VariableHide.DONT_HIDE,
            allow_custom_value=None,
            auto=None,
            auto_min=None,
            auto_count=None,
        )


@dataclass(frozen=True)
class Pattern:
    """A pattern that links give and nobody sees; without one it matches everything.

    Attributes:
        name: what queries and links call it.
        label: what would be shown beside it.
        description: what it chooses.
    """

    name: str
    label: str
    description: str

    def model(self) -> dashboard.VariableModel:
        """Give it in Grafana's form."""
        everything = dashboard.VariableOption(selected=True, text=".+", value=".+")
        return dashboard.VariableModel(
            type_val=dashboard.VariableType.TEXTBOX,
            name=self.name,
            label=self.label,
            description=self.description,
            query=".+",
            current=everything,
            options=[everything],
            hide=dashboard.VariableHide.HIDE_VARIABLE,
            allow_custom_value=None,
            auto=None,
            auto_min=None,
            auto_count=None,
        )


JOB: Final = Variable(
    "job",
    "Job",
    "label_values(electric_agents_exporter_build_info, job)",
    "The scrape job of the exporters.",
)
CLUSTER: Final = Variable(
    "cluster",
    "Cluster",
    'label_values(electric_agents_exporter_build_info{job=~"$job"}, cluster)',
    "Where several clusters are told apart by a label. Elsewhere there is nothing to choose.",
    every=".*",
)
INSTANCE: Final = Variable(
    "instance",
    "Exporter",
    'label_values(electric_agents_exporter_build_info{job=~"$job", cluster=~"$cluster"}, instance)',
    "One exporter, or one replica of it.",
)
SERVER: Final = Variable(
    "server",
    "Server",
    'label_values(electric_agents_server_up{job=~"$job", cluster=~"$cluster"}, server)',
    "An agents-server, as the exporter's configuration calls it.",
)
TENANT: Final = Variable(
    "tenant",
    "Tenant",
    "label_values(electric_agents_server_up"
    '{job=~"$job", cluster=~"$cluster", server=~"$server"}, tenant)',
    "A tenant of a database that several share. Elsewhere there is nothing to choose.",
    every=".*",
)
FLEETS: Final = (JOB, CLUSTER, SERVER, TENANT)
"""What is chosen where fleets are told of: of each label several values, or all."""

LIKE: Final = Pattern(
    "like",
    "Runners alike",
    "A pattern of ids: the runners among which one is chosen.",
)
_ONE_CLUSTER: Final = "cluster=`${cluster:raw}`"
ONE: Final = (
    JOB,
    replace(CLUSTER, single=True),
    Variable(
        "server",
        SERVER.label,
        f'label_values(electric_agents_server_up{{job=~"$job", {_ONE_CLUSTER}}}, server)',
        SERVER.description,
        single=True,
    ),
    Variable(
        "tenant",
        TENANT.label,
        "label_values(electric_agents_server_up"
        f'{{job=~"$job", {_ONE_CLUSTER}, server=`${{server:raw}}`}}, tenant)',
        TENANT.description,
        single=True,
    ),
    LIKE,
    Variable(
        "runner",
        "Runner",
        "label_values(electric_agents_runner_poll_success"
        f'{{job=~"$job", {ONE_SERVER}, runner_id=~`${{{LIKE.name}:raw}}`}}, runner_id)',
        "A runner's id.",
        single=True,
    ),
)
"""What is chosen where one runner is told of: two servers may each have one of that id."""


def annotation(
    name: str, expr: str, color: str, title: str, text: str
) -> dashboard.AnnotationQuery:
    """Mark on every graph when a query had values."""
    return dashboard.AnnotationQuery(
        name=name,
        datasource=DATASOURCE,
        enable=True,
        hide=False,
        icon_color=color,
        title_format=title,
        text_format=text,
        tag_keys="severity,server",
        use_value_for_time=False,
        target=prometheus.Dataquery(
            ref_id="Anno",
            datasource=DATASOURCE,
            expr=expr,
            range_val=True,
            instant=False,
            interval=EVERY,
            legend_format=text,
            editor_mode=prometheus.QueryEditorMode.CODE,
        ),
    )


def alerts_of_servers() -> dashboard.AnnotationQuery:
    """Mark where alerts begin to fire, once for a server however many runners it concerns."""
    return _alerts(f"{FIRING}, {ALERTS_OF_SERVERS}")


def alerts_of_runner() -> dashboard.AnnotationQuery:
    """Mark where alerts of the runner begin to fire, and those of its server as a whole."""
    return _alerts(f"{FIRING}, {ALERTS_OF_RUNNER}", f"{FIRING}, {ALERTS_OF_ITS_SERVER}")


def _alerts(*matchers: str) -> dashboard.AnnotationQuery:
    # As long as they fire would be a shade for each, and a dozen of them would hide the graphs.
    def firing(modifier: str = "") -> str:
        found = " or ".join(f"ALERTS{{{each}}}{modifier}" for each in matchers)
        return f"max by (alertname, severity, server) ({found})"

    expr = f"{firing()} unless {firing(f' offset {EVERY}')}"
    return annotation("Firing alerts", expr, BAD, "{{alertname}}", "{{severity}} on {{server}}")


def restarts(promql: QueryBuilder, counter: str) -> dashboard.AnnotationQuery:
    """Mark where runners restart, told by a counter of it; a crash loop where it begins."""
    expr = f"{promql.rate(counter)} > 0 unless {promql.rate(counter, before=EVERY)} > 0"
    return annotation("Runner restarts", expr, NEUTRAL, "Runner restart", "on {{server}}")


@dataclass(frozen=True, kw_only=True)
class Skeleton:
    """What a dashboard is, without its panels.

    Attributes:
        name: the end of its uid, and the name of its files.
        title: as in Grafana's lists.
        description: what it answers.
        since: the beginning of its time range, as `now-6h`.
        variables: beside the datasource.
        annotations: marks on every graph.
    """

    name: str
    title: str
    description: str
    since: str
    variables: Sequence[Variable | Pattern]
    annotations: Sequence[dashboard.AnnotationQuery]

    def fill(self, *sections: Section) -> dashboard.Dashboard:
        """Put the dashboard together.

        Raises:
            KeyError: a tile leads to a panel that is not there.
        """
        uid = f"{UID}{self.name}"
        return dashboard.Dashboard(
            uid=uid,
            title=self.title,
            description=self.description,
            tags=[TAG],
            timezone="browser",
            editable=False,
            graph_tooltip=dashboard.DashboardCursorSync.CROSSHAIR,
            time=dashboard.DashboardDashboardTime(from_val=self.since, to="now"),
            timepicker=dashboard.TimePickerConfig(
                hidden=False, refresh_intervals=["10s", "30s", "1m", "5m", "15m", "1h"]
            ),
            refresh="30s",
            schema_version=SCHEMA_VERSION,
            panels=place(uid, *sections),
            templating=dashboard.DashboardDashboardTemplating(
                list_val=[_datasource(), *(variable.model() for variable in self.variables)]
            ),
            annotations=dashboard.AnnotationContainer(list_val=list(self.annotations)),
            links=[
                dashboard.DashboardLink(
                    title="Electric Agents",
                    type_val=dashboard.DashboardLinkType.DASHBOARDS,
                    icon="external link",
                    tooltip="The other dashboards, for the same time and choice",
                    tags=[TAG],
                    as_dropdown=False,
                    target_blank=False,
                    include_vars=True,
                    keep_time=True,
                    url="",
                )
            ],
            preload=False,
        )


def _datasource() -> dashboard.VariableModel:
    return dashboard.VariableModel(
        type_val=dashboard.VariableType.DATASOURCE,
        name="datasource",
        label="Data source",
        description="The Prometheus that scrapes the exporter and evaluates the rules.",
        query="prometheus",
        refresh=dashboard.VariableRefresh.ON_DASHBOARD_LOAD,
        hide=dashboard.VariableHide.DONT_HIDE,
        multi=False,
        include_all=False,
        options=[],
        regex="",
        allow_custom_value=None,
        auto=None,
        auto_min=None,
        auto_count=None,
    )
