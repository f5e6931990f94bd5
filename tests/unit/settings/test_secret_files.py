"""Files that settings point to: certificates that load, and secrets that may change."""

import base64
import os
import ssl
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from electric_agents_exporter.settings.model import Settings
from electric_agents_exporter.sources.credentials import (
    BasicAuth,
    CredentialError,
    Credentials,
    read_password,
    read_secret,
)
from electric_agents_exporter.sources.http_transport import Tls

Load = Callable[..., Settings]
Faults = Callable[..., list[str]]
TARGET = "targets:\n  - url: https://a\n    principals: [service:monitor]\n"
SECRET = "hunter2"  # noqa: S105
UNPAIRED = (
    "config.yaml:4: targets[0].tls.key_file: cert_file and key_file hold no certificate and its "
    "key in PEM form, without a passphrase"
)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def pems(tmp_path: Path, authority: trustme.CA) -> Path:
    """A folder of an authority, a certificate with its key, another key, and one with a phrase."""
    mine, other = authority.issue_cert("me"), authority.issue_cert("you")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    mine.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    mine.private_key_pem.write_to_path(tmp_path / "key.pem")
    mine.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    other.private_key_pem.write_to_path(tmp_path / "other.pem")
    key = serialization.load_pem_private_key(mine.private_key_pem.bytes(), None)
    phrased = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(SECRET.encode()),
    )
    (tmp_path / "phrased.pem").write_bytes(phrased)
    return tmp_path


def tls(folder: Path, **files: str) -> str:
    inner = ", ".join(f"{name}: {folder / file}" for name, file in files.items())
    return f"{TARGET}    tls: {{{inner}}}\n"


@pytest.mark.parametrize(
    "files",
    [
        {"ca_file": "ca.pem"},
        {"cert_file": "both.pem"},
        {"cert_file": "cert.pem", "key_file": "key.pem"},
    ],
)
def test_certificates_that_load(files: dict[str, str], pems: Path, load_text: Load) -> None:
    loaded = load_text(tls(pems, **files)).targets[0].tls
    assert {name: getattr(loaded, name) for name in files} == {
        name: pems / file for name, file in files.items()
    }
    Tls(loaded.ca_file, loaded.cert_file, loaded.key_file).context()


@pytest.mark.parametrize(
    "files",
    [
        {"cert_file": "cert.pem"},
        {"cert_file": "cert.pem", "key_file": "other.pem"},
        {"cert_file": "key.pem", "key_file": "cert.pem"},
        {"cert_file": "cert.pem", "key_file": "phrased.pem"},
    ],
)
def test_certificates_that_do_not(files: dict[str, str], pems: Path, faults_of: Faults) -> None:
    # Nor is a passphrase asked for on the terminal, here or when polling.
    assert faults_of(tls(pems, **files)) == [UNPAIRED]
    key = files.get("key_file")
    options = Tls(None, pems / files["cert_file"], pems / key if key else None)
    with pytest.raises(ssl.SSLError):
        options.context()


def test_a_pipe_is_no_secret(tmp_path: Path, faults_of: Faults) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (fault,) = faults_of(f"{TARGET}    bearer_token_file: {pipe}\n")
    assert fault.endswith("bearer_token_file: cannot be read: not a file")
    with pytest.raises(CredentialError, match="not a file"):
        read_secret(pipe)


@pytest.mark.parametrize(
    "content, told",
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (f"{SECRET}\n{SECRET}".encode(), "several lines"),
        (f"{SECRET}\x00".encode(), "control characters"),
        (f"{SECRET}ü".encode(), "outside ASCII"),
        (SECRET.encode() * 10_000, "larger than 65536 bytes"),
    ],
)
def test_what_no_header_can_carry(content: bytes, told: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)
    with pytest.raises(CredentialError, match=told) as caught:
        read_secret(file)
    shown = "".join(traceback.format_exception(caught.value))
    assert SECRET not in shown
    assert "0xc3" not in shown  # nor the byte of it that is wrong


