"""What can be polled: a server over HTTP, a database, or one system read in both ways.

Each kind of target is a model of its own, which makes its own source and policy; a setting that
means nothing for it is unknown to it. Durations are in seconds once read. Tests of one setting
against another stand at the later of the two, so that they run, and name their place, even where
other settings are at fault.
"""

import shutil
import ssl
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias, get_args

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    SecretStr,
    Tag,
    ValidationInfo,
    field_validator,
)

from electric_agents_exporter.conditions import Thresholds
from electric_agents_exporter.contract import principals
from electric_agents_exporter.contract.report import MAX_LISTED
from electric_agents_exporter.contract.vocabulary import RunnerKind
from electric_agents_exporter.fleet.clock import Clock
from electric_agents_exporter.fleet.policy import RETIRE_AFTER, Policy
from electric_agents_exporter.fleet.reasons import Operation
from electric_agents_exporter.fleet.selection import Selection, Selector, Shard
from electric_agents_exporter.settings.section import Section
from electric_agents_exporter.settings.values import (
    CommandWord,
    DatabaseUrl,
    Duration,
    HeaderName,
    Name,
    Number,
    PatternText,
    PrincipalName,
    ReadableFile,
    Secret,
    ServerName,
    ServerUrl,
    Split,
    Words,
    format_duration,
    parse_duration,
)
from electric_agents_exporter.sources.source import EVERYONE, Source

if TYPE_CHECKING:
    from electric_agents_exporter.sources.http import HttpServer
    from electric_agents_exporter.sources.postgres import PostgresSource

_LONGEST_STALE: Final = 300.0  # Prometheus forgets a series after 5 min; so must we, sooner
_SHORTEST_STALE: Final = 60.0
_STALE_INTERVALS: Final = 3
_MOST_LISTED: Final = 1_000_000  # of so many, a list takes a gigabyte

KindName = Literal["local", "cloud-worker", "sandbox", "ci", "server"]


class TlsSettings(Section):
    """How a server is trusted, and how we show who we are."""

    ca_file: ReadableFile | None = Field(
        None, description="Certificates to trust instead of the system's, PEM."
    )
    cert_file: ReadableFile | None = Field(None, description="Our own certificate, PEM.")
    key_file: ReadableFile | None = Field(
        None,
        validate_default=True,
        description="The key of `cert_file`, PEM, without a passphrase.",
    )
    server_name: ServerName | None = Field(
        None, description="Whose certificate to expect, where that is not the host of the URL."
    )
    strict: bool = Field(
        default=False,
        description="Check certificates to the letter of RFC 5280. Many private authorities then "
        "fail for an extension that they leave out.",
    )
    insecure_skip_verify: bool = Field(
        default=False, description="Trust any certificate. For trials only."
    )

    @field_validator("ca_file")
    @classmethod
    def _certificates(cls, path: Path | None) -> Path | None:
        if path is not None:
            try:
                ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
            except OSError:
                raise ValueError("holds no certificate in PEM form") from None
        return path

    @field_validator("key_file")
    @classmethod
    def _pair(cls, key: Path | None, info: ValidationInfo) -> Path | None:
        if "cert_file" not in info.data:
            return key
        cert = info.data["cert_file"]
        if cert is None:
            if key is not None:
                raise ValueError("needs cert_file")
            return key
        try:
            # The empty password keeps OpenSSL from asking for one on the terminal.
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(cert, key, password="")
        except OSError:
            raise ValueError(
                "cert_file and key_file hold no certificate and its key in PEM form, "
                "without a passphrase"
            ) from None
        return key


class SelectorSettings(Section):
    """Tests of a runner.

    Patterns match the whole value. They are regular expressions as Prometheus has them (RE2), which
    look neither ahead nor back.
    """

    kind: Annotated[list[KindName], Split] | None = Field(None, description="Kinds of runner.")
    id: PatternText | None = Field(None, description="Pattern of the runner's id.")
    label: PatternText | None = Field(None, description="Pattern of the runner's label.")
    owner: PatternText | None = Field(None, description="Pattern of the owner's canonical URL.")

    def selector(self) -> Selector:
        """Give the tests."""
        kinds = None if self.kind is None else frozenset(map(RunnerKind, self.kind))
        return Selector(kinds, self.id, self.label, self.owner)


