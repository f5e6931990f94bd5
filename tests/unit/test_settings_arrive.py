"""Change one setting, and exactly the options that hang on it differ, wherever they are used.

The model is walked: a setting without an entry here fails, and so does one that arrives nowhere.
"""

import asyncio
import logging
import re
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
import trustme
from prometheus_client.parser import text_string_to_metric_families
from pydantic import BaseModel
from tests.conftest import FakeClock

from electric_agents_exporter.alerting.definition import load as load_definitions
from electric_agents_exporter.app import Exporter
from electric_agents_exporter.contract.reading import read_health, read_list
from electric_agents_exporter.fleet.poll import Poll
from electric_agents_exporter.metrics.formats import Format
from electric_agents_exporter.service import Service
from electric_agents_exporter.settings.faults import SettingsFault
from electric_agents_exporter.settings.loading import load
from electric_agents_exporter.settings.model import Settings
from electric_agents_exporter.settings.targets import TARGET_MODELS
from electric_agents_exporter.sources.credentials import Credentials
from electric_agents_exporter.sources.http import HttpOptions
from electric_agents_exporter.sources.http_transport import Tls
from electric_agents_exporter.sources.postgres import PostgresOptions
from electric_agents_exporter.web.access import Access


class Change(NamedTuple):
    """Two values of a setting, and the options that differ between them, as `consumer.option`.

    A value of None leaves the setting out; `beside` are other settings that it needs.
    """

    values: tuple[object, object]
    differs: tuple[str, ...]
    beside: Mapping[str, object] = {}


KINDS = ("local", "cloud-worker", "sandbox", "ci", "server")


def selectors(name: str) -> dict[str, Change]:
    where = f"policy.selection.{name}"
    return {
        f"{name}.kind": Change((["ci"], ["server"]), (f"{where}.kinds",)),
        f"{name}.id": Change(("a.*", "b.*"), (f"{where}.id.text",)),
        f"{name}.label": Change(("a.*", "b.*"), (f"{where}.label.text",)),
        f"{name}.owner": Change(("a.*", "b.*"), (f"{where}.owner.text",)),
    }


def conditions(*names: str) -> dict[str, Change]:
    return {
        f"conditions.{name}": Change(("31s", "32s"), (f"policy.thresholds.{name}",))
        for name in names
    }


