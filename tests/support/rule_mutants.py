"""Rules with one fault each: a guard, a factor, a label or a time that a slip would change."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import promql_parser
from promql_parser import (
    AggregateExpr,
    BinaryExpr,
    Call,
    MatrixSelector,
    NumberLiteral,
    ParenExpr,
    VectorSelector,
)

from alert_values import Duration
from rule_files import Rule

_SET_OPERATORS: Final = ("and", "unless", "or")
_COMPARISONS: Final = {">": ">=", ">=": ">", "<": "<=", "<=": "<"}
_OPPOSITE: Final = {"max": "min", "min": "max"}
_FACTORS: Final = (0.5, 2.0)
_SELECTOR: Final = re.compile(r"^(?P<name>[\w:]+)\{(?P<matchers>[^}]*)\}(?P<rest>.*)$", re.DOTALL)
_FRACTIONS: Final = re.compile(r"\b(increase|rate)\(|:rate|:ratio_")
"""What is equal to a threshold by chance only, so that `>` and `>=` are the same to it."""


@dataclass(frozen=True)
class Mutant:
    """A rule as it would be with one fault."""

    rule: Rule
    fault: str
    raw: Mapping[str, Any]


def mutants(rule: Rule) -> Iterator[Mutant]:
    """Give a rule with every fault that it could have and still be loaded."""
    for fault, expression in _of(promql_parser.parse(rule.expression)):
        if _is_one(expression):
            yield Mutant(rule, fault, {**rule.raw, "expr": expression})
    for key in ("for", "keep_firing_for"):
        for fault, time in _times(rule.raw.get(key)):
            changed = {name: value for name, value in rule.raw.items() if name != key}
            yield Mutant(rule, f"{key}: {fault}", changed | ({key: time} if time else {}))
    for section in ("labels", "annotations"):
        words = rule.raw.get(section, {})
        for key in words:
            rest = {name: value for name, value in words.items() if name != key}
            yield Mutant(rule, f"{section}: no {key}", {**rule.raw, section: rest})
    for severity in ("critical", "warning", "info"):
        labels = rule.raw.get("labels", {})
        if labels.get("severity", severity) != severity:
            changed = {**rule.raw, "labels": {**labels, "severity": severity}}
            yield Mutant(rule, f"labels: severity {severity}", changed)


def _is_one(expression: str) -> bool:
    try:
        promql_parser.parse(expression)
    except ValueError:
        return False
    return True


def _times(text: str | None) -> Iterator[tuple[str, str | None]]:
    if text is None or not (time := Duration.parse(text)):
        return
    yield "none", None
    for factor in _FACTORS:
        yield f"{factor:g} times as long", str(Duration(time * factor))


def _of(node: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401  (nodes have no common fields)
    """Give what a part of an expression becomes with one fault in it, and the fault."""
    match node:
        case BinaryExpr():
            yield from _of_binary(node)
        case AggregateExpr():
            yield from _of_aggregate(node)
        case ParenExpr():
            yield from ((fault, f"({text})") for fault, text in _of(node.expr))
        case Call():
            yield from _of_call(node)
        case VectorSelector() | MatrixSelector():
            yield from _of_selector(str(node))
        case NumberLiteral() if node.val:
            for factor in _FACTORS:
                yield f"{node} becomes {factor * node.val:g}", f"{factor * node.val!r}"
        case _:
            pass


def _of_binary(node: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401
    left, right, operator = str(node.lhs), str(node.rhs), str(node.op)
    how = f"{operator} {node.modifier or ''}"
    for fault, text in _of(node.lhs):
        yield fault, f"({text}) {how} ({right})"
    for fault, text in _of(node.rhs):
        yield fault, f"({left}) {how} ({text})"
    if not isinstance(node.lhs, NumberLiteral):
        yield f"without {operator} {_short(right)}", left
    if operator in _SET_OPERATORS and operator != "unless":
        yield f"without {_short(left)} {operator}", right
    if operator in _COMPARISONS and not _FRACTIONS.search(left):
        yield (
            f"{_COMPARISONS[operator]} {_short(right)}",
            f"({left}) {_COMPARISONS[operator]} {node.modifier or ''} ({right})",
        )
    for label, fewer in _matchings(node.modifier):
        yield f"{operator} {label} with {_short(right)}", f"({left}) {operator} {fewer} ({right})"


def _matchings(modifier: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401
    """Give how two sides match without each of the labels that they are matched on, or despite."""
    if modifier is None or modifier.matching is None:
        return
    labels, whole = modifier.matching.labels, str(modifier)
    matching = str(modifier.matching)
    kind = matching.partition(" ")[0]
    for label in labels:
        rest = ", ".join(name for name in labels if name != label)
        yield f"{kind} no {label}", whole.replace(matching, f"{kind} ({rest})", 1)


def _of_aggregate(node: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401
    param = f"{node.param}, " if node.param is not None else ""
    labels = node.modifier.labels if node.modifier else []
    kind = str(node.modifier).split(" ")[0] if node.modifier else ""
    how = f"{node.op} {node.modifier or ''}"
    for fault, text in _of(node.expr):
        yield fault, f"{how} ({param}{text})"
    yield f"without {node.op} of {_short(str(node.expr))}", str(node.expr)
    if str(node.op) in _OPPOSITE:
        opposite = _OPPOSITE[str(node.op)]
        yield (
            f"{opposite} for {node.op} of {_short(str(node.expr))}",
            f"{opposite} {node.modifier or ''} ({node.expr})",
        )
    for label in labels:
        rest = ", ".join(name for name in labels if name != label)
        yield (
            f"{node.op} {kind} no {label} of {_short(str(node.expr))}",
            f"{node.op} {kind} ({rest}) ({param}{node.expr})",
        )


def _of_call(node: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401
    arguments = [str(argument) for argument in node.args]
    for place, argument in enumerate(node.args):
        for fault, text in _of(argument):
            others = ", ".join([*arguments[:place], text, *arguments[place + 1 :]])
            yield fault, f"{node.func.name}({others})"
    if node.func.name in {"abs", "clamp_min", "label_replace"}:
        yield f"without {node.func.name}", arguments[0]


def _of_selector(text: str) -> Iterator[tuple[str, str]]:
    selector = _SELECTOR.match(text)
    assert selector is not None, text
    matchers = re.findall(r'[\w]+(?:=~|!~|!=|=)"[^"]*"', selector["matchers"])
    for place, matcher in enumerate(matchers):
        for fault, changed in _of_matcher(matcher):
            inner = ",".join([*matchers[:place], *changed, *matchers[place + 1 :]])
            yield fault, f"{selector['name']}{{{inner}}}{selector['rest']}"


def _of_matcher(matcher: str) -> Iterator[tuple[str, list[str]]]:
    yield f"any {matcher}", []
    label, operator, value = re.split(r'(=~|!~|!=|=)"', matcher.removesuffix('"'), maxsplit=1)
    words = value.split("|")
    if len(words) > 1:
        for word in words:
            rest = "|".join(other for other in words if other != word)
            yield f"{label}{operator} no {word}", [f'{label}{operator}"{rest}"']


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
