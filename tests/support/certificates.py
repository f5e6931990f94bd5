"""Certificates for tests: authorities, and files of a pair that can be exchanged."""

import ssl
from pathlib import Path

import trustme


class Pair:
    """A certificate and its key in two files, and how a client trusts who shows it."""

    def __init__(self, folder: Path, authority: trustme.CA | None = None) -> None:
        self.authority = authority or trustme.CA()
        self.cert = folder / "server.crt"
        self.key = folder / "server.key"
        self.ca = folder / "ca.crt"
        self.authority.cert_pem.write_to_path(str(self.ca))
        self.renew()

    def renew(self) -> str:
        """Write a new pair over the old one, as renewing does, and give its serial number."""
        own = self.authority.issue_cert("localhost", "127.0.0.1")
        self.cert.write_bytes(b"".join(each.bytes() for each in own.cert_chain_pems))
        self.key.write_bytes(own.private_key_pem.bytes())
        return serial(own.cert_chain_pems[0].bytes().decode())

    def server(self) -> ssl.SSLContext:
        """Give how a server speaks TLS with this pair."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        return context

    def client(self, own: trustme.LeafCert | None = None) -> ssl.SSLContext:
        """Give how a client speaks TLS, with a certificate of its own if it has one."""
        context = ssl.create_default_context(cafile=str(self.ca))
        if own is not None:
            own.configure_cert(context)
        return context


def serial(certificate: str) -> str:
    """Give the serial number of a certificate, PEM, as `ssl` writes it."""
    from cryptography import x509  # noqa: PLC0415  (trustme's)

    return f"{x509.load_pem_x509_certificate(certificate.encode()).serial_number:X}"
