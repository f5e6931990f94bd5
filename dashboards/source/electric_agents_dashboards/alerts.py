"""What is firing, as a table and as numbers: the same wherever it is shown."""

from collections.abc import Sequence
from typing import Final

from grafana_foundation_sdk.models import dashboard

from electric_agents_dashboards import sight
from electric_agents_dashboards.panels import (
    PanelSpec,
    Query,
    TileStyle,
    data_link,
    override,
    stat_panel,
)
from electric_agents_dashboards.query_builder import QueryBuilder
from electric_agents_dashboards.skeleton import FIRING
from electric_agents_dashboards.tables import Column, table_panel
from electric_agents_dashboards.theme import (
    BAD,
    NEUTRAL,
    WARNING,
    MappedValue,
    Thresholds,
    above,
    value_mappings,
)

TITLE: Final = "Firing alerts"
NONE_FIRING: Final = "nothing fires"
NO_RULES: Final = "no alert rules here"
_LAYERS: Final = ("exporter", "server", "fleet", "runner", "slo")
"""What may be the cause of what comes after it."""
_SEVERITIES: Final = (("critical", BAD), ("warning", WARNING))


def firing_count(promql: QueryBuilder, matchers: str) -> dashboard.Panel:
    """Count firing alerts by severity."""

    def count(severity: str) -> str:
        # The watchdog always fires: without it there are no rules, and 0 would be a lie.
        return (
            f'(count(ALERTS{{{FIRING}, severity="{severity}", {matchers}}})\n'
            'or 0 * count(ALERTS{alertname="ElectricAgentsWatchdog"}))'
        )

    return stat_panel(
        PanelSpec(
            title="Alerts firing",
            description="Does anything need a person? Critical: now. Warning: in working hours.",
            no_value=NO_RULES,
            unit="none",
            thresholds=above((1, BAD)),
            mappings=value_mappings(*sight.UNSEEN),
            overrides=(
                override(
                    "byName",
                    "warning",
                    {"thresholds": Thresholds(NEUTRAL, ((1, WARNING),)).model()},
                ),
            ),
            detail=TITLE,
        ),
        Query(sight.judged(promql, count("critical"), record=True), "critical"),
        Query(count("warning"), "warning"),
        style=TileStyle(names=True),
    )


def firing_table(
    promql: QueryBuilder, description: str, *matchers: str, whose: bool = False
) -> dashboard.Panel:
    """List firing alerts by name: critical ones first, and of each severity what may be the cause.

    Args:
        promql: knows where runbooks are.
        description: what to conclude.
        matchers: of the alerts; several are alternatives.
        whose: tells those of a runner from those of its server.
    """
    of_whom = [Column(title="Of", label="of", width=90)] if whose else []
    by = "by (alert, of)" if whose else "by (alert)"

    def named(expr: str) -> str:
        short = f'label_replace({expr}, "alert", "$1", "alertname", "ElectricAgents(.*)")'
        if not whose:
            return short
        of_server = f'label_replace({short}, "of", "its server", "runner_id", "")'
        return f'label_replace({of_server}, "of", "the runner", "runner_id", "(?s:.+)")'

    def firing(*more: str) -> str:
        found = (f"ALERTS{{{', '.join((FIRING, *more, each))}}}" for each in matchers)
        return named(f"({' or '.join(found)})")

    def ranked(severity: int, layer: int) -> str:
        word, name = _SEVERITIES[severity][0], _LAYERS[layer]
        alike = firing(f'severity="{word}"', f'layer="{name}"')
        return f"{_rank(severity, layer)} * group {by} ({alike})"

    rank = "\nor ".join(
        ranked(severity, layer)
        for severity in range(len(_SEVERITIES))
        for layer in range(len(_LAYERS))
    )
    # Where rules are, the watchdog fires: without them it would be a lie that nothing does.
    exporter = promql.exporters("electric_agents_exporter_build_info")
    watchdog = 'ALERTS{alertname="ElectricAgentsWatchdog"}'
    unjudged = f"group({exporter}) unless on () group({watchdog})"
    word = f'label_replace({unjudged}, "alert", "Watchdog", "", "")'
    begun = " or ".join(
        f'ALERTS_FOR_STATE{{alertname=~"ElectricAgents.+", {each}}}' for each in matchers
    )
    fires = " or ".join(f"ALERTS{{{FIRING}, {each}}}" for each in matchers)
    since = named(f"(({begun}) and ignoring (alertstate) ({fires}))")
    runbook = data_link(
        "Its runbook", f"{promql.values.links.runbooks}/${{__data.fields.alert}}.md"
    )
    return table_panel(
        PanelSpec(title=TITLE, description=description, no_value=NONE_FIRING, unit="none"),
        Column(
            title="Severity",
            query=f"{rank}\nor {sight.NO_RULES.code} * {word}",
            width=125,
            mappings=_severities(),
            filled=True,
        ),
        Column(title="Alert", label="alert", links=(runbook,)),
        *of_whom,
        Column(title="Firing", query=f"count {by} ({firing()})", width=75, unit="none"),
        Column(
            title="Since",
            query=f"1000 * min {by} ({since})",
            width=125,
            unit="dateTimeFromNow",
        ),
        sort_by="Severity",
        descending=False,
    )


def _rank(severity: int, layer: int) -> int:
    return 1 + severity * len(_LAYERS) + layer


def _severities() -> Sequence[dashboard.ValueMapping]:
    return value_mappings(
        sight.NO_RULES,
        *(
            MappedValue(_rank(place, layer), severity, color)
            for place, (severity, color) in enumerate(_SEVERITIES)
            for layer in range(len(_LAYERS))
        ),
    )
