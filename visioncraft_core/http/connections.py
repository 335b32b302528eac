"""The sockets of one call: how far it came, and how to end it from another thread.

Closing a session, a response or a socket does not wake a thread that is blocked in it; only
`shutdown` of the socket does (measured on TCP and TLS: the thread is free in under 4 ms). So the
connection classes below report their sockets and each step they take to the ConnectionTracker of
their thread. Looking up a name and connecting, which nothing can interrupt on every system, run in
a thread that is left behind when the call ends first. Knows urllib3, not requests.
"""

from __future__ import annotations

import logging
import queue
import re
import socket
import threading
from contextlib import contextmanager, suppress
from http.client import BadStatusLine, HTTPResponse
from typing import TYPE_CHECKING, Any, Literal

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from .addresses import is_public

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_INTERIM = 100  # answers before the final one
LONGEST_INTERIM = 65536  # bytes of their headers

Phase = Literal["connect", "send", "wait", "read"]
ConnectFailure = Literal["unknown", "lookup", "refused", "timeout", "forbidden"]


class ConnectError(Exception):
    """No connection came about. Not an OSError, which urllib3 would wrap in errors of its own."""

    def __init__(self, reason: ConnectFailure, *, to_proxy: bool) -> None:
        super().__init__(reason)
        self.reason: ConnectFailure = reason
        self.to_proxy = to_proxy


class ConnectionTracker:
    """What one call has open, and how far it came: `phase` is send from the first byte of the
    request on.

    `ended_by` is why the call was ended from outside, "" if it was not; `error` what was raised at
    its `sock`, which the libraries wrap in errors of their own. With `public_only` no address of
    this computer or its local network is dialled.
    """

    def __init__(self, upload_timeout: float, *, public_only: bool = False) -> None:
        self.phase: Phase = "connect"
        self.ended_by = ""
        self.error: Exception | None = None
        self.sock: Any = None
        self.upload_timeout = upload_timeout
        self.public_only = public_only
        self._lock = threading.Lock()
        self._handles: list[socket.socket] = []
        self._dialled: queue.SimpleQueue[socket.socket | Exception | None] = queue.SimpleQueue()

    def watch(self, sock: Any) -> None:
        """Takes a second handle on `sock`, by which it can be shut even while TLS takes it over."""
        handle = socket.fromfd(sock.fileno(), socket.AF_INET, socket.SOCK_STREAM)
        with self._lock:
            if not self.ended_by:
                self._handles.append(handle)
                return
        _shut(handle)
        handle.close()

    def release(self) -> None:
        """Lets go of the sockets, which stay as they are."""
        with self._lock:
            for handle in self._handles:
                handle.close()
            self._handles.clear()

    def set_timeout(self, seconds: float) -> None:
        """How long the connection may be silent from here on."""
        self.sock.settimeout(seconds)

    def enter(self, phase: Phase) -> None:
        """Raises ConnectionAbortedError where something would be sent after the call was ended."""
        with self._lock:
            if not self.ended_by:
                self.phase = phase
            elif phase == "send":
                raise ConnectionAbortedError

    def end(self, reason: str) -> None:
        """Shuts every socket of the call, now and in the future. Call from any thread.

        The reason "connect" counts only as long as nothing of the request was sent.
        """
        with self._lock:
            if self.ended_by or (reason == "connect" and self.phase != "connect"):
                return
            self.ended_by = reason
            self._dialled.put(None)
            for handle in self._handles:
                _shut(handle)

    def dial(self, host: str, port: int, timeout: float | None, *, to_proxy: bool) -> socket.socket:
        """A connected socket. Raises ConnectError."""

        def work() -> None:
            try:
                sock = self._connected(host, port, timeout, to_proxy=to_proxy)
            except Exception as error:  # noqa: BLE001 - raised below, where it is waited for
                self._dialled.put(error)
                return
            with self._lock:
                if self.ended_by:
                    sock.close()
                self._dialled.put(sock)

        threading.Thread(target=work, name="visioncraft-dial", daemon=True).start()
        found = self._dialled.get()
        if isinstance(found, socket.socket):
            return found
        raise found or ConnectError("refused", to_proxy=to_proxy)

    def _connected(
        self, host: str, port: int, timeout: float | None, *, to_proxy: bool
    ) -> socket.socket:
        try:
            found = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
        except socket.gaierror as error:
            again = error.errno == socket.EAI_AGAIN
            raise ConnectError("lookup" if again else "unknown", to_proxy=to_proxy) from None
        except UnicodeError:
            raise ConnectError("unknown", to_proxy=to_proxy) from None
        # All of them, not only the one that is dialled first.
        judged = self.public_only and not to_proxy
        if judged and not all(is_public(str(address[0])) for *_, address in found):
            raise ConnectError("forbidden", to_proxy=False)
        reason: ConnectFailure = "refused"
        for family, kind, protocol, _, address in found:
            if self.ended_by:  # since the name was looked up, or since the last address
                break
            try:
                sock = socket.socket(family, kind, protocol)
            except OSError:  # IPv6 may be switched off where the name has such an address
                continue
            self.watch(sock)
            try:
                for option in _options():
                    sock.setsockopt(*option)
                sock.settimeout(timeout)
                sock.connect(address)
            except OSError as error:
                reason = "timeout" if isinstance(error, TimeoutError) else "refused"
                sock.close()
            else:
                return sock
        raise ConnectError(reason, to_proxy=to_proxy)


