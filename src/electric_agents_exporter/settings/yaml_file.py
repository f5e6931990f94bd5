"""Settings from a YAML file, with the line of everything in it.

Stricter than YAML: one document, names that are text and stand once, no tags, no numbers that YAML
reads otherwise than people do, bounded depth and size (aliases and what `<<` takes over counted as
what they stand for). Problems are told without what was written: a password may well begin with `*`
or `!`.
"""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from electric_agents_exporter.settings.faults import Fault, Place, spell
from electric_agents_exporter.settings.layers import Layer

_MAX_BYTES: Final = 1 << 20
_MAX_DEPTH: Final = 20
_MAX_NODES: Final = 50_000
_EXPLAINED: Final = 1 << 14
"""How long a text may be for the slow parser to say what is wrong with it."""

_PARSER: Final[type[yaml.SafeLoader]] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SURPRISING_NUMBER: Final = re.compile(r"[-+]?(0[0-9_]+|[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?)")
"""What YAML 1.1 takes for an octal number, or for minutes and seconds: 010 is 8, 1:30 is 90."""

_ANCHORS: Final = "x-"
"""How names at the top begin that mean nothing here, and may hold what others refer to."""

_TAG: Final = "tag:yaml.org,2002:"
_PLAIN_TAGS: Final = frozenset(_TAG + name for name in ("str", "int", "float", "bool", "null"))
_NUMBER_TAGS: Final = frozenset({f"{_TAG}int", f"{_TAG}float"})
_DATE_TAG: Final = f"{_TAG}timestamp"
_MERGE_TAG: Final = f"{_TAG}merge"
_UNCLOSED: Final = (
    "while parsing a flow",
    "while scanning a quoted",
    "while scanning a simple key",
)
"""What the parser was at where the line that it began on tells more than that where it ended."""

_PROBLEMS: Final = (
    ("'\\t'", "holds a tab where spaces are expected"),
    ("mapping values are not allowed", "a colon too many; put quotes around text that holds one"),
    ("could not find expected ':'", "expected `name: value`"),
    ("found undefined alias", "nothing is called so; put quotes around text that begins with *"),
    ("expected <block end>", "stands further left or right than what it belongs to"),
    ("found '<stream end>'", "ends in the middle; a bracket may not be closed"),
    ("expected ',' or", "a bracket is not closed, or a comma is missing"),
    ("but found another document", "expected one document only"),
    ("cannot start any token", "put quotes around text that begins with a special character"),
    ("found unexpected end of stream", "a quotation mark is not closed"),
    ("unknown escape character", "a backslash in double quotes; use single quotes"),
)


class _UnusableError(Exception):
    """Nothing of the file can be used; `fault` says why."""

    def __init__(self, place: str, message: str) -> None:
        super().__init__(message)
        self.fault = Fault(place, message)


class _TooLargeError(Exception):
    """The file stands for more than any settings need."""


def read_file(path: Path) -> Layer:
    """Read a file; what is wrong with it is in the layer."""
    try:
        return _parse(str(path), _bytes(path))
    except _UnusableError as error:
        return Layer(faults=[error.fault], broken=frozenset({()}))


def _bytes(path: Path) -> bytes:
    try:
        # Not blocking: to open a pipe waits for whoever is to write to it.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise _UnusableError(str(path), "is no regular file")
            text = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise _UnusableError(str(path), f"cannot be read: {error.strerror}") from None
    if len(text) > _MAX_BYTES:
        raise _UnusableError(str(path), f"is larger than {_MAX_BYTES} bytes")
    return text


def _parse(name: str, text: bytes) -> Layer:
    try:
        _refuse_too_large(text)
        loader = _PARSER(text)
        tree = _Tree(loader, name)
        content = tree.build(loader.get_single_node(), ())
    except yaml.MarkedYAMLError as error:
        told = _in_words(text) or error
        raise _UnusableError(f"{name}:{_line(told)}", f"not YAML: {_problem(told)}") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise _UnusableError(name, "not YAML: expected text in UTF-8") from None
    except (RecursionError, _TooLargeError):
        raise _UnusableError(name, "holds more than settings need, or is nested too deep") from None
    if content is None and not tree.faults:
        content = {}
    if not isinstance(content, dict):
        raise _UnusableError(f"{name}:1", "expected settings as `name: value`")
    return Layer(
        {key: value for key, value in content.items() if not key.startswith(_ANCHORS)},
        {(): name, **tree.lines},
        spelled=True,
        faults=tree.faults,
        broken=frozenset(tree.broken),
    )


def _refuse_too_large(text: bytes) -> None:
    """Count what stands in a text, before it is taken together: that goes as deep as the text does.

    Raises:
        _TooLargeError: it holds more than settings need, or is nested too deep.
        yaml.YAMLError: it is no YAML.
    """
    depth = 0
    for number, event in enumerate(yaml.parse(text, Loader=_PARSER)):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _MAX_DEPTH + 1 or number > 2 * _MAX_NODES:
            raise _TooLargeError


