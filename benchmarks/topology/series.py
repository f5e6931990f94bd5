"""What a series of a world is made of: its family, its labels, and its samples."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from topology.steps import Run, Steps

RUNNER: Final = "electric_agents_runner_"
FLEET: Final = "electric_agents_runners"
SERVER: Final = "electric_agents_server_"
EXPORTER: Final = "electric_agents_exporter_"

Reading: TypeAlias = Callable[[float], float | None]
"""Gives a value at moments that only go on; None where there is none."""

Values: TypeAlias = Steps[float | None] | Reading
"""What changes now and then in steps, and what moves all the time as a function."""

Made: TypeAlias = Iterator[tuple[str, Mapping[str, str], Values]]
Families: TypeAlias = Collection[str]
Sampled: TypeAlias = Iterator[tuple[str, Mapping[str, str], Sequence[Run]]]


def selector(name: str, labels: Mapping[str, str]) -> str:
    """Write a series as a selector."""
    inner = ",".join(f"{key}={json.dumps(value)}" for key, value in sorted(labels.items()))
    return f"{name}{{{inner}}}"
