"""The sockets of one call: how far it came, and how to end it from another thread.

Closing a session, a response or a socket does not wake a thread that is blocked in it; only
`shutdown` of the socket does (measured on TCP and TLS: the thread is free in under 4 ms). So the
connection classes below dial by themselves, and report their sockets and each step they take to
the Wire of their thread. Knows urllib3, not requests.
"""

from __future__ import annotations

import logging
import re
import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Literal

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from .addresses import is_public

if TYPE_CHECKING:
    from collections.abc import Iterator

Phase = Literal["connect", "send", "wait", "read"]
NoWay = Literal["unknown", "lookup", "refused", "timeout", "forbidden"]


class ConnectError(Exception):
    """No connection came about. Not an OSError: retries must not take a ban for bad luck."""

    def __init__(self, reason: NoWay, *, to_proxy: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.to_proxy = to_proxy


class ConnectionTracker:
    """What one call has open. `phase` is send from the first byte of the request on.

    With `public_only` it dials no address of this computer or its local network.
    """

    def __init__(self, upload_timeout: float, *, public_only: bool = False) -> None:
        self.phase: Phase = "connect"
        self.upload_timeout = upload_timeout
        self.public_only = public_only
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._twins: list[socket.socket] = []
        self._dead = False

    @property
    def dead(self) -> bool:
        return self._dead

    def add(self, sock: Any) -> None:
        with self._lock:
            self._sockets.append(sock)
            dead = self._dead
        if dead:
            _shut(sock)

    def add_twin(self, sock: socket.socket) -> None:
        """Watches over a connected socket that TLS is about to take over: until its handshake is
        done there is no other way to it."""
        twin = sock.dup()
        with self._lock:
            self._twins.append(twin)
            dead = self._dead
        if dead:
            _shut(twin)

    def release(self) -> None:
        """Lets go of what only the wire holds."""
        with self._lock:
            for twin in self._twins:
                twin.close()
            self._twins.clear()

    def set_timeout(self, seconds: float) -> None:
        """How long the sockets may be silent from here on."""
        for sock in self._sockets:
            with suppress(OSError):  # a plain socket that TLS took over is an empty shell
                sock.settimeout(seconds)

    def begin_to_send(self) -> None:
        with self._lock:
            self.phase = "send"

    def kill(self, *, unsent_only: bool = False) -> bool:
        """Ends every socket of the call, now and in the future. Call from any thread.

        With `unsent_only` only as long as nothing of the request was sent; tells whether it did.
        """
        with self._lock:
            if unsent_only and self.phase != "connect":
                return False
            self._dead = True
            for sock in (*self._sockets, *self._twins):
                _shut(sock)
            return True


_thread = threading.local()


class LogRedactor(logging.Filter):
    """Keeps queries and urllib3's warnings about our calls out of the log.

    The query of a result's address may open it for anyone, and urllib3 writes it for each call at
    DEBUG; about odd headers it warns with what the server wrote. Others' calls are none of our
    business.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if _tracker() is None:
            return True
        if isinstance(record.args, tuple):
            record.args = tuple(map(_without_query, record.args))
        return record.levelno < logging.WARNING


def _without_query(told: Any) -> Any:
    return re.sub(r"\?\S*", "", told) if isinstance(told, str) else told


for _name in ("urllib3.connection", "urllib3.connectionpool"):
    logging.getLogger(_name).addFilter(LogRedactor())


@contextmanager
def track_connections(connections: ConnectionTracker) -> Iterator[None]:
    """Connections used in this thread report to `wire`."""
    _thread.connections = connections
    try:
        yield
    finally:
        _thread.connections = None
        connections.release()


def _tracker() -> ConnectionTracker | None:
    return getattr(_thread, "connections", None)


def _shut(sock: Any) -> None:
    with suppress(OSError, ValueError):
        # An SSLSocket's own shutdown would try to speak TLS and can block.
        plain = sock if isinstance(sock, socket.socket) else getattr(sock, "socket", sock)
        socket.socket.shutdown(plain, socket.SHUT_RDWR)


def _options() -> list[tuple[int, int, int]]:
    """No delay for small requests, and a look after a silent peer within a minute."""
    options = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
    options.append((socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1))
    for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):  # not on every system
            options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    return options


class _Reporting:
    """Mixed into urllib3's connections. `_new_conn` covers the TLS handshake as well."""

    sock: Any
    _connecting = False

    def _new_conn(self: Any) -> Any:
        connections = _tracker() or ConnectionTracker(0.0)
        to_proxy = getattr(self, "proxy", None) is not None
        try:
            host = self.host.strip("[]")
            found = socket.getaddrinfo(host, self.port, 0, socket.SOCK_STREAM)
        except socket.gaierror as error:
            again = error.errno == socket.EAI_AGAIN
            raise ConnectError("lookup" if again else "unknown", to_proxy=to_proxy) from None
        except UnicodeError:
            raise ConnectError("unknown", to_proxy=to_proxy) from None
        # All of them, not only the one that is dialled first.
        if (
            connections.public_only
            and not to_proxy
            and not all(is_public(str(i[4][0])) for i in found)
        ):
            raise ConnectError("forbidden", to_proxy=False)
        reason: NoWay = "refused"
        for family, kind, protocol, _, address in found:
            if connections.dead:  # since the name was looked up, or since the last address
                break
            try:
                sock = socket.socket(family, kind, protocol)
            except OSError:  # IPv6 may be switched off where the name has such an address
                continue
            connections.add(
                sock
            )  # before it connects: a peer that never answers can be given up on
            try:
                for option in _options():
                    sock.setsockopt(*option)
                sock.settimeout(self.timeout if isinstance(self.timeout, int | float) else None)
                sock.connect(address)
            except OSError as error:
                reason = "timeout" if isinstance(error, TimeoutError) else "refused"
                sock.close()
            else:
                return sock
        raise ConnectError(reason, to_proxy=to_proxy)

    def connect(self) -> None:
        self._connecting = True
        try:
            super().connect()  # type: ignore[misc]
        finally:
            self._connecting = False
        if connections := _tracker():
            connections.add(self.sock)

    def putrequest(self, *args: Any, **kwargs: Any) -> Any:
        if (connections := _tracker()) and self.sock is not None:
            connections.add(self.sock)  # a pooled connection: it was not opened for this call
        return super().putrequest(*args, **kwargs)  # type: ignore[misc]

    def send(self, data: Any) -> Any:
        if self.sock is None:
            self.connect()
        connections = _tracker()
        if connections and not self._connecting:  # a proxy's CONNECT is not the request
            connections.begin_to_send()
            # The connect timeout would otherwise bound the whole upload.
            connections.set_timeout(connections.upload_timeout)
        return super().send(data)  # type: ignore[misc]

    def getresponse(self, *args: Any, **kwargs: Any) -> Any:
        connections = _tracker()
        if connections and not self._connecting:
            connections.phase = "wait"
        response = super().getresponse(*args, **kwargs)  # type: ignore[misc]
        if connections and not self._connecting:
            connections.phase = "read"
        return response


class _PlainConnection(_Reporting, HTTPConnection):
    pass


class _TLSConnection(_Reporting, HTTPSConnection):
    def _new_conn(self) -> Any:
        sock = super()._new_conn()
        if connections := _tracker():
            connections.add_twin(sock)
        return sock


class PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection  # type: ignore[assignment]


class TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection  # type: ignore[assignment]


POOLS: dict[str, type[HTTPConnectionPool]] = {"http": PlainPool, "https": TLSPool}