def _in_words(text: bytes) -> yaml.MarkedYAMLError | None:
    """Give the error of the parser that tells more, and is slow; None where it has none."""
    if len(text) > _EXPLAINED:
        return None
    try:
        for _ in yaml.parse(text, Loader=yaml.SafeLoader):
            pass
        yaml.SafeLoader(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        return error
    except (yaml.YAMLError, RecursionError):
        return None
    return None


def _problem(error: yaml.MarkedYAMLError) -> str:
    """Put what the parser says in words of ours, which repeat nothing of the file."""
    said = error.problem or ""
    return next((words for mark, words in _PROBLEMS if mark in said), "cannot be understood here")


def _line(error: yaml.MarkedYAMLError) -> int:
    unclosed = any(mark in (error.context or "") for mark in _UNCLOSED)
    mark = error.context_mark if unclosed else error.problem_mark
    return mark.line + 1 if mark else 1


class _Tree:
    """Builds plain values of nodes, and notes their lines and what is wrong with them."""

    def __init__(self, loader: yaml.SafeLoader, name: str) -> None:
        self.lines: dict[Place, str] = {}
        self.faults: list[Fault] = []
        self.broken: set[Place] = set()
        self._loader = loader
        self._name = name
        self._nodes = 0

    def build(self, node: yaml.Node | None, place: Place) -> object:
        """Give the value of a node.

        Raises:
            _TooLargeError: it is nested too deep, as one that holds itself is, or stands for too
                much.
        """
        self._count(place)
        match node:
            case yaml.MappingNode(tag=tag) if tag == f"{_TAG}map":
                return self._map(node, place)
            case yaml.SequenceNode(tag=tag) if tag == f"{_TAG}seq":
                return [self._item(child, (*place, i)) for i, child in enumerate(node.value)]
            case yaml.ScalarNode():
                return self._scalar(node, place)
            case yaml.Node():
                self._refuse(node, place, "a tag (!) means nothing here")
        return None

    def _count(self, place: Place) -> None:
        """Count a node, or a pair that is taken over.

        Raises:
            _TooLargeError: as `build`.
        """
        self._nodes += 1
        if len(place) > _MAX_DEPTH or self._nodes > _MAX_NODES:
            raise _TooLargeError

    def _item(self, node: yaml.Node, place: Place) -> object:
        self.lines[place] = self._line(node)
        return self.build(node, place)

    def _map(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
        content: dict[str, Any] = {}
        own: set[str] = set()
        for key, child, is_merged in self._pairs(node, place):
            if not isinstance(key, yaml.ScalarNode) or key.tag != f"{_TAG}str":
                # Not repeated, and no part of the place either: it may be anything.
                self._blame(key, place, "expected a name that is text; put quotes around it")
                continue
            inner = (*place, key.value)
            if is_merged and key.value in content:
                continue
            if key.value in own:
                self._blame(key, inner, "stands here a second time")
            if not is_merged:
                own.add(key.value)
            self.lines[inner] = self._line(key)
            content[key.value] = self.build(child, inner)
        return content

    def _pairs(
        self, node: yaml.MappingNode, place: Place
    ) -> Iterator[tuple[yaml.Node, yaml.Node, bool]]:
        """Give what a map holds itself, then what it takes over by `<<`."""
        merged: list[yaml.Node] = []
        for key, child in node.value:
            if key.tag == _MERGE_TAG:
                merged += child.value if isinstance(child, yaml.SequenceNode) else [child]
            else:
                yield key, child, False
        for source in merged:
            if not isinstance(source, yaml.MappingNode) or source is node:
                self._blame(source, place, "expected a map after <<")
                continue
            for key, child, _ in self._pairs(source, place):
                self._count(place)
                yield key, child, True

    def _scalar(self, node: yaml.ScalarNode, place: Place) -> object:
        if node.tag == _DATE_TAG:
            return node.value
        if node.tag in _NUMBER_TAGS and _SURPRISING_NUMBER.fullmatch(node.value):
            self._refuse(node, place, "YAML reads another number here; put quotes around text")
            return None
        try:
            if node.tag in _PLAIN_TAGS:
                return self._loader.construct_object(node)
            self._refuse(node, place, "a tag (!) means nothing here; put quotes around text")
        except (ValueError, LookupError, yaml.YAMLError):
            self._refuse(node, place, "cannot be read; put quotes around text")
        return None

    def _refuse(self, node: yaml.Node, place: Place, message: str) -> None:
        """Blame a node and leave it out: what comes later must not blame it again."""
        self._blame(node, place, message)
        self.broken.add(place)

    def _blame(self, node: yaml.Node, place: Place, message: str) -> None:
        where = ": ".join(filter(None, (self._line(node), spell(place))))
        self.faults.append(Fault(where, message))

    def _line(self, node: yaml.Node) -> str:
        return f"{self._name}:{node.start_mark.line + 1}"
