"""How this exporter shows who it is, and whom it lets in, by certificates."""

import os
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
)

from electric_agents_exporter.settings.section import Section
from electric_agents_exporter.settings.values import Name, ReadableFile, Split, Words

_NO_PAIR: Final = (
    "cert_file and key_file hold no certificate and its key in PEM form, without a passphrase"
)
_NO_AUTHORITY: Final = "holds no certificate in PEM form"

_UNVERIFIED: Final = ("RequestClientCert", "RequireAnyClientCert", "RequireClientCert")
_OLD_VERSIONS: Final = ("TLS10", "TLS11")
_VERSIONS: Final = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_ASKED_FOR: Final = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
_SUITES: Final = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
}
"""What Go calls the suites of TLS 1.2, and OpenSSL."""

_SUITES_OF_TLS13: Final = frozenset(
    {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}
)
"""Named or not, Go and OpenSSL both offer them with TLS 1.3."""

_CURVES: Final = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1"}


def _verified(name: object) -> object:
    """Refuse to ask for certificates that nobody would verify."""
    if name in _UNVERIFIED:
        raise ValueError(
            "would ask for certificates and verify none; expected RequireAndVerifyClientCert or "
            "VerifyClientCertIfGiven"
        )
    return name


def _modern(name: object) -> object:
    """Refuse versions that are broken, and that OpenSSL does not serve as it is set up today."""
    if name in _OLD_VERSIONS:
        raise ValueError("TLS 1.0 and 1.1 are not served; expected TLS12 or TLS13")
    return name


def _one_curve(names: list[str]) -> list[str]:
    if len(names) > 1 or not set(names) <= _CURVES.keys():
        known = ", ".join(_CURVES)
        raise ValueError(f"can be limited to one of {known} alone; leave it out for all")
    return names


def _suite(name: str) -> str:
    if name not in _SUITES and name not in _SUITES_OF_TLS13:
        raise ValueError("expected a suite of Go's crypto/tls.CipherSuites")
    return name


def _a_suite_for_tls12(names: list[str]) -> list[str]:
    if names and _SUITES_OF_TLS13.issuperset(names):
        raise ValueError("names none of TLS 1.2; say min_version: TLS13 instead")
    return names


Pem = Annotated[str, Words("certificates, PEM")]
Key = Annotated[SecretStr, Words("key, PEM, secret")]
Curve = Annotated[str, Words("curve")]
ClientAuth = Annotated[
    Literal["NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert"],
    BeforeValidator(_verified),
]
Version = Annotated[Literal["TLS12", "TLS13"], BeforeValidator(_modern)]
Suite = Annotated[str, AfterValidator(_suite), Words("suite, as Go calls it")]


