"""What the two paths of alerts have in common: lines for a terminal, a table for a page."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Final

from topology.differences import Difference
from topology.parity import Compared
from topology.parity_reasons import REASONS, TIMES
from topology.report import lines as case_lines

_PAGE: Final = Path(__file__).parents[2] / "docs" / "direct-alerts.md"
_BEGIN: Final = "<!-- parity: begin -->"
_END: Final = "<!-- parity: end -->"


def lines(one: Compared) -> str:
    """Tell of a case how it went, and what only one path has."""
    return "\n".join(
        [
            case_lines(one.verdict),
            *(f"      listed: {each} [{reason.name}]" for each, reason in one.explained),
            *(f"      DIFFERS: {each}" for each in one.unexplained),
        ]
    )


def summary(found: Sequence[Compared]) -> str:
    """Tell of all in a few lines."""
    right = sum(one.verdict.right for one in found)
    same = sum(one.same for one in found)
    listed = sum(bool(one.explained) and not one.unexplained for one in found)
    told = [f"{right} of {len(found)} right, {same} the same, {listed} with listed differences"]
    return "\n".join([*told, *(f"{what}: {figure}" for what, figure in _paces(found).items())])


def write_page(found: Sequence[Compared]) -> None:
    """Write the table into docs/direct-alerts.md."""
    text = _PAGE.read_text()
    before, after = text[: text.index(_BEGIN)], text[text.index(_END) :]
    _PAGE.write_text(before + _BEGIN + "\n\n" + _table(found) + "\n\n" + after)


def _table(found: Sequence[Compared]) -> str:
    figures: dict[str, object] = {
        "cases": len(found),
        "with the same alerts by name and labels": sum(one.same for one in found),
        "with others, each for a reason below": sum(bool(one.explained) for one in found),
        "with others, for no such reason": sum(bool(one.unexplained) for one in found),
        "delivered as wanted": sum(one.verdict.right for one in found),
        **_paces(found),
    }
    return "\n".join(
        [
            "| what | figure |",
            "|---|---|",
            *(f"| {what} | {figure} |" for what, figure in figures.items()),
            "",
            "| why | what differs | cases; in bold what is delivered otherwise than wanted |",
            "|---|---|---|",
            *_reasons(found),
        ]
    )


def _paces(found: Sequence[Compared]) -> dict[str, str]:
    """Tell how long deaths at work took to their pages."""
    paces = [one.pace for one in found if one.pace is not None]
    steady = [one for one in paces if one.steady]
    others = [one for one in paces if not one.steady]
    return {
        f"{what}, of {len(some)} cases{where}": _spread([getattr(one, since) for one in some])
        for where, some in (
            (" that are polled every 15 s without fail", steady),
            (" in which polls fail or are rarer, or the exporter is away for a while", others),
        )
        for what, since in (
            ("from a death at work to its page", "death"),
            ("from the last sign of life to the page", "sign"),
        )
        if some
    }


def _reasons(found: Sequence[Compared]) -> list[str]:
    rows = []
    for reason in REASONS:
        mine = [one for one in found if any(each is reason for _, each in one.explained)]
        if mine:
            which = [each for one in mine for each, why in one.explained if why is reason]
            rows.append(_row(reason.text, _alerts(which), mine))
    for name, text in TIMES.items():
        mine = [one for one in found if one.verdict.case.name == name and not one.explained]
        if mine:
            rows.append(_row(text, "only when it is told", mine))
    return rows


def _row(text: str, what: str, mine: Sequence[Compared]) -> str:
    names = [one.verdict.case.name for one in mine if one.verdict.right]
    names += [f"**{one.verdict.case.name}**" for one in mine if not one.verdict.right]
    return f"| {text} | {what} | {', '.join(names)} |"


def _alerts(which: Sequence[Difference]) -> str:
    paths: dict[str, set[str]] = defaultdict(set)
    for one in which:
        paths[one.path].add(f"`{one.alert}`")
    return "; ".join(f"{path} alone: {', '.join(sorted(paths[path]))}" for path in sorted(paths))


def _spread(seconds: Sequence[float]) -> str:
    least, middle, most = min(seconds), median(seconds), max(seconds)
    return f"{least:.0f} s to {most:.0f} s, middle {middle:.0f} s"
