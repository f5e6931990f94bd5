"""What is firing, as a table and as numbers: the same wherever it is shown."""

from typing import Final

from grafana_foundation_sdk.models import dashboard

from electric_agents_dashboards.frame import LOUD, OF_JOB
from electric_agents_dashboards.looks import BAD, NEUTRAL, TEXT, WARNING, above
from electric_agents_dashboards.panels import Meaning, Query, override, stat_panel
from electric_agents_dashboards.tables import Column, table_panel

NONE_FIRING: Final = "nothing fires"
NO_RULES: Final = "no alert rules here"
OF_SERVER: Final = f'{OF_JOB}, server=~"$server|"'
"""Alerts of the chosen servers, and those that are of no server: the exporter's own."""
OF_RUNNER: Final = f'{OF_JOB}, server=~"$server", runner_id=${{runner:doublequote}}'
"""Alerts of the chosen runner."""
ROWS: Final = 25
"""Alerts of each severity that a table lists."""
SHORT_NAMES: Final = (
    dashboard.RegexMap(
        options=dashboard.DashboardRegexMapOptions(
            pattern="^ElectricAgents(.*)$",
            result=dashboard.ValueMappingResult(text="$1", color=TEXT, index=0),
        )
    ),
)
"""An alert's name as its runbook is called."""
SEVERITIES: Final = (
    dashboard.ValueMap(
        options={
            "critical": dashboard.ValueMappingResult(text="critical", color=BAD, index=0),
            "warning": dashboard.ValueMappingResult(text="warning", color=WARNING, index=1),
            "info": dashboard.ValueMappingResult(text="info", color=NEUTRAL, index=2),
        }
    ),
)


def count_panel(whose: str) -> dashboard.Panel:
    """Count firing alerts by severity."""

    def counted(severity: str) -> str:
        # The watchdog always fires: without it there are no rules, and 0 would be a lie.
        return (
            f'count(ALERTS{{{LOUD}, severity="{severity}", {whose}}})\n'
            'or 0 * count(ALERTS{alertname="ElectricAgentsWatchdog"})'
        )

    return stat_panel(
        Meaning(
            title="Alerts firing",
            question="Does anything need a person? Critical: now. Warning: in working hours.",
            nothing=NO_RULES,
            unit="none",
            thresholds=above((1, BAD)),
            overrides=(override("byName", "warning", {"thresholds": above((1, WARNING)).model()}),),
        ),
        Query(counted("critical"), "critical", instant=True),
        Query(counted("warning"), "warning", instant=True),
        names=True,
    )


def table_of(title: str, question: str, whose: str, *columns: Column) -> dashboard.Panel:
    """List firing alerts, critical ones first; `columns` say of whom."""
    labels = ", ".join(["alertname", "severity", *(column.label for column in columns)])
    loud = f"{LOUD}, {whose}"
    known = f'alertname=~"ElectricAgents.+", {whose}'
    since = (
        f"topk by (severity) ({ROWS}, max by ({labels}) (\n"
        f"  1000 * ALERTS_FOR_STATE{{{known}}} and ignoring (alertstate) ALERTS{{{loud}}}\n))"
    )
    return table_panel(
        Meaning(title=title, question=question, nothing=NONE_FIRING, unit="none"),
        Column(title="Severity", label="severity", width=105, mappings=SEVERITIES, filled=True),
        Column(
            title="Alert", label="alertname", width=175 if columns else None, mappings=SHORT_NAMES
        ),
        *columns,
        Column(title="Since", query=since, width=125, unit="dateTimeFromNow"),
        sort_by="Severity",
        descending=False,
    )
