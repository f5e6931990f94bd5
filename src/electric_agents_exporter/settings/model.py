"""All settings but those of targets, with their meaning, defaults and bounds."""

import socket
from pathlib import Path
from typing import Final, Literal

from pydantic import (
    Field,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
)
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from electric_agents_exporter.settings.alertmanager import AlertmanagerSettings
from electric_agents_exporter.settings.metrics import MetricsSettings
from electric_agents_exporter.settings.section import Section
from electric_agents_exporter.settings.targets import TargetSettings
from electric_agents_exporter.settings.values import (
    Address,
    Number,
    ShardIndex,
    split_address,
    unix_path,
)
from electric_agents_exporter.settings.web import WebSettings

ENV_PREFIX: Final = "ELECTRIC_AGENTS_EXPORTER_"


class ShardSettings(Section):
    """One of several exporters that divide each fleet among them by runner id."""

    count: Number = Field(1, ge=1, le=1024, description="How many there are.")
    index: ShardIndex = Field(
        0,
        ge=0,
        description="Which one this is, from 0. `auto`: the number at the end of `POD_NAME`, or "
        "else of the host's name, as the pods of a StatefulSet have it.",
    )

    @field_validator("index")
    @classmethod
    def _within(cls, index: int, info: ValidationInfo) -> int:
        if index >= info.data.get("count", index + 1):
            raise ValueError(f"expected less than count, {info.data['count']}")
        return index


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

    listen: Address = Field(
        ":10437",
        description="Where to serve: without a host on every address, of IPv4 and IPv6, or on a "
        "socket at a path. Sockets that systemd passes on are served instead.",
    )
    targets: list[TargetSettings] = Field(
        default_factory=list, validate_default=True, description="The agents-servers to poll."
    )
    metrics: MetricsSettings = Field(
        default_factory=MetricsSettings, description="Which families are shown."
    )
    shard: ShardSettings = Field(
        default_factory=ShardSettings, description="This exporter's share of every fleet."
    )
    alertmanager: AlertmanagerSettings | None = Field(
        None, description="Send alerts to Alertmanager, without a Prometheus. Off by default."
    )
    watch_config: bool = Field(
        default=False,
        description="Read the settings again when their file changes, or the file of "
        "`alertmanager.definitions`, as SIGHUP does.",
    )
    web: WebSettings = Field(default_factory=WebSettings, description="How to serve.")
    log: LogSettings = Field(default_factory=LogSettings, description="What to log.")

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that are read with the settings, and at no other time."""
        definitions = self.alertmanager.definitions if self.alertmanager else None
        return () if definitions is None else (definitions,)

    def own_url(self) -> str:
        """Guess where people reach this exporter: by the machine's name, where it serves."""
        port = "" if unix_path(self.listen) else f":{split_address(self.listen)[1]}"
        scheme = "https" if self.web.is_encrypted() else "http"
        return f"{scheme}://{socket.gethostname()}{port}{self.web.route_prefix or ''}/"

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
