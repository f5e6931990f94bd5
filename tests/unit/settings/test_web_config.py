"""exporter-toolkit's file: what it means here, and what is refused since it would mean nothing."""

import contextlib
import itertools
import json
import ssl
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from certificates import Pair
from electric_agents_exporter.settings.faults import SettingsFault
from electric_agents_exporter.settings.loading import load
from electric_agents_exporter.settings.server_tls import ServerTlsSettings
from electric_agents_exporter.settings.web_config import (
    HttpServerConfig,
    RateLimitConfig,
    WebConfig,
    read_web_config,
)

HASH = "$2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG"
TARGETS = [{"url": "http://agents.test", "principals": ["user:a"]}]


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path)


@pytest.fixture
def write(tmp_path: Path, pair: Pair) -> Path:
    """The file, in the folder of a certificate that it can name."""
    assert pair.cert.exists()
    return tmp_path / "web.yml"


def faults_of(file: Path, text: str) -> list[str]:
    file.write_text(text)
    with pytest.raises(SettingsFault) as caught:
        read_web_config(file)
    return [str(fault).replace(f"{file.parent}/", "") for fault in caught.value.faults]


def read(file: Path, text: str) -> WebConfig:
    file.write_text(text)
    return read_web_config(file)


def context_of(config: WebConfig) -> ssl.SSLContext:
    assert config.tls_server_config is not None
    return config.tls_server_config.context()


@pytest.mark.parametrize("text", ["", "{}", "# nothing\n", "tls_server_config:\nrate_limit: {}\n"])
def test_a_file_that_says_nothing_protects_nothing(write: Path, text: str) -> None:
    assert read(write, text) == WebConfig()


def test_a_whole_file_as_it_is_for_an_exporter_in_go(write: Path, pair: Pair) -> None:
    """Paths are relative to the folder of the file, wherever the exporter was started."""
    text = f"""\
tls_server_config:
  cert_file: server.crt
  key_file: {pair.key}
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca.crt
  client_allowed_sans: [prometheus.example.com, 10.0.0.1]
  min_version: TLS12
  max_version: TLS13
  cipher_suites:
    - TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
    - TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
    - TLS_AES_128_GCM_SHA256
  prefer_server_cipher_suites: false
  curve_preferences: [CurveP384]
http_server_config:
  http2: false
  headers:
    Strict-Transport-Security: max-age=31536000; includeSubDomains
    X-Frame-Options: sameorigin
    X-XSS-Protection: 1
    Content-Security-Policy: ""
basic_auth_users:
  alice: {HASH}
rate_limit:
  interval: 1s
  burst: 20
"""
    config = read(write, text)
    context = context_of(config)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert len(context.get_ca_certs()) == 1
    suites = [each["name"] for each in context.get_ciphers() if each["protocol"] == "TLSv1.2"]
    assert suites == ["ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-CHACHA20-POLY1305"]
    assert not context.options & ssl.OP_CIPHER_SERVER_PREFERENCE
    assert config.http_server_config.headers == {
        "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
        "X-Frame-Options": "sameorigin",
        "X-XSS-Protection": "1",
    }
    assert config.basic_auth_users["alice"].get_secret_value() == HASH
    assert (config.rate_limit.interval, config.rate_limit.burst) == (1.0, 20)


def test_without_more_it_is_as_in_go(write: Path) -> None:
    context = context_of(
        read(write, "tls_server_config: {cert_file: server.crt, key_file: server.key}")
    )
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.maximum_version is ssl.TLSVersion.TLSv1_3
    assert context.verify_mode is ssl.CERT_NONE
    assert context.options & ssl.OP_CIPHER_SERVER_PREFERENCE


def test_certificates_can_stand_in_the_file_itself(write: Path, pair: Pair) -> None:
    own = {
        "cert": pair.cert.read_text(),
        "key": pair.key.read_text(),
        "client_ca": "Autorität\n" + pair.ca.read_text(),
        "client_auth_type": "VerifyClientCertIfGiven",
    }
    context = context_of(read(write, json.dumps({"tls_server_config": own})))
    assert context.verify_mode is ssl.CERT_OPTIONAL
    assert len(context.get_ca_certs()) == 1
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = pair.client().wrap_bio(back, there, server_hostname="localhost")
    server = context.wrap_bio(there, back, server_side=True)
    for side in (client, server, client, server):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    assert client.getpeercert()


