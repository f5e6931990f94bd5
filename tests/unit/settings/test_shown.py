"""A target's settings as people are shown them."""

from collections.abc import Callable
from pathlib import Path

import yaml

from electric_agents_exporter.settings.model import Settings
from electric_agents_exporter.settings.shown import shown

Load = Callable[..., Settings]


def test_what_was_set_is_shown_without_a_secret(load_text: Load, tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("sesame")
    text = f"""\
targets:
  - name: größe
    url: https://agents.example.com/t/acme?key=sesame?more
    principals: [service:monitor]
    headers: {{x-key: sesame}}
    bearer_token: sesame
    interval: 20s
    include: {{id: 'prod-.*', kind: [server]}}
    postgres: postgresql://exporter@db/agents?options=-c%20sesame
    password_command: [echo, sesame, --more]
  - name: staging
    postgres: postgresql://exporter@db/agents
    password_file: {password}
"""
    both, database = load_text(text).targets
    assert yaml.safe_load(shown(both)) == {
        "name": "größe",
        "url": "https://agents.example.com/t/acme?(hidden)",
        "principals": ["service:monitor"],
        "headers": {"x-key": "(hidden)"},
        "bearer_token": "(hidden)",
        "interval": 20.0,
        "include": {"id": "prod-.*", "kind": ["server"]},
        "postgres": "postgresql://exporter@db/agents?(hidden)",
        "password_command": ["echo", "(hidden)", "(hidden)"],
    }
    assert yaml.safe_load(shown(database)) == {
        "name": "staging",
        "postgres": "postgresql://exporter@db/agents",
        "password_file": str(password),
    }
    assert "sesame" not in shown(both)
    assert shown(both).startswith("name: größe\nurl: ")
