"""What settings are accepted, from where, and which of two origins holds."""

import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from electric_agents_exporter.conditions import Thresholds
from electric_agents_exporter.contract.vocabulary import RunnerKind
from electric_agents_exporter.fleet.selection import Pattern, Shard
from electric_agents_exporter.settings import setting_names, targets
from electric_agents_exporter.settings.environment import variable_of
from electric_agents_exporter.settings.faults import SettingsFault
from electric_agents_exporter.settings.loading import load
from electric_agents_exporter.settings.model import ENV_PREFIX, Settings
from electric_agents_exporter.settings.targets import (
    TARGET_MODELS,
    HttpPostgresTarget,
    HttpTarget,
    PostgresTarget,
    TlsSettings,
    meaningless,
)
from electric_agents_exporter.settings.values import format_duration, parse_duration

Load = Callable[..., Settings]
Write = Callable[[str | bytes], Path]
Faults = Callable[..., list[str]]

TARGET = "targets:\n  - url: http://agents.example.com\n    principals: [service:monitor]\n"
ONE = {"URL": "http://127.0.0.1:4437", "PRINCIPAL": "service:monitor"}


def served(settings: Settings) -> list[HttpTarget]:
    """Give the targets, all of them asked over HTTP alone."""
    targets = settings.targets
    assert all(isinstance(target, HttpTarget) for target in targets)
    return [target for target in targets if isinstance(target, HttpTarget)]


def test_defaults(load_text: Load) -> None:
    settings = load_text(TARGET)
    assert settings.listen == ":10437"
    groups = ["core", "client", "claims", "derived", "wakes", "claims_history"]
    assert settings.metrics.groups == groups
    assert settings.metrics.per_runner
    assert not settings.metrics.owner_label
    assert (settings.shard.index, settings.shard.count) == (0, 1)
    assert settings.web.max_concurrent_scrapes == 4
    assert not settings.web.enable_reload
    assert (settings.log.level, settings.log.format) == ("info", "logfmt")
    (target,) = settings.targets
    assert isinstance(target, HttpTarget)
    assert target.name == "default"
    assert target.wakes
    assert (target.interval, target.timeout, target.stale_seconds) == (15.0, 5.0, 60.0)
    assert (target.concurrency, target.max_runners) == (10, 10_000)
    retired = target.policy(Shard()).retire_after
    assert retired[RunnerKind.SERVER] == retired[RunnerKind.LOCAL] == 7 * 86_400
    assert retired[RunnerKind.CLOUD_WORKER] == retired[RunnerKind.CI] == 900
    assert target.policy(Shard()).thresholds == Thresholds()
    assert target.expected_runners is None
    assert target.tls == TlsSettings()
    assert (target.headers, target.header_files) == ({}, {})
    assert target.bearer_token is None
    assert target.bearer_token_file is None


def test_every_setting_as_the_interface_writes_it(tmp_path: Path, load_text: Load) -> None:
    token = tmp_path / "token"
    token.write_text("abc")
    text = f"""\
listen: 0.0.0.0:10437
targets:
  - name: production                # the `server` label
    url: https://agents.example.com/t/acme/v1
    principals: [service:monitor, user:alice]   # each is polled; one `server`
    headers: {{x-team: ops}}
    bearer_token_file: {token}       # any secret can be a file, re-read when it changes
    tls: {{insecure_skip_verify: false}}
    interval: 15s
    timeout: 5s
    concurrency: 10
    stale_after: 60s
    expected_runners: {{min: 1}}
    include: {{kind: [server, cloud-worker], id: "prod-.*"}}
    exclude: {{label: "laptop.*"}}
    max_runners: 10000
    retire_after: 7d
metrics: {{groups: [core, client, claims, derived], per_runner: true, owner_label: false}}
shard: {{index: 0, count: 1}}
web: {{max_concurrent_scrapes: 4}}
log: {{level: info, format: logfmt}}
"""
    settings = load_text(text)
    (target,) = served(settings)
    assert target.url == "https://agents.example.com/t/acme/v1"
    assert target.principals == ["service:monitor", "user:alice"]
    assert target.headers["x-team"].get_secret_value() == "ops"
    assert target.bearer_token_file == token
    assert (target.interval, target.timeout, target.stale_after) == (15.0, 5.0, 60.0)
    assert target.expected_runners is not None
    assert target.expected_runners.min == 1
    assert target.include.kind == ["server", "cloud-worker"]
    assert target.include.id == Pattern("prod-.*")
    assert target.exclude.label == Pattern("laptop.*")