WATCHED: dict[str, Change] = {
    "name": Change(("a", "b"), ("policy.name", "schedule.name")),
    "interval": Change(("16s", "17s"), ("policy.interval", "schedule.interval", "http.interval")),
    "scheduled": Change((False, True), ("policy.scheduled", "schedule.name", "schedule.interval")),
    "timeout": Change(("2s", "3s"), ("http.timeout", "database.timeout")),
    "stale_after": Change(("70s", "80s"), ("policy.stale_after",)),
    "expected_runners.min": Change((1, 2), ("policy.expected_min",)),
    **selectors("include"),
    **selectors("exclude"),
    "max_runners": Change((80_000, 90_000), ("policy.max_runners", "policy.max_listed")),
    "retire_after": Change(
        ("8d", "9d"), tuple(f"policy.retire_after.{kind}" for kind in (*KINDS, "unknown"))
    ),
    **conditions("unheard_after", "abandoned_after", "stuck_after", "deaf_after", "refused_for"),
    **conditions("recovery"),
}
SERVED: dict[str, Change] = {
    "url": Change(("http://a.test", "http://b.test"), ("http.url", "source.server.base")),
    "headers": Change(({"x-a": "b"}, {"x-a": "c"}), ("credentials.headers.x-a",)),
    "header_files": Change(({"x-a": "one"}, {"x-a": "two"}), ("credentials.header_files.x-a",)),
    "bearer_token": Change(("a", "b"), ("credentials.bearer_token",)),
    "bearer_token_file": Change(("one", "two"), ("credentials.bearer_token_file",)),
    "tls.ca_file": Change(("ca", "ca2"), ("tls.ca_file",)),
    "tls.cert_file": Change(("cert", "cert2"), ("tls.cert_file",), {"tls.key_file": "key"}),
    "tls.key_file": Change(("key", "key2"), ("tls.key_file",), {"tls.cert_file": "cert"}),
    "tls.server_name": Change(("a.test", "b.test"), ("tls.server_name",)),
    "tls.strict": Change((None, True), ("tls.strict",)),
    "tls.insecure_skip_verify": Change((None, True), ("tls.insecure_skip_verify",)),
    "concurrency": Change((3, 4), ("http.concurrency",)),
}
STORED: dict[str, Change] = {
    "postgres": Change(("postgresql://a/x", "postgresql://b/x"), ("database.url",)),
    "password_file": Change(("one", "two"), ("database.password_file",)),
    "password_command": Change((["true", "a"], ["true", "b"]), ("database.password_command",)),
    "tenant": Change(("a", "b"), ("database.tenant",)),
}
BY_TARGET: dict[str, dict[str, Change]] = {
    "http": {
        **WATCHED,
        **SERVED,
        "principals": Change((["user:a"], ["user:b"]), ("http.principals", "policy.principals")),
        "wakes": Change((True, False), ("policy.operations", "source.wakes")),
    },
    "postgres": {
        **WATCHED,
        **STORED,
        "tenants": Change((None, "all"), ("database.tenant",)),
        "tls.ca_file": Change(("ca", "ca2"), ("database.ca_file",)),
        "tls.cert_file": Change(
            ("cert", "cert2"), ("database.cert_file",), {"tls.key_file": "key"}
        ),
        "tls.key_file": Change(("key", "key2"), ("database.key_file",), {"tls.cert_file": "cert"}),
        "tls.server_name": Change((None, None), ()),
        "tls.strict": Change((None, False), ()),
        "tls.insecure_skip_verify": Change((None, False), ()),
    },
    "http-postgres": {
        **WATCHED,
        **SERVED,
        **STORED,
        # One system is listed as a whole, whoever asks its server.
        "principals": Change((["user:a"], ["user:b"]), ("http.principals",)),
        "wakes": Change((True, False), ("policy.operations", "source.wakes")),
    },
}
SENT_TO: dict[str, object] = {"alertmanager.urls": ["http://am.test"]}


def of_alerts(name: str, before: object, after: object, *differs: str, **beside: object) -> Change:
    """Give a change of a setting of alerts, which need somebody to be sent to."""
    needed = {f"alertmanager.{path.replace('__', '.')}": value for path, value in beside.items()}
    return Change((before, after), differs or (f"alertmanager.{name}",), SENT_TO | needed)


