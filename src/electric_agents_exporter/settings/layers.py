"""Settings from one origin each - flags, environment, file - and what people call their places."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from electric_agents_exporter.settings.faults import Fault, Place, spell

_PLACEHOLDER: Final = re.compile(
    r"\$\{[A-Za-z_][^{}]*\}|\$\([A-Za-z_]\w*\)|(?:\A|[\s/:=@])\$[A-Z_][A-Z0-9_]*(?:[\s/:?&@]|\Z)"
)
"""What a shell, Compose or Kubernetes would have filled in: it is never sent so."""


@dataclass(frozen=True, slots=True)
class Layer:
    """What one origin says.

    `origins` tells where a place is set, such as `config.yaml:7`; with `spelled`, the place itself
    has to be said too. `faults` were found on reading; what stands at `broken` could not be read.
    """

    content: Mapping[str, Any] = field(default_factory=dict)
    origins: Mapping[Place, str] = field(default_factory=dict)
    spelled: bool = False
    faults: Sequence[Fault] = ()
    broken: frozenset[Place] = frozenset()

    def depth(self, place: Place) -> int:
        """Tell how many parts of a place are known here."""
        lengths = range(len(place), -1, -1)
        return next((length for length in lengths if place[:length] in self.origins), -1)

    def describe(self, place: Place) -> str:
        """Tell people where a place is, as exactly as this layer knows."""
        depth = max(self.depth(place), 0)
        origin = self.origins.get(place[:depth], "")
        words = spell(place if self.spelled else place[depth:])
        return ": ".join(filter(None, (origin, words)))

    def has_broken(self, place: Place) -> bool:
        """Tell whether a place, or a part it stands in, could not be read."""
        return any(place[:length] in self.broken for length in range(1, len(place) + 1))


def is_excused(place: Place, layers: Sequence[Layer]) -> bool:
    """Tell whether a fault need not be told, as it only follows from one that was found on reading.

    Such a fault is at a place that could not be read, or at one that no layer sets (something is
    missing) while a whole layer could not be read.
    """
    unknown = all(layer.depth(place) < 1 for layer in layers)
    lost = any(() in layer.broken for layer in layers)
    return (unknown and lost) or any(layer.has_broken(place) for layer in layers)


def describe(place: Place, layers: Sequence[Layer]) -> str:
    """Tell people where a place is set: in the layer that knows it best, the first of equals."""
    return max(layers, key=lambda layer: layer.depth(place)).describe(place)


def placeholders(layers: Sequence[Layer]) -> list[Fault]:
    """Find texts that something else was to fill in, and did not."""
    places = (place for layer in layers for place, text in _texts(layer.content) if _is_left(text))
    return [
        Fault(describe(place, layers), "holds a placeholder that nothing fills in here")
        for place in dict.fromkeys(places)
    ]


def _is_left(text: str) -> bool:
    return _PLACEHOLDER.search(text) is not None or any(map(_holds_braces, text.split("\n")))


def _holds_braces(line: str) -> bool:
    """Tell whether a line holds `{{...}}`; a pattern would take ever so long over `{{{{{{`."""
    return "}}" in line.partition("{{")[2]


def _texts(content: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    """Give every text in nested maps and lists, with its place."""
    left: list[tuple[Place, object]] = [((), content)]
    while left:
        place, value = left.pop()
        match value:
            case str():
                yield place, value
            case Mapping():
                left += [((*place, str(name)), value[name]) for name in reversed(value)]
            case list():
                left += [((*place, number), value[number]) for number in range(len(value))][::-1]
            case _:
                pass
