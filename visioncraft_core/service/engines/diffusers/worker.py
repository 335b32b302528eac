"""The process that draws: one request after the other, as they come through its standard input.

Ends with its server, whatever it is doing. What goes wrong is logged with the place in the code and
never with a message, which could hold a prompt.
"""

from __future__ import annotations

import logging
import os
import queue
import sys
import threading
import traceback
from typing import Any, BinaryIO

from ....api.fields import Request
from ...engine import EngineError, GenerationFailed, InputRejected, Job
from .frames import frame, read

log = logging.getLogger("visioncraft.service")


class _Server:
    """The other side: its requests in turn, and the numbers of those that it no longer wants."""

    def __init__(self, source: BinaryIO, sink: BinaryIO) -> None:
        self.settings = read(source)
        self.requests: queue.Queue[tuple[int, Request, int]] = queue.Queue()
        self._source, self._sink = source, sink
        self._cancelled: set[int] = set()
        threading.Thread(target=self._listen, daemon=True).start()

    def tell(self, *message: Any) -> None:
        self._sink.write(frame(message))
        self._sink.flush()

    def cancelled(self, number: int) -> bool:
        return number in self._cancelled

    def _listen(self) -> None:
        while True:
            try:
                number, request, seed = read(self._source)
            except EOFError:
                os._exit(0)  # nobody is there to take what is being drawn
            if request is None:
                self._cancelled.add(number)
            else:
                self.requests.put((number, request, seed))


def main() -> None:
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print is not for the server
    server = _Server(sys.stdin.buffer, sink)
    drawing: Any = None
    while True:
        number, request, seed = server.requests.get()
        job = Job(
            seed,
            progress=lambda done, total, number=number: server.tell(
                number, "progress", done, total
            ),
            preview=lambda picture, number=number: server.tell(number, "preview", picture),
        )
        try:
            if drawing is None:
                from .drawing import Drawing  # its libraries take seconds to load

                drawing = Drawing(server.settings)
            files = drawing.files(request, job, lambda number=number: server.cancelled(number))
            server.tell(number, "loaded", [file for _, file, *_ in drawing.models.kept])
            server.tell(number, "made", files)
        except InputRejected as error:
            server.tell(number, "InputRejected", error.field, error.message)
        except EngineError as error:
            server.tell(number, type(error).__name__, str(error))
        except Exception as error:  # noqa: BLE001 - the next request may succeed
            if server.cancelled(number):
                continue
            place = traceback.extract_tb(error.__traceback__)[-1]
            log.error("%s in %s, line %s", type(error).__name__, place.filename, place.lineno)
            told = "The generation failed on the server. Its log names the cause."
            server.tell(number, GenerationFailed.__name__, told)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    main()
