"""Sends one HTTP request and returns the whole answer, or one of our errors.

Each exchange runs in a daemon thread of its own while the caller watches: when the user cancels or
the total time is over, the caller shuts the sockets and goes on at once. `requests` timeouts are
no deadlines (a server that dribbles bytes outlasts them all), and its redirects would carry the
key to other hosts, so neither is relied on. Knows no endpoint.
"""

from __future__ import annotations

import queue
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, NameResolutionError

from .config import Profile, Timeouts, is_loopback
from .errors import (
    BadReply,
    Cancelled,
    CertificateRejected,
    Charged,
    ConnectionLost,
    ConnectionRefused,
    ConnectTimedOut,
    HostNotFound,
    ProxyFailed,
    TimedOut,
    UnsafeContent,
    VisionCraftError,
)
from .wire import POOLS, Wire, watched_by

USER_AGENT = "comfyui-visioncraft"
LOOK_EVERY = 0.05  # seconds between two looks at cancel and deadline; a quarter second is promised

JSON_LIMIT = 64 * 2**20  # a reply may carry five pictures as base64
LIST_LIMIT = 4 * 2**20
FILE_LIMIT = 512 * 2**20

ShouldCancel = Callable[[], bool]


def never() -> bool:
    return False


@dataclass(frozen=True)
class Response:
    """An answer that was read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    origin: str


@dataclass(frozen=True)
class Call:
    """One HTTP request as the exchange needs it."""

    method: str
    url: str
    timeouts: Timeouts
    limit: int
    json: Any = None
    should_cancel: ShouldCancel = never

    @property
    def charged(self) -> Charged:
        return "maybe" if self.method == "POST" else "no"

    @property
    def origin(self) -> str:
        return origin_of(self.url)


def origin_of(url: str) -> str:
    """Scheme, host and port: all of a URL that may appear in a message."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = POOLS
        return manager


