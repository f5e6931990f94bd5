"""Where the exporter serves that settings describe, good or bad as they may have become since."""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from electric_agents_exporter.settings.environment import read_environment
from electric_agents_exporter.settings.layers import Layer
from electric_agents_exporter.settings.model import Settings
from electric_agents_exporter.settings.yaml_file import read_file

_NOTHING: Final[Mapping[str, Any]] = {}


@dataclass(frozen=True, slots=True)
class OwnExporter:
    """What has to be known to ask it.

    Attributes:
        address: its `listen`.
        prefix: its `route_prefix`, as it is written.
        certificate: the certificate that it shows, PEM, empty where that cannot be read; None where
            it serves in the clear.
        client: what `web.client` says, by name.
    """

    address: str
    prefix: str
    certificate: str | None
    client: Mapping[str, str]


def own_exporter(
    config: Path | None, web_config: Path | None, environ: Mapping[str, str] | None = None
) -> OwnExporter:
    """Read what is needed of settings, and mind nothing else.

    Args:
        config: the file of settings, if any.
        web_config: exporter-toolkit's file, where a flag names it.
        environ: the environment, by default this process's.
    """
    environment = read_environment(os.environ if environ is None else environ)
    layers = [environment.content, (read_file(config) if config else Layer()).content]
    web = [_section(layer, "web") for layer in layers]
    file = web_config or _path(_text(web, "config_file"))
    tls = [_section(layer, "tls") for layer in web]
    folder = Path()
    if file is not None:
        tls, folder = [_section(read_file(file).content, "tls_server_config")], file.parent
    clients = [_section(layer, "client") for layer in web]
    names = {name for client in clients for name in client}
    return OwnExporter(
        address=_text(layers, "listen") or str(Settings.model_fields["listen"].default),
        prefix=f"/{_text(web, 'route_prefix').strip('/')}".rstrip("/"),
        certificate=_certificate(tls, folder) if any(tls) else None,
        client={name: text for name in names if (text := _text(clients, name))},
    )


def _section(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = content.get(name)
    return found if isinstance(found, Mapping) else _NOTHING


def _text(layers: list[Mapping[str, Any]], name: str) -> str:
    """Give a text of the first layer that has it; empty where none does."""
    return next((each[name] for each in layers if isinstance(each.get(name), str)), "")


def _path(text: str) -> Path | None:
    return Path(text) if text else None


def _certificate(tls: list[Mapping[str, Any]], folder: Path) -> str:
    file = _text(tls, "cert_file")
    with suppress(OSError, UnicodeDecodeError):
        return (folder / file).read_text() if file else _text(tls, "cert")
    return ""