class ServerTlsSettings(Section):
    """Our certificate, and those of who may come. The names are those of exporter-toolkit."""

    cert: Pem | None = Field(
        None, description="Our certificate itself, PEM, where it stands in no file."
    )
    cert_file: ReadableFile | None = Field(
        None,
        validate_default=True,
        description="Our certificate and those between it and its authority, PEM; read again when "
        "it changes.",
    )
    key: Key | None = Field(
        None, description="The certificate's key itself, PEM, where it stands in no file."
    )
    key_file: ReadableFile | None = Field(
        None,
        validate_default=True,
        description="The certificate's key, PEM, without a passphrase; read again when it changes.",
    )
    client_ca: Pem | None = Field(
        None, description="Authorities of clients' certificates themselves, PEM."
    )
    client_ca_file: ReadableFile | None = Field(
        None,
        description="Authorities of clients' certificates, PEM; read again when it changes. By "
        "default those that the system trusts.",
    )
    client_auth_type: ClientAuth = Field(
        "NoClientCert",
        validate_default=True,
        description="Whether clients need a certificate of these authorities: they need none, it "
        "is verified if they show one, or all need one (mutual TLS).",
    )
    client_allowed_sans: Annotated[list[Name], Split] | None = Field(
        None,
        description="Alternative names (DNS, e-mail, IP or URI) of which a client's certificate "
        "needs one; any will do by default.",
    )
    min_version: Version = Field("TLS12", description="The oldest version of TLS to speak.")
    max_version: Version = Field("TLS13", description="The newest version of TLS to speak.")
    cipher_suites: Annotated[list[Suite], AfterValidator(_a_suite_for_tls12), Split] = Field(
        default_factory=list,
        description="Suites to speak TLS 1.2 with, as Go calls them, the best first; by default "
        "those of OpenSSL.",
    )
    prefer_server_cipher_suites: bool = Field(
        default=True, description="Let our order of suites count, and not the client's."
    )
    curve_preferences: Annotated[list[Curve], AfterValidator(_one_curve), Split] = Field(
        default_factory=list,
        description="The one curve to exchange keys on, `CurveP256`, `CurveP384` or `CurveP521`; "
        "by default any that OpenSSL has.",
    )

    @field_validator("cert_file")
    @classmethod
    def _one_certificate(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        return _one_of("cert", file, info)

    @field_validator("key_file")
    @classmethod
    def _pair(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        _one_of("key", file, info)
        if {"cert", "cert_file", "key"} <= info.data.keys():
            certificate = info.data["cert_file"] or info.data["cert"]
            _try(
                lambda context: _load_pair(context, certificate, file or info.data["key"]), _NO_PAIR
            )
        return file

    @field_validator("client_ca")
    @classmethod
    def _authorities(cls, text: str | None) -> str | None:
        if text is not None:
            _try(lambda context: _load_authorities(context, text), _NO_AUTHORITY)
        return text

    @field_validator("client_ca_file")
    @classmethod
    def _authorities_file(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        if file is not None:
            if info.data.get("client_ca") is not None:
                raise ValueError("only one of client_ca and client_ca_file may be set")
            _try(lambda context: context.load_verify_locations(file), _NO_AUTHORITY)
        return file

    @field_validator("client_auth_type")
    @classmethod
    def _with_authorities(cls, asked: str, info: ValidationInfo) -> str:
        if not {"client_ca", "client_ca_file"} <= info.data.keys():
            return asked
        known = info.data["client_ca"] is not None or info.data["client_ca_file"] is not None
        if known and asked == "NoClientCert":
            raise ValueError(
                "client_ca_file says whose certificates to trust, and nothing asks for one; "
                "expected RequireAndVerifyClientCert or VerifyClientCertIfGiven"
            )
        return asked

    @field_validator("client_allowed_sans")
    @classmethod
    def _of_all(cls, names: list[str] | None, info: ValidationInfo) -> list[str] | None:
        if names is not None and info.data.get("client_auth_type") in {
            "NoClientCert",
            "VerifyClientCertIfGiven",
        }:
            raise ValueError("needs client_auth_type: RequireAndVerifyClientCert")
        return names

    @field_validator("max_version")
    @classmethod
    def _not_older(cls, newest: str, info: ValidationInfo) -> str:
        if newest < info.data.get("min_version", newest):
            raise ValueError(f"expected at least min_version, {info.data['min_version']}")
        return newest

    def files(self) -> Iterator[Path]:
        """Give the files that this stands on."""
        yield from filter(None, (self.cert_file, self.key_file, self.client_ca_file))

    def context(self) -> ssl.SSLContext:
        """Read the files, and give how to speak TLS with whoever comes.

        Raises:
            ValueError: they are no longer what they were when the settings were read.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = _VERSIONS[self.min_version]
        context.maximum_version = _VERSIONS[self.max_version]
        context.verify_mode = _ASKED_FOR[self.client_auth_type]
        if self.prefer_server_cipher_suites:
            context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
        else:
            context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
        suites = [_SUITES[name] for name in self.cipher_suites if name in _SUITES]
        if suites:
            context.set_ciphers(":".join(suites))
        for curve in self.curve_preferences:
            context.set_ecdh_curve(_CURVES[curve])
        self._load(context)
        return context

    def _load(self, context: ssl.SSLContext) -> None:
        certificate, key = self.cert_file or self.cert, self.key_file or self.key
        if certificate is None or key is None:
            raise ValueError(_NO_PAIR)
        try:
            _load_pair(context, certificate, key)
        except OSError as error:
            raise ValueError(_why(error, f"cert_file: {_NO_PAIR}")) from None
        if self.client_auth_type == "NoClientCert":
            return
        try:
            if self.client_ca is not None:
                _load_authorities(context, self.client_ca)
            elif self.client_ca_file is not None:
                context.load_verify_locations(self.client_ca_file)
            else:
                context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
        except OSError as error:
            raise ValueError(_why(error, f"client_ca_file: {_NO_AUTHORITY}")) from None


def _why(error: OSError, wrong: str) -> str:
    """Say why something could not be loaded: the system's words, or what is wrong with it."""
    if isinstance(error, ssl.SSLError) or not error.strerror:
        return wrong
    return f"a file cannot be read: {error.strerror}"


def _one_of(name: str, file: Path | None, info: ValidationInfo) -> Path | None:
    if name in info.data and (file is None) == (info.data[name] is None):
        raise ValueError(f"one of {name} and {name}_file is needed, and not both")
    return file


def _try(load: Callable[[ssl.SSLContext], object], wrong: str) -> None:
    """Try to load something, and say what is wrong where it cannot be.

    Raises:
        ValueError: it cannot be.
    """
    try:
        load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    except (OSError, ValueError):
        raise ValueError(wrong) from None


def _load_authorities(context: ssl.SSLContext, text: str) -> None:
    """Trust the certificates in a text.

    Raises:
        OSError: it holds none.
    """
    # Names in any language stand beside certificates, and Python takes ASCII only.
    context.load_verify_locations(cadata=text.encode("ascii", "replace").decode("ascii"))


def _load_pair(context: ssl.SSLContext, certificate: Path | str, key: Path | SecretStr) -> None:
    """Load a certificate and its key, from files or as they are.

    Raises:
        OSError: they are none, no pair, or cannot be read.
    """
    with ExitStack() as opened:
        if isinstance(certificate, str):
            certificate = opened.enter_context(_in_memory(certificate))
        if isinstance(key, SecretStr):
            key = opened.enter_context(_in_memory(key.get_secret_value()))
        # The empty password keeps OpenSSL from asking for one on the terminal.
        context.load_cert_chain(certificate, key, password="")


@contextmanager
def _in_memory(text: str) -> Iterator[Path]:
    """Give a text the path of a file, which OpenSSL reads keys from only; nothing is written."""
    file = os.memfd_create("pem", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(file), "w") as writing:
            writing.write(text)
        yield Path(f"/proc/self/fd/{file}")
    finally:
        os.close(file)
