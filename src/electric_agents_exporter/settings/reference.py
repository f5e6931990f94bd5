"""The settings reference, made of the model."""

from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from electric_agents_exporter.settings import setting_names
from electric_agents_exporter.settings.environment import variable_of
from electric_agents_exporter.settings.values import Words

EXAMPLE: Final = """\
listen: 0.0.0.0:10437
targets:
  - name: production                            # the `server` label
    url: https://agents.example.com/t/acme/v1
    principals: [service:monitor, user:alice]   # each is polled; one `server`
    headers: {x-team: ops}
    bearer_token_file: /run/secrets/token       # read again when it changes
    tls: {ca_file: /etc/ssl/acme.pem, server_name: agents.internal, insecure_skip_verify: false}
    interval: 15s
    scheduled: true                             # false: polled only when /probe asks
    timeout: 5s
    concurrency: 10
    stale_after: 60s
    expected_runners: {min: 1}
    include: {kind: [server, cloud-worker], id: 'prod-.*'}
    exclude: {label: 'laptop.*'}
    max_runners: 10000
    retire_after: {server: 7d, cloud-worker: 15m}   # or one duration for all kinds
    wakes: true                                 # see work that waits; one request a runner more
    conditions: {unheard_after: 60s, abandoned_after: 60s, stuck_after: 5m}
  - name: staging                               # one system, one target: reports from its database
    url: http://staging.internal:4437           # wakes and liveness over HTTP
    principals: [service:monitor]
    postgres: postgresql://exporter@db.internal/electric_agents?sslmode=verify-full
    password_file: /run/secrets/db              # or password_command: [...], for clouds' identities
    tenant: default
  - name: cloud                                 # a database by itself tells nothing of its server
    postgres: postgresql://exporter@db.cloud.internal/electric_agents
    tenants: all                                # each with a label `tenant`
metrics:
  groups: [core, client, claims, derived, wakes, claims_history]
  per_runner: true
  owner_label: false
  created_series: true
  deny: ['electric_agents_runner_client_last_.*']
shard: {index: 0, count: 1}
alertmanager:                                   # alerts without a Prometheus; off by default
  urls: [http://alertmanager-0:9093, http://alertmanager-1:9093]    # each gets every alert
  path_prefix: /alertmanager
  basic_auth: {username: exporter, password_file: /run/secrets/alertmanager}
  tls: {ca_file: /etc/ssl/acme.pem}
  timeout: 10s
  labels: {cluster: eu-1}                       # on every alert, as external labels of Prometheus
  alerts: [WorkAbandoned, WorkUnheard, ServerUnreachable, Watchdog]  # all by default
  min_severity: warning
  resend_interval: 1m
  external_url: https://exporter.example.com/   # where alerts link to
watch_config: false                             # true: read again when this file changes
web:
  max_concurrent_scrapes: 4
  enable_reload: false
  status_page: true
  grafana: https://grafana.example.com          # where the status page links to
  runbooks: https://runbooks.example.com/alerts/runbooks
  route_prefix: /exporter                       # before every path: /exporter/metrics
  socket_mode: '0660'                           # of a socket in the file system
  tls:                                          # HTTPS, and clients told by certificates
    cert_file: /etc/exporter/tls.crt            # read again when it changes
    key_file: /etc/exporter/tls.key
    client_ca_file: /etc/exporter/clients.crt
    client_auth_type: RequireAndVerifyClientCert
  basic_auth_users:                             # bcrypt, as `htpasswd -nBC 10 prometheus` writes it
    prometheus: $2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG
  client: {username: prometheus, password_file: /run/secrets/exporter} # of `status`
log: {level: info, format: logfmt}
"""
"""Everything that can be set in one file; a test loads it."""

