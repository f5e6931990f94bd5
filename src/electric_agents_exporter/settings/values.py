"""The kinds of value that a setting can hold: how each is read, and what operators call it."""

import ipaddress
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import parse_qsl, urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    SecretStr,
)

from electric_agents_exporter.contract import principals
from electric_agents_exporter.fleet.selection import Pattern

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_PART: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d|w)")
_LABEL_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PATH_PREFIX: Final = re.compile(r"/?[A-Za-z0-9/._~-]*")
_ALERTMANAGER_API: Final = re.compile(r"/api/v[12](/|$)")
_DURATION_EXPECTED: Final = "expected a duration with its unit, such as 15s, 1m30s or 7d"
_HOST: Final = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*")
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_LAST_PORT: Final = 65_535
_UNIX: Final = "unix:"
_LONGEST_SOCKET: Final = 107
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_HOST_AND_PORT: Final = re.compile(r"(\[[^\[\]]*\]|[^\[\]:]*)(:[0-9]{0,5})?")
# As libpq reads it: several hosts are none for `urlsplit`.
_DATABASE_URL: Final = re.compile(
    r"(postgres|postgresql)://((?P<user>[^/?#]*)@)?(?P<hosts>[^/?#]*)(/[^?#]*)?"
    r"(\?(?P<query>[^#]*))?(?P<fragment>#.*)?",
    re.DOTALL,
)
_OWN_PARAMETERS: Final = frozenset({"owner_principal", "offset"})
_DATABASE_OPTIONS: Final = frozenset(
    {
        "channel_binding",
        "host",
        "hostaddr",
        "options",
        "port",
        "sslcrl",
        "sslmode",
        "ssl_min_protocol_version",
        "sslnegotiation",
        "sslrootcert",
        "sslsni",
        "target_session_attrs",
    }
)
"""The parameters of libpq that say where and how safely to connect; we set the others."""


@dataclass(frozen=True, slots=True)
class Words:
    """What operators call a kind of value; stands in its annotation, for the reference."""

    text: str


def parse_duration(text: object) -> float:
    """Read a duration as Prometheus writes it, `15s` or `1h30m`, into seconds.

    Raises:
        ValueError: the text is no duration.
    """
    if not isinstance(text, str):
        raise ValueError(_DURATION_EXPECTED)  # noqa: TRY004  (pydantic reports ValueErrors)
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(_DURATION_EXPECTED)
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def format_duration(seconds: float) -> str:
    """Write seconds as an operator would: the largest unit that divides them."""
    for unit in ("d", "h", "m", "s"):
        if seconds >= _UNITS[unit] and seconds % _UNITS[unit] == 0:
            return f"{int(seconds / _UNITS[unit])}{unit}"
    return f"{int(seconds * 1000)}ms"


def _pattern(text: object) -> Pattern:
    if not isinstance(text, str):
        raise ValueError("expected a regular expression")  # noqa: TRY004
    try:
        return Pattern(text)
    except UnicodeEncodeError:
        raise ValueError("expected text without halves of characters") from None
    except ValueError as error:
        raise ValueError(f"expected a regular expression as Prometheus has it: {error}") from None


def split_address(text: str) -> tuple[str, int]:
    """Read `HOST:PORT`; an IPv6 address stands in brackets, which are taken off.

    Without a host, as in `:10437`, it is empty: every address of this machine, of IPv4 and IPv6.

    Raises:
        ValueError: the text is no address.
    """
    host, _, port = text.rpartition(":")
    is_port = port.isascii() and port.isdecimal() and int(port[:6]) <= _LAST_PORT
    is_host = _is_host(host) or text == f":{port}"
    if not (is_port and is_host):
        raise ValueError("expected HOST:PORT, such as 127.0.0.1:10437, [::1]:10437 or :10437")
    return host.strip("[]"), int(port)


def unix_path(address: str) -> Path | None:
    """Give the path of an address that is `unix:/path`; None if it is another kind.

    Raises:
        ValueError: the path is none that a socket can have.
    """
    if not address.startswith(_UNIX):
        return None
    path = address.removeprefix(_UNIX)
    if not path.startswith("/") or not path.isprintable() or path.endswith("/"):
        raise ValueError("expected unix: and an absolute path, such as unix:/run/exporter.sock")
    if len(os.fsencode(path)) > _LONGEST_SOCKET:
        raise ValueError(f"expected a path of at most {_LONGEST_SOCKET} bytes, as sockets have")
    return Path(path)