def test_every_model_of_a_target_is_a_kind_of_target() -> None:
    models = {each for each in vars(targets).values() if hasattr(each, "source")}
    assert models == set(TARGET_MODELS.values()), "name it in TargetSettings, with its tag"


def test_of_every_setting_of_another_kind_of_target_it_is_told_why_it_means_nothing() -> None:
    every = {name for model in TARGET_MODELS.values() for name in model.model_fields}
    silent = [
        f"{name} with {tag}"
        for tag, model in TARGET_MODELS.items()
        for name in every - model.model_fields.keys()
        if not meaningless(tag, name)
    ]
    assert silent == [], "say why in `meaningless` of settings/targets.py"


def test_one_target_needs_no_file(load_text: Load) -> None:
    (target,) = load_text(**ONE).targets
    assert target == load_text(TARGET).targets[0].model_copy(update={"url": ONE["URL"]})


def test_every_setting_of_the_one_target_has_a_variable(tmp_path: Path, load_text: Load) -> None:
    token = tmp_path / "token"
    token.write_text("abc")
    (target,) = load_text(
        **ONE,
        NAME="production",
        INTERVAL="30s",
        TIMEOUT="2s",
        CONCURRENCY="3",
        STALE_AFTER="90s",
        EXPECTED_RUNNERS__MIN="2",
        INCLUDE__KIND="server, ci",
        INCLUDE__ID="prod-.*",
        EXCLUDE='{"label": "laptop.*"}',
        MAX_RUNNERS="100",
        RETIRE_AFTER="1d",
        WAKES="false",
        CONDITIONS__UNHEARD_AFTER="2m",
        BEARER_TOKEN_FILE=str(token),
        HEADERS__X_TEAM="[ops]",
        HEADER_FILES=f'{{"x-key": "{token}"}}',
        TLS__INSECURE_SKIP_VERIFY="true",
    ).targets
    assert isinstance(target, HttpTarget)
    assert target.name == "production"
    assert not target.wakes
    assert target.conditions.unheard_after == 120
    assert (target.interval, target.timeout, target.stale_after) == (30.0, 2.0, 90.0)
    assert (target.concurrency, target.max_runners) == (3, 100)
    assert target.policy(Shard()).retire_after == dict.fromkeys(RunnerKind, 86_400.0)
    assert target.expected_runners is not None
    assert target.expected_runners.min == 2
    assert target.include.kind == ["server", "ci"]
    assert target.include.id == Pattern("prod-.*")
    assert target.exclude.label == Pattern("laptop.*")
    assert target.bearer_token_file == token
    assert target.headers["x-team"].get_secret_value() == "[ops]"
    assert target.header_files == {"x-key": token}
    assert target.tls.insecure_skip_verify


@pytest.mark.parametrize(
    "text, principals",
    [
        ("service:monitor,user:alice", ["service:monitor", "user:alice"]),
        ('["service:monitor", "user:a,b"]', ["service:monitor", "user:a,b"]),
        ("/principal/service%3Amonitor", ["/principal/service%3Amonitor"]),
    ],
)
def test_several_principals_in_one_variable(
    text: str, principals: list[str], load_text: Load
) -> None:
    assert served(load_text(URL="http://a", PRINCIPAL=text))[0].principals == principals
    assert served(load_text(URL="http://a", PRINCIPALS=text))[0].principals == principals


