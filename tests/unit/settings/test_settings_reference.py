"""docs/configuration.md says what the model says, and its examples load."""

import re
from collections.abc import Callable
from pathlib import Path

import trustme
import yaml

from electric_agents_exporter.settings import setting_names
from electric_agents_exporter.settings.environment import variable_of
from electric_agents_exporter.settings.model import ENV_PREFIX, Settings
from electric_agents_exporter.settings.reference import EXAMPLE, render
from electric_agents_exporter.settings.targets import HttpTarget

DOCS = Path(__file__).parents[3] / "docs" / "configuration.md"
DEFAULT = re.compile(r"^\| `(\w+)` \|[^|]*\| `([^`]*)` \| `(\w+)` \|", re.MULTILINE)


def test_the_page_is_as_it_would_be_made_now() -> None:
    same = DOCS.read_text() == render()
    assert same, "run `make generate`"


def test_every_setting_stands_there_once_with_its_variable_and_meaning() -> None:
    page = render()
    for names, field in setting_names.fields():
        assert field.description, names
        variable = variable_of(names).replace("PRINCIPALS", "PRINCIPAL")
        (line,) = [line for line in page.splitlines() if f"| `{variable}` |" in line]
        assert line.startswith(f"| `{names[-1]}` |")
        assert line.endswith(f"| {field.description} |")


def test_every_default_is_what_loading_it_gives(load_text: Callable[..., Settings]) -> None:
    # A target that is read in both ways has every setting but `tenants`, which has no default.
    database = "postgresql://db/agents"
    own = trustme.CA().issue_cert("localhost")
    needed = {
        "WEB__TLS__CERT": own.cert_chain_pems[0].bytes().decode(),
        "WEB__TLS__KEY": own.private_key_pem.bytes().decode(),
        "URL": "http://a",
        "PRINCIPAL": "service:monitor",
        "POSTGRES": database,
        "ALERTMANAGER__URLS": "http://alertmanager",
    }
    bare = load_text(**needed).model_dump()
    defaults = DEFAULT.findall(render())
    assert ("interval", "15s", f"{ENV_PREFIX}INTERVAL") in defaults
    for _, default, variable in defaults:
        text = default.strip("[]")
        variables = {**needed, variable.removeprefix(ENV_PREFIX): text}
        assert load_text(**variables).model_dump() == bare


def test_the_example_loads_and_shows_almost_everything(
    tmp_path: Path, load_text: Callable[..., Settings]
) -> None:
    assert f"```yaml\n{EXAMPLE}```" in render()
    token = tmp_path / "token"
    token.write_text("abc")
    text = re.sub(r"/run/secrets/\w+", str(token), EXAMPLE)
    text = re.sub(r"ca_file: /etc/ssl/acme.pem(, )?", "", text)
    authority = trustme.CA()
    own = authority.issue_cert("localhost")
    for name, pem in {
        "tls.crt": own.cert_chain_pems[0],
        "tls.key": own.private_key_pem,
        "clients.crt": authority.cert_pem,
    }.items():
        pem.write_to_path(str(tmp_path / name))
    settings = load_text(text.replace("/etc/exporter/", f"{tmp_path}/"))
    assert isinstance(settings.targets[0], HttpTarget)
    assert settings.targets[0].bearer_token_file == token
    advice = "show it in EXAMPLE of settings/reference.py"
    shown = yaml.safe_load(EXAMPLE)
    assert Settings.model_fields.keys() - shown.keys() == set(), advice
    shown["targets"] = {name: None for target in shown["targets"] for name in target}
    others = {
        "targets": {"header_files", "bearer_token", "password_command"},
        "metrics": {"allow"},
        "alertmanager": {"bearer_token", "bearer_token_file", "definitions"},
        "web": {"config_file"},
    }
    for section in Settings.model_fields.keys() - {"listen", "watch_config"}:
        left_out = set(setting_names.names_in((section,))) - shown[section].keys()
        told = f"{advice}, unless it is another way to say the same, as {others}"
        assert left_out == others.get(section, set()), told
