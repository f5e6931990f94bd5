"""Settings from one origin each - flags, environment, file - and what people call their places."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from electric_agents_exporter.settings.faults import Fault, Place, spell


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