AUTH = "credentials.basic_auth"
ALERTMANAGER: dict[str, Change] = {
    "alertmanager.urls": of_alerts("url", ["http://a.test/"], ["http://b.test"]),
    "alertmanager.path_prefix": of_alerts("url", None, "am/"),
    "alertmanager.basic_auth.username": of_alerts(
        f"{AUTH}.username",
        "a",
        "b",
        basic_auth__password_file="one",  # noqa: S106  (the name of a file)
    ),
    "alertmanager.basic_auth.password": of_alerts(
        f"{AUTH}.password", "a", "b", basic_auth__username="x"
    ),
    "alertmanager.basic_auth.password_file": of_alerts(
        f"{AUTH}.password_file", "one", "two", basic_auth__username="x"
    ),
    "alertmanager.bearer_token": of_alerts("credentials.bearer_token", "a", "b"),
    "alertmanager.bearer_token_file": of_alerts("credentials.bearer_token_file", "one", "two"),
    "alertmanager.tls.ca_file": of_alerts("tls.ca_file", "ca", "ca2"),
    "alertmanager.tls.cert_file": of_alerts("tls.cert_file", "cert", "cert2", tls__key_file="key"),
    "alertmanager.tls.key_file": of_alerts("tls.key_file", "key", "key2", tls__cert_file="cert"),
    "alertmanager.tls.insecure_skip_verify": of_alerts(
        "tls.insecure_skip_verify", before=None, after=True
    ),
    "alertmanager.tls.server_name": of_alerts("tls.server_name", "a.test", "b.test"),
    "alertmanager.tls.strict": of_alerts("tls.strict", before=None, after=True),
    "alertmanager.labels": of_alerts("labels", {"a": "b"}, {"a": "c"}),
    "alertmanager.definitions": of_alerts("definitions", None, "definitions"),
    "alertmanager.alerts": of_alerts("terms.choice.names", ["Watchdog"], ["RunnerDeaf"]),
    "alertmanager.min_severity": of_alerts("terms.choice.min_severity", "info", "critical"),
    "alertmanager.resend_interval": of_alerts("terms.resend_interval", "20s", "30s"),
    "alertmanager.timeout": of_alerts("timeout", "2s", "3s"),
    "alertmanager.external_url": of_alerts("terms.generator_url", "http://a", "http://b"),
}
AUTHORITY, OTHER_AUTHORITY = trustme.CA(), trustme.CA()
OWN = AUTHORITY.issue_cert("localhost")
CERT, KEY = OWN.cert_chain_pems[0].bytes().decode(), OWN.private_key_pem.bytes().decode()
HASH = "$2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG"
SHOWN: dict[str, object] = {"web.tls.cert_file": "cert", "web.tls.key_file": "key"}
MUTUAL: dict[str, object] = SHOWN | {
    "web.tls.client_ca_file": "ca",
    "web.tls.client_auth_type": "RequireAndVerifyClientCert",
}
SUITE = "TLS_ECDHE_ECDSA_WITH_AES_%s"


def of_tls(
    name: str,
    before: object,
    after: object,
    *differs: str,
    beside: Mapping[str, object] = SHOWN,
    without: str = "",
) -> Change:
    """Give a change of a setting of TLS, which needs a certificate."""
    needed = {each: value for each, value in beside.items() if each != f"web.tls.{without}"}
    return Change((before, after), tuple(f"access.{each}" for each in differs or (name,)), needed)


