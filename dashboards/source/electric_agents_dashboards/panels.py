"""Panels: every kind that is used here, with all that Grafana would otherwise guess.

What the models leave out (`refId`, the datasource of a target, options) is always set. A panel is
made without a place; `layout` gives it one.
"""

import string
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from grafana_foundation_sdk.models import (
    bargauge,
    common,
    dashboard,
    prometheus,
    stat,
    statetimeline,
    timeseries,
)

from electric_agents_dashboards.theme import (
    DISABLED,
    PER_MINUTE,
    PER_SECOND,
    PLAIN,
    Thresholds,
    null_mapping,
)

DATASOURCE: Final = common.DataSourceRef(type_val="prometheus", uid="${datasource}")
REF_IDS: Final = string.ascii_uppercase
DETAIL: Final = "detail:"
"""How the address of a panel of the same dashboard begins, until the panel has an id."""
_SHOW_THE_END: Final = {"stat", "bargauge", "table"}
"""Kinds of panel that show the end of the time range alone; the others show all of it."""
_THRESHOLDS: Final = dashboard.FieldColorModeId.THRESHOLDS
_PALETTE: Final = dashboard.FieldColorModeId.PALETTE_CLASSIC_BY_NAME
"""By name, so that a server has one colour wherever it is drawn."""
Override = dashboard.DashboardFieldConfigSourceOverrides
Mappings = Sequence[dashboard.ValueMapping]


@dataclass(frozen=True)
class Query:
    """A query of a panel.

    Attributes:
        expr: PromQL with Grafana's variables.
        legend: the name of its series, which may have `{{label}}` in it.
    """

    expr: str
    legend: str = ""


@dataclass(frozen=True, kw_only=True)
class PanelSpec:
    """What a panel says, whatever its kind.

    Attributes:
        title: what is shown.
        description: the question that it answers, and what to conclude.
        no_value: the words for no data.
        unit: Grafana's id of a unit; empty only where `mappings` say it all.
        thresholds: where the colour changes.
        mappings: words for numbers.
        decimals: digits after the point, where Grafana's choice is no good.
        min_value: where the scale begins.
        max_value: where the scale ends.
        links: where a click on a value leads.
        detail: the title of the panel of the same dashboard that a click on a value leads to: what
            is counted here, as a list.
        overrides: what differs for some of its series.
    """

    title: str
    description: str
    no_value: str
    unit: str = ""
    thresholds: Thresholds = PLAIN
    mappings: Mappings = ()
    decimals: int | None = None
    min_value: float | None = None
    max_value: float | None = None
    links: Sequence[dashboard.DashboardLink] = ()
    detail: str = ""
    overrides: Sequence[Override] = ()


_COUNTED: Final = {"none", "reqps", PER_MINUTE, PER_SECOND}
"""Units of which there is no less than one, or it is nothing: a line of 0 is under 1, not 100."""
_TREND: Final = "30m"
"""How far back the line in a tile goes, whatever the dashboard's range: each of its points is a
scrape, so that the last one, which is the number, is never old."""
_TREND_POINTS: Final = 120


@dataclass(frozen=True)
class TileStyle:
    """How a tile looks.

    Attributes:
        filled: colours the whole tile, and not the number alone.
        names: adds the name of each series to its number.
        trend: draws the last half hour behind the number. Only of a query that always has an
            answer: of another one the last number that there was would stay.
        size: of the number, in pixels; as large as there is room for by default.
    """

    filled: bool = True
    names: bool = False
    trend: bool = False
    size: float | None = None


def stat_panel(spec: PanelSpec, *queries: Query, style: TileStyle | None = None) -> dashboard.Panel:
    """Show one number, big."""
    drawn = style or TileStyle()
    mode = common.BigValueColorMode
    text = common.BigValueTextMode
    graph = common.BigValueGraphMode
    options = stat.Options(
        graph_mode=graph.AREA if drawn.trend else graph.NONE,
        color_mode=mode.BACKGROUND_SOLID if drawn.filled else mode.VALUE,
        justify_mode=common.BigValueJustifyMode.CENTER,
        text_mode=text.VALUE_AND_NAME if drawn.names else text.VALUE,
        wide_layout=True,
        show_percent_change=False,
        reduce_options=_last(),
        orientation=common.VizOrientation.AUTO,
        text=None if drawn.size is None else common.VizTextDisplayOptions(value_size=drawn.size),
    )
    # Without a value a tile would have the colour of the first threshold: good, mostly.
    mappings = (*spec.mappings, null_mapping(spec.no_value, DISABLED))
    config = field_config(replace(spec, mappings=mappings), _THRESHOLDS)
    panel = assemble("stat", spec, queries, options, config)
    if drawn.trend:
        for target in panel.targets or []:
            assert isinstance(target, prometheus.Dataquery)  # noqa: S101  (made above)
            target.instant, target.range_val = False, True
        panel.time_from, panel.hide_time_override = _TREND, True
        panel.max_data_points = _TREND_POINTS
    return panel