CASES = yaml.safe_load(Path(__file__).with_name("bad_web_config.yaml").read_text())


@pytest.mark.parametrize("case", CASES, ids=[case["text"].strip() for case in CASES])
def test_what_is_wrong_is_told_in_the_words_of_the_table(write: Path, case: dict[str, str]) -> None:
    assert faults_of(write, case["text"]) == case["told"].splitlines()


def test_no_secret_is_repeated(write: Path, pair: Pair) -> None:
    key = {"key": "hunter2", "cert": pair.cert.read_text()}
    for text in (
        json.dumps({"tls_server_config": key, "basic_auth_users": {"alice": "hunter2"}}),
        "basic_auth_users: {alice: [hunter2], hunter2: {}}",
        "hunter2",
    ):
        assert "hunter2" not in str(faults_of(write, text)).replace(".hunter2", "")


SECTIONS: dict[str, type[BaseModel]] = {
    "tls_server_config": ServerTlsSettings,
    "http_server_config": HttpServerConfig,
    "rate_limit": RateLimitConfig,
}
PLACES = [
    *((section,) for section in WebConfig.model_fields),
    *((section, name) for section, model in SECTIONS.items() for name in model.model_fields),
]


def test_every_setting_tells_what_it_is_not_in_words(write: Path) -> None:
    assert {*SECTIONS, "basic_auth_users"} == {*WebConfig.model_fields}, "name it in SECTIONS"
    wordless = []
    odd: list[object] = [True, False, -5, 1.5, "x y", [None], [[]], [5], {"a": {}}, {"a": [None]}]
    for (section, *name), value in itertools.product(PLACES, odd):
        content = {section: {name[0]: value} if name else value}
        try:
            told = str(read(write, json.dumps(content)))
        except SettingsFault as fault:
            told = str(fault)
        if "is not as expected" in told:
            wordless.append(content)
    assert wordless == []


NAMES = st.sampled_from(
    [
        *WebConfig.model_fields,
        *ServerTlsSettings.model_fields,
        *("http2", "headers", "interval", "burst", "X-Frame-Options", "alice", "x"),
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)


IN_PLACE = st.fixed_dictionaries(
    {},
    optional={
        section: st.dictionaries(st.sampled_from([*model.model_fields]), VALUES)
        for section, model in SECTIONS.items()
    },
)


@given(content=st.dictionaries(NAMES, VALUES) | IN_PLACE)
def test_whatever_it_holds_it_is_good_or_its_faults_are_told(
    content: dict[str, object], tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.getbasetemp() / "any.yml"
    file.write_text(json.dumps(content))
    with contextlib.suppress(SettingsFault):
        read_web_config(file)


def test_all_faults_are_told_at_once_with_those_of_the_settings(write: Path) -> None:
    write.write_text("basic_auth_users: {a: x}\nrate_limit: {burst: 0}\n")
    web = {"config_file": str(write), "enable_reload": 2}
    with pytest.raises(SettingsFault) as caught:
        load(None, {"targets": TARGETS, "web": web}, {})
    assert [fault.place for fault in caught.value.faults] == [
        f"{write}:1: basic_auth_users.a",
        f"{write}:2: rate_limit.burst",
        "web.enable_reload",
    ]


def test_settings_of_our_own_say_the_same(pair: Pair) -> None:
    web = {
        "tls": {"cert_file": str(pair.cert), "key_file": str(pair.key)},
        "basic_auth_users": {"alice": HASH},
    }
    config = load(None, {"targets": TARGETS, "web": web}, {}).web.config()
    assert context_of(config).cert_store_stats()["x509"] == 0
    assert config.basic_auth_users["alice"].get_secret_value() == HASH
    assert HASH not in repr(config)
