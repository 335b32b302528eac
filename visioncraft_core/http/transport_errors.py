"""What a broken call is called, and what is said about it. Sends nothing.

The phase of the wire decides, not the exception: an upload that times out and a refused connection
arrive as the same class.
"""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator

from urllib3.exceptions import DecodeError, InvalidHeader
from urllib3.exceptions import ProxyError as Urllib3ProxyError
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
from .connections import ConnectError, Phase

_LIMITS: dict[str, type[RequestTimeout]] = {
    "upload": WriteTimeout,
    "first_byte": ResponseTimeout,
    "stall": ReadTimeout,
    "total": TotalTimeout,
}
_LIMIT_OF: dict[Phase, str] = {"send": "upload", "wait": "first_byte", "read": "stall"}


def map_exception(error: Exception, call: Call, phase: Phase) -> VisionCraftError:
    """Our error for what a library raised while the call was in `phase`."""
    causes = list(_causes(error))
    if phase == "connect":
        return _never_sent(causes, call)
    if any(isinstance(e, TimeoutError) or "timed out" in str(e) for e in causes):
        return timed_out(call, _LIMIT_OF[phase], phase)
    if any(_is_no_http(e) for e in causes):
        return broken_http(call)
    return connection_lost(call, phase)


def connection_lost(call: Call, phase: Phase) -> ConnectionLost:
    return ConnectionLost(
        f"The connection to {call.origin} broke before the answer was complete.",
        look_first(call),
        phase=phase,
        charged=call.charged,
    )


def broken_http(call: Call) -> InvalidResponse:
    return InvalidResponse(
        f"{call.origin} sent an answer that is not proper HTTP.",
        look_first(call),
        phase="read",
        charged=call.charged,
    )


def bad_encoding(call: Call) -> InvalidResponse:
    return InvalidResponse(
        f"{call.origin} sent an answer in an encoding that was not asked for, or broken.",
        "Check the base URL and any proxy in between.",
        phase="read",
        charged=call.charged,
    )


def too_large(call: Call, limit: int) -> UnsafeContent:
    return UnsafeContent(
        f"{call.origin} sent more than {limit // 2**20} MiB, so the answer was dropped.",
        "Check that the base URL is the VisionCraft API.",
        phase="read",
        charged=call.charged,
    )


def cancelled(call: Call, phase: Phase) -> Cancelled:
    sent = phase != "connect"
    return Cancelled(
        "Cancelled." if not sent else "Cancelled here; the server may still finish the job.",
        phase=phase,
        charged=call.charged if sent else "no",
    )


def timed_out(call: Call, limit: str, phase: Phase) -> VisionCraftError:
    """The error for a limit of `Timeouts` that passed."""
    seconds = getattr(call.timeouts, limit)
    if "connect" in (limit, phase):
        return ConnectTimeout(
            f"{call.origin} did not pick up within {seconds:g} s (limit: {limit}).",
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
    """What to do about a call of which nobody knows whether it was carried out."""
    if call.charged == "no":
        return "Try again."
    return "The job may have been counted: check your account before you run it again."


def _never_sent(causes: list[BaseException], call: Call) -> VisionCraftError:
    origin = call.origin
    dialled = next((e for e in causes if isinstance(e, ConnectError)), None)
    if dialled and dialled.reason == "forbidden":
        return UnsafeURL(
            f"A result link points to {origin}, which is an address of this computer or network.",
            "Check that the base URL is the VisionCraft API.",
            phase="download",
        )
    # Before the request only a proxy answers in HTTP, and some do it with a web page.
    from_proxy = any(isinstance(e, Urllib3ProxyError | http.client.HTTPException) for e in causes)
    if from_proxy or (dialled and dialled.to_proxy):
        return ProxyError(
            f"The proxy did not let us through to {origin}.",
            "Check HTTP_PROXY, HTTPS_PROXY and NO_PROXY.",
            phase="connect",
        )
    if dialled:
        return _undialled(dialled, call)
    if any(isinstance(e, ssl.SSLCertVerificationError | Urllib3CertificateError) for e in causes):
        return CertificateError(
            f"The TLS certificate of {origin} could not be verified.",
            "Check the base URL and this computer's clock; name a company's own CA file in "
            "REQUESTS_CA_BUNDLE or SSL_CERT_FILE.",
            phase="connect",
        )
    if any(isinstance(e, TimeoutError) or "timed out" in str(e) for e in causes):
        return timed_out(call, "connect", "connect")
    return TLSError(
        f"{origin} does not complete a TLS connection.",
        "Check that the base URL begins with the right one of http and https, and its port.",
        phase="connect",
    )


def _undialled(error: ConnectError, call: Call) -> VisionCraftError:
    if error.reason == "timeout":
        return timed_out(call, "connect", "connect")
    kind: type[ConnectionFailed] = ConnectionRefused
    what = f"Nothing answers at {call.origin}."
    if error.reason == "unknown":
        kind, what = HostNotFound, f"The host name of {call.origin} is unknown."
    elif error.reason == "lookup":
        kind, what = DNSLookupFailed, f"The host name of {call.origin} could not be looked up."
    return kind(what, "Check the base URL and your connection; nothing was sent.", phase="connect")


def _is_no_http(error: BaseException) -> bool:
    if isinstance(error, http.client.BadStatusLine | http.client.IncompleteRead):
        return False  # both come from a connection that ended early, too
    return isinstance(error, http.client.HTTPException | InvalidHeader | DecodeError)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """`error` and all that it wraps: the libraries put each other's errors into `args`."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        found = waiting.pop(0)
        if isinstance(found, BaseException) and id(found) not in seen:
            seen.add(id(found))
            yield found
            reason = getattr(found, "reason", None)
            waiting += [*found.args, reason, found.__cause__, found.__context__]