def test_all_targets_in_one_variable(load_text: Load) -> None:
    targets = '[{"name": "a", "url": "http://a", "principals": ["service:x"], "interval": "6s"}]'
    assert load_text(TARGETS=targets).targets[0].interval == 6.0


def test_names_of_settings_and_of_a_targets_settings_differ() -> None:
    # Else a variable could mean either.
    assert not Settings.model_fields.keys() & set(setting_names.names_in(("targets",)))
    assert variable_of(("targets",)) == f"{ENV_PREFIX}TARGETS"
    assert variable_of(("targets", "tls", "ca_file")) == f"{ENV_PREFIX}TLS__CA_FILE"
    assert variable_of(("log", "level")) == f"{ENV_PREFIX}LOG__LEVEL"


def test_a_flag_beats_a_variable_which_beats_the_file_which_beats_the_default(
    load_text: Load,
) -> None:
    file = TARGET + "listen: 127.0.0.1:1\nlog: {level: error, format: json}\n"
    assert load_text(file).listen == "127.0.0.1:1"
    settings = load_text(file, LISTEN="127.0.0.1:2", LOG__LEVEL="debug")
    assert settings.listen == "127.0.0.1:2"
    assert (settings.log.level, settings.log.format) == ("debug", "json")
    settings = load_text(file, flags={"listen": "127.0.0.1:3"}, LISTEN="127.0.0.1:2")
    assert settings.listen == "127.0.0.1:3"


def test_flags_of_a_target_complete_the_environments_and_replace_the_files(
    load_text: Load,
) -> None:
    flags = {"targets": [{"url": "http://flag.example.com"}]}
    (target,) = served(load_text(TARGET, flags=flags, **ONE, TIMEOUT="1s"))
    assert target.url == "http://flag.example.com"
    assert target.principals == ["service:monitor"]
    assert target.timeout == 1.0


def test_a_variable_that_is_no_json_is_told_however_deep_it_is_nested(faults_of: Faults) -> None:
    deep = "[" * 100_000
    assert faults_of(**ONE, HEADERS=deep) == [f"{ENV_PREFIX}HEADERS: expected JSON"]


def test_a_variable_is_read_as_json_where_a_list_is_wanted_and_else_as_it_stands(
    load_text: Load,
) -> None:
    lists = {"INCLUDE__KIND": '["server", "ci"]', "PASSWORD_COMMAND": '["echo", "me"]'}
    single = {"LISTEN": "[::1]:9000", "INCLUDE__ID": "[ab]{2}"}
    settings = load_text(POSTGRES="postgres://x@db/agents", **lists, **single)
    (target,) = settings.targets
    assert isinstance(target, PostgresTarget)
    assert settings.listen == "[::1]:9000"
    assert target.include.id == Pattern("[ab]{2}")
    assert target.include.kind == [RunnerKind.SERVER, RunnerKind.CI]
    assert target.password_command == ["echo", "me"]


def test_a_variable_that_is_no_utf_8_is_told_and_not_repeated(faults_of: Faults) -> None:
    told = f"{ENV_PREFIX}NAME: expected text without halves of characters"
    assert faults_of(**ONE, NAME="hunter2\udcff") == [told]


def test_faults_in_flags(faults_of: Faults) -> None:
    flags: dict[str, object] = {"listen": "here", "targets": [{"principals": ["me"]}]}
    assert faults_of(flags=flags) == [
        "--listen: expected HOST:PORT, such as 127.0.0.1:10437, [::1]:10437 or :10437",
        (
            "--principal: [0]: expected KIND:ID with a kind of user, agent, service or system, "
            "such as service:monitor"
        ),
        "--url: is missing",
    ]


def test_a_fault_of_the_environment_is_not_laid_on_a_flag(faults_of: Faults) -> None:
    flags: dict[str, object] = {"targets": [{"principals": ["service:monitor"]}]}
    (fault,) = faults_of(flags=flags, URL="agents")
    assert fault.startswith(f"{ENV_PREFIX}URL: expected http://")


