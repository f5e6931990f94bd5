"""Go templates, as rule files have them, made into Jinja2, for an exporter that alerts by itself.

Only what the sources use is known; anything else is refused. Where a Go template asks Prometheus,
the sources are rendered with `alert_questions.of_exporter`, whose names are functions here.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

_ACTION: Final = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_TOKEN: Final = re.compile(
    r"""\s*(?:
        (?P<string>"(?:[^"\\]|\\["\\])*")
        |(?P<variable>\$[A-Za-z_]\w*)
        |(?P<field>\.[A-Za-z_]\w*)
        |(?P<dot>\.)
        |(?P<name>[A-Za-z_]\w*)
        |(?P<number>\d+)
        |(?P<sign>:=|[|(),])
    )""",
    re.VERBOSE,
)
_NAME: Final = re.compile(r"\$[a-z]\w*")
_DIGITS: Final = re.compile(r"%\.(\d)f")
_OPENS_JINJA: Final = re.compile(r"\{[{%#]")
_DOT: Final = "it"
"""What Go's `.` is called: what `with` or `range` is at."""
_OWN_NAMES: Final = frozenset({_DOT, "labels", "value", "facts", "loop"})


class UntranslatableError(ValueError):
    """A template has something that is not translated."""


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str


Write: TypeAlias = Callable[..., str]


def _filter(name: str) -> Write:
    """Write a function of one thing, with words before it, as a filter."""

    def write(*arguments: str) -> str:
        *before, piped = arguments
        return f"{piped} | {name}({', '.join(before)})" if before else f"{piped} | {name}"

    return write


def _infix(sign: str) -> Write:
    return lambda left, right: f"({left} {sign} {right})"


def _question(name: str) -> Write:
    return lambda *words: f"facts.{name}({', '.join(words)})"


def _of_server(family: str, by: str, *matches: str) -> str:
    pairs = zip(matches[::2], matches[1::2], strict=True)
    inner = ", ".join(f"{label}: {pattern}" for label, pattern in pairs)
    return f"facts.of_server({family}, {by}, {{{inner}}})"


def _printf(layout: str, piped: str) -> str:
    digits = _DIGITS.fullmatch(json.loads(layout))
    if digits is None:
        raise UntranslatableError(f"printf {layout} is not %.0f or the like")
    return f"{piped} | fixed({digits[1]})"


_FUNCTIONS: Final[Mapping[str, tuple[Write, frozenset[int]]]] = {
    "first": (_filter("first"), frozenset({1})),
    "value": (_filter("value"), frozenset({1})),
    "label": (_filter("label"), frozenset({2})),
    "sortByLabel": (_filter("sort_by_label"), frozenset({2})),
    "humanizeDuration": (_filter("humanize_duration"), frozenset({1})),
    "humanizePercentage": (_filter("humanize_percentage"), frozenset({1})),
    "urlquery": (_filter("urlquery"), frozenset({1})),
    "match": (_filter("match"), frozenset({2})),
    "len": (_filter("length"), frozenset({1})),
    "printf": (_printf, frozenset({2})),
    "gt": (_infix(">"), frozenset({2})),
    "lt": (_infix("<"), frozenset({2})),
    "ne": (_infix("!="), frozenset({2})),
    "hour_ago": (_question("hour_ago"), frozenset({0})),
    "info": (_question("info"), frozenset({0})),
    "reasons": (_question("reasons"), frozenset({0})),
    "of_job": (_question("of_job"), frozenset({0})),
    "of_runner": (_question("of_runner"), frozenset({1, 2})),
    "of_server": (_of_server, frozenset({4, 6, 8})),
}
"""How each function is written, and how many arguments it may have, the piped one with them."""


def translated(template: str) -> str:
    """Translate a template of a rule file.

    Raises:
        UntranslatableError: it has something that no source used before.
    """
    return _Translation().of(template)