def _address(text: str) -> str:
    if unix_path(text) is None:
        split_address(text)
    return text


def _is_host(text: str) -> bool:
    if not (text.startswith("[") and text.endswith("]")):
        return _HOST.fullmatch(text) is not None
    try:
        ipaddress.IPv6Address(text[1:-1])
    except ValueError:
        return False
    return True


def _is_host_and_port(text: str) -> bool:
    parts = _HOST_AND_PORT.fullmatch(text)
    if parts is None:
        return False
    return _is_host(parts[1]) if parts[1].startswith("[") else _is_name(parts[1])


def _is_name(host: str) -> bool:
    """Tell whether a name can be looked up: no label is empty, too long or no IDN."""
    try:
        host.encode("idna").decode("idna")
    except UnicodeError:
        return False
    return True


def _server_url(text: str) -> str:
    """Check a URL that may have parameters, which are sent with every request."""
    address, _, query = text.partition("?")
    if "#" in text or not text.isprintable() or " " in text:
        raise ValueError("expected a base URL, without fragment or white space")
    _http_url(address, "; use bearer_token_file or header_files instead")
    if "/_electric" in urlsplit(address).path:
        raise ValueError("expected a base URL: only what comes before /_electric")
    for name, _ in parse_qsl(query, keep_blank_values=True):
        if name in _OWN_PARAMETERS:
            raise ValueError(f"{name} is a parameter that this exporter sets itself")
    return text


def _base_url(text: str) -> str:
    return _http_url(text, ", which everybody who looks at the page would see")


def _alertmanager_url(text: str) -> str:
    _http_url(text, "; use basic_auth or bearer_token_file instead")
    if _ALERTMANAGER_API.search(urlsplit(text).path):
        raise ValueError("expected a base URL: only what comes before /api")
    return text


def _page_url(text: str) -> str:
    return _http_url(text, ", which everybody who is paged would see")


def _http_url(text: str, advice: str) -> str:
    """Check a URL, and never repeat it: it may hold credentials.

    Raises:
        ValueError: it is none, or holds credentials; then the advice is told.
    """
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("expected a URL; its host or port cannot be read") from None
    if parts.username is not None or parts.password is not None:
        raise ValueError(f"holds credentials{advice}")
    # Which brackets `urlsplit` refuses depends on Python's version.
    if not _is_host_and_port(parts.netloc):
        raise ValueError("expected a URL; its host or port cannot be read")
    if parts.scheme not in {"http", "https"} or not host or port == 0:
        raise ValueError("expected http://HOST[:PORT][/PATH] or https://HOST[:PORT][/PATH]")
    if parts.query or parts.fragment or not text.isprintable() or " " in text:
        raise ValueError("expected a base URL, without query, fragment or white space")
    return text


def _database_url(text: str) -> str:
    """Check a URL as libpq reads it, and never repeat it: it may hold a password."""
    parts = _DATABASE_URL.fullmatch(text)
    if parts is None:
        raise ValueError("expected postgresql://[USER@]HOST[:PORT]/DATABASE[?sslmode=...]")
    options = {name for name, _ in parse_qsl(parts["query"] or "", keep_blank_values=True)}
    if ":" in (parts["user"] or "") or options & {"password", "passfile", "sslpassword"}:
        raise ValueError("holds a password; use password_file instead")
    if parts["fragment"] or not text.isprintable() or " " in text or _BAD_ESCAPE.search(text):
        raise ValueError("expected a URL without white space or fragment, and % as %25")
    if not all(_is_host_and_port(host) for host in parts["hosts"].split(",")):
        raise ValueError("expected a URL; its host or port cannot be read")
    if options - _DATABASE_OPTIONS:
        known = ", ".join(sorted(_DATABASE_OPTIONS))
        raise ValueError(f"holds an unknown option; those known are {known}")
    return text


def _principal(text: str) -> str:
    kind, colon, _ = text.partition(":")
    if not text.startswith("/") and (not colon or kind not in principals.KINDS):
        # Said here without the text, which may be a secret in the wrong place.
        *kinds, last = principals.KINDS
        raise ValueError(
            f"expected KIND:ID with a kind of {', '.join(kinds)} or {last}, such as service:monitor"
        )
    try:
        principals.parse(text)
    except principals.PrincipalError as error:
        if text.startswith("/"):
            raise ValueError("expected KIND:ID, or the URL /principal/KIND%3AID") from None
        raise ValueError(str(error)) from None
    return text


