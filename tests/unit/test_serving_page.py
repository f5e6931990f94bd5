"""docs/serving.md: what it says can be written can be, and every part of Go's file is told of."""

import re
from pathlib import Path

import pytest
import yaml

from certificates import Pair
from electric_agents_exporter.settings.loading import load
from electric_agents_exporter.settings.server_tls import ServerTlsSettings
from electric_agents_exporter.settings.web import WebSettings
from electric_agents_exporter.settings.web_config import (
    HttpServerConfig,
    RateLimitConfig,
    WebConfig,
)

PAGE = (Path(__file__).parents[2] / "docs" / "serving.md").read_text()
TARGETS = [{"url": "http://agents.test", "principals": ["user:a"]}]


def test_every_part_of_exporter_toolkits_file_is_told_of() -> None:
    table = PAGE.partition("| part | here |")[2].partition("\n\n")[0]
    told = set(re.findall(r"`(\w+)`", table))
    for model in (ServerTlsSettings, HttpServerConfig):
        assert set(model.model_fields) <= told
    assert "rate_limit" in told
    assert set(RateLimitConfig.model_fields) - {"interval"} <= told
    assert set(WebConfig.model_fields) - {"http_server_config"} <= told


@pytest.mark.parametrize("name", ["tls", "basic_auth_users", "config_file", "route_prefix"])
def test_every_way_of_protecting_the_port_is_told_of(name: str) -> None:
    assert name in WebSettings.model_fields
    assert name in PAGE


def test_what_it_shows_of_our_settings_loads(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    (tmp_path / "health").write_text("secret")
    blocks = re.findall(r"```yaml\n(web:\n.*?)```", PAGE, re.DOTALL)
    more = re.findall(r"```yaml\n(    client_ca_file.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 3
    texts = [blocks[0], blocks[0] + more[0], *blocks[1:]]
    for text in texts:
        real = text.replace("/etc/exporter/tls", f"{tmp_path}/server")
        real = real.replace("/etc/exporter/clients", f"{tmp_path}/ca").replace(
            "/run/secrets", str(tmp_path)
        )
        settings = load(None, {"targets": TARGETS, **yaml.safe_load(real)}, {})
        assert settings.web != WebSettings(), text
    assert pair.cert.exists()