TLS: dict[str, Change] = {
    f"web.tls.{name}": change
    for name, change in {
        "cert": of_tls("cert", CERT, CERT * 2, "cert", without="cert_file"),
        "cert_file": of_tls("cert_file", "cert", "cert2", "files"),
        "key": of_tls("key", KEY, f"{KEY}\n", "key", without="key_file"),
        "key_file": of_tls("key_file", "key", "key2", "files"),
        "client_ca": of_tls(
            "client_ca",
            AUTHORITY.cert_pem.bytes().decode(),
            OTHER_AUTHORITY.cert_pem.bytes().decode(),
            "authorities",
            beside=MUTUAL,
            without="client_ca_file",
        ),
        "client_ca_file": of_tls("client_ca_file", "ca", "ca2", "files", beside=MUTUAL),
        "client_auth_type": of_tls(
            "client_auth_type",
            "VerifyClientCertIfGiven",
            "RequireAndVerifyClientCert",
            "verify_mode",
            beside=MUTUAL,
            without="client_auth_type",
        ),
        "client_allowed_sans": of_tls(
            "client_allowed_sans", ["a"], ["b"], "allowed_sans", beside=MUTUAL
        ),
        "min_version": of_tls("min_version", "TLS12", "TLS13", "minimum_version"),
        "max_version": of_tls("max_version", "TLS12", "TLS13", "maximum_version"),
        "cipher_suites": of_tls(
            "cipher_suites", [SUITE % "128_GCM_SHA256"], [SUITE % "256_GCM_SHA384"], "ciphers"
        ),
        "prefer_server_cipher_suites": of_tls(
            "prefer_server_cipher_suites", "true", "false", "options"
        ),
        "curve_preferences": of_tls("curve_preferences", ["CurveP256"], ["CurveP384"], "curve"),
    }.items()
}
GENERAL: dict[str, Change] = {
    "metrics.groups": Change((["core"], ["core", "client"]), ("shown.families", "shown.created")),
    "metrics.per_runner": Change(
        (True, False), ("shown.families", "shown.labels", "shown.created")
    ),
    "metrics.owner_label": Change((False, True), ("shown.labels",)),
    "metrics.created_series": Change((True, False), ("shown.created",)),
    "metrics.allow": Change(
        (["electric_agents_runner_.*"], [".*_runner_info", ".*_reconnects_total"]),
        ("shown.families",),
    ),
    "metrics.deny": Change(([], ["electric_agents_runner_poll_success"]), ("shown.families",)),
    "shard.index": Change((0, 1), ("policy.selection.shard.index",), {"shard.count": 3}),
    "shard.count": Change((2, 3), ("policy.selection.shard.count",)),
    "web.max_concurrent_scrapes": Change((3, 4), ("served.max_concurrent_scrapes",)),
    "web.enable_reload": Change((False, True), ("served.reload",)),
    "web.status_page": Change((True, False), ("served.status_page",)),
    "web.route_prefix": Change(("/a", "/b"), ("served.route_prefix",)),
    "web.basic_auth_users": Change((None, {"a": HASH}), ("access.users",)),
    "web.config_file": Change(("web", "web2"), ("access.files",)),
    **TLS,
    # What opens the socket, and the commands that ask us, read these as they stand.
    "web.socket_mode": Change(("0600", "0666"), ("settings.web.socket_mode",)),
    "web.client.username": Change(("a", "b"), ("settings.web.client",)),
    "web.client.password_file": Change(
        ("one", "two"), ("settings.web.client",), {"web.client.username": "a"}
    ),
    "web.client.cert_file": Change(("cert", "cert2"), ("settings.web.client",)),
    "web.client.key_file": Change(
        ("key", "key2"), ("settings.web.client",), {"web.client.cert_file": "cert"}
    ),
    "web.grafana": Change(("http://a.test", "http://b.test"), ("served.links",)),
    "web.runbooks": Change(("http://a.test", "http://b.test"), ("served.links",)),
    "log.level": Change(("info", "error"), ("logs.level",)),
    "log.format": Change(("logfmt", "json"), ("logs.format",)),
    **ALERTMANAGER,
    # What opens the socket, and what looks at files, read these as they stand.
    "watch_config": Change((False, True), ("settings.watch_config",)),
    "listen": Change(("127.0.0.1:1", "127.0.0.1:2"), ("settings.listen",)),
}

BASE: dict[str, dict[str, object]] = {
    "http": {"url": "http://agents.test", "principals": ["service:monitor"]},
    "postgres": {"postgres": "postgresql://db/agents"},
    "http-postgres": {
        "url": "http://agents.test",
        "principals": ["service:monitor"],
        "postgres": "postgresql://db/agents",
    },
}


def leaves(model: type[BaseModel], above: str = "") -> Iterator[str]:
    """Give the path of every setting of a model that is no section."""
    for name, field in model.model_fields.items():
        inner = [
            each
            for each in (field.annotation, *getattr(field.annotation, "__args__", ()))
            if isinstance(each, type) and issubclass(each, BaseModel)
        ]
        if inner:
            yield from leaves(inner[0], f"{above}{name}.")
        else:
            yield f"{above}{name}"


@pytest.mark.parametrize("tag", TARGET_MODELS)
def test_every_kind_of_target_is_told_from_the_others_by_what_it_needs(tag: str) -> None:
    assert tag in BASE, f"give the settings that it needs in BASE of {__file__}"
    try:
        (target,) = settings_with(tag, {}, {}).targets
    except SettingsFault as fault:
        pytest.fail(f"is it told from the others in `_tag_of` of settings/targets.py? {fault}")
    assert type(target) is TARGET_MODELS[tag]