_thread = threading.local()


class LogRedactor(logging.Filter):
    """Keeps queries and urllib3's warnings about our calls out of the log.

    The query of a result's address may open it for anyone, and urllib3 writes it for each call at
    DEBUG; about odd headers it warns with what the server wrote. Calls of others are left alone.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if _tracker() is None:
            return True
        if isinstance(record.args, tuple):
            record.args = tuple(map(_without_query, record.args))
        return record.levelno < logging.WARNING


def _without_query(value: Any) -> Any:
    return re.sub(r"\?\S*", "", value) if isinstance(value, str) else value


for _name in ("urllib3.connection", "urllib3.connectionpool"):
    logging.getLogger(_name).addFilter(LogRedactor())


@contextmanager
def track_connections(tracker: ConnectionTracker) -> Iterator[None]:
    """Connections used in this thread report to `tracker`."""
    _thread.tracker = tracker
    try:
        yield
    finally:
        _thread.tracker = None
        tracker.release()


def _tracker() -> ConnectionTracker | None:
    return getattr(_thread, "tracker", None)


@contextmanager
def _noted() -> Iterator[None]:
    """Lets the tracker know what is raised at the socket."""
    try:
        yield
    except Exception as error:
        if tracker := _tracker():
            tracker.error = error
        raise


def _shut(handle: socket.socket) -> None:
    with suppress(OSError):
        handle.shutdown(socket.SHUT_RDWR)


def _options() -> list[tuple[int, int, int]]:
    """Small requests go out at once, and a peer that is gone is noticed within a minute."""
    options = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
    options.append((socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1))
    for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):  # not on every system
            options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    return options


class _FinalResponse(HTTPResponse):
    """Reads past every interim answer (RFC 9110, 15.2), the standard library only past 100.

    Of a proxy that refuses, Python 3.11 leaves the answer open, and the socket with it.
    """

    _method: str | None  # None for the CONNECT to a proxy

    def _read_status(self) -> Any:
        status = None
        try:
            found = self._final_status()
            status = found[1]
            return found
        finally:
            if self._method is None and status != 200:
                self.close()

    def _final_status(self) -> Any:
        room = LONGEST_INTERIM
        for _ in range(MOST_INTERIM):
            found = super()._read_status()  # type: ignore[misc]
            if not 102 <= found[1] < 200:  # 101 ends HTTP on this connection
                return found
            while (line := self.fp.readline(room + 1)) not in (b"\r\n", b"\n", b""):
                room -= len(line)
                if room < 0:
                    break
        raise BadStatusLine("too many interim answers")


class _Reporting:
    """Mixed into urllib3's connections."""

    response_class = _FinalResponse
    sock: Any
    _connecting = False

    def _new_conn(self: Any) -> Any:
        tracker = _tracker() or ConnectionTracker(0.0)
        timeout = self.timeout if isinstance(self.timeout, int | float) else None
        to_proxy = getattr(self, "proxy", None) is not None
        return tracker.dial(self.host.strip("[]"), self.port, timeout, to_proxy=to_proxy)

    def connect(self) -> None:
        self._connecting = True
        try:
            with _noted():
                super().connect()  # type: ignore[misc]
        finally:
            self._connecting = False
        if tracker := _tracker():
            tracker.sock = self.sock

    def putrequest(self, *args: Any, **kwargs: Any) -> Any:
        if (tracker := _tracker()) and self.sock is not None:
            tracker.sock = self.sock
            tracker.watch(self.sock)  # a pooled connection was not opened for this call
        return super().putrequest(*args, **kwargs)  # type: ignore[misc]

    def send(self, data: Any) -> Any:
        if self.sock is None:
            self.connect()
        tracker = _tracker()
        with _noted():
            if tracker and not self._connecting:  # a proxy's CONNECT is not the request
                tracker.enter("send")
                # The connect timeout would otherwise bound the whole upload.
                tracker.set_timeout(tracker.upload_timeout)
            return super().send(data)  # type: ignore[misc]

    def getresponse(self, *args: Any, **kwargs: Any) -> Any:
        tracker = None if self._connecting else _tracker()
        with _noted():
            if tracker:
                tracker.enter("wait")
            response = super().getresponse(*args, **kwargs)  # type: ignore[misc]
            if tracker:
                tracker.enter("read")
            return response


class _PlainConnection(_Reporting, HTTPConnection):
    pass


class _TLSConnection(_Reporting, HTTPSConnection):
    pass


class PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection  # type: ignore[assignment]


class TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection  # type: ignore[assignment]


POOLS: dict[str, type[HTTPConnectionPool]] = {"http": PlainPool, "https": TLSPool}
