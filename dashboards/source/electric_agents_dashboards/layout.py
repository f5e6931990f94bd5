"""Where panels sit: sections of lines, each as wide as the screen, from the top down."""

from dataclasses import dataclass
from itertools import count
from typing import Final

from grafana_foundation_sdk.models import dashboard

from electric_agents_dashboards.panels import DETAIL

COLUMNS: Final = 24
"""How many columns Grafana's grid has."""


@dataclass(frozen=True)
class Line:
    """Panels beside each other, of one height, each with its width."""

    height: int
    panels: tuple[tuple[int, dashboard.Panel], ...]


@dataclass(frozen=True)
class Section:
    """A row with a title, and the lines below it."""

    title: str
    lines: tuple[Line, ...]


def line(height: int, *panels: tuple[int, dashboard.Panel]) -> Line:
    """Make a line that fills the grid.

    Raises:
        ValueError: the widths do not add up to the grid's.
    """
    filled = sum(width for width, _ in panels)
    if filled != COLUMNS:
        titles = ", ".join(str(panel.title) for _, panel in panels)
        raise ValueError(f"the widths of {titles} add up to {filled}, not to {COLUMNS}")
    return Line(height, panels)


def place(uid: str, *sections: Section) -> list[dashboard.Panel | dashboard.RowPanel]:
    """Give every panel of the dashboard of this uid an id and its place, and its links an end."""
    placed: list[dashboard.Panel | dashboard.RowPanel] = []
    ids = count(1)
    top = 0
    for section in sections:
        title = dashboard.RowPanel(
            title=section.title,
            id_val=next(ids),
            grid_pos=dashboard.GridPos(h=1, w=COLUMNS, x=0, y=top),
            panels=[],
        )
        placed.append(title)
        top += 1
        for row in section.lines:
            left = 0
            for width, panel in row.panels:
                panel.id_val = next(ids)
                panel.grid_pos = dashboard.GridPos(h=row.height, w=width, x=left, y=top)
                placed.append(panel)
                left += width
            top += row.height
    _lead_to_details(uid, placed)
    return placed


def _lead_to_details(uid: str, placed: list[dashboard.Panel | dashboard.RowPanel]) -> None:
    """Let links to panels, which were by title, lead to that panel alone, for the same choice.

    Raises:
        KeyError: no panel has such a title.
    """
    ids = {f"{DETAIL}{panel.title}": panel.id_val for panel in placed}
    for panel in placed:
        config = getattr(panel, "field_config", None)
        for link in (config and config.defaults.links) or ():
            if link.url and link.url.startswith(DETAIL):
                link.url = (
                    f"/d/{uid}?viewPanel={ids[link.url]}&${{__all_variables}}&${{__url_time_range}}"
                )
