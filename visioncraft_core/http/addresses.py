"""Which addresses a result URL may lead to: protection against server-side request forgery.

A result URL is text from an untrusted server. `check_url` judges the text; `is_public` judges the
IP address at the moment of connecting, because a name may resolve to another address after a check
(DNS rebinding). The tables are our own: up to Python 3.13 `ipaddress.is_global` calls several
addresses global that lead back to this machine, such as ::127.0.0.1 and 64:ff9b::7f00:1. Opens no
connection.
"""

from __future__ import annotations

import re
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import SplitResult, quote, urlsplit

from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

LONGEST_URL = 4096

# IANA's registries of special-purpose addresses; 168.63.129.16 is a cloud's own service.
_FORBIDDEN_V4 = [
    ip_network(block)
    for block in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16"),
        *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        "168.63.129.16/32",
    )
]
_PUBLIC_V6 = ip_network("2000::/3")
_FORBIDDEN_V6 = [
    ip_network(block) for block in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
]
_WITH_V4_INSIDE = [ip_network(block) for block in ("::ffff:0:0/96", "64:ff9b::/96")]


def is_public(address: str) -> bool:
    """Whether `address`, an IP address in text, lies on the public internet."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, IPv6Address):
        if any(ip in block for block in _WITH_V4_INSIDE):
            ip = IPv4Address(int(ip) & 0xFFFFFFFF)
        else:
            return ip in _PUBLIC_V6 and not any(ip in block for block in _FORBIDDEN_V6)
    return not any(ip in block for block in _FORBIDDEN_V4)


def percent_encoded(url: str) -> str:
    """`url` with the letters of its path and query as an address has them (RFC 3987, 3.1). The
    text of a header, whose bytes `requests` took for Latin-1, is read as UTF-8 where it is that."""
    with suppress(UnicodeError):
        url = url.encode("latin-1").decode("utf-8")
    start = re.match("[^/?#]*://[^/]*", url)  # a redirect may name only a path
    host = start[0] if start else ""
    path = url[len(host) :]
    return host + re.sub("[^\x00-\x7f\ud800-\udfff]+", lambda letters: quote(letters[0]), path)


def check_url(url: object) -> SplitResult:
    """The parts of an http or https URL that every parser understands alike.

    Raises ValueError, whose text completes "a result link that ...". A host that only one of two
    parsers sees, or that is an IP address in any other than the plain form, is refused.
    """
    if not isinstance(url, str) or not 0 < len(url) <= LONGEST_URL:
        raise ValueError("is not a usable address")
    if any(ord(c) <= 0x20 or c in "\x7f\\" for c in url):
        raise ValueError("has characters that no address has")
    try:
        parts = urlsplit(url)
        port = parts.port
        other = parse_url(url)
    except (ValueError, LocationParseError):
        raise ValueError("is not a usable address") from None
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not host or port == 0:
        raise ValueError("is not a usable address")
    if "@" in parts.netloc:
        raise ValueError("holds a user name")
    bare = (other.host or "").strip("[]").lower()
    if bare != host or other.port != port or other.scheme != parts.scheme:
        raise ValueError("can be read in two ways")
    if not re.fullmatch(r"[a-z0-9._:-]+", host):
        raise ValueError("has a host name that is not plain")
    if not url.isascii():
        raise ValueError("has characters that no address has")
    if ":" not in host and re.fullmatch(r"(0x[0-9a-f]*|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+))*\.?", host):
        _check_literal(host)
    return parts


def _check_literal(host: str) -> None:
    try:
        ip_address(host)
    except ValueError:  # 127.1, 0x7f000001, 2130706433: a resolver may still take them
        raise ValueError("has a host name that is not plain") from None