class ExpectedSettings(Section):
    """What a fleet should look like."""

    min: Number = Field(
        ge=0,
        le=1_000_000,
        description="The least number of runners; exported for alerts to compare with.",
    )


class ConditionSettings(Section):
    """When time makes a condition of a runner true."""

    unheard_after: Duration = Field(
        "60s",
        validate_default=True,
        description="How long a wake may wait unheard before somebody's work does.",
    )
    abandoned_after: Duration = Field(
        "60s",
        validate_default=True,
        description="How long a runner that works may give no sign of life; two thirds of its "
        "lease where that is more.",
    )
    stuck_after: Duration = Field(
        "5m",
        validate_default=True,
        description="How long a claim of a runner that is online may give no sign of life.",
    )
    deaf_after: Duration = Field(
        "10s",
        validate_default=True,
        description="For how long a runner may send heartbeats and not hear a wake.",
    )
    refused_for: Duration = Field(
        "1h",
        validate_default=True,
        description="How long a failed claim counts where nothing tells that its work was done.",
    )
    recovery: Duration = Field(
        "60s",
        validate_default=True,
        description="How long after a server's outage nobody's silence counts yet.",
    )


def _by_kind(value: object) -> object:
    """Let one duration stand for that of every kind."""
    if isinstance(value, dict):
        return value
    parse_duration(value)
    return dict.fromkeys(get_args(KindName), value)


RetireAfter = Annotated[
    dict[KindName, Duration],
    BeforeValidator(_by_kind),
    Words("duration, or map: kind to duration"),
]


class _Named(Section):
    """What every target has first."""

    name: Name = Field("default", description="The `server` label. Must be unique.")