def name_panel(
    spec: PanelSpec, *queries: Query, filled: bool = False, size: float = 16
) -> dashboard.Panel:
    """Show the names of series, big, where a number says nothing but, `filled`, their colour."""
    mode = common.BigValueColorMode
    options = stat.Options(
        graph_mode=common.BigValueGraphMode.NONE,
        color_mode=mode.BACKGROUND_SOLID if filled else mode.NONE,
        justify_mode=common.BigValueJustifyMode.CENTER,
        text_mode=common.BigValueTextMode.NAME,
        text=common.VizTextDisplayOptions(title_size=size, value_size=size),
        reduce_options=_last(),
        orientation=common.VizOrientation.HORIZONTAL,
    )
    return assemble("stat", spec, queries, options, field_config(spec, _THRESHOLDS))


@dataclass(frozen=True)
class GraphStyle:
    """How the lines of a graph are drawn.

    Attributes:
        stacked: on top of each other, so that the upper edge is their sum.
        threshold_line: draws a dashed line at each threshold.
        legend_calcs: what a legend tells of each series, as `last`, which is empty where a series
            has ended; none leaves room for many names.
        soft_max: what the scale shows at least; 1 of what is counted, where Grafana's choice for a
            line of 0 would be 100.
    """

    stacked: bool = False
    threshold_line: bool = False
    legend_calcs: tuple[str, ...] = ("last", "max")
    soft_max: float | None = None


NAMES_ONLY: Final = GraphStyle(legend_calcs=())
"""For many series."""


def graph_panel(
    spec: PanelSpec, *queries: Query, style: GraphStyle | None = None
) -> dashboard.Panel:
    """Show how something went over time."""
    drawn = style or GraphStyle()
    mode = common.GraphThresholdsStyleMode
    custom = common.GraphFieldConfig(
        draw_style=common.GraphDrawStyle.LINE,
        line_interpolation=common.LineInterpolation.LINEAR,
        line_width=1 if drawn.stacked else 2,
        fill_opacity=40 if drawn.stacked else 8,
        gradient_mode=common.GraphGradientMode.NONE,
        # A value between two gaps is no line.
        show_points=common.VisibilityMode.AUTO,
        point_size=4,
        span_nulls=False,
        stacking=common.StackingConfig(
            mode=common.StackingMode.NORMAL if drawn.stacked else common.StackingMode.NONE,
            group="A",
        ),
        thresholds_style=common.GraphThresholdsStyleConfig(
            mode=mode.DASHED if drawn.threshold_line else mode.OFF
        ),
        axis_soft_min=0 if spec.min_value is None else None,
        axis_soft_max=1 if drawn.soft_max is None and spec.unit in _COUNTED else drawn.soft_max,
    )
    return assemble(
        "timeseries",
        spec,
        queries,
        _graph_options(drawn.legend_calcs),
        field_config(spec, _PALETTE, custom),
    )


def bars_panel(spec: PanelSpec, *queries: Query, names_above: bool = False) -> dashboard.Panel:
    """Show numbers side by side, the first query's first; long names stand above their bars."""
    placement = common.BarGaugeNamePlacement
    options = bargauge.Options(
        display_mode=common.BarGaugeDisplayMode.BASIC,
        value_mode=common.BarGaugeValueMode.TEXT,
        name_placement=placement.TOP if names_above else placement.LEFT,
        # As large as there is room for, names would be cut where there are few of them.
        text=common.VizTextDisplayOptions(title_size=13, value_size=14),
        show_unfilled=True,
        sizing=common.BarGaugeSizing.AUTO,
        legend=_no_legend(),
        reduce_options=_last(),
        orientation=common.VizOrientation.HORIZONTAL,
    )
    return assemble("bargauge", spec, queries, options, field_config(spec, _THRESHOLDS))


def timeline_panel(
    spec: PanelSpec, *queries: Query, max_points: int | None = None
) -> dashboard.Panel:
    """Show states over time, a row for each series.

    `max_points` limits how often a costly query is evaluated.
    """
    custom = statetimeline.FieldConfig(line_width=0, fill_opacity=85)
    options = statetimeline.Options(
        show_value=common.VisibilityMode.AUTO,
        row_height=0.85,
        merge_values=True,
        align_value=common.TimelineValueAlignment.LEFT,
        legend=_no_legend(),
        tooltip=_tooltip(common.TooltipDisplayMode.SINGLE),
        per_page=20,
    )
    panel = assemble(
        "state-timeline", spec, queries, options, field_config(spec, _THRESHOLDS, custom)
    )
    panel.max_data_points = max_points
    return panel


