"""Sends one HTTP request and returns the whole answer, or one of our errors.

Each exchange runs in a daemon thread of its own while the caller watches: when the user cancels or
the total time is over, the caller shuts the sockets and goes on at once. `requests` timeouts are
no deadlines (a server that dribbles bytes outlasts them all), and its redirects would carry the
key to other hosts, so neither is relied on. Knows no endpoint.
"""

from __future__ import annotations

import os
import queue
import ssl
import threading
import time
from collections.abc import Mapping
from functools import cache
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from ..api.fields import OutputKind
from ..cancellation import LOOK_EVERY, ShouldCancel, never
from ..errors import ConfigError, VisionCraftError
from ..profiles.profile import Profile
from ..urls import has_host, is_loopback
from . import body
from . import transport_errors as failures
from .byte_budget import ByteBudget
from .call import Call, Response
from .connections import POOLS, ConnectionTracker, track_connections

USER_AGENT = "comfyui-visioncraft/0.1.0"  # the version, and nothing about the user

JSON_LIMIT = 64 * 2**20  # a reply may carry five pictures as base64
LIST_LIMIT = 4 * 2**20
LIST_PATIENCE = 30.0


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
        self,
        path: str,
        content: Mapping[str, Any],
        *,
        output: OutputKind = "video",
        expected_seconds: float = 300.0,
        should_cancel: ShouldCancel = never,
    ) -> Response:
        """Sends `content` with the token to a server that may need `expected_seconds` to answer,
        perhaps with a file.

        Raises a ConnectionFailed, OutcomeUnknown, InvalidResponse or Cancelled.
        """
        call = Call(
            "POST",
            self._profile.base_url + path,
            self._profile.timeouts.for_work(expected_seconds),
            JSON_LIMIT,
            json=content,
            key=self._profile.require_key(),
            should_cancel=should_cancel,
            verify=self._profile.verify,
            budget=ByteBudget(output),
        )
        with Session() as session:
            session.headers["Connection"] = "close"
            return send_call(session, call)

    def get(self, path: str, *, should_cancel: ShouldCancel = never) -> Response:
        """Fetches a list. No token: lists are public."""
        url = self._profile.base_url + path
        timeouts = self._profile.timeouts.for_work(LIST_PATIENCE)
        verify = self._profile.verify
        call = Call("GET", url, timeouts, LIST_LIMIT, should_cancel=should_cancel, verify=verify)
        return send_call(self._pooled, call)


def send_call(session: Session, call: Call) -> Response:
    """Runs `call` in a thread of its own and gives its answer, or raises one of our errors."""
    connections = ConnectionTracker(call.timeouts.upload, public_only=call.public_only)
    if call.should_cancel():  # a call of a batch whose turn came too late
        raise failures.cancelled(call, connections.phase)
    outcome: queue.SimpleQueue[Response | VisionCraftError] = queue.SimpleQueue()
    worker = threading.Thread(
        target=_work,
        args=(session, call, connections, outcome),
        name="visioncraft-call",
        daemon=True,
    )
    started = time.monotonic()
    worker.start()
    while True:
        try:
            result = outcome.get(timeout=LOOK_EVERY)
        except queue.Empty:
            # Whatever the worker brings after a kill is ignored: a cut answer can look whole.
            if call.should_cancel():
                connections.kill()
                raise failures.cancelled(call, connections.phase) from None
            limit = _passed(call, connections, time.monotonic() - started)
            # The worker goes on meanwhile, and what it has sent may be counted.
            if limit and connections.kill(unsent_only=limit == "connect"):
                raise failures.timed_out(call, limit, connections.phase) from None
            continue
        if isinstance(result, Response):
            return result
        raise result


def _passed(call: Call, connections: ConnectionTracker, seconds: float) -> str:
    """The limit that is over and that no socket's own timeout can watch, "" for none."""
    if seconds > call.timeouts.total:
        return "total"
    # Looking up a name knows no timeout, and each of several addresses has its own.
    return (
        "connect" if connections.phase == "connect" and seconds > 2 * call.timeouts.connect else ""
    )


def _work(
    session: Session,
    call: Call,
    connections: ConnectionTracker,
    outcome: queue.SimpleQueue[Response | VisionCraftError],
) -> None:
    try:
        with track_connections(connections):
            outcome.put(_perform(session, call, connections))
    except VisionCraftError as error:
        outcome.put(error)
    except Exception as error:  # noqa: BLE001 - whatever it is, the caller must not wait for it
        outcome.put(failures.map_exception(error, call, connections.phase))


def _perform(session: Session, call: Call, connections: ConnectionTracker) -> Response:
    # Session.trust_env is off because of netrc; proxies and a company's own CA file still count.
    environment = requests.Session().merge_environment_settings(call.url, {}, None, None, None)
    checked = call.verify and call.url.startswith("https:")
    response = session.request(
        call.method,
        call.url,
        json={**(call.json or {}), "token": call.key.reveal()} if call.key else call.json,
        stream=True,
        allow_redirects=False,
        timeout=(call.timeouts.connect, call.timeouts.first_byte),
        proxies=_proxies(call, environment["proxies"]),
        verify=_certificates(environment["verify"]) if checked else call.verify,
    )
    with response:
        content = body.read_body(response, call, connections)
        return Response(response.status_code, response.headers, content, call.origin)


def _proxies(call: Call, named: dict[str, str]) -> dict[str, str]:
    """The one of the `named` proxies that is for this call; SOCKS is not for our sockets."""
    # A proxy knows no server of this computer, least of all the sandbox.
    address = None if is_loopback(call.url) else requests.utils.select_proxy(call.url, named)
    if not address:
        return {}
    address = address if "://" in address else f"http://{address}"
    if not has_host(address):
        raise ConfigError(
            "The proxy that the environment names is not usable.",
            "Write HTTPS_PROXY, HTTP_PROXY or ALL_PROXY as http://host:port, or unset it.",
            phase="connect",
        )
    return {"all": address}


def _certificates(named: Any) -> Any:
    """The CA file that requests found in its own variables, else SSL_CERT_FILE, else certifi's."""
    path = named if isinstance(named, str) else os.environ.get("SSL_CERT_FILE")
    if not path:
        return True
    try:
        _load(path, os.stat(path).st_mtime_ns)
    except OSError:
        raise ConfigError(
            "The file with TLS certificates that the environment names is missing or unusable.",
            "Correct REQUESTS_CA_BUNDLE or SSL_CERT_FILE.",
            phase="connect",
        ) from None
    return path


@cache  # 40 ms for the usual 140 of them
def _load(path: str, _changed: int) -> None:
    """Raises OSError where the file or folder holds no certificates."""
    place = {"capath" if os.path.isdir(path) else "cafile": path}
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(**place)