@pytest.mark.parametrize(
    "content, password",
    [
        (b"plain\n", "plain"),
        (b"windows\r\n", "windows"),
        (b" outer spaces \n", " outer spaces "),
        ("schl\N{LATIN SMALL LETTER U WITH DIAERESIS}ssel".encode(), "schl\xfcssel"),
        (b"\xef\xbb\xbfmarked", "marked"),
        (b"two\n\n", "two\n"),
        (b"tab\t", "tab\t"),
    ],
)
def test_a_password_is_all_of_its_file_but_one_line_end(
    content: bytes, password: str, tmp_path: Path
) -> None:
    file = tmp_path / "password"
    file.write_bytes(content)
    assert read_password(file) == password


@pytest.mark.parametrize(
    "content, told",
    [
        (b"", "is empty"),
        (b"\r\n", "is empty"),
        (f"{SECRET}\0".encode(), "zero byte"),
        (f"{SECRET}".encode() + b"\xff", "is not UTF-8"),
        (SECRET.encode() * 10_000, "larger than 65536 bytes"),
    ],
)
def test_what_is_no_password(content: bytes, told: str, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_bytes(content)
    with pytest.raises(CredentialError, match=told) as caught:
        read_password(file)
    shown = "".join(traceback.format_exception(caught.value))
    assert SECRET not in shown
    assert "0xff" not in shown


def test_secrets_are_read_anew_and_never_shown(tmp_path: Path) -> None:
    token, key = tmp_path / "token", tmp_path / "key"
    credentials = Credentials(
        headers={"x-team": SECRET}, header_files={"x-key": key}, bearer_token_file=token
    )
    assert credentials.changed_at() is None
    with pytest.raises(CredentialError, match="No such file"):
        credentials.read()
    for number in (1, 2):
        token.write_text(f"token-{number}\n")
        key.write_text(f"key-{number}\n")
        os.utime(token, (number, number))
        os.utime(key, (number + 1, number + 1))
        assert credentials.read() == {
            "x-team": SECRET,
            "x-key": f"key-{number}",
            "authorization": f"Bearer token-{number}",
        }
        assert credentials.changed_at() == number + 1
    assert SECRET not in repr(credentials)
    assert SECRET not in repr(Credentials(bearer_token=SECRET))


def test_a_user_is_told_with_the_password_as_its_file_holds_it_now(tmp_path: Path) -> None:
    file = tmp_path / "password"
    auth = BasicAuth("ops", password_file=file)
    credentials = Credentials(basic_auth=auth)
    assert credentials.files == (file,)
    for password in (SECRET, "pässwörd: x "):
        file.write_text(f"{password}\n")
        kind, _, pair = credentials.read()["authorization"].partition(" ")
        assert kind == "Basic"
        assert base64.b64decode(pair).decode() == f"ops:{password}"
    assert SECRET not in repr(Credentials(basic_auth=BasicAuth("ops", SECRET)))


@pytest.mark.parametrize(
    "credentials, header",
    [
        (Credentials(bearer_token=SECRET), f"Bearer {SECRET}"),
        (Credentials(basic_auth=BasicAuth("ops", SECRET)), "Basic b3BzOmh1bnRlcjI="),
        (Credentials(basic_auth=BasicAuth("ops")), "Basic b3BzOg=="),
    ],
)
def test_a_secret_that_stands_in_the_settings_is_told(
    credentials: Credentials, header: str
) -> None:
    assert credentials.read() == {"authorization": header}


def test_a_file_that_is_gone_hides_no_change_of_another(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("key")
    os.utime(key, (7, 7))
    gone = tmp_path / "gone"
    assert Credentials(header_files={"x": key}, bearer_token_file=gone).changed_at() == 7


def test_a_secret_may_be_64_kib_long_and_a_fault_names_its_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_bytes(b"x" * 65_536)
    assert read_secret(file) == read_password(file) == "x" * 65_536
    file.write_bytes(b"x" * 65_537)
    with pytest.raises(CredentialError, match=f"^{file}: larger than 65536 bytes$"):
        read_secret(file)
    file.write_bytes(b"\n")
    with pytest.raises(CredentialError, match=f"^{file}: is empty"):
        read_password(file)
