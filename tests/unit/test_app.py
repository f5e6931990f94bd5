"""The wiring: an exporter as one object, made of settings."""

import json
import subprocess
import sys

import pytest

LOADED = """
import json, sys
from electric_agents_exporter.app import Exporter
from electric_agents_exporter.settings import loading
Exporter(loading.load(None, {"targets": [json.loads(sys.argv[1])]}, {}))
print(*sorted({"aiohttp", "psycopg"} & sys.modules.keys()))
"""


@pytest.mark.parametrize(
    "target, client",
    [
        ({"url": "http://127.0.0.1:1", "principals": ["service:monitor"]}, "aiohttp"),
        ({"postgres": "postgresql://db/agents"}, "psycopg"),
    ],
)
def test_only_the_client_that_a_target_needs_is_loaded(
    target: dict[str, object], client: str
) -> None:
    command = [sys.executable, "-c", LOADED, json.dumps({"name": "one", **target})]
    loaded = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert loaded.split() == [client]
