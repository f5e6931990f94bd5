"""Every setting, with its meaning, default and bounds. Durations are in seconds once read.

Tests of one setting against another stand at the later of the two, so that they run, and name
their place, even where other settings are at fault.
"""

import ssl
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
)
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from electric_agents_exporter.contract import principals
from electric_agents_exporter.settings.values import (
    Address,
    BaseUrl,
    DatabaseUrl,
    Duration,
    HeaderName,
    Name,
    Number,
    Pattern,
    PrincipalName,
    ReadableFile,
    Secret,
    Split,
    format_duration,
)

ENV_PREFIX: Final = "ELECTRIC_AGENTS_EXPORTER_"

NOT_YET: Final[Mapping[tuple[str, ...], str]] = {
    ("alertmanager",): "let Prometheus send alerts",
    ("web", "tls"): "put a proxy in front",
    ("web", "basic_auth_users"): "put a proxy in front",
}
"""Settings that are planned, and what to do until then."""

_LONGEST_STALE: Final = 300.0  # Prometheus forgets a series after 5 min; so must we, sooner
_SHORTEST_STALE: Final = 60.0
_STALE_INTERVALS: Final = 3

KindName = Literal["local", "cloud-worker", "sandbox", "ci", "server"]
GroupName = Literal["core", "client", "claims", "derived", "claims_history"]

_ABSENT: Final[Any] = ()  # nothing that can be written: who asks wants to know whether it was set


class Section(BaseModel):
    """A part of the settings: unknown names are faults."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


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
    """Tests of a runner. Patterns are regular expressions that match the whole value."""

    kind: Annotated[list[KindName], Split] | None = Field(None, description="Kinds of runner.")
    id: Pattern | None = Field(None, description="Pattern of the runner's id.")
    label: Pattern | None = Field(None, description="Pattern of the runner's label.")
    owner: Pattern | None = Field(None, description="Pattern of the owner's canonical URL.")


class ExpectedSettings(Section):
    """What a fleet should look like."""

    min: Number = Field(
        ge=0, description="The least number of runners; exported for alerts to compare with."
    )


class TargetSettings(Section):
    """One agents-server, asked as one or more principals, or its database."""

    name: Name = Field("default", description="The `server` label. Must be unique.")
    postgres: DatabaseUrl | None = Field(
        None,
        description="URL of the agents-server's database, without a password, in place of `url` "
        "and `principals`; see [postgres.md](postgres.md).",
    )
    url: BaseUrl | None = Field(
        None,
        validate_default=True,
        description="Base URL of the agents-server, with any path: all that comes before "
        "`/_electric`.",
    )
    password_file: ReadableFile | None = Field(
        None, description="File of the database's password, read again when it changes."
    )
    tenant: Name = Field("default", description="Whose runners to read of the database.")
    tenants: Literal["all"] | None = Field(
        None,
        description="Read every tenant's runners; each has a `server` label of its own, "
        "`NAME/TENANT`.",
    )
    principals: Annotated[list[PrincipalName], Split] = Field(
        _ABSENT,
        min_length=1,
        validate_default=True,
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
    interval: Duration = Field(
        "15s",
        validate_default=True,
        description="How often to poll; each time up to a tenth later, so as to keep no step with "
        "the runners' heartbeats.",
    )
    timeout: Duration = Field(
        "5s", validate_default=True, description="How long one request may take in all."
    )
    concurrency: Number = Field(
        10,
        ge=1,
        le=100,
        description="Requests in flight at once. Servers are fastest at 10.",
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
        10_000, ge=1, description="The most runners to have series. The overflow is counted."
    )
    retire_after: Duration = Field(
        "7d",
        validate_default=True,
        description="How long a runner without work must not have been seen to be retired: "
        "counted, but without series until it is seen again.",
    )

    @property
    def stale_seconds(self) -> float:
        """The bound that holds, whether set or by default."""
        if self.stale_after is not None:
            return self.stale_after
        usual = min(max(_STALE_INTERVALS * self.interval, _SHORTEST_STALE), _LONGEST_STALE - 10)
        return max(self.interval, usual)

    @field_validator("url")
    @classmethod
    def _one_origin(cls, url: str | None, info: ValidationInfo) -> str | None:
        if url is None and info.data.get("postgres", "") is None:
            raise ValueError("is missing")
        if url is not None and info.data.get("postgres"):
            raise ValueError("only one of url and postgres may be set")
        return url

    @field_validator("password_file", "tenant", "tenants")
    @classmethod
    def _of_a_database(cls, value: Path | str | None, info: ValidationInfo) -> Path | str | None:
        if value not in {None, "default"} and info.data.get("postgres", "") is None:
            raise ValueError("means nothing without postgres")
        return value

    @field_validator("tenants")
    @classmethod
    def _one_or_all(cls, tenants: str | None, info: ValidationInfo) -> str | None:
        if tenants is not None and info.data.get("tenant", "default") != "default":
            raise ValueError("only one of tenant and tenants may be set")
        return tenants

    @field_validator("principals", mode="wrap")
    @classmethod
    def _someone(
        cls, given: object, handler: ValidatorFunctionWrapHandler, info: ValidationInfo
    ) -> list[str]:
        if given is _ABSENT:
            if info.data.get("postgres", "") is None:
                raise ValueError("is missing")
            return []
        names: list[str] = handler(given)
        return names

    @field_validator(
        "principals", "headers", "header_files", "bearer_token", "bearer_token_file", "concurrency"
    )
    @classmethod
    def _of_a_server(cls, value: object, info: ValidationInfo) -> object:
        if value and info.data.get("postgres"):
            raise ValueError("means nothing with postgres")
        return value

    @field_validator("tls")
    @classmethod
    def _trust(cls, tls: TlsSettings, info: ValidationInfo) -> TlsSettings:
        if tls.insecure_skip_verify and info.data.get("postgres"):
            raise ValueError("insecure_skip_verify means nothing with postgres: set its sslmode")
        return tls

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


class MetricsSettings(Section):
    """Which families are shown."""

    groups: Annotated[list[GroupName], Split] = Field(
        ["core", "client", "claims", "derived", "claims_history"],
        description="Groups of families to show: four of a runner's own, and what only a "
        "database tells.",
    )
    per_runner: bool = Field(
        default=True, description="Show series per runner; without them some 190 a target are left."
    )
    owner_label: bool = Field(
        default=False,
        description="Add `owner_principal`, which can be an e-mail address, to `runner_info`.",
    )


class ShardSettings(Section):
    """One of several exporters that divide each fleet among them by runner id."""

    count: Number = Field(1, ge=1, le=1024, description="How many there are.")
    index: Number = Field(0, ge=0, description="Which one this is, from 0.")

    @field_validator("index")
    @classmethod
    def _within(cls, index: int, info: ValidationInfo) -> int:
        if index >= info.data.get("count", index + 1):
            raise ValueError(f"expected less than count, {info.data['count']}")
        return index


class WebSettings(Section):
    """How this exporter serves."""

    max_concurrent_scrapes: Number = Field(
        4, ge=1, description="Scrapes that are served at once; more are answered 503."
    )
    enable_reload: bool = Field(
        default=False, description="Let `POST /-/reload` read the settings again, as SIGHUP does."
    )


class LogSettings(Section):
    """What this exporter writes to stderr."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least severe lines to write."
    )
    format: Literal["logfmt", "json"] = Field("logfmt", description="How lines are written.")