_PAGE: Final = """\
# Configuration

Made of the settings' model by `make generate`; do not edit.

A flag beats an environment variable, which beats the YAML file, which beats the default.
`electric-agents-exporter check-config --config FILE` names every fault at once, each with its
place, what was expected and the nearest right spelling, and ends with exit code 2.

```yaml
{example}```

## In a file

Unknown settings are faults, and so are names that stand twice. Durations are written as Prometheus
writes them: `500ms`, `15s`, `1m30s`, `7d`. Paths are relative to where the exporter was started.
Anchors, aliases and `<<` may save repetition.

## By environment

One target needs no file:

```sh
ELECTRIC_AGENTS_EXPORTER_URL=http://127.0.0.1:4437 \\
ELECTRIC_AGENTS_EXPORTER_PRINCIPAL=service:monitor \\
  electric-agents-exporter
```

Every other setting of that target has a variable too, named in the tables below; a section's
settings follow after two underscores. A list is words between commas or JSON, a map is JSON. One
header is `ELECTRIC_AGENTS_EXPORTER_HEADERS__X_TEAM=ops`, which sends `x-team`; one label of alerts
is `ELECTRIC_AGENTS_EXPORTER_ALERTMANAGER__LABELS__CLUSTER=eu-1`. Several targets are better written
in a file, and can be JSON in `ELECTRIC_AGENTS_EXPORTER_TARGETS`; the targets of a file and those of
the environment do not mix. `ELECTRIC_AGENTS_EXPORTER_CONFIG` names the file where `--config` does
not. Unknown variables that begin with `ELECTRIC_AGENTS_EXPORTER_` are faults, save those that
Kubernetes sets beside a Service called `electric-agents-exporter`.

## By flag

`--config`, `--watch-config`, `--listen`, `--web.config.file`, `--url` and `--principal` (which may
be repeated). The last two describe one target: they complete that of the environment, and replace
all targets of the file.

## Reloading

`SIGHUP` reads the file, and what it refers to, again; so does `POST /-/reload` where
`web.enable_reload` is true. With `--watch-config` a change of the file does so too, a second after
it has come to rest: written in place, put in its place by a rename, or swapped by Kubernetes with
the whole folder of a ConfigMap. A file that is gone changes nothing; one with faults is tried again
every 15 seconds, since what it refers to may come later.

On any fault the old settings stay, the log says why, and
`electric_agents_exporter_config_last_reload_successful` is 0 until a reload succeeds. Targets that
keep their name keep what is known of them; the series of a target that is gone vanish. An
Alertmanager that is left out is told nothing more, and what fires there ends by itself. `listen`
and `watch_config` change by a restart only, and so does `web`, but for who gets in: `tls`,
`basic_auth_users` and `config_file`. None of these is given up by a reload.

Certificates, keys and exporter-toolkit's file are read again when they change, without a reload,
watched or not: [serving.md](serving.md).

## Secrets

A secret in a file (`bearer_token_file`, `header_files`, `password_file`) is read again at every
poll, and for every request to an Alertmanager, so it may change at any time without a reload. One
that cannot be read fails the poll or the request, which is counted, and all goes on when it is
back. `password_command` is run before each connection to a database, and its output told nowhere.
Prefer files: a variable can be read by whoever may read the process. No secret is ever
logged, shown, or taken as a flag.
{tables}"""

_TITLES: Final = {
    (): "Settings",
    ("targets",): "Each of `targets`",
}


def render() -> str:
    """Write the reference."""
    tables = "".join(_tables())
    return _PAGE.format(example=EXAMPLE, tables=tables)


def _tables() -> Iterator[str]:
    sections: dict[setting_names.Names, list[str]] = {}
    for names, field in setting_names.fields():
        sections.setdefault(names[:-1], []).append(_line(names, field))
    for section, lines in sections.items():
        yield f"\n## {_TITLES.get(section) or _title(section)}\n\n"
        yield "| setting | type | default | variable | meaning |\n|---|---|---|---|---|\n"
        yield "".join(lines)


def _title(section: setting_names.Names) -> str:
    of_target = section[0] == "targets"
    path = ".".join(section[1:] if of_target else section)
    return f"`{path}`" + (" of a target" if of_target else "")


def _line(names: setting_names.Names, field: FieldInfo) -> str:
    kind = _kind(field.annotation, tuple(field.metadata))
    variable = variable_of(names)
    if names == ("targets", "principals"):
        variable = variable.removesuffix("S")
    cells = (f"`{names[-1]}`", kind, _default(field), f"`{variable}`", field.description or "")
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def _kind(annotation: Any, metadata: tuple[object, ...] = ()) -> str:  # noqa: ANN401
    """Say what a setting holds, in an operator's words."""
    words = next((each.text for each in metadata if isinstance(each, Words)), None)
    arguments = get_args(annotation)
    match get_origin(annotation):
        case origin if origin is Annotated:
            text = _kind(arguments[0], (*annotation.__metadata__, *metadata))
        case origin if origin in {Union, UnionType}:
            text = _kind(next(arg for arg in arguments if arg is not NoneType), metadata)
        case origin if origin is list:
            text = f"list: {_kind(arguments[0])}"
        case origin if origin is dict:
            text = f"map: {_kind(arguments[0])} to {_kind(arguments[1])}"
        case origin if origin is Literal:
            text = ", ".join(f"`{word}`" for word in arguments)
        case _:
            text = words or ("`true` or `false`" if annotation is bool else "section, see below")
    return f"{text}{_bounds(metadata)}"


def _bounds(metadata: tuple[object, ...]) -> str:
    low = next((each.ge for each in metadata if hasattr(each, "ge")), None)
    high = next((each.le for each in metadata if hasattr(each, "le")), None)
    if low is None:
        return ""
    return f", at least {low}" if high is None else f", {low} to {high}"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if value is None or value == () or value is PydanticUndefined:
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, list):
        return f"`[{', '.join(value)}]`"
    return f"`{value}`"
