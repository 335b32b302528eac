"""Our error for a broken call, by how far it came and what was raised at its socket.

`requests` and urllib3 wrap that in errors of their own, differently in each version; and an upload
that times out and a refused connection arrive as the same class. Sends nothing.
"""

from __future__ import annotations

import http.client
import ssl
from typing import Literal

import requests.exceptions
from urllib3.exceptions import InvalidHeader, ReadTimeoutError
from urllib3.util.ssl_match_hostname import CertificateError as Urllib3CertificateError

from ..errors import (
    Cancelled,
    CertificateError,
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
from ..profiles.profile import DEFAULT_BASE_URL, PUBLIC_SERVICE_IS_GONE
from .call import Call
from .connections import ConnectError, ConnectFailure, ConnectionTracker, Phase

_LIMITS: dict[str, type[RequestTimeout]] = {
    "upload": WriteTimeout,
    "first_byte": ResponseTimeout,
    "stall": ReadTimeout,
    "total": TotalTimeout,
}
_LIMIT_OF: dict[Phase, str] = {"send": "upload", "wait": "first_byte", "read": "stall"}

_CHECK_CONNECTION = "Check the base URL and your connection; nothing was sent."
_CHECK_SERVER = "Check that the base URL is the VisionCraft API."
_CHECK_ACCOUNT = ""  # where the call may have been carried out

Failure = Literal["proxy", "certificate", "tls", "lost", "not HTTP", "encoding"]
_FAILURES: dict[Failure | ConnectFailure, tuple[type[VisionCraftError], str, str]] = {
    "unknown": (HostNotFound, "The host name of {} is unknown.", _CHECK_CONNECTION),
    "lookup": (DNSLookupFailed, "The host name of {} could not be looked up.", _CHECK_CONNECTION),
    "refused": (ConnectionRefused, "Nothing answers at {}.", _CHECK_CONNECTION),
    "forbidden": (
        UnsafeURL,
        "A result link points to {}, an address of this computer or its network.",
        _CHECK_SERVER,
    ),
    "proxy": (
        ProxyError,
        "The proxy refused the connection to {}.",
        "Check HTTP_PROXY, HTTPS_PROXY and NO_PROXY.",
    ),
    "certificate": (
        CertificateError,
        "The TLS certificate of {} could not be verified.",
        "Check the base URL and this computer's clock. If your company has its own CA file, set "
        "REQUESTS_CA_BUNDLE or SSL_CERT_FILE to its path.",
    ),
    "tls": (
        TLSError,
        "The TLS connection to {} could not be established.",
        "Check the port of the base URL, and whether it should begin with http or https.",
    ),
    "lost": (
        ConnectionLost,
        "The connection to {} broke before the answer was complete.",
        _CHECK_ACCOUNT,
    ),
    "not HTTP": (InvalidResponse, "{} sent an answer that is not valid HTTP.", _CHECK_ACCOUNT),
    "encoding": (
        InvalidResponse,
        "{} sent an answer that is compressed in an unexpected way, or damaged.",
        "Check the base URL and any proxy in between.",
    ),
}

# What is raised before the request: only a proxy answers in HTTP then, some with a web page.
_PROXY = (requests.exceptions.ProxyError, http.client.HTTPException)
_CERTIFICATE = (ssl.SSLCertVerificationError, Urllib3CertificateError)
# What is raised after it; those that are cut come from a connection that ended early, too.
_TIMEOUT = (TimeoutError, ReadTimeoutError)
_NOT_HTTP = (http.client.HTTPException, InvalidHeader, requests.exceptions.InvalidHeader)
_CUT = (http.client.BadStatusLine, http.client.IncompleteRead)


def map_exception(error: Exception, call: Call, tracker: ConnectionTracker) -> VisionCraftError:
    """Our error for what a library raised in `call`."""
    phase = tracker.phase
    cause = error if phase == "read" else tracker.error or error
    if phase != "connect":
        if isinstance(cause, _TIMEOUT):
            return timed_out(call, _LIMIT_OF[phase], phase)
        not_http = isinstance(cause, _NOT_HTTP) and not isinstance(cause, _CUT)
        return failure("not HTTP" if not_http else "lost", call, phase)
    dialled = cause if isinstance(cause, ConnectError) else None
    if isinstance(error, _PROXY) or isinstance(cause, _PROXY) or (dialled and dialled.to_proxy):
        return failure("proxy", call, phase)
    if isinstance(cause, TimeoutError) or (dialled and dialled.reason == "timeout"):
        return timed_out(call, "connect", phase)
    if dialled:
        return failure(dialled.reason, call, phase)
    return failure("certificate" if isinstance(cause, _CERTIFICATE) else "tls", call, phase)


def failure(name: Failure | ConnectFailure, call: Call, phase: Phase) -> VisionCraftError:
    kind, message, advice = _FAILURES[name]
    charged = None if phase == "connect" else call.charged
    advice = _check_connection(call) if advice is _CHECK_CONNECTION else advice
    advice = advice or _after_sending(call)
    return kind(message.format(call.origin), advice, phase=phase, charged=charged)


def too_large(call: Call, limit: int) -> UnsafeContent:
    message = f"{call.origin} sent more than {limit // 2**20} MiB, so the answer was discarded."
    return UnsafeContent(message, _CHECK_SERVER, phase="read", charged=call.charged)


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
    within = f"within {getattr(call.timeouts, limit):g} s (limit: {limit})."
    if "connect" in (limit, phase):
        message = f"Could not connect to {call.origin} {within}"
        return ConnectTimeout(message, _check_connection(call), phase="connect")
    message = f"{call.origin} did not answer {within}"
    return _LIMITS[limit](message, _after_sending(call), phase=phase, charged=call.charged)


def _check_connection(call: Call) -> str:
    is_gone = call.origin == DEFAULT_BASE_URL
    return f"{PUBLIC_SERVICE_IS_GONE} Nothing was sent." if is_gone else _CHECK_CONNECTION


def _after_sending(call: Call) -> str:
    """What to do about a call that may or may not have been carried out."""
    if call.charged == "no":
        return "Try again."
    return "The job may have been charged. Check your account before you run it again."