@pytest.mark.parametrize("tag", TARGET_MODELS)
def test_every_setting_of_a_target_has_an_entry_here(tag: str) -> None:
    settings = set(leaves(TARGET_MODELS[tag]))
    advice = (
        f"say in BY_TARGET[{tag!r}] of {__file__} between which two values of the setting which "
        "options of which consumer differ"
    )
    assert settings == set(BY_TARGET.get(tag, ())), advice


def test_every_other_setting_has_an_entry_here() -> None:
    settings = {name for name in leaves(Settings) if name != "targets"}
    advice = f"say in GENERAL of {__file__} which options of which consumer a setting changes"
    assert settings == set(GENERAL), advice


def test_every_entry_names_what_differs() -> None:
    tables = {**BY_TARGET, "in general": GENERAL}
    nothing = {
        (tag, path)
        for tag, table in tables.items()
        for path, change in table.items()
        if not change.differs
    }
    # Refused: the URL of a database says how safely to connect, and to whom.
    refused = {("postgres", f"tls.{name}") for name in ("insecure_skip_verify", "server_name")}
    assert nothing == refused | {("postgres", "tls.strict")}, "what is the setting for?"


# --- what the consumers of settings are given -----------------------------------------------------

CONSUMERS = {
    HttpOptions: "http",
    Credentials: "credentials",
    Tls: "tls",
    PostgresOptions: "database",
}
"""Options that are called by their own name, wherever they stand in a source."""


def flatten(value: object, path: str) -> Iterator[tuple[str, object]]:
    """Give every option that an object of ours holds, by its path."""
    path = CONSUMERS.get(type(value), path)
    inner: Mapping[Any, object] | None = None
    if is_dataclass(value):
        inner = {each.name: getattr(value, each.name) for each in fields(value)}
    elif isinstance(value, Mapping):
        inner = value
    elif type(value).__module__.startswith("electric_agents_exporter.") and hasattr(
        value, "__dict__"
    ):
        inner = vars(value)
    if inner is None or isinstance(value, FakeClock | StrEnum):
        yield path, value
        return
    for name, each in inner.items():
        yield from flatten(each, f"{path}.{str(name).removeprefix('_')}")


def shown(settings: Settings) -> dict[str, object]:
    """Which families are exposed of runners, and with which labels the first of these."""
    clock = FakeClock()
    exporter = Exporter(settings, clock)
    (target,) = exporter.fleet.targets.values()
    poll = Poll(target)
    # So many that every shard has some.
    ids = ",".join(f'{{"id": "r{number}", "kind": "server"}}' for number in range(20))
    poll.listed(target.policy.principals[0], read_list(f"[{ids}]".encode()))
    for due in poll.due():
        client = b'{"reconnect_count": 1, "started_at": "2026-01-01T00:00:00.000Z"}'
        report = b'{"runner": {"id": "%s"}, "client": ' + client + b"}"
        poll.reported(read_health(report % due.runner_id.encode()), clock.monotonic())
    poll.end()
    text = b"".join(asyncio.run(exporter.scraper.scrape(Format.TEXT))).decode()
    found = re.search(r'runner_id="r\d+"', text)
    # Of the first runner that is shown.
    lines = [line for line in text.splitlines(keepends=True) if found and found[0] in line]
    of_runner = [
        sample
        for family in text_string_to_metric_families("".join(lines))
        for sample in family.samples
    ]
    openmetrics = b"".join(asyncio.run(exporter.scraper.scrape(Format.OPENMETRICS)))
    infos = (each.labels for each in of_runner if each.name == "electric_agents_runner_info")
    return {
        "shown.families": sorted({sample.name for sample in of_runner}),
        "shown.created": b"_created" in openmetrics,
        "shown.labels": {name for labels in infos for name in labels},
    }