def assemble(
    kind: str,
    spec: PanelSpec,
    queries: Sequence[Query],
    options: object,
    config: dashboard.FieldConfigSource,
) -> dashboard.Panel:
    """Put a panel of any kind together."""
    return dashboard.Panel(
        type_val=kind,
        title=spec.title,
        description=spec.description,
        datasource=DATASOURCE,
        targets=[_target(name, query, kind) for name, query in zip(REF_IDS, queries, strict=False)],
        options=options,
        field_config=config,
        transparent=False,
    )


def field_config(
    spec: PanelSpec, color: dashboard.FieldColorModeId, custom: object = None
) -> dashboard.FieldConfigSource:
    """Say how values look."""
    return dashboard.FieldConfigSource(
        defaults=dashboard.FieldConfig(
            unit=spec.unit or None,
            decimals=spec.decimals,
            min_val=spec.min_value,
            max_val=spec.max_value,
            mappings=list(spec.mappings),
            thresholds=spec.thresholds.model(),
            color=dashboard.FieldColor(mode=color),
            links=[*spec.links, *([detail_link(spec.detail)] if spec.detail else ())] or None,
            no_value=spec.no_value,
            custom=custom,
        ),
        overrides=list(spec.overrides),
    )


def override(matcher: str, what: str, properties: dict[str, object]) -> Override:
    """Change some properties of the fields that match."""
    return Override(
        matcher=dashboard.MatcherConfig(id_val=matcher, options=what),
        properties=[
            dashboard.DynamicConfigValue(id_val=key, value=value)
            for key, value in properties.items()
        ],
    )


def color_of(series: str, color: str, *, dashed: bool = False) -> Override:
    """Give a series, by its name, a colour of its own; a dashed one is a limit."""
    properties: dict[str, object] = {"color": {"mode": "fixed", "fixedColor": color}}
    if dashed:
        properties["custom.lineStyle"] = {"fill": "dash", "dash": [8, 6]}
        properties["custom.fillOpacity"] = 0
        properties["custom.lineWidth"] = 1
        properties["custom.stacking"] = {"group": "A", "mode": "none"}
    return override("byName", series, properties)


def detail_link(title: str) -> dashboard.DashboardLink:
    """Lead to another panel of the same dashboard, alone; `layout` puts in which one that is."""
    return data_link(f"See who: {title}", f"{DETAIL}{title}")


def right_axis(pattern: str) -> Override:
    """Count the series whose names match on an axis of their own, at the right."""
    return override(
        "byRegexp",
        f"/{pattern}/",
        {"unit": "short", "custom.axisPlacement": "right", "custom.axisSoftMax": 1},
    )


def data_link(title: str, url: str) -> dashboard.DashboardLink:
    """Make a link from a value; `url` begins at Grafana's root."""
    return dashboard.DashboardLink(
        title=title, type_val=dashboard.DashboardLinkType.LINK, icon="external link", url=url
    )


def _target(ref_id: str, query: Query, kind: str) -> prometheus.Dataquery:
    instant = kind in _SHOW_THE_END
    form = prometheus.PromQueryFormat
    return prometheus.Dataquery(
        ref_id=ref_id,
        datasource=DATASOURCE,
        expr=query.expr,
        legend_format=query.legend or None,
        instant=instant,
        range_val=not instant,
        editor_mode=prometheus.QueryEditorMode.CODE,
        format_val=form.TABLE if kind == "table" else form.TIME_SERIES,
        exemplar=False,
    )


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions(values=False, calcs=["lastNotNull"], fields="")


def _no_legend() -> common.VizLegendOptions:
    return common.VizLegendOptions(
        show_legend=False,
        display_mode=common.LegendDisplayMode.LIST,
        placement=common.LegendPlacement.BOTTOM,
        calcs=[],
    )


def _tooltip(mode: common.TooltipDisplayMode) -> common.VizTooltipOptions:
    return common.VizTooltipOptions(mode=mode, sort=common.SortOrder.DESCENDING)


def _graph_options(calcs: tuple[str, ...]) -> timeseries.Options:
    mode = common.LegendDisplayMode
    return timeseries.Options(
        legend=common.VizLegendOptions(
            show_legend=True,
            display_mode=mode.TABLE if calcs else mode.LIST,
            placement=common.LegendPlacement.BOTTOM,
            calcs=list(calcs),
        ),
        tooltip=_tooltip(common.TooltipDisplayMode.MULTI),
    )