class _Watched(_Named):
    """How the runners of a target are watched."""

    interval: Duration = Field(
        "15s",
        validate_default=True,
        description="How often to poll; each time up to a tenth later, so as to keep no step with "
        "the runners' heartbeats.",
    )
    scheduled: bool = Field(
        default=True,
        description="Poll every interval. `false`: only when `/probe` asks, and with no series in "
        "`/metrics`.",
    )
    timeout: Duration = Field(
        "5s",
        validate_default=True,
        description="How long one request may take in all, and reading a database once.",
    )
    stale_after: Duration | None = Field(
        None,
        description="How old a report may be before its series are dropped. Three intervals by "
        "default, at least 60s; under 5m always.",
    )
    expected_runners: ExpectedSettings | None = Field(
        None, description="What the fleet should look like."
    )
    include: SelectorSettings = Field(
        default_factory=SelectorSettings, description="Keep only runners that pass every test."
    )
    exclude: SelectorSettings = Field(
        default_factory=SelectorSettings, description="Leave out runners that pass any test."
    )
    max_runners: Number = Field(
        10_000,
        ge=1,
        description="The most runners to have series. The overflow is counted. A list may hold as "
        "many times `shard.count`, but 75,000 at least and 1,000,000 at most; one with more is "
        "refused (`too_large`).",
    )
    retire_after: RetireAfter = Field(
        default_factory=dict,
        description="How long a runner without work must not have been seen to be retired: "
        "counted, but without series until it is seen again. By default 7d for `server` and "
        "`local`, 15m for the other kinds.",
    )
    conditions: ConditionSettings = Field(
        default_factory=ConditionSettings, description="When time makes a condition true."
    )

    @property
    def stale_seconds(self) -> float:
        """The bound that holds, whether set or by default."""
        if self.stale_after is not None:
            return self.stale_after
        usual = min(max(_STALE_INTERVALS * self.interval, _SHORTEST_STALE), _LONGEST_STALE - 10)
        return max(self.interval, usual)

    @field_validator("interval")
    @classmethod
    def _remembered(cls, interval: float) -> float:
        if interval >= _LONGEST_STALE:
            raise ValueError("expected less than 5m, when Prometheus forgets a series")
        return interval

    @field_validator("timeout")
    @classmethod
    def _in_time(cls, timeout: float, info: ValidationInfo) -> float:
        if timeout > info.data.get("interval", timeout):
            interval = format_duration(info.data["interval"])
            raise ValueError(
                f"{format_duration(timeout)} is longer than the interval, {interval}; "
                "set a shorter timeout"
            )
        return timeout

    @field_validator("stale_after")
    @classmethod
    def _between(cls, stale: float | None, info: ValidationInfo) -> float | None:
        if stale is not None and not info.data.get("interval", 0) <= stale < _LONGEST_STALE:
            raise ValueError("expected at least the interval and less than 5m")
        return stale

    def _policy(
        self,
        shard: Shard,
        principals_: tuple[str, ...],
        operations: tuple[Operation, ...],
        *,
        database: bool = False,
    ) -> Policy:
        of_kind = {RunnerKind(kind): after for kind, after in self.retire_after.items()}
        if len(of_kind) == len(get_args(KindName)) and len(set(of_kind.values())) == 1:
            # One duration for all is one for a kind that is not known, too.
            of_kind[RunnerKind.UNKNOWN] = next(iter(of_kind.values()))
        return Policy(
            name=self.name,
            principals=principals_,
            interval=self.interval,
            stale_after=self.stale_seconds,
            retire_after={**RETIRE_AFTER, **of_kind},
            max_runners=self.max_runners,
            max_listed=max(MAX_LISTED, min(_MOST_LISTED, self.max_runners * shard.count)),
            expected_min=self.expected_runners.min if self.expected_runners else None,
            selection=Selection(
                include=self.include.selector(), exclude=self.exclude.selector(), shard=shard
            ),
            thresholds=Thresholds(**self.conditions.model_dump()),
            operations=operations,
            database=database,
            scheduled=self.scheduled,
        )