def test_what_kubernetes_sets_for_a_service_of_our_name_is_not_ours(load_text: Load) -> None:
    load_text(
        **ONE,
        SERVICE_HOST="10.0.0.1",
        SERVICE_PORT="10437",
        SERVICE_PORT_METRICS="10437",
        PORT="tcp://10.0.0.1:10437",
        PORT_10437_TCP="tcp://10.0.0.1:10437",
        PORT_10437_TCP_PROTO="tcp",
        PORT_10437_TCP_PORT="10437",
        PORT_10437_TCP_ADDR="10.0.0.1",
    )


@pytest.mark.parametrize("service", ["METRICS", "DB_0", "TLS"])
def test_what_kubernetes_sets_for_a_service_whose_name_begins_like_ours_is_not_ours(
    load_text: Load, service: str
) -> None:
    names = {
        "SERVICE_HOST": "10.0.0.2",
        "SERVICE_PORT": "10437",
        "SERVICE_PORT_HTTP": "10437",
        "PORT": "tcp://10.0.0.2:10437",
        "PORT_10437_TCP": "tcp://10.0.0.2:10437",
        "PORT_10437_TCP_PROTO": "tcp",
    }
    load_text(**ONE, **{f"{service}_{name}": value for name, value in names.items()})


@pytest.mark.parametrize(
    "variable, told",
    [
        ("URL_FILE", "no file is read for this setting; set ELECTRIC_AGENTS_EXPORTER_URL itself"),
        (
            "PRINCIPAL_FILE",
            "no file is read for this setting; set ELECTRIC_AGENTS_EXPORTER_PRINCIPAL itself",
        ),
        (
            "HEADERS__X_KEY_FILE",
            "no file is read for a single name of a map; use ELECTRIC_AGENTS_EXPORTER_HEADER_FILES",
        ),
        ("ALERTMANAGER__LABELS__CLUSTER_FILE", "no file is read for a single name of a map"),
        ("SESAME_FILE", "unknown setting"),
    ],
)
def test_a_variable_that_would_be_the_name_of_a_file_elsewhere_is_refused_and_not_sent(
    variable: str, told: str, faults_of: Faults
) -> None:
    (fault,) = (each for each in faults_of(**ONE, **{variable: "/run/x"}) if variable in each)
    assert fault.startswith(f"{ENV_PREFIX}{variable}: {told}")


