"""The sandbox: the service with the painted engine and, where asked for, faults.

The embedded default where no key is configured, and what `visioncraft sandbox` and tests run.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from functools import cache

from .api.endpoints import ENDPOINTS
from .api.fields import Request
from .service.app import App
from .service.engine import Engine
from .service.engines.painted.engine import PaintedEngine
from .service.faults.injector import FaultInjector
from .service.faults.rules import FaultRule
from .service.limits import Limits
from .service.server import Server


class Sandbox(Server):
    """A running sandbox; without an `engine` of its own it paints. See Server and App.

    `faults` answer matching requests; with `inject` a request may bring a fault of its own, and
    the log is read at /__log.
    """

    def __init__(
        self,
        *,
        engine: Engine | None = None,
        endpoints: Iterable[type[Request]] = ENDPOINTS,
        faults: Iterable[FaultRule] = (),
        inject: bool = False,
        latency: float = 0.0,
        response_formats: Mapping[str, str] | None = None,
        limits: Limits | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        public: bool = False,
    ) -> None:
        self.injector = FaultInjector(faults, by_header=inject)
        app = App(
            engine or PaintedEngine(),
            endpoints=endpoints,
            middlewares=[self.injector.middleware],
            latency=latency,
            response_formats=response_formats,
            limits=limits,
        )
        super().__init__(app, name="sandbox", host=host, port=port, public=public)

    @property
    def requests(self) -> tuple[str, ...]:
        """The latest requests as "METHOD /path", oldest first."""
        return tuple(self.injector.requests)


_starting = threading.Lock()


def embedded() -> Sandbox:
    """The sandbox of this process, started on first use; it ends with the process."""
    with _starting:  # two nodes that begin together must get the same one
        return _embedded()


@cache
def _embedded() -> Sandbox:
    return Sandbox()
