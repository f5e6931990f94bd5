"""Tables: a row for each runner, target or alert, a column for each query."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from grafana_foundation_sdk.models import common, dashboard, table

from electric_agents_dashboards.panels import (
    REF_IDS,
    Mappings,
    PanelSpec,
    Query,
    assemble,
    field_config,
    override,
)
from electric_agents_dashboards.theme import TEXT, Thresholds, null_mapping

_HIDDEN: Final = {
    "custom.hidden": True,
    "custom.hideFrom": {"viz": True, "legend": False, "tooltip": False},
}
"""Not drawn: the older tables of Grafana read the first, and newer ones the second."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table.

    Attributes:
        title: its head.
        query: where its numbers come from; none for a label of another column's query.
        label: the label that it shows instead of a number.
        width: pixels; None takes what is left.
        unit: as in `PanelSpec`, and so are `decimals`, `thresholds`, `mappings`, `links`.
        no_value: the words in a cell without a value.
        filled: colours the cell's background; otherwise its text.
    """

    title: str
    query: str = ""
    label: str = ""
    width: int | None = None
    unit: str = ""
    decimals: int | None = None
    thresholds: Thresholds | None = None
    mappings: Mappings = ()
    links: Sequence[dashboard.DashboardLink] = ()
    no_value: str = "-"
    filled: bool = False


def table_panel(
    spec: PanelSpec,
    *columns: Column,
    sort_by: str,
    descending: bool = True,
    hidden: Sequence[str] = (),
) -> dashboard.Panel:
    """Show a row for every set of labels that the columns' queries share.

    Args:
        spec: as of every panel.
        columns: from left to right.
        sort_by: the title of the column that rows are sorted by.
        descending: the greatest first.
        hidden: labels that are not shown, but can stand in links.
    """
    asked = [column for column in columns if column.query]
    queries = [Query(column.query) for column in asked]
    values = _value_fields(columns)
    fields = [column.label or value for column, value in zip(columns, values, strict=True)]
    unseen = [value for value in values if value and value not in fields]
    overrides = [
        override("byName", name, _properties(column))
        for name, column in zip(fields, columns, strict=True)
    ]
    overrides += [override("byName", name, _HIDDEN) for name in hidden]
    arranged = {
        "excludeByName": dict.fromkeys(["Time", *unseen], True),
        "indexByName": {name: place for place, name in enumerate(fields)},
        "renameByName": {name: column.title for name, column in zip(fields, columns, strict=True)},
        "includeByName": {},
    }
    transformations = [
        dashboard.DataTransformerConfig(id_val="merge", options={}),
        dashboard.DataTransformerConfig(id_val="organize", options=arranged),
    ]
    options = table.Options(
        frame_index=0,
        show_header=True,
        cell_height=common.TableCellHeight.SM,
        sort_by=[common.TableSortByFieldState(display_name=sort_by, desc=descending)],
    )
    custom = common.TableFieldOptions(
        align=common.FieldTextAlignment.AUTO,
        cell_options=common.TableAutoCellOptions(),
        inspect=False,
        filterable=False,
    )
    panel = assemble(
        "table",
        spec,
        queries,
        options,
        field_config(
            replace(spec, overrides=overrides), dashboard.FieldColorModeId.THRESHOLDS, custom
        ),
    )
    panel.transformations = transformations
    return panel


def _value_fields(columns: Sequence[Column]) -> list[str]:
    """Name the numbers of each column as the datasource does: only several are numbered."""
    asked = sum(bool(column.query) for column in columns)
    ref_ids = iter(REF_IDS)
    return [
        ("Value" if asked == 1 else f"Value #{next(ref_ids)}") if column.query else ""
        for column in columns
    ]


def _properties(column: Column) -> dict[str, object]:
    properties: dict[str, object] = {"noValue": column.no_value}
    if column.width is not None:
        properties["custom.width"] = column.width
    if column.unit:
        properties["unit"] = column.unit
    if column.decimals is not None:
        properties["decimals"] = column.decimals
    if column.label:
        properties["custom.filterable"] = True
    if column.thresholds is not None:
        properties["thresholds"] = column.thresholds.quiet().model()
    if column.mappings or column.thresholds is not None:
        properties["mappings"] = [*column.mappings, null_mapping(column.no_value, TEXT)]
    if column.mappings:
        # Words, though they are numbers underneath.
        properties["custom.align"] = common.FieldTextAlignment.LEFT
    if column.mappings or column.thresholds is not None:
        properties["custom.cellOptions"] = _cell(filled=column.filled)
    if column.links:
        properties["links"] = list(column.links)
    return properties


def _cell(*, filled: bool) -> common.TableCellOptions:
    if filled:
        return common.TableColoredBackgroundCellOptions(
            mode=common.TableCellBackgroundDisplayMode.BASIC
        )
    return common.TableColorTextCellOptions()