class Session(requests.Session):
    """Follows nothing by itself and takes no login from netrc."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        self.mount("https://", _Adapter(max_retries=0))
        self.mount("http://", _Adapter(max_retries=0))
        self.headers.clear()
        self.headers.update(
            {"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "identity"}
        )

    def get_redirect_target(self, resp: requests.Response) -> None:
        # requests would read the body of a redirect into memory to prepare the next request.
        return None


class Transport:
    """Talks to the API server of one profile and knows its key.

    Generating POSTs go on a fresh connection, so "was a byte sent" is always known; lists share a
    pooled one.
    """

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._pooled = Session()

    def post(
        self, path: str, body: Mapping[str, Any], *, should_cancel: ShouldCancel = never
    ) -> Response:
        """Sends `body` with the token. Raises a NotSent, OutcomeUnknown, BadReply or Cancelled."""
        token = self._profile.require_key().reveal()
        call = Call(
            "POST",
            self._profile.base_url + path,
            self._profile.timeouts,
            JSON_LIMIT,
            json={**body, "token": token},
            should_cancel=should_cancel,
        )
        with Session() as session:
            session.headers["Connection"] = "close"
            return exchange(session, call)

    def get(self, path: str, *, should_cancel: ShouldCancel = never) -> Response:
        """Fetches a list. No token: lists are public."""
        url = self._profile.base_url + path
        timeouts = self._profile.timeouts
        call = Call("GET", url, timeouts, LIST_LIMIT, should_cancel=should_cancel)
        return exchange(self._pooled, call)


def exchange(session: Session, call: Call) -> Response:
    """Runs `call` in a thread of its own and gives its answer, or raises one of our errors."""
    wire = Wire(call.timeouts.upload)
    if call.should_cancel():  # a call of a batch whose turn came too late
        raise _cancelled(call, wire)
    outcome: queue.SimpleQueue[Response | VisionCraftError] = queue.SimpleQueue()
    worker = threading.Thread(
        target=_work, args=(session, call, wire, outcome), name="visioncraft-call", daemon=True
    )
    deadline = time.monotonic() + call.timeouts.total
    worker.start()
    while True:
        try:
            result = outcome.get(timeout=LOOK_EVERY)
        except queue.Empty:
            # Whatever the worker brings after a kill is ignored: a cut answer can look whole.
            if call.should_cancel():
                wire.kill()
                raise _cancelled(call, wire) from None
            if time.monotonic() > deadline:
                wire.kill()
                raise _timed_out(call, "total", call.timeouts.total, wire) from None
            continue
        if isinstance(result, Response):
            return result
        raise result


def _work(
    session: Session,
    call: Call,
    wire: Wire,
    outcome: queue.SimpleQueue[Response | VisionCraftError],
) -> None:
    try:
        with watched_by(wire):
            outcome.put(_perform(session, call, wire))
    except VisionCraftError as error:
        outcome.put(error)
    except (requests.RequestException, HTTPError, OSError, ValueError, UnicodeError) as error:
        outcome.put(_translated(error, call, wire))


def _perform(session: Session, call: Call, wire: Wire) -> Response:
    # Session.trust_env is off because of netrc; proxies and a company's own CA file still count.
    environment = requests.Session().merge_environment_settings(call.url, {}, None, None, None)
    response = session.request(
        call.method,
        call.url,
        json=call.json,
        stream=True,
        allow_redirects=False,
        timeout=(call.timeouts.connect, call.timeouts.first_byte),
        # A proxy knows no server of this computer, least of all the sandbox.
        proxies={} if is_loopback(call.url) else environment["proxies"],
        verify=environment["verify"] or True,
    )
    with response:
        wire.set_timeout(call.timeouts.stall)
        return Response(response.status_code, response.headers, _body(response, call), call.origin)


def _body(response: requests.Response, call: Call) -> bytes:
    announced = response.headers.get("Content-Length", "")
    if announced.isdigit() and int(announced) > call.limit:
        raise _too_large(call)
    body = bytearray()
    while chunk := response.raw.read(65536, decode_content=False):
        body += chunk
        if len(body) > call.limit:
            raise _too_large(call)
    if announced.isdigit() and len(body) < int(announced) and call.method != "HEAD":
        raise ConnectionLost(
            f"{call.origin} closed the connection in the middle of its answer.",
            _look_first(call),
            phase="read",
            charged=call.charged,
        )
    return _decoded(bytes(body), response.headers.get("Content-Encoding", ""), call)


def _decoded(body: bytes, encoding: str, call: Call) -> bytes:
    if encoding.lower() in ("", "identity"):
        return body
    if encoding.lower() in ("gzip", "x-gzip"):  # asked for identity, but some proxies insist
        try:
            inflated = zlib.decompressobj(wbits=31).decompress(body, call.limit + 1)
        except zlib.error:
            inflated = b""
        if len(inflated) > call.limit:
            raise _too_large(call)
        if inflated:
            return inflated
    raise BadReply(
        f"{call.origin} sent an answer in an encoding that was not asked for.",
        "Check the base URL and any proxy in between.",
        phase="read",
        charged=call.charged,
    )


def _too_large(call: Call) -> UnsafeContent:
    return UnsafeContent(
        f"{call.origin} sent more than {call.limit // 2**20} MiB, so the answer was dropped.",
        "Check that the base URL is the VisionCraft API.",
        phase="read",
        charged=call.charged,
    )


def _cancelled(call: Call, wire: Wire) -> Cancelled:
    sent = wire.phase != "connect"
    return Cancelled(
        "Cancelled." if not sent else "Cancelled here; the server may still finish the job.",
        phase=wire.phase,
        charged=call.charged if sent else "no",
    )


def _timed_out(call: Call, limit: str, seconds: float, wire: Wire) -> TimedOut:
    return TimedOut(
        f"{call.origin} did not answer within {seconds:g} s (limit: {limit}).",
        _look_first(call) if wire.phase != "connect" else "Try again, or raise the limit.",
        phase=wire.phase,
        charged=call.charged if wire.phase != "connect" else "no",
    )


def _look_first(call: Call) -> str:
    if call.charged == "no":
        return "Try again."
    return "The job may have been counted: check your account before you run it again."


def _translated(error: Exception, call: Call, wire: Wire) -> VisionCraftError:
    if wire.phase == "connect":
        return _never_sent(error, call)
    timeout = isinstance(error, requests.Timeout | TimeoutError) or "timed out" in str(error)
    if timeout:
        limit = {"send": "upload", "wait": "first_byte", "read": "stall"}[wire.phase]
        return _timed_out(call, limit, getattr(call.timeouts, limit), wire)
    return ConnectionLost(
        f"The connection to {call.origin} broke before the answer was complete.",
        _look_first(call),
        phase=wire.phase,
        charged=call.charged,
    )


def _never_sent(error: Exception, call: Call) -> VisionCraftError:
    origin = call.origin
    if isinstance(error, requests.exceptions.ProxyError):
        return ProxyFailed(
            f"The proxy did not let us through to {origin}.",
            "Check HTTP_PROXY, HTTPS_PROXY and NO_PROXY.",
            phase="connect",
        )
    if isinstance(error, requests.exceptions.SSLError):
        return CertificateRejected(
            f"The TLS connection to {origin} could not be verified.",
            "Check the base URL and this computer's clock; name a company's own CA file in "
            "REQUESTS_CA_BUNDLE.",
            phase="connect",
        )
    if isinstance(error, requests.ConnectTimeout):
        return ConnectTimedOut(
            f"{origin} did not pick up within {call.timeouts.connect:g} s.",
            "Check the base URL and your connection; nothing was sent.",
            phase="connect",
        )
    if _caused_by(error, NameResolutionError) or "Failed to resolve" in str(error):
        return HostNotFound(
            f"The host name of {origin} is unknown.",
            "Check the base URL and your connection; nothing was sent.",
            phase="connect",
        )
    return ConnectionRefused(
        f"Nothing answers at {origin}.",
        "Check the base URL and that the server runs; nothing was sent.",
        phase="connect",
    )


def _caused_by(error: BaseException | None, kind: type[BaseException]) -> bool:
    reason = getattr(error, "reason", None) or (error.args[0] if error and error.args else None)
    if isinstance(error, kind):
        return True
    return isinstance(reason, BaseException) and _caused_by(reason, kind)