def of_exporter(exporter: Exporter) -> dict[str, object]:
    """Everything that an exporter gives to its parts, from the next poll on."""
    (poller,) = exporter.pollers.values()
    (target,) = exporter.fleet.targets.values()
    given: dict[str, object] = {}
    for name, (_, interval) in exporter.intervals().items():
        given |= {"schedule.name": name, "schedule.interval": interval}
    given |= dict(flatten(target.policy, "policy"))
    parts = vars(poller)
    given |= dict(flatten(parts["_next_source"] or parts["_source"], "source"))
    return given | of_alerts_of(exporter)


def of_alerts_of(exporter: Exporter) -> dict[str, object]:
    """Everything that an exporter gives to what sends alerts: to whom, how, and which."""
    if exporter.alerts is None:
        return {}
    parts = vars(exporter.alerts)
    delivery, engine = (vars(parts[name])["_options"] for name in ("_delivery", "_engine"))
    (to,) = delivery.alertmanagers
    given = {"labels": engine.labels, "definitions": engine.definitions}
    given |= {each.name: getattr(to, each.name) for each in fields(to)}
    for name in ("credentials", "tls"):
        given |= dict(flatten(given.pop(name), name))
    given |= dict(flatten(delivery.terms, "terms"))
    return {f"alertmanager.{name}": value for name, value in given.items()}


def given_by(settings: Settings) -> dict[str, object]:
    return of_exporter(Exporter(settings, FakeClock()))


def given_after_reload(before: Settings, after: Settings) -> dict[str, object]:
    exporter = Exporter(before, FakeClock())
    exporter.configure(after)
    return of_exporter(exporter)


async def of_service(settings: Settings) -> dict[str, object]:
    """What a service made of the settings serves and logs with."""
    service = Service(settings, lambda: settings)
    served = service.served()
    assert await service.reload() == ""
    (handler,) = logging.getLogger().handlers
    parts = {"fleet", "scraper", "process", "clock", "alerts", "probes", "access"}
    options = {each.name for each in fields(served)} - parts
    given = {f"served.{name}": getattr(served, name) for name in options}
    return {
        **given,
        "served.reload": served.reload is not None,
        "logs.level": logging.getLogger("electric_agents_exporter").level,
        "logs.format": type(handler.formatter),
        "settings.listen": settings.listen,
        "settings.watch_config": settings.watch_config,
        "settings.web.socket_mode": settings.web.socket_mode,
        "settings.web.client": settings.web.client,
        **of_access(served.access(), settings),
    }


def of_access(access: Access, settings: Settings) -> dict[str, object]:
    """Who gets in, and how TLS is spoken, as far as it can be told."""
    given = {f"access.{each.name}": getattr(access, each.name) for each in fields(access)}
    context = given.pop("access.tls")
    if isinstance(context, ssl.SSLContext):
        for name in ("minimum_version", "maximum_version", "verify_mode", "options"):
            given[f"access.{name}"] = getattr(context, name)
        given["access.ciphers"] = [each["name"] for each in context.get_ciphers()]
        given["access.authorities"] = context.get_ca_certs()
        given["access.curve"] = takes(context, "prime256v1")
        # A context shows nothing of these; that a certificate is served by them another test sees.
        tls = settings.web.tls
        given["access.cert"], given["access.key"] = (tls.cert, tls.key) if tls else (None, None)
    return given


