"""Which servers are asked directly though the environment names a proxy: `no_proxy`.

It is read as curl and Go read it, and Prometheus with them: Python's own `proxy_bypass` knows no
networks, and what should have stayed within them would go to the proxy, credentials and all. Where
the two differ (`.example.com` is `example.com` too for curl), no credentials go to a proxy that
either keeps them from.
"""

import ipaddress
import re
from typing import Final

_SEPARATOR: Final = re.compile(r"[\s,]+")
_PORT: Final = re.compile(r"(?P<host>\[[^\]]*\]|[^:]*):(?P<port>[0-9]{1,5})")

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_exempt(host: str, port: int, no_proxy: str) -> bool:
    """Tell whether a server needs no proxy.

    An entry is a domain with all below it (`example.com`, `.example.com`, `*.example.com`), an
    address, a network (`10.0.0.0/8`, `fd00::/8`), each with a port or without, or `*` for all. This
    machine never needs one.
    """
    # The zone of an address is no part of any name, whatever it looks like.
    host = _in_ascii(host.strip("[]").partition("%")[0].rstrip(".").lower())
    address = _address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    entries = filter(None, _SEPARATOR.split(no_proxy.strip().lower()))
    return any(_covers(entry, host, address, port) for entry in entries)


def _covers(entry: str, host: str, address: _Address | None, port: int) -> bool:
    """Tell whether one entry is about a server."""
    if entry == "*":
        return True
    with_port = _PORT.fullmatch(entry)
    if with_port is not None:
        if int(with_port["port"]) != port:
            return False
        entry = with_port["host"]
    entry = entry.strip("[]")
    if address is not None and _is_within(address, entry):
        return True
    domain = _in_ascii(entry.removeprefix("*").strip("."))
    return bool(domain) and (host == domain or host.endswith(f".{domain}"))


def _in_ascii(name: str) -> str:
    """Write a name as it is looked up, so that either way of writing it is the same."""
    try:
        return name.encode("idna").decode()
    except UnicodeError:
        return name


def _address(text: str) -> _Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _is_within(address: _Address, network: str) -> bool:
    """Tell whether an address is one, or is in a network; of the other version it never is."""
    try:
        return address in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
