"""What a URL is made of: its host, its origin, whether it leads to this computer."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

_USUAL_PORTS = {"http": ":80", "https": ":443"}


def has_host(url: str) -> bool:
    """Whether `url` is one of http or https with a host that can be looked up."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
        if "[" in parts.netloc:
            return parts.scheme in ("http", "https") and bool(ip_address(host))
        name = host.encode("idna").decode() if len(host) <= 253 else ""
    except ValueError:
        return False
    plain = re.fullmatch(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?", name)
    return parts.scheme in ("http", "https") and bool(plain)


def origin_of(url: str) -> str:
    """Scheme, host and port: all of a URL that may appear in a message, and what tells one server
    from another. In lower case, and without the port that goes without saying (RFC 6454, 4)."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2].lower()
    return f"{parts.scheme}://{host.removesuffix(_USUAL_PORTS.get(parts.scheme, ''))}"


def is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