class _Served(_Named):
    """What a target has that is asked over HTTP."""

    url: ServerUrl = Field(
        description="Base URL of the agents-server, with any path: all that comes before "
        "`/_electric`. Its parameters, such as `?key=...`, are sent with every request.",
        repr=False,
    )
    principals: Annotated[list[PrincipalName], Split] = Field(
        min_length=1,
        description="Who to ask as, `KIND:ID` with a kind of user, agent, service or system, or "
        "the URL `/principal/KIND%3AID`. A principal sees only its own runners, so each is polled. "
        "Required with `url`.",
    )
    headers: dict[HeaderName, Secret] = Field(
        default_factory=dict,
        repr=False,
        description="Headers to send with every request. Values are secret.",
    )
    header_files: dict[HeaderName, ReadableFile] = Field(
        default_factory=dict,
        description="Headers whose values are read from files, again when these change.",
    )
    bearer_token: Secret | None = Field(None, description="Token to send as a bearer.")
    bearer_token_file: ReadableFile | None = Field(
        None, description="File of the token to send as a bearer, read again when it changes."
    )
    tls: TlsSettings = Field(default_factory=TlsSettings, description="Trust and identity.")
    concurrency: Number = Field(
        10,
        ge=1,
        le=100,
        description="Requests in flight at once. Servers are fastest at 10.",
    )
    wakes: bool = Field(
        default=True,
        description="Read the runners' wake streams, to see work that waits; false saves one "
        "request for each runner and poll.",
    )

    @field_validator("principals")
    @classmethod
    def _once(cls, names: list[str]) -> list[str]:
        known = [principals.parse(name) for name in names]
        if len(set(known)) < len(known):
            raise ValueError("the same principal stands here twice")
        return names

    @field_validator("headers", "header_files")
    @classmethod
    def _one_of_each(cls, headers: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        times = Counter(name.lower() for name in (*info.data.get("headers", ()), *headers))
        if max(times.values(), default=0) > 1:
            raise ValueError("the same header stands in headers or header_files twice")
        return headers

    @field_validator("bearer_token", "bearer_token_file")
    @classmethod
    def _one_authorization(
        cls, value: SecretStr | Path | None, info: ValidationInfo
    ) -> SecretStr | Path | None:
        names = (*info.data.get("headers", ()), *info.data.get("header_files", ()))
        given = [name for name in names if name.lower() == "authorization"]
        if value is not None and (given or info.data.get("bearer_token")):
            raise ValueError(
                "only one of bearer_token, bearer_token_file and an authorization header may be set"
            )
        return value

    @property
    def _http_operations(self) -> tuple[Operation, ...]:
        return (Operation.WAKES, Operation.SERVER) if self.wakes else (Operation.SERVER,)

    def _server(self, clock: Clock, *, interval: float, timeout: float) -> "HttpServer":
        # A client takes ten megabytes and more, so it is loaded with the first target that asks.
        from electric_agents_exporter.sources.credentials import Credentials  # noqa: PLC0415
        from electric_agents_exporter.sources.http import HttpOptions, HttpServer  # noqa: PLC0415
        from electric_agents_exporter.sources.http_transport import Tls  # noqa: PLC0415

        options = HttpOptions(
            url=self.url,
            principals=tuple(self.principals),
            credentials=Credentials(
                headers={name: value.get_secret_value() for name, value in self.headers.items()},
                header_files=self.header_files,
                bearer_token=self.bearer_token.get_secret_value() if self.bearer_token else None,
                bearer_token_file=self.bearer_token_file,
            ),
            tls=Tls(**self.tls.model_dump()),
            interval=interval,
            timeout=timeout,
            concurrency=self.concurrency,
        )
        return HttpServer(options, clock)


class _Stored(_Named):
    """What a target has whose database is read."""

    postgres: DatabaseUrl = Field(
        description="URL of the agents-server's database, without a password; see "
        "[postgres.md](postgres.md).",
    )
    password_file: ReadableFile | None = Field(
        None, description="File of the database's password, read again when it changes."
    )
    password_command: list[CommandWord] | None = Field(
        None,
        min_length=1,
        description="Command that writes the database's password, as a list of words: run without "
        "a shell before each connection, for 10s at most. Its output is never logged.",
    )
    tenant: Name = Field("default", description="Whose runners to read of the database.")

    @field_validator("password_command")
    @classmethod
    def _one_password(cls, words: list[str] | None, info: ValidationInfo) -> list[str] | None:
        if words is None:
            return None
        if info.data.get("password_file") is not None:
            raise ValueError("only one of password_file and password_command may be set")
        if shutil.which(words[0]) is None:
            raise ValueError("its first word is no program that can be run")
        return words

    def _database(
        self, clock: Clock, *, timeout: float, tls: TlsSettings, tenant: str | None
    ) -> "PostgresSource":
        from electric_agents_exporter.sources.postgres import (  # noqa: PLC0415  (see _server)
            PostgresOptions,
            PostgresSource,
        )

        options = PostgresOptions(
            url=self.postgres,
            password_file=self.password_file,
            password_command=tuple(self.password_command) if self.password_command else None,
            ca_file=tls.ca_file,
            cert_file=tls.cert_file,
            key_file=tls.key_file,
            tenant=tenant,
            timeout=timeout,
        )
        return PostgresSource(options, clock)


class HttpTarget(_Watched, _Served):
    """An agents-server that is asked over HTTP as one or more principals."""

    def policy(self, shard: Shard) -> Policy:
        """Give how it is watched."""
        operations = (Operation.LIST, Operation.HEALTH, *self._http_operations)
        return self._policy(shard, tuple(self.principals), operations)

    def source(self, clock: Clock) -> Source:
        """Make what it is asked with."""
        from electric_agents_exporter.sources.http import HttpSource  # noqa: PLC0415

        server = self._server(clock, interval=self.interval, timeout=self.timeout)
        return HttpSource(server, wakes=self.wakes)


class PostgresTarget(_Watched, _Stored):
    """An agents-server's database, read by itself: it tells nothing of the server."""

    tenants: Literal["all"] | None = Field(
        None,
        description="Read every tenant's runners; their series carry a label `tenant`. Not with "
        "`url`.",
    )
    tls: TlsSettings = Field(default_factory=TlsSettings, description="Trust and identity.")

    @field_validator("tenants")
    @classmethod
    def _one_or_all(cls, tenants: str | None, info: ValidationInfo) -> str | None:
        if tenants is not None and info.data.get("tenant", "default") != "default":
            raise ValueError("only one of tenant and tenants may be set")
        return tenants

    @field_validator("tls")
    @classmethod
    def _trust(cls, tls: TlsSettings) -> TlsSettings:
        if tls.insecure_skip_verify:
            raise ValueError("insecure_skip_verify means nothing with postgres: set its sslmode")
        if tls.server_name is not None:
            raise ValueError(
                "server_name means nothing with postgres: set its host to it, and its hostaddr"
            )
        if tls.strict:
            raise ValueError("strict means nothing with postgres")
        return tls

    def policy(self, shard: Shard) -> Policy:
        """Give how it is watched."""
        operations = (Operation.LIST, Operation.HEALTH)
        return self._policy(shard, (EVERYONE,), operations, database=True)

    def source(self, clock: Clock) -> Source:
        """Make what it is asked with."""
        tenant = self.tenant if self.tenants is None else None
        return self._database(clock, timeout=self.timeout, tls=self.tls, tenant=tenant)


class HttpPostgresTarget(_Watched, _Stored, _Served):
    """One system read in both ways: reports from its database, liveness and wakes over HTTP.

    `tls` is that of the server; the database's is set in its URL.
    """

    def policy(self, shard: Shard) -> Policy:
        """Give how it is watched."""
        operations = (Operation.LIST, Operation.HEALTH, *self._http_operations)
        return self._policy(shard, (EVERYONE,), operations, database=True)

    def source(self, clock: Clock) -> Source:
        """Make what it is asked with."""
        from electric_agents_exporter.sources.system import SystemSource  # noqa: PLC0415

        server = self._server(clock, interval=self.interval, timeout=self.timeout)
        tls = TlsSettings()
        database = self._database(clock, timeout=self.timeout, tls=tls, tenant=self.tenant)
        return SystemSource(server, database, wakes=self.wakes)


_TAGS: Final[Mapping[tuple[bool, bool], str]] = {
    (False, False): "http",
    (True, False): "http",
    (False, True): "postgres",
    (True, True): "http-postgres",
}


def _tag_of(given: object) -> str:
    """Tell what kind of target this is, as it was given or once it is read."""
    names = given if isinstance(given, dict) else getattr(type(given), "model_fields", {})
    return _TAGS["url" in names, "postgres" in names]


TargetSettings: TypeAlias = Annotated[
    Annotated[HttpTarget, Tag("http")]
    | Annotated[PostgresTarget, Tag("postgres")]
    | Annotated[HttpPostgresTarget, Tag("http-postgres")],
    Discriminator(_tag_of),
]
"""Any target: by `url`, by `postgres`, or by both."""

TARGET_MODELS: Final[Mapping[str, type[Section]]] = {
    tag.tag: model for model, tag in map(get_args, get_args(get_args(TargetSettings)[0]))
}
"""The models of targets, by the tags that stand in the places of their faults."""


def meaningless(tag: str, name: str) -> str:
    """Say why a setting of other targets means nothing for one; empty for a name of none."""
    if name in TARGET_MODELS[tag].model_fields:
        return ""
    if tag == "http" and name in PostgresTarget.model_fields:
        return "means nothing without postgres"
    if tag == "postgres" and name in HttpTarget.model_fields:
        return "means nothing without url"
    if tag == "http-postgres" and name in PostgresTarget.model_fields:
        return "means nothing with url, which is that of one tenant"
    return ""
