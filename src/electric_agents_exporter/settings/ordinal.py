"""`shard.index: auto`: the number that a StatefulSet gives a pod, the last part of its name."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from electric_agents_exporter.settings.faults import Fault, Place
from electric_agents_exporter.settings.layers import Layer

POD_NAME: Final = "POD_NAME"
"""The variable that may name the pod; else the host is called as the pod is."""

_AUTO: Final = "auto"
_PLACE: Final[Place] = ("shard", "index")
_ORDINAL: Final = re.compile(r".+-([0-9]{1,9})")


def with_ordinal(layer: Layer, pod: str) -> Layer:
    """Put the number at the end of a pod's name where a layer says `auto`."""
    shard = layer.content.get("shard")
    if not isinstance(shard, Mapping) or shard.get("index") != _AUTO:
        return layer
    found = _ORDINAL.fullmatch(pod)
    index: dict[str, Any] = {"index": int(found[1])} if found else {}
    content = {**layer.content, "shard": {**_without_index(shard), **index}}
    if found:
        return replace(layer, content=content)
    fault = Fault(
        layer.describe(_PLACE),
        f"auto needs a name that ends with -NUMBER, as the pods of a StatefulSet have: neither "
        f"{POD_NAME} nor the host's name does",
    )
    return replace(layer, content=content, faults=(*layer.faults, fault))


def _without_index(shard: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in shard.items() if name != "index"}
