"""PromQL taken apart: what a query selects, and what is done with it."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import promql_parser as parser

from made_dashboards import BUILT_IN, interpolated

# Any value does, but what is not a variable's must not look like one's.
CHOSEN: Final = {
    name: f"chosen-{name}"
    for name in ("job", "cluster", "instance", "server", "tenant", "like", "runner")
}


@cache
def parsed(expr: str) -> Any:  # noqa: ANN401  (the parser has no types)
    """Take a query apart, with a value for each variable.

    Raises:
        ValueError: it is no PromQL.
    """
    return parser.parse(interpolated(expr, {**BUILT_IN, **CHOSEN}))


@dataclass(frozen=True)
class Selection:
    """A selector, and the expressions around it, the outermost first."""

    name: str
    matchers: tuple[tuple[str, str, str], ...]
    around: tuple[Any, ...]

    @property
    def function(self) -> str:
        """The function that is called on it directly, if one is."""
        inner = self.around[-1] if self.around else None
        if isinstance(inner, parser.MatrixSelector):
            inner = self.around[-2] if len(self.around) > 1 else None
        return str(inner.func.name) if isinstance(inner, parser.Call) else ""

    @property
    def window(self) -> str:
        """How far back it looks, in seconds; empty where it does not."""
        inner = self.around[-1] if self.around else None
        if isinstance(inner, parser.MatrixSelector):
            return f"{inner.range.total_seconds():g}"
        return ""

    @property
    def aggregations(self) -> list[Any]:
        """The aggregations around it, the innermost first."""
        found = [node for node in self.around if isinstance(node, parser.AggregateExpr)]
        return found[::-1]


def selections(node: Any, around: tuple[Any, ...] = ()) -> Iterator[Selection]:  # noqa: ANN401
    """Give every selector below an expression."""
    if isinstance(node, parser.VectorSelector):
        matchers = tuple((m.name, str(m.op), m.value) for m in node.matchers.matchers)
        yield Selection(node.name or "", matchers, around)
        return
    for child in children(node):
        yield from selections(child, (*around, node))


def labels(node: Any) -> Iterator[str]:  # noqa: ANN401
    """Give every label that an expression groups by, joins on or brings along."""
    if isinstance(node, parser.AggregateExpr) and node.modifier:
        yield from node.modifier.labels
    if isinstance(node, parser.BinaryExpr) and node.modifier:
        if node.modifier.matching:
            yield from node.modifier.matching.labels
        yield from node.modifier.group_labels or ()
    for child in children(node):
        yield from labels(child)


def children(node: Any) -> list[Any]:  # noqa: ANN401
    """Give the expressions that an expression is directly made of."""
    if isinstance(node, parser.MatrixSelector):
        return [node.vector_selector]
    if isinstance(node, parser.Call):
        return list(node.args)
    if isinstance(node, parser.BinaryExpr):
        return [node.lhs, node.rhs]
    if isinstance(
        node, (parser.AggregateExpr, parser.ParenExpr, parser.UnaryExpr, parser.SubqueryExpr)
    ):
        return [node.expr]
    return []
