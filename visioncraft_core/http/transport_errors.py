"""Our error for a broken call, by how far it came and what was raised at its socket.

`requests` and urllib3 wrap that in errors of their own, differently in each version; and an upload
that times out and a refused connection arrive as the same class. Sends nothing.
"""

from __future__ import annotations

import http.client
import ssl

import requests.exceptions
from urllib3.exceptions import InvalidHeader, ReadTimeoutError
from urllib3.util.ssl_match_hostname import CertificateError as Urllib3CertificateError

from ..errors import (
    Cancelled,
    CertificateError,
    ConnectionFailed,
    ConnectionLost,
    ConnectionRefused,
    ConnectTimeout,
    DNSLookupFailed,
    HostNotFound,
    InvalidResponse,
    ProxyError,
    ReadTimeout,
    RequestTimeout,
    ResponseTimeout,
    TLSError,
    TotalTimeout,
    UnsafeContent,
    UnsafeURL,
    VisionCraftError,
    WriteTimeout,
)
from .call import Call
from .connections import ConnectError, ConnectFailure, ConnectionTracker, Phase

_LIMITS: dict[str, type[RequestTimeout]] = {
    "upload": WriteTimeout,
    "first_byte": ResponseTimeout,
    "stall": ReadTimeout,
    "total": TotalTimeout,
}
_LIMIT_OF: dict[Phase, str] = {"send": "upload", "wait": "first_byte", "read": "stall"}
_UNREACHED: dict[ConnectFailure, tuple[type[ConnectionFailed], str]] = {
    "unknown": (HostNotFound, "The host name of {} is unknown."),
    "lookup": (DNSLookupFailed, "The host name of {} could not be looked up."),
    "refused": (ConnectionRefused, "Nothing answers at {}."),
}
_NOT_HTTP = (
    http.client.HTTPException,
    InvalidHeader,
    requests.exceptions.InvalidHeader,
)
# Both come from a connection that ended early, too.
_CUT = (http.client.BadStatusLine, http.client.IncompleteRead)


def map_exception(error: Exception, call: Call, tracker: ConnectionTracker) -> VisionCraftError:
    """Our error for what a library raised in `call`."""
    if tracker.phase == "connect":
        return _unreached(error, tracker.error or error, call)
    if tracker.phase != "read":
        error = tracker.error or error
    if isinstance(error, TimeoutError | ReadTimeoutError):
        return timed_out(call, _LIMIT_OF[tracker.phase], tracker.phase)
    if isinstance(error, _NOT_HTTP) and not isinstance(error, _CUT):
        return not_http(call)
    return connection_lost(call, tracker.phase)


def connection_lost(call: Call, phase: Phase) -> ConnectionLost:
    return ConnectionLost(
        f"The connection to {call.origin} broke before the answer was complete.",
        look_first(call),
        phase=phase,
        charged=call.charged,
    )


def not_http(call: Call) -> InvalidResponse:
    return InvalidResponse(
        f"{call.origin} sent an answer that is not valid HTTP.",
        look_first(call),
        phase="read",
        charged=call.charged,
    )


def bad_encoding(call: Call) -> InvalidResponse:
    return InvalidResponse(
        f"{call.origin} sent an answer that is compressed in an unexpected way, or damaged.",
        "Check the base URL and any proxy in between.",
        phase="read",
        charged=call.charged,
    )


def too_large(call: Call, limit: int) -> UnsafeContent:
    return UnsafeContent(
        f"{call.origin} sent more than {limit // 2**20} MiB, so the answer was discarded.",
        "Check that the base URL is the VisionCraft API.",
        phase="read",
        charged=call.charged,
    )


def ended(call: Call, reason: str, phase: Phase) -> VisionCraftError:
    """The error for a call that was ended by a cancel, or because a limit of `Timeouts` passed."""
    if reason != "cancel":
        return timed_out(call, reason, phase)
    if phase == "connect":
        return Cancelled("Cancelled.", phase=phase, charged="no")
    message = "Cancelled here; the server may still finish the job."
    return Cancelled(message, phase=phase, charged=call.charged)


def timed_out(call: Call, limit: str, phase: Phase) -> VisionCraftError:
    """The error for a limit of `Timeouts` that passed."""
    seconds = getattr(call.timeouts, limit)
    if "connect" in (limit, phase):
        return ConnectTimeout(
            f"Could not connect to {call.origin} within {seconds:g} s (limit: {limit}).",
            "Check the base URL and your connection; nothing was sent.",
            phase="connect",
        )
    return _LIMITS[limit](
        f"{call.origin} did not answer within {seconds:g} s (limit: {limit}).",
        look_first(call),
        phase=phase,
        charged=call.charged,
    )


def look_first(call: Call) -> str:
    """What to do about a call that may or may not have been carried out."""
    if call.charged == "no":
        return "Try again."
    return "The job may have been charged. Check your account before you run it again."


def _unreached(error: Exception, cause: Exception, call: Call) -> VisionCraftError:
    to_proxy = isinstance(cause, ConnectError) and cause.to_proxy
    # Before the request only a proxy answers in HTTP, and some do it with a web page.
    if to_proxy or isinstance(error, requests.exceptions.ProxyError):
        return _proxy_error(call)
    if isinstance(cause, http.client.HTTPException):
        return _proxy_error(call)
    if isinstance(cause, ConnectError):
        return _undialled(cause.reason, call)
    if isinstance(cause, ssl.SSLCertVerificationError | Urllib3CertificateError):
        return CertificateError(
            f"The TLS certificate of {call.origin} could not be verified.",
            "Check the base URL and this computer's clock. If your company has its own CA file, "
            "set REQUESTS_CA_BUNDLE or SSL_CERT_FILE to its path.",
            phase="connect",
        )
    if isinstance(cause, TimeoutError):
        return timed_out(call, "connect", "connect")
    return TLSError(
        f"The TLS connection to {call.origin} could not be established.",
        "Check the port of the base URL, and whether it should begin with http or https.",
        phase="connect",
    )


def _proxy_error(call: Call) -> ProxyError:
    return ProxyError(
        f"The proxy refused the connection to {call.origin}.",
        "Check HTTP_PROXY, HTTPS_PROXY and NO_PROXY.",
        phase="connect",
    )


def _undialled(reason: ConnectFailure, call: Call) -> VisionCraftError:
    if reason == "timeout":
        return timed_out(call, "connect", "connect")
    if reason == "forbidden":
        return UnsafeURL(
            f"A result link points to {call.origin}, an address of this computer or its network.",
            "Check that the base URL is the VisionCraft API.",
            phase="download",
        )
    kind, message = _UNREACHED[reason]
    return kind(
        message.format(call.origin),
        "Check the base URL and your connection; nothing was sent.",
        phase="connect",
    )
