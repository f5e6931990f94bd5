"""Every setting, with its meaning, default and bounds. Durations are in seconds once read."""

import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from electric_agents_exporter.contract import principals

ENV_PREFIX: Final = "ELECTRIC_AGENTS_EXPORTER_"

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_LONGEST_STALE: Final = 300.0  # Prometheus forgets a series after 5 min; so must we, sooner


def parse_duration(text: object) -> object:
    """Read a duration as Prometheus writes it, `15s` or `1h30m`, into seconds.

    Raises:
        ValueError: the text is no duration.
    """
    if not isinstance(text, str):
        raise ValueError("expected a duration with its unit, such as 15s, 1m30s or 7d")  # noqa: TRY004
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError("expected a duration with its unit, such as 15s, 1m30s or 7d")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def format_duration(seconds: float) -> str:
    """Write seconds as an operator would: the largest unit that divides them."""
    for unit in ("d", "h", "m", "s"):
        if seconds >= _UNITS[unit] and seconds % _UNITS[unit] == 0:
            return f"{int(seconds / _UNITS[unit])}{unit}"
    return f"{int(seconds * 1000)}ms"


def _pattern(text: object) -> object:
    if not isinstance(text, str):
        raise ValueError("expected a regular expression")  # noqa: TRY004
    try:
        return re.compile(text)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error


def _address(text: str) -> str:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65_535:  # noqa: PLR2004
        raise ValueError("expected HOST:PORT, such as 0.0.0.0:10437 or [::]:10437")
    return text


def _readable(path: Path) -> Path:
    try:
        with path.open("rb"):
            return path
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from error


def _words(value: object) -> object:
    """Let an environment variable give a list as words between commas."""
    return [word.strip() for word in value.split(",")] if isinstance(value, str) else value


Duration = Annotated[float, BeforeValidator(parse_duration), Field(gt=0, allow_inf_nan=False)]
Pattern = Annotated[re.Pattern[str], BeforeValidator(_pattern)]
Address = Annotated[str, AfterValidator(_address)]
ReadableFile = Annotated[Path, AfterValidator(_readable)]
KindName = Literal["local", "cloud-worker", "sandbox", "ci", "server"]
GroupName = Literal["core", "client", "claims", "derived"]