class Settings(BaseSettings):
    """All settings together."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    listen: Address = Field("0.0.0.0:10437", description="Where to serve.")
    targets: list[TargetSettings] = Field(
        default_factory=list, validate_default=True, description="The agents-servers to poll."
    )
    metrics: MetricsSettings = Field(
        default_factory=MetricsSettings, description="Which families are shown."
    )
    shard: ShardSettings = Field(
        default_factory=ShardSettings, description="This exporter's share of every fleet."
    )
    web: WebSettings = Field(default_factory=WebSettings, description="How to serve.")
    log: LogSettings = Field(default_factory=LogSettings, description="What to log.")

    @field_validator("targets", mode="wrap")
    @classmethod
    def _distinct(
        cls, given: object, handler: ValidatorFunctionWrapHandler
    ) -> list[TargetSettings]:
        """Find names that stand twice beside all that is wrong with single targets."""
        if given == []:
            raise ValueError(
                "no target: set targets in a file, or "
                f"{ENV_PREFIX}URL and {ENV_PREFIX}PRINCIPAL in the environment"
            )
        faults = _repeated_names(given)
        try:
            targets: list[TargetSettings] = handler(given)
        except ValidationError as error:
            faults = [*map(_again, error.errors(include_url=False)), *faults]
        if faults:
            raise ValidationError.from_exception_data("targets", faults)
        return targets


def _repeated_names(targets: object) -> list[InitErrorDetails]:
    """Find the names of targets, as they were given, that stand a second time."""
    faults = []
    known = set()
    for position, target in enumerate(targets if isinstance(targets, list) else ()):
        name = target.get("name", "default") if isinstance(target, dict) else None
        if isinstance(name, str) and name in known:
            problem = ValueError("another target has this name; the default is `default`")
            faults.append(_fault((position, "name"), problem))
        known.add(name if isinstance(name, str) else None)
    return faults


def _fault(place: tuple[int | str, ...], problem: ValueError) -> InitErrorDetails:
    return InitErrorDetails(type="value_error", loc=place, input=None, ctx={"error": problem})


def _again(detail: ErrorDetails) -> InitErrorDetails:
    """Make a found fault one to report; its words are chosen later, by its kind."""
    kind = PydanticCustomError(detail["type"], "", detail.get("ctx"))
    return InitErrorDetails(type=kind, loc=detail["loc"], input=detail["input"])
