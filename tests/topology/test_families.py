"""What the model exposes is what the metric table says: the same families with the same labels."""

import json
import re
from typing import Any

import pytest

from electric_agents_exporter.metrics.reference import render_json
from topology.exposition import series
from topology.model import Exporter, Server, Target, World, at, fleet
from topology.run import SETS, rule_set

TABLE: dict[str, dict[str, Any]] = {one["name"]: one for one in json.loads(render_json())}
OPTIONAL = {"owner_principal", "tenant", "shard"}
PROCESS = {"up", "process_start_time_seconds"}


def names() -> set[str]:
    found = set(PROCESS)
    for name, family in TABLE.items():
        histogram = family["type"] == "histogram"
        found |= {f"{name}_{part}" for part in ("bucket", "count")} if histogram else {name}
    return found


def made() -> dict[str, set[frozenset[str]]]:
    """Give the labels of every series of a world that has all there is."""
    changes = (at(-100, entities=1, claimed=2.0, late=1.0), at(100, alive=False, unheard=1))
    server = Server(fleet(3, "worker", *changes))
    drift = (((0.0, 300.0), 1.0),)
    exporter = Exporter({}, (Target(server, postgres=True, expected_min=2),), drift=drift)
    found: dict[str, set[frozenset[str]]] = {}
    for selector in series(World((exporter,), 300), names()):
        name, labels = selector.split("{", 1)
        found.setdefault(name, set()).add(frozenset(re.findall(r'(\w+)="', labels)))
    return found


def test_labels_are_those_of_the_metric_table() -> None:
    for name, sets in made().items():
        if name in PROCESS:
            continue
        base = re.sub(r"_(bucket|count)$", "", name) if name not in TABLE else name
        wanted = set(TABLE[base]["labels"]) - OPTIONAL
        if name.endswith("_count"):
            wanted -= {"le"}
        assert sets == {frozenset(wanted)}, name


@pytest.mark.parametrize("name", SETS)
def test_all_that_rules_read_is_made(name: str) -> None:
    """A family that is made of counters of one's own stands in a world that has them."""
    with rule_set(name) as (rules, _):
        read = {one for one in rules.families if one.startswith("electric_agents_")}
    assert read - set(made()) <= {"electric_agents_server_polls_skipped_total"}