def test_the_files_of_headers_are_named_by_variables(load_text: Load, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("sesame")
    (target,) = served(load_text(**ONE, HEADER_FILES__X_KEY_FILE=str(file)))
    assert target.header_files == {"x-key-file": file}


@pytest.mark.parametrize("name", ["exporter-2", "a-7-2"])
def test_a_shard_may_be_numbered_as_its_pod_is(name: str, write: Write) -> None:
    text = f"{TARGET}shard: {{index: auto, count: 3}}\n"
    settings = load(write(text), {}, {"POD_NAME": name})
    assert (settings.shard.index, settings.shard.count) == (2, 3)
    given = {f"{ENV_PREFIX}SHARD__INDEX": "auto", f"{ENV_PREFIX}SHARD__COUNT": "3"}
    assert load(write(TARGET), {}, {"POD_NAME": name} | given).shard == settings.shard


@pytest.mark.parametrize("name", ["exporter", "exporter-", "-2", "exporter-2a", "exporter2"])
def test_a_pod_without_a_number_has_no_shard_of_its_own(name: str, write: Write) -> None:
    text = f"{TARGET}shard: {{count: 3, index: auto}}\n"
    with pytest.raises(SettingsFault) as caught:
        load(write(text), {}, {"POD_NAME": name})
    assert str(caught.value) == (
        "config.yaml:4: shard.index: auto needs a name that ends with -NUMBER, as the pods of a "
        "StatefulSet have: neither POD_NAME nor the host's name does"
    )


@pytest.mark.parametrize(
    "max_runners, shards, listed",
    [
        (5, 2, 75_000),
        (10_000, 10, 100_000),
        (60_000, 2, 120_000),
        (200_000, 1, 200_000),
        (2_000_000, 1, 1_000_000),
        (10_000, 1024, 1_000_000),
    ],
)
def test_a_list_may_hold_all_that_the_shards_may_watch_within_bounds(
    max_runners: int, shards: int, listed: int, load_text: Load
) -> None:
    (target,) = load_text(f"{TARGET}    max_runners: {max_runners}\n").targets
    assert target.policy(Shard(0, shards)).max_listed == listed


def test_a_pod_beyond_the_count_is_told(write: Write) -> None:
    text = f"{TARGET}shard: {{count: 3, index: auto}}\n"
    with pytest.raises(SettingsFault, match=r"config.yaml:4: shard.index: .* less than count, 3"):
        load(write(text), {}, {"POD_NAME": "exporter-3"})


@pytest.mark.parametrize(
    "variables, created",
    [
        ({}, True),
        ({"PROMETHEUS_DISABLE_CREATED_SERIES": "True"}, False),
        ({"PROMETHEUS_DISABLE_CREATED_SERIES": "1"}, False),
        ({"PROMETHEUS_DISABLE_CREATED_SERIES": "no"}, True),
        (
            {
                "PROMETHEUS_DISABLE_CREATED_SERIES": "true",
                f"{ENV_PREFIX}METRICS__CREATED_SERIES": "true",
            },
            True,
        ),
        (
            {
                "PROMETHEUS_DISABLE_CREATED_SERIES": "true",
                f"{ENV_PREFIX}METRICS": '{"per_runner": false}',
            },
            False,
        ),
    ],
)
def test_when_counters_began_is_not_told_where_prometheus_clients_variable_forbids_it(
    variables: dict[str, str],
    created: bool,  # noqa: FBT001
    write: Write,
) -> None:
    assert load(write(TARGET), {}, variables).metrics.created_series is created


@pytest.mark.parametrize("text", ["pa$word", "$ecret", "a$B", "$", "$5", "x$", "A$$B", "$aB"])
def test_a_dollar_is_no_placeholder_by_itself(text: str, load_text: Load) -> None:
    (target,) = served(load_text(f"{TARGET}    bearer_token: '{text}'\n"))
    assert target.bearer_token is not None
    assert target.bearer_token.get_secret_value() == text


@pytest.mark.parametrize("pattern", ["prod-.*$", "(a|b)$", "a$|^B", "$|x", "[$]A"])
def test_a_pattern_may_end_with_a_dollar(pattern: str, load_text: Load) -> None:
    (target,) = served(load_text(f"{TARGET}    include: {{id: '{pattern}'}}\n"))
    assert target.include.id == Pattern(pattern)


def test_an_empty_variable_is_as_good_as_unset(load_text: Load) -> None:
    settings = load_text(**ONE, BEARER_TOKEN_FILE="", LISTEN="", FOO="")
    assert settings.listen == load_text(**ONE).listen


def test_names_at_the_top_that_begin_with_x_may_hold_anchors(load_text: Load) -> None:
    text = """\
x-common: &common {interval: 20s, principals: [service:monitor]}
targets:
  - {url: http://a, <<: *common}
"""
    assert load_text(text).targets[0].interval == 20.0


def test_a_header_may_begin_with_x(load_text: Load) -> None:
    (target,) = served(load_text(TARGET + "    headers: {x-tenant: acme}\n"))
    assert [*target.headers] == ["x-tenant"]


def test_the_variable_that_names_the_file_is_ours_too(load_text: Load) -> None:
    load_text(TARGET, CONFIG="config.yaml")


def test_anchors_and_merges_save_repetition(load_text: Load, faults_of: Faults) -> None:
    text = """\
targets:
  - &first
    name: a
    url: http://a
    principals: [service:monitor]
    interval: 30s
  - <<: *first
    name: b
    timeout: {timeout}
"""
    a, b = load_text(text.replace("{timeout}", "2s")).targets
    assert (a.name, a.interval, a.timeout) == ("a", 30.0, 5.0)
    assert (b.name, b.interval, b.timeout) == ("b", 30.0, 2.0)
    (fault,) = faults_of(text.replace("{timeout}", "2"))
    assert fault.startswith("config.yaml:9: targets[1].timeout: expected a duration")


def test_words_that_yaml_takes_for_something_else_stay_text(load_text: Load) -> None:
    text = TARGET + "    name: 2026-01-02\n"
    assert load_text(text).targets[0].name == "2026-01-02"


@pytest.mark.parametrize(
    "text, seconds",
    [
        ("500ms", 0.5), ("15s", 15.0), ("1.5s", 1.5), ("1m30s", 90.0), ("1h", 3600.0),
        ("7d", 604_800.0), ("2w", 1_209_600.0),
    ],
)  # fmt: skip
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds
    assert parse_duration(format_duration(seconds)) == seconds


@pytest.mark.parametrize(
    "value",
    ["", "15", "s", "15 s", "-1s", "15sec", "1e3s", "\u0661s", " 15s", "15s\n", 15, None, []],
)
def test_what_is_no_duration(value: object) -> None:
    with pytest.raises(ValueError, match="expected a duration with its unit"):
        parse_duration(value)


@pytest.mark.parametrize(
    "interval, stale", [(1.0, 60.0), (30.0, 90.0), (120.0, 290.0), (299.0, 299.0)]
)
def test_a_report_is_stale_after_three_intervals_within_bounds(
    interval: float, stale: float, load_text: Load
) -> None:
    text = f"{TARGET}    interval: {interval}s\n    timeout: 1s\n"
    assert load_text(text).targets[0].stale_seconds == stale


def test_a_database_as_the_interface_writes_it(tmp_path: Path, load_text: Load) -> None:
    password = tmp_path / "db"
    password.write_text("hunter2")
    text = f"""\
targets:
  - name: production-db
    postgres: postgresql://exporter@db.internal/electric_agents
    password_file: {password}
    tenant: acme
  - postgres: postgres://exporter@a:5432,[::1]:5433,/agents?sslmode=verify-full
    tenants: all
"""
    one, every = load_text(text).targets
    assert isinstance(one, PostgresTarget)
    assert isinstance(every, PostgresTarget)
    assert (one.password_file, one.tenant, one.tenants) == (password, "acme", None)
    assert every.tenants == "all"


def test_one_system_read_in_both_ways_is_one_target(load_text: Load) -> None:
    text = TARGET.rstrip() + "\n    postgres: postgresql://exporter@db/agents\n    tenant: acme\n"
    (target,) = load_text(text).targets
    assert isinstance(target, HttpPostgresTarget)
    assert target.tenant == "acme"
    assert target.policy(Shard()).joined


def test_retire_after_is_one_duration_or_one_for_each_kind(load_text: Load) -> None:
    (target,) = load_text(**ONE, RETIRE_AFTER='{"ci": "1h"}').targets
    retired = target.policy(Shard()).retire_after
    assert (retired[RunnerKind.CI], retired[RunnerKind.SANDBOX]) == (3600, 900)


def test_a_database_needs_no_file(load_text: Load) -> None:
    (target,) = load_text(POSTGRES="postgresql://exporter@db/agents", TENANT="acme").targets
    assert isinstance(target, PostgresTarget)
    assert (target.postgres, target.tenant) == ("postgresql://exporter@db/agents", "acme")


@pytest.mark.parametrize(
    "host",
    [
        *("[name]", "[127.0.0.1]", "[::1]a", "a[::1]", "[::1", "::1]"),
        *("a..b", f"{'a' * 64}.example", "xn--a"),
    ],
)
def test_a_host_is_a_name_that_can_be_looked_up_or_an_address(host: str, faults_of: Faults) -> None:
    fault = "expected a URL; its host or port cannot be read"
    base = faults_of(URL=f"http://{host}/", PRINCIPAL="service:a")
    database = faults_of(POSTGRES=f"postgresql://{host}/agents")
    assert (base, database) == ([f"{ENV_PREFIX}URL: {fault}"], [f"{ENV_PREFIX}POSTGRES: {fault}"])


@pytest.mark.parametrize(
    "address",
    ["0.0.0.0:10437", "[::]:10437", "[::1]:0", "localhost:1", "my_host.example.com:65535", ":0"],
)
def test_addresses(address: str, load_text: Load) -> None:
    assert load_text(TARGET + f'listen: "{address}"\n').listen == address


@pytest.mark.parametrize(
    "address",
    ["a..b:1", f"{'a' * 64}:1", "[::1:1", "[host]:1", "host:\u0663", "host:-1", "host: 1"],
)
def test_what_is_no_address(address: str, faults_of: Faults) -> None:
    (fault,) = faults_of(TARGET + f'listen: "{address}"\n')
    assert fault.endswith("expected HOST:PORT, such as 127.0.0.1:10437, [::1]:10437 or :10437")


@pytest.mark.parametrize(
    "pattern, why",
    [
        ("(?P<hunter2", "invalid named capture group"),
        ("(hunter2(?=x))", "invalid perl operator"),
        ("hunter2\\1", "invalid escape sequence"),
        ("hunter2{1001}", "invalid repetition size"),
        ("(" * 5000, "missing )"),
    ],
)
def test_what_is_no_pattern_is_told_and_not_repeated(
    pattern: str, why: str, faults_of: Faults
) -> None:
    (fault,) = faults_of(TARGET + f"    include: {{id: '{pattern}'}}\n")
    assert fault.endswith(f": expected a regular expression as Prometheus has it: {why}")
    assert "hunter2" not in fault


@pytest.mark.parametrize(
    "line",
    [
        "bearer_token: hunter2",
        "headers: {authorization: Bearer hunter2}",
        "headers: {hunter2: x-key}",
        "bearer_token: [hunter2]",
        "bearer_token: {hunter2 is: hunter2}",
        "bearer_token_file: {hunter2 is: hunter2}",
        "name: [hunter2]",
        "concurrency: hunter2",
        "interval: hunter2",
        "tls: hunter2",
        "include: {kind: [hunter2], id: '(hunter2'}",
        "headers: {x: 'hunter2\x7f'}",
        "headers: [hunter2]",
        "tls: {insecure_skip_verify: hunter2}",
        "'Bearer hunter2': x",
        "'authorization=hunter2':",
    ],
)
def test_a_secret_is_never_shown(line: str, write: Callable[[str], Path]) -> None:
    path = write(f"{TARGET}    {line}\n")
    try:
        settings = load(path, {}, {})
    except SettingsFault as fault:
        shown = f"{fault} {fault!r} {fault.faults} " + "".join(traceback.format_exception(fault))
    else:
        shown = f"{settings} {settings!r} {settings.targets} {settings.targets[0]}"
        shown += settings.model_dump_json(exclude={"targets": {"__all__": {"headers"}}})
    assert "hunter2" not in shown


@pytest.mark.parametrize(
    "text, prefix",
    [("exporter", "/exporter"), ("/exporter/", "/exporter"), ("a/b/", "/a/b"), ("/", ""), ("", "")],
)
def test_a_prefix_is_the_same_with_and_without_slashes_around_it(
    text: str, prefix: str, load_text: Load
) -> None:
    assert load_text(f"{TARGET}web: {{route_prefix: '{text}'}}\n").web.route_prefix == prefix


@pytest.mark.parametrize("text, mode", [("0660", 0o660), ("777", 0o777), ("0600", 0o600)])
def test_a_mode_is_written_as_chmod_has_it(text: str, mode: int, load_text: Load) -> None:
    assert load_text(f"{TARGET}web: {{socket_mode: '{text}'}}\n").web.socket_mode == mode


def test_the_process_environment_is_read_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ONE.items():
        monkeypatch.setenv(ENV_PREFIX + name, value)
    assert served(load(None, {}))[0].url == ONE["URL"]
