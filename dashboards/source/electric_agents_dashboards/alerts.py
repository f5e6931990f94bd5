"""What is firing, as a table and as numbers: the same wherever it is shown."""

from typing import Final

from grafana_foundation_sdk.models import dashboard

from electric_agents_dashboards.panels import PanelSpec, Query, override, stat_panel
from electric_agents_dashboards.skeleton import FIRING
from electric_agents_dashboards.tables import Column, table_panel
from electric_agents_dashboards.theme import BAD, NEUTRAL, TEXT, WARNING, above

NONE_FIRING: Final = "nothing fires"
NO_RULES: Final = "no alert rules here"
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


def firing_count(matchers: str) -> dashboard.Panel:
    """Count firing alerts by severity."""

    def count(severity: str) -> str:
        # The watchdog always fires: without it there are no rules, and 0 would be a lie.
        return (
            f'count(ALERTS{{{FIRING}, severity="{severity}", {matchers}}})\n'
            'or 0 * count(ALERTS{alertname="ElectricAgentsWatchdog"})'
        )

    return stat_panel(
        PanelSpec(
            title="Alerts firing",
            description="Does anything need a person? Critical: now. Warning: in working hours.",
            no_value=NO_RULES,
            unit="none",
            thresholds=above((1, BAD)),
            overrides=(override("byName", "warning", {"thresholds": above((1, WARNING)).model()}),),
        ),
        Query(count("critical"), "critical"),
        Query(count("warning"), "warning"),
        show_names=True,
    )


def firing_table(title: str, description: str, matchers: str, *columns: Column) -> dashboard.Panel:
    """List firing alerts, critical ones first; `columns` say of whom."""
    labels = ", ".join(["alertname", "severity", *(column.label for column in columns)])
    firing = f"{FIRING}, {matchers}"
    known = f'alertname=~"ElectricAgents.+", {matchers}'
    since = (
        f"topk by (severity) ({ROWS}, max by ({labels}) (\n"
        f"  1000 * ALERTS_FOR_STATE{{{known}}} and ignoring (alertstate) ALERTS{{{firing}}}\n))"
    )
    return table_panel(
        PanelSpec(title=title, description=description, no_value=NONE_FIRING, unit="none"),
        Column(title="Severity", label="severity", width=105, mappings=SEVERITIES, filled=True),
        Column(
            title="Alert", label="alertname", width=175 if columns else None, mappings=SHORT_NAMES
        ),
        *columns,
        Column(title="Since", query=since, width=125, unit="dateTimeFromNow"),
        sort_by="Severity",
        descending=False,
    )
