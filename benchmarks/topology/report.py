"""The results of the topology bench for readers: lines for a terminal, a table for a page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from topology.case import Want
from topology.verdict import Verdict, span

_PAGE: Final = Path(__file__).parents[2] / "docs" / "alert-quality.md"
_BEGIN: Final = "<!-- topology: begin -->"
_END: Final = "<!-- topology: end -->"


def lines(verdict: Verdict) -> str:
    """Tell of a case what was wanted and what came."""
    case = verdict.case
    return "\n".join(
        [
            f"{'ok ' if verdict.right else 'BAD'} {case.name}: {case.what}",
            f"      wanted: {'; '.join(map(wanted, case.wants)) or 'nothing'}",
            f"      came:   {'; '.join(verdict.delivered) or 'nothing'}",
            *(f"      WRONG:  {fault}" for fault in verdict.faults),
        ]
    )


def wanted(want: Want) -> str:
    """Say what is wanted."""
    what = f"{want.sort} {' or '.join(sorted(want.alerts))}"
    who = ", ".join((want.labels or {}).values())
    about = f" of {who}" if who else ""
    return f"{what}{about} by {span(want.by)}" if want.must else f"perhaps {what}{about}"


def write_page(found: Mapping[str, Sequence[Verdict]]) -> None:
    """Write the table into docs/alert-quality.md."""
    text = _PAGE.read_text()
    before, after = text[: text.index(_BEGIN)], text[text.index(_END) :]
    _PAGE.write_text(before + _BEGIN + "\n\n" + _table(found) + "\n\n" + after)


def _table(found: Mapping[str, Sequence[Verdict]]) -> str:
    counts = ", ".join(
        f"{name} {sum(one.right for one in verdicts)}" for name, verdicts in found.items()
    )
    many = len(found["shipped"])
    names = list(found)
    lines = [
        f"{many} cases. Right: {counts}.",
        "",
        f"| case | what happens | wanted | came, by our rules | {' | '.join(names)} |",
        f"|---|---|---|---|{'---|' * len(names)}",
    ]
    for number, ours in enumerate(found["shipped"]):
        wants = "<br>".join(map(wanted, ours.case.wants)) or "silence"
        came = "<br>".join(ours.delivered) or "silence"
        marks = [_mark(verdicts[number]) for verdicts in found.values()]
        lines.append(
            f"| {ours.case.name} | {ours.case.what} | {wants} | {came} | {' | '.join(marks)} |"
        )
    return "\n".join(lines)


def _mark(verdict: Verdict) -> str:
    if verdict.right:
        return "right"
    more = f"<br>and {len(verdict.faults) - 2} more" if len(verdict.faults) > 2 else ""
    return "<br>".join(verdict.faults[:2]) + more
