"""To which Alertmanagers this exporter sends which alerts itself."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from electric_agents_exporter.alerting.choice import Choice, Severity
from electric_agents_exporter.settings.faults import UNKNOWN_ALERT
from electric_agents_exporter.settings.section import Section
from electric_agents_exporter.settings.targets import TlsSettings
from electric_agents_exporter.settings.values import (
    AlertmanagerUrl,
    Duration,
    LabelName,
    Name,
    PageUrl,
    Password,
    PathPrefix,
    ReadableFile,
    Secret,
    Split,
    User,
    format_duration,
)

if TYPE_CHECKING:
    from electric_agents_exporter.alerting.definition import Definitions
    from electric_agents_exporter.alerting.delivery import DeliveryOptions

_OWN_LABELS: Final = ("alertname", "service", "severity")
_LONGEST_RESEND: Final = 3600.0


class BasicAuthSettings(Section):
    """Who we are, by a name and a password."""

    username: User = Field(description="Name of the user.")
    password: Password | None = Field(None, description="The user's password.")
    password_file: ReadableFile | None = Field(
        None,
        validate_default=True,
        description="File of the user's password, read again when it changes.",
    )

    @field_validator("password_file")
    @classmethod
    def _one_password(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        if "password" in info.data and (file is None) == (info.data["password"] is None):
            raise ValueError("one of password and password_file is needed, and not both")
        return file


class AlertmanagerSettings(Section):
    """To whom alerts are sent, as whom, and which."""

    urls: Annotated[list[AlertmanagerUrl], Split] = Field(
        min_length=1,
        description="Base URLs of the Alertmanagers, with any path. Each gets every alert: name "
        "all members of a cluster.",
    )
    path_prefix: PathPrefix | None = Field(
        None,
        description="Path to add to every URL: Alertmanager's own `--web.route-prefix`.",
    )
    basic_auth: BasicAuthSettings | None = Field(None, description="Name and password to send.")
    bearer_token: Secret | None = Field(None, description="Token to send as a bearer.")
    bearer_token_file: ReadableFile | None = Field(
        None, description="File of the token to send as a bearer, read again when it changes."
    )
    tls: TlsSettings = Field(default_factory=TlsSettings, description="Trust and identity.")
    labels: dict[LabelName, Name] = Field(
        default_factory=dict,
        description="Labels to add to every alert, as external labels of Prometheus are.",
    )
    definitions: ReadableFile | None = Field(
        None, description="File of alerts of your own, in place of those that come along."
    )
    alerts: Annotated[list[Name], Split] | None = Field(
        None,
        description="The alerts to send, with or without `ElectricAgents` before their names. All "
        "by default.",
    )
    min_severity: Literal["info", "warning", "critical"] = Field(
        "info",
        description="The least severe alerts to send. The Watchdog's severity, `none`, always is.",
    )
    resend_interval: Duration = Field(
        "1m",
        validate_default=True,
        description="How often what fires is sent again. What is not sent again ends after four "
        "intervals, as where this exporter is killed.",
    )
    timeout: Duration = Field(
        "10s",
        validate_default=True,
        description="How long one request may take in all.",
    )
    external_url: PageUrl | None = Field(
        None,
        description="Where people reach this exporter: alerts link to it. By default the machine's "
        "name, and the port of `listen`.",
    )

    @field_validator("urls")
    @classmethod
    def _once(cls, urls: list[str]) -> list[str]:
        if len({url.rstrip("/") for url in urls}) < len(urls):
            raise ValueError("the same URL stands here twice")
        return urls

    @field_validator("bearer_token", "bearer_token_file")
    @classmethod
    def _one_authorization(
        cls, value: SecretStr | Path | None, info: ValidationInfo
    ) -> SecretStr | Path | None:
        if value is not None and (info.data.get("basic_auth") or info.data.get("bearer_token")):
            raise ValueError(
                "only one of basic_auth, bearer_token and bearer_token_file may be set"
            )
        return value

    @field_validator("labels")
    @classmethod
    def _others(cls, labels: dict[str, str]) -> dict[str, str]:
        own = [name for name in _OWN_LABELS if name in labels]
        if own:
            raise ValueError(f"{own[0]} is a label that every alert has itself")
        return labels

    @field_validator("definitions")
    @classmethod
    def _defined(cls, file: Path | None) -> Path | None:
        if file is not None:
            _read_definitions(file)
        return file

    @field_validator("alerts")
    @classmethod
    def _named(cls, names: list[str] | None, info: ValidationInfo) -> list[str] | None:
        """Write the names in full, and find those of no alert."""
        if names is None or "definitions" not in info.data:
            return names
        from electric_agents_exporter.alerting.definition import PREFIX  # noqa: PLC0415

        definitions = _read_definitions(info.data["definitions"])
        known = tuple(dict.fromkeys(each.alert for each in definitions.alerts))
        full = [name if name in known else PREFIX + name for name in names]
        short = [name.removeprefix(PREFIX) for name in known]
        faults = [
            InitErrorDetails(
                type=PydanticCustomError(UNKNOWN_ALERT, "", {"known": short}),
                loc=(position,),
                input=names[position].removeprefix(PREFIX),
            )
            for position, name in enumerate(full)
            if name not in known
        ]
        if faults:
            raise ValidationError.from_exception_data("alerts", faults)
        return full

    @field_validator("resend_interval")
    @classmethod
    def _bounded(cls, interval: float) -> float:
        if not 1 <= interval <= _LONGEST_RESEND:
            raise ValueError("expected 1s to 1h")
        return interval

    @field_validator("timeout")
    @classmethod
    def _in_time(cls, timeout: float, info: ValidationInfo) -> float:
        if timeout > info.data.get("resend_interval", timeout):
            interval = format_duration(info.data["resend_interval"])
            raise ValueError(
                f"{format_duration(timeout)} is longer than the resend interval, {interval}; "
                "set a shorter timeout"
            )
        return timeout

    def delivery(self, own_url: str) -> "DeliveryOptions":
        """Give how alerts are sent; `own_url` is where this exporter may be reached."""
        # A client takes ten megabytes and more, so it is loaded where something is sent.
        from electric_agents_exporter.alerting.alertmanager import (  # noqa: PLC0415
            AlertmanagerOptions,
        )
        from electric_agents_exporter.alerting.delivery import DeliveryOptions  # noqa: PLC0415
        from electric_agents_exporter.alerting.sender import Terms  # noqa: PLC0415
        from electric_agents_exporter.sources.credentials import (  # noqa: PLC0415
            BasicAuth,
            Credentials,
        )
        from electric_agents_exporter.sources.http_transport import Tls  # noqa: PLC0415

        auth = None
        if self.basic_auth is not None:
            given = self.basic_auth
            auth = BasicAuth(given.username, _text(given.password), given.password_file)
        credentials = Credentials(
            bearer_token=_text(self.bearer_token),
            bearer_token_file=self.bearer_token_file,
            basic_auth=auth,
        )
        return DeliveryOptions(
            alertmanagers=tuple(
                AlertmanagerOptions(
                    url=url.rstrip("/") + (self.path_prefix or ""),
                    credentials=credentials,
                    tls=Tls(**self.tls.model_dump()),
                    timeout=self.timeout,
                )
                for url in self.urls
            ),
            terms=Terms(
                choice=Choice(
                    Severity(self.min_severity),
                    None if self.alerts is None else frozenset(self.alerts),
                ),
                resend_interval=self.resend_interval,
                generator_url=self.external_url or own_url,
            ),
        )


def _read_definitions(file: Path | None) -> "Definitions":
    """Read the definitions in a file, or those that come along.

    Raises:
        ValueError: the file holds none.
    """
    # It takes megabytes to read templates, so it is loaded with the first setting about alerts.
    from electric_agents_exporter.alerting.definition import load  # noqa: PLC0415

    return load(file)


def _text(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None