class _Translation:
    """One template while it is translated; `_open` are the blocks around where it is."""

    def __init__(self) -> None:
        self._open: list[str] = []
        self._variables: list[tuple[str, ...]] = []

    def of(self, template: str) -> str:
        parts = list(self._parts(template))
        if self._open:
            raise UntranslatableError(f"{{{{ {self._open[-1]} }}}} has no {{{{ end }}}}")
        return "".join(parts)

    def _parts(self, template: str) -> Iterator[str]:
        last = 0
        for action in _ACTION.finditer(template):
            yield _text(template[last : action.start()])
            yield self._action(action[1])
            last = action.end()
        yield _text(template[last:])

    def _action(self, action: str) -> str:
        keyword, _, rest = action.strip().partition(" ")
        match keyword:
            case "if":
                self._enter("if")
                return f"{{% if {self._pipeline(rest)} %}}"
            case "with":
                held = self._pipeline(rest)
                self._enter("with")
                return f"{{% with {_DOT} = {held} %}}{{% if {_DOT} %}}"
            case "range":
                return self._range(rest)
            case "else" if not rest and self._open and self._open[-1] == "if":
                self._open[-1] = "else"
                return "{% else %}"
            case "end" if not rest and self._open:
                self._variables.pop()
                return {
                    "with": "{% endif %}{% endwith %}",
                    "range": "{% endfor %}",
                }.get(self._open.pop(), "{% endif %}")
            case "if" | "else" | "end" | "define" | "template" | "block" | "break" | "continue":
                raise UntranslatableError(f"{{{{ {action.strip()} }}}} is not translated here")
            case _:
                return f"{{{{ {self._pipeline(action)} }}}}"

    def _range(self, rest: str) -> str:
        declared, assigned, ranged = rest.partition(":=")
        names: tuple[str, ...] = ()
        if assigned:
            names = tuple(word.strip() for word in declared.split(","))
            if len(names) != len(("index", "one")) or not all(map(_is_free, names)):
                raise UntranslatableError(f"range {declared.strip()} is not two names of its own")
        items = self._pipeline(ranged if assigned else rest)
        self._enter("range", names)
        start = f"{{% for {_DOT} in {items} %}}"
        if not names:
            return start
        index, one = (name.removeprefix("$") for name in names)
        return f"{start}{{% set {index}, {one} = loop.index0, {_DOT} %}}"

    def _enter(self, block: str, variables: tuple[str, ...] = ()) -> None:
        self._open.append(block)
        self._variables.append(variables)

    def _pipeline(self, text: str) -> str:
        tokens = _Tokens(text)
        written = self._piped(tokens)
        if tokens.next is not None:
            raise UntranslatableError(f"{text.strip()!r}: {tokens.next.text!r} is not expected")
        return written

    def _piped(self, tokens: "_Tokens") -> str:
        written = self._command(tokens)
        while tokens.skip("|"):
            name = tokens.take("name").text
            written = self._call(name, [*self._arguments(tokens), written])
        return written

    def _command(self, tokens: "_Tokens") -> str:
        if tokens.next is not None and tokens.next.kind == "name":
            name = tokens.take("name").text
            return self._call(name, self._arguments(tokens))
        return self._operand(tokens)

    def _arguments(self, tokens: "_Tokens") -> list[str]:
        arguments = []
        while tokens.next is not None and tokens.next.text not in {"|", ")"}:
            arguments.append(self._operand(tokens))
        return arguments

    def _call(self, name: str, arguments: list[str]) -> str:
        if name not in _FUNCTIONS:
            raise UntranslatableError(f"{name!r} is no function that is translated")
        write, counts = _FUNCTIONS[name]
        if len(arguments) not in counts:
            raise UntranslatableError(f"{name!r} has {len(arguments)} arguments")
        return write(*arguments)

    def _operand(self, tokens: "_Tokens") -> str:
        if tokens.skip("("):
            inner = self._piped(tokens)
            if not tokens.skip(")"):
                raise UntranslatableError(f"({inner}) is not closed")
            return f"({inner})"
        token = tokens.take("string", "number", "variable", "dot", "field")
        match token.kind:
            case "string":
                return json.dumps(json.loads(token.text), ensure_ascii=False)
            case "number":
                return token.text
            case "variable":
                return self._variable(token.text, tokens)
            case _:
                if not {"with", "range"}.intersection(self._open):
                    raise UntranslatableError(f"{token.text!r} stands in no with or range")
                fields = [token.text] if token.kind == "field" else []
                return _fields(_DOT, fields, tokens)

    def _variable(self, name: str, tokens: "_Tokens") -> str:
        if name == "$value":
            return "value"
        if name == "$labels":
            return f"labels[{json.dumps(tokens.take('field').text[1:])}]"
        if not any(name in names for names in self._variables):
            raise UntranslatableError(f"{name} is not known")
        return _fields(name[1:], [], tokens)


class _Tokens:
    """The tokens of an action, one after the other; `next` is the one to come."""

    def __init__(self, text: str) -> None:
        self._coming = list(_tokens(text))

    @property
    def next(self) -> _Token | None:
        """The token to come; None at the end."""
        return self._coming[0] if self._coming else None

    def take(self, *kinds: str) -> _Token:
        """Take the next one, which must be of one of some kinds."""
        if not self._coming or self._coming[0].kind not in kinds:
            found = self._coming[0].text if self._coming else "the end"
            raise UntranslatableError(f"{found!r} stands where a {' or '.join(kinds)} should")
        return self._coming.pop(0)

    def skip(self, sign: str) -> bool:
        """Take a sign if it comes next; tell whether it does."""
        if self.next != _Token("sign", sign):
            return False
        self._coming.pop(0)
        return True


def _tokens(text: str) -> Iterator[_Token]:
    end = len(text.rstrip())
    at = 0
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise UntranslatableError(f"{text[at:].strip()!r} is not translated here")
        yield _Token(match.lastgroup, match[match.lastgroup])
        at = match.end()


def _text(text: str) -> str:
    if _OPENS_JINJA.search(text):
        raise UntranslatableError(f"{text!r} would open a tag")
    return text


def _fields(base: str, fields: list[str], tokens: _Tokens) -> str:
    """Write what a dot or a variable is at, or `.Labels.NAME` of it."""
    while tokens.next is not None and tokens.next.kind == "field":
        fields.append(tokens.take("field").text)
    match fields:
        case []:
            return base
        case [".Labels", name]:
            return f"{base} | label({json.dumps(name[1:])})"
    raise UntranslatableError(f"{''.join(fields)} is not .Labels.NAME")


def _is_free(name: str) -> bool:
    return bool(_NAME.fullmatch(name)) and name[1:] not in _OWN_NAMES
