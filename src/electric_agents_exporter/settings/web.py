"""How this exporter serves: at which paths, to whom, and how it is protected."""

from contextlib import suppress
from pathlib import Path
from typing import Final

from pydantic import Field, ValidationInfo, field_validator

from electric_agents_exporter.settings.faults import SettingsFault
from electric_agents_exporter.settings.section import Section
from electric_agents_exporter.settings.server_tls import ServerTlsSettings
from electric_agents_exporter.settings.values import BaseUrl, Number, ReadableFile, User
from electric_agents_exporter.settings.web_config import WebConfig, read_web_config
from electric_agents_exporter.settings.web_values import BcryptHash, Mode, RoutePrefix

_OWN: Final = ("tls", "basic_auth_users")
_FOLLOWED: Final = {*_OWN, "config_file", "client"}


class WebClientSettings(Section):
    """What `healthcheck` and `status` need to be let in by this exporter."""

    username: User | None = Field(None, description="One of the names of `basic_auth_users`.")
    password_file: ReadableFile | None = Field(None, description="File of that user's password.")
    cert_file: ReadableFile | None = Field(
        None, description="A certificate to show where `client_auth_type` asks for one, PEM."
    )
    key_file: ReadableFile | None = Field(
        None, description="The key of `cert_file`, PEM, without a passphrase."
    )

    @field_validator("password_file")
    @classmethod
    def _of_a_user(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        if file is not None and info.data.get("username", "") is None:
            raise ValueError("needs username")
        return file

    @field_validator("key_file")
    @classmethod
    def _of_a_certificate(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        if file is not None and info.data.get("cert_file", "") is None:
            raise ValueError("needs cert_file")
        return file


class WebSettings(Section):
    """How this exporter serves."""

    max_concurrent_scrapes: Number = Field(
        4, ge=1, description="Scrapes that are served at once; more are answered 503."
    )
    enable_reload: bool = Field(
        default=False, description="Let `POST /-/reload` read the settings again, as SIGHUP does."
    )
    status_page: bool = Field(
        default=True,
        description="Serve the status page, what it shows as JSON, and what `/probe` says with "
        "`debug=true`.",
    )
    grafana: BaseUrl | None = Field(
        default=None, description="A Grafana with the dashboards, which the status page links to."
    )
    runbooks: BaseUrl | None = Field(
        default=None, description="The folder of the runbooks, which the status page links to."
    )
    route_prefix: RoutePrefix | None = Field(
        None,
        description="Path before every path that is served, `/exporter` for `/exporter/metrics`.",
    )
    socket_mode: Mode = Field(
        "0660",
        validate_default=True,
        description="Who may connect where `listen` is `unix:/path`, as `chmod` has it.",
    )
    tls: ServerTlsSettings | None = Field(
        None, description="Serve by HTTPS, and tell clients by certificates. Off by default."
    )
    basic_auth_users: dict[User, BcryptHash] = Field(
        default_factory=dict,
        description="Who may come, by name, with a bcrypt hash of the password (`htpasswd -nBC 10 "
        "NAME`). Everybody by default.",
    )
    config_file: ReadableFile | None = Field(
        None,
        validate_default=True,
        description="File of exporter-toolkit, as every exporter in Go takes it, in place of `tls` "
        "and `basic_auth_users`; read again when it changes.",
    )
    client: WebClientSettings = Field(
        default_factory=WebClientSettings,
        description="How `healthcheck` and `status` are let in.",
    )

    @field_validator("config_file")
    @classmethod
    def _one_way(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        beside = [name for name in _OWN if info.data.get(name)]
        if file is not None and beside:
            raise ValueError(f"sets what {beside[0]} sets; leave out one")
        return file

    def config(self) -> WebConfig:
        """Give how the port is protected, from the file that says so or from here.

        Raises:
            SettingsFault: the file cannot be used.
        """
        if self.config_file is not None:
            return read_web_config(self.config_file)
        return WebConfig(tls_server_config=self.tls, basic_auth_users=self.basic_auth_users)

    def is_encrypted(self) -> bool:
        """Tell whether TLS is spoken; False where the file that says so cannot be used."""
        with suppress(SettingsFault):
            return self.config().tls_server_config is not None
        return False

    def files(self, config: WebConfig) -> frozenset[Path]:
        """Give all files that this, and what it said, stands on."""
        own = [] if self.config_file is None else [self.config_file]
        tls = config.tls_server_config
        return frozenset([*own, *(tls.files() if tls else ())])

    def fixed(self) -> dict[str, object]:
        """Give what only a restart can change."""
        return self.model_dump(exclude=_FOLLOWED)