class Section(BaseModel):
    """A part of the settings: unknown names are faults."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class TlsSettings(Section):
    """How a server is trusted, and how we show who we are."""

    ca_file: ReadableFile | None = Field(
        None, description="Certificates to trust instead of the system's, PEM."
    )
    cert_file: ReadableFile | None = Field(None, description="Our own certificate, PEM.")
    key_file: ReadableFile | None = Field(None, description="The key of `cert_file`, PEM.")
    insecure_skip_verify: bool = Field(
        default=False, description="Trust any certificate. For trials only."
    )

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if self.key_file is not None and self.cert_file is None:
            raise ValueError("key_file needs cert_file")
        return self


class SelectorSettings(Section):
    """Tests of a runner. Patterns are regular expressions that match the whole value."""

    kind: Annotated[list[KindName], BeforeValidator(_words)] | None = Field(
        None, description="Kinds of runner."
    )
    id: Pattern | None = Field(None, description="Pattern of the runner's id.")
    label: Pattern | None = Field(None, description="Pattern of the runner's label.")
    owner: Pattern | None = Field(None, description="Pattern of the owner's canonical URL.")


class ExpectedSettings(Section):
    """What a fleet should look like."""

    min: int = Field(
        1, ge=0, description="The least number of runners; exported for alerts to compare with."
    )


class TargetSettings(Section):
    """One agents-server, asked as one or more principals."""

    name: str = Field(
        "default",
        min_length=1,
        max_length=128,
        description="The `server` label. Must be unique.",
    )
    url: str | None = Field(
        None,
        description="Base URL of the agents-server, with any path: all that comes before "
        "`/_electric`.",
    )
    postgres: str | None = Field(None, description="Not supported yet: the server's database.")
    principals: Annotated[list[str], BeforeValidator(_words)] = Field(
        default_factory=list,
        description="Who to ask as, `KIND:ID` with a kind of user, agent, service or system, or "
        "the URL `/principal/KIND%3AID`. A principal sees only its own runners, so each is polled.",
    )
    headers: dict[str, SecretStr] = Field(
        default_factory=dict, description="Headers to send with every request. Values are secret."
    )
    header_files: dict[str, ReadableFile] = Field(
        default_factory=dict,
        description="Headers whose values are read from files, again when these change.",
    )
    bearer_token: SecretStr | None = Field(None, description="Token to send as a bearer.")
    bearer_token_file: ReadableFile | None = Field(
        None, description="File of the token to send as a bearer, read again when it changes."
    )
    tls: TlsSettings = Field(default_factory=TlsSettings, description="Trust and identity.")
    interval: Duration = Field("15s", validate_default=True, description="How often to poll.")
    timeout: Duration = Field(
        "5s", validate_default=True, description="How long one request may take in all."
    )
    concurrency: int = Field(
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
    max_runners: int = Field(
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
        return min(max(3 * self.interval, 60.0), _LONGEST_STALE - 10)

    @field_validator("name")
    @classmethod
    def _printable(cls, name: str) -> str:
        if not name.isprintable():
            raise ValueError("expected printable characters only")
        return name

    @field_validator("url")
    @classmethod
    def _base_url(cls, url: str | None) -> str | None:
        if url is None:
            return None
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise ValueError("not a URL: its host or port cannot be read") from error
        if parts.scheme not in {"http", "https"} or not host or port == 0:
            raise ValueError("expected http://HOST[:PORT][/PATH] or https://...")
        if parts.username is not None or parts.password is not None:
            raise ValueError("holds credentials; use bearer_token_file or header_files instead")
        if parts.query or parts.fragment or not url.isprintable() or " " in url:
            raise ValueError("expected a base URL, without query, fragment or white space")
        return url

    @field_validator("postgres")
    @classmethod
    def _no_database_yet(cls, value: str | None) -> str | None:
        if value is not None:
            raise ValueError("not supported yet in this version; use url and principals")
        return None

    @field_validator("principals")
    @classmethod
    def _valid_principals(cls, names: list[str]) -> list[str]:
        faults = []
        known = set()
        for position, name in enumerate(names):
            try:
                principal = principals.parse(name)
            except principals.PrincipalError as error:
                faults.append(f"principals[{position}]: {error}")
                continue
            if principal in known:
                faults.append(f"principals[{position}]: the same principal stands here twice")
            known.add(principal)
        if faults:
            raise ValueError("; ".join(faults))
        return names

    @field_validator("headers", "header_files")
    @classmethod
    def _header_names(cls, headers: dict[str, Any]) -> dict[str, Any]:
        for name, value in headers.items():
            if not _HEADER_NAME.fullmatch(name):
                raise ValueError("a header's name holds characters that none may hold")
            if name.lower() == principals.HEADER:
                raise ValueError(f"{principals.HEADER} is sent for every one of `principals`")
            if isinstance(value, SecretStr) and not (
                value.get_secret_value().isascii() and value.get_secret_value().isprintable()
            ):
                raise ValueError(f"the value of {name} holds characters that none may hold")
        return headers

    @field_validator("bearer_token")
    @classmethod
    def _token(cls, token: SecretStr | None) -> SecretStr | None:
        text = token.get_secret_value() if token else "x"
        if not text.strip() or not text.isascii() or not text.isprintable():
            raise ValueError("expected printable ASCII on one line")
        return token

    @model_validator(mode="after")
    def _together(self) -> Self:
        faults = []
        if self.url is None and self.postgres is None:
            faults.append("url is missing")
        if not self.principals:
            faults.append("principals is missing: expected at least one, such as service:monitor")
        if not self.interval <= self.stale_seconds < _LONGEST_STALE:
            faults.append("stale_after must be at least the interval and under 5m")
        if self.timeout > self.interval:
            faults.append("timeout must not be longer than the interval")
        authorizations = [
            self.bearer_token is not None,
            self.bearer_token_file is not None,
            any(name.lower() == "authorization" for name in (*self.headers, *self.header_files)),
        ]
        if sum(authorizations) > 1:
            faults.append(
                "only one of bearer_token, bearer_token_file and an authorization header may be set"
            )
        if faults:
            raise ValueError("; ".join(faults))
        return self


class MetricsSettings(Section):
    """Which families are shown."""

    groups: Annotated[list[GroupName], BeforeValidator(_words)] = Field(
        ["core", "client", "claims", "derived"],
        description="Groups of a runner's own families to show.",
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

    index: int = Field(0, ge=0, description="Which one this is, from 0.")
    count: int = Field(1, ge=1, le=1024, description="How many there are.")

    @model_validator(mode="after")
    def _within(self) -> Self:
        if self.index >= self.count:
            raise ValueError("index must be less than count")
        return self


class WebSettings(Section):
    """How this exporter serves."""

    max_concurrent_scrapes: int = Field(
        4, ge=1, description="Scrapes that are served at once; more are answered 503."
    )
    enable_reload: bool = Field(
        default=False, description="Let `POST /-/reload` read the settings again, as SIGHUP does."
    )
    tls: object | None = Field(None, description="Not supported yet; put a proxy in front.")
    basic_auth_users: object | None = Field(
        None, description="Not supported yet; put a proxy in front."
    )

    @field_validator("tls", "basic_auth_users")
    @classmethod
    def _not_yet(cls, value: object) -> None:
        if value is not None:
            raise ValueError("not supported yet in this version; put a proxy in front")


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

    listen: Address = Field("0.0.0.0:10437", description="Where to serve, `HOST:PORT`.")
    targets: list[TargetSettings] = Field(
        default_factory=list, description="The agents-servers to poll."
    )
    metrics: MetricsSettings = Field(
        default_factory=MetricsSettings, description="Which families are shown."
    )
    shard: ShardSettings = Field(
        default_factory=ShardSettings, description="This exporter's share of every fleet."
    )
    alertmanager: object | None = Field(
        None, description="Not supported yet: alerts sent by the exporter itself."
    )
    web: WebSettings = Field(default_factory=WebSettings, description="How to serve.")
    log: LogSettings = Field(default_factory=LogSettings, description="What to log.")

    @field_validator("alertmanager")
    @classmethod
    def _not_yet(cls, value: object) -> None:
        if value is not None:
            raise ValueError("not supported yet in this version; let Prometheus send alerts")

    @model_validator(mode="after")
    def _targets(self) -> Self:
        if not self.targets:
            raise ValueError(
                "no target: set targets in a file, or "
                f"{ENV_PREFIX}URL and {ENV_PREFIX}PRINCIPAL in the environment"
            )
        names = [target.name for target in self.targets]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"targets: names must be unique; more than once: {', '.join(twice)}")
        return self