def _readable(path: Path) -> Path:
    try:
        # A pipe would hold up the exporter whenever it reads the file again.
        if path.exists() and not path.is_file():
            raise ValueError("cannot be read: not a file")
        with path.open("rb"):
            return path
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None


def _header_name(name: str) -> str:
    if not _HEADER_NAME.fullmatch(name):
        raise ValueError("a header's name holds characters that none may hold")
    if name.lower() == principals.HEADER:
        raise ValueError(f"{principals.HEADER} is sent for every one of `principals`")
    return name


def _header_value(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if not text.strip() or not text.isascii() or not text.isprintable():
        raise ValueError("expected printable ASCII on one line")
    return secret


def _password(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if not text or "\0" in text:
        raise ValueError("expected a password, without a zero byte")
    return secret


def _command_word(word: str) -> str:
    if "\0" in word:
        raise ValueError("expected text without a zero byte")
    return word


def _server_name(name: str) -> str:
    if not _is_host(name) and not _is_host(f"[{name}]"):
        raise ValueError("expected the name or the address in a certificate")
    return name


def _user(name: str) -> str:
    if ":" in name:
        raise ValueError("expected a name without a colon")
    return name


def _path_prefix(text: str) -> str:
    """Check a path, and write it with a slash before it and none behind."""
    if not _PATH_PREFIX.fullmatch(text):
        raise ValueError("expected a path, such as /alertmanager")
    return f"/{text.strip('/')}".rstrip("/")


def _label_name(name: str) -> str:
    if not _LABEL_NAME.fullmatch(name) or name.startswith("__"):
        raise ValueError("expected the name of a label: letters, digits and _, no digit first")
    return name


def _unlike_bool(value: object) -> object:
    """Refuse what YAML reads of `yes` and `on`, which Python would count as 1."""
    if isinstance(value, bool):
        raise ValueError("expected a whole number")  # noqa: TRY004
    return value


def _split(value: object) -> object:
    """Let an environment variable give a list as words between commas."""
    return [word.strip() for word in value.split(",")] if isinstance(value, str) else value


def _name(text: str) -> str:
    if not text.isprintable():
        raise ValueError("expected printable characters only")
    return text


Number = Annotated[int, BeforeValidator(_unlike_bool), Words("whole number")]
ShardIndex = Annotated[int, BeforeValidator(_unlike_bool), Words("whole number, or `auto`")]
Name = Annotated[
    str, Field(min_length=1, max_length=128), AfterValidator(_name), Words("text, not empty")
]
Duration = Annotated[
    float, BeforeValidator(parse_duration), Field(gt=0, allow_inf_nan=False), Words("duration")
]
PatternText = Annotated[
    Pattern,
    PlainValidator(_pattern),
    PlainSerializer(lambda pattern: pattern.text, return_type=str),
    Words("regular expression"),
]
Address = Annotated[str, AfterValidator(_address), Words("`HOST:PORT` or `unix:/path`")]
ServerUrl = Annotated[str, AfterValidator(_server_url), Words("`http://` or `https://` URL")]
BaseUrl = Annotated[str, AfterValidator(_base_url), Words("`http://` or `https://` URL")]
AlertmanagerUrl = Annotated[
    str, AfterValidator(_alertmanager_url), Words("`http://` or `https://` URL")
]
PageUrl = Annotated[str, AfterValidator(_page_url), Words("`http://` or `https://` URL")]
PathPrefix = Annotated[str, AfterValidator(_path_prefix), Words("path")]
LabelName = Annotated[str, AfterValidator(_label_name), Words("name")]
User = Annotated[Name, AfterValidator(_user), Words("text, not empty")]
Password = Annotated[SecretStr, AfterValidator(_password), Words("secret text")]
CommandWord = Annotated[str, AfterValidator(_command_word), Words("words of a command")]
DatabaseUrl = Annotated[str, AfterValidator(_database_url), Words("`postgresql://` URL")]
ServerName = Annotated[str, AfterValidator(_server_name), Words("name")]
PrincipalName = Annotated[str, AfterValidator(_principal), Words("principal")]
ReadableFile = Annotated[Path, AfterValidator(_readable), Words("path of a file")]
HeaderName = Annotated[str, AfterValidator(_header_name), Words("name")]
Secret = Annotated[SecretStr, AfterValidator(_header_value), Words("secret text")]
Split: Final = BeforeValidator(_split)
