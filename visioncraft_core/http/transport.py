"""Sends one HTTP request and returns the whole answer, or one of our errors.

The exchange is watched from another thread, which shuts its sockets when the user cancels or the
total time is over: the timeouts of `requests` are no deadlines (a server that dribbles bytes
outlasts them all), and its redirects would carry the key to other hosts. Knows no endpoint.
"""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Mapping
from functools import cache
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from ..api.fields import OutputKind
from ..base64_text import dumps
from ..cancellation import CancelScope
from ..errors import ConfigError, VisionCraftError
from ..profiles.profile import Profile
from ..urls import has_host, is_loopback
from ..version import VERSION
from . import transport_errors as errors
from .body import read_body
from .byte_budget import ByteBudget
from .call import Call, Response
from .connections import POOLS, ConnectionTracker, track_connections

USER_AGENT = f"comfyui-visioncraft/{VERSION}"  # the version, and nothing about the user

JSON_LIMIT = 64 * 2**20  # a reply may carry five pictures as base64
LIST_LIMIT = 4 * 2**20
LIST_SECONDS = 30.0


_JSON = {"Content-Type": "application/json"}


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = POOLS
        return manager


class Session(requests.Session):
    """Follows no redirect; takes proxies and CA files from the environment, but no login."""

    def __init__(self) -> None:
        super().__init__()
        self.auth = _no_login
        self.mount("https://", _Adapter(max_retries=0))
        self.mount("http://", _Adapter(max_retries=0))
        self.headers.clear()
        self.headers.update(
            {"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "identity"}
        )

    def get_redirect_target(self, resp: requests.Response) -> None:
        # requests would read the body of a redirect into memory to prepare the next request.
        return None

    def merge_environment_settings(
        self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any
    ) -> Any:
        if url.startswith("http:") and is_loopback(url):
            # Neither proxies nor CA files are for it, and to look through the environment takes a
            # third of the time of such a call.
            return {"proxies": {}, "stream": stream, "verify": verify, "cert": cert}
        settings = super().merge_environment_settings(url, proxies, stream, verify, cert)
        settings["proxies"] = _proxies(url, settings["proxies"])
        if settings["verify"] and url.startswith("https:"):
            settings["verify"] = _certificates(settings["verify"])
        return settings


def _no_login(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Without a login of its own, a session would send the one that netrc has for the host."""
    return request


class Transport:
    """Talks to the API server of one profile and knows its key.

    Generating POSTs go on a fresh connection, so "was a byte sent" is always known; lists share a
    pooled one.
    """

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._pooled = Session()

    def post(
        self,
        path: str,
        content: Mapping[str, Any],
        scope: CancelScope,
        *,
        output: OutputKind = "video",
        expected_seconds: float = 300.0,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Sends `content` with the token to a server that may need `expected_seconds` to answer,
        perhaps with a file. `headers` go with the usual ones.

        Raises a ConnectionFailed, OutcomeUnknown, InvalidResponse or Cancelled.
        """
        call = Call(
            "POST",
            self._profile.base_url + path,
            self._profile.timeouts.for_work(expected_seconds),
            JSON_LIMIT,
            json=content,
            headers=headers,
            key=self._profile.require_key(),
            verify=self._profile.verify,
            budget=ByteBudget(output),
        )
        with Session() as session:
            session.headers["Connection"] = "close"
            return send_call(session, call, scope)

    def get(self, path: str, scope: CancelScope) -> Response:
        """Fetches a list. No token: lists are public. Raises like `post`."""
        timeouts = self._profile.timeouts.for_work(LIST_SECONDS)
        url, verify = self._profile.base_url + path, self._profile.verify
        return send_call(self._pooled, Call("GET", url, timeouts, LIST_LIMIT, verify=verify), scope)

    def close(self) -> None:
        self._pooled.close()


def send_call(session: Session, call: Call, scope: CancelScope) -> Response:
    """The answer to `call`. Raises one of our errors."""
    tracker = ConnectionTracker(call.timeouts.upload, public_only=call.public_only)
    started = time.monotonic()

    def check() -> None:
        seconds = time.monotonic() - started
        if scope.is_cancelled():
            tracker.end("cancel")
        elif seconds > call.timeouts.total:
            tracker.end("total")
        elif seconds > 2 * call.timeouts.connect:
            # Looking up a name knows no timeout, and each of several addresses has its own.
            tracker.end("connect")

    response, error = None, None
    try:
        with scope.watched(check), track_connections(tracker):
            check()  # a call of a batch whose turn came too late
            response = _perform(session, call, tracker)
    except VisionCraftError as raised:
        error = raised
    except Exception as raised:  # noqa: BLE001 - the libraries raise what they like
        error = errors.map_exception(raised, call, tracker)
    except BaseException:  # Ctrl-C in the caller's own thread
        tracker.end("cancel")
        raise
    # First, whatever else came of the exchange: a cut answer can look whole.
    if tracker.ended_by:
        raise errors.ended(call, tracker.ended_by, tracker.phase)
    # Not raised above: the errors of the libraries, which hold the key, are not to hang on to it.
    if error or not response:
        raise error or AssertionError
    return response


def _perform(session: Session, call: Call, tracker: ConnectionTracker) -> Response:
    response = session.request(
        call.method,
        call.url,
        data=_content(call),
        headers={**({} if call.json is None else _JSON), **(call.headers or {})},
        stream=True,
        allow_redirects=False,
        timeout=(call.timeouts.connect, call.timeouts.first_byte),
        verify=call.verify,
    )
    with response:
        content = read_body(response, call, tracker)
        return Response(response.status_code, response.headers, content, call.origin)


def _content(call: Call) -> bytes | None:
    if call.json is None:
        return None
    token = {"token": call.key.reveal()} if call.key else {}
    return dumps({**call.json, **token}, allow_nan=False).encode()


def _proxies(url: str, configured: Any) -> dict[str, str]:
    """The one of the `configured` proxies that is for `url`. Our sockets do not speak SOCKS."""
    # A proxy knows no server of this computer, least of all the sandbox.
    address = None if is_loopback(url) else requests.utils.select_proxy(url, configured)
    if not address:
        return {}
    address = address if "://" in address else f"http://{address}"
    if not has_host(address):
        raise ConfigError(
            "The proxy address in the environment is not usable.",
            "Set HTTPS_PROXY, HTTP_PROXY or ALL_PROXY to http://host:port, or unset it.",
            phase="connect",
        )
    return {"all": address}


def _certificates(configured: Any) -> Any:
    """The CA file that requests found in its own variables, else SSL_CERT_FILE, else certifi's."""
    path = configured if isinstance(configured, str) else os.environ.get("SSL_CERT_FILE")
    if not path:
        return True
    try:
        _load(path, os.stat(path).st_mtime_ns)
    except OSError:
        raise ConfigError(
            "The CA file that the environment names is missing or unusable.",
            "Correct REQUESTS_CA_BUNDLE or SSL_CERT_FILE.",
            phase="connect",
        ) from None
    return path


@cache  # 40 ms for the usual 140 of them
def _load(path: str, _changed: int) -> None:
    """Raises OSError where the file or folder holds no certificates."""
    place = {"capath" if os.path.isdir(path) else "cafile": path}
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(**place)
