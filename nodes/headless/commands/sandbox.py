"""`visioncraft sandbox`: the test server in the foreground, until a signal ends it."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading

from ....visioncraft_core.errors import ConfigError
from .console import DONE, line


class HelpWithFaults(argparse.RawDescriptionHelpFormatter):
    """Ends the help with the faults, which are imported only when they are shown."""

    def format_help(self) -> str:
        from ....visioncraft_core.service.faults.rules import described

        return f"{super().format_help()}\n{described()}\n"


def serve(options: argparse.Namespace) -> int:
    from ....visioncraft_core.sandbox import Sandbox
    from ....visioncraft_core.service.faults.rules import parse

    shapes = dict(_pair(shape) for shape in options.shape)
    faults = [parse(fault) for fault in options.fault]
    with Sandbox(
        host=options.host,
        port=options.port,
        public=options.i_know_this_is_public,
        latency=options.latency,
        faults=faults,
        response_formats=shapes,
        inject=options.faults,
    ) as sandbox:
        line(sys.stdout, f"VisionCraft sandbox on {sandbox.url}")
        stop = threading.Event()

        def end(*_: object) -> None:
            if stop.is_set():  # the second signal: at once
                os._exit(DONE)
            stop.set()

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, end)
        while not stop.wait(0.5):  # Windows delivers signals only between waits
            pass
    if threading.active_count() > 1:  # a drawing cannot be stopped, and Python would wait for it
        os._exit(DONE)
    return DONE


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign:
        raise ConfigError(f"{text} is not understood.", "Write PATH=SHAPE.")
    return name, value