def takes(server: ssl.SSLContext, curve: str) -> bool:
    """Tell whether keys can be exchanged with a server on a curve."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.set_ecdh_curve(curve)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(back, there)
    answering = server.wrap_bio(there, back, server_side=True)
    for side in (asking, answering):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
        except ssl.SSLError:
            return False
    return True


@pytest.fixture
def restored_logs() -> Iterator[None]:
    names = (None, "electric_agents_exporter", "apscheduler")
    levels = [(logging.getLogger(name), logging.getLogger(name).level) for name in names]
    handlers = list(logging.getLogger().handlers)
    yield
    logging.getLogger().handlers[:] = handlers
    for logger, level in levels:
        logger.setLevel(level)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files that settings name, each under two names."""
    contents = {
        "one": b"secret",
        "two": b"secret",
        "ca": AUTHORITY.cert_pem.bytes(),
        "cert": CERT.encode(),
        "key": KEY.encode(),
        "web": f"basic_auth_users: {{a: {HASH}}}".encode(),
        "definitions": msgspec.json.encode(
            msgspec.structs.replace(load_definitions(), memory=299.0)
        ),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        (tmp_path / f"{name}2").write_bytes(content)
    monkeypatch.chdir(tmp_path)


def put(section: dict[str, Any], path: str, value: object) -> None:
    """Set a setting in nested sections; None leaves it out."""
    *above, name = path.split(".")
    for each in above:
        section = section.setdefault(each, {})
    if value is not None:
        section[name] = value


def settings_with(tag: str, target: dict[str, object], general: dict[str, object]) -> Settings:
    of_target: dict[str, Any] = dict(BASE[tag])
    for path, value in target.items():
        put(of_target, path, value)
    content: dict[str, Any] = {"targets": [of_target]}
    for path, value in general.items():
        put(content, path, value)
    return load(None, content, {})


def differing(before: Mapping[str, object], after: Mapping[str, object]) -> set[str]:
    return {
        name for name in {*before, *after} if before.get(name, "none") != after.get(name, "none")
    }


def complaints(path: str, found: set[str], expected: set[str]) -> list[str]:
    """Say what is wrong with a setting of which `found` differs and not `expected`."""
    missing = [f"{path} does not arrive at {each}: hand it on" for each in expected - found]
    added = [f"{path} arrives at {each}: stop it, or name it here" for each in found - expected]
    return sorted(missing + added)


@pytest.mark.parametrize("tag", TARGET_MODELS)
@pytest.mark.usefixtures("files")
def test_each_setting_of_a_target_arrives_where_it_should_and_nowhere_else(tag: str) -> None:
    wrong = []
    for path, change in BY_TARGET.get(tag, {}).items():
        before, after = (
            settings_with(tag, {**change.beside, path: value}, {}) for value in change.values
        )
        given = given_by(after)
        consumers = {option.partition(".")[0] for option in given}
        expected = {each for each in change.differs if each.partition(".")[0] in consumers}
        wrong += complaints(path, differing(given_by(before), given), expected)
        if change.differs and not expected:
            wrong.append(f"{path} has no consumer by these names: {change.differs}")
        if given_after_reload(before, after) != given:
            wrong.append(f"{path} arrives only after a restart")
    assert wrong == []


def test_a_time_of_one_kind_alone_retires_runners_of_that_kind() -> None:
    before, after = (
        given_by(settings_with("http", {"retire_after": {"ci": value}}, {}))
        for value in ("1h", "2h")
    )
    assert differing(before, after) == {"policy.retire_after.ci"}


@pytest.mark.usefixtures("restored_logs", "files")
def test_each_other_setting_arrives_where_it_should_and_nowhere_else() -> None:
    wrong = []
    for path, change in GENERAL.items():
        before, after = (
            given_by(settings) | shown(settings) | asyncio.run(of_service(settings))
            for settings in (
                settings_with("http", {}, {**change.beside, path: value}) for value in change.values
            )
        )
        wrong += complaints(path, differing(before, after), set(change.differs))
    assert wrong == []


@pytest.mark.usefixtures("files")
def test_each_setting_of_alerts_arrives_with_a_reload_too() -> None:
    late = []
    without = settings_with("http", {}, {})
    for path, change in ALERTMANAGER.items():
        before, after = (
            settings_with("http", {}, {**change.beside, path: value}) for value in change.values
        )
        given = given_by(after)
        late += [path for old in (before, without) if given_after_reload(old, after) != given]
        assert given_after_reload(after, without) == given_by(without)
    assert late == []
